/**
 * pmap(9): operations on a page and all its managed mappings. They take effect before they return,
 * and run the fences that other calls have deferred.
 */

import { panic } from "../sys/panic.ts";
import {
	type paddr_t,
	VM_PROT_EXECUTE,
	VM_PROT_READ,
	VM_PROT_WRITE,
	type vm_prot_t,
} from "../sys/vmparam.ts";
import type { PmapHost, PmapPage } from "./host.ts";
import { pmap_pte_index, pmap_ptp_reap, pmap_ptp_release } from "./pmap_ptp.ts";
import { pmap_leaf_remove, pmap_pv_va } from "./pmap_pv.ts";
import { pmap_tlb_fence, pmap_tlb_settle } from "./pmap_tlb.ts";
import { PMAP_ATTR_MOD, PMAP_ATTR_REF, type PvEntry } from "./pmap_var.ts";
import { PTE_A, PTE_D, PTE_W } from "./pte.ts";

/** Cycles that loops over a page would take. */
export const ZERO_PAGE_CYCLES = 512;
const COPY_PAGE_CYCLES = 1024;

/** Index in ram32 of a mapping's leaf entry. */
const leaf_index = (k: PmapHost, pv: PvEntry): number =>
	pmap_pte_index(k, pv.pv_pmap!, pmap_pv_va(pv));

/**
 * Lower the protection of every managed mapping of `pg`.
 *
 * => READ, with or without EXECUTE: removes the right to write. NONE: removes the mappings, wired
 *    ones too. With WRITE: does nothing.
 * => takes effect before it returns. Never sleeps, never fails; may free page table pages.
 * => kenter'd mappings are not touched.
 */
export function pmap_page_protect(k: PmapHost, pg: PmapPage, prot: vm_prot_t): void {
	if ((prot & VM_PROT_WRITE) !== 0) return;
	pmap_tlb_settle(k);
	// DEVIATION (D47): READ alone keeps the right to execute, as on machines that have no such right:
	// the caller wants to stop stores, and fetches would only fault the page in again.
	if ((prot & (VM_PROT_READ | VM_PROT_EXECUTE)) !== 0) {
		const ram32 = k.port.ram32;
		for (let pv = pg.md_pvlist; pv !== null; pv = pv.pv_next) {
			const index = leaf_index(k, pv);
			const pte = ram32[index]!;
			if ((pte & PTE_W) === 0) continue;
			k.port.storeWord(index, pte & ~PTE_W);
			if ((pte & PTE_A) !== 0) pmap_tlb_fence(k, pv.pv_pmap!, pmap_pv_va(pv));
		}
		return;
	}
	for (let pv = pg.md_pvlist; pv !== null; pv = pg.md_pvlist) {
		const pm = pv.pv_pmap!;
		const va = pmap_pv_va(pv);
		const pte = pmap_leaf_remove(k, pm, va, leaf_index(k, pv));
		// Page tables that memory has spoilt may have another entry there.
		if (pg.md_pvlist === pv) panic("pmap_page_protect: PV entry without a mapping");
		if ((pte & PTE_A) !== 0) pmap_tlb_fence(k, pm, va);
		pmap_ptp_release(k, pm, va);
		pmap_ptp_reap(k, pm);
	}
}

/** Whether the page's attributes or any mapping has the bit. */
function test_attr(k: PmapHost, pg: PmapPage, attr: number, bit: number): boolean {
	if ((pg.md_attrs & attr) !== 0) return true;
	for (let pv = pg.md_pvlist; pv !== null; pv = pv.pv_next) {
		if ((k.port.ram32[leaf_index(k, pv)]! & bit) !== 0) return true;
	}
	return false;
}

/** Clear the bit everywhere. => whether it was set anywhere. Takes effect before it returns. */
function clear_attr(k: PmapHost, pg: PmapPage, attr: number, bit: number): boolean {
	pmap_tlb_settle(k);
	const ram32 = k.port.ram32;
	let old = (pg.md_attrs & attr) !== 0;
	pg.md_attrs &= ~attr;
	for (let pv = pg.md_pvlist; pv !== null; pv = pv.pv_next) {
		const index = leaf_index(k, pv);
		const pte = ram32[index]!;
		if ((pte & bit) === 0) continue;
		old = true;
		k.port.storeWord(index, pte & ~bit);
		if ((pte & PTE_A) !== 0) pmap_tlb_fence(k, pv.pv_pmap!, pmap_pv_va(pv));
	}
	return old;
}

/** Whether `pg` was written since pmap_clear_modify, also through mappings that are gone. */
export function pmap_is_modified(k: PmapHost, pg: PmapPage): boolean {
	return test_attr(k, pg, PMAP_ATTR_MOD, PTE_D);
}

/** Whether `pg` was used since pmap_clear_reference. */
export function pmap_is_referenced(k: PmapHost, pg: PmapPage): boolean {
	return test_attr(k, pg, PMAP_ATTR_REF, PTE_A);
}

/**
 * Forget that `pg` was written.
 * => what pmap_is_modified would have returned. The next store is recorded again: no translation
 *    with a cached D bit survives.
 */
export function pmap_clear_modify(k: PmapHost, pg: PmapPage): boolean {
	return clear_attr(k, pg, PMAP_ATTR_MOD, PTE_D);
}

/** Forget that `pg` was used. => what pmap_is_referenced would have returned. */
export function pmap_clear_reference(k: PmapHost, pg: PmapPage): boolean {
	return clear_attr(k, pg, PMAP_ATTR_REF, PTE_A);
}

/**
 * Fill the page at `pa` with zeros.
 * => the page's modified and referenced bits stay as they are.
 * => runs deferred fences first, so that no stale translation shows the new contents.
 */
export function pmap_zero_page(k: PmapHost, pa: paddr_t): void {
	pmap_tlb_settle(k);
	k.port.zeroPage(pa);
	k.port.charge(ZERO_PAGE_CYCLES);
}

/**
 * pmap_zero_page in time that has passed already, while the processor was idle (PMAP_PAGEIDLEZERO).
 * => the caller has seen that this was ZERO_PAGE_CYCLES or more.
 */
export function pmap_pageidlezero(k: PmapHost, pa: paddr_t): void {
	pmap_tlb_settle(k);
	k.port.zeroPage(pa);
}

/** Copy the page at `src` to `dst`. => as pmap_zero_page. */
export function pmap_copy_page(k: PmapHost, src: paddr_t, dst: paddr_t): void {
	pmap_tlb_settle(k);
	k.port.copyPage(src, dst);
	k.port.charge(COPY_PAGE_CYCLES);
}
