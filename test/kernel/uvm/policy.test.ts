/** What an experiment may choose about paging: page replacement, clusters, slots and windows. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { PagingPolicy } from "../../../computer/paging-policy.ts";
import type { DiskTiming } from "../../../devices/disk/timing.ts";
import { simple_lock, simple_unlock } from "../../../kernel/kern/core/kern_lock.ts";
import { uvm_analloc, uvm_anfree } from "../../../kernel/uvm/uvm_anon.ts";
import {
	clockpro_nres_advance,
	clockpro_nres_anfree,
	clockpro_nres_create,
	clockpro_nres_pageback,
	clockpro_nres_record,
} from "../../../kernel/uvm/uvm_clockpro_nres.ts";
import {
	UVM_ADV_NORMAL,
	UVM_ADV_RANDOM,
	UVM_ADV_SEQUENTIAL,
} from "../../../kernel/uvm/uvm_extern.ts";
import type { uvm_object } from "../../../kernel/uvm/uvm_object.ts";
import {
	PG_CLEAN,
	PQ_ACTIVE,
	PQ_INACTIVE,
	uvm_pagedeactivate,
	vm_page,
} from "../../../kernel/uvm/uvm_page.ts";
import { uvm_swap_alloc, uvm_swap_free } from "../../../kernel/uvm/uvm_swap.ts";
import { PMAP_ATTR_REF } from "../../../pmap/pmap.ts";
import { EFAULT } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE, faultsOf } from "../../support/address-space.ts";
import { TestKernel } from "../../support/kernel.ts";
import {
	checkAtRest,
	expectPattern,
	fill,
	pageout,
	readByte,
	residentPage,
	slotOf,
} from "../../support/paging.ts";

const REPLACEMENTS = ["clock", "clockpro", "aging", "random"] as const;

/** A dirty object of `pages`, and the requests with which it goes to swap. */
function writesFor(policy: PagingPolicy, pages: number): number {
	const t = new TestKernel({ policy });
	const uobj = t.aobj(pages);
	t.run(fill(t, uobj, Array(pages).keys()));
	const before = t.k.uvmexp.pdpageouts;
	pageout(t);
	const writes = t.k.uvmexp.pdpageouts - before;
	expect(uobj.uo_npages).toBe(0);
	expectPattern(t, uobj, Array(pages).keys());
	checkAtRest(t, uobj);
	return writes;
}

it.each(REPLACEMENTS)("%s: nothing is lost with three times the memory, and runs repeat", (r) => {
	const run = (): Record<string, number> => {
		const t = new TestKernel({ ram: 512 * 1024, policy: { replacement: r } });
		const n = 3 * t.k.uvmexp.npages;
		const uobj = t.aobj(n);
		t.run(fill(t, uobj, Array(n).keys()));
		expectPattern(t, uobj, Array(n).keys());
		// Backwards: what was used last is needed first.
		expectPattern(t, uobj, [...Array(n).keys()].reverse());
		checkAtRest(t, uobj);
		return { ...t.k.uvmexp };
	};
	const first = run();
	expect(first.pageins).toBeGreaterThan(0);
	expect(run()).toEqual(first);
});

it.each([1, 8, 16, 32])("n dirty pages are written with n/%i requests", (clusterPages) => {
	for (const n of [1, 7, 32, 40, 96]) {
		expect(writesFor({ clusterPages }, n), `${n} pages`).toBe(Math.ceil(n / clusterPages));
	}
});

/** One arm, which takes `positioning` for each request and `transfer` for each page, in ns. */
class OneByOne implements DiskTiming {
	readonly name = "one by one";
	#until = 0;
	readonly #positioning: number;
	readonly #transfer: number;

	constructor(positioning: number, transfer: number) {
		this.#positioning = positioning;
		this.#transfer = transfer;
	}

	completion(now: number, _sector: number, count: number): number {
		const pages = (count * 512) / PAGE_SIZE;
		this.#until = Math.max(now, this.#until) + this.#positioning + pages * this.#transfer;
		return this.#until;
	}

