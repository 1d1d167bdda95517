/**
 * Arithmetic of F and D by that of WebAssembly, rounding to nearest: results, and whether they are
 * exact, which is only asked while NX is clear. The reasoning is that of float/host.ts, in forms
 * without tables and loops. Operands and results are locals.
 */
import { parse } from "../effects.ts";
import * as wasm from "./encoder.ts";
import * as float from "./float-opcodes.ts";
import { FloatQuestions, type Leave } from "./float-questions.ts";
import type { Writer } from "./writer.ts";

/** Locals for what is on the way. The first one of f32 and of f64 is for results. */
export const FLOAT_TEMPORARIES = { words: 1, singles: 4, doubles: 13 } as const;

/** What a sum, rounded, leaves of a + b. T. J. Dekker, 1971. */
const SUM_ERROR = parse("a - (sum - (sum - a)) + (b - (sum - a))");
/** The upper half of a significand; `big` is the number times SPLITTER. */
const UPPER = parse("big - (big - a)");
const LOWER = parse("a - aHigh");
/** What a product, rounded, leaves of a * b. */
const PRODUCT_ERROR = parse("aHigh * bHigh - product + aHigh * bLow + aLow * bHigh + aLow * bLow");
const SPLITTER = 2 ** 27 + 1;

const NEXT_BELOW_ONE = 1 - 2 ** -52;
const NEXT_ABOVE_ONE = 1 + 2 ** -52;

export class FloatArithmetic {
	readonly #code: Writer;
	readonly #ask: FloatQuestions;
	#inexact = 0;
	#word = 0;
	#double = 0;

	constructor(code: Writer) {
		this.#code = code;
		this.#ask = new FloatQuestions(code);
	}

	/** The locals of NX, and the first temporaries of i32 and f64. */
	place(inexact: number, word: number, double: number): void {
		this.#inexact = inexact;
		this.#word = word;
		this.#double = double;
	}

	/** Set NX, unless it is, to what `question` leaves on the stack. */
	note(question: () => void): void {
		const code = this.#code;
		code.get(this.#inexact);
		code.op(wasm.I32_EQZ);
		code.open(wasm.IF);
		question();
		code.set(this.#inexact);
		code.close();
	}

	add(a: number, b: number, double: boolean, result: number, leave: Leave): void {
		this.#sum(a, b, double, result, false, leave);
	}

	sub(a: number, b: number, double: boolean, result: number, leave: Leave): void {
		this.#sum(a, b, double, result, true, leave);
	}

	#sum(a: number, b: number, double: boolean, result: number, minus: boolean, leave: Leave): void {
		const code = this.#code;
		const { add, sub } = double ? float.DOUBLE : float.SINGLE;
		code.get(a);
		code.get(b);
		code.op(minus ? sub : add);
		code.set(result);
		this.#ask.finite(result, double, leave);
		const [left, right, sum] = [this.#double + 1, this.#double + 2, this.#double + 3];
		this.note(() => {
			this.#ask.widened(a, double);
			code.set(left);
			this.#ask.widened(b, double);
			if (minus) code.op(float.DOUBLE.neg);
			code.set(right);
			code.get(left);
			code.get(right);
			code.op(float.DOUBLE.add);
			code.set(sum);
			this.#ask.formula(SUM_ERROR, { a: left, b: right, sum });
			this.#ask.isNotZero();
			if (double) return;
			this.#ask.differs(result, sum);
			code.op(wasm.I32_OR);
		});
	}

	mul(a: number, b: number, double: boolean, result: number, leave: Leave): void {
		const code = this.#code;
		const { mul } = double ? float.DOUBLE : float.SINGLE;
		code.get(a);
		code.get(b);
		code.op(mul);
		code.set(result);
		this.#ask.normal(result, double, () => {
			// Zero, of zero.
			this.#ask.notZero(result, double);
			leave();
			this.#ask.notZero(a, double);
			this.#ask.notZero(b, double);
			code.op(wasm.I32_AND);
			leave();
		});
		this.note(() => {
			if (double) {
				this.#exactProduct([a, b], [a, b], result, result, leave);
				return;
			}
			code.get(result);
			code.op(float.F64_PROMOTE);
			this.#ask.widened(a, double);
			this.#ask.widened(b, double);
			code.op(float.DOUBLE.mul, float.DOUBLE.notEqual);
		});
	}

