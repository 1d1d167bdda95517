/**
 * Port of sys/uvm/uvm_aobj.c 1.51 (2002-05-09): the pager of anonymous memory objects.
 *
 * Copyright (c) 1998 Chuck Silvers, Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 *
 * An aobj knows its resident pages, as every object does, and the swap slots of its pages
 * (uvm_aobj_slots.ts).
 *
 * A page is resident, in swap (the slot says where), or untouched (no slot: it reads as zeros).
 *
 * The numbers A1 to A23 name the defects of revision 1.51 that are repaired in both files.
 */

import { pmap_clear_modify, pmap_clear_reference, pmap_page_protect } from "../../pmap/pmap.ts";
import { EAGAIN, EBUSY, EIO, ENOMEM, type Errno } from "../../sys/errno.ts";
import { KASSERT, panic } from "../../sys/panic.ts";
import { atop, PAGE_SIZE, ptoa, round_page, trunc_page, VM_PROT_NONE } from "../../sys/vmparam.ts";
import { UVMHIST_LOG } from "../kern/core/kern_history.ts";
import { simple_lock, simple_lock_init, simple_unlock } from "../kern/core/kern_lock.ts";
import { type Sleeps, wakeup } from "../kern/core/kern_synch.ts";
import { pool_get, pool_put, pool_take } from "../kern/core/subr_pool.ts";
import type { Kernel } from "../kernel.ts";
import {
	UAO_FLAG_NOSWAP,
	uao_alloc_slots,
	uao_dropswap,
	uao_dropswap_range,
	uao_find_swslot,
	uao_free_slots,
	uao_grow_slots,
	uao_set_swslot,
	uao_slots,
	type uvm_aobj,
} from "./uvm_aobj_slots.ts";
import { UVM_PGA_ZERO } from "./uvm_extern.ts";
import {
	PAGER_AOBJ,
	PGO_ALLPAGES,
	PGO_CLEANIT,
	PGO_DEACTIVATE,
	PGO_DISCARD,
	PGO_FREE,
	PGO_SYNCIO,
	UVM_OBJ_IS_KERN_OBJECT,
	UVM_OBJ_KERN,
	type uvm_object,
	type uvm_pagerops,
	type voff_t,
} from "./uvm_object.ts";
import {
	memq_insert_before,
	memq_insert_tail,
	memq_remove,
	PG_BUSY,
	PG_CLEAN,
	PG_FAKE,
	PG_MARKER,
	PG_RELEASED,
	PG_WANTED,
	PGO_DONTCARE,
	PQ_AOBJ,
	UVM_PAGE_HASH_PENALTY,
	uvm_page_unbusy,
	uvm_pageactivate,
	uvm_pagealloc,
	uvm_pagedeactivate,
	uvm_pagefree,
	uvm_pagelookup,
	uvm_pagewait,
	uvm_pagezero,
	vm_page,
} from "./uvm_page.ts";
import {
	SWSLOT_BAD,
	SWSLOT_NONE,
	type SwapSlot,
	uvm_swap_free,
	uvm_swap_markbad,
	uvm_swpgonly_add,
} from "./uvm_swap.ts";
import { type swap_neighbours, uvm_swap_getahead } from "./uvm_swap_ahead.ts";
import { uvm_swap_get } from "./uvm_swap_io.ts";
import { uvm_pause, uvm_wait_locked } from "./uvm_wait.ts";

/** uao_create flags; KERNOBJ and KERNSWAP once each. */
export const UAO_FLAG_KERNOBJ = 1;
export const UAO_FLAG_KERNSWAP = 2;
/**
 * Free everything an aobj holds, and itself.
 * => locked, no references, no pages; gone on return.
 */
function uao_free(k: Kernel, aobj: uvm_aobj): void {
	simple_unlock(k, aobj.vmobjlock);
	KASSERT(aobj.uo_npages === 0, "uao_free: pages left");
	const swpgonlydelta = uao_free_slots(k, aobj);
	// DEVIATION: swapoff must see the object for as long as it has slots (A17).
	const list = k.uvm.uao_list;
	simple_lock(k, k.uvm.uao_list_lock);
	list.splice(list.indexOf(aobj), 1);
	simple_unlock(k, k.uvm.uao_list_lock);
	pool_put(k.uvm.uvm_aobj_pool);
	uvm_swpgonly_add(k, -swpgonlydelta);
}

