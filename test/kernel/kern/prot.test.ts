/** Users and groups of processes, and what they may do to each other. */
import { beforeEach, describe, expect, it } from "vitest";
import { SIGCONT, SIGTERM } from "../../../kernel/kern/core/signal.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { EFAULT, EINVAL, EPERM } from "../../../sys/errno.ts";
import { Agent } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";

const BASE = 0x1000_0000;
const KEEP = -1;
const RLIMIT_NOFILE = 7;

let t: TestKernel;
let agent: Agent;

beforeEach(() => {
	t = new TestKernel({ ram: 1 << 20 });
	Agent.create(t);
	agent = Agent.create(t);
	agent.syscall(SYS.mmap2, BASE, 8192, 3, 0x32, -1, 0);
});

const words = (n: number): number[] =>
	Array.from({ length: n }, (_, i) => agent.run(() => agent.load(BASE + i * 4))!);

const store = (...values: number[]): void => {
	agent.run(function* () {
		for (const [i, value] of values.entries()) yield* agent.store(BASE + i * 4, value);
	});
};

/** Real, effective and saved. */
function ids(call: "getresuid" | "getresgid"): number[] {
	expect(agent.syscall(SYS[call], BASE, BASE + 4, BASE + 8)).toBe(0);
	return words(3);
}

describe.each([
	["getresuid", "setresuid", "setreuid", "setuid", "setfsuid"],
	["getresgid", "setresgid", "setregid", "setgid", "setfsgid"],
] as const)("%s", (get, setres, setre, set, setfs) => {
	/** Users lose the privilege, groups must lose it as well. */
	const drop = (): void => {
		if (get === "getresgid") agent.syscall(SYS.setresuid, 5, 5, 5);
	};

	it("the superuser sets any; set* sets all three", () => {
		expect(agent.syscall(SYS[setres], 1, 0, 3)).toBe(0);
		expect(ids(get)).toEqual([1, 0, 3]);
		expect(agent.syscall(SYS[set], 7)).toBe(0);
		expect(ids(get)).toEqual([7, 7, 7]);
	});

	it("others choose among their own", () => {
		agent.syscall(SYS[setres], 1, 2, 3);
		drop();
		expect(agent.syscall(SYS[set], 4)).toBe(-EPERM);
		expect(agent.syscall(SYS[set], 2)).toBe(-EPERM);
		expect(agent.syscall(SYS[setres], KEEP, KEEP, 4)).toBe(-EPERM);
		expect(agent.syscall(SYS[setre], 3, KEEP)).toBe(-EPERM);
		expect(ids(get)).toEqual([1, 2, 3]);
		expect(agent.syscall(SYS[set], 3)).toBe(0);
		expect(ids(get)).toEqual([1, 3, 3]);
		expect(agent.syscall(SYS[setres], 3, 1, KEEP)).toBe(0);
		expect(ids(get)).toEqual([3, 1, 3]);
	});

	it("setre* saves the effective one, unless that stays what the real one is", () => {
		agent.syscall(SYS[setres], 1, 2, 3);
		drop();
		expect(agent.syscall(SYS[setre], KEEP, 1)).toBe(0);
		expect(ids(get)).toEqual([1, 1, 3]);
		expect(agent.syscall(SYS[setre], KEEP, 3)).toBe(0);
		expect(ids(get)).toEqual([1, 3, 3]);
		expect(agent.syscall(SYS[setre], 3, 1)).toBe(0);
		expect(ids(get)).toEqual([3, 1, 1]);
	});

	it("setfs* returns the old one, also when it refuses", () => {
		agent.syscall(SYS[setres], 1, 2, 3);
		drop();
		expect([9, 3, 1].map((id) => agent.syscall(SYS[setfs], id))).toEqual([2, 2, 3]);
	});

	it("an id of -1 is none", () => {
		expect(agent.syscall(SYS[set], KEEP)).toBe(-EINVAL);
	});
});

it("getgroups and setgroups", () => {
	store(11, 12, 13);
	expect(agent.syscall(SYS.setgroups, 3, BASE)).toBe(0);
	store(0, 0, 0);
	expect(agent.syscall(SYS.getgroups, 0, 0)).toBe(3);
	expect(agent.syscall(SYS.getgroups, 2, BASE)).toBe(-EINVAL);
	expect(agent.syscall(SYS.getgroups, 3, 0x10)).toBe(-EFAULT);
	expect(agent.syscall(SYS.getgroups, 8, BASE)).toBe(3);
	expect(words(3)).toEqual([11, 12, 13]);
	expect(agent.syscall(SYS.setgroups, 65537, BASE)).toBe(-EINVAL);
	agent.syscall(SYS.setuid, 1);
	expect(agent.syscall(SYS.setgroups, 0, 0)).toBe(-EPERM);
});

it("a signal needs the same user, root, or SIGCONT in a session", () => {
	const child = agent.run(() => agent.fork()) as Agent;
	const kill = (sig: number): number => agent.syscall(SYS.kill, child.p.p_pid, sig);
	child.syscall(SYS.setresuid, 1, 1, 1);
	expect(kill(0)).toBe(0);
	agent.syscall(SYS.setresuid, 2, 2, 2);
	expect([kill(0), kill(SIGTERM), kill(SIGCONT)]).toEqual([-EPERM, -EPERM, 0]);
	expect(agent.syscall(SYS.kill, -1, SIGTERM)).toBe(-EPERM);
	child.syscall(SYS.setsid);
	expect(kill(SIGCONT)).toBe(-EPERM);
});

it("the effective user of the sender, and the saved one of the receiver count", () => {
	const child = agent.run(() => agent.fork()) as Agent;
	child.syscall(SYS.setresuid, 1, 1, 3);
	agent.syscall(SYS.setresuid, 2, 3, 4);
	expect(agent.syscall(SYS.kill, child.p.p_pid, 0)).toBe(0);
	child.syscall(SYS.setresuid, 1, 1, 1);
	expect(agent.syscall(SYS.kill, child.p.p_pid, 0)).toBe(-EPERM);
});

it("only root raises a hard limit", () => {
	const limit = (cur: number, max: number): number => {
		store(cur, 0, max, 0);
		return agent.syscall(SYS.prlimit64, 0, RLIMIT_NOFILE, BASE, 0);
	};
	expect([limit(8, 10), limit(8, 12), limit(10, 9)]).toEqual([0, 0, -EINVAL]);
	agent.syscall(SYS.setuid, 1);
	expect([limit(9, 13), limit(9, 12), limit(9, 11)]).toEqual([-EPERM, 0, 0]);
});
