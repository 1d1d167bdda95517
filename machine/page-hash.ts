/**
 * The hash of one page of RAM. Where there is WebAssembly, all four lanes are hashed at once: in a
 * short run the same in JavaScript costs more than anything else at its end.
 */
import { finish, mix, SEED_A, SEED_B, SEED_C, SEED_D } from "./hash.ts";
import { lanesOf } from "./jit/hash-code.ts";
import { H_HASH, type Memory, RAM_OFFSET } from "./memory.ts";
import { PAGE_SIZE } from "./port.ts";

export class PageHash {
	/** Two signed words. */
	first = 0;
	second = 0;
	readonly #words: Int32Array;
	/** Sets the words at H_HASH from bytes; 0: they are all zero. null: not on this host. */
	readonly #lanes: ((from: number, end: number) => number) | null;

	constructor(memory: Memory) {
		this.#words = memory.i32;
		this.#lanes = lanesOf(memory);
	}

	/** Hash page `page` of RAM. => false, and nothing is hashed, if it is all zero. */
	of(page: number): boolean {
		const from = RAM_OFFSET + page * PAGE_SIZE;
		const end = from + PAGE_SIZE;
		const words = this.#words;
		const lanes = this.#lanes;
		const isFilled = lanes === null ? this.#inScript(from >> 2, end >> 2) : lanes(from, end) !== 0;
		if (!isFilled) return false;
		let first = page | 0;
		let second = ~page;
		for (let lane = H_HASH; lane < H_HASH + 4; lane++) {
			first = mix(first, words[lane]!);
			second = mix(second, finish(words[lane]!));
		}
		this.first = finish(first);
		this.second = finish(second);
		return true;
	}

	/** The same for words as #lanes does for bytes. */
	#inScript(from: number, end: number): boolean {
		const words = this.#words;
		let used = from;
		while (used < end && (words[used]! | words[used + 1]!) === 0) used += 2;
		if (used >= end) return false;
		let a = SEED_A;
		let b = SEED_B;
		let c = SEED_C;
		let d = SEED_D;
		for (let i = from; i < end; i += 4) {
			a = mix(a, words[i]!);
			b = mix(b, words[i + 1]!);
			c = mix(c, words[i + 2]!);
			d = mix(d, words[i + 3]!);
		}
		words[H_HASH] = a;
		words[H_HASH + 1] = b;
		words[H_HASH + 2] = c;
		words[H_HASH + 3] = d;
		return true;
	}
}
