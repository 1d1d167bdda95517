/**
 * The defects P1 to P13 of uvm_pager.c 1.1.1.1: each test fails on what that revision does.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { simple_lock, simple_unlock } from "../../../kernel/kern/core/kern_lock.ts";
import { ltsleep } from "../../../kernel/kern/core/kern_synch.ts";
import { amap_add, amap_alloc, amap_unref } from "../../../kernel/uvm/uvm_amap.ts";
import { uvm_analloc, uvm_anfree, type vm_anon } from "../../../kernel/uvm/uvm_anon.ts";
import { uao_find_swslot, uao_set_swslot } from "../../../kernel/uvm/uvm_aobj_slots.ts";
import { PGO_ALLPAGES, PGO_PDFREECLUST, PGO_SYNCIO } from "../../../kernel/uvm/uvm_object.ts";
import {
	PG_BUSY,
	PG_CLEAN,
	PG_FAKE,
	PG_RELEASED,
	PG_WANTED,
	PQ_AOBJ,
	PQ_FREE,
	uvm_pageactivate,
	uvm_pagealloc,
	uvm_pagedeactivate,
	uvm_pagewire,
	type vm_page,
} from "../../../kernel/uvm/uvm_page.ts";
import { uvm_mk_pcluster, uvm_pager_put } from "../../../kernel/uvm/uvm_pager.ts";
import {
	PAGER_MAP_SIZE,
	uvm_pagermapin,
	uvm_pagermapout,
} from "../../../kernel/uvm/uvm_pagermap.ts";
import { SWSLOT_NONE, uvm_swap_alloc, uvm_swap_isallocated } from "../../../kernel/uvm/uvm_swap.ts";
import { pmap_enter, pmap_is_modified, pmap_kernel } from "../../../pmap/pmap.ts";
import { EAGAIN, EIO, ENOMEM } from "../../../sys/errno.ts";
import { PAGE_SIZE, VM_PROT_READ, VM_PROT_WRITE } from "../../../sys/vmparam.ts";
import { TestKernel } from "../../support/kernel.ts";
import { makeDirty, type TestObject, testObject, WINDOW } from "../../support/test-pager.ts";

let t: TestKernel;
beforeEach(() => {
	t = new TestKernel();
});

/** Run `body` with the object and the queues locked. */
function locked<T>(obj: TestObject, body: () => T): T {
	simple_lock(t.k, obj.vmobjlock);
	simple_lock(t.k, t.k.uvm.pageqlock);
	const result = body();
	simple_unlock(t.k, t.k.uvm.pageqlock);
	simple_unlock(t.k, obj.vmobjlock);
	return result;
}

function inactive(pg: vm_page): vm_page {
	simple_lock(t.k, t.k.uvm.pageqlock);
	uvm_pagedeactivate(t.k, pg);
	simple_unlock(t.k, t.k.uvm.pageqlock);
	return pg;
}

function active(pg: vm_page): vm_page {
	simple_lock(t.k, t.k.uvm.pageqlock);
	uvm_pageactivate(t.k, pg);
	simple_unlock(t.k, t.k.uvm.pageqlock);
	return pg;
}

/** Dirty, inactive pages with these indices; the value of each byte is the index. */
const dirty = (obj: TestObject, ...indices: number[]): vm_page[] =>
	indices.map((i) => inactive(makeDirty(t, obj, i, i)));

const indices = (pgs: readonly vm_page[]): number[] => pgs.map((pg) => pg.offset / PAGE_SIZE);

/** Write `pg` with its neighbours, and wait for the end. */
function put(obj: TestObject, pg: vm_page, flags = PGO_ALLPAGES | PGO_SYNCIO | PGO_PDFREECLUST) {
	pg.flags |= PG_BUSY;
	simple_lock(t.k, obj.vmobjlock);
	simple_lock(t.k, t.k.uvm.pageqlock);
	return uvm_pager_put(t.k, obj, pg, [], flags, 0, 0);
}

