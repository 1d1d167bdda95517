/**
 * The hash of RAM, kept: a page that was written is hashed again when somebody asks, and no other.
 *
 * It is a sum of what each page contributes, modulo 2^64 in two halves; a page of zeros contributes
 * nothing. So it is the same however the contents came about, and pages never used cost nothing.
 */
import type { Memory } from "./memory.ts";
import { PageHash } from "./page-hash.ts";
import { PAGE_SIZE } from "./port.ts";

export class PageHashes {
	readonly #memory: Memory;
	/** What each page contributes. */
	readonly #first: Int32Array;
	readonly #second: Int32Array;
	readonly #sum: [number, number] = [0, 0];
	/** A bit for each page that held something other than zeros when it was last hashed. */
	readonly #filled: Int32Array;
	/** Pages that may have been written since, each once; and for each page whether it is one. */
	readonly #stale: Int32Array;
	readonly #isStale: Uint8Array;
	#staleCount = 0;
	/** null: nothing was hashed yet. */
	#hash: PageHash | null = null;
	/** How many pages were hashed so far. */
	hashed = 0;

	/** => all of RAM is zero. */
	constructor(memory: Memory) {
		const pages = memory.ramSize / PAGE_SIZE;
		this.#memory = memory;
		this.#first = new Int32Array(pages);
		this.#second = new Int32Array(pages);
		this.#filled = new Int32Array(Math.ceil(pages / 32));
		this.#stale = new Int32Array(pages);
		this.#isStale = new Uint8Array(pages);
	}

	/** To be called when a page is about to be written for the first time since `sum` or `filled`. */
	writing(page: number): void {
		if (this.#isStale[page] !== 0) return;
		this.#isStale[page] = 1;
		this.#stale[this.#staleCount++] = page;
	}

	/** => two unsigned words, equal for equal contents. */
	sum(): readonly [number, number] {
		this.#settle();
		return this.#sum;
	}

	/** The pages that hold something other than zeros, in ascending order. */
	filled(): number[] {
		this.#settle();
		const pages: number[] = [];
		for (const [i, word] of this.#filled.entries()) {
			for (let left = word; left !== 0; left &= left - 1) {
				pages.push(i * 32 + 31 - Math.clz32(left & -left));
			}
		}
		return pages;
	}

	#settle(): void {
		for (let i = 0; i < this.#staleCount; i++) {
			const page = this.#stale[i]!;
			this.#isStale[page] = 0;
			this.#review(page);
		}
		this.hashed += this.#staleCount;
		this.#staleCount = 0;
	}

	#review(page: number): void {
		this.#hash ??= new PageHash(this.#memory);
		const hash = this.#hash;
		const isFilled = hash.of(page);
		const first = isFilled ? hash.first : 0;
		const second = isFilled ? hash.second : 0;
		const sum = this.#sum;
		sum[0] = (sum[0] + first - this.#first[page]!) >>> 0;
		sum[1] = (sum[1] + second - this.#second[page]!) >>> 0;
		this.#first[page] = first;
		this.#second[page] = second;
		const bit = 1 << (page & 31);
		if (isFilled) this.#filled[page >>> 5]! |= bit;
		else this.#filled[page >>> 5]! &= ~bit;
	}
}
