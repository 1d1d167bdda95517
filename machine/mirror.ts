/**
 * The flat tables RT, WT, CT and XT: for each virtual page the host offset of its RAM page, if the
 * current context may load from it, store to it or fetch from it. A context is an address space
 * with the rights of a privilege. What the latest ones had in the tables is kept, so that going
 * back costs less than to fill them again.
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
const LIST_SIZE = 0x1_0000;
/** Contexts that something is kept of, and how many pages of each. */
const CONTEXTS = 8;
const KEPT_MAX = 128;
/** Where the slots of a page are, from that in RT on. */
const SLOT_WT = 1;
const SLOT_CT = 2;
const SLOT_XT = 3;
/** The ASID of a context without translation. */
export const NOT_TRANSLATED = -2;
/** The page has not been stored to since `watchStores`. */
const UNSTORED = 4;
/** Cells of the page may err. */
const DISTRUSTED = 8;
/** No load from the page, or store to it, may go unseen. */
const OBSERVED = 16;

/** That of a context which was never used: hosts collect garbage when they hand out much memory. */
const NO_LIST = new Int32Array(0);

class Context {
	/** As `Mirror.use` was told; -1: nobody's. */
	key = -1;
	asid = NOT_TRANSLATED;
	/** Virtual page numbers of the slots that may be filled, each once. */
	pages = NO_LIST;
	count = 0;
	/** While another context runs: what the slots of each page were. */
	readonly slots = new Int32Array(4 * KEPT_MAX);
	/** Which bit says that a page is listed. */
	readonly bit: number;

	constructor(bit: number) {
		this.bit = bit;
	}

	/** To be called before it runs for `key`. */
	begin(key: number, asid: number): void {
		if (this.pages === NO_LIST) this.pages = new Int32Array(LIST_SIZE);
		this.key = key;
		this.asid = asid;
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
	readonly #contexts = Array.from({ length: CONTEXTS }, (_, bit) => new Context(1 << bit));
	#running = this.#contexts[0]!;
	/** The one that gives way to the next new one. */
	#oldest = 0;
	/** For each virtual page, the bits of the contexts that list it. */
	readonly #listed = new Uint8Array(1 << 20);
	/** The same for four pages at a time. */
	readonly #listed4 = new Int32Array(this.#listed.buffer);
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
		this.#running.begin(-1, NOT_TRANSLATED);
		this.#watched = new Uint8Array(memory.pages).fill(UNSTORED);
		this.#stored = new Int32Array(memory.pages);
	}

	/**
	 * Context `key` runs now: a number from 0, different for any two that may see different memory.
	 * => `asid`: that of its translations, or NOT_TRANSLATED.
	 */
	use(key: number, asid: number): void {
		const running = this.#running;
		if (running.key === key) return;
		this.#takeOut(running);
		const next = this.#contextOf(key, asid);
		this.#running = next;
		this.#bringBack(next);
	}

