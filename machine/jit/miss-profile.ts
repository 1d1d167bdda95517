/** Loads and stores of compiled code that often find nothing in the tables of the mirror. */

/** Addresses that are kept; after so many all are forgotten. */
const ADDRESSES_MAX = 4096;

export class MissProfile {
	readonly #frequent: number;
	readonly #counts = new Map<number, number>();

	/** => `frequent`: how often compiled code has left at an address until that counts */
	constructor(frequent: number) {
		this.#frequent = frequent;
	}

	/** Compiled code has left at `pc`. => has that become frequent? */
	missed(pc: number): boolean {
		const count = (this.#counts.get(pc) ?? 0) + 1;
		if (count > this.#frequent) return false;
		if (this.#counts.size === ADDRESSES_MAX) this.#counts.clear();
		this.#counts.set(pc, count);
		return count === this.#frequent;
	}

	isFrequent(pc: number): boolean {
		return this.#counts.get(pc) === this.#frequent;
	}
}
