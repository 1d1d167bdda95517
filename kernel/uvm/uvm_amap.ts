/**
 * Port of sys/uvm/uvm_amap.c (2000): the anons of a range of virtual memory.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 *
 * The slots of an amap are kept in chunks, and only chunks that have an anon exist. The slots in
 * use are packed in am_slots[0..am_nused), and a chunk says where: am_slots[ac_bckptr] is the slot.
 * DEVIATION (D62): NetBSD has one array for all slots, and therefore splits a large entry at the
 * first touch (canchunk of amap_copy), so that a sparse mapping gets small amaps.
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
import {
	amap_chunk,
	amap_chunk_insert,
	amap_chunk_remove,
	amap_chunks_init,
	amap_chunks_renumber,
	amap_chunks_shrink,
	CHUNK_MASK,
	CHUNK_SHIFT,
	UVM_AMAP_CHUNK,
	type vm_amap_chunk,
	type vm_amap_chunks,
} from "./uvm_amap_chunks.ts";
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

/** More slots than an address space has pages make no sense. */
const SLOTS_MAX = 1 << 20;

/** Slots with the same number of references, from `at` to the next run or the last slot. */
export interface vm_amap_run {
	at: number;
	ref: number;
}

export interface vm_amap {
	readonly am_l: simplelock;
	am_ref: number;
	am_flags: number;
	am_nslot: number;
	am_nused: number;
	/** Chunks with an anon, by slot / UVM_AMAP_CHUNK. */
	readonly am_chunks: vm_amap_chunks;
	/** What lies behind the first am_nused elements means nothing. */
	am_slots: number[];
	/**
	 * All slots from 0 on, in runs as long as they can be.
	 * DEVIATION (D1): each reference by a part of the amap adds two runs at most, and the memory for
	 * them is taken with the map entry, so that counting cannot fail; in NetBSD am_ppref is an array
	 * of all slots, and if there is no memory for it, the references are not counted any more.
	 */
	am_ppref: vm_amap_run[] | null;
	/** k.uvm.amap_list */
	am_list_next: vm_amap | null;
	am_list_prev: vm_amap | null;
}

/** Bytes of an element of an array of slots. */
const SLOT_SIZE = 4;
/** Arrays of a chunk: ac_anon, ac_bckptr, and its part of am_slots. */
const ARRAYS = 3;

const amap_new = (): vm_amap => ({
	am_l: simple_lock_init(),
	am_ref: 0,
	am_flags: 0,
	am_nslot: 0,
	am_nused: 0,
	am_chunks: amap_chunks_init(),
	am_slots: [],
	am_ppref: null,
	am_list_next: null,
	am_list_prev: null,
});

/** Free amaps that are kept, and for how many slots and chunks: a few for more. */
const AMAP_FREE_MAX = 256;
const SLOTS_FREE_MAX = 4096;
const CHUNKS_FREE_MAX = 512;
const LARGE_FREE = 8;
const LARGE_FACTOR = 16;

/**
 * An amap of `slots` empty slots, one reference, unlocked.
 * => never sleeps; null if memory is short.
 */
export function amap_alloc(k: Kernel, slots: number): vm_amap | null {
	if (!pool_get(k, k.uvm.amap_pool)) return null;
	const amap = k.uvm.amap_free.pop() ?? amap_new();
	amap.am_ref = 1;
	amap.am_nslot = slots;
	amap.am_list_next = k.uvm.amap_list;
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
	pool_put(k.uvm.amap_pool);
	if (k.uvm.amap_free.length >= AMAP_FREE_MAX) return;
	amap.am_flags = 0;
	const factor = k.uvm.amap_free.length < LARGE_FREE ? LARGE_FACTOR : 1;
	if (amap.am_slots.length > SLOTS_FREE_MAX * factor) amap.am_slots = [];
	amap_chunks_shrink(amap.am_chunks, CHUNKS_FREE_MAX * factor);
	amap.am_ppref = null;
	amap.am_list_next = null;
	amap.am_list_prev = null;
	k.uvm.amap_free.push(amap);
}