	div(a: number, b: number, double: boolean, result: number, leave: Leave): void {
		const code = this.#code;
		const { div } = double ? float.DOUBLE : float.SINGLE;
		code.get(a);
		code.get(b);
		code.op(div);
		code.set(result);
		this.#ask.normal(result, double, () => {
			this.#ask.notZero(result, double);
			this.#ask.notZero(a, double);
			code.op(wasm.I32_OR);
			leave();
		});
		this.note(() => this.#quotient(result, b, a, [a, b], double, leave));
	}

	sqrt(a: number, double: boolean, result: number, leave: Leave): void {
		const code = this.#code;
		code.get(a);
		code.op((double ? float.DOUBLE : float.SINGLE).sqrt);
		code.set(result);
		this.#ask.finite(result, double, leave);
		this.note(() => this.#quotient(result, result, a, [a], double, leave));
	}

	/** Leave on the stack whether x * y, x being the result, is not exactly z. */
	#quotient(
		x: number,
		y: number,
		z: number,
		operands: readonly number[],
		double: boolean,
		leave: Leave,
	): void {
		const code = this.#code;
		if (double) {
			this.#exactProduct([x, y], operands, z, x, leave);
			return;
		}
		this.#ask.notZero(x, double);
		this.#ask.widened(x, double);
		this.#ask.widened(y, double);
		code.op(float.DOUBLE.mul);
		this.#ask.widened(z, double);
		code.op(float.DOUBLE.notEqual, wasm.I32_AND);
	}

	/**
	 * Leave on the stack whether the product of two factors, which are doubles, is not exactly z; 0
	 * if `result` is 0. Leaves the region if an operand is subnormal, or the answer takes longer.
	 */
	#exactProduct(
		factors: readonly [number, number],
		operands: readonly number[],
		z: number,
		result: number,
		leave: Leave,
	): void {
		const code = this.#code;
		const [x, y] = factors;
		this.#ask.notZero(result, true);
		code.op(wasm.IF, wasm.I32);
		code.depth++;
		for (const operand of operands) {
			this.#ask.exponent(operand, true);
			code.op(wasm.I32_EQZ);
			leave();
		}
		// Bits of 53 that the significands do not need, both together.
		this.#spareBits(x);
		this.#spareBits(y);
		code.op(wasm.I32_ADD);
		code.tee(this.#word);
		// The product has 53 bits or 54.
		code.constant(52);
		code.op(wasm.I32_EQ);
		leave();
		code.get(this.#word);
		code.constant(52);
		code.op(wasm.I32_LT_S);
		code.get(x);
		code.get(y);
		code.op(float.DOUBLE.mul);
		code.get(z);
		code.op(float.DOUBLE.notEqual, wasm.I32_OR);
		code.op(wasm.ELSE);
		code.constant(0);
		code.close();
	}

	/** Zeros at the end of the significand of a double. */
	#spareBits(a: number): void {
		const code = this.#code;
		code.get(a);
		code.op(float.I64_REINTERPRET);
		code.op(wasm.I64_CONST, 1, wasm.I64_CONST, 52, wasm.I64_SHL);
		code.op(wasm.I64_OR, wasm.I64_CTZ, wasm.I32_WRAP_I64);
	}

	/** a * b + c, rounded once; `signs` says which of product and addend are negated. */
	fused(
		a: number,
		b: number,
		c: number,
		signs: { readonly product: boolean; readonly addend: boolean; readonly double: boolean },
		result: number,
		leave: Leave,
	): void {
		const code = this.#code;
		const { double } = signs;
		const [left, right, addend] = [this.#double + 1, this.#double + 2, this.#double + 3];
		this.#ask.widened(a, double);
		if (signs.product) code.op(float.DOUBLE.neg);
		code.set(left);
		this.#ask.widened(b, double);
		code.set(right);
		this.#ask.widened(c, double);
		if (signs.addend) code.op(float.DOUBLE.neg);
		code.set(addend);
		if (double) this.#fusedDouble(left, right, addend, result, leave);
		else this.#fusedSingle(left, right, addend, result, leave);
	}

	/**
	 * The product of singles is exact as a double. The sum is rounded twice, which is wrong only if
	 * the first rounding ends in the middle of two singles and was not exact.
	 */
	#fusedSingle(a: number, b: number, c: number, result: number, leave: Leave): void {
		const code = this.#code;
		const [product, sum] = [this.#double + 4, this.#double + 5];
		code.get(a);
		code.get(b);
		code.op(float.DOUBLE.mul);
		code.tee(product);
		code.get(c);
		code.op(float.DOUBLE.add);
		code.tee(sum);
		code.op(float.F32_DEMOTE);
		code.set(result);
		const error = (): void => {
			this.#ask.formula(SUM_ERROR, { a: product, b: c, sum });
			this.#ask.isNotZero();
		};
		code.get(sum);
		code.op(float.I64_REINTERPRET, wasm.I32_WRAP_I64);
		code.constant(0x1fff_ffff);
		code.op(wasm.I32_AND);
		code.constant(0x1000_0000);
		code.op(wasm.I32_EQ);
		code.open(wasm.IF);
		error();
		leave();
		code.close();
		this.#ask.normal(result, false, () => {
			this.#ask.notZero(sum, true);
			leave();
		});
		this.note(() => {
			error();
			this.#ask.differs(result, sum);
			code.op(wasm.I32_OR);
		});
	}

	/**
	 * a * b is product + low, exactly, and with c it is sum + high + low. The last two are added
	 * first: `tail` is wrong by its last place at most, and the result is right if that does not
	 * matter.
	 */
	#fusedDouble(a: number, b: number, c: number, result: number, leave: Leave): void {
		const code = this.#code;
		const at = this.#double + 4;
		const [product, low, sum, high, tail] = [at, at + 1, at + 2, at + 3, at + 4];
		const [aHigh, bHigh, aLow, bLow] = [at + 5, at + 6, at + 7, at + 8];
		code.get(a);
		code.get(b);
		code.op(float.DOUBLE.mul);
		code.set(product);
		this.#ask.farFromLimits(product, () => {
			this.#ask.notZero(product, true);
			leave();
			this.#ask.notZero(a, true);
			this.#ask.notZero(b, true);
			code.op(wasm.I32_AND);
			leave();
		});
		this.#split(a, aHigh, aLow, low);
		this.#split(b, bHigh, bLow, low);
		this.#ask.formula(PRODUCT_ERROR, { aHigh, bHigh, aLow, bLow, product });
		code.set(low);
		code.get(product);
		code.get(c);
		code.op(float.DOUBLE.add);
		code.set(sum);
		this.#ask.formula(SUM_ERROR, { a: product, b: c, sum });
		code.tee(high);
		code.get(low);
		code.op(float.DOUBLE.add);
		code.set(tail);
		code.get(sum);
		code.get(tail);
		code.op(float.DOUBLE.add);
		code.set(result);
		// The exact tail is between these two.
		this.#changes(sum, tail, NEXT_BELOW_ONE, result);
		this.#changes(sum, tail, NEXT_ABOVE_ONE, result);
		code.op(wasm.I32_OR);
		code.open(wasm.IF);
		this.#ask.notZero(high, true);
		this.#ask.notZero(low, true);
		code.op(wasm.I32_AND);
		leave();
		code.close();
		this.#ask.normal(result, true, () => {
			this.#ask.notZero(result, true);
			leave();
			// Zeros have the sign of the sum.
			this.#ask.notZero(tail, true);
			leave();
			code.get(sum);
			code.set(result);
		});
		this.note(() => {
			this.#ask.formula(SUM_ERROR, { a: high, b: low, sum: tail });
			this.#ask.isNotZero();
			this.#ask.formula(SUM_ERROR, { a: sum, b: tail, sum: result });
			this.#ask.isNotZero();
			code.op(wasm.I32_OR);
		});
	}

	/** Set `high` and `low` to the halves of `a`. */
	#split(a: number, high: number, low: number, big: number): void {
		const code = this.#code;
		code.get(a);
		code.double(SPLITTER);
		code.op(float.DOUBLE.mul);
		code.set(big);
		this.#ask.formula(UPPER, { a, big });
		code.set(high);
		this.#ask.formula(LOWER, { a, aHigh: high });
		code.set(low);
	}

	/** Is `result` another one if the tail is multiplied by `factor`? */
	#changes(sum: number, tail: number, factor: number, result: number): void {
		const code = this.#code;
		code.get(sum);
		code.get(tail);
		code.double(factor);
		code.op(float.DOUBLE.mul, float.DOUBLE.add);
		code.get(result);
		code.op(float.DOUBLE.notEqual);
	}

	/** fcvt.s.d */
	narrow(a: number, result: number, leave: Leave): void {
		const code = this.#code;
		code.get(a);
		code.op(float.F32_DEMOTE);
		code.set(result);
		this.#ask.normal(result, false, () => {
			this.#ask.notZero(a, true);
			leave();
		});
		this.note(() => this.#ask.differs(result, a));
	}

	/** fcvt.d.s */
	widen(a: number, result: number, leave: Leave): void {
		this.#code.get(a);
		this.#code.op(float.F64_PROMOTE);
		this.#code.set(result);
		this.#ask.finite(result, true, leave);
	}

	/** Set the temporary of i32 to `rounded`, which the double behind it is rounded to. */
	toInteger(rounded: number, unsigned: 0 | 1, leave: Leave): void {
		const code = this.#code;
		code.get(rounded);
		code.op(...float.I32_TRUNC_SAT_F64[unsigned]);
		code.tee(this.#word);
		code.op(float.F64_CONVERT[unsigned]);
		code.get(rounded);
		code.op(float.DOUBLE.notEqual);
		leave();
		this.note(() => {
			code.get(rounded);
			code.get(rounded + 1);
			code.op(float.DOUBLE.notEqual);
		});
	}

	/** Leave the class of a number on the stack: one bit. Unprivileged specification, 11.9. */
	classify(a: number, double: boolean, leave: Leave): void {
		const code = this.#code;
		const { notEqual } = double ? float.DOUBLE : float.SINGLE;
		code.get(a);
		code.get(a);
		code.op(notEqual);
		leave();
		code.constant(1);
		// From infinities to zeros, those with a sign: 0 to 3.
		code.constant(0);
		code.constant(1);
		code.constant(2);
		code.constant(3);
		this.#ask.notZero(a, double);
		code.op(wasm.SELECT);
		this.#ask.exponent(a, double);
		code.op(wasm.SELECT);
		this.#ask.exponent(a, double);
		code.constant(double ? 0x7ff : 0xff);
		code.op(wasm.I32_EQ, wasm.SELECT);
		// Those without: 7 to 4.
		code.constant(0);
		code.constant(7);
		this.#ask.upper(a, double);
		code.constant(0);
		code.op(wasm.I32_LT_S, wasm.SELECT);
		code.op(wasm.I32_XOR, wasm.I32_SHL);
	}

	/** Leaves the region if one of two numbers is a NaN. */
	ordered(a: number, b: number, { notEqual }: float.Arithmetic, leave: Leave): void {
		const code = this.#code;
		code.get(a);
		code.get(a);
		code.op(notEqual);
		if (b !== a) {
			code.get(b);
			code.get(b);
			code.op(notEqual, wasm.I32_OR);
		}
		leave();
	}
}
