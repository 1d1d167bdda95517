/**
 * The flat tables RT, WT, CT and XT: for each virtual page the host offset of its RAM page, if the
 * current context may load from it, store to it or fetch from it.
 *
 * They mirror the TLB and are invisible to software: a slot may be empty at any time, and is empty
 * whenever the TLB holds no translation that permits the access. Slots are filled one by one by
 * the MMU and listed, so that emptying the tables costs what was filled.
 *
 * Some pages of RAM must not be stored to unseen, because decoded code was made from them, or
 * because they have not been stored to since somebody looked: a checkpoint needs their contents, or
 * their hash is known. Such a page is watched, and never has a slot in WT. If decoded code is the
 * only reason, it may have a slot in CT: the engine then looks whether code was decoded where it
 * stores.
 */

import { CT, type Memory, RAM_OFFSET, RT, WT, XT } from "./memory.ts";
import { PAGE_MASK, PAGE_SHIFT, PAGE_SIZE } from "./port.ts";

/** Why a page is watched: for the code cache, or for a StoreWatcher outside the hart. */
const WATCH_CODE = 1;
export const WATCH_STORES = 2;

/** For whom pages are guarded: a debugger, or triggers of faults. */
export const GUARD_DEBUG = 0;
export const GUARD_TRIGGERS = 1;
const NO_PAGES: ReadonlySet<number> = new Set();

/** Virtual pages in one 4 MiB page. */
const SUPERPAGE = 1024;
const LIST_SIZE = 0x1_0000;
/** The page has not been stored to since `watchStores`. */
const UNSTORED = 4;
/** Cells of the page may err. */
const DISTRUSTED = 8;
/** No load from the page, or store to it, may go unseen. */
const OBSERVED = 16;

/** Is told before the first store into a page of RAM since `watchStores`. */
export interface FirstStores {
	storing(page: number): void;
}

export class Mirror {
	readonly #words: Int32Array;
	/** Virtual page numbers of the slots that may be filled, each once; and whether it is listed. */
	readonly #filled = new Int32Array(LIST_SIZE);
	readonly #listed = new Uint8Array(1 << 20);
	#count = 0;
	/** For each page of RAM and ROM, why stores into it must be seen; 0 if they need not be. */
	readonly #watched: Uint8Array;
	/** Pages without UNSTORED, each once. */
	readonly #stored: Int32Array;
	#storedCount = 0;
	readonly #firstStores: FirstStores;
	/** Host offsets of the pages with OBSERVED. */
	#observed: readonly number[] = [];
	/** Virtual pages whose slots in RT, WT and CT stay empty, by GUARD_*, and all of them or null. */
	readonly #guards: ReadonlySet<number>[] = [NO_PAGES, NO_PAGES];
	#guarded: ReadonlySet<number> | null = null;

	constructor(memory: Memory, firstStores: FirstStores) {
		this.#words = memory.i32;
		this.#firstStores = firstStores;
		this.#watched = new Uint8Array(memory.pages).fill(UNSTORED);
		this.#stored = new Int32Array(memory.pages);
	}

