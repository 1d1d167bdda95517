/**
 * Port of sys/uvm/uvm_aobj.c 1.51 (2002-05-09): the pager of anonymous memory objects.
 *
 * Copyright (c) 1998 Chuck Silvers, Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 *
 * An aobj knows its resident pages, as every object does, and the swap slots of its pages: in an
 * array if it is small, in a hash table of clusters of 16 slots if it is large.
 *
 * A page is resident, in swap (the slot says where), or untouched (no slot: it reads as zeros).
 *
 * The numbers A1 to A23 name the defects of revision 1.51 that are repaired here.
 */

import { pmap_clear_modify, pmap_clear_reference, pmap_page_protect } from "../../pmap/pmap.ts";
import { EAGAIN, EBUSY, EIO, ENOMEM, type Errno } from "../../sys/errno.ts";
import { KASSERT, panic } from "../../sys/panic.ts";
import { atop, PAGE_SIZE, ptoa, round_page, trunc_page, VM_PROT_NONE } from "../../sys/vmparam.ts";
import { UVMHIST_LOG } from "../kern/core/kern_history.ts";
import { simple_lock, simple_lock_init, simple_unlock } from "../kern/core/kern_lock.ts";
import { free, malloc } from "../kern/core/kern_malloc.ts";
import { type Sleeps, wakeup } from "../kern/core/kern_synch.ts";
import { pool_get, pool_put, pool_take } from "../kern/core/subr_pool.ts";
import type { Kernel } from "../kernel.ts";
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
import { uvm_swap_get } from "./uvm_swap_io.ts";
import { uvm_pause, uvm_wait_locked } from "./uvm_wait.ts";

/** Slots of one hash element. */
const UAO_SWHASH_CLUSTER_SHIFT = 4;
const UAO_SWHASH_CLUSTER_SIZE = 1 << UAO_SWHASH_CLUSTER_SHIFT;
/** Objects of more pages than this use the hash table. */
const UAO_SWHASH_THRESHOLD = UAO_SWHASH_CLUSTER_SIZE * 4;
const UAO_SWHASH_MAXBUCKETS = 256;

/** uao_create flags; KERNOBJ and KERNSWAP once each. */
export const UAO_FLAG_KERNOBJ = 1;
export const UAO_FLAG_KERNSWAP = 2;
/** u_flags: pages are never swapped. */
export const UAO_FLAG_NOSWAP = 8;

/**
 * uao_set_swslot could not allocate memory to record a slot.
 * DEVIATION: 1.51 returns -1, which is SWSLOT_BAD as well (A7).
 */
export const SWSLOT_NOMEM = -2;

/** The swap slots of 16 adjacent pages. */
export interface uao_swhash_elt {
	/** Next element of the same bucket. */
	list: uao_swhash_elt | null;
	readonly tag: number;
	/** Slots that are not SWSLOT_NONE. */
	count: number;
	readonly slots: Int32Array;
}

export interface uvm_aobj extends uvm_object {
	u_pages: number;
	/** o: Pages that can be allocated: fewer than u_pages only during uao_shrink. */
	u_end: number;
	u_flags: number;
	/** o: Slots by page index, if the object is small. */
	u_swslots: Int32Array | null;
	/** o: Buckets of elements, if the object is large: a power of two. */
	u_swhash: (uao_swhash_elt | null)[] | null;
	/** o: Elements in u_swhash. */
	u_swhashcnt: number;
}

const UAO_USES_SWHASH = (aobj: uvm_aobj): boolean => aobj.u_swhash !== null;

const swhash_tag = (pageidx: number): number => pageidx >>> UAO_SWHASH_CLUSTER_SHIFT;

/** Put an element into its bucket. */
function swhash_link(buckets: (uao_swhash_elt | null)[], elt: uao_swhash_elt): void {
	const b = elt.tag & (buckets.length - 1);
	elt.list = buckets[b]!;
	buckets[b] = elt;
}

/** Free an element without slots. */
function swhash_free(k: Kernel, aobj: uvm_aobj, elt: uao_swhash_elt): void {
	const buckets = aobj.u_swhash!;
	const b = elt.tag & (buckets.length - 1);
	let before = buckets[b]!;
	if (before === elt) {
		buckets[b] = elt.list;
	} else {
		while (before.list !== elt) before = before.list!;
		before.list = elt.list;
	}
	aobj.u_swhashcnt--;
	pool_put(k.uvm.uao_swhash_elt_pool);
}

/**
 * Have `n` buckets, more than there are. => false, and nothing has changed, if memory is short.
 */