/**
 * Make an aobj of `size` bytes, rounded up to pages.
 *
 * => flags 0: a new object with one reference.
 * => UAO_FLAG_KERNOBJ, once: the kernel object, never swapped.
 * => UAO_FLAG_KERNSWAP, once and after KERNOBJ: let the kernel object be swapped; `size` is not
 *    looked at (A21).
 * => unlocked. null if there is no memory; only for flags 0.
 */
export function uao_create(k: Kernel, size: number, flags: number): uvm_aobj | null {
	if ((flags & UAO_FLAG_KERNSWAP) !== 0) {
		const kobj = k.uvm.kernel_object;
		if (kobj === null) panic("uao_create: KERNSWAP before KERNOBJ");
		KASSERT((kobj.u_flags & UAO_FLAG_NOSWAP) !== 0, "uao_create: KERNSWAP twice");
		if (!uao_alloc_slots(k, kobj)) panic("uao_create: no memory for the kernel object");
		kobj.u_flags &= ~UAO_FLAG_NOSWAP;
		return kobj;
	}
	const kernobj = (flags & UAO_FLAG_KERNOBJ) !== 0;
	KASSERT(!kernobj || k.uvm.kernel_object === null, "uao_create: KERNOBJ twice");
	if (kernobj) pool_take(k, k.uvm.uvm_aobj_pool);
	else if (!pool_get(k, k.uvm.uvm_aobj_pool)) return null;
	const aobj: uvm_aobj = {
		vmobjlock: simple_lock_init(),
		pgops: PAGER_AOBJ,
		memq_first: null,
		memq_last: null,
		uo_npages: 0,
		uo_refs: kernobj ? UVM_OBJ_KERN : 1,
		uo_id: k.uvm.next_object_id++,
		u_pages: atop(round_page(size)),
		u_end: atop(round_page(size)),
		u_flags: kernobj ? UAO_FLAG_NOSWAP : 0,
		u_swslots: null,
		u_swhash: null,
		u_swhashcnt: 0,
	};
	if (!kernobj && !uao_alloc_slots(k, aobj)) {
		pool_put(k.uvm.uvm_aobj_pool);
		return null;
	}
	simple_lock(k, k.uvm.uao_list_lock);
	k.uvm.uao_list.unshift(aobj);
	simple_unlock(k, k.uvm.uao_list_lock);
	return aobj;
}

/**
 * Make an object larger; the new pages read as zeros. DEVIATION (D4): in NetBSD an object keeps its
 * size; tmpfs makes files of a fixed, great one.
 * => unlocked. Never sleeps. false, and nothing has changed, if memory is short.
 */
export function uao_grow(k: Kernel, aobj: uvm_aobj, pages: number): boolean {
	KASSERT(pages >= aobj.u_pages, "uao_grow: object would shrink");
	if (!uao_grow_slots(k, aobj, pages)) return false;
	aobj.u_pages = pages;
	aobj.u_end = pages;
	return true;
}

/**
 * Make an object smaller: uao_put frees what is behind the end. Like uao_grow, not in NetBSD.
 * => unlocked. Sleeps for busy pages. The caller prevents uao_grow meanwhile.
 */
export function* uao_shrink(k: Kernel, aobj: uvm_aobj, pages: number): Sleeps<void> {
	KASSERT(pages <= aobj.u_pages, "uao_shrink: object would grow");
	simple_lock(k, aobj.vmobjlock);
	// From now on no page is allocated behind the end, so one walk is enough.
	aobj.u_end = pages;
	yield* uao_put(k, aobj, ptoa(pages), ptoa(aobj.u_pages), PGO_FREE);
	aobj.u_pages = pages;
}

/**
 * Register the pager. Idempotent: uvm_km_init needs it before the pagers are initialised.
 */
export function uao_init(k: Kernel): void {
	k.uvm.pagerops[PAGER_AOBJ] = aobj_pager;
}

