/**
 * Port of sys/uvm/uvm_map.c (2000-2002), fifth part: inheritance and advice, flushing a range
 * (uvm_map_clean), and what madvise and mincore (uvm_mmap.c) ask of a map.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1987, 1990 Carnegie-Mellon University.
 * All rights reserved. See NOTICE for the conditions.
 */

import {
	pmap_clear_reference,
	pmap_page_protect,
	pmap_remove,
	pmap_update,
} from "../../pmap/pmap.ts";
import { EACCES, EBUSY, EFAULT, EINVAL, ENOMEM, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import { atop, PAGE_SIZE, VM_PROT_NONE, VM_PROT_WRITE, type vaddr_t } from "../../sys/vmparam.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import {
	amap_lock,
	amap_lookup,
	amap_unadd,
	amap_unlock,
	amap_unref,
	amap_used,
	type vm_amap,
} from "./uvm_amap.ts";
import { uvm_anfree } from "./uvm_anon.ts";
import {
	UVM_ET_COPYONWRITE,
	UVM_ET_NEEDSCOPY,
	UVM_INH_COPY,
	UVM_INH_SHARE,
	UVM_INH_ZERO,
	type uvm_advice,
} from "./uvm_extern.ts";
import { uvm_fault } from "./uvm_fault.ts";
import {
	entry_contains,
	uvm_map_clip_end,
	uvm_map_clip_start,
	uvm_map_lookup_entry,
	type vm_map,
	type vm_map_entry,
	vm_map_lock,
	vm_map_lock_read,
	vm_map_unlock,
	vm_map_unlock_read,
} from "./uvm_map_entry.ts";
import {
	PGO_CLEANIT,
	PGO_DEACTIVATE,
	PGO_FREE,
	pagerops,
	type uvm_object,
	type voff_t,
} from "./uvm_object.ts";
import { PG_BUSY, uvm_pagedeactivate, uvm_pagezero, type vm_page } from "./uvm_page.ts";
import { entry_page } from "./uvm_unwire.ts";

/** Call `change` for each entry of a range, clipped to it. => map locked. */
function* change_range(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
	change: (entry: vm_map_entry) => Errno,
): Sleeps<Errno> {
	yield* vm_map_lock(k, map);
	let entry = uvm_map_lookup_entry(map, start);
	if (!entry_contains(map, entry, start)) entry = entry.next;
	let error: Errno = 0;
	let hole = false;
	for (let va = start; error === 0 && va < end; entry = entry.next) {
		if (entry === map.header || entry.start > va) hole = true;
		if (entry === map.header || entry.start >= end) break;
		const clipped =
			uvm_map_clip_start(k, map, entry, start) && uvm_map_clip_end(k, map, entry, end);
		error = clipped ? change(entry) : ENOMEM;
		va = entry.end;
	}
	pmap_update(k, map.pmap);
	vm_map_unlock(k, map);
	return error === 0 && hole ? EFAULT : error;
}

/**
 * Set what fork does with a range: UVM_INH_SHARE, COPY, NONE or ZERO; or "default": private memory
 * is copied, shared memory stays shared; or "keep": that, where it was ZERO.
 * => map unlocked; may sleep for its lock. EFAULT: a hole, the rest is done; ENOMEM. EINVAL: ZERO
 *    for what is not private memory without a file.
 */
export function* uvm_map_inherit(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
	inheritance: number | "default" | "keep",
): Sleeps<Errno> {
	return yield* change_range(k, map, start, end, (entry) => {
		const own = (entry.etype & UVM_ET_COPYONWRITE) !== 0 ? UVM_INH_COPY : UVM_INH_SHARE;
		if (inheritance === "keep") {
			if (entry.inheritance === UVM_INH_ZERO) entry.inheritance = own;
			return 0;
		}
		if (inheritance === UVM_INH_ZERO && (own === UVM_INH_SHARE || entry.uvm_obj !== null)) {
			return EINVAL;
		}
		entry.inheritance = inheritance === "default" ? own : inheritance;
		return 0;
	});
}

