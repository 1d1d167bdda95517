/**
 * Resources that are held, so that nobody else can have them: pages, slots of swap, room in
 * pager_map and the right to wire pages.
 *
 * DEVIATION (D61): NetBSD has no such thing. Rules of faults hold them, to show what the system
 * does without. Held pages are allocated and without owner; held slots are allocated and not
 * available, as bad ones are.
 */
import { wakeup } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { uvm_pagealloc, uvm_pagefree, type vm_page } from "./uvm_page.ts";
import {
	SWF_ENABLE,
	type SwapSlot,
	uvm_swap_hold,
	uvm_swap_isallocated,
	uvm_swap_unhold,
} from "./uvm_swap.ts";

export interface uvm_hold {
	/** Who holds it. */
	readonly h_owner: number;
	readonly h_pages: vm_page[];
	/** In the order in which they were taken. */
	h_slots: SwapSlot[];
	/** Transfers that may be mapped at a time. Infinity: any number. */
	h_windows: number;
	/** What wiredmax was without this hold; -1: it does not concern it. */
	h_wiredmax: number;
}

/** A hold that holds nothing yet. => no thread runs. */
export function uvm_hold_init(k: Kernel, owner: number): uvm_hold {
	const none = Number.POSITIVE_INFINITY;
	const hold: uvm_hold = {
		h_owner: owner,
		h_pages: [],
		h_slots: [],
		h_windows: none,
		h_wiredmax: -1,
	};
	k.uvm.holds.push(hold);
	return hold;
}

/** Hold up to `n` more pages that are free; the kernel's reserve is not touched. => how many */
export function uvm_hold_pages(k: Kernel, hold: uvm_hold, n: number): number {
	for (let held = 0; held < n; held++) {
		const pg = uvm_pagealloc(k, null, 0, null, 0);
		if (pg === null) return held;
		pg.flags = 0;
		hold.h_pages.push(pg);
	}
	return n;
}

/**
 * Hold slots that are free: all but the first `leave`, or each of which the number on its device
 * is a multiple of `every`. => how many
 */
export function uvm_hold_slots(
	k: Kernel,
	hold: uvm_hold,
	leave: number,
	every: number | null,
): number {
	let left = leave;
	const before = hold.h_slots.length;
	const byDrum = [...k.uvm.swap_list].sort((a, b) => a.swd_drumoffset - b.swd_drumoffset);
	for (const sdp of byDrum) {
		for (let i = 0; i < sdp.swd_drumsize; i++) {
			if (every !== null && i % every !== 0) continue;
			const slot = sdp.swd_drumoffset + i;
			if (uvm_swap_isallocated(k, slot) || (sdp.swd_flags & SWF_ENABLE) === 0) continue;
			if (every === null && left-- > 0) continue;
			uvm_swap_hold(k, slot);
			hold.h_slots.push(slot);
		}
	}
	return hold.h_slots.length - before;
}

/** Let no more than `windows` transfers be mapped at a time. */
export function uvm_hold_windows(hold: uvm_hold, windows: number): void {
	hold.h_windows = windows;
}

/** Let no more than `pages` pages be wired; those that are stay so. */
export function uvm_hold_wired(k: Kernel, hold: uvm_hold, pages: number): void {
	hold.h_wiredmax = k.uvmexp.wiredmax;
	k.uvmexp.wiredmax = pages;
}

/** Give everything back, and wake who waits for it. => no thread runs. */
export function uvm_hold_release(k: Kernel, hold: uvm_hold): void {
	const { holds, pager_map } = k.uvm;
	const at = holds.indexOf(hold);
	holds.splice(at, 1);
	for (const pg of hold.h_pages) uvm_pagefree(k, pg);
	for (const slot of hold.h_slots) uvm_swap_unhold(k, slot);
	if (hold.h_wiredmax >= 0) {
		// The next one found this one's limit; without this one it would have found another.
		const next = holds.slice(at).find(({ h_wiredmax }) => h_wiredmax >= 0);
		if (next === undefined) k.uvmexp.wiredmax = hold.h_wiredmax;
		else next.h_wiredmax = hold.h_wiredmax;
	}
	k.uvm.pdfruitless = 0;
	k.uvm.pager_map_wanted = false;
	if (pager_map !== null) wakeup(k, pager_map);
	wakeup(k, k.uvm.pagedaemon_wchan);
	wakeup(k, k.uvm.free_wchan);
}
