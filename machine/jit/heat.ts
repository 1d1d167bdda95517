/**
 * How hot each decoded slot is: how much was executed from there. It lies in memory, because code
 * beside the interpreter's loop takes samples, too (loop-samples.ts).
 */
import type { CodeCache } from "../code-cache.ts";
import { CODE, type Memory } from "../memory.ts";

/** Heat of a place that is compiled, or cannot be. */
export const NEVER = 0xffff;
/** That of a sample. Where compiled code is left, control comes by with 1. */
export const SAMPLE_HEAT = 16;

export class Heat {
	readonly #halves: Uint16Array;
	readonly #first: number;
	readonly #pageSlots: number;

	constructor({ u16, heat }: Memory, code: CodeCache) {
		this.#halves = u16;
		this.#first = heat;
		this.#pageSlots = code.pageSlots;
	}

	#at(ip: number): number {
		return this.#first + ((ip - CODE) >> 1);
	}

	/** `ip` is a slot as a word index. => its heat, or -1 if it is not to be compiled */
	add(ip: number, heat: number): number {
		const at = this.#at(ip);
		const before = this.#halves[at]!;
		if (before === NEVER) return -1;
		const now = Math.min(before + heat, NEVER - 1);
		this.#halves[at] = now;
		return now;
	}

	/** It is compiled, or cannot be. */
	settle(ip: number): void {
		this.#halves[this.#at(ip)] = NEVER;
	}

	/** What was compiled there is gone. */
	cool(ip: number): void {
		this.#halves[this.#at(ip)] = 0;
	}

	/** The decoded page is forgotten. */
	coolPage(page: number): void {
		const first = this.#first + page * this.#pageSlots;
		this.#halves.fill(0, first, first + this.#pageSlots);
	}
}