function swhash_resize(k: Kernel, aobj: uvm_aobj, n: number): boolean {
	if (!malloc(k, n * SLOT_SIZE)) return false;
	free(k, uao_tablesize(aobj));
	const old = aobj.u_swhash!;
	aobj.u_swhash = swhash_init(n);
	for (const head of old) {
		for (let elt = head; elt !== null; ) {
			const next = elt.list;
			swhash_link(aobj.u_swhash, elt);
			elt = next;
		}
	}
	return true;
}

/** Elements for each bucket at which the buckets are doubled. */
const SWHASH_LOAD_MAX = 2;

/**
 * The hash element of a page, made if `create`.
 * => object locked. Never sleeps: null if it is absent and cannot be made.
 */
function uao_find_swhash_elt(
	k: Kernel,
	aobj: uvm_aobj,
	pageidx: number,
	create: boolean,
): uao_swhash_elt | null {
	const buckets = aobj.u_swhash!;
	const tag = swhash_tag(pageidx);
	for (let elt = buckets[tag & (buckets.length - 1)]!; elt !== null; elt = elt.list!) {
		if (elt.tag === tag) return elt;
	}
	if (!create || !pool_get(k, k.uvm.uao_swhash_elt_pool)) return null;
	// DEVIATION (D72): NetBSD has never more than UAO_SWHASH_MAXBUCKETS, so that searches of a huge
	// object with most pages in swap take as long as it is large. Without memory it stays as it is.
	if (aobj.u_swhashcnt >= buckets.length * SWHASH_LOAD_MAX) {
		swhash_resize(k, aobj, buckets.length * 2);
	}
	const elt = swhash_elt(tag);
	swhash_link(aobj.u_swhash!, elt);
	aobj.u_swhashcnt++;
	return elt;
}

/** An element without slots, whose memory is the caller's business. */
const swhash_elt = (tag: number): uao_swhash_elt => ({
	list: null,
	tag,
	count: 0,
	slots: new Int32Array(UAO_SWHASH_CLUSTER_SIZE),
});

/** DEVIATION: the index is checked; JavaScript would return undefined (A16). */
function check_pageidx(aobj: uvm_aobj, pageidx: number): void {
	KASSERT(pageidx >= 0 && pageidx < aobj.u_pages, "uvm_aobj: page index outside of the object");
}

/** The swap slot recorded for a page: a slot, SWSLOT_NONE, or SWSLOT_BAD. => object locked. */
export function uao_find_swslot(k: Kernel, uobj: uvm_object, pageidx: number): SwapSlot {
	const aobj = uobj as uvm_aobj;
	if ((aobj.u_flags & UAO_FLAG_NOSWAP) !== 0) return SWSLOT_NONE;
	check_pageidx(aobj, pageidx);
	if (!UAO_USES_SWHASH(aobj)) return aobj.u_swslots![pageidx]!;
	const elt = uao_find_swhash_elt(k, aobj, pageidx, false);
	return elt === null ? SWSLOT_NONE : elt.slots[pageidx & (UAO_SWHASH_CLUSTER_SIZE - 1)]!;
}

/**
 * Record a swap slot for a page; SWSLOT_NONE forgets it.
 *
 * => object locked. Never sleeps, and never touches the swap allocator.
 * => the value recorded before, or SWSLOT_NOMEM: then nothing has changed. That cannot happen
 *    when a slot is recorded for the page already.
 */
export function uao_set_swslot(
	k: Kernel,
	uobj: uvm_object,
	pageidx: number,
	slot: SwapSlot,
): SwapSlot {
	const aobj = uobj as uvm_aobj;
	if (k.uvmhist !== null) UVMHIST_LOG(k, "uao_set_swslot", "pageidx, slot", pageidx, slot);
	if ((aobj.u_flags & UAO_FLAG_NOSWAP) !== 0) {
		if (slot === SWSLOT_NONE) return SWSLOT_NONE;
		panic("uao_set_swslot: NOSWAP object");
	}
	check_pageidx(aobj, pageidx);
	if (!UAO_USES_SWHASH(aobj)) {
		const old = aobj.u_swslots![pageidx]!;
		aobj.u_swslots![pageidx] = slot;
		return old;
	}
	const elt = uao_find_swhash_elt(k, aobj, pageidx, slot !== SWSLOT_NONE);
	if (elt === null) return slot !== SWSLOT_NONE ? SWSLOT_NOMEM : SWSLOT_NONE;
	const i = pageidx & (UAO_SWHASH_CLUSTER_SIZE - 1);
	const old = elt.slots[i]!;
	elt.slots[i] = slot;
	if (old === SWSLOT_NONE && slot !== SWSLOT_NONE) elt.count++;
	else if (old !== SWSLOT_NONE && slot === SWSLOT_NONE) elt.count--;
	if (elt.count === 0) swhash_free(k, aobj, elt);
	return old;
}

