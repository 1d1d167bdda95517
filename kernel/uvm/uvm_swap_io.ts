/**
 * Port of sys/uvm/uvm_swap.c (2000-2003), transfers: uvm_swap_get, uvm_swap_put, uvm_swap_io.
 *
 * Copyright (c) 1995, 1996, 1997 Matthew R. Green.
 * All rights reserved. See NOTICE for the conditions.
 */
import { EIO, ENOMEM, type Errno, EWOULDBLOCK } from "../../sys/errno.ts";
import { KASSERT, panic } from "../../sys/panic.ts";
import { ptoa } from "../../sys/vmparam.ts";
import { type buf, buf_setup } from "../dev/buf.ts";
import { bdev_name, bdev_strategy } from "../dev/conf.ts";
import { biowait, getiobuf, nestiobuf_setup, putiobuf } from "../dev/vfs_bio.ts";
import { UVMHIST_LOG } from "../kern/core/kern_history.ts";
import { type Sleeps, sleep_enter } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { PGO_PENDING, PGO_SYNCIO } from "./uvm_object.ts";
import type { vm_page } from "./uvm_page.ts";
import { uvm_pagermap_wait, uvm_pagermapin_nosleep, uvm_pagermapout } from "./uvm_pagermap.ts";
import {
	SWSLOT_BAD,
	type SwapSlot,
	type swapdev,
	swapdrum_getsdp,
	uvm_swap_disk,
	uvm_swap_iscurrent,
	uvm_swap_sector,
	uvm_swap_setcurrent,
	uvm_swpgonly_add,
} from "./uvm_swap.ts";
import { uvm_swap_cksum_right, uvm_swap_cksum_set } from "./uvm_swap_cksum.ts";

/**
 * Read one page from swap.
 *
 * => the page is PG_BUSY; its owner is unlocked. Sleeps.
 * => 0: contents valid, PG_CLEAN set; the slot is kept and no longer counted in swpgonly.
 * => EIO: the slot could not be read. ENOMEM: for lack of resources, try again.
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
	const error = uvm_swap_isplain(k, slot)
		? yield* uvm_swap_io(k, [pg], slot, READ_COPY[0]!, flags, null)
		: yield* swap_read(k, slot_device(k, slot), pg, slot, flags);
	if (error === 0) swap_got(k, pg, slot);
	return error;
}

/** uvm_swap_get for pages of consecutive slots, in one transfer. => the slots are plain */
export function* uvm_swap_getpages(
	k: Kernel,
	pps: readonly vm_page[],
	slot: SwapSlot,
): Sleeps<Errno> {
	k.uvmexp.pageins++;
	k.pagingwork = true;
	const error = yield* uvm_swap_io(k, pps, slot, READ_COPY[0]!, PGO_SYNCIO, null);
	if (error === 0) for (const [i, pg] of pps.entries()) swap_got(k, pg, slot + i);
	return error;
}

/** Whether a slot has one copy, without a checksum: reading it is one transfer. */
export function uvm_swap_isplain(k: Kernel, slot: SwapSlot): boolean {
	const sdp = slot_device(k, slot);
	return sdp.swd_mirror === null && sdp.swd_sums === 0;
}

/**
 * uvm_swap_get without a generator: start the transfer, for uvm_swap_getdone when it is done.
 *
 * => the slot is plain and not bad. `pps` is the page alone; the caller's again after the end.
 * => EWOULDBLOCK: pager_map is full; uvm_swap_getwait goes on from there. ENOMEM: as uvm_swap_get.
 */
export function uvm_swap_getstart(k: Kernel, pps: readonly vm_page[], slot: SwapSlot): buf | Errno {
	k.uvmexp.pageins++;
	k.pagingwork = true;
	return swap_io_start(k, pps, pps.length, slot, READ_COPY[0]!, PGO_SYNCIO);
}

/** => as uvm_swap_get; the transfer is done. */
export function uvm_swap_getdone(k: Kernel, pg: vm_page, slot: SwapSlot, bp: buf): Errno {
	const error = swap_io_end(k, bp);
	if (error === 0) swap_got(k, pg, slot);
	return error;
}

