/**
 * Port of sys/uvm/uvm_fault.c (2000): uvm_fault_unwire_locked, in its own file because uvm_map.ts
 * imports it.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 */

import { pmap_extract_wired, pmap_unwire } from "../../pmap/pmap.ts";
import { KASSERT } from "../../sys/panic.ts";
import { atop, PAGE_SIZE, type vaddr_t } from "../../sys/vmparam.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import type { Kernel } from "../kernel.ts";
import { amap_lookup } from "./uvm_amap.ts";
import {
	entry_contains,
	uvm_map_lookup_entry,
	type vm_map,
	type vm_map_entry,
} from "./uvm_map_entry.ts";
import { PHYS_TO_VM_PAGE, uvm_pagelookup, uvm_pageunwire, type vm_page } from "./uvm_page.ts";

/**
 * Unwire the pages of [start, end); holes are skipped.
 *
 * => map locked. Never sleeps.
 * => a page is unwired if its mapping is: the page's own count may be another entry's. DEVIATION
 *    (D37): a mapping stays wired when mprotect takes all rights (see pmap_protect); in NetBSD the
 *    page of such a range is wired for ever.
 */
export function uvm_fault_unwire_locked(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
): void {
	simple_lock(k, k.uvm.pageqlock);
	for (let va = start; va < end; va += PAGE_SIZE) {
		const pa = pmap_extract_wired(k, map.pmap, va);
		if (pa < 0) continue;
		const entry = uvm_map_lookup_entry(map, va);
		KASSERT(entry_contains(map, entry, va), "uvm_fault_unwire: mapping outside of any entry");
		pmap_unwire(k, map.pmap, va);
		const pg = PHYS_TO_VM_PAGE(k, pa);
		if (pg !== null) uvm_pageunwire(k, pg);
	}
	simple_unlock(k, k.uvm.pageqlock);
}

/** The page that an access to `va` would find resident, or null. => map locked. */
export function entry_page(k: Kernel, entry: vm_map_entry, va: vaddr_t): vm_page | null {
	const off = va - entry.start;
	const anon = entry.amap === null ? null : amap_lookup(entry.amap, entry.pageoff + atop(off));
	if (anon !== null) return anon.an_page;
	return entry.uvm_obj === null ? null : uvm_pagelookup(k, entry.uvm_obj, entry.offset + off);
}
