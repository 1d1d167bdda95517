/** What the console has printed, kept as bytes: the sink of a UART whose output is looked at. */

import { Buffer } from "buffer/index.js";

const INITIAL_SIZE = 1024;

export class ConsoleLog {
	#bytes = Buffer.alloc(INITIAL_SIZE);
	#length = 0;

	/** Bound, so that it can be handed over as the sink. */
	readonly write = (byte: number): void => {
		if (this.#length === this.#bytes.length) {
			this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#length)]);
		}
		this.#bytes[this.#length++] = byte;
	};

	/** Forget what there is; `bytes` were printed instead. */
	replace(bytes: Uint8Array): void {
		this.#bytes = Buffer.alloc(Math.max(INITIAL_SIZE, bytes.length));
		this.#bytes.set(bytes);
		this.#length = bytes.length;
	}

	/** A copy of the bytes so far. */
	get bytes(): Buffer {
		return Buffer.from(this.#bytes.subarray(0, this.#length));
	}

	/** The bytes so far as UTF-8. */
	get text(): string {
		return this.bytes.toString("utf8");
	}
}