describe("uvm_mk_pcluster", () => {
	it("P1: takes the adjacent pages, and only those", () => {
		const obj = testObject(t);
		const pgs = dirty(obj, 0, 4, 5, 6, 7, 8);
		const center = pgs[2]!;
		center.flags |= PG_BUSY;
		const cluster = locked(obj, () => uvm_mk_pcluster(t.k, obj, 16, center, PGO_ALLPAGES, 0, 0));
		expect(indices(cluster)).toEqual([4, 5, 6, 7]);
		expect(pgs[0]!.flags & PG_BUSY).toBe(0);
	});

	it("P1: does not enrol page 0 beside an unrelated centre", () => {
		const obj = testObject(t);
		const [zero, five] = dirty(obj, 0, 5);
		t.run(put(obj, five!));
		expect(obj.writes).toEqual([[5]]);
		expect(zero!.flags & (PG_BUSY | PG_CLEAN)).toBe(0);
	});

	it("P13: a centre outside of the limits is a cluster of its own", () => {
		const obj = testObject(t);
		const pgs = dirty(obj, 1, 2, 3);
		pgs[0]!.flags |= PG_BUSY;
		const lo = 2 * PAGE_SIZE;
		const cluster = locked(obj, () => uvm_mk_pcluster(t.k, obj, 16, pgs[0]!, 0, lo, 2 * lo));
		expect(indices(cluster)).toEqual([1]);
	});

	it("P13: leaves wired and lent pages alone", () => {
		const obj = testObject(t);
		const pgs = dirty(obj, 2, 3, 4, 5, 6);
		simple_lock(t.k, t.k.uvm.pageqlock);
		uvm_pagewire(t.k, pgs[1]!);
		simple_unlock(t.k, t.k.uvm.pageqlock);
		pgs[3]!.loan_count = 1;
		pgs[2]!.flags |= PG_BUSY;
		const flags = PGO_ALLPAGES | 0x20;
		const cluster = locked(obj, () => uvm_mk_pcluster(t.k, obj, 16, pgs[2]!, flags, 0, 0));
		expect(indices(cluster)).toEqual([4]);
	});

	it("M6: asks the pmap about an inactive page that is still mapped", () => {
		const obj = testObject(t);
		const [neighbour, center] = dirty(obj, 2, 3);
		neighbour!.flags |= PG_CLEAN;
		const prot = VM_PROT_READ | VM_PROT_WRITE;
		pmap_enter(t.k, pmap_kernel(t.k), t.k.uvm.emergva, neighbour!.phys_addr, prot, prot);
		center!.flags |= PG_BUSY;
		const cluster = locked(obj, () => uvm_mk_pcluster(t.k, obj, 16, center!, PGO_ALLPAGES, 0, 0));
		expect(indices(cluster)).toEqual([2, 3]);
	});

	it("write-protects the neighbours, so that no store is lost while they are written", () => {
		const obj = testObject(t);
		const [neighbour, center] = dirty(obj, 2, 3);
		const prot = VM_PROT_READ | VM_PROT_WRITE;
		const va = t.k.uvm.emergva;
		pmap_enter(t.k, pmap_kernel(t.k), va, neighbour!.phys_addr, prot, prot);
		expect(t.k.port.translate(va, 2)).toBe(neighbour!.phys_addr);
		obj.during = () => expect(t.k.port.translate(va, 2)).toBe(-1);
		expect(t.run(put(obj, center!)).error).toBe(0);
		expect(obj.writes).toEqual([[2, 3]]);
		expect(pmap_is_modified(t.k, neighbour!)).toBe(false);
	});

	it("a window larger than the caller's array is a cluster of one", () => {
		const obj = testObject(t);
		const pgs = dirty(obj, 2, 3);
		pgs[0]!.flags |= PG_BUSY;
		const npages = WINDOW - 1;
		const cluster = locked(obj, () =>
			uvm_mk_pcluster(t.k, obj, npages, pgs[0]!, PGO_ALLPAGES, 0, 0),
		);
		expect(indices(cluster)).toEqual([2]);
	});
});

