/**
 * Belady's optimum (MIN, OPT): of a sequence of references, the fewest misses that any replacement
 * can have that brings in a page when it is referenced. It evicts the page that is referenced again
 * last.
 */

/** A sequence of pages by small numbers; of equal neighbours one is kept, which misses as often. */
export class PageSequence {
	#pages = new Int32Array(1 << 16);
	#length = 0;
	#last = -1;
	/** One more than the largest page. */
	#bound = 0;

	push(page: number): void {
		if (page === this.#last) return;
		this.#last = page;
		if (this.#length === this.#pages.length) {
			const pages = new Int32Array(this.#length * 2);
			pages.set(this.#pages);
			this.#pages = pages;
		}
		this.#pages[this.#length++] = page;
		if (page >= this.#bound) this.#bound = page + 1;
	}

	get bound(): number {
		return this.#bound;
	}

	get pages(): Int32Array {
		return this.#pages.subarray(0, this.#length);
	}
}

/** => `next[i]`: where the page of reference i is referenced next; if never, a number beyond all */
function nextUses(pages: Int32Array, bound: number): Int32Array {
	const next = new Int32Array(pages.length);
	// Pages that are never used again are all different, so that a place names its page.
	const upcoming = Int32Array.from({ length: bound }, (_, page) => pages.length + page);
	for (let i = pages.length - 1; i >= 0; i--) {
		const page = pages[i]!;
		next[i] = upcoming[page]!;
		upcoming[page] = i;
	}
	return next;
}

/** The largest of some numbers. */
class Largest {
	#heap = new Int32Array(1 << 10);
	#length = 0;

	get length(): number {
		return this.#length;
	}

	add(value: number): void {
		if (this.#length === this.#heap.length) {
			const heap = new Int32Array(this.#length * 2);
			heap.set(this.#heap);
			this.#heap = heap;
		}
		const heap = this.#heap;
		let at = this.#length++;
		while (at > 0) {
			const above = (at - 1) >>> 1;
			if (heap[above]! >= value) break;
			heap[at] = heap[above]!;
			at = above;
		}
		heap[at] = value;
	}

	/** => it is not empty */
	take(): number {
		const heap = this.#heap;
		const largest = heap[0]!;
		const value = heap[--this.#length]!;
		const length = this.#length;
		let at = 0;
		for (let below = 1; below < length; below = 2 * at + 1) {
			if (below + 1 < length && heap[below + 1]! > heap[below]!) below++;
			if (heap[below]! <= value) break;
			heap[at] = heap[below]!;
			at = below;
		}
		heap[at] = value;
		return largest;
	}

	/** Forget all that are not larger than `least`. */
	drop(least: number): void {
		const kept = this.#heap.subarray(0, this.#length).filter((value) => value > least);
		// In falling order it is a heap.
		kept.sort().reverse();
		this.#heap.set(kept);
		this.#length = kept.length;
	}
}

/** => misses with `frames` >= 1 frames, first references included */
export function optimum(sequence: PageSequence, frames: number): number {
	const { pages, bound } = sequence;
	const next = nextUses(pages, bound);
	const resident = new Uint8Array(bound);
	/**
	 * Where resident pages are used next; and places that are over, which are smaller than all of
	 * those.
	 */
	const uses = new Largest();
	let used = 0;
	let misses = 0;
	for (let i = 0; i < pages.length; i++) {
		const page = pages[i]!;
		if (resident[page] === 0) {
			misses++;
			if (used === frames) {
				const place = uses.take();
				resident[place < pages.length ? pages[place]! : place - pages.length] = 0;
			} else used++;
			resident[page] = 1;
		}
		uses.add(next[i]!);
		if (uses.length > 2 * frames + 1024) uses.drop(i);
	}
	return misses;
}