const chunk_new = (): vm_amap_chunk => ({
	ac_nused: 0,
	ac_anon: new Array<vm_anon | null>(UVM_AMAP_CHUNK).fill(null),
	ac_bckptr: new Array<number>(UVM_AMAP_CHUNK).fill(0),
});

/** Free chunks that are kept: those of a process of 64 MiB. */
const CHUNK_FREE_MAX = 1024;

/** A chunk for slots `index` * UVM_AMAP_CHUNK and on. => null if memory is short. */
function chunk_alloc(k: Kernel, amap: vm_amap, index: number): vm_amap_chunk | null {
	if (!malloc(k, UVM_AMAP_CHUNK * SLOT_SIZE, ARRAYS)) return null;
	k.uvm.amap_slots += UVM_AMAP_CHUNK;
	const chunk = k.uvm.amap_chunk_free.pop() ?? chunk_new();
	amap_chunk_insert(amap.am_chunks, index, chunk);
	return chunk;
}

/** => all its slots are empty. */
function chunk_free(k: Kernel, amap: vm_amap, index: number, chunk: vm_amap_chunk): void {
	amap_chunk_remove(amap.am_chunks, index);
	if (k.uvm.amap_chunk_free.length < CHUNK_FREE_MAX) k.uvm.amap_chunk_free.push(chunk);
	k.uvm.amap_slots -= UVM_AMAP_CHUNK;
	free(k, UVM_AMAP_CHUNK * SLOT_SIZE, ARRAYS);
}

/** The anon of a slot, or null. => amap locked. */
export function amap_lookup(amap: vm_amap, slot: number): vm_anon | null {
	const chunk = amap_chunk(amap.am_chunks, slot >>> CHUNK_SHIFT);
	return chunk === null ? null : chunk.ac_anon[slot & CHUNK_MASK]!;
}

/** The anons of `npages` slots from `slot` on. => amap locked. */
export function amap_lookups(
	amap: vm_amap,
	slot: number,
	anons: (vm_anon | null)[],
	npages: number,
): void {
	let chunk = amap_chunk(amap.am_chunks, slot >>> CHUNK_SHIFT);
	for (let i = 0; i < npages; i++) {
		const s = slot + i;
		if (i > 0 && (s & CHUNK_MASK) === 0) chunk = amap_chunk(amap.am_chunks, s >>> CHUNK_SHIFT);
		anons[i] = chunk === null ? null : chunk.ac_anon[s & CHUNK_MASK]!;
	}
}

/** The slots in use of `len` from `slot` on, in order. => amap locked. */
export function amap_used(amap: vm_amap, slot: number, len: number): number[] {
	const used: number[] = [];
	if (len <= amap.am_nused) {
		for (let s = slot; s < slot + len; s++) if (amap_lookup(amap, s) !== null) used.push(s);
		return used;
	}
	for (let i = 0; i < amap.am_nused; i++) {
		const s = amap.am_slots[i]!;
		if (s >= slot && s < slot + len) used.push(s);
	}
	return used.sort((a, b) => a - b);
}

export const amap_lock = (k: Kernel, amap: vm_amap): void => simple_lock(k, amap.am_l);
export const amap_unlock = (k: Kernel, amap: vm_amap): void => simple_unlock(k, amap.am_l);

/**
 * Put an anon into a slot, empty unless `replace`.
 * => amap locked; the slot takes over the caller's reference. The caller gets the old anon's
 *    reference.
 * => false, and nothing changes: memory is short. Never with `replace`.
 */
export function amap_add(
	k: Kernel,
	amap: vm_amap,
	slot: number,
	anon: vm_anon,
	replace: boolean,
): boolean {
	KASSERT(slot < amap.am_nslot, "amap_add: slot out of range");
	const index = slot >>> CHUNK_SHIFT;
	const chunk = amap_chunk(amap.am_chunks, index) ?? (replace ? null : chunk_alloc(k, amap, index));
	const old = chunk === null ? null : chunk.ac_anon[slot & CHUNK_MASK]!;
	if (replace) {
		KASSERT(old !== null, "amap_add: nothing to replace");
		// Other address spaces that share the amap must fault to see the new page.
		if (old.an_page !== null && (amap.am_flags & AMAP_SHARED) !== 0) {
			pmap_page_protect(k, old.an_page, VM_PROT_NONE);
		}
	} else {
		if (chunk === null) return false;
		KASSERT(old === null, "amap_add: slot in use");
		chunk.ac_nused++;
		const i = amap.am_nused++;
		chunk.ac_bckptr[slot & CHUNK_MASK] = i;
		if (i < amap.am_slots.length) amap.am_slots[i] = slot;
		else amap.am_slots.push(slot);
	}
	chunk!.ac_anon[slot & CHUNK_MASK] = anon;
	return true;
}