describe("uvm_pager_dropcluster", () => {
	it("P2: frees the page that was released, not the page of interest", () => {
		const obj = testObject(t);
		const [neighbour, center] = dirty(obj, 2, 3);
		obj.during = () => {
			neighbour!.flags |= PG_RELEASED;
		};
		const { error, pgs } = t.run(put(obj, center!));
		expect(error).toBe(0);
		expect(neighbour!.pqflags & PQ_FREE).toBe(PQ_FREE);
		expect(pgs).toEqual([center]);
		expect(center!.flags & PG_BUSY).toBe(PG_BUSY);
		expect(center!.uobject).toBe(obj);
	});

	it("P3: does nothing more to a page that it has freed", () => {
		const obj = testObject(t);
		const [neighbour, center] = dirty(obj, 2, 3);
		obj.during = () => {
			neighbour!.flags |= PG_RELEASED;
		};
		t.run(put(obj, center!));
		expect(neighbour!.flags).toBe(0);
		expect(t.k.simplelocks).toBe(0);
	});

	it("wakes who waits for a page of the cluster", () => {
		const obj = testObject(t);
		const [neighbour, center] = dirty(obj, 2, 3);
		neighbour!.flags |= PG_WANTED;
		const waiter = t.spawn(ltsleep(t.k, neighbour!, "test", 0, null));
		t.settle();
		expect(waiter.done).toBe(false);
		t.run(put(obj, center!));
		expect(neighbour!.flags & (PG_BUSY | PG_WANTED)).toBe(0);
		expect(waiter.done).toBe(true);
	});

	it("P12: pages whose write failed are not marked clean", () => {
		const obj = testObject(t);
		const [neighbour, center] = dirty(obj, 2, 3);
		obj.results.push(EIO, EIO);
		const { error } = t.run(put(obj, center!));
		expect(error).toBe(EIO);
		expect(obj.writes).toEqual([[2, 3], [3]]);
		expect(neighbour!.flags & (PG_BUSY | PG_CLEAN)).toBe(0);
		expect(center!.flags & PG_CLEAN).toBe(0);
	});

	it("a cluster that fails is tried again as a single page", () => {
		const obj = testObject(t);
		const [, center] = dirty(obj, 2, 3);
		obj.results.push(EAGAIN);
		const { error, pgs } = t.run(put(obj, center!));
		expect(error).toBe(0);
		expect(pgs).toEqual([center]);
		expect(obj.store.get(3)?.[0]).toBe(3);
		expect(obj.store.has(2)).toBe(false);
	});

	it("M15: the object is unlocked however it ends", () => {
		for (const results of [[], [EIO, EIO], [EAGAIN]]) {
			const obj = testObject(t);
			const [, center] = dirty(obj, 2, 3);
			obj.results.push(...results);
			t.run(put(obj, center!));
			expect(obj.vmobjlock.locked).toBe(false);
		}
	});
});

/** An anon that an amap refers to, resident, dirty and busy, with `slot` recorded. */
function busyAnon(slot: number): vm_anon {
	const { k } = t;
	const anon = uvm_analloc(k)!;
	const pg = uvm_pagealloc(k, null, 0, anon, 0)!;
	pg.flags &= ~(PG_FAKE | PG_CLEAN);
	anon.an_swslot = slot;
	return anon;
}

/** A cluster of anons with adjacent slots. */
function anonCluster(n: number): { slot: number; anons: vm_anon[]; pgs: vm_page[] } {
	const slot = uvm_swap_alloc(t.k, n, false);
	const anons = Array.from({ length: n }, (_, i) => busyAnon(slot + i));
	const amap = amap_alloc(t.k, n)!;
	for (const [i, anon] of anons.entries()) amap_add(t.k, amap, i, anon, false);
	return { slot, anons, pgs: anons.map((anon) => anon.an_page!) };
}

/** Write a swap cluster and wait for the end. */
function putSwap(pg: vm_page | null, pgs: vm_page[], slot: number, flags = 0) {
	simple_lock(t.k, t.k.uvm.pageqlock);
	return t.run(uvm_pager_put(t.k, null, pg, pgs, flags | PGO_SYNCIO, slot, 0));
}

