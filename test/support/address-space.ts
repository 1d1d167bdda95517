/** Address spaces without programs: mappings that tests make, and touch through the MMU. */

import type { Sleeps } from "../../kernel/kern/core/kern_synch.ts";
import { copyin, copyout } from "../../kernel/kern/proc/copy.ts";
import { type proc, proc_create, proc_free } from "../../kernel/kern/proc/kern_proc.ts";
import { amap_ref } from "../../kernel/uvm/uvm_amap.ts";
import { UVM_ET_NEEDSCOPY, UVM_FLAG_COPYONW, UVM_FLAG_FIXED } from "../../kernel/uvm/uvm_extern.ts";
import {
	uvm_map,
	uvm_map_args,
	uvm_unmap,
	uvmspace_alloc,
	uvmspace_free,
	type vmspace,
} from "../../kernel/uvm/uvm_map.ts";
import { uvm_map_lookup_entry, type vm_map } from "../../kernel/uvm/uvm_map_entry.ts";
import type { uvm_object } from "../../kernel/uvm/uvm_object.ts";
import { uvm_fault_unwire_locked } from "../../kernel/uvm/uvm_unwire.ts";
import { pmap_protect, pmap_update } from "../../pmap/pmap.ts";
import { PAGE_SIZE, VM_MAXUSER_ADDRESS, VM_MIN_ADDRESS, VM_PROT_READ } from "../../sys/vmparam.ts";
import type { TestKernel } from "./kernel.ts";

/** Where tests map by default. */
export const BASE = 0x10_0000;

/** The address space of a process without a program, which uvm_check sees. */
export class AddressSpace {
	readonly t: TestKernel;
	readonly vm: vmspace;
	readonly proc: proc;

	constructor(t: TestKernel, parent: proc | null = null, empty: vmspace | null = null) {
		this.t = t;
		const vm = empty ?? uvmspace_alloc(t.k, VM_MIN_ADDRESS, VM_MAXUSER_ADDRESS);
		if (vm === null) throw new Error("no memory for a pmap");
		this.vm = vm;
		this.proc = proc_create(t.k, "test", parent);
		this.proc.p_vmspace = vm;
	}

	get map(): vm_map {
		return this.vm.vm_map;
	}

	/** Private zero-fill memory at `va`. => an errno. */
	anon(va: number, pages: number, advice = 0, flags = 0): number {
		const args = uvm_map_args(va, pages * PAGE_SIZE);
		args.flags = UVM_FLAG_FIXED | UVM_FLAG_COPYONW | flags;
		args.advice = advice;
		return this.t.run(uvm_map(this.t.k, this.map, args));
	}

	/** An object's pages from 0 on, shared or copy-on-write; takes over the caller's reference. */
	object(va: number, pages: number, uobj: uvm_object, options = { cow: false, advice: 0 }): number {
		const args = uvm_map_args(va, pages * PAGE_SIZE);
		args.uobj = uobj;
		args.offset = 0;
		args.flags = UVM_FLAG_FIXED | (options.cow ? UVM_FLAG_COPYONW : 0);
		args.advice = options.advice;
		return this.t.run(uvm_map(this.t.k, this.map, args));
	}

	/** Store a byte, faulting as a program would. Sleeps. => 0 or EFAULT. */
	*store(va: number, byte: number): Sleeps<number> {
		return yield* copyout(this.t.k, this.map, Uint8Array.of(byte), va);
	}

	/** Load a byte. Sleeps. => the byte, or -EFAULT. */
	*load(va: number): Sleeps<number> {
		const byte = new Uint8Array(1);
		const error = yield* copyin(this.t.k, this.map, va, byte);
		return error === 0 ? byte[0]! : -error;
	}

	/** Unmap pages from `va` on. */
	unmap(va: number, pages: number): number {
		return this.t.run(uvm_unmap(this.t.k, this.map, va, va + pages * PAGE_SIZE));
	}

	/** The end of the process. Sleeps. */
	*free(): Sleeps<void> {
		const { k } = this.t;
		yield* uvmspace_free(k, this.vm);
		proc_free(k, this.proc);
	}
}

/**
 * A second address space that has a copy of `pages` pages of private memory, each page copied by
 * its first write: what fork does for an entry.
 */
export function cowClone(from: AddressSpace, va: number, pages: number): AddressSpace {
	const { t } = from;
	const to = new AddressSpace(t);
	to.anon(va, pages);
	const source = uvm_map_lookup_entry(from.map, va);
	const copy = uvm_map_lookup_entry(to.map, va);
	if (source.amap === null) throw new Error("nothing to copy");
	amap_ref(t.k, source.amap, source.pageoff, pages, 0);
	copy.amap = source.amap;
	copy.pageoff = source.pageoff;
	source.etype |= UVM_ET_NEEDSCOPY;
	pmap_protect(t.k, from.map.pmap, va, va + pages * PAGE_SIZE, VM_PROT_READ);
	pmap_update(t.k, from.map.pmap);
	return to;
}

/** Undo a wiring fault at `va`. */
export function uvm_unwire_page(space: AddressSpace, va: number): void {
	uvm_fault_unwire_locked(space.t.k, space.map, va, va + PAGE_SIZE);
}

/** Faults taken while `body` ran. */
export function faultsOf(t: TestKernel, body: () => void): number {
	const before = t.k.uvmexp.faults;
	body();
	return t.k.uvmexp.faults - before;
}
