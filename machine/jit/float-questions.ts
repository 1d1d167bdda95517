/** Questions about floating-point numbers in locals: the answers are left on the stack. */
import type { Expression } from "../effects.ts";
import * as wasm from "./encoder.ts";
import * as float from "./float-opcodes.ts";
import type { Writer } from "./writer.ts";

/** Leaves the region if what is on the stack is not 0. */
export type Leave = () => void;

/** Formulas over doubles. */
const OPERATORS: Readonly<Record<string, number>> = {
	"+": float.DOUBLE.add,
	"-": float.DOUBLE.sub,
	"*": float.DOUBLE.mul,
};
export class FloatQuestions {
	readonly #code: Writer;

	constructor(code: Writer) {
		this.#code = code;
	}

	/** Leaves the region if a number is infinite or a NaN. */
	finite(a: number, double: boolean, leave: Leave): void {
		const code = this.#code;
		this.exponent(a, double);
		code.constant(double ? 0x7ff : 0xff);
		code.op(wasm.I32_EQ);
		leave();
	}

	/** `otherwise` follows unless a number is normal; the smallest one might be rounded up to it. */
	normal(a: number, double: boolean, otherwise: () => void): void {
		this.#exponentFrom(a, double, 2, (double ? 0x7ff : 0xff) - 2, otherwise);
	}

	/** The same unless a double can be a product with an exact error. */
	farFromLimits(a: number, otherwise: () => void): void {
		this.#exponentFrom(a, true, 0x3ff - 900, 1800, otherwise);
	}

	#exponentFrom(
		a: number,
		double: boolean,
		low: number,
		count: number,
		otherwise: () => void,
	): void {
		const code = this.#code;
		this.exponent(a, double);
		code.constant(low);
		code.op(wasm.I32_SUB);
		code.constant(count);
		code.op(wasm.I32_GE_U);
		code.open(wasm.IF);
		otherwise();
		code.close();
	}

	/** The biased exponent. */
	exponent(a: number, double: boolean): void {
		const code = this.#code;
		this.upper(a, double);
		code.constant(double ? 20 : 23);
		code.op(wasm.I32_SHR_U);
		code.constant(double ? 0x7ff : 0xff);
		code.op(wasm.I32_AND);
	}

	/** The word with the sign. */
	upper(a: number, double: boolean): void {
		const code = this.#code;
		code.get(a);
		if (!double) code.op(float.I32_REINTERPRET);
		else code.op(float.I64_REINTERPRET, wasm.I64_CONST, 32, wasm.I64_SHR_U, wasm.I32_WRAP_I64);
	}

	notZero(a: number, double: boolean): void {
		const code = this.#code;
		code.get(a);
		if (double) this.isNotZero();
		else {
			code.op(float.F64_PROMOTE);
			this.isNotZero();
		}
	}

	/** Of the double on the stack. */
	isNotZero(): void {
		this.#code.double(0);
		this.#code.op(float.DOUBLE.notEqual);
	}

	/** Is a single another number than a double? */
	differs(single: number, double: number): void {
		const code = this.#code;
		code.get(single);
		code.op(float.F64_PROMOTE);
		code.get(double);
		code.op(float.DOUBLE.notEqual);
	}

	/** An operand as a double. */
	widened(a: number, double: boolean): void {
		this.#code.get(a);
		if (!double) this.#code.op(float.F64_PROMOTE);
	}

	/** A formula over the locals that `names` has. */
	formula(formula: Expression, names: Readonly<Record<string, number>>): void {
		const code = this.#code;
		if (typeof formula === "string") code.get(names[formula]!);
		else if (typeof formula !== "number") {
			const [operator, left, right] = formula as [string, Expression, Expression];
			this.formula(left, names);
			this.formula(right, names);
			code.op(OPERATORS[operator]!);
		}
	}
}
