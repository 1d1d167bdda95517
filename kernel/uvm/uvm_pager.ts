/**
 * Port of sys/uvm/uvm_pager.c 1.1.1.1 (1998-02-05): helpers for pagers. Clusters of pages that are
 * written together, and what happens to them when the write succeeds or fails.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 *
 * uvm_pagermapin and uvm_pagermapout are in uvm_pagermap.ts.
 *
 * Every page that the page daemon writes comes here: swap as a cluster that the daemon has built,
 * pages of files to be clustered. The pages are PG_PAGEOUT, as since 2001, so that the end of the
 * write frees them; the code is that of 1998: uvm_pager_put, and uvm_pager_dropcluster at the end
 * of the write or for a cluster that could not be written.
 *
 * The numbers P1 to P13 name the defects of revision 1.1.1.1 that are repaired here.
 */

import {
	pmap_clear_modify,
	pmap_clear_reference,
	pmap_is_modified,
	pmap_is_referenced,
	pmap_page_protect,
} from "../../pmap/pmap.ts";
import { EAGAIN, ENOMEM, type Errno, EWOULDBLOCK } from "../../sys/errno.ts";
import { KASSERT, panic } from "../../sys/panic.ts";
import { atop, PAGE_SIZE, ptoa, VM_PROT_READ, type vm_prot_t } from "../../sys/vmparam.ts";
import type { buf } from "../dev/buf.ts";
import { putiobuf } from "../dev/vfs_bio.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import type { resumable } from "../kern/core/kern_lwp.ts";
import { type Sleeps, sleep_enter, wakeup } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { uvm_anon_release } from "./uvm_anon.ts";
import { aobj_pager } from "./uvm_aobj.ts";
import { SWSLOT_NOMEM, uao_set_swslot } from "./uvm_aobj_slots.ts";
import { uvm_km_suballoc, uvm_km_valloc } from "./uvm_km.ts";
import type { vm_map_entry } from "./uvm_map_entry.ts";
import { uvm_page_isbroken, uvm_page_memerror } from "./uvm_memerror.ts";
import {
	PAGER_AOBJ,
	PGO_ALLPAGES,
	PGO_DOACTCLUST,
	PGO_PDFREECLUST,
	PGO_PENDING,
	PGO_REALLOCSWAP,
	PGO_SYNCIO,
	pagerops,
	type uvm_object,
	type voff_t,
} from "./uvm_object.ts";
import {
	PG_BUSY,
	PG_CLEAN,
	PG_CLEANCHK,
	PG_PAGEOUT,
	PG_RELEASED,
	PQ_ANON,
	PQ_INACTIVE,
	PQ_SWAPBACKED,
	uvm_page_unbusy1,
	uvm_pageactivate,
	uvm_pagedequeue,
	uvm_pagelookup,
	type vm_page,
} from "./uvm_page.ts";
import { PAGER_MAP_SIZE, uvm_pagermapout } from "./uvm_pagermap.ts";
import {
	SWCLPAGES,
	SWSLOT_NONE,
	type SwapSlot,
	uvm_swap_free,
	uvm_swap_markbad,
	uvm_swpgonly_add,
} from "./uvm_swap.ts";
import {
	uvm_swap_again,
	uvm_swap_done,
	uvm_swap_put,
	uvm_swap_putstart,
	uvm_swap_putwait,
} from "./uvm_swap_io.ts";

/**
 * Make pager_map and the page daemon's window, and initialise the pagers.
 * => at boot, after uvm_km_init.
 */
export function uvm_pager_init(k: Kernel): void {
	k.uvm.pager_map = uvm_km_suballoc(k, k.uvm.kernel_map!, PAGER_MAP_SIZE);
	k.uvm.emergva = uvm_km_valloc(k, k.uvm.kernel_map!, ptoa(k.uvm.emergpages));
	k.uvm.pagerops[PAGER_AOBJ] = aobj_pager;
	for (const ops of k.uvm.pagerops) ops.pgo_init?.(k);
}

