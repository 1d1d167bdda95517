/**
 * Control and status registers in compiled code: those that only hold a value, those of F, and what
 * of mstatus and sstatus concerns nobody but the hart's next interrupt. Everything else is left to
 * the interpreter.
 */
import { MSTATUS, SSTATUS } from "../csr.ts";
import { CSR } from "../csr-numbers.ts";
import { CSR_WORDS, csrMask } from "../csr-words.ts";
import { MSTATUS_FS } from "../hart-state.ts";
import { H_FFLAGS, H_FRM, H_MSTATUS, H_PRIV } from "../memory.ts";
import { OP } from "../op.ts";
import type { Instruction } from "./block.ts";
import * as wasm from "./encoder.ts";
import type { FloatCode } from "./float.ts";
import type { Writer } from "./writer.ts";

/** Bits 13..12 of the instruction. */
const CSR_WRITE = 1;
const CSR_SET = 2;
const CSR_CLEAR = 3;
/** Set in the immediate forms, whose rs1 field is the operand. */
export const CSR_IMMEDIATE = 0x4000;
const PRIVILEGE_SHIFT = 8;

interface CsrInstruction {
	readonly csr: number;
	readonly kind: number;
	/** The operand of the immediate forms, or -1. */
	readonly immediate: number;
	readonly writes: boolean;
}

function csrInstruction(w: number): CsrInstruction {
	const field = (w >>> 15) & 31;
	const kind = (w >>> 12) & 3;
	return {
		csr: w >>> 20,
		kind,
		immediate: (w & CSR_IMMEDIATE) !== 0 ? field : -1,
		writes: kind === CSR_WRITE || field !== 0,
	};
}

const isStatus = (csr: number): boolean => csr === CSR.mstatus || csr === CSR.sstatus;
const isFloat = (csr: number): boolean => csr >= CSR.fflags && csr <= CSR.fcsr;

/** Is an instruction with encoding `imm` compiled? */
export function compilesCsr({ op, imm }: Instruction): boolean {
	if (op !== OP.CSR) return false;
	const { csr } = csrInstruction(imm);
	return CSR_WORDS[csr] !== 0 || isFloat(csr) || isStatus(csr);
}

export class CsrCode {
	readonly #code: Writer;
	readonly #float: FloatCode;

	constructor(code: Writer, float: FloatCode) {
		this.#code = code;
		this.#float = float;
	}

	/**
	 * Execute `instruction`, or leave by `exit` before it. `operand` leaves the value of rs1 on the
	 * stack; `set` sets rd to what is there; `old` and `value` are temporaries.
	 */
	execute(
		{ imm }: Instruction,
		exit: () => void,
		operand: () => void,
		set: () => void,
		old: number,
		value: number,
	): void {
		const code = this.#code;
		const instruction = csrInstruction(imm);
		const { csr } = instruction;
		if (isFloat(csr)) this.#flags(instruction, exit, operand, old, value);
		else {
			code.loadWord(H_PRIV);
			code.constant((csr >>> PRIVILEGE_SHIFT) & 3);
			code.op(wasm.I32_LT_S);
			this.#exitIf(exit);
			if (isStatus(csr)) this.#status(instruction, exit, operand, old);
			else this.#held(instruction, operand, old);
		}
		code.get(old);
		set();
	}

	/** Leave if what is on the stack is not 0. */
	#exitIf(exit: () => void): void {
		this.#code.open(wasm.IF);
		exit();
		this.#code.close();
	}

	/** A register that only holds a value. */
	#held(instruction: CsrInstruction, operand: () => void, old: number): void {
		const code = this.#code;
		const { csr } = instruction;
		const word = CSR_WORDS[csr]!;
		code.loadWord(word);
		code.set(old);
		if (!instruction.writes) return;
		code.storeWord(word, () => {
			this.#value(instruction, operand, old);
			code.constant(csrMask(csr));
			code.op(wasm.I32_AND);
		});
	}

	/**
	 * mstatus and sstatus. Nobody is concerned if interrupts are disabled, which the immediate form
	 * of csrrc does and nothing else, or if a write changes nothing; other writes leave.
	 */
	#status(instruction: CsrInstruction, exit: () => void, operand: () => void, old: number): void {
		const code = this.#code;
		const { csr, kind, immediate, writes } = instruction;
		const visible = csr === CSR.mstatus ? MSTATUS : SSTATUS;
		// With SD, the highest bit.
		code.loadWord(H_MSTATUS);
		code.constant(visible);
		code.op(wasm.I32_AND);
		this.#isDirty();
		code.constant(31);
		code.op(wasm.I32_SHL, wasm.I32_OR);
		code.set(old);
		if (!writes) return;
		if (kind === CSR_CLEAR && immediate >= 0) {
			code.storeWord(H_MSTATUS, () => {
				code.loadWord(H_MSTATUS);
				code.constant(~(immediate & visible));
				code.op(wasm.I32_AND);
			});
			return;
		}
		this.#value(instruction, operand, old);
		code.get(old);
		code.op(wasm.I32_XOR);
		code.constant(visible);
		code.op(wasm.I32_AND);
		this.#exitIf(exit);
	}

	/** Leave on the stack whether FS is Dirty. */
	#isDirty(): void {
		const code = this.#code;
		code.loadWord(H_MSTATUS);
		code.constant(MSTATUS_FS);
		code.op(wasm.I32_AND);
		code.constant(MSTATUS_FS);
		code.op(wasm.I32_EQ);
	}

	/** Leave on the stack what an instruction writes. */
	#value({ kind, immediate }: CsrInstruction, operand: () => void, old: number): void {
		const code = this.#code;
		const right = (): void => {
			if (immediate < 0) operand();
			else code.constant(immediate);
		};
		if (kind === CSR_WRITE) {
			right();
			return;
		}
		code.get(old);
		right();
		if (kind === CSR_SET) code.op(wasm.I32_OR);
		else {
			code.constant(-1);
			code.op(wasm.I32_XOR, wasm.I32_AND);
		}
	}

	/** fflags, frm, fcsr. Writing them makes FS Dirty, which it is here. */
	#flags(
		instruction: CsrInstruction,
		exit: () => void,
		operand: () => void,
		old: number,
		value: number,
	): void {
		const code = this.#code;
		const { csr, writes } = instruction;
		this.#isDirty();
		code.op(wasm.I32_EQZ);
		this.#exitIf(exit);
		if (csr !== CSR.frm) this.#float.storeFlags();
		if (csr !== CSR.fflags) {
			code.loadWord(H_FRM);
			if (csr === CSR.fcsr) {
				code.constant(5);
				code.op(wasm.I32_SHL);
			}
		}
		if (csr !== CSR.frm) code.loadWord(H_FFLAGS);
		if (csr === CSR.fcsr) code.op(wasm.I32_OR);
		code.set(old);
		if (!writes) return;
		this.#value(instruction, operand, old);
		code.set(value);
		const store = (word: number, shift: number, mask: number): void => {
			code.storeWord(word, () => {
				code.get(value);
				code.constant(shift);
				code.op(wasm.I32_SHR_U);
				code.constant(mask);
				code.op(wasm.I32_AND);
			});
		};
		if (csr !== CSR.frm) store(H_FFLAGS, 0, 31);
		if (csr !== CSR.fflags) store(H_FRM, csr === CSR.fcsr ? 5 : 0, 7);
		this.#float.reload();
	}
}
