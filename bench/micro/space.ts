/** An address space without a program, and a copy of it as fork makes one. */
import type { Engine } from "../../index.ts";
import type { Sleeps } from "../../kernel/kern/core/kern_synch.ts";
import {
	UVM_ADV_RANDOM,
	UVM_FLAG_COPYONW,
	UVM_FLAG_FIXED,
	VM_FAULT_INVALID,
} from "../../kernel/uvm/uvm_extern.ts";
import { uvm_fault, uvm_fault_nosleep } from "../../kernel/uvm/uvm_fault.ts";
import {
	uvm_map,
	uvm_map_args,
	uvm_unmap,
	uvmspace_alloc,
	uvmspace_free,
	type vmspace,
} from "../../kernel/uvm/uvm_map.ts";
import { uvm_map_pages } from "../../kernel/uvm/uvm_map_advice.ts";
import { uvm_map_lookup_entry, type vm_map_entry } from "../../kernel/uvm/uvm_map_entry.ts";
import { uvmspace_fork_nosleep } from "../../kernel/uvm/uvm_map_fork.ts";
import type { uvm_object } from "../../kernel/uvm/uvm_object.ts";
import { uvm_pageout_pages } from "../../kernel/uvm/uvm_pdaemon.ts";
import { pmap_remove, pmap_update } from "../../pmap/pmap.ts";
import {
	PAGE_SIZE,
	VM_MAXUSER_ADDRESS,
	VM_MIN_ADDRESS,
	VM_PROT_READ,
	VM_PROT_WRITE,
} from "../../sys/vmparam.ts";
import { found, Host, succeed } from "./host.ts";

const BASE = 0x40_0000;
/** Of a page, counted from where everything is mapped. */
export const addressOf = (page: number): number => BASE + page * PAGE_SIZE;

export class Space {
	readonly host: Host;
	readonly vm: vmspace;
	child: vmspace | null = null;

	constructor(engine: Engine) {
		this.host = new Host(engine);
		this.vm = found(uvmspace_alloc(this.host.k, VM_MIN_ADDRESS, VM_MAXUSER_ADDRESS));
	}

	/** Private zero-fill memory. Faults look at no neighbours. */
	anon(page: number, pages: number): void {
		this.#map(page, pages, null, UVM_FLAG_COPYONW);
	}

	/** The pages of an object; takes over the caller's reference. */
	object(page: number, pages: number, uobj: uvm_object, isPrivate: boolean): void {
		this.#map(page, pages, uobj, isPrivate ? UVM_FLAG_COPYONW : 0);
	}

	#map(page: number, pages: number, uobj: uvm_object | null, flags: number): void {
		const args = uvm_map_args(addressOf(page), pages * PAGE_SIZE);
		args.flags = UVM_FLAG_FIXED | flags;
		args.advice = UVM_ADV_RANDOM;
		if (uobj !== null) [args.uobj, args.offset] = [uobj, 0];
		succeed(this.host.run(uvm_map(this.host.k, this.vm.vm_map, args)));
	}

	unmap(page: number, pages: number): void {
		const { k } = this.host;
		const [start, end] = [addressOf(page), addressOf(page + pages)];
		succeed(this.host.run(uvm_unmap(k, this.vm.vm_map, start, end)));
	}

	/** Fault as stores to the pages do, or loads; none may sleep. */
	fault(page: number, pages: number, access: number, vm = this.vm): void {
		const { k } = this.host;
		for (let i = page; i < page + pages; i++) {
			succeed(uvm_fault_nosleep(k, vm.vm_map, addressOf(i), VM_FAULT_INVALID, access));
		}
		pmap_update(k, vm.vm_map.pmap);
	}

	/** The same where pages may have to be read. Sleeps. */
	*faultIn(page: number, pages: number): Sleeps<void> {
		const { k } = this.host;
		for (let i = page; i < page + pages; i++) {
			const { vm_map } = this.vm;
			succeed(yield* uvm_fault(k, vm_map, addressOf(i), VM_FAULT_INVALID, VM_PROT_READ));
		}
	}

	/** Fault for stores, and store the number of each page, from 1 on, in it. */
	store(page: number, pages: number): void {
		this.fault(page, pages, VM_PROT_WRITE);
		const { port } = this.host.k;
		for (let i = 0; i < pages; i++) port.storeWord(this.#wordOf(page + i), i + 1);
	}

	/** The sum of what `store` has stored. */
	sum(page: number, pages: number, vm = this.vm): number {
		let sum = 0;
		for (let i = page; i < page + pages; i++) sum += this.host.k.port.ram32[this.#wordOf(i, vm)]!;
		return sum;
	}

	#wordOf(page: number, { vm_map } = this.vm): number {
		const { k } = this.host;
		const [pg] = uvm_map_pages(k, vm_map, addressOf(page), addressOf(page + 1));
		return (found(pg ?? null).phys_addr - k.port.ramBase) / 4;
	}

	/** Forget the mappings, not the pages. */
	forget(page: number, pages: number): void {
		const { k } = this.host;
		pmap_remove(k, this.vm.vm_map.pmap, addressOf(page), addressOf(page + pages));
		pmap_update(k, this.vm.vm_map.pmap);
	}

	/** Page the pages out. */
	out(page: number, pages: number): void {
		const { k } = this.host;
		const range = uvm_map_pages(k, this.vm.vm_map, addressOf(page), addressOf(page + pages));
		this.host.run(uvm_pageout_pages(k, range));
	}

	/** Make a copy as fork does, without sleeping. => there is none */
	fork(): void {
		const child = uvmspace_fork_nosleep(this.host.k, this.vm);
		if (child === null || "next" in child) throw new Error("bench: fork sleeps");
		this.child = child;
	}

	/** Free the copy, if there is one. */
	free(): void {
		const { host, child } = this;
		if (child !== null) host.run(uvmspace_free(host.k, child));
		this.child = null;
	}

	/** The entry of a page. */
	entry(page: number): vm_map_entry {
		return uvm_map_lookup_entry(this.vm.vm_map, addressOf(page));
	}

	childEntries(): vm_map_entry[] {
		const entries: vm_map_entry[] = [];
		const { header } = this.child!.vm_map;
		for (let e = header.next; e !== header; e = e.next) entries.push(e);
		return entries;
	}
}

export const LOAD = VM_PROT_READ;
export const STORE = VM_PROT_WRITE;
