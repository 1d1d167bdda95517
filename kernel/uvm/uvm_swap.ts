/**
 * Port of sys/uvm/uvm_swap.c (2000-2003): swap slots.
 *
 * Copyright (c) 1995, 1996, 1997 Matthew R. Green.
 * All rights reserved. See NOTICE for the conditions.
 *
 * All devices share one space of slots, the drum, numbered from 1. A device owns a range of it; its
 * first page is kept for a label. The transfers are in uvm_swap_io.ts, which imports maps; swapon
 * and swapoff are in uvm_swapctl.ts, which imports the aobj and anon layers.
 */
import { KASSERT, panic } from "../../sys/panic.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import { bdev_isdead, bdev_name, type dev_t } from "../dev/conf.ts";
import type { vnode } from "../fs/vnode.ts";
import { UVMHIST_LOG } from "../kern/core/kern_history.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import type { Kernel } from "../kernel.ts";
import {
	type swapmap,
	swapmap_clear,
	swapmap_find,
	swapmap_isset,
	swapmap_set,
} from "./uvm_swapmap.ts";

/** A slot of the drum; SWSLOT_NONE and SWSLOT_BAD are not slots. */
export type SwapSlot = number;
/** No contents in swap. */
export const SWSLOT_NONE = 0;
/** The contents were in swap and cannot be read any more. */
export const SWSLOT_BAD = -1;

/** Pages of one pageout request: MAXPHYS (64 KiB). */
export const SWCLPAGES = 16;

/** First slot of a device that holds pages: slot 0 of each is its label. */
export const SWAP_LABEL_PAGES = 1;

export const SWF_INUSE = 0x01;
export const SWF_ENABLE = 0x02;
/** Its disk does nothing any more: no slot is taken, and none can be read. */
export const SWF_DEAD = 0x04;

export interface swapdev {
	readonly swd_dev: dev_t;
	/** The file that it is, or null: the whole disk; and its first sector on swd_dev. */
	readonly swd_vp: vnode | null;
	readonly swd_blkno: number;
	readonly swd_path: string;
	readonly swd_priority: number;
	swd_flags: number;
	/** Usable pages, how many are allocated, and how many of those are bad. */
	readonly swd_npages: number;
	swd_npginuse: number;
	swd_npgbad: number;
	/** How many are allocated because they are held (uvm_hold.ts). */
	swd_npgheld: number;
	/** The drum range [drumoffset, drumoffset + drumsize). */
	readonly swd_drumoffset: number;
	readonly swd_drumsize: number;
	/** The slots; the label's are allocated for ever. */
	readonly swd_map: swapmap;
	/** Checksums of the slots (uvm_swap_cksum.ts); 0: there are none. */
	readonly swd_sums: number;
	/** Another disk on which everything is written, too; or null. */
	readonly swd_mirror: dev_t | null;
	/** With a mirror: one bit a slot for each copy, the device's first: it could not be written. */
	readonly swd_stale: readonly Int32Array[];
}

/** The device that a slot is on, or null. */
export function swapdrum_getsdp(k: Kernel, slot: SwapSlot): swapdev | null {
	for (const sdp of k.uvm.swap_list) {
		if (slot >= sdp.swd_drumoffset && slot < sdp.swd_drumoffset + sdp.swd_drumsize) return sdp;
	}
	return null;
}

/** Whether `slot` is allocated (uvm_check). */
export function uvm_swap_isallocated(k: Kernel, slot: SwapSlot): boolean {
	const sdp = swapdrum_getsdp(k, slot);
	return sdp !== null && swapmap_isset(sdp.swd_map, slot - sdp.swd_drumoffset);
}

/**
 * Allocate up to `nslots` consecutive slots.
 *
 * => never sleeps. The number allocated is left in k.uvm.swap_alloc_nslots.
 * => the first slot, or SWSLOT_NONE. With `lessok` a single slot is taken if no run is long enough;
 *    by policy a shorter run.
 */
