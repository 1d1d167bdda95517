/** Large writes to pipes: the pages are lent, and the bytes are those of the write all the same. */
import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { createSystem } from "../../../computer/system.ts";
import { FIONREAD } from "../../../kernel/dev/termios.ts";
import { SIGKILL, SIGUSR1, sigfillset } from "../../../kernel/kern/core/signal.ts";
import { copyin, copyout } from "../../../kernel/kern/proc/copy.ts";
import { O_NONBLOCK, POLLIN, POLLOUT } from "../../../kernel/kern/proc/file.ts";
import { FOP } from "../../../kernel/kern/proc/kern_descrip.ts";
import { psignal, sigclear } from "../../../kernel/kern/proc/kern_sig.ts";
import { PIPE_SIZE } from "../../../kernel/kern/sys/pipe.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { uvm_unmap } from "../../../kernel/uvm/uvm_map.ts";
import { swap_off, swap_on } from "../../../kernel/uvm/uvm_swapctl.ts";
import { Prng } from "../../../machine/prng.ts";
import { EINTR, EPIPE } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { Agent, type Job } from "../../support/agents.ts";
import { ld, TestKernel } from "../../support/kernel.ts";
import { pageout } from "../../support/paging.ts";

const BUFFER = 0x10_0000;
const SHARED = 0x20_0000;
const INTO = 0x30_0000;
const PAGES = 48;
const BYTES = PAGES * PAGE_SIZE;
const READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;

let t: TestKernel;
let writer: Agent;
let reader: Agent;
let fds: [read: number, write: number];

function map(agent: Agent, va: number, flags: number): void {
	const how = flags | MAP_FIXED | MAP_ANONYMOUS;
	expect(agent.syscall(SYS.mmap2, va, BYTES, READ_WRITE, how, -1, 0)).toBe(va);
}

const put = (agent: Agent, va: number, bytes: Uint8Array): void =>
	expect(agent.run(() => copyout(t.k, agent.map, bytes, va))).toBe(0);

function look(agent: Agent, va: number, size: number): Uint8Array {
	const bytes = new Uint8Array(size);
	expect(agent.run(() => copyin(t.k, agent.map, va, bytes))).toBe(0);
	return bytes;
}

/** Bytes that tell where they come from. */
const counted = (size: number, from: number): Uint8Array =>
	Uint8Array.from({ length: size }, (_, i) => (i >> 8) * 7 + i * 3 + from);

/** A writer and a reader, with a pipe between them; BUFFER is private, SHARED is shared. */
function setup(ram?: number): void {
	t = new TestKernel(ram === undefined ? {} : { ram });
	writer = Agent.create(t);
	map(writer, BUFFER, MAP_PRIVATE);
	map(writer, SHARED, MAP_SHARED);
	expect(writer.syscall(SYS.pipe2, BUFFER, 0)).toBe(0);
	const words = new Int32Array(look(writer, BUFFER, 8).buffer);
	fds = [words[0]!, words[1]!];
	const child = writer.run(() => writer.fork());
	if (typeof child === "number") throw new Error("no reader");
	reader = child;
	map(reader, INTO, MAP_PRIVATE);
	expect(reader.syscall(SYS.close, fds[1])).toBe(0);
	expect(writer.syscall(SYS.close, fds[0])).toBe(0);
}

beforeEach(() => setup());

/** A signal that interrupts the write is forgotten then: agents have no handlers. */
function write(size: number, va = BUFFER, agent = writer): Job<number> {
	const job = agent.start(function* () {
		const n = yield* agent.call(SYS.write, fds[1], va, size);
		sigclear(agent.p, sigfillset());
		return n;
	});
	t.settle();
	return job;
}

/** What one read gives. */
function read(size: number): Uint8Array {
	const n = reader.syscall(SYS.read, fds[0], INTO, size);
	expect(n).toBeGreaterThanOrEqual(0);
	return look(reader, INTO, n);
}

function readAll(size: number): Uint8Array {
	const all = new Uint8Array(size);
	for (let done = 0; done < size; ) {
		const piece = read(Math.min(BYTES, size - done));
		expect(piece.length).toBeGreaterThan(0);
		all.set(piece, done);
		done += piece.length;
	}
	return all;
}

/** Like toEqual, but fast. */
const same = (got: Uint8Array, sent: Uint8Array): void =>
	expect(Buffer.compare(got, sent), `${got.length} bytes`).toBe(0);

