/**
 * Paging on demand, for tests of the kernel: objects with contents, pages driven to swap by the
 * real page daemon, threads that hold a page busy, and the invariants of a system at rest.
 */
import { expect } from "vitest";
import { simple_lock, simple_unlock } from "../../kernel/kern/core/kern_lock.ts";
import { ltsleep, type Sleeps, wakeup } from "../../kernel/kern/core/kern_synch.ts";
import { uao_find_swslot } from "../../kernel/uvm/uvm_aobj_slots.ts";
import { uvm_check, uvm_is_quiet } from "../../kernel/uvm/uvm_check.ts";
import {
	PGO_ALLPAGES,
	PGO_SYNCIO,
	pagerops,
	type uvm_object,
} from "../../kernel/uvm/uvm_object.ts";
import {
	PG_CLEAN,
	PQ_ACTIVE,
	PQ_INACTIVE,
	uvm_page_unbusy,
	uvm_page_unbusy1,
	uvm_pageactivate,
	uvm_pagedeactivate,
	uvm_pagelookup,
	type vm_page,
} from "../../kernel/uvm/uvm_page.ts";
import { swap_off } from "../../kernel/uvm/uvm_swapctl.ts";
import { pmap_clear_reference } from "../../pmap/pmap.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import { ld, type TestKernel, type Thread } from "./kernel.ts";

/** The byte that `fill` writes to a page: never 0. */
export const pattern = (pageidx: number): number => (pageidx % 255) + 1;

/** Write `pattern` over pages of an object. Sleeps. */
export function* fill(t: TestKernel, uobj: uvm_object, pages: Iterable<number>): Sleeps<void> {
	for (const i of pages) {
		const error = yield* t.page(uobj, i, (pg) => {
			pg.flags &= ~PG_CLEAN;
			t.bytes(pg).fill(pattern(i));
			return 0;
		});
		expect(error).toBe(0);
	}
}

/** A byte of a page of an object, or -errno. Sleeps. */
export function* readByte(t: TestKernel, uobj: uvm_object, pageidx: number): Sleeps<number> {
	let byte = 0;
	const error = yield* t.page(uobj, pageidx, (pg) => {
		byte = t.bytes(pg)[PAGE_SIZE - 1]!;
		return 0;
	});
	return error === 0 ? byte : -error;
}

/** Expect that pages hold what `fill` wrote. */
export function expectPattern(t: TestKernel, uobj: uvm_object, pages: Iterable<number>): void {
	for (const i of pages) expect(t.run(readByte(t, uobj, i)), `page ${i}`).toBe(pattern(i));
}

/** Wake the page daemon with every page on the inactive queue and memory short; do not wait. */
export function startPageout(t: TestKernel): () => void {
	const { k } = t;
	simple_lock(k, k.uvm.pageqlock);
	for (let pg = k.uvm.page_active.first; pg !== null; pg = k.uvm.page_active.first) {
		uvm_pagedeactivate(k, pg);
	}
	for (let pg = k.uvm.page_inactive.first; pg !== null; pg = pg.pageq_next) {
		pmap_clear_reference(k, pg);
	}
	// What has queues of its own has neither of these.
	for (const pg of k.uvm.vm_pages) {
		if ((pg.pqflags & (PQ_ACTIVE | PQ_INACTIVE)) !== 0) uvm_pagedeactivate(k, pg);
	}
	simple_unlock(k, k.uvm.pageqlock);
	const { freetarg } = k.uvmexp;
	k.uvmexp.freetarg = k.uvmexp.npages;
	wakeup(k, k.uvm.pagedaemon_wchan);
	return () => {
		k.uvmexp.freetarg = freetarg;
	};
}

/** Have the page daemon clear every page off the queues, as far as it can, and wait for it. */
export function pageout(t: TestKernel): void {
	const restore = startPageout(t);
	t.settle();
	restore();
}

/** An object whose pages 0 to n-1 hold `pattern` and lie in swap. */
export function swappedObject(t: TestKernel, pages: number, size = pages): uvm_object {
	const uobj = t.aobj(size);
	t.run(fill(t, uobj, Array(pages).keys()));
	pageout(t);
	expect(uobj.uo_npages).toBe(0);
	return uobj;
}

