/**
 * What instructions of F and D do, as data: for each operation of F its name here; those of D are
 * the same in double precision. effects.ts has them beside the other instructions, and exact.ts
 * what they mean. Unprivileged specification 20191213, chapters 11 and 12.
 */
import { OP } from "../op.ts";

/** What is done with numbers of one format. */
export type FloatOperation =
	| "add"
	| "sub"
	| "mul"
	| "div"
	| "sqrt"
	/** rs1 * rs2 + rs3, and with signs: -rs1, -rs3. */
	| "fmadd"
	| "fmsub"
	| "fnmsub"
	| "fnmadd"
	/** rs1 with the sign of rs2, with its opposite, and with both signs multiplied. */
	| "sign"
	| "signNegated"
	| "signProduct"
	| "min"
	| "max"
	| "equal"
	| "less"
	| "lessOrEqual"
	| "classify"
	| "toSigned"
	| "toUnsigned"
	| "fromSigned"
	| "fromUnsigned"
	/** The low word of an f register to an x register, and back. */
	| "bitsToInteger"
	| "bitsFromInteger"
	/** From the other format. */
	| "narrow"
	| "widen";

export interface FloatEffect {
	readonly kind: "float";
	readonly does: FloatOperation;
	/** Is it of D? */
	readonly double: boolean;
}

/** In the order of OP, from FADD_S and FADD_D on. */
const BOTH: readonly FloatOperation[] = [
	...(["add", "sub", "mul", "div", "sqrt", "sign", "signNegated", "signProduct"] as const),
	...(["min", "max", "equal", "less", "lessOrEqual", "classify"] as const),
	...(["toSigned", "toUnsigned", "fromSigned", "fromUnsigned"] as const),
	...(["fmadd", "fmsub", "fnmsub", "fnmadd"] as const),
];

/** The effect of each operation of F and D but loads and stores. */
export const FLOAT_EFFECTS: readonly (readonly [number, FloatEffect])[] = [
	...BOTH.map((does, i) => [OP.FADD_S + i, { kind: "float", does, double: false }] as const),
	...BOTH.map((does, i) => [OP.FADD_D + i, { kind: "float", does, double: true }] as const),
	[OP.FMV_X_W, { kind: "float", does: "bitsToInteger", double: false }],
	[OP.FMV_W_X, { kind: "float", does: "bitsFromInteger", double: false }],
	[OP.FCVT_S_D, { kind: "float", does: "narrow", double: true }],
	[OP.FCVT_D_S, { kind: "float", does: "widen", double: false }],
];
