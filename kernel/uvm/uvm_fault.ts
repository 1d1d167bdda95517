/**
 * Port of sys/uvm/uvm_fault.c (2000-2001): resolve a page fault.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 *
 * An address is backed by two layers: the anon above (case 1) and the object, or zeros, below (case
 * 2). A fault that needs neither I/O nor a busy page is resolved by fault_attempt, which never
 * sleeps. Otherwise it records what to wait for, and uvm_fault waits.
 *
 * DEVIATION (D7): NetBSD relocks after a sleep, checks the map's timestamp and continues in the
 * middle. Here nothing runs between the end of a wait and the next attempt, so each wait is
 * followed by an attempt from the start: the page that was waited for cannot get lost in between.
 */

import {
	PMAP_CANFAIL,
	PMAP_WIRED,
	pmap_clear_modify,
	pmap_enter,
	pmap_extract,
	pmap_extract_wired,
	pmap_mapped,
	pmap_page_protect,
	pmap_update,
} from "../../pmap/pmap.ts";
import {
	EACCES,
	EAGAIN,
	EFAULT,
	EINVAL,
	EIO,
	ENOMEM,
	ERESTART,
	type Errno,
	ESLEEPS,
	EWOULDBLOCK,
} from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import {
	atop,
	PAGE_SIZE,
	ptoa,
	VM_PROT_NONE,
	VM_PROT_WRITE,
	va_atop,
	va_ptoa,
	va_trunc,
	type vaddr_t,
	type vm_prot_t,
} from "../../sys/vmparam.ts";
import type { buf } from "../dev/buf.ts";
import { UVMHIST_LOG } from "../kern/core/kern_history.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import { type Sleeps, sleep_enter, wakeup } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import {
	AMAP_SHARED,
	amap_add,
	amap_copy,
	amap_lock,
	amap_lookup,
	amap_lookups,
	amap_unlock,
	type vm_amap,
} from "./uvm_amap.ts";
import {
	uvm_analloc,
	uvm_anfree,
	uvm_anon_dropswap,
	uvm_anon_release,
	type vm_anon,
} from "./uvm_anon.ts";
import { uao_dropswap } from "./uvm_aobj_slots.ts";
import {
	UVM_ADV_SEQUENTIAL,
	UVM_ET_COPYONWRITE,
	UVM_ET_NEEDSCOPY,
	UVM_ET_ONFAULT,
	UVM_PGA_ZERO,
	VM_FAULT_WIRE,
} from "./uvm_extern.ts";
import { uvm_loanbreak, uvm_loanbreak_anon } from "./uvm_loanbreak.ts";
import {
	entry_contains,
	uvm_map_lookup_entry,
	VM_MAP_PAGEABLE,
	type vm_map,
	type vm_map_entry,
	vm_map_lock_read,
	vm_map_lock_read_try,
	vm_map_lock_try,
	vm_map_unlock,
	vm_map_unlock_read,
} from "./uvm_map_entry.ts";
import { PGO_LOCKED, PGO_SYNCIO, pagerops, type uvm_object } from "./uvm_object.ts";
import {
	PG_BUSY,
	PG_CLEAN,
	PG_FAKE,
	PG_RELEASED,
	PG_WANTED,
	PGO_DONTCARE,
	PQ_AOBJ,
	PQ_SWAPBACKED,
	uvm_page_unbusy1,
	uvm_pageactivate,
	uvm_pagealloc,
	uvm_pagecopy,
	uvm_pagedeactivate,
	uvm_pagefree,
	uvm_pagelookup,
	uvm_pageunwire,
	uvm_pagewait,
	uvm_pagewire,
	type vm_page,
} from "./uvm_page.ts";
import { UVM_MAXRANGE } from "./uvm_policy.ts";
import {
	SWSLOT_BAD,
	SWSLOT_NONE,
	type SwapSlot,
	uvm_swap_markbad,
	uvm_swpgonly_add,
} from "./uvm_swap.ts";
import { type swap_neighbours, uvm_swap_getahead } from "./uvm_swap_ahead.ts";
import {
	uvm_swap_get,
	uvm_swap_getdone,
	uvm_swap_getstart,
	uvm_swap_getwait,
	uvm_swap_isplain,
} from "./uvm_swap_io.ts";
import { uvm_grow, uvm_may_grow } from "./uvm_unix.ts";
import { uvm_pause, uvm_reclaimable, uvm_wait } from "./uvm_wait.ts";

/** How often a fault is retried after a pool refused an allocation. */
const REFUSALS_MAX = 16;

/**
 * What an attempt would have to wait for; "page", "pager_map": for the page of wait_anon, and for
 * room to read it; "pause": there was none.
 */
type Wait = "none" | "memory" | "map" | "anon" | "page" | "pager_map" | "pause" | "object";

/** One fault: the request, and the state of the attempt. */
export interface uvm_faultinfo {
	orig_map: vm_map;
	/** Page aligned. */
	va: vaddr_t;
	fault_type: number;
	access: vm_prot_t;
	/** Only the faulting page: set after the first attempt. */
	narrow: boolean;

