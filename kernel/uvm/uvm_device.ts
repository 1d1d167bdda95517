/**
 * Port of sys/uvm/uvm_device.c 1.30 (2000-2001), with the pager interface of 2002: the pager of
 * device memory.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * All rights reserved. See NOTICE for the conditions.
 *
 * An object represents a mapped device. It never has pages: a fault asks the driver for the
 * physical address and enters it, without a vm_page.
 */

import { PMAP_CANFAIL, PMAP_WIRED, pmap_enter, pmap_kernel, pmap_update } from "../../pmap/pmap.ts";
import { EACCES, EFAULT, EIO, ENODEV, type Errno } from "../../sys/errno.ts";
import { ptoa, type vaddr_t, type vm_prot_t } from "../../sys/vmparam.ts";
import { type dev_t, major, minor } from "../dev/conf.ts";
import { simple_lock, simple_lock_init, simple_unlock } from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { UVM_ET_COPYONWRITE } from "./uvm_extern.ts";
import { type uvm_faultinfo, uvmfault_noram, uvmfault_unlockall } from "./uvm_fault.ts";
import { PAGER_DEVICE, type uvm_object, type uvm_pagerops } from "./uvm_object.ts";
import { PGO_DONTCARE, type vm_page } from "./uvm_page.ts";

export interface uvm_device extends uvm_object {
	readonly u_device: dev_t;
}

/** Register the pager. => at boot. */
export function udv_init(k: Kernel): void {
	k.uvm.pagerops[PAGER_DEVICE] = device_pager;
}

/**
 * The object of a device, made if there is none.
 * => unlocked, with a reference for the caller. ENODEV: the device has no memory.
 */
export function udv_attach(k: Kernel, device: dev_t): uvm_device | Errno {
	if (k.cdevsw[major(device)]?.d_mmap === undefined) return ENODEV;
	const old = k.uvm.udv_list.find((udv) => udv.u_device === device);
	if (old !== undefined) {
		udv_reference(k, old);
		return old;
	}
	const udv: uvm_device = {
		vmobjlock: simple_lock_init(),
		pgops: PAGER_DEVICE,
		memq_first: null,
		memq_last: null,
		uo_npages: 0,
		uo_refs: 1,
		uo_id: k.uvm.next_object_id++,
		u_device: device,
	};
	k.uvm.udv_list.push(udv);
	return udv;
}

function udv_reference(k: Kernel, uobj: uvm_object): void {
	simple_lock(k, uobj.vmobjlock);
	uobj.uo_refs++;
	simple_unlock(k, uobj.vmobjlock);
}

/** Drop a reference; the last one frees the object. => never sleeps, though others may. */
function* udv_detach(k: Kernel, uobj: uvm_object): Sleeps<void> {
	simple_lock(k, uobj.vmobjlock);
	const last = --uobj.uo_refs === 0;
	simple_unlock(k, uobj.vmobjlock);
	if (last) k.uvm.udv_list.splice(k.uvm.udv_list.indexOf(uobj as uvm_device), 1);
}

/**
 * Resolve a fault: see uvm_pagerops.pgo_fault.
 * => object, map and amap locked; all unlocked on return.
 * => EACCES: a private copy of a device cannot be made. EIO: beyond the end of the device.
 * => DEVIATION (D49): EFAULT in a kernel map, as Linux does: process_vm_readv (uvm_io) moves no
 *    device memory. NetBSD enters it there.
 */
function udv_fault(
	k: Kernel,
	ufi: uvm_faultinfo,
	startva: vaddr_t,
	pps: (vm_page | null)[],
	npages: number,
	centeridx: number,
	access: vm_prot_t,
	_flags: number,
): Errno {
	const { entry } = ufi;
	const udv = entry.uvm_obj as uvm_device;
	const pm = ufi.orig_map.pmap;
	const d_mmap = k.cdevsw[major(udv.u_device)]!.d_mmap!;
	const wired = ufi.wired ? PMAP_WIRED : 0;
	let error: Errno = (entry.etype & UVM_ET_COPYONWRITE) !== 0 ? EACCES : 0;
	if (pm === pmap_kernel(k)) error = EFAULT;
	let refused = false;
	for (let i = 0; i < npages && error === 0; i++) {
		if (i !== centeridx && pps[i] === PGO_DONTCARE) continue;
		const va = startva + ptoa(i);
		const pa = d_mmap(k, minor(udv.u_device), entry.offset + (va - entry.start), ufi.enter_prot);
		if (pa < 0) {
			// Failures of neighbours do not matter.
			if (i === centeridx) error = EIO;
			continue;
		}
		const how = PMAP_CANFAIL | wired | (i === centeridx ? access : 0);
		const failed = pmap_enter(k, pm, va, pa, ufi.enter_prot, how);
		if (failed !== 0 && i === centeridx) refused = true;
	}
	pmap_update(k, pm);
	simple_unlock(k, udv.vmobjlock);
	uvmfault_unlockall(k, ufi, entry.amap);
	// For lack of memory for a page table: the fault waits for the page daemon and comes back.
	return refused ? uvmfault_noram(k, ufi) : error;
}

/** There are no pages to get: faults go to udv_fault. */
function* udv_get(k: Kernel, uobj: uvm_object): Sleeps<Errno> {
	simple_unlock(k, uobj.vmobjlock);
	return EIO;
}

/** There are no pages to flush. */
function* udv_put(k: Kernel, uobj: uvm_object): Sleeps<Errno> {
	simple_unlock(k, uobj.vmobjlock);
	return 0;
}

const device_pager: uvm_pagerops = {
	pgo_name: "device",
	pgo_reference: udv_reference,
	pgo_detach: udv_detach,
	pgo_fault: udv_fault,
	pgo_get_locked: () => EIO,
	pgo_get: udv_get,
	pgo_put: udv_put,
};
