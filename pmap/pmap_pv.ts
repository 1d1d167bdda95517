/**
 * PV lists: from a page to its managed mappings. PV entries are recycled, so that a system in its
 * steady state allocates none.
 */

import { panic } from "../sys/panic.ts";
import type { vaddr_t } from "../sys/vmparam.ts";
import type { PmapHost, PmapPage } from "./host.ts";
import { PMAP_ATTR_MOD, PMAP_ATTR_REF, PMAP_CANFAIL, type PvEntry, type pmap } from "./pmap_var.ts";
import { PTE_A, PTE_D, PTE_MANAGED, PTE_TO_PA, PTE_WIRED } from "./pte.ts";

/** A PV entry on no list. => null if memory is short. */
export function pmap_pv_alloc(k: PmapHost, flags: number): PvEntry | null {
	if ((flags & PMAP_CANFAIL) !== 0 && k.failinject?.("pv")) return null;
	if (!k.pmap_pv_get()) return null;
	k.pmap.pv_count++;
	return k.pmap.pv_free.pop() ?? { pmap: null, va: 0, next: null };
}

/** => `pv` is on no list. */
export function pmap_pv_free(k: PmapHost, pv: PvEntry): void {
	pv.pmap = null;
	k.pmap.pv_count--;
	k.pmap_pv_put();
	k.pmap.pv_free.push(pv);
}

/** Note that `pm` maps `pg` at `va`. */
export function pmap_pv_link(pg: PmapPage, pv: PvEntry, pm: pmap, va: vaddr_t): void {
	pv.pmap = pm;
	pv.va = va;
	pv.next = pg.md_pvlist;
	pg.md_pvlist = pv;
}

/** Take the entry of a mapping off its page's list. => it must be there. */
export function pmap_pv_unlink(pg: PmapPage, pm: pmap, va: vaddr_t): PvEntry {
	let prev: PvEntry | null = null;
	let pv = pg.md_pvlist;
	while (pv !== null && (pv.va !== va || pv.pmap !== pm)) {
		prev = pv;
		pv = pv.next;
	}
	if (pv === null) panic("pmap: managed mapping without PV entry");
	if (prev === null) pg.md_pvlist = pv.next;
	else prev.next = pv.next;
	pv.next = null;
	return pv;
}

/** The page of a managed leaf. */
export function pmap_pte_page(k: PmapHost, pte: number): PmapPage {
	return k.PHYS_TO_VM_PAGE(PTE_TO_PA(pte)) ?? panic("pmap: managed mapping of no page");
}

/** Save a leaf's A and D bits in its page, before the leaf is removed or changed. */
export function pmap_sync_attrs(pg: PmapPage, pte: number): void {
	if ((pte & PTE_A) !== 0) pg.md_attrs |= PMAP_ATTR_REF;
	if ((pte & PTE_D) !== 0) pg.md_attrs |= PMAP_ATTR_MOD;
}

/**
 * Remove a valid leaf: its entry at `index` of ram32, its PV entry and its share of the counts.
 * => the old entry. The fence and an empty table are the caller's job.
 */
export function pmap_leaf_remove(k: PmapHost, pm: pmap, va: vaddr_t, index: number): number {
	const ram32 = k.port.ram32;
	const pte = ram32[index]!;
	k.port.storeWord(index, 0);
	k.pmap.pm_ptcount[index >>> 10]!--;
	pm.pm_resident--;
	if ((pte & PTE_WIRED) !== 0) pm.pm_wired--;
	if ((pte & PTE_MANAGED) !== 0) {
		const pg = pmap_pte_page(k, pte);
		pmap_sync_attrs(pg, pte);
		pmap_pv_free(k, pmap_pv_unlink(pg, pm, va));
	}
	return pte;
}
