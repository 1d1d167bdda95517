/**
 * From an exact value to a number of a format: rounding, overflow, underflow. IEEE 754-2019,
 * sections 4.3 and 7; tininess is detected after rounding (unprivileged specification, 11.2).
 */
import { bitLength, type FloatFormat, NX, OF, RDN, RMM, RNE, RTZ, RUP, UF } from "./format.ts";

/** The rounding mode in force, and the flags raised so far. */
export interface Rounding {
	rm: number;
	flags: number;
}

/** Does `rm` round the magnitude up, `rest` being 1 to 3 quarters of the last place? */
function roundsUp(rm: number, negative: boolean, odd: boolean, rest: number): boolean {
	switch (rm) {
		case RNE:
			return rest > 2 || (rest === 2 && odd);
		case RDN:
			return negative;
		case RUP:
			return !negative;
		case RMM:
			return rest >= 2;
		default:
			return false;
	}
}

/**
 * `magnitude` without its lowest `shift` bits (or with -shift more), rounded to an integer.
 * => NX is raised if that is not exact.
 */
export function shiftRound(
	env: Rounding,
	negative: boolean,
	magnitude: bigint,
	shift: number,
): bigint {
	if (shift <= 0) return magnitude << BigInt(-shift);
	const kept = magnitude >> BigInt(shift);
	const lost = magnitude - (kept << BigInt(shift));
	if (lost === 0n) return kept;
	env.flags |= NX;
	const half = 1n << BigInt(shift - 1);
	const rest = lost > half ? 3 : lost === half ? 2 : 1;
	return roundsUp(env.rm, negative, (kept & 1n) === 1n, rest) ? kept + 1n : kept;
}

/**
 * The number nearest to `magnitude` * 2^`exponent`, with a sign.
 * => a caller that has cut off bits below the lowest bit of `magnitude` has set that bit, and has
 *    kept two bits more than the format's precision.
 */
export function roundPack(
	env: Rounding,
	f: FloatFormat,
	negative: boolean,
	magnitude: bigint,
	exponent: number,
): bigint {
	const sign = negative ? f.signBit : 0n;
	if (magnitude === 0n) return sign;
	const { precision, emin } = f;
	const top = exponent + bitLength(magnitude) - 1;
	// Exponent of the last place.
	const last = Math.max(top, emin) - (precision - 1);
	const before = env.flags;
	env.flags &= ~NX;
	const significand = shiftRound(env, negative, magnitude, last - exponent);
	const inexact = (env.flags & NX) !== 0;
	env.flags |= before;
	if (inexact && top < emin && isTiny(env, f, negative, magnitude, top, top - exponent)) {
		env.flags |= UF;
	}
	// A carry out of the significand goes where it belongs: into the exponent.
	const biased = BigInt(last - (emin - (precision - 1)));
	const packed = (biased << BigInt(precision - 1)) + significand;
	if (packed < f.infinity) return sign | packed;
	env.flags |= OF | NX;
	const away = env.rm === RNE || env.rm === RMM || env.rm === (negative ? RDN : RUP);
	return sign | (away && env.rm !== RTZ ? f.infinity : f.infinity - 1n);
}

/**
 * Would `magnitude`, whose highest bit is worth 2^`top` < 2^emin and is bit `length`, be below the
 * normal numbers even if rounded to full precision?
 */
function isTiny(
	env: Rounding,
	f: FloatFormat,
	negative: boolean,
	magnitude: bigint,
	top: number,
	length: number,
): boolean {
	if (top < f.emin - 1) return true;
	const unbounded = { rm: env.rm, flags: 0 };
	const rounded = shiftRound(unbounded, negative, magnitude, length - (f.precision - 1));
	return rounded !== 1n << BigInt(f.precision);
}
