/**
 * Page replacement of sys/uvm/uvm_pdaemon.c (2001), since 2006 in uvm_pdpolicy_clock.c: FIFO with
 * second chance. Active pages become inactive in the order in which they became active; those that
 * were used meanwhile become active again, and the others are given up.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1987, 1990 Carnegie-Mellon University.
 * All rights reserved. See NOTICE for the conditions.
 */
import { pmap_clear_reference, pmap_is_referenced } from "../../pmap/pmap.ts";
import { simple_unlock } from "../kern/core/kern_lock.ts";
import type { Kernel } from "../kernel.ts";
import {
	PG_BUSY,
	PQ_INACTIVE,
	uvm_pageactivate,
	uvm_pagedeactivate,
	type vm_page,
} from "./uvm_page.ts";
import { SCAN_CYCLES, type uvm_pdpolicy, uvmpd_may_write } from "./uvm_pdpolicy.ts";
import { uvmpd_dropswap, uvmpd_trylockowner } from "./uvm_pdswap.ts";

/** Where a search is. */
export interface uvm_clockscan {
	next: vm_page | null;
	/** Its version: while the daemon slept it may have got another identity. */
	version: number;
	/** Pages that were on the queue when the search began: later ones are left to the next. */
	left: number;
}

function clock_tune(k: Kernel): void {
	const e = k.uvmexp;
	const { inactivepct } = k.uvm.policy;
	const pages = e.active + e.inactive;
	const share = inactivepct === 0 ? pages / 3 : (pages * inactivepct) / 100;
	e.inactarg = Math.max(Math.floor(share), e.freetarg + 1);
}

function clock_scaninit(k: Kernel): void {
	const { page_inactive, pdstate } = k.uvm;
	pdstate.clock.left = page_inactive.count;
	clock_goto(pdstate.clock, page_inactive.first);
}

function clock_goto(scan: uvm_clockscan, next: vm_page | null): void {
	scan.next = next;
	scan.version = next === null ? 0 : next.version;
}

function clock_selectvictim(k: Kernel, dirty: boolean): vm_page | null {
	const { page_inactive, pdstate } = k.uvm;
	const scan = pdstate.clock;
	for (;;) {
		let pg = scan.next;
		const moved = pg !== null && (pg.version !== scan.version || (pg.pqflags & PQ_INACTIVE) === 0);
		if (moved) pg = page_inactive.first;
		if (pg === null || scan.left-- <= 0) return null;
		clock_goto(scan, pg.pageq_next);
		k.port.charge(SCAN_CYCLES);
		k.uvmexp.pdscans++;
		if (dirty) {
			if (!pmap_is_referenced(k, pg) && uvmpd_may_write(k, pg)) return pg;
		} else if (pmap_clear_reference(k, pg)) {
			uvm_pageactivate(k, pg);
			k.uvmexp.pdreact++;
		} else {
			return pg;
		}
	}
}

/** Deactivate until enough are inactive. => pages whose owner is locked are passed over. */
function clock_balancequeue(k: Kernel, swap_shortage: number): void {
	const e = k.uvmexp;
	let inactive = e.inactarg - e.inactive;
	let swap = swap_shortage;
	let left = k.uvm.page_active.count;
	let pg = k.uvm.page_active.first;
	while (pg !== null && left-- > 0 && (inactive > 0 || swap > 0)) {
		const next: vm_page | null = pg.pageq_next;
		k.port.charge(SCAN_CYCLES);
		const lock = (pg.flags & PG_BUSY) === 0 ? uvmpd_trylockowner(k, pg) : null;
		if (lock !== null) {
			if (swap > 0 && uvmpd_dropswap(k, pg)) swap--;
			if (inactive > 0) {
				pmap_clear_reference(k, pg);
				uvm_pagedeactivate(k, pg);
				e.pddeact++;
				inactive--;
			}
			simple_unlock(k, lock);
		}
		pg = next;
	}
}

export const uvm_pdpolicy_clock: uvm_pdpolicy = {
	name: "clock",
	init: () => {},
	tune: clock_tune,
	scaninit: clock_scaninit,
	scanfini: (k) => clock_goto(k.uvm.pdstate.clock, null),
	selectvictim: clock_selectvictim,
	balancequeue: clock_balancequeue,
	queues: null,
};