/** Take the anon out of a slot. => amap locked; the caller gets its reference. */
export function amap_unadd(k: Kernel, amap: vm_amap, slot: number): void {
	const index = slot >>> CHUNK_SHIFT;
	const chunk = amap_chunk(amap.am_chunks, index);
	KASSERT(chunk !== null && chunk.ac_anon[slot & CHUNK_MASK] !== null, "amap_unadd: slot is empty");
	chunk.ac_anon[slot & CHUNK_MASK] = null;
	const hole = chunk.ac_bckptr[slot & CHUNK_MASK]!;
	const last = amap.am_slots[--amap.am_nused]!;
	if (last !== slot) {
		amap.am_slots[hole] = last;
		amap_chunk(amap.am_chunks, last >>> CHUNK_SHIFT)!.ac_bckptr[last & CHUNK_MASK] = hole;
	}
	if (--chunk.ac_nused === 0) chunk_free(k, amap, index, chunk);
}

/** Start to count references slot by slot. => amap locked, without am_ppref. */
function amap_pp_establish(amap: vm_amap): void {
	amap.am_ppref = [{ at: 0, ref: amap.am_ref }];
}

/** Let a run begin at `slot`. => its number. */
function pp_split(runs: vm_amap_run[], slot: number): number {
	let [low, high] = [0, runs.length];
	while (high - low > 1) {
		const middle = (low + high) >>> 1;
		if (runs[middle]!.at <= slot) low = middle;
		else high = middle;
	}
	const run = runs[low]!;
	if (run.at === slot) return low;
	runs.splice(low + 1, 0, { at: slot, ref: run.ref });
	return low + 1;
}

/** Make a run one with the run before, if they have the same count. */
function pp_merge(runs: vm_amap_run[], i: number): void {
	if (i > 0 && i < runs.length && runs[i - 1]!.ref === runs[i]!.ref) runs.splice(i, 1);
}

/**
 * Add `adjval` to the references of `len` slots from `slot`, and free the anons of those that have
 * none left.
 * => amap locked, with am_ppref.
 * => DEVIATION (D2): runs with equal counts become one at both ends of the range, so that no two
 *    runs side by side have the same count; NetBSD merges only the first of them.
 */
function amap_pp_adjref(k: Kernel, amap: vm_amap, slot: number, len: number, adjval: number): void {
	const runs = amap.am_ppref!;
	const stop = slot + len;
	KASSERT(stop <= amap.am_nslot, "amap_pp_adjref: range out of the amap");
	const first = pp_split(runs, slot);
	const last = stop < amap.am_nslot ? pp_split(runs, stop) : runs.length;
	for (let i = first; i < last; i++) {
		const run = runs[i]!;
		run.ref += adjval;
		KASSERT(run.ref >= 0, "amap_pp_adjref: fewer than no references");
		const end = i + 1 < runs.length ? runs[i + 1]!.at : amap.am_nslot;
		if (run.ref === 0) amap_wiperange(k, amap, run.at, end - run.at);
	}
	pp_merge(runs, last);
	pp_merge(runs, first);
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
	if (len > amap.am_nused) {
		// Backwards: amap_unadd fills the hole with the last slot, which was already visited.
		for (let i = amap.am_nused - 1; i >= 0; i--) {
			const s = amap.am_slots[i]!;
			if (s >= slot && s < slot + len) amap_wipeslot(k, amap, s, amap_lookup(amap, s)!);
		}
	} else {
		for (let s = slot; s < slot + len; s++) {
			const anon = amap_lookup(amap, s);
			if (anon !== null) amap_wipeslot(k, amap, s, anon);
		}
	}
}