/** Every slot recorded in an aobj, in a fixed order; SWSLOT_BAD too. => object locked. */
export function uao_slots(aobj: uvm_aobj): { pageidx: number; slot: SwapSlot }[] {
	const found: { pageidx: number; slot: SwapSlot }[] = [];
	const add = (base: number, slots: Int32Array): void => {
		for (let i = 0; i < slots.length; i++) {
			if (slots[i] !== SWSLOT_NONE) found.push({ pageidx: base + i, slot: slots[i]! });
		}
	};
	if (aobj.u_swslots !== null) add(0, aobj.u_swslots);
	for (const head of aobj.u_swhash ?? []) {
		for (let elt = head; elt !== null; elt = elt.list) {
			add(elt.tag * UAO_SWHASH_CLUSTER_SIZE, elt.slots);
		}
	}
	return found;
}

/**
 * Free everything an aobj holds, and itself.
 * => locked, no references, no pages; gone on return.
 */
function uao_free(k: Kernel, aobj: uvm_aobj): void {
	simple_unlock(k, aobj.vmobjlock);
	KASSERT(aobj.uo_npages === 0, "uao_free: pages left");
	let swpgonlydelta = 0;
	for (const { slot } of uao_slots(aobj)) {
		// DEVIATION: a bad slot has no owner, and is not counted in swpgonly (A18).
		if (slot <= 0) continue;
		uvm_swap_free(k, slot, 1);
		swpgonlydelta++;
	}
	pool_put(k.uvm.uao_swhash_elt_pool, aobj.u_swhashcnt);
	free(k, uao_tablesize(aobj));
	aobj.u_swslots = null;
	aobj.u_swhash = null;
	aobj.u_swhashcnt = 0;
	// DEVIATION: swapoff must see the object for as long as it has slots (A17).
	const list = k.uvm.uao_list;
	simple_lock(k, k.uvm.uao_list_lock);
	list.splice(list.indexOf(aobj), 1);
	simple_unlock(k, k.uvm.uao_list_lock);
	pool_put(k.uvm.uvm_aobj_pool);
	uvm_swpgonly_add(k, -swpgonlydelta);
}

/** Buckets for a new object of `pages` pages: a power of two, at most 256. */
function swhash_buckets(pages: number): number {
	const want = Math.min(pages >> UAO_SWHASH_CLUSTER_SHIFT, UAO_SWHASH_MAXBUCKETS);
	let n = 1;
	while (n < want) n *= 2;
	return n;
}

const swhash_init = (buckets: number): (uao_swhash_elt | null)[] =>
	new Array<uao_swhash_elt | null>(buckets).fill(null);

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

/** Bytes of a slot in an array, and of a bucket of a hash. */
const SLOT_SIZE = 4;

/** Bytes of the array of slots or of the buckets. */
const uao_tablesize = ({ u_swslots, u_swhash }: uvm_aobj): number =>
	(u_swslots ?? u_swhash!).length * SLOT_SIZE;

/** => false if memory is short. */
function uao_alloc_slots(k: Kernel, aobj: uvm_aobj): boolean {
	if (aobj.u_pages > UAO_SWHASH_THRESHOLD) {
		aobj.u_swhash = swhash_init(swhash_buckets(aobj.u_pages));
	} else aobj.u_swslots = new Int32Array(aobj.u_pages);
	return malloc(k, uao_tablesize(aobj));
}

/**
 * Make an object larger; the new pages read as zeros. DEVIATION (D4): in NetBSD an object keeps its
 * size; tmpfs makes files of a fixed, great one.
 * => unlocked. Never sleeps. false, and nothing has changed, if memory is short.
 */
export function uao_grow(k: Kernel, aobj: uvm_aobj, pages: number): boolean {
	KASSERT(pages >= aobj.u_pages, "uao_grow: object would shrink");
	if (aobj.u_swslots === null) {
		const buckets = swhash_buckets(pages);
		if (buckets > aobj.u_swhash!.length && !swhash_resize(k, aobj, buckets)) return false;
	} else if (pages > UAO_SWHASH_THRESHOLD) {
		if (!uao_array_to_hash(k, aobj, swhash_buckets(pages))) return false;
	} else if (pages > aobj.u_swslots.length) {
		// The table of an object that has shrunk is longer than it.
		const grown = new Int32Array(pages);
		if (!malloc(k, grown.length * SLOT_SIZE)) return false;
		free(k, uao_tablesize(aobj));
		grown.set(aobj.u_swslots);
		aobj.u_swslots = grown;
	}
	aobj.u_pages = pages;
	aobj.u_end = pages;
	return true;
}

