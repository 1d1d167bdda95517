/**
 * Port of sys/uvm/uvm_map.c (2000-2002), first part: the entries of a map. Lookup, linking,
 * finding space, clipping, and the map's lock.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1987, 1990 Carnegie-Mellon University.
 * All rights reserved. See NOTICE for the conditions.
 *
 * The entries are a sorted circular list round `header`, disjoint, and a tree (uvm_map_tree.ts).
 * `hint` remembers the latest lookup; no gap lies before `first_free`.
 */

import { type pmap, pmap_kernel } from "../../pmap/pmap.ts";
import { NO_NUMBER } from "../../sys/number.ts";
import { KASSERT, panic } from "../../sys/panic.ts";
import { atop, PAGE_SIZE, type vaddr_t, type vm_prot_t } from "../../sys/vmparam.ts";
import {
	type lock,
	lock_downgrade,
	lock_exclusive,
	lock_exclusive_try,
	lock_release_exclusive,
	lock_release_shared,
	lock_shared,
	lock_shared_try,
	lockinit,
} from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import { pool_get, pool_prime, pool_put, pool_setlowat } from "../kern/core/subr_pool.ts";
import type { Kernel } from "../kernel.ts";
import { amap_splitref, type vm_amap } from "./uvm_amap.ts";
import { UVM_ADV_NORMAL, UVM_ET_SUBMAP, UVM_INH_COPY } from "./uvm_extern.ts";
import {
	uvm_rb_build,
	uvm_rb_fixup,
	uvm_rb_insert,
	uvm_rb_remove,
	uvm_rb_space,
	type uvm_tree,
	type uvm_tree_entry,
	uvm_tree_findgap,
	uvm_tree_lookup,
} from "./uvm_map_tree.ts";
import { pagerops, type uvm_object, type voff_t } from "./uvm_object.ts";

/** vm_map.flags */
export const VM_MAP_PAGEABLE = 0x01;
export const VM_MAP_INTRSAFE = 0x02;
/** New mappings are wired (mlockall with MCL_FUTURE). */
export const VM_MAP_WIREFUTURE = 0x04;
/** With WIREFUTURE: their pages are, when faults bring them in (MCL_ONFAULT). */
export const VM_MAP_ONFAULT = 0x08;

export interface vm_map_entry extends uvm_tree_entry<vm_map_entry> {
	uvm_obj: uvm_object | null;
	sub_map: vm_map | null;
	/** Offset of `start` in uvm_obj. */
	offset: voff_t;
	etype: number;
	protection: vm_prot_t;
	max_protection: vm_prot_t;
	inheritance: number;
	wired_count: number;
	/** aref: the anonymous memory above the object, and the slot of `start` in it. */
	amap: vm_amap | null;
	pageoff: number;
	advice: number;
	/** UVM_MAP_KERNEL */
	flags: number;
}

export interface vm_map extends uvm_tree<vm_map_entry> {
	pmap: pmap;
	readonly lock: lock;
	nentries: number;
	/** Bytes covered by entries. */
	size: number;
	ref_count: number;
	hint: vm_map_entry;
	first_free: vm_map_entry;
	flags: number;
	/**
	 * Incremented by each write lock, so that a thread that slept sees that the map may have changed.
	 */
	timestamp: number;
	min_offset: vaddr_t;
	max_offset: vaddr_t;
	/** From here up only fixed mappings go: room for the stack. NetBSD has it in the vmspace. */
	maxsaddr: vaddr_t;
}

function blank_entry(start: vaddr_t, end: vaddr_t): vm_map_entry {
	const entry = {
		// Here, so that the object has room for them.
		prev: null,
		next: null,
		start: NO_NUMBER,
		end: NO_NUMBER,
		uvm_obj: null,
		sub_map: null,
		offset: NO_NUMBER,
		etype: 0,
		protection: 0,
		max_protection: 0,
		inheritance: UVM_INH_COPY,
		wired_count: 0,
		amap: null,
		pageoff: 0,
		advice: UVM_ADV_NORMAL,
		flags: 0,
		rb_left: null,
		rb_right: null,
		rb_parent: null,
		rb_red: false,
		ownspace: NO_NUMBER,
		space: NO_NUMBER,
	} as unknown as vm_map_entry;
	entry.prev = entry;
	entry.next = entry;
	entry.start = start;
	entry.end = end;
	entry.offset = 0;
	entry.ownspace = 0;
	entry.space = 0;
	return entry;
}