	map: vm_map;
	entry: vm_map_entry;
	enter_prot: vm_prot_t;
	wired: boolean;
	startva: vaddr_t;
	npages: number;
	centeridx: number;
	readonly anons: (vm_anon | null)[];
	readonly pages: (vm_page | null)[];

	/** Allocations refused although pages were free. */
	refusals: number;
	wait: Wait;
	wait_anon: vm_anon | null;
	wait_uobj: uvm_object | null;
	wait_offset: number;

	/** The page of wait_anon that is read from wait_slot, by `io` unless that waits. */
	io: buf | null;
	readonly io_page: vm_page[];
	wait_slot: SwapSlot;
	/** Page-ins of the system before. */
	pageins: number;
}

function faultinfo(map: vm_map): uvm_faultinfo {
	return {
		orig_map: map,
		va: 0,
		fault_type: 0,
		access: 0,
		narrow: false,
		map,
		entry: map.header,
		enter_prot: 0,
		wired: false,
		startva: 0,
		npages: 0,
		centeridx: 0,
		anons: new Array<vm_anon | null>(UVM_MAXRANGE).fill(null),
		pages: new Array<vm_page | null>(UVM_MAXRANGE).fill(null),
		refusals: 0,
		wait: "none",
		wait_anon: null,
		wait_uobj: null,
		wait_offset: 0,
		io: null,
		io_page: [],
		wait_slot: SWSLOT_NONE,
		pageins: 0,
	};
}

function faultinfo_start(
	ufi: uvm_faultinfo,
	map: vm_map,
	va: vaddr_t,
	fault_type: number,
	access: vm_prot_t,
): void {
	ufi.orig_map = map;
	ufi.va = va_trunc(va);
	ufi.fault_type = fault_type;
	ufi.access = access;
	ufi.narrow = fault_type === VM_FAULT_WIRE;
	ufi.refusals = 0;
	ufi.wait = "none";
}

/**
 * Resolve a fault if that is possible without sleeping.
 *
 * => nothing locked. 0: the page is mapped. EWOULDBLOCK: nothing was done, call uvm_fault.
 * => EFAULT: no entry, EACCES: protection, ENOMEM: out of memory and swap.
 */
export function uvm_fault_nosleep(
	k: Kernel,
	map: vm_map,
	va: vaddr_t,
	fault_type: number,
	access: vm_prot_t,
): Errno {
	const ufi = (k.uvm.fault ??= faultinfo(map));
	k.uvmexp.faults++;
	faultinfo_start(ufi, map, va, fault_type, access);
	const error = fault_attempt(k, ufi);
	if (error === 0) k.curlwp.l_minflt++;
	return error;
}

/** Take the state of a fault from where it is kept for the next one; new if others have it. */
function faultinfo_take(k: Kernel, map: vm_map): uvm_faultinfo {
	const ufi = k.uvm.fault ?? faultinfo(map);
	k.uvm.fault = null;
	ufi.pageins = k.uvmexp.pageins;
	return ufi;
}

/**
 * Go on after uvm_fault_nosleep has returned EWOULDBLOCK.
 *
 * => nothing locked. The fault, for uvm_fault_resume.
 * => a debugger may have had a fault of its own meanwhile: then there is an attempt more.
 */
export function uvm_fault_tried(
	k: Kernel,
	map: vm_map,
	va: vaddr_t,
	fault_type: number,
	access: vm_prot_t,
): uvm_faultinfo {
	const ufi = faultinfo_take(k, map);
	if (ufi.wait !== "none" && ufi.orig_map === map && ufi.va === va_trunc(va)) {
		ufi.fault_type = fault_type;
		ufi.access = access;
	} else {
		faultinfo_start(ufi, map, va, fault_type, access);
	}
	return ufi;
}

/**
 * Resolve a fault as far as that is possible without a generator, from where it is.
 *
 * => nothing locked.
 * => ESLEEPS: the thread is on the sleep queue, and gives up the processor. When it wakes, this
 *    goes on. EWOULDBLOCK: uvm_fault_rest goes on.
 * => any other error: the result of uvm_fault, and `ufi` is not to be used any more.
 */
export function uvm_fault_resume(k: Kernel, ufi: uvm_faultinfo): Errno {
	for (;;) {
		if (ufi.io !== null) {
			if (!ufi.io.b_done) {
				// As biowait.
				sleep_enter(k, ufi.io, "biowait", 0);
				return ESLEEPS;
			}
			const error = fault_read(k, ufi);
			if (error !== 0) return error;
		}
		const error = ufi.wait === "none" ? fault_attempt(k, ufi) : EWOULDBLOCK;
		if (error !== EWOULDBLOCK) return fault_end(k, ufi, error);
		k.uvmexp.fltrelck++;
		if (ufi.wait !== "anon") return EWOULDBLOCK;
		const failed = fault_readstart(k, ufi, ufi.wait_anon!);
		if (failed !== 0) return failed;
	}
}

