/** Writes the instructions of one function. A label is named by the depth where it was opened. */
import { H_LEFT } from "../memory.ts";
import * as wasm from "./encoder.ts";
import { F64_CONST } from "./float-opcodes.ts";

/** Where memory is accessed from a constant address alone. */
const ADDRESS_ZERO = 0;

export class Writer {
	readonly bytes = new wasm.Bytes();
	/** Labels that are open. */
	depth = 0;

	/** Instructions without operands, or the bytes of one. */
	op(...codes: readonly number[]): void {
		for (let i = 0; i < codes.length; i++) this.bytes.byte(codes[i]!);
	}

	/** `count` locals of i32 beside the parameters, and `others`: how many of which type. */
	locals(count: number, others: readonly (readonly [number, number])[] = []): void {
		this.bytes.unsigned(1 + others.length);
		this.bytes.unsigned(count);
		this.bytes.byte(wasm.I32);
		for (const [more, type] of others) {
			this.bytes.unsigned(more);
			this.bytes.byte(type);
		}
	}

	get(local: number): void {
		this.bytes.pair(wasm.LOCAL_GET, local);
	}

	set(local: number): void {
		this.bytes.pair(wasm.LOCAL_SET, local);
	}

	tee(local: number): void {
		this.bytes.pair(wasm.LOCAL_TEE, local);
	}

	constant(value: number): void {
		if (value >= -64 && value <= 63) {
			this.bytes.pair(wasm.I32_CONST, value & 0x7f);
			return;
		}
		this.bytes.byte(wasm.I32_CONST);
		this.bytes.signed(value);
	}

	/** A constant of f64. */
	double(value: number): void {
		this.bytes.byte(F64_CONST);
		for (const byte of new Uint8Array(new Float64Array([value]).buffer)) this.bytes.byte(byte);
	}

	/** A load or store of 1 << `align` bytes. */
	memory(code: number, align: number, offset: number): void {
		this.bytes.pair(code, align);
		this.bytes.unsigned(offset);
	}

	/** Load the word that is `word` words behind the address on the stack. */
	loadBehind(word: number): void {
		this.memory(wasm.I32_LOAD, 2, 4 * word);
	}

	loadWord(word: number): void {
		this.constant(ADDRESS_ZERO);
		this.loadBehind(word);
	}

	storeWord(word: number, value: () => void): void {
		this.constant(ADDRESS_ZERO);
		value();
		this.memory(wasm.I32_STORE, 2, 4 * word);
	}

	storeConstant(word: number, value: number): void {
		this.storeWord(word, () => this.constant(value));
	}

	storeLocal(word: number, local: number): void {
		this.storeWord(word, () => this.get(local));
	}

	/** Multiply what is on the stack by the size of a word. */
	scale(): void {
		this.constant(2);
		this.op(wasm.I32_SHL);
	}

	open(code: number): void {
		this.bytes.pair(code, wasm.NO_VALUE);
		this.depth++;
	}

	/** Both arms of an "if" with a value. */
	choose(then: () => void, otherwise: () => void): void {
		this.bytes.pair(wasm.IF, wasm.I32);
		this.depth++;
		then();
		this.op(wasm.ELSE);
		otherwise();
		this.close();
	}

	close(): void {
		this.op(wasm.END);
		this.depth--;
	}

	branchTo(depth: number): void {
		this.bytes.pair(wasm.BR, this.depth - depth);
	}

	/** The same if what is on the stack is not 0. */
	branchIf(depth: number): void {
		this.bytes.pair(wasm.BR_IF, this.depth - depth);
	}

	/** Go to the label that `table` has, counted outwards from the innermost; else to `otherwise`. */
	branchTable(table: readonly number[], otherwise: number): void {
		this.bytes.pair(wasm.BR_TABLE, table.length);
		for (const label of table) this.bytes.unsigned(label);
		this.bytes.unsigned(otherwise);
	}

	/** Add to the cycles left, in `local`. */
	spend(local: number, cycles: number): void {
		this.get(local);
		this.constant(cycles);
		this.op(wasm.I32_ADD);
		this.set(local);
	}

	loadLeft(local: number): void {
		this.loadWord(H_LEFT);
		this.set(local);
	}
}