	reset(): void {}

	save(): number {
		return this.#until;
	}

	restore(state: unknown): void {
		this.#until = state as number;
	}
}

// 8 ms seek and half a turn at 7200 rpm, 10 and 50 MB/s; and flash.
it.each([
	[12_170_000, 400_000, 16, 10.8],
	[12_170_000, 400_000, 8, 6.5],
	[12_170_000, 80_000, 16, 14.6],
	[100_000, 20_000, 16, 4.6],
])(
	"paging out with %i ns a request, %i a page, clusters of %i: %d times as fast",
	(a, t, n, is) => {
		const PAGES = 96;
		const time = (clusterPages: number): number => {
			const timing = (): DiskTiming => new OneByOne(a, t);
			const kernel = new TestKernel({ timing, policy: { clusterPages } });
			const uobj = kernel.aobj(PAGES);
			kernel.run(fill(kernel, uobj, Array(PAGES).keys()));
			const { clock } = kernel.machine;
			const before = clock.cycles;
			pageout(kernel);
			expect(uobj.uo_npages).toBe(0);
			return clock.cycles - before;
		};
		const ratio = time(1) / time(n);
		// The processor's part is what the formula has not.
		expect(ratio / ((a + t) / (a / n + t))).toBeCloseTo(1, 2);
		expect(ratio).toBeCloseTo(is, 1);
	},
);

it.each(REPLACEMENTS)("%s fills its clusters", (replacement) => {
	expect(writesFor({ replacement }, 64)).toBe(4);
});

/** The writes, and whether slots stay, when pages that came from swap are dirty again. */
function rewritten(policy: PagingPolicy): { writes: number; kept: number } {
	const n = 32;
	const t = new TestKernel({ policy });
	const uobj = t.aobj(n);
	t.run(fill(t, uobj, Array(n).keys()));
	pageout(t);
	const slots = Array.from({ length: n }, (_, i) => slotOf(t, uobj, i));
	for (let i = 0; i < n; i += 2) t.run(fill(t, uobj, [i]));
	const before = t.k.uvmexp.pdpageouts;
	pageout(t);
	const writes = t.k.uvmexp.pdpageouts - before;
	expectPattern(t, uobj, Array(n).keys());
	checkAtRest(t, uobj);
	return { writes, kept: slots.filter((slot, i) => slotOf(t, uobj, i) === slot).length };
}

it("without new slots each page is written alone, to where it was", () => {
	expect(rewritten({ reassignSlots: false })).toEqual({ writes: 16, kept: 32 });
	expect(rewritten({})).toEqual({ writes: 1, kept: 16 });
});

it("a page that cannot be written to its own slot stays, and goes to another one", () => {
	const t = new TestKernel({ policy: { reassignSlots: false } });
	const uobj = t.aobj(1);
	t.run(fill(t, uobj, [0]));
	pageout(t);
	const old = slotOf(t, uobj, 0);
	t.run(fill(t, uobj, [0]));
	const { disk, sector } = t.sector(old);
	disk.failWrites(sector, PAGE_SIZE / 512);
	pageout(t);
	expect(uobj.uo_npages).toBe(1);
	pageout(t);
	expect(uobj.uo_npages).toBe(0);
	expect(slotOf(t, uobj, 0)).not.toBe(old);
	expectPattern(t, uobj, [0]);
	checkAtRest(t, uobj);
});

/** Requests to read 40 pages that were written in order, in a kernel with enough memory. */
function readsOf(swapinPages: number, kind: "object" | "private"): number {
	const n = 40;
	const t = new TestKernel({ policy: { swapinPages } });
	const space = new AddressSpace(t);
	if (kind === "private") space.anon(BASE, n, UVM_ADV_RANDOM);
	else space.object(BASE, n, t.aobj(n), { cow: false, advice: UVM_ADV_RANDOM });
	const at = (i: number): number => BASE + i * PAGE_SIZE;
	for (let i = 0; i < n; i++) t.run(space.store(at(i), i + 1));
	pageout(t);
	const before = t.k.uvmexp.pageins;
	for (let i = 0; i < n; i++) expect(t.run(space.load(at(i)))).toBe(i + 1);
	expect(t.k.uvmexp.pgswapin).toBe(n);
	checkAtRest(t);
	return t.k.uvmexp.pageins - before;
}

