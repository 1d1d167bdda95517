/**
 * Control and status registers in compiled code: those that only hold a value, those of F, what of
 * mstatus and sstatus concerns nobody but the hart's next interrupt, and counters, for reading.
 * Everything else is left to the interpreter.
 */
import { MSTATUS, SSTATUS } from "../csr.ts";
import { CSR } from "../csr-numbers.ts";
import { CSR_WORDS, csrMask } from "../csr-words.ts";
import { MSTATUS_FS, PRIV_M, PRIV_U } from "../hart-state.ts";
import {
	H_BUDGET,
	H_CYCLE_OFFSET,
	H_CYCLES,
	H_FFLAGS,
	H_FRM,
	H_INSTRET,
	H_INSTRET_OFFSET,
	H_MCOUNTEREN,
	H_MSTATUS,
	H_PRIV,
	H_SCOUNTEREN,
	H_SKEWED,
	H_STALL,
	H_TIME_OFFSET,
} from "../memory.ts";
import { OP } from "../op.ts";
import { CYCLES_PER_TIME_TICK } from "../port.ts";
import type { Instruction } from "./block.ts";
import * as wasm from "./encoder.ts";
import type { FloatCode } from "./float.ts";
import { F64_LOAD } from "./float-opcodes.ts";
import type { Writer } from "./writer.ts";

const I64_LOAD = 0x29;
const I64_ADD = 0x7c;
const I64_DIV_U = 0x80;
const I64_TRUNC_F64_U = 0xb1;

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

/** A counter: where engines count it from, what is added, and its bit in mcounteren. */
interface Counter {
	readonly from: number;
	readonly offset: number;
	readonly bit: number;
}

const CYCLE: Counter = { from: H_CYCLES, offset: H_CYCLE_OFFSET, bit: 0 };
const TIME: Counter = { from: H_CYCLES, offset: H_TIME_OFFSET, bit: 1 };
const INSTRET: Counter = { from: H_INSTRET, offset: H_INSTRET_OFFSET, bit: 2 };
const COUNTERS = new Map<number, Counter>([
	...[CSR.cycle, CSR.cycleh, CSR.mcycle, CSR.mcycleh].map((csr) => [csr, CYCLE] as const),
	...[CSR.time, CSR.timeh].map((csr) => [csr, TIME] as const),
	...[CSR.instret, CSR.instreth, CSR.minstret, CSR.minstreth].map((csr) => [csr, INSTRET] as const),
]);
/** Of a counter's number: it is the upper half; software with few rights reads it. */
const UPPER = 0x80;
const USER = 0xc00;

const isStatus = (csr: number): boolean => csr === CSR.mstatus || csr === CSR.sstatus;
const isFloat = (csr: number): boolean => csr >= CSR.fflags && csr <= CSR.fcsr;

/** Is an instruction with encoding `imm` compiled? */
export function compilesCsr({ op, imm }: Instruction): boolean {
	if (op !== OP.CSR) return false;
	const { csr, writes } = csrInstruction(imm);
	if (COUNTERS.has(csr)) return !writes;
	return CSR_WORDS[csr] !== 0 || isFloat(csr) || isStatus(csr);
}

/** The counters that all modes may read, if they are allowed to. */
export const USER_COUNTERS: readonly number[] = [...COUNTERS.keys()].filter(
	(csr) => (csr & USER) === USER,
);

/**
 * Leave the value of a counter on the stack, or leave by `exit`: its reader may not read it.
 * `left` leaves the cycles left there, with that of the instruction.
 */