/** A fault is over. => its result */
function fault_end(k: Kernel, ufi: uvm_faultinfo, error: Errno): Errno {
	if (k.uvmexp.pageins === ufi.pageins) k.curlwp.l_minflt++;
	else k.curlwp.l_majflt++;
	k.uvm.fault = ufi;
	return error;
}

/**
 * Resolve a fault, waiting for what it needs.
 *
 * => nothing locked. Sleeps: for memory, a busy page, the disk, the map's lock.
 * => `tried`: uvm_fault_nosleep has just returned EWOULDBLOCK, and this goes on from there.
 * => 0, EFAULT, EACCES, ENOMEM as above; EIO: the contents could not be read.
 */
export function* uvm_fault(
	k: Kernel,
	map: vm_map,
	va: vaddr_t,
	fault_type: number,
	access: vm_prot_t,
	tried = false,
): Sleeps<Errno> {
	let ufi: uvm_faultinfo;
	if (tried) {
		ufi = uvm_fault_tried(k, map, va, fault_type, access);
	} else {
		ufi = faultinfo_take(k, map);
		faultinfo_start(ufi, map, va, fault_type, access);
	}
	const error = uvm_fault_resume(k, ufi);
	if (error !== ESLEEPS && error !== EWOULDBLOCK) return error;
	return yield* uvm_fault_rest(k, ufi, error);
}

/** Resolve a fault that sleeps. => as uvm_fault; `met`: what uvm_fault_resume has returned. */
export function* uvm_fault_rest(k: Kernel, ufi: uvm_faultinfo, met: Errno): Sleeps<Errno> {
	for (let error = met; ; error = uvm_fault_resume(k, ufi)) {
		if (error === ESLEEPS) {
			yield k.curlwp.l_wchan;
		} else if (error === EWOULDBLOCK) {
			const failed = yield* fault_wait(k, ufi);
			if (failed !== 0) return failed;
			ufi.wait = "none";
		} else {
			return error;
		}
	}
}

/** Wait for what an attempt needs. => 0: try again */
function* fault_wait(k: Kernel, ufi: uvm_faultinfo): Sleeps<Errno> {
	switch (ufi.wait) {
		case "memory":
			// Pages are free, so a pool refused the allocation, perhaps permanently.
			if (k.uvmexp.free > k.uvmexp.reserve_kernel && ++ufi.refusals > REFUSALS_MAX) {
				return ENOMEM;
			}
			yield* uvm_wait(k, "flt_noram");
			return 0;
		case "map":
			yield* vm_map_lock_read(k, ufi.orig_map);
			vm_map_unlock_read(k, ufi.orig_map);
			return 0;
		case "anon":
			return yield* uvmfault_anonget(k, ufi.wait_anon!, ufi);
		case "page":
			yield* uvm_wait(k, "flt_noram1");
			return 0;
		case "pager_map": {
			const error = yield* uvm_swap_getwait(k, ufi.io_page[0]!, ufi.wait_slot);
			const failed = fault_readdone(k, ufi, error);
			if (failed !== EWOULDBLOCK) return failed;
			yield* uvm_pause(k, "anonget2");
			return 0;
		}
		case "pause":
			yield* uvm_pause(k, "anonget2");
			return 0;
		case "object":
			return yield* uvmfault_objget(k, ufi.wait_uobj!, ufi.wait_offset, ufi.access);
		default:
			return EINVAL;
	}
}

/** End an attempt that has to wait. => everything it had locked is unlocked already. */
function would_block(ufi: uvm_faultinfo, wait: Wait): Errno {
	ufi.wait = wait;
	return EWOULDBLOCK;
}

/** Memory is short: wait for the page daemon, unless it has nothing left to free. */
export function uvmfault_noram(k: Kernel, ufi: uvm_faultinfo): Errno {
	k.uvmexp.fltnoram++;
	return uvm_reclaimable(k) ? would_block(ufi, "memory") : ENOMEM;
}

/** Unlock the map and, if it has one, the entry's amap. */
export function uvmfault_unlockall(k: Kernel, ufi: uvm_faultinfo, amap: vm_amap | null): void {
	if (amap !== null) amap_unlock(k, amap);
	vm_map_unlock_read(k, ufi.map);
}

/** Try to resolve the fault without sleeping, from the start. => all unlocked on return. */
function fault_attempt(k: Kernel, ufi: uvm_faultinfo): Errno {
	for (;;) {
		let error = fault_lookup(k, ufi);
		if (error === 0) error = fault_resolve(k, ufi);
		if (error !== ERESTART) return error;
	}
}

/**
 * Find the entry and decide what may be mapped.
 * => 0 and the map locked for reading, or an error and nothing locked.
 */
