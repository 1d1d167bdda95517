/**
 * The memory of a process, read without side effects: pages that are not mapped are looked up in
 * the kernel's own tables, and pages that are not in RAM are read from the disk's medium. No page
 * is faulted in, no time passes, no counter changes.
 */

import type { System } from "../computer/system.ts";
import { minor } from "../kernel/dev/conf.ts";
import type { proc } from "../kernel/kern/proc/kern_proc.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { amap_lookup } from "../kernel/uvm/uvm_amap.ts";
import type { vm_anon } from "../kernel/uvm/uvm_anon.ts";
import { uao_find_swslot } from "../kernel/uvm/uvm_aobj_slots.ts";
import { VM_FAULT_INVALID } from "../kernel/uvm/uvm_extern.ts";
import { uvm_fault_nosleep } from "../kernel/uvm/uvm_fault.ts";
import { entry_contains, type vm_map, type vm_map_entry } from "../kernel/uvm/uvm_map_entry.ts";
import { uvm_map_lookup_entry_bytree } from "../kernel/uvm/uvm_map_tree.ts";
import { PAGER_AOBJ, PAGER_VNODE, type uvm_object } from "../kernel/uvm/uvm_object.ts";
import { PG_FAKE, uvm_pagelookup, type vm_page } from "../kernel/uvm/uvm_page.ts";
import { swapdrum_getsdp, uvm_swap_sector } from "../kernel/uvm/uvm_swap.ts";
import type { uvm_vnode } from "../kernel/uvm/uvm_vnode.ts";
import { SATP_ASID_SHIFT, SATP_MODE_SV32 } from "../machine/port.ts";
import { PTE_A, PTE_D, PTE_U, PTE_W } from "../machine/pte.ts";
import { translateIn, walk } from "../machine/walk.ts";
import type { pmap } from "../pmap/pmap_var.ts";
import { PAGE_MASK, PAGE_SIZE, VM_MAXUSER_ADDRESS, VM_PROT_WRITE } from "../sys/vmparam.ts";

const SECTOR = 512;

/** The value of satp while a process with this address space runs. */
export const satpOf = (pm: pmap): number =>
	SATP_MODE_SV32 + pm.pm_asid * 2 ** SATP_ASID_SHIFT + pm.pm_root / PAGE_SIZE;

/** The address space of a process, or null if it has ended. */
export const mapOf = (p: proc): vm_map | null => p.p_vmspace?.vm_map ?? null;

/** The physical address of `va`, or -1 if it is not mapped. */
export function physical(system: System, p: proc, va: number): number {
	const { hart } = system.machine;
	const map = mapOf(p);
	if (map === null) return -1;
	// Without an ASID the TLB holds no entry of it.
	if (map.pmap.pm_asid !== 0) return translateIn(hart, satpOf(map.pmap), va);
	const leaf = walk(hart.memory, map.pmap.pm_root, va);
	return leaf === null ? -1 : (leaf.pte >>> 10) * PAGE_SIZE + (va & PAGE_MASK);
}

/** => the bytes from `va` on, up to the first that cannot be read. */
export function readProcess(system: System, p: proc, va: number, length: number): Uint8Array {
	const bytes = new Uint8Array(Math.max(0, Math.min(length, VM_MAXUSER_ADDRESS - va)));
	const map = mapOf(p);
	let done = 0;
	while (map !== null && done < bytes.length) {
		const at = va + done;
		const n = Math.min(PAGE_SIZE - (at & PAGE_MASK), bytes.length - done);
		const part = bytes.subarray(done, done + n);
		const pa = physical(system, p, at);
		if (pa >= 0) {
			if (!system.machine.dma.read(pa, part)) break; // a device
		} else {
			const page = unmapped(system, map, at - (at & PAGE_MASK));
			if (page === null) break;
			part.set(page.subarray(at & PAGE_MASK, (at & PAGE_MASK) + n));
		}
		done += n;
	}
	return bytes.subarray(0, done);
}

/** The page at `va`, which no page table entry maps. => null if the process has none there. */
function unmapped(system: System, map: vm_map, va: number): Uint8Array | null {
	const entry = entryAt(map, va);
	if (entry === null || entry.protection === 0) return null;
	const slot = entry.pageoff + (va - entry.start) / PAGE_SIZE;
	const anon = entry.amap === null ? null : amap_lookup(entry.amap, slot);
	if (anon !== null) return anonPage(system, anon);
	if (entry.uvm_obj === null) return new Uint8Array(PAGE_SIZE);
	return objectPage(system, entry.uvm_obj, entry.offset + va - entry.start);
}