/** A map of [min, max) with no entries. */
export function uvm_map_setup(pm: pmap, min: vaddr_t, max: vaddr_t, flags: number): vm_map {
	// The header compares behind every address, and before it in a walk from the other end.
	const header = blank_entry(max, min);
	const map: vm_map = {
		pmap: pm,
		lock: lockinit(),
		header,
		rbhead: null,
		steps: 0,
		owed: 0,
		nentries: 0,
		size: 0,
		ref_count: 1,
		hint: header,
		first_free: header,
		flags,
		timestamp: 0,
		min_offset: NO_NUMBER,
		max_offset: NO_NUMBER,
		maxsaddr: NO_NUMBER,
	};
	map.min_offset = min;
	map.max_offset = max;
	map.maxsaddr = max;
	return map;
}

/** The same in the map of an address space that is gone. => nobody has it locked. */
export function uvm_map_setup_again(
	map: vm_map,
	pm: pmap,
	min: vaddr_t,
	max: vaddr_t,
	flags: number,
): void {
	const { header } = map;
	KASSERT(map.nentries === 0 && header.next === header, "uvm_map_setup: a map in use");
	// It compares as in uvm_map_setup.
	header.start = max;
	header.end = min;
	map.pmap = pm;
	map.rbhead = null;
	map.steps = 0;
	map.owed = 0;
	map.ref_count = 1;
	map.hint = header;
	map.first_free = header;
	map.flags = flags;
	map.timestamp = 0;
	map.min_offset = min;
	map.max_offset = max;
	map.maxsaddr = max;
}

/** Lock for writing. => may sleep. */
export function* vm_map_lock(k: Kernel, map: vm_map): Sleeps<void> {
	yield* lock_exclusive(k, map.lock);
	map.timestamp++;
}

/** => false, without sleeping, if another thread has the map. */
export function vm_map_lock_try(k: Kernel, map: vm_map): boolean {
	if (!lock_exclusive_try(k, map.lock)) return false;
	map.timestamp++;
	return true;
}

/**
 * Cost of a step of a long search, in cycles: a load that depends on the one before, and a branch
 * that cannot be predicted.
 */
const STEP_CYCLES = 10;

/** The cost of searches is charged when the map is unlocked, as they sleep for nothing. */
function charge_searches(k: Kernel, map: vm_map): void {
	if (map.owed === 0) return;
	k.port.charge(map.owed * STEP_CYCLES);
	map.owed = 0;
}

export function vm_map_unlock(k: Kernel, map: vm_map): void {
	charge_searches(k, map);
	lock_release_exclusive(k, map.lock);
}

/** Turn a write lock into a read lock. */
export function vm_map_downgrade(k: Kernel, map: vm_map): void {
	lock_downgrade(k, map.lock);
}

/** => may sleep. */
export function* vm_map_lock_read(k: Kernel, map: vm_map): Sleeps<void> {
	yield* lock_shared(k, map.lock);
}

export const vm_map_lock_read_try = (map: vm_map): boolean => lock_shared_try(map.lock);

export function vm_map_unlock_read(k: Kernel, map: vm_map): void {
	charge_searches(k, map);
	lock_release_shared(k, map.lock);
}

/** vm_map_entry.flags: the entry belongs to a map of the kernel, and to its pool. */
const UVM_MAP_KERNEL = 0x1;

/** Entries that maps of the kernel always find (uvm_map.h, 2000). */
const MAX_KMAPENT = 50;

/** Provide the entries of maps of the kernel. => at boot. */
export function uvm_map_init(k: Kernel): void {
	pool_setlowat(k.uvm.kmap_entry_pool, MAX_KMAPENT);
	if (!pool_prime(k, k.uvm.kmap_entry_pool, MAX_KMAPENT)) panic("uvm_map_init: no memory");
}

/** A map has no more entries than this: Linux's default of vm.max_map_count. */
const MAX_MAP_COUNT = 65530;

/** Free entries that are kept: what a few large processes need. */
const MAPENT_FREE_MAX = 16_384;

/** The memory of an entry for `map`, with whatever it holds. => as uvm_mapent_alloc. */
function mapent_get(k: Kernel, map: vm_map, start: vaddr_t, end: vaddr_t): vm_map_entry | null {
	const kernel = map.pmap === pmap_kernel(k);
	if (!kernel && map.nentries >= MAX_MAP_COUNT) return null;
	if (!pool_get(k, kernel ? k.uvm.kmap_entry_pool : k.uvm.map_entry_pool)) return null;
	const entry = k.uvm.mapent_free.pop() ?? blank_entry(start, end);
	entry.flags = kernel ? UVM_MAP_KERNEL : 0;
	return entry;
}