const poll = (agent: Agent, fd: number): number => {
	const fp = agent.p.p_fd!.fd_ofiles[fd]!;
	return FOP(t.k, fp).fo_poll(t.k, fp, POLLIN | POLLOUT);
};

function atRest(): void {
	expect(t.k.uvmexp.loanpages).toBe(0);
	t.check();
}

describe("a write that the pipe has no room for", () => {
	it("lends its pages, and waits until the rest fits into the pipe", () => {
		const bytes = counted(BYTES - 100, 1);
		put(writer, BUFFER + 50, bytes);
		const job = write(bytes.length, BUFFER + 50);
		expect(job.done).toBe(false);
		expect(t.k.uvmexp).toMatchObject({ loanpages: PAGES, loans: PAGES });
		t.check();
		expect(reader.syscall(SYS.ioctl, fds[0], FIONREAD, INTO)).toBe(0);
		expect(new Int32Array(look(reader, INTO, 4).buffer)[0]).toBe(bytes.length);
		expect([poll(reader, fds[0]), poll(writer, fds[1])]).toEqual([POLLIN, 0]);
		const early = bytes.length - PIPE_SIZE - 1;
		same(readAll(early), bytes.subarray(0, early));
		expect(job.done).toBe(false);
		same(read(1), bytes.subarray(early, early + 1));
		expect(job.result).toBe(bytes.length);
		atRest();
		expect([poll(reader, fds[0]), poll(writer, fds[1])]).toEqual([POLLIN, 0]);
		same(readAll(PIPE_SIZE), bytes.subarray(early + 1));
		expect([poll(reader, fds[0]), poll(writer, fds[1])]).toEqual([0, POLLOUT]);
	});

	it("comes behind what is in the pipe, and other writers wait", () => {
		put(writer, BUFFER, counted(BYTES, 2));
		expect(write(5000).result).toBe(5000);
		const child = writer.run(() => writer.fork()) as Agent;
		const job = write(BYTES);
		const other = child.start(() => child.call(SYS.write, fds[1], BUFFER, 3));
		t.settle();
		expect([job.done, other.done]).toEqual([false, false]);
		same(readAll(5000), counted(5000, 2));
		expect(other.done).toBe(false);
		same(readAll(BYTES), counted(BYTES, 2));
		expect([job.result, other.result]).toEqual([BYTES, 3]);
		same(read(3), counted(3, 2));
		atRest();
	});

	it("a reader that waits gets it at once", () => {
		put(writer, BUFFER, counted(BYTES, 3));
		const job = reader.start(() => reader.call(SYS.read, fds[0], INTO, 1000));
		t.settle();
		const sent = write(BYTES);
		expect(job.result).toBe(1000);
		same(look(reader, INTO, 1000), counted(1000, 3));
		same(readAll(BYTES - 1000), counted(BYTES, 3).subarray(1000));
		expect(sent.result).toBe(BYTES);
		atRest();
	});

	it("stores, unmapping and paging do not change what it sends", () => {
		put(writer, SHARED, counted(BYTES, 4));
		const child = writer.run(() => writer.fork()) as Agent;
		const job = write(BYTES, SHARED);
		look(child, SHARED, BYTES);
		put(reader, SHARED + 3 * PAGE_SIZE, Uint8Array.of(9, 9, 9));
		same(look(child, SHARED + 3 * PAGE_SIZE, 3), Uint8Array.of(9, 9, 9));
		child.end();
		expect(t.k.uvmexp.loanbreaks).toBe(1);
		pageout(t);
		expect(t.run(swap_off(t.k, ld(0)))).toBe(0);
		expect(t.run(uvm_unmap(t.k, writer.map, SHARED, SHARED + BYTES))).toBe(0);
		expect(reader.syscall(SYS.munmap, SHARED, BYTES)).toBe(0);
		t.check();
		same(readAll(BYTES), counted(BYTES, 4));
		expect(job.result).toBe(BYTES);
		atRest();
	});

	it("two at once, which have to bring in their pages first, take turns", () => {
		put(writer, BUFFER, new Uint8Array(30 * PAGE_SIZE).fill(1));
		const child = writer.run(() => writer.fork()) as Agent;
		put(child, BUFFER, new Uint8Array(30 * PAGE_SIZE).fill(2));
		pageout(t);
		const size = 30 * PAGE_SIZE;
		const jobs = [writer, child].map((agent) =>
			agent.start(() => agent.call(SYS.write, fds[1], BUFFER, size)),
		);
		t.settle();
		const all = readAll(2 * size);
		expect(jobs.map((job) => job.result)).toEqual([size, size]);
		expect([1, 2].map((n) => all.filter((byte) => byte === n).length)).toEqual([size, size]);
		atRest();
	});

	it("of more than may be lent goes through in parts", () => {
		setup(512 * 1024);
		put(writer, BUFFER, counted(BYTES, 5));
		const job = write(BYTES);
		expect(t.k.uvmexp.loanpages).toBeLessThan(PAGES);
		expect(t.k.uvmexp.loanpages).toBeGreaterThan(0);
		same(readAll(BYTES), counted(BYTES, 5));
		expect(job.result).toBe(BYTES);
		atRest();
	});

	it.each([false, true])("where loans fail it is copied (memory is locked: %s)", (lock) => {
		put(writer, BUFFER, counted(BYTES, 6));
		if (lock) expect(writer.syscall(SYS.mlock, BUFFER, BYTES)).toBe(0);
		else t.k.failinject = (what) => what === "loan";
		const job = write(BYTES);
		expect(t.k.uvmexp.loanpages).toBe(0);
		same(readAll(BYTES), counted(BYTES, 6));
		expect(job.result).toBe(BYTES);
		atRest();
	});

	it("writes what is mapped, and fails where nothing is", () => {
		put(writer, BUFFER, counted(BYTES, 7));
		const job = write(BYTES + PAGE_SIZE);
		same(readAll(BYTES), counted(BYTES, 7));
		expect(job.result).toBe(BYTES);
		atRest();
	});
});

