/** Invariants 10 to 12, 14 and 15: maps, references, and what user mode may touch. */
import { type pmap, pmap_foreach, pmap_kernel, pmap_pte } from "../../pmap/pmap.ts";
import { PTE_D, PTE_RWX, PTE_TO_PA, PTE_V, PTE_W, PTE_WIRED } from "../../pmap/pte.ts";
import { atop, PAGE_SIZE, ptoa, VM_PROT_WRITE } from "../../sys/vmparam.ts";
import type { Kernel } from "../kernel.ts";
import { AMAP_SHARED, amap_used, type vm_amap, type vm_amap_run } from "./uvm_amap.ts";
import { UVM_ET_COPYONWRITE, UVM_ET_NEEDSCOPY, UVM_ET_ONFAULT } from "./uvm_extern.ts";
import { entry_contains, type vm_map, type vm_map_entry } from "./uvm_map_entry.ts";
import { uvm_map_lookup_entry_bytree, uvm_rb_space, uvm_rb_subtree_space } from "./uvm_map_tree.ts";
import type { uvm_object } from "./uvm_object.ts";
import { PHYS_TO_VM_PAGE, type vm_page } from "./uvm_page.ts";
import { entry_page } from "./uvm_unwire.ts";

/** One translation that the TLB holds, as the machine shows it to a test. */
export interface tlb_translation {
	readonly vpn: number;
	readonly superpage: boolean;
	readonly global: boolean;
	readonly asid: number;
	readonly pte: number;
}

/** Every map of the system: the kernel's, its submaps, and those of processes. */
export function maps(k: Kernel): vm_map[] {
	const all: vm_map[] = [];
	if (k.uvm.kernel_map !== null) all.push(k.uvm.kernel_map);
	if (k.uvm.pager_map !== null) all.push(k.uvm.pager_map);
	// Between vfork and exec two processes share one.
	for (const p of k.procs) {
		const map = p.p_vmspace?.vm_map;
		if (map !== undefined && !all.includes(map)) all.push(map);
	}
	return all;
}

/** Entries, and the references that they hold. */
export function check_maps(k: Kernel, quiet: boolean, wrong: string[]): void {
	const amaps = new Map<vm_amap, vm_map_entry[]>();
	const objects = new Map<uvm_object, number>();
	for (const map of maps(k)) {
		check_map(map, wrong);
		for (let e = map.header.next; e !== map.header; e = e.next) {
			if (e.amap !== null) amaps.set(e.amap, [...(amaps.get(e.amap) ?? []), e]);
			if (e.uvm_obj !== null) objects.set(e.uvm_obj, (objects.get(e.uvm_obj) ?? 0) + 1);
		}
	}
	for (const e of k.uvm.mapent_free) {
		const used = e.amap !== null || e.uvm_obj !== null || e.rb_parent !== null;
		if (used || e.next !== e || e.prev !== e) wrong.push("12: a free map entry is in use");
	}
	if (!quiet) return;
	if (k.uvm.kernel_object !== null) objects.delete(k.uvm.kernel_object);
	check_wired(k, objects, wrong);
	for (const [amap, entries] of amaps) check_amap_refs(amap, entries, wrong);
	for (const seg of k.shm.shmsegs) objects.set(seg.shm_amp, (objects.get(seg.shm_amp) ?? 0) + 1);
	if (k.sigobject !== null) {
		objects.set(k.sigobject, (objects.get(k.sigobject) ?? 0) + 1);
	}
	for (const { v_uobj } of k.vfs.memfiles) objects.set(v_uobj!, (objects.get(v_uobj!) ?? 0) + 1);
	for (const aobj of k.uvm.uao_list) {
		if (aobj === k.uvm.kernel_object) continue;
		if (aobj.uo_refs !== (objects.get(aobj) ?? 0)) wrong.push("11: uo_refs counts wrongly");
	}
	// A file holds a reference to its object; a device does not.
	for (const uvn of k.uvm.uvn_list) {
		if (uvn.uo_refs !== 1 + (objects.get(uvn) ?? 0)) wrong.push("11: uo_refs counts wrongly");
	}
	for (const udv of k.uvm.udv_list) {
		if (udv.uo_refs !== (objects.get(udv) ?? 0)) wrong.push("11: uo_refs counts wrongly");
	}
	for (let amap = k.uvm.amap_list; amap !== null; amap = amap.am_list_next) {
		if (!amaps.has(amap)) wrong.push("10: an amap that no entry refers to");
	}
}

function check_amap_refs(amap: vm_amap, entries: vm_map_entry[], wrong: string[]): void {
	if (amap.am_ref !== entries.length) wrong.push("10: am_ref is not the number of entries");
	if (amap.am_ref === 1 && (amap.am_flags & AMAP_SHARED) !== 0) {
		wrong.push("10: an amap with one reference is marked shared");
	}
	const runs = cover(amap, entries, wrong);
	check_ppref(amap, runs, wrong);
	let i = 0;
	for (const slot of amap_used(amap, 0, amap.am_nslot)) {
		while (i + 1 < runs.length && runs[i + 1]!.at <= slot) i++;
		if (runs[i]!.ref === 0) wrong.push("10: an anon that no entry covers");
	}
}