function fault_lookup(k: Kernel, ufi: uvm_faultinfo): Errno {
	let map = ufi.orig_map;
	if (!vm_map_lock_read_try(map)) return would_block(ufi, "map");
	let entry = uvm_map_lookup_entry(map, ufi.va);
	while (entry_contains(map, entry, ufi.va) && entry.sub_map !== null) {
		const sub = entry.sub_map;
		vm_map_unlock_read(k, map);
		if (!vm_map_lock_read_try(sub)) return would_block(ufi, "map");
		map = sub;
		entry = uvm_map_lookup_entry(map, ufi.va);
	}
	ufi.map = map;
	ufi.entry = entry;
	let error = 0;
	if (!entry_contains(map, entry, ufi.va)) error = EFAULT;
	else if ((map.flags & VM_MAP_PAGEABLE) === 0) error = EINVAL;
	else if ((entry.protection & ufi.access) !== ufi.access) error = EACCES;
	else if (
		entry.amap === null &&
		entry.uvm_obj === null &&
		(entry.etype & UVM_ET_NEEDSCOPY) === 0
	) {
		error = EFAULT;
	}
	if (error !== 0) {
		vm_map_unlock_read(k, map);
		if (error !== EFAULT || !uvm_may_grow(k, map, ufi.va)) return error;
		if (!vm_map_lock_try(k, map)) return would_block(ufi, "map");
		const grown = uvm_grow(k, map, ufi.va);
		vm_map_unlock(k, map);
		return grown ? ERESTART : uvmfault_noram(k, ufi);
	}
	ufi.enter_prot = entry.protection;
	ufi.wired = entry.wired_count > 0 || ufi.fault_type === VM_FAULT_WIRE;
	if (ufi.wired) ufi.access = ufi.enter_prot;
	if ((entry.etype & UVM_ET_NEEDSCOPY) === 0) return 0;
	if ((ufi.access & VM_PROT_WRITE) === 0 && entry.uvm_obj !== null) {
		ufi.enter_prot &= ~VM_PROT_WRITE;
		return 0;
	}
	vm_map_unlock_read(k, map);
	if (!vm_map_lock_try(k, map)) return would_block(ufi, "map");
	const copied = amap_copy(k, entry);
	vm_map_unlock(k, map);
	k.uvmexp.fltamcopy++;
	return copied ? ERESTART : uvmfault_noram(k, ufi);
}

/** The window of pages round the fault, by the entry's advice, inside the entry. */
function fault_window(k: Kernel, ufi: uvm_faultinfo): void {
	const { entry, va } = ufi;
	let back = 0;
	let forw = 0;
	// The neighbours in a wired entry are mapped already, or will be by faults of their own.
	if (!ufi.narrow && !ufi.wired) {
		const { nback, nforw } = k.uvm.policy;
		back = Math.min(nback[entry.advice]!, va_atop(va - entry.start));
		forw = Math.min(nforw[entry.advice]!, va_atop(entry.end - va) - 1);
		ufi.narrow = true;
	}
	ufi.startva = va - va_ptoa(back);
	ufi.npages = back + forw + 1;
	ufi.centeridx = back;
}

/** => the map locked for reading; all unlocked on return. */
function fault_resolve(k: Kernel, ufi: uvm_faultinfo): Errno {
	const entry = ufi.entry;
	const { amap, uvm_obj: uobj } = entry;
	fault_window(k, ufi);
	const { anons, pages, npages, centeridx } = ufi;
	if (amap !== null) {
		amap_lock(k, amap);
		const slot = entry.pageoff + va_atop(ufi.startva - entry.start);
		amap_lookups(amap, slot, anons, npages);
	} else {
		for (let i = 0; i < npages; i++) anons[i] = null;
	}
	pages[centeridx] = null;
	if (npages > 1) {
		fault_neighbours(k, ufi);
		if (entry.advice === UVM_ADV_SEQUENTIAL) fault_behind(k, ufi, uobj);
	}
	const anon = anons[centeridx]!;
	if (anon !== null) return fault_anon(k, ufi, amap!, anon);
	if (uobj === null) return fault_promote(k, ufi, amap!, null, null);

	simple_lock(k, uobj.vmobjlock);
	const ops = pagerops(k, uobj);
	const uoff = entry.offset + (ufi.startva - entry.start);
	if (ops.pgo_fault !== undefined) {
		return ops.pgo_fault(k, ufi, ufi.startva, pages, npages, centeridx, ufi.access, PGO_LOCKED);
	}
	k.uvmexp.fltlget++;
	ops.pgo_get_locked(k, uobj, uoff, pages, npages, centeridx, ufi.access, PGO_LOCKED);
	if (npages > 1) fault_map_neighbours(k, ufi);
	const uobjpage = pages[centeridx]!;
	if (uobjpage !== null) return fault_object(k, ufi, amap, uobj, uobjpage);
	simple_unlock(k, uobj.vmobjlock);
	uvmfault_unlockall(k, ufi, amap);
	ufi.wait_uobj = uobj;
	ufi.wait_offset = uoff + ptoa(centeridx);
	return would_block(ufi, "object");
}

/**
 * Map resident anons round the faulting page, and choose which object pages are of interest.
 * Failures do not matter, because the fault does not need these pages.
 */
