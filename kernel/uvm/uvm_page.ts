/**
 * Port of sys/uvm/uvm_page.c (2000-2001) and uvm_page.h: physical pages, their identity and queues.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1987, 1990 Carnegie-Mellon University.
 * All rights reserved. See NOTICE for the conditions.
 *
 * A page is found in three ways: by physical address in k.uvm.vm_pages, by (object, offset) in
 * a hash table, and by the queue it is on: free, active, inactive, or none.
 *
 * DEVIATION (D71): a page gets its vm_page when it is first used, so that a large memory costs what
 * is used of it. Until then it counts as free, and comes before those on the free queue.
 */

import type { PmapPage } from "../../pmap/host.ts";
import type { PvEntry, pmap } from "../../pmap/pmap.ts";
import {
	pmap_copy_page,
	pmap_page_protect,
	pmap_pageidlezero,
	pmap_zero_page,
	ZERO_PAGE_CYCLES,
} from "../../pmap/pmap.ts";
import { NO_NUMBER } from "../../sys/number.ts";
import { KASSERT } from "../../sys/panic.ts";
import { atop, PAGE_SHIFT, PAGE_SIZE, ptoa, VM_PROT_NONE } from "../../sys/vmparam.ts";
import type { simplelock } from "../kern/core/kern_lock.ts";
import { ltsleep, type Sleeps, wakeup } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import type { vm_anon } from "./uvm_anon.ts";
import { UVM_PGA_USERESERVE, UVM_PGA_ZERO } from "./uvm_extern.ts";
import {
	PAGER_AOBJ,
	PAGER_VNODE,
	UVM_OBJ_IS_KERN_OBJECT,
	type uvm_object,
	type voff_t,
} from "./uvm_object.ts";
import type { uvm_vnode } from "./uvm_vnode.ts";

/** vm_page.flags, locked by the owner's lock. */
export const PG_BUSY = 0x0001; // in transit: only its owner may change contents or identity
export const PG_WANTED = 0x0002; // a thread sleeps on the page
export const PG_TABLED = 0x0004; // in the hash table and its object's memq
export const PG_CLEAN = 0x0008; // backing store matches, as far as software knows
export const PG_CLEANCHK = 0x0010; // PG_CLEAN was compared with the pmap during this flush
export const PG_RELEASED = 0x0020; // freed when it is un-busied
export const PG_FAKE = 0x0040; // contents not valid yet
export const PG_ZERO = 0x0100; // free, and its contents are zeros
export const PG_PAGEOUT = 0x0200; // being written by the page daemon, to be freed then
/** DEVIATION: marks uao_put's place holders in memq, so that other walks skip them (A11). */
export const PG_MARKER = 0x1000;

/** vm_page.pqflags, locked by the page queue lock. */
export const PQ_FREE = 0x01;
export const PQ_INACTIVE = 0x02;
export const PQ_ACTIVE = 0x04;
export const PQ_ANON = 0x10; // owned by uanon
export const PQ_AOBJ = 0x20; // owned by an aobj
export const PQ_SWAPBACKED = PQ_ANON | PQ_AOBJ;

/** Buckets of the page hash at first; it grows with the pages that are used. */
const PAGE_HASH_MIN = 64;
/** Cost of a hash lookup, in steps along memq. */
export const UVM_PAGE_HASH_PENALTY = 4;

/** A page of physical memory. o: owner's lock, q: page queue lock, f: free queue lock. */
export class vm_page implements PmapPage {
	// What a fault looks at comes first, to lie close together.
	flags = 0; // o
	pqflags = 0; // q
	wire_count = 0; // o, q
	loan_count = 0; // o, q
	/** The page-replacement policy's (uvm_pdpolicy_*.ts). */
	pdflags = 0; // q
	readonly phys_addr: number = NO_NUMBER;
	md_attrs = 0;
	md_pvlist: PvEntry | null = null;
	pv_pmap: pmap | null = null;
	pv_vpn = 0;
	pv_page: PmapPage | null = null;
	pv_next: PvEntry | null = null;
	pv_prev: PvEntry | null = null;
	pv_hash: PvEntry | null = null;
	pageq_next: vm_page | null = null; // q, or f
	pageq_prev: vm_page | null = null; // q, or f
	uanon: vm_anon | null = null; // o, q
	uobject: uvm_object | null = null; // o, q
	offset: voff_t = NO_NUMBER; // o, q
	/** Incremented when the page gets or loses an identity, so that a sleeper sees it. */
	version = 0; // o
	listq_next: vm_page | null = null; // o: memq
	listq_prev: vm_page | null = null; // o: memq
	hashq_next: vm_page | null = null; // hash