/** Add a reference. => unlocked. The kernel object counts none. */
export function uao_reference(k: Kernel, uobj: uvm_object): void {
	simple_lock(k, uobj.vmobjlock);
	uao_reference_locked(uobj);
	simple_unlock(k, uobj.vmobjlock);
}

/** Add a reference. => locked. */
function uao_reference_locked(uobj: uvm_object): void {
	if (!UVM_OBJ_IS_KERN_OBJECT(uobj)) uobj.uo_refs++;
}

/** Drop a reference; the last one frees the object. => unlocked; may sleep. */
export function* uao_detach(k: Kernel, uobj: uvm_object): Sleeps<void> {
	simple_lock(k, uobj.vmobjlock);
	yield* uao_detach_locked(k, uobj);
}

/**
 * Drop a reference to a locked object.
 *
 * => unlocked, or freed, on return. Sleeps for pages in transit if it is the last reference.
 * => uao_list_lock is not held: the object may have to be taken off that list (A1).
 */
function* uao_detach_locked(k: Kernel, uobj: uvm_object): Sleeps<void> {
	const aobj = uobj as uvm_aobj;
	KASSERT(!k.uvm.uao_list_lock.locked, "uao_detach_locked: uao_list_lock held");
	if (UVM_OBJ_IS_KERN_OBJECT(uobj) || --uobj.uo_refs > 0) {
		simple_unlock(k, uobj.vmobjlock);
		return;
	}
	simple_lock(k, k.uvm.pageqlock);
	for (let pg = uobj.memq_first; pg !== null; pg = uobj.memq_first) {
		pmap_page_protect(k, pg, VM_PROT_NONE);
		if ((pg.flags & PG_BUSY) !== 0) {
			simple_unlock(k, k.uvm.pageqlock);
			yield* uvm_pagewait(k, pg, uobj.vmobjlock, "uao_det");
			simple_lock(k, uobj.vmobjlock);
			simple_lock(k, k.uvm.pageqlock);
			continue;
		}
		uao_dropswap(k, uobj, atop(pg.offset));
		uvm_pagefree(k, pg);
	}
	simple_unlock(k, k.uvm.pageqlock);
	uao_free(k, aobj);
}

/**
 * Flush pages in [start, stop): deactivate them, or free them with their swap slots. Cleaning
 * anonymous memory is a no-op: the page daemon does that when it is short of memory.
 *
 * => object locked; unlocked on return. Sleeps for busy pages if they are to be freed.
 * => with PGO_FREE and more than one reference the pages are only deactivated; wired and lent ones
 *    stay as they are.
 * => DEVIATION (D5): PGO_DISCARD frees them whoever refers to the object. So are those behind the
 *    end of an object that shrinks, even if they are wired. (In NetBSD maps refer to the vnode of a
 *    file in memory, so its object has one reference.)
 * => returns 0. DEVIATION: 1.51 was declared boolean and documented TRUE (A22).
 */
export function* uao_put(
	k: Kernel,
	uobj: uvm_object,
	start: voff_t,
	stop: voff_t,
	flags: number,
): Sleeps<Errno> {
	const aobj = uobj as uvm_aobj;
	// DEVIATION: multiplied, not shifted: an object may have 2^19 pages and more (A15).
	const size = ptoa(aobj.u_pages);
	const all = (flags & PGO_ALLPAGES) !== 0;
	const first = all ? 0 : Math.max(0, trunc_page(start));
	const last = all ? size : Math.min(round_page(stop), size);
	if ((flags & (PGO_DEACTIVATE | PGO_FREE)) === 0 || first >= last) {
		simple_unlock(k, uobj.vmobjlock);
		return 0;
	}
	// DEVIATION: every combination with FREE or DEACTIVATE does something (A12).
	const free = (flags & (PGO_FREE | PGO_CLEANIT | PGO_DEACTIVATE)) === PGO_FREE;
	const by_list = all || uobj.uo_npages <= atop(last - first) * UVM_PAGE_HASH_PENALTY;
	if (by_list) {
		yield* put_by_list(k, aobj, first, last, free, flags);
	} else {
		simple_lock(k, k.uvm.pageqlock);
		for (let off = first; off < last; off += PAGE_SIZE) {
			const pg = uvm_pagelookup(k, uobj, off);
			if (pg === null || uao_put_page(k, aobj, pg, free, flags)) continue;
			simple_unlock(k, k.uvm.pageqlock);
			yield* uvm_pagewait(k, pg, uobj.vmobjlock, "uao_put");
			simple_lock(k, uobj.vmobjlock);
			simple_lock(k, k.uvm.pageqlock);
			off -= PAGE_SIZE;
		}
		simple_unlock(k, k.uvm.pageqlock);
	}
	// DEVIATION: contents that are only in swap are freed too, or they would reappear (A14).
	if (free && uao_put_frees(aobj, first, flags)) {
		uao_dropswap_range(k, aobj, atop(first), atop(last));
	}
	simple_unlock(k, uobj.vmobjlock);
	return 0;
}

