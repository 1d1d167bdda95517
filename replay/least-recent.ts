/** Replacement of the page that was referenced least recently, by a list of all pages in memory. */
export class LeastRecent {
	misses = 0;
	readonly #frames: number;
	/** By page: its neighbours in the list, and whether it is in it. The last one is its head. */
	readonly #newer: Int32Array;
	readonly #older: Int32Array;
	readonly #resident: Uint8Array;
	readonly #head: number;
	#used = 0;

	/** Pages are numbers below `bound`. */
	constructor(frames: number, bound: number) {
		this.#frames = frames;
		this.#newer = new Int32Array(bound + 1);
		this.#older = new Int32Array(bound + 1);
		this.#resident = new Uint8Array(bound);
		this.#head = bound;
		this.#newer[bound] = this.#older[bound] = bound;
	}

	refer(page: number): void {
		const newer = this.#newer;
		const older = this.#older;
		const head = this.#head;
		if (older[head] === page) return;
		if (this.#resident[page] !== 0) this.#remove(page);
		else {
			this.misses++;
			if (this.#used === this.#frames) {
				const oldest = newer[head]!;
				this.#remove(oldest);
				this.#resident[oldest] = 0;
			} else this.#used++;
			this.#resident[page] = 1;
		}
		const newest = older[head]!;
		older[page] = newest;
		newer[newest] = page;
		newer[page] = head;
		older[head] = page;
	}

	#remove(page: number): void {
		const [newer, older] = [this.#newer[page]!, this.#older[page]!];
		this.#older[newer] = older;
		this.#newer[older] = newer;
	}
}
