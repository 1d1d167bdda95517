/**
 * Bugs that NetBSD's UVM once had, as scenarios: each fails on what the code of that time did. The
 * numbers are those of the table in docs/port.md, which also names the tests of the bugs that are
 * not here because the tests of their subject have them.
 */

import { beforeEach, describe, expect, it } from "vitest";
import { HddTiming } from "../../../devices/disk/timing.ts";
import { ltsleep, type Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import { cpu_run } from "../../../kernel/kern/proc/kern_cpu.ts";
import { SYS } from "../../../kernel/kern/sys/sysnum.ts";
import { amap_lookup } from "../../../kernel/uvm/uvm_amap.ts";
import { uao_detach } from "../../../kernel/uvm/uvm_aobj.ts";
import { uvm_map_lookup_entry, type vm_map_entry } from "../../../kernel/uvm/uvm_map_entry.ts";
import { uvm_map_wire } from "../../../kernel/uvm/uvm_map_wire.ts";
import { PG_CLEAN } from "../../../kernel/uvm/uvm_page.ts";
import { PAGER_MAP_SIZE } from "../../../kernel/uvm/uvm_pagermap.ts";
import { UVMPD_NUMDIRTYREACTS } from "../../../kernel/uvm/uvm_pdaemon.ts";
import { SWCLPAGES, uvm_swapisfull } from "../../../kernel/uvm/uvm_swap.ts";
import { entry_page } from "../../../kernel/uvm/uvm_unwire.ts";
import { EFAULT, ENOMEM } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { AddressSpace, cowClone } from "../../support/address-space.ts";
import { Agent } from "../../support/agents.ts";
import { TestKernel } from "../../support/kernel.ts";
import { pageout, spawnSwapoff, swappedObject } from "../../support/paging.ts";

const BASE = 0x1000_0000;
const PAGES = 32;
const READ = 1;
const RW = 3;
const RWX = 7;
const PRIVATE = 0x32;
const SHARED = 0x31;
const MCL_CURRENT = 1;
const MADV_PAGEOUT = 21;

const at = (page: number): number => BASE + page * PAGE_SIZE;

let t: TestKernel;
let agent: Agent;

/** A machine with a process; `slots`: how many pages the swap disk takes. */
function boot(slots = 1023): void {
	t = new TestKernel({ disks: [(slots + 1) * PAGE_SIZE] });
	// The first process has children only; it inherits those that others leave.
	Agent.create(t);
	agent = Agent.create(t);
}

beforeEach(() => boot());

function map(page: number, pages: number, prot = RW, flags = PRIVATE): void {
	expect(agent.syscall(SYS.mmap2, at(page), pages * PAGE_SIZE, prot, flags, -1, 0)).toBe(at(page));
}

const load = (who: Agent, page: number): number | null => who.run(() => who.load(at(page)));
const store = (who: Agent, page: number, value: number): number =>
	who.run(() => who.store(at(page), value));

/** Store its number + 1 in each page. */
function fill(pages: Iterable<number>): void {
	for (const page of pages) expect(store(agent, page, page + 1)).toBe(0);
}

const contents = (who: Agent, pages: Iterable<number>): (number | null)[] =>
	[...pages].map((page) => load(who, page));
const filled = (pages: Iterable<number>): number[] => [...pages].map((page) => page + 1);

const entryAt = (page: number, who = agent): vm_map_entry =>
	uvm_map_lookup_entry(who.map, at(page));

const range = (number: number, from: number, n: number, ...args: number[]): number =>
	agent.syscall(number, at(from), n * PAGE_SIZE, ...args);

/** Have pages written to swap and freed. */
function swapOut(from: number, n: number): void {
	range(SYS.madvise, from, n, MADV_PAGEOUT);
	t.settle();
}

describe("transfers", () => {
	/** More single pages than pager_map has room for. */
	const TOO_MANY = PAGER_MAP_SIZE / PAGE_SIZE + 16;

	it("7.2: a read that finds no buffer again and again gives its addresses back", () => {
		map(0, 1);
		fill([0]);
		swapOut(0, 1);
		let failures = TOO_MANY;
		t.k.failinject = (what) => what === "buf" && failures-- > 0;
		expect(load(agent, 0)).toBe(1);
		expect(failures).toBe(-1);
		expect(t.k.uvm.pager_map!.nentries).toBe(0);
		t.check();
	});

	it("7.2: so does a write of the page daemon, and the pages stay dirty", () => {
		map(0, PAGES);
		fill(Array(PAGES).keys());
		const writes = t.k.uvmexp.pdpageouts;
		t.k.failinject = (what) => what === "buf";
		while ((t.k.uvmexp.pdpageouts - writes) * SWCLPAGES < TOO_MANY) pageout(t);
		expect([t.k.uvm.pager_map!.nentries, t.k.uvm.emerginuse]).toEqual([0, false]);
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 0, swpgonly: 0, paging: 0 });
		t.k.failinject = null;
		pageout(t);
		expect(t.k.uvmexp.swpgonly).toBe(PAGES);
		expect(contents(agent, Array(PAGES).keys())).toEqual(filled(Array(PAGES).keys()));
		t.check();
	});

	it("7.4: private pages that are freed clean count as being in swap only", () => {
		map(0, PAGES);
		fill(Array(PAGES).keys());
		pageout(t);
		const written = t.k.uvmexp.pgswapout;
		for (let round = 0; round < 3; round++) {
			expect(t.k.uvmexp).toMatchObject({ swpgonly: PAGES, swpginuse: PAGES });
			expect(contents(agent, Array(PAGES).keys())).toEqual(filled(Array(PAGES).keys()));
			expect(t.k.uvmexp).toMatchObject({ swpgonly: 0, swpginuse: PAGES });
			pageout(t);
			t.check();
		}
		expect(t.k.uvmexp.pgswapout).toBe(written);
	});
});