/** Whether PGO_FREE may free the page at `off`, if it is not wired or lent. => object locked. */
const uao_put_frees = (aobj: uvm_aobj, off: voff_t, flags: number): boolean =>
	aobj.uo_refs <= 1 || (flags & PGO_DISCARD) !== 0 || atop(off) >= aobj.u_end;

/** Walk memq between markers, because the walk may sleep. => object locked throughout. */
function* put_by_list(
	k: Kernel,
	aobj: uvm_aobj,
	first: voff_t,
	last: voff_t,
	free: boolean,
	flags: number,
): Sleeps<void> {
	const marker = (): vm_page => {
		const pg = new vm_page(-1);
		pg.uobject = aobj;
		pg.offset = -1;
		pg.flags = PG_BUSY | PG_MARKER;
		return pg;
	};
	const curmp = marker();
	const endmp = marker();
	memq_insert_tail(aobj, endmp);
	let next = aobj.memq_first!;
	simple_lock(k, k.uvm.pageqlock);
	while (next !== endmp) {
		const pg = next;
		next = pg.listq_next!;
		// Nor are place holders of others in any range: their offset is -1.
		if (pg.offset < first || pg.offset >= last) continue;
		if (uao_put_page(k, aobj, pg, free, flags)) continue;
		memq_insert_before(aobj, pg, curmp);
		simple_unlock(k, k.uvm.pageqlock);
		yield* uvm_pagewait(k, pg, aobj.vmobjlock, "uao_put");
		simple_lock(k, aobj.vmobjlock);
		simple_lock(k, k.uvm.pageqlock);
		next = curmp.listq_next!;
		memq_remove(aobj, curmp);
	}
	simple_unlock(k, k.uvm.pageqlock);
	// DEVIATION: removed while the object is still locked (A11).
	memq_remove(aobj, endmp);
}

/**
 * Flush one page. => object, queues locked.
 * => false: the page is busy; wait for it and try again.
 */
function uao_put_page(
	k: Kernel,
	aobj: uvm_aobj,
	pg: vm_page,
	free: boolean,
	flags: number,
): boolean {
	const behind = atop(pg.offset) >= aobj.u_end;
	if ((pg.loan_count !== 0 || pg.wire_count !== 0) && !behind) return true;
	if (!free || !uao_put_frees(aobj, pg.offset, flags)) {
		// DEVIATION: a busy page may be on its way to disk, and on no queue (A13).
		if ((pg.flags & PG_BUSY) !== 0) return true;
		pmap_clear_reference(k, pg);
		uvm_pagedeactivate(k, pg);
		return true;
	}
	pmap_page_protect(k, pg, VM_PROT_NONE);
	if ((pg.flags & PG_BUSY) !== 0) return false;
	uao_dropswap(k, aobj, atop(pg.offset));
	uvm_pagefree(k, pg);
	return true;
}