it.each(["object", "private"] as const)(
	"%s: n adjacent pages are read with one request",
	(kind) => {
		for (const n of [1, 4, 10, 16]) expect(readsOf(n, kind), `${n} pages`).toBe(Math.ceil(40 / n));
	},
);

it.each(["object", "private"] as const)("%s: only what lies beside it is read, too", (kind) => {
	const n = 24;
	const t = new TestKernel({ policy: { swapinPages: 8 } });
	const space = new AddressSpace(t);
	if (kind === "private") space.anon(BASE, n, UVM_ADV_RANDOM);
	else space.object(BASE, n, t.aobj(n), { cow: false, advice: UVM_ADV_RANDOM });
	const at = (i: number): number => BASE + i * PAGE_SIZE;
	for (let i = 0; i < n; i++) t.run(space.store(at(i), i + 1));
	pageout(t);
	// Every third page goes elsewhere.
	for (let i = 0; i < n; i += 3) t.run(space.store(at(i), i + 101));
	pageout(t);
	for (let i = 0; i < n; i++) {
		expect(t.run(space.load(at(i))), `page ${i}`).toBe(i % 3 === 0 ? i + 101 : i + 1);
	}
	checkAtRest(t);
});

it.each(REPLACEMENTS)("%s: slots of pages that are in memory are taken back", (replacement) => {
	const t = new TestKernel({ disks: [33 * PAGE_SIZE], policy: { replacement } });
	const { k } = t;
	const old = t.aobj(32);
	t.run(fill(t, old, Array(32).keys()));
	pageout(t);
	expectPattern(t, old, Array(32).keys());
	simple_lock(k, k.uvm.pageqlock);
	k.uvm.pdpolicy.balancequeue(k, 5);
	simple_unlock(k, k.uvm.pageqlock);
	expect(k.uvmexp.swpginuse).toBe(27);
	for (let i = 0; i < 32; i++) {
		const clean = (residentPage(t, old, i)!.flags & PG_CLEAN) !== 0;
		expect(clean).toBe(slotOf(t, old, i) > 0);
	}
	expectPattern(t, old, Array(32).keys());
	checkAtRest(t, old);
});

it("a neighbour that cannot be read costs nobody else anything", () => {
	const n = 8;
	for (const kind of ["object", "private"] as const) {
		const t = new TestKernel({ policy: { swapinPages: 8 } });
		const space = new AddressSpace(t);
		if (kind === "private") space.anon(BASE, n, UVM_ADV_RANDOM);
		else space.object(BASE, n, t.aobj(n), { cow: false, advice: UVM_ADV_RANDOM });
		for (let i = 0; i < n; i++) t.run(space.store(BASE + i * PAGE_SIZE, i + 1));
		pageout(t);
		const { disk, sector } = t.sector(2 + 3);
		disk.failReads(sector, PAGE_SIZE / 512);
		const loads = Array.from({ length: n }, (_, i) => t.run(space.load(BASE + i * PAGE_SIZE)));
		expect(loads).toEqual([1, 2, 3, -EFAULT, 5, 6, 7, 8]);
		checkAtRest(t);
	}
});

