/**
 * Traces as bytes: "UVMTRACE", then a little-endian word of 64 bits for each reference, which is
 * its address, but for the two lowest bits: 0 a load, 1 a store, 2 an instruction fetch.
 */
import { REFERENCE_FETCH } from "../machine/references.ts";
import { UserError } from "../machine/user-error.ts";
import type { Batches } from "./batch.ts";

export const MAGIC = new TextEncoder().encode("UVMTRACE");
const WORD = 8;

export class BinaryTrace {
	readonly #name: string;
	readonly #batches: Batches;
	/** Bytes before the next ones. */
	#read = 0;
	/** The beginning of a word whose end is not there yet. */
	#rest = new Uint8Array(0);

	/** What is read does not have MAGIC any more. */
	constructor(name: string, batches: Batches) {
		this.#name = name;
		this.#batches = batches;
	}

	/** => UserError for a wrong word: "FILE: reference N: ..." */
	read(bytes: Uint8Array): void {
		const all = new Uint8Array(this.#rest.length + bytes.length);
		all.set(this.#rest);
		all.set(bytes, this.#rest.length);
		const whole = all.length - (all.length % WORD);
		const view = new DataView(all.buffer);
		for (let at = 0; at < whole; at += WORD) {
			const low = view.getUint32(at, true);
			const kind = low & 3;
			if (kind > REFERENCE_FETCH) this.#wrong(at / WORD, "the two lowest bits are 3");
			this.#batches.add(view.getUint32(at + 4, true) * 0x10_0000 + (low >>> 12), kind);
		}
		this.#read += whole;
		this.#rest = all.slice(whole);
	}

	end(): void {
		if (this.#rest.length > 0) this.#wrong(0, "the file ends in it");
	}

	#wrong(word: number, why: string): never {
		throw new UserError(`${this.#name}: reference ${this.#read / WORD + word + 1}: ${why}`);
	}
}
