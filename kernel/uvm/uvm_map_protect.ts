/**
 * Port of sys/uvm/uvm_map.c (2000-2002), a part in its own file because it wires: uvm_map_protect.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1987, 1990 Carnegie-Mellon University.
 * All rights reserved. See NOTICE for the conditions.
 */

import { pmap_protect, pmap_update } from "../../pmap/pmap.ts";
import { EACCES, EFAULT, EINVAL, ENOMEM, type Errno } from "../../sys/errno.ts";
import {
	VM_PROT_EXECUTE,
	VM_PROT_NONE,
	VM_PROT_WRITE,
	type vaddr_t,
	type vm_prot_t,
} from "../../sys/vmparam.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { UVM_ET_COPYONWRITE } from "./uvm_extern.ts";
import {
	entry_contains,
	uvm_map_clip_end,
	uvm_map_clip_start,
	uvm_map_lookup_entry,
	VM_MAP_ONFAULT,
	VM_MAP_WIREFUTURE,
	type vm_map,
	type vm_map_entry,
	vm_map_lock,
	vm_map_unlock,
} from "./uvm_map_entry.ts";
import { wire_entries, wiring_allowed } from "./uvm_map_wire.ts";
import { uvn_markexec } from "./uvm_vnode.ts";

/** Does every page of a range allow `prot`? => map locked, or nobody sleeps. */
export function uvm_map_checkprot(
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
	prot: vm_prot_t,
): boolean {
	let entry = uvm_map_lookup_entry(map, start);
	if (!entry_contains(map, entry, start)) return false;
	for (let va = start; va < end; entry = entry.next) {
		if (entry === map.header || entry.start > va) return false;
		if ((entry.protection & prot) !== prot) return false;
		va = entry.end;
	}
	return true;
}

/**
 * Change the protection of a range. After mlockall(MCL_FUTURE) memory that allowed no access, and
 * now allows some, is wired. A file that may now be executed counts as a program.
 *
 * => map unlocked. Sleeps for its lock, and to bring in pages that are to be wired.
 * => EFAULT if nothing or a submap is in the range, EACCES beyond max_protection. ENOMEM if an
 *    entry could not be split; then a part of the range is changed. ENOMEM too, or the error of a
 *    fault, if the range could not be wired: the protection is changed then. More than `limit`
 *    bytes, or than a third of memory, are never wired.
 */
export function* uvm_map_protect(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
	prot: vm_prot_t,
	limit: number = Number.POSITIVE_INFINITY,
): Sleeps<Errno> {
	yield* vm_map_lock(k, map);
	const wire: vm_map_entry[] = [];
	const error = map_protect_locked(k, map, start, end, prot, wire);
	pmap_update(k, map.pmap);
	if (wire.length === 0) {
		vm_map_unlock(k, map);
		return error;
	}
	const onfault = (map.flags & VM_MAP_ONFAULT) !== 0;
	if (!wiring_allowed(k, map, wire, onfault, limit)) {
		vm_map_unlock(k, map);
		return ENOMEM;
	}
	const failed = yield* wire_entries(k, map, wire, onfault);
	return error !== 0 ? error : failed;
}

/** => map locked; never sleeps. Entries that are to be wired now are appended to `wire`. */
function map_protect_locked(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
	prot: vm_prot_t,
	wire: vm_map_entry[],
): Errno {
	let entry = uvm_map_lookup_entry(map, start);
	if (!entry_contains(map, entry, start)) return EFAULT;
	for (let e = entry, va = start; va < end; va = e.end, e = e.next) {
		if (e === map.header || e.start > va) return EFAULT;
		if (e.sub_map !== null) return EINVAL;
		if ((prot & ~e.max_protection) !== 0) return EACCES;
	}
	if (!uvm_map_clip_start(k, map, entry, start)) return ENOMEM;
	for (; entry !== map.header && entry.start < end; entry = entry.next) {
		if (!uvm_map_clip_end(k, map, entry, end)) return ENOMEM;
		if (entry.protection === prot) continue;
		const future = (map.flags & VM_MAP_WIREFUTURE) !== 0 && entry.wired_count === 0;
		if (future && entry.protection === VM_PROT_NONE) wire.push(entry);
		entry.protection = prot;
		// Each entry by its own copy-on-write bit: a fault must decide about the first write.
		const cow = (entry.etype & UVM_ET_COPYONWRITE) !== 0;
		pmap_protect(k, map.pmap, entry.start, entry.end, cow ? prot & ~VM_PROT_WRITE : prot);
		if (entry.uvm_obj !== null && (prot & VM_PROT_EXECUTE) !== 0) uvn_markexec(k, entry.uvm_obj);
	}
	return 0;
}
