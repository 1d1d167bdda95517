/**
 * What the page daemon and its policies do with owners and slots of pages (uvmpd_trylockowner and
 * uvmpd_trydropswap of sys/uvm/uvm_pdaemon.c).
 */
import { atop } from "../../sys/vmparam.ts";
import { simple_lock, simple_unlock, type simplelock } from "../kern/core/kern_lock.ts";
import type { Kernel } from "../kernel.ts";
import { uvm_anon_dropswap } from "./uvm_anon.ts";
import { uao_dropswap, uao_find_swslot } from "./uvm_aobj_slots.ts";
import { PG_BUSY, PG_CLEAN, PQ_SWAPBACKED, type pglist, type vm_page } from "./uvm_page.ts";
import { SCAN_CYCLES } from "./uvm_pdpolicy.ts";
import type { SwapSlot } from "./uvm_swap.ts";

/**
 * Lock the owner of a page. => queues locked; the page is on a queue, so it has an owner.
 * => null if that is locked: the daemon locks against the order.
 */
export function uvmpd_trylockowner(k: Kernel, pg: vm_page): simplelock | null {
	const lock = pg.uanon ?? pg.uobject!.vmobjlock;
	if (lock.locked) return null;
	simple_lock(k, lock);
	return lock;
}

/** The slot recorded for a swap-backed page. => owner locked. */
export function uvmpd_slot(k: Kernel, pg: vm_page): SwapSlot {
	if (pg.uanon !== null) return pg.uanon.an_swslot;
	return uao_find_swslot(k, pg.uobject!, atop(pg.offset));
}

/** Give up the slot of a page, which is dirty then. => owner locked; false: it has none. */
export function uvmpd_dropswap(k: Kernel, pg: vm_page): boolean {
	if ((pg.pqflags & PQ_SWAPBACKED) === 0 || uvmpd_slot(k, pg) <= 0) return false;
	if (pg.uanon !== null) uvm_anon_dropswap(k, pg.uanon);
	else uao_dropswap(k, pg.uobject!, atop(pg.offset));
	pg.flags &= ~PG_CLEAN;
	return true;
}

/** Free the slots of up to `shortage` pages of a queue. => queues locked; how many were freed. */
export function uvmpd_dropswap_queue(k: Kernel, queue: pglist, shortage: number): number {
	let freed = 0;
	for (let pg = queue.first; pg !== null && freed < shortage; pg = pg.pageq_next) {
		k.port.charge(SCAN_CYCLES);
		const lock = (pg.flags & PG_BUSY) === 0 ? uvmpd_trylockowner(k, pg) : null;
		if (lock === null) continue;
		if (uvmpd_dropswap(k, pg)) freed++;
		simple_unlock(k, lock);
	}
	return freed;
}
