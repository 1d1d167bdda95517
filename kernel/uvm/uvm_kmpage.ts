/**
 * Port of sys/uvm/uvm_km.c (2000): pages of the kernel object and of pools, in their own file
 * because uvm_map.ts imports it.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1987, 1990 Carnegie-Mellon University.
 * All rights reserved. See NOTICE for the conditions.
 */
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import type { Kernel } from "../kernel.ts";
import { UVM_PGA_USERESERVE } from "./uvm_extern.ts";
import type { uvm_object, voff_t } from "./uvm_object.ts";
import {
	PG_BUSY,
	PG_FAKE,
	PG_RELEASED,
	uvm_pagealloc,
	uvm_pagefree,
	uvm_pagelookup,
	type vm_page,
} from "./uvm_page.ts";

/**
 * Free the kernel object's pages in [start, end); a busy one is freed when it is un-busied.
 * => object unlocked; mappings are gone. Never sleeps.
 */
export function uvm_km_pgremove(k: Kernel, uobj: uvm_object, start: voff_t, end: voff_t): void {
	simple_lock(k, uobj.vmobjlock);
	simple_lock(k, k.uvm.pageqlock);
	for (let off = start; off < end; off += PAGE_SIZE) {
		const pg = uvm_pagelookup(k, uobj, off);
		if (pg === null) continue;
		if ((pg.flags & PG_BUSY) !== 0) pg.flags |= PG_RELEASED;
		else uvm_pagefree(k, pg);
	}
	simple_unlock(k, k.uvm.pageqlock);
	simple_unlock(k, uobj.vmobjlock);
}

/**
 * The part of memory that pools may take, so that programs keep room to run. DEVIATION (D12):
 * NetBSD's kmem_map has a quarter of memory (nkmempages), without page table pages and, until 2004,
 * anons; here anons are in a pool, and with much swap they alone may take that.
 */
const POOL_SHARE = 1 / 2;

/**
 * A page for a pool, as where all of memory is mapped (PMAP_MAP_POOLPAGE): without owner, on no
 * queue, contents unknown.
 * => never sleeps; null if memory is short, or pools have their share of it. The kernel's reserve
 *    may be used.
 */
export function uvm_km_alloc_poolpage(k: Kernel): vm_page | null {
	const e = k.uvmexp;
	if (e.poolpages >= e.npages * POOL_SHARE && k.curlwp !== k.uvm.pagedaemon) return null;
	const pg = uvm_pagealloc(k, null, 0, null, UVM_PGA_USERESERVE);
	if (pg === null) return null;
	pg.flags &= ~(PG_BUSY | PG_FAKE);
	e.poolpages++;
	return pg;
}

/** Free it. => never sleeps. */
export function uvm_km_free_poolpage(k: Kernel, pg: vm_page): void {
	simple_lock(k, k.uvm.pageqlock);
	uvm_pagefree(k, pg);
	k.uvmexp.poolpages--;
	simple_unlock(k, k.uvm.pageqlock);
}
