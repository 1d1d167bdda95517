/** What the parts of the interpreter's loop (loop.ts) are written with. */
import type { Expression } from "../effects.ts";
import { CODE, CODE_MAP, LENGTHS, RAM_OFFSET } from "../memory.ts";
import { PAGE_MASK, PAGE_SHIFT } from "../port.ts";
import * as wasm from "./encoder.ts";
import { writeExpression } from "./expression.ts";
import { Writer } from "./writer.ts";

// Locals. Those that interpreter.ts has as indexes of words are host offsets here.
/** Of the slot that is executed; of the tables; of the first slot of the page. */
export const SLOT = 0;
export const TABLES = 1;
export const FIRST = 2;
/** Word 0 of the slot; in a branch within the page that is taken, its operand. */
export const WORD = 3;
export const VA = 4;
export const HOST = 5;
export const PC = 6;
export const LEFT = 7;
export const BASE = 8;
export const PC_BASE = 9;
export const PAGE = 10;
/** What an instruction needs beside them. */
export const VALUE = 11;
export const LOCALS = 12;

/** Of the byte offset that an entry of a table has. */
const ENTRY_MASK = 0x3f_fffc;
const REGISTER_MASK = 0x3fc;
/** A decoded slot, which is one for each halfword. */
export const SLOT_BYTES = 8;

/** How deep they are: the next instruction, and what interpreter.ts does behind its switch. */
export interface Labels {
	next: number;
	/** Control goes to PC with LEFT cycles left. */
	jump: number;
	/** A branch within the page, whose operand is in WORD, is taken. */
	taken: number;
	/** The instruction is for rare.ts. */
	rare: number;
	/** A store that its table does not allow. */
	store: number;
}

export class LoopCode {
	readonly code = new Writer();
	readonly labels: Labels = { next: 0, jump: 0, taken: 0, rare: 0, store: 0 };

	/** => how deep the new label is */
	open(kind: number): number {
		this.code.open(kind);
		return this.code.depth;
	}

	/** Go on behind an instruction of so many bytes. */
	step(bytes: number): void {
		const code = this.code;
		code.get(SLOT);
		code.constant((bytes / 2) * SLOT_BYTES);
		code.op(wasm.I32_ADD);
		code.set(SLOT);
		code.branchTo(this.labels.next);
	}

	expression(expression: Expression): void {
		writeExpression(this.code, expression, (name) => {
			if (name === "rs1") this.register(1);
			else if (name === "rs2") this.register(2);
			else if (name === "imm") this.immediate();
			else if (name === "pc") this.pc();
			else this.code.get(VALUE); // old
		});
	}

	/** Leave the value of rs1 or rs2 on the stack. */
	register(n: 1 | 2): void {
		this.registerOffset(n);
		this.code.loadBehind(0);
	}

	/** 0: rd. */
	registerOffset(n: 0 | 1 | 2): void {
		const code = this.code;
		code.get(WORD);
		code.constant(6 + 8 * n);
		code.op(wasm.I32_SHR_U);
		code.constant(REGISTER_MASK);
		code.op(wasm.I32_AND);
	}

	write(value: () => void): void {
		this.registerOffset(0);
		value();
		this.code.memory(wasm.I32_STORE, 2, 0);
	}

	immediate(): void {
		this.code.get(SLOT);
		this.code.loadBehind(1);
	}

	/** Leave the address of the instruction on the stack. */
	pc(): void {
		const code = this.code;
		code.get(SLOT);
		code.constant(2);
		code.op(wasm.I32_SHR_U);
		code.get(PC_BASE);
		code.op(wasm.I32_ADD);
	}

	setPc(): void {
		this.pc();
		this.code.set(PC);
	}

	leftIsBase(): void {
		this.code.get(BASE);
		this.code.set(LEFT);
	}

	/** Leave the address of an access on the stack. */
	address(): void {
		this.register(1);
		this.immediate();
		this.code.op(wasm.I32_ADD);
	}

	/**
	 * Set VA to what is on the stack, and HOST to its entry in a table; go to `otherwise` if there is
	 * none, or if the access is not aligned. See memory.ts.
	 */
	lookUp(table: number, bytes: number, otherwise: number): void {
		const code = this.code;
		code.tee(VA);
		this.entry(table);
		code.tee(HOST);
		if (bytes === 1) code.op(wasm.I32_EQZ);
		else {
			code.set(HOST);
			code.get(VA);
			code.constant(bytes === 2 ? 31 : 30);
			code.op(wasm.I32_SHL);
			code.get(HOST);
			code.op(wasm.I32_GE_U);
		}
		code.branchIf(otherwise);
	}

	/** Leave the entry of the address on the stack there. */
	entry(table: number): void {
		const code = this.code;
		code.constant(PAGE_SHIFT - 2);
		code.op(wasm.I32_SHR_U);
		code.constant(ENTRY_MASK);
		code.op(wasm.I32_AND);
		code.get(TABLES);
		code.op(wasm.I32_ADD);
		code.loadBehind(table);
	}

	/** Leave the host offset of VA on the stack. */
	host(): void {
		const code = this.code;
		code.get(VA);
		code.constant(PAGE_MASK);
		code.op(wasm.I32_AND);
		code.get(HOST);
		code.op(wasm.I32_ADD);
	}

	storeBytes(bytes: 1 | 2 | 4): void {
		const wide = bytes === 2 ? wasm.I32_STORE16 : wasm.I32_STORE;
		this.code.memory(bytes === 1 ? wasm.I32_STORE8 : wide, bytes >> 1, 0);
	}

	/** Leave the distance that the operand in WORD has on the stack. */
	distance(): void {
		this.code.get(WORD);
		this.code.constant(16);
		this.code.op(wasm.I32_SHR_S);
	}

	/** Leave the word that the code map has for the page of RAM at the host offset in a local. */
	codeMap(local: number): void {
		const code = this.code;
		code.get(local);
		code.constant(RAM_OFFSET);
		code.op(wasm.I32_SUB);
		code.constant(PAGE_SHIFT);
		code.op(wasm.I32_SHR_S);
		code.scale();
		code.loadBehind(CODE_MAP);
	}

	stop(why: number): void {
		this.code.constant(why);
		this.code.op(wasm.RETURN);
	}

	stopIf(why: number): void {
		this.code.open(wasm.IF);
		this.stop(why);
		this.code.close();
	}

	/** Leave the length of the straight line at SLOT on the stack. */
	length(): void {
		const code = this.code;
		code.get(SLOT);
		code.constant(3);
		code.op(wasm.I32_SHR_U);
		code.constant(1);
		code.op(wasm.I32_SHL);
		code.memory(wasm.I32_LOAD16_U, 1, 2 * LENGTHS - CODE);
	}
}