function amap_wipeslot(k: Kernel, amap: vm_amap, slot: number, anon: vm_anon): void {
	amap_unadd(k, amap, slot);
	simple_lock(k, anon);
	const refs = --anon.an_ref;
	simple_unlock(k, anon);
	if (refs === 0) uvm_anfree(k, anon);
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
		? extend_forwards(amap, entry.pageoff + mapped + add)
		: extend_backwards(amap, entry, mapped, add);
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
	const runs = [{ at: slot, ref: 1 }];
	if (slot > 0) runs.unshift({ at: 0, ref: 0 });
	if (slot + len < amap.am_nslot) runs.push({ at: slot + len, ref: 0 });
	amap.am_ppref = runs;
}

/** Slots behind the entry that exist belonged to a part that was unmapped, and are empty. */
function extend_forwards(amap: vm_amap, need: number): boolean {
	if (need > SLOTS_MAX) return false;
	if (need > amap.am_nslot) amap.am_nslot = need;
	return true;
}

/** Slots in front of the entry that exist are empty, too; otherwise its slots move up. */
function extend_backwards(
	amap: vm_amap,
	entry: vm_map_entry,
	mapped: number,
	add: number,
): boolean {
	if (add > entry.pageoff) {
		if (mapped + add > SLOTS_MAX) return false;
		// By whole chunks, and by twice what is needed, so that a mapping that grows page by page does
		// not renumber them each time.
		const chunks = Math.ceil((add - entry.pageoff + mapped) / UVM_AMAP_CHUNK);
		const up = chunks * UVM_AMAP_CHUNK;
		amap_chunks_renumber(amap.am_chunks, chunks);
		for (let i = 0; i < amap.am_nused; i++) amap.am_slots[i]! += up;
		entry.pageoff += up;
		amap.am_nslot = entry.pageoff + mapped;
	}
	entry.pageoff -= add;
	return true;
}

/**
 * Let an empty amap refer to the anons of `len` slots of `old` from `slot` on, in their order.
 * => `old` locked. false: memory is short, and some slots are missing.
 */
function amap_copyslots(
	k: Kernel,
	old: vm_amap,
	slot: number,
	len: number,
	amap: vm_amap,
): boolean {
	if (len >>> CHUNK_SHIFT > old.am_nused) {
		// So few are in use that the chunks are not worth looking for one by one.
		for (const s of amap_used(old, slot, len)) {
			if (!amap_copyslot(k, old, amap_lookup(old, s)!, amap, s - slot)) return false;
		}
		return true;
	}
	const end = slot + len;
	for (let s = slot; s < end; ) {
		const chunk = amap_chunk(old.am_chunks, s >>> CHUNK_SHIFT);
		const stop = Math.min((s | CHUNK_MASK) + 1, end);
		for (; chunk !== null && s < stop; s++) {
			const anon = chunk.ac_anon[s & CHUNK_MASK]!;
			if (anon !== null && !amap_copyslot(k, old, anon, amap, s - slot)) return false;
		}
		s = stop;
	}
	return true;
}

/** One slot of amap_copyslots. */
function amap_copyslot(k: Kernel, old: vm_amap, anon: vm_anon, amap: vm_amap, to: number): boolean {
	if (!amap_add(k, amap, to, anon, false)) return false;
	simple_lock(k, anon);
	anon.an_ref++;
	// Others who share the old amap may have it mapped writable (amap_share_protect).
	if ((old.am_flags & AMAP_SHARED) !== 0 && anon.an_page !== null) {
		pmap_page_protect(k, anon.an_page, VM_PROT_READ);
	}
	simple_unlock(k, anon);
	return true;
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
	const whole = amap_copyslots(k, old, entry.pageoff, slots, amap);
	amap_unlock(k, old);
	k.port.charge(
		(whole ? amap.am_nused : amap_used(old, entry.pageoff, slots).length) * COPY_SLOT_CYCLES,
	);
	if (!whole) {
		amap_unref(k, amap, 0, slots);
		return false;
	}
	amap_unref(k, old, entry.pageoff, slots);
	entry.amap = amap;
	entry.pageoff = 0;
	entry.etype &= ~UVM_ET_NEEDSCOPY;
	return true;
}
