/**
 * Port of sys/uvm/uvm_amap.c (2000-2006): amap_cow_now, in its own file because it waits for
 * memory, and that code imports the amaps.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 */
import { EIO, ENOMEM, type Errno } from "../../sys/errno.ts";
import { atop } from "../../sys/vmparam.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import {
	amap_add,
	amap_lock,
	amap_lookup,
	amap_unlock,
	amap_used,
	type vm_amap,
} from "./uvm_amap.ts";
import { uvm_analloc, uvm_anfree, type vm_anon } from "./uvm_anon.ts";
import { uvmfault_anonget } from "./uvm_fault.ts";
import type { vm_map_entry } from "./uvm_map_entry.ts";
import { PG_BUSY, PG_FAKE, uvm_pageactivate, uvm_pagealloc, uvm_pagecopy } from "./uvm_page.ts";
import { uvm_reclaimable, uvm_wait } from "./uvm_wait.ts";

/**
 * Give an entry its own copy of every shared anon. For the child of a process with wired memory,
 * whose pages must not become copy-on-write.
 *
 * => the amap has no other entry, and the map is not in use yet. Sleeps.
 * => 0; ENOMEM: out of memory and swap; EIO: contents that could not be read. What was copied
 *    stays.
 * => after each sleep the walk starts again: anons may have changed, and copies may have been paged
 *    out, which is no reason to copy again.
 */
export function* amap_cow_now(k: Kernel, entry: vm_map_entry): Sleeps<Errno> {
	const amap = entry.amap!;
	for (;;) {
		amap_lock(k, amap);
		const slot = first_shared(amap, entry);
		if (slot < 0) {
			amap_unlock(k, amap);
			return 0;
		}
		const anon = amap_lookup(amap, slot)!;
		const pg = anon.an_page;
		if (pg === null || (pg.flags & PG_BUSY) !== 0) {
			amap_unlock(k, amap);
			const error = yield* uvmfault_anonget(k, anon);
			if (error !== 0) return error === ENOMEM ? ENOMEM : EIO;
			continue;
		}
		const copied = copy_anon(k, amap, slot, anon);
		amap_unlock(k, amap);
		if (copied) continue;
		if (!uvm_reclaimable(k)) return ENOMEM;
		yield* uvm_wait(k, "cownowpage");
	}
}

/** The first slot of the entry whose anon is shared, or -1. => amap locked. */
function first_shared(amap: vm_amap, entry: vm_map_entry): number {
	const slots = amap_used(amap, entry.pageoff, atop(entry.end - entry.start));
	return slots.find((slot) => amap_lookup(amap, slot)!.an_ref > 1) ?? -1;
}

/** Replace an anon by a copy. => amap locked; the anon is resident. false: no memory. */
function copy_anon(k: Kernel, amap: vm_amap, slot: number, anon: vm_anon): boolean {
	const copy = uvm_analloc(k);
	if (copy === null) return false;
	const npg = uvm_pagealloc(k, null, 0, copy, 0);
	if (npg === null) {
		copy.an_ref = 0;
		uvm_anfree(k, copy);
		return false;
	}
	simple_lock(k, anon);
	uvm_pagecopy(k, anon.an_page!, npg);
	npg.flags &= ~(PG_BUSY | PG_FAKE);
	amap_add(k, amap, slot, copy, true);
	anon.an_ref--;
	simple_unlock(k, anon);
	simple_lock(k, k.uvm.pageqlock);
	uvm_pageactivate(k, npg);
	simple_unlock(k, k.uvm.pageqlock);
	k.uvmexp.fltcownow++;
	return true;
}
