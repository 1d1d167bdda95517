/**
 * A clock that is wrong: what it shows, in ns, at each cycle. Virtual time itself, and the order of
 * events, are never wrong. From each change on the clock runs at one rate.
 */

/** Plain data. */
export interface TimeSkewState {
	/** From this cycle on it shows `base` ns and goes on at `rate` ns in a cycle. */
	readonly from: number;
	readonly base: number;
	readonly rate: number;
}

export class TimeSkew {
	#from = 0;
	#base = 0;
	#rate = 1;

	/** => whole ns at cycle `cycle`, no earlier one than that of the last change */
	at(cycle: number): number {
		return Math.floor(this.#base + (cycle - this.#from) * this.#rate);
	}

	/** The first cycle since the last change at which at least `ns` are shown. => Infinity: none */
	cycleOf(ns: number): number {
		if (ns <= this.#base) return this.#from;
		let cycle = this.#from + Math.ceil((ns - this.#base) / this.#rate);
		// Later ones are never reached, and are no exact numbers.
		if (Math.max(ns, cycle) > Number.MAX_SAFE_INTEGER) return Number.POSITIVE_INFINITY;
		// Rounding may have gone either way.
		while (cycle > this.#from && this.at(cycle - 1) >= ns) cycle--;
		while (this.at(cycle) < ns) cycle++;
		return cycle;
	}

	/** At cycle `cycle` it jumps by `delta` ns, and goes on at `rate`. => never below 0 */
	change(cycle: number, delta: number, rate: number): void {
		this.#base = Math.max(0, this.at(cycle) + delta);
		this.#from = cycle;
		this.#rate = rate;
	}

	save(): TimeSkewState {
		return { from: this.#from, base: this.#base, rate: this.#rate };
	}

	restore({ from, base, rate }: TimeSkewState): void {
		this.#from = from;
		this.#base = base;
		this.#rate = rate;
	}
}
