/**
 * Port of sys/uvm/uvm_pdaemon.c (2001, with corrections up to 2007): the page daemon.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1987, 1990 Carnegie-Mellon University.
 * All rights reserved. See NOTICE for the conditions.
 *
 * Pages that have not been used for a while are on the inactive queue. When memory is short the
 * daemon frees the clean ones and has uvm_pager_put write the dirty ones: to swap sixteen at a
 * time, each with a new slot, so that the slots of a cluster are adjacent whatever pages it holds;
 * to a file with dirty neighbours. It does not wait for the disk.
 *
 * The daemon locks against the order (queues before owners), so it must not wait for an owner: it
 * skips pages whose owner is locked.
 */

import {
	pmap_clear_modify,
	pmap_clear_reference,
	pmap_collect,
	pmap_page_protect,
	pmap_resident_count,
	pmap_update,
	pmap_wired_count,
} from "../../pmap/pmap.ts";
import { EIO, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import { atop, VM_PROT_NONE } from "../../sys/vmparam.ts";
import { UVMHIST_LOG } from "../kern/core/kern_history.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import type { lwp, resumable } from "../kern/core/kern_lwp.ts";
import { LSRUN, type Sleeps, sleep_enter, wakeup } from "../kern/core/kern_synch.ts";
import { pool_drain } from "../kern/core/subr_pool.ts";
import type { Kernel } from "../kernel.ts";
import { SWSLOT_NOMEM, uao_set_swslot } from "./uvm_aobj_slots.ts";
import { REACT_ANON, REACT_EXEC, REACT_FILE, uvmpd_balance } from "./uvm_meter.ts";
import { PGO_ALLPAGES, PGO_PDFREECLUST, PGO_PENDING, type uvm_object } from "./uvm_object.ts";
import {
	PG_BUSY,
	PG_CLEAN,
	PQ_SWAPBACKED,
	uvm_pageactivate,
	uvm_pagedeactivate,
	uvm_pagefree,
	type vm_page,
} from "./uvm_page.ts";
import {
	uvm_pager_dropcluster,
	uvm_pager_pageout,
	uvm_pager_put,
	uvm_pager_put_nosleep,
} from "./uvm_pager.ts";
import { uvmpd_dropswap, uvmpd_slot, uvmpd_trylockowner } from "./uvm_pdswap.ts";
import {
	SWSLOT_NONE,
	type SwapSlot,
	uvm_swap_alloc,
	uvm_swap_free,
	uvm_swap_isdead,
	uvm_swap_isexhausted,
	uvm_swapisfull,
	uvm_swpgonly_add,
} from "./uvm_swap.ts";
import type { uvm_vnode } from "./uvm_vnode.ts";
import { uvm_filepages } from "./uvm_wait.ts";

/** Dirty pages reactivated for lack of swap, after which a scan gives up. */
export const UVMPD_NUMDIRTYREACTS = 16;

/** Cost of waking the daemon, in cycles: time passes even if it finds nothing to do. */
const WAKEUP_CYCLES = 200;

/** Set the targets, if not by policy from the amount of memory: 5 % free, 16 to 256 KiB. */
export function uvmpd_tune(k: Kernel): void {
	const e = k.uvmexp;
	const { freemin, freetarg } = k.uvm.policy;
	e.freemin = freemin || Math.min(Math.max(Math.floor(e.npages / 20), 4), 64);
	e.freemin = Math.max(e.freemin, e.reserve_kernel + 1);
	e.freetarg = Math.max(freetarg || Math.floor((e.freemin * 4) / 3), e.freemin + 1);
	e.wiredmax = Math.floor(e.npages / 3);
}

/** The page daemon's thread. */
export function uvm_pageout(k: Kernel): resumable {
	const sleeps = { done: false };
	const scan = pdscan_init();
	let started = false;
	return {
		next() {
			const l = k.curlwp;
			if (!started) {
				k.uvm.pagedaemon = l;
				uvmpd_tune(k);
				started = true;
			} else {
				if (l.l_call === null && !pageout_woken(k, scan)) l.l_call = uvmpd_scan_rest(k, scan);
				if (l.l_call !== null) {
					const result = l.l_call.next();
					if (result.done !== true) return result;
					l.l_call = null;
				}
				pageout_done(k, scan);
			}
			sleep_enter(k, k.uvm.pagedaemon_wchan, "pgdaemon", 0);
			return sleeps;
		},
	};
}

/** The daemon was woken. => as uvmpd_scan */
function pageout_woken(k: Kernel, scan: pdscan): boolean {
	const e = k.uvmexp;
	e.pdwoke++;
	k.port.charge(WAKEUP_CYCLES);
	k.uvm.pdpolicy.tune(k);
	scan.done = e.pdfreed + e.pdpageouts;
	scan.short = e.free <= e.reserve_kernel;
	if (e.free + e.paging >= e.freetarg && e.inactive >= e.inactarg) return true;
	k.pagingwork = true;
	return uvmpd_scan(k, scan);
}

/** The daemon has scanned, or need not. */
function pageout_done(k: Kernel, { done, short }: pdscan): void {
	const e = k.uvmexp;
	const drained = pool_drain(k);
	// Freed page tables are no progress: running processes need them again.
	let progress = e.pdfreed + e.pdpageouts > done || e.paging > 0 || e.free >= e.freetarg;
	const least = k.uvm.pdpoolpages;
	if (progress) k.uvm.pdpoolpages = 0;
	else if (drained > 0 && (least === 0 || e.poolpages < least)) {
		// But not a page that a thread took for a pool, and gave back for lack of the next one.
		k.uvm.pdpoolpages = e.poolpages;
		progress = true;
	}
	if (progress) k.uvm.pdfruitless = 0;
	else if (short) k.uvm.pdfruitless++;
	if (e.free > e.reserve_kernel || e.paging === 0) wakeup(k, k.uvm.free_wchan);
}

/**
 * Free the page tables of sleeping processes, longest sleeper first (uvm_swapout_threads); faults
 * restore their mappings. Page tables cannot be paged out; with many processes they are most of
 * what is in memory.
 */
function uvm_swapout(k: Kernel): void {
	const e = k.uvmexp;
	const enough = e.free + SWAPOUT_PAGES;
	for (let l = k.sleepq.sq_head; l !== null && e.free < enough; l = l.l_sleepnext) {
		swapout_lwp(k, l);
	}
	// If that was not enough: those of runnable processes.
	for (const l of k.lwps) {
		if (e.free < enough && e.free <= e.reserve_kernel && l.l_stat === LSRUN) swapout_lwp(k, l);
	}
}

function swapout_lwp(k: Kernel, l: lwp): void {
	const pm = l.l_proc?.p_vmspace?.vm_map.pmap;
	if (pm === undefined || pmap_resident_count(k, pm) === pmap_wired_count(k, pm)) return;
	pmap_collect(k, pm);
	pmap_update(k, pm);
	k.uvmexp.pdswout++;
}

/** Fruitless scans after which page tables are left alone, because processes would only thrash. */
const SWAPOUT_FRUITLESS_MAX = 4;

/** Pages that one scan frees from page tables; freeing too many costs faults. */
const SWAPOUT_PAGES = 4;

/** Dirty pages that are being gathered for one write to adjacent slots. */
interface swapcluster {
	slot: SwapSlot;
	nslots: number;
	/** The first `npages` of them are its pages. */
	readonly pages: vm_page[];
	npages: number;
}

const swapcluster_init = (): swapcluster => ({
	...{ slot: SWSLOT_NONE, nslots: 0, pages: [], npages: 0 },
});

/** A write that sleeps; the arguments of uvm_pager_put. */
interface pageout {
	readonly uobj: uvm_object | null;
	readonly pg: vm_page | null;
	readonly pgs: vm_page[];
	readonly slot: SwapSlot;
	readonly tried: Errno | null;
}

/** A scan of the page daemon. It is used again: a scan that need not sleep allocates nothing. */
interface pdscan {
	readonly cluster: swapcluster;
	/** Pages freed and written when it began; and whether memory was short then. */
	done: number;
	short: boolean;
	/** The queue is being scanned; what sleeps meanwhile. */
	scanning: boolean;
	put: pageout | null;
	dirtyreacts: number;
	maxreacts: number;
	/** Kinds of pages that are spared. */
	react: number;
}

const pdscan_init = (): pdscan => ({
	...{ cluster: swapcluster_init(), done: 0, short: false, scanning: false, put: null },
	...{ dirtyreacts: 0, maxreacts: 0, react: 0 },
});

/** Scan what there is too little of. => false: a write sleeps, and uvmpd_scan_rest goes on. */
function uvmpd_scan(k: Kernel, scan: pdscan): boolean {
	const e = k.uvmexp;
	e.pdrevs++;
	if (e.free <= e.freemin && k.uvm.pdfruitless < SWAPOUT_FRUITLESS_MAX) uvm_swapout(k);
	if (e.free + e.paging < e.freetarg) {
		scan_begin(k, scan);
		if (!uvmpd_scan_queue(k, scan)) return false;
	}
	scan_end(k, scan);
	return true;
}

/** The rest of a scan in which a write sleeps. => 0 */
function* uvmpd_scan_rest(k: Kernel, scan: pdscan): Sleeps<Errno> {
	do yield* pageout_wait(k, scan.put!);
	while (!uvmpd_scan_queue(k, scan));
	scan_end(k, scan);
	return 0;
}

/** The queue was scanned, or there was no need. */
function scan_end(k: Kernel, { done }: pdscan): void {
	const e = k.uvmexp;
	const fruitless = e.pdfreed + e.pdpageouts === done;
	let swap_shortage = 0;
	// Every slot is in use, but some belong to pages in memory: free those slots.
	if (e.free < e.freetarg && fruitless && uvm_swap_isexhausted(k) && !uvm_swapisfull(k)) {
		swap_shortage = e.freetarg - e.free;
	}
	simple_lock(k, k.uvm.pageqlock);
	k.uvm.pdpolicy.balancequeue(k, swap_shortage);
	simple_unlock(k, k.uvm.pageqlock);
}

/**
 * Result for a page; "dirtyreact": reactivated for lack of swap; "object", "own": to be written, to
 * its object or to the slot that it has.
 */
type Outcome = "done" | "dirtyreact" | "object" | "own";

/** Begin to scan the inactive pages. */
function scan_begin(k: Kernel, scan: pdscan): void {
	scan.dirtyreacts = 0;
	// DEVIATION (D32): NetBSD always gives up after so many. Pages of files need no swap, so the scan
	// does not end before it has found them.
	scan.maxreacts = uvm_filepages(k) > 0 ? Number.POSITIVE_INFINITY : UVMPD_NUMDIRTYREACTS;
	// DEVIATION (D33): not after scans in vain, or pages that cannot be freed would be all that is
	// left.
	scan.react = k.uvm.pdfruitless > 0 || !k.uvm.policy.balance ? 0 : uvmpd_balance(k);
	scan.scanning = true;
	simple_lock(k, k.uvm.pageqlock);
	k.uvm.pdpolicy.scaninit(k);
	simple_unlock(k, k.uvm.pageqlock);
}

/**
 * Free the clean pages that the policy gives up, and start to write the dirty ones.
 * => false: a write, scan.put, sleeps; to be called again when that is done.
 */
function uvmpd_scan_queue(k: Kernel, scan: pdscan): boolean {
	while (scan.scanning) {
		simple_lock(k, k.uvm.pageqlock);
		scan.put = scan_pages(k, scan);
		if (scan.put !== null) return false;
	}
	return true;
}

/** Scan up to the next write, or the end. => as put_victim */
function scan_pages(k: Kernel, scan: pdscan): pageout | null {
	const e = k.uvmexp;
	const { pdpolicy } = k.uvm;
	const { cluster } = scan;
	for (;;) {
		const enough = e.free + e.paging >= e.freetarg * 4;
		if (scan.dirtyreacts >= scan.maxreacts || (enough && cluster.npages === 0)) break;
		// DEVIATION (D34): NetBSD writes a short last cluster. Here the scan continues, for dirty pages
		// only, until the cluster is full: the request is made anyway.
		const pg = pdpolicy.selectvictim(k, enough);
		if (pg === null) break;
		const outcome = scan_page(k, pg, cluster, scan.react);
		if (outcome === "dirtyreact") scan.dirtyreacts++;
		if (is_put(outcome, cluster)) return put_victim(k, pg, outcome, cluster);
	}
	pdpolicy.scanfini(k);
	scan.scanning = false;
	return swapcluster_put(k, cluster, null);
}

/** Whether something is to be written after a page was looked at. */
const is_put = (outcome: Outcome, { nslots, npages }: swapcluster): boolean =>
	outcome === "object" || outcome === "own" || (nslots > 0 && npages === nslots);

/**
 * Write it. => queues locked; unlocked on return, but for "object", whose object is locked, too.
 * => null; or a write that sleeps, for pageout_wait, which unlocks them.
 */
function put_victim(
	k: Kernel,
	pg: vm_page,
	outcome: Outcome,
	cluster: swapcluster,
): pageout | null {
	if (outcome === "object") return { uobj: pg.uobject, pg, pgs: [], slot: 0, tried: null };
	if (outcome === "own") return pageout_put(k, null, [pg], 1, uvmpd_slot(k, pg));
	return swapcluster_put(k, cluster, pg);
}

/**
 * Give up a page that was not used.
 * => queues locked. Of the kinds in `react` (uvmpd_balance) no page is given up.
 * => "object": a dirty page of a file, PG_PAGEOUT, for object_put; its object is locked.
 */
function scan_page(k: Kernel, pg: vm_page, cluster: swapcluster, react: number): Outcome {
	const e = k.uvmexp;
	if (react !== 0 && balance_reacts(k, pg, react)) {
		uvm_pageactivate(k, pg);
		return "done";
	}
	const lock = uvmpd_trylockowner(k, pg);
	if (lock === null) return "done";
	if ((pg.flags & PG_BUSY) !== 0) {
		e.pdbusy++;
		simple_unlock(k, lock);
		return "done";
	}
	if (pg.loan_count > 0) {
		// The borrower would still have it, so nothing became free.
		uvm_pageactivate(k, pg);
		simple_unlock(k, lock);
		return "done";
	}
	if (pg.uanon !== null) e.pdanscan++;
	else e.pdobscan++;
	// Unmap first, or a store after the test would be lost (M6).
	pmap_page_protect(k, pg, VM_PROT_NONE);
	if (pmap_clear_modify(k, pg)) pg.flags &= ~PG_CLEAN;
	else if ((pg.pqflags & PQ_SWAPBACKED) !== 0 && uvm_swap_isdead(k, uvmpd_slot(k, pg))) {
		// What it was read from cannot be read again: it goes to another slot (D60).
		pg.flags &= ~PG_CLEAN;
	}
	let outcome: Outcome = "done";
	if ((pg.flags & PG_CLEAN) !== 0) {
		free_clean(k, pg);
	} else if ((pg.pqflags & PQ_SWAPBACKED) === 0) {
		uvm_pager_pageout(k, pg);
		return "object";
	} else if (!k.uvm.policy.reassign && has_slot(k, pg)) {
		uvm_pager_pageout(k, pg);
		outcome = "own";
	} else if (!swapcluster_add(k, pg, cluster)) {
		outcome = "dirtyreact";
	}
	simple_unlock(k, lock);
	return outcome;
}

/** Whether a swap-backed page has a slot that it can be written to. => owner locked. */
function has_slot(k: Kernel, pg: vm_page): boolean {
	const slot = uvmpd_slot(k, pg);
	return slot > 0 && !uvm_swap_isdead(k, slot);
}

/** Whether a page is of a kind that is spared now, which is counted. => queues locked. */
function balance_reacts(k: Kernel, pg: vm_page, react: number): boolean {
	const e = k.uvmexp;
	if ((pg.pqflags & PQ_SWAPBACKED) !== 0) {
		if ((react & REACT_ANON) === 0) return false;
		e.pdreanon++;
	} else if (pg.uobject !== null && (pg.uobject as uvm_vnode).u_text) {
		if ((react & REACT_EXEC) === 0) return false;
		e.pdreexec++;
	} else {
		if ((react & REACT_FILE) === 0) return false;
		e.pdrefile++;
	}
	return true;
}

/** Free a page whose slot, or file, holds the same bytes. => owner, queues locked; not mapped. */
function free_clean(k: Kernel, pg: vm_page): void {
	if ((pg.pqflags & PQ_SWAPBACKED) !== 0) {
		const slot = uvmpd_slot(k, pg);
		KASSERT(slot > 0, "pagedaemon: clean page without a swap slot");
		k.watch.freeclean?.(k, pg, slot);
		k.watch.shadow?.swapclean(k, slot, pg);
		uvm_swpgonly_add(k, 1);
	}
	uvm_pagefree(k, pg);
	k.uvmexp.pdfreed++;
}

/**
 * Give a dirty page the next slot of the cluster. => owner, queues locked; not mapped.
 * => false, and the page is active again, if there is no slot, or no memory to record it.
 */
function swapcluster_add(k: Kernel, pg: vm_page, cluster: swapcluster): boolean {
	if (cluster.nslots === 0 && !swapcluster_allocslots(k, pg, cluster)) {
		uvm_pageactivate(k, pg);
		return false;
	}
	const slot = cluster.slot + cluster.npages;
	// DEVIATION: the new slot is recorded before the old one is free. Then the record cannot fail
	// for a page that had one (A23), and if it fails nothing has been lost (M7).
	let old: SwapSlot;
	if (pg.uanon !== null) {
		old = pg.uanon.an_swslot;
		pg.uanon.an_swslot = slot;
	} else {
		old = uao_set_swslot(k, pg.uobject!, atop(pg.offset), slot);
		if (old === SWSLOT_NOMEM) {
			uvm_pageactivate(k, pg);
			return false;
		}
	}
	if (old > 0) uvm_swap_free(k, old, 1);
	uvm_pager_pageout(k, pg);
	cluster.pages[cluster.npages++] = pg;
	return true;
}

/** Slots for a cluster that begins with `pg`. => false if there are none. */
function swapcluster_allocslots(k: Kernel, pg: vm_page, cluster: swapcluster): boolean {
	cluster.slot = uvm_swap_alloc(k, k.uvm.policy.cluster, true);
	if (cluster.slot === SWSLOT_NONE && uvmpd_slot(k, pg) > 0) {
		// No slot is free, but the contents of this page's own are out of date.
		uvmpd_dropswap(k, pg);
		cluster.slot = uvm_swap_alloc(k, 1, false);
	}
	cluster.nslots = cluster.slot === SWSLOT_NONE ? 0 : k.uvm.swap_alloc_nslots;
	return cluster.nslots > 0;
}

/**
 * Write the pages gathered so far, and empty the cluster. `pg` is tried alone if that fails.
 * => queues locked; unlocked on return. null; or a write that sleeps, for pageout_wait.
 */
function swapcluster_put(k: Kernel, cluster: swapcluster, pg: vm_page | null): pageout | null {
	const { slot, nslots, pages, npages } = cluster;
	cluster.slot = SWSLOT_NONE;
	cluster.nslots = 0;
	cluster.npages = 0;
	if (nslots > npages) uvm_swap_free(k, slot + npages, nslots - npages);
	if (npages === 0) {
		simple_unlock(k, k.uvm.pageqlock);
		return null;
	}
	if (k.uvmhist !== null) UVMHIST_LOG(k, "swapcluster_put", "slot, pages", slot, npages);
	return pageout_put(k, pg, pages, npages, slot);
}

/**
 * Write pages that are PG_PAGEOUT to swap: see uvm_pager_put. => queues locked; unlocked on return.
 * => null; or what sleeps, for pageout_wait.
 */
function pageout_put(
	k: Kernel,
	pg: vm_page | null,
	pages: readonly vm_page[],
	npages: number,
	slot: SwapSlot,
): pageout | null {
	const tried = uvm_pager_put_nosleep(k, pages, npages, slot);
	if (tried !== PGO_PENDING) {
		return { uobj: null, pg, pgs: pages.slice(0, npages), slot, tried };
	}
	k.uvmexp.pdpageouts++;
	k.uvmexp.pdpending++;
	return null;
}

/** Have a write done that sleeps. */
function* pageout_wait(k: Kernel, { uobj, pg, pgs, slot, tried }: pageout): Sleeps<void> {
	const flags = PGO_ALLPAGES | PGO_PDFREECLUST;
	const put = yield* uvm_pager_put(k, uobj, pg, pgs, flags, slot, 0, tried);
	// A pager that refuses at once has not begun a pageout.
	if (put.error !== EIO) k.uvmexp.pdpageouts++;
	if (put.error === PGO_PENDING) k.uvmexp.pdpending++;
	else uvm_pager_dropcluster(k, uobj, null, put.pgs, 0, SWSLOT_NONE, put.error);
}

/**
 * Page out the given pages now (Linux's MADV_PAGEOUT), clean ones at once, dirty ones in clusters.
 * DEVIATION (D35): NetBSD has no such call; it is the page daemon's loop over pages of a map.
 * => nothing locked. Sleeps for pager_map, not for the writes.
 */
export function* uvm_pageout_pages(k: Kernel, pages: readonly vm_page[]): Sleeps<void> {
	const cluster = swapcluster_init();
	const versions = pages.map((pg) => pg.version);
	simple_lock(k, k.uvm.pageqlock);
	for (const [i, pg] of pages.entries()) {
		if (pg.version !== versions[i] || pg.wire_count > 0 || (pg.flags & PG_BUSY) !== 0) continue;
		uvm_pagedeactivate(k, pg);
		pmap_clear_reference(k, pg);
		const outcome = scan_page(k, pg, cluster, 0);
		if (!is_put(outcome, cluster)) continue;
		const put = put_victim(k, pg, outcome, cluster);
		if (put !== null) yield* pageout_wait(k, put);
		simple_lock(k, k.uvm.pageqlock);
	}
	const put = swapcluster_put(k, cluster, null);
	if (put !== null) yield* pageout_wait(k, put);
}
