/**
 * Port of sys/uvm/uvm_map.c (2000-2002), fourth part: wiring. uvm_map_pageable and
 * uvm_map_pageable_all.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1987, 1990 Carnegie-Mellon University.
 * All rights reserved. See NOTICE for the conditions.
 */

import { pmap_update } from "../../pmap/pmap.ts";
import { EFAULT, EINVAL, ENOMEM, type Errno } from "../../sys/errno.ts";
import { atop, VM_PROT_NONE, type vaddr_t } from "../../sys/vmparam.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { amap_copy } from "./uvm_amap.ts";
import { UVM_ET_NEEDSCOPY, UVM_ET_ONFAULT } from "./uvm_extern.ts";
import { uvm_fault_wire } from "./uvm_fault.ts";
import {
	entry_contains,
	uvm_map_clip_end,
	uvm_map_clip_start,
	uvm_map_lookup_entry,
	uvm_map_wired_size,
	VM_MAP_ONFAULT,
	VM_MAP_WIREFUTURE,
	type vm_map,
	vm_map_downgrade,
	type vm_map_entry,
	vm_map_lock,
	vm_map_unlock,
	vm_map_unlock_read,
} from "./uvm_map_entry.ts";
import { uvm_fault_unwire_locked } from "./uvm_unwire.ts";

/** Unwire an entry. => map locked for writing. */
function uvm_map_entry_unwire(k: Kernel, map: vm_map, entry: vm_map_entry): void {
	entry.wired_count = 0;
	entry.etype &= ~UVM_ET_ONFAULT;
	uvm_fault_unwire_locked(k, map, entry.start, entry.end);
}

/** The entries of a range without holes, or null. => map locked; the ends are not clipped. */
export function range_entries(map: vm_map, start: vaddr_t, end: vaddr_t): vm_map_entry[] | null {
	const found: vm_map_entry[] = [];
	let entry = uvm_map_lookup_entry(map, start);
	if (!entry_contains(map, entry, start)) return null;
	for (let va = start; va < end; entry = entry.next) {
		if (entry === map.header || entry.start > va) return null;
		found.push(entry);
		va = entry.end;
	}
	return found;
}

/** Clip the entries of a range to its ends. => false: no memory. */
export function clip_range(
	k: Kernel,
	map: vm_map,
	entries: readonly vm_map_entry[],
	start: vaddr_t,
	end: vaddr_t,
): boolean {
	if (!uvm_map_clip_start(k, map, entries[0]!, start)) return false;
	return uvm_map_clip_end(k, map, entries[entries.length - 1]!, end);
}

/**
 * Make a range pageable again (munlock).
 *
 * => map unlocked; may sleep for its lock.
 * => EFAULT: a hole in the range; ENOMEM. DEVIATION (D24): entries that are not wired are left
 *    alone, as POSIX requires; NetBSD returns EINVAL.
 */
export function* uvm_map_unwire(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
): Sleeps<Errno> {
	yield* vm_map_lock(k, map);
	const entries = range_entries(map, start, end);
	let error: Errno = 0;
	if (entries === null) error = EFAULT;
	else if (!clip_range(k, map, entries, start, end)) error = ENOMEM;
	else for (const e of entries) if (e.wired_count > 0) uvm_map_entry_unwire(k, map, e);
	pmap_update(k, map.pmap);
	vm_map_unlock(k, map);
	return error;
}

/**
 * Wire a range (mlock): its pages are made resident and stay. With `onfault` (MLOCK_ONFAULT) those
 * stay that are mapped, and others when they are touched.
 *
 * => map unlocked. Sleeps: for memory, and to bring in the pages.
 * => EFAULT: a hole in the range; EINVAL: a part that allows no access, unless `onfault`; ENOMEM;
 *    or the error of a fault. After an error no entry is wired that was not before.
 */
export function* uvm_map_wire(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
	onfault = false,
): Sleeps<Errno> {
	yield* vm_map_lock(k, map);
	const entries = range_entries(map, start, end);
	let error: Errno = 0;
	if (entries === null) error = EFAULT;
	else if (!onfault && entries.some((e) => e.protection === VM_PROT_NONE)) error = EINVAL;
	else if (!clip_range(k, map, entries, start, end)) error = ENOMEM;
	if (error !== 0) {
		vm_map_unlock(k, map);
		return error;
	}
	return yield* wire_entries(k, map, entries!, onfault);
}

/** Will wiring an entry, also one that is wired already, bring pages in or find some mapped? */
const wiring_acts = (e: vm_map_entry, onfault: boolean): boolean =>
	e.wired_count === 0 || (!onfault && (e.etype & UVM_ET_ONFAULT) !== 0);

/**
 * Wire entries, each once more. => map locked for writing; unlocked on return.
 * => the map stays locked for reading meanwhile, so that its entries do not change.
 * => an error leaves the entries as they were; of those that were wired on fault some pages more
 *    may be wired.
 */