function fault_neighbours(k: Kernel, ufi: uvm_faultinfo): void {
	const { anons, pages, npages, centeridx, startva } = ufi;
	const pm = ufi.orig_map.pmap;
	const mapped = pmap_mapped(k, pm, startva, npages);
	for (let i = 0; i < npages; i++) {
		if (i === centeridx) continue;
		const anon = anons[i]!;
		const done = (mapped & (1 << i)) !== 0;
		pages[i] = anon === null && !done ? null : PGO_DONTCARE;
		if (anon === null || done) continue;
		const pg = anon.an_page;
		if (pg === null || pg.loan_count > 0 || (pg.flags & PG_BUSY) !== 0) continue;
		const prot = anon.an_ref > 1 ? ufi.enter_prot & ~VM_PROT_WRITE : ufi.enter_prot;
		// A write-only mapping allows nothing before its copy is made.
		if (prot === VM_PROT_NONE) continue;
		simple_lock(k, anon);
		uvm_pageactivate(k, pg);
		pmap_enter(k, pm, startva + va_ptoa(i), pg.phys_addr, prot, PMAP_CANFAIL);
		k.uvmexp.fltnamap++;
		simple_unlock(k, anon);
	}
	pmap_update(k, pm);
}

/** Sequential access: deactivate the pages behind, which will not be needed soon. */
function fault_behind(k: Kernel, ufi: uvm_faultinfo, uobj: uvm_object | null): void {
	const entry = ufi.entry;
	for (let i = 0; i < ufi.centeridx; i++) {
		let pg = ufi.anons[i]?.an_page ?? null;
		if (pg === null && uobj !== null) {
			pg = uvm_pagelookup(k, uobj, entry.offset + (ufi.startva - entry.start) + ptoa(i));
		}
		if (pg === null || pg.wire_count > 0 || (pg.flags & PG_BUSY) !== 0) continue;
		uvm_pagedeactivate(k, pg);
	}
}

/** Map the neighbours that pgo_get_locked found, and un-busy them. => object locked. */
function fault_map_neighbours(k: Kernel, ufi: uvm_faultinfo): void {
	const { pages, npages, centeridx, startva } = ufi;
	const pm = ufi.orig_map.pmap;
	const cow = (ufi.entry.etype & UVM_ET_COPYONWRITE) !== 0;
	const prot = cow ? ufi.enter_prot & ~VM_PROT_WRITE : ufi.enter_prot;
	for (let i = 0; i < npages; i++) {
		const pg = pages[i]!;
		if (i === centeridx || pg === null || pg === PGO_DONTCARE) continue;
		const may = pg.loan_count > 0 ? prot & ~VM_PROT_WRITE : prot;
		if (may !== VM_PROT_NONE) {
			uvm_pageactivate(k, pg);
			pmap_enter(k, pm, startva + ptoa(i), pg.phys_addr, may, PMAP_CANFAIL);
			k.uvmexp.fltnomap++;
		}
		uvm_page_unbusy1(k, pg);
	}
	pmap_update(k, pm);
}

/** Case 1: the page belongs to an anon. => map, amap locked. */
function fault_anon(k: Kernel, ufi: uvm_faultinfo, amap: vm_amap, anon: vm_anon): Errno {
	simple_lock(k, anon);
	let pg = anon.an_page;
	if (pg === null || (pg.flags & PG_BUSY) !== 0) {
		simple_unlock(k, anon);
		uvmfault_unlockall(k, ufi, amap);
		ufi.wait_anon = anon;
		return would_block(ufi, "anon");
	}
	k.uvmexp.flt_anon++;
	const lent = pg.loan_count > 0;
	// A page on loan cannot be stored to, nor be wired.
	const own = (ufi.access & VM_PROT_WRITE) !== 0 || (lent && ufi.wired);
	if (own && (anon.an_ref > 1 || lent)) {
		if (anon.an_ref > 1) pg = fault_copy_anon(k, ufi, amap, anon);
		else pg = uvm_loanbreak_anon(k, anon) === 0 ? anon.an_page : null;
		if (pg === null) {
			simple_unlock(k, anon);
			uvmfault_unlockall(k, ufi, amap);
			return uvmfault_noram(k, ufi);
		}
	} else if (anon.an_ref > 1 || lent) {
		ufi.enter_prot &= ~VM_PROT_WRITE;
	}
	const error = fault_enter(k, ufi, pg);
	simple_unlock(k, anon);
	uvmfault_unlockall(k, ufi, amap);
	return error === 0 ? 0 : uvmfault_noram(k, ufi);
}

/** Case 1B: write to an anon that others refer to. => the page of our copy, or null. */
function fault_copy_anon(
	k: Kernel,
	ufi: uvm_faultinfo,
	amap: vm_amap,
	anon: vm_anon,
): vm_page | null {
	const copy = new_anon(k, 0);
	if (copy === null) return null;
	k.uvmexp.flt_acow++;
	const pg = copy.an_page!;
	uvm_pagecopy(k, anon.an_page!, pg);
	pg.flags &= ~(PG_BUSY | PG_FAKE);
	amap_add(k, amap, slot_of(ufi), copy, true);
	anon.an_ref--;
	unwire_original(k, ufi, anon.an_page!);
	return pg;
}

