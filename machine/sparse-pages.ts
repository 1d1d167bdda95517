/** Memory that is mostly zeros, as plain data: its non-zero pages. */
import { PAGE_SIZE } from "./port.ts";
import { UserError } from "./user-error.ts";

const PAGE_WORDS = PAGE_SIZE / 4;

export interface SparsePages {
	/** Numbers of the non-zero pages, ascending; and their words, one page after another. */
	readonly numbers: Int32Array;
	readonly words: Int32Array;
}

/** => `numbers` are those of all pages of `memory` that are not zero, ascending. */
export function packPages(memory: Int32Array, numbers: readonly number[]): SparsePages {
	const words = new Int32Array(numbers.length * PAGE_WORDS);
	for (const [i, number] of numbers.entries()) {
		const from = number * PAGE_WORDS;
		words.set(memory.subarray(from, from + PAGE_WORDS), i * PAGE_WORDS);
	}
	return { numbers: Int32Array.from(numbers), words };
}

/**
 * => `filled` are all pages of `memory` that are not zero; `storing` is called before each page
 *    that is written. UserError, and nothing written, for pages that `memory` does not have.
 */
export function unpackPages(
	{ numbers, words }: SparsePages,
	memory: Int32Array,
	filled: readonly number[],
	storing: (page: number) => void,
): void {
	const fits = numbers.every((number) => number >= 0 && (number + 1) * PAGE_WORDS <= memory.length);
	if (!fits || words.length !== numbers.length * PAGE_WORDS) {
		throw new UserError("snapshot: it has pages outside this machine's RAM");
	}
	for (const page of filled) {
		storing(page);
		memory.fill(0, page * PAGE_WORDS, (page + 1) * PAGE_WORDS);
	}
	for (const [i, page] of numbers.entries()) {
		storing(page);
		memory.set(words.subarray(i * PAGE_WORDS, (i + 1) * PAGE_WORDS), page * PAGE_WORDS);
	}
}