/** Set how far faults in a range look around. => as uvm_map_inherit. */
export function* uvm_map_advice(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
	advice: uvm_advice,
): Sleeps<Errno> {
	return yield* change_range(k, map, start, end, (entry) => {
		entry.advice = advice;
		return 0;
	});
}

/**
 * Discard a range's contents (madvise with Linux's MADV_DONTNEED): private memory is again as when
 * it was mapped, zeros or the file's contents; shared memory is only unmapped.
 * => as uvm_map_inherit; EINVAL: a part is wired.
 */
export function* uvm_map_dontneed(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
): Sleeps<Errno> {
	return yield* change_range(k, map, start, end, (entry) => {
		if (entry.wired_count > 0 || entry.sub_map !== null) return EINVAL;
		pmap_remove(k, map.pmap, entry.start, entry.end);
		pmap_update(k, map.pmap);
		const { amap } = entry;
		if ((entry.etype & UVM_ET_COPYONWRITE) === 0 || amap === null) return 0;
		entry.amap = null;
		entry.etype |= UVM_ET_NEEDSCOPY;
		amap_unref(k, amap, entry.pageoff, atop(entry.end - entry.start));
		entry.pageoff = 0;
		return 0;
	});
}

/** Make [from, to) of an object a hole. => the caller has a reference. Sleeps. */
type hole_punch = (k: Kernel, uobj: uvm_object, from: voff_t, to: voff_t) => Sleeps<Errno>;

/**
 * Give up a range of shared memory, which reads as zeros then in all processes (madvise with
 * Linux's MADV_REMOVE). `punch` does it for objects.
 * => map unlocked. Sleeps. What is in front of an error is done.
 * => EFAULT: a hole in the range, the rest is done. EINVAL: a part is wired, or private memory
 *    without a file; EACCES: a private mapping of a file, or one that may not be written; or an
 *    error of `punch`.
 */
export function* uvm_map_remove(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
	punch: hole_punch,
): Sleeps<Errno> {
	let hole = false;
	for (let va = start; va < end; ) {
		yield* vm_map_lock_read(k, map);
		let entry = uvm_map_lookup_entry(map, va);
		if (!entry_contains(map, entry, va)) {
			hole = true;
			entry = entry.next;
		}
		const from = Math.max(va, entry.start);
		const to = Math.min(end, entry.end);
		if (entry === map.header || from >= end) {
			vm_map_unlock_read(k, map);
			break;
		}
		const { amap, uvm_obj: uobj } = entry;
		const offset = entry.offset + from - entry.start;
		const error = remove_allowed(entry);
		if (error === 0 && uobj === null) remove_anons(k, entry, amap!, from, to);
		// The mapping may go away while this sleeps.
		if (error === 0 && uobj !== null) pagerops(k, uobj).pgo_reference(k, uobj);
		vm_map_unlock_read(k, map);
		if (error !== 0) return error;
		if (uobj !== null) {
			const punched = yield* punch(k, uobj, offset, offset + to - from);
			yield* pagerops(k, uobj).pgo_detach(k, uobj);
			if (punched !== 0) return punched;
		}
		va = to;
	}
	return hole ? EFAULT : 0;
}

function remove_allowed(entry: vm_map_entry): Errno {
	const shared = (entry.etype & UVM_ET_COPYONWRITE) === 0;
	if (entry.wired_count > 0 || (entry.uvm_obj === null && !shared)) return EINVAL;
	return shared && (entry.max_protection & VM_PROT_WRITE) !== 0 ? 0 : EACCES;
}

/** Free the anons of a part of an entry of shared memory. => map locked for reading. */
function remove_anons(
	k: Kernel,
	entry: vm_map_entry,
	amap: vm_amap,
	from: vaddr_t,
	to: vaddr_t,
): void {
	amap_lock(k, amap);
	const first = entry.pageoff + atop(from - entry.start);
	for (const slot of amap_used(amap, first, atop(to - from))) {
		const anon = amap_lookup(amap, slot)!;
		KASSERT(anon.an_ref === 1, "uvm_map_remove: shared memory with a copy");
		const pg = anon.an_page;
		if (pg !== null && pg.wire_count > 0) {
			// Another process has it locked, so it stays.
			uvm_pagezero(k, pg);
			continue;
		}
		amap_unadd(k, amap, slot);
		anon.an_ref = 0;
		uvm_anfree(k, anon);
	}
	amap_unlock(k, amap);
}