/**
 * A new entry for `map`, not in it yet.
 * => null if memory is short, or the map of a process is full. Never sleeps.
 */
export function uvm_mapent_alloc(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
): vm_map_entry | null {
	const entry = mapent_get(k, map, start, end);
	if (entry === null) return null;
	// As blank_entry makes it, but for what uvm_mapent_free has cleared.
	entry.start = start;
	entry.end = end;
	entry.offset = 0;
	entry.etype = 0;
	entry.protection = 0;
	entry.max_protection = 0;
	entry.inheritance = UVM_INH_COPY;
	entry.wired_count = 0;
	entry.pageoff = 0;
	entry.advice = UVM_ADV_NORMAL;
	return entry;
}

/** A new entry for `map`, a copy of another but for its links. => as uvm_mapent_alloc. */
export function uvm_mapent_clone(k: Kernel, map: vm_map, from: vm_map_entry): vm_map_entry | null {
	const entry = mapent_get(k, map, from.start, from.end);
	if (entry !== null) copy_entry(entry, from);
	return entry;
}

/** => nothing refers to the entry, which is used again: it refers to nothing. */
export function uvm_mapent_free(k: Kernel, entry: vm_map_entry): void {
	const kernel = (entry.flags & UVM_MAP_KERNEL) !== 0;
	pool_put(kernel ? k.uvm.kmap_entry_pool : k.uvm.map_entry_pool);
	if (k.uvm.mapent_free.length >= MAPENT_FREE_MAX) return;
	entry.prev = entry;
	entry.next = entry;
	entry.uvm_obj = null;
	entry.sub_map = null;
	entry.amap = null;
	entry.rb_left = null;
	entry.rb_right = null;
	entry.rb_parent = null;
	k.uvm.mapent_free.push(entry);
}

/** Free the entries that uvm_unmap_remove has returned, which refer to nothing. */
export function uvm_mapent_free_all(k: Kernel, map: vm_map, first: vm_map_entry): void {
	for (let entry = first; entry !== map.header; ) {
		const { next } = entry;
		uvm_mapent_free(k, entry);
		entry = next;
	}
}

/**
 * The entry that contains `va`, or else the one before it (perhaps the header).
 * => map locked. `entry.start <= va && va < entry.end` tells which.
 */
export function uvm_map_lookup_entry(map: vm_map, va: vaddr_t): vm_map_entry {
	const { header, hint } = map;
	if (hint !== header && va >= hint.start) {
		if (va < hint.end || hint.next === header || va < hint.next.start) return hint;
	}
	const entry = uvm_tree_lookup(map, va);
	if (entry !== header) map.hint = entry;
	return entry;
}

export const entry_contains = (map: vm_map, entry: vm_map_entry, va: vaddr_t): boolean =>
	entry !== map.header && va >= entry.start && va < entry.end;

/** Put `entry` behind `after`. => map locked. */
export function uvm_map_entry_link(map: vm_map, after: vm_map_entry, entry: vm_map_entry): void {
	entry.prev = after;
	entry.next = after.next;
	after.next.prev = entry;
	after.next = entry;
	uvm_rb_insert(map, entry);
	map.nentries++;
	advance_first_free(map);
}

/**
 * uvm_map_entry_link behind all entries, for one who fills an empty map and then calls
 * uvm_map_append_done. => map locked, and not searched before that.
 */
export function uvm_map_entry_append(map: vm_map, entry: vm_map_entry): void {
	const { header } = map;
	const last = header.prev;
	entry.prev = last;
	entry.next = header;
	header.prev = entry;
	last.next = entry;
	map.nentries++;
	if (map.first_free === last && last.end === entry.start) map.first_free = entry;
}

/** The entries of a map that had none are appended. => map locked. */
export function uvm_map_append_done(map: vm_map): void {
	uvm_rb_build(map, map.nentries);
	advance_first_free(map);
}

/** => map locked. */
export function uvm_map_entry_unlink(map: vm_map, entry: vm_map_entry): void {
	entry.prev.next = entry.next;
	entry.next.prev = entry.prev;
	uvm_rb_remove(map, entry);
	map.nentries--;
	if (map.hint === entry) map.hint = map.header;
	const free = map.first_free;
	if (free !== map.header && free.start >= entry.start) map.first_free = entry.prev;
}

/** Unlink all entries. => map locked. The caller has them. */
export function uvm_map_entry_unlink_all(map: vm_map): void {
	const { header } = map;
	header.prev = header;
	header.next = header;
	map.rbhead = null;
	map.nentries = 0;
	map.hint = header;
	map.first_free = header;
}