it("a neighbour that somebody else waits for is there for both", () => {
	const n = 8;
	const t = new TestKernel({ policy: { swapinPages: 8 } });
	const space = new AddressSpace(t);
	space.anon(BASE, n, UVM_ADV_RANDOM);
	for (let i = 0; i < n; i++) t.run(space.store(BASE + i * PAGE_SIZE, i + 1));
	pageout(t);
	const before = t.k.uvmexp.pageins;
	const both = [0, 5].map((i) => t.spawn(space.load(BASE + i * PAGE_SIZE)));
	t.settle();
	expect(both.map(({ result }) => result)).toEqual([1, 6]);
	expect(t.k.uvmexp.pageins - before).toBe(1);
	checkAtRest(t);
});

it("neighbours may go while they are read", () => {
	const n = 8;
	const t = new TestKernel({ policy: { swapinPages: 8 } });
	const space = new AddressSpace(t);
	const free = t.k.uvmexp.swpginuse;
	space.anon(BASE, n, UVM_ADV_RANDOM);
	for (let i = 0; i < n; i++) t.run(space.store(BASE + i * PAGE_SIZE, i + 1));
	pageout(t);
	for (const broken of [false, true]) {
		const { disk, sector } = t.sector(2 + 2);
		if (broken) disk.failReads(sector, PAGE_SIZE / 512);
		const load = t.spawn(space.load(BASE));
		// Which runs when that sleeps.
		expect(space.unmap(BASE + 2 * PAGE_SIZE, 6)).toBe(0);
		t.settle();
		expect(load.result).toBe(1);
		checkAtRest(t);
		if (broken) break;
		expect(space.unmap(BASE, 2)).toBe(0);
		expect(t.k.uvmexp.swpginuse).toBe(free);
		space.anon(BASE, n, UVM_ADV_RANDOM);
		for (let i = 0; i < n; i++) t.run(space.store(BASE + i * PAGE_SIZE, i + 1));
		pageout(t);
	}
});

it("stepwise allocation takes the longest run of free slots there is", () => {
	const SLOTS = 96;
	const used = fc.array(fc.boolean(), { minLength: SLOTS, maxLength: SLOTS });
	fc.assert(
		fc.property(used, fc.integer({ min: 1, max: 32 }), (taken, want) => {
			for (const slotAllocation of ["single", "stepwise"] as const) {
				const t = new TestKernel({ disks: [(SLOTS + 1) * PAGE_SIZE], policy: { slotAllocation } });
				const first = uvm_swap_alloc(t.k, SLOTS, false);
				for (const [i, isUsed] of taken.entries()) if (!isUsed) uvm_swap_free(t.k, first + i, 1);
				const runs = taken.map((isUsed) => (isUsed ? "x" : ".")).join("");
				const longest = Math.max(0, ...runs.split("x").map((run) => run.length));
				const slot = uvm_swap_alloc(t.k, want, true) - first;
				const got = t.k.uvm.swap_alloc_nslots;
				const shorter = slotAllocation === "single" ? Math.min(longest, 1) : longest;
				expect(got).toBe(longest >= want ? want : shorter);
				if (got > 0) expect(slot).toBe(runs.indexOf(".".repeat(got)));
			}
		}),
		{ numRuns: 20 },
	);
});

it("the windows of faults are as they are chosen", () => {
	const t = new TestKernel({
		policy: { normalBehind: 1, normalAhead: 9, sequentialBehind: 0, sequentialAhead: 0 },
	});
	const space = new AddressSpace(t);
	const n = 41;
	const faults = (advice: number, order: "up" | "down"): number => {
		const uobj = t.aobj(n);
		t.run(fill(t, uobj, Array(n).keys()));
		expect(space.object(BASE, n, uobj, { cow: false, advice })).toBe(0);
		const pages = [...Array(n).keys()];
		if (order === "down") pages.reverse();
		const count = faultsOf(t, () => {
			for (const i of pages) t.run(space.load(BASE + i * PAGE_SIZE));
		});
		expect(space.unmap(BASE, n)).toBe(0);
		return count;
	};
	expect(faults(UVM_ADV_NORMAL, "up")).toBe(Math.ceil(n / 10));
	expect(faults(UVM_ADV_NORMAL, "down")).toBe(Math.ceil(n / 2));
	expect(faults(UVM_ADV_SEQUENTIAL, "up")).toBe(n);
	expect(faults(UVM_ADV_RANDOM, "up")).toBe(n);
});

