/** Pipes: bytes in order, blocking at both ends, atomic writes, and what happens at the end. */
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { FIONREAD } from "../../../kernel/dev/termios.ts";
import { ltsleep, type Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import { SIGPIPE, SIGUSR1, sigfillset, sigismember } from "../../../kernel/kern/core/signal.ts";
import {
	DTYPE_PIPE,
	type file,
	type fileops,
	NOFILE,
	O_CLOEXEC,
	O_NONBLOCK,
	POLLERR,
	POLLHUP,
	POLLIN,
	POLLOUT,
} from "../../../kernel/kern/proc/file.ts";
import { fdinit } from "../../../kernel/kern/proc/kern_descrip.ts";
import { type proc, proc_create } from "../../../kernel/kern/proc/kern_proc.ts";
import { psignal, sigclear } from "../../../kernel/kern/proc/kern_sig.ts";
import { PIPE_BUF, PIPE_SIZE } from "../../../kernel/kern/sys/pipe.ts";
import { pipe_create, sysent_pipe } from "../../../kernel/kern/sys/sys_pipe.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { EAGAIN, EFAULT, EINTR, EINVAL, EMFILE, ENOTTY, EPIPE } from "../../../sys/errno.ts";
import { AddressSpace } from "../../support/address-space.ts";
import { TestKernel, type Thread } from "../../support/kernel.ts";

const BUFFER = 0x10_0000;

let t: TestKernel;
let space: AddressSpace;
let read: file;
let write: file;
let ops: fileops;

function setup(flags = 0): void {
	t = new TestKernel();
	space = new AddressSpace(t);
	space.anon(BUFFER, 1);
	({ read, write } = pipe_create(t.k, proc_create(t.k, "test", null), flags));
	ops = t.k.fileops[DTYPE_PIPE]!;
}

beforeEach(() => setup());

/** A process of its own for each call that may have to wait. */
const somebody = (): proc => new AddressSpace(t).proc;

const reading = (bytes: Uint8Array): Thread<number> => {
	const p = somebody();
	return t.spawn(ops.fo_read(t.k, p, read, bytes), p);
};

const writing = (bytes: Uint8Array, p = somebody()): Thread<number> =>
	t.spawn(ops.fo_write(t.k, p, write, bytes), p);

/** What a read gives now. => throws if it has to wait. */
function get(size: number): Uint8Array | number {
	const bytes = new Uint8Array(size);
	const n = t.run(ops.fo_read(t.k, space.proc, read, bytes), space.proc);
	return n < 0 ? n : bytes.slice(0, n);
}

const put = (bytes: Uint8Array): number =>
	t.run(ops.fo_write(t.k, space.proc, write, bytes), space.proc);

const close = (fp: file): void => t.run(ops.fo_close(t.k, fp), space.proc);

const filled = (size: number, byte: number): Uint8Array => new Uint8Array(size).fill(byte);

describe("a pipe", () => {
	it("hands on bytes in order, as many as there are", () => {
		expect(put(Uint8Array.of(1, 2, 3))).toBe(3);
		expect(put(Uint8Array.of(4))).toBe(1);
		expect(get(2)).toEqual(Uint8Array.of(1, 2));
		expect(get(10)).toEqual(Uint8Array.of(3, 4));
	});

	it("a read waits for a write", () => {
		const bytes = new Uint8Array(8);
		const reader = reading(bytes);
		t.settle();
		expect(reader.done).toBe(false);
		put(Uint8Array.of(7));
		expect(reader.result).toBe(1);
		expect(bytes[0]).toBe(7);
	});

	it("holds 64 KiB, and a write waits for room", () => {
		expect(put(filled(PIPE_SIZE, 1))).toBe(PIPE_SIZE);
		const writer = writing(Uint8Array.of(2));
		t.settle();
		expect(writer.done).toBe(false);
		expect(get(1)).toEqual(Uint8Array.of(1));
		expect(writer.result).toBe(1);
	});

	it("a write longer than the pipe goes through in pieces", () => {
		const size = 3 * PIPE_SIZE + 17;
		const writer = writing(Uint8Array.from({ length: size }, (_, i) => i * 7));
		t.settle();
		let at = 0;
		for (let piece = get(5000); at < size; piece = at < size ? get(5000) : 0) {
			for (const byte of piece as Uint8Array) {
				if (byte !== ((at++ * 7) & 0xff)) throw new Error(`wrong byte at ${at - 1}`);
			}
		}
		expect(writer.result).toBe(size);
	});

	it("reads and writes of nothing do nothing", () => {
		expect(get(0)).toEqual(new Uint8Array(0));
		expect(put(new Uint8Array(0))).toBe(0);
	});

	it("FIONREAD counts, and no other ioctl is known", () => {
		put(filled(0x1234, 1));
		expect(t.run(ops.fo_ioctl(t.k, space.proc, read, FIONREAD, BUFFER), space.proc) + 0).toBe(0);
		expect(t.run(space.load(BUFFER + 1))).toBe(0x12);
		expect(t.run(ops.fo_ioctl(t.k, space.proc, read, 0x5401, BUFFER), space.proc)).toBe(-ENOTTY);
	});
});

describe("writes of up to PIPE_BUF", () => {
	it("wait until they fit as a whole", () => {
		put(filled(PIPE_SIZE - PIPE_BUF + 1, 1));
		const writer = writing(filled(PIPE_BUF, 2));
		t.settle();
		expect(writer.done).toBe(false);
		expect(read.f_pipe!.pipe_cnt).toBe(PIPE_SIZE - PIPE_BUF + 1);
		get(1);
		expect(writer.result).toBe(PIPE_BUF);
	});

	it("are never mixed", () => {
		const writers = Array.from({ length: 40 }, (_, i) => writing(filled(PIPE_BUF, i + 1)));
		t.settle();
		for (let i = 0; i < 40; i++) {
			const piece = get(PIPE_BUF) as Uint8Array;
			expect(piece).toEqual(filled(PIPE_BUF, piece[0]!));
		}
		expect(writers.every((writer) => writer.result === PIPE_BUF)).toBe(true);
	});
});

describe("the end", () => {
	it("a reader gets what is left, and then the end of the file", () => {
		put(Uint8Array.of(1));
		close(write);
		expect(get(4)).toEqual(Uint8Array.of(1));
		expect(get(4)).toEqual(new Uint8Array(0));
	});

	it("a reader that waits is told when the last writer goes", () => {
		const reader = reading(new Uint8Array(4));
		t.settle();
		close(write);
		expect(reader.result).toBe(0);
	});

	it("a write that nobody can read fails with EPIPE and raises SIGPIPE", () => {
		close(read);
		expect(put(Uint8Array.of(1))).toBe(-EPIPE);
		expect(sigismember(space.proc.p_siglist, SIGPIPE)).toBe(true);
	});

	it("a writer that waits is told how far it has come when the reader goes", () => {
		const p = somebody();
		const writer = writing(filled(PIPE_SIZE + 10, 1), p);
		t.settle();
		close(read);
		expect(writer.result).toBe(PIPE_SIZE);
		expect(sigismember(p.p_siglist, SIGPIPE)).toBe(true);
	});
});

describe("without waiting", () => {
	beforeEach(() => setup(O_NONBLOCK));

	it("an empty pipe gives EAGAIN", () => {
		expect(get(1)).toBe(-EAGAIN);
	});

	it("a full pipe gives EAGAIN, a long write what fits, a short one all or nothing", () => {
		expect(put(filled(PIPE_SIZE - 100, 1))).toBe(PIPE_SIZE - 100);
		expect(put(filled(101, 2))).toBe(-EAGAIN);
		expect(put(filled(PIPE_BUF + 1, 3))).toBe(100);
		expect(put(filled(1, 4))).toBe(-EAGAIN);
	});
});

describe("signals", () => {
	it("a read that waits is interrupted", () => {
		const p = somebody();
		const reader = t.spawn(ops.fo_read(t.k, p, read, new Uint8Array(1)), p);
		t.settle();
		psignal(t.k, p, SIGUSR1);
		t.settle();
		expect(reader.result).toBe(-EINTR);
	});

	it("a write that waits is, too, and says how far it has come", () => {
		const p = somebody();
		const writer = writing(filled(PIPE_SIZE + 5, 1), p);
		t.settle();
		psignal(t.k, p, SIGUSR1);
		t.settle();
		expect(writer.result).toBe(PIPE_SIZE);
		sigclear(p, sigfillset());
		const again = writing(filled(1, 1), p);
		t.settle();
		psignal(t.k, p, SIGUSR1);
		t.settle();
		expect(again.result).toBe(-EINTR);
	});
});

describe("poll", () => {
	const both = POLLIN | POLLOUT;

	it("tells what a call would find", () => {
		expect(ops.fo_poll(t.k, read, both)).toBe(0);
		expect(ops.fo_poll(t.k, write, both)).toBe(POLLOUT);
		put(filled(PIPE_SIZE - PIPE_BUF + 1, 1));
		expect(ops.fo_poll(t.k, read, both)).toBe(POLLIN);
		expect(ops.fo_poll(t.k, write, both)).toBe(0);
		close(write);
		expect(ops.fo_poll(t.k, read, both)).toBe(POLLIN | POLLHUP);
		get(PIPE_SIZE);
		expect(ops.fo_poll(t.k, read, both)).toBe(POLLHUP);
	});

	it("tells a writer that nobody reads", () => {
		close(read);
		expect(ops.fo_poll(t.k, write, both)).toBe(POLLOUT | POLLERR);
	});

	it.each([
		["a write", (): unknown => put(Uint8Array.of(1))],
		["the last writer's end", (): unknown => close(write)],
	])("who sleeps in it is woken by %s", (_, act) => {
		function* poll(): Sleeps<number> {
			for (;;) {
				const ready = ops.fo_poll(t.k, read, both);
				if (ready !== 0) return ready;
				yield* ltsleep(t.k, t.k.selwait, "select", 0, null);
			}
		}
		const poller = t.spawn(poll());
		t.settle();
		expect(poller.done).toBe(false);
		act();
		expect(poller.result).not.toBe(0);
	});
});

describe("pipe2", () => {
	function pipe2(va: number, flags: number): number {
		const { proc } = space;
		proc.p_fd ??= fdinit(t.k);
		const call = sysent_pipe[SYS.pipe2]!(t.k, proc, Uint32Array.of(va, flags));
		return t.run(call as Sleeps<number>, proc) + 0;
	}

	it("gives two descriptors with the flags that were asked for", () => {
		expect(pipe2(BUFFER, O_CLOEXEC | O_NONBLOCK)).toBe(0);
		const [rfd, wfd] = [t.run(space.load(BUFFER)), t.run(space.load(BUFFER + 4))];
		const { fd_ofiles, fd_cloexec } = space.proc.p_fd!;
		expect(fd_ofiles[rfd]!.f_flag).toBe(O_NONBLOCK);
		expect(fd_ofiles[wfd]!.f_flag).toBe(O_NONBLOCK | 1);
		expect(fd_ofiles[rfd]!.f_pipe).toBe(fd_ofiles[wfd]!.f_pipe);
		expect([fd_cloexec[rfd], fd_cloexec[wfd]]).toEqual([true, true]);
	});

	it("leaves nothing behind when it fails", () => {
		expect(pipe2(BUFFER, 1)).toBe(-EINVAL);
		const { fd_ofiles } = space.proc.p_fd!;
		const open = (): number => fd_ofiles.filter((fp) => fp !== null).length;
		const before = open();
		expect(pipe2(0, 0)).toBe(-EFAULT);
		expect(open()).toBe(before);
		for (let fd = 0; fd < NOFILE - 1; fd++) fd_ofiles[fd] ??= read;
		expect(pipe2(BUFFER, 0)).toBe(-EMFILE);
		expect(open()).toBe(NOFILE - 1);
	});
});

describe("against a queue", () => {
	const step = fc.oneof(
		fc.record({ op: fc.constant("put" as const), size: fc.integer({ min: 0, max: 9000 }) }),
		fc.record({ op: fc.constant("get" as const), size: fc.integer({ min: 0, max: 20_000 }) }),
		fc.record({ op: fc.constant("put" as const), size: fc.constant(60_000) }),
	);

	it("every byte comes out once, in order; what does not fit is refused", () => {
		fc.assert(
			fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
				setup(O_NONBLOCK);
				let written = 0;
				let taken = 0;
				for (const { op, size } of steps) {
					const held = written - taken;
					if (op === "put") {
						const from = written;
						const fits = Math.min(size, PIPE_SIZE - held);
						const expected = size <= PIPE_BUF && fits < size ? 0 : fits;
						const bytes = Uint8Array.from({ length: size }, (_, i) => (from + i) % 251);
						expect(put(bytes)).toBe(expected === 0 && size > 0 ? -EAGAIN : expected);
						written += expected;
					} else {
						const n = Math.min(size, held);
						const got = get(size);
						if (n === 0 && size > 0) expect(got).toBe(-EAGAIN);
						else {
							const from = taken;
							expect(got).toEqual(Uint8Array.from({ length: n }, (_, i) => (from + i) % 251));
						}
						taken += n;
					}
				}
			}),
			{ numRuns: 40 },
		);
	});
});
