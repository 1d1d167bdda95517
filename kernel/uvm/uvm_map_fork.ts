/**
 * Port of sys/uvm/uvm_map.c (2000-2002), third part: uvmspace_fork and uvmspace_addref.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1987, 1990 Carnegie-Mellon University.
 * All rights reserved. See NOTICE for the conditions.
 */

import { pmap_protect, pmap_resident_count, pmap_update } from "../../pmap/pmap.ts";
import { ENOMEM, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import { atop, VM_PROT_ALL, VM_PROT_WRITE, type vaddr_t } from "../../sys/vmparam.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { AMAP_SHARED, amap_copy, amap_ref } from "./uvm_amap.ts";
import { amap_cow_now } from "./uvm_amap_cow.ts";
import {
	UVM_ET_COPYONWRITE,
	UVM_ET_NEEDSCOPY,
	UVM_ET_ONFAULT,
	UVM_INH_COPY,
	UVM_INH_NONE,
	UVM_INH_SHARE,
	UVM_INH_ZERO,
} from "./uvm_extern.ts";
import { uvmspace_alloc, uvmspace_free, type vmspace } from "./uvm_map.ts";
import {
	uvm_map_append_done,
	uvm_map_entry_append,
	uvm_mapent_clone,
	type vm_map,
	type vm_map_entry,
	vm_map_lock,
	vm_map_lock_try,
	vm_map_unlock,
} from "./uvm_map_entry.ts";
import { pagerops } from "./uvm_object.ts";
import { uvm_reclaimable, uvm_wait } from "./uvm_wait.ts";

/** Cost of a fork, and of each entry and each mapped page, in cycles. */
const FORK_CYCLES = 5000;
const ENTRY_CYCLES = 300;
const PAGE_CYCLES = 10;

/** How often to ask for an address space that is refused although pages are free. */
const REFUSALS_MAX = 16;

/**
 * An empty address space, where uvmspace_alloc has just found no memory.
 * => sleeps while memory is short; null if none can become free.
 */
export function* uvmspace_alloc_wait(
	k: Kernel,
	min: vaddr_t,
	max: vaddr_t,
): Sleeps<vmspace | null> {
	for (let refusals = 0; ; ) {
		if (!uvm_reclaimable(k)) return null;
		if (k.uvmexp.free > k.uvmexp.reserve_kernel && ++refusals > REFUSALS_MAX) return null;
		yield* uvm_wait(k, "vmspace");
		const vm = uvmspace_alloc(k, min, max);
		if (vm !== null) return vm;
	}
}

/**
 * A copy of an address space, entry by entry as their inheritance says.
 *
 * => nothing locked. Sleeps: for the map, and for memory if a part is wired.
 * => null: out of memory; nothing is left of the child.
 */
export function* uvmspace_fork(k: Kernel, parent: vmspace): Sleeps<vmspace | null> {
	const child = uvmspace_fork_nosleep(k, parent);
	return child !== null && "next" in child ? yield* child : child;
}

/** The same as far as it does not sleep. => as that; or the rest of it. */
export function uvmspace_fork_nosleep(
	k: Kernel,
	parent: vmspace,
): vmspace | null | Sleeps<vmspace | null> {
	const old = parent.vm_map;
	const child = uvmspace_alloc(k, old.min_offset, old.max_offset);
	if (child === null || !vm_map_lock_try(k, old)) return fork_wait(k, parent, child);
	fork_begin(k, parent, child);
	const e = fork_entries(k, old, child.vm_map, old.header.next);
	if (e !== old.header) return fork_rest(k, old, child, e);
	fork_end(k, old, child);
	return child;
}

/** The same from its beginning. => `fresh`: an empty address space, or null: there was none. */
function* fork_wait(k: Kernel, parent: vmspace, fresh: vmspace | null): Sleeps<vmspace | null> {
	const old = parent.vm_map;
	const child = fresh ?? (yield* uvmspace_alloc_wait(k, old.min_offset, old.max_offset));
	if (child === null) return null;
	if (!vm_map_lock_try(k, old)) yield* vm_map_lock(k, old);
	fork_begin(k, parent, child);
	const e = fork_entries(k, old, child.vm_map, old.header.next);
	return yield* fork_rest(k, old, child, e);
}

/** The rest of it, from an entry on that fork_entries has returned. */
function* fork_rest(
	k: Kernel,
	old: vm_map,
	child: vmspace,
	first: vm_map_entry,
): Sleeps<vmspace | null> {
	let e = first;
	// Of any other entry, memory is short.
	while (e !== old.header && fork_copies(e)) {
		let error = fork_entry(k, old, child.vm_map, e);
		if (error === 0) error = yield* amap_cow_now(k, child.vm_map.header.prev);
		if (error !== 0) break;
		e = fork_entries(k, old, child.vm_map, e.next);
	}
	fork_end(k, old, child);
	if (e === old.header) return child;
	yield* uvmspace_free(k, child);
	return null;
}

/** => the parent's map locked. */
function fork_begin(k: Kernel, parent: vmspace, child: vmspace): void {
	const old = parent.vm_map;
	child.vm_daddr = parent.vm_daddr;
	child.vm_break = parent.vm_break;
	child.vm_map.maxsaddr = old.maxsaddr;
	// Write-protecting what the parent has is most of the work.
	const resident = pmap_resident_count(k, old.pmap);
	k.port.charge(FORK_CYCLES + old.nentries * ENTRY_CYCLES + resident * PAGE_CYCLES);
}

/** => the parent's map locked; unlocked on return. */
function fork_end(k: Kernel, old: vm_map, child: vmspace): void {
	uvm_map_append_done(child.vm_map);
	pmap_update(k, old.pmap);
	vm_map_unlock(k, old);
}

/** Is what a child inherits of an entry copied page by page at once, as it is wired? */
const fork_copies = (e: vm_map_entry): boolean =>
	e.inheritance === UVM_INH_COPY && e.wired_count > 0 && e.amap !== null;

/**
 * Copy the entries from `first` on. => the header; an entry that fork_copies, from which the caller
 * goes on; or the first that memory is short for. Never sleeps.
 */
function fork_entries(k: Kernel, old: vm_map, map: vm_map, first: vm_map_entry): vm_map_entry {
	let e = first;
	while (e !== old.header && !fork_copies(e) && fork_entry(k, old, map, e) === 0) e = e.next;
	return e;
}

/** Copy one entry. => never sleeps */
function fork_entry(k: Kernel, old: vm_map, map: vm_map, e: vm_map_entry): Errno {
	KASSERT(e.sub_map === null, "uvmspace_fork: submap in a process");
	if (e.inheritance === UVM_INH_SHARE) return fork_share(k, map, e);
	if (e.inheritance === UVM_INH_ZERO) return fork_zero(k, map, e);
	if (e.inheritance === UVM_INH_COPY) return fork_copy(k, old, map, e);
	KASSERT(e.inheritance === UVM_INH_NONE, "uvmspace_fork: no such inheritance");
	return 0;
}

/** Append an entry to `map`, like `entry` but not wired; null if none can be allocated. */
function append_entry(k: Kernel, map: vm_map, entry: vm_map_entry): vm_map_entry | null {
	const fresh = uvm_mapent_clone(k, map, entry);
	if (fresh === null) return null;
	fresh.wired_count = 0;
	fresh.etype &= ~UVM_ET_ONFAULT;
	uvm_map_entry_append(map, fresh);
	map.size += fresh.end - fresh.start;
	return fresh;
}

/** The child sees the same memory. => the parent's map locked; never sleeps. */
function fork_share(k: Kernel, map: vm_map, entry: vm_map_entry): Errno {
	// Resolve a pending copy first, or both sides would make one.
	if ((entry.etype & UVM_ET_NEEDSCOPY) !== 0 && !amap_copy(k, entry)) return ENOMEM;
	if (append_entry(k, map, entry) === null) return ENOMEM;
	if (entry.amap !== null) {
		amap_ref(k, entry.amap, entry.pageoff, atop(entry.end - entry.start), AMAP_SHARED);
	}
	if (entry.uvm_obj !== null) pagerops(k, entry.uvm_obj).pgo_reference(k, entry.uvm_obj);
	return 0;
}

/** The child gets zero-fill memory. => never sleeps. */
function fork_zero(k: Kernel, map: vm_map, entry: vm_map_entry): Errno {
	const fresh = append_entry(k, map, entry);
	if (fresh === null) return ENOMEM;
	fresh.uvm_obj = null;
	fresh.amap = null;
	fresh.offset = 0;
	fresh.pageoff = 0;
	fresh.etype = UVM_ET_COPYONWRITE | UVM_ET_NEEDSCOPY;
	return 0;
}

/**
 * The child gets a copy, made page by page when parent or child writes.
 * => the parent's map locked. Never sleeps: the caller copies the pages of a wired entry, which now
 *    has an amap of its own.
 */
function fork_copy(k: Kernel, old: vm_map, map: vm_map, entry: vm_map_entry): Errno {
	const fresh = append_entry(k, map, entry);
	if (fresh === null) return ENOMEM;
	if (entry.amap !== null) {
		amap_ref(k, entry.amap, entry.pageoff, atop(entry.end - entry.start), 0);
	}
	if (entry.uvm_obj !== null) pagerops(k, entry.uvm_obj).pgo_reference(k, entry.uvm_obj);
	fresh.etype |= UVM_ET_COPYONWRITE | UVM_ET_NEEDSCOPY;
	if (entry.amap === null) return 0;
	if ((entry.amap.am_flags & AMAP_SHARED) !== 0 || entry.wired_count > 0) {
		// The parent will write to these anons, or must not fault on them.
		return amap_copy(k, fresh) ? 0 : ENOMEM;
	}
	if ((entry.etype & UVM_ET_NEEDSCOPY) === 0) {
		// No mapping has more rights than its entry, so this takes the right to write alone.
		pmap_protect(k, old.pmap, entry.start, entry.end, VM_PROT_ALL & ~VM_PROT_WRITE);
		entry.etype |= UVM_ET_NEEDSCOPY;
	}
	return 0;
}

/** One more user of an address space (vfork). */
export function uvmspace_addref(vm: vmspace): void {
	KASSERT(vm.vm_refcnt > 0, "uvmspace_addref: address space is gone");
	vm.vm_refcnt++;
}