	#contextOf(key: number, asid: number): Context {
		for (let i = 0; i < CONTEXTS; i++) {
			const context = this.#contexts[i]!;
			if (context.key === key) return context;
		}
		const context = this.#contexts[this.#oldest]!;
		this.#oldest = (this.#oldest + 1) % CONTEXTS;
		this.#forget(context);
		context.begin(key, asid);
		return context;
	}

	/** Empty the tables, and keep what the running context had last. */
	#takeOut(context: Context): void {
		const words = this.#words;
		const { pages, slots, bit } = context;
		let kept = 0;
		for (let i = 0; i < context.count; i++) {
			const vpn = pages[i]!;
			const load = words[RT + vpn]!;
			const store = words[WT + vpn]!;
			const code = words[CT + vpn]!;
			const fetch = words[XT + vpn]!;
			if ((load | store | code | fetch) === 0 || i < context.count - KEPT_MAX) {
				this.#listed[vpn]! &= ~bit;
			} else {
				pages[kept] = vpn;
				slots[4 * kept] = load;
				slots[4 * kept + SLOT_WT] = store;
				slots[4 * kept + SLOT_CT] = code;
				slots[4 * kept + SLOT_XT] = fetch;
				kept++;
			}
			this.#clearSlots(vpn);
		}
		context.count = kept;
	}

	/** Fill the tables with what is kept and still valid. */
	#bringBack(context: Context): void {
		const words = this.#words;
		const { pages, slots, bit } = context;
		let left = 0;
		for (let i = 0; i < context.count; i++) {
			const vpn = pages[i]!;
			if ((this.#listed[vpn]! & bit) === 0) continue;
			pages[left++] = vpn;
			words[RT + vpn] = slots[4 * i]!;
			words[WT + vpn] = slots[4 * i + SLOT_WT]!;
			words[CT + vpn] = slots[4 * i + SLOT_CT]!;
			words[XT + vpn] = slots[4 * i + SLOT_XT]!;
		}
		context.count = left;
	}

	/** Keep nothing of a context that does not run. */
	#forget({ pages, count, bit }: Context): void {
		for (let i = 0; i < count; i++) this.#listed[pages[i]!]! &= ~bit;
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
			if (running.count === LIST_SIZE) this.clear();
			this.#listed[vpn]! |= running.bit;
			running.pages[running.count++] = vpn;
		}
		this.#words[to + vpn] = host;
	}

	/** From now on no load from, or store to, these virtual pages goes unseen by `whom`. */
	guard(pages: ReadonlySet<number>, whom: number): void {
		this.#guards[whom] = pages;
		const all = new Set(this.#guards.flatMap((own) => [...own]));
		this.#guarded = all.size === 0 ? null : all;
		for (const vpn of pages) {
			this.#clearSlots(vpn);
			this.#listed[vpn]! &= this.#running.bit;
		}
	}

	/** Empty the slots of one virtual page in address space `asid`, or in all. */
	clearPage(vpn: number, asid: number): void {
		const listed = this.#listed[vpn]!;
		if (listed === 0) return;
		const running = this.#running;
		if ((listed & running.bit) !== 0 && running.isOf(asid)) this.#clearSlots(vpn);
		if ((listed & ~running.bit) === 0) return;
		for (const context of this.#contexts) {
			if (context !== running && context.isOf(asid)) this.#listed[vpn]! &= ~context.bit;
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
		const { pages, count } = this.#running;
		for (let i = 0; i < count; i++) this.#clearSlots(pages[i]!);
		for (const context of this.#contexts) {
			this.#forget(context);
			context.count = 0;
		}
	}

	#clearSlots(vpn: number): void {
		const words = this.#words;
		words[RT + vpn] = 0;
		words[WT + vpn] = 0;
		words[CT + vpn] = 0;
		words[XT + vpn] = 0;
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
		const { pages, count } = this.#running;
		for (let i = 0; i < count; i++) {
			const vpn = pages[i]!;
			if (words[WT + vpn] === host) words[WT + vpn] = 0;
			if (who !== WATCH_CODE && words[CT + vpn] === host) words[CT + vpn] = 0;
		}
		for (const context of this.#contexts) {
			if (context === this.#running) continue;
			const { slots } = context;
			for (let i = 0; i < 4 * context.count; i += 4) {
				if (slots[i + SLOT_WT] === host) slots[i + SLOT_WT] = 0;
				if (who !== WATCH_CODE && slots[i + SLOT_CT] === host) slots[i + SLOT_CT] = 0;
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
		const { pages, count } = this.#running;
		for (let i = 0; i < count; i++) {
			words[WT + pages[i]!] = 0;
			words[CT + pages[i]!] = 0;
		}
		for (const context of this.#contexts) {
			if (context === this.#running) continue;
			for (let i = 0; i < 4 * context.count; i += 4) {
				context.slots[i + SLOT_WT] = 0;
				context.slots[i + SLOT_CT] = 0;
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
