/**
 * Instructions of F and D. The arithmetic of WebAssembly rounds to nearest and has no flags, so an
 * instruction is executed here while the rounding mode is that one, FS is Dirty, and operands and
 * result are such that no flag but NX can be raised; otherwise it is left to the interpreter, like
 * an access that the mirror does not allow.
 */
import { FLOAT_EFFECTS, type FloatEffect } from "../float/effects.ts";
import { NX } from "../float/format.ts";
import { MSTATUS_FS } from "../hart-state.ts";
import { H_FFLAGS, H_FRM, H_MSTATUS } from "../memory.ts";
import { OP } from "../op.ts";
import type { Block, Instruction } from "./block.ts";
import * as wasm from "./encoder.ts";
import { FLOAT_TEMPORARIES, FloatArithmetic } from "./float-arithmetic.ts";
import * as float from "./float-opcodes.ts";
import { FloatRegisters } from "./float-registers.ts";
import type { Writer } from "./writer.ts";

/** What the rest of the region's code does for this. */
export interface FloatContext {
	/** Leave the value of an x register on the stack. */
	get(register: number): void;
	/** Set an x register to what is on the stack. */
	set(register: number): void;
}

const RNE = 0;
const RTZ = 1;
const RDN = 2;
const RUP = 3;
const DYN = 7;

const EFFECTS = new Map<number, FloatEffect>(FLOAT_EFFECTS);

/** Is it one that is compiled? Those with a rounding mode of their own are not, but conversions. */
export function compilesFloat({ op, imm }: Instruction): boolean {
	const effect = EFFECTS.get(op);
	if (effect === undefined) return op >= OP.FLW && op <= OP.FSD;
	const rm = imm & 7;
	switch (effect.does) {
		case "toSigned":
		case "toUnsigned":
			return rm <= RUP || rm === DYN;
		case "fromSigned":
		case "fromUnsigned":
			return effect.double || rm === RNE || rm === DYN;
		case "add":
		case "sub":
		case "mul":
		case "div":
		case "sqrt":
		case "fmadd":
		case "fmsub":
		case "fnmsub":
		case "fnmadd":
		case "narrow":
			return rm === RNE || rm === DYN;
		default:
			return true;
	}
}

export class FloatCode {
	readonly #registers: FloatRegisters;
	readonly #code: Writer;
	readonly #context: FloatContext;
	readonly #arithmetic: FloatArithmetic;
	/** The local that says whether instructions can be executed here. */
	#ready = 0;
	/** Is that known at the place that is being written? */
	#isReady = false;
	/** The local that has NX. */
	#inexact = 0;
	/** Temporaries: two of i32, some of f32, some of f64. */
	#word = 0;
	#single = 0;
	#double = 0;

	constructor(code: Writer, blocks: readonly Block[], context: FloatContext) {
		this.#code = code;
		this.#context = context;
		this.#registers = new FloatRegisters(code, blocks);
		this.#arithmetic = new FloatArithmetic(code);
	}

	/** => its locals, of which the first is `first`: how many of which type */
	place(first: number): readonly (readonly [number, number])[] {
		const registers = this.#registers;
		if (!registers.any) return [];
		const { words, singles, doubles } = FLOAT_TEMPORARIES;
		this.#ready = first;
		this.#inexact = first + 1;
		this.#word = first + 2;
		const after = first + 2 + words;
		const [uppers, ...values] = registers.place(after);
		this.#single = after + uppers + values[0] + values[1];
		this.#double = this.#single + singles;
		this.#arithmetic.place(this.#inexact, this.#word, this.#double);
		return [
			[2 + words + uppers, wasm.I32],
			[values[0], float.F32],
			[values[1], float.F64],
			[singles, float.F32],
			[doubles, float.F64],
		];
	}