	constructor(pa: number) {
		this.phys_addr = pa;
		this.offset = 0;
	}
}

/** "Not interested" in a result array of pgo_get. */
export const PGO_DONTCARE = new vm_page(-1);

/** A queue of pages, linked by pageq. */
export interface pglist {
	first: vm_page | null;
	last: vm_page | null;
	count: number;
}

export const pglist_init = (): pglist => ({ first: null, last: null, count: 0 });

export function pageq_insert_tail(q: pglist, pg: vm_page): void {
	pg.pageq_next = null;
	pg.pageq_prev = q.last;
	if (q.last === null) q.first = pg;
	else q.last.pageq_next = pg;
	q.last = pg;
	q.count++;
}

export function pageq_remove(q: pglist, pg: vm_page): void {
	if (pg.pageq_prev === null) q.first = pg.pageq_next;
	else pg.pageq_prev.pageq_next = pg.pageq_next;
	if (pg.pageq_next === null) q.last = pg.pageq_prev;
	else pg.pageq_next.pageq_prev = pg.pageq_prev;
	pg.pageq_next = null;
	pg.pageq_prev = null;
	q.count--;
}

/** How many pages are linked in a queue; -1: that is not its count, or it is damaged. */
export function pageq_length(q: pglist): number {
	let n = 0;
	let prev: vm_page | null = null;
	for (let pg = q.first; pg !== null; pg = pg.pageq_next) {
		if (pg.pageq_prev !== prev) return -1;
		prev = pg;
		n++;
	}
	return q.last === prev && q.count === n ? n : -1;
}

export function memq_insert_tail(uobj: uvm_object, pg: vm_page): void {
	memq_insert_before(uobj, null, pg);
}

/** Insert `pg` before `where`; at the tail if that is null. */
export function memq_insert_before(uobj: uvm_object, where: vm_page | null, pg: vm_page): void {
	const prev = where === null ? uobj.memq_last : where.listq_prev;
	pg.listq_prev = prev;
	pg.listq_next = where;
	if (prev === null) uobj.memq_first = pg;
	else prev.listq_next = pg;
	if (where === null) uobj.memq_last = pg;
	else where.listq_prev = pg;
}

export function memq_remove(uobj: uvm_object, pg: vm_page): void {
	if (pg.listq_prev === null) uobj.memq_first = pg.listq_next;
	else pg.listq_prev.listq_next = pg.listq_next;
	if (pg.listq_next === null) uobj.memq_last = pg.listq_prev;
	else pg.listq_next.listq_prev = pg.listq_prev;
	pg.listq_next = null;
	pg.listq_prev = null;
}

/**
 * Hand a range of physical memory to the page layer, before uvm_page_init.
 *
 * => [start, end) gets vm_page structures; [avail_start, avail_end) of it is free to use, and
 *    nothing comes behind it.
 */
export function uvm_page_physload(
	k: Kernel,
	start: number,
	end: number,
	avail_start: number,
	avail_end: number,
): void {
	KASSERT(k.uvm.vm_pages.length === 0, "uvm_page_physload: only one segment of memory");
	KASSERT(avail_start >= start && avail_end <= end, "uvm_page_physload: bad range");
	KASSERT(avail_end === end, "uvm_page_physload: memory behind the free pages");
	k.uvm.physmem_start = start;
	k.uvm.physmem_pages = atop(end - start);
	for (let pa = start; pa < avail_start; pa += PAGE_SIZE) k.uvm.vm_pages.push(new vm_page(pa));
	k.uvm.avail_start = avail_start;
	k.uvm.avail_end = avail_end;
}