/** uao_get with PGO_LOCKED: see uvm_pagerops.pgo_get_locked. */
export function uao_get_locked(
	k: Kernel,
	uobj: uvm_object,
	offset: voff_t,
	pps: (vm_page | null)[],
	npages: number,
	centeridx: number,
	_access: number,
	flags: number,
): Errno {
	let done = true;
	for (let i = 0; i < npages; i++) {
		if (pps[i] === PGO_DONTCARE) continue;
		const off = offset + ptoa(i);
		const needed = i === centeridx || (flags & PGO_ALLPAGES) !== 0;
		const resident = uvm_pagelookup(k, uobj, off);
		if (resident !== null && (resident.flags & PG_BUSY) === 0) {
			resident.flags |= PG_BUSY;
			pps[i] = resident;
			continue;
		}
		// DEVIATION: an untouched neighbour is not allocated (A20).
		const inside = atop(off) < (uobj as uvm_aobj).u_end;
		if (
			resident === null &&
			needed &&
			inside &&
			uao_find_swslot(k, uobj, atop(off)) === SWSLOT_NONE
		) {
			const pg = uvm_pagealloc(k, uobj, off, null, UVM_PGA_ZERO);
			if (pg !== null) {
				pg.flags &= ~PG_FAKE;
				pg.pqflags |= PQ_AOBJ;
				pps[i] = pg;
				continue;
			}
		}
		if (needed) done = false;
	}
	return done ? 0 : EBUSY;
}

/** uao_get without PGO_LOCKED: see uvm_pagerops.pgo_get. */
function* uao_get(
	k: Kernel,
	uobj: uvm_object,
	offset: voff_t,
	pps: (vm_page | null)[],
	npages: number,
	centeridx: number,
	_access: number,
	flags: number,
): Sleeps<Errno> {
	for (let i = 0; i < npages; i++) {
		if (pps[i] !== null || (i !== centeridx && (flags & PGO_ALLPAGES) === 0)) continue;
		const off = offset + ptoa(i);
		const why = uao_get_ready(k, uobj, off, pps, i);
		if (why === 0) continue;
		// DEVIATION: do not sleep with pages busy that others may wait for (A9), and after an error the
		// caller has none to un-busy (A8).
		uao_get_release(k, pps, npages);
		const error = why === EIO ? EIO : yield* uao_get_wait(k, uobj, off, why);
		if (error !== 0) {
			simple_unlock(k, uobj.vmobjlock);
			return error;
		}
		// The pages are no longer busy: start again.
		i = -1;
	}
	simple_unlock(k, uobj.vmobjlock);
	return 0;
}

/** Un-busy what was collected so far. => object locked. */
function uao_get_release(k: Kernel, pps: (vm_page | null)[], npages: number): void {
	simple_lock(k, k.uvm.pageqlock);
	for (let i = 0; i < npages; i++) {
		const pg = pps[i]!;
		// A new page is on no queue yet.
		if (pg !== null && pg !== PGO_DONTCARE) uvm_pageactivate(k, pg);
	}
	uvm_page_unbusy(k, pps, npages);
	simple_unlock(k, k.uvm.pageqlock);
	for (let i = 0; i < npages; i++) if (pps[i] !== PGO_DONTCARE) pps[i] = null;
}

/**
 * Take a page without sleeping. => object locked.
 * => 0 and pps[i] busy; EBUSY: it is busy; ENOMEM: no page is free; EAGAIN: it is in swap;
 *    EIO: its contents are lost.
 */
function uao_get_ready(
	k: Kernel,
	uobj: uvm_object,
	off: voff_t,
	pps: (vm_page | null)[],
	i: number,
): Errno {
	const resident = uvm_pagelookup(k, uobj, off);
	if (resident !== null) {
		if ((resident.flags & PG_BUSY) !== 0) return EBUSY;
		resident.flags |= PG_BUSY;
		pps[i] = resident;
		return 0;
	}
	// Beyond the end, as in a mapping that is longer than its file.
	if (atop(off) >= (uobj as uvm_aobj).u_end) return EIO;
	const slot = uao_find_swslot(k, uobj, atop(off));
	if (slot === SWSLOT_BAD) return EIO;
	if (slot !== SWSLOT_NONE) return EAGAIN;
	const pg = uvm_pagealloc(k, uobj, off, null, 0);
	if (pg === null) return ENOMEM;
	pg.pqflags |= PQ_AOBJ;
	uvm_pagezero(k, pg);
	pg.flags &= ~PG_FAKE;
	pps[i] = pg;
	return 0;
}