	/** Where control enters the function. */
	load(): void {
		if (!this.#registers.any) return;
		this.#registers.load();
		this.reload();
	}

	/** The mode or the flags have changed. */
	reload(): void {
		if (!this.#registers.any) return;
		const code = this.#code;
		this.#isReady = false;
		code.loadWord(H_MSTATUS);
		code.constant(MSTATUS_FS);
		code.op(wasm.I32_AND);
		code.constant(MSTATUS_FS);
		code.op(wasm.I32_EQ);
		code.loadWord(H_FRM);
		code.op(wasm.I32_EQZ, wasm.I32_AND);
		code.set(this.#ready);
		code.loadWord(H_FFLAGS);
		code.constant(NX);
		code.op(wasm.I32_AND);
		code.set(this.#inexact);
	}

	/** Where it leaves. */
	store(): void {
		this.#registers.store();
		this.storeFlags();
	}

	/** Have H_FFLAGS say what instructions have raised here. */
	storeFlags(): void {
		if (!this.#registers.any) return;
		const code = this.#code;
		code.storeWord(H_FFLAGS, () => {
			code.loadWord(H_FFLAGS);
			code.get(this.#inexact);
			code.op(wasm.I32_OR);
		});
	}

	/** Instructions follow to which control comes from elsewhere. */
	begin(): void {
		this.#isReady = false;
		this.#registers.begin();
	}

	/** Leave by `exit` unless instructions can be executed here. */
	ready(exit: () => void): void {
		if (this.#isReady) return;
		this.#isReady = true;
		const code = this.#code;
		code.get(this.#ready);
		code.op(wasm.I32_EQZ);
		code.open(wasm.IF);
		exit();
		code.close();
	}

	/** The load of a register; the host offset is on the stack. */
	loadAt(register: number, bytes: number, offset: number): void {
		const code = this.#code;
		if (bytes === 8) {
			code.memory(float.F64_LOAD, 3, offset);
			this.#registers.setDouble(register);
		} else {
			code.memory(float.F32_LOAD, 2, offset);
			this.#registers.setSingle(register);
		}
	}

	/** The store of a register; the host offset is on the stack. */
	storeAt(register: number, bytes: number, offset: number): void {
		this.#registers.storeAt(register, bytes, offset);
	}

	/** Execute `instruction`, or leave by `exit` before it. */
	execute(instruction: Instruction, effect: FloatEffect, exit: () => void): void {
		const code = this.#code;
		this.ready(exit);
		code.open(wasm.BLOCK);
		const done = code.depth;
		code.open(wasm.BLOCK);
		const label = code.depth;
		this.#execute(instruction, effect, () => code.branchIf(label));
		code.branchTo(done);
		code.close();
		exit();
		code.close();
	}

	/** `leave` leaves if what is on the stack is not 0. */
	#execute(instruction: Instruction, effect: FloatEffect, leave: () => void): void {
		const { rd, rs1, imm } = instruction;
		const { does, double } = effect;
		const code = this.#code;
		const registers = this.#registers;
		if (does === "bitsToInteger") {
			registers.bits(rs1);
			this.#context.set(rd);
			return;
		}
		if (does === "bitsFromInteger") {
			this.#context.get(rs1);
			code.op(float.F32_REINTERPRET);
			registers.setSingle(rd);
			return;
		}
		if (does === "fromSigned" || does === "fromUnsigned") {
			this.#fromInteger(rd, rs1, double, does === "fromSigned" ? 0 : 1);
			return;
		}
		const a = this.#operand(rs1, double, 0, leave);
		switch (does) {
			case "narrow":
				this.#arithmetic.narrow(a, this.#single, leave);
				code.get(this.#single);
				registers.setSingle(rd);
				return;
			case "widen":
				this.#arithmetic.widen(a, this.#double, leave);
				code.get(this.#double);
				registers.setDouble(rd);
				return;
			case "toSigned":
			case "toUnsigned":
				this.#round(a, double, imm & 7);
				this.#arithmetic.toInteger(this.#double, does === "toSigned" ? 0 : 1, leave);
				code.get(this.#word);
				this.#context.set(rd);
				return;
			case "classify":
				this.#arithmetic.classify(a, double, leave);
				this.#context.set(rd);
				return;
			case "sqrt":
				this.#arithmetic.sqrt(a, double, this.#result(double), leave);
				this.#set(rd, double);
				return;
			default:
				this.#pair(instruction, effect, a, leave);
		}
	}

	/** Instructions with two operands or three. */
	#pair(instruction: Instruction, effect: FloatEffect, a: number, leave: () => void): void {
		const { rd, rs1, rs2, imm } = instruction;
		const { does, double } = effect;
		const code = this.#code;
		const arithmetic = this.#arithmetic;
		const result = this.#result(double);
		const b = rs2 === rs1 ? a : this.#operand(rs2, double, 1, leave);
		const operation = double ? float.DOUBLE : float.SINGLE;
		switch (does) {
			case "equal":
			case "less":
			case "lessOrEqual":
				arithmetic.ordered(a, b, operation, leave);
				code.get(a);
				code.get(b);
				code.op(operation[does === "equal" ? "equal" : does]);
				this.#context.set(rd);
				return;
			case "min":
			case "max":
				arithmetic.ordered(a, b, operation, leave);
				code.get(a);
				code.get(b);
				code.op(operation[does]);
				code.set(result);
				break;
			case "sign":
			case "signNegated":
			case "signProduct":
				this.#sign(does, a, b, double);
				code.set(result);
				break;
			case "add":
			case "sub":
			case "mul":
			case "div":
				arithmetic[does](a, b, double, result, leave);
				break;
			default: {
				const c = this.#operand(imm >>> 3, double, 2, leave);
				const product = does === "fnmsub" || does === "fnmadd";
				const addend = does === "fmsub" || does === "fnmadd";
				arithmetic.fused(a, b, c, { product, addend, double }, result, leave);
			}
		}
		this.#set(rd, double);
	}

	#result(double: boolean): number {
		return double ? this.#double : this.#single;
	}

	/** Set an f register to the result. */
	#set(rd: number, double: boolean): void {
		this.#code.get(this.#result(double));
		if (double) this.#registers.setDouble(rd);
		else this.#registers.setSingle(rd);
	}

	/** => the local that has the `i`th operand */
	#operand(register: number, double: boolean, i: number, leave: () => void): number {
		if (double) return this.#registers.double(register);
		this.#registers.checkBoxed(register, leave);
		return this.#registers.single(register, this.#single + 1 + i);
	}

	/** Integers of 32 bits are exact in double precision. */
	#fromInteger(rd: number, rs1: number, double: boolean, unsigned: 0 | 1): void {
		const code = this.#code;
		this.#context.get(rs1);
		if (double) {
			code.op(float.F64_CONVERT[unsigned]);
			this.#registers.setDouble(rd);
			return;
		}
		code.op(float.F32_CONVERT[unsigned]);
		code.set(this.#single);
		this.#arithmetic.note(() => {
			code.get(this.#single);
			code.op(float.F64_PROMOTE);
			this.#context.get(rs1);
			code.op(float.F64_CONVERT[unsigned], float.DOUBLE.notEqual);
		});
		code.get(this.#single);
		this.#registers.setSingle(rd);
	}

	/** Set two temporaries: the operand and the integer that it is rounded to. */
	#round(a: number, double: boolean, rm: number): void {
		const code = this.#code;
		code.get(a);
		if (!double) code.op(float.F64_PROMOTE);
		code.tee(this.#double + 1);
		if (rm === RTZ) code.op(float.F64_TRUNC);
		else if (rm === RDN) code.op(float.F64_FLOOR);
		else code.op(rm === RUP ? float.F64_CEIL : float.F64_NEAREST);
		code.set(this.#double);
	}

	/** Leave `a` with a sign on the stack. None of this looks at numbers: NaNs keep their bits. */
	#sign(does: "sign" | "signNegated" | "signProduct", a: number, b: number, double: boolean): void {
		const code = this.#code;
		const { abs, neg, copySign } = double ? float.DOUBLE : float.SINGLE;
		code.get(a);
		if (a === b) {
			if (does !== "sign") code.op(does === "signNegated" ? neg : abs);
			return;
		}
		if (does !== "signProduct") {
			code.get(b);
			if (does === "signNegated") code.op(neg);
			code.op(copySign);
			return;
		}
		if (double) {
			code.op(float.I64_REINTERPRET);
			code.get(b);
			code.op(float.I64_REINTERPRET, wasm.I64_CONST, 63, wasm.I64_SHR_U);
			code.op(wasm.I64_CONST, 63, wasm.I64_SHL, wasm.I64_XOR, float.F64_REINTERPRET);
			return;
		}
		code.op(float.I32_REINTERPRET);
		code.get(b);
		code.op(float.I32_REINTERPRET);
		code.constant(-0x8000_0000);
		code.op(wasm.I32_AND, wasm.I32_XOR, float.F32_REINTERPRET);
	}
}
