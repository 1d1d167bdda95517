/**
 * The flat tables RT, WT, CT and XT: for each virtual page the host offset of its RAM page, if the
 * context may load from it, store to it or fetch from it. A context is an address space with the
 * rights of a privilege. The latest ones have tables each, so that a change between them refills
 * nothing: H_TABLES names those of the running one.
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

import {
	CONTEXTS,
	CT,
	H_ASIDS,
	H_CONTEXT,
	H_LISTED,
	H_TABLES,
	LIST_SIZE,
	type Memory,
	RAM_OFFSET,
	RT,
	WATCHED_OFFSET,
	WT,
	XT,
} from "./memory.ts";
import { FENCE_ALL, PAGE_MASK, PAGE_SHIFT, PAGE_SIZE } from "./port.ts";

/** Why a page is watched: for the code cache, or for a StoreWatcher outside the hart. */
const WATCH_CODE = 1;
export const WATCH_STORES = 2;

/** For whom pages are guarded: a debugger, or triggers of faults. */
export const GUARD_DEBUG = 0;
export const GUARD_TRIGGERS = 1;
const NO_PAGES: ReadonlySet<number> = new Set();

/** Virtual pages in one 4 MiB page. */
const SUPERPAGE = 1024;
/** The ASID of a context without translation. */
export const NOT_TRANSLATED = -2;
/** The page has not been stored to since `watchStores`. */
const UNSTORED = 4;
/** Cells of the page may err. */
export const DISTRUSTED = 8;
/** No load from the page, or store to it, may go unseen. */
const OBSERVED = 16;

class Context {
	/** As `Mirror.use` was told; -1: nobody's. */
	key = -1;
	/** Virtual page numbers of the slots that may be filled, each once. */
	readonly pages: Int32Array;
	/** Word index of its tables. */
	readonly tables: number;
	readonly number: number;
	/** Which bit says that a page is listed. */
	readonly bit: number;
	readonly #words: Int32Array;

	constructor(memory: Memory, number: number) {
		this.#words = memory.i32;
		this.number = number;
		this.tables = memory.tables(number);
		this.bit = 1 << number;
		const list = memory.listsOffset + 4 * LIST_SIZE * number;
		this.pages = new Int32Array(memory.buffer, list, LIST_SIZE);
		this.begin(-1, NOT_TRANSLATED);
	}

	/** To be called before it runs for `key`. */
	begin(key: number, asid: number): void {
		this.key = key;
		this.#words[H_ASIDS + this.number] = asid;
	}

	get asid(): number {
		return this.#words[H_ASIDS + this.number]!;
	}

	get count(): number {
		return this.#words[H_LISTED + this.number]!;
	}

	set count(count: number) {
		this.#words[H_LISTED + this.number] = count;
	}

	/** Has it translations of address space `asid`, or of any if that is FENCE_ALL? */
	isOf(asid: number): boolean {
		return this.asid === asid || (asid === FENCE_ALL && this.asid !== NOT_TRANSLATED);
	}
}

/** Is told before the first store into a page of RAM since `watchStores`. */
export interface FirstStores {
	storing(page: number): void;
}