/** How many of these entries cover each slot, in runs. */
function cover(amap: vm_amap, entries: vm_map_entry[], wrong: string[]): vm_amap_run[] {
	const edges = new Map<number, number>([[0, 0]]);
	for (const e of entries) {
		const end = e.pageoff + atop(e.end - e.start);
		if (end > amap.am_nslot) wrong.push("10: an entry is longer than its amap");
		edges.set(e.pageoff, (edges.get(e.pageoff) ?? 0) + 1);
		edges.set(end, (edges.get(end) ?? 0) - 1);
	}
	const runs: vm_amap_run[] = [];
	let ref = 0;
	for (const [at, change] of [...edges].sort(([a], [b]) => a - b)) {
		ref += change;
		if ((at === 0 || change !== 0) && at < amap.am_nslot) runs.push({ at, ref });
	}
	return runs;
}

/** The references of each slot are counted in runs as long as they can be, or all are am_ref. */
function check_ppref(amap: vm_amap, runs: readonly vm_amap_run[], wrong: string[]): void {
	const { am_ppref: ppref } = amap;
	if (ppref === null) {
		if (runs.some(({ ref }) => ref !== amap.am_ref)) wrong.push("10: am_ppref is missing");
		return;
	}
	const same = ({ at, ref }: vm_amap_run, i: number): boolean =>
		at === runs[i]?.at && ref === runs[i]?.ref;
	if (ppref.length !== runs.length || !ppref.every(same)) wrong.push("10: am_ppref counts wrongly");
}

/** A page is wired once for each wired mapping of it, and wired entries have such mappings. */
function check_wired(k: Kernel, mapped: ReadonlyMap<uvm_object, number>, wrong: string[]): void {
	const wires = new Map<vm_page, number>();
	for (const map of maps(k)) {
		for (let e = map.header.next; e !== map.header; e = e.next) {
			if (e.wired_count > 0) count_wired(k, map, e, wires, wrong);
		}
	}
	for (const seg of k.shm.shmsegs) {
		if (!seg.shm_locked) continue;
		for (let pg = seg.shm_amp.memq_first; pg !== null; pg = pg.listq_next) {
			wires.set(pg, (wires.get(pg) ?? 0) + 1);
		}
	}
	for (const pg of k.uvm.vslocks.flat()) wires.set(pg, (wires.get(pg) ?? 0) + 1);
	for (const p of k.procs) {
		if (p.p_vmspace === null) continue;
		const { vm_map: map } = p.p_vmspace;
		pmap_foreach(k, map.pmap, (va, pte) => {
			if ((pte & PTE_WIRED) === 0 || uvm_map_lookup_entry_bytree(map, va).wired_count > 0) return;
			wrong.push("12: a mapping is wired and its entry is not");
		});
	}
	for (const pg of k.uvm.vm_pages) {
		// Pages of an object that no process maps can be wired only by the kernel.
		const user = pg.uanon !== null || (pg.uobject !== null && mapped.has(pg.uobject));
		if (user && pg.wire_count !== (wires.get(pg) ?? 0)) wrong.push("12: wire_count is wrong");
	}
}

function count_wired(
	k: Kernel,
	map: vm_map,
	e: vm_map_entry,
	wires: Map<vm_page, number>,
	wrong: string[],
): void {
	// Pages that truncate has cut off come back by faults, and are wired then, as in an entry that
	// is wired on fault.
	const cut = k.vfs.memfiles.some(({ v_uobj }) => v_uobj !== null && v_uobj === e.uvm_obj);
	const whole = !cut && (e.etype & UVM_ET_ONFAULT) === 0;
	for (let va = e.start; va < e.end; va += PAGE_SIZE) {
		const pg = entry_page(k, e, va);
		const pte = pmap_pte(k, map.pmap, va);
		if ((pte & PTE_V) === 0) {
			if (whole && pg === null) wrong.push("12: a page of a wired entry is not resident");
			else if (whole) wrong.push("12: a page of a wired entry is not mapped");
			continue;
		}
		if ((pte & PTE_WIRED) === 0) wrong.push("12: a wired entry has a mapping that is not");
		const mapped = PHYS_TO_VM_PAGE(k, PTE_TO_PA(pte));
		if (mapped === null) continue;
		if (mapped !== pg) wrong.push("12: a wired mapping is of another page");
		wires.set(mapped, (wires.get(mapped) ?? 0) + 1);
	}
}

