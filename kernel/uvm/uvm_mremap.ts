/**
 * mremap: make a mapping shorter, longer, or move it. In place of sys/uvm/uvm_mremap.c, with
 * Linux's semantics and another method: the entries themselves are moved.
 */

import { pmap_remove, pmap_update } from "../../pmap/pmap.ts";
import { EAGAIN, EFAULT, EINVAL, ENOMEM, type Errno } from "../../sys/errno.ts";
import { VM_DEFAULT_ADDRESS, type vaddr_t } from "../../sys/vmparam.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { AMAP_SHARED } from "./uvm_amap.ts";
import {
	UVM_ET_COPYONWRITE,
	UVM_ET_NEEDSCOPY,
	UVM_ET_ONFAULT,
	UVM_FLAG_COPYONW,
	UVM_FLAG_FIXED,
} from "./uvm_extern.ts";
import { uvm_map_args, uvm_map_enter, uvm_unmap_detach, uvm_unmap_remove } from "./uvm_map.ts";
import {
	uvm_map_entry_link,
	uvm_map_entry_unlink,
	uvm_map_findspace,
	uvm_map_lookup_entry,
	type vm_map,
	type vm_map_entry,
	vm_map_lock,
	vm_map_unlock,
} from "./uvm_map_entry.ts";
import { clip_range, range_entries } from "./uvm_map_wire.ts";
import { pagerops } from "./uvm_object.ts";

/**
 * Change the size of the mapping [start, start + oldsize) to `newsize`, moving it if there is no
 * room behind it.
 *
 * => sizes are multiples of the page size, not 0. Map unlocked; sleeps.
 * => `to`: the address where it must go; what is there is unmapped first; null: stay, or with
 *    `maymove` go anywhere.
 * => the new address, or -errno: EFAULT: no mapping, or more than one; EAGAIN: a part is wired;
 *    ENOMEM: no room.
 */
export function* uvm_mremap(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	oldsize: number,
	newsize: number,
	maymove: boolean,
	to: vaddr_t | null,
): Sleeps<number> {
	yield* vm_map_lock(k, map);
	const dead: vm_map_entry[] = [];
	const result = mremap_locked(k, map, start, oldsize, newsize, maymove, to, dead);
	pmap_update(k, map.pmap);
	vm_map_unlock(k, map);
	yield* uvm_unmap_detach(k, dead);
	return result;
}

function mremap_locked(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	oldsize: number,
	newsize: number,
	maymove: boolean,
	to: vaddr_t | null,
	dead: vm_map_entry[],
): number {
	const entries = mapping(map, start, start + oldsize);
	if (entries === null) return -EFAULT;
	const wired = entries.some((e) => e.wired_count > 0);
	if (wired && (to !== null || newsize > oldsize)) return -EAGAIN;
	if (newsize < oldsize || to !== null) {
		const cut = mremap_cut(k, map, start, oldsize, newsize, to, dead);
		if (cut !== 0) return -cut;
	}
	const size = Math.min(oldsize, newsize);
	if (to === null && (size === newsize || grow(k, map, start, size, newsize) === 0)) return start;
	if (to === null && !maymove) return -ENOMEM;
	const place = to ?? find_place(map, start, newsize);
	if (place === null) return -ENOMEM;
	const moved = move(k, map, start, size, place);
	if (moved !== 0) return -moved;
	const grown = size === newsize ? 0 : grow(k, map, place, size, newsize);
	if (grown === 0) return place;
	// Undo the move. That needs no new entry, so it cannot fail.
	move(k, map, place, size, start);
	return -grown;
}

/**
 * The entries of a range that the program sees as one mapping; faults, forks and wiring may have
 * split it.
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

/** Unmap what is beyond the new size, and what is at the destination. */
function mremap_cut(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	oldsize: number,
	newsize: number,
	to: vaddr_t | null,
	dead: vm_map_entry[],
): Errno {
	if (to !== null && to < start + oldsize && start < to + newsize) return EINVAL;
	const ranges: [vaddr_t, vaddr_t][] = [];
	if (newsize < oldsize) ranges.push([start + newsize, start + oldsize]);
	if (to !== null) ranges.push([to, to + newsize]);
	for (const [from, end] of ranges) {
		const removed = uvm_unmap_remove(k, map, from, end);
		if (removed === null) return ENOMEM;
		dead.push(...removed);
	}
	return 0;
}

/** Room for `size` bytes above the mapping, or else anywhere. */
function find_place(map: vm_map, start: vaddr_t, size: number): vaddr_t | null {
	const above = uvm_map_findspace(map, start, size, false);
	return (above ?? uvm_map_findspace(map, VM_DEFAULT_ADDRESS, size, false))?.start ?? null;
}

/** Extend a mapping. => map locked; never sleeps. */
function grow(k: Kernel, map: vm_map, start: vaddr_t, size: number, newsize: number): Errno {
	const entry = uvm_map_lookup_entry(map, start + size - 1);
	const shared = entry.amap !== null && (entry.amap.am_flags & AMAP_SHARED) !== 0;
	const cow = (entry.etype & UVM_ET_COPYONWRITE) !== 0;
	// Shared memory without an object cannot be extended in all maps that share it.
	if (entry.uvm_obj === null && (shared || !cow)) return ENOMEM;
	const args = uvm_map_args(start + size, newsize - size);
	args.prot = entry.protection;
	args.maxprot = entry.max_protection;
	args.inherit = entry.inheritance;
	args.advice = entry.advice;
	args.flags = UVM_FLAG_FIXED | (cow ? UVM_FLAG_COPYONW : 0);
	args.uobj = entry.uvm_obj;
	args.offset = entry.offset + (start + size - entry.start);
	if (args.uobj !== null) pagerops(k, args.uobj).pgo_reference(k, args.uobj);
	const error = uvm_map_enter(k, map, args);
	// The mapping itself has a reference, so this is not the last one.
	if (error !== 0 && args.uobj !== null) args.uobj.uo_refs--;
	return error;
}

/** Move [start, start + size), a mapping, to a free place. => map locked; never sleeps. */
function move(k: Kernel, map: vm_map, start: vaddr_t, size: number, to: vaddr_t): Errno {
	const entries = range_entries(map, start, start + size)!;
	if (!clip_range(k, map, entries, start, start + size)) return ENOMEM;
	pmap_remove(k, map.pmap, start, start + size);
	for (const entry of entries) uvm_map_entry_unlink(map, entry);
	for (const entry of entries) {
		entry.start += to - start;
		entry.end += to - start;
		uvm_map_entry_link(map, uvm_map_lookup_entry(map, entry.start), entry);
	}
	return 0;
}
