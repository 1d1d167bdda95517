/**
 * Port of sys/uvm/uvm_amap.c (2000): the anons of a range of virtual memory.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 *
 * am_anon[slot] is the anon of a slot. The slots in use are packed in am_slots[0..am_nused), and
 * am_bckptr says where: am_slots[am_bckptr[s]] === s.
 *
 * A map entry refers to a range of an amap. When entries cover only parts of it, am_ppref counts
 * the references of each slot; without it every slot has am_ref of them.
 */

import { pmap_page_protect } from "../../pmap/pmap.ts";
import { KASSERT } from "../../sys/panic.ts";
import { atop, VM_PROT_NONE, VM_PROT_READ } from "../../sys/vmparam.ts";
import {
	simple_lock,
	simple_lock_init,
	simple_unlock,
	type simplelock,
} from "../kern/core/kern_lock.ts";
import { free, malloc } from "../kern/core/kern_malloc.ts";
import { pool_get, pool_put } from "../kern/core/subr_pool.ts";
import type { Kernel } from "../kernel.ts";
import { uvm_anfree, type vm_anon } from "./uvm_anon.ts";
import { UVM_ET_NEEDSCOPY } from "./uvm_extern.ts";
import type { vm_map_entry } from "./uvm_map_entry.ts";

/** am_flags: more than one address space sees the same amap. */
export const AMAP_SHARED = 1;

/** Pages of a part of a sparse mapping that gets an amap of its own (uvm_amap.h). */
export const UVM_AMAP_CHUNK = 16;

export interface vm_amap {
	readonly am_l: simplelock;
	am_ref: number;
	am_flags: number;
	am_nslot: number;
	am_nused: number;
	am_anon: (vm_anon | null)[];
	am_slots: Int32Array;
	am_bckptr: Int32Array;
	am_ppref: Int32Array | null;
	/** k.uvm.amap_list */
	am_list_next: vm_amap | null;
	am_list_prev: vm_amap | null;
}

/** Bytes of an element of an array of slots. */
const SLOT_SIZE = 4;
/**
 * Arrays of an amap: am_slots, am_bckptr, am_anon and am_ppref.
 * DEVIATION: the memory of am_ppref is taken with that of the others, so that counting cannot fail
 * later; in NetBSD it can, and then the references are not counted any more.
 */
const ARRAYS = 4;

/**
 * An amap of `slots` empty slots, one reference, unlocked.
 * => never sleeps; null if memory is short.
 */
export function amap_alloc(k: Kernel, slots: number): vm_amap | null {
	if (!pool_get(k, k.uvm.amap_pool)) return null;
	if (!malloc(k, slots * SLOT_SIZE, ARRAYS)) {
		pool_put(k.uvm.amap_pool);
		return null;
	}
	k.uvm.amap_slots += slots;
	const amap: vm_amap = {
		am_l: simple_lock_init(),
		am_ref: 1,
		am_flags: 0,
		am_nslot: slots,
		am_nused: 0,
		am_anon: new Array<vm_anon | null>(slots).fill(null),
		am_slots: new Int32Array(slots),
		am_bckptr: new Int32Array(slots),
		am_ppref: null,
		am_list_next: k.uvm.amap_list,
		am_list_prev: null,
	};
	if (k.uvm.amap_list !== null) k.uvm.amap_list.am_list_prev = amap;
	k.uvm.amap_list = amap;
	return amap;
}

/** => it has no anons and no references. */
function amap_free(k: Kernel, amap: vm_amap): void {
	KASSERT(amap.am_nused === 0 && amap.am_ref === 0, "amap_free: still in use");
	if (amap.am_list_prev === null) k.uvm.amap_list = amap.am_list_next;
	else amap.am_list_prev.am_list_next = amap.am_list_next;
	if (amap.am_list_next !== null) amap.am_list_next.am_list_prev = amap.am_list_prev;
	k.uvm.amap_slots -= amap.am_nslot;
	free(k, amap.am_slots.length * SLOT_SIZE, ARRAYS);
	pool_put(k.uvm.amap_pool);
}

