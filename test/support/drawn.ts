/** Choices drawn from a seed: the same in each run. */
import type { DiskTiming } from "../../devices/disk/timing.ts";

/** A sequence of numbers from 0 to n-1 (xorshift). */
export class Draw {
	#state: number;

	constructor(seed: number) {
		this.#state = (Math.imul(seed, 0x9e37_79b1) ^ 0x2545_f491) | 1;
	}

	below(n: number): number {
		let x = this.#state;
		x ^= x << 13;
		x ^= x >>> 17;
		x ^= x << 5;
		this.#state = x;
		return (x >>> 0) % n;
	}
}

/** Longest delays of requests, in cycles: an interrupt in the middle of a call, or after many. */
const DELAYS = [0, 1_000, 20_000, 200_000, 3_000_000, 40_000_000] as const;

/** Each request takes as long as the seed says, so that requests overtake each other. */
export class DrawnTiming implements DiskTiming {
	readonly name = "drawn";
	readonly #draw: Draw;

	constructor(seed: number) {
		this.#draw = new Draw(seed);
	}

	completion(now: number): number {
		return now + this.#draw.below(1 + DELAYS[this.#draw.below(DELAYS.length)]!);
	}

	reset(): void {}

	save(): null {
		return null;
	}

	restore(): void {}
}
