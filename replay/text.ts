/**
 * Traces as text, a reference in a line: those of Valgrind's lackey ("I  04016b80,3", " L 1ffe8,8",
 * " S 1ffe8,8", " M 1ffe8,4": a load and a store), and "R 1ffe8", "W 0x1ffe8". Addresses are
 * hexadecimal; a decimal size may follow, and a reference across pages refers to each of them.
 * Empty lines, comments (#) and Valgrind's messages (==, --) are skipped.
 */
import { REFERENCE_FETCH, REFERENCE_LOAD, REFERENCE_STORE } from "../machine/references.ts";
import { UserError } from "../machine/user-error.ts";
import type { Batches } from "./batch.ts";

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COMMA = 0x2c;
const HASH = 0x23;
const EQUALS = 0x3d;
const MINUS = 0x2d;
const ZERO = 0x30;
const X = 0x78;

/** A load and a store. */
const MODIFY = 3;
/** By the byte of its letter, one more than what a line does. */
const KINDS = new Uint8Array(256);
for (const [letters, kind] of [
	["LRlr", REFERENCE_LOAD],
	["SWsw", REFERENCE_STORE],
	["Ii", REFERENCE_FETCH],
	["Mm", MODIFY],
] as const) {
	for (const letter of letters) KINDS[letter.charCodeAt(0)] = kind + 1;
}
/** By the byte of a hexadecimal digit, one more than its value. */
const DIGITS = new Uint8Array(256);
for (let value = 0; value < 16; value++) {
	const digit = value.toString(16);
	DIGITS[digit.charCodeAt(0)] = DIGITS[digit.toUpperCase().charCodeAt(0)] = value + 1;
}

const ADDRESS_DIGITS = 16;
const SIZE_MAX = 65536;
/** More than a line has. */
const LINE_MAX = 4096;
/** Of a wrong line, how much is shown. */
const SHOWN = 40;

export class TextTrace {
	readonly #name: string;
	readonly #batches: Batches;
	/** Of the line that is being read, from 1. */
	#line = 1;
	/** The beginning of a line whose end is not there yet. */
	#rest = new Uint8Array(0);

	constructor(name: string, batches: Batches) {
		this.#name = name;
		this.#batches = batches;
	}

	/** => UserError for a wrong line: "FILE:LINE: ..." */
	read(bytes: Uint8Array): void {
		let from = 0;
		let end = bytes.indexOf(LF);
		if (this.#rest.length > 0) {
			const part = bytes.subarray(0, end < 0 ? bytes.length : end);
			const whole = new Uint8Array(this.#rest.length + part.length);
			whole.set(this.#rest);
			whole.set(part, this.#rest.length);
			this.#rest = whole;
			if (end < 0) {
				this.#checkRest();
				return;
			}
			this.#refer(whole, 0, whole.length);
			this.#rest = new Uint8Array(0);
			from = end + 1;
			end = bytes.indexOf(LF, from);
		}
		for (; end >= 0; end = bytes.indexOf(LF, from)) {
			this.#refer(bytes, from, end);
			from = end + 1;
		}
		this.#rest = bytes.slice(from);
		this.#checkRest();
	}

	end(): void {
		if (this.#rest.length > 0) this.#refer(this.#rest, 0, this.#rest.length);
	}

	#checkRest(): void {
		if (this.#rest.length > LINE_MAX) this.#wrong(this.#rest, 0, this.#rest.length);
	}

	#refer(bytes: Uint8Array, from: number, end: number): void {
		let at = from;
		while (at < end && isBlank(bytes[at]!)) at++;
		const letter = bytes[at]!;
		const kind = at < end ? KINDS[letter]! - 1 : -1;
		if (kind < 0) {
			if (at < end && !isSkipped(bytes, at)) this.#wrong(bytes, from, end);
			this.#line++;
			return;
		}
		const address = at + 1;
		at = address;
		while (at < end && isBlank(bytes[at]!)) at++;
		if (at === address) this.#wrong(bytes, from, end);
		if (bytes[at] === ZERO && (bytes[at + 1]! | SPACE) === X && at + 1 < end) at += 2;
		const first = at;
		let high = 0;
		let low = 0;
		for (; at < end; at++) {
			const digit = DIGITS[bytes[at]!]! - 1;
			if (digit < 0) break;
			high = (high << 4) | (low >>> 28);
			low = (low << 4) | digit;
		}
		if (at === first || at - first > ADDRESS_DIGITS) this.#wrong(bytes, from, end);
		const size = this.#size(bytes, at, from, end);
		const page = (high >>> 0) * 0x10_0000 + (low >>> 12);
		const last = page + (((low & 0xfff) + size - 1) >>> 12);
		this.#add(page, last, kind);
		this.#line++;
	}

	#add(first: number, last: number, kind: number): void {
		const batches = this.#batches;
		const one = kind === MODIFY ? REFERENCE_LOAD : kind;
		for (let page = first; page <= last; page++) batches.add(page, one);
		if (kind !== MODIFY) return;
		for (let page = first; page <= last; page++) batches.add(page, REFERENCE_STORE);
	}

	/** The rest of a line behind the address: nothing, or a size behind a comma or blanks. */
	#size(bytes: Uint8Array, behind: number, from: number, end: number): number {
		let at = behind;
		if (bytes[at] === COMMA && at < end) at++;
		while (at < end && isBlank(bytes[at]!)) at++;
		if (at === end && bytes[behind] !== COMMA) return 1;
		if (at === behind) this.#wrong(bytes, from, end);
		let size = 0;
		const first = at;
		for (; at < end && size <= SIZE_MAX; at++) {
			const digit = bytes[at]! - ZERO;
			if (!(digit >= 0 && digit <= 9)) break;
			size = size * 10 + digit;
		}
		const digits = at - first;
		while (at < end && isBlank(bytes[at]!)) at++;
		if (digits === 0 || at < end || size === 0 || size > SIZE_MAX) this.#wrong(bytes, from, end);
		return size;
	}

	#wrong(bytes: Uint8Array, from: number, end: number): never {
		const text = new TextDecoder().decode(bytes.subarray(from, Math.min(end, from + SHOWN)));
		const found = JSON.stringify(text.trimEnd());
		throw new UserError(
			`${this.#name}:${this.#line}: expected a reference such as "L 1ffe8,8" or "W 0x1ffe8", ` +
				`but found ${found}`,
		);
	}
}

const isBlank = (byte: number): boolean => byte === SPACE || byte === TAB || byte === CR;

/** A comment, or a message of Valgrind. */
function isSkipped(bytes: Uint8Array, at: number): boolean {
	const byte = bytes[at];
	if (byte === HASH) return true;
	return (byte === EQUALS || byte === MINUS) && bytes[at + 1] === byte;
}
