/**
 * What was made of instruction words that came lately, so that it need not be made again. A word
 * has its place among a fixed number of others, and takes it from the one before.
 */
const PLACES = 2048;

export class WordMemo {
	/** Beginning at the index that `find` or `put` returns: what is remembered of a word. */
	readonly values: Int32Array;
	readonly #each: number;
	readonly #words: Int32Array;
	readonly #mask: number;

	/** `each`: numbers that are remembered of a word; `places`: a power of two, to 65,536. */
	constructor(each: number, places = PLACES) {
		this.#each = each;
		this.#mask = places - 1;
		this.values = new Int32Array(places * each);
		// A word that is not at its own place.
		this.#words = new Int32Array(places).fill(1);
		this.#words[hashOf(1) & this.#mask] = 0;
	}

	/** => an index of `values`; -1: forgotten, or never known. */
	find(word: number): number {
		const place = hashOf(word) & this.#mask;
		return this.#words[place] === (word | 0) ? place * this.#each : -1;
	}

	/** => an index of `values`, where what is remembered of the word goes. */
	put(word: number): number {
		const place = hashOf(word) & this.#mask;
		this.#words[place] = word;
		return place * this.#each;
	}
}

const hashOf = (word: number): number => Math.imul(word, 0x9e37_79b1) >>> 16;
