/** Floating-point instructions of WebAssembly. Core specification 1.0, 5.4. */

export const F32 = 0x7d;
export const F64 = 0x7c;
export const F32_LOAD = 0x2a;
export const F64_LOAD = 0x2b;
export const F32_STORE = 0x38;
export const F64_STORE = 0x39;
export const F64_ADD = 0xa0;
export const F64_CONST = 0x44;
export const F32_CONVERT = [0xb2, 0xb3] as const; // from signed, from unsigned
export const F64_CONVERT = [0xb7, 0xb8] as const;
export const F32_DEMOTE = 0xb6;
export const F64_PROMOTE = 0xbb;
export const I32_REINTERPRET = 0xbc;
export const I64_REINTERPRET = 0xbd;
export const F32_REINTERPRET = 0xbe;
export const F64_REINTERPRET = 0xbf;
/** Out of range, these give the nearest end of the range: to signed, to unsigned. */
export const I32_TRUNC_SAT_F64 = [
	[0xfc, 2],
	[0xfc, 3],
] as const;
export const F64_CEIL = 0x9b;
export const F64_FLOOR = 0x9c;
export const F64_TRUNC = 0x9d;
export const F64_NEAREST = 0x9e;

/** The instructions of one format. */
export interface Arithmetic {
	readonly equal: number;
	readonly notEqual: number;
	readonly less: number;
	readonly lessOrEqual: number;
	readonly abs: number;
	readonly neg: number;
	readonly sqrt: number;
	readonly add: number;
	readonly sub: number;
	readonly mul: number;
	readonly div: number;
	readonly min: number;
	readonly max: number;
	readonly copySign: number;
}

const arithmetic = (compare: number, compute: number): Arithmetic => ({
	equal: compare,
	notEqual: compare + 1,
	less: compare + 2,
	lessOrEqual: compare + 4,
	abs: compute,
	neg: compute + 1,
	sqrt: compute + 6,
	add: compute + 7,
	sub: compute + 8,
	mul: compute + 9,
	div: compute + 10,
	min: compute + 11,
	max: compute + 12,
	copySign: compute + 13,
});

export const SINGLE = arithmetic(0x5b, 0x8b);
export const DOUBLE = arithmetic(0x61, 0x99);
