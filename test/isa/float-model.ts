/**
 * Floating-point arithmetic as IEEE 754-2019 defines it, by search: the result is found among the
 * numbers of a format by comparing candidates with the exact result, which is never computed. Slow,
 * and independent of machine/float/.
 */

export interface Model {
	readonly bits: number;
	readonly exponentBits: number;
}

export const F32: Model = { bits: 32, exponentBits: 8 };
export const F64: Model = { bits: 64, exponentBits: 11 };

const fractionBits = (m: Model): number => m.bits - 1 - m.exponentBits;
const bias = (m: Model): number => 2 ** (m.exponentBits - 1) - 1;
export const signOf = (m: Model, a: bigint): boolean => a >> BigInt(m.bits - 1) === 1n;
const magnitude = (m: Model, a: bigint): bigint => a & ((1n << BigInt(m.bits - 1)) - 1n);
export const infinity = (m: Model): bigint =>
	((1n << BigInt(m.exponentBits)) - 1n) << BigInt(fractionBits(m));
const quiet = (m: Model): bigint => 1n << BigInt(fractionBits(m) - 1);
export const canonicalNaN = (m: Model): bigint => infinity(m) | quiet(m);
const isNan = (m: Model, a: bigint): boolean => magnitude(m, a) > infinity(m);
const isSignaling = (m: Model, a: bigint): boolean => isNan(m, a) && (a & quiet(m)) === 0n;
const isInfinite = (m: Model, a: bigint): boolean => magnitude(m, a) === infinity(m);
const isZero = (m: Model, a: bigint): boolean => magnitude(m, a) === 0n;
const withSign = (m: Model, negative: boolean, a: bigint): bigint =>
	negative ? a | (1n << BigInt(m.bits - 1)) : a;

/** A fraction; the denominator is positive. */
interface Ratio {
	readonly n: bigint;
	readonly d: bigint;
}

const power = (e: number): Ratio =>
	e >= 0 ? { n: 1n << BigInt(e), d: 1n } : { n: 1n, d: 1n << BigInt(-e) };
const times = (a: Ratio, b: Ratio): Ratio => ({ n: a.n * b.n, d: a.d * b.d });
const plus = (a: Ratio, b: Ratio): Ratio => ({ n: a.n * b.d + b.n * a.d, d: a.d * b.d });
const compare = (a: Ratio, b: Ratio): number => {
	const left = a.n * b.d;
	const right = b.n * a.d;
	return left < right ? -1 : left > right ? 1 : 0;
};
const absolute = (a: Ratio): Ratio => ({ n: a.n < 0n ? -a.n : a.n, d: a.d });

/** The value of a bit pattern without sign; that of infinity is one step above the largest. */
function value(m: Model, pattern: bigint): Ratio {
	const fraction = pattern & ((1n << BigInt(fractionBits(m))) - 1n);
	const exponent = Number(pattern >> BigInt(fractionBits(m)));
	const significand = exponent === 0 ? fraction : fraction + (1n << BigInt(fractionBits(m)));
	const scale = power(Math.max(exponent, 1) - bias(m) - fractionBits(m));
	return times({ n: significand, d: 1n }, scale);
}

const signedValue = (m: Model, a: bigint): Ratio => {
	const v = value(m, magnitude(m, a));
	return signOf(m, a) ? { n: -v.n, d: v.d } : v;
};

export interface Outcome {
	readonly result: bigint;
	readonly flags: number;
}

const NX = 1;
const UF = 2;
const OF = 4;
const DZ = 8;
const NV = 16;
/** How a candidate compares with the magnitude of the exact result. */
type Compare = (candidate: Ratio) => number;

/** The patterns next to the exact result, and whether the upper one is nearer: -1, 0 (tie) or 1. */
function neighbours(m: Model, exact: Compare): { low: bigint; same: boolean; nearer: number } {
	let low = 0n;
	let high = infinity(m);
	while (high - low > 1n) {
		const middle = (low + high) >> 1n;
		if (exact(value(m, middle)) <= 0) low = middle;
		else high = middle;
	}
	const middle = times(plus(value(m, low), value(m, low + 1n)), power(-1));
	return { low, same: exact(value(m, low)) === 0, nearer: -exact(middle) };
}

function choose(m: Model, exact: Compare, negative: boolean, rm: number): [bigint, boolean] {
	const { low, same, nearer } = neighbours(m, exact);
	if (same) return [low, true];
	const up = [
		nearer > 0 || (nearer === 0 && (low & 1n) === 1n),
		false,
		negative,
		!negative,
		nearer >= 0,
	][rm]!;
	return [up ? low + 1n : low, false];
}

