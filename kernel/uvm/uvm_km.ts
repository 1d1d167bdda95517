/**
 * Port of sys/uvm/uvm_km.c (2000): kernel virtual memory.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1987, 1990 Carnegie-Mellon University.
 * All rights reserved. See NOTICE for the conditions.
 *
 * The offset of a page in the kernel object is its address less VM_MIN_KERNEL_ADDRESS.
 */

import { PMAP_CANFAIL, PMAP_WIRED, pmap_enter, pmap_kernel, pmap_update } from "../../pmap/pmap.ts";
import { KASSERT, panic } from "../../sys/panic.ts";
import {
	PAGE_SIZE,
	round_page,
	VM_MAX_KERNEL_ADDRESS,
	VM_MIN_KERNEL_ADDRESS,
	VM_PROT_READ,
	VM_PROT_WRITE,
	type vaddr_t,
} from "../../sys/vmparam.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import type { Kernel } from "../kernel.ts";
import { UAO_FLAG_KERNOBJ, uao_create, uao_init } from "./uvm_aobj.ts";
import {
	UVM_FLAG_NOMERGE,
	UVM_INH_NONE,
	UVM_PGA_USERESERVE,
	UVM_PGA_ZERO,
	UVM_UNKNOWN_OFFSET,
} from "./uvm_extern.ts";
import { uvm_map_args, uvm_map_enter, uvm_map_submap, uvm_unmap_remove } from "./uvm_map.ts";
import {
	uvm_map_setup,
	uvm_mapent_free_all,
	VM_MAP_PAGEABLE,
	type vm_map,
	vm_map_lock_try,
	vm_map_unlock,
} from "./uvm_map_entry.ts";
import type { uvm_object } from "./uvm_object.ts";
import { PG_BUSY, PG_FAKE, uvm_pagealloc, uvm_pagewire } from "./uvm_page.ts";

const KVA_PROT = VM_PROT_READ | VM_PROT_WRITE;

/** Make the kernel object and kernel_map. => at boot. */
export function uvm_km_init(k: Kernel): void {
	uao_init(k);
	const size = VM_MAX_KERNEL_ADDRESS - VM_MIN_KERNEL_ADDRESS;
	k.uvm.kernel_object = uao_create(k, size, UAO_FLAG_KERNOBJ);
	k.uvm.kernel_map = uvm_map_setup(
		pmap_kernel(k),
		VM_MIN_KERNEL_ADDRESS,
		VM_MAX_KERNEL_ADDRESS,
		VM_MAP_PAGEABLE,
	);
}

/** A blank range of `size` bytes of a kernel map, or 0. => no thread sleeps with the map locked. */
function km_reserve(k: Kernel, map: vm_map, size: number, uobj: uvm_object | null): vaddr_t {
	if (!vm_map_lock_try(k, map)) panic("uvm_km: a thread sleeps with a kernel map locked");
	const args = uvm_map_args(map.min_offset, round_page(size));
	args.uobj = uobj;
	args.offset = UVM_UNKNOWN_OFFSET;
	args.prot = args.maxprot = KVA_PROT;
	args.inherit = UVM_INH_NONE;
	args.flags = UVM_FLAG_NOMERGE;
	const error = uvm_map_enter(k, map, args);
	vm_map_unlock(k, map);
	return error === 0 ? args.start : 0;
}

/** A submap of `size` bytes, with a lock of its own. => at boot; panics without room. */
export function uvm_km_suballoc(k: Kernel, map: vm_map, size: number): vm_map {
	const start = km_reserve(k, map, size, null);
	if (start === 0) panic("uvm_km_suballoc: no room in the parent map");
	const submap = uvm_map_setup(pmap_kernel(k), start, start + size, VM_MAP_PAGEABLE);
	const error = uvm_map_submap(k, map, start, start + size, submap);
	if (error !== 0) panic("uvm_km_suballoc: range is not blank");
	return submap;
}

/** Allocate addresses only; the caller makes the mappings. => 0 if there is no room. */
export function uvm_km_valloc(k: Kernel, map: vm_map, size: number): vaddr_t {
	return km_reserve(k, map, size, null);
}

/**
 * Wired, zeroed memory of the kernel object.
 * => never sleeps. The address, or 0 if addresses or pages are short.
 */
export function uvm_km_zalloc(k: Kernel, map: vm_map, size: number): vaddr_t {
	const kobj = k.uvm.kernel_object!;
	const kva = km_reserve(k, map, size, kobj);
	if (kva === 0) return 0;
	for (let off = 0; off < round_page(size); off += PAGE_SIZE) {
		simple_lock(k, kobj.vmobjlock);
		const pgoff = kva + off - VM_MIN_KERNEL_ADDRESS;
		const pg = uvm_pagealloc(k, kobj, pgoff, null, UVM_PGA_USERESERVE | UVM_PGA_ZERO);
		if (pg === null) {
			simple_unlock(k, kobj.vmobjlock);
			uvm_km_free(k, map, kva, size);
			return 0;
		}
		pg.flags &= ~(PG_BUSY | PG_FAKE);
		simple_lock(k, k.uvm.pageqlock);
		uvm_pagewire(k, pg);
		simple_unlock(k, k.uvm.pageqlock);
		simple_unlock(k, kobj.vmobjlock);
		const how = KVA_PROT | PMAP_WIRED | PMAP_CANFAIL;
		if (pmap_enter(k, pmap_kernel(k), kva + off, pg.phys_addr, KVA_PROT, how) !== 0) {
			uvm_km_free(k, map, kva, size);
			return 0;
		}
	}
	pmap_update(k, pmap_kernel(k));
	return kva;
}

/** Free what uvm_km_zalloc or uvm_km_valloc allocated. => never sleeps. */
export function uvm_km_free(k: Kernel, map: vm_map, kva: vaddr_t, size: number): void {
	if (!vm_map_lock_try(k, map)) panic("uvm_km: a thread sleeps with a kernel map locked");
	const dead = uvm_unmap_remove(k, map, kva, kva + round_page(size));
	vm_map_unlock(k, map);
	KASSERT(dead !== null, "uvm_km_free: a part of an allocation");
	// The kernel object counts no references, so there is nothing to detach from.
	uvm_mapent_free_all(k, map, dead);
}
