/**
 * What the page daemon and the page layer ask of a page-replacement policy (uvm_pdpolicy.h, 2006).
 */
import { pmap_is_modified } from "../../pmap/pmap.ts";
import type { Kernel } from "../kernel.ts";
import type { vm_anon } from "./uvm_anon.ts";
import { PG_BUSY, PG_CLEAN, PQ_SWAPBACKED, type vm_page } from "./uvm_page.ts";
import type { uvm_agingscan } from "./uvm_pdpolicy_aging.ts";
import type { uvm_clockscan } from "./uvm_pdpolicy_clock.ts";
import type { uvm_clockpro } from "./uvm_pdpolicy_clockpro.ts";
import type { uvm_randomscan } from "./uvm_pdpolicy_random.ts";
import type { uvm_replacement } from "./uvm_policy.ts";

/** Cost of looking at a page, in cycles. */
export const SCAN_CYCLES = 50;

/** => page queues locked in every function but tune. No function sleeps. */
export interface uvm_pdpolicy {
	readonly name: uvm_replacement;
	/** What it keeps of its own, if anything. => once, before there are pages. */
	init(k: Kernel): void;
	/** Set uvmexp.inactarg: the daemon runs while fewer pages are inactive. */
	tune(k: Kernel): void;
	/** Begin a search for pages to give up, and end it. */
	scaninit(k: Kernel): void;
	scanfini(k: Kernel): void;
	/**
	 * The next page to give up, still on its queue; null: there is none in this search.
	 * => with `dirty`, only one that would be written (uvmpd_may_write).
	 */
	selectvictim(k: Kernel, dirty: boolean): vm_page | null;
	/** Make pages inactive after a search; free the swap slots of some that are in memory. */
	balancequeue(k: Kernel, swap_shortage: number): void;
	/** Queues in place of page_active and page_inactive; null: those. */
	readonly queues: uvm_pdqueues | null;
}

/**
 * Queues of a policy's own. A page is PQ_ACTIVE or PQ_INACTIVE while it is on one of them, and
 * uvmexp.active and inactive count them.
 */
export interface uvm_pdqueues {
	/** The page is in use: put it on a queue if it is on none. */
	pageactivate(k: Kernel, pg: vm_page): void;
	/** The page will not be needed soon. */
	pagedeactivate(k: Kernel, pg: vm_page): void;
	/** Take the page off its queue, if it is on one. */
	pagedequeue(k: Kernel, pg: vm_page): void;
	/** An anon that has a name (an_id) is freed. */
	anfree(k: Kernel, anon: vm_anon): void;
	/** Pages on all queues, counted there; -1: a queue is damaged. */
	length(k: Kernel): number;
}

/** What each policy keeps. */
export interface uvm_pdstate {
	readonly clock: uvm_clockscan;
	readonly aging: uvm_agingscan;
	readonly random: uvm_randomscan;
	clockpro: uvm_clockpro | null;
}

export const uvm_pdstate_init = (): uvm_pdstate => ({
	clock: { next: null, version: 0, left: 0 },
	aging: { pages: [], versions: [], next: 0 },
	random: { seed: 1, left: 0 },
	clockpro: null,
});

/** Whether a page would be written if it were given up now. */
export function uvmpd_may_write(k: Kernel, pg: vm_page): boolean {
	if ((pg.flags & PG_BUSY) !== 0 || (pg.pqflags & PQ_SWAPBACKED) === 0) return false;
	if (pg.loan_count > 0) return false;
	return (pg.flags & PG_CLEAN) === 0 || pmap_is_modified(k, pg);
}
