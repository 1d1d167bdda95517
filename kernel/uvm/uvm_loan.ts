/**
 * Port of sys/uvm/uvm_loan.c (2000-2004): lending the pages of a process to the kernel, so that it
 * can read them later without a copy.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 *
 * loan_count counts a page's loans. While there are some the page is mapped read-only, and a store
 * to it gives its owner a copy (uvm_loanbreak.ts). An owner that frees it only forgets it; the page
 * has no owner then, and the last borrower frees it. The page daemon passes over pages on loan, and
 * they are never wired.
 *
 * The kernel reaches all of RAM, so nothing is mapped for the borrower.
 *
 * DEVIATION (D13): only for the kernel (UVM_LOAN_TOPAGE). Nothing in NetBSD ever lent to anons, and
 * from NetBSD 6 on that half is not compiled.
 */
import { pmap_page_protect } from "../../pmap/pmap.ts";
import { EACCES, EBUSY, EINVAL, ENOENT, ENOMEM, ERESTART, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import { atop, PAGE_MASK, PAGE_SIZE, VM_PROT_READ, type vaddr_t } from "../../sys/vmparam.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { amap_lock, amap_lookup, amap_unlock, type vm_amap } from "./uvm_amap.ts";
import type { vm_anon } from "./uvm_anon.ts";
import { UVM_ET_COPYONWRITE, UVM_PGA_ZERO } from "./uvm_extern.ts";
import { uvmfault_anonget, uvmfault_objget } from "./uvm_fault.ts";
import {
	entry_contains,
	uvm_map_lookup_entry,
	type vm_map,
	type vm_map_entry,
	vm_map_lock_read,
	vm_map_unlock_read,
} from "./uvm_map_entry.ts";
import { PGO_LOCKED, pagerops, type uvm_object } from "./uvm_object.ts";
import {
	PG_BUSY,
	PG_FAKE,
	uvm_page_unbusy1,
	uvm_pageactivate,
	uvm_pagealloc,
	uvm_pagefree,
	type vm_page,
} from "./uvm_page.ts";
import { uvm_reclaimable, uvm_wait } from "./uvm_wait.ts";

/** Cost of lending a page (finding and write-protecting it), and of taking it back, in cycles. */
const LOAN_CYCLES = 60;
const UNLOAN_CYCLES = 20;

/**
 * How many more pages can be lent. DEVIATION (D14): NetBSD sets no limit. Pages on loan stay in
 * memory like wired ones, so together they are at most a third of it.
 */
export function uvm_loan_room(k: Kernel): number {
	const { wiredmax, wired, loanpages } = k.uvmexp;
	return Math.max(0, wiredmax - wired - loanpages);
}

/** Why a page was not lent: an error that ends the attempt, or what to wait for. */
interface refusal {
	error: Errno;
	anon: vm_anon | null;
	uobj: uvm_object | null;
	offset: number;
}

/**
 * Lend the pages of [start, start + len) to the kernel.
 *
 * => page aligned; `result` is empty, gets the pages in order, and is given to uvm_unloan later.
 * => map unlocked. Sleeps: for the map, busy pages, the disk, memory.
 * => ENOENT: a hole; EACCES: not readable; EINVAL: device memory; EBUSY: a wired page; EIO;
 *    ENOMEM: out of memory and swap, or too many loans. Then nothing is lent.
 */
export function* uvm_loan(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	len: number,
	result: vm_page[],
): Sleeps<Errno> {
	KASSERT(result.length === 0, "uvm_loan: result is not empty");
	KASSERT(((start | len) & PAGE_MASK) === 0, "uvm_loan: range is not page aligned");
	if (atop(len) > uvm_loan_room(k) || k.failinject?.("loan")) return ENOMEM;
	const why: refusal = { error: 0, anon: null, uobj: null, offset: 0 };
	k.uvm.loans.push(result);
	while (result.length < atop(len)) {
		yield* vm_map_lock_read(k, map);
		why.error = 0;
		// DEVIATION (D15): NetBSD continues in the middle after a sleep; as in uvm_fault.ts, here each
		// wait is followed by a new lookup.
		uvm_loanentry(k, map, start, len, result, why);
		vm_map_unlock_read(k, map);
		if (why.error === 0) continue;
		const error = yield* loan_wait(k, why);
		if (error === 0) continue;
		uvm_unloan(k, result);
		result.length = 0;
		return error;
	}
	k.port.charge(result.length * LOAN_CYCLES);
	k.uvmexp.loans += result.length;
	return 0;
}

/** Wait for what uvm_loanentry found missing. => nothing locked. 0: look again. */
function* loan_wait(k: Kernel, why: refusal): Sleeps<Errno> {
	const { error, anon, uobj, offset } = why;
	why.anon = null;
	why.uobj = null;
	if (error !== ERESTART) return error;
	if (anon !== null) return yield* uvmfault_anonget(k, anon);
	if (uobj !== null) return yield* uvmfault_objget(k, uobj, offset, VM_PROT_READ);
	if (!uvm_reclaimable(k)) return ENOMEM;
	yield* uvm_wait(k, "loanzero");
	return 0;
}

/**
 * Lend pages of the entry that has the next one, up to its end.
 * => map locked for reading. Never sleeps. `why` says why it stopped before; ERESTART: to wait.
 */
function uvm_loanentry(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	len: number,
	result: vm_page[],
	why: refusal,
): void {
	let va = start + result.length * PAGE_SIZE;
	const entry = uvm_map_lookup_entry(map, va);
	const { amap, uvm_obj: uobj } = entry;
	if (!entry_contains(map, entry, va) || entry.sub_map !== null) why.error = ENOENT;
	// DEVIATION (D16): NetBSD lends what the process may not read.
	else if ((entry.protection & VM_PROT_READ) === 0) why.error = EACCES;
	if (why.error !== 0) return;
	const end = Math.min(start + len, entry.end);
	if (amap !== null) amap_lock(k, amap);
	for (; va < end && why.error === 0; va += PAGE_SIZE) {
		const anon = amap === null ? null : loan_anon(amap, entry, va);
		let pg: vm_page | null = null;
		if (anon !== null) pg = uvm_loananon(k, anon, why);
		else if (uobj !== null) pg = uvm_loanuobj(k, uobj, entry.offset + va - entry.start, why);
		else if ((entry.etype & UVM_ET_COPYONWRITE) !== 0 || amap !== null) pg = uvm_loanzero(k, why);
		else why.error = EINVAL;
		if (pg !== null) result.push(pg);
	}
	if (amap !== null) amap_unlock(k, amap);
}

const loan_anon = (amap: vm_amap, entry: vm_map_entry, va: vaddr_t): vm_anon | null =>
	amap_lookup(amap, entry.pageoff + atop(va - entry.start));

/** Lend the page of an anon. => amap locked. null: see `why`. */
function uvm_loananon(k: Kernel, anon: vm_anon, why: refusal): vm_page | null {
	const pg = anon.an_page;
	if (pg === null || (pg.flags & PG_BUSY) !== 0) {
		why.error = ERESTART;
		why.anon = anon;
		return null;
	}
	simple_lock(k, anon);
	const lent = uvm_loanpage(k, pg, why);
	simple_unlock(k, anon);
	return lent ? pg : null;
}

/**
 * Lend a page: from now on nobody can store to it.
 * => owner locked. false: it is wired.
 * => DEVIATION (D17): it stays on a queue, and the page daemon passes over it. NetBSD 1.5 wires a
 *    page on loan, 1.6 takes it off the queues. So pages with an owner are always on one, unless
 *    they are wired.
 */
function uvm_loanpage(k: Kernel, pg: vm_page, why: refusal): boolean {
	if (pg.wire_count > 0) {
		why.error = EBUSY;
		return false;
	}
	simple_lock(k, k.uvm.pageqlock);
	if (pg.loan_count === 0) pmap_page_protect(k, pg, VM_PROT_READ);
	pg.loan_count++;
	k.uvmexp.loanpages++;
	uvm_pageactivate(k, pg);
	simple_unlock(k, k.uvm.pageqlock);
	return true;
}

/** Lend a page of an object. => map locked. null: see `why`. */
function uvm_loanuobj(k: Kernel, uobj: uvm_object, offset: number, why: refusal): vm_page | null {
	const ops = pagerops(k, uobj);
	if (ops.pgo_fault !== undefined) {
		why.error = EINVAL;
		return null;
	}
	const pps: (vm_page | null)[] = [null];
	simple_lock(k, uobj.vmobjlock);
	ops.pgo_get_locked(k, uobj, offset, pps, 1, 0, VM_PROT_READ, PGO_LOCKED);
	const pg = pps[0]!;
	let lent = false;
	if (pg === null) {
		why.error = ERESTART;
		why.uobj = uobj;
		why.offset = offset;
	} else {
		lent = uvm_loanpage(k, pg, why);
		uvm_page_unbusy1(k, pg);
	}
	simple_unlock(k, uobj.vmobjlock);
	return lent ? pg : null;
}

/** "Lend" zeros where nothing has been stored yet: a page without owner. null: see `why`. */
function uvm_loanzero(k: Kernel, why: refusal): vm_page | null {
	const pg = uvm_pagealloc(k, null, 0, null, UVM_PGA_ZERO);
	if (pg === null) {
		why.error = ERESTART;
		return null;
	}
	pg.flags &= ~(PG_BUSY | PG_FAKE);
	pg.loan_count = 1;
	k.uvmexp.loanpages++;
	return pg;
}

/** Take back what uvm_loan has lent, and free pages that nobody owns any more. => unlocked. */
export function uvm_unloan(k: Kernel, pgs: vm_page[]): void {
	const { loans } = k.uvm;
	loans.splice(loans.indexOf(pgs), 1);
	k.port.charge(pgs.length * UNLOAN_CYCLES);
	simple_lock(k, k.uvm.pageqlock);
	for (const pg of pgs) uvm_unloanpage(k, pg);
	simple_unlock(k, k.uvm.pageqlock);
}

/** => queues locked. */
function uvm_unloanpage(k: Kernel, pg: vm_page): void {
	KASSERT(pg.loan_count > 0, "uvm_unloan: page is not lent");
	pg.loan_count--;
	k.uvmexp.loanpages--;
	if (pg.loan_count === 0 && pg.uobject === null && pg.uanon === null) uvm_pagefree(k, pg);
}