/**
 * Wait for what uao_get_ready returned, or read the page.
 * => object locked, also on return, though it was not meanwhile. 0: look again.
 */
function* uao_get_wait(k: Kernel, uobj: uvm_object, off: voff_t, why: Errno): Sleeps<Errno> {
	if (why === EAGAIN) return yield* uao_get_swapin(k, uobj, off);
	if (why === EBUSY) {
		const busy = uvm_pagelookup(k, uobj, off);
		// Un-busying the pages may have freed a released one.
		if (busy === null || (busy.flags & PG_BUSY) === 0) return 0;
		k.uvmexp.fltpgwait++;
		yield* uvm_pagewait(k, busy, uobj.vmobjlock, "uao_get");
		simple_lock(k, uobj.vmobjlock);
		return 0;
	}
	return yield* uvm_wait_locked(k, uobj.vmobjlock, "uao_getpage");
}

/** Read a page from its slot and leave it resident. => object locked, as uao_get_wait. */
function* uao_get_swapin(k: Kernel, uobj: uvm_object, off: voff_t): Sleeps<Errno> {
	const pageidx = atop(off);
	const pg = uvm_pagealloc(k, uobj, off, null, 0);
	if (pg === null) return yield* uvm_wait_locked(k, uobj.vmobjlock, "uao_getpage");
	pg.pqflags |= PQ_AOBJ;
	const slot = uao_find_swslot(k, uobj, pageidx);
	if (k.uvmhist !== null) UVMHIST_LOG(k, "uao_get", "pagein off, slot", off, slot);
	simple_unlock(k, uobj.vmobjlock);
	const error =
		k.uvm.policy.swapin === 1
			? yield* uvm_swap_get(k, pg, slot, PGO_SYNCIO)
			: yield* uvm_swap_getahead(k, pg, slot, uao_neighbours(k, uobj, pageidx, slot));
	simple_lock(k, uobj.vmobjlock);
	uao_swapin_done(k, pg, error, false);
	if (error === ENOMEM || error === EAGAIN) {
		// DEVIATION: lack of resources loses no data (A10).
		simple_unlock(k, uobj.vmobjlock);
		yield* uvm_pause(k, "uao_getswap");
		simple_lock(k, uobj.vmobjlock);
		return 0;
	}
	if (error !== 0) {
		const old = uao_set_swslot(k, uobj, pageidx, SWSLOT_BAD);
		// DEVIATION: only a real slot can be bad (A6).
		if (old > 0) uvm_swap_markbad(k, old, 1);
	}
	return error;
}

/** Un-busy a page that was read, or free it. `ahead`: nobody has asked for it. => object locked. */
function uao_swapin_done(k: Kernel, pg: vm_page, error: Errno, ahead: boolean): void {
	simple_lock(k, k.uvm.pageqlock);
	if (error === 0) {
		// DEVIATION: the frame's previous use must not make the page look dirty (A19).
		pmap_clear_modify(k, pg);
		pg.flags &= ~PG_FAKE;
		if (ahead) uvm_pagedeactivate(k, pg);
		else uvm_pageactivate(k, pg);
		uvm_page_unbusy(k, [pg], 1);
	} else {
		if ((pg.flags & PG_WANTED) !== 0) wakeup(k, pg);
		uvm_pagefree(k, pg);
	}
	simple_unlock(k, k.uvm.pageqlock);
}

/** The pages beside one that is in swap. => object locked, and not when they are done */
function uao_neighbours(
	k: Kernel,
	uobj: uvm_object,
	pageidx: number,
	slot: SwapSlot,
): swap_neighbours {
	return {
		take: (distance) => {
			const i = pageidx + distance;
			if (i < 0 || i >= (uobj as uvm_aobj).u_end) return null;
			if (uvm_pagelookup(k, uobj, ptoa(i)) !== null) return null;
			if (uao_find_swslot(k, uobj, i) !== slot + distance) return null;
			const pg = uvm_pagealloc(k, uobj, ptoa(i), null, 0);
			if (pg === null) return null;
			pg.pqflags |= PQ_AOBJ;
			return pg;
		},
		done: (pg, error) => {
			simple_lock(k, uobj.vmobjlock);
			uao_swapin_done(k, pg, error, true);
			simple_unlock(k, uobj.vmobjlock);
		},
	};
}

