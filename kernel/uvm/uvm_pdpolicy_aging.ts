/**
 * Page replacement by age, an approximation of LRU (the additional-reference-bits algorithm of
 * Silberschatz, Operating System Concepts): at each search the reference bit of each page is
 * shifted into eight bits that the page has, and the pages with the least value are given up first;
 * among equals inactive ones first, and then those that have been on their queue longest.
 */
import { pmap_clear_reference, pmap_is_referenced } from "../../pmap/pmap.ts";
import type { Kernel } from "../kernel.ts";
import { PQ_ACTIVE, PQ_INACTIVE, type pglist, type vm_page } from "./uvm_page.ts";
import { SCAN_CYCLES, type uvm_pdpolicy, uvmpd_may_write } from "./uvm_pdpolicy.ts";
import { uvmpd_dropswap_queue } from "./uvm_pdswap.ts";

/** Values of the eight bits. */
const AGES = 256;

export interface uvm_agingscan {
	/** The pages of this search, the oldest first; and the next of them. */
	readonly pages: vm_page[];
	/** Their versions: while the daemon slept a page may have got another identity. */
	readonly versions: number[];
	next: number;
}

/** Shift the reference bits in, and count the pages of each age in `counts`. */
function aging_sample(k: Kernel, queue: pglist, counts: Int32Array): void {
	for (let pg = queue.first; pg !== null; pg = pg.pageq_next) {
		k.port.charge(SCAN_CYCLES);
		pg.pdflags = (pg.pdflags >>> 1) | (pmap_clear_reference(k, pg) ? AGES >>> 1 : 0);
		counts[pg.pdflags]!++;
	}
}

/** Put the pages of a queue where `places` says, by age. */
function aging_sort(scan: uvm_agingscan, queue: pglist, places: Int32Array): void {
	for (let pg = queue.first; pg !== null; pg = pg.pageq_next) {
		const place = places[pg.pdflags]!++;
		scan.pages[place] = pg;
		scan.versions[place] = pg.version;
	}
}

function aging_scaninit(k: Kernel): void {
	const { page_active, page_inactive, pdstate } = k.uvm;
	const scan = pdstate.aging;
	const counts = new Int32Array(AGES);
	aging_sample(k, page_inactive, counts);
	aging_sample(k, page_active, counts);
	let place = 0;
	const places = counts.map((count) => (place += count) - count);
	scan.pages.length = place;
	scan.versions.length = place;
	scan.next = 0;
	aging_sort(scan, page_inactive, places);
	aging_sort(scan, page_active, places);
}

function aging_scanfini(k: Kernel): void {
	const { pages, versions } = k.uvm.pdstate.aging;
	pages.length = 0;
	versions.length = 0;
}

function aging_selectvictim(k: Kernel, dirty: boolean): vm_page | null {
	const scan = k.uvm.pdstate.aging;
	const { pages, versions } = scan;
	while (scan.next < pages.length) {
		const i = scan.next++;
		const pg = pages[i]!;
		if (pg.version !== versions[i] || (pg.pqflags & (PQ_ACTIVE | PQ_INACTIVE)) === 0) continue;
		k.uvmexp.pdscans++;
		// It was used while the daemon slept.
		if (pmap_is_referenced(k, pg)) continue;
		if (!dirty || uvmpd_may_write(k, pg)) return pg;
	}
	return null;
}

export const uvm_pdpolicy_aging: uvm_pdpolicy = {
	name: "aging",
	init: () => {},
	tune: (k) => {
		k.uvmexp.inactarg = 0;
	},
	scaninit: aging_scaninit,
	scanfini: aging_scanfini,
	selectvictim: aging_selectvictim,
	balancequeue: (k, swap_shortage) => {
		uvmpd_dropswap_queue(k, k.uvm.page_active, swap_shortage);
	},
	queues: null,
};