/** Rounds a result that is not zero. */
function round(m: Model, exact: Compare, negative: boolean, rm: number): Outcome {
	const beyond = exact(value(m, infinity(m))) <= 0;
	const [chosen, same] = choose(m, exact, negative, rm);
	if (beyond || chosen === infinity(m)) {
		// Beyond the largest number the nearest is the infinite one.
		const infinite = rm === 0 || rm === 4 || rm === (negative ? 2 : 3);
		const result = infinite ? infinity(m) : infinity(m) - 1n;
		return { result: withSign(m, negative, result), flags: OF | NX };
	}
	if (same) return { result: withSign(m, negative, chosen), flags: 0 };
	// Tiny: still below the normal numbers when rounded where there is room for all bits.
	const up = power(128);
	const smallest = value(m, 1n << BigInt(fractionBits(m)));
	const [scaled] = choose(m, (c) => exact(times(c, power(-128))), negative, rm);
	const tiny = compare(value(m, scaled), times(smallest, up)) < 0;
	return { result: withSign(m, negative, chosen), flags: tiny ? UF | NX : NX };
}

const roundRatio = (m: Model, r: Ratio, rm: number): Outcome =>
	round(m, (c) => compare(c, absolute(r)), r.n < 0n, rm);

function sum(m: Model, a: Ratio, b: Ratio, zeroSign: boolean | null, rm: number): Outcome {
	const r = plus(a, b);
	if (r.n === 0n) return { result: withSign(m, zeroSign ?? rm === 2, 0n), flags: 0 };
	return roundRatio(m, r, rm);
}

const invalid = (m: Model): Outcome => ({ result: canonicalNaN(m), flags: NV });

/** What all operations do with NaNs among their operands. => null: there is none. */
function nan(m: Model, ...operands: bigint[]): Outcome | null {
	if (operands.some((a) => isSignaling(m, a))) return invalid(m);
	return operands.some((a) => isNan(m, a)) ? { result: canonicalNaN(m), flags: 0 } : null;
}

export function mulAdd(m: Model, a: bigint, b: bigint, c: bigint, rm: number): Outcome {
	const negative = signOf(m, a) !== signOf(m, b);
	const infinite = isInfinite(m, a) || isInfinite(m, b);
	if (infinite && (isZero(m, a) || isZero(m, b))) return invalid(m);
	const none = nan(m, a, b, c);
	if (none !== null) return none;
	if (infinite) {
		if (isInfinite(m, c) && signOf(m, c) !== negative) return invalid(m);
		return { result: withSign(m, negative, infinity(m)), flags: 0 };
	}
	if (isInfinite(m, c)) return { result: c, flags: 0 };
	const product = times(signedValue(m, a), signedValue(m, b));
	return sum(m, product, signedValue(m, c), signOf(m, c) === negative ? negative : null, rm);
}

export function add(m: Model, a: bigint, b: bigint, rm: number): Outcome {
	const none = nan(m, a, b);
	if (none !== null) return none;
	if (isInfinite(m, a) || isInfinite(m, b)) {
		if (isInfinite(m, a) && isInfinite(m, b) && a !== b) return invalid(m);
		return { result: isInfinite(m, a) ? a : b, flags: 0 };
	}
	const sign = signOf(m, a) === signOf(m, b) ? signOf(m, a) : null;
	return sum(m, signedValue(m, a), signedValue(m, b), sign, rm);
}

export function mul(m: Model, a: bigint, b: bigint, rm: number): Outcome {
	const none = nan(m, a, b);
	if (none !== null) return none;
	const negative = signOf(m, a) !== signOf(m, b);
	if (isInfinite(m, a) || isInfinite(m, b)) {
		if (isZero(m, a) || isZero(m, b)) return invalid(m);
		return { result: withSign(m, negative, infinity(m)), flags: 0 };
	}
	if (isZero(m, a) || isZero(m, b)) return { result: withSign(m, negative, 0n), flags: 0 };
	return roundRatio(m, times(signedValue(m, a), signedValue(m, b)), rm);
}

