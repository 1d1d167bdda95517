/** The page daemon: what it writes, what it frees, and what it does when swap is short. */
import { beforeEach, describe, expect, it } from "vitest";
import { simple_lock } from "../../../kernel/kern/core/kern_lock.ts";
import { type Sleeps, wakeup } from "../../../kernel/kern/core/kern_synch.ts";
import { uao_detach, uao_put } from "../../../kernel/uvm/uvm_aobj.ts";
import { PGO_FREE, type uvm_object } from "../../../kernel/uvm/uvm_object.ts";
import {
	PG_BUSY,
	PG_CLEAN,
	PG_FAKE,
	PQ_ACTIVE,
	PQ_AOBJ,
	PQ_INACTIVE,
	uvm_pagealloc,
	uvm_pagedeactivate,
	uvm_pagefree,
	type vm_page,
} from "../../../kernel/uvm/uvm_page.ts";
import { uvm_pageout_pages } from "../../../kernel/uvm/uvm_pdaemon.ts";
import { SWCLPAGES } from "../../../kernel/uvm/uvm_swap.ts";
import { uvm_wait } from "../../../kernel/uvm/uvm_wait.ts";
import { PMAP_ATTR_REF } from "../../../pmap/pmap.ts";
import { ENOMEM } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { TestKernel } from "../../support/kernel.ts";
import {
	checkAtRest,
	expectPattern,
	fill,
	holdPage,
	pageout,
	pattern,
	readByte,
	residentPage,
	slotOf,
	startPageout,
	swappedObject,
} from "../../support/paging.ts";

let t: TestKernel;
beforeEach(() => {
	t = new TestKernel();
});

/** A resident object whose pages 0 to n-1 hold `pattern`. */
function dirtyObject(pages: number, size = pages): uvm_object {
	const uobj = t.aobj(size);
	t.run(fill(t, uobj, Array(pages).keys()));
	return uobj;
}

const pagesOf = (uobj: uvm_object, n: number): vm_page[] =>
	Array.from({ length: n }, (_, i) => residentPage(t, uobj, i)!);

/** Free the pages [first, last). */
function* putFree(uobj: uvm_object, first: number, last: number): Sleeps<number> {
	simple_lock(t.k, uobj.vmobjlock);
	return yield* uao_put(t.k, uobj, first * PAGE_SIZE, last * PAGE_SIZE, PGO_FREE);
}

/** Counters that grew while `body` ran. */
function growth(body: () => void): { writes: number; pages: number; freed: number } {
	const before = { ...t.k.uvmexp };
	body();
	const { pdpageouts, pgswapout, pdfreed } = t.k.uvmexp;
	return {
		writes: pdpageouts - before.pdpageouts,
		pages: pgswapout - before.pgswapout,
		freed: pdfreed - before.pdfreed,
	};
}

it("who waits for memory wakes the daemon, which may be asleep", () => {
	const { uvmexp } = t.k;
	// All that is free is kept for the kernel.
	uvmexp.reserve_kernel = uvmexp.free;
	const woke = uvmexp.pdwoke;
	t.run(uvm_wait(t.k, "test"));
	expect(uvmexp.pdwoke).toBe(woke + 1);
});

it("who waits for memory is woken by the end of a write, even one that frees nothing", () => {
	const uobj = dirtyObject(1);
	const e = t.k.uvmexp;
	t.disks[0]!.failWrites(8, 8 * SWCLPAGES);
	const { reserve_kernel } = e;
	e.reserve_kernel = e.npages;
	const restore = startPageout(t);
	const waiter = t.spawn(uvm_wait(t.k, "test"));
	t.settle();
	expect([waiter.done, uobj.uo_npages, e.paging]).toEqual([true, 1, 0]);
	restore();
	e.reserve_kernel = reserve_kernel;
	checkAtRest(t, uobj);
});

