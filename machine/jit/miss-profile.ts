/**
 * Loads and stores of compiled code that often find nothing in the tables of the mirror. Counts lie
 * in memory at MISSES, as pairs of an address and a count; one that falls on another's place begins
 * anew. Code beside the interpreter's loop counts, too (loop-samples.ts).
 */
import { type Memory, MISSES } from "../memory.ts";

export const MISS_FACTOR = 0x9e37_79b1 | 0;
/** Of the product of an address. */
export const MISS_SHIFT = 20;
const PLACES = 1 << (32 - MISS_SHIFT);

const placeOf = (pc: number): number => MISSES + 2 * (Math.imul(pc, MISS_FACTOR) >>> MISS_SHIFT);

export class MissProfile {
	readonly #words: Int32Array;
	readonly #frequent: number;

	/** => `frequent`: how often compiled code has left at an address until that counts */
	constructor({ i32 }: Memory, frequent: number) {
		this.#words = i32;
		this.#frequent = frequent;
		i32.fill(0, MISSES, MISSES + 2 * PLACES);
	}

	/** Compiled code has left at `pc`. => has that become frequent? */
	missed(pc: number): boolean {
		const words = this.#words;
		const at = placeOf(pc);
		const count = words[at] === pc ? words[at + 1]! + 1 : 1;
		if (count > this.#frequent) return false;
		words[at] = pc;
		words[at + 1] = count;
		return count === this.#frequent;
	}

	isFrequent(pc: number): boolean {
		const at = placeOf(pc);
		return this.#words[at] === pc && this.#words[at + 1] === this.#frequent;
	}
}