/**
 * Gather dirty neighbours of `center` for one write (uvm_mk_pcluster).
 *
 * => object and page queues locked; `center` is busy and write-protected.
 * => at most `npages` pages. Every page of the cluster is busy and write-protected; the caller
 *    un-busies them all.
 * => PGO_ALLPAGES: the pager's window; otherwise only its part in [mlo, mhi).
 * => PGO_DOACTCLUST: active pages too. The caller should clear their PG_CLEANCHK first.
 */
export function uvm_mk_pcluster(
	k: Kernel,
	uobj: uvm_object,
	npages: number,
	center: vm_page,
	flags: number,
	mlo: voff_t,
	mhi: voff_t,
): vm_page[] {
	const window = pagerops(k, uobj).pgo_cluster!(k, uobj, center.offset);
	let { lo, hi } = window;
	if ((flags & PGO_ALLPAGES) === 0) {
		lo = Math.max(lo, mlo);
		hi = Math.min(hi, mhi);
	}
	// DEVIATION: a centre outside of the window is a cluster of its own (P13).
	if (center.offset < lo || center.offset >= hi || atop(hi - lo) > npages) return [center];
	const pgs = [center];
	// DEVIATION: the step is a page; `a + b * f ? 1 : -1` groups otherwise (P1).
	for (let off = center.offset - PAGE_SIZE; off >= lo; off -= PAGE_SIZE) {
		const pg = cluster_candidate(k, uobj, off, flags);
		if (pg === null) break;
		pgs.unshift(pg);
	}
	for (let off = center.offset + PAGE_SIZE; off < hi; off += PAGE_SIZE) {
		const pg = cluster_candidate(k, uobj, off, flags);
		if (pg === null) break;
		pgs.push(pg);
	}
	return pgs;
}

/** The page at `off`, now busy and write-protected, if it may join a cluster; or null. */
function cluster_candidate(
	k: Kernel,
	uobj: uvm_object,
	off: voff_t,
	flags: number,
): vm_page | null {
	const pg = uvm_pagelookup(k, uobj, off);
	if (pg === null || (pg.flags & PG_BUSY) !== 0) return null;
	if ((pg.pqflags & PQ_INACTIVE) === 0 && (flags & PGO_DOACTCLUST) === 0) return null;
	// DEVIATION: wired and loaned pages are left to their owners (P13).
	if (pg.wire_count > 0 || pg.loan_count > 0) return null;
	// DEVIATION: an inactive page may be mapped, so the pmap is asked about it too (M6).
	if ((pg.flags & (PG_CLEAN | PG_CLEANCHK)) === PG_CLEAN || (pg.pqflags & PQ_INACTIVE) !== 0) {
		if (pmap_is_modified(k, pg)) pg.flags &= ~PG_CLEAN;
	}
	pg.flags |= PG_CLEANCHK;
	if ((pg.flags & PG_CLEAN) !== 0) return null;
	pg.flags |= PG_BUSY;
	pmap_page_protect(k, pg, VM_PROT_READ);
	return pg;
}

/**
 * Lower the protection of every resident page of an entry's object range, in all maps.
 * => map and object locked.
 */
export function uvm_shareprot(k: Kernel, entry: vm_map_entry, prot: vm_prot_t): void {
	const uobj = entry.uvm_obj;
	if (entry.sub_map !== null || uobj === null) panic("uvm_shareprot: non-object attached");
	const start = entry.offset;
	const stop = start + (entry.end - entry.start);
	for (let pg = uobj.memq_first; pg !== null; pg = pg.listq_next) {
		// Place holders (PG_MARKER) are in no range: their offset is -1.
		if (pg.offset < start || pg.offset >= stop) continue;
		pmap_page_protect(k, pg, prot);
	}
}

/** The result of uvm_pager_put. */
export interface pager_put_result {
	/** 0, PGO_PENDING, or the error of the last attempt. */
	readonly error: Errno;
	/**
	 * Pages that are still busy and the caller's to un-busy: after success without
	 * PGO_PDFREECLUST the whole cluster; otherwise the page of interest, if there is one.
	 */
	readonly pgs: vm_page[];
}

