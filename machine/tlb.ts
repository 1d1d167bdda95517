/**
 * The translation lookaside buffer. It is architectural state: set-associative, first in first out
 * within a set, so that a hit changes nothing and an entry lives until it is replaced or fenced.
 * Stale entries stay in force until then, as the privileged specification allows.
 *
 * An entry is two words in Memory, at TLB_OFFSET: a tag and the page table entry that was read.
 *
 *   tag   31..12 virtual page number (the low ten bits are 0 for a 4 MiB page)
 *         11 valid   10 4 MiB page   9 global   8..0 ASID
 *
 * A set is kept in order of age, the newest entry first. A 4 KiB page lies in the set that the low
 * bits of its page number select; a 4 MiB page in the one that the low bits of its directory
 * index select. Where both kinds match, the 4 KiB page holds.
 */

import { H_SUPERPAGES, type Memory, TLB_ENTRIES_MAX, TLB_OFFSET, TLB_OWNED } from "./memory.ts";
import type { Mirror } from "./mirror.ts";
import { FENCE_ALL } from "./port.ts";
import { UserError } from "./user-error.ts";

export const TAG_VALID = 1 << 11;
export const TAG_SUPER = 1 << 10;
export const TAG_GLOBAL = 1 << 9;
export const TAG_ASID = 0x1ff;
/** What must be equal for a page to match: its number, validity and size. */
export const TAG_PAGE = ~0x3ff;

const TLB = TLB_OFFSET >> 2;

export interface TlbOptions {
	/** Number of entries and of entries in a set; both, and their quotient, powers of two. */
	readonly entries: number;
	readonly ways: number;
}

/** One valid entry, as `list` shows it. */
export interface TlbEntry {
	readonly index: number;
	readonly vpn: number;
	readonly superpage: boolean;
	readonly global: boolean;
	readonly asid: number;
	readonly pte: number;
}

/** Told of what becomes of entries; must not change anything. */
export interface TlbWatcher {
	/** Entry `index` is about to translate. */
	hit(index: number): void;
	/** Entry `index`, which is valid, is removed. */
	dropped(index: number): void;
	/** A new entry is at `first`; the `count` entries from there on are one place further. */
	moved(first: number, count: number): void;
}

const isPowerOfTwo = (n: number): boolean => Number.isInteger(n) && n > 0 && (n & (n - 1)) === 0;

export class Tlb {
	readonly entries: number;
	readonly ways: number;
	/** null unless somebody wants to know. Hits that the mirror takes are not seen. */
	watcher: TlbWatcher | null = null;
	readonly #words: Int32Array;
	readonly #mirror: Mirror;
	readonly #setMask: number;
	/** Number of valid entries by the ASID in their tag, which global ones have, too. */
	readonly #owned: Int32Array;

	/** => UserError for sizes that are not powers of two or out of range. */
	constructor(memory: Memory, mirror: Mirror, options: TlbOptions) {
		const { entries, ways } = options;
		if (!isPowerOfTwo(entries) || entries > TLB_ENTRIES_MAX) {
			throw new UserError(
				`TLB entries ${entries}: must be a power of two up to ${TLB_ENTRIES_MAX}`,
			);
		}
		if (!isPowerOfTwo(ways) || ways > entries) {
			throw new UserError(`TLB ways ${ways}: must be a power of two up to ${entries} entries`);
		}
		this.entries = entries;
		this.ways = ways;
		this.#words = memory.i32;
		this.#owned = memory.i32.subarray(TLB_OWNED, TLB_OWNED + TAG_ASID + 1);
		this.#mirror = mirror;
		this.#setMask = entries / ways - 1;
	}

