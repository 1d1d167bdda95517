/**
 * Port of sys/uvm/uvm_map.c (2000-2002), second part: enter and remove ranges; submaps; the
 * address space of a process.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1987, 1990 Carnegie-Mellon University.
 * All rights reserved. See NOTICE for the conditions.
 */

import {
	pmap_create,
	pmap_destroy,
	pmap_kremove,
	pmap_remove,
	pmap_resident_count,
	pmap_update,
	pmap_wired_count,
} from "../../pmap/pmap.ts";
import { EACCES, EINVAL, ENOMEM, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import {
	atop,
	VM_PROT_ALL,
	VM_PROT_READ,
	VM_PROT_WRITE,
	type vaddr_t,
	type vm_prot_t,
} from "../../sys/vmparam.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import { pool_get, pool_put } from "../kern/core/subr_pool.ts";
import type { Kernel } from "../kernel.ts";
import {
	AMAP_EXTEND_BACKWARDS,
	AMAP_EXTEND_FORWARDS,
	amap_alloc,
	amap_extend,
	amap_unref,
} from "./uvm_amap.ts";
import {
	UVM_ADV_NORMAL,
	UVM_ET_COPYONWRITE,
	UVM_ET_GROWSDOWN,
	UVM_ET_NEEDSCOPY,
	UVM_ET_OBJ,
	UVM_ET_SUBMAP,
	UVM_FLAG_COPYONW,
	UVM_FLAG_FIXED,
	UVM_FLAG_GROWSDOWN,
	UVM_FLAG_NOMERGE,
	UVM_FLAG_OVERLAY,
	UVM_INH_COPY,
	UVM_UNKNOWN_OFFSET,
} from "./uvm_extern.ts";
import { uvm_km_pgremove } from "./uvm_kmpage.ts";
import {
	entry_contains,
	uvm_map_clip_end,
	uvm_map_clip_start,
	uvm_map_entry_link,
	uvm_map_entry_moved,
	uvm_map_entry_unlink,
	uvm_map_entry_unlink_all,
	uvm_map_findspace,
	uvm_map_lookup_entry,
	uvm_map_setup,
	uvm_map_setup_again,
	uvm_mapent_alloc,
	uvm_mapent_free,
	VM_MAP_INTRSAFE,
	VM_MAP_PAGEABLE,
	type vm_map,
	type vm_map_entry,
	vm_map_lock,
	vm_map_lock_try,
	vm_map_unlock,
} from "./uvm_map_entry.ts";
import {
	pagerops,
	UVM_OBJ_IS_KERN_OBJECT,
	uvm_obj_unref,
	type uvm_object,
	type voff_t,
} from "./uvm_object.ts";
import { uvm_fault_unwire_locked } from "./uvm_unwire.ts";

/** The arguments of uvm_map; `start` is a hint, and the result. */
export interface uvm_map_args {
	start: vaddr_t;
	size: number;
	uobj: uvm_object | null;
	offset: voff_t;
	prot: vm_prot_t;
	maxprot: vm_prot_t;
	inherit: number;
	advice: number;
	flags: number;
}

/** Private zero-fill memory at a free place near `start`, unless the fields say otherwise. */
export const uvm_map_args = (start: vaddr_t, size: number): uvm_map_args => ({
	start,
	size,
	uobj: null,
	offset: UVM_UNKNOWN_OFFSET,
	prot: VM_PROT_READ | VM_PROT_WRITE,
	maxprot: VM_PROT_ALL,
	inherit: UVM_INH_COPY,
	advice: UVM_ADV_NORMAL,
	flags: 0,
});

/**
 * Establish a mapping (uvm_map).
 *
 * => map unlocked; may sleep for its lock.
 * => the caller's reference to the object is consumed on success only.
 */
export function* uvm_map(k: Kernel, map: vm_map, args: uvm_map_args): Sleeps<Errno> {
	if (!vm_map_lock_try(k, map)) yield* vm_map_lock(k, map);
	const error = uvm_map_enter(k, map, args);
	vm_map_unlock(k, map);
	return error;
}

/** uvm_map with the map locked. => never sleeps. args.start is the address chosen. */
export function uvm_map_enter(k: Kernel, map: vm_map, args: uvm_map_args): Errno {
	if ((args.prot & ~args.maxprot) !== 0) return EACCES;
	if (args.size <= 0) return EINVAL;
	const fixed = (args.flags & UVM_FLAG_FIXED) !== 0;
	const after = uvm_map_findspace(map, args.start, args.size, args, fixed);
	if (after === null) return ENOMEM;
	let offset = args.offset;
	if (args.uobj === null) {
		offset = 0;
	} else if (offset === UVM_UNKNOWN_OFFSET) {
		KASSERT(UVM_OBJ_IS_KERN_OBJECT(args.uobj), "uvm_map: unknown offset of a user object");
		offset = args.start - k.uvm.kernel_map!.min_offset;
	}
	let etype = args.uobj !== null ? UVM_ET_OBJ : 0;
	if ((args.flags & UVM_FLAG_COPYONW) !== 0) {
		etype |= UVM_ET_COPYONWRITE;
		if ((args.flags & UVM_FLAG_OVERLAY) === 0) etype |= UVM_ET_NEEDSCOPY;
	}
	if ((args.flags & UVM_FLAG_GROWSDOWN) !== 0) etype |= UVM_ET_GROWSDOWN;
	if ((args.flags & UVM_FLAG_NOMERGE) === 0 && k.uvm.policy.mapmerge) {
		const back = merge_back(k, map, after, args, offset, etype);
		const forward = merge_forward(k, map, after, args, offset, etype, back);
		if (back || forward) return 0;
	}
	return enter_new(k, map, after, args, offset, etype);
}

/**
 * Could `entry` be part of one entry with the new range, as far as attributes go?
 * => DEVIATION (D18): NetBSD of 2002 compares nothing of etype, later (UVM_ET_ISCOMPATIBLE) all of
 *    it. But an entry with an amap of its own needs no copy any more, nor does what is added to the
 *    amap.
 */
function iscompatible(entry: vm_map_entry, args: uvm_map_args, etype: number): boolean {
	return (
		entry.uvm_obj === args.uobj &&
		entry.etype === (entry.amap === null ? etype : etype & ~UVM_ET_NEEDSCOPY) &&
		entry.protection === args.prot &&
		entry.max_protection === args.maxprot &&
		entry.inheritance === args.inherit &&
		entry.advice === args.advice &&
		entry.wired_count === 0
	);
}

/** One entry refers to the object where two did, or were to. => not the last reference. */
function merged_reference(uobj: uvm_object | null): void {
	if (uobj !== null && uobj.uo_refs > 1) uobj.uo_refs--;
}

/** Extend the entry before, if the new range continues it in all respects. */
function merge_back(
	k: Kernel,
	map: vm_map,
	prev: vm_map_entry,
	args: uvm_map_args,
	offset: voff_t,
	etype: number,
): boolean {
	if (prev === map.header || prev.end !== args.start || !iscompatible(prev, args, etype)) {
		return false;
	}
	if (args.uobj !== null && prev.offset + (prev.end - prev.start) !== offset) return false;
	if (prev.amap !== null) {
		if (prev.amap.am_ref !== 1) return false;
		if (!amap_extend(k, prev, args.size, AMAP_EXTEND_FORWARDS)) return false;
	}
	merged_reference(args.uobj);
	prev.end += args.size;
	map.size += args.size;
	uvm_map_entry_moved(map, prev);
	return true;
}

/**
 * Extend the entry behind to the front, if it continues the new range; or, if that is a part of the
 * entry before already (`back`), make one entry of both.
 * => two amaps cannot become one, so two entries that have them stay two.
 */
function merge_forward(
	k: Kernel,
	map: vm_map,
	prev: vm_map_entry,
	args: uvm_map_args,
	offset: voff_t,
	etype: number,
	back: boolean,
): boolean {
	const { next } = prev;
	const end = args.start + args.size;
	if (next === map.header || next.start !== end || !iscompatible(next, args, etype)) return false;
	if (args.uobj !== null && next.offset !== offset + args.size) return false;
	if (next.amap !== null) {
		if (next.amap.am_ref !== 1 || (back && prev.amap !== null)) return false;
		const more = end - (back ? prev.start : args.start);
		if (!amap_extend(k, next, more, AMAP_EXTEND_BACKWARDS)) return false;
	} else if (back && prev.amap !== null) {
		if (!amap_extend(k, prev, next.end - next.start, AMAP_EXTEND_FORWARDS)) return false;
	}
	merged_reference(args.uobj);
	if (back) {
		uvm_map_entry_unlink(map, next);
		prev.end = next.end;
		if (next.amap !== null) {
			prev.amap = next.amap;
			prev.pageoff = next.pageoff;
			prev.etype = next.etype;
		}
		uvm_mapent_free(k, next);
	} else {
		next.start = args.start;
		if (args.uobj !== null) next.offset = offset;
		map.size += args.size;
	}
	uvm_map_entry_moved(map, prev);
	return true;
}

/**
 * Make an entry one with its neighbours, if they are alike (2005).
 * => map locked; the entry has no amap and is not wired. true: it is freed.
 */
export function uvm_mapent_trymerge(k: Kernel, map: vm_map, entry: vm_map_entry): boolean {
	KASSERT(entry.amap === null, "uvm_mapent_trymerge: two amaps cannot be merged");
	if (!k.uvm.policy.mapmerge) return false;
	const { prev, etype, offset } = entry;
	const size = entry.end - entry.start;
	const args: uvm_map_args = {
		start: entry.start,
		size,
		uobj: entry.uvm_obj,
		offset,
		prot: entry.protection,
		maxprot: entry.max_protection,
		inherit: entry.inheritance,
		advice: entry.advice,
		flags: 0,
	};
	uvm_map_entry_unlink(map, entry);
	map.size -= size;
	const back = merge_back(k, map, prev, args, offset, etype);
	const forward = merge_forward(k, map, prev, args, offset, etype, back);
	if (back || forward) {
		uvm_mapent_free(k, entry);
		return true;
	}
	uvm_map_entry_link(map, prev, entry);
	map.size += size;
	return false;
}

function enter_new(
	k: Kernel,
	map: vm_map,
	after: vm_map_entry,
	args: uvm_map_args,
	offset: voff_t,
	etype: number,
): Errno {
	const entry = uvm_mapent_alloc(k, map, args.start, args.start + args.size);
	if (entry === null) return ENOMEM;
	if ((args.flags & UVM_FLAG_OVERLAY) !== 0) {
		const amap = amap_alloc(k, atop(args.size));
		if (amap === null) {
			uvm_mapent_free(k, entry);
			return ENOMEM;
		}
		entry.amap = amap;
	}
	entry.uvm_obj = args.uobj;
	entry.offset = offset;
	entry.etype = etype;
	entry.protection = args.prot;
	entry.max_protection = args.maxprot;
	entry.inheritance = args.inherit;
	entry.advice = args.advice;
	uvm_map_entry_link(map, after, entry);
	map.size += args.size;
	return 0;
}

/** Cost of removing one page from an address space, in cycles. */
const UNMAP_PAGE_CYCLES = 20;

/**
 * Remove every mapping in [start, end) from the map.
 *
 * => map locked, never sleeps. Wired ranges are unwired.
 * => the first of the entries with references to drop, linked by `next` up to the header, to be
 *    given to uvm_unmap_detach with the map unlocked; the header if there is none; null if an entry
 *    that had to be split could not be. Others may be free already.
 * => all page table entries are gone and fenced when it returns; only then may references drop.
 */
export function uvm_unmap_remove(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
): vm_map_entry | null {
	let entry = uvm_map_lookup_entry(map, start);
	if (entry_contains(map, entry, start)) {
		if (!uvm_map_clip_start(k, map, entry, start)) return null;
	} else {
		entry = entry.next;
	}
	const last = uvm_map_lookup_entry(map, end - 1);
	if (entry_contains(map, last, end - 1) && !uvm_map_clip_end(k, map, last, end)) return null;
	let first = map.header;
	let before = map.header;
	const all = entry.prev === map.header && map.header.prev.start < end;
	const resident = pmap_resident_count(k, map.pmap);
	// While all are in the tree, the pages of a wired entry are looked up there.
	const now = !all || pmap_wired_count(k, map.pmap) === 0;
	while (entry !== map.header && entry.start < end) {
		const next = entry.next;
		if (entry.wired_count > 0) {
			uvm_fault_unwire_locked(k, map, entry.start, entry.end);
			entry.wired_count = 0;
		}
		if ((map.flags & VM_MAP_INTRSAFE) !== 0) {
			pmap_kremove(k, entry.start, entry.end - entry.start);
		} else {
			if (pmap_resident_count(k, map.pmap) > 0) pmap_remove(k, map.pmap, entry.start, entry.end);
			if (entry.uvm_obj !== null && UVM_OBJ_IS_KERN_OBJECT(entry.uvm_obj)) {
				pmap_update(k, map.pmap);
				const min = k.uvm.kernel_map!.min_offset;
				uvm_km_pgremove(k, entry.uvm_obj, entry.start - min, entry.end - min);
			}
		}
		if (!all) uvm_map_entry_unlink(map, entry);
		map.size -= entry.end - entry.start;
		if (now && entry.amap === null && entry.uvm_obj === null) {
			uvm_mapent_free(k, entry);
		} else {
			if (first === map.header) first = entry;
			else before.next = entry;
			before = entry;
		}
		entry = next;
	}
	if (all) uvm_map_entry_unlink_all(map);
	pmap_update(k, map.pmap);
	k.port.charge((resident - pmap_resident_count(k, map.pmap)) * UNMAP_PAGE_CYCLES);
	if (first !== map.header) before.next = map.header;
	return first;
}

/**
 * Drop the references of entries that `map` had, from `first` up to its header. => nothing locked;
 * may sleep.
 * => AMAP_REFALL in `flags`: they are those of uvm_map_extract with UVM_EXTRACT_QREF.
 */
export function* uvm_unmap_detach(
	k: Kernel,
	map: vm_map,
	first: vm_map_entry,
	flags = 0,
): Sleeps<void> {
	let entry = uvm_unmap_detach_nosleep(k, map, first, flags);
	while (entry !== map.header) {
		const { next } = entry;
		yield* pagerops(k, entry.uvm_obj!).pgo_detach(k, entry.uvm_obj!);
		uvm_mapent_free(k, entry);
		entry = uvm_unmap_detach_nosleep(k, map, next, flags);
	}
}

/**
 * The same as far as it does not sleep. => the header; or the entry whose object has to be detached
 * from next, the last reference to it.
 */
export function uvm_unmap_detach_nosleep(
	k: Kernel,
	map: vm_map,
	first: vm_map_entry,
	flags = 0,
): vm_map_entry {
	let entry = first;
	while (entry !== map.header) {
		const { amap, uvm_obj: uobj, next } = entry;
		if (amap !== null) {
			amap_unref(k, amap, entry.pageoff, atop(entry.end - entry.start), flags);
			entry.amap = null;
		}
		if (uobj !== null && !uvm_obj_unref(k, uobj)) return entry;
		uvm_mapent_free(k, entry);
		entry = next;
	}
	return entry;
}

/** Remove a range. => map unlocked; may sleep. ENOMEM if an entry could not be split. */
export function* uvm_unmap(k: Kernel, map: vm_map, start: vaddr_t, end: vaddr_t): Sleeps<Errno> {
	if (!vm_map_lock_try(k, map)) yield* vm_map_lock(k, map);
	const dead = uvm_unmap_remove(k, map, start, end);
	vm_map_unlock(k, map);
	if (dead === null) return ENOMEM;
	const rest = uvm_unmap_detach_nosleep(k, map, dead);
	if (rest !== map.header) yield* uvm_unmap_detach(k, map, rest);
	return 0;
}

/** Attach `submap` to the blank entry that is exactly [start, end). => map locked. */
export function uvm_map_submap(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
	submap: vm_map,
): Errno {
	const entry = uvm_map_lookup_entry(map, start);
	if (!entry_contains(map, entry, start)) return EINVAL;
	if (!uvm_map_clip_start(k, map, entry, start) || !uvm_map_clip_end(k, map, entry, end)) {
		return ENOMEM;
	}
	const blank =
		entry.start === start &&
		entry.end === end &&
		entry.uvm_obj === null &&
		entry.amap === null &&
		entry.sub_map === null;
	if (!blank) return EINVAL;
	entry.etype = UVM_ET_SUBMAP;
	entry.sub_map = submap;
	submap.ref_count++;
	return 0;
}

/** The address space of a process. */
export interface vmspace {
	readonly vm_map: vm_map;
	vm_refcnt: number;
	/** The heap: [vm_daddr, vm_break), grown by brk. */
	vm_daddr: vaddr_t;
	vm_break: vaddr_t;
}

/** Address spaces that are kept when they are not in use. */
const VMSPACE_FREE_MAX = 64;

/** An empty address space. => null if memory is short. Never sleeps. */
export function uvmspace_alloc(k: Kernel, min: vaddr_t, max: vaddr_t): vmspace | null {
	if (!pool_get(k, k.uvm.vmspace_pool)) return null;
	const pm = pmap_create(k);
	if (pm === null) {
		pool_put(k.uvm.vmspace_pool);
		return null;
	}
	const vm = k.uvm.vmspace_free.pop();
	if (vm === undefined) {
		const vm_map = uvm_map_setup(pm, min, max, VM_MAP_PAGEABLE);
		return { vm_map, vm_refcnt: 1, vm_daddr: 0, vm_break: 0 };
	}
	uvm_map_setup_again(vm.vm_map, pm, min, max, VM_MAP_PAGEABLE);
	vm.vm_refcnt = 1;
	vm.vm_daddr = 0;
	vm.vm_break = 0;
	return vm;
}

/** Drop a reference; the last one unmaps everything. => nothing locked; may sleep. */
export function* uvmspace_free(k: Kernel, vm: vmspace): Sleeps<void> {
	const rest = uvmspace_free_nosleep(k, vm);
	if (rest !== null) yield* rest;
}

/** The same as far as it does not sleep. => null; or the rest of it. */
export function uvmspace_free_nosleep(k: Kernel, vm: vmspace): Sleeps<void> | null {
	if (--vm.vm_refcnt > 0) return null;
	const map = vm.vm_map;
	if (map.nentries > 0) {
		if (!vm_map_lock_try(k, map)) return uvmspace_free_rest(k, vm, null);
		const rest = uvm_unmap_detach_nosleep(k, map, uvm_unmap_all(k, map));
		if (rest !== map.header) return uvmspace_free_rest(k, vm, rest);
	}
	uvmspace_done(k, vm);
	return null;
}

/** => `dead`: the entries that are left to detach from; null: all have to be unmapped first. */
function* uvmspace_free_rest(k: Kernel, vm: vmspace, dead: vm_map_entry | null): Sleeps<void> {
	const map = vm.vm_map;
	let rest = dead;
	if (rest === null) {
		yield* vm_map_lock(k, map);
		rest = uvm_unmap_all(k, map);
	}
	yield* uvm_unmap_detach(k, map, rest);
	uvmspace_done(k, vm);
}

/** Remove all mappings, and unlock the map. => as uvm_unmap_remove. */
function uvm_unmap_all(k: Kernel, map: vm_map): vm_map_entry {
	const dead = uvm_unmap_remove(k, map, map.min_offset, map.max_offset);
	vm_map_unlock(k, map);
	KASSERT(dead !== null, "uvmspace_free: the whole map needs no split");
	return dead!;
}

/** Nothing is mapped, and nothing refers to it: the address space is used again. */
function uvmspace_done(k: Kernel, vm: vmspace): void {
	const map = vm.vm_map;
	KASSERT(map.nentries === 0 && map.size === 0, "uvmspace_free: entries left");
	pmap_destroy(k, map.pmap);
	pool_put(k.uvm.vmspace_pool);
	if (k.uvm.vmspace_free.length < VMSPACE_FREE_MAX) k.uvm.vmspace_free.push(vm);
}
