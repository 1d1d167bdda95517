/**
 * Port of sys/uvm/uvm_mremap.c (2007): make a mapping shorter, longer, or move it, with Linux's
 * semantics.
 *
 * Copyright (c) 2006, 2007, 2009 YAMAMOTO Takashi. All rights reserved.
 * See NOTICE for the conditions.
 */

import { EFAULT, EINVAL, ENOMEM, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import { VM_DEFAULT_ADDRESS, VM_PROT_NONE, type vaddr_t } from "../../sys/vmparam.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { AMAP_SHARED } from "./uvm_amap.ts";
import {
	UVM_ET_COPYONWRITE,
	UVM_ET_NEEDSCOPY,
	UVM_ET_ONFAULT,
	UVM_FLAG_FIXED,
} from "./uvm_extern.ts";
import { uvm_mapent_trymerge, uvm_unmap } from "./uvm_map.ts";
import {
	entry_contains,
	uvm_map_entry_link,
	uvm_map_lookup_entry,
	uvm_mapent_alloc,
	uvm_mapent_free,
	type vm_map,
	type vm_map_entry,
	vm_map_lock,
	vm_map_unlock,
} from "./uvm_map_entry.ts";
import { UVM_EXTRACT_REMOVE, uvm_map_extract, uvm_map_reserve } from "./uvm_map_extract.ts";
import { range_entries, uvm_map_unwire, uvm_map_wire } from "./uvm_map_wire.ts";
import { pagerops, type voff_t } from "./uvm_object.ts";

/** Flags of uvm_mremap: the mapping may move. */
export const UVM_MREMAP_MAYMOVE = 1;
/** It moves, and leaves an empty mapping of the same kind (Linux's MREMAP_DONTUNMAP). */
export const UVM_MREMAP_DONTUNMAP = 4;

/**
 * Change the size of the mapping [start, start + oldsize) to `newsize`, moving it if there is no
 * room behind it.
 *
 * => sizes are multiples of the page size. Map unlocked; sleeps. Nothing else changes the map.
 * => `oldsize` 0: a second mapping, of `newsize` bytes, of the shared memory at `start`.
 * => `to`: the address where it must go; what is there is unmapped first; null: stay, or with
 *    UVM_MREMAP_MAYMOVE go anywhere.
 * => wired memory is wired again, and what is new of it; but not if that fails.
 * => the new address, or -errno: EFAULT: no mapping, or more than one; EINVAL: `to` overlaps with
 *    what is moved, or `oldsize` is 0 and the memory private; ENOMEM: no room. What was at `to` may
 *    be unmapped then.
 */
export function* uvm_mremap(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	oldsize: number,
	newsize: number,
	flags: number,
	to: vaddr_t | null,
): Sleeps<number> {
	const stays = to === null && newsize <= oldsize && (flags & UVM_MREMAP_DONTUNMAP) === 0;
	const entries = oldsize === 0 || stays ? null : range_entries(map, start, start + oldsize);
	const wired = entries?.filter((e) => e.wired_count > 0) ?? [];
	if (entries === null || wired.length === 0) {
		return yield* mremap_pageable(k, map, start, oldsize, newsize, flags, to);
	}
	if (wired.length < entries.length) return -EFAULT;
	const onfault = wired.some(
		(e) => e.protection === VM_PROT_NONE || (e.etype & UVM_ET_ONFAULT) !== 0,
	);
	yield* uvm_map_unwire(k, map, start, start + oldsize);
	const result = yield* mremap_pageable(k, map, start, oldsize, newsize, flags, to);
	const place = result < 0 ? start : result;
	yield* uvm_map_wire(k, map, place, place + (result < 0 ? oldsize : newsize), onfault);
	return result;
}

/** uvm_mremap of memory that is not wired, or that stays where it is. */
function* mremap_pageable(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	oldsize: number,
	newsize: number,
	flags: number,
	to: vaddr_t | null,
): Sleeps<number> {
	const keep = (flags & UVM_MREMAP_DONTUNMAP) !== 0;
	yield* vm_map_lock(k, map);
	const refused = mremap_check(map, start, oldsize, newsize, to);
	const size = oldsize > 0 ? Math.min(oldsize, newsize) : extent(map, start, newsize);
	vm_map_unlock(k, map);
	let error = refused;
	if (error === 0 && newsize < oldsize) {
		error = yield* uvm_unmap(k, map, start + newsize, start + oldsize);
	}
	if (error === 0 && to !== null) error = yield* uvm_unmap(k, map, to, to + newsize);
	if (error !== 0) return -error;
	if (to === null && oldsize > 0 && !keep) {
		if (size === newsize) return start;
		const behind = start + size;
		if ((yield* uvm_map_reserve(k, map, newsize - size, behind, UVM_FLAG_FIXED)) !== null) {
			yield* uvm_mapent_extend(k, map, behind, newsize - size);
			return start;
		}
	}
	if (to === null && (flags & UVM_MREMAP_MAYMOVE) === 0) return -ENOMEM;
	const place = yield* reserve_place(k, map, start, newsize, to);
	if (place === null) return -ENOMEM;
	const shared = (uvm_map_lookup_entry(map, start).etype & UVM_ET_COPYONWRITE) === 0;
	// Shared memory is then at both places. For private memory the entry that is left behind is
	// taken beforehand, so that this cannot fail.
	const leaves = keep && !shared;
	const rest = leaves ? uvm_mapent_alloc(k, map, start, start + oldsize) : null;
	const how = oldsize > 0 && !(keep && shared) ? UVM_EXTRACT_REMOVE : 0;
	const moved =
		leaves && rest === null
			? -ENOMEM
			: yield* uvm_map_extract(k, map, start, size, map, place, how);
	if (moved < 0) {
		yield* uvm_unmap(k, map, place, place + newsize);
		if (rest !== null) uvm_mapent_free(k, rest);
	} else if (rest !== null) {
		yield* leave_behind(k, map, rest, moved);
	} else if (newsize > size) {
		yield* uvm_mapent_extend(k, map, place + size, newsize - size);
	}
	return moved;
}

/** May the mapping be changed so? => map locked. */
function mremap_check(
	map: vm_map,
	start: vaddr_t,
	oldsize: number,
	newsize: number,
	to: vaddr_t | null,
): Errno {
	const size = oldsize > 0 ? oldsize : extent(map, start, newsize);
	const entries = size > 0 ? mapping(map, start, start + size) : null;
	if (entries === null) return EFAULT;
	const last = entries[entries.length - 1]!;
	if (oldsize === 0 && (last.etype & UVM_ET_COPYONWRITE) !== 0) return EINVAL;
	if (to !== null && to < start + oldsize && start < to + newsize) return EINVAL;
	return newsize > size && !extensible(last) ? ENOMEM : 0;
}

/** Bytes of the mapping at `start`, up to `newsize`; 0: there is none. => map locked. */
function extent(map: vm_map, start: vaddr_t, newsize: number): number {
	let entry = uvm_map_lookup_entry(map, start);
	if (!entry_contains(map, entry, start)) return 0;
	const end = start + newsize;
	while (entry.end < end && entry.next !== map.header) {
		if (mapping(map, start, entry.next.end) === null) break;
		entry = entry.next;
	}
	return Math.min(entry.end, end) - start;
}

/**
 * The entries of a range that the program sees as one mapping; forks and wiring may have split it.
 * => map locked. null: a hole, or parts of several mappings.
 */
function mapping(map: vm_map, start: vaddr_t, end: vaddr_t): vm_map_entry[] | null {
	const entries = range_entries(map, start, end);
	if (entries === null) return null;
	const first = entries[0]!;
	const kind = (e: vm_map_entry): number => e.etype & ~(UVM_ET_NEEDSCOPY | UVM_ET_ONFAULT);
	const same = entries.every(
		(e) =>
			e.uvm_obj === first.uvm_obj &&
			(e.uvm_obj === null || e.offset - e.start === first.offset - first.start) &&
			kind(e) === kind(first) &&
			e.protection === first.protection &&
			e.max_protection === first.max_protection,
	);
	return same ? entries : null;
}

/** Shared memory without an object cannot be extended in all maps that share it. */
function extensible({ uvm_obj, amap, etype }: vm_map_entry): boolean {
	const shared = amap !== null && (amap.am_flags & AMAP_SHARED) !== 0;
	return uvm_obj !== null || ((etype & UVM_ET_COPYONWRITE) !== 0 && !shared);
}

/** Reserve room at `to`, or else above the mapping, or else anywhere. */
function* reserve_place(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	size: number,
	to: vaddr_t | null,
): Sleeps<vaddr_t | null> {
	if (to !== null) return yield* uvm_map_reserve(k, map, size, to, UVM_FLAG_FIXED);
	const above = yield* uvm_map_reserve(k, map, size, start, 0);
	return above ?? (yield* uvm_map_reserve(k, map, size, VM_DEFAULT_ADDRESS, 0));
}

/** Link `rest`, blank, where a mapping was that is at `moved` now, as one of its kind. */
function* leave_behind(k: Kernel, map: vm_map, rest: vm_map_entry, moved: vaddr_t): Sleeps<void> {
	yield* vm_map_lock(k, map);
	const entry = uvm_map_lookup_entry(map, moved);
	like(k, rest, entry, entry.offset);
	uvm_map_entry_link(map, uvm_map_lookup_entry(map, rest.start), rest);
	map.size += rest.end - rest.start;
	uvm_mapent_trymerge(k, map, rest);
	vm_map_unlock(k, map);
}

/** Make a blank entry one of the kind of `entry`, from `offset` of its object on. => map locked. */
function like(k: Kernel, blank: vm_map_entry, entry: vm_map_entry, offset: voff_t): void {
	if (entry.uvm_obj !== null) {
		pagerops(k, entry.uvm_obj).pgo_reference(k, entry.uvm_obj);
		blank.uvm_obj = entry.uvm_obj;
		blank.offset = offset;
	}
	blank.etype = entry.etype & ~UVM_ET_ONFAULT;
	if ((blank.etype & UVM_ET_COPYONWRITE) !== 0) blank.etype |= UVM_ET_NEEDSCOPY;
	blank.protection = entry.protection;
	blank.max_protection = entry.max_protection;
	blank.inheritance = entry.inheritance;
	blank.advice = entry.advice;
}

/**
 * Make the reserved `size` bytes at `endva` a part of the mapping that ends there.
 * => map unlocked; may sleep for its lock. Cannot fail.
 */
function* uvm_mapent_extend(k: Kernel, map: vm_map, endva: vaddr_t, size: number): Sleeps<void> {
	yield* vm_map_lock(k, map);
	const fresh = uvm_map_lookup_entry(map, endva);
	const { prev: entry } = fresh;
	KASSERT(
		fresh.start === endva && fresh.end === endva + size && entry.end === endva,
		"uvm_mapent_extend: nothing is reserved",
	);
	like(k, fresh, entry, entry.offset + (entry.end - entry.start));
	uvm_mapent_trymerge(k, map, fresh);
	vm_map_unlock(k, map);
}