/**
 * Flush a range (uvm_map_clean): write it back, deactivate it, or free it.
 *
 * => map unlocked. Sleeps.
 * => PGO_CLEANIT: write what files have; with PGO_SYNCIO wait for it. Anonymous memory is not
 *    written. The others do that, too: a file's page must be written before it is freed.
 * => PGO_DEACTIVATE: the pages will not be needed soon. PGO_FREE: not at all; anons that are not
 *    shared are freed with their contents. Not both.
 * => DEVIATION (D19): PGO_FREE also frees anons that are in swap, and leaves the object below a
 *    private mapping alone, as Linux does; NetBSD keeps the first and frees pages of the second.
 * => DEVIATION (D20): NetBSD sleeps with the map locked for reading; here each object has a
 *    reference instead.
 * => EFAULT: a hole in the range; EINVAL: a submap; or the first error of a write.
 * => DEVIATION (D21): EBUSY if a part is wired and PGO_FREE is asked, as Linux does; NetBSD passes
 *    over wired pages.
 */
export function* uvm_map_clean(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
	flags: number,
): Sleeps<Errno> {
	KASSERT(
		(flags & (PGO_FREE | PGO_DEACTIVATE)) !== (PGO_FREE | PGO_DEACTIVATE),
		"uvm_map_clean: FREE and DEACTIVATE",
	);
	yield* vm_map_lock_read(k, map);
	let error = clean_allowed(map, start, end, flags);
	const parts: { uobj: uvm_object; from: number; to: number }[] = [];
	if (error === 0) {
		for (let e = uvm_map_lookup_entry(map, start); e !== map.header && e.start < end; e = e.next) {
			const from = Math.max(start, e.start);
			const to = Math.min(end, e.end);
			if (e.amap !== null && (flags & (PGO_DEACTIVATE | PGO_FREE)) !== 0) {
				clean_anons(k, e, e.amap, from, to, flags);
			}
			// PGO_FREE of a private mapping frees its own pages, not those of the object below.
			const own = (flags & PGO_FREE) !== 0 && (e.etype & UVM_ET_COPYONWRITE) !== 0;
			if (e.uvm_obj === null || own) continue;
			pagerops(k, e.uvm_obj).pgo_reference(k, e.uvm_obj);
			const offset = e.offset - e.start;
			parts.push({ uobj: e.uvm_obj, from: from + offset, to: to + offset });
		}
	}
	vm_map_unlock_read(k, map);
	for (const { uobj, from, to } of parts) {
		const ops = pagerops(k, uobj);
		simple_lock(k, uobj.vmobjlock);
		const put = yield* ops.pgo_put(k, uobj, from, to, flags | PGO_CLEANIT);
		if (error === 0) error = put;
		yield* ops.pgo_detach(k, uobj);
	}
	return error;
}

function clean_allowed(map: vm_map, start: vaddr_t, end: vaddr_t, flags: number): Errno {
	let entry = uvm_map_lookup_entry(map, start);
	if (!entry_contains(map, entry, start)) return EFAULT;
	for (let va = start; va < end; va = entry.end, entry = entry.next) {
		if (entry === map.header || entry.start > va) return EFAULT;
		if (entry.sub_map !== null) return EINVAL;
		if ((flags & PGO_FREE) !== 0 && entry.wired_count > 0) return EBUSY;
		if (entry.end >= end) break;
	}
	return 0;
}

