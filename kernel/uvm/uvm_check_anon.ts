/** Invariants 4 to 10: anonymous memory and swap. */

import { pmap_is_modified } from "../../pmap/pmap.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import type { Kernel } from "../kernel.ts";
import { amap_lookup, type vm_amap } from "./uvm_amap.ts";
import { amap_chunk, amap_chunks_list, UVM_AMAP_CHUNK } from "./uvm_amap_chunks.ts";
import type { vm_anon } from "./uvm_anon.ts";
import { UAO_FLAG_NOSWAP, uao_find_swslot, uao_slots, type uvm_aobj } from "./uvm_aobj_slots.ts";
import { memq_length } from "./uvm_check_page.ts";
import { PG_BUSY, PG_CLEAN, uvm_pagelookup, type vm_page } from "./uvm_page.ts";
import {
	SWSLOT_NONE,
	uvm_swap_isallocated,
	uvm_swap_isreadable,
	uvm_swap_navail,
} from "./uvm_swap.ts";

/** Objects: memq, page counts, slot tables. */
export function check_aobjs(k: Kernel, quiet: boolean, wrong: string[]): void {
	for (const aobj of k.uvm.uao_list) {
		const { pages, markers } = memq_length(aobj.memq_first);
		if (pages !== aobj.uo_npages) wrong.push("4: uo_npages is not the length of memq");
		if (quiet && markers > 0) wrong.push("2: a place holder is left in memq");
		if (quiet && aobj.uo_refs === 0) wrong.push("11: an aobj without references exists");
		for (let pg = aobj.memq_first; pg !== null; pg = pg.listq_next) {
			if (pg.offset >= aobj.u_pages * PAGE_SIZE) wrong.push("4: a page lies outside of its object");
		}
		if ((aobj.u_flags & UAO_FLAG_NOSWAP) !== 0 && uao_slots(aobj).length > 0) {
			wrong.push("9: an object that is never swapped has slots");
		}
		check_swhash(aobj, wrong);
	}
}

/** The hash of slots of an object, if it has one. */
function check_swhash(aobj: uvm_aobj, wrong: string[]): void {
	const tags = new Set<number>();
	let elts = 0;
	for (const [b, head] of (aobj.u_swhash ?? []).entries()) {
		for (let elt = head; elt !== null; elt = elt.list) {
			if (tags.has(elt.tag)) {
				wrong.push("9: two hash elements have one tag");
				break;
			}
			tags.add(elt.tag);
			elts++;
			if ((elt.tag & (aobj.u_swhash!.length - 1)) !== b) wrong.push("9: element in a wrong bucket");
			const used = elt.slots.filter((slot) => slot !== SWSLOT_NONE).length;
			if (used !== elt.count || used === 0) wrong.push("9: a hash element counts wrongly");
		}
	}
	if (elts !== aobj.u_swhashcnt) wrong.push("9: u_swhashcnt is not the number of elements");
}

/** Every anon that an amap refers to, with the number of slots that do. */
export function anons(k: Kernel): Map<vm_anon, number> {
	const refs = new Map<vm_anon, number>();
	for (let amap = k.uvm.amap_list; amap !== null; amap = amap.am_list_next) {
		for (let i = 0; i < amap.am_nused; i++) {
			const anon = amap_lookup(amap, amap.am_slots[i]!)!;
			refs.set(anon, (refs.get(anon) ?? 0) + 1);
		}
	}
	return refs;
}

/** Amaps and anons. */
export function check_anons(k: Kernel, quiet: boolean, wrong: string[]): void {
	for (let amap = k.uvm.amap_list; amap !== null; amap = amap.am_list_next) check_amap(amap, wrong);
	if (amap_slots(k) !== k.uvm.amap_slots) wrong.push("10: amap_slots counts wrongly");
	const refs = anons(k);
	for (const [anon, n] of refs) {
		if (anon.an_ref !== n) wrong.push("8: an_ref is not the number of slots that refer to it");
		if (anon.an_page === null && anon.an_swslot === SWSLOT_NONE) {
			wrong.push("8: an anon has neither a page nor a slot");
		}
	}
	if (quiet && refs.size !== k.uvmexp.nanon) wrong.push("8: uvmexp.nanon counts wrongly");
}