it("who asks for memory waits for a write that is under way, even after scans in vain", () => {
	const uobj = dirtyObject(4);
	const other = t.aobj(1);
	const e = t.k.uvmexp;
	t.k.uvm.pdfruitless = 1000;
	const { reserve_kernel } = e;
	e.reserve_kernel = e.free;
	const out = t.spawn(uvm_pageout_pages(t.k, pagesOf(uobj, 4)));
	const read = t.spawn(readByte(t, other, 0));
	t.settle();
	expect([out.done, read.result, uobj.uo_npages]).toEqual([true, 0, 0]);
	e.reserve_kernel = reserve_kernel;
	checkAtRest(t, uobj, other);
});

describe("while it waits for kernel addresses", () => {
	it("the daemon may lose its place among the pages, and begins again", () => {
		const { k } = t;
		const uobj = dirtyObject(40);
		const other = t.aobj(1);
		const next = residentPage(t, uobj, SWCLPAGES)!;
		// It has the last window, and needs it again.
		k.failinject = (what) => what === "pager_map";
		k.uvm.emerginuse = true;
		const restore = startPageout(t);
		t.settle();
		expect([k.uvmexp.paging, uobj.uo_npages]).toEqual([SWCLPAGES, 40]);
		t.run(putFree(uobj, SWCLPAGES, SWCLPAGES + 1));
		// The frame of the page that it would look at next comes to the end of the queue.
		let pg = uvm_pagealloc(k, other, 0, null, 0)!;
		for (; pg !== next; pg = uvm_pagealloc(k, other, 0, null, 0)!) uvm_pagefree(k, pg);
		pg.pqflags |= PQ_AOBJ;
		pg.flags &= ~(PG_BUSY | PG_FAKE | PG_CLEAN);
		uvm_pagedeactivate(k, pg);
		k.failinject = null;
		k.uvm.emerginuse = false;
		wakeup(k, k.uvm.pager_map_wanted_lock);
		t.settle();
		restore();
		expect([uobj.uo_npages, other.uo_npages, k.uvmexp.swpgonly]).toEqual([0, 0, 40]);
		checkAtRest(t, uobj, other);
	});

	it("the scan is not over: when it is, the queues are balanced", () => {
		const { k } = t;
		const uobj = dirtyObject(4);
		k.failinject = (what) => what === "pager_map";
		k.uvm.emerginuse = true;
		const restore = startPageout(t);
		t.settle();
		// All that was left to do is the last cluster. New pages are active.
		const other = dirtyObject(20);
		const queues = () => pagesOf(other, 20).map((pg) => pg.pqflags & (PQ_ACTIVE | PQ_INACTIVE));
		expect([k.uvmexp.paging, new Set(queues())]).toEqual([4, new Set([PQ_ACTIVE])]);
		const { pdwoke } = k.uvmexp;
		k.failinject = null;
		k.uvm.emerginuse = false;
		wakeup(k, k.uvm.pager_map_wanted_lock);
		t.settle();
		restore();
		expect([k.uvmexp.pdwoke, uobj.uo_npages]).toEqual([pdwoke, 0]);
		expect(new Set(queues())).toEqual(new Set([PQ_INACTIVE]));
		checkAtRest(t, uobj, other);
	});

	it("pages that a process has paged out may go: they are let be", () => {
		const n = SWCLPAGES + 4;
		const uobj = dirtyObject(n);
		let refusals = 1;
		t.k.failinject = (what) => what === "pager_map" && refusals-- > 0;
		const out = t.spawn(uvm_pageout_pages(t.k, pagesOf(uobj, n)));
		const gone = t.spawn(putFree(uobj, SWCLPAGES, SWCLPAGES + 2));
		t.settle();
		expect([out.done, gone.result, refusals < 0]).toEqual([true, 0, true]);
		expect(t.k.uvmexp).toMatchObject({ swpginuse: n - 2, swpgonly: n - 2, paging: 0 });
		expectPattern(t, uobj, [...Array(SWCLPAGES).keys(), n - 2, n - 1]);
		checkAtRest(t, uobj);
	});
});