describe("nothing is lent", () => {
	it("where there is room, for a short write, or with O_NONBLOCK", () => {
		put(writer, BUFFER, counted(BYTES, 8));
		expect(write(PIPE_SIZE).result).toBe(PIPE_SIZE);
		const job = write(8191);
		expect(job.done).toBe(false);
		readAll(PIPE_SIZE);
		expect(job.result).toBe(8191);
		writer.p.p_fd!.fd_ofiles[fds[1]]!.f_flag |= O_NONBLOCK;
		expect(write(BYTES).result).toBe(PIPE_SIZE - 8191);
		expect(t.k.uvmexp.loans).toBe(0);
	});
});

describe("a writer that has lent pages", () => {
	it("is interrupted by a signal: EINTR, or how much has been read", () => {
		put(writer, BUFFER, counted(BYTES, 9));
		for (const taken of [0, 100]) {
			const job = write(BYTES);
			if (taken > 0) read(taken);
			expect(job.done).toBe(false);
			psignal(t.k, writer.p, SIGUSR1);
			t.settle();
			expect(job.result).toBe(taken > 0 ? taken : -EINTR);
			atRest();
		}
		expect(poll(reader, fds[0])).toBe(0);
	});

	it("lets the next writer go on when it is interrupted", () => {
		const child = writer.run(() => writer.fork()) as Agent;
		const job = write(BYTES);
		const other = write(3, BUFFER, child);
		expect([job.done, other.done]).toEqual([false, false]);
		psignal(t.k, writer.p, SIGUSR1);
		t.settle();
		expect([job.result, other.result]).toEqual([-EINTR, 3]);
		atRest();
	});

	it.each([0, 100])("gets EPIPE and a signal when the reader is gone (%i read)", (taken) => {
		put(writer, BUFFER, counted(BYTES, 10));
		const job = write(BYTES);
		if (taken > 0) read(taken);
		reader.end();
		t.settle();
		expect(job.result).toBe(taken > 0 ? taken : -EPIPE);
		atRest();
	});

	it("is killed: its pages are free again", () => {
		put(writer, BUFFER, counted(BYTES, 11));
		expect(write(10).result).toBe(10);
		read(10);
		const available = (): number => t.k.uvmexp.free + t.k.uvmexp.poolpages;
		const before = available();
		const child = writer.run(() => writer.fork()) as Agent;
		put(child, BUFFER, counted(BYTES, 12));
		const job = write(BYTES, BUFFER, child);
		read(10);
		expect(job.done).toBe(false);
		psignal(t.k, child.p, SIGKILL);
		child.end();
		atRest();
		expect(available()).toBeGreaterThanOrEqual(before);
	});
});

