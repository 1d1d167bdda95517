/**
 * Arithmetic of F and D on bit patterns, with integers of any size: exact for all operands and
 * rounding modes, and slow. Unprivileged specification 20191213, chapters 11 and 12.
 *
 * Where an operation can return a NaN it returns the canonical one, whatever its operands.
 */
import {
	bitLength,
	DZ,
	exponentOf,
	type FloatFormat,
	isInfinite,
	isNan,
	isNegative,
	isSignaling,
	isZero,
	NV,
	RDN,
	significandOf,
} from "./format.ts";
import { type Rounding, roundPack } from "./round.ts";

function invalid(env: Rounding, f: FloatFormat): bigint {
	env.flags |= NV;
	return f.nan;
}

/** The result if one of the operands is a NaN. */
function anyNaN(env: Rounding, f: FloatFormat, ...operands: bigint[]): bigint {
	if (operands.some((a) => isSignaling(f, a))) env.flags |= NV;
	return f.nan;
}

export const negate = (f: FloatFormat, a: bigint): bigint => a ^ f.signBit;

/** A finite number as sign, magnitude and exponent of the magnitude's lowest bit. */
interface Exact {
	readonly negative: boolean;
	readonly magnitude: bigint;
	readonly exponent: number;
}

const exact = (f: FloatFormat, a: bigint): Exact => ({
	negative: isNegative(f, a),
	magnitude: significandOf(f, a),
	exponent: exponentOf(f, a),
});

function roundSum(env: Rounding, f: FloatFormat, a: Exact, b: Exact): bigint {
	const exponent = Math.min(a.exponent, b.exponent);
	const left = a.magnitude << BigInt(a.exponent - exponent);
	const right = b.magnitude << BigInt(b.exponent - exponent);
	const sum = (a.negative ? -left : left) + (b.negative ? -right : right);
	if (sum === 0n) {
		// Two zeros of one sign keep it; otherwise the rounding mode decides.
		const negative = a.negative === b.negative ? a.negative : env.rm === RDN;
		return negative ? f.signBit : 0n;
	}
	return roundPack(env, f, sum < 0n, sum < 0n ? -sum : sum, exponent);
}

export function add(env: Rounding, f: FloatFormat, a: bigint, b: bigint): bigint {
	if (isNan(f, a) || isNan(f, b)) return anyNaN(env, f, a, b);
	if (isInfinite(f, a)) return isInfinite(f, b) && a !== b ? invalid(env, f) : a;
	if (isInfinite(f, b)) return b;
	return roundSum(env, f, exact(f, a), exact(f, b));
}

/** a * b + c, rounded once. */
export function mulAdd(env: Rounding, f: FloatFormat, a: bigint, b: bigint, c: bigint): bigint {
	const infinite = isInfinite(f, a) || isInfinite(f, b);
	// Infinity times zero is invalid whatever c is.
	if ((infinite && (isZero(f, a) || isZero(f, b))) || isSignaling(f, c)) {
		return invalid(env, f);
	}
	if (isNan(f, a) || isNan(f, b) || isNan(f, c)) return anyNaN(env, f, a, b);
	const negative = isNegative(f, a) !== isNegative(f, b);
	if (infinite) {
		const product = f.infinity | (negative ? f.signBit : 0n);
		return isInfinite(f, c) && c !== product ? invalid(env, f) : product;
	}
	if (isInfinite(f, c)) return c;
	const product = {
		negative,
		magnitude: significandOf(f, a) * significandOf(f, b),
		exponent: exponentOf(f, a) + exponentOf(f, b),
	};
	return roundSum(env, f, product, exact(f, c));
}

export function mul(env: Rounding, f: FloatFormat, a: bigint, b: bigint): bigint {
	if (isNan(f, a) || isNan(f, b)) return anyNaN(env, f, a, b);
	const sign = (a ^ b) & f.signBit;
	if (isInfinite(f, a) || isInfinite(f, b)) {
		return isZero(f, a) || isZero(f, b) ? invalid(env, f) : sign | f.infinity;
	}
	const magnitude = significandOf(f, a) * significandOf(f, b);
	return roundPack(env, f, sign !== 0n, magnitude, exponentOf(f, a) + exponentOf(f, b));
}