/**
 * Write a page, with its cluster (uvm_pager_put).
 *
 * => page queues locked; unlocked on return.
 * => `uobj` not null: its object, locked; the cluster is built here round `pg` and limited to
 *    [start, stop) unless PGO_ALLPAGES. DEVIATION: unlocked on return in every case (M15).
 * => `uobj` null: swap. `pgs` is the cluster, `start` its first slot; `pg` may be null.
 * => all pages busy, `pg` not PG_CLEAN. If a cluster cannot be written, `pg` is tried alone.
 * => PGO_PDFREECLUST: for the page daemon; pages of a file's cluster that nobody has used become
 *    PG_PAGEOUT like `pg`.
 * => may sleep.
 * => `tried`: what uvm_pager_put_nosleep has just returned for the cluster, which has unlocked the
 *    queues; null: it was not called.
 */
export function* uvm_pager_put(
	k: Kernel,
	uobj: uvm_object | null,
	pg: vm_page | null,
	pgs: vm_page[],
	flags: number,
	start: number,
	stop: number,
	tried: Errno | null = null,
): Sleeps<pager_put_result> {
	let cluster = pgs;
	let first = tried;
	if (uobj !== null) {
		KASSERT(pg !== null, "uvm_pager_put: no page of interest in an object");
		const mk = pagerops(k, uobj).pgo_mk_pcluster;
		cluster = mk === undefined ? [pg] : mk(k, uobj, SWCLPAGES, pg, flags, start, stop);
		if ((flags & PGO_PDFREECLUST) !== 0) for (const page of cluster) cluster_pageout(k, page);
	}
	if (first === null) simple_unlock(k, k.uvm.pageqlock);
	let swblk: SwapSlot = uobj === null ? start : SWSLOT_NONE;
	for (; ; first = null) {
		const failed: number[] = [];
		const error =
			first !== null
				? yield* put_wait(k, swblk, cluster, first)
				: uobj !== null
					? yield* pagerops(k, uobj).pgo_put_pages!(
							k,
							uobj,
							cluster,
							cluster.length,
							flags & PGO_SYNCIO,
						)
					: yield* uvm_swap_put(k, swblk, cluster, cluster.length, flags & PGO_SYNCIO, failed);
		if (error === PGO_PENDING) return { error, pgs: [] };
		if (error === 0) {
			if ((flags & PGO_PDFREECLUST) === 0) return { error, pgs: cluster };
			uvm_pager_dropcluster(k, uobj, pg, cluster, PGO_PDFREECLUST, SWSLOT_NONE, 0);
			return { error, pgs: pg === null ? [] : [pg] };
		}
		const clustered = cluster.length > 1 || pg === null;
		if (!clustered) {
			// DEVIATION: a single page that cannot be written leaves its slot marked, too (P9).
			if (uobj === null) {
				set_owner_slot(k, pg, SWSLOT_NONE);
				swslots_giveup(k, swblk, 1, error);
			}
			return { error, pgs: [pg] };
		}
		if (failed.length > 0) {
			// DEVIATION: after a hard error every page has been tried alone (D50), so there is nothing
			// left to retry (P9).
			drop_written(k, pg, cluster, swblk, failed, error);
			if (pg === null) return { error, pgs: [] };
			return { error: failed.includes(cluster.indexOf(pg)) ? error : 0, pgs: [pg] };
		}
		swblk = uvm_pager_dropcluster(k, uobj, pg, cluster, PGO_REALLOCSWAP, swblk, error);
		if (pg === null) return { error, pgs: [] };
		cluster = [pg];
		if (uobj !== null) simple_lock(k, uobj.vmobjlock);
	}
}

/**
 * uvm_pager_put of a cluster of `npages` pages for swap, as far as it does not sleep.
 * => page queues locked; unlocked on return. `pgs` is the caller's again.
 * => PGO_PENDING; or what uvm_pager_put needs, to go on from there.
 */
export function uvm_pager_put_nosleep(
	k: Kernel,
	pgs: readonly vm_page[],
	npages: number,
	start: SwapSlot,
): Errno {
	simple_unlock(k, k.uvm.pageqlock);
	return uvm_swap_putstart(k, start, pgs, npages);
}

/** The end of an attempt that `tried` is the beginning of. => as uvm_swap_put */
function* put_wait(
	k: Kernel,
	slot: SwapSlot,
	pgs: readonly vm_page[],
	tried: Errno,
): Sleeps<Errno> {
	return tried === EWOULDBLOCK ? yield* uvm_swap_putwait(k, slot, pgs) : tried;
}