/** Unwire the original of a page that was copied, if this mapping has it wired. */
function unwire_original(k: Kernel, ufi: uvm_faultinfo, pg: vm_page): void {
	if (pmap_extract_wired(k, ufi.orig_map.pmap, ufi.va) === pg.phys_addr) uvm_pageunwire(k, pg);
}

const slot_of = (ufi: uvm_faultinfo): number =>
	ufi.entry.pageoff + va_atop(ufi.va - ufi.entry.start);

/** An anon with a busy page. => null if there is no anon or no page for it. */
function new_anon(k: Kernel, pga_flags: number): vm_anon | null {
	const anon = uvm_analloc(k);
	if (anon === null) {
		k.uvmexp.fltnoanon++;
		return null;
	}
	if (uvm_pagealloc(k, null, 0, anon, pga_flags) !== null) return anon;
	anon.an_ref = 0;
	uvm_anfree(k, anon);
	return null;
}

/** Case 2 with a resident object page. => map, amap, object locked; we own the page (busy). */
function fault_object(
	k: Kernel,
	ufi: uvm_faultinfo,
	amap: vm_amap | null,
	uobj: uvm_object,
	uobjpage: vm_page,
): Errno {
	const cow = (ufi.entry.etype & UVM_ET_COPYONWRITE) !== 0;
	const write = (ufi.access & VM_PROT_WRITE) !== 0;
	if (cow && write) return fault_promote(k, ufi, amap!, uobj, uobjpage);
	let pg = uobjpage;
	if (pg.loan_count > 0 && (write || ufi.wired)) {
		const copy = uvm_loanbreak(k, pg);
		if (copy === null) {
			uvm_page_unbusy1(k, pg);
			simple_unlock(k, uobj.vmobjlock);
			uvmfault_unlockall(k, ufi, amap);
			return uvmfault_noram(k, ufi);
		}
		pg = copy;
	}
	if (cow || pg.loan_count > 0) ufi.enter_prot &= ~VM_PROT_WRITE;
	k.uvmexp.flt_obj++;
	const error = fault_enter(k, ufi, pg);
	uvm_page_unbusy1(k, pg);
	simple_unlock(k, uobj.vmobjlock);
	uvmfault_unlockall(k, ufi, amap);
	return error === 0 ? 0 : uvmfault_noram(k, ufi);
}

/**
 * Case 2B: give the amap an anon of its own, a copy of the object's page or zeros.
 * => map, amap locked; if there is an object it is locked, and we own its page (busy).
 */
function fault_promote(
	k: Kernel,
	ufi: uvm_faultinfo,
	amap: vm_amap,
	uobj: uvm_object | null,
	uobjpage: vm_page | null,
): Errno {
	const anon = new_anon(k, uobjpage === null ? UVM_PGA_ZERO : 0);
	if (anon !== null && uobjpage !== null) {
		k.uvmexp.flt_prcopy++;
		uvm_pagecopy(k, uobjpage, anon.an_page!);
		unwire_original(k, ufi, uobjpage);
		// Others that share the amap have the object's page mapped and must see the copy now.
		if ((amap.am_flags & AMAP_SHARED) !== 0) pmap_page_protect(k, uobjpage, VM_PROT_NONE);
	} else if (anon !== null) {
		k.uvmexp.flt_przero++;
	}
	if (uobj !== null) {
		uvm_pageactivate(k, uobjpage!);
		uvm_page_unbusy1(k, uobjpage!);
		simple_unlock(k, uobj.vmobjlock);
	}
	if (anon === null) {
		uvmfault_unlockall(k, ufi, amap);
		return uvmfault_noram(k, ufi);
	}
	const pg = anon.an_page!;
	pg.flags &= ~(PG_BUSY | PG_FAKE);
	if (!amap_add(k, amap, slot_of(ufi), anon, false)) {
		anon.an_ref = 0;
		uvm_anfree(k, anon);
		uvmfault_unlockall(k, ufi, amap);
		return uvmfault_noram(k, ufi);
	}
	const error = fault_enter(k, ufi, pg);
	uvmfault_unlockall(k, ufi, amap);
	return error === 0 ? 0 : uvmfault_noram(k, ufi);
}

/**
 * Map the page, and wire or activate it.
 * => 0, or ENOMEM: no page table, or a third of memory is wired.
 */