function check_map(map: vm_map, wrong: string[]): void {
	let [nentries, size] = [0, 0];
	let end = map.min_offset;
	let gap = false;
	let hint = map.hint === map.header;
	for (let e = map.header.next; e !== map.header; e = e.next) {
		nentries++;
		size += e.end - e.start;
		if (e === map.hint) hint = true;
		if (e.start < end || e.end <= e.start) wrong.push("12: entries overlap or are out of order");
		if (e.start > end) gap = true;
		if (e === map.first_free && gap) wrong.push("12: a gap lies before first_free");
		if (e.next.prev !== e || e.prev.next !== e) wrong.push("12: the list of entries is broken");
		if ((e.etype & UVM_ET_NEEDSCOPY) !== 0 && (e.etype & UVM_ET_COPYONWRITE) === 0) {
			wrong.push("12: NEEDSCOPY without COPYONWRITE");
		}
		if ((e.etype & UVM_ET_ONFAULT) !== 0 && e.wired_count === 0) {
			wrong.push("12: wired on fault, but not wired");
		}
		end = e.end;
	}
	if (end > map.max_offset) wrong.push("12: an entry lies outside of its map");
	if (!hint) wrong.push("12: the hint names an entry that is gone");
	if (nentries !== map.nentries) wrong.push("12: nentries counts wrongly");
	if (size !== map.size) wrong.push("12: size counts wrongly");
	uvm_tree_sanity(map, wrong);
}

/** The tree has the entries of the list in its order, is balanced, and knows the gaps. */
function uvm_tree_sanity(map: vm_map, wrong: string[]): void {
	if (map.rbhead !== null && (map.rbhead.rb_red || map.rbhead.rb_parent !== null)) {
		wrong.push("12: the root of the tree of entries is none");
	}
	let next = map.header.next;
	/** => black nodes on each way down from here. */
	const visit = (e: vm_map_entry | null): number => {
		if (e === null) return 1;
		const left = visit(e.rb_left);
		if (e !== next) wrong.push("12: the tree of entries has not the order of the list");
		next = e.next;
		const right = visit(e.rb_right);
		for (const child of [e.rb_left, e.rb_right]) {
			if (child === null) continue;
			if (child.rb_parent !== e) wrong.push("12: the tree of entries is broken");
			if (e.rb_red && child.rb_red) wrong.push("12: a red entry has a red child");
		}
		if (left !== right) wrong.push("12: the tree of entries is not balanced");
		if (e.ownspace !== uvm_rb_space(e)) wrong.push("12: ownspace is not the gap behind an entry");
		if (e.space !== uvm_rb_subtree_space(e)) wrong.push("12: space is not the largest gap");
		return left + (e.rb_red ? 0 : 1);
	};
	visit(map.rbhead);
	if (next !== map.header) wrong.push("12: an entry is not in the tree");
}

/** Page table entries allow no more than map entries, and the TLB no more than both. */
export function check_user_ptes(k: Kernel, tlb: readonly tlb_translation[], wrong: string[]): void {
	for (const p of k.procs) {
		if (p.p_vmspace === null) continue;
		const map = p.p_vmspace.vm_map;
		pmap_foreach(k, map.pmap, (va, pte) => {
			const entry = uvm_map_lookup_entry_bytree(map, va);
			if (!entry_contains(map, entry, va)) wrong.push("14: a mapping outside of any entry");
			else if ((pte & PTE_W) !== 0) check_writable(k, map, entry, pte, wrong);
		});
	}
	check_tlb(k, tlb, wrong);
}

function check_writable(
	k: Kernel,
	map: vm_map,
	entry: vm_map_entry,
	pte: number,
	wrong: string[],
): void {
	if ((entry.protection & VM_PROT_WRITE) === 0) wrong.push("14: writable beyond the entry");
	const pg = PHYS_TO_VM_PAGE(k, PTE_TO_PA(pte));
	if (pg === null) return;
	if (pg.loan_count > 0) wrong.push("16: a page on loan is writable");
	if (pg.uanon !== null) {
		// A fork that sleeps for memory has yet to copy wired pages; its map is not in use.
		const forking = entry.wired_count > 0 && map.lock.lk_holder !== null;
		if (pg.uanon.an_ref !== 1 && !forking) wrong.push("14: a shared anon is writable");
		if ((entry.etype & UVM_ET_NEEDSCOPY) !== 0) wrong.push("14: writable though a copy is due");
	} else if ((entry.etype & UVM_ET_COPYONWRITE) !== 0) {
		wrong.push("14: an object's page is writable through a copy-on-write entry");
	}
}

/** => no fences wait for pmap_update; those would make stale entries legitimate. */
function check_tlb(k: Kernel, tlb: readonly tlb_translation[], wrong: string[]): void {
	const byAsid = new Map<number, pmap>();
	for (const pm of k.pmap.pm_list) byAsid.set(pm.pm_asid, pm);
	for (const entry of tlb) {
		const pm = entry.global ? pmap_kernel(k) : byAsid.get(entry.asid);
		const pte = pm === undefined ? 0 : pmap_pte(k, pm, ptoa(entry.vpn));
		const same = (pte & PTE_V) !== 0 && PTE_TO_PA(pte) === PTE_TO_PA(entry.pte);
		const rights = (entry.pte & ~pte & PTE_RWX) === 0;
		const dirty = (entry.pte & PTE_D) === 0 || (pte & PTE_D) !== 0;
		if (!same || !rights || !dirty) wrong.push("15: the TLB holds a stale translation");
	}
}