/** => as uvm_swap_get; uvm_swap_getstart has just returned EWOULDBLOCK. */
export function* uvm_swap_getwait(k: Kernel, pg: vm_page, slot: SwapSlot): Sleeps<Errno> {
	yield* uvm_pagermap_wait(k);
	const error = yield* uvm_swap_io(k, [pg], slot, READ_COPY[0]!, PGO_SYNCIO, null);
	if (error === 0) swap_got(k, pg, slot);
	return error;
}

/** A page has been read. */
function swap_got(k: Kernel, pg: vm_page, slot: SwapSlot): void {
	k.watch.shadow?.swapin(k, slot, pg);
	uvm_swpgonly_add(k, -1);
	k.uvmexp.pgswapin++;
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
	put_prepare(k, slot, pps, npages);
	const pages = npages === pps.length ? pps : pps.slice(0, npages);
	const error = yield* uvm_swap_io(k, pages, slot, COPY_ALL, flags, failed);
	if (error === 0 || error === PGO_PENDING) k.uvmexp.pgswapout += npages;
	return error;
}

/** What is noted of pages before they are written. */
function put_prepare(k: Kernel, slot: SwapSlot, pps: readonly vm_page[], npages: number): void {
	k.pagingwork = true;
	uvm_swap_cksum_set(k, slot_device(k, slot), slot, pps, npages);
	k.watch.shadow?.swapout(k, slot, pps.slice(0, npages));
}

/**
 * uvm_swap_put without PGO_SYNCIO, nor a generator. => as that, and `pps` is the caller's again.
 * => EWOULDBLOCK: pager_map is full; uvm_swap_putwait goes on from there.
 */
export function uvm_swap_putstart(
	k: Kernel,
	slot: SwapSlot,
	pps: readonly vm_page[],
	npages: number,
): Errno {
	put_prepare(k, slot, pps, npages);
	const bp = swap_io_start(k, pps, npages, slot, COPY_ALL, 0);
	if (typeof bp === "number") return bp;
	k.uvmexp.pgswapout += npages;
	return PGO_PENDING;
}

/** => as uvm_swap_put; uvm_swap_putstart has just returned EWOULDBLOCK for these pages. */
export function* uvm_swap_putwait(
	k: Kernel,
	slot: SwapSlot,
	pps: readonly vm_page[],
): Sleeps<Errno> {
	yield* uvm_pagermap_wait(k);
	const error = yield* uvm_swap_io(k, pps, slot, COPY_ALL, 0, null);
	if (error === PGO_PENDING) k.uvmexp.pgswapout += pps.length;
	return error;
}

/** What uvm_swap_io transfers: all copies are written, or copy 0 or 1 is read or written. */
const COPY_ALL = -1;
type transfer = typeof COPY_ALL | { readonly read: boolean; readonly copy: number };
const READ_COPY: readonly transfer[] = [0, 1].map((copy) => ({ read: true, copy }));
const WRITE_COPY: readonly transfer[] = [0, 1].map((copy) => ({ read: false, copy }));

/**
 * Read a page from a copy of its slot that is as it was written, and put others right.
 * DEVIATION (D52): NetBSD has no copies here; ccd and raidframe have them below swap.
 * => as uvm_swap_get.
 */
function* swap_read(
	k: Kernel,
	sdp: swapdev,
	pg: vm_page,
	slot: SwapSlot,
	flags: number,
): Sleeps<Errno> {
	const copies = sdp.swd_mirror === null ? 1 : 2;
	const wrong: number[] = [];
	let error: Errno = EIO;
	for (let copy = 0; copy < copies && error === EIO; copy++) {
		if (!uvm_swap_iscurrent(sdp, slot, copy)) continue;
		error = yield* read_copy(k, pg, slot, copy, flags);
		if (error === EIO) wrong.push(copy);
		else if (copy > 0) k.uvm.swapstats.mirrorReads++;
	}
	if (error !== 0) return error;
	for (const copy of wrong) {
		const result = yield* uvm_swap_io(k, [pg], slot, WRITE_COPY[copy]!, flags, null);
		if (result === 0) k.uvm.swapstats.repairs++;
		else if (result === EIO) uvm_swap_setcurrent(sdp, slot, copy, false);
	}
	return 0;
}

