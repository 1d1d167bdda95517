/**
 * PV lists: from a page to its managed mappings, the latest first; and a hash table, from a mapping
 * to its entry on such a list, so that a mapping goes in the same time however many others its page
 * has (pv_hash_heads of NetBSD's x86 pmap, 2008). PV entries are recycled, so that a system in its
 * steady state allocates none.
 */

import { panic } from "../sys/panic.ts";
import { PAGE_SIZE, type vaddr_t } from "../sys/vmparam.ts";
import type { PmapHost, PmapPage } from "./host.ts";
import {
	PMAP_ATTR_MOD,
	PMAP_ATTR_REF,
	PMAP_CANFAIL,
	type PmapState,
	type PvEntry,
	type pmap,
} from "./pmap_var.ts";
import { PTE_A, PTE_D, PTE_MANAGED, PTE_TO_PA, PTE_WIRED } from "./pte.ts";

/** A PV entry on no list. => null if memory is short. */
export function pmap_pv_alloc(k: PmapHost, flags: number): PvEntry | null {
	if ((flags & PMAP_CANFAIL) !== 0 && k.failinject?.("pv")) return null;
	if (!k.pmap_pv_get()) return null;
	k.pmap.pv_count++;
	return k.pmap.pv_free.pop() ?? pv_new();
}

/** => `pv` is on no list. */
export function pmap_pv_free(k: PmapHost, pv: PvEntry): void {
	pv.pmap = null;
	k.pmap.pv_count--;
	k.pmap_pv_put();
	k.pmap.pv_free.push(pv);
}

const pv_new = (): PvEntry => ({
	pmap: null,
	va: 0,
	page: null,
	next: null,
	prev: null,
	hash: null,
});

/** Odd, so that the buckets of as many address spaces as there are buckets begin apart. */
const SPACE_STEP = 0x9e37_79b1;

/** Bucket of pv_hash. => neighbours in an address space are in neighbouring buckets. */
const pv_bucket = (st: PmapState, pm: pmap, va: vaddr_t): number =>
	(va / PAGE_SIZE + Math.imul(pm.pm_rootidx >>> PTP_SHIFT, SPACE_STEP)) & (st.pv_hash.length - 1);

/** log2 of the words of a table. */
const PTP_SHIFT = 10;

/** Double the buckets. */
function pv_rehash(st: PmapState): void {
	const old = st.pv_hash;
	const buckets: (PvEntry | null)[] = [];
	for (let i = 0; i < old.length * 2; i++) buckets.push(null);
	st.pv_hash = buckets;
	for (const head of old) {
		for (let pv = head; pv !== null; ) {
			const next = pv.hash;
			const i = pv_bucket(st, pv.pmap!, pv.va);
			pv.hash = buckets[i]!;
			buckets[i] = pv;
			pv = next;
		}
	}
}

/** Note that `pm` maps `pg` at `va`. => `pv` is on no list; there is none for that mapping. */
export function pmap_pv_link(k: PmapHost, pg: PmapPage, pv: PvEntry, pm: pmap, va: vaddr_t): void {
	const st = k.pmap;
	if (st.pv_count > st.pv_hash.length) pv_rehash(st);
	const i = pv_bucket(st, pm, va);
	const next = pg.md_pvlist;
	pv.pmap = pm;
	pv.va = va;
	pv.page = pg;
	pv.next = next;
	if (next !== null) next.prev = pv;
	pv.hash = st.pv_hash[i]!;
	st.pv_hash[i] = pv;
	pg.md_pvlist = pv;
}

/** Take the entry of a mapping off its page's list. => it must be there. */
export function pmap_pv_unlink(k: PmapHost, pg: PmapPage, pm: pmap, va: vaddr_t): PvEntry {
	const st = k.pmap;
	const i = pv_bucket(st, pm, va);
	let before: PvEntry | null = null;
	let pv = st.pv_hash[i] ?? null;
	st.pv_probes++;
	while (pv !== null && (pv.va !== va || pv.pmap !== pm)) {
		before = pv;
		pv = pv.hash;
		st.pv_probes++;
	}
	// An entry that memory has spoilt may name a page that is not the mapping's.
	if (pv === null || pv.page !== pg) panic("pmap: managed mapping without PV entry");
	if (before === null) st.pv_hash[i] = pv.hash;
	else before.hash = pv.hash;
	if (pv.prev === null) pg.md_pvlist = pv.next;
	else pv.prev.next = pv.next;
	if (pv.next !== null) pv.next.prev = pv.prev;
	pv.page = null;
	pv.next = null;
	pv.prev = null;
	pv.hash = null;
	return pv;
}

/** For checkers: what is wrong with pv_hash. => `listed` are the entries on the lists of pages. */
export function pmap_pv_check(st: PmapState, listed: ReadonlySet<PvEntry>): string[] {
	const wrong: string[] = [];
	const left = new Set(listed);
	for (const [i, head] of st.pv_hash.entries()) {
		for (let pv = head; pv !== null; pv = pv.hash) {
			// Not again, or a circle would never end.
			if (!left.delete(pv)) {
				wrong.push("a hashed PV entry is on no list, or hashed twice");
				break;
			}
			if (pv.pmap === null || pv_bucket(st, pv.pmap, pv.va) !== i) {
				wrong.push("a PV entry is in the wrong bucket");
			}
		}
	}
	if (left.size > 0) wrong.push(`${left.size} PV entries are not hashed`);
	return wrong;
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
		pmap_pv_free(k, pmap_pv_unlink(k, pg, pm, va));
	}
	return pte;
}
