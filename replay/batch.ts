/** A part of a trace: references in their order. */

/** References of a batch, at most. */
export const BATCH = 1 << 16;

export interface ReferenceBatch {
	/** Numbers of pages, below 2^52. */
	readonly pages: Float64Array;
	/** REFERENCE_* of machine/references.ts. */
	readonly kinds: Uint8Array;
	count: number;
}

export const newBatch = (): ReferenceBatch => ({
	pages: new Float64Array(BATCH),
	kinds: new Uint8Array(BATCH),
	count: 0,
});

/** Collects references, and hands out full batches. */
export class Batches {
	readonly #batch = newBatch();
	readonly #take: (batch: ReferenceBatch) => void;

	constructor(take: (batch: ReferenceBatch) => void) {
		this.#take = take;
	}

	add(page: number, kind: number): void {
		const batch = this.#batch;
		if (batch.count === BATCH) this.flush();
		batch.pages[batch.count] = page;
		batch.kinds[batch.count++] = kind;
	}

	/** Hand out what there is. */
	flush(): void {
		if (this.#batch.count > 0) this.#take(this.#batch);
		this.#batch.count = 0;
	}
}