function check_amap(amap: vm_amap, wrong: string[]): void {
	if (amap.am_slots.length < amap.am_nused) wrong.push("10: am_nused counts wrongly");
	for (const [i, slot] of amap.am_slots.slice(0, amap.am_nused).entries()) {
		const chunk = amap_chunk(amap.am_chunks, Math.floor(slot / UVM_AMAP_CHUNK));
		if (chunk?.ac_bckptr[slot % UVM_AMAP_CHUNK] !== i) wrong.push("10: ac_bckptr leads elsewhere");
		if (amap_lookup(amap, slot) === null) wrong.push("10: am_slots names an empty slot");
		if (slot < 0 || slot >= amap.am_nslot) wrong.push("10: a slot lies outside of its amap");
	}
	let used = 0;
	for (const [, { ac_nused, ac_anon }] of amap_chunks_list(amap.am_chunks)) {
		const n = ac_anon.filter((anon) => anon !== null).length;
		if (n !== ac_nused || n === 0) wrong.push("10: a chunk of an amap counts wrongly");
		used += n;
	}
	if (used !== amap.am_nused) wrong.push("10: a slot in use is not in am_slots");
}

/** Memory for slots that amaps have. */
function amap_slots(k: Kernel): number {
	let chunks = 0;
	for (let amap = k.uvm.amap_list; amap !== null; amap = amap.am_list_next) {
		chunks += amap.am_chunks.ch_count;
	}
	return chunks * UVM_AMAP_CHUNK;
}

/** Swap slots, and the counters about them. */
export function check_swap(k: Kernel, quiet: boolean, wrong: string[]): void {
	const e = k.uvmexp;
	const seen = new Set<number>();
	let only = 0;
	const record = (slot: number, pg: vm_page | null): void => {
		if (slot > 0) {
			if (seen.has(slot)) wrong.push("5: two owners record one slot");
			seen.add(slot);
			if (!uvm_swap_isallocated(k, slot)) wrong.push("5: a slot that is recorded is free");
			if (!uvm_swap_isreadable(k, slot)) wrong.push("5: no copy of a slot could be written");
			if (pg === null) only++;
		}
		if (pg === null || (pg.flags & PG_BUSY) !== 0 || (pg.flags & PG_CLEAN) === 0) return;
		if (slot <= 0 && !pmap_is_modified(k, pg)) wrong.push("7: a clean page has no slot");
	};
	for (const anon of anons(k).keys()) record(anon.an_swslot, anon.an_page);
	for (const aobj of k.uvm.uao_list) {
		if ((aobj.u_flags & UAO_FLAG_NOSWAP) !== 0 || aobj === k.uvm.kernel_object) continue;
		for (const { pageidx, slot } of uao_slots(aobj)) {
			const pg = uvm_pagelookup(k, aobj, pageidx * PAGE_SIZE);
			record(slot, pg);
		}
		for (let pg = aobj.memq_first; pg !== null; pg = pg.listq_next) {
			if ((pg.flags & (PG_BUSY | PG_CLEAN)) !== PG_CLEAN) continue;
			if (pg.offset < 0 || pg.offset >= aobj.u_pages * PAGE_SIZE) continue;
			const slot = uao_find_swslot(k, aobj, pg.offset / PAGE_SIZE);
			if (slot === SWSLOT_NONE && !pmap_is_modified(k, pg))
				wrong.push("7: a clean page has no slot");
		}
	}
	const slots = k.uvm.holds.flatMap(({ h_slots }) => h_slots);
	for (const slot of slots) {
		if (seen.has(slot)) wrong.push("5: a slot that is held is recorded, or held twice");
		seen.add(slot);
		if (!uvm_swap_isallocated(k, slot)) wrong.push("5: a slot that is held is free");
	}
	let [inuse, bad, held, npages, avail] = [0, 0, 0, 0, 0];
	for (const sdp of k.uvm.swap_list) {
		inuse += sdp.swd_npginuse;
		bad += sdp.swd_npgbad;
		held += sdp.swd_npgheld;
		npages += sdp.swd_npages;
		avail += uvm_swap_navail(sdp);
		const lost = sdp.swd_npgbad + sdp.swd_npgheld;
		if (lost > sdp.swd_npginuse || sdp.swd_npginuse > sdp.swd_npages) {
			wrong.push("5: a swap device counts more than it has");
		}
	}
	if (held !== slots.length) wrong.push("5: swd_npgheld is not the number of slots that are held");
	if (avail !== e.swpgavail) wrong.push("5: swpgavail is not the sum over the devices");
	if (inuse !== e.swpginuse) wrong.push("5: swpginuse is not the sum over the devices");
	if (npages !== e.swpages) wrong.push("5: swpages is not the sum over the devices");
	if (e.swpgonly < 0 || e.swpgonly > e.swpginuse) wrong.push("5: swpgonly is out of range");
	if (!quiet) return;
	if (seen.size + bad !== inuse) {
		wrong.push(`5: ${inuse} slots in use, ${seen.size} recorded or held, ${bad} bad`);
	}
	if (only !== e.swpgonly) wrong.push(`6: swpgonly is ${e.swpgonly}, counted ${only}`);
}
