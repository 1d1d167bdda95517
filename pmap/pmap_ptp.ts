/**
 * Page table pages. Level-0 tables of user pmaps come and go with their entries; those of the
 * kernel are made at boot, so that the kernel's part of every root table never changes.
 */

import { panic } from "../sys/panic.ts";
import { PAGE_SHIFT, PAGE_SIZE, type vaddr_t } from "../sys/vmparam.ts";
import type { PmapHost, PmapPage } from "./host.ts";
import { pmap_tlb_flush } from "./pmap_tlb.ts";
import type { pmap } from "./pmap_var.ts";
import {
	L1_SHIFT,
	L1_SIZE,
	NPTEPG,
	PA_TO_PTE,
	PTE_IS_TABLE,
	PTE_PPN,
	PTE_TO_PFN,
	PTE_V,
} from "./pte.ts";

/**
 * Index in ram32 of the leaf entry for `va`, or -1 where there is no table.
 * => `va` lies in the pmap's range, or in the kernel's part that every root shares.
 */
export function pmap_pte_index(k: PmapHost, pm: pmap, va: vaddr_t): number {
	const ram32 = k.port.ram32;
	const pde = ram32[pm.pm_rootidx + (va >>> L1_SHIFT)]!;
	if ((pde & PTE_V) === 0) return -1;
	// The PPN field as it stands is the table's physical address in words. Where it lies below RAM,
	// or so far behind it that the difference overflows, that is no index of ram32 either.
	const table = ((pde & PTE_PPN) - k.pmap.pm_basewords) | 0;
	if (!PTE_IS_TABLE(pde) || table < 0 || table >= ram32.length) {
		panic("pmap: root table entry points to no table");
	}
	return table + ((va >>> PAGE_SHIFT) & (NPTEPG - 1));
}

/** The leaf entry for `va`, 0 if there is none. */
export function pmap_pte(k: PmapHost, pm: pmap, va: vaddr_t): number {
	const index = pmap_pte_index(k, pm, va);
	return index < 0 ? 0 : k.port.ram32[index]!;
}

/** Make the table for `va`. => index of the leaf entry, or -1 if there is no memory. */
export function pmap_ptp_alloc(k: PmapHost, pm: pmap, va: vaddr_t): number {
	if (pm === k.pmap.pm_kernel) panic("pmap: kernel address without a page table");
	const page = k.pmap_ptpage_alloc();
	if (page === null) return -1;
	k.port.storeWord(pm.pm_rootidx + (va >>> L1_SHIFT), PA_TO_PTE(page.phys_addr) | PTE_V);
	const index = pmap_pte_index(k, pm, va);
	count_tables(k, index >>> 10);
	return index;
}

/** Have room in pm_ptcount for the table in page frame `frame`. */
function count_tables(k: PmapHost, frame: number): void {
	const old = k.pmap.pm_ptcount;
	if (frame < old.length) return;
	k.pmap.pm_ptcount = new Uint16Array(Math.max(2 * old.length, frame + 1));
	k.pmap.pm_ptcount.set(old);
}

/**
 * Detach the table for `va` if it is empty. The caller calls pmap_ptp_reap afterwards, once for
 * several tables.
 */
export function pmap_ptp_release(k: PmapHost, pm: pmap, va: vaddr_t): void {
	if (pm === k.pmap.pm_kernel) return;
	const ram32 = k.port.ram32;
	const slot = pm.pm_rootidx + (va >>> L1_SHIFT);
	const index = pmap_pte_index(k, pm, va);
	if (index < 0 || k.pmap.pm_ptcount[index >>> 10] !== 0) return;
	const page = k.PFN_TO_VM_PAGE(PTE_TO_PFN(ram32[slot]!));
	if (page === null) panic("pmap: page table outside of managed memory");
	k.port.storeWord(slot, 0);
	k.pmap.pm_deadtables.push(page);
}

/** Free the detached tables of `pm`. => fences first: the hart must not walk a reused page. */
export function pmap_ptp_reap(k: PmapHost, pm: pmap): void {
	const dead = k.pmap.pm_deadtables;
	if (dead.length === 0) return;
	pmap_tlb_flush(k, pm);
	for (let page: PmapPage | undefined = dead.pop(); page !== undefined; page = dead.pop()) {
		k.pmap_ptpage_free(page);
	}
}

/** For checkers: every level-0 table of a pmap, the address it starts at, and its valid count. */
export function pmap_foreach_table(
	k: PmapHost,
	pm: pmap,
	fn: (va: vaddr_t, pa: number, count: number) => void,
): void {
	for (let va = pm.pm_min - (pm.pm_min % L1_SIZE); va < pm.pm_max; va += L1_SIZE) {
		const index = pmap_pte_index(k, pm, va);
		if (index < 0) continue;
		const pa = k.port.ramBase + index * 4;
		fn(va, pa, k.pmap.pm_ptcount[index >>> 10]!);
	}
}

/** For checkers: every valid leaf of a pmap, in address order. */
export function pmap_foreach(k: PmapHost, pm: pmap, fn: (va: vaddr_t, pte: number) => void): void {
	const ram32 = k.port.ram32;
	const first = pm.pm_min / PAGE_SIZE;
	const end = pm.pm_max / PAGE_SIZE;
	for (let vpn = first - (first % NPTEPG); vpn < end; vpn += NPTEPG) {
		const table = pmap_pte_index(k, pm, vpn * PAGE_SIZE);
		if (table < 0) continue;
		for (let i = 0; i < NPTEPG; i++) {
			const pte = ram32[table + i]!;
			if ((pte & PTE_V) !== 0) fn((vpn + i) * PAGE_SIZE, pte >>> 0);
		}
	}
}
