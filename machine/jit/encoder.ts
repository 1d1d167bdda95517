/** The binary format of WebAssembly, as far as the compiler needs it. Core specification 1.0, 5. */

/** Bytes of a 32-bit number at most. */
const LEB_MAX = 5;

/** Bytes that grow. What is called most calls nothing: the host has not compiled it yet. */
export class Bytes {
	#bytes = new Uint8Array(4096);
	length = 0;

	clear(): void {
		this.length = 0;
	}

	byte(value: number): void {
		if (this.length === this.#bytes.length) this.#grow(1);
		this.#bytes[this.length++] = value;
	}

	/** A byte, and an unsigned number, which is most often a byte as well. */
	pair(code: number, value: number): void {
		const at = this.length;
		if (value >>> 0 >= 0x80 || at + 2 > this.#bytes.length) {
			this.byte(code);
			this.unsigned(value);
			return;
		}
		const bytes = this.#bytes;
		bytes[at] = code;
		bytes[at + 1] = value;
		this.length = at + 2;
	}

	/** An unsigned number below 2^32, in LEB128. */
	unsigned(value: number): void {
		if (this.length + LEB_MAX > this.#bytes.length) this.#grow(LEB_MAX);
		const bytes = this.#bytes;
		let at = this.length;
		let rest = value >>> 0;
		while (rest >= 0x80) {
			bytes[at++] = (rest & 0x7f) | 0x80;
			rest >>>= 7;
		}
		bytes[at++] = rest;
		this.length = at;
	}

	/** A 32-bit number with a sign, in LEB128. */
	signed(value: number): void {
		if (this.length + LEB_MAX > this.#bytes.length) this.#grow(LEB_MAX);
		const bytes = this.#bytes;
		let at = this.length;
		let rest = value | 0;
		while (rest < -64 || rest > 63) {
			bytes[at++] = (rest & 0x7f) | 0x80;
			rest >>= 7;
		}
		bytes[at++] = rest & 0x7f;
		this.length = at;
	}

	name(text: string): void {
		this.unsigned(text.length);
		for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i));
	}

	append(other: Bytes): void {
		const { length } = other;
		if (this.length + length > this.#bytes.length) this.#grow(length);
		this.#bytes.set(other.view(), this.length);
		this.length += length;
	}

	/** => valid until the next byte is added */
	view(): Uint8Array {
		return this.#bytes.subarray(0, this.length);
	}

	#grow(more: number): void {
		const bytes = new Uint8Array(Math.max(2 * this.#bytes.length, this.length + more));
		bytes.set(this.#bytes.subarray(0, this.length));
		this.#bytes = bytes;
	}
}

export const I32 = 0x7f;
const FUNCTION = 0x60;
const KIND_FUNCTION = 0;
const KIND_TABLE = 1;
const KIND_MEMORY = 2;
const FUNCREF = 0x70;

/** A function type: `parameters` and `results` are numbers of i32. */
export interface FunctionType {
	readonly parameters: number;
	readonly results: number;
}

export interface ModuleParts {
	/** Pages of the memory that is imported as "e" "m"; null: any number. */
	readonly pages: number | null;
	/** Is the table imported as "e" "t", and how large is it? 0: no. */
	readonly table: number;
	/** The types of the functions that are imported as "e" "f0", "e" "f1" and so on. */
	readonly imported?: readonly number[];
	readonly types: readonly FunctionType[];
	/** Each function is exported, by its number. */
	readonly functions: readonly { readonly type: number; readonly body: Bytes }[];
}

/** A module; its bytes are those of a whole file. */
export function encodeModule(parts: ModuleParts): Uint8Array {
	const { pages, table, types, functions } = parts;
	const imported = parts.imported ?? [];
	const out = new Bytes();
	for (const value of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.byte(value);
	const part = new Bytes();
	const section = (id: number, fill: () => void): void => {
		part.clear();
		fill();
		out.byte(id);
		out.unsigned(part.length);
		out.append(part);
	};
	/** Of a size that does not change. */
	const limits = (size: number | null): void => {
		part.byte(size === null ? 0 : 1);
		part.unsigned(size ?? 0);
		if (size !== null) part.unsigned(size);
	};
	section(1, () => {
		part.unsigned(types.length);
		for (const { parameters, results } of types) {
			part.byte(FUNCTION);
			for (const count of [parameters, results]) {
				part.unsigned(count);
				for (let i = 0; i < count; i++) part.byte(I32);
			}
		}
	});
	section(2, () => {
		part.unsigned((table === 0 ? 1 : 2) + imported.length);
		part.name("e");
		part.name("m");
		part.byte(KIND_MEMORY);
		limits(pages);
		for (let i = 0; i < imported.length; i++) {
			part.name("e");
			part.name(`f${i}`);
			part.byte(KIND_FUNCTION);
			part.unsigned(imported[i]!);
		}
		if (table === 0) return;
		part.name("e");
		part.name("t");
		part.byte(KIND_TABLE);
		part.byte(FUNCREF);
		limits(table);
	});
	section(3, () => {
		part.unsigned(functions.length);
		for (const { type } of functions) part.unsigned(type);
	});
	section(7, () => {
		part.unsigned(functions.length);
		for (let i = 0; i < functions.length; i++) {
			part.name(String(i));
			part.byte(KIND_FUNCTION);
			part.unsigned(i + imported.length);
		}
	});
	section(10, () => {
		part.unsigned(functions.length);
		for (const { body } of functions) {
			part.unsigned(body.length);
			part.append(body);
		}
	});
	return out.view().slice();
}

// Instructions, chapter 5.4.
export const UNREACHABLE = 0x00;
export const BLOCK = 0x02;
export const LOOP = 0x03;
export const IF = 0x04;
export const ELSE = 0x05;
export const END = 0x0b;
export const BR = 0x0c;
export const BR_IF = 0x0d;
export const BR_TABLE = 0x0e;
export const RETURN = 0x0f;
export const CALL = 0x10;
export const CALL_INDIRECT = 0x11;
export const DROP = 0x1a;
export const SELECT = 0x1b;
export const LOCAL_GET = 0x20;
export const LOCAL_SET = 0x21;
export const LOCAL_TEE = 0x22;
export const I32_LOAD = 0x28;
export const I32_LOAD8_S = 0x2c;
export const I32_LOAD8_U = 0x2d;
export const I32_LOAD16_S = 0x2e;
export const I32_LOAD16_U = 0x2f;
export const I32_STORE = 0x36;
export const I32_STORE8 = 0x3a;
export const I32_STORE16 = 0x3b;
export const I32_CONST = 0x41;
export const I64_CONST = 0x42;
export const I32_EQZ = 0x45;
export const I32_EQ = 0x46;
export const I32_NE = 0x47;
export const I32_LT_S = 0x48;
export const I32_LT_U = 0x49;
export const I32_GT_S = 0x4a;
export const I32_GT_U = 0x4b;
export const I32_LE_S = 0x4c;
export const I32_GE_S = 0x4e;
export const I32_GE_U = 0x4f;
export const I32_CLZ = 0x67;
export const I32_CTZ = 0x68;
export const I32_POPCNT = 0x69;
export const I32_ADD = 0x6a;
export const I32_SUB = 0x6b;
export const I32_MUL = 0x6c;
export const I32_DIV_S = 0x6d;
export const I32_DIV_U = 0x6e;
export const I32_REM_S = 0x6f;
export const I32_REM_U = 0x70;
export const I32_AND = 0x71;
export const I32_OR = 0x72;
export const I32_XOR = 0x73;
export const I32_SHL = 0x74;
export const I32_SHR_S = 0x75;
export const I32_SHR_U = 0x76;
export const I32_ROTL = 0x77;
export const I32_ROTR = 0x78;
export const I64_CTZ = 0x7a;
export const I64_MUL = 0x7e;
export const I64_AND = 0x83;
export const I64_OR = 0x84;
export const I64_XOR = 0x85;
export const I64_SHL = 0x86;
export const I64_SHR_S = 0x87;
export const I64_SHR_U = 0x88;
export const I32_WRAP_I64 = 0xa7;
export const I64_EXTEND_I32_S = 0xac;
export const I64_EXTEND_I32_U = 0xad;
/** A block without a value. */
export const NO_VALUE = 0x40;
