/**
 * The flat tables RT, WT and XT: for each virtual page the host offset of its RAM page, if the
 * context that runs may load from it, store to it or fetch from it without further ado.
 *
 * They mirror the TLB and are invisible to software: a slot may be empty at any time, and is empty
 * whenever the TLB holds no translation that permits the access. Slots are filled one by one by
 * the MMU and listed, so that emptying the tables costs what was filled.
 *
 * Some pages of RAM must not be stored to unseen, because decoded code was made from them. Such a
 * page is watched, and never has a slot in WT.
 */
import { type Memory, PAGE_SHIFT, RAM_OFFSET, RT, WT, XT } from "./memory.ts";

/** Who watches a page: the code cache, or somebody outside the hart. */
export const WATCH_CODE = 1;
export const WATCH_STORES = 2;

/** Virtual pages in one 4 MiB page. */
const SUPERPAGE = 1024;
const LIST_SIZE = 0x1_0000;

export class Mirror {
	readonly #words: Int32Array;
	/** Virtual page numbers of the slots that may be filled, each once; and whether it is listed. */
	readonly #filled = new Int32Array(LIST_SIZE);
	readonly #listed = new Uint8Array(1 << 20);
	#count = 0;
	/** For each page of RAM and ROM, WATCH_* of those who must see stores into it. */
	readonly #watched: Uint8Array;
	/** Virtual pages whose slots in RT and WT stay empty, for a debugger. */
	#guarded: ReadonlySet<number> | null = null;

	constructor(memory: Memory) {
		this.#words = memory.i32;
		this.#watched = new Uint8Array(memory.pages);
	}

	/**
	 * Fill the slot of virtual page `vpn` in `table` (RT, WT or XT) with the host offset of a page.
	 * => a watched page is left out of WT.
	 */
	fill(table: number, vpn: number, host: number): void {
		if (table === WT && this.isWatched(host)) return;
		if (this.#guarded !== null && table !== XT && this.#guarded.has(vpn)) return;
		if (this.#listed[vpn] === 0) {
			if (this.#count === LIST_SIZE) this.clear();
			this.#listed[vpn] = 1;
			this.#filled[this.#count++] = vpn;
		}
		this.#words[table + vpn] = host;
	}

	/** From now on no load from, or store to, these virtual pages goes unseen. */
	guard(pages: ReadonlySet<number>): void {
		this.#guarded = pages.size === 0 ? null : pages;
		for (const vpn of pages) this.clearPage(vpn);
	}

	/** Empty the slots of one virtual page. */
	clearPage(vpn: number): void {
		const words = this.#words;
		words[RT + vpn] = 0;
		words[WT + vpn] = 0;
		words[XT + vpn] = 0;
	}

	/** Empty the slots of the 4 MiB page that holds `vpn`. */
	clearSuperpage(vpn: number): void {
		const first = vpn & -SUPERPAGE;
		for (const table of [RT, WT, XT]) {
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
			words[XT + vpn] = 0;
			this.#listed[vpn] = 0;
		}
		this.#count = 0;
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
			const slot = WT + filled[i]!;
			if (words[slot] === host) words[slot] = 0;
		}
	}

	unwatch(host: number, who: number = WATCH_CODE): void {
		this.#watched[(host - RAM_OFFSET) >>> PAGE_SHIFT]! &= ~who;
	}
}