describe("swap that is exactly full", () => {
	it("7.5: a scan gives up after sixteen pages that it cannot write", () => {
		boot(8);
		swappedObject(t, 8);
		expect(uvm_swapisfull(t.k)).toBe(true);
		map(0, 60);
		fill(Array(60).keys());
		for (let round = 0; round < 3; round++) {
			const { pdscans, pdrevs } = t.k.uvmexp;
			pageout(t);
			expect(t.k.uvmexp.pdrevs).toBe(pdrevs + 1);
			expect(t.k.uvmexp.pdscans - pdscans).toBe(UVMPD_NUMDIRTYREACTS);
		}
		expect(contents(agent, Array(60).keys())).toEqual(filled(Array(60).keys()));
	});

	it("7.5: who waits for memory is woken when some is free, or none is coming", () => {
		t = new TestKernel({ timing: () => new HddTiming(8192) });
		Agent.create(t);
		agent = Agent.create(t);
		const { k } = t;
		let wakeups = 0;
		t.spawn(
			(function* (): Sleeps<never> {
				for (;;) {
					yield* ltsleep(k, k.uvm.free_wchan, "test", 0, null);
					const { free, reserve_kernel, paging } = k.uvmexp;
					// Thrown, for they would wake each other as long as the disk takes.
					if (free <= reserve_kernel && paging > 0) throw new Error("woken too soon");
					wakeups++;
				}
			})(),
		);
		map(0, 200);
		const child = agent.run(() => agent.fork()) as Agent;
		// Each wakes the page daemon again while the other waits for its writes.
		for (const who of [agent, child]) {
			who.start(function* (): Sleeps<void> {
				for (let page = 0; page < 200; page++) yield* who.store(at(page), page + 1);
			});
		}
		t.settle();
		for (const who of [agent, child]) {
			expect(contents(who, Array(200).keys())).toEqual(filled(Array(200).keys()));
		}
		expect(wakeups).toBeGreaterThan(5);
	});

	it("7.6: a copy that finds no page leaves no anon behind", () => {
		boot(8);
		const { k } = t;
		const space = new AddressSpace(t);
		const uobj = t.aobj(1);
		// One page for each kind of copy; those that are copied from stay resident.
		space.anon(at(0), 1);
		space.object(at(10), 1, uobj);
		uobj.uo_refs++;
		space.object(at(20), 1, uobj, { cow: true, advice: 0 });
		space.anon(at(30), 1);
		expect(t.run(space.store(at(10), 11))).toBe(0);
		expect(t.run(space.store(at(30), 31))).toBe(0);
		const child = cowClone(space, at(30), 1);
		expect(t.run(uvm_map_wire(k, space.map, at(10), at(11)))).toBe(0);
		const { nanon } = k.uvmexp;
		const attempts = [
			() => space.store(at(0), 1),
			() => space.store(at(20), 21),
			() => child.store(at(30), 32),
		];
		const hog = t.aobj(400);
		t.run(useUp(hog));
		expect(uvm_swapisfull(k)).toBe(true);
		for (let round = 0; round < 5; round++) {
			for (const attempt of attempts) expect(t.run(attempt())).toBe(EFAULT);
			expect(k.uvmexp.nanon).toBe(nanon);
		}
		t.run(uao_detach(k, hog));
		for (const attempt of attempts) expect(t.run(attempt())).toBe(0);
		expect(k.uvmexp.nanon).toBe(nanon + 3);
		expect(t.run(space.load(at(30)))).toBe(31);
		expect(t.run(space.load(at(10)))).toBe(11);
		t.check();
	});

	/** Dirty pages of an object until there is no memory for more. Sleeps. */
	function* useUp(hog: ReturnType<TestKernel["aobj"]>): Sleeps<void> {
		let error = 0;
		for (let i = 0; error === 0; i++) {
			error = yield* t.page(hog, i, (pg) => {
				pg.flags &= ~PG_CLEAN;
				return 0;
			});
		}
		expect(error).toBe(ENOMEM);
	}
});

