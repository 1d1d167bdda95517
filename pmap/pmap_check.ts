/**
 * Checks what must be true between two calls of pmap: PV lists and managed leaves are a bijection,
 * the counts are right, every root shares the kernel's tables, and no entry is malformed. It only
 * reads, for tests and for the kernel's own invariant checker.
 */

import { VM_MAXUSER_ADDRESS, type vaddr_t } from "../sys/vmparam.ts";
import type { PmapHost, PmapPage } from "./host.ts";
import { pmap_foreach, pmap_foreach_table, pmap_pte } from "./pmap_ptp.ts";
import { pmap_pv_check, pmap_pv_va } from "./pmap_pv.ts";
import type { PvEntry, pmap } from "./pmap_var.ts";
import {
	L1_SHIFT,
	NPTEPG,
	PTE_G,
	PTE_MANAGED,
	PTE_R,
	PTE_TO_PA,
	PTE_U,
	PTE_V,
	PTE_W,
	PTE_WIRED,
} from "./pte.ts";

const hex = (n: number): string => "0x" + (n >>> 0).toString(16);

/** `pages` are all managed pages. => one sentence for each violation; empty if there is none. */
export function pmap_check(k: PmapHost, pages: Iterable<PmapPage>): string[] {
	const st = k.pmap;
	const wrong: string[] = [];
	let managed = 0;
	for (const pm of [st.pm_kernel, ...st.pm_list]) {
		managed += check_leaves(k, pm, wrong);
		check_root(k, pm, wrong);
	}
	const pvs = new Set<PvEntry>();
	for (const pg of pages) check_pvlist(k, pg, pvs, wrong);
	const listed = pvs.size;
	if (listed !== managed) wrong.push(`${listed} PV entries for ${managed} managed mappings`);
	if (listed !== st.pv_count) wrong.push(`${listed} PV entries, counted as ${st.pv_count}`);
	wrong.push(...pmap_pv_check(st, pvs));
	if (st.pm_deadtables.length !== 0) wrong.push("page tables wait to be freed");
	return wrong;
}

/** Every leaf of a pmap, and its counts. => the number of managed mappings. */
function check_leaves(k: PmapHost, pm: pmap, wrong: string[]): number {
	const valid = new Map<vaddr_t, number>();
	const own = pm.pm_ptebits;
	const other = (PTE_U | PTE_G) & ~own;
	let resident = 0;
	let wired = 0;
	let managed = 0;
	pmap_foreach(k, pm, (va, pte) => {
		const at = `entry ${hex(pte)} at ${hex(va)}`;
		const table = va & -(2 ** L1_SHIFT);
		valid.set(table, (valid.get(table) ?? 0) + 1);
		resident++;
		if ((pte & PTE_WIRED) !== 0) wired++;
		if ((pte & (PTE_R | PTE_W)) === PTE_W) wrong.push(`${at}: W without R`);
		if ((pte & own) === 0 || (pte & other) !== 0) wrong.push(`${at}: wrong U or G`);
		if ((pte & PTE_MANAGED) === 0) return;
		managed++;
		if (k.PHYS_TO_VM_PAGE(PTE_TO_PA(pte)) === null) wrong.push(`${at}: managed, but no page`);
	});
	if (resident !== pm.pm_resident) {
		wrong.push(`${resident} mappings, counted as ${pm.pm_resident}`);
	}
	if (wired !== pm.pm_wired) wrong.push(`${wired} wired mappings, counted as ${pm.pm_wired}`);
	pmap_foreach_table(k, pm, (va, _pa, count) => {
		const n = valid.get(va) ?? 0;
		if (n !== count) wrong.push(`table at ${hex(va)}: ${n} entries, counted as ${count}`);
		if (n === 0 && pm !== k.pmap.pm_kernel) wrong.push(`table at ${hex(va)} is empty`);
	});
	return managed;
}

/** The root above user space is the kernel's, entry by entry; and the ASID is this pmap's. */
function check_root(k: PmapHost, pm: pmap, wrong: string[]): void {
	const kernel = k.pmap.pm_kernel;
	for (let i = VM_MAXUSER_ADDRESS >>> L1_SHIFT; i < NPTEPG; i++) {
		const pde = k.port.ram32[pm.pm_rootidx + i]!;
		const shared = k.port.ram32[kernel.pm_rootidx + i]!;
		if (pde !== shared) wrong.push(`root entry ${i} is ${hex(pde)}, the kernel's ${hex(shared)}`);
	}
	if (k.pmap.asid_owner[pm.pm_asid] !== (pm.pm_asid === 0 ? kernel : pm)) {
		wrong.push(`ASID ${pm.pm_asid} belongs to another pmap`);
	}
}

/** Collect the PV entries of a page, each of which has a leaf. */
function check_pvlist(k: PmapHost, pg: PmapPage, pvs: Set<PvEntry>, wrong: string[]): void {
	const seen = new Map<pmap, Set<vaddr_t>>();
	let prev: PvEntry | null = null;
	for (let pv = pg.md_pvlist; pv !== null; pv = pv.pv_next) {
		if (pv.pv_page !== pg || pv.pv_prev !== prev || pvs.has(pv)) {
			wrong.push(`page ${hex(pg.phys_addr)}: the links of a PV entry are wrong`);
			return;
		}
		pvs.add(pv);
		prev = pv;
		const pm = pv.pv_pmap;
		const va = pmap_pv_va(pv);
		if (pm === null || pm.pm_refs === 0) {
			wrong.push(`page ${hex(pg.phys_addr)}: PV entry of a dead pmap`);
			continue;
		}
		const vas = seen.get(pm) ?? new Set<vaddr_t>();
		seen.set(pm, vas);
		if (vas.has(va)) wrong.push(`page ${hex(pg.phys_addr)}: two PV entries for ${hex(va)}`);
		vas.add(va);
		const pte = pmap_pte(k, pm, va);
		const managed = (pte & (PTE_V | PTE_MANAGED)) === (PTE_V | PTE_MANAGED);
		if (!managed || PTE_TO_PA(pte) !== pg.phys_addr) {
			wrong.push(`page ${hex(pg.phys_addr)}: PV entry for ${hex(va)}, leaf ${hex(pte)}`);
		}
	}
}
