/**
 * Round-to-nearest arithmetic by the host's double precision operations, together with the question
 * that the host does not answer: was the result exact? All of it is exact reasoning on doubles.
 * T. J. Dekker, "A floating-point technique for extending the available precision", 1971; S. Boldo
 * and G. Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using
 * rounding to odd", 2008.
 *
 * Callers check the ranges that are given: outside of them something might overflow or underflow.
 */

/** The smallest normal numbers. A result must be greater: it might have been rounded up to them. */
export const SINGLE_NORMAL = 2 ** -126;
export const DOUBLE_NORMAL = 2 ** -1022;
export const SINGLE_MAX = 2 ** 128 - 2 ** 104;
export const DOUBLE_MAX = Number.MAX_VALUE;

/** Factors within these bounds have an exact product of two doubles, and can be split. */
const FACTOR_MIN = 2 ** -450;
const FACTOR_MAX = 2 ** 450;
const ADDEND_MAX = 2 ** 900;
/** Splits a significand of 53 bits into halves. */
const SPLITTER = 2 ** 27 + 1;

/** What `sum`, that is a + b rounded to nearest, leaves of it; exact unless the sum overflows. */
export function sumError(a: number, b: number, sum: number): number {
	const fromB = sum - a;
	return a - (sum - fromB) + (b - fromB);
}

/** Can `isProduct` be asked about this factor? */
export const isFactor = (a: number): boolean => {
	const magnitude = Math.abs(a);
	return magnitude >= FACTOR_MIN && magnitude <= FACTOR_MAX;
};

/** What `product`, that is a * b rounded to nearest, leaves of it; both in the range of factors. */
function productError(a: number, b: number, product: number): number {
	let big = SPLITTER * a;
	const aHigh = big - (big - a);
	const aLow = a - aHigh;
	big = SPLITTER * b;
	const bHigh = big - (big - b);
	const bLow = b - bHigh;
	return aHigh * bHigh - product + aHigh * bLow + aLow * bHigh + aLow * bLow;
}

/** Is `product` exactly a * b? Both are factors. */
export function isProduct(a: number, b: number, product: number): boolean {
	return a * b === product && productError(a, b, product) === 0;
}

/** Operations that leave more than a number. Nothing is allocated. */
export class HostArithmetic {
	/** Was the last fused operation inexact? */
	inexact = false;
	readonly #number = new Float64Array(1);
	readonly #words = new Int32Array(this.#number.buffer);
	/** Index of the word that holds the lowest bit. */
	readonly #low: 0 | 1;

	constructor() {
		this.#number[0] = 1;
		this.#low = this.#words[1] !== 0 ? 0 : 1;
	}

	/** a * b + c for doubles. => NaN if it must be done otherwise. */
	fusedDouble(a: number, b: number, c: number): number {
		if (!(isFactor(a) && isFactor(b) && Math.abs(c) <= ADDEND_MAX)) return Number.NaN;
		const high = a * b;
		const low = productError(a, b, high);
		const sumLow = c + low;
		const restLow = sumError(c, low, sumLow);
		const sum = high + sumLow;
		const rest = sumError(high, sumLow, sum);
		const tail = restLow + rest;
		const tailError = sumError(restLow, rest, tail);
		const odd = tailError === 0 ? tail : this.#toOdd(tail, tailError);
		const result = sum + odd;
		if (Math.abs(result) <= DOUBLE_NORMAL && result !== 0) return Number.NaN;
		this.inexact = tailError !== 0 || sumError(sum, odd, result) !== 0;
		return result;
	}

	/** a * b + c for doubles that hold single precision numbers; the result is one. => as above */
	fusedSingle(a: number, b: number, c: number): number {
		const product = a * b; // 48 bits at most
		const sum = product + c;
		const error = sumError(product, c, sum);
		const odd = error === 0 ? sum : this.#toOdd(sum, error);
		const result = Math.fround(odd);
		const magnitude = Math.abs(result);
		if (!(magnitude <= SINGLE_MAX && (magnitude > SINGLE_NORMAL || sum === 0))) return Number.NaN;
		this.inexact = error !== 0 || result !== sum;
		return result;
	}

	/** Of the two doubles next to sum + error, the one whose last bit is 1. error is not 0. */
	#toOdd(sum: number, error: number): number {
		const words = this.#words;
		const low = this.#low;
		this.#number[0] = sum;
		const word = words[low]!;
		if ((word & 1) !== 0) return sum;
		if (error > 0 === sum > 0) words[low] = word | 1;
		else {
			words[low] = word - 1;
			if (word === 0) words[1 - low]!--;
		}
		return this.#number[0]!;
	}
}
