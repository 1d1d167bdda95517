/**
 * Port of sys/uvm/uvm_pager.c 1.1.1.1: uvm_pagermapin and uvm_pagermapout, in the form of 2001.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 *
 * I/O needs its pages at adjacent kernel addresses. pager_map hands out the addresses; the mappings
 * are kenter'd, so that they never set a page's modified bit (P8, M8).
 */

import { pmap_kenter_pa, pmap_kernel, pmap_kremove, pmap_update } from "../../pmap/pmap.ts";
import { panic } from "../../sys/panic.ts";
import { PAGE_SIZE, ptoa, VM_PROT_READ, VM_PROT_WRITE } from "../../sys/vmparam.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import { ltsleep, type Sleeps, wakeup } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { UVM_FLAG_NOMERGE, UVM_UNKNOWN_OFFSET } from "./uvm_extern.ts";
import { uvm_map_args, uvm_map_enter, uvm_unmap_remove } from "./uvm_map.ts";
import { uvm_mapent_free_all, vm_map_lock_try, vm_map_unlock } from "./uvm_map_entry.ts";
import { PG_BUSY, type vm_page } from "./uvm_page.ts";
import { uvm_pause } from "./uvm_wait.ts";

/** Size of pager_map. */
export const PAGER_MAP_SIZE = 4 * 1024 * 1024;

/** What uvm_map_enter is called with for room in pager_map. */
function pager_args(): uvm_map_args {
	const args = uvm_map_args(0, 0);
	args.flags = UVM_FLAG_NOMERGE;
	args.offset = UVM_UNKNOWN_OFFSET;
	args.prot = args.maxprot = VM_PROT_READ | VM_PROT_WRITE;
	return args;
}

export interface pagermapin_flags {
	/** Sleep until there is room; otherwise return 0. */
	readonly waitok: boolean;
	/** The device will write into the pages. */
	readonly read: boolean;
}

/**
 * Map pages at adjacent kernel addresses.
 *
 * => pages are PG_BUSY; nothing locked. Sleeps only with `waitok`.
 * => the address, or 0 if there is no room and the caller will not wait.
 * => the page daemon never waits for others' pager_map: it has a window of its own for one
 *    cluster.
 */
export function* uvm_pagermapin(
	k: Kernel,
	pps: readonly vm_page[],
	npages: number,
	{ waitok, read }: pagermapin_flags,
): Sleeps<number> {
	let kva = uvm_pagermapin_nosleep(k, pps, npages, read);
	while (kva === 0 && waitok) {
		yield* uvm_pagermap_wait(k);
		kva = uvm_pagermapin_nosleep(k, pps, npages, read);
	}
	return kva;
}

/** The same. => never sleeps; 0: uvm_pagermap_wait waits for room. */
export function uvm_pagermapin_nosleep(
	k: Kernel,
	pps: readonly vm_page[],
	npages: number,
	read: boolean,
): number {
	// DEVIATION: the buf describes the transfer; no descriptor is made here that could leak (P5).
	const kva = pagermap_alloc(k, npages);
	if (kva === 0) return 0;
	const prot = read ? VM_PROT_READ | VM_PROT_WRITE : VM_PROT_READ;
	for (let i = 0; i < npages; i++) {
		const pg = pps[i]!;
		if ((pg.flags & PG_BUSY) === 0) panic("uvm_pagermapin: page not busy");
		pmap_kenter_pa(k, kva + ptoa(i), pg.phys_addr, prot);
	}
	pmap_update(k, pmap_kernel(k));
	return kva;
}

/** Sleep until there may be room. => nothing has run since it was missing. */
export function* uvm_pagermap_wait(k: Kernel): Sleeps<void> {
	// DEVIATION: the flag is set before anything can run that might free space (P6).
	if (k.curlwp === k.uvm.pagedaemon) {
		yield* ltsleep(k, emergva_wchan(k), "emrgva", 0, null);
	} else if (k.uvm.pager_map!.nentries === 0) {
		// DEVIATION (D31): a map entry could not be allocated. The map is not in use, so no wakeup
		// would come.
		yield* uvm_pause(k, "pager_map");
	} else {
		simple_lock(k, k.uvm.pager_map_wanted_lock);
		k.uvm.pager_map_wanted = true;
		yield* ltsleep(k, k.uvm.pager_map!, "pager_map", 0, k.uvm.pager_map_wanted_lock);
	}
}

/** Wait channel for the emergency window; any object with no other sleepers will do. */
const emergva_wchan = (k: Kernel): object => k.uvm.pager_map_wanted_lock;

/** Room for `npages` in pager_map, or the page daemon's own window. => 0 if there is none. */
function pagermap_alloc(k: Kernel, npages: number): number {
	const map = k.uvm.pager_map!;
	let refused = k.failinject?.("pager_map") === true;
	for (const { h_windows } of k.uvm.holds) refused ||= map.nentries >= h_windows;
	if (!refused && vm_map_lock_try(k, map)) {
		k.uvm.pager_args ??= pager_args();
		const args = k.uvm.pager_args;
		args.start = map.min_offset;
		args.size = ptoa(npages);
		const error = uvm_map_enter(k, map, args);
		vm_map_unlock(k, map);
		if (error === 0) return args.start;
	}
	// DEVIATION: a thread with pager_map may wait for the daemon, so the daemon must not wait (P7).
	if (k.curlwp === k.uvm.pagedaemon && !k.uvm.emerginuse && npages <= k.uvm.emergpages) {
		k.uvm.emerginuse = true;
		return k.uvm.emergva;
	}
	return 0;
}

/**
 * Undo uvm_pagermapin.
 * => never sleeps: no thread sleeps with pager_map locked.
 */
export function uvm_pagermapout(k: Kernel, kva: number, npages: number): void {
	// DEVIATION: the mappings go before the addresses can be handed out again (P8).
	pmap_kremove(k, kva, npages * PAGE_SIZE);
	pmap_update(k, pmap_kernel(k));
	if (kva === k.uvm.emergva) {
		k.uvm.emerginuse = false;
		wakeup(k, emergva_wchan(k));
		return;
	}
	const map = k.uvm.pager_map!;
	if (!vm_map_lock_try(k, map)) panic("uvm_pagermapout: a thread sleeps with pager_map locked");
	// The range is one entry, so none has to be split. It refers to nothing: nothing to detach from.
	uvm_mapent_free_all(k, map, uvm_unmap_remove(k, map, kva, kva + npages * PAGE_SIZE)!);
	simple_lock(k, k.uvm.pager_map_wanted_lock);
	if (k.uvm.pager_map_wanted) {
		k.uvm.pager_map_wanted = false;
		wakeup(k, map);
	}
	simple_unlock(k, k.uvm.pager_map_wanted_lock);
	vm_map_unlock(k, map);
	wakeup(k, emergva_wchan(k));
}