/** Read a copy. => EIO also if its checksum is wrong, and when it is read again still is. */
function* read_copy(
	k: Kernel,
	pg: vm_page,
	slot: SwapSlot,
	copy: number,
	flags: number,
): Sleeps<Errno> {
	const sdp = slot_device(k, slot);
	for (let attempt = 0; attempt < 2; attempt++) {
		const error = yield* uvm_swap_io(k, [pg], slot, READ_COPY[copy]!, flags, null);
		if (error !== 0 || uvm_swap_cksum_right(k, sdp, slot, pg)) return error;
		k.uvm.swapstats.sumErrors++;
		const name = bdev_name(k, uvm_swap_disk(sdp, copy));
		const message = `${name}: swap is not what was written`;
		if (!k.msgbuf.includes(message)) k.msgbuf.push(message);
	}
	return EIO;
}

/**
 * Map pages, hand them to the driver, and (synchronously) wait.
 * => `failed` as uvm_swap_put; null unless all copies are written.
 */
function* uvm_swap_io(
	k: Kernel,
	pps: readonly vm_page[],
	startslot: SwapSlot,
	how: transfer,
	flags: number,
	failed: number[] | null,
): Sleeps<Errno> {
	let bp = swap_io_start(k, pps, pps.length, startslot, how, flags);
	while (bp === EWOULDBLOCK) {
		yield* uvm_pagermap_wait(k);
		bp = swap_io_start(k, pps, pps.length, startslot, how, flags);
	}
	if (typeof bp === "number") return bp;
	if ((flags & PGO_SYNCIO) === 0) return PGO_PENDING;
	while (!bp.b_done) {
		// As biowait, without a generator of its own.
		sleep_enter(k, bp, "biowait", 0);
		yield bp;
	}
	if (failed !== null) {
		while (uvm_swap_again(k, bp)) yield* biowait(k, bp);
		failed.push(...uvm_swap_done(k, bp));
		if (failed.length === 0) bp.b_error = 0;
	}
	return swap_io_end(k, bp);
}

/**
 * Map pages and hand them to the driver. => never sleeps. With PGO_SYNCIO the transfer refers to
 *    `pps`, which has `npages` pages.
 * => the transfer; EWOULDBLOCK: no room in pager_map, see uvm_pagermap_wait; ENOMEM: no buf.
 */
function swap_io_start(
	k: Kernel,
	pps: readonly vm_page[],
	npages: number,
	startslot: SwapSlot,
	how: transfer,
	flags: number,
): buf | Errno {
	const sdp = slot_device(k, startslot);
	const read = how !== COPY_ALL && how.read;
	const kva = uvm_pagermapin_nosleep(k, pps, npages, read);
	if (kva === 0) return EWOULDBLOCK;
	const bp = getiobuf(k);
	if (bp === null) {
		uvm_pagermapout(k, kva, npages);
		return ENOMEM;
	}
	const blkno = uvm_swap_sector(sdp, startslot);
	const disk = uvm_swap_disk(sdp, how === COPY_ALL ? 0 : how.copy);
	buf_setup(bp, disk, read, blkno, ptoa(npages), kva);
	bp.b_pages = (flags & PGO_SYNCIO) !== 0 ? pps : cluster_pages(bp, pps, npages);
	bp.b_slot = startslot;
	if ((flags & PGO_SYNCIO) === 0) bp.b_iodone = "uvm_aio_biodone";
	if (k.uvmhist !== null) {
		UVMHIST_LOG(
			k,
			"uvm_swap_io",
			read ? "read slot, npages" : "write slot, npages",
			startslot,
			npages,
		);
	}
	if (how === COPY_ALL && sdp.swd_mirror !== null) swap_start(k, bp, BOTH_COPIES, true);
	else bdev_strategy(k, bp);
	return bp;
}