describe("amaps", () => {
	it.each([false, true])("7.7: what is unmapped of a sparse mapping goes (in swap: %s)", (out) => {
		const used = [1, 9, 10, 25, 39];
		map(0, 40);
		fill(used);
		if (out) swapOut(0, 40);
		expect(range(SYS.munmap, 8, 22)).toBe(0);
		expect(t.k.uvmexp).toMatchObject({ nanon: 2, swpginuse: out ? 2 : 0 });
		t.check();
		expect(contents(agent, used)).toEqual([2, null, null, null, 40]);
		expect(range(SYS.munmap, 0, 40)).toBe(0);
		expect(t.k.uvmexp).toMatchObject({ nanon: 0, swpginuse: 0, swpgonly: 0 });
		expect(t.k.uvm.amap_pool.pr_nout).toBe(0);
		t.check();
	});

	it("7.7: the same for one that goes as a whole", () => {
		map(0, 200);
		fill([3, 4, 5, 150, 199]);
		expect(range(SYS.munmap, 0, 200)).toBe(0);
		expect(t.k.uvmexp.nanon).toBe(0);
		expect(t.k.uvm.amap_pool.pr_nout).toBe(0);
		t.check();
	});

	it.each([PRIVATE, SHARED])("7.8: fork and exit count references as a whole (%i)", (flags) => {
		map(0, PAGES, RW, flags);
		fill(Array(PAGES).keys());
		const ppref = (): unknown => entryAt(0).amap?.am_ppref ?? null;
		const child = agent.run(() => agent.fork()) as Agent;
		expect(ppref()).toBeNull();
		expect(store(child, 3, 77)).toBe(0);
		const second = child.run(() => child.fork()) as Agent;
		expect(entryAt(0, child).amap?.am_ppref ?? null).toBeNull();
		second.end();
		child.end();
		expect(ppref()).toBeNull();
		t.check();
		// What is split does count slot by slot.
		if (entryAt(0).amap === null) return;
		range(SYS.munmap, 4, 4);
		expect(ppref()).not.toBeNull();
	});
});