export function* wire_entries(
	k: Kernel,
	map: vm_map,
	entries: readonly vm_map_entry[],
	onfault: boolean,
): Sleeps<Errno> {
	for (const e of entries) {
		if (!wiring_acts(e, onfault) || (e.etype & UVM_ET_NEEDSCOPY) === 0) continue;
		// Memory that was never touched gets its amap by the fault, in chunks.
		if (onfault && e.amap === null && e.uvm_obj === null) continue;
		// Copy now: the wired page must be the one that a store will use.
		if (!amap_copy(k, e)) {
			vm_map_unlock(k, map);
			return ENOMEM;
		}
	}
	const fresh = entries.filter((e) => e.wired_count === 0);
	const completed = entries.filter((e) => e.wired_count > 0 && wiring_acts(e, onfault));
	for (const e of entries) e.wired_count++;
	if (onfault) for (const e of fresh) e.etype |= UVM_ET_ONFAULT;
	vm_map_downgrade(k, map);
	let error: Errno = 0;
	for (const e of [...fresh, ...completed]) {
		// Nothing is mapped in an entry that allows no access.
		// DEVIATION (D48): NetBSD asks for max_protection, and so copies what is never stored to.
		if (e.protection === VM_PROT_NONE) continue;
		error = yield* uvm_fault_wire(k, map, e.start, e.end, e.protection, onfault);
		if (error !== 0) break;
	}
	vm_map_unlock_read(k, map);
	if (error === 0) {
		for (const e of completed) e.etype &= ~UVM_ET_ONFAULT;
		return 0;
	}
	yield* vm_map_lock(k, map);
	// DEVIATION (D25): NetBSD's uvm_map_pageable_all inverts the test of which ones were wired.
	for (const e of entries) e.wired_count--;
	for (const e of fresh) uvm_map_entry_unwire(k, map, e);
	pmap_update(k, map.pmap);
	vm_map_unlock(k, map);
	return error;
}

export const MCL_CURRENT = 1;
export const MCL_FUTURE = 2;
export const MCL_ONFAULT = 4;

/**
 * Wire a whole map (mlockall), or make it pageable with `flags` 0 (munlockall).
 *
 * => map unlocked; sleeps as uvm_map_wire.
 * => MCL_CURRENT: what is mapped now; MCL_FUTURE: what will be mapped; MCL_ONFAULT with either: as
 *    uvm_map_wire with `onfault`. Entries that allow no access are not wired.
 * => ENOMEM: more than `limit` bytes, or more than a third of memory; or the error of a fault.
 */
export function* uvm_map_pageable_all(
	k: Kernel,
	map: vm_map,
	flags: number,
	limit: number,
): Sleeps<Errno> {
	const onfault = (flags & MCL_ONFAULT) !== 0;
	if ((flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) !== 0 || flags === MCL_ONFAULT) {
		return EINVAL;
	}
	yield* vm_map_lock(k, map);
	if (flags === 0) {
		map.flags &= ~(VM_MAP_WIREFUTURE | VM_MAP_ONFAULT);
		for (let e = map.header.next; e !== map.header; e = e.next) {
			if (e.wired_count > 0) uvm_map_entry_unwire(k, map, e);
		}
		pmap_update(k, map.pmap);
		vm_map_unlock(k, map);
		return 0;
	}
	if ((flags & MCL_CURRENT) === 0) {
		wire_future(map, onfault);
		vm_map_unlock(k, map);
		return 0;
	}
	const entries: vm_map_entry[] = [];
	for (let e = map.header.next; e !== map.header; e = e.next) {
		if (e.protection !== VM_PROT_NONE && wiring_acts(e, onfault)) entries.push(e);
	}
	if (!wiring_allowed(k, map, entries, onfault, limit)) {
		vm_map_unlock(k, map);
		return ENOMEM;
	}
	const error = yield* wire_entries(k, map, entries, onfault);
	// DEVIATION (D26): NetBSD wires later mappings although the call has failed.
	if (error === 0 && (flags & MCL_FUTURE) !== 0) wire_future(map, onfault);
	return error;
}

/**
 * May entries be wired: not more than `limit` bytes of the map, nor than a third of memory? What is
 * wired on fault is held to the latter then (fault_enter).
 */
export function wiring_allowed(
	k: Kernel,
	map: vm_map,
	entries: readonly vm_map_entry[],
	onfault: boolean,
	limit: number,
): boolean {
	const size = (some: readonly vm_map_entry[]): number =>
		some.reduce((sum, e) => sum + e.end - e.start, 0);
	const fresh = size(entries.filter((e) => e.wired_count === 0));
	if (fresh + uvm_map_wired_size(map) > limit) return false;
	return onfault || atop(size(entries)) + k.uvmexp.wired <= k.uvmexp.wiredmax;
}

function wire_future(map: vm_map, onfault: boolean): void {
	map.flags |= VM_MAP_WIREFUTURE;
	if (onfault) map.flags |= VM_MAP_ONFAULT;
	else map.flags &= ~VM_MAP_ONFAULT;
}