/** Make the page hash and free the available pages. Reserves and targets are set by the daemon. */
export function uvm_page_init(k: Kernel): void {
	const e = k.uvmexp;
	k.uvm.page_hash = new Array<vm_page | null>(PAGE_HASH_MIN).fill(null);
	k.uvm.page_hashmask = PAGE_HASH_MIN - 1;
	e.npages = uvm_page_unused(k);
	e.free = e.npages;
}

/** Pages that have no vm_page yet: they are free, and behind all that have one. */
export const uvm_page_unused = (k: Kernel): number => k.uvm.physmem_pages - k.uvm.vm_pages.length;

/** The vm_page of the first page without one. => uvm_page_unused is not 0; on no queue. */
function page_create(k: Kernel): vm_page {
	const { vm_pages, physmem_start } = k.uvm;
	const pg = new vm_page(physmem_start + ptoa(vm_pages.length));
	pg.pqflags = PQ_FREE;
	vm_pages.push(pg);
	if (vm_pages.length > k.uvm.page_hash.length) uvm_page_rehash(k);
	return pg;
}

/** Double the page hash. */
function uvm_page_rehash(k: Kernel): void {
	const old = k.uvm.page_hash;
	k.uvm.page_hash = new Array<vm_page | null>(old.length * 2).fill(null);
	k.uvm.page_hashmask = k.uvm.page_hash.length - 1;
	for (const chain of old) {
		for (let pg = chain; pg !== null; ) {
			const next: vm_page | null = pg.hashq_next;
			const bucket = pagehash(k, pg.uobject!, pg.offset);
			pg.hashq_next = k.uvm.page_hash[bucket]!;
			k.uvm.page_hash[bucket] = pg;
			pg = next;
		}
	}
}

/** Take a page off the free queue whose contents are not known. => null if there is none. */
function page_take(k: Kernel): vm_page | null {
	const { page_free } = k.uvm;
	if (uvm_page_unused(k) > 0) return page_create(k);
	const pg = page_free.first;
	if (pg !== null) pageq_remove(page_free, pg);
	return pg;
}

/** The page at physical address `pa`, or null for memory the page layer does not own. */
export function PHYS_TO_VM_PAGE(k: Kernel, pa: number): vm_page | null {
	const { physmem_start } = k.uvm;
	if (pa < physmem_start || pa >= k.uvm.avail_end) return null;
	return page_at(k, (pa - physmem_start) >>> PAGE_SHIFT);
}

/** The same by the number of the page. */
export function PFN_TO_VM_PAGE(k: Kernel, pfn: number): vm_page | null {
	const { physmem_start } = k.uvm;
	const pa = pfn * PAGE_SIZE;
	if (pa < physmem_start || pa >= k.uvm.avail_end) return null;
	return page_at(k, (pa - physmem_start) >>> PAGE_SHIFT);
}

function page_at(k: Kernel, i: number): vm_page {
	const { vm_pages } = k.uvm;
	return i < vm_pages.length ? vm_pages[i]! : page_unused_at(k, i);
}

/** A page that has never been used: all such pages are put at the head of the free queue. */
function page_unused_at(k: Kernel, index: number): vm_page {
	const { page_free, vm_pages } = k.uvm;
	const after = { ...page_free };
	Object.assign(page_free, pglist_init());
	while (uvm_page_unused(k) > 0) pageq_insert_tail(page_free, page_create(k));
	if (after.first !== null) {
		page_free.last!.pageq_next = after.first;
		after.first.pageq_prev = page_free.last;
		page_free.last = after.last;
		page_free.count += after.count;
	}
	return vm_pages[index]!;
}

const pagehash = (k: Kernel, uobj: uvm_object, off: voff_t): number =>
	(off / PAGE_SIZE + Math.imul(uobj.uo_id, 0x9e37_79b1)) & k.uvm.page_hashmask;