/**
 * Page in every page of every aobj whose slot is in [startslot, endslot).
 * => nothing locked. Sleeps. true if it gave up for lack of memory.
 */
export function* uao_swap_off(k: Kernel, startslot: SwapSlot, endslot: SwapSlot): Sleeps<boolean> {
	const list = k.uvm.uao_list;
	// DEVIATION: each object is referenced before anything sleeps, and released with the list
	// unlocked, so none disappears during the walk and the last reference may be ours (A1). Each is
	// locked directly: there is no other processor to spin for (A2). Objects made from here on get no
	// slot on a device that is being removed.
	const aobjs: uvm_aobj[] = [];
	for (const aobj of list) {
		// DEVIATION: the kernel object has no table before KERNSWAP (A21); an object without
		// references is being freed, with its slots.
		if ((aobj.u_flags & UAO_FLAG_NOSWAP) !== 0 || aobj.uo_refs === 0) continue;
		uao_reference(k, aobj);
		aobjs.push(aobj);
	}
	let aborted = false;
	for (const aobj of aobjs) {
		simple_lock(k, aobj.vmobjlock);
		if (!aborted) aborted = yield* uao_pagein(k, aobj, startslot, endslot);
		yield* uao_detach_locked(k, aobj);
	}
	return aborted;
}

/**
 * Page in the pages of one aobj whose slot is in the range.
 * => object locked, also on return, though not meanwhile. true: aborted for lack of memory.
 */
function* uao_pagein(
	k: Kernel,
	aobj: uvm_aobj,
	startslot: SwapSlot,
	endslot: SwapSlot,
): Sleeps<boolean> {
	// The table may change during each sleep, so the list is only of candidates.
	for (const { pageidx } of uao_slots(aobj)) {
		if (pageidx >= aobj.u_pages) continue;
		const slot = uao_find_swslot(k, aobj, pageidx);
		if (slot < startslot || slot >= endslot) continue;
		if (yield* uao_pagein_page(k, aobj, pageidx)) return true;
	}
	return false;
}

/** Page in one page and give up its slot. => as uao_pagein. */
function* uao_pagein_page(k: Kernel, aobj: uvm_aobj, pageidx: number): Sleeps<boolean> {
	const pps: (vm_page | null)[] = [null];
	// DEVIATION: multiplied, not shifted (A15).
	const error = yield* uao_get(k, aobj, ptoa(pageidx), pps, 1, 0, 0, PGO_SYNCIO);
	simple_lock(k, aobj.vmobjlock);
	// The contents are lost, and the slot is bad: nothing is left to bring in.
	if (error === EIO) return false;
	// DEVIATION: any other error ends the attempt (A4).
	if (error !== 0) return true;
	const pg = pps[0]!;
	// DEVIATION: the slot may be gone by now (A5).
	const slot = uao_set_swslot(k, aobj, pageidx, SWSLOT_NONE);
	if (slot > 0) uvm_swap_free(k, slot, 1);
	pg.flags &= ~(PG_CLEAN | PG_FAKE);
	simple_lock(k, k.uvm.pageqlock);
	if (pg.wire_count === 0 && (pg.flags & PG_RELEASED) === 0) uvm_pagedeactivate(k, pg);
	// DEVIATION: wakes the threads that wait for the page (A3).
	uvm_page_unbusy(k, pps, 1);
	simple_unlock(k, k.uvm.pageqlock);
	return false;
}

export const aobj_pager: uvm_pagerops = {
	pgo_name: "aobj",
	pgo_init: uao_init,
	pgo_reference: uao_reference,
	pgo_detach: uao_detach,
	pgo_get_locked: uao_get_locked,
	pgo_get: uao_get,
	pgo_put: uao_put,
};