describe("protection and wiring", () => {
	it("7.10: mprotect over a private and a shared entry goes by each one's own copy bit", () => {
		map(0, 4, RWX, PRIVATE);
		map(4, 4, RWX, SHARED);
		fill(Array(8).keys());
		expect(range(SYS.mprotect, 0, 8, RW)).toBe(0);
		t.check();
		// A shared page may be stored to without asking; it was mapped for that.
		const { faults } = t.k.uvmexp;
		for (let page = 4; page < 8; page++) store(agent, page, 50 + page);
		expect(t.k.uvmexp.faults).toBe(faults);
	});

	it.each([
		["shared, private", SHARED, PRIVATE],
		["private, shared", PRIVATE, SHARED],
	])("7.10: nor does it open a copy that is not made yet: %s", (_, first, second) => {
		map(0, 4, RW, first);
		map(4, 4, RW, second);
		fill(Array(8).keys());
		const child = agent.run(() => agent.fork()) as Agent;
		range(SYS.mprotect, 0, 8, READ);
		expect(store(agent, 1, 99)).toBe(EFAULT);
		range(SYS.mprotect, 0, 8, RW);
		for (let page = 0; page < 8; page++) expect(store(agent, page, 100 + page)).toBe(0);
		t.check();
		const seen = (page: number): number =>
			(page < 4 ? first : second) === SHARED ? 100 + page : page + 1;
		expect(contents(child, Array(8).keys())).toEqual([...Array(8).keys()].map(seen));
	});

	it("7.11: an mlockall that fails half way unwires what it wired, and that only", () => {
		map(0, 16);
		fill(Array(16).keys());
		const { wired } = t.k.uvmexp;
		const more = (): number => t.k.uvmexp.wired - wired;
		const wire_count = (page: number): number =>
			entry_page(t.k, entryAt(page), at(page))?.wire_count ?? -1;
		// Entries: 0-3, 4-5 wired already, 6-11 with a page that cannot be read, 12-15.
		expect(range(SYS.mlock, 4, 2)).toBe(0);
		range(SYS.mprotect, 12, 4, READ);
		swapOut(8, 1);
		const entry = entryAt(8);
		const anon = amap_lookup(entry.amap!, entry.pageoff + (at(8) - entry.start) / PAGE_SIZE)!;
		const { disk, sector } = t.sector(anon.an_swslot);
		disk.failReads(sector, 8);
		expect(agent.syscall(SYS.mlockall, MCL_CURRENT)).toBe(-ENOMEM);
		expect(more()).toBe(2);
		expect([0, 4, 5, 6, 12].map(wire_count)).toEqual([0, 1, 1, 0, 0]);
		t.check();
		swapOut(0, 16);
		expect([0, 4, 5].map(wire_count)).toEqual([-1, 1, 1]);
		// Without the page that is lost, it can be done.
		disk.liftAll();
		range(SYS.munmap, 8, 1);
		expect(agent.syscall(SYS.mlockall, MCL_CURRENT)).toBe(0);
		expect(more()).toBe(15);
		t.check();
		expect(agent.syscall(SYS.munlockall)).toBe(0);
		expect(more()).toBe(0);
		t.check();
	});
});