export function uvm_swap_alloc(k: Kernel, nslots: number, lessok: boolean): SwapSlot {
	const list = k.uvm.swap_list;
	k.uvm.swap_alloc_nslots = 0;
	if (k.failinject?.("swslot")) return SWSLOT_NONE;
	// With "stepwise" the longest run that there is, with "single" none but this or one slot.
	const step = k.uvm.policy.slotalloc === "stepwise" ? 1 : Math.max(nslots - 1, 1);
	for (let want = nslots; want >= (lessok ? 1 : nslots); want -= step) {
		for (let i = 0; i < list.length; i++) {
			const sdp = list[i]!;
			if ((sdp.swd_flags & SWF_ENABLE) === 0 || swap_isdead(k, sdp)) continue;
			if (sdp.swd_npginuse + want > sdp.swd_npages) continue;
			const first = swapmap_find(sdp.swd_map, want);
			if (first < 0) continue;
			swapmap_set(sdp.swd_map, first, want);
			swaplist_rotate(list, i);
			sdp.swd_npginuse += want;
			k.uvmexp.swpginuse += want;
			k.uvm.swap_alloc_nslots = want;
			return sdp.swd_drumoffset + first;
		}
	}
	return SWSLOT_NONE;
}

/**
 * Whether a device is dead. It becomes that here when its driver has given up its disk, or with a
 * mirror both: slots that are in use stay until their owners give them up, and no others count.
 * DEVIATION (D60): NetBSD goes on writing to it, and has a page without slot for each attempt.
 */
function swap_isdead(k: Kernel, sdp: swapdev): boolean {
	if ((sdp.swd_flags & SWF_DEAD) !== 0) return true;
	if ((sdp.swd_flags & SWF_ENABLE) === 0 || !bdev_isdead(k, sdp.swd_dev)) return false;
	if (sdp.swd_mirror !== null && !bdev_isdead(k, sdp.swd_mirror)) return false;
	const before = uvm_swap_navail(sdp);
	sdp.swd_flags = (sdp.swd_flags & ~SWF_ENABLE) | SWF_DEAD;
	k.uvmexp.swpgavail += uvm_swap_navail(sdp) - before;
	k.uvm.swapstats.dead++;
	k.msgbuf.push(`${bdev_name(k, sdp.swd_dev)}: no longer used for swap: it is dead`);
	return true;
}

/** Whether a slot is on a device that is dead: what it holds cannot be read. */
export function uvm_swap_isdead(k: Kernel, slot: SwapSlot): boolean {
	const sdp = swapdrum_getsdp(k, slot);
	return sdp !== null && swap_isdead(k, sdp);
}

/** Whether no slot is free on a device that is not dead. */
export function uvm_swap_isexhausted(k: Kernel): boolean {
	for (const { swd_flags, swd_npginuse, swd_npages } of k.uvm.swap_list) {
		if ((swd_flags & SWF_DEAD) === 0 && swd_npginuse < swd_npages) return false;
	}
	return true;
}

/** Devices of one priority take turns: move the one just used behind its equals. */
function swaplist_rotate(list: swapdev[], index: number): void {
	const sdp = list[index]!;
	let last = index;
	while (last + 1 < list.length && list[last + 1]!.swd_priority === sdp.swd_priority) last++;
	if (last === index) return;
	list.splice(index, 1);
	list.splice(last, 0, sdp);
}

/** Whether every slot holds the only copy of a page. */
export const uvm_swapisfull = (k: Kernel): boolean => k.uvmexp.swpgonly >= k.uvmexp.swpgavail;

/**
 * Free slots. SWSLOT_NONE panics, SWSLOT_BAD is ignored: there is nothing to free.
 * => no owner records them any more.
 */
export function uvm_swap_free(k: Kernel, slot: SwapSlot, nslots: number): void {
	if (slot === SWSLOT_BAD) return;
	const sdp = swapdrum_getsdp(k, slot);
	if (sdp === null) panic("uvm_swap_free: slot on no device");
	swapmap_clear(sdp.swd_map, slot - sdp.swd_drumoffset, nslots);
	k.watch.shadow?.swapfree(k, slot, nslots);
	sdp.swd_npginuse -= nslots;
	k.uvmexp.swpginuse -= nslots;
	if ((sdp.swd_flags & SWF_DEAD) !== 0) k.uvmexp.swpgavail -= nslots;
	KASSERT(sdp.swd_npginuse >= sdp.swd_npgbad, "uvm_swap_free: count went below the bad slots");
}

/**
 * Mark slots that cannot be read or written: they stay allocated for ever.
 * => they were counted in swpgonly and no longer are (the convention since 2003): only slots above
 *    0 that an owner records count there.
 */
