/**
 * Seeded pseudo-random numbers: xoshiro128** 1.1 (Blackman, Vigna), seeded by splitmix32.
 * The same seed gives the same sequence on every host. Not for secrets.
 */

/** Four unsigned words. */
export type PrngState = readonly [number, number, number, number];

const rotl = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

export class Prng {
	#a = 0;
	#b = 0;
	#c = 0;
	#d = 0;

	/** `seed` is an integer below 2^53. */
	constructor(seed: number) {
		let z = seed >>> 0;
		// The upper half takes part, so that seeds above 2^32 differ from those below.
		z ^= Math.imul(Math.floor(seed / 2 ** 32), 0x85ebca6b);
		const next = (): number => {
			z = (z + 0x9e3779b9) | 0;
			let x = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
			x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
			return (x ^ (x >>> 15)) >>> 0;
		};
		this.restore([next(), next(), next(), next()]);
	}

	/** => 0 .. 2^32 - 1 */
	uint32(): number {
		const result = Math.imul(rotl(Math.imul(this.#b, 5), 7), 9) >>> 0;
		const t = this.#b << 9;
		this.#c ^= this.#a;
		this.#d ^= this.#b;
		this.#b ^= this.#c;
		this.#a ^= this.#d;
		this.#c ^= t;
		this.#d = rotl(this.#d, 11);
		return result;
	}

	/** => an integer from 0 to `n` - 1, each as likely; `n` is 1 .. 2^32. */
	below(n: number): number {
		if (!(Number.isInteger(n) && n >= 1 && n <= 2 ** 32)) {
			throw new RangeError("Prng.below: the bound must be 1 to 2^32");
		}
		// Numbers of the last, incomplete round would make small results more likely.
		const limit = 2 ** 32 - (2 ** 32 % n);
		for (;;) {
			const x = this.uint32();
			if (x < limit) return x % n;
		}
	}

	/** => true in `numerator` of `denominator` cases. */
	chance(numerator: number, denominator: number): boolean {
		return this.below(denominator) < numerator;
	}

	/** => 0 <= x < 1, a multiple of 2^-53 */
	float(): number {
		return ((this.uint32() >>> 5) * 2 ** 26 + (this.uint32() >>> 6)) / 2 ** 53;
	}

	save(): PrngState {
		return [this.#a >>> 0, this.#b >>> 0, this.#c >>> 0, this.#d >>> 0];
	}

	/** => RangeError for the state that is all zero, from which no number ever comes. */
	restore(state: PrngState): void {
		if (state.every((word) => word === 0)) throw new RangeError("Prng: state is all zero");
		[this.#a, this.#b, this.#c, this.#d] = state;
	}
}
