/**
 * Port of sys/uvm/uvm_swap.c (2000-2007): adding and removing swap devices. Also amap_swap_off of
 * uvm_amap.c, which only swapoff needs.
 *
 * Copyright (c) 1995, 1996, 1997 Matthew R. Green.
 * All rights reserved. See NOTICE for the conditions.
 */
import { EBUSY, EINVAL, EIO, ENOMEM, ENOSPC, ENXIO, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import { bdev_open, bdev_size, type dev_t, FREAD, FWRITE } from "../dev/conf.ts";
import type { vnode } from "../fs/vnode.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { amap_lookup, type vm_amap } from "./uvm_amap.ts";
import { uvm_anon_dropswap, type vm_anon } from "./uvm_anon.ts";
import { uao_swap_off } from "./uvm_aobj.ts";
import { uvmfault_anonget } from "./uvm_fault.ts";
import { uvm_km_free, uvm_km_zalloc } from "./uvm_km.ts";
import { PG_BUSY, PG_CLEAN, uvm_pagedeactivate } from "./uvm_page.ts";
import {
	SWAP_LABEL_PAGES,
	SWF_DEAD,
	SWF_ENABLE,
	SWF_INUSE,
	type SwapSlot,
	type swapdev,
	uvm_swap_navail,
} from "./uvm_swap.ts";
import { uvm_swap_cksum_size } from "./uvm_swap_cksum.ts";
import { swapmap_create, swapmap_set } from "./uvm_swapmap.ts";

/** A file to swap to: whole sectors, one behind the other, on the disk. */
interface swapfile {
	readonly vp: vnode;
	readonly blkno: number;
	readonly sectors: number;
}

const disk_used = (k: Kernel, dev: dev_t): boolean =>
	k.uvm.swap_list.some((sdp) => sdp.swd_dev === dev || sdp.swd_mirror === dev) ||
	k.uvm.uvn_list.some((uvn) => uvn.u_dev === dev);

/**
 * Add a device to the swap space.
 *
 * => never sleeps. Devices of lower priority values are used first, equal ones in turn.
 * => EBUSY: it is in use already. EINVAL: absent, too small or read-only. ENOSPC: the drum is full.
 *    ENOMEM: there is no memory for checksums.
 * => `mirror`: another disk, on which everything is written, too.
 */
export function swap_on(
	k: Kernel,
	path: string,
	dev: dev_t,
	priority: number,
	file: swapfile | null = null,
	mirror: dev_t | null = null,
): Errno {
	const list = k.uvm.swap_list;
	// The disk itself is refused while it is mounted; its files are for swap_on_file to judge.
	if (file === null && disk_used(k, dev)) return EBUSY;
	if (mirror !== null && (mirror === dev || disk_used(k, mirror))) return EBUSY;
	const whole = mirror === null ? bdev_size(k, dev) : mirrored_size(k, dev, mirror);
	const sectors = file === null ? whole : file.sectors;
	const pages = Math.floor((sectors * 512) / PAGE_SIZE);
	if (bdev_open(k, dev, FREAD | FWRITE) !== 0 || pages <= SWAP_LABEL_PAGES) return EINVAL;
	const npages = pages - SWAP_LABEL_PAGES;
	const drumoffset = drum_place(k, pages);
	if (drumoffset + pages > SLOT_MAX) return ENOSPC;
	const size = uvm_swap_cksum_size(pages);
	const sums = k.conf!.swapChecksum ? uvm_km_zalloc(k, k.uvm.kernel_map!, size) : 0;
	if (k.conf!.swapChecksum && sums === 0) return ENOMEM;
	const sdp: swapdev = {
		swd_dev: dev,
		swd_vp: file?.vp ?? null,
		swd_blkno: file?.blkno ?? 0,
		swd_path: path,
		swd_priority: priority,
		swd_flags: SWF_INUSE | SWF_ENABLE,
		swd_npages: npages,
		swd_npginuse: 0,
		swd_npgbad: 0,
		swd_npgheld: 0,
		swd_drumoffset: drumoffset,
		swd_drumsize: pages,
		swd_map: swapmap_create(pages),
		swd_sums: sums,
		swd_mirror: mirror,
		swd_stale: mirror === null ? [] : [0, 1].map(() => new Int32Array(Math.ceil(pages / 32))),
	};
	swapmap_set(sdp.swd_map, 0, SWAP_LABEL_PAGES);
	simple_lock(k, k.uvm.swap_data_lock);
	let at = list.findIndex((other) => other.swd_priority > priority);
	if (at < 0) at = list.length;
	list.splice(at, 0, sdp);
	k.uvmexp.nswapdev++;
	k.uvmexp.swpages += npages;
	k.uvmexp.swpgavail += npages;
	k.uvm.pdfruitless = 0;
	simple_unlock(k, k.uvm.swap_data_lock);
	return 0;
}

/** What both disks have, in sectors. => -1 if the second cannot be written. */
const mirrored_size = (k: Kernel, dev: dev_t, mirror: dev_t): number =>
	bdev_open(k, mirror, FREAD | FWRITE) !== 0
		? -1
		: Math.min(bdev_size(k, dev), bdev_size(k, mirror));

/** Slots are kept in arrays of 32-bit integers. */
const SLOT_MAX = 2 ** 31;

/** First place in the drum for `pages` slots; slot 0 stands for none. */
function drum_place(k: Kernel, pages: number): SwapSlot {
	let start = 1;
	const byDrum = [...k.uvm.swap_list].sort((a, b) => a.swd_drumoffset - b.swd_drumoffset);
	for (const sdp of byDrum) {
		if (start + pages <= sdp.swd_drumoffset) break;
		start = sdp.swd_drumoffset + sdp.swd_drumsize;
	}
	return start;
}

/**
 * Stop swapping on a device, after its contents have been paged in.
 *
 * => nothing locked. Sleeps.
 * => ENXIO: not a swap device; EBUSY: another one is being removed.
 * => ENOMEM: its contents do not fit memory; EBUSY: some of its slots are still in use. After an
 *    error the device stays in use and nothing is lost.
 */
export function* swap_off(k: Kernel, dev: dev_t, vp: vnode | null = null): Sleeps<Errno> {
	const sdp = k.uvm.swap_list.find((s) => s.swd_dev === dev && s.swd_vp === vp);
	if (sdp === undefined) return ENXIO;
	if (k.uvm.swapoff_lwp !== null) return EBUSY;
	k.uvm.swapoff_lwp = k.curlwp;
	k.uvmexp.swpgavail -= uvm_swap_navail(sdp);
	const state = sdp.swd_flags & (SWF_ENABLE | SWF_DEAD);
	sdp.swd_flags &= ~state;
	const start = sdp.swd_drumoffset;
	const end = start + sdp.swd_drumsize;
	let error: Errno = 0;
	if (yield* uao_swap_off(k, start, end)) error = ENOMEM;
	if (error === 0 && (yield* amap_swap_off(k, start, end))) error = ENOMEM;
	// A cluster on its way to the device, or an object that is being freed, still has slots.
	if (error === 0 && sdp.swd_npginuse > sdp.swd_npgbad + sdp.swd_npgheld) error = EBUSY;
	k.uvm.swapoff_lwp = null;
	k.uvm.pdfruitless = 0;
	if (error !== 0) {
		sdp.swd_flags |= state;
		k.uvmexp.swpgavail += uvm_swap_navail(sdp);
		return error;
	}
	simple_lock(k, k.uvm.swap_data_lock);
	k.uvmexp.nswapdev--;
	k.uvmexp.swpages -= sdp.swd_npages;
	k.uvmexp.swpginuse -= sdp.swd_npgbad + sdp.swd_npgheld;
	k.uvmexp.swpgbad -= sdp.swd_npgbad;
	k.uvm.swap_list.splice(k.uvm.swap_list.indexOf(sdp), 1);
	for (const hold of k.uvm.holds) {
		hold.h_slots = hold.h_slots.filter((slot) => slot < start || slot >= end);
	}
	simple_unlock(k, k.uvm.swap_data_lock);
	if (sdp.swd_sums !== 0) {
		uvm_km_free(k, k.uvm.kernel_map!, sdp.swd_sums, uvm_swap_cksum_size(sdp.swd_drumsize));
	}
	return 0;
}

/** Page in every anon whose slot is in the range. => nothing locked; true if it gave up. */
function* amap_swap_off(k: Kernel, start: SwapSlot, end: SwapSlot): Sleeps<boolean> {
	// Amaps are made and freed while this sleeps, and take over anons of others, so repeat the walk
	// until it finds nothing. An anon that is freed meanwhile has no slot any more.
	for (;;) {
		const found = swapped_anons(k, start, end);
		if (found.length === 0) return false;
		for (const anon of found) {
			while (anon.an_swslot >= start && anon.an_swslot < end) {
				const error = yield* anon_swap_off(k, anon, start, end);
				if (error !== 0) return true;
			}
		}
	}
}

function swapped_anons(k: Kernel, start: SwapSlot, end: SwapSlot): vm_anon[] {
	const found: vm_anon[] = [];
	for (let amap: vm_amap | null = k.uvm.amap_list; amap !== null; amap = amap.am_list_next) {
		for (let i = 0; i < amap.am_nused; i++) {
			const anon = amap_lookup(amap, amap.am_slots[i]!)!;
			if (anon.an_swslot >= start && anon.an_swslot < end) found.push(anon);
		}
	}
	return found;
}

/** Make one anon resident and give up its slot. => 0, or an error that ends the attempt. */
function* anon_swap_off(k: Kernel, anon: vm_anon, start: SwapSlot, end: SwapSlot): Sleeps<Errno> {
	const pg = anon.an_page;
	if (pg === null || (pg.flags & PG_BUSY) !== 0) {
		const error = yield* uvmfault_anonget(k, anon);
		// A slot that could not be read was marked bad, and the anon no longer has it.
		return error === EIO ? 0 : error;
	}
	simple_lock(k, anon);
	KASSERT(anon.an_swslot >= start && anon.an_swslot < end, "anon_swap_off: slot moved");
	uvm_anon_dropswap(k, anon);
	pg.flags &= ~PG_CLEAN;
	simple_lock(k, k.uvm.pageqlock);
	if (pg.wire_count === 0) uvm_pagedeactivate(k, pg);
	simple_unlock(k, k.uvm.pageqlock);
	simple_unlock(k, anon);
	return 0;
}
