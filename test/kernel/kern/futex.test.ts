/** futex(2) between processes: who meets in a word, who is woken, and in which order. */
import { beforeEach, describe, expect, it } from "vitest";
import { vfs_mountroot } from "../../../kernel/fs/vfs.ts";
import type { Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import { nanotime } from "../../../kernel/kern/core/kern_tc.ts";
import { sigemptyset, sigfillset } from "../../../kernel/kern/core/signal.ts";
import { O_CREAT, O_RDWR } from "../../../kernel/kern/proc/file.ts";
import { sigclear } from "../../../kernel/kern/proc/kern_sig.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { EAGAIN, EFAULT, EINTR, EINVAL, ENOSYS, ETIMEDOUT } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { Agent, type Job } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";
import { pageout } from "../../support/paging.ts";

const BASE = 0x1000_0000;
const OTHER = 0x2000_0000;
const TIME = BASE + 0x800;
const RW = 3;
const SHARED = 0x31;
const PRIVATE = 0x32;
const WAIT = 0;
const WAKE = 1;
const REQUEUE = 3;
const CMP_REQUEUE = 4;
const WAKE_OP = 5;
const WAIT_BITSET = 9;
const WAKE_BITSET = 10;
const PRIVATE_FLAG = 128;
const REALTIME = 256;
const SIGUSR1 = 10;

let t: TestKernel;
let parent: Agent;
let children: Agent[];

beforeEach(() => {
	t = new TestKernel();
	parent = Agent.create(t);
});

/** Map memory at BASE, and make three children. */
function share(flags: number): void {
	parent.syscall(SYS.mmap2, BASE, PAGE_SIZE, RW, flags, -1, 0);
	parent.run(() => parent.store(BASE, 5));
	children = [0, 1, 2].map(() => parent.run(() => parent.fork()) as Agent);
}

const futex = (who: Agent, ...args: number[]): number => who.syscall(SYS.futex64, ...args);
/** Have a process make a call that sleeps. */
function waits(who: Agent, ...args: number[]): Job<number> {
	const job = who.start(() => who.call(SYS.futex64, ...args));
	t.settle();
	return job;
}
const done = (jobs: Job<number>[]): boolean[] => jobs.map((job) => job.done);
function time(who: Agent, ns: number, at = TIME): void {
	who.run(function* (): Sleeps<void> {
		for (const [i, word] of [Math.floor(ns / 1e9), 0, ns % 1e9, 0].entries()) {
			yield* who.store(at + 4 * i, word);
		}
	});
}

describe("waiting and waking", () => {
	it("wakes as many as it was told, the longest waiter first", () => {
		share(SHARED);
		const jobs = children.map((child) => waits(child, BASE, WAIT, 5));
		expect(done(jobs)).toEqual([false, false, false]);
		expect(futex(parent, BASE, WAKE, 1)).toBe(1);
		expect(done(jobs)).toEqual([true, false, false]);
		expect(futex(parent, BASE + 4, WAKE, 9)).toBe(0);
		expect(futex(parent, BASE, WAKE, 0x7fff_ffff)).toBe(2);
		expect(jobs.map((job) => job.result)).toEqual([0, 0, 0]);
		expect([futex(parent, BASE, WAKE, 1), t.k.futexq.length]).toEqual([0, 0]);
	});

	it("does not wait if the word has changed, and refuses what makes no sense", () => {
		share(SHARED);
		expect(futex(parent, BASE, WAIT, 6)).toBe(-EAGAIN);
		expect(futex(parent, BASE + 2, WAIT, 5)).toBe(-EINVAL);
		expect(futex(parent, BASE + 2, WAKE, 1)).toBe(-EINVAL);
		expect(futex(parent, OTHER, WAIT, 0)).toBe(-EFAULT);
		expect(futex(parent, OTHER, WAKE, 1)).toBe(-EFAULT);
		expect(futex(parent, OTHER, WAKE | PRIVATE_FLAG, 1)).toBe(0);
		expect(futex(parent, BASE, 6, 0)).toBe(-ENOSYS);
		expect(futex(parent, BASE, WAKE | REALTIME, 1)).toBe(-ENOSYS);
		expect(futex(parent, BASE, WAIT_BITSET, 5, 0, 0, 0)).toBe(-EINVAL);
		expect(futex(parent, BASE, WAKE_BITSET, 5, 0, 0, 0)).toBe(-EINVAL);
	});

	it("meets in shared memory at different addresses, also after the page was on disk", () => {
		t.run(vfs_mountroot(t.k, null, null));
		share(SHARED);
		parent.run(() => parent.string(BASE, "/tmp/f"));
		const fd = parent.syscall(SYS.openat, -100, BASE, O_CREAT | O_RDWR, 0o600);
		parent.syscall(SYS.ftruncate64, fd, 2 * PAGE_SIZE, 0);
		const child = parent.run(() => parent.fork()) as Agent;
		expect(parent.syscall(SYS.mmap2, OTHER, 2 * PAGE_SIZE, RW, 0x11, fd, 0)).toBe(OTHER);
		const there = OTHER + 0x10_0000;
		expect(child.syscall(SYS.mmap2, there, PAGE_SIZE, RW, 0x11, fd, 1)).toBe(there);
		const job = waits(child, there + 8, WAIT, 0);
		pageout(t);
		expect(futex(parent, OTHER + 8, WAKE, 1)).toBe(0);
		expect(futex(parent, OTHER + PAGE_SIZE + 8, WAKE, 1)).toBe(1);
		expect(job.result).toBe(0);
	});

	it("meets in memory shared by fork, whatever was split or paged out since", () => {
		share(SHARED);
		const job = waits(children[0]!, BASE, WAIT, 5);
		pageout(t);
		parent.syscall(SYS.munmap, BASE + PAGE_SIZE, PAGE_SIZE);
		expect([futex(parent, BASE, WAKE, 1), job.result]).toEqual([1, 0]);
	});

	it.each([
		["private memory", PRIVATE, 0],
		["a private futex in shared memory", SHARED, PRIVATE_FLAG],
	])("keeps processes apart in %s", (_what, memory, flag) => {
		share(memory);
		const job = waits(children[0]!, BASE, WAIT | flag, 5);
		expect(futex(parent, BASE, WAKE | flag, 9)).toBe(0);
		expect(job.done).toBe(false);
		expect(t.k.futexq.length).toBe(1);
	});

	it("by bits wakes only who waits for one of them", () => {
		share(SHARED);
		const jobs = [1, 2, 4].map((bits, i) => waits(children[i]!, BASE, WAIT_BITSET, 5, 0, 0, bits));
		expect(futex(parent, BASE, WAKE_BITSET, 9, 0, 0, 6)).toBe(2);
		expect(done(jobs)).toEqual([false, true, true]);
		expect(futex(parent, BASE, WAKE, 9)).toBe(1);
	});
});

describe("the end of a wait", () => {
	it("comes when the time has passed, counted from now or from reset", () => {
		share(SHARED);
		time(parent, 3_000_000);
		const before = t.k.port.cycles;
		expect(futex(parent, BASE, WAIT, 5, TIME)).toBe(-ETIMEDOUT);
		const passed = t.k.port.cycles - before;
		expect(passed).toBeGreaterThanOrEqual(3_000_000);
		expect(passed).toBeLessThan(4_000_000);
		time(parent, t.k.port.cycles + 5_000_000);
		const end = t.k.port.cycles + 5_000_000;
		expect(futex(parent, BASE, WAIT_BITSET, 5, TIME, 0, -1)).toBe(-ETIMEDOUT);
		expect(Math.abs(t.k.port.cycles - end)).toBeLessThan(1_000_000);
		// Passed already.
		expect(futex(parent, BASE, WAIT_BITSET | REALTIME, 5, TIME, 0, -1)).toBe(-ETIMEDOUT);
	});

	it("is a time of the wall clock, whose nanoseconds have 32 bits", () => {
		share(SHARED);
		const { tv_sec, tv_nsec } = nanotime(t.k);
		const start = t.k.port.cycles;
		parent.run(function* () {
			for (const [i, word] of [tv_sec + 2, 0, tv_nsec, -1].entries()) {
				yield* parent.store(TIME + i * 4, word);
			}
		});
		expect(futex(parent, BASE, WAIT_BITSET | REALTIME, 5, TIME, 0, -1)).toBe(-ETIMEDOUT);
		expect(Math.abs(t.k.port.cycles - start - 2e9)).toBeLessThan(1_000_000);
		time(parent, 0);
		parent.run(() => parent.store(TIME + 8, 1e9));
		expect(futex(parent, BASE, WAIT, 5, TIME)).toBe(-EINVAL);
		expect(futex(parent, BASE, WAIT, 5, OTHER)).toBe(-EFAULT);
		expect(t.k.futexq).toEqual([]);
	});

	it("comes with a signal, which a later wake does not meet", () => {
		share(SHARED);
		const [a, b] = children as [Agent, Agent];
		a.p.p_sigacts[SIGUSR1] = { sa_handler: 0x1000, sa_flags: 0, sa_mask: sigemptyset() };
		// An agent has no user mode in which the signal would be taken.
		const first = a.start(function* (): Sleeps<number> {
			const result = yield* a.call(SYS.futex64, BASE, WAIT, 5);
			sigclear(a.p, sigfillset());
			return result;
		});
		const second = waits(b, BASE, WAIT, 5);
		parent.syscall(SYS.kill, a.p.p_pid, SIGUSR1);
		t.settle();
		expect([first.result, second.done]).toEqual([-EINTR, false]);
		expect(t.k.futexq.map((l) => l.l_proc)).toEqual([b.p]);
		expect([futex(parent, BASE, WAKE, 1), second.result]).toEqual([1, 0]);
	});

	it("by a wake and a signal at once is a wake", () => {
		share(SHARED);
		const [a] = children as [Agent];
		a.p.p_sigacts[SIGUSR1] = { sa_handler: 0x1000, sa_flags: 0, sa_mask: sigemptyset() };
		const job = a.start(function* (): Sleeps<number> {
			const result = yield* a.call(SYS.futex64, BASE, WAIT, 5);
			sigclear(a.p, sigfillset());
			return result;
		});
		t.settle();
		const woken = parent.run(function* (): Sleeps<number> {
			yield* parent.call(SYS.kill, a.p.p_pid, SIGUSR1);
			return yield* parent.call(SYS.futex64, BASE, WAKE, 1);
		});
		expect([woken, job.result, t.k.futexq.length]).toEqual([1, 0, 0]);
	});

	it("of a process clears its id's word and wakes who waits for that", () => {
		share(SHARED);
		const [a, b] = children as [Agent, Agent];
		a.syscall(SYS.set_tid_address, BASE);
		const job = waits(b, BASE, WAIT, 5);
		a.end();
		expect([job.result, parent.run(() => parent.load(BASE))]).toEqual([0, 0]);
	});
});

describe("moving waiters", () => {
	it("wakes some and lets others wait for another word", () => {
		share(SHARED);
		const jobs = children.map((child) => waits(child, BASE, WAIT, 5));
		expect(futex(parent, BASE, CMP_REQUEUE, 1, 1, BASE + 64, 6)).toBe(-EAGAIN);
		expect(futex(parent, BASE, CMP_REQUEUE, 1, 1, BASE + 64, 5)).toBe(2);
		expect(done(jobs)).toEqual([true, false, false]);
		expect(futex(parent, BASE + 64, WAKE, 9)).toBe(1);
		expect(done(jobs)).toEqual([true, true, false]);
		expect(futex(parent, BASE, REQUEUE, 0, 9, BASE + 64)).toBe(1);
		expect([futex(parent, BASE, WAKE, 9), futex(parent, BASE + 64, WAKE, 9)]).toEqual([0, 1]);
		expect(futex(parent, BASE, REQUEUE, -1, 0, BASE + 64)).toBe(-EINVAL);
	});

	it("after changing a word wakes its waiters too, if the old value compares", () => {
		share(SHARED);
		const second = BASE + 64;
		const how = (op: number, arg: number, cmp: number, cmparg: number): number =>
			(op << 28) | (cmp << 24) | (arg << 12) | cmparg;
		const jobs = [waits(children[0]!, BASE, WAIT, 5), waits(children[1]!, second, WAIT, 0)];
		// Add 7, and wake the second's if it was above 3: it was 0.
		expect(futex(parent, BASE, WAKE_OP, 1, 1, second, how(1, 7, 4, 3))).toBe(1);
		expect([done(jobs), parent.run(() => parent.load(second))]).toEqual([[true, false], 7]);
		// Clear bits 1; it was 7.
		expect(futex(parent, BASE, WAKE_OP, 1, 1, second, how(3, 1, 0, 7))).toBe(1);
		expect([done(jobs), parent.run(() => parent.load(second))]).toEqual([[true, true], 6]);
		expect(futex(parent, BASE, WAKE_OP, 1, 1, second, how(7, 1, 0, 7))).toBe(-ENOSYS);
	});
});
