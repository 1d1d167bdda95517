/**
 * Copying between the kernel and addresses that the MMU translates: uiomove of
 * sys/kern/kern_subr.c, for copy(9) and uvm_io. It is here because it takes page faults.
 */

import { ACCESS_LOAD, ACCESS_STORE, TRANSLATED_DEVICE } from "../../machine/port.ts";
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
 * => `from`: so many bytes have been copied already; `blocked`: the next one has met UIO_SLEEPS.
 */
export function* uiomove(
	k: Kernel,
	map: vm_map,
	va: number,
	bytes: Uint8Array,
	out: boolean,
	from = 0,
	blocked = false,
): Sleeps<Errno> {
	for (let done = from, faults = blocked; done < bytes.length; ) {
		const at = va + done;
		let ua = faults ? UIO_SLEEPS : uiotranslate(k, map, at, out);
		faults = false;
		if (ua === UIO_SLEEPS) ua = yield* uiofault_wait(k, map, at, out);
		if (ua < 0) return EFAULT;
		const n = Math.min(uiopage(at), bytes.length - done);
		if (uiocopy(k, ua, bytes, done, n, out)) {
			uiocharge(k, ua, n);
			done += n;
		} else if (!(yield* uvm_copy_memerror(k, uioaddr(k, ua)))) return EFAULT;
	}
	return 0;
}

/** Bytes from `va` to the end of its page: what is copied at once. */
export const uiopage = (va: number): number => PAGE_SIZE - (va & PAGE_MASK);

/**
 * The addresses that are copied to and from are those of RAM, from 0: small integers, of which the
 * host allocates none. More than any of them stands for what was translated last, on a device.
 */
const UIO_DEVICE = 2 ** 30;

/** The physical address of such a one. */
export const uioaddr = (k: Kernel, ua: number): number =>
	ua >= UIO_DEVICE ? k.port.translated + (ua - UIO_DEVICE) : k.port.ramBase + ua;

/**
 * Copy `n` bytes at `done` of `bytes` to address `ua`, or from there; within a page.
 * => false: memory cannot correct what it reads. Never sleeps; the caller charges it (uiocharge).
 */
export function uiocopy(
	k: Kernel,
	ua: number,
	bytes: Uint8Array,
	done: number,
	n: number,
	out: boolean,
): boolean {
	if (ua >= UIO_DEVICE) {
		bus_space_copy(k, uioaddr(k, ua), bytes.subarray(done, done + n), out);
	} else if (out) k.port.writeRamAt(ua, bytes, done, n);
	else return k.port.readRamAt(ua, bytes, done, n);
	return true;
}

/** The time that it takes to copy `n` bytes from or to a page of memory. */
export function uiocharge(k: Kernel, ua: number, n: number): void {
	if (ua < UIO_DEVICE) k.port.charge(Math.ceil(n / BYTES_PER_CYCLE));
}

/** An address that faults again and again: its page table is in memory that forgets. */
const FAULTS_MAX = 64;

/** No address: there is none (EFAULT), or uvm_fault has to be called, and sleeps. */
export const UIO_FAULT = -1;
export const UIO_SLEEPS = -2;

/** Where `at` is for a store (`out`) or a load. => for uiocopy; never sleeps; or UIO_. */
export function uiotranslate(k: Kernel, map: vm_map, at: number, out: boolean): number {
	const ua = uiotranslated(k, map, at, out);
	return ua >= 0 ? ua : uiofault_nosleep(k, map, at, out);
}

/** The same, or UIO_FAULT: a page fault. */
function uiotranslated(k: Kernel, map: vm_map, at: number, out: boolean): number {
	pmap_activate(k, map.pmap);
	const ua = k.port.translateRam(at >>> 0, out ? ACCESS_STORE : ACCESS_LOAD);
	if (ua !== TRANSLATED_DEVICE) return ua >= 0 ? ua : UIO_FAULT;
	return UIO_DEVICE;
}

/** The same with the page faults that need not sleep. => never sleeps; or UIO_. */
export function uiofault_nosleep(k: Kernel, map: vm_map, at: number, out: boolean): number {
	const access = out ? VM_PROT_WRITE : VM_PROT_READ;
	for (let faults = 0; faults < FAULTS_MAX; faults++) {
		const ua = uiotranslated(k, map, at, out);
		if (ua >= 0) return ua;
		if (pmap_fault(k, map.pmap, at, access)) continue;
		if (isdevice(k, map, at)) return UIO_FAULT;
		const error = uvm_fault_nosleep(k, map, at, VM_FAULT_INVALID, access);
		if (error === EWOULDBLOCK) return UIO_SLEEPS;
		if (error === ENOMEM) k.curlwp.l_nomem = at;
		if (error !== 0) return UIO_FAULT;
	}
	return UIO_FAULT;
}

/**
 * Where `at` is for a store (`out`) or a load, or UIO_FAULT.
 * => sleeps for page faults, as uiomove.
 */
export function* uiofault(k: Kernel, map: vm_map, at: number, out: boolean): Sleeps<number> {
	const ua = uiofault_nosleep(k, map, at, out);
	return ua === UIO_SLEEPS ? yield* uiofault_wait(k, map, at, out) : ua;
}

/** The same where that has met UIO_SLEEPS. Sleeps. */
export function* uiofault_wait(k: Kernel, map: vm_map, at: number, out: boolean): Sleeps<number> {
	const access = out ? VM_PROT_WRITE : VM_PROT_READ;
	for (let faults = 0; faults < FAULTS_MAX; faults++) {
		const error = yield* uvm_fault(k, map, at, VM_FAULT_INVALID, access, true);
		if (error === ENOMEM) k.curlwp.l_nomem = at;
		if (error !== 0) return UIO_FAULT;
		const ua = uiofault_nosleep(k, map, at, out);
		if (ua !== UIO_SLEEPS) return ua;
	}
	return UIO_FAULT;
}

const in_ram = (k: Kernel, pa: number): boolean =>
	pa >= k.port.ramBase && pa < k.port.ramBase + k.port.ramSize;

/** Is device memory mapped at `va`, but without the right to this access? */
function isdevice(k: Kernel, map: vm_map, va: number): boolean {
	const pa = pmap_extract(k, map.pmap, va);
	return pa >= 0 && !in_ram(k, pa);
}
