/** Values of expressions, on the stack of WebAssembly. */
import type { Expression } from "../effects.ts";
import * as wasm from "./encoder.ts";
import type { Writer } from "./writer.ts";

const BINARY: Readonly<Record<string, number>> = {
	"+": wasm.I32_ADD,
	"-": wasm.I32_SUB,
	"*": wasm.I32_MUL,
	"&": wasm.I32_AND,
	"|": wasm.I32_OR,
	"^": wasm.I32_XOR,
	"<<": wasm.I32_SHL,
	">>": wasm.I32_SHR_S,
	">>>": wasm.I32_SHR_U,
	"<": wasm.I32_LT_S,
	"<u": wasm.I32_LT_U,
	">": wasm.I32_GT_S,
	">u": wasm.I32_GT_U,
	">=": wasm.I32_GE_S,
	">=u": wasm.I32_GE_U,
	"==": wasm.I32_EQ,
	"!=": wasm.I32_NE,
	rol: wasm.I32_ROTL,
	ror: wasm.I32_ROTR,
};
const UNARY: Readonly<Record<string, number>> = {
	clz: wasm.I32_CLZ,
	ctz: wasm.I32_CTZ,
	cpop: wasm.I32_POPCNT,
};
/** How both factors of a long multiplication are extended. */
const LONG: Readonly<Record<string, readonly [number, number]>> = {
	mulh: [wasm.I64_EXTEND_I32_S, wasm.I64_EXTEND_I32_S],
	mulhsu: [wasm.I64_EXTEND_I32_S, wasm.I64_EXTEND_I32_U],
	mulhu: [wasm.I64_EXTEND_I32_U, wasm.I64_EXTEND_I32_U],
};
/** How far a carry-less product is shifted. */
const CARRYLESS: Readonly<Record<string, number>> = { clmul: 0, clmulr: 31, clmulh: 32 };
const DIVISION: Readonly<Record<string, number>> = {
	div: wasm.I32_DIV_S,
	divu: wasm.I32_DIV_U,
	rem: wasm.I32_REM_S,
	remu: wasm.I32_REM_U,
};

/** `operand` writes the value of a name. */
export function writeExpression(
	code: Writer,
	expression: Expression,
	operand: (name: string) => void,
): void {
	if (typeof expression === "number") {
		code.constant(expression);
		return;
	}
	if (typeof expression === "string") {
		operand(expression);
		return;
	}
	const [operator, ...parts] = expression;
	const write = (i: number): void => writeExpression(code, parts[i]!, operand);
	const long = LONG[operator];
	const shift = CARRYLESS[operator];
	if (operator in DIVISION) divide(code, operator, write);
	else if (long !== undefined) {
		write(0);
		code.op(long[0]);
		write(1);
		code.op(long[1], wasm.I64_MUL, wasm.I64_CONST, 32, wasm.I64_SHR_S, wasm.I32_WRAP_I64);
	} else if (shift !== undefined) {
		multiplyCarryless(code, write);
		code.op(wasm.I64_CONST, shift, wasm.I64_SHR_U, wasm.I32_WRAP_I64);
	} else if (operator === "?") {
		write(1);
		write(2);
		write(0);
		code.op(wasm.SELECT);
	} else {
		for (let i = 0; i < parts.length; i++) write(i);
		code.op((BINARY[operator] ?? UNARY[operator])!);
	}
}

/** Division never traps; unprivileged specification 20191213, table 7.1. */
function divide(code: Writer, operator: string, write: (i: number) => void): void {
	const plain = (): void => {
		write(0);
		write(1);
		code.op(DIVISION[operator]!);
	};
	const byMinusOne = (): void => {
		code.constant(0);
		write(0);
		code.op(wasm.I32_SUB);
	};
	const nonzero = (): void => {
		if (operator !== "div") {
			plain();
			return;
		}
		write(1);
		code.constant(-1);
		code.op(wasm.I32_EQ);
		code.choose(byMinusOne, plain);
	};
	write(1);
	code.op(wasm.I32_EQZ);
	code.choose(operator.startsWith("div") ? () => code.constant(-1) : () => write(0), nonzero);
}

/**
 * Leave the product of both operands without carries on the stack, as i64. Of the bits of an
 * operand only every fourth takes part in a multiplication, so that a carry ends before it reaches
 * the next place that counts.
 */
function multiplyCarryless(code: Writer, write: (i: number) => void): void {
	const part = (i: number, n: number): void => {
		write(i);
		code.constant(0x1111_1111 << n);
		code.op(wasm.I32_AND, wasm.I64_EXTEND_I32_U);
	};
	for (let place = 0; place < 4; place++) {
		for (let n = 0; n < 4; n++) {
			part(0, n);
			part(1, (place - n) & 3);
			code.op(wasm.I64_MUL);
			if (n > 0) code.op(wasm.I64_XOR);
		}
		code.constant(0x1111_1111 << place);
		code.op(wasm.I64_EXTEND_I32_U);
		code.constant(0x1111_1111 << place);
		code.op(wasm.I64_EXTEND_I32_U, wasm.I64_CONST, 32, wasm.I64_SHL, wasm.I64_OR, wasm.I64_AND);
		if (place > 0) code.op(wasm.I64_OR);
	}
}
