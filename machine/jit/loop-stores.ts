/** Stores of the interpreter's loop (loop.ts) that the tables do not allow. */
import { STORES } from "../code-cache.ts";
import { CT } from "../memory.ts";
import { OP } from "../op.ts";
import { PAGE_MASK } from "../port.ts";
import * as wasm from "./encoder.ts";
import { HOST, LEFT, type LoopCode, PC, SLOT_BYTES, VA, VALUE, WORD } from "./loop-code.ts";
import type { Writer } from "./writer.ts";

export class LoopStores {
	readonly #loop: LoopCode;
	readonly #code: Writer;

	constructor(loop: LoopCode) {
		this.#loop = loop;
		this.#code = loop.code;
	}

	/**
	 * A store that the table does not allow. If it goes into a page with decoded code, what was made
	 * of these bytes is forgotten; see CodeCache.stored.
	 */
	write(): void {
		const code = this.#code;
		this.#setBytes();
		code.get(VA);
		this.#loop.entry(CT);
		code.tee(HOST);
		code.op(wasm.I32_EQZ);
		code.branchIf(this.#loop.labels.rare);
		code.get(VA);
		code.get(VALUE);
		code.constant(1);
		code.op(wasm.I32_SUB, wasm.I32_AND);
		code.branchIf(this.#loop.labels.rare);
		this.#loop.codeMap(HOST);
		code.scale();
		code.tee(PC);
		code.op(wasm.I32_EQZ);
		code.branchIf(this.#loop.labels.rare);
		this.#loop.host();
		code.set(HOST);
		this.#setStoredSlot();
		this.#isDecoded();
		code.open(wasm.IF);
		this.#forget();
		code.close();
		for (const bytes of [1, 2] as const) {
			code.get(VALUE);
			code.constant(bytes);
			code.op(wasm.I32_EQ);
			code.open(wasm.IF);
			this.#stored(bytes);
			code.close();
		}
		this.#stored(4);
	}

	/** Set VALUE to the bytes that the store writes. */
	#setBytes(): void {
		const code = this.#code;
		const is = (op: number): void => {
			code.get(WORD);
			code.constant(0xff);
			code.op(wasm.I32_AND);
			code.constant(op);
			code.op(wasm.I32_EQ);
		};
		is(OP.SB);
		code.choose(
			() => code.constant(1),
			() => {
				is(OP.SH);
				code.choose(
					() => code.constant(2),
					() => code.constant(4),
				);
			},
		);
		code.set(VALUE);
	}

	/** Set VA to the slot of the first byte that is stored, in the page of decoded code at PC. */
	#setStoredSlot(): void {
		const code = this.#code;
		code.get(VA);
		code.constant(PAGE_MASK - 1);
		code.op(wasm.I32_AND);
		code.scale();
		code.get(PC);
		code.op(wasm.I32_ADD);
		code.set(VA);
	}

	/** Leave on the stack whether an instruction was decoded from what is stored to HOST. */
	#isDecoded(): void {
		const code = this.#code;
		code.get(VA);
		code.loadBehind(0);
		code.get(VA);
		code.loadBehind(2);
		code.op(wasm.I32_OR, wasm.I32_EQZ);
		code.choose(
			() => {
				code.get(VA);
				code.get(PC);
				code.op(wasm.I32_EQ);
				code.choose(
					() => code.constant(0),
					() => this.#isUpperHalf(),
				);
			},
			() => code.constant(1),
		);
	}

	/** A four-byte instruction may begin one halfword earlier. */
	#isUpperHalf(): void {
		const code = this.#code;
		code.get(VA);
		code.constant(SLOT_BYTES);
		code.op(wasm.I32_SUB);
		code.loadBehind(0);
		code.choose(
			() => {
				code.get(HOST);
				code.constant(~1);
				code.op(wasm.I32_AND);
				code.constant(2);
				code.op(wasm.I32_SUB);
				code.memory(wasm.I32_LOAD16_U, 1, 0);
				code.constant(3);
				code.op(wasm.I32_AND);
				code.constant(3);
				code.op(wasm.I32_EQ);
			},
			() => code.constant(0),
		);
	}

	/** Forget what was decoded, unless that has happened too often in this page. */
	#forget(): void {
		const code = this.#code;
		code.get(PC);
		code.loadBehind(STORES);
		code.tee(LEFT);
		code.constant(0);
		code.op(wasm.I32_LE_S);
		code.branchIf(this.#loop.labels.rare);
		code.get(PC);
		code.get(LEFT);
		code.constant(1);
		code.op(wasm.I32_SUB);
		code.memory(wasm.I32_STORE, 2, 4 * STORES);
		code.get(VA);
		code.get(PC);
		code.op(wasm.I32_NE);
		code.open(wasm.IF);
		this.#undecode(-SLOT_BYTES);
		code.close();
		this.#undecode(0);
		code.get(VALUE);
		code.constant(4);
		code.op(wasm.I32_EQ);
		code.open(wasm.IF);
		this.#undecode(SLOT_BYTES);
		code.close();
	}

	#undecode(distance: number): void {
		const code = this.#code;
		code.get(VA);
		code.constant(distance);
		code.op(wasm.I32_ADD);
		code.constant(OP.UNDECODED);
		this.#loop.storeBytes(4);
	}

	/** Store to HOST, and go on behind the instruction. */
	#stored(bytes: 1 | 2 | 4): void {
		const code = this.#code;
		code.get(HOST);
		this.#loop.register(2);
		this.#loop.storeBytes(bytes);
		if (bytes === 4) {
			code.get(WORD);
			code.constant(0xff);
			code.op(wasm.I32_AND);
			code.constant(OP.C_SW);
			code.op(wasm.I32_EQ);
			code.open(wasm.IF);
			this.#loop.step(2);
			code.close();
		}
		this.#loop.step(4);
	}
}
