/** Wiring: mlock, mlockall, and what fork, mprotect and failures make of it. */

import { beforeEach, describe, expect, it } from "vitest";
import { vfs_mountroot } from "../../../kernel/fs/vfs.ts";
import type { Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import { RLIMIT_MEMLOCK } from "../../../kernel/kern/core/rlimit.ts";
import { O_CREAT, O_RDWR } from "../../../kernel/kern/proc/file.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { amap_lookup } from "../../../kernel/uvm/uvm_amap.ts";
import { uvm_check } from "../../../kernel/uvm/uvm_check.ts";
import { uvm_map_lookup_entry } from "../../../kernel/uvm/uvm_map_entry.ts";
import { entry_page } from "../../../kernel/uvm/uvm_unwire.ts";
import { pmap_remove, pmap_update } from "../../../pmap/pmap.ts";
import { EBUSY, EINVAL, ENOMEM, EPERM } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { Agent } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";

const BASE = 0x1000_0000;
const PAGES = 16;
const READ = 1;
const RW = 3;
const PRIVATE = 0x32;
const SHARED = 0x31;
const MCL_CURRENT = 1;
const MCL_FUTURE = 2;
const MADV_PAGEOUT = 21;
const MADV_DONTNEED = 4;

const at = (page: number): number => BASE + page * PAGE_SIZE;

let t: TestKernel;
let agent: Agent;
let wired: number;

beforeEach(() => {
	t = new TestKernel({ ram: 1 << 20, disks: [1 << 20] });
	Agent.create(t);
	agent = Agent.create(t);
	agent.syscall(SYS.mmap2, BASE, PAGES * PAGE_SIZE, RW, PRIVATE, -1, 0);
	fill(agent);
	wired = t.k.uvmexp.wired;
});

function fill(who: Agent): void {
	who.run(function* (): Sleeps<void> {
		for (let i = 0; i < PAGES; i++) yield* who.store(at(i), i + 1);
	});
}

const load = (who: Agent, page: number): number | null => who.run(() => who.load(at(page)));
const store = (who: Agent, page: number, value: number): number =>
	who.run(() => who.store(at(page), value));
const range = (number: number, from: number, n: number, ...args: number[]): number =>
	agent.syscall(number, at(from), n * PAGE_SIZE, ...args);
/** How many pages more are wired than at the start. */
const more = (): number => t.k.uvmexp.wired - wired;

const wire_count = (who: Agent, page: number): number => {
	const entry = uvm_map_lookup_entry(who.map, at(page));
	return entry_page(t.k, entry, at(page))?.wire_count ?? -1;
};

describe("the end of an address space", () => {
	it("unwires pages behind entries that refer to nothing", () => {
		// So many that nobody has touched come before it that the root of the tree is one of them.
		for (let page = 2; page < 80; page += 2) {
			agent.syscall(SYS.mmap2, BASE - page * PAGE_SIZE, PAGE_SIZE, RW, PRIVATE, -1, 0);
		}
		range(SYS.mlock, 2, 4);
		expect(more()).toBe(4);
		agent.end();
		expect(more()).toBe(0);
		t.check();
	});
});

describe("mlock", () => {
	it("brings pages in and keeps them; munlock lets them go", () => {
		range(SYS.madvise, 0, PAGES, MADV_PAGEOUT);
		t.settle();
		expect(t.k.uvmexp.swpgonly).toBe(PAGES);
		expect(range(SYS.mlock, 2, 4)).toBe(0);
		expect(more()).toBe(4);
		range(SYS.madvise, 0, PAGES, MADV_PAGEOUT);
		t.settle();
		t.check();
		expect([wire_count(agent, 2), wire_count(agent, 6)]).toEqual([1, -1]);
		// A wired page has no slot: its contents change without anybody being told.
		expect(t.k.uvmexp.swpginuse).toBe(PAGES - 4);
		expect(range(SYS.munlock, 0, PAGES)).toBe(0);
		expect(more()).toBe(0);
		t.check();
		expect([load(agent, 2), load(agent, 6)]).toEqual([3, 7]);
	});

	it("does not nest", () => {
		expect([range(SYS.mlock, 0, 4), range(SYS.mlock, 2, 4)]).toEqual([0, 0]);
		expect([more(), wire_count(agent, 3)]).toEqual([6, 1]);
		expect(range(SYS.munlock, 0, 6)).toBe(0);
		expect(more()).toBe(0);
		t.check();
	});

	it("refuses holes, and memory that allows no access, and wires nothing then", () => {
		expect(range(SYS.mlock, PAGES - 2, 4)).toBe(-ENOMEM);
		range(SYS.mprotect, 5, 1, 0);
		expect(range(SYS.mlock, 4, 4)).toBe(-ENOMEM);
		expect(more()).toBe(0);
		t.check();
	});

	it("keeps to the limit of the process, and to a third of memory", () => {
		const limit = { rlim_cur: 2 * PAGE_SIZE, rlim_max: 2 * PAGE_SIZE };
		agent.p.p_rlimit[RLIMIT_MEMLOCK] = limit;
		expect([range(SYS.mlock, 0, 2), range(SYS.mlock, 2, 1)]).toEqual([0, -ENOMEM]);
		agent.p.p_rlimit[RLIMIT_MEMLOCK] = { rlim_cur: 0, rlim_max: 0 };
		expect(range(SYS.mlock, 4, 1)).toBe(-EPERM);
		agent.p.p_rlimit[RLIMIT_MEMLOCK] = { rlim_cur: Infinity, rlim_max: Infinity };
		t.k.uvmexp.wiredmax = t.k.uvmexp.wired + 3;
		expect([range(SYS.mlock, 4, 3), range(SYS.mlock, 8, 1)]).toEqual([0, -ENOMEM]);
	});

	it("that fails half way leaves what was wired before, and nothing else", () => {
		expect(range(SYS.mlock, 1, 2)).toBe(0);
		range(SYS.madvise, 0, PAGES, MADV_PAGEOUT);
		// Page 8 cannot be read.
		t.settle();
		const entry = uvm_map_lookup_entry(agent.map, at(8));
		const anon = amap_lookup(entry.amap!, entry.pageoff + (at(8) - entry.start) / PAGE_SIZE)!;
		const { disk, sector } = t.sector(anon.an_swslot);
		disk.failReads(sector, 8);
		// Its neighbours are in memory, but not mapped.
		for (let i = 9; i < 12; i++) load(agent, i);
		pmap_remove(t.k, agent.map.pmap, at(9), at(12));
		pmap_update(t.k, agent.map.pmap);
		expect(range(SYS.mlock, 0, PAGES)).toBe(-ENOMEM);
		expect(more()).toBe(2);
		t.check();
		expect([wire_count(agent, 1), wire_count(agent, 0), load(agent, 0)]).toEqual([1, 0, 1]);
	});
});

describe("wired memory and protection", () => {
	it("taking all access away and unlocking leaves nothing wired", () => {
		range(SYS.mlock, 0, 4);
		range(SYS.mprotect, 1, 2, 0);
		t.check();
		expect(range(SYS.munlock, 0, 4)).toBe(0);
		expect(more()).toBe(0);
		t.check();
		range(SYS.mprotect, 1, 2, RW);
		expect([load(agent, 1), load(agent, 2)]).toEqual([2, 3]);
	});

	it("a store that needs a copy wires the copy in place of the original", () => {
		const child = agent.run(() => agent.fork()) as Agent;
		range(SYS.mprotect, 0, PAGES, READ);
		expect(range(SYS.mlock, 0, 4)).toBe(0);
		range(SYS.mprotect, 0, PAGES, RW);
		expect(store(agent, 2, 99)).toBe(0);
		expect(more()).toBe(4);
		expect([wire_count(agent, 2), wire_count(child, 2)]).toEqual([1, 0]);
		t.check();
		expect([load(agent, 2), load(child, 2)]).toEqual([99, 3]);
		range(SYS.munlock, 0, PAGES);
		expect(more()).toBe(0);
	});
});

describe("a file's page that two processes have locked", () => {
	const FILE = 40;
	let fd: number;
	let child: Agent;

	beforeEach(() => {
		t.run(vfs_mountroot(t.k, null, null));
		agent.run(() => agent.string(at(0), "/tmp/f"));
		fd = agent.syscall(SYS.openat, -100, at(0), O_CREAT | O_RDWR, 0o600);
		truncate(3);
		agent.syscall(SYS.mmap2, at(FILE), 3 * PAGE_SIZE, RW, 0x11, fd, 0);
		child = agent.run(() => agent.fork()) as Agent;
	});

	const truncate = (pages: number): number =>
		agent.syscall(SYS.ftruncate64, fd, pages * PAGE_SIZE, 0);
	const lock = (who: Agent): number => who.syscall(SYS.mlock, at(FILE), 3 * PAGE_SIZE);
	const unlock = (who: Agent): number => who.syscall(SYS.munlock, at(FILE), 3 * PAGE_SIZE);
	const pageout = (): void => {
		range(SYS.madvise, FILE, 3, MADV_PAGEOUT);
		t.settle();
	};

	it("is wired twice, and stays until both have unlocked it", () => {
		expect([lock(agent), lock(child)]).toEqual([0, 0]);
		expect(wire_count(agent, FILE)).toBe(2);
		unlock(agent);
		pageout();
		expect(wire_count(agent, FILE)).toBe(1);
		unlock(child);
		pageout();
		expect(wire_count(agent, FILE)).toBe(-1);
		t.check();
	});

	it.each([RW, 0])("munlock leaves alone what another process has locked since (%i)", (prot) => {
		expect(lock(agent)).toBe(0);
		range(SYS.mprotect, FILE, 3, prot);
		expect([truncate(0), truncate(3)]).toEqual([0, 0]);
		expect([more(), lock(child)]).toEqual([0, 0]);
		expect([more(), unlock(agent)]).toEqual([3, 0]);
		expect([more(), wire_count(child, FILE + 1)]).toEqual([3, 1]);
		pageout();
		expect(wire_count(child, FILE + 1)).toBe(1);
		t.check();
		unlock(child);
		expect(more()).toBe(0);
		t.check();
	});

	it("is wired again by who has it locked when it comes back after truncate", () => {
		expect([lock(agent), lock(child), truncate(1), truncate(3)]).toEqual([0, 0, 0, 0]);
		expect([more(), wire_count(agent, FILE)]).toEqual([1, 2]);
		expect([store(child, FILE + 1, 5), wire_count(agent, FILE + 1)]).toEqual([0, 1]);
		t.check();
		expect([load(agent, FILE + 1), wire_count(agent, FILE + 1)]).toEqual([5, 2]);
		expect([store(agent, FILE + 1, 6), wire_count(agent, FILE + 1)]).toEqual([0, 2]);
		unlock(child);
		expect([more(), wire_count(agent, FILE + 1)]).toEqual([2, 1]);
		t.check();
	});

	it("stays wired without access, also to what comes back in another place", () => {
		lock(child);
		range(SYS.mprotect, FILE, 3, 0);
		lock(agent);
		child.syscall(SYS.mprotect, at(FILE), 3 * PAGE_SIZE, 0);
		range(SYS.mprotect, FILE, 3, RW);
		t.check();
		pageout();
		expect(wire_count(child, FILE)).toBe(1);
		expect(child.run(() => child.load(at(FILE)))).toBe(null);
		child.syscall(SYS.mprotect, at(FILE), 3 * PAGE_SIZE, READ);
		expect([load(child, FILE), wire_count(child, FILE)]).toEqual([0, 1]);
		t.check();
		child.end();
		expect(more()).toBe(0);
	});
});

describe("wired memory and fork", () => {
	it("nothing is wrong while the copies wait for memory", () => {
		range(SYS.mlock, 0, 4);
		let failed = false;
		t.k.failinject = (what) => {
			// The first copy is not page table memory: that fork has when it begins to copy.
			if (what !== "page" || failed || t.k.uvmexp.fltcownow === 0) return false;
			failed = true;
			return true;
		};
		const fork = agent.start(() => agent.fork());
		let wrong: string[] | null = null;
		t.spawn(
			(function* (): Sleeps<void> {
				wrong = uvm_check(t.k, []);
			})(),
		);
		t.settle();
		t.k.failinject = null;
		expect(failed).toBe(true);
		expect(wrong).toEqual([]);
		expect(fork.result).toBeInstanceOf(Agent);
		t.check();
	});

	it("is copied at once, and the child's copy is not wired", () => {
		range(SYS.mlock, 0, 4);
		const faults = t.k.uvmexp.faults;
		const child = agent.run(() => agent.fork()) as Agent;
		expect(t.k.uvmexp.fltcownow).toBe(4);
		expect(store(agent, 1, 50)).toBe(0);
		// The parent does not fault: that is what wiring is for.
		expect(t.k.uvmexp.faults).toBe(faults);
		expect([load(child, 1), load(agent, 1)]).toEqual([2, 50]);
		expect([wire_count(agent, 1), wire_count(child, 1)]).toEqual([1, 0]);
		t.check();
	});

	it("survives that a copy just made is paged out while another waits for memory", () => {
		range(SYS.mlock, 0, 8);
		// Pools keep pages for the second child.
		(agent.run(() => agent.fork()) as Agent).end();
		let n = 0;
		// Every second page is refused once: amap_cow_now sleeps and begins again.
		t.k.failinject = (what) => what === "page" && n++ % 2 === 1;
		const child = agent.run(() => agent.fork()) as Agent;
		t.k.failinject = null;
		for (let i = 0; i < PAGES; i++) expect(load(child, i)).toBe(i + 1);
		t.check();
	});
});

describe("mlockall", () => {
	it("wires what there is and what will be, and munlockall neither", () => {
		range(SYS.munmap, 8, 8);
		expect(agent.syscall(SYS.mlockall, MCL_CURRENT | MCL_FUTURE)).toBe(0);
		expect(more()).toBe(8);
		agent.syscall(SYS.mmap2, at(20), 4 * PAGE_SIZE, RW, SHARED | 0x10, -1, 0);
		expect([more(), wire_count(agent, 21)]).toEqual([12, 1]);
		t.check();
		expect(agent.syscall(SYS.munlockall)).toBe(0);
		expect(more()).toBe(0);
		agent.syscall(SYS.mmap2, at(30), 4 * PAGE_SIZE, RW, PRIVATE, -1, 0);
		expect(more()).toBe(0);
		t.check();
	});

	it("of too much changes nothing; other flags are refused", () => {
		t.k.uvmexp.wiredmax = t.k.uvmexp.wired + 3;
		expect(agent.syscall(SYS.mlockall, MCL_CURRENT)).toBe(-ENOMEM);
		expect([more(), agent.syscall(SYS.mlockall, 8)]).toEqual([0, -EINVAL]);
		t.check();
	});

	it("wires what mprotect makes accessible under MCL_FUTURE", () => {
		expect(agent.syscall(SYS.mlockall, MCL_FUTURE)).toBe(0);
		agent.syscall(SYS.mmap2, at(20), 4 * PAGE_SIZE, 0, PRIVATE, -1, 0);
		expect(more()).toBe(0);
		expect([range(SYS.mprotect, 20, 2, RW), more()]).toEqual([0, 2]);
		// Once only; and what could be accessed before was not to be wired.
		expect([range(SYS.mprotect, 20, 2, READ), range(SYS.mprotect, 20, 2, RW)]).toEqual([0, 0]);
		range(SYS.mprotect, 0, PAGES, READ);
		expect([more(), wire_count(agent, 20), wire_count(agent, 0)]).toEqual([2, 1, 0]);
		t.check();
		t.k.uvmexp.wiredmax = t.k.uvmexp.wired + 1;
		expect(range(SYS.mprotect, 22, 2, RW)).toBe(-ENOMEM);
		// As in NetBSD the protection is changed.
		expect([store(agent, 22, 1), more()]).toEqual([0, 2]);
		t.k.uvmexp.wiredmax = 1000;
		const limit = { rlim_cur: 2 * PAGE_SIZE, rlim_max: 2 * PAGE_SIZE };
		range(SYS.mprotect, 22, 2, 0);
		agent.p.p_rlimit[RLIMIT_MEMLOCK] = limit;
		expect([range(SYS.mprotect, 22, 2, RW), more()]).toEqual([-ENOMEM, 2]);
		t.check();
	});

	it("under it, what cannot be wired cannot be mapped", () => {
		expect(agent.syscall(SYS.mlockall, MCL_FUTURE)).toBe(0);
		t.k.uvmexp.wiredmax = t.k.uvmexp.wired + 3;
		expect(agent.syscall(SYS.mmap2, at(20), 4 * PAGE_SIZE, RW, PRIVATE, -1, 0)).toBe(-ENOMEM);
		expect(agent.syscall(SYS.mmap2, at(20), 3 * PAGE_SIZE, RW, PRIVATE, -1, 0)).toBe(at(20));
		expect(more()).toBe(3);
		t.check();
	});
});

describe("advice", () => {
	it("PAGEOUT passes over pages that another process has freed meanwhile", () => {
		const n = 40;
		agent.syscall(SYS.mmap2, at(0), n * PAGE_SIZE, RW, PRIVATE, -1, 0);
		for (let i = 0; i < n; i++) store(agent, i, i + 1);
		const child = agent.run(() => agent.fork()) as Agent;
		// The first cluster has to wait for kernel addresses.
		let refused = false;
		t.k.failinject = (what) => {
			if (what !== "pager_map" || refused) return false;
			refused = true;
			return true;
		};
		const jobs = [agent, child].map((who) =>
			who.start(() => who.call(SYS.madvise, at(0), n * PAGE_SIZE, MADV_PAGEOUT)),
		);
		t.settle();
		t.k.failinject = null;
		expect(refused).toBe(true);
		expect(jobs.map((job) => job.result)).toEqual([0, 0]);
		t.check();
		for (let i = 0; i < n; i++) expect([load(agent, i), load(child, i)]).toEqual([i + 1, i + 1]);
	});

	it("DONTNEED forgets private memory, whoever else has it; not what is wired", () => {
		const child = agent.run(() => agent.fork()) as Agent;
		expect(range(SYS.madvise, 2, 3, MADV_DONTNEED)).toBe(0);
		expect([1, 2, 4, 5].map((i) => load(agent, i))).toEqual([2, 0, 0, 6]);
		expect([2, 4].map((i) => load(child, i))).toEqual([3, 5]);
		range(SYS.mlock, 0, 1);
		expect(range(SYS.madvise, 0, 2, MADV_DONTNEED)).toBe(-EINVAL);
		t.check();
	});

	it("msync with MS_INVALIDATE is refused for what is locked", () => {
		const MS_INVALIDATE = 2;
		range(SYS.mlock, 4, 2);
		expect(range(SYS.msync, 0, 4, MS_INVALIDATE)).toBe(0);
		expect(range(SYS.msync, 0, 5, MS_INVALIDATE)).toBe(-EBUSY);
		expect(range(SYS.msync, 0, 5, 4)).toBe(0);
		expect(range(SYS.msync, PAGES - 1, 2, MS_INVALIDATE)).toBe(-ENOMEM);
	});

	it("mincore tells what is resident", () => {
		range(SYS.madvise, 0, PAGES, MADV_PAGEOUT);
		t.settle();
		load(agent, 3);
		agent.syscall(SYS.mmap2, at(30), PAGE_SIZE, RW, PRIVATE, -1, 0);
		store(agent, 30, 0);
		expect(range(SYS.mincore, 0, PAGES, at(30))).toBe(0);
		expect(load(agent, 30)).toBe(0x0100_0000);
		expect(range(SYS.mincore, PAGES - 1, 2, at(30))).toBe(-ENOMEM);
	});
});