describe("writing", () => {
	it.each([1, 15, 16, 17, 40, 96])("%i dirty pages go out in ceil(n/16) writes", (n) => {
		const uobj = dirtyObject(n);
		expect(growth(() => pageout(t))).toEqual({
			writes: Math.ceil(n / SWCLPAGES),
			pages: n,
			freed: n,
		});
		expect(uobj.uo_npages).toBe(0);
		expect(t.k.uvmexp).toMatchObject({ swpginuse: n, swpgonly: n, paging: 0 });
		expectPattern(t, uobj, Array(n).keys());
		checkAtRest(t, uobj);
	});

	it("a cluster that is begun is filled, though the target is met before", () => {
		const e = t.k.uvmexp;
		e.freetarg = 0;
		e.freemin = 0;
		const uobj = dirtyObject(e.free - 23);
		const { free } = e;
		const restore = startPageout(t);
		// The scan ends when four times as many are free or will be.
		e.freetarg = free + 1;
		expect((3 * free + 4) % SWCLPAGES).not.toBe(0);
		const clusters = Math.ceil((3 * free + 4) / SWCLPAGES);
		const { writes, pages } = growth(() => t.settle());
		expect([writes, pages]).toEqual([clusters, clusters * SWCLPAGES]);
		restore();
		checkAtRest(t, uobj);
	});

	it("the pages of a cluster may have any owners, and lie side by side on the disk", () => {
		const uobjs = [dirtyObject(5), dirtyObject(6, 300), dirtyObject(5)];
		expect(growth(() => pageout(t)).writes).toBe(1);
		const slots = uobjs.flatMap((uobj, u) =>
			Array.from({ length: [5, 6, 5][u]! }, (_, i) => slotOf(t, uobj, i)),
		);
		expect(slots).toEqual(slots.map((_, i) => slots[0]! + i));
		const bytes = new Uint8Array(PAGE_SIZE);
		t.disks[0]!.read(t.sector(slots[7]!).sector, bytes);
		expect(bytes[0]).toBe(pattern(2));
		checkAtRest(t, ...uobjs);
	});

	it("M7: a page whose slot cannot be recorded is not written, and not lost", () => {
		const uobj = dirtyObject(3, 200);
		t.k.failinject = (what) => what === "uaoeltpl";
		expect(growth(() => pageout(t))).toEqual({ writes: 0, pages: 0, freed: 0 });
		expect(uobj.uo_npages).toBe(3);
		expect(residentPage(t, uobj, 1)!.flags & PG_CLEAN).toBe(0);
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 0, swpgonly: 0 });
		checkAtRest(t, uobj);
		t.k.failinject = null;
		pageout(t);
		expect(uobj.uo_npages).toBe(0);
		expectPattern(t, uobj, [0, 1, 2]);
	});

	it("a page that cannot be written stays in memory, and its slot is not used again", () => {
		const uobj = dirtyObject(4);
		t.disks[0]!.failWrites(8, 4 * 8);
		pageout(t);
		expect(uobj.uo_npages).toBe(4);
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 4, swpgbad: 4, swpgonly: 0, paging: 0 });
		expectPattern(t, uobj, [0, 1, 2, 3]);
		pageout(t);
		expect(uobj.uo_npages).toBe(0);
		expectPattern(t, uobj, [0, 1, 2, 3]);
		checkAtRest(t, uobj);
	});

	it("a bad sector costs one slot, and its page gets another one", () => {
		const uobj = t.aobj(16);
		t.run(fill(t, uobj, Array(16).keys()));
		const { disk } = t.sector(2);
		disk.failWrites(5 * 8 + 7, 1);
		pageout(t);
		expect(t.k.uvmexp).toMatchObject({ swpgbad: 1, paging: 0 });
		expect(t.k.uvm.swapstats.splits).toBe(1);
		expect(uobj.uo_npages).toBe(1);
		const [page] = [...Array(16).keys()].filter((i) => residentPage(t, uobj, i) !== null);
		expect(slotOf(t, uobj, page!)).toBe(0);
		expect(residentPage(t, uobj, page!)!.flags & (PG_BUSY | PG_CLEAN)).toBe(0);
		// The cluster, its pages, and no more: the daemon does not try again by itself.
		expect(t.board.disks[0]!.counters).toMatchObject({ writes: 15, errors: 2 });
		pageout(t);
		expect(uobj.uo_npages).toBe(0);
		expect(t.k.uvmexp).toMatchObject({ swpgbad: 1, swpginuse: 17, swpgonly: 16 });
		expectPattern(t, uobj, Array(16).keys());
		checkAtRest(t, uobj);
	});

	it("lack of resources for a write costs neither data nor slots", () => {
		const uobj = dirtyObject(4);
		let failures = 1;
		t.k.failinject = (what) => what === "buf" && failures-- > 0;
		pageout(t);
		expect(failures).toBeLessThanOrEqual(0);
		pageout(t);
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 4, swpgbad: 0, paging: 0 });
		expectPattern(t, uobj, [0, 1, 2, 3]);
		checkAtRest(t, uobj);
	});

	it("a cluster that finds no buffer is dropped, but for one page that is tried alone", () => {
		const uobj = dirtyObject(SWCLPAGES);
		let refusals = 1;
		t.k.failinject = (what) => what === "buf" && refusals-- > 0;
		expect(growth(() => pageout(t))).toEqual({ writes: 1, pages: 1, freed: 1 });
		expect(uobj.uo_npages).toBe(SWCLPAGES - 1);
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 1, swpgonly: 1, paging: 0 });
		checkAtRest(t, uobj);
		expectPattern(t, uobj, Array(SWCLPAGES).keys());
	});

	it("goes on when others have taken all of pager_map", () => {
		const uobj = dirtyObject(40);
		t.k.failinject = (what) => what === "pager_map";
		expect(growth(() => pageout(t)).pages).toBe(40);
		t.k.failinject = null;
		expectPattern(t, uobj, Array(40).keys());
		checkAtRest(t, uobj);
	});

	it("an object that is detached during the write waits for it, and leaves no slot", () => {
		const uobj = dirtyObject(20);
		const restore = startPageout(t);
		const thread = t.spawn(uao_detach(t.k, uobj));
		t.settle();
		restore();
		expect(thread.done).toBe(true);
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 0, swpgonly: 0, paging: 0 });
		checkAtRest(t);
	});
});

