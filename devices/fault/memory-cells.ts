/**
 * Words of RAM that have errors: which bits a read finds wrong, what error correction makes of
 * them, and which pages the hart must not read unseen.
 *
 * RAM itself holds what the cells were given. Where error correction is, errors of cells are kept
 * beside it, as bits that are wrong; without it, a cell that was changed is changed in RAM.
 * Positions are offsets from the start of RAM; a word has 8 bytes.
 */
import type { WordHash } from "../../machine/hash.ts";

/** Bits of a word that are wrong: its data, low and high, and its check bits. */
export interface WordErrors {
	low: number;
	high: number;
	check: number;
}

export interface MemoryCellsState {
	/** [word, low, high, check] */
	readonly errors: readonly (readonly [number, number, number, number])[];
	readonly lost: readonly number[];
	readonly corrected: number;
}

function bitCount(n: number): number {
	let count = 0;
	for (let rest = n; rest !== 0; rest &= rest - 1) count++;
	return count;
}

export const countErrors = ({ low, high, check }: WordErrors): number =>
	bitCount(low) + bitCount(high) + bitCount(check);

export class MemoryCells {
	/** Errors that stay until a write, by the word's number; none of them is empty. */
	#errors = new Map<number, WordErrors>();
	/** Words that were found uncorrectable, and not written as a whole since then. */
	#lost = new Set<number>();
	corrected = 0;
	/** Set when other words have errors than before; whoever looks clears it. */
	changed = false;

	errorsOf(word: number): Readonly<WordErrors> | undefined {
		return this.#errors.get(word);
	}

	/** The words that have errors, from the lowest on. */
	get words(): number[] {
		return [...this.#errors.keys()].sort((a, b) => a - b);
	}

	/** Bits of the byte at `offset` become wrong; those that are so become right. */
	invert(offset: number, mask: number): void {
		const shift = 8 * (offset & 3);
		const isHigh = (offset & 4) !== 0;
		this.#change(offset >>> 3, isHigh ? 0 : mask << shift, isHigh ? mask << shift : 0, 0);
	}

	/** The word cannot be corrected from now on. */
	poison(word: number): void {
		this.#errors.set(word, { low: 0, high: 0, check: 3 });
		this.changed = true;
	}

	heal(word: number): void {
		if (this.#errors.delete(word)) this.changed = true;
	}

	lose(word: number): void {
		this.#lost.add(word);
	}

	/** The word was written as a whole. */
	replaced(word: number): void {
		this.heal(word);
		this.#lost.delete(word);
	}

	/** The first word of [first, last] that is lost, or -1. */
	lostIn(first: number, last: number): number {
		let found = -1;
		for (const word of this.#lost) {
			if (word >= first && word <= last && (found < 0 || word < found)) found = word;
		}
		return found;
	}

	save(): MemoryCellsState {
		return {
			errors: this.words.map((word) => {
				const { low, high, check } = this.#errors.get(word)!;
				return [word, low, high, check];
			}),
			lost: [...this.#lost].sort((a, b) => a - b),
			corrected: this.corrected,
		};
	}

	restore(state: MemoryCellsState | undefined): void {
		this.#errors = new Map(
			state?.errors.map(([word, low, high, check]) => [word, { low, high, check }]),
		);
		this.#lost = new Set(state?.lost);
		this.corrected = state?.corrected ?? 0;
		this.changed = true;
	}

	hashInto(hash: WordHash): void {
		const { errors, lost } = this.save();
		for (const error of errors) for (const n of error) hash.number(n);
		for (const word of lost) hash.number(word);
	}

	#change(word: number, low: number, high: number, check: number): void {
		this.changed = true;
		const before = this.#errors.get(word) ?? { low: 0, high: 0, check: 0 };
		const after = {
			low: before.low ^ low,
			high: before.high ^ high,
			check: before.check ^ check,
		};
		if (countErrors(after) === 0) this.#errors.delete(word);
		else this.#errors.set(word, after);
	}
}