export const amap_lock = (k: Kernel, amap: vm_amap): void => simple_lock(k, amap.am_l);
export const amap_unlock = (k: Kernel, amap: vm_amap): void => simple_unlock(k, amap.am_l);

/**
 * Put an anon into a slot, empty unless `replace`.
 * => amap locked; the slot takes over the caller's reference. The caller gets the old anon's
 *    reference.
 */
export function amap_add(
	k: Kernel,
	amap: vm_amap,
	slot: number,
	anon: vm_anon,
	replace: boolean,
): void {
	KASSERT(slot < amap.am_nslot, "amap_add: slot out of range");
	const old = amap.am_anon[slot]!;
	if (replace) {
		KASSERT(old !== null, "amap_add: nothing to replace");
		// Other address spaces that share the amap must fault to see the new page.
		if (old.an_page !== null && (amap.am_flags & AMAP_SHARED) !== 0) {
			pmap_page_protect(k, old.an_page, VM_PROT_NONE);
		}
	} else {
		KASSERT(old === null, "amap_add: slot in use");
		amap.am_bckptr[slot] = amap.am_nused;
		amap.am_slots[amap.am_nused++] = slot;
	}
	amap.am_anon[slot] = anon;
}

/** Take the anon out of a slot. => amap locked; the caller gets its reference. */
export function amap_unadd(amap: vm_amap, slot: number): void {
	KASSERT(amap.am_anon[slot] !== null, "amap_unadd: slot is empty");
	amap.am_anon[slot] = null;
	const hole = amap.am_bckptr[slot]!;
	const last = amap.am_slots[--amap.am_nused]!;
	amap.am_slots[hole] = last;
	amap.am_bckptr[last] = hole;
}

/** Start counting references slot by slot. => amap locked. */
function amap_pp_establish(amap: vm_amap): Int32Array {
	if (amap.am_ppref === null) {
		amap.am_ppref = new Int32Array(amap.am_slots.length).fill(amap.am_ref, 0, amap.am_nslot);
	}
	return amap.am_ppref;
}

/** One more reference to `len` slots from `slot`, by another entry. => amap unlocked. */
export function amap_ref(k: Kernel, amap: vm_amap, slot: number, len: number, flags: number): void {
	amap_lock(k, amap);
	if (amap.am_ppref !== null || slot !== 0 || len !== amap.am_nslot) {
		const ppref = amap_pp_establish(amap);
		for (let s = slot; s < slot + len; s++) ppref[s]!++;
	}
	amap.am_ref++;
	amap.am_flags |= flags & AMAP_SHARED;
	amap_unlock(k, amap);
}

/**
 * Drop an entry's reference to `len` slots; anons that no entry covers any more are freed.
 * => amap unlocked; all mappings of the range are gone. Never sleeps.
 */
export function amap_unref(k: Kernel, amap: vm_amap, slot: number, len: number): void {
	amap_lock(k, amap);
	if (amap.am_ref === 1) {
		amap_wiperange(k, amap, 0, amap.am_nslot);
		amap.am_ref = 0;
		amap_unlock(k, amap);
		amap_free(k, amap);
		return;
	}
	if (amap.am_ppref !== null || slot !== 0 || len !== amap.am_nslot) {
		const ppref = amap_pp_establish(amap);
		for (let s = slot; s < slot + len; s++) {
			if (--ppref[s]! === 0) amap_wiperange(k, amap, s, 1);
		}
	}
	amap.am_ref--;
	if (amap.am_ref === 1) amap.am_flags &= ~AMAP_SHARED;
	amap_unlock(k, amap);
}

/** Drop the references of `len` slots from `slot` to their anons. => amap locked. */
function amap_wiperange(k: Kernel, amap: vm_amap, slot: number, len: number): void {
	const drop = (s: number): void => {
		const anon = amap.am_anon[s]!;
		amap_unadd(amap, s);
		simple_lock(k, anon.an_lock);
		const refs = --anon.an_ref;
		simple_unlock(k, anon.an_lock);
		if (refs === 0) uvm_anfree(k, anon);
	};
	if (len > amap.am_nused) {
		// Backwards: amap_unadd fills the hole with the last slot, which was already visited.
		for (let i = amap.am_nused - 1; i >= 0; i--) {
			const s = amap.am_slots[i]!;
			if (s >= slot && s < slot + len) drop(s);
		}
	} else {
		for (let s = slot; s < slot + len; s++) if (amap.am_anon[s] !== null) drop(s);
	}
}