describe("freeing", () => {
	it("M11: a clean page is freed without I/O, and its slot has the only copy then", () => {
		const uobj = swappedObject(t, 20);
		expectPattern(t, uobj, Array(20).keys());
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 20, swpgonly: 0 });
		expect(growth(() => pageout(t))).toEqual({ writes: 0, pages: 0, freed: 20 });
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 20, swpgonly: 20 });
		expectPattern(t, uobj, Array(20).keys());
		checkAtRest(t, uobj);
	});

	it("a page that was written to again is written out again, to a new slot", () => {
		const uobj = swappedObject(t, 2);
		const old = [slotOf(t, uobj, 0), slotOf(t, uobj, 1)];
		t.run(fill(t, uobj, [1]));
		expectPattern(t, uobj, [0]);
		expect(growth(() => pageout(t))).toEqual({ writes: 1, pages: 1, freed: 2 });
		expect(slotOf(t, uobj, 0)).toBe(old[0]);
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 2, swpgonly: 2 });
		checkAtRest(t, uobj);
	});

	it("a page that was used since it became inactive goes back to the active queue", () => {
		const uobj = dirtyObject(3);
		const pg = residentPage(t, uobj, 1)!;
		const restore = startPageout(t);
		pg.md_attrs |= PMAP_ATTR_REF;
		const reacts = t.k.uvmexp.pdreact;
		t.settle();
		restore();
		expect(t.k.uvmexp.pdreact).toBe(reacts + 1);
		expect(uobj.uo_npages).toBe(1);
		expect(residentPage(t, uobj, 1)).toBe(pg);
	});

	it("a busy page and a wired one are passed over", () => {
		const uobj = dirtyObject(3);
		const holder = holdPage(t, uobj, 2);
		uvm_pagedeactivate(t.k, holder.pg);
		pageout(t);
		expect(uobj.uo_npages).toBe(1);
		expect(t.k.uvmexp.pdbusy).toBeGreaterThan(0);
		holder.letGo();
		expectPattern(t, uobj, [0, 1, 2]);
		checkAtRest(t, uobj);
	});

	it("keeps a third of the pages in use inactive when memory is short", () => {
		const uobj = dirtyObject(60);
		wakeup(t.k, t.k.uvm.pagedaemon_wchan);
		t.settle();
		const { active, inactive, freetarg, inactarg } = t.k.uvmexp;
		expect(inactarg).toBe(Math.max(Math.floor((active + inactive) / 3), freetarg + 1));
		expect(inactive).toBeGreaterThanOrEqual(inactarg);
		checkAtRest(t, uobj);
	});
});

