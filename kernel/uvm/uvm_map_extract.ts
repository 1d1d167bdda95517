/**
 * Port of sys/uvm/uvm_map.c (2000-2002), a part in its own file because it copies amaps by chunks:
 * uvm_map_reserve, uvm_map_replace and uvm_map_extract.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1987, 1990 Carnegie-Mellon University.
 * All rights reserved. See NOTICE for the conditions.
 */

import { EINVAL, EIO, ENOMEM, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import { atop, PAGE_MASK, VM_PROT_NONE, type vaddr_t } from "../../sys/vmparam.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { AMAP_REFALL, AMAP_SHARED, amap_copy, amap_ref } from "./uvm_amap.ts";
import {
	UVM_ADV_RANDOM,
	UVM_ET_NEEDSCOPY,
	UVM_ET_ONFAULT,
	UVM_FLAG_FIXED,
	UVM_FLAG_NOMERGE,
	UVM_INH_NONE,
} from "./uvm_extern.ts";
import { uvm_map, uvm_map_args, uvm_unmap, uvm_unmap_detach, uvm_unmap_remove } from "./uvm_map.ts";
import {
	copy_entry,
	entry_contains,
	uvm_map_clip_end,
	uvm_map_clip_start,
	uvm_map_entry_link,
	uvm_map_entry_unlink,
	uvm_map_lookup_entry,
	uvm_mapent_alloc,
	uvm_mapent_free,
	type vm_map,
	type vm_map_entry,
	vm_map_lock,
	vm_map_lock_try,
	vm_map_unlock,
} from "./uvm_map_entry.ts";
import { pagerops } from "./uvm_object.ts";

/** Flags of uvm_map_extract. Remove the mappings from the source. */
export const UVM_EXTRACT_REMOVE = 0x1;
/** EINVAL if the source has a hole. */
export const UVM_EXTRACT_CONTIG = 0x2;
/** For a short time: do not split entries, nor count the references of single slots. */
export const UVM_EXTRACT_QREF = 0x4;
/** With all the protection that the source may ever have. */
export const UVM_EXTRACT_FIXPROT = 0x8;

/**
 * Reserve `size` bytes of a map by a blank entry, which allows no access, for uvm_map_replace.
 * => map unlocked; may sleep for its lock.
 * => UVM_FLAG_FIXED in `flags`: at `hint`, else there or above. The address, or null: no room or no
 *    memory.
 */
export function* uvm_map_reserve(
	k: Kernel,
	map: vm_map,
	size: number,
	hint: vaddr_t,
	flags: number,
): Sleeps<vaddr_t | null> {
	const args = uvm_map_args(hint, size);
	args.prot = args.maxprot = VM_PROT_NONE;
	args.inherit = UVM_INH_NONE;
	args.advice = UVM_ADV_RANDOM;
	args.flags = UVM_FLAG_NOMERGE | (flags & UVM_FLAG_FIXED);
	return (yield* uvm_map(k, map, args)) === 0 ? args.start : null;
}

/**
 * Put entries in the place of a reserved range, or of its first part.
 * => map locked for writing; never sleeps. The entries are in order, inside of [start, end), with
 *    their references.
 * => ENOMEM: the blank entry could not be split; EIO: there is none. Nothing is changed then.
 */
export function uvm_map_replace(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
	newents: readonly vm_map_entry[],
): Errno {
	const blank = uvm_map_lookup_entry(map, start);
	if (!entry_contains(map, blank, start)) return EIO;
	const isblank = blank.uvm_obj === null && blank.amap === null && blank.sub_map === null;
	if (blank.start !== start || blank.end < end || !isblank) return EIO;
	if (!uvm_map_clip_end(k, map, blank, end)) return ENOMEM;
	let after = blank.prev;
	uvm_map_entry_unlink(map, blank);
	map.size -= end - start;
	let va = start;
	for (const entry of newents) {
		KASSERT(entry.start >= va && entry.end > entry.start, "uvm_map_replace: entries overlap");
		va = entry.end;
		uvm_map_entry_link(map, after, entry);
		map.size += entry.end - entry.start;
		after = entry;
	}
	KASSERT(va <= end, "uvm_map_replace: entries beyond the reserved range");
	uvm_mapent_free(k, blank);
	return 0;
}

/**
 * Map [start, start + len) of `srcmap` in `dstmap`, too, or there instead (UVM_EXTRACT_REMOVE).
 * Holes of the source are holes of the copy.
 *
 * => start and len are multiples of the page size. Maps unlocked, perhaps the same; sleeps.
 * => `reserved`: where in dstmap uvm_map_reserve has made room (UVM_EXTRACT_RESERVED of 2007);
 *    null: anywhere.
 * => UVM_EXTRACT_REMOVE excludes CONTIG and QREF. What QREF made goes by uvm_unmap_detach with
 *    AMAP_REFALL, and must be in a kernel map.
 * => wired memory is not wired in the copy.
 * => the address in dstmap, or -errno: EINVAL: a hole, with CONTIG; ENOMEM; EIO: nothing is
 *    reserved. Nothing is changed then, except that entries of srcmap may be split.
 * => DEVIATION (D23): with REMOVE a pending copy stays pending, because only one entry is left that
 *    needs it; and the amap is not marked as shared.
 */
export function* uvm_map_extract(
	k: Kernel,
	srcmap: vm_map,
	start: vaddr_t,
	len: number,
	dstmap: vm_map,
	reserved: vaddr_t | null,
	flags: number,
): Sleeps<number> {
	const remove = (flags & UVM_EXTRACT_REMOVE) !== 0;
	KASSERT(((start | len) & PAGE_MASK) === 0, "uvm_map_extract: not page aligned");
	KASSERT(
		!remove || (flags & (UVM_EXTRACT_CONTIG | UVM_EXTRACT_QREF)) === 0,
		"uvm_map_extract: REMOVE with CONTIG or QREF",
	);
	const dstaddr = reserved ?? (yield* uvm_map_reserve(k, dstmap, len, dstmap.min_offset, 0));
	if (dstaddr === null) return -ENOMEM;
	const chain: vm_map_entry[] = [];
	let dead = srcmap.header;
	yield* vm_map_lock(k, srcmap);
	let error = extract_chain(k, srcmap, start, start + len, dstmap, dstaddr, flags, chain);
	const locked = error === 0 && (srcmap === dstmap || vm_map_lock_try(k, dstmap));
	if (locked) error = uvm_map_replace(k, dstmap, dstaddr, dstaddr + len, chain);
	if (error === 0 && remove) {
		// Its entries are split at both ends, so this cannot fail.
		dead = uvm_unmap_remove(k, srcmap, start, start + len)!;
	}
	if (locked && srcmap !== dstmap) vm_map_unlock(k, dstmap);
	vm_map_unlock(k, srcmap);
	yield* uvm_unmap_detach(k, srcmap, dead);
	if (error === 0 && !locked) {
		yield* vm_map_lock(k, dstmap);
		error = uvm_map_replace(k, dstmap, dstaddr, dstaddr + len, chain);
		vm_map_unlock(k, dstmap);
	}
	if (error === 0) return dstaddr;
	const all = (flags & UVM_EXTRACT_QREF) !== 0 ? AMAP_REFALL : 0;
	for (const [i, entry] of chain.entries()) entry.next = chain[i + 1] ?? dstmap.header;
	yield* uvm_unmap_detach(k, dstmap, chain[0] ?? dstmap.header, all);
	if (reserved === null) yield* uvm_unmap(k, dstmap, dstaddr, dstaddr + len);
	return -error;
}

/**
 * Append an entry for `dstaddr` to `chain` for each entry of [start, end).
 * => map locked for writing; never sleeps. After an error `chain` holds what was made.
 */
function extract_chain(
	k: Kernel,
	map: vm_map,
	start: vaddr_t,
	end: vaddr_t,
	dstmap: vm_map,
	dstaddr: vaddr_t,
	flags: number,
	chain: vm_map_entry[],
): Errno {
	const qref = (flags & UVM_EXTRACT_QREF) !== 0;
	let entry = uvm_map_lookup_entry(map, start);
	if (entry_contains(map, entry, start)) {
		if (!qref && !uvm_map_clip_start(k, map, entry, start)) return ENOMEM;
	} else {
		if ((flags & UVM_EXTRACT_CONTIG) !== 0) return EINVAL;
		entry = entry.next;
	}
	for (; entry !== map.header && entry.start < end; entry = entry.next) {
		if (!qref && !uvm_map_clip_end(k, map, entry, end)) return ENOMEM;
		if ((flags & UVM_EXTRACT_REMOVE) === 0 && (entry.etype & UVM_ET_NEEDSCOPY) !== 0) {
			if (!amap_copy(k, entry)) return ENOMEM;
		}
		const fresh = extract_entry(k, entry, start, end, dstmap, dstaddr - start, flags);
		if (fresh === null) return ENOMEM;
		chain.push(fresh);
		const hole = entry.next === map.header || entry.next.start !== entry.end;
		if ((flags & UVM_EXTRACT_CONTIG) !== 0 && entry.end < end && hole) return EINVAL;
	}
	return 0;
}

/** An entry of `dstmap`, `distance` further on, for what another has in [start, end); or null. */
function extract_entry(
	k: Kernel,
	entry: vm_map_entry,
	start: vaddr_t,
	end: vaddr_t,
	dstmap: vm_map,
	distance: number,
	flags: number,
): vm_map_entry | null {
	const from = Math.max(start, entry.start);
	const to = Math.min(end, entry.end);
	const fresh = uvm_mapent_alloc(k, dstmap, from, to);
	if (fresh === null) return null;
	copy_entry(fresh, entry);
	fresh.start = from + distance;
	fresh.end = to + distance;
	fresh.wired_count = 0;
	fresh.etype &= ~UVM_ET_ONFAULT;
	if ((flags & UVM_EXTRACT_FIXPROT) !== 0) fresh.protection = entry.max_protection;
	// With QREF the entry may begin before the range.
	const fudge = from - entry.start;
	if (fresh.uvm_obj !== null) {
		fresh.offset += fudge;
		pagerops(k, fresh.uvm_obj).pgo_reference(k, fresh.uvm_obj);
	}
	if (fresh.amap !== null) {
		fresh.pageoff += atop(fudge);
		const shared = (flags & UVM_EXTRACT_REMOVE) !== 0 ? 0 : AMAP_SHARED;
		const all = (flags & UVM_EXTRACT_QREF) !== 0 ? AMAP_REFALL : 0;
		amap_ref(k, fresh.amap, fresh.pageoff, atop(to - from), shared | all);
	}
	return fresh;
}