/** Deactivate or free the anons of a part of an entry. => map locked for reading. */
function clean_anons(
	k: Kernel,
	entry: vm_map_entry,
	amap: vm_amap,
	from: vaddr_t,
	to: vaddr_t,
	flags: number,
): void {
	amap_lock(k, amap);
	const first = entry.pageoff + atop(from - entry.start);
	for (const slot of amap_used(amap, first, atop(to - from))) {
		const anon = amap_lookup(amap, slot)!;
		const pg = anon.an_page;
		if (pg !== null && (pg.wire_count > 0 || (pg.flags & PG_BUSY) !== 0)) continue;
		if ((flags & (PGO_FREE | PGO_CLEANIT)) !== PGO_FREE || amap.am_ref > 1) {
			if (pg !== null) deactivate(k, pg);
			continue;
		}
		amap_unadd(k, amap, slot);
		// Others may have the same anon in amaps of their own; our mapping of it must go.
		if (pg !== null && anon.an_ref > 1) pmap_page_protect(k, pg, VM_PROT_NONE);
		if (--anon.an_ref === 0) uvm_anfree(k, anon);
	}
	amap_unlock(k, amap);
}

function deactivate(k: Kernel, pg: vm_page): void {
	pmap_clear_reference(k, pg);
	simple_lock(k, k.uvm.pageqlock);
	uvm_pagedeactivate(k, pg);
	simple_unlock(k, k.uvm.pageqlock);
}

/** Free pages beyond the daemon's target that WILLNEED does not use. */
const WILLNEED_MARGIN = 16;

/**
 * Page in what a range has on disk (MADV_WILLNEED), while memory is not short.
 * => map unlocked. Sleeps. Read errors are ignored.
 * => DEVIATION (D22): NetBSD 1.6 does nothing; later it begins to read the pages of objects, and
 *    leaves what is in swap. Here faults bring in both, as Linux does, before the call returns.
 */
export function* uvm_map_willneed(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
): Sleeps<Errno> {
	for (let va = start; va < end; va += PAGE_SIZE) {
		if (k.uvmexp.free <= k.uvmexp.freetarg + WILLNEED_MARGIN) break;
		const entry = uvm_map_lookup_entry(map, va);
		if (!entry_contains(map, entry, va)) return EFAULT;
		if (entry.protection === VM_PROT_NONE || !on_disk(k, entry, va)) continue;
		const { end: rest } = entry;
		const error = yield* uvm_fault(k, map, va, 0, entry.protection & -entry.protection);
		// A mapping may extend far beyond its file: skip the rest of the entry.
		if (error !== 0) va = rest - PAGE_SIZE;
	}
	return 0;
}

/** Does the page at `va` exist, but not in memory? A page of zeros does not exist yet. */
function on_disk(k: Kernel, entry: vm_map_entry, va: vaddr_t): boolean {
	if (entry_page(k, entry, va) !== null) return false;
	if (entry.uvm_obj !== null) return true;
	return (
		entry.amap !== null && amap_lookup(entry.amap, entry.pageoff + atop(va - entry.start)) !== null
	);
}

/**
 * Which pages of a range are resident (mincore): a byte for each, 1 or 0.
 * => map unlocked; may sleep for its lock. null: a hole in the range.
 */
export function* uvm_map_mincore(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
): Sleeps<Uint8Array | null> {
	const vec = new Uint8Array(atop(end - start));
	yield* vm_map_lock_read(k, map);
	let whole = true;
	for (let i = 0; whole && i < vec.length; i++) {
		const va = start + i * PAGE_SIZE;
		const entry = uvm_map_lookup_entry(map, va);
		if (!entry_contains(map, entry, va)) whole = false;
		else if (entry_page(k, entry, va) !== null) vec[i] = 1;
	}
	vm_map_unlock_read(k, map);
	return whole ? vec : null;
}

/** Resident pages of a range that can be paged out now (MADV_PAGEOUT). => map unlocked. */
export function uvm_map_pages(k: Kernel, map: vm_map, start: vaddr_t, end: vaddr_t): vm_page[] {
	const pages: vm_page[] = [];
	for (let va = start; va < end; va += PAGE_SIZE) {
		const entry = uvm_map_lookup_entry(map, va);
		if (!entry_contains(map, entry, va)) continue;
		const pg = entry_page(k, entry, va);
		if (pg !== null && pg.wire_count === 0 && (pg.flags & PG_BUSY) === 0) pages.push(pg);
	}
	return pages;
}
