/** Wiring page by page as faults bring them in: mlock2(MLOCK_ONFAULT), mlockall(MCL_ONFAULT). */
import { beforeEach, describe, expect, it } from "vitest";
import { vfs_mountroot } from "../../../kernel/fs/vfs.ts";
import { RLIMIT_MEMLOCK } from "../../../kernel/kern/core/rlimit.ts";
import { O_CREAT, O_RDWR } from "../../../kernel/kern/proc/file.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import {
	UVM_FLAG_COPYONW,
	UVM_FLAG_FIXED,
	UVM_FLAG_GROWSDOWN,
} from "../../../kernel/uvm/uvm_extern.ts";
import { uvm_map, uvm_map_args } from "../../../kernel/uvm/uvm_map.ts";
import { uvm_map_lookup_entry } from "../../../kernel/uvm/uvm_map_entry.ts";
import { entry_page } from "../../../kernel/uvm/uvm_unwire.ts";
import { EINVAL, ENOMEM } from "../../../sys/errno.ts";
import { MAXSSIZ, PAGE_SIZE, USRSTACK } from "../../../sys/vmparam.ts";
import { Agent } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";

const BASE = 0x1000_0000;
const PAGES = 16;
const READ = 1;
const RW = 3;
const PRIVATE = 0x32;
const ONFAULT = 1;
const MCL_CURRENT = 1;
const MCL_FUTURE = 2;
const MCL_ONFAULT = 4;
const MADV_DONTNEED = 4;
const MADV_PAGEOUT = 21;

const at = (page: number): number => BASE + page * PAGE_SIZE;

let t: TestKernel;
let agent: Agent;
let wired: number;

beforeEach(() => {
	t = new TestKernel({ ram: 1 << 20, disks: [1 << 20] });
	Agent.create(t);
	agent = Agent.create(t);
	map(0, PAGES);
	wired = t.k.uvmexp.wired;
});

const map = (page: number, n: number, prot = RW): number =>
	agent.syscall(SYS.mmap2, at(page), n * PAGE_SIZE, prot, PRIVATE, -1, 0);
const range = (number: number, from: number, n: number, ...args: number[]): number =>
	agent.syscall(number, at(from), n * PAGE_SIZE, ...args);
const load = (who: Agent, page: number): number | null => who.run(() => who.load(at(page)));
const store = (who: Agent, page: number, value: number): number =>
	who.run(() => who.store(at(page), value));
const pageout = (from: number, n: number): void => {
	range(SYS.madvise, from, n, MADV_PAGEOUT);
	t.settle();
};
/** How many pages more are wired than at the start. */
const more = (): number => t.k.uvmexp.wired - wired;
/** Of each page of a range: how often it is wired, or -1: it is not in memory. */
const counts = (who: Agent, from: number, n: number): number[] =>
	Array.from({ length: n }, (_, i) => {
		const entry = uvm_map_lookup_entry(who.map, at(from + i));
		return entry_page(t.k, entry, at(from + i))?.wire_count ?? -1;
	});