/** Steps of the model; see below. */
const STEPS = 40;

describe("a model of two processes and a pipe", () => {
	/**
	 * The writer writes pieces of its memory; what the reader gets is what was there when the write
	 * began, whatever happens meanwhile: stores by both to shared memory, copies made by fork,
	 * unmapping, paging and swapoff.
	 */
	function model(seed: number): void {
		setup();
		const random = new Prng(seed);
		const sent: Uint8Array[] = [];
		const got: Uint8Array[] = [];
		let job: Job<number> | null = null;
		let want = 0;
		let child: Agent | null = null;
		let mapped = true;
		let childs = true;
		put(writer, BUFFER, counted(BYTES, seed));
		put(writer, SHARED, counted(BYTES, seed + 1));
		const size = (parts: readonly Uint8Array[]): number =>
			parts.reduce((sum, part) => sum + part.length, 0);
		for (let step = 0; step < STEPS; step++) {
			if (job?.done) {
				expect(job.result).toBe(want);
				job = null;
			}
			switch (random.below(9)) {
				case 0:
				case 1: {
					if (job !== null) break;
					const at = random.below(BYTES - 1);
					want = 1 + random.below(Math.min(BYTES - at, 40 * PAGE_SIZE));
					const from = (mapped && random.below(2) === 0 ? SHARED : BUFFER) + at;
					sent.push(look(writer, from, want));
					job = write(want, from);
					break;
				}
				case 2:
				case 3:
					if (size(got) < size(sent)) got.push(read(1 + random.below(100_000)));
					break;
				case 4: {
					const at = random.below(BYTES - 300);
					const bytes = counted(random.below(300), random.below(256));
					const who = [reader, child][random.below(2)] ?? reader;
					const shared = random.below(2) === 0 && (who === reader || childs);
					put(who, (shared ? SHARED : BUFFER) + at, bytes);
					break;
				}
				case 5:
					if (job !== null) break;
					if (child !== null) child.end();
					child = writer.run(() => writer.fork()) as Agent;
					childs = mapped;
					break;
				case 6:
					pageout(t);
					break;
				case 7:
					expect(t.run(swap_off(t.k, ld(0)))).toBe(0);
					t.check();
					expect(swap_on(t.k, "/dev/ld0", ld(0), 0)).toBe(0);
					break;
				case 8:
					if (mapped) t.run(uvm_unmap(t.k, writer.map, SHARED, SHARED + BYTES));
					else if (job === null) map(writer, SHARED, MAP_SHARED);
					else break;
					mapped = !mapped;
			}
			t.check();
		}
		while (size(got) < size(sent)) got.push(read(BYTES));
		if (job !== null) expect(job.result).toBe(want);
		same(Buffer.concat(got), Buffer.concat(sent));
		atRest();
		// The system halts with its last process.
		Agent.create(t);
		writer.end();
		expect([t.k.uvm.anon_pool.pr_nout, t.k.uvm.amap_pool.pr_nout]).toEqual([0, 0]);
		expect(t.k.uvmexp.swpginuse).toBe(0);
	}

	it.each(Array.from({ length: 12 }, (_, i) => i + 1))("conserves all bytes, seed %i", model);
});

describe("pipeloan", () => {
	/** Microseconds for 16 MiB in writes of 1 MiB, and what the program counted. */
	function transfer(lend: boolean): { loans: number; copied: number; us: number } {
		const image = readFileSync(new URL("../../../workloads/checks/bin/pipeloan", import.meta.url));
		const system = createSystem({ program: "pipeloan", image, args: ["16", "1024", "0"] });
		if (!lend) system.kernel.failinject = (what) => what === "loan";
		system.run();
		const { console: output } = system.report(0);
		const numbers = /4096 pages, (\d+) loans, (\d+) copied\n.* (\d+) us/.exec(output)!;
		return { loans: +numbers[1]!, copied: +numbers[2]!, us: +numbers[3]! };
	}

	it("moves 1.5 times as many bytes a second as by copying", () => {
		const [lent, copied] = [transfer(true), transfer(false)];
		expect(lent).toMatchObject({ loans: 4096, copied: 0 });
		expect(copied).toMatchObject({ loans: 0, copied: 0 });
		expect(copied.us / lent.us).toBeGreaterThan(1.5);
	});
});