describe("swap clusters", () => {
	it("P4: an anon that died meanwhile is freed unlocked", () => {
		const { slot, anons, pgs } = anonCluster(3);
		anons[1]!.an_ref = 0;
		uvm_anfree(t.k, anons[1]!);
		expect(pgs[1]!.flags & PG_RELEASED).toBe(PG_RELEASED);
		putSwap(null, pgs, slot, PGO_PDFREECLUST);
		expect(anons[1]!.an_page).toBeNull();
		expect(anons[1]!.locked).toBe(false);
		expect(pgs[1]!.pqflags & PQ_FREE).toBe(PQ_FREE);
		expect(uvm_swap_isallocated(t.k, slot + 1)).toBe(false);
	});

	it.each(["for good", "for now"])(
		"P4, P10: nor is its slot given up twice if it fails %s",
		(how) => {
			const { slot, anons, pgs } = anonCluster(3);
			anons[1]!.an_ref = 0;
			uvm_anfree(t.k, anons[1]!);
			if (how === "for now") t.k.failinject = (what) => what === "buf";
			else t.sector(slot).disk.failWrites(t.sector(slot).sector, 3 * 8);
			putSwap(null, pgs, slot);
			expect(anons[1]!.an_page).toBeNull();
			const bad = how === "for good" ? 3 : 0;
			expect(t.k.uvmexp).toMatchObject({ swpgbad: bad, swpginuse: bad, swpgonly: 0, nanon: 2 });
			for (const i of [0, 1, 2]) expect(uvm_swap_isallocated(t.k, slot + i)).toBe(bad > 0);
		},
	);

	it("P9: a hard error marks the slots bad, and they are never used again", () => {
		const { slot, anons, pgs } = anonCluster(4);
		const { disk, sector } = t.sector(slot);
		disk.failWrites(sector, 4 * 8);
		const { error } = putSwap(pgs[0]!, pgs, slot);
		expect(error).toBe(EIO);
		expect(t.k.uvmexp.swpgbad).toBe(4);
		expect(anons.map((anon) => anon.an_swslot)).toEqual([0, 0, 0, 0]);
		const again = uvm_swap_alloc(t.k, 4, false);
		expect(again).toBeGreaterThanOrEqual(slot + 4);
	});

	it.each([0, 1, 2, 3])("a bad sector costs one page of a cluster: page %i", (bad) => {
		const { slot, anons, pgs } = anonCluster(4);
		const { disk, sector } = t.sector(slot + bad);
		disk.failWrites(sector + 3, 1);
		const { error, pgs: busy } = putSwap(pgs[1]!, pgs, slot);
		expect(error).toBe(bad === 1 ? EIO : 0);
		expect(busy).toEqual([pgs[1]]);
		expect(t.k.uvmexp).toMatchObject({ swpgbad: 1, swpginuse: 4, swpgonly: 0 });
		expect(t.k.uvm.swapstats.splits).toBe(1);
		const slots = [0, 1, 2, 3].map((i) => (i === bad ? 0 : slot + i));
		expect(anons.map((anon) => anon.an_swslot)).toEqual(slots);
		for (const i of [0, 2, 3]) {
			expect(pgs[i]!.flags & (PG_BUSY | PG_CLEAN)).toBe(i === bad ? 0 : PG_CLEAN);
		}
	});

	it("P9: a single page that cannot be written leaves its slot marked, too", () => {
		const { slot, anons, pgs } = anonCluster(1);
		const { disk, sector } = t.sector(slot);
		disk.failWrites(sector, 8);
		expect(putSwap(pgs[0]!, pgs, slot).error).toBe(EIO);
		expect(t.k.uvmexp.swpgbad).toBe(1);
		expect(anons[0]!.an_swslot).toBe(SWSLOT_NONE);
	});

	it("P9, P10: a transient error frees all slots but one, and tries that page again", () => {
		const { slot, anons, pgs } = anonCluster(4);
		let failures = 1;
		t.k.failinject = (what) => what === "buf" && failures-- > 0;
		const result = putSwap(pgs[2]!, pgs, slot);
		expect(result).toEqual({ error: 0, pgs: [pgs[2]] });
		expect(anons.map((anon) => anon.an_swslot)).toEqual([0, 0, slot, 0]);
		expect(uvm_swap_isallocated(t.k, slot)).toBe(true);
		for (const i of [1, 2, 3]) expect(uvm_swap_isallocated(t.k, slot + i)).toBe(false);
		const { disk, sector } = t.sector(slot);
		const written = new Uint8Array(PAGE_SIZE);
		disk.read(sector, written);
		expect(written).toEqual(t.bytes(pgs[2]!));
	});

	it("P10: no owner records a slot that is free", () => {
		const { slot, anons, pgs } = anonCluster(4);
		t.k.failinject = (what) => {
			if (what !== "buf") return false;
			t.k.failinject = (next) => next === "buf";
			return true;
		};
		expect(putSwap(pgs[3]!, pgs, slot).error).toBe(ENOMEM);
		for (const anon of anons) {
			expect(anon.an_swslot === 0 || uvm_swap_isallocated(t.k, anon.an_swslot)).toBe(true);
		}
		expect(t.k.uvmexp.swpginuse).toBe(0);
	});

	it("P11: an aobj's record of a slot is replaced without needing memory", () => {
		const { k } = t;
		const aobj = t.aobj(200);
		const slot = uvm_swap_alloc(k, 2, false);
		const pgs = [100, 101].map((i) => {
			const pg = uvm_pagealloc(k, aobj, i * PAGE_SIZE, null, 0)!;
			pg.pqflags |= PQ_AOBJ;
			pg.flags &= ~(PG_FAKE | PG_CLEAN);
			uao_set_swslot(k, aobj, i, slot + i - 100);
			return pg;
		});
		let first = true;
		k.failinject = (what) => {
			if (what === "uaoeltpl") return true;
			if (what !== "buf" || !first) return false;
			first = false;
			return true;
		};
		expect(putSwap(pgs[1]!, pgs, slot).error).toBe(0);
		expect(uao_find_swslot(k, aobj, 100)).toBe(SWSLOT_NONE);
		expect(uao_find_swslot(k, aobj, 101)).toBe(slot);
	});

	it("an amap that goes while its cluster is being written leaves no slot behind", () => {
		const { k } = t;
		const { slot, anons, pgs } = anonCluster(4);
		const amap = k.uvm.amap_list!;
		simple_lock(k, k.uvm.pageqlock);
		const thread = t.spawn(
			uvm_pager_put(k, null, null, pgs, PGO_SYNCIO | PGO_PDFREECLUST, slot, 0),
		);
		t.spawn(
			(function* () {
				amap_unref(k, amap, 0, 4);
			})(),
		);
		t.settle();
		expect(thread.result.error).toBe(0);
		expect(anons.every((anon) => anon.an_page === null)).toBe(true);
		expect(k.uvmexp).toMatchObject({ swpginuse: 0, swpgonly: 0, nanon: 0 });
		t.check();
	});
});

