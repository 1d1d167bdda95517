/**
 * A hole in an anonymous object: fallocate with PUNCH_HOLE, madvise with MADV_REMOVE. In its own
 * file because it writes through uvm_bio.ts. Not in NetBSD.
 */
import { pmap_page_protect } from "../../pmap/pmap.ts";
import type { Errno } from "../../sys/errno.ts";
import { PAGE_SIZE, ptoa, round_page, trunc_page, VM_PROT_NONE } from "../../sys/vmparam.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { uao_dropswap, uao_set_swslot, type uvm_aobj } from "./uvm_aobj.ts";
import { ubc_uiomove } from "./uvm_bio.ts";
import { PG_BUSY, uvm_pagefree, uvm_pagelookup, uvm_pagewait, type vm_page } from "./uvm_page.ts";
import { SWSLOT_NONE, uvm_swap_free, uvm_swpgonly_add } from "./uvm_swap.ts";

/**
 * Make the bytes [start, end) of an object zeros, and free the pages that are inside, with their
 * slots, even if they are mapped. What is behind the object's end does not matter.
 *
 * => unlocked; the caller has a reference. Sleeps.
 * => wired pages stay, and are zeroed. 0, or of a page that could not be zeroed EIO or ENOMEM.
 */
export function* uao_punch(k: Kernel, aobj: uvm_aobj, start: number, end: number): Sleeps<Errno> {
	const stop = Math.min(end, ptoa(aobj.u_pages));
	const [first, last] = [round_page(start), trunc_page(stop)];
	simple_lock(k, aobj.vmobjlock);
	for (let at = first; at < last; at += PAGE_SIZE) {
		let pg = uvm_pagelookup(k, aobj, at);
		while (pg !== null && (pg.flags & PG_BUSY) !== 0) {
			yield* uvm_pagewait(k, pg, aobj.vmobjlock, "uao_pun");
			simple_lock(k, aobj.vmobjlock);
			pg = uvm_pagelookup(k, aobj, at);
		}
		punch_page(k, aobj, at / PAGE_SIZE, pg);
	}
	simple_unlock(k, aobj.vmobjlock);
	for (let at = start; at < stop; at = trunc_page(at) + PAGE_SIZE) {
		const whole = at >= first && at < last;
		if (whole && (uvm_pagelookup(k, aobj, at)?.wire_count ?? 0) === 0) continue;
		const zeros = new Uint8Array(Math.min(trunc_page(at) + PAGE_SIZE, stop) - at);
		const n = yield* ubc_uiomove(k, aobj, at, zeros, true);
		if (n < 0) return -n;
	}
	return 0;
}

/** Free a page that is not wired, or the slot that has its contents. => object locked. */
function punch_page(k: Kernel, aobj: uvm_aobj, pageidx: number, pg: vm_page | null): void {
	if (pg === null) {
		const slot = uao_set_swslot(k, aobj, pageidx, SWSLOT_NONE);
		if (slot <= 0) return;
		uvm_swap_free(k, slot, 1);
		uvm_swpgonly_add(k, -1);
	} else if (pg.wire_count === 0) {
		simple_lock(k, k.uvm.pageqlock);
		pmap_page_protect(k, pg, VM_PROT_NONE);
		uao_dropswap(k, aobj, pageidx);
		uvm_pagefree(k, pg);
		simple_unlock(k, k.uvm.pageqlock);
	}
}