export function div(m: Model, a: bigint, b: bigint, rm: number): Outcome {
	const none = nan(m, a, b);
	if (none !== null) return none;
	const negative = signOf(m, a) !== signOf(m, b);
	if (isInfinite(m, a) && isInfinite(m, b)) return invalid(m);
	if (isZero(m, a) && isZero(m, b)) return invalid(m);
	if (isInfinite(m, a) || isZero(m, b)) {
		const flags = isInfinite(m, a) ? 0 : DZ;
		return { result: withSign(m, negative, infinity(m)), flags };
	}
	if (isInfinite(m, b) || isZero(m, a)) return { result: withSign(m, negative, 0n), flags: 0 };
	const divisor = absolute(signedValue(m, b));
	const quotient = times(absolute(signedValue(m, a)), { n: divisor.d, d: divisor.n });
	return round(m, (c) => compare(c, quotient), negative, rm);
}

export function sqrt(m: Model, a: bigint, rm: number): Outcome {
	const none = nan(m, a);
	if (none !== null) return none;
	if (isZero(m, a)) return { result: a, flags: 0 };
	if (signOf(m, a)) return invalid(m);
	if (isInfinite(m, a)) return { result: a, flags: 0 };
	return round(m, (c) => compare(times(c, c), signedValue(m, a)), false, rm);
}

/** A number of `from` as one of `to`. */
export function convert(from: Model, to: Model, a: bigint, rm: number): Outcome {
	if (isNan(from, a)) {
		return { result: canonicalNaN(to), flags: isSignaling(from, a) ? NV : 0 };
	}
	if (isInfinite(from, a)) return { result: withSign(to, signOf(from, a), infinity(to)), flags: 0 };
	if (isZero(from, a)) return { result: withSign(to, signOf(from, a), 0n), flags: 0 };
	return roundRatio(to, signedValue(from, a), rm);
}

export function fromInteger(m: Model, n: bigint, rm: number): Outcome {
	return n === 0n ? { result: 0n, flags: 0 } : roundRatio(m, { n, d: 1n }, rm);
}

/** To a 32-bit integer; out of range the nearest end of it, and NV alone. */
export function toInteger(m: Model, a: bigint, signed: boolean, rm: number): Outcome {
	const lowest = signed ? -(2n ** 31n) : 0n;
	const highest = signed ? 2n ** 31n - 1n : 2n ** 32n - 1n;
	if (isNan(m, a)) return { result: highest, flags: NV };
	const end = signOf(m, a) ? lowest : highest;
	if (isInfinite(m, a)) return { result: end, flags: NV };
	const r = signedValue(m, a);
	// BigInt division truncates; the floor is one less where that went up.
	const floor = r.n / r.d - (r.n < 0n && r.n % r.d !== 0n ? 1n : 0n);
	const rest = compare({ n: 2n * (r.n - floor * r.d), d: r.d }, { n: 1n, d: 1n });
	const exact = floor * r.d === r.n;
	const up = [
		rest > 0 || (rest === 0 && floor % 2n !== 0n),
		r.n < 0n,
		false,
		true,
		rest > 0 || (rest === 0 && r.n > 0n),
	][rm]!;
	const n = exact || !up ? floor : floor + 1n;
	if (n < lowest || n > highest) return { result: end, flags: NV };
	return { result: n, flags: exact ? 0 : NX };
}

/** feq, flt, fle: 1 or 0. */
export function relation(m: Model, name: string, a: bigint, b: bigint): Outcome {
	if (isNan(m, a) || isNan(m, b)) {
		const silent = name === "feq" && !isSignaling(m, a) && !isSignaling(m, b);
		return { result: 0n, flags: silent ? 0 : NV };
	}
	const key = (x: bigint): bigint => (signOf(m, x) ? -magnitude(m, x) : magnitude(m, x));
	const [x, y] = [key(a), key(b)];
	const holds = name === "feq" ? x === y : name === "flt" ? x < y : x <= y;
	return { result: holds ? 1n : 0n, flags: 0 };
}

export function minMax(m: Model, name: string, a: bigint, b: bigint): Outcome {
	const flags = isSignaling(m, a) || isSignaling(m, b) ? NV : 0;
	if (isNan(m, a)) return { result: isNan(m, b) ? canonicalNaN(m) : b, flags };
	if (isNan(m, b)) return { result: a, flags };
	const [x, y] = [signedValue(m, a), signedValue(m, b)];
	let order = isInfinite(m, a) || isInfinite(m, b) ? 0 : compare(x, y);
	if (order === 0) {
		const key = (p: bigint): bigint => (signOf(m, p) ? -1n - magnitude(m, p) : magnitude(m, p));
		order = key(a) < key(b) ? -1 : 1;
	}
	return { result: (name === "fmin") === order < 0 ? a : b, flags };
}
