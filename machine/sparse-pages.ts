/** Memory that is mostly zeros, as plain data: its non-zero pages. */
import { PAGE_SIZE } from "./port.ts";
import { UserError } from "./user-error.ts";

const PAGE_WORDS = PAGE_SIZE / 4;

export interface SparsePages {
	/** Numbers of the non-zero pages, ascending; and their words, one page after another. */
	readonly numbers: Int32Array;
	readonly words: Int32Array;
}

export function packPages(memory: Int32Array): SparsePages {
	const numbers: number[] = [];
	for (let from = 0; from < memory.length; from += PAGE_WORDS) {
		if (!isZero(memory, from)) numbers.push(from / PAGE_WORDS);
	}
	const words = new Int32Array(numbers.length * PAGE_WORDS);
	for (const [i, number] of numbers.entries()) {
		const from = number * PAGE_WORDS;
		words.set(memory.subarray(from, from + PAGE_WORDS), i * PAGE_WORDS);
	}
	return { numbers: Int32Array.from(numbers), words };
}

/** => UserError, and nothing written, for pages that `memory` does not have. */
export function unpackPages({ numbers, words }: SparsePages, memory: Int32Array): void {
	const fits = numbers.every((number) => number >= 0 && (number + 1) * PAGE_WORDS <= memory.length);
	if (!fits || words.length !== numbers.length * PAGE_WORDS) {
		throw new UserError("snapshot: it has pages outside this machine's RAM");
	}
	memory.fill(0);
	for (const [i, number] of numbers.entries()) {
		memory.set(words.subarray(i * PAGE_WORDS, (i + 1) * PAGE_WORDS), number * PAGE_WORDS);
	}
}

function isZero(memory: Int32Array, from: number): boolean {
	for (let i = from; i < from + PAGE_WORDS; i++) if (memory[i] !== 0) return false;
	return true;
}
