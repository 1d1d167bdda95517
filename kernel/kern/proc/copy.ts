/**
 * The kernel's access to user memory (copy(9)). It goes through the MMU, as a load or store of
 * S-mode would, so absent pages are faulted in and protections are enforced.
 */

import { ACCESS_LOAD, ACCESS_STORE } from "../../../machine/port.ts";
import { pmap_activate, pmap_extract, pmap_fault } from "../../../pmap/pmap.ts";
import { EFAULT, ENOMEM, type Errno, EWOULDBLOCK } from "../../../sys/errno.ts";
import {
	PAGE_MASK,
	PAGE_SIZE,
	VM_MAXUSER_ADDRESS,
	VM_PROT_READ,
	VM_PROT_WRITE,
} from "../../../sys/vmparam.ts";
import type { Kernel } from "../../kernel.ts";
import { VM_FAULT_INVALID } from "../../uvm/uvm_extern.ts";
import { uvm_fault, uvm_fault_nosleep } from "../../uvm/uvm_fault.ts";
import type { vm_map } from "../../uvm/uvm_map_entry.ts";
import { bus_space_copy } from "../core/bus_space.ts";
import type { Sleeps } from "../core/kern_synch.ts";

/** Copying costs a cycle for each 8 bytes. */
const BYTES_PER_CYCLE = 8;

/**
 * Copy `bytes` to user address `va` of `map`, the running process's.
 * => sleeps for page faults. 0, or EFAULT; then a part may have been copied. If memory was short,
 *    l_nomem is set, and the process is killed after its system call.
 */
export function* copyout(k: Kernel, map: vm_map, bytes: Uint8Array, va: number): Sleeps<Errno> {
	return yield* uiomove(k, map, va, bytes, true);
}

/** Fill `bytes` from user address `va`. => as copyout. */
export function* copyin(k: Kernel, map: vm_map, va: number, bytes: Uint8Array): Sleeps<Errno> {
	const l = k.curlwp;
	if (l.l_recall >= 0) {
		bytes.set(l.l_copied[l.l_recall++]!);
		return 0;
	}
	const again = l.l_again;
	const error = yield* uiomove(k, map, va, bytes, false);
	if (again && error === 0) {
		l.l_again = true;
		l.l_copied.push(bytes);
	}
	return error;
}

function* uiomove(
	k: Kernel,
	map: vm_map,
	va: number,
	bytes: Uint8Array,
	out: boolean,
): Sleeps<Errno> {
	if (va + bytes.length > VM_MAXUSER_ADDRESS) return EFAULT;
	for (let done = 0; done < bytes.length; ) {
		const at = va + done;
		const n = Math.min(PAGE_SIZE - (at & PAGE_MASK), bytes.length - done);
		pmap_activate(k, map.pmap);
		let pa = k.port.translate(at, out ? ACCESS_STORE : ACCESS_LOAD);
		if (pa < 0) pa = yield* fault_in(k, map, at, out);
		if (pa < 0) return EFAULT;
		if (!in_ram(k, pa)) {
			// A device that the program has mapped.
			bus_space_copy(k, pa, bytes.subarray(done, done + n), out);
			done += n;
			continue;
		}
		const ram = pa - k.port.ramBase;
		if (out) k.port.writeRam(pa, bytes.subarray(done, done + n));
		else bytes.set(k.port.ram8.subarray(ram, ram + n), done);
		k.port.charge(Math.ceil(n / BYTES_PER_CYCLE));
		done += n;
	}
	return 0;
}

/**
 * Whether the byte at `va` can be stored to, before data is taken from where it cannot be put back.
 * => as copyout.
 */
export function* copyout_probe(k: Kernel, map: vm_map, va: number): Sleeps<Errno> {
	if (va >= VM_MAXUSER_ADDRESS) return EFAULT;
	return (yield* fault_in(k, map, va, true)) < 0 ? EFAULT : 0;
}

/** The physical address of a user address for a load or a store, or -1. Sleeps for page faults. */
function* fault_in(k: Kernel, map: vm_map, at: number, out: boolean): Sleeps<number> {
	const access = out ? VM_PROT_WRITE : VM_PROT_READ;
	for (;;) {
		pmap_activate(k, map.pmap);
		const pa = k.port.translate(at, out ? ACCESS_STORE : ACCESS_LOAD);
		if (pa >= 0) return pa;
		if (pmap_fault(k, map.pmap, at, access)) continue;
		if (isdevice(k, map, at)) return -1;
		let error = uvm_fault_nosleep(k, map, at, VM_FAULT_INVALID, access);
		if (error === EWOULDBLOCK) error = yield* uvm_fault(k, map, at, VM_FAULT_INVALID, access);
		if (error === ENOMEM) k.curlwp.l_nomem = at;
		if (error !== 0) return -1;
	}
}

const in_ram = (k: Kernel, pa: number): boolean =>
	pa >= k.port.ramBase && pa < k.port.ramBase + k.port.ramSize;

/** Is device memory mapped at `va`, but without the right to this access? */
function isdevice(k: Kernel, map: vm_map, va: number): boolean {
	const pa = pmap_extract(k, map.pmap, va);
	return pa >= 0 && !in_ram(k, pa);
}

/**
 * A string that ends with a zero byte, at most `max` bytes with it; a byte is a character.
 * => null: EFAULT or too long. Sleeps.
 */
export function* copyinstr(k: Kernel, map: vm_map, va: number, max: number): Sleeps<string | null> {
	let text = "";
	for (let done = 0; done < max; ) {
		// Stop at the end of the page: the next one may not be mapped.
		const n = Math.min(PAGE_SIZE - ((va + done) & PAGE_MASK), max - done, STRING_CHUNK);
		const bytes = new Uint8Array(n);
		if ((yield* copyin(k, map, va + done, bytes)) !== 0) return null;
		const end = bytes.indexOf(0);
		text += String.fromCharCode(...(end < 0 ? bytes : bytes.subarray(0, end)));
		if (end >= 0) return text;
		done += n;
	}
	return null;
}

const STRING_CHUNK = 256;
