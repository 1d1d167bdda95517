/**
 * Port of sys/uvm/uvm_amap.c (2000): the anons of a range of virtual memory.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 *
 * am_anon[slot] is the anon of a slot. The slots in use are packed in am_slots[0..am_nused), and
 * am_bckptr says where: am_slots[am_bckptr[s]] === s.
 *
 * A map entry refers to a range of an amap. When entries cover different parts of it, am_ppref
 * counts the references of each slot, as runs of slots with equal counts. Without it every slot has
 * am_ref of them.
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

/** amap_ref, amap_unref: a reference to all slots, of a temporary entry (UVM_EXTRACT_QREF). */
export const AMAP_REFALL = 2;

/** amap_extend: which end of the entry grows. */
export const AMAP_EXTEND_BACKWARDS = 0;
export const AMAP_EXTEND_FORWARDS = 1;

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
	/** Runs, see pp_setreflen; as long as am_slots. */
	am_ppref: Int32Array | null;
	/** k.uvm.amap_list */
	am_list_next: vm_amap | null;
	am_list_prev: vm_amap | null;
}

/** Bytes of an element of an array of slots. */
const SLOT_SIZE = 4;
/**
 * Arrays of an amap: am_slots, am_bckptr, am_anon and am_ppref.
 * DEVIATION (D1): the memory of am_ppref is taken with that of the others, so that counting cannot
 * fail later; in NetBSD it can, and then the references are not counted any more.
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

/**
 * Begin a run of `len` slots with `ref` references at `slot` of a per-page reference array. A run
 * of one slot is stored as ref + 1; a longer one as -(ref + 1), and the length behind it.
 */
export function pp_setreflen(ppref: Int32Array, slot: number, ref: number, len: number): void {
	if (len === 0) return;
	if (len === 1) {
		ppref[slot] = ref + 1;
	} else {
		ppref[slot] = -(ref + 1);
		ppref[slot + 1] = len;
	}
}

/** The references and the length of the run that begins at `slot`. */
export function pp_getreflen(ppref: Int32Array, slot: number): { ref: number; len: number } {
	const head = ppref[slot]!;
	KASSERT(head !== 0, "pp_getreflen: no run begins here");
	return head > 0 ? { ref: head - 1, len: 1 } : { ref: -head - 1, len: ppref[slot + 1]! };
}

/** Start to count references slot by slot. => amap locked, without am_ppref. */
function amap_pp_establish(amap: vm_amap): void {
	amap.am_ppref = new Int32Array(amap.am_slots.length);
	pp_setreflen(amap.am_ppref, 0, amap.am_ref, amap.am_nslot);
}

/**
 * Add `adjval` to the references of `len` slots from `slot`, and free the anons of those that have
 * none left.
 * => amap locked, with am_ppref.
 * => DEVIATION (D2): runs with equal counts become one at both ends of the range, so that no two
 *    runs side by side have the same count; NetBSD merges only the first of them.
 */
function amap_pp_adjref(k: Kernel, amap: vm_amap, slot: number, len: number, adjval: number): void {
	const ppref = amap.am_ppref!;
	const stop = slot + len;
	KASSERT(stop <= amap.am_nslot, "amap_pp_adjref: range out of the amap");
	let prev = { at: 0, ref: -1, len: 0 };
	for (let at = 0; at < amap.am_nslot; ) {
		const run = pp_getreflen(ppref, at);
		let end = at + run.len;
		// A run may go past either end of the range.
		for (const edge of [slot, stop]) if (at < edge && edge < end) end = edge;
		if (end < at + run.len) pp_setreflen(ppref, end, run.ref, at + run.len - end);
		const inside = at >= slot && at < stop;
		const ref = inside ? run.ref + adjval : run.ref;
		KASSERT(ref >= 0, "amap_pp_adjref: fewer than no references");
		if (ref === prev.ref) prev.len += end - at;
		else prev = { at, ref, len: end - at };
		pp_setreflen(ppref, prev.at, ref, prev.len);
		if (inside && ref === 0) amap_wiperange(k, amap, at, end - at);
		if (at >= stop) return;
		at = end;
	}
}

/**
 * One more reference to `len` slots from `slot`, by another entry. => amap unlocked.
 * => AMAP_REFALL: to all slots, without counting each; `slot` and `len` are ignored.
 */
export function amap_ref(k: Kernel, amap: vm_amap, slot: number, len: number, flags: number): void {
	amap_lock(k, amap);
	const all = (flags & AMAP_REFALL) !== 0;
	if (amap.am_ppref === null && !all && len !== amap.am_nslot) amap_pp_establish(amap);
	amap.am_ref++;
	amap.am_flags |= flags & AMAP_SHARED;
	if (amap.am_ppref !== null) {
		amap_pp_adjref(k, amap, all ? 0 : slot, all ? amap.am_nslot : len, 1);
	}
	amap_unlock(k, amap);
}

/**
 * Drop an entry's reference to `len` slots; anons that no entry covers any more are freed.
 * => amap unlocked; all mappings of the range are gone. Never sleeps.
 * => AMAP_REFALL: as in amap_ref.
 */
