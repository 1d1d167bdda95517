/**
 * What the console has printed, kept as bytes: the sink of a UART whose output is looked at. Of
 * more than LIMIT bytes the latest are kept, at least half of it: a guest may print forever.
 */

import { Buffer } from "buffer/index.js";

const INITIAL_SIZE = 1024;
/** Of an unfinished line that is longer, only the end is shown. */
const LINE_MAX = 4096;
/** What `clear` of a terminal prints: what is before it is not seen. */
const CLEAR = "\x1b[2J";
/** A power of two. */
export const LIMIT = 32 * 1024 * 1024;

export class ConsoleLog {
	#bytes = Buffer.alloc(INITIAL_SIZE);
	#length = 0;

	/** Bound, so that it can be handed over as the sink. */
	readonly write = (byte: number): void => {
		if (this.#length === this.#bytes.length) this.#makeRoom();
		this.#bytes[this.#length++] = byte;
	};

	/** Forget what there is; `bytes` were printed instead. */
	replace(bytes: Uint8Array): void {
		// As if it had grown to that: LIMIT is met where it would have been.
		let size = INITIAL_SIZE;
		while (size < bytes.length) size *= 2;
		this.#bytes = Buffer.alloc(size);
		this.#bytes.set(bytes);
		this.#length = bytes.length;
	}

	#makeRoom(): void {
		if (this.#length < LIMIT) {
			this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#length)]);
			return;
		}
		this.#bytes.copyWithin(0, LIMIT / 2);
		this.#length -= LIMIT / 2;
	}

	/** What the last line of a screen shows: the bytes behind the last newline. */
	get lastLine(): Uint8Array {
		const end = Buffer.from(
			this.#bytes.subarray(Math.max(0, this.#length - LINE_MAX), this.#length),
		);
		const clear = end.lastIndexOf(CLEAR);
		const start = clear < 0 ? 0 : clear + CLEAR.length;
		return end.subarray(Math.max(start, end.lastIndexOf(0x0a) + 1));
	}

	/** A copy of the bytes so far. */
	get bytes(): Buffer {
		return Buffer.from(this.#bytes.subarray(0, this.#length));
	}

	/** The bytes so far as UTF-8. */
	get text(): string {
		return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.bytes);
	}
}
