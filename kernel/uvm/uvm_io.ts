/**
 * Port of sys/uvm/uvm_io.c (2000): the memory of a process, for another one.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 */

import { EFAULT, EINVAL, ENOMEM, type Errno } from "../../sys/errno.ts";
import {
	PAGE_MASK,
	PAGE_SIZE,
	round_page,
	trunc_page,
	VM_MAX_KERNEL_ADDRESS,
	VM_MAXUSER_ADDRESS,
} from "../../sys/vmparam.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { AMAP_REFALL } from "./uvm_amap.ts";
import { uvm_unmap_detach, uvm_unmap_remove } from "./uvm_map.ts";
import { type vm_map, vm_map_lock, vm_map_unlock } from "./uvm_map_entry.ts";
import { UVM_EXTRACT_CONTIG, UVM_EXTRACT_QREF, uvm_map_extract } from "./uvm_map_extract.ts";
import { uiomove } from "./uvm_uiomove.ts";

/** The most that is mapped into the kernel at once. */
const MAXPHYS = 64 * 1024;

/** What to move. uio_offset and uio_resid say what is left. */
export interface uio {
	/** Address in the map. */
	uio_offset: number;
	/** Bytes, the last ones of uio_buf. */
	uio_resid: number;
	readonly uio_buf: Uint8Array;
	/** Into the map, not out of it. */
	readonly uio_write: boolean;
}

/**
 * Move bytes between the kernel and a map that need not be the running process's: its pages are
 * mapped into kernel_map for a while, and faulted in there.
 *
 * => the caller has a reference to the map. Map unlocked; sleeps.
 * => UVM_EXTRACT_FIXPROT in `flags`: with the protection that mprotect could give, not the one that
 *    is. DEVIATION (D10): NetBSD always does that, but only debuggers may.
 * => 0; EFAULT: protection, a hole, contents that cannot be read, or an address outside of user
 *    space; ENOMEM. What was moved before is counted in `uio`.
 * => DEVIATION (D11): what lies before a hole is moved, whatever the size of the pieces.
 */
export function* uvm_io(k: Kernel, map: vm_map, uio: uio, flags: number): Sleeps<Errno> {
	let chunksz = MAXPHYS;
	while (uio.uio_resid > 0) {
		const pageoffset = uio.uio_offset & PAGE_MASK;
		const baseva = trunc_page(uio.uio_offset);
		if (baseva >= VM_MAXUSER_ADDRESS) return EFAULT;
		chunksz = Math.min(chunksz, round_page(pageoffset + uio.uio_resid));
		chunksz = Math.min(chunksz, VM_MAXUSER_ADDRESS - baseva);
		const how = flags | UVM_EXTRACT_QREF | UVM_EXTRACT_CONTIG;
		const kernel_map = k.uvm.kernel_map!;
		const kva = yield* uvm_map_extract(k, map, baseva, chunksz, kernel_map, null, how);
		// An error is more than any address of the kernel.
		if (kva >= VM_MAX_KERNEL_ADDRESS) {
			if (chunksz === PAGE_SIZE) return kva === -EINVAL ? EFAULT : -kva;
			// A hole, or no memory: with less.
			chunksz = trunc_page(chunksz / 2);
			continue;
		}
		const error = yield* move_chunk(k, kva + pageoffset, chunksz - pageoffset, uio);
		yield* vm_map_lock(k, kernel_map);
		const dead = uvm_unmap_remove(k, kernel_map, kva, kva + chunksz);
		vm_map_unlock(k, kernel_map);
		if (dead !== null) yield* uvm_unmap_detach(k, kernel_map, dead, AMAP_REFALL);
		if (error !== 0) return error;
	}
	return 0;
}

/** Did a fault in the copy find no memory? The process need not die for that. */
function lack_of_memory(k: Kernel): boolean {
	const l = k.curlwp;
	const lack = l.l_nomem !== -1;
	l.l_nomem = -1;
	return lack;
}

/** Move what of the rest lies in `size` bytes at `kva`, page by page. */
function* move_chunk(k: Kernel, kva: number, size: number, uio: uio): Sleeps<Errno> {
	const end = kva + Math.min(size, uio.uio_resid);
	for (let va = kva; va < end; ) {
		const n = Math.min(end, trunc_page(va) + PAGE_SIZE) - va;
		const at = uio.uio_buf.length - uio.uio_resid;
		const bytes = uio.uio_buf.subarray(at, at + n);
		const error = yield* uiomove(k, k.uvm.kernel_map!, va, bytes, uio.uio_write);
		if (error !== 0) return lack_of_memory(k) ? ENOMEM : error;
		uio.uio_offset += n;
		uio.uio_resid -= n;
		va += n;
	}
	return 0;
}