	/** Number of valid entries for 4 MiB pages; while it is 0 lookups skip them. */
	get #superpages(): number {
		return this.#words[H_SUPERPAGES]!;
	}

	set #superpages(count: number) {
		this.#words[H_SUPERPAGES] = count;
	}

	/** Index of the entry that translates `vpn` in address space `asid`, or -1. */
	find(vpn: number, asid: number): number {
		const found = this.#search(vpn & this.#setMask, (vpn << 12) | TAG_VALID, asid);
		if (found >= 0 || this.#superpages === 0) return found;
		const tag = ((vpn & ~0x3ff) << 12) | TAG_VALID | TAG_SUPER;
		return this.#search((vpn >>> 10) & this.#setMask, tag, asid);
	}

	/** The page table entry of entry `index`. */
	pte(index: number): number {
		return this.#words[TLB + 2 * index + 1]!;
	}

	isSuperpage(index: number): boolean {
		return (this.#words[TLB + 2 * index]! & TAG_SUPER) !== 0;
	}

	/**
	 * Enter a translation; the oldest entry of a full set gives way.
	 * => the index of the new entry.
	 */
	fill(vpn: number, superpage: boolean, global: boolean, asid: number, pte: number): number {
		const words = this.#words;
		const set = (superpage ? vpn >>> 10 : vpn) & this.#setMask;
		const first = TLB + 2 * set * this.ways;
		let way = 0;
		while (way < this.ways - 1 && (words[first + 2 * way]! & TAG_VALID) !== 0) way++;
		this.#drop(first + 2 * way);
		words.copyWithin(first + 2, first, first + 2 * way);
		this.watcher?.moved(set * this.ways, way);
		words[first] =
			((superpage ? vpn & ~0x3ff : vpn) << 12) |
			TAG_VALID |
			(superpage ? TAG_SUPER : 0) |
			(global ? TAG_GLOBAL : 0) |
			asid;
		words[first + 1] = pte;
		// It comes before entries that other address spaces have for this page.
		if (global) this.#clearMirror(words[first]);
		this.#owned[asid]!++;
		if (superpage) this.#superpages++;
		return set * this.ways;
	}

	/**
	 * Put a translation read again into entry `index`, which keeps its place, its age and its page.
	 * => a global entry may become one of address space `asid` alone, and the other way round.
	 */
	update(index: number, global: boolean, asid: number, pte: number): void {
		const i = TLB + 2 * index;
		const tag = this.#words[i]!;
		this.#clearMirror(tag);
		this.#owned[tag & TAG_ASID]!--;
		this.#owned[asid]!++;
		this.#words[i] = (tag & TAG_PAGE) | (global ? TAG_GLOBAL : 0) | asid;
		this.#words[i + 1] = pte;
		this.#clearMirror(this.#words[i]!);
	}

	/** Invert bits of the page table entry in entry `index`; its page and address space stay. */
	invert(index: number, mask: number): void {
		const i = TLB + 2 * index;
		this.#clearMirror(this.#words[i]!);
		this.#words[i + 1]! ^= mask;
	}

	/** A global entry becomes one of the address space that it was read in, or the reverse. */
	invertGlobal(index: number): void {
		const i = TLB + 2 * index;
		this.#clearMirror(this.#words[i]! | TAG_GLOBAL);
		this.#words[i]! ^= TAG_GLOBAL;
	}

	/** Remove entry `index`. */
	invalidate(index: number): void {
		this.#drop(TLB + 2 * index);
	}

	/**
	 * sfence.vma: remove the entries for virtual address `va` and address space `asid`, where
	 * FENCE_ALL stands for every one. Privileged specification 4.2.1.
	 * => with an address space given, global entries stay; so do those that a fault `spares`.
	 */
	fence(va: number, asid: number, spares: ((index: number) => boolean) | null = null): void {
		if (va === FENCE_ALL) {
			if (asid === FENCE_ALL) this.#fenceRange(0, this.entries, 0, 0, asid, spares);
			else this.#fenceSpace(asid, spares);
			return;
		}
		const vpn = va >>> 12;
		this.#fenceRange(
			(vpn & this.#setMask) * this.ways,
			this.ways,
			(vpn << 12) | TAG_VALID,
			TAG_PAGE,
			asid,
			spares,
		);
		if (this.#superpages === 0) return;
		const directory = vpn >>> 10;
		this.#fenceRange(
			(directory & this.#setMask) * this.ways,
			this.ways,
			(directory << 22) | TAG_VALID | TAG_SUPER,
			TAG_PAGE,
			asid,
			spares,
		);
	}

	/** The valid entries. */
	list(): TlbEntry[] {
		const list: TlbEntry[] = [];
		for (let index = 0; index < this.entries; index++) {
			const tag = this.#words[TLB + 2 * index]!;
			if ((tag & TAG_VALID) === 0) continue;
			list.push({
				index,
				vpn: tag >>> 12,
				superpage: (tag & TAG_SUPER) !== 0,
				global: (tag & TAG_GLOBAL) !== 0,
				asid: tag & TAG_ASID,
				pte: this.pte(index) >>> 0,
			});
		}
		return list;
	}

	/** All entries as they lie in memory: for hashing, and to be copied for a snapshot. */
	words(): Int32Array {
		return this.#words.subarray(TLB, TLB + 2 * this.entries);
	}

	/** => `words` has as many words as this TLB; the mirror is emptied. */
	restore(words: Int32Array): void {
		this.#mirror.clear();
		this.words().set(words);
		this.#superpages = 0;
		this.#owned.fill(0);
		for (let i = 0; i < words.length; i += 2) {
			const tag = words[i]!;
			if ((tag & TAG_VALID) === 0) continue;
			this.#owned[tag & TAG_ASID]!++;
			if ((tag & TAG_SUPER) !== 0) this.#superpages++;
		}
	}

	#search(set: number, want: number, asid: number): number {
		const words = this.#words;
		const first = set * this.ways;
		for (let i = first; i < first + this.ways; i++) {
			const tag = words[TLB + 2 * i]!;
			if ((tag & TAG_PAGE) !== want) continue;
			if ((tag & TAG_GLOBAL) !== 0 || (tag & TAG_ASID) === asid) return i;
		}
		return -1;
	}

	/** Remove the entries of one address space, global ones excepted. */
	#fenceSpace(asid: number, spares: ((index: number) => boolean) | null): void {
		const words = this.#words;
		for (let i = 0, left = this.#owned[asid]!; left > 0 && i < this.entries; i++) {
			const tag = words[TLB + 2 * i]!;
			if ((tag & TAG_VALID) === 0 || (tag & TAG_ASID) !== asid) continue;
			left--;
			if ((tag & TAG_GLOBAL) !== 0 || spares?.(i)) continue;
			this.#drop(TLB + 2 * i);
		}
	}

	#fenceRange(
		first: number,
		count: number,
		want: number,
		mask: number,
		asid: number,
		spares: ((index: number) => boolean) | null,
	): void {
		const words = this.#words;
		for (let i = first; i < first + count; i++) {
			const tag = words[TLB + 2 * i]!;
			if ((tag & mask) !== want) continue;
			if (asid !== FENCE_ALL && ((tag & TAG_GLOBAL) !== 0 || (tag & TAG_ASID) !== asid)) continue;
			if (spares?.(i)) continue;
			this.#drop(TLB + 2 * i);
		}
	}

	#drop(i: number): void {
		const tag = this.#words[i]!;
		if ((tag & TAG_VALID) === 0) return;
		this.#clearMirror(tag);
		this.watcher?.dropped((i - TLB) >> 1);
		this.#owned[tag & TAG_ASID]!--;
		if ((tag & TAG_SUPER) !== 0) this.#superpages--;
		this.#words[i] = 0;
		this.#words[i + 1] = 0;
	}

	#clearMirror(tag: number): void {
		const asid = (tag & TAG_GLOBAL) !== 0 ? FENCE_ALL : tag & TAG_ASID;
		if ((tag & TAG_SUPER) !== 0) this.#mirror.clearSuperpage(tag >>> 12, asid);
		else this.#mirror.clearPage(tag >>> 12, asid);
	}
}