/** Keep the slots in a hash from now on. => false, and nothing has changed, if memory is short. */
function uao_array_to_hash(k: Kernel, aobj: uvm_aobj, buckets: number): boolean {
	if (!malloc(k, buckets * SLOT_SIZE)) return false;
	const elts: uao_swhash_elt[] = [];
	for (const { pageidx, slot } of uao_slots(aobj)) {
		const tag = swhash_tag(pageidx);
		let elt = elts.at(-1);
		if (elt?.tag !== tag) {
			if (!pool_get(k, k.uvm.uao_swhash_elt_pool)) {
				pool_put(k.uvm.uao_swhash_elt_pool, elts.length);
				free(k, buckets * SLOT_SIZE);
				return false;
			}
			elt = swhash_elt(tag);
			elts.push(elt);
		}
		elt.slots[pageidx & (UAO_SWHASH_CLUSTER_SIZE - 1)] = slot;
		elt.count++;
	}
	free(k, uao_tablesize(aobj));
	aobj.u_swslots = null;
	aobj.u_swhash = swhash_init(buckets);
	aobj.u_swhashcnt = elts.length;
	for (const elt of elts) swhash_link(aobj.u_swhash, elt);
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

/**
 * Free the slots of pages in [first, last) that are only in swap. => object locked.
 * => by the elements of the hash, as NetBSD, if the range has more room for some than there are.
 */
function uao_dropswap_range(k: Kernel, aobj: uvm_aobj, first: number, last: number): void {
	const buckets = aobj.u_swhash;
	const clusters = (last - first) >>> UAO_SWHASH_CLUSTER_SHIFT;
	if (buckets !== null && clusters > buckets.length + aobj.u_swhashcnt) {
		for (const head of buckets) {
			for (let elt = head; elt !== null; ) {
				// The element may go with its last slot.
				const next = elt.list;
				const begin = elt.tag * UAO_SWHASH_CLUSTER_SIZE;
				const end = Math.min(last, begin + UAO_SWHASH_CLUSTER_SIZE);
				for (let idx = Math.max(first, begin); idx < end; idx++)
					uao_dropswap_nonresident(k, aobj, idx);
				elt = next;
			}
		}
		return;
	}
	for (let idx = first; idx < last; idx++) {
		if (UAO_USES_SWHASH(aobj) && uao_find_swhash_elt(k, aobj, idx, false) === null) {
			// None of the pages of this element has a slot.
			idx |= UAO_SWHASH_CLUSTER_SIZE - 1;
			continue;
		}
		uao_dropswap_nonresident(k, aobj, idx);
	}
}

/** Free the slot of a page, if it has one and is not in memory. => object locked. */
function uao_dropswap_nonresident(k: Kernel, aobj: uvm_aobj, idx: number): void {
	const slot = uao_find_swslot(k, aobj, idx);
	if (slot === SWSLOT_NONE || uvm_pagelookup(k, aobj, ptoa(idx)) !== null) return;
	uao_set_swslot(k, aobj, idx, SWSLOT_NONE);
	if (slot <= 0) return;
	uvm_swap_free(k, slot, 1);
	uvm_swpgonly_add(k, -1);
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
	const error = yield* uvm_swap_get(k, pg, slot, PGO_SYNCIO);
	simple_lock(k, uobj.vmobjlock);
	simple_lock(k, k.uvm.pageqlock);
	if (error === 0) {
		// DEVIATION: the frame's previous use must not make the page look dirty (A19).
		pmap_clear_modify(k, pg);
		pg.flags &= ~PG_FAKE;
		uvm_pageactivate(k, pg);
		uvm_page_unbusy(k, [pg], 1);
	} else {
		if ((pg.flags & PG_WANTED) !== 0) wakeup(k, pg);
		uvm_pagefree(k, pg);
	}
	simple_unlock(k, k.uvm.pageqlock);
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

/** Give up the slot of a resident page. => object locked, or without references. */
export function uao_dropswap(k: Kernel, uobj: uvm_object, pageidx: number): void {
	const slot = uao_set_swslot(k, uobj, pageidx, SWSLOT_NONE);
	if (slot !== SWSLOT_NONE) uvm_swap_free(k, slot, 1);
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