	/**
	 * Fill the slot of virtual page `vpn` in `table` (RT, WT or XT) with the host offset of a page.
	 * => a watched page is left out of WT, and perhaps put into CT; one whose cells err, out of all.
	 */
	fill(table: number, vpn: number, host: number): void {
		const why = this.#watched[(host - RAM_OFFSET) >>> PAGE_SHIFT]!;
		if (why >= DISTRUSTED && (table !== XT || (why & DISTRUSTED) !== 0)) return;
		let to = table;
		if (table === WT) {
			if (why === WATCH_CODE) to = CT;
			else if (why !== 0) return;
		}
		if (this.#guarded !== null && table !== XT && this.#guarded.has(vpn)) return;
		if (this.#listed[vpn] === 0) {
			if (this.#count === LIST_SIZE) this.clear();
			this.#listed[vpn] = 1;
			this.#filled[this.#count++] = vpn;
		}
		this.#words[to + vpn] = host;
	}

	/** From now on no load from, or store to, these virtual pages goes unseen by `whom`. */
	guard(pages: ReadonlySet<number>, whom: number): void {
		this.#guards[whom] = pages;
		const all = new Set(this.#guards.flatMap((own) => [...own]));
		this.#guarded = all.size === 0 ? null : all;
		for (const vpn of pages) this.clearPage(vpn);
	}

	/** Empty the slots of one virtual page. */
	clearPage(vpn: number): void {
		const words = this.#words;
		words[RT + vpn] = 0;
		words[WT + vpn] = 0;
		words[CT + vpn] = 0;
		words[XT + vpn] = 0;
	}

	/** Empty the slots of the 4 MiB page that holds `vpn`. */
	clearSuperpage(vpn: number): void {
		const first = vpn & -SUPERPAGE;
		for (const table of [RT, WT, CT, XT]) {
			this.#words.fill(0, table + first, table + first + SUPERPAGE);
		}
	}

	clear(): void {
		const words = this.#words;
		const filled = this.#filled;
		for (let i = 0; i < this.#count; i++) {
			const vpn = filled[i]!;
			words[RT + vpn] = 0;
			words[WT + vpn] = 0;
			words[CT + vpn] = 0;
			words[XT + vpn] = 0;
			this.#listed[vpn] = 0;
		}
		this.#count = 0;
	}

	/** From now on, or no longer, no access to the page at `host` goes unseen. */
	distrust(host: number, errs: boolean): void {
		const page = (host - RAM_OFFSET) >>> PAGE_SHIFT;
		if (this.distrusts(host) === errs) return;
		this.#watched[page]! ^= DISTRUSTED;
		this.clear();
	}

	/** May cells of the page that holds `host` err? */
	distrusts(host: number): boolean {
		return (this.#watched[(host - RAM_OFFSET) >>> PAGE_SHIFT]! & DISTRUSTED) !== 0;
	}

	/** From now on no load from the pages at these host offsets, or store to them, goes unseen. */
	observe(hosts: readonly number[]): void {
		const watched = this.#watched;
		for (const host of this.#observed) watched[(host - RAM_OFFSET) >>> PAGE_SHIFT]! &= ~OBSERVED;
		this.#observed = hosts;
		for (const host of hosts) watched[(host - RAM_OFFSET) >>> PAGE_SHIFT]! |= OBSERVED;
		if (hosts.length > 0) this.clear();
	}

	isWatched(host: number): boolean {
		return this.#watched[(host - RAM_OFFSET) >>> PAGE_SHIFT] !== 0;
	}

	/** From now on no store into the page at host offset `host` goes unseen. */
	watch(host: number, who: number = WATCH_CODE): void {
		this.#watched[(host - RAM_OFFSET) >>> PAGE_SHIFT]! |= who;
		const words = this.#words;
		const filled = this.#filled;
		for (let i = 0; i < this.#count; i++) {
			const vpn = filled[i]!;
			if (words[WT + vpn] === host) words[WT + vpn] = 0;
			if (who !== WATCH_CODE && words[CT + vpn] === host) words[CT + vpn] = 0;
		}
	}

	unwatch(host: number, who: number = WATCH_CODE): void {
		this.#watched[(host - RAM_OFFSET) >>> PAGE_SHIFT]! &= ~who;
	}

	/** From now on the first store into each page is told, again. */
	watchStores(): void {
		if (this.#storedCount === 0) return;
		for (let i = 0; i < this.#storedCount; i++) this.#watched[this.#stored[i]!]! |= UNSTORED;
		this.#storedCount = 0;
		for (let i = 0; i < this.#count; i++) {
			const vpn = this.#filled[i]!;
			this.#words[WT + vpn] = 0;
			this.#words[CT + vpn] = 0;
		}
	}

	/** The page that holds host offset `host`, in RAM, is about to be written. */
	storing(host: number): void {
		const page = (host - RAM_OFFSET) >>> PAGE_SHIFT;
		if ((this.#watched[page]! & UNSTORED) === 0) return;
		this.#watched[page]! &= ~UNSTORED;
		this.#stored[this.#storedCount++] = page;
		this.#firstStores.storing(page);
	}

	/** The same for all pages of a range. */
	storingRange(host: number, bytes: number): void {
		for (let at = host & ~PAGE_MASK; at < host + bytes; at += PAGE_SIZE) this.storing(at);
	}
}