/** first_free is the last entry before the first gap, counted from the bottom. */
function advance_first_free(map: vm_map): void {
	if (uvm_rb_space(map.first_free) > 0) return;
	map.first_free = uvm_tree_findgap(map, map.first_free, 1) ?? map.header.prev;
}

/** `entry`, or the header, ends elsewhere now, or the next one begins elsewhere. => map locked. */
export function uvm_map_entry_moved(map: vm_map, entry: vm_map_entry): void {
	uvm_rb_fixup(map, entry);
	advance_first_free(map);
}

/** Bytes of the wired entries of a map. */
export function uvm_map_wired_size(map: vm_map): number {
	let size = 0;
	for (let e = map.header.next; e !== map.header; e = e.next) {
		if (e.wired_count > 0) size += e.end - e.start;
	}
	return size;
}

/**
 * First gap of `length` bytes at or above `hint`.
 * => map locked. The entry before it, and its address in `found`; or null.
 */
export function uvm_map_findspace(
	map: vm_map,
	hint: vaddr_t,
	length: number,
	found: { start: vaddr_t },
	fixed: boolean,
): vm_map_entry | null {
	let start = Math.max(hint, map.min_offset);
	const limit = fixed ? map.max_offset : map.maxsaddr;
	if (start > limit) return null;
	let after: vm_map_entry;
	if (!fixed && start === map.min_offset) {
		after = map.first_free;
		if (after !== map.header) start = Math.max(start, after.end);
	} else {
		after = uvm_map_lookup_entry(map, start);
		if (entry_contains(map, after, start)) {
			if (fixed) return null;
			start = after.end;
		}
	}
	if (start + length > limit) return null;
	if (after.next.start >= start + length) {
		found.start = start;
		return after;
	}
	if (fixed) return null;
	const entry = uvm_tree_findgap(map, after, length);
	if (entry === null || entry.end + length > limit) return null;
	found.start = entry.end;
	return entry;
}

/** Copy an entry, except its links. => takes no references. */
export function copy_entry(to: vm_map_entry, from: vm_map_entry): void {
	to.start = from.start;
	to.end = from.end;
	to.uvm_obj = from.uvm_obj;
	to.sub_map = from.sub_map;
	to.offset = from.offset;
	to.etype = from.etype;
	to.protection = from.protection;
	to.max_protection = from.max_protection;
	to.inheritance = from.inheritance;
	to.wired_count = from.wired_count;
	to.amap = from.amap;
	to.pageoff = from.pageoff;
	to.advice = from.advice;
}

/**
 * Split `entry` at `va`, so that it starts there; the part before becomes an entry of its own.
 * => map locked; entry.start <= va < entry.end. false if no entry could be allocated.
 */
export function uvm_map_clip_start(
	k: Kernel,
	map: vm_map,
	entry: vm_map_entry,
	va: vaddr_t,
): boolean {
	if (va <= entry.start) return true;
	const before = uvm_mapent_alloc(k, map, entry.start, va);
	if (before === null) return false;
	copy_entry(before, entry);
	before.end = va;
	split_backing(k, before, entry, va);
	entry.start = va;
	uvm_map_entry_link(map, entry.prev, before);
	return true;
}

/** Split `entry` at `va`, so that it ends there. => as uvm_map_clip_start. */
export function uvm_map_clip_end(
	k: Kernel,
	map: vm_map,
	entry: vm_map_entry,
	va: vaddr_t,
): boolean {
	if (va >= entry.end) return true;
	const behind = uvm_mapent_alloc(k, map, va, entry.end);
	if (behind === null) return false;
	copy_entry(behind, entry);
	behind.start = va;
	split_backing(k, entry, behind, va);
	entry.end = va;
	uvm_map_entry_link(map, entry, behind);
	return true;
}

/** Divide offset, amap and object reference between the two halves, before their ends are set. */
function split_backing(k: Kernel, low: vm_map_entry, high: vm_map_entry, va: vaddr_t): void {
	const delta = va - low.start;
	KASSERT(delta > 0 && delta % PAGE_SIZE === 0, "uvm_map_clip: address not page aligned");
	if (high.uvm_obj !== null || high.etype & UVM_ET_SUBMAP) high.offset += delta;
	if (low.amap !== null) {
		amap_splitref(k, low.amap);
		high.pageoff = low.pageoff + atop(delta);
	}
	if (high.uvm_obj !== null) pagerops(k, high.uvm_obj).pgo_reference(k, high.uvm_obj);
}
