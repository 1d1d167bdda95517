/** Pipes and user memory: no byte is lost or doubled, whatever happens to the reader's pages. */
import { beforeEach, describe, expect, it } from "vitest";
import type { Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import { SIGUSR1, sigfillset } from "../../../kernel/kern/core/signal.ts";
import { copyin, copyout } from "../../../kernel/kern/proc/copy.ts";
import { psignal, sigclear } from "../../../kernel/kern/proc/kern_sig.ts";
import { syscall, syscall_handler } from "../../../kernel/kern/sys/syscall.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { EFAULT, EINTR, ESPIPE } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { Agent, type Job } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";

const FROM = 0x10_0000;
const INTO = 0x30_0000;
const PAGES = 8;
const READ_ONLY = 1;
const READ_WRITE = 3;
const PRIVATE = 0x32;
const NOWHERE = 0x7000_0000;

let t: TestKernel;
let writer: Agent;
let reader: Agent;
let fds: [read: number, write: number];

const put = (agent: Agent, va: number, bytes: Uint8Array): void =>
	expect(agent.run(() => copyout(t.k, agent.map, bytes, va))).toBe(0);

function look(agent: Agent, va: number, size: number): Uint8Array {
	const bytes = new Uint8Array(size);
	expect(agent.run(() => copyin(t.k, agent.map, va, bytes))).toBe(0);
	return bytes;
}

const MADV_PAGEOUT = 21;
const pageout = (agent: Agent, va: number, pages: number): void =>
	expect(agent.syscall(SYS.madvise, va, pages * PAGE_SIZE, MADV_PAGEOUT)).toBe(0);

const counted = (size: number): Uint8Array =>
	Uint8Array.from({ length: size }, (_, i) => (i >> 8) * 7 + i * 3);

/** `nosleep`: as a trap calls it, without a generator as long as nothing sleeps. */
function call(agent: Agent, nosleep: boolean, number: number, ...args: number[]): Job<number> {
	const job = agent.start(function* () {
		const { l } = agent;
		if (!nosleep) {
			const n = yield* agent.call(number, ...args);
			// Agents have no handlers.
			sigclear(agent.p, sigfillset());
			return n;
		}
		const loop = l.l_kernel;
		l.l_kernel = null;
		l.l_args.set(args);
		const result = syscall_handler(number)!(t.k, agent.p, l.l_args);
		l.l_kernel = loop;
		return (typeof result === "number" ? result : yield* result) + 0;
	});
	t.settle();
	return job;
}

beforeEach(() => {
	t = new TestKernel();
	writer = Agent.create(t);
	writer.syscall(SYS.mmap2, FROM, PAGES * PAGE_SIZE, READ_WRITE, PRIVATE, -1, 0);
	expect(writer.syscall(SYS.pipe2, FROM, 0)).toBe(0);
	const words = new Int32Array(look(writer, FROM, 8).buffer);
	fds = [words[0]!, words[1]!];
	const child = writer.run(() => writer.fork());
	if (typeof child === "number") throw new Error("no reader");
	reader = child;
	reader.syscall(SYS.mmap2, INTO, PAGES * PAGE_SIZE, READ_WRITE, PRIVATE, -1, 0);
});

/** What is left in the pipe. */
function drained(size: number): Uint8Array {
	put(reader, INTO, new Uint8Array(PAGES * PAGE_SIZE));
	expect(reader.syscall(SYS.read, fds[0], INTO, PAGES * PAGE_SIZE)).toBe(size);
	return look(reader, INTO, size);
}

function written(size: number): Uint8Array {
	const bytes = counted(size);
	put(writer, FROM, bytes);
	for (let done = 0; done < size; done += PAGE_SIZE) {
		const n = Math.min(PAGE_SIZE, size - done);
		expect(call(writer, true, SYS.write, fds[1], FROM + done, n).result).toBe(n);
	}
	return bytes;
}

const protect = (va: number, prot: number): void =>
	expect(reader.syscall(SYS.mprotect, va, PAGE_SIZE, prot)).toBe(0);

describe.each([
	["without a generator", true],
	["in a generator", false],
])("a read of a pipe %s", (_, nosleep) => {
	const read = (va: number, size: number): Job<number> =>
		call(reader, nosleep, SYS.read, fds[0], va, size);

	it("is neither lost nor doubled: a page that is absent, read-only or in swap", () => {
		const bytes = written(2 * PAGE_SIZE);
		const at = INTO + PAGE_SIZE - 100;
		for (const nowhere of [NOWHERE, 0xffff_f000, 0]) {
			expect(read(nowhere, 10).result).toBe(-EFAULT);
		}
		protect(INTO + PAGE_SIZE, READ_ONLY);
		expect(read(at, 200).result).toBe(-EFAULT);
		protect(INTO, READ_ONLY);
		expect(read(at, 200).result).toBe(-EFAULT);
		protect(INTO, READ_WRITE);
		protect(INTO + PAGE_SIZE, READ_WRITE);
		put(reader, INTO, new Uint8Array(3 * PAGE_SIZE).fill(1));
		pageout(reader, INTO, 3);
		expect(read(at, 200).result).toBe(200);
		expect(look(reader, at, 200)).toEqual(bytes.subarray(0, 200));
		expect(look(reader, at + 200, 1)).toEqual(Uint8Array.of(1));
		expect(drained(bytes.length - 200)).toEqual(bytes.subarray(200));
		t.check();
	});

	it("takes what another has left, when that reads during its page fault", () => {
		const bytes = written(300);
		put(reader, INTO, new Uint8Array(2 * PAGE_SIZE).fill(1));
		pageout(reader, INTO + PAGE_SIZE, 1);
		const at = INTO + PAGE_SIZE - 100;
		const first = reader.start(function* () {
			return yield* reader.call(SYS.read, fds[0], at, 200);
		});
		const other = writer.start(function* () {
			return yield* writer.call(SYS.read, fds[0], FROM + PAGE_SIZE, 150);
		});
		t.settle();
		const [mine, others] = [first.result, other.result];
		expect(others).toBe(150);
		expect(mine).toBe(150);
		const got = [...look(writer, FROM + PAGE_SIZE, 150), ...look(reader, at, 150)];
		expect(Uint8Array.from(got)).toEqual(bytes);
	});

	it("waits for memory where it is short for a moment", () => {
		const bytes = written(100);
		let asked = 0;
		t.k.failinject = (what) => what === "page" && asked++ === 0;
		expect(read(INTO + PAGE_SIZE, 50).result).toBe(50);
		t.k.failinject = null;
		expect(asked).toBeGreaterThan(0);
		expect(look(reader, INTO + PAGE_SIZE, 50)).toEqual(bytes.subarray(0, 50));
		expect(drained(50)).toEqual(bytes.subarray(50));
	});
});

describe("a read of an empty pipe", () => {
	it("goes on waiting after a page fault, and can be interrupted", () => {
		put(reader, INTO, Uint8Array.of(1));
		pageout(reader, INTO, 1);
		reader.l.l_again = true;
		const job = call(reader, false, SYS.read, fds[0], INTO, 50);
		expect(job.done).toBe(false);
		// It has had no effect: a snapshot may be taken.
		expect([reader.l.l_wmesg, reader.l.l_again]).toEqual(["piperd", true]);
		psignal(t.k, reader.p, SIGUSR1);
		t.settle();
		expect(job.result).toBe(-EINTR);
		const bytes = written(5);
		expect(drained(5)).toEqual(bytes);
	});
});

describe("a write to a pipe without a generator", () => {
	it("puts in all or nothing when its page is absent or in swap", () => {
		const bytes = counted(200);
		const at = FROM + PAGE_SIZE - 100;
		put(writer, at, bytes);
		pageout(writer, FROM, 2);
		expect(call(writer, true, SYS.write, fds[1], at, 200).result).toBe(200);
		const end = FROM + PAGES * PAGE_SIZE - 100;
		expect(call(writer, true, SYS.write, fds[1], end, 200).result).toBe(-EFAULT);
		expect(drained(200)).toEqual(bytes);
	});

	it("keeps what it has copied when another writes during its page fault", () => {
		const bytes = counted(200);
		const at = FROM + PAGE_SIZE - 100;
		put(writer, at, bytes);
		put(reader, INTO, new Uint8Array(120).fill(255));
		pageout(writer, FROM + PAGE_SIZE, 1);
		const { l } = writer;
		const first = writer.start(function* () {
			const loop = l.l_kernel;
			l.l_kernel = null;
			l.l_args.set([fds[1], at, 200]);
			const result = syscall_handler(SYS.write)!(t.k, writer.p, l.l_args);
			l.l_kernel = loop;
			expect(typeof result).toBe("object");
			return typeof result === "number" ? result : yield* result;
		});
		const other = reader.start(() => reader.call(SYS.write, fds[1], INTO, 120));
		t.settle();
		expect([first.result, other.result]).toEqual([200, 120]);
		expect(drained(320)).toEqual(Uint8Array.from([...new Uint8Array(120).fill(255), ...bytes]));
	});

	it("waits for memory when the pipe's is refused, and asks once", () => {
		const bytes = counted(50);
		put(writer, FROM, bytes);
		let asked = 0;
		t.k.failinject = (what) => what === t.k.pools.pipebuf.pr_wchan && asked++ === 0;
		const { pr_nfail } = t.k.pools.pipebuf;
		expect(call(writer, true, SYS.write, fds[1], FROM, 50).result).toBe(50);
		expect(t.k.pools.pipebuf.pr_nfail).toBe(pr_nfail + 1);
		// By the write, by its wait for memory, and by the write again.
		expect(asked).toBe(3);
		t.k.failinject = null;
		expect(drained(50)).toEqual(bytes);
	});
});

describe("arguments of a system call", () => {
	it("are the thread's own while it sleeps", () => {
		const trap = (agent: Agent, number: number, ...args: number[]): number | Sleeps<number> => {
			agent.l.l_regs.set(args, 10);
			agent.l.l_regs[17] = number;
			return syscall(t.k, agent.l);
		};
		const job = writer.start(function* () {
			const first = trap(writer, SYS.preadv, fds[0], FROM, 1, 0, 0);
			expect(trap(reader, SYS.getpid, 99, 98, 97, 96, 95)).toBe(reader.p.p_pid);
			return typeof first === "number" ? 0 : yield* first;
		});
		t.settle();
		expect(job.result).toBe(-ESPIPE);
	});
});