export function uvm_swap_markbad(k: Kernel, slot: SwapSlot, nslots: number): void {
	const sdp = swapdrum_getsdp(k, slot);
	if (sdp === null) panic("uvm_swap_markbad: slot on no device");
	sdp.swd_npgbad += nslots;
	k.uvmexp.swpgbad += nslots;
	if ((sdp.swd_flags & (SWF_ENABLE | SWF_DEAD)) !== 0) k.uvmexp.swpgavail -= nslots;
	uvm_swpgonly_add(k, -nslots);
	if (k.uvmhist !== null) UVMHIST_LOG(k, "uvm_swap_markbad", "slot, nslots", slot, nslots);
}

/** Hold a slot: nobody else gets it. => it is free, and its device enabled. */
export function uvm_swap_hold(k: Kernel, slot: SwapSlot): void {
	const sdp = swapdrum_getsdp(k, slot)!;
	swapmap_set(sdp.swd_map, slot - sdp.swd_drumoffset, 1);
	sdp.swd_npginuse++;
	sdp.swd_npgheld++;
	k.uvmexp.swpginuse++;
	k.uvmexp.swpgavail--;
}

/** Undo uvm_swap_hold. */
export function uvm_swap_unhold(k: Kernel, slot: SwapSlot): void {
	const sdp = swapdrum_getsdp(k, slot)!;
	sdp.swd_npgheld--;
	if ((sdp.swd_flags & (SWF_ENABLE | SWF_DEAD)) !== 0) k.uvmexp.swpgavail++;
	uvm_swap_free(k, slot, 1);
}

/** Slots of a device that hold pages, or may. Of one that is dead no others may. */
export function uvm_swap_navail({
	swd_flags: flags,
	swd_npages,
	swd_npginuse,
	swd_npgbad,
	swd_npgheld,
}: swapdev): number {
	if ((flags & (SWF_ENABLE | SWF_DEAD)) === 0) return 0;
	const all = (flags & SWF_DEAD) !== 0 ? swd_npginuse : swd_npages;
	return all - swd_npgbad - swd_npgheld;
}

/** Add `delta` to the number of pages whose only copy is in swap. */
export function uvm_swpgonly_add(k: Kernel, delta: number): void {
	simple_lock(k, k.uvm.swap_data_lock);
	k.uvmexp.swpgonly += delta;
	KASSERT(k.uvmexp.swpgonly >= 0, "swpgonly underflow");
	simple_unlock(k, k.uvm.swap_data_lock);
}

/** Whether some copy of a recorded slot can be read (uvm_check). */
export function uvm_swap_isreadable(k: Kernel, slot: SwapSlot): boolean {
	const sdp = swapdrum_getsdp(k, slot);
	if (sdp === null || sdp.swd_mirror === null) return true;
	return uvm_swap_iscurrent(sdp, slot, 0) || uvm_swap_iscurrent(sdp, slot, 1);
}

/** The disk with a copy of a device's slots. => copy 1: there is a mirror. */
export const uvm_swap_disk = (sdp: swapdev, copy: number): dev_t =>
	copy === 0 ? sdp.swd_dev : sdp.swd_mirror!;

/** Whether a copy of a slot can be read. */
export function uvm_swap_iscurrent(sdp: swapdev, slot: SwapSlot, copy: number): boolean {
	const i = slot - sdp.swd_drumoffset;
	return ((sdp.swd_stale[copy]?.[i >>> 5] ?? 0) & (1 << (i & 31))) === 0;
}

/** A copy of a slot was written, or could not be. => nothing without a mirror. */
export function uvm_swap_setcurrent(
	sdp: swapdev,
	slot: SwapSlot,
	copy: number,
	current: boolean,
): void {
	const stale = sdp.swd_stale[copy];
	if (stale === undefined) return;
	const i = slot - sdp.swd_drumoffset;
	if (current) stale[i >>> 5]! &= ~(1 << (i & 31));
	else stale[i >>> 5]! |= 1 << (i & 31);
}

/** The first sector of a slot, on the disk that the device is or lies on. */
export const uvm_swap_sector = (sdp: swapdev, slot: SwapSlot): number =>
	sdp.swd_blkno + (slot - sdp.swd_drumoffset) * (PAGE_SIZE / 512);
