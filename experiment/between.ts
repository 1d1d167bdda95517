/** Counts of the parts of a run between two marks that its program prints. */
import { type Counts, countsOfBoth, countsSince } from "../computer/counts.ts";

/** What a program prints before and after the parts that count. */
export type Marks = readonly [begin: string, end: string];

export class Between {
	/** Of all parts that have ended; null before the first. */
	total: Counts | null = null;
	readonly #marks: readonly Uint8Array[];
	readonly #count: () => Counts;
	#before: Counts | null = null;
	/** The latest bytes, as many as the longer mark has. */
	#latest: number[] = [];

	constructor(marks: Marks, count: () => Counts) {
		this.#marks = marks.map((mark) => new TextEncoder().encode(mark));
		this.#count = count;
	}

	/** Is a part open that has not ended? */
	get open(): boolean {
		return this.#before !== null;
	}

	/** The program prints a byte, now. */
	printed(byte: number): void {
		const mark = this.#marks[this.open ? 1 : 0]!;
		this.#latest = [...this.#latest, byte].slice(-mark.length);
		if (this.#latest.length < mark.length) return;
		if (!mark.every((expected, i) => this.#latest[i] === expected)) return;
		this.#latest = [];
		if (this.#before === null) this.#before = this.#count();
		else {
			const part = countsSince(this.#before, this.#count());
			this.total = this.total === null ? part : countsOfBoth(this.total, part);
			this.#before = null;
		}
	}
}