/**
 * Add a reference for an entry that is being split in two. From now on references are counted slot
 * by slot; the counts do not change, because one of the halves covers each slot.
 */
export function amap_splitref(k: Kernel, amap: vm_amap): void {
	amap_lock(k, amap);
	amap_pp_establish(amap);
	amap.am_ref++;
	amap_unlock(k, amap);
}

/**
 * Make room for `addsize` more bytes behind an entry.
 * => false if the amap is shared, or memory is short.
 */
export function amap_extend(k: Kernel, entry: vm_map_entry, addsize: number): boolean {
	const amap = entry.amap!;
	if (amap.am_ref !== 1) return false;
	const used = entry.pageoff + atop(entry.end - entry.start);
	const need = used + atop(addsize);
	// Slots behind the entry belonged to a part that was unmapped, and are empty.
	if (need > amap.am_slots.length) {
		// Twice the room, so that a heap that grows page by page does not copy each time.
		const room = Math.max(need, amap.am_slots.length * 2);
		if (!malloc(k, room * SLOT_SIZE, ARRAYS)) return false;
		free(k, amap.am_slots.length * SLOT_SIZE, ARRAYS);
		amap.am_slots = grow(amap.am_slots, room);
		amap.am_bckptr = grow(amap.am_bckptr, room);
		if (amap.am_ppref !== null) amap.am_ppref = grow(amap.am_ppref, room);
	}
	while (amap.am_anon.length < need) amap.am_anon.push(null);
	if (amap.am_ppref !== null) amap.am_ppref.fill(1, used, need);
	if (need > amap.am_nslot) {
		k.uvm.amap_slots += need - amap.am_nslot;
		amap.am_nslot = need;
	}
	return true;
}

function grow(from: Int32Array, length: number): Int32Array {
	const to = new Int32Array(length);
	to.set(from);
	return to;
}

/** Cost of copying one slot, in cycles. */
const COPY_SLOT_CYCLES = 4;

/**
 * Resolve an entry's NEEDSCOPY: give it an amap of its own that refers to the same anons.
 *
 * => map locked for writing. Never sleeps.
 * => false if memory is short; the entry still needs the copy then.
 */
export function amap_copy(k: Kernel, entry: vm_map_entry): boolean {
	const slots = atop(entry.end - entry.start);
	const old = entry.amap;
	if (old === null) {
		entry.amap = amap_alloc(k, slots);
		if (entry.amap === null) return false;
		entry.pageoff = 0;
		entry.etype &= ~UVM_ET_NEEDSCOPY;
		return true;
	}
	if (old.am_ref === 1) {
		entry.etype &= ~UVM_ET_NEEDSCOPY;
		return true;
	}
	const amap = amap_alloc(k, slots);
	if (amap === null) return false;
	amap_lock(k, old);
	for (let s = 0; s < slots; s++) {
		const anon = old.am_anon[entry.pageoff + s]!;
		if (anon === null) continue;
		simple_lock(k, anon.an_lock);
		anon.an_ref++;
		// Others who share the old amap may have it mapped writable (amap_share_protect).
		if ((old.am_flags & AMAP_SHARED) !== 0 && anon.an_page !== null) {
			pmap_page_protect(k, anon.an_page, VM_PROT_READ);
		}
		simple_unlock(k, anon.an_lock);
		amap_add(k, amap, s, anon, false);
	}
	amap_unlock(k, old);
	k.port.charge(slots * COPY_SLOT_CYCLES);
	amap_unref(k, old, entry.pageoff, slots);
	entry.amap = amap;
	entry.pageoff = 0;
	entry.etype &= ~UVM_ET_NEEDSCOPY;
	return true;
}