/**
 * The resident page of `uobj` at `off`, or null.
 * => object locked.
 */
export function uvm_pagelookup(k: Kernel, uobj: uvm_object, off: voff_t): vm_page | null {
	let pg = k.uvm.page_hash[pagehash(k, uobj, off)]!;
	while (pg !== null && (pg.uobject !== uobj || pg.offset !== off)) pg = pg.hashq_next!;
	return pg;
}

/** Put a page that has uobject and offset set into the hash and memq. => object, queues locked. */
function uvm_pageinsert(k: Kernel, pg: vm_page): void {
	const uobj = pg.uobject;
	KASSERT(uobj !== null && (pg.flags & PG_TABLED) === 0, "uvm_pageinsert: already inserted");
	const bucket = pagehash(k, uobj, pg.offset);
	pg.hashq_next = k.uvm.page_hash[bucket]!;
	k.uvm.page_hash[bucket] = pg;
	memq_insert_tail(uobj, pg);
	pg.flags |= PG_TABLED;
	uobj.uo_npages++;
	count_object_page(k, uobj, 1);
}

/** Take a page out of its object, if it has one. => object, queues locked. */
function uvm_pageremove(k: Kernel, pg: vm_page): void {
	const uobj = pg.uobject;
	if ((pg.flags & PG_TABLED) === 0) return;
	KASSERT(uobj !== null, "uvm_pageremove: tabled page without object");
	const bucket = pagehash(k, uobj, pg.offset);
	let p = k.uvm.page_hash[bucket]!;
	if (p === pg) {
		k.uvm.page_hash[bucket] = pg.hashq_next;
	} else {
		while (p.hashq_next !== pg) p = p.hashq_next!;
		p.hashq_next = pg.hashq_next;
	}
	pg.hashq_next = null;
	memq_remove(uobj, pg);
	uobj.uo_npages--;
	count_object_page(k, uobj, -1);
	pg.flags &= ~PG_TABLED;
	pg.uobject = null;
	pg.version++;
}

/** Count a page of an object by its kind. The kernel object's pages are never paged out. */
function count_object_page(k: Kernel, uobj: uvm_object, n: number): void {
	if (uobj.pgops === PAGER_AOBJ) {
		if (!UVM_OBJ_IS_KERN_OBJECT(uobj)) k.uvmexp.anonpages += n;
	} else if (uobj.pgops === PAGER_VNODE) {
		if ((uobj as uvm_vnode).u_text) k.uvmexp.execpages += n;
		else k.uvmexp.filepages += n;
	}
}

/**
 * Put `newpg`, which has no owner, in the place of a page of an object (2003).
 * => object, queues locked. `oldpg` has no owner then, and is on no queue.
 */
export function uvm_pagereplace(k: Kernel, oldpg: vm_page, newpg: vm_page): void {
	const uobj = oldpg.uobject;
	KASSERT(uobj !== null && newpg.uobject === null, "uvm_pagereplace: no object, or two");
	newpg.uobject = uobj;
	newpg.offset = oldpg.offset;
	newpg.pqflags |= oldpg.pqflags & PQ_AOBJ;
	newpg.version++;
	const next = oldpg.listq_next;
	uvm_pageremove(k, oldpg);
	uvm_pageinsert(k, newpg);
	// A walk of memq that sleeps must find it where the old one was.
	if (next !== null) {
		memq_remove(uobj, newpg);
		memq_insert_before(uobj, next, newpg);
	}
	uvm_pagedequeue(k, oldpg);
	oldpg.flags = 0;
	oldpg.pqflags = 0;
}

/** Whether the page daemon should run now (uvm_kick_pdaemon). */
const daemon_needed = (k: Kernel): boolean => {
	const e = k.uvmexp;
	const coming = e.free + e.paging;
	return coming < e.freemin || (coming < e.freetarg && e.inactive < e.inactarg);
};

