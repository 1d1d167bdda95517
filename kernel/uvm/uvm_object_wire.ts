/**
 * Port of sys/uvm/uvm_object.c (2006): wiring the pages of an object, whoever maps it.
 *
 * Copyright (c) 2006 The NetBSD Foundation, Inc.
 * All rights reserved. See NOTICE for the conditions.
 */
import type { Errno } from "../../sys/errno.ts";
import { atop, ptoa } from "../../sys/vmparam.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { uao_dropswap, type uvm_aobj } from "./uvm_aobj_slots.ts";
import { uvm_loanbreak } from "./uvm_loanbreak.ts";
import { PGO_SYNCIO, pagerops } from "./uvm_object.ts";
import {
	PG_CLEAN,
	uvm_page_unbusy1,
	uvm_pagelookup,
	uvm_pageunwire,
	uvm_pagewire,
	type vm_page,
} from "./uvm_page.ts";
import { uvm_wait_locked } from "./uvm_wait.ts";

/**
 * Bring in and wire all pages of an object (uvm_obj_wirepages), each once.
 * => unlocked. Sleeps. After an error none is wired. The object does not shrink meanwhile.
 * DEVIATION (D28): for the whole of an object, which belongs to memory and swap.
 */
export function* uvm_obj_wirepages(k: Kernel, aobj: uvm_aobj): Sleeps<Errno> {
	for (let i = 0; i < aobj.u_pages; i++) {
		const pps: (vm_page | null)[] = [null];
		simple_lock(k, aobj.vmobjlock);
		const { pgo_get } = pagerops(k, aobj);
		const error = yield* pgo_get(k, aobj, ptoa(i), pps, 1, 0, 0, PGO_SYNCIO);
		if (error !== 0) {
			unwire_first(k, aobj, i);
			return error;
		}
		let pg = pps[0]!;
		simple_lock(k, aobj.vmobjlock);
		if (pg.loan_count > 0) {
			const copy = uvm_loanbreak(k, pg);
			if (copy === null) {
				uvm_page_unbusy1(k, pg);
				const short = yield* uvm_wait_locked(k, aobj.vmobjlock, "wireloan");
				simple_unlock(k, aobj.vmobjlock);
				if (short !== 0) {
					unwire_first(k, aobj, i);
					return short;
				}
				i--;
				continue;
			}
			pg = copy;
		}
		simple_lock(k, k.uvm.pageqlock);
		uvm_pagewire(k, pg);
		// A wired page needs no slot, and its contents may change at any time.
		uao_dropswap(k, aobj, atop(pg.offset));
		pg.flags &= ~PG_CLEAN;
		uvm_page_unbusy1(k, pg);
		simple_unlock(k, k.uvm.pageqlock);
		simple_unlock(k, aobj.vmobjlock);
	}
	return 0;
}

/** Undo uvm_obj_wirepages. => unlocked; never sleeps. */
export function uvm_obj_unwirepages(k: Kernel, aobj: uvm_aobj): void {
	unwire_first(k, aobj, aobj.u_pages);
}

function unwire_first(k: Kernel, aobj: uvm_aobj, pages: number): void {
	simple_lock(k, aobj.vmobjlock);
	simple_lock(k, k.uvm.pageqlock);
	for (let i = 0; i < pages; i++) uvm_pageunwire(k, uvm_pagelookup(k, aobj, ptoa(i))!);
	simple_unlock(k, k.uvm.pageqlock);
	simple_unlock(k, aobj.vmobjlock);
}