describe("mlock2 with MLOCK_ONFAULT", () => {
	it("keeps the pages that are there and those that come, and brings none in", () => {
		for (let i = 0; i < 4; i++) store(agent, i, i + 1);
		pageout(0, 2);
		expect(range(SYS.mlock2, 0, 8, ONFAULT)).toBe(0);
		expect(counts(agent, 0, 5)).toEqual([-1, -1, 1, 1, -1]);
		t.check();
		expect([load(agent, 0), store(agent, 5, 6), more()]).toEqual([1, 0, 4]);
		pageout(0, PAGES);
		expect(counts(agent, 0, 7)).toEqual([1, -1, 1, 1, -1, 1, -1]);
		t.check();
		expect(range(SYS.munlock, 0, PAGES)).toBe(0);
		expect(more()).toBe(0);
		t.check();
		expect([store(agent, 7, 8), more()]).toEqual([0, 0]);
		pageout(0, PAGES);
		expect(Array.from({ length: 8 }, (_, i) => load(agent, i))).toEqual([1, 2, 3, 4, 0, 6, 0, 8]);
		t.check();
	});

	it("and mlock of the same memory brings in the rest; the other way round nothing changes", () => {
		range(SYS.mlock2, 0, 4, ONFAULT);
		store(agent, 1, 1);
		expect([more(), range(SYS.mlock, 0, 8), more()]).toEqual([1, 0, 8]);
		t.check();
		expect([range(SYS.mlock2, 0, 8, ONFAULT), more()]).toEqual([0, 8]);
		t.check();
		expect([range(SYS.munlock, 0, 8), more()]).toEqual([0, 0]);
		t.check();
	});

	it("that mlock then fails to complete is as it was", () => {
		range(SYS.mlock2, 0, 4, ONFAULT);
		store(agent, 1, 1);
		let n = 0;
		t.k.failinject = (what) => what === "anonpl" && ++n > 6;
		expect(range(SYS.mlock, 0, 8)).toBe(-ENOMEM);
		t.k.failinject = null;
		t.check();
		store(agent, 3, 3);
		store(agent, 5, 5);
		expect(counts(agent, 1, 5)).toEqual([1, expect.any(Number), 1, expect.any(Number), 0]);
		t.check();
		range(SYS.munlock, 0, 8);
		expect(more()).toBe(0);
	});

	it("takes memory that allows no access; not holes or other flags", () => {
		range(SYS.mprotect, 2, 2, 0);
		expect(range(SYS.mlock2, 0, 4, ONFAULT)).toBe(0);
		range(SYS.mprotect, 2, 2, RW);
		expect([store(agent, 2, 1), more()]).toEqual([0, 1]);
		expect(range(SYS.mlock2, PAGES - 1, 2, ONFAULT)).toBe(-ENOMEM);
		expect(range(SYS.mlock2, 0, 1, 2)).toBe(-EINVAL);
		expect(range(SYS.madvise, 0, 1, MADV_DONTNEED)).toBe(-EINVAL);
		t.check();
	});

	it("counts whole for the process's limit, and by pages for the system's", () => {
		const limit = { rlim_cur: 4 * PAGE_SIZE, rlim_max: 4 * PAGE_SIZE };
		agent.p.p_rlimit[RLIMIT_MEMLOCK] = limit;
		expect([range(SYS.mlock2, 0, 4, ONFAULT), range(SYS.mlock2, 4, 1, ONFAULT)]).toEqual([
			0,
			-ENOMEM,
		]);
		agent.p.p_rlimit[RLIMIT_MEMLOCK] = { rlim_cur: Infinity, rlim_max: Infinity };
		t.k.uvmexp.wiredmax = t.k.uvmexp.wired + 3;
		expect(range(SYS.mlock2, 0, PAGES, ONFAULT)).toBe(0);
		expect([0, 1, 2].map((i) => store(agent, i, i))).toEqual([0, 0, 0]);
		store(agent, 3, 3);
		expect([agent.alive, more()]).toEqual([false, 0]);
		t.check();
	});

	it("a child has the memory, and no locks", () => {
		store(agent, 0, 1);
		range(SYS.mlock2, 0, 8, ONFAULT);
		store(agent, 1, 2);
		const child = agent.run(() => agent.fork()) as Agent;
		expect([load(child, 0), load(child, 1), store(child, 4, 5)]).toEqual([1, 2, 0]);
		expect([store(agent, 1, 9), store(agent, 2, 9), more()]).toEqual([0, 0, 3]);
		expect([load(child, 1), load(child, 2)]).toEqual([2, 0]);
		expect([counts(child, 0, 5), counts(agent, 0, 3)]).toEqual([
			[0, 0, expect.any(Number), expect.any(Number), 0],
			[1, 1, 1],
		]);
		t.check();
		agent.end();
		expect(more()).toBe(0);
	});

	it("after a fork, locks the copies that stores make", () => {
		for (let i = 0; i < 4; i++) store(agent, i, i + 1);
		const child = agent.run(() => agent.fork()) as Agent;
		expect(range(SYS.mlock2, 0, 8, ONFAULT)).toBe(0);
		t.check();
		expect([store(agent, 1, 9), more()]).toEqual([0, 4]);
		expect(counts(child, 0, 4)).toEqual([0, 0, 0, 0]);
		expect([0, 1, 2, 3].map((i) => load(child, i))).toEqual([1, 2, 3, 4]);
		t.check();
	});

	it("of a mapping that is shortened holds for the rest", () => {
		range(SYS.mlock2, 4, 4, ONFAULT);
		store(agent, 5, 5);
		const size = PAGES * PAGE_SIZE;
		expect(agent.syscall(SYS.mremap, at(0), size, 6 * PAGE_SIZE, 0)).toBe(at(0));
		expect([more(), store(agent, 4, 1), more()]).toEqual([1, 0, 2]);
		t.check();
	});

	it.each([
		["shared", 0x11],
		["private", 0x12],
	])("of a file mapped %s locks the pages that were read", (_, flags) => {
		t.run(vfs_mountroot(t.k, null, null));
		agent.run(() => agent.string(at(0), "/tmp/f"));
		const fd = agent.syscall(SYS.openat, -100, at(0), O_CREAT | O_RDWR, 0o600);
		agent.syscall(SYS.ftruncate64, fd, 4 * PAGE_SIZE, 0);
		const first = agent.syscall(SYS.mmap2, at(40), 4 * PAGE_SIZE, RW, flags | 0x10, fd, 0);
		expect([first, load(agent, 40)]).toEqual([at(40), 0]);
		expect([range(SYS.mlock2, 40, 4, ONFAULT), more()]).toEqual([0, 1]);
		expect([load(agent, 42), store(agent, 42, 7), more()]).toEqual([0, 0, 2]);
		t.check();
		pageout(40, 4);
		expect([load(agent, 42), more()]).toEqual([7, 2]);
		range(SYS.munmap, 40, 4);
		expect(more()).toBe(0);
		t.check();
	});
});

