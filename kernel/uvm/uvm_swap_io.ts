/**
 * Port of sys/uvm/uvm_swap.c (2000-2003), transfers: uvm_swap_get, uvm_swap_put, uvm_swap_io.
 *
 * Copyright (c) 1995, 1996, 1997 Matthew R. Green.
 * All rights reserved. See NOTICE for the conditions.
 */
import { EAGAIN, EIO, ENOMEM, type Errno } from "../../sys/errno.ts";
import { KASSERT, panic } from "../../sys/panic.ts";
import { PAGE_SIZE, ptoa } from "../../sys/vmparam.ts";
import { type buf, buf_init } from "../dev/buf.ts";
import { bdev_strategy } from "../dev/conf.ts";
import { biowait, getiobuf, nestiobuf_setup, putiobuf } from "../dev/vfs_bio.ts";
import { UVMHIST_LOG } from "../kern/core/kern_history.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { PGO_PENDING, PGO_SYNCIO } from "./uvm_object.ts";
import type { vm_page } from "./uvm_page.ts";
import { uvm_pagermapin, uvm_pagermapout } from "./uvm_pagermap.ts";
import {
	SWSLOT_BAD,
	type SwapSlot,
	type swapdev,
	swapdrum_getsdp,
	uvm_swap_sector,
	uvm_swpgonly_add,
} from "./uvm_swap.ts";

/**
 * Read one page from swap.
 *
 * => the page is PG_BUSY; its owner is unlocked. Sleeps.
 * => 0: contents valid, PG_CLEAN set; the slot is kept and no longer counted in swpgonly.
 * => EIO: the slot could not be read. ENOMEM, EAGAIN: for lack of resources, try again.
 */
export function* uvm_swap_get(
	k: Kernel,
	pg: vm_page,
	slot: SwapSlot,
	flags: number,
): Sleeps<Errno> {
	KASSERT((flags & PGO_SYNCIO) !== 0, "uvm_swap_get: only synchronous");
	if (slot === SWSLOT_BAD) return EIO;
	k.uvmexp.pageins++;
	k.pagingwork = true;
	const error = yield* uvm_swap_io(k, [pg], slot, true, flags, []);
	if (error !== 0) return error;
	uvm_swpgonly_add(k, -1);
	k.uvmexp.pgswapin++;
	return 0;
}

/**
 * Write pages to consecutive slots.
 *
 * => all pages PG_BUSY, owners unlocked. With PGO_SYNCIO it sleeps until the data is written.
 * => 0, an errno, or PGO_PENDING: uvm_aio_aiodone takes over the pages.
 * => EIO: the pages whose indices are in `failed` could not be written; the others were.
 */
export function* uvm_swap_put(
	k: Kernel,
	slot: SwapSlot,
	pps: vm_page[],
	npages: number,
	flags: number,
	failed: number[],
): Sleeps<Errno> {
	k.pagingwork = true;
	const error = yield* uvm_swap_io(k, pps.slice(0, npages), slot, false, flags, failed);
	if (error === 0 || error === PGO_PENDING) k.uvmexp.pgswapout += npages;
	return error;
}

/** Map pages, hand them to the driver, and (synchronously) wait. => `failed` as uvm_swap_put. */
function* uvm_swap_io(
	k: Kernel,
	pps: vm_page[],
	startslot: SwapSlot,
	read: boolean,
	flags: number,
	failed: number[],
): Sleeps<Errno> {
	const npages = pps.length;
	const sdp = slot_device(k, startslot);
	const sync = (flags & PGO_SYNCIO) !== 0;
	const kva = yield* uvm_pagermapin(k, pps, npages, { waitok: true, read });
	if (kva === 0) return EAGAIN;
	if (!getiobuf(k)) {
		uvm_pagermapout(k, kva, npages);
		return ENOMEM;
	}
	const blkno = uvm_swap_sector(sdp, startslot);
	const bp = buf_init(sdp.swd_dev, read, blkno, ptoa(npages), kva);
	bp.b_pages = pps;
	bp.b_slot = startslot;
	if (!sync) bp.b_iodone = "uvm_aio_biodone";
	if (k.uvmhist !== null) {
		UVMHIST_LOG(
			k,
			"uvm_swap_io",
			read ? "read slot, npages" : "write slot, npages",
			startslot,
			npages,
		);
	}
	bdev_strategy(k, bp);
	if (!sync) return PGO_PENDING;
	yield* biowait(k, bp);
	while (!read && uvm_swap_again(k, bp)) yield* biowait(k, bp);
	putiobuf(k);
	uvm_pagermapout(k, kva, npages);
	if (bp.b_error !== 0) failed.push(...uvm_swap_failed(bp));
	return bp.b_error;
}

function slot_device(k: Kernel, slot: SwapSlot): swapdev {
	const sdp = swapdrum_getsdp(k, slot);
	if (sdp === null) panic("uvm_swap_io: slot on no device");
	return sdp;
}

/**
 * Write the pages of a cluster one by one after the cluster could not be written, so that a bad
 * sector costs one page and not sixteen. DEVIATION (D50): NetBSD gives up the whole cluster.
 *
 * => the write `bp` is done; never sleeps.
 * => true: it is under way again, and uvm_swap_failed will tell what became of each page.
 */
export function uvm_swap_again(k: Kernel, bp: buf): boolean {
	const n = bp.b_pages.length;
	if (bp.b_error === 0 || n === 1 || bp.b_failed.length > 0) return false;
	k.uvm.swapstats.splits++;
	bp.b_error = 0;
	bp.b_done = false;
	bp.b_pending = n;
	const sdp = slot_device(k, bp.b_slot);
	for (let i = 0; i < n; i++) {
		const blkno = uvm_swap_sector(sdp, bp.b_slot + i);
		bdev_strategy(k, nestiobuf_setup(bp, i, sdp.swd_dev, blkno, ptoa(i), PAGE_SIZE));
	}
	return true;
}

/** The indices of the pages that the write `bp`, which is done, could not write. */
export function uvm_swap_failed(bp: buf): number[] {
	if (bp.b_error === 0) return [];
	return bp.b_failed.length > 0 ? bp.b_failed : [...bp.b_pages.keys()];
}
