/**
 * Binary floating-point formats, rounding modes and exception flags. Unprivileged specification
 * 20191213, section 11.2; IEEE 754-2019, section 3.4.
 */

/** Exception flags, as in fflags. */
export const NX = 1; // inexact
export const UF = 2; // underflow
export const OF = 4; // overflow
export const DZ = 8; // division by zero
export const NV = 16; // invalid operation

/** Rounding modes. */
export const RNE = 0; // to nearest, ties to even
export const RTZ = 1; // towards zero
export const RDN = 2; // down
export const RUP = 3; // up
export const RMM = 4; // to nearest, ties away from zero
/** As a field of an instruction: the mode in frm. */
export const DYN = 7;

/** Values are bit patterns: unsigned bigints of `width` bits. */
export interface FloatFormat {
	readonly width: number;
	/** Bits of the significand, the implied one included. */
	readonly precision: number;
	/** Exponents of the smallest normal number and of the largest finite one. */
	readonly emin: number;
	readonly emax: number;
	/** Position and value of the fields. */
	readonly signBit: bigint;
	/** The exponent all ones: infinity. */
	readonly infinity: bigint;
	readonly fractionMask: bigint;
	readonly quietBit: bigint;
	/** The canonical NaN, which every operation returns that returns a NaN. */
	readonly nan: bigint;
}

function format(width: number, precision: number): FloatFormat {
	const fractionBits = BigInt(precision - 1);
	const emax = 2 ** (width - precision - 1) - 1;
	const signBit = 1n << BigInt(width - 1);
	const fractionMask = (1n << fractionBits) - 1n;
	const infinity = signBit - 1n - fractionMask;
	const quietBit = 1n << (fractionBits - 1n);
	return {
		width,
		precision,
		emin: 1 - emax,
		emax,
		signBit,
		infinity,
		fractionMask,
		quietBit,
		nan: infinity | quietBit,
	};
}

export const SINGLE = format(32, 24);
export const DOUBLE = format(64, 53);

export const isNan = (f: FloatFormat, a: bigint): boolean => (a & ~f.signBit) > f.infinity;
export const isSignaling = (f: FloatFormat, a: bigint): boolean =>
	isNan(f, a) && (a & f.quietBit) === 0n;
export const isInfinite = (f: FloatFormat, a: bigint): boolean => (a & ~f.signBit) === f.infinity;
export const isZero = (f: FloatFormat, a: bigint): boolean => (a & ~f.signBit) === 0n;
export const isNegative = (f: FloatFormat, a: bigint): boolean => (a & f.signBit) !== 0n;

/** Exponent of the lowest bit of the significand of the finite number `a`. */
export function exponentOf(f: FloatFormat, a: bigint): number {
	const biased = Number((a & f.infinity) >> BigInt(f.precision - 1));
	return (biased === 0 ? 1 : biased) - f.emax - (f.precision - 1);
}

/** Significand of the finite number `a`, as an integer. */
export function significandOf(f: FloatFormat, a: bigint): bigint {
	const fraction = a & f.fractionMask;
	return (a & f.infinity) === 0n ? fraction : fraction | (f.fractionMask + 1n);
}

/** Number of bits of a positive integer. */
export function bitLength(n: bigint): number {
	const digits = n.toString(16);
	return digits.length * 4 - Math.clz32(Number.parseInt(digits[0]!, 16)) + 28;
}