describe("swapoff", () => {
	/** When the other thing happens, in cycles after swapoff began: some reads are done then. */
	const delays = [0, 40_000, 150_000, 400_000, 1_000_000, 2_500_000];

	/** Private memory in swap, and swapoff under way for `delay` cycles. */
	function underway(delay: number): ReturnType<typeof spawnSwapoff> {
		map(0, PAGES);
		fill(Array(PAGES).keys());
		swapOut(0, PAGES);
		expect(t.k.uvmexp.swpgonly).toBe(PAGES);
		const thread = spawnSwapoff(t);
		cpu_run(t.k, t.machine.clock.cycles + delay);
		return thread;
	}

	function expectGone(thread: ReturnType<typeof spawnSwapoff>): void {
		expect(thread.result).toBe(0);
		expect(t.k.uvmexp).toMatchObject({ swpages: 0, swpginuse: 0, swpgonly: 0 });
		t.check();
	}

	it.each(delays)("7.13: and a fork: parent and child both have it all (after %i)", (delay) => {
		const thread = underway(delay);
		const job = agent.start(function* (): Sleeps<Agent> {
			const child = (yield* agent.fork()) as Agent;
			for (let page = 0; page < PAGES; page += 2) yield* agent.store(at(page), 1000 + page);
			return child;
		});
		t.settle();
		expectGone(thread);
		expect(contents(job.result, Array(PAGES).keys())).toEqual(filled(Array(PAGES).keys()));
		expect(contents(agent, [0, 1, 2, 3])).toEqual([1000, 2, 1002, 4]);
	});

	it.each(delays)("7.13: and a fork whose parent ends at once (after %i)", (delay) => {
		const thread = underway(delay);
		const job = agent.start(() => agent.fork());
		agent.start(() => agent.exit(0));
		t.settle();
		expectGone(thread);
		const child = job.result as Agent;
		expect(contents(child, Array(PAGES).keys())).toEqual(filled(Array(PAGES).keys()));
		child.end();
		expect(t.k.uvmexp.nanon).toBe(0);
	});

	it.each(delays)("7.13: and the end of the only user (after %i)", (delay) => {
		const thread = underway(delay);
		agent.start(() => agent.exit(0));
		t.settle();
		expectGone(thread);
		expect(t.k.uvmexp.nanon).toBe(0);
	});

	it.each(delays)("7.13: and faults, and stores, of two processes (after %i)", (delay) => {
		map(0, PAGES);
		fill(Array(PAGES).keys());
		const child = agent.run(() => agent.fork()) as Agent;
		swapOut(0, PAGES);
		const thread = spawnSwapoff(t);
		cpu_run(t.k, t.machine.clock.cycles + delay);
		for (const [who, value] of [
			[agent, 2000],
			[child, 3000],
		] as const) {
			who.start(function* (): Sleeps<void> {
				for (let page = 0; page < PAGES; page += 3) yield* who.store(at(page), value + page);
			});
		}
		t.settle();
		expectGone(thread);
		expect(contents(agent, [0, 1, 2, 3])).toEqual([2000, 2, 3, 2003]);
		expect(contents(child, [0, 1, 2, 3])).toEqual([3000, 2, 3, 3003]);
	});
});

describe.each(["hardware", "trap"] as const)("stale translations (A and D by %s)", (adPolicy) => {
	beforeEach(() => {
		t = new TestKernel({ adPolicy });
		Agent.create(t);
		agent = Agent.create(t);
		map(0, 4);
		fill([0, 1, 2, 3]);
	});

	it("7.15: a store right after fork does not reach the child", () => {
		const child = agent.run(function* (): Sleeps<Agent> {
			// The translation that permits the store is in the TLB.
			yield* agent.store(at(1), 20);
			const made = (yield* agent.fork()) as Agent;
			expect(t.k.pmap.fence_n).toBe(0);
			yield* agent.store(at(1), 30);
			return made;
		});
		expect([load(child, 1), load(agent, 1)]).toEqual([20, 30]);
		t.check();
	});

	it("7.15: a store right after mprotect is refused", () => {
		const errors = agent.run(function* (): Sleeps<number[]> {
			const first = yield* agent.store(at(1), 20);
			yield* agent.call(SYS.mprotect, at(0), 4 * PAGE_SIZE, READ);
			expect(t.k.pmap.fence_n).toBe(0);
			return [first, yield* agent.store(at(1), 30)];
		});
		expect(errors).toEqual([0, EFAULT]);
		expect(load(agent, 1)).toBe(20);
		t.check();
	});

	it("7.15: a store to a page that was written out and read back is written again", () => {
		for (const value of [41, 42, 43]) {
			store(agent, 1, value);
			swapOut(0, 4);
			expect(load(agent, 1)).toBe(value);
			store(agent, 1, value + 100);
			swapOut(0, 4);
			expect(load(agent, 1)).toBe(value + 100);
		}
		t.check();
	});
});