/**
 * Un-busy a cluster of which some pages could be written and others not. `failed`: their indices;
 * they stay in memory and will get other slots. => as uvm_pager_dropcluster.
 */
function drop_written(
	k: Kernel,
	pg: vm_page | null,
	pgs: readonly vm_page[],
	swblk: SwapSlot,
	failed: readonly number[],
	error: Errno,
): void {
	const written = failed.length === 0 ? pgs : pgs.filter((_, i) => !failed.includes(i));
	uvm_pager_dropcluster(k, null, pg, written, PGO_PDFREECLUST, SWSLOT_NONE, 0);
	for (const i of failed) {
		const page = pgs[i]!;
		const own = page === pg ? pg : null;
		// It is not the slot that is broken if the page cannot be read from memory.
		const why = uvm_page_isbroken(k, page) ? EAGAIN : error;
		uvm_pager_dropcluster(k, null, own, [page], PGO_REALLOCSWAP, swblk + i, why);
		if (why !== error) uvm_page_memerror(k, page);
	}
}

/** Have a page of a cluster freed with the write, if nobody uses it. => owner, queues locked. */
function cluster_pageout(k: Kernel, page: vm_page): void {
	const unused = (page.pqflags & PQ_INACTIVE) !== 0 && !pmap_is_referenced(k, page);
	if (unused && (page.flags & PG_PAGEOUT) === 0) uvm_pager_pageout(k, page);
}

/**
 * Mark a page that is to be freed when it has been written; it is on no queue until then.
 * => owner, queues locked; the page is busy, or becomes it.
 */
export function uvm_pager_pageout(k: Kernel, page: vm_page): void {
	page.flags |= PG_BUSY | PG_PAGEOUT;
	k.uvmexp.paging++;
	uvm_pagedequeue(k, page);
}

const is_transient = (error: Errno): boolean => error === EAGAIN || error === ENOMEM;

/** Record `slot` for the page's owner. => busy page, so its owner cannot change. */
function set_owner_slot(k: Kernel, pg: vm_page, slot: SwapSlot): void {
	if ((pg.pqflags & PQ_ANON) !== 0) {
		pg.uanon!.an_swslot = slot;
	} else {
		const old = uao_set_swslot(k, pg.uobject!, atop(pg.offset), slot);
		// DEVIATION: the result is checked (P11). A slot was recorded for this page, so there is room
		// to record another.
		KASSERT(old !== SWSLOT_NOMEM, "uvm_pager: no room for a slot that was recorded before");
	}
}

/** Free slots after a transient error; after a hard one they are bad for ever. */
function swslots_giveup(k: Kernel, slot: SwapSlot, n: number, error: Errno): void {
	if (n === 0) return;
	if (is_transient(error)) {
		uvm_swap_free(k, slot, n);
	} else {
		uvm_swpgonly_add(k, n);
		uvm_swap_markbad(k, slot, n);
	}
}

/**
 * Un-busy a cluster, except the page of interest (uvm_pager_dropcluster).
 *
 * => nothing locked. DEVIATION (D30): the object, too, is locked here. Never sleeps.
 * => PGO_PDFREECLUST: it was written. DEVIATION: only then are pages marked clean (P12). Those that
 *    are PG_PAGEOUT are freed.
 * => otherwise writing it failed with `error`: the pages are dirty, and active. PGO_REALLOCSWAP:
 *    the slots from `swblk` on are given up, all but one for `pg` if the error was transient.
 * => DEVIATION: pages of swap that failed for good stay in memory without a slot, where NetBSD
 *    discards them with their data (P9).
 * => the slot that `pg` has now, or SWSLOT_NONE.
 */
