/** Robust futexes: a process that holds some ends, and who waits for them is told. */
import { beforeEach, expect, it } from "vitest";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { EINVAL } from "../../../sys/errno.ts";
import { Agent } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";

const BASE = 0x1000_0000;
const SHARED_ANON = 0x31;
const FUTEX_WAIT = 0;
const FUTEX_WAITERS = 0x8000_0000;
const FUTEX_OWNER_DIED = 0x4000_0000;
/** The list's head, two mutexes of a pointer and a futex, and one that is about to be locked. */
const HEAD = BASE;
const [FIRST, SECOND, PENDING] = [BASE + 16, BASE + 32, BASE + 48];
const OFFSET = 4;

let t: TestKernel;
let parent: Agent;
let child: Agent;

beforeEach(() => {
	t = new TestKernel({ ram: 1 << 20 });
	Agent.create(t);
	parent = Agent.create(t);
	parent.syscall(SYS.mmap2, BASE, 4096, 3, SHARED_ANON, -1, 0);
	child = parent.run(() => parent.fork()) as Agent;
});

const store = (values: Record<number, number>): void => {
	child.run(function* () {
		for (const [va, value] of Object.entries(values)) yield* child.store(Number(va), value);
	});
};
const futex = (entry: number): number => parent.run(() => parent.load(entry + OFFSET))! >>> 0;

/** The child holds FIRST, is about to hold PENDING; SECOND is somebody else's. */
function lists(last: number): void {
	const { p_pid } = child.p;
	store({
		[HEAD]: FIRST,
		[HEAD + 4]: OFFSET,
		[HEAD + 8]: PENDING,
		[FIRST]: SECOND,
		[FIRST + OFFSET]: p_pid | FUTEX_WAITERS,
		[SECOND]: last,
		[SECOND + OFFSET]: p_pid + 1,
		[PENDING + OFFSET]: p_pid,
	});
	expect(child.syscall(SYS.set_robust_list, HEAD, 12)).toBe(0);
}

it("are marked and woken at the end of their holder, and no others", () => {
	lists(HEAD);
	const { p_pid } = child.p;
	const value = p_pid | FUTEX_WAITERS;
	const wait = parent.start(() => parent.call(SYS.futex64, FIRST + OFFSET, FUTEX_WAIT, value, 0));
	t.settle();
	expect(wait.done).toBe(false);
	child.end();
	expect(wait.result).toBe(0);
	expect(futex(FIRST)).toBe(FUTEX_WAITERS + FUTEX_OWNER_DIED);
	expect(futex(SECOND)).toBe(p_pid + 1);
	expect(futex(PENDING)).toBe(FUTEX_OWNER_DIED);
});

it("in a list that goes round for ever, or to nowhere, do not keep their holder", () => {
	for (const last of [FIRST, 0x10, 3]) {
		lists(last);
		child.end();
		expect(child.p.p_lwp).toBe(null);
		expect(futex(FIRST)).toBe(FUTEX_WAITERS + FUTEX_OWNER_DIED);
		child = parent.run(() => parent.fork()) as Agent;
	}
});

it("the list has one size, and can be asked for", () => {
	expect(child.syscall(SYS.set_robust_list, HEAD, 8)).toBe(-EINVAL);
	lists(HEAD);
	expect(parent.syscall(SYS.get_robust_list, child.p.p_pid, BASE + 64, BASE + 68)).toBe(0);
	expect([futex(BASE + 60), futex(BASE + 64)]).toEqual([HEAD, 12]);
});
