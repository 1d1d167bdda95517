/**
 * Where a region keeps f registers. One that instructions of D use is a local of f64; its bits are
 * kept, whatever they mean. One that only instructions of F use is a local of f32, beside the upper
 * word, which is all ones while the register holds a single (unprivileged specification, 12.2).
 */
import { H_F } from "../memory.ts";
import { OP } from "../op.ts";
import type { Block } from "./block.ts";
import * as wasm from "./encoder.ts";
import * as float from "./float-opcodes.ts";
import { floatSources, writtenFloat } from "./operands.ts";
import type { Writer } from "./writer.ts";

const UNUSED = 0;
const SINGLE = 1;
const DOUBLE = 2;

/** Of -2^32: an upper word of all ones. */
const BOXED = [0x80, 0x80, 0x80, 0x80, 0x70] as const;

/** Does an instruction use register `rd`, or those that it reads, as of D? */
const writesDouble = (op: number): boolean =>
	op === OP.FLD || op === OP.FCVT_D_S || (op >= OP.FADD_D && op <= OP.FNMADD_D);
const readsDouble = (op: number): boolean =>
	op === OP.FSD || op === OP.FCVT_S_D || (op >= OP.FADD_D && op <= OP.FNMADD_D);

export class FloatRegisters {
	readonly #code: Writer;
	readonly #kinds = new Uint8Array(32);
	readonly #values = new Int32Array(32);
	/** The locals of upper words, for SINGLE. */
	readonly #uppers = new Int32Array(32);
	readonly #written = new Set<number>();
	/** Registers that hold singles, at the place that is being written. */
	readonly #boxed = new Set<number>();
	/** Has the region any? */
	readonly any: boolean;

	constructor(code: Writer, blocks: readonly Block[]) {
		this.#code = code;
		let any = false;
		const use = (register: number, double: boolean): void => {
			any = true;
			this.#kinds[register] = Math.max(this.#kinds[register]!, double ? DOUBLE : SINGLE);
		};
		for (const { instructions } of blocks) {
			for (const instruction of instructions) {
				const { op } = instruction;
				for (const register of floatSources(instruction)) use(register, readsDouble(op));
				const written = writtenFloat(instruction);
				if (written < 0) continue;
				use(written, writesDouble(op));
				this.#written.add(written);
			}
		}
		this.any = any;
	}

	/** => how many locals of i32, f32 and f64 there are, the first of all being `first` */
	place(first: number): readonly [words: number, singles: number, doubles: number] {
		const of = (kind: number): number[] =>
			[...this.#kinds.keys()].filter((register) => this.#kinds[register] === kind);
		const singles = of(SINGLE);
		const doubles = of(DOUBLE);
		let next = first;
		for (const register of singles) this.#uppers[register] = next++;
		for (const register of [...singles, ...doubles]) this.#values[register] = next++;
		return [singles.length, singles.length, doubles.length];
	}

	load(): void {
		const code = this.#code;
		this.#kinds.forEach((kind, register) => {
			if (kind === UNUSED) return;
			const word = H_F + 2 * register;
			code.constant(0);
			if (kind === DOUBLE) code.memory(float.F64_LOAD, 3, 4 * word);
			else code.memory(float.F32_LOAD, 2, 4 * word);
			code.set(this.#values[register]!);
			if (kind === DOUBLE) return;
			code.loadWord(word + 1);
			code.set(this.#uppers[register]!);
		});
	}

	store(): void {
		const code = this.#code;
		for (const register of this.#written) {
			const word = H_F + 2 * register;
			const double = this.#kinds[register] === DOUBLE;
			code.constant(0);
			code.get(this.#values[register]!);
			if (double) code.memory(float.F64_STORE, 3, 4 * word);
			else code.memory(float.F32_STORE, 2, 4 * word);
			if (!double) code.storeLocal(word + 1, this.#uppers[register]!);
		}
	}

	/** Code follows to which control comes from elsewhere. */
	begin(): void {
		this.#boxed.clear();
	}

	/** The local of a register of D. */
	double(register: number): number {
		return this.#values[register]!;
	}

	/** Set a register of D to the f64 on the stack. */
	setDouble(register: number): void {
		this.#code.set(this.#values[register]!);
		this.#boxed.delete(register);
	}

	/** `otherwise` is to leave if what is on the stack is not 0: the register holds no single. */
	checkBoxed(register: number, otherwise: () => void): void {
		if (this.#boxed.has(register)) return;
		const code = this.#code;
		if (this.#kinds[register] === SINGLE) code.get(this.#uppers[register]!);
		else {
			code.get(this.#values[register]!);
			code.op(float.I64_REINTERPRET, wasm.I64_CONST, 32, wasm.I64_SHR_U, wasm.I32_WRAP_I64);
		}
		code.constant(-1);
		code.op(wasm.I32_NE);
		otherwise();
		this.#boxed.add(register);
	}

	/** => the local that has the single in a register; it may be `spare` */
	single(register: number, spare: number): number {
		if (this.#kinds[register] === SINGLE) return this.#values[register]!;
		this.bits(register);
		this.#code.op(float.F32_REINTERPRET);
		this.#code.set(spare);
		return spare;
	}

	/** Leave the lower word of a register on the stack. */
	bits(register: number): void {
		const code = this.#code;
		code.get(this.#values[register]!);
		if (this.#kinds[register] === SINGLE) code.op(float.I32_REINTERPRET);
		else code.op(float.I64_REINTERPRET, wasm.I32_WRAP_I64);
	}

	/** Set a register to the single on the stack. */
	setSingle(register: number): void {
		const code = this.#code;
		if (this.#kinds[register] === SINGLE) {
			code.set(this.#values[register]!);
			if (!this.#boxed.has(register)) {
				code.constant(-1);
				code.set(this.#uppers[register]!);
			}
		} else {
			code.op(float.I32_REINTERPRET, wasm.I64_EXTEND_I32_U);
			code.op(wasm.I64_CONST, ...BOXED, wasm.I64_OR, float.F64_REINTERPRET);
			code.set(this.#values[register]!);
		}
		this.#boxed.add(register);
	}

	/** Store a register's lower word, or all of it, at the host offset on the stack. */
	storeAt(register: number, bytes: number, offset: number): void {
		const code = this.#code;
		if (bytes === 8 || this.#kinds[register] === SINGLE) {
			code.get(this.#values[register]!);
			if (bytes === 8) code.memory(float.F64_STORE, 3, offset);
			else code.memory(float.F32_STORE, 2, offset);
		} else {
			this.bits(register);
			code.memory(wasm.I32_STORE, 2, offset);
		}
	}
}
