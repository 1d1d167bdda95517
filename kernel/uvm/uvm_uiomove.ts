/**
 * Copying between the kernel and addresses that the MMU translates: uiomove of
 * sys/kern/kern_subr.c, for copy(9) and uvm_io. It is here because it takes page faults.
 */

import { ACCESS_LOAD, ACCESS_STORE } from "../../machine/port.ts";
import { pmap_activate, pmap_extract, pmap_fault } from "../../pmap/pmap.ts";
import { EFAULT, ENOMEM, type Errno, EWOULDBLOCK } from "../../sys/errno.ts";
import { PAGE_MASK, PAGE_SIZE, VM_PROT_READ, VM_PROT_WRITE } from "../../sys/vmparam.ts";
import { bus_space_copy } from "../kern/core/bus_space.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { VM_FAULT_INVALID } from "./uvm_extern.ts";
import { uvm_fault, uvm_fault_nosleep } from "./uvm_fault.ts";
import type { vm_map } from "./uvm_map_entry.ts";
import { uvm_copy_memerror } from "./uvm_memerror.ts";

/** Copying costs a cycle for each 8 bytes. */
const BYTES_PER_CYCLE = 8;

/**
 * Copy `bytes` to address `va` of `map`, or from there to `bytes`.
 * => sleeps for page faults. 0, or EFAULT; then a part may have been copied. If memory was short,
 *    l_nomem of the thread is set.
 * => what memory cannot correct is read again from the page's slot or file if it is clean (D54);
 *    otherwise EFAULT.
 * => `map`: of the running process, or kernel_map with addresses of the kernel.
 */
export function* uiomove(
	k: Kernel,
	map: vm_map,
	va: number,
	bytes: Uint8Array,
	out: boolean,
): Sleeps<Errno> {
	for (let done = 0; done < bytes.length; ) {
		const at = va + done;
		const n = Math.min(PAGE_SIZE - (at & PAGE_MASK), bytes.length - done);
		pmap_activate(k, map.pmap);
		let pa = k.port.translate(at, out ? ACCESS_STORE : ACCESS_LOAD);
		if (pa < 0) pa = yield* uiofault(k, map, at, out);
		if (pa < 0) return EFAULT;
		if (!in_ram(k, pa)) {
			// A device that the program has mapped.
			bus_space_copy(k, pa, bytes.subarray(done, done + n), out);
			done += n;
			continue;
		}
		if (out) {
			k.port.writeRam(pa, bytes.subarray(done, done + n));
		} else if (!k.port.readRam(pa, bytes, done, n)) {
			if (yield* uvm_copy_memerror(k, pa)) continue;
			return EFAULT;
		}
		k.port.charge(Math.ceil(n / BYTES_PER_CYCLE));
		done += n;
	}
	return 0;
}

/** An address that faults again and again: its page table is in memory that forgets. */
const FAULTS_MAX = 64;

/**
 * The physical address of `at` for a store (`out`) or a load, or -1.
 * => sleeps for page faults, as uiomove.
 */
export function* uiofault(k: Kernel, map: vm_map, at: number, out: boolean): Sleeps<number> {
	const access = out ? VM_PROT_WRITE : VM_PROT_READ;
	for (let faults = 0; faults < FAULTS_MAX; faults++) {
		pmap_activate(k, map.pmap);
		const pa = k.port.translate(at, out ? ACCESS_STORE : ACCESS_LOAD);
		if (pa >= 0) return pa;
		if (pmap_fault(k, map.pmap, at, access)) continue;
		if (isdevice(k, map, at)) return -1;
		let error = uvm_fault_nosleep(k, map, at, VM_FAULT_INVALID, access);
		if (error === EWOULDBLOCK) {
			error = yield* uvm_fault(k, map, at, VM_FAULT_INVALID, access, true);
		}
		if (error === ENOMEM) k.curlwp.l_nomem = at;
		if (error !== 0) return -1;
	}
	return -1;
}

const in_ram = (k: Kernel, pa: number): boolean =>
	pa >= k.port.ramBase && pa < k.port.ramBase + k.port.ramSize;

/** Is device memory mapped at `va`, but without the right to this access? */
function isdevice(k: Kernel, map: vm_map, va: number): boolean {
	const pa = pmap_extract(k, map.pmap, va);
	return pa >= 0 && !in_ram(k, pa);
}
