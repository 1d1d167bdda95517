/**
 * PV lists: from a page to its managed mappings, the latest first; and a hash table, from a mapping
 * to its entry on such a list, so that a mapping goes in the same time however many others its page
 * has (pv_hash_heads of NetBSD's x86 pmap, 2008). The page itself is the entry of one mapping, and
 * needs no hash (pp_pte there); others are recycled, so that a system in its steady state allocates
 * none.
 */

import { panic } from "../sys/panic.ts";
import { PAGE_SHIFT, type vaddr_t } from "../sys/vmparam.ts";
import type { PmapHost, PmapPage } from "./host.ts";
import {
	PMAP_ATTR_MOD,
	PMAP_ATTR_REF,
	PMAP_CANFAIL,
	type PmapState,
	type PvEntry,
	type pmap,
} from "./pmap_var.ts";
import { PTE_A, PTE_D, PTE_MANAGED, PTE_TO_PFN, PTE_WIRED } from "./pte.ts";

/** Memory for a PV entry. => false if it is short. */
export function pmap_pv_alloc(k: PmapHost, flags: number): boolean {
	if ((flags & PMAP_CANFAIL) !== 0 && k.failinject?.("pv")) return false;
	if (!k.pmap_pv_get()) return false;
	k.pmap.pv_count++;
	return true;
}

/** Return the memory of an entry that is on no list. */
export function pmap_pv_free(k: PmapHost): void {
	k.pmap.pv_count--;
	k.pmap_pv_put();
}

/** The address of a mapping. Not a multiplication: those of the kernel have a sign. */
export const pmap_pv_va = (pv: PvEntry): vaddr_t => pv.pv_vpn << PAGE_SHIFT;

const pv_new = (): PvEntry => ({
	pv_pmap: null,
	pv_vpn: 0,
	pv_page: null,
	pv_next: null,
	pv_prev: null,
	pv_hash: null,
});

/** Odd, so that the buckets of as many address spaces as there are buckets begin apart. */
const SPACE_STEP = 0x9e37_79b1;

/** Bucket of pv_hash. => neighbours in an address space are in neighbouring buckets. */
const pv_bucket = (st: PmapState, pm: pmap, vpn: number): number =>
	(vpn + Math.imul(pm.pm_rootidx >>> PTP_SHIFT, SPACE_STEP)) & (st.pv_hash.length - 1);

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
			const next = pv.pv_hash;
			const i = pv_bucket(st, pv.pv_pmap!, pv.pv_vpn);
			pv.pv_hash = buckets[i]!;
			buckets[i] = pv;
			pv = next;
		}
	}
}

/**
 * Note that `pm` maps `pg` at `va`.
 * => there is no entry for that mapping yet, and pmap_pv_alloc has got memory for one.
 */
export function pmap_pv_link(k: PmapHost, pg: PmapPage, pm: pmap, va: vaddr_t): void {
	const st = k.pmap;
	if (st.pv_count > st.pv_hash.length) pv_rehash(st);
	const pv = pg.pv_page === null ? pg : (st.pv_free.pop() ?? pv_new());
	const vpn = va >>> PAGE_SHIFT;
	const next = pg.md_pvlist;
	pv.pv_pmap = pm;
	pv.pv_vpn = vpn;
	pv.pv_page = pg;
	pv.pv_next = next;
	if (next !== null) next.pv_prev = pv;
	pg.md_pvlist = pv;
	if (pv === pg) return;
	const i = pv_bucket(st, pm, vpn);
	pv.pv_hash = st.pv_hash[i]!;
	st.pv_hash[i] = pv;
}

/** Take an entry off the hash table. => panics if there is none for this mapping of this page. */
function pv_unhash(st: PmapState, pg: PmapPage, pm: pmap, vpn: number): PvEntry {
	const i = pv_bucket(st, pm, vpn);
	let before: PvEntry | null = null;
	let pv = st.pv_hash[i] ?? null;
	while (pv !== null && (pv.pv_vpn !== vpn || pv.pv_pmap !== pm)) {
		before = pv;
		pv = pv.pv_hash;
		st.pv_probes++;
	}
	// An entry that memory has spoilt may name a page that is not the mapping's.
	if (pv === null || pv.pv_page !== pg) panic("pmap: managed mapping without PV entry");
	if (before === null) st.pv_hash[i] = pv.pv_hash;
	else before.pv_hash = pv.pv_hash;
	pv.pv_hash = null;
	st.pv_free.push(pv);
	return pv;
}

/**
 * Take the entry of a mapping off its page's list. => it must be there. The caller returns its
 * memory (pmap_pv_free), or uses it for another entry.
 */
export function pmap_pv_unlink(k: PmapHost, pg: PmapPage, pm: pmap, va: vaddr_t): void {
	const st = k.pmap;
	const vpn = va >>> PAGE_SHIFT;
	st.pv_probes++;
	const own = pg.pv_page !== null && pg.pv_vpn === vpn && pg.pv_pmap === pm;
	const pv = own ? pg : pv_unhash(st, pg, pm, vpn);
	if (pv.pv_prev === null) pg.md_pvlist = pv.pv_next;
	else pv.pv_prev.pv_next = pv.pv_next;
	if (pv.pv_next !== null) pv.pv_next.pv_prev = pv.pv_prev;
	pv.pv_pmap = null;
	pv.pv_page = null;
	pv.pv_next = null;
	pv.pv_prev = null;
}

/** For checkers: what is wrong with pv_hash. => `listed` are the entries on the lists of pages. */
export function pmap_pv_check(st: PmapState, listed: ReadonlySet<PvEntry>): string[] {
	const wrong: string[] = [];
	const left = new Set<PvEntry>();
	// A page's own entry is found without the table.
	for (const pv of listed) if (pv !== pv.pv_page) left.add(pv);
	for (const [i, head] of st.pv_hash.entries()) {
		for (let pv = head; pv !== null; pv = pv.pv_hash) {
			// Not again, or a circle would never end.
			if (!left.delete(pv)) {
				wrong.push("a hashed PV entry is on no list, or hashed twice");
				break;
			}
			if (pv.pv_pmap === null || pv_bucket(st, pv.pv_pmap, pv.pv_vpn) !== i) {
				wrong.push("a PV entry is in the wrong bucket");
			}
		}
	}
	if (left.size > 0) wrong.push(`${left.size} PV entries are not hashed`);
	return wrong;
}

/** The page of a managed leaf. */
export function pmap_pte_page(k: PmapHost, pte: number): PmapPage {
	return k.PFN_TO_VM_PAGE(PTE_TO_PFN(pte)) ?? panic("pmap: managed mapping of no page");
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
		pmap_pv_unlink(k, pg, pm, va);
		pmap_pv_free(k);
	}
	return pte;
}
