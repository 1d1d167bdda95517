/**
 * Port of sys/uvm/uvm_fault.c (2000): uvm_fault_unwire_locked, apart because uvm_map.ts stands on
 * it while the rest of the fault code stands on uvm_map_entry.ts.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 */
import { KASSERT } from "../../pmap/panic.ts";
import { pmap_extract, pmap_unwire } from "../../pmap/pmap.ts";
import { PAGE_SIZE, type vaddr_t } from "../../pmap/vmparam.ts";
import { simple_lock, simple_unlock } from "../kern/kern_lock.ts";
import type { Kernel } from "../kernel.ts";
import { entry_contains, uvm_map_lookup_entry, type vm_map } from "./uvm_map_entry.ts";
import { PHYS_TO_VM_PAGE, uvm_pageunwire } from "./uvm_page.ts";

/**
 * Unwire the pages of [start, end), mapping by mapping; holes are passed over.
 * => map locked. Never sleeps.
 */
export function uvm_fault_unwire_locked(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
): void {
	simple_lock(k, k.uvm.pageqlock);
	for (let va = start; va < end; va += PAGE_SIZE) {
		const pa = pmap_extract(k, map.pmap, va);
		if (pa < 0) continue;
		const entry = uvm_map_lookup_entry(map, va);
		KASSERT(entry_contains(map, entry, va), "uvm_fault_unwire: mapping outside of any entry");
		if (entry.wired_count <= 1) pmap_unwire(k, map.pmap, va);
		const pg = PHYS_TO_VM_PAGE(k, pa);
		if (pg !== null && pg.wire_count > 0) uvm_pageunwire(k, pg);
	}
	simple_unlock(k, k.uvm.pageqlock);
}
