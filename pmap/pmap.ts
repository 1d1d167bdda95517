/**
 * pmap(9) of NetBSD, the contract of 2001, on Sv32. Written for this machine from the contract;
 * not a port of one of NetBSD's pmaps.
 *
 * A pmap is a cache of what the VM system knows: any mapping that is not wired may be forgotten and
 * is made again by a fault. The modified and referenced bits belong to the page and outlive its
 * mappings. This folder is the only writer of page table entries beside the hart, which sets A and
 * D.
 *
 * No function sleeps or takes a lock: the caller's locks order the calls that concern one map or
 * one page, and no call is ever interrupted by another.
 *
 * This file has address spaces and their mappings, and re-exports the rest for callers.
 */
import { SATP_ASID_MAX, SATP_ASID_SHIFT, SATP_MODE_SV32 } from "../machine/port.ts";
import { list_remove } from "../sys/list.ts";
import { KASSERT, panic } from "../sys/panic.ts";
import {
	PAGE_MASK,
	PAGE_SHIFT,
	PAGE_SIZE,
	type paddr_t,
	VM_MAX_KERNEL_ADDRESS,
	VM_MAXUSER_ADDRESS,
	VM_MIN_ADDRESS,
	VM_MIN_KERNEL_ADDRESS,
	VM_PROT_WRITE,
	type vaddr_t,
	type vm_prot_t,
} from "../sys/vmparam.ts";
import type { PmapHost } from "./host.ts";
import { pmap_pte_index, pmap_ptp_reap, pmap_ptp_release } from "./pmap_ptp.ts";
import { pmap_leaf_remove, pmap_pte_page, pmap_sync_attrs } from "./pmap_pv.ts";
import {
	pmap_asid_alloc,
	pmap_asid_free,
	pmap_tlb_defer,
	pmap_tlb_deferred,
	pmap_tlb_fence,
	pmap_tlb_settle,
} from "./pmap_tlb.ts";
import type { pmap } from "./pmap_var.ts";
import {
	L1_SHIFT,
	L1_SIZE,
	NPTEPG,
	PA_TO_PTE,
	PROT_TO_PTE,
	PTE_A,
	PTE_D,
	PTE_MANAGED,
	PTE_R,
	PTE_RWX,
	PTE_TO_PA,
	PTE_TO_PROT,
	PTE_U,
	PTE_V,
	PTE_W,
	PTE_WIRED,
} from "./pte.ts";

export { pmap_enter } from "./pmap_enter.ts";
export { pmap_kenter_pa, pmap_kremove } from "./pmap_kenter.ts";
export {
	pmap_clear_modify,
	pmap_clear_reference,
	pmap_copy_page,
	pmap_is_modified,
	pmap_is_referenced,
	pmap_page_protect,
	pmap_pageidlezero,
	pmap_zero_page,
	ZERO_PAGE_CYCLES,
} from "./pmap_page.ts";
export { pmap_foreach, pmap_foreach_table, pmap_pte } from "./pmap_ptp.ts";
export { pmap_pv_va } from "./pmap_pv.ts";
export {
	PMAP_ATTR_MOD,
	PMAP_ATTR_REF,
	PMAP_CANFAIL,
	PMAP_WIRED,
	type PmapState,
	type PvEntry,
	type pmap,
	pmap_state,
} from "./pmap_var.ts";

/**
 * Make the kernel's page tables and turn translation on.
 *
 * => at boot, before the page layer exists: takes pages from `avail_start` on.
 * => the new avail_start.
 */
export function pmap_bootstrap(k: PmapHost, avail_start: paddr_t): paddr_t {
	const st = k.pmap;
	const { ramBase } = k.port;
	KASSERT((avail_start & PAGE_MASK) === 0, "pmap_bootstrap: avail_start is not page aligned");
	st.pm_basewords = ramBase / 4;
	st.asid_owner.length = 0;
	for (let asid = 0; asid <= SATP_ASID_MAX; asid++) st.asid_owner.push(null);
	st.asid_owner[0] = st.pm_kernel;

	let pa = avail_start;
	const steal = (): paddr_t => {
		const page = pa;
		k.port.zeroPage(page);
		pa += PAGE_SIZE;
		return page;
	};
	st.pm_kernel.pm_root = steal();
	st.pm_kernel.pm_rootidx = (st.pm_kernel.pm_root - ramBase) >>> 2;
	for (let va = VM_MIN_KERNEL_ADDRESS; va < VM_MAX_KERNEL_ADDRESS; va += L1_SIZE) {
		k.port.storeWord(st.pm_kernel.pm_rootidx + (va >>> L1_SHIFT), PA_TO_PTE(steal()) | PTE_V);
	}
	st.pm_ptcount = new Uint16Array((pa - ramBase) / PAGE_SIZE);
	pmap_activate(k, st.pm_kernel);
	return pa;
}