export function uvm_pager_dropcluster(
	k: Kernel,
	uobj: uvm_object | null,
	pg: vm_page | null,
	pgs: readonly vm_page[],
	flags: number,
	swblk: SwapSlot,
	error: Errno,
): SwapSlot {
	const written = (flags & PGO_PDFREECLUST) !== 0;
	const realloc = uobj === null && (flags & PGO_REALLOCSWAP) !== 0;
	KASSERT(written === (error === 0), "uvm_pager_dropcluster: written, and an error");
	const keep = realloc && pg !== null && is_transient(error);
	for (const page of pgs) if (page !== pg) drop_page(k, page, written, realloc);
	if (realloc) {
		// DEVIATION: the owners stop recording the slots before these are free (P10).
		if (pg !== null) set_owner_slot(k, pg, keep ? swblk : SWSLOT_NONE);
		if (keep) swslots_giveup(k, swblk + 1, pgs.length - 1, error);
		else swslots_giveup(k, swblk, pgs.length, error);
	}
	if (k.uvmexp.paging === 0 || k.uvmexp.free > k.uvmexp.reserve_kernel) {
		wakeup(k, k.uvm.free_wchan);
	}
	return keep ? swblk : SWSLOT_NONE;
}

/** Un-busy one page of a cluster. `realloc`: its slot is given up. => its owner is unlocked. */
function drop_page(k: Kernel, page: vm_page, written: boolean, realloc: boolean): void {
	const anon = page.uanon;
	const pageout = (page.flags & PG_PAGEOUT) !== 0;
	if (pageout) {
		page.flags &= ~PG_PAGEOUT;
		k.uvmexp.paging--;
	}
	if (anon !== null && anon.an_ref === 0) {
		if (realloc) set_owner_slot(k, page, SWSLOT_NONE);
		// DEVIATION: the anon is unlocked when it is freed (P4).
		uvm_anon_release(k, anon);
		return;
	}
	const lock = anon ?? page.uobject!.vmobjlock;
	simple_lock(k, lock);
	simple_lock(k, k.uvm.pageqlock);
	if (realloc) set_owner_slot(k, page, SWSLOT_NONE);
	if (written) {
		pmap_clear_reference(k, page);
		pmap_clear_modify(k, page);
		page.flags |= PG_CLEAN;
		if (pageout) {
			k.uvmexp.pdfreed++;
			page.flags |= PG_RELEASED;
			if ((page.pqflags & PQ_SWAPBACKED) !== 0) uvm_swpgonly_add(k, 1);
		}
	} else if ((page.flags & PG_RELEASED) === 0) {
		uvm_pageactivate(k, page);
	}
	// DEVIATION: it is this page that is released, not the page of interest (P2), and nothing
	// is done to it afterwards (P3).
	uvm_page_unbusy1(k, page);
	simple_unlock(k, k.uvm.pageqlock);
	simple_unlock(k, lock);
}

/** The aiodone daemon: finish the transfers that the interrupt handler has queued. */
export function uvm_aiodone_daemon(k: Kernel): resumable {
	const sleeps = { done: false };
	return {
		next() {
			for (let bp = k.uvm.aio_done.shift(); bp !== undefined; bp = k.uvm.aio_done.shift()) {
				if (uvm_aio_aiodone(k, bp)) putiobuf(k, bp);
			}
			sleep_enter(k, k.uvm.aiodoned_wchan, "aiodoned", 0);
			return sleeps;
		},
	};
}

/**
 * Finish an asynchronous write to swap, or to a file.
 * => thread context, nothing locked; never sleeps. The pages are busy.
 * => false: it is not finished, because its pages are being written one by one.
 */
export function uvm_aio_aiodone(k: Kernel, bp: buf): boolean {
	const { b_pages: pgs, b_slot: slot, b_error: error } = bp;
	if (slot !== SWSLOT_NONE && uvm_swap_again(k, bp)) return false;
	uvm_pagermapout(k, bp.b_data, pgs.length);
	if (slot !== SWSLOT_NONE) {
		drop_written(k, null, pgs, slot, uvm_swap_done(k, bp), error);
		return true;
	}
	const uobj = pgs[0]!.uobject!;
	const flags = error === 0 ? PGO_PDFREECLUST : PGO_REALLOCSWAP;
	uvm_pager_dropcluster(k, uobj, null, pgs, flags, slot, error);
	pagerops(k, uobj).pgo_aiodone?.(k, uobj, pgs.length, error);
	if (error !== 0) {
		for (const pg of pgs) if (uvm_page_isbroken(k, pg)) uvm_page_memerror(k, pg);
	}
	return true;
}
