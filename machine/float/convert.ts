/** Conversions between formats and integers; see exact.ts. */
import {
	exponentOf,
	type FloatFormat,
	isInfinite,
	isNan,
	isNegative,
	isSignaling,
	NV,
	significandOf,
} from "./format.ts";
import { type Rounding, roundPack, shiftRound } from "./round.ts";

/**
 * fcvt.w and, unless `signed`, fcvt.wu: the 32-bit integer nearest to `a`.
 * => out of range, the nearest end of the range, and for a NaN the upper one; NV is then the only
 *    flag.
 */
export function toInteger(env: Rounding, f: FloatFormat, a: bigint, signed: boolean): number {
	const low = signed ? -(2n ** 31n) : 0n;
	const high = signed ? 2n ** 31n - 1n : 2n ** 32n - 1n;
	const before = env.flags;
	let value = high + 1n;
	if (!isNan(f, a)) {
		const negative = isNegative(f, a);
		const magnitude = isInfinite(f, a)
			? 2n ** 33n
			: shiftRound(env, negative, significandOf(f, a), -exponentOf(f, a));
		value = negative ? -magnitude : magnitude;
	}
	if (value >= low && value <= high) return Number(value) | 0;
	env.flags = before | NV;
	return Number(value < low ? low : high) | 0;
}

/** fcvt.s.w and its like. `n` is an integer. */
export function fromInteger(env: Rounding, f: FloatFormat, n: number): bigint {
	return roundPack(env, f, n < 0, BigInt(Math.abs(n)), 0);
}

/** fcvt.s.d, fcvt.d.s. */
export function changeFormat(env: Rounding, from: FloatFormat, to: FloatFormat, a: bigint): bigint {
	if (isNan(from, a)) {
		if (isSignaling(from, a)) env.flags |= NV;
		return to.nan;
	}
	const negative = isNegative(from, a);
	if (isInfinite(from, a)) return negative ? to.signBit | to.infinity : to.infinity;
	return roundPack(env, to, negative, significandOf(from, a), exponentOf(from, a));
}