export class Mirror {
	readonly #words: Int32Array;
	readonly #contexts: readonly Context[];
	#running: Context;
	/** The one that ran before. */
	#previous: Context;
	/** The one that gives way to the next new one. */
	#oldest = 0;
	/** For each virtual page, the bits of the contexts that list it. */
	readonly #listed: Uint8Array;
	/** The same for four pages at a time. */
	readonly #listed4: Int32Array;
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
		this.#contexts = Array.from({ length: CONTEXTS }, (_, n) => new Context(memory, n));
		this.#listed = new Uint8Array(memory.buffer, memory.listedOffset, 1 << 20);
		this.#listed4 = new Int32Array(memory.buffer, memory.listedOffset, 1 << 18);
		this.#running = this.#previous = this.#contexts[0]!;
		this.#firstStores = firstStores;
		this.#watched = new Uint8Array(memory.buffer, WATCHED_OFFSET, memory.pages).fill(UNSTORED);
		this.#stored = new Int32Array(memory.pages);
	}

	/**
	 * Context `key` runs from now on: a number from 0, different for any two that may see different
	 * memory.
	 * => `asid`: that of its translations, or NOT_TRANSLATED.
	 */
	use(key: number, asid: number): void {
		const running = this.#running;
		if (running.key === key) return;
		const next = this.#previous.key === key ? this.#previous : this.#contextOf(key, asid);
		this.#previous = running;
		this.#running = next;
		this.#words[H_TABLES] = next.tables;
		this.#words[H_CONTEXT] = next.number;
	}

	#contextOf(key: number, asid: number): Context {
		for (let i = 0; i < CONTEXTS; i++) {
			const context = this.#contexts[i]!;
			if (context.key === key) return context;
		}
		const context = this.#contexts[this.#oldest]!;
		this.#oldest = (this.#oldest + 1) % CONTEXTS;
		this.#empty(context);
		context.begin(key, asid);
		return context;
	}

	#empty(context: Context): void {
		const { pages, count, bit } = context;
		for (let i = 0; i < count; i++) {
			const vpn = pages[i]!;
			this.#listed[vpn]! &= ~bit;
			this.#clearSlots(context, vpn);
		}
		context.count = 0;
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
		const running = this.#running;
		if ((this.#listed[vpn]! & running.bit) === 0) {
			if (running.count === LIST_SIZE) this.#empty(running);
			this.#listed[vpn]! |= running.bit;
			running.pages[running.count++] = vpn;
		}
		this.#words[running.tables + to + vpn] = host;
	}

	/** From now on no load from, or store to, these virtual pages goes unseen by `whom`. */
	guard(pages: ReadonlySet<number>, whom: number): void {
		this.#guards[whom] = pages;
		const all = new Set(this.#guards.flatMap((own) => [...own]));
		this.#guarded = all.size === 0 ? null : all;
		for (const vpn of pages) {
			for (const context of this.#contexts) this.#clearSlots(context, vpn);
		}
	}

	get isGuarded(): boolean {
		return this.#guarded !== null;
	}

	/** Empty the slots of one virtual page in address space `asid`, or in all. */
	clearPage(vpn: number, asid: number): void {
		const listed = this.#listed[vpn]!;
		if (listed === 0) return;
		for (let i = 0; i < CONTEXTS; i++) {
			if ((listed & (1 << i)) === 0) continue;
			const context = this.#contexts[i]!;
			if (context.isOf(asid)) this.#clearSlots(context, vpn);
		}
	}

	/** Empty the slots of the 4 MiB page that holds `vpn` in address space `asid`, or in all. */
	clearSuperpage(vpn: number, asid: number): void {
		const first = vpn & -SUPERPAGE;
		for (let page = first; page < first + SUPERPAGE; page += 4) {
			if (this.#listed4[page >> 2] === 0) continue;
			for (let i = 0; i < 4; i++) this.clearPage(page + i, asid);
		}
	}

	clear(): void {
		for (const context of this.#contexts) this.#empty(context);
	}

	#clearSlots({ tables }: Context, vpn: number): void {
		const words = this.#words;
		words[tables + RT + vpn] = 0;
		words[tables + WT + vpn] = 0;
		words[tables + CT + vpn] = 0;
		words[tables + XT + vpn] = 0;
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
		for (const { pages, count, tables } of this.#contexts) {
			for (let i = 0; i < count; i++) {
				const slot = tables + pages[i]!;
				if (words[slot + WT] === host) words[slot + WT] = 0;
				if (who !== WATCH_CODE && words[slot + CT] === host) words[slot + CT] = 0;
			}
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
		const words = this.#words;
		for (const { pages, count, tables } of this.#contexts) {
			for (let i = 0; i < count; i++) {
				const slot = tables + pages[i]!;
				words[slot + WT] = 0;
				words[slot + CT] = 0;
			}
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