function fault_enter(k: Kernel, ufi: uvm_faultinfo, pg: vm_page): Errno {
	const pm = ufi.orig_map.pmap;
	const flags = ufi.access | PMAP_CANFAIL | (ufi.wired ? PMAP_WIRED : 0);
	// A page is wired once for each wired mapping: that tells whether this entry has done it.
	const wire = ufi.wired && pmap_extract_wired(k, pm, ufi.va) !== pg.phys_addr;
	// Pages that are wired one by one were not counted when the program asked for that.
	const onfault = wire && (ufi.entry.etype & UVM_ET_ONFAULT) !== 0;
	if (onfault && pg.wire_count === 0 && k.uvmexp.wired >= k.uvmexp.wiredmax) return ENOMEM;
	const error = pmap_enter(k, pm, ufi.va, pg.phys_addr, ufi.enter_prot, flags);
	if (k.uvmhist !== null) {
		UVMHIST_LOG(k, "uvm_fault", "va, pa, prot", ufi.va, pg.phys_addr, ufi.enter_prot);
	}
	// DEVIATION (D8): NetBSD wires in uvm_fault_wire only, and forgets the copy that a store makes in
	// a wired entry, and the page that comes in place of one cut off by truncate.
	if (error === 0 && wire) {
		uvm_pagewire(k, pg);
		// A wired page needs no slot, and its contents may change at any time.
		if (pg.uanon !== null) uvm_anon_dropswap(k, pg.uanon);
		else if ((pg.pqflags & PQ_AOBJ) !== 0) uao_dropswap(k, pg.uobject!, atop(pg.offset));
		// A file's page keeps its place on disk, and is clean until it is stored to.
		if ((pg.pqflags & PQ_SWAPBACKED) !== 0) pg.flags &= ~PG_CLEAN;
	} else {
		uvm_pageactivate(k, pg);
	}
	pmap_update(k, pm);
	return error;
}

/**
 * Make the page of an anon resident, or wait while it is busy.
 *
 * => nothing locked, and nothing slept since the anon was seen in its amap. Sleeps.
 * => `ufi`: the fault that needs it, of which neighbours may be read, too.
 * => 0: try again. EIO: the contents are lost. ENOMEM: out of memory and swap.
 */
export function* uvmfault_anonget(
	k: Kernel,
	anon: vm_anon,
	ufi: uvm_faultinfo | null = null,
): Sleeps<Errno> {
	simple_lock(k, anon);
	const resident = anon.an_page;
	if (resident !== null) {
		if ((resident.flags & PG_BUSY) === 0) {
			simple_unlock(k, anon);
			return 0;
		}
		k.uvmexp.fltpgwait++;
		yield* uvm_pagewait(k, resident, anon, "anonget");
		return 0;
	}
	const slot = anon.an_swslot;
	if (slot === SWSLOT_BAD) {
		simple_unlock(k, anon);
		return EIO;
	}
	const pg = uvm_pagealloc(k, null, 0, anon, 0);
	simple_unlock(k, anon);
	if (pg === null) {
		k.uvmexp.fltnoram++;
		if (!uvm_reclaimable(k)) return ENOMEM;
		yield* uvm_wait(k, "flt_noram1");
		return 0;
	}
	const error =
		ufi === null || k.uvm.policy.swapin === 1
			? yield* uvm_swap_get(k, pg, slot, PGO_SYNCIO)
			: yield* uvm_swap_getahead(k, pg, slot, anon_neighbours(k, ufi, slot));
	const end = anonget_done(k, anon, pg, slot, error, false);
	if (end !== EAGAIN) return end;
	// Lack of resources: the slot is still good.
	yield* uvm_pause(k, "anonget2");
	return 0;
}

/** The pages beside the one that the fault needs. => nothing has slept since the attempt */
function anon_neighbours(k: Kernel, ufi: uvm_faultinfo, slot: SwapSlot): swap_neighbours {
	const { entry, va } = ufi;
	const amap = entry.amap!;
	const center = va_atop(va - entry.start);
	return {
		take: (distance) => {
			const i = center + distance;
			if (i < 0 || i >= va_atop(entry.end - entry.start)) return null;
			const anon = amap_lookup(amap, entry.pageoff + i);
			if (anon === null || anon.locked || anon.an_page !== null) return null;
			return anon.an_swslot === slot + distance ? uvm_pagealloc(k, null, 0, anon, 0) : null;
		},
		// If it cannot be read, that is seen when it is needed.
		done: (pg, error) => {
			const anon = pg.uanon!;
			anonget_done(k, anon, pg, anon.an_swslot, error === 0 ? 0 : ENOMEM, true);
		},
	};
}

/**
 * uvmfault_anonget for a page in swap, without a generator. => as there.
 * => 0: it is under way, as ufi.io. EWOULDBLOCK: ufi.wait tells for what it waits.
 */
function fault_readstart(k: Kernel, ufi: uvm_faultinfo, anon: vm_anon): Errno {
	const slot = anon.an_swslot;
	if (anon.an_page !== null || slot === SWSLOT_BAD || !uvm_swap_isplain(k, slot)) {
		return EWOULDBLOCK;
	}
	if (k.uvm.policy.swapin > 1) return EWOULDBLOCK;
	simple_lock(k, anon);
	const pg = uvm_pagealloc(k, null, 0, anon, 0);
	simple_unlock(k, anon);
	if (pg === null) {
		k.uvmexp.fltnoram++;
		return uvm_reclaimable(k) ? would_block(ufi, "page") : ENOMEM;
	}
	ufi.io_page[0] = pg;
	ufi.wait_slot = slot;
	const bp = uvm_swap_getstart(k, ufi.io_page, slot);
	if (bp === EWOULDBLOCK) return would_block(ufi, "pager_map");
	if (typeof bp === "number") return fault_readdone(k, ufi, bp);
	ufi.io = bp;
	return 0;
}

