/**
 * Port of sys/uvm/uvm_glue.c (2000): access to the kernel's own memory, and user memory that a
 * device reads or writes.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1987, 1990 Carnegie-Mellon University.
 * All rights reserved. See NOTICE for the conditions.
 */
import { EBUSY, EFAULT, type Errno } from "../../sys/errno.ts";
import {
	atop,
	PAGE_SIZE,
	round_page,
	trunc_page,
	VM_PROT_READ,
	VM_PROT_WRITE,
	type vaddr_t,
} from "../../sys/vmparam.ts";
import { simple_lock, simple_unlock } from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import type { vm_map } from "./uvm_map_entry.ts";
import { uvm_map_checkprot } from "./uvm_map_protect.ts";
import {
	PG_BUSY,
	PG_CLEAN,
	PHYS_TO_VM_PAGE,
	uvm_pagefree,
	uvm_pageunwire,
	uvm_pagewire,
	type vm_page,
} from "./uvm_page.ts";
import { uioaddr, uiofault } from "./uvm_uiomove.ts";

/** May the kernel read, or write, `len` bytes at `addr` of its own memory? => never sleeps. */
export function uvm_kernacc(k: Kernel, addr: vaddr_t, len: number, write: boolean): boolean {
	const prot = write ? VM_PROT_WRITE : VM_PROT_READ;
	return uvm_map_checkprot(k.uvm.kernel_map!, trunc_page(addr), round_page(addr + len), prot);
}

/**
 * Make user memory resident, and wire its pages, so that a device can read it (VM_PROT_READ), or
 * write it (VM_PROT_WRITE).
 *
 * => `map` is the running process's. Sleeps for page faults.
 * => the pages, for uvm_vsunlock; EFAULT; EBUSY: device memory, pages that are on loan or in
 *    transit, or as many as may be wired are: it has to be copied.
 * => DEVIATION (D53): the pages are wired, not their mappings (uvm_fault_wire), and those that are
 *    freed meanwhile, because their file is cut, go when they are unwired. NetBSD's device goes on
 *    with a page that somebody else may own by then.
 */
export function* uvm_vslock(
	k: Kernel,
	map: vm_map,
	addr: vaddr_t,
	len: number,
	access: typeof VM_PROT_READ | typeof VM_PROT_WRITE,
): Sleeps<vm_page[] | Errno> {
	const pgs: vm_page[] = [];
	k.uvm.vslocks.push(pgs);
	const end = round_page(addr + len);
	let error: Errno = 0;
	if (k.uvmexp.wired + atop(end - trunc_page(addr)) > k.uvmexp.wiredmax) error = EBUSY;
	for (let va = trunc_page(addr); va < end && error === 0; va += PAGE_SIZE) {
		const ua = yield* uiofault(k, map, va, access === VM_PROT_WRITE);
		const pg = ua < 0 ? null : PHYS_TO_VM_PAGE(k, uioaddr(k, ua));
		if (ua < 0) error = EFAULT;
		else if (pg === null || pg.loan_count > 0 || (pg.flags & PG_BUSY) !== 0) error = EBUSY;
		else {
			simple_lock(k, k.uvm.pageqlock);
			uvm_pagewire(k, pg);
			simple_unlock(k, k.uvm.pageqlock);
			pgs.push(pg);
		}
	}
	if (error === 0) return pgs;
	uvm_vsunlock(k, pgs, VM_PROT_READ);
	return error;
}

/** Undo uvm_vslock; pages that a device may have written are dirty. => never sleeps. */
export function uvm_vsunlock(k: Kernel, pgs: vm_page[], access: number): void {
	const { vslocks } = k.uvm;
	vslocks.splice(vslocks.indexOf(pgs), 1);
	simple_lock(k, k.uvm.pageqlock);
	for (const pg of pgs) {
		if ((access & VM_PROT_WRITE) !== 0) pg.flags &= ~PG_CLEAN;
		uvm_pageunwire(k, pg);
		if (pg.wire_count === 0 && pg.uobject === null && pg.uanon === null) uvm_pagefree(k, pg);
	}
	simple_unlock(k, k.uvm.pageqlock);
}