export function div(env: Rounding, f: FloatFormat, a: bigint, b: bigint): bigint {
	if (isNan(f, a) || isNan(f, b)) return anyNaN(env, f, a, b);
	const sign = (a ^ b) & f.signBit;
	if (isInfinite(f, a)) return isInfinite(f, b) ? invalid(env, f) : sign | f.infinity;
	if (isInfinite(f, b)) return sign;
	if (isZero(f, b)) {
		if (isZero(f, a)) return invalid(env, f);
		env.flags |= DZ;
		return sign | f.infinity;
	}
	if (isZero(f, a)) return sign;
	// The quotient has at least precision + 2 bits, and one more for what the division leaves.
	const dividend = significandOf(f, a);
	const divisor = significandOf(f, b);
	const shift = f.precision + 3 + bitLength(divisor) - bitLength(dividend);
	const shifted = dividend << BigInt(shift);
	const quotient = shifted / divisor;
	const rest = quotient * divisor === shifted ? 0n : 1n;
	const exponent = exponentOf(f, a) - exponentOf(f, b) - shift;
	return roundPack(env, f, sign !== 0n, (quotient << 1n) | rest, exponent - 1);
}

export function sqrt(env: Rounding, f: FloatFormat, a: bigint): bigint {
	if (isNan(f, a)) return anyNaN(env, f, a);
	if (isZero(f, a)) return a;
	if (isNegative(f, a)) return invalid(env, f);
	if (isInfinite(f, a)) return a;
	const magnitude = significandOf(f, a);
	const exponent = exponentOf(f, a);
	// Twice the bits that the root needs, and an even exponent.
	let shift = 2 * (f.precision + 3) - bitLength(magnitude);
	if ((exponent - shift) % 2 !== 0) shift++;
	const radicand = magnitude << BigInt(shift);
	const root = integerRoot(radicand);
	const rest = root * root === radicand ? 0n : 1n;
	return roundPack(env, f, false, (root << 1n) | rest, (exponent - shift) / 2 - 1);
}

/** The integer part of the square root of a positive integer, by Newton's method. */
function integerRoot(n: bigint): bigint {
	let root = 1n << BigInt(Math.ceil(bitLength(n) / 2));
	for (;;) {
		const next = (root + n / root) >> 1n;
		if (next >= root) return root;
		root = next;
	}
}

/**
 * The lesser of two numbers (fmin), or the greater (fmax): -0 is less than +0, and a NaN counts
 * only if there is nothing else (F and D 2.2: minimumNumber and maximumNumber of IEEE 754-2019).
 */
export function minMax(
	env: Rounding,
	f: FloatFormat,
	a: bigint,
	b: bigint,
	greater: boolean,
): bigint {
	if (isSignaling(f, a) || isSignaling(f, b)) env.flags |= NV;
	if (isNan(f, a)) return isNan(f, b) ? f.nan : b;
	if (isNan(f, b)) return a;
	return ordinal(f, a) < ordinal(f, b) !== greater ? a : b;
}

/** An integer that orders numbers, -0 below +0. */
const ordinal = (f: FloatFormat, a: bigint): bigint => (isNegative(f, a) ? f.signBit - 1n - a : a);

/** feq: only a signaling NaN is invalid. */
export function equal(env: Rounding, f: FloatFormat, a: bigint, b: bigint): boolean {
	if (isSignaling(f, a) || isSignaling(f, b)) env.flags |= NV;
	if (isNan(f, a) || isNan(f, b)) return false;
	return a === b || (isZero(f, a) && isZero(f, b));
}

/** flt, or fle if `orEqual`: any NaN is invalid. */
export function less(
	env: Rounding,
	f: FloatFormat,
	a: bigint,
	b: bigint,
	orEqual: boolean,
): boolean {
	if (isNan(f, a) || isNan(f, b)) {
		env.flags |= NV;
		return false;
	}
	if (a === b || (isZero(f, a) && isZero(f, b))) return orEqual;
	return ordinal(f, a) < ordinal(f, b);
}

/** The one bit that fclass sets, table 11.5. */
export function classify(f: FloatFormat, a: bigint): number {
	if (isNan(f, a)) return isSignaling(f, a) ? 1 << 8 : 1 << 9;
	const kind = isInfinite(f, a) ? 0 : isZero(f, a) ? 3 : (a & f.infinity) === 0n ? 2 : 1;
	return 1 << (isNegative(f, a) ? kind : 7 - kind);
}