/**
 * Allocate a page for an object, for an anon, or without owner.
 *
 * => never sleeps. Object or anon locked if given; at most one of them.
 * => null if memory is short: only the kernel object and UVM_PGA_USERESERVE may go below
 *    reserve_kernel, only the page daemon below reserve_pagedaemon.
 * => the page is PG_BUSY|PG_CLEAN|PG_FAKE, on no queue; with UVM_PGA_ZERO it is zeroed and not
 *    PG_CLEAN. PQ_AOBJ is the caller's job.
 */
export function uvm_pagealloc(
	k: Kernel,
	uobj: uvm_object | null,
	off: voff_t,
	anon: vm_anon | null,
	flags: number,
): vm_page | null {
	KASSERT(uobj === null || anon === null, "uvm_pagealloc: two owners");
	const e = k.uvmexp;
	if (daemon_needed(k)) wakeup(k, k.uvm.pagedaemon_wchan);
	const reserve =
		(flags & UVM_PGA_USERESERVE) !== 0 || (uobj !== null && UVM_OBJ_IS_KERN_OBJECT(uobj));
	if (e.free <= e.reserve_kernel && !reserve) return null;
	if (e.free <= e.reserve_pagedaemon && !(reserve && k.curlwp === k.uvm.pagedaemon)) return null;
	if (k.failinject?.("page")) return null;
	const zero = (flags & UVM_PGA_ZERO) !== 0;
	const { page_zeros } = k.uvm;
	const pg = (zero ? page_zeros.first : null) ?? page_take(k) ?? page_zeros.first;
	if (pg === null) return null;
	k.watch.shadow?.pagealloc(k, pg);
	const zeroed = (pg.flags & PG_ZERO) !== 0;
	if (zeroed) pageq_remove(page_zeros, pg);
	e.free--;
	if (zeroed) e.zeropages--;
	pg.offset = off;
	pg.uobject = uobj;
	pg.uanon = anon;
	pg.flags = PG_BUSY | PG_CLEAN | PG_FAKE;
	pg.pqflags = 0;
	pg.pdflags = 0;
	pg.version++;
	if (anon !== null) {
		anon.an_page = pg;
		pg.pqflags = PQ_ANON;
		e.anonpages++;
	} else if (uobj !== null) {
		uvm_pageinsert(k, pg);
	}
	if (zero) {
		pg.flags &= ~PG_CLEAN;
		if (zeroed) {
			e.pga_zerohit++;
		} else {
			pmap_zero_page(k, pg.phys_addr);
			e.pga_zeromiss++;
		}
	}
	return pg;
}

/**
 * Most free pages that are kept zeroed. DEVIATION (D29): NetBSD zeroes all that are free; here that
 * would make the host provide memory for all of a large RAM as soon as the machine is idle.
 */
const UVM_PAGEZERO_TARGET = 256;

/**
 * Zero free pages in `cycles` cycles in which the processor had nothing to do.
 *
 * => called when they have passed, before anything else happens: nothing can have used a free page
 *    meanwhile. So no event is late, and it makes no difference in which steps the time passed.
 */
export function uvm_pageidlezero(k: Kernel, cycles: number): void {
	const e = k.uvmexp;
	const { page_zeros } = k.uvm;
	for (let left = cycles; e.zeropages < UVM_PAGEZERO_TARGET; left -= ZERO_PAGE_CYCLES) {
		if (e.free === e.zeropages) return;
		if (left < ZERO_PAGE_CYCLES) {
			if (left > 0) e.zeroaborts++;
			return;
		}
		const pg = page_take(k)!;
		k.watch.shadow?.pagealloc(k, pg);
		pmap_pageidlezero(k, pg.phys_addr);
		k.watch.shadow?.pagezeroed(k, pg);
		pg.flags = PG_ZERO;
		pageq_insert_tail(page_zeros, pg);
		e.zeropages++;
	}
}

/**
 * A zeroed page for a page table: without owner, on no queue (pmap/host.ts).
 * => never sleeps; null if memory is short.
 */
