/**
 * A fast non-cryptographic hash of 32-bit words, for state hashes: four independent lanes, each
 * mixing every fourth word as MurmurHash3 does, so that a processor works on all of them at once.
 */

export const C1 = 0xcc9e2d51 | 0;
export const C2 = 0x1b873593;
export const C3 = 0xe6546b64 | 0;
/** Words that are mixed in one call, so that a host's compiler soon has a whole function. */
const BLOCK = 1024;

export function mix(lane: number, word: number): number {
	const k = Math.imul(word, C1);
	const h = lane ^ Math.imul((k << 15) | (k >>> 17), C2);
	return (Math.imul((h << 13) | (h >>> 19), 5) + C3) | 0;
}

/** The finaliser of MurmurHash3: every bit of `h` affects every bit of the result. */
export function finish(h: number): number {
	let x = h ^ (h >>> 16);
	x = Math.imul(x, 0x85ebca6b);
	x ^= x >>> 13;
	x = Math.imul(x, 0xc2b2ae35);
	return x ^ (x >>> 16);
}

export const SEED_A = 0x9e3779b1 | 0;
export const SEED_B = 0x85ebca77 | 0;
export const SEED_C = 0xc2b2ae3d | 0;
export const SEED_D = 0x27d4eb2f;

export class WordHash {
	#a = SEED_A;
	#b = SEED_B;
	#c = SEED_C;
	#d = SEED_D;
	#length = 0;

	/** Add `words`; where one array ends and the next begins makes a difference. */
	words(words: Int32Array): this {
		const whole = words.length & ~3;
		for (let i = 0; i < whole; i += BLOCK) this.#block(words, i, Math.min(i + BLOCK, whole));
		for (let i = whole; i < words.length; i++) this.#a = mix(this.#a, words[i]!);
		this.#a = mix(this.#a, words.length);
		this.#length += words.length;
		return this;
	}

	/** Add words[first] to words[end - 1], a multiple of four. */
	#block(words: Int32Array, first: number, end: number): void {
		let a = this.#a;
		let b = this.#b;
		let c = this.#c;
		let d = this.#d;
		for (let i = first; i < end; i += 4) {
			a = mix(a, words[i]!);
			b = mix(b, words[i + 1]!);
			c = mix(c, words[i + 2]!);
			d = mix(d, words[i + 3]!);
		}
		this.#a = a;
		this.#b = b;
		this.#c = c;
		this.#d = d;
	}

	/** Add one number: an integer below 2^53 in magnitude, or an infinity. */
	number(value: number): this {
		const low = (value % 2 ** 32) | 0;
		const high = Math.floor(value / 2 ** 32) | 0;
		const kind = Number.isFinite(value) ? 0 : value > 0 ? 1 : 2;
		this.#a = mix(this.#a, low);
		this.#b = mix(this.#b, high);
		this.#c = mix(this.#c, kind);
		this.#length++;
		return this;
	}

	/** Add the digest of `other`, as two numbers. */
	digestOf(other: WordHash): this {
		const [first, second] = other.#digest();
		return this.number(first).number(second);
	}

	/** => 16 hexadecimal digits. More may be added afterwards. */
	digest(): string {
		return this.#digest().map(hex).join("");
	}

	/** => two unsigned words. */
	#digest(): [number, number] {
		let first = this.#length;
		let second = ~this.#length;
		for (const lane of [this.#a, this.#b, this.#c, this.#d]) {
			first = mix(first, lane);
			second = mix(second, finish(lane));
		}
		return [finish(first) >>> 0, finish(second) >>> 0];
	}
}

const hex = (word: number): string => word.toString(16).padStart(8, "0");