export function writeCounter(code: Writer, csr: number, exit: () => void, left: () => void): void {
	const counter = COUNTERS.get(csr)!;
	const { from, offset, bit } = counter;
	if ((csr & USER) === USER) {
		isAllowed(code, H_MCOUNTEREN, PRIV_M, wasm.I32_EQ, bit);
		isAllowed(code, H_SCOUNTEREN, PRIV_U, wasm.I32_NE, bit);
		code.op(wasm.I32_AND, wasm.I32_EQZ);
		exitIf(code, exit);
	}
	if (counter === TIME) {
		code.loadWord(H_SKEWED);
		exitIf(code, exit);
	}
	code.constant(0);
	code.memory(F64_LOAD, 3, 4 * from);
	code.op(I64_TRUNC_F64_U);
	// Cycles that were used since, without those that retired nothing.
	code.loadWord(H_BUDGET);
	left();
	code.op(wasm.I32_SUB);
	if (counter === INSTRET) {
		code.loadWord(H_STALL);
		code.op(wasm.I32_SUB);
	}
	code.op(wasm.I64_EXTEND_I32_S, I64_ADD);
	if (counter === TIME) {
		code.constant(CYCLES_PER_TIME_TICK);
		code.op(wasm.I64_EXTEND_I32_U, I64_DIV_U);
	}
	code.constant(0);
	code.memory(I64_LOAD, 3, 4 * offset);
	code.op(I64_ADD);
	if ((csr & UPPER) !== 0) code.op(wasm.I64_CONST, 32, wasm.I64_SHR_U);
	code.op(wasm.I32_WRAP_I64);
}

/** Leave on the stack whether a comparison with the privilege or bit `bit` allows a counter. */
function isAllowed(
	code: Writer,
	word: number,
	privilege: number,
	compare: number,
	bit: number,
): void {
	code.loadWord(H_PRIV);
	code.constant(privilege);
	code.op(compare);
	code.loadWord(word);
	code.constant(bit);
	code.op(wasm.I32_SHR_U, wasm.I32_OR);
	code.constant(1);
	code.op(wasm.I32_AND);
}

/** Leave if what is on the stack is not 0. */
function exitIf(code: Writer, exit: () => void): void {
	code.open(wasm.IF);
	exit();
	code.close();
}

/** Leave the value of mstatus or sstatus on the stack. */
export function writeStatus(code: Writer, csr: number): void {
	code.loadWord(H_MSTATUS);
	code.constant(visibleStatus(csr));
	code.op(wasm.I32_AND);
	// SD is the highest bit.
	isDirty(code);
	code.constant(31);
	code.op(wasm.I32_SHL, wasm.I32_OR);
}

export const visibleStatus = (csr: number): number => (csr === CSR.mstatus ? MSTATUS : SSTATUS);

/** Leave on the stack whether FS is Dirty. */
function isDirty(code: Writer): void {
	code.loadWord(H_MSTATUS);
	code.constant(MSTATUS_FS);
	code.op(wasm.I32_AND);
	code.constant(MSTATUS_FS);
	code.op(wasm.I32_EQ);
}

export class CsrCode {
	readonly #code: Writer;
	/** The local of the cycles left. */
	readonly #left: number;
	readonly #float: FloatCode;

	constructor(code: Writer, float: FloatCode, left: number) {
		this.#code = code;
		this.#left = left;
		this.#float = float;
	}

	/**
	 * Execute `instruction`, or leave by `exit` before it. `operand` leaves the value of rs1 on the
	 * stack; `set` sets rd to what is there; `left` is as in straight.ts; `old` and `value` are
	 * temporaries.
	 */
	execute(
		{ imm }: Instruction,
		exit: () => void,
		operand: () => void,
		set: () => void,
		left: number,
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
			exitIf(code, exit);
			if (COUNTERS.has(csr)) {
				writeCounter(code, csr, exit, () => {
					code.get(this.#left);
					code.constant(left);
					code.op(wasm.I32_ADD);
				});
				code.set(old);
			} else if (isStatus(csr)) this.#status(instruction, exit, operand, old);
			else this.#held(instruction, operand, old);
		}
		code.get(old);
		set();
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
		const visible = visibleStatus(csr);
		writeStatus(code, csr);
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
		exitIf(code, exit);
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
		isDirty(code);
		code.op(wasm.I32_EQZ);
		exitIf(code, exit);
		// For whom they are read, and because they are loaded again below.
		if (csr !== CSR.frm || writes) this.#float.storeFlags();
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
