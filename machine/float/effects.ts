/**
 * What instructions of F and D do: for each operation the name that the instruction table (isa.ts)
 * has for it, and the format of the numbers. effects.ts has them beside the other instructions, and
 * exact.ts what they mean. Unprivileged specification 20191213, chapters 11 and 12.
 */
import { WORD_INSTRUCTIONS } from "../isa.ts";
import { OP } from "../op.ts";

/** What is done with numbers of one format. */
export const FLOAT_OPERATIONS = [
	...(["add", "sub", "mul", "div", "sqrt"] as const),
	// rs1 * rs2 + rs3, and with signs: -rs1, -rs3.
	...(["fmadd", "fmsub", "fnmsub", "fnmadd"] as const),
	// rs1 with the sign of rs2, with its opposite, and with both signs multiplied.
	...(["sign", "signNegated", "signProduct"] as const),
	...(["min", "max", "equal", "less", "lessOrEqual", "classify"] as const),
	...(["toSigned", "toUnsigned", "fromSigned", "fromUnsigned"] as const),
	// The low word of an f register to an x register, and back.
	...(["bitsToInteger", "bitsFromInteger"] as const),
	// From the other format.
	...(["narrow", "widen"] as const),
] as const;

export type FloatOperation = (typeof FLOAT_OPERATIONS)[number];

export interface FloatEffect {
	readonly kind: "float";
	readonly does: FloatOperation;
	/** Is it of D? */
	readonly double: boolean;
}

/** The effect of each operation of F and D but loads and stores, as the table has it. */
export const FLOAT_EFFECTS: readonly (readonly [number, FloatEffect])[] = WORD_INSTRUCTIONS.filter(
	({ op }) => op >= OP.FADD_S,
).map(({ op, effect }) => {
	const does = effect!.slice("f32 ".length) as FloatOperation;
	return [op, { kind: "float", does, double: effect!.startsWith("f64") }];
});
