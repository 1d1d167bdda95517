/** How hot each decoded slot is: how much was executed from there. */
import type { CodeCache } from "../code-cache.ts";
import { CODE } from "../memory.ts";

/** Heat of a place that is compiled, or cannot be. */
const NEVER = 0xffff;

export class Heat {
	readonly #slots: Uint16Array;
	readonly #pageSlots: number;

	constructor(code: CodeCache) {
		this.#slots = new Uint16Array(code.slots);
		this.#pageSlots = code.pageSlots;
	}

	/** `ip` is a slot as a word index. => its heat, or -1 if it is not to be compiled */
	add(ip: number, heat: number): number {
		const at = (ip - CODE) >> 1;
		const before = this.#slots[at]!;
		if (before === NEVER) return -1;
		const now = Math.min(before + heat, NEVER - 1);
		this.#slots[at] = now;
		return now;
	}

	/** It is compiled, or cannot be. */
	settle(ip: number): void {
		this.#slots[(ip - CODE) >> 1] = NEVER;
	}

	/** What was compiled there is gone. */
	cool(ip: number): void {
		this.#slots[(ip - CODE) >> 1] = 0;
	}

	/** The decoded page is forgotten. */
	coolPage(page: number): void {
		this.#slots.fill(0, page * this.#pageSlots, (page + 1) * this.#pageSlots);
	}
}
