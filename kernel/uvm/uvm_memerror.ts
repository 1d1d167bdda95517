/**
 * Errors of memory that cannot be corrected.
 *
 * DEVIATION (D54): NetBSD does nothing about them; this does what Linux's mm/memory-failure.c does.
 * The frame is not used again. A page that is clean is read again from its slot or file when
 * somebody wants it; the contents of others are lost, as those of a slot that cannot be read, and
 * who needs them gets SIGBUS.
 */
import { pmap_clear_modify, pmap_page_protect } from "../../pmap/pmap.ts";
import { EIO } from "../../sys/errno.ts";
import { atop, PAGE_SIZE, type paddr_t, trunc_page, VM_PROT_NONE } from "../../sys/vmparam.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { SWSLOT_NOMEM, uao_find_swslot, uao_set_swslot } from "./uvm_aobj_slots.ts";
import { PAGER_AOBJ, PAGER_VNODE } from "./uvm_object.ts";
import {
	PG_BUSY,
	PG_CLEAN,
	PHYS_TO_VM_PAGE,
	PQ_SWAPBACKED,
	uvm_pageretire,
	uvm_pagewait,
	type vm_page,
} from "./uvm_page.ts";
import { SWSLOT_BAD, uvm_swap_free, uvm_swpgonly_add } from "./uvm_swap.ts";
import type { uvm_vnode } from "./uvm_vnode.ts";

/** Whether an error that cannot be corrected was found in a page's memory. */
export const uvm_page_isbroken = (k: Kernel, pg: vm_page): boolean =>
	k.port.memoryError(pg.phys_addr, PAGE_SIZE) >= 0;

/** Whether a page can be taken away from its owner now. */
function is_movable(
	k: Kernel,
	{ uanon, uobject, wire_count, loan_count, flags }: vm_page,
): boolean {
	if (wire_count > 0 || loan_count > 0 || (flags & PG_BUSY) !== 0) return false;
	if (uobject === null) return uanon !== null;
	const paged = uobject.pgops === PAGER_AOBJ || uobject.pgops === PAGER_VNODE;
	return paged && uobject !== k.uvm.kernel_object;
}

/**
 * Give up the memory of a page.
 *
 * => nothing locked. Never sleeps.
 * => true: its owner has no page now, and the next fault reads it again, or fails with EIO.
 * => false: nothing can be done. It is the kernel's, busy, wired, or on loan.
 */
export function uvm_page_memerror(k: Kernel, pg: vm_page): boolean {
	if (!is_movable(k, pg)) return false;
	const lock = pg.uanon ?? pg.uobject!.vmobjlock;
	simple_lock(k, lock);
	simple_lock(k, k.uvm.pageqlock);
	pmap_page_protect(k, pg, VM_PROT_NONE);
	if (pmap_clear_modify(k, pg)) pg.flags &= ~PG_CLEAN;
	const clean = (pg.flags & PG_CLEAN) !== 0;
	const swap = (pg.pqflags & PQ_SWAPBACKED) !== 0;
	let done = true;
	if (swap && clean) uvm_swpgonly_add(k, 1);
	else if (swap) done = lose_contents(k, pg);
	else if (!clean) (pg.uobject as uvm_vnode).u_error = EIO;
	if (done) {
		if (clean) k.uvm.memstats.repaired++;
		else k.uvm.memstats.lost++;
		const what = clean ? "read again when it is wanted" : "its contents are lost";
		k.msgbuf.push(`memory error: page at 0x${pg.phys_addr.toString(16)}: ${what}`);
		uvm_pageretire(k, pg);
	}
	simple_unlock(k, k.uvm.pageqlock);
	simple_unlock(k, lock);
	return done;
}

/**
 * The kernel has met an error in the page at `pa`, in user memory that it copies.
 *
 * => nothing locked. Sleeps if the page is busy.
 * => true: look up the page again, and fault; false: nothing can be done, as above.
 */
export function* uvm_copy_memerror(k: Kernel, pa: paddr_t): Sleeps<boolean> {
	const pg = PHYS_TO_VM_PAGE(k, trunc_page(pa));
	if (pg === null || !uvm_page_isbroken(k, pg)) return false;
	if ((pg.flags & PG_BUSY) === 0) return uvm_page_memerror(k, pg);
	yield* uvm_memerror_wait(k, pg);
	return true;
}

/** Wait until a page is no longer busy. => nothing locked. */
export function* uvm_memerror_wait(k: Kernel, pg: vm_page): Sleeps<void> {
	const lock = pg.uanon ?? pg.uobject!.vmobjlock;
	simple_lock(k, lock);
	yield* uvm_pagewait(k, pg, lock, "memerror");
}

/** Record that a page's contents are lost. => owner locked; false: there is no memory for that. */
function lose_contents(k: Kernel, pg: vm_page): boolean {
	let old: number;
	if (pg.uanon !== null) {
		old = pg.uanon.an_swslot;
		pg.uanon.an_swslot = SWSLOT_BAD;
	} else {
		const pageidx = atop(pg.offset);
		old = uao_find_swslot(k, pg.uobject!, pageidx);
		if (uao_set_swslot(k, pg.uobject!, pageidx, SWSLOT_BAD) === SWSLOT_NOMEM) return false;
	}
	if (old > 0) uvm_swap_free(k, old, 1);
	return true;
}