export function uvm_ptpage_alloc(k: Kernel): vm_page | null {
	const pg = uvm_pagealloc(k, null, 0, null, UVM_PGA_ZERO);
	if (pg !== null) pg.flags &= ~(PG_BUSY | PG_FAKE);
	return pg;
}

/**
 * Free a page.
 *
 * => owner and page queues locked; no mapping of the page is left.
 * => the owner forgets it: the object's table, or the anon's an_page.
 * => a page on loan, or in use by a device (uvm_vslock), has no owner then; the last one frees it.
 */
export function uvm_pagefree(k: Kernel, pg: vm_page): void {
	KASSERT((pg.pqflags & PQ_FREE) === 0, "uvm_pagefree: page is free already");
	KASSERT(pg.md_pvlist === null, "uvm_pagefree: page is still mapped");
	if (pg.loan_count === 0) k.watch.shadow?.pagefree(k, pg);
	page_disown(k, pg);
	if (pg.wire_count > 0) {
		pg.wire_count = vslock_count(k, pg);
		if (pg.wire_count === 0) k.uvmexp.wired--;
	}
	if (pg.loan_count > 0 || pg.wire_count > 0) {
		pg.pqflags = 0;
		return;
	}
	pg.pqflags = PQ_FREE;
	pageq_insert_tail(k.uvm.page_free, pg);
	k.uvmexp.free++;
}

/**
 * As uvm_pagefree, but the page is not used again: its memory is broken.
 * => it is neither wired nor on loan.
 */
export function uvm_pageretire(k: Kernel, pg: vm_page): void {
	KASSERT(pg.md_pvlist === null, "uvm_pageretire: page is still mapped");
	KASSERT(pg.wire_count === 0 && pg.loan_count === 0, "uvm_pageretire: page is wired or lent");
	page_disown(k, pg);
	pg.pqflags = 0;
	k.uvm.page_retired.push(pg);
}

/** Take a page away from its owner and off its queue. => owner, queues locked. */
function page_disown(k: Kernel, pg: vm_page): void {
	uvm_pageremove(k, pg);
	if (pg.uanon !== null) {
		pg.uanon.an_page = null;
		k.uvmexp.anonpages--;
		pg.uanon = null;
		pg.version++;
	}
	uvm_pagedequeue(k, pg);
	pg.uobject = null;
	pg.flags = 0;
}

/** How often uvm_vslock has wired a page. */
function vslock_count(k: Kernel, pg: vm_page): number {
	let count = 0;
	for (const pgs of k.uvm.vslocks) for (const one of pgs) if (one === pg) count++;
	return count;
}

/** Take a page off the active or inactive queue. => queues locked. */
export function uvm_pagedequeue(k: Kernel, pg: vm_page): void {
	const { queues } = k.uvm.pdpolicy;
	if (queues !== null) {
		queues.pagedequeue(k, pg);
	} else if ((pg.pqflags & PQ_ACTIVE) !== 0) {
		pageq_remove(k.uvm.page_active, pg);
		pg.pqflags &= ~PQ_ACTIVE;
		k.uvmexp.active--;
	} else if ((pg.pqflags & PQ_INACTIVE) !== 0) {
		pageq_remove(k.uvm.page_inactive, pg);
		pg.pqflags &= ~PQ_INACTIVE;
		k.uvmexp.inactive--;
	}
}

/** Wire a page: it leaves the queues. => queues locked; the page is not on loan. */
export function uvm_pagewire(k: Kernel, pg: vm_page): void {
	KASSERT(pg.loan_count === 0, "uvm_pagewire: page is on loan");
	if (pg.wire_count === 0) {
		uvm_pagedequeue(k, pg);
		k.uvmexp.wired++;
	}
	pg.wire_count++;
}

/** Undo one uvm_pagewire; the last one makes the page active. => queues locked. */
export function uvm_pageunwire(k: Kernel, pg: vm_page): void {
	KASSERT(pg.wire_count > 0, "uvm_pageunwire: page is not wired");
	pg.wire_count--;
	if (pg.wire_count > 0) return;
	k.uvmexp.wired--;
	uvm_pageactivate(k, pg);
}