export function amap_unref(k: Kernel, amap: vm_amap, slot: number, len: number, flags = 0): void {
	amap_lock(k, amap);
	if (amap.am_ref === 1) {
		amap.am_ref = 0;
		amap_wipeout(k, amap);
		return;
	}
	const all = (flags & AMAP_REFALL) !== 0;
	if (amap.am_ppref === null && !all && len !== amap.am_nslot) amap_pp_establish(amap);
	amap.am_ref--;
	if (amap.am_ref === 1) amap.am_flags &= ~AMAP_SHARED;
	if (amap.am_ppref !== null) {
		amap_pp_adjref(k, amap, all ? 0 : slot, all ? amap.am_nslot : len, -1);
	}
	amap_unlock(k, amap);
}

/** Free all anons of an amap without references, and the amap. => amap locked. */
function amap_wipeout(k: Kernel, amap: vm_amap): void {
	amap_wiperange(k, amap, 0, amap.am_nslot);
	amap_unlock(k, amap);
	amap_free(k, amap);
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
	if (amap.am_ppref === null) amap_pp_establish(amap);
	amap.am_ref++;
	amap_unlock(k, amap);
}

/**
 * Make room in an entry's amap for `addsize` more bytes: behind the entry (AMAP_EXTEND_FORWARDS),
 * or in front of it (AMAP_EXTEND_BACKWARDS), when entry.pageoff becomes the slot where they begin.
 * => map locked, amap unlocked, with one reference. The caller moves the end of the entry.
 * => false, and nothing changes: too many slots.
 */
export function amap_extend(
	k: Kernel,
	entry: vm_map_entry,
	addsize: number,
	flags: number,
): boolean {
	const amap = entry.amap!;
	KASSERT(amap.am_ref === 1, "amap_extend: other entries refer to the amap");
	amap_lock(k, amap);
	const mapped = atop(entry.end - entry.start);
	const add = atop(addsize);
	const forwards = (flags & AMAP_EXTEND_FORWARDS) !== 0;
	const extended = forwards
		? extend_forwards(k, amap, entry.pageoff + mapped + add)
		: extend_backwards(k, amap, entry, mapped, add);
	if (extended) pp_single(amap, entry.pageoff, mapped + add);
	amap_unlock(k, amap);
	return extended;
}

/**
 * The only reference is to `len` slots from `slot` now.
 * => DEVIATION (D3): NetBSD has no am_ppref for an amap that was extended backwards, although no
 *    entry covers its first slots; later references to parts of it are then counted from the entry
 *    on.
 */
function pp_single(amap: vm_amap, slot: number, len: number): void {
	if (amap.am_ppref === null && len === amap.am_nslot) return;
	amap.am_ppref = new Int32Array(amap.am_slots.length);
	pp_setreflen(amap.am_ppref, 0, 0, slot);
	pp_setreflen(amap.am_ppref, slot, 1, len);
	pp_setreflen(amap.am_ppref, slot + len, 0, amap.am_nslot - slot - len);
}

/** Slots behind the entry that exist belonged to a part that was unmapped, and are empty. */
function extend_forwards(k: Kernel, amap: vm_amap, need: number): boolean {
	if (need <= amap.am_nslot) return true;
	if (need > amap.am_slots.length) {
		// Twice the room, so that a heap that grows page by page does not copy each time.
		const room = Math.max(need, amap.am_slots.length * 2);
		if (!malloc(k, room * SLOT_SIZE, ARRAYS)) return false;
		free(k, amap.am_slots.length * SLOT_SIZE, ARRAYS);
		amap.am_slots = grow(amap.am_slots, room, 0, amap.am_nused, 0);
		amap.am_bckptr = grow(amap.am_bckptr, room, 0, amap.am_nslot, 0);
	}
	while (amap.am_anon.length < need) amap.am_anon.push(null);
	k.uvm.amap_slots += need - amap.am_nslot;
	amap.am_nslot = need;
	return true;
}

/** Slots in front of the entry that exist are empty, too; otherwise its slots move up. */
function extend_backwards(
	k: Kernel,
	amap: vm_amap,
	entry: vm_map_entry,
	mapped: number,
	add: number,
): boolean {
	if (add <= entry.pageoff) {
		entry.pageoff -= add;
		return true;
	}
	const need = mapped + add;
	const max = amap.am_slots.length;
	// Twice the room here as well, or all that there is: what is too much lies in front.
	const room = need <= max ? max : Math.max(need, max * 2);
	if (room > max) {
		if (!malloc(k, room * SLOT_SIZE, ARRAYS)) return false;
		free(k, max * SLOT_SIZE, ARRAYS);
	}
	const area = room - mapped;
	const up = area - entry.pageoff;
	const anons = new Array<vm_anon | null>(room).fill(null);
	for (let s = 0; s < mapped; s++) anons[area + s] = amap.am_anon[entry.pageoff + s]!;
	amap.am_anon = anons;
	amap.am_slots = grow(amap.am_slots, room, 0, amap.am_nused, 0);
	for (let i = 0; i < amap.am_nused; i++) amap.am_slots[i]! += up;
	amap.am_bckptr = grow(amap.am_bckptr, room, entry.pageoff, mapped, area);
	k.uvm.amap_slots += room - amap.am_nslot;
	amap.am_nslot = room;
	entry.pageoff = area - add;
	return true;
}

/** An array of `length` with `n` elements of `from`, from `at` on, moved to `to`. */
function grow(from: Int32Array, length: number, at: number, n: number, to: number): Int32Array {
	const array = new Int32Array(length);
	array.set(from.subarray(at, at + n), to);
	return array;
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