it("the daemon's targets are as they are chosen", () => {
	const t = new TestKernel({ policy: { freeMin: 20, freeTarget: 50, inactivePercent: 80 } });
	const n = 2 * t.k.uvmexp.npages;
	const uobj = t.aobj(n);
	t.run(fill(t, uobj, Array(n).keys()));
	const { freemin, freetarg, free, active, inactive, inactarg } = t.k.uvmexp;
	expect([freemin, freetarg]).toEqual([20, 50]);
	expect(free).toBeGreaterThanOrEqual(freemin);
	expect(inactarg / (active + inactive)).toBeGreaterThan(0.7);
});

/** Resident pages of an object that nobody has used, as far as the reference bits say. */
function idlePages(t: TestKernel, n: number): { uobj: uvm_object; pages: vm_page[] } {
	const uobj = t.aobj(n);
	t.run(fill(t, uobj, Array(n).keys()));
	const pages = Array.from({ length: n }, (_, i) => residentPage(t, uobj, i)!);
	for (const pg of pages) pg.md_attrs &= ~PMAP_ATTR_REF;
	return { uobj, pages };
}

it("aging gives up the pages in the order of their last eight reference bits", () => {
	const N = 12;
	const uses = fc.array(fc.array(fc.nat(N - 1)), { minLength: 1, maxLength: 12 });
	fc.assert(
		fc.property(uses, (rounds) => {
			const t = new TestKernel({ policy: { replacement: "aging" } });
			const { k } = t;
			const { pages } = idlePages(t, N);
			const ages = new Array<number>(N).fill(0);
			for (const used of rounds) {
				for (const i of used) pages[i]!.md_attrs |= PMAP_ATTR_REF;
				for (let i = 0; i < N; i++) ages[i] = (ages[i]! >> 1) | (used.includes(i) ? 128 : 0);
				k.uvm.pdpolicy.scaninit(k);
			}
			const order: number[] = [];
			for (;;) {
				const pg = k.uvm.pdpolicy.selectvictim(k, false);
				if (pg === null) break;
				order.push(pages.indexOf(pg));
			}
			const expected = [...ages.keys()].sort((a, b) => ages[a]! - ages[b]! || a - b);
			expect(order).toEqual(expected);
			k.uvm.pdpolicy.scanfini(k);
		}),
		{ numRuns: 30 },
	);
});

it("aging gives up inactive pages before others that are as old", () => {
	const t = new TestKernel({ policy: { replacement: "aging" } });
	const { k } = t;
	const { pages } = idlePages(t, 6);
	for (const i of [4, 2]) uvm_pagedeactivate(k, pages[i]!);
	pages[3]!.md_attrs |= PMAP_ATTR_REF;
	k.uvm.pdpolicy.scaninit(k);
	const order = pages.map(() => pages.indexOf(k.uvm.pdpolicy.selectvictim(k, false)!));
	expect(order).toEqual([4, 2, 0, 1, 5, 3]);
	k.uvm.pdpolicy.scanfini(k);
});

it("CLOCK-Pro has a page hot that is used in its test period, and no other", () => {
	const t = new TestKernel({ ram: 2 << 20, policy: { replacement: "clockpro" } });
	const { k } = t;
	const { pages } = idlePages(t, 300);
	expect(pages.filter((pg) => (pg.pqflags & PQ_INACTIVE) !== 0).length).toBe(300);
	k.uvm.pdpolicy.scaninit(k);
	// It leaves the queue of new pages, and forgets the use with which it came.
	for (let i = 0; i < 40; i++) k.uvm.pdpolicy.selectvictim(k, false);
	pages[43]!.md_attrs |= PMAP_ATTR_REF;
	for (let i = 0; i < 10; i++) k.uvm.pdpolicy.selectvictim(k, false);
	const hot = pages.flatMap((pg, i) => ((pg.pqflags & PQ_ACTIVE) !== 0 ? [i] : []));
	expect(hot).toEqual([43]);
});