export const slotOf = (t: TestKernel, uobj: uvm_object, pageidx: number): number =>
	uao_find_swslot(t.k, uobj, pageidx);

/** The resident page of an object, or null. */
export const residentPage = (t: TestKernel, uobj: uvm_object, pageidx: number): vm_page | null =>
	uvm_pagelookup(t.k, uobj, pageidx * PAGE_SIZE);

/** Make the disk unable to read what is in the slot of a page. */
export function breakSlot(t: TestKernel, uobj: uvm_object, pageidx: number): void {
	const { disk, sector } = t.sector(slotOf(t, uobj, pageidx));
	disk.failReads(sector, PAGE_SIZE / 512);
}

/** A result array for pgo_get that asks for `n` pages. */
export const nulls = (n: number): (vm_page | null)[] => new Array<vm_page | null>(n).fill(null);

/** Get all pages from `first` on that `pps` has room for; they stay busy. Sleeps. */
export function* getAll(
	t: TestKernel,
	uobj: uvm_object,
	first: number,
	pps: (vm_page | null)[],
): Sleeps<number> {
	const { k } = t;
	simple_lock(k, uobj.vmobjlock);
	const { pgo_get } = pagerops(k, uobj);
	const flags = PGO_ALLPAGES | PGO_SYNCIO;
	return yield* pgo_get(k, uobj, first * PAGE_SIZE, pps, pps.length, 0, 0, flags);
}

/** Let go of pages that pgo_get has returned. */
export function release(t: TestKernel, uobj: uvm_object, pps: (vm_page | null)[]): void {
	const { k } = t;
	simple_lock(k, uobj.vmobjlock);
	simple_lock(k, k.uvm.pageqlock);
	for (const pg of pps) uvm_pageactivate(k, pg!);
	uvm_page_unbusy(k, pps, pps.length);
	simple_unlock(k, k.uvm.pageqlock);
	simple_unlock(k, uobj.vmobjlock);
}

/** A thread that keeps a page busy until it is told to let go. */
export interface Holder {
	readonly pg: vm_page;
	/** `before` runs while the page is still busy. */
	letGo(before?: () => void): void;
}

/** Get a page and keep it busy, asleep. */
export function holdPage(t: TestKernel, uobj: uvm_object, pageidx: number): Holder {
	const { k } = t;
	const gate = {};
	const pps: (vm_page | null)[] = [null];
	let during: (() => void) | undefined;
	const thread = t.spawn(
		(function* (): Sleeps<void> {
			simple_lock(k, uobj.vmobjlock);
			yield* pagerops(k, uobj).pgo_get(k, uobj, pageidx * PAGE_SIZE, pps, 1, 0, 0, 0);
			yield* ltsleep(k, gate, "hold", 0, null);
			during?.();
			simple_lock(k, uobj.vmobjlock);
			simple_lock(k, k.uvm.pageqlock);
			uvm_pageactivate(k, pps[0]!);
			uvm_page_unbusy1(k, pps[0]!);
			simple_unlock(k, k.uvm.pageqlock);
			simple_unlock(k, uobj.vmobjlock);
		})(),
	);
	t.settle();
	expect(thread.done).toBe(false);
	return {
		pg: pps[0]!,
		letGo(before) {
			during = before;
			wakeup(k, gate);
			t.settle();
		},
	};
}

/** Begin to remove swap disk `unit`. */
export const spawnSwapoff = (t: TestKernel, unit = 0): Thread<number> =>
	t.spawn(swap_off(t.k, ld(unit)));

/** The system is at rest and healthy; `held` are the objects to which the test has a reference. */
export function checkAtRest(t: TestKernel, ...held: uvm_object[]): void {
	const { k } = t;
	expect(uvm_is_quiet(k), "a thread is still under way").toBe(true);
	const wrong = uvm_check(k, t.machine.hart.tlb.list());
	const references = "11: uo_refs counts wrongly";
	expect(wrong.filter((what) => what !== references)).toEqual([]);
	expect(wrong.length).toBe(held.length);
	expect(held.map((uobj) => uobj.uo_refs)).toEqual(held.map(() => 1));
}