/** Like uvm_map_lookup_entry, but it leaves the map's hint alone. */
function entryAt(map: vm_map, va: number): vm_map_entry | null {
	const entry = uvm_map_lookup_entry_bytree(map, va);
	return entry_contains(map, entry, va) ? entry : null;
}

function anonPage(system: System, anon: vm_anon): Uint8Array | null {
	const resident = ramPage(system.kernel, anon.an_page);
	return resident ?? swapPage(system, anon.an_swslot);
}

function objectPage(system: System, uobj: uvm_object, offset: number): Uint8Array | null {
	const k = system.kernel;
	const resident = ramPage(k, uvm_pagelookup(k, uobj, offset));
	if (resident !== null) return resident;
	if (uobj.pgops === PAGER_AOBJ) {
		const slot = uao_find_swslot(k, uobj, offset / PAGE_SIZE);
		return slot === 0 ? new Uint8Array(PAGE_SIZE) : swapPage(system, slot);
	}
	if (uobj.pgops !== PAGER_VNODE) return null;
	const { u_dev, u_blkno, u_size } = uobj as uvm_vnode;
	const size = Math.min(PAGE_SIZE, Math.ceil((u_size - offset) / SECTOR) * SECTOR);
	const page = new Uint8Array(PAGE_SIZE);
	if (size <= 0) return null;
	const medium = system.faults[minor(u_dev)]!.pristine;
	const error = medium.read(u_blkno + offset / SECTOR, page.subarray(0, size));
	page.fill(0, Math.max(0, u_size - offset));
	return error === 0 ? page : null;
}

function ramPage(k: Kernel, pg: vm_page | null): Uint8Array | null {
	if (pg === null || (pg.flags & PG_FAKE) !== 0) return null;
	const offset = pg.phys_addr - k.port.ramBase;
	return k.port.ram8.subarray(offset, offset + PAGE_SIZE);
}

function swapPage(system: System, slot: number): Uint8Array | null {
	const sdp = slot > 0 ? swapdrum_getsdp(system.kernel, slot) : null;
	if (sdp === null) return null;
	const page = new Uint8Array(PAGE_SIZE);
	const sector = uvm_swap_sector(sdp, slot);
	return system.faults[minor(sdp.swd_dev)]!.pristine.read(sector, page) === 0 ? page : null;
}

/**
 * Store into the memory of a process, as the process itself could: a copy-on-write page is copied
 * first, as by a fault.
 * => false if a page is not writable or would have to be read from disk; the bytes before it may
 *    have been written.
 */
export function writeProcess(system: System, p: proc, va: number, bytes: Uint8Array): boolean {
	for (let done = 0; done < bytes.length; ) {
		const at = va + done;
		const n = Math.min(PAGE_SIZE - (at & PAGE_MASK), bytes.length - done);
		const pa = writable(system, p, at);
		if (pa < 0 || !system.machine.dma.write(pa, bytes.subarray(done, done + n))) return false;
		done += n;
	}
	return true;
}

/**
 * The physical address of `va` for a write by the process; sets A and D in its page table entry.
 * => -1 if the process may not write there, or the fault would have to sleep.
 */
function writable(system: System, p: proc, va: number): number {
	const map = mapOf(p);
	if (map === null || va >= VM_MAXUSER_ADDRESS) return -1;
	const { memory, dma } = system.machine;
	const find = (): number => {
		const leaf = walk(memory, map.pmap.pm_root, va);
		if (leaf === null || (leaf.pte & (PTE_W | PTE_U)) !== (PTE_W | PTE_U)) return -1;
		dma.store32(leaf.at, leaf.pte | PTE_A | PTE_D);
		return (leaf.pte >>> 10) * PAGE_SIZE + (va & PAGE_MASK);
	};
	const pa = find();
	if (pa >= 0) return pa;
	if (uvm_fault_nosleep(system.kernel, map, va, VM_FAULT_INVALID, VM_PROT_WRITE) !== 0) return -1;
	return find();
}