/** Finish initialisation, after uvm_page_init. => at boot. This pmap has nothing left to do. */
export function pmap_init(k: PmapHost): void {
	KASSERT(k.pmap.pm_kernel.pm_root !== 0, "pmap_init: pmap_bootstrap comes first");
}

export function pmap_kernel(k: PmapHost): pmap {
	return k.pmap.pm_kernel;
}

/** A new address space with one reference. => null if there is no page for its root table. */
export function pmap_create(k: PmapHost): pmap | null {
	const page = k.pmap_ptpage_alloc();
	if (page === null) return null;
	const kernel = k.pmap.pm_kernel;
	const rootidx = (page.phys_addr - k.port.ramBase) >>> 2;
	const first = VM_MIN_KERNEL_ADDRESS >>> L1_SHIFT;
	const last = (VM_MAX_KERNEL_ADDRESS - 1) >>> L1_SHIFT;
	const ram32 = k.port.ram32;
	for (let i = first; i <= last; i++) k.port.storeWord(rootidx + i, ram32[kernel.pm_rootidx + i]!);
	const pm = k.pmap.pm_free.pop() ?? pmap_new();
	pm.pm_root = page.phys_addr;
	pm.pm_rootidx = rootidx;
	pm.pm_rootpage = page;
	pm.pm_refs = 1;
	k.pmap.pm_list.push(pm);
	return pm;
}

/** A user pmap without tables. */
const pmap_new = (): pmap => ({
	pm_root: 0 as paddr_t,
	pm_rootidx: 0,
	pm_rootpage: null,
	pm_min: VM_MIN_ADDRESS,
	pm_max: VM_MAXUSER_ADDRESS,
	pm_ptebits: PTE_U,
	pm_asid: 0,
	pm_refs: 0,
	pm_resident: 0,
	pm_wired: 0,
});

/** User pmaps that are kept when they are not in use. */
const PMAP_FREE_MAX = 64;

export function pmap_reference(_k: PmapHost, pm: pmap): void {
	KASSERT(pm.pm_refs > 0, "pmap_reference: dead pmap");
	pm.pm_refs++;
}

/**
 * Drop a reference.
 * => the last one frees the pmap, which has no mappings left. If the hart still uses it, the
 *    kernel's is loaded.
 */
export function pmap_destroy(k: PmapHost, pm: pmap): void {
	KASSERT(pm.pm_refs > 0 && pm !== k.pmap.pm_kernel, "pmap_destroy: dead or kernel pmap");
	if (--pm.pm_refs > 0) return;
	KASSERT(pm.pm_resident === 0 && pm.pm_wired === 0, "pmap_destroy: mappings left");
	const { ram32 } = k.port;
	const { pm_rootidx: root } = pm;
	let left = 0;
	for (let i = 0; i < VM_MAXUSER_ADDRESS >>> L1_SHIFT; i++) left |= ram32[root + i]!;
	KASSERT(left === 0, "pmap_destroy: page tables left");
	if ((k.port.satp & SATP_PPN) === pm.pm_root >>> PAGE_SHIFT) pmap_deactivate(k);
	// Fence before the page of the root table can be reused.
	pmap_asid_free(k, pm);
	list_remove(k.pmap.pm_list, pm);
	const page = pm.pm_rootpage!;
	pm.pm_rootpage = null;
	// As pmap_new makes it, but for what pmap_create sets.
	if (k.pmap.pm_free.length < PMAP_FREE_MAX) k.pmap.pm_free.push(pm);
	k.pmap_ptpage_free(page);
}

const SATP_PPN = 2 ** SATP_ASID_SHIFT - 1;

/** Signed, as the port's. */
const satp_of = (pm: pmap): number =>
	SATP_MODE_SV32 | (pm.pm_asid << SATP_ASID_SHIFT) | (pm.pm_root >>> PAGE_SHIFT);

/**
 * Make the hart translate through `pm`.
 * DEVIATION (D43): takes the pmap, not the thread. Runs the deferred fences, so that user mode
 * never starts with a stale translation.
 */
export function pmap_activate(k: PmapHost, pm: pmap): void {
	pmap_tlb_settle(k);
	const loaded = k.port.satp;
	if (pm.pm_asid === 0 && pm !== k.pmap.pm_kernel) {
		pmap_asid_alloc(k, pm, (loaded >>> SATP_ASID_SHIFT) & SATP_ASID_MAX);
	}
	const satp = satp_of(pm);
	if (loaded !== satp) k.port.satp = satp;
}