/**
 * Move a page to the inactive queue's tail. Its mappings stay, so PG_CLEAN of an inactive page must
 * be checked with the pmap.
 * => queues locked.
 */
export function uvm_pagedeactivate(k: Kernel, pg: vm_page): void {
	KASSERT(pg.wire_count === 0, "uvm_pagedeactivate: wired page");
	KASSERT((pg.pqflags & PQ_FREE) === 0, "uvm_pagedeactivate: free page");
	const { queues } = k.uvm.pdpolicy;
	if (queues !== null) {
		queues.pagedeactivate(k, pg);
		return;
	}
	if ((pg.pqflags & PQ_INACTIVE) !== 0) return;
	uvm_pagedequeue(k, pg);
	pageq_insert_tail(k.uvm.page_inactive, pg);
	pg.pqflags |= PQ_INACTIVE;
	k.uvmexp.inactive++;
}

/** Move a page to the active queue's tail; nothing happens to a wired page. => queues locked. */
export function uvm_pageactivate(k: Kernel, pg: vm_page): void {
	KASSERT((pg.pqflags & PQ_FREE) === 0, "uvm_pageactivate: free page");
	if (pg.wire_count > 0) return;
	const { queues } = k.uvm.pdpolicy;
	if (queues !== null) {
		queues.pageactivate(k, pg);
		return;
	}
	uvm_pagedequeue(k, pg);
	pageq_insert_tail(k.uvm.page_active, pg);
	pg.pqflags |= PQ_ACTIVE;
	k.uvmexp.active++;
}

/** Zero a page. => it is busy, or not visible to others. */
export function uvm_pagezero(k: Kernel, pg: vm_page): void {
	pg.flags &= ~PG_CLEAN;
	pmap_zero_page(k, pg.phys_addr);
}

/** Copy a page. => both are busy, or not visible to others. */
export function uvm_pagecopy(k: Kernel, src: vm_page, dst: vm_page): void {
	dst.flags &= ~PG_CLEAN;
	pmap_copy_page(k, src.phys_addr, dst.phys_addr);
}

/**
 * Sleep until a busy page is un-busied.
 * => page PG_BUSY; `lock` is its owner's, held, and released on return. Sleeps.
 */
export function* uvm_pagewait(
	k: Kernel,
	pg: vm_page,
	lock: simplelock,
	wmesg: string,
): Sleeps<void> {
	pg.flags |= PG_WANTED;
	yield* ltsleep(k, pg, wmesg, 0, lock);
}

/**
 * Un-busy pages: wake the threads that wait, and free pages that were released meanwhile.
 * => owner locked; queues locked. Null and PGO_DONTCARE entries are skipped.
 * => not for the page of an anon that was freed meanwhile: that is for uvm_anon_release.
 */
export function uvm_page_unbusy(k: Kernel, pgs: (vm_page | null)[], npgs: number): void {
	for (let i = 0; i < npgs; i++) {
		const pg = pgs[i]!;
		if (pg === null || pg === PGO_DONTCARE) continue;
		uvm_page_unbusy1(k, pg);
	}
}

/** uvm_page_unbusy for one page. => false if the page was PG_RELEASED and is free now. */
export function uvm_page_unbusy1(k: Kernel, pg: vm_page): boolean {
	KASSERT((pg.flags & PG_BUSY) !== 0, "uvm_page_unbusy: page is not busy");
	if ((pg.flags & PG_WANTED) !== 0) wakeup(k, pg);
	if ((pg.flags & PG_RELEASED) === 0) {
		pg.flags &= ~(PG_BUSY | PG_WANTED);
		return true;
	}
	KASSERT(pg.uanon === null || pg.uanon.an_ref > 0, "uvm_page_unbusy: page of a dead anon");
	pmap_page_protect(k, pg, VM_PROT_NONE);
	uvm_pagefree(k, pg);
	return false;
}
