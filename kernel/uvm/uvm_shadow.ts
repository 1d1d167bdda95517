/**
 * A shadow of page contents: an oracle for tests and for --shadow, which NetBSD does not have. It
 * remembers a hash of what every page held when it left memory or was known to be clean, and
 * compares when the page comes back or is dropped. It costs no virtual time, changes nothing, and
 * only notes what it finds.
 *
 * - A page that is read from swap, or a whole page of a file, is what was last written there.
 * - A page that is freed because its slot or file has the same contents does have them: otherwise a
 *   store has gone unnoticed (a missed D bit).
 * - A free page does not change: otherwise somebody has stored through a translation that was left
 *   in the TLB (a lost fence), or memory is broken.
 *
 * It cannot see a store to a page that may be stored to, by whomever, nor a load of what belongs to
 * somebody else; nor what changes in memory that is in use.
 */
import { pmap_is_modified } from "../../pmap/pmap.ts";
import { atop, PAGE_SIZE } from "../../sys/vmparam.ts";
import type { buf } from "../dev/buf.ts";
import type { Kernel, page_watch } from "../kernel.ts";
import { uao_find_swslot } from "./uvm_aobj_slots.ts";
import { PAGER_VNODE } from "./uvm_object.ts";
import { PG_BUSY, PG_CLEAN, PG_FAKE, PQ_FREE, PQ_SWAPBACKED, type vm_page } from "./uvm_page.ts";
import type { SwapSlot } from "./uvm_swap.ts";
import { uvm_page_sum } from "./uvm_swap_cksum.ts";
import type { uvm_vnode } from "./uvm_vnode.ts";

/** What was found to be different. */
export interface shadow_mismatch {
	/** "swapin", "filein": read back; "clean": dropped, or kept, as clean; "free": free. */
	readonly what: "swapin" | "filein" | "clean" | "free";
	/** The slot, or for files and memory the physical address of the page. */
	readonly place: number;
	/** When, in cycles. */
	readonly cycle: number;
}

export interface uvm_shadow {
	/** Hashes: of what is in a slot; in a page of a file, by disk and sector. */
	readonly slots: Map<SwapSlot, number>;
	readonly files: Map<string, number>;
	/** Hashes by physical address: of free pages, and of pages of files since they were clean. */
	readonly free: Map<number, number>;
	readonly clean: Map<number, number>;
	/** All that was found, and the first SHADOW_MAX. */
	count: number;
	readonly found: shadow_mismatch[];
}

/** Mismatches that are kept. */
const SHADOW_MAX = 100;

export const uvm_shadow_init = (): uvm_shadow => ({
	slots: new Map(),
	files: new Map(),
	free: new Map(),
	clean: new Map(),
	count: 0,
	found: [],
});

function note(k: Kernel, sh: uvm_shadow, what: shadow_mismatch["what"], place: number): void {
	sh.count++;
	if (sh.found.length < SHADOW_MAX) sh.found.push({ what, place, cycle: k.port.cycles });
}

const file_key = (dev: number, sector: number): string => `${dev}:${sector}`;

/** The key of a page that lies in its file as a whole, or null. */
function whole_page(uvn: uvm_vnode, pg: vm_page): string | null {
	if (pg.offset + PAGE_SIZE > uvn.u_size) return null;
	return file_key(uvn.u_dev, uvn.u_blkno + pg.offset / 512);
}

/** The hooks with which the kernel tells a shadow what happens to pages. */
export const uvm_shadow_watch = (sh: uvm_shadow): page_watch => ({
	swapout: (k, slot, pps) => {
		for (const [i, pg] of pps.entries()) sh.slots.set(slot + i, uvm_page_sum(k, pg));
	},
	swapin: (k, slot, pg) => swapin(k, sh, slot, pg),
	swapfree: (_k, slot, nslots) => {
		for (let i = slot; i < slot + nslots; i++) sh.slots.delete(i);
	},
	swapclean: (k, slot, pg) => {
		if (sh.slots.get(slot) !== uvm_page_sum(k, pg)) note(k, sh, "clean", pg.phys_addr);
	},
	fileio: (k, uvn, pps, read) => {
		for (const pg of pps) fileio(k, sh, uvn, pg, read);
	},
	rawwrite: (_k, bp) => rawwrite(sh, bp),
	pagefree: (k, pg) => pagefree(k, sh, pg),
	pagealloc: (k, pg) => pagealloc(k, sh, pg),
	pagezeroed: (k, pg) => {
		sh.free.set(pg.phys_addr, uvm_page_sum(k, pg));
	},
});