/** Make the hart translate kernel addresses only. */
export function pmap_deactivate(k: PmapHost): void {
	pmap_activate(k, k.pmap.pm_kernel);
}

/** First page number of the next table. */
const next_table = (vpn: number): number => (vpn | (NPTEPG - 1)) + 1;

/**
 * Remove all mappings in [sva, eva), wired ones too.
 *
 * => modified and referenced bits go to the pages.
 * => takes effect at pmap_update. Page table pages that became empty are freed, after a fence.
 */
export function pmap_remove(k: PmapHost, pm: pmap, sva: vaddr_t, eva: vaddr_t): void {
	remove_range(k, pm, sva, eva, 0);
}

/** Remove the mappings in [sva, eva) that have none of the bits `keep`. */
function remove_range(k: PmapHost, pm: pmap, sva: vaddr_t, eva: vaddr_t, keep: number): void {
	const ram32 = k.port.ram32;
	const ptcount = k.pmap.pm_ptcount;
	const end = eva / PAGE_SIZE;
	for (let vpn = sva / PAGE_SIZE; vpn < end; ) {
		const first = vpn * PAGE_SIZE;
		const stop = Math.min(end, next_table(vpn));
		let index = pmap_pte_index(k, pm, first);
		if (index < 0 || ptcount[index >>> 10] === 0) {
			vpn = stop;
			continue;
		}
		for (let left = ptcount[index >>> 10]!; vpn < stop && left > 0; vpn++, index++) {
			const pte = ram32[index]!;
			if ((pte & PTE_V) === 0) continue;
			left--;
			if ((pte & keep) !== 0) continue;
			const va = vpn * PAGE_SIZE;
			const managed = (pte & PTE_MANAGED) !== 0;
			KASSERT(managed || pm !== k.pmap.pm_kernel, "pmap_remove: kenter'd mapping");
			pmap_leaf_remove(k, pm, va, index);
			if ((pte & PTE_A) !== 0) pmap_tlb_defer(k, pm, va);
		}
		vpn = stop;
		pmap_ptp_release(k, pm, first);
	}
	pmap_ptp_reap(k, pm);
}

/**
 * Lower the protection of the mappings in [sva, eva).
 *
 * => never adds rights. A mapping that is left with none is removed. DEVIATION (D44): a wired one
 *    stays, and each access to it faults, so that it is known later which pages the range keeps
 *    wired.
 * => takes effect at pmap_update.
 */
export function pmap_protect(
	k: PmapHost,
	pm: pmap,
	sva: vaddr_t,
	eva: vaddr_t,
	prot: vm_prot_t,
): void {
	const ram32 = k.port.ram32;
	const revoked = PTE_RWX & ~PROT_TO_PTE(prot);
	if (revoked === 0) return;
	const end = eva / PAGE_SIZE;
	for (let vpn = sva / PAGE_SIZE; vpn < end; ) {
		const first = vpn * PAGE_SIZE;
		const stop = Math.min(end, next_table(vpn));
		let index = pmap_pte_index(k, pm, first);
		if (index < 0) {
			vpn = stop;
			continue;
		}
		// Without fences that are to be noted for each, nor mappings that go, it is the entries alone.
		let bits = revoked === PTE_W && pmap_tlb_deferred(k, pm);
		for (; vpn < stop && !bits; vpn++, index++) {
			const pte = ram32[index]!;
			if ((pte & PTE_V) === 0 || (pte & revoked) === 0) continue;
			const va = vpn * PAGE_SIZE;
			if ((pte & PTE_WIRED) === 0 && (pte & PTE_RWX & ~revoked) === 0) {
				pmap_leaf_remove(k, pm, va, index);
			} else k.port.storeWord(index, pte & ~revoked);
			if ((pte & PTE_A) === 0) continue;
			pmap_tlb_defer(k, pm, va);
			bits = revoked === PTE_W && pmap_tlb_deferred(k, pm);
		}
		if (vpn < stop) k.port.clearBits(index, stop - vpn, PTE_V | PTE_R, PTE_W);
		vpn = stop;
		pmap_ptp_release(k, pm, first);
	}
	pmap_ptp_reap(k, pm);
}

/**
 * Clear the wired attribute of a mapping.
 * => there is a mapping at `va`. It is removed if it allows nothing.
 */