/** The transfer is done. => 0: try again; or as uvm_fault_resume */
function fault_read(k: Kernel, ufi: uvm_faultinfo): Errno {
	const bp = ufi.io!;
	ufi.io = null;
	return fault_readdone(k, ufi, uvm_swap_getdone(k, ufi.io_page[0]!, ufi.wait_slot, bp));
}

function fault_readdone(k: Kernel, ufi: uvm_faultinfo, error: Errno): Errno {
	const end = anonget_done(k, ufi.wait_anon!, ufi.io_page[0]!, ufi.wait_slot, error, false);
	if (end === EAGAIN) return would_block(ufi, "pause");
	ufi.wait = "none";
	return end;
}

/**
 * Finish the read of an anon's page from `slot`, with the result of uvm_swap_get.
 * => nothing locked. As uvmfault_anonget; EAGAIN: for lack of resources, try again after a while.
 * => `ahead`: nobody has asked for the page yet.
 */
function anonget_done(
	k: Kernel,
	anon: vm_anon,
	pg: vm_page,
	slot: SwapSlot,
	error: Errno,
	ahead: boolean,
): Errno {
	if ((pg.flags & PG_RELEASED) !== 0) {
		// The anon was freed. Its page counts as resident to uvm_anfree, even if the read failed.
		if (error === EIO) {
			// DEVIATION (D9): NetBSD frees the bad slot, and loses the next page that is written there.
			uvm_swap_markbad(k, slot, 1);
			anon.an_swslot = SWSLOT_BAD;
		} else if (error !== 0) {
			uvm_swpgonly_add(k, -1);
		}
		uvm_anon_release(k, anon);
		return 0;
	}
	simple_lock(k, anon);
	anonget_unbusy(k, anon, pg, error, ahead);
	return error === ENOMEM ? EAGAIN : error;
}

/** Un-busy an anon's page that was read, or free it. => anon locked; all unlocked on return. */
function anonget_unbusy(k: Kernel, anon: vm_anon, pg: vm_page, error: Errno, ahead: boolean): void {
	if ((pg.flags & PG_WANTED) !== 0) wakeup(k, pg);
	simple_lock(k, k.uvm.pageqlock);
	if (error === 0) {
		pmap_clear_modify(k, pg);
		pg.flags &= ~(PG_BUSY | PG_WANTED | PG_FAKE);
		if (ahead) uvm_pagedeactivate(k, pg);
		else uvm_pageactivate(k, pg);
	} else {
		uvm_pagefree(k, pg);
	}
	simple_unlock(k, k.uvm.pageqlock);
	if (error === EIO) {
		uvm_swap_markbad(k, anon.an_swslot, 1);
		anon.an_swslot = SWSLOT_BAD;
	}
	simple_unlock(k, anon);
}

/**
 * Get the page of an object that is absent or busy, and leave it resident.
 * => nothing locked, and nothing slept since the object was seen. Sleeps. 0: try again.
 */
export function* uvmfault_objget(
	k: Kernel,
	uobj: uvm_object,
	offset: number,
	access: vm_prot_t,
): Sleeps<Errno> {
	k.uvmexp.fltget++;
	const pps: (vm_page | null)[] = [null];
	const ops = pagerops(k, uobj);
	// The entry's reference may be dropped while this sleeps.
	ops.pgo_reference(k, uobj);
	simple_lock(k, uobj.vmobjlock);
	const error = yield* ops.pgo_get(k, uobj, offset, pps, 1, 0, access, PGO_SYNCIO);
	if (error === 0) {
		const pg = pps[0]!;
		KASSERT(pg !== null, "uvm_fault: pgo_get succeeded without a page");
		simple_lock(k, uobj.vmobjlock);
		simple_lock(k, k.uvm.pageqlock);
		if ((pg.flags & PG_RELEASED) === 0) uvm_pageactivate(k, pg);
		uvm_page_unbusy1(k, pg);
		simple_unlock(k, k.uvm.pageqlock);
		simple_unlock(k, uobj.vmobjlock);
	}
	yield* ops.pgo_detach(k, uobj);
	if (error !== ENOMEM && error !== EAGAIN) return error;
	if (error === ENOMEM && !uvm_reclaimable(k)) return ENOMEM;
	yield* uvm_pause(k, "fltagain");
	return 0;
}

/**
 * Wire the pages of [start, end), faulting them in (uvm_fault_wire); with `onfault` only those that
 * are mapped.
 *
 * => the entries are marked wired already, need no copy, and allow some access. The map is not
 *    locked for writing. Sleeps.
 * => 0, or the error of the first page that failed; the caller unwires those before it.
 */
export function* uvm_fault_wire(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
	access: vm_prot_t,
	onfault: boolean,
): Sleeps<Errno> {
	for (let va = start; va < end; va += PAGE_SIZE) {
		if (onfault && pmap_extract(k, map.pmap, va) < 0) continue;
		const error = yield* uvm_fault(k, map, va, VM_FAULT_WIRE, access);
		if (error !== 0) return error;
	}
	return 0;
}