describe("mlockall with MCL_ONFAULT", () => {
	const mlockall = (flags: number): number => agent.syscall(SYS.mlockall, flags);

	it("needs another flag, and locks what there is", () => {
		store(agent, 0, 1);
		expect([mlockall(MCL_ONFAULT), mlockall(MCL_CURRENT | MCL_ONFAULT)]).toEqual([-EINVAL, 0]);
		expect([more(), store(agent, 5, 1), more()]).toEqual([1, 0, 2]);
		map(20, 2);
		expect([store(agent, 20, 1), more()]).toEqual([0, 2]);
		expect([mlockall(MCL_CURRENT), more()]).toEqual([0, PAGES + 2]);
		t.check();
		agent.syscall(SYS.munlockall);
		expect([more(), store(agent, 6, 1), more()]).toEqual([0, 0, 0]);
		t.check();
	});

	it("locks what will be: by mmap, by mprotect", () => {
		expect(mlockall(MCL_FUTURE | MCL_ONFAULT)).toBe(0);
		expect([store(agent, 0, 1), more()]).toEqual([0, 0]);
		map(20, 4);
		map(30, 4, 0);
		expect(more()).toBe(0);
		expect(range(SYS.mprotect, 30, 2, READ)).toBe(0);
		expect([store(agent, 20, 1), load(agent, 31), more()]).toEqual([0, 0, 2]);
		t.check();
		expect(mlockall(MCL_FUTURE)).toBe(0);
		map(40, 2);
		expect(more()).toBe(4);
		agent.syscall(SYS.munlockall);
		map(50, 2);
		expect([store(agent, 50, 1), more()]).toEqual([0, 0]);
		t.check();
	});

	it("a locked stack grows locked, within RLIMIT_MEMLOCK", () => {
		const args = uvm_map_args(USRSTACK - PAGE_SIZE, PAGE_SIZE);
		args.flags = UVM_FLAG_FIXED | UVM_FLAG_COPYONW | UVM_FLAG_GROWSDOWN;
		t.run(uvm_map(t.k, agent.map, args));
		agent.map.maxsaddr = USRSTACK - MAXSSIZ;
		agent.run(() => agent.store(USRSTACK - 4, 1));
		expect([mlockall(MCL_CURRENT | MCL_ONFAULT), more()]).toEqual([0, 1]);
		const push = (pages: number): number =>
			agent.run(() => agent.store(USRSTACK - 4 - pages * PAGE_SIZE, 1));
		expect([push(1), push(20), more()]).toEqual([0, 0, 3]);
		t.check();
		const size = agent.map.size;
		agent.p.p_rlimit[RLIMIT_MEMLOCK] = { rlim_cur: size, rlim_max: size };
		expect([push(21), push(40), more()]).toEqual([0, 14, 4]);
		t.check();
	});
});