describe("swap that is full", () => {
	const smallDisk = (slots: number): TestKernel =>
		new TestKernel({ disks: [(slots + 1) * PAGE_SIZE] });

	it("who needs more memory than there is gets ENOMEM, and nothing is lost", () => {
		t = smallDisk(48);
		const uobj = t.aobj(400);
		let filled = 0;
		const error = t.run(
			(function* () {
				for (; filled < 400; filled++) {
					const result = yield* t.page(uobj, filled, (pg) => {
						pg.flags &= ~PG_CLEAN;
						t.bytes(pg).fill(pattern(filled));
						return 0;
					});
					if (result !== 0) return result;
				}
				return 0;
			})(),
		);
		expect(error).toBe(ENOMEM);
		expect(filled).toBeGreaterThan(200);
		expect(t.k.uvmexp.swpgonly).toBe(48);
		const held = t.aobj(1);
		expect(t.run(readByte(t, held, 0))).toBe(-ENOMEM);
		expectResident(uobj, filled);
		t.run(uao_detach(t.k, uobj));
		checkAtRest(t, held);
	});

	/** Pages in memory hold their pattern; so do those on the disk. */
	function expectResident(uobj: uvm_object, pages: number): void {
		const bytes = new Uint8Array(PAGE_SIZE);
		for (let i = 0; i < pages; i++) {
			const pg = residentPage(t, uobj, i);
			if (pg === null) t.disks[0]!.read(t.sector(slotOf(t, uobj, i)).sector, bytes);
			expect((pg === null ? bytes : t.bytes(pg))[0], `page ${i}`).toBe(pattern(i));
		}
	}

	it("a dirty page may use its own slot again when no other is free", () => {
		t = smallDisk(8);
		const uobj = swappedObject(t, 8);
		t.run(fill(t, uobj, Array(8).keys()));
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 8, swpgonly: 0 });
		pageout(t);
		expect(uobj.uo_npages).toBe(0);
		expectPattern(t, uobj, Array(8).keys());
		checkAtRest(t, uobj);
	});

	it("slots of pages that are in memory are taken back for those that have none", () => {
		t = smallDisk(32);
		const old = swappedObject(t, 32);
		expectPattern(t, old, Array(32).keys());
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 32, swpgonly: 0 });
		const fresh = dirtyObject(20);
		for (let i = 0; i < 20; i++) uvm_pagedeactivate(t.k, residentPage(t, fresh, i)!);
		const { freetarg } = t.k.uvmexp;
		t.k.uvmexp.freetarg = t.k.uvmexp.npages;
		wakeup(t.k, t.k.uvm.pagedaemon_wchan);
		t.settle();
		t.k.uvmexp.freetarg = freetarg;
		expect(t.k.uvmexp.swpginuse).toBeLessThan(32);
		for (let i = 0; i < 32; i++) {
			const pg = residentPage(t, old, i)!;
			const clean = (pg.flags & PG_CLEAN) !== 0;
			expect(clean).toBe(slotOf(t, old, i) > 0);
			expect(pg.pqflags & (PQ_ACTIVE | PQ_INACTIVE)).not.toBe(0);
		}
		checkAtRest(t, old, fresh);
		pageout(t);
		pageout(t);
		expect(t.k.uvmexp.swpgonly).toBe(32);
		expectResident(old, 32);
		expectResident(fresh, 20);
		checkAtRest(t, old, fresh);
	});
});