/** The pages of a cluster, as the transfer's own. */
function cluster_pages(bp: buf, pps: readonly vm_page[], npages: number): readonly vm_page[] {
	if (bp.b_cluster.length !== npages) bp.b_cluster = pps.slice(0, npages);
	for (let i = 0; i < npages; i++) bp.b_cluster[i] = pps[i]!;
	return bp.b_cluster;
}

/** Give up a transfer that is done. => its error. */
function swap_io_end(k: Kernel, bp: buf): Errno {
	const { b_error: error, b_data: kva, b_pages: pgs } = bp;
	const npages = pgs.length;
	putiobuf(k, bp);
	uvm_pagermapout(k, kva, npages);
	return error;
}

function slot_device(k: Kernel, slot: SwapSlot): swapdev {
	const sdp = swapdrum_getsdp(k, slot);
	if (sdp === null) panic("uvm_swap_io: slot on no device");
	return sdp;
}

const BOTH_COPIES: readonly number[] = [0, 1];
const NO_PAGE: readonly number[] = [];

/** Names of the parts of a write: a page of a copy, and all pages of one. */
const part_of = (page: number, copy: number): number => page * 2 + copy;
const whole_of = (copy: number): number => -1 - copy;

/** Start the write `bp` in parts, for some copies: each as a whole, or each of its pages. */
function swap_start(k: Kernel, bp: buf, copies: readonly number[], whole: boolean): void {
	const sdp = slot_device(k, bp.b_slot);
	const n = whole ? 1 : bp.b_pages.length;
	const size = bp.b_bcount / n;
	bp.b_error = 0;
	bp.b_done = false;
	bp.b_failed = [];
	bp.b_pending = n * copies.length;
	for (const copy of copies) {
		const disk = uvm_swap_disk(sdp, copy);
		for (let i = 0; i < n; i++) {
			const part = whole ? whole_of(copy) : part_of(i, copy);
			const blkno = uvm_swap_sector(sdp, bp.b_slot + i);
			bdev_strategy(k, nestiobuf_setup(bp, part, disk, blkno, i * size, size));
		}
	}
}

/** The copies of which a write `bp` that was not made page by page could write nothing. */
function failed_copies(bp: buf): readonly number[] {
	if (bp.b_error === 0) return NO_PAGE;
	if (bp.b_failed.length === 0) return [0];
	return BOTH_COPIES.filter((copy) => bp.b_failed.includes(whole_of(copy)));
}

/**
 * Write the pages of a cluster one by one after the cluster could not be written, so that a bad
 * sector costs one page and not sixteen. DEVIATION (D50): NetBSD gives up the whole cluster.
 *
 * => the write `bp` is done; never sleeps.
 * => true: it is under way again.
 */
export function uvm_swap_again(k: Kernel, bp: buf): boolean {
	const copies = failed_copies(bp);
	if (copies.length === 0 || bp.b_pages.length === 1) return false;
	k.uvm.swapstats.splits += copies.length;
	swap_start(k, bp, copies, false);
	return true;
}

/**
 * What became of the write `bp`, which is done.
 * => the indices of the pages of which no copy could be written; slots know which copies are good.
 */
export function uvm_swap_done(k: Kernel, bp: buf): readonly number[] {
	const sdp = slot_device(k, bp.b_slot);
	if (bp.b_error === 0 && sdp.swd_mirror === null) return NO_PAGE;
	const copies = sdp.swd_mirror === null ? [0] : BOTH_COPIES;
	const whole = failed_copies(bp);
	return [...bp.b_pages.keys()].filter((i) => {
		const bad = copies.filter(
			(copy) => whole.includes(copy) || bp.b_failed.includes(part_of(i, copy)),
		);
		for (const copy of copies) {
			uvm_swap_setcurrent(sdp, bp.b_slot + i, copy, !bad.includes(copy));
		}
		if (bad.length > 0 && bad.length < copies.length) k.uvm.swapstats.degraded++;
		return bad.length === copies.length;
	});
}
