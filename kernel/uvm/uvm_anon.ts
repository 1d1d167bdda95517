/**
 * Port of sys/uvm/uvm_anon.c (2001): one page of anonymous memory.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 */

import { pmap_page_protect } from "../../pmap/pmap.ts";
import { KASSERT } from "../../sys/panic.ts";
import { VM_PROT_NONE } from "../../sys/vmparam.ts";
import { simple_lock, simple_unlock, type simplelock } from "../kern/core/kern_lock.ts";
import { wakeup } from "../kern/core/kern_synch.ts";
import { pool_get, pool_put } from "../kern/core/subr_pool.ts";
import type { Kernel } from "../kernel.ts";
import { PG_BUSY, PG_RELEASED, PG_WANTED, uvm_pagefree, type vm_page } from "./uvm_page.ts";
import { SWSLOT_NONE, type SwapSlot, uvm_swap_free, uvm_swpgonly_add } from "./uvm_swap.ts";

/** An anon is a lock, too: NetBSD's an_lock, which protects all of it. */
export interface vm_anon extends simplelock {
	/** Amap slots that refer to it. */
	an_ref: number;
	/** Its page if resident. */
	an_page: vm_page | null;
	/** Where its contents are in swap: a slot, SWSLOT_NONE, or SWSLOT_BAD. */
	an_swslot: SwapSlot;
	/** Its name in records of pages that are not in memory (uvm_clockpro_nres.ts); 0: none. */
	an_id: number;
}

/** Free anons that are kept: those of a process of 64 MiB. */
const ANON_FREE_MAX = 16_384;

/** => reference count 1, no page, no slot, unlocked; null if the pool is empty. Never sleeps. */
export function uvm_analloc(k: Kernel): vm_anon | null {
	if (!pool_get(k, k.uvm.anon_pool)) return null;
	k.uvmexp.nanon++;
	const anon = k.uvm.anon_free.pop();
	if (anon === undefined) {
		return { locked: false, an_ref: 1, an_page: null, an_swslot: SWSLOT_NONE, an_id: 0 };
	}
	anon.an_ref = 1;
	return anon;
}

/**
 * Free an anon that nothing refers to, with its page and slot.
 *
 * => reference count 0, unlocked. Never sleeps.
 * => if its page is busy, the page becomes PG_RELEASED, and the thread that un-busies it calls
 *    uvm_anon_release.
 */
export function uvm_anfree(k: Kernel, anon: vm_anon): void {
	KASSERT(anon.an_ref === 0, "uvm_anfree: still referred to");
	KASSERT(!anon.locked, "uvm_anfree: locked");
	const pg = anon.an_page;
	if (pg !== null) {
		pmap_page_protect(k, pg, VM_PROT_NONE);
		if ((pg.flags & PG_BUSY) !== 0) {
			pg.flags |= PG_RELEASED;
			return;
		}
		simple_lock(k, k.uvm.pageqlock);
		uvm_pagefree(k, pg);
		simple_unlock(k, k.uvm.pageqlock);
		uvm_anon_dropswap(k, anon);
	} else {
		if (anon.an_swslot > 0) uvm_swpgonly_add(k, -1);
		uvm_anon_dropswap(k, anon);
	}
	if (anon.an_id !== 0) k.uvm.pdpolicy.queues!.anfree(k, anon);
	k.uvmexp.nanon--;
	pool_put(k.uvm.anon_pool);
	// It has no page and no slot.
	if (k.uvm.anon_free.length < ANON_FREE_MAX) k.uvm.anon_free.push(anon);
}

/**
 * Finish uvm_anfree for an anon whose page was busy.
 * => the caller owns the page, which is PG_BUSY|PG_RELEASED.
 */
export function uvm_anon_release(k: Kernel, anon: vm_anon): void {
	const pg = anon.an_page;
	KASSERT(pg !== null && (pg.flags & PG_RELEASED) !== 0, "uvm_anon_release: page not released");
	if ((pg.flags & PG_WANTED) !== 0) wakeup(k, pg);
	pg.flags &= ~(PG_BUSY | PG_WANTED | PG_RELEASED);
	uvm_anfree(k, anon);
}

/** Give up the slot of a resident anon. => anon locked, or not visible to others. */
export function uvm_anon_dropswap(k: Kernel, anon: vm_anon): void {
	if (anon.an_swslot !== SWSLOT_NONE) uvm_swap_free(k, anon.an_swslot, 1);
	anon.an_swslot = SWSLOT_NONE;
}
