/**
 * Port of sys/uvm/uvm_aobj.c 1.51 (2002-05-09), second part: the swap slots of an object's pages,
 * in an array if the object is small, in a hash table of clusters of 16 slots if it is large. Here
 * is also struct uvm_aobj, which has both parts' members.
 *
 * Copyright (c) 1998 Chuck Silvers, Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 */

import { KASSERT, panic } from "../../sys/panic.ts";
import { ptoa } from "../../sys/vmparam.ts";
import { UVMHIST_LOG } from "../kern/core/kern_history.ts";
import { free, malloc } from "../kern/core/kern_malloc.ts";
import { pool_get, pool_put } from "../kern/core/subr_pool.ts";
import type { Kernel } from "../kernel.ts";
import type { uvm_object } from "./uvm_object.ts";
import { uvm_pagelookup } from "./uvm_page.ts";
import { SWSLOT_NONE, type SwapSlot, uvm_swap_free, uvm_swpgonly_add } from "./uvm_swap.ts";

/** Slots of one hash element. */
const UAO_SWHASH_CLUSTER_SHIFT = 4;
const UAO_SWHASH_CLUSTER_SIZE = 1 << UAO_SWHASH_CLUSTER_SHIFT;
/** Objects of more pages than this use the hash table. */
const UAO_SWHASH_THRESHOLD = UAO_SWHASH_CLUSTER_SIZE * 4;
const UAO_SWHASH_MAXBUCKETS = 256;

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

/** Buckets for a new object of `pages` pages: a power of two, at most 256. */
function swhash_buckets(pages: number): number {
	const want = Math.min(pages >> UAO_SWHASH_CLUSTER_SHIFT, UAO_SWHASH_MAXBUCKETS);
	let n = 1;
	while (n < want) n *= 2;
	return n;
}

const swhash_init = (buckets: number): (uao_swhash_elt | null)[] =>
	new Array<uao_swhash_elt | null>(buckets).fill(null);

/** Bytes of a slot in an array, and of a bucket of a hash. */
const SLOT_SIZE = 4;

/** Bytes of the array of slots or of the buckets. */
const uao_tablesize = ({ u_swslots, u_swhash }: uvm_aobj): number =>
	(u_swslots ?? u_swhash!).length * SLOT_SIZE;

/** Make the table of a new object. => false if memory is short. */
export function uao_alloc_slots(k: Kernel, aobj: uvm_aobj): boolean {
	if (aobj.u_pages > UAO_SWHASH_THRESHOLD) {
		aobj.u_swhash = swhash_init(swhash_buckets(aobj.u_pages));
	} else aobj.u_swslots = new Int32Array(aobj.u_pages);
	return malloc(k, uao_tablesize(aobj));
}

/** Have room for the slots of `pages` pages. => false: memory is short, and nothing has changed. */
export function uao_grow_slots(k: Kernel, aobj: uvm_aobj, pages: number): boolean {
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

/** Free the table, and the slots in it. => how many were of pages that are only in swap. */
export function uao_free_slots(k: Kernel, aobj: uvm_aobj): number {
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
	return swpgonlydelta;
}

/** Give up the slot of a resident page. => object locked, or without references. */
export function uao_dropswap(k: Kernel, uobj: uvm_object, pageidx: number): void {
	const slot = uao_set_swslot(k, uobj, pageidx, SWSLOT_NONE);
	if (slot !== SWSLOT_NONE) uvm_swap_free(k, slot, 1);
}

/**
 * Free the slots of pages in [first, last) that are only in swap. => object locked.
 * => by the elements of the hash, as NetBSD, if the range has more room for some than there are.
 */
export function uao_dropswap_range(k: Kernel, aobj: uvm_aobj, first: number, last: number): void {
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
