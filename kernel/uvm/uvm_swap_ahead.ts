/**
 * Reading pages from swap together with one that is needed, in one request: those whose contents
 * are in the slots beside it. NetBSD does not (uvm_swap_get takes one page); FreeBSD's
 * swap_pager_getpages does, and policy.swapin turns it on.
 */
import { EIO, type Errno } from "../../sys/errno.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { PGO_SYNCIO } from "./uvm_object.ts";
import type { vm_page } from "./uvm_page.ts";
import { type SwapSlot, swapdrum_getsdp } from "./uvm_swap.ts";
import { uvm_swap_get, uvm_swap_getpages, uvm_swap_isplain } from "./uvm_swap_io.ts";

export interface swap_neighbours {
	/**
	 * A new page, PG_BUSY, for the contents at `distance` pages from the one that is needed.
	 * => null: its slot is not at that distance, or it is in memory already.
	 */
	take(distance: number): vm_page | null;
	/** Such a page has been read, or (error) has not. => nothing locked; never sleeps. */
	done(pg: vm_page, error: Errno): void;
}

/**
 * Read a page, and perhaps neighbours. DEVIATION (D75): NetBSD reads them one by one.
 *
 * => as uvm_swap_get for the page. While it sleeps the neighbours are busy, too.
 * => no neighbour is read while memory is short, or if slots have copies or checksums.
 */
export function* uvm_swap_getahead(
	k: Kernel,
	pg: vm_page,
	slot: SwapSlot,
	neighbours: swap_neighbours,
): Sleeps<Errno> {
	const pps = uvm_swap_isplain(k, slot) ? gather(k, pg, slot, neighbours) : [pg];
	if (pps.length > 1) {
		const error = yield* uvm_swap_getpages(k, pps, slot - pps.indexOf(pg));
		for (const page of pps) if (page !== pg) neighbours.done(page, error);
		// Perhaps it is a neighbour that cannot be read.
		if (error !== EIO) return error;
	}
	return yield* uvm_swap_get(k, pg, slot, PGO_SYNCIO);
}

/** The page with neighbours, in the order of their slots: those ahead first, then those behind. */
function gather(k: Kernel, pg: vm_page, slot: SwapSlot, { take }: swap_neighbours): vm_page[] {
	const e = k.uvmexp;
	const pps = [pg];
	for (const step of [1, -1]) {
		for (let d = step; pps.length < k.uvm.policy.swapin && e.free > e.freemin; d += step) {
			if (swapdrum_getsdp(k, slot + d) !== swapdrum_getsdp(k, slot)) break;
			const page = take(d);
			if (page === null) break;
			if (step > 0) pps.push(page);
			else pps.unshift(page);
		}
	}
	return pps;
}