export function pmap_unwire(k: PmapHost, pm: pmap, va: vaddr_t): void {
	const index = pmap_pte_index(k, pm, va);
	const pte = index < 0 ? 0 : k.port.ram32[index]!;
	if ((pte & PTE_V) === 0) panic("pmap_unwire: no mapping");
	if ((pte & PTE_WIRED) === 0) return;
	if ((pte & PTE_RWX) === 0) {
		pmap_remove(k, pm, va, va + PAGE_SIZE);
		return;
	}
	k.port.storeWord(index, pte & ~PTE_WIRED);
	pm.pm_wired--;
}

/** pmap_extract of a mapping that is wired. => -1 if there is none at `va`. */
export function pmap_extract_wired(k: PmapHost, pm: pmap, va: vaddr_t): paddr_t {
	const index = pmap_pte_index(k, pm, va);
	if (index < 0) return -1;
	const pte = k.port.ram32[index]!;
	if ((pte & PTE_V) === 0 || (pte & PTE_WIRED) === 0) return -1;
	return PTE_TO_PA(pte) + (va & PAGE_MASK);
}

/**
 * The physical address that `va` is mapped to, managed or not.
 * => -1 if it is not mapped.
 * DEVIATION (D45): NetBSD returns a boolean and stores the address through a pointer.
 */
export function pmap_extract(k: PmapHost, pm: pmap, va: vaddr_t): paddr_t {
	const index = pmap_pte_index(k, pm, va);
	if (index < 0) return -1;
	const pte = k.port.ram32[index]!;
	if ((pte & PTE_V) === 0) return -1;
	return PTE_TO_PA(pte) + (va & PAGE_MASK);
}

/**
 * Which of `npages` pages from `va` on are mapped: bit i stands for the page i pages further on.
 * => at most 32 pages. DEVIATION (D73): NetBSD calls pmap_extract for each.
 */
export function pmap_mapped(k: PmapHost, pm: pmap, va: vaddr_t, npages: number): number {
	const ram32 = k.port.ram32;
	const first = va >>> PAGE_SHIFT;
	let index = pmap_pte_index(k, pm, va);
	let mapped = 0;
	for (let i = 0; i < npages; i++) {
		if (i > 0) {
			if (((first + i) & (NPTEPG - 1)) === 0) index = pmap_pte_index(k, pm, va + i * PAGE_SIZE);
			else if (index >= 0) index++;
		}
		if (index >= 0 && (ram32[index]! & PTE_V) !== 0) mapped |= 1 << i;
	}
	return mapped;
}

/**
 * Repair a page fault that only asks for an A or D bit.
 *
 * => `access` is one VM_PROT_* bit. True: try the access again. False: call uvm_fault.
 * => only where the hart leaves A and D to software (pm_adtrap).
 * DEVIATION (D46): ports to such machines have it under various names (pmap_fault_fixup, ...).
 */
export function pmap_fault(k: PmapHost, pm: pmap, va: vaddr_t, access: vm_prot_t): boolean {
	if (!k.pmap.pm_adtrap || va < pm.pm_min || va >= pm.pm_max) return false;
	const index = pmap_pte_index(k, pm, va);
	if (index < 0) return false;
	const pte = k.port.ram32[index]!;
	// Check the protection first: a store to a page without W may be copy-on-write.
	if ((pte & PTE_V) === 0 || (PTE_TO_PROT(pte) & access) !== access) return false;
	const now = pte | ((access & VM_PROT_WRITE) !== 0 ? PTE_A | PTE_D : PTE_A);
	if ((pte & PTE_MANAGED) !== 0) pmap_sync_attrs(pmap_pte_page(k, pte), now);
	k.port.storeWord(index, now);
	// Even if no bit was missing: then a stale translation caused the fault.
	pmap_tlb_fence(k, pm, trunc(va));
	return true;
}

const trunc = (va: vaddr_t): vaddr_t => va - (va & PAGE_MASK);

/** Remove every mapping of a user pmap that is not wired. */
export function pmap_collect(k: PmapHost, pm: pmap): void {
	if (pm !== k.pmap.pm_kernel) remove_range(k, pm, pm.pm_min, pm.pm_max, PTE_WIRED);
}

/** Number of valid mappings, kenter'd ones included. */
export function pmap_resident_count(_k: PmapHost, pm: pmap): number {
	return pm.pm_resident;
}

/** Number of wired mappings, kenter'd ones included. */
export function pmap_wired_count(_k: PmapHost, pm: pmap): number {
	return pm.pm_wired;
}

/**
 * Run the fences that enter, remove, protect, kenter_pa and kremove have deferred, for all pmaps.
 */
export function pmap_update(k: PmapHost, _pm: pmap): void {
	pmap_tlb_settle(k);
}