describe("uvm_pagermapin", () => {
	const npages = 16;
	const flags = { waitok: true, read: false };
	let pgs: vm_page[];

	beforeEach(() => {
		const obj = testObject(t);
		pgs = Array.from({ length: npages }, (_, i) => makeDirty(t, obj, i, i));
		for (const pg of pgs) pg.flags |= PG_BUSY;
	});

	/** Take all of pager_map. => the addresses. */
	function exhaust(): number[] {
		const taken: number[] = [];
		for (let n = PAGER_MAP_SIZE / PAGE_SIZE / npages; n > 0; n--) {
			taken.push(t.run(uvm_pagermapin(t.k, pgs, npages, flags)));
		}
		return taken;
	}

	it("P5: asking again and again in vain allocates nothing", () => {
		exhaust();
		const before = { ...t.k.uvm.map_entry_pool };
		for (let i = 0; i < 5; i++) {
			expect(t.run(uvm_pagermapin(t.k, pgs, npages, { waitok: false, read: false }))).toBe(0);
		}
		const waiter = t.spawn(uvm_pagermapin(t.k, pgs, npages, flags));
		t.settle();
		expect(waiter.done).toBe(false);
		expect(t.k.uvm.map_entry_pool.pr_nout).toBe(before.pr_nout);
	});

	it("P6: who waits for room is woken when there is some", () => {
		const taken = exhaust();
		const waiter = t.spawn(uvm_pagermapin(t.k, pgs, npages, flags));
		t.settle();
		expect(t.k.uvm.pager_map_wanted).toBe(true);
		uvm_pagermapout(t.k, taken[3]!, npages);
		t.settle();
		expect(waiter.result).toBe(taken[3]);
	});

	it("P7: the page daemon gets a window of its own when all is taken", () => {
		exhaust();
		const { k } = t;
		const daemon = k.uvm.pagedaemon;
		const thread = t.spawn(
			(function* () {
				k.uvm.pagedaemon = k.curlwp;
				return yield* uvm_pagermapin(k, pgs, npages, flags);
			})(),
		);
		t.settle();
		const kva = thread.result;
		expect(kva).toBe(k.uvm.emergva);
		expect(k.uvm.emerginuse).toBe(true);
		expect(k.port.translate(kva, 1)).toBe(pgs[0]!.phys_addr);
		uvm_pagermapout(k, kva, npages);
		expect(k.uvm.emerginuse).toBe(false);
		// P8: the next cluster must not be found through the translations of this one.
		expect(k.port.translate(kva, 1)).toBe(-1);
		k.uvm.pagedaemon = daemon;
	});

	it("P8: the mappings are gone before the addresses are, and never make a page modified", () => {
		const { k } = t;
		const kva = t.run(uvm_pagermapin(k, pgs, npages, { waitok: true, read: true }));
		expect(pgs.some((pg) => pmap_is_modified(k, pg))).toBe(false);
		expect(pgs.every((pg) => pg.md_pvlist === null)).toBe(true);
		expect(k.port.translate(kva, 2)).toBe(pgs[0]!.phys_addr);
		uvm_pagermapout(k, kva, npages);
		for (let i = 0; i < npages; i++) expect(k.port.translate(kva + i * PAGE_SIZE, 1)).toBe(-1);
	});

	it("P8: pages that are being written are mapped read-only", () => {
		const kva = t.run(uvm_pagermapin(t.k, pgs, npages, { waitok: true, read: false }));
		expect(t.k.port.translate(kva, 1)).toBe(pgs[0]!.phys_addr);
		expect(t.k.port.translate(kva, 2)).toBe(-1);
	});

	it("refuses a page that is not busy", () => {
		pgs[5]!.flags &= ~PG_BUSY;
		active(pgs[5]!);
		expect(() => t.run(uvm_pagermapin(t.k, pgs, npages, flags))).toThrow("page not busy");
	});
});