function swapin(k: Kernel, sh: uvm_shadow, slot: SwapSlot, pg: vm_page): void {
	const sum = uvm_page_sum(k, pg);
	if (sh.slots.get(slot) !== sum) note(k, sh, "swapin", slot);
	// What follows from it is no new mismatch.
	sh.slots.set(slot, sum);
}

function fileio(k: Kernel, sh: uvm_shadow, uvn: uvm_vnode, pg: vm_page, read: boolean): void {
	const sum = uvm_page_sum(k, pg);
	sh.clean.set(pg.phys_addr, sum);
	const key = whole_page(uvn, pg);
	if (key === null) return;
	if (read && (sh.files.get(key) ?? sum) !== sum) note(k, sh, "filein", pg.phys_addr);
	sh.files.set(key, sum);
}

function rawwrite(sh: uvm_shadow, { b_dev, b_blkno, b_bcount }: buf): void {
	const end = b_blkno + b_bcount / 512;
	for (let s = b_blkno - PAGE_SIZE / 512 + 1; s < end; s++) sh.files.delete(file_key(b_dev, s));
}

function pagefree(k: Kernel, sh: uvm_shadow, pg: vm_page): void {
	if (file_differs(k, sh, pg)) note(k, sh, "clean", pg.phys_addr);
	sh.clean.delete(pg.phys_addr);
	sh.free.set(pg.phys_addr, uvm_page_sum(k, pg));
}

function pagealloc(k: Kernel, sh: uvm_shadow, pg: vm_page): void {
	if (free_differs(k, sh, pg)) note(k, sh, "free", pg.phys_addr);
	sh.free.delete(pg.phys_addr);
}

/** Whether a page of a file is clean, as far as is known, and yet has changed. */
function file_differs(k: Kernel, sh: uvm_shadow, pg: vm_page): boolean {
	if (pg.uobject === null || pg.uobject.pgops !== PAGER_VNODE || !is_clean(k, pg)) return false;
	const sum = sh.clean.get(pg.phys_addr);
	return sum !== undefined && sum !== uvm_page_sum(k, pg);
}

/** Whether a free page has changed since it is free. */
function free_differs(k: Kernel, sh: uvm_shadow, pg: vm_page): boolean {
	const sum = sh.free.get(pg.phys_addr);
	return sum !== undefined && sum !== uvm_page_sum(k, pg);
}

/** Whether a page of swap is clean, as far as is known, and its slot has something else. */
function swap_differs(k: Kernel, sh: uvm_shadow, pg: vm_page): boolean {
	if ((pg.pqflags & PQ_SWAPBACKED) === 0 || !is_clean(k, pg)) return false;
	const slot =
		pg.uanon !== null ? pg.uanon.an_swslot : uao_find_swslot(k, pg.uobject!, atop(pg.offset));
	const sum = sh.slots.get(slot);
	return sum !== undefined && sum !== uvm_page_sum(k, pg);
}

const is_clean = (k: Kernel, pg: vm_page): boolean =>
	(pg.flags & (PG_CLEAN | PG_FAKE)) === PG_CLEAN && !pmap_is_modified(k, pg);

/**
 * What the shadow has found, and what is different in memory now: pages that are clean, or free.
 * => changes nothing: it may be called at any time.
 */
export function uvm_shadow_found(
	k: Kernel,
	sh: uvm_shadow,
): { readonly count: number; readonly found: readonly shadow_mismatch[] } {
	const now: uvm_shadow = { ...sh, found: [...sh.found] };
	for (const pg of k.uvm.vm_pages) {
		if ((pg.pqflags & PQ_FREE) !== 0) {
			if (free_differs(k, sh, pg)) note(k, now, "free", pg.phys_addr);
		} else if ((pg.flags & PG_BUSY) === 0) {
			if (swap_differs(k, sh, pg) || file_differs(k, sh, pg)) note(k, now, "clean", pg.phys_addr);
		}
	}
	return { count: now.count, found: now.found };
}