it("random names every page sooner or later, and no other", () => {
	const t = new TestKernel({ policy: { replacement: "random" } });
	const { k } = t;
	const { pages } = idlePages(t, 10);
	const named = new Map<vm_page, number>();
	for (let round = 0; round < 100; round++) {
		k.uvm.pdpolicy.scaninit(k);
		for (let i = 0; i < 10; i++) {
			const pg = k.uvm.pdpolicy.selectvictim(k, false)!;
			named.set(pg, (named.get(pg) ?? 0) + 1);
		}
	}
	expect(new Set(named.keys())).toEqual(new Set(pages));
	// 100 each on the average; three standard deviations are 29.
	for (const count of named.values()) expect(Math.abs(count - 100)).toBeLessThan(40);
});

it("CLOCK-Pro keeps what is used again and again through a scan of what is used once", () => {
	const faults = (replacement: (typeof REPLACEMENTS)[number]): number => {
		const t = new TestKernel({ ram: 1 << 20, disks: [8 << 20], policy: { replacement } });
		const { npages } = t.k.uvmexp;
		const hot = t.aobj(Math.floor(npages / 3));
		const cold = t.aobj(4 * npages);
		t.run(fill(t, hot, Array(Math.floor(npages / 3)).keys()));
		const use = (uobj: uvm_object, i: number): void => {
			t.run(readByte(t, uobj, i));
			const pg = residentPage(t, uobj, i);
			if (pg !== null) pg.md_attrs |= PMAP_ATTR_REF;
		};
		let next = 0;
		let before = 0;
		for (let round = 0; round < 12; round++) {
			// The first rounds are to learn what is hot.
			if (round === 4) before = t.k.uvmexp.pageins;
			for (let i = 0; i < Math.floor(npages / 3); i++) use(hot, i);
			for (let i = 0; i < Math.floor(npages / 4); i++) use(cold, next++);
		}
		return t.k.uvmexp.pageins - before;
	};
	const [clock, clockpro, random] = [faults("clock"), faults("clockpro"), faults("random")];
	expect(clockpro).toBeLessThan(random / 2);
	expect(clockpro).toBeLessThanOrEqual(clock);
});

it("records of pages that were given up last a turn of the hand, and end with their anon", () => {
	const t = new TestKernel({ policy: { replacement: "clockpro" } });
	const nres = clockpro_nres_create(1000);
	const { uobj } = idlePages(t, 1);
	const page = (offset: number): vm_page => {
		const pg = new vm_page(0);
		pg.uobject = uobj;
		pg.offset = offset * PAGE_SIZE;
		return pg;
	};
	for (let i = 0; i < 100; i++) clockpro_nres_record(nres, page(i));
	for (let i = 0; i < 50; i++) expect(clockpro_nres_pageback(nres, page(i))).toBe(true);
	for (let i = 0; i < 50; i++) expect(clockpro_nres_pageback(nres, page(i))).toBe(false);
	// 200 hot pages pass under the hand: a whole turn.
	for (let i = 0; i < 200; i++) clockpro_nres_advance(nres, 200);
	for (let i = 0; i < 100; i++) expect(clockpro_nres_pageback(nres, page(i))).toBe(false);

	const anon = uvm_analloc(t.k)!;
	const pg = new vm_page(0);
	pg.uanon = anon;
	expect(clockpro_nres_pageback(nres, pg)).toBe(false);
	clockpro_nres_record(nres, pg);
	const name = anon.an_id;
	clockpro_nres_anfree(nres, anon);
	expect(anon.an_id).toBe(0);
	anon.an_id = name;
	expect(clockpro_nres_pageback(nres, pg)).toBe(false);
	anon.an_id = 0;
	anon.an_ref = 0;
	uvm_anfree(t.k, anon);
});
