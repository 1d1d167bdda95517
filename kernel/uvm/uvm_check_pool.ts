/** Invariant 17: kernel memory. No page is lost between its owners, and pools count their items. */
import { pmap_foreach_table } from "../../pmap/pmap_ptp.ts";
import type { pool } from "../kern/core/subr_pool.ts";
import type { Kernel } from "../kernel.ts";
import { maps } from "./uvm_check_map.ts";
import { PHYS_TO_VM_PAGE, PQ_ACTIVE, PQ_FREE, PQ_INACTIVE, type vm_page } from "./uvm_page.ts";

export function check_pools(k: Kernel, quiet: boolean, wrong: string[]): void {
	const held = new Set<vm_page>();
	let npages = 0;
	for (const pp of k.pool_head) {
		if (pp.pr_nitems < 0 || pp.pr_nout < 0) wrong.push("17: a pool counts below zero");
		if (pp.pr_nout + pp.pr_nitems !== pp.pr_pages.length * pp.pr_itemsperpage) {
			wrong.push(`17: the pages of pool ${pp.pr_wchan} do not hold its items`);
		}
		if (pp.pr_npagealloc - pp.pr_npagefree !== pp.pr_pages.length) {
			wrong.push(`17: pool ${pp.pr_wchan} counts its pages wrongly`);
		}
		for (const pg of pp.pr_pages) {
			if ((pg.pqflags & PQ_FREE) !== 0) wrong.push("17: a page of a pool is free");
			if (pg.uobject !== null || pg.uanon !== null) wrong.push("17: a page of a pool has an owner");
			held.add(pg);
		}
		npages += pp.pr_pages.length;
	}
	if (held.size !== npages) wrong.push("17: a page is in two pools");
	if (npages !== k.uvmexp.poolpages) wrong.push("17: uvmexp.poolpages counts wrongly");
	check_ownerless(k, held, wrong);
	check_items(k, quiet, wrong);
}

/** A page that is not free belongs to an object, anon, table or pool, or is broken or held. */
function check_ownerless(k: Kernel, held: Set<vm_page>, wrong: string[]): void {
	for (const pm of k.pmap.pm_list) {
		held.add(pm.pm_rootpage as vm_page);
		pmap_foreach_table(k, pm, (_va, pa) => held.add(PHYS_TO_VM_PAGE(k, pa)!));
	}
	for (const pg of [...k.uvm.vslocks.flat(), ...k.uvm.page_retired]) held.add(pg);
	for (const pg of k.uvm.holds.flatMap(({ h_pages }) => h_pages)) {
		if (held.has(pg)) wrong.push("17: a page that is held belongs to somebody else, too");
		held.add(pg);
	}
	for (const pg of k.uvm.vm_pages) {
		if (pg.phys_addr < k.uvm.avail_start || pg.phys_addr >= k.uvm.avail_end) continue;
		if (pg.uobject !== null || pg.uanon !== null || pg.loan_count > 0 || held.has(pg)) continue;
		const queues = pg.pqflags & (PQ_FREE | PQ_ACTIVE | PQ_INACTIVE);
		if (queues === 0) wrong.push("17: a page is not free and belongs to nothing");
	}
}

/** Items of a pool are as many as what it keeps. */
function check_items(k: Kernel, quiet: boolean, wrong: string[]): void {
	let amaps = 0;
	for (let amap = k.uvm.amap_list; amap !== null; amap = amap.am_list_next) amaps++;
	const counts: [pool, number][] = [
		[k.pools.procpl, k.procs.length],
		[k.pools.lwppl, k.lwps.length],
		[k.pools.pvpl, k.pmap.pv_count],
		[k.uvm.amap_pool, amaps],
		[k.uvm.anon_pool, k.uvmexp.nanon],
	];
	if (quiet) {
		let [user, kernel] = [0, 0];
		for (const map of maps(k)) {
			if (map.pmap === k.pmap.pm_kernel) kernel += map.nentries;
			else user += map.nentries;
		}
		counts.push(
			[k.uvm.uvm_aobj_pool, k.uvm.uao_list.length],
			[k.uvm.map_entry_pool, user],
			[k.uvm.kmap_entry_pool, kernel],
		);
	}
	for (const [pp, n] of counts) {
		if (pp.pr_nout !== n) wrong.push(`17: pool ${pp.pr_wchan} has ${pp.pr_nout} items, not ${n}`);
	}
}
