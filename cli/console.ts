/** The guest's console on the host's standard streams. */
import type { Writable } from "node:stream";
import { UsageError } from "./usage-error.ts";

const BUFFER_SIZE = 4096;

/** The reader is gone, or the disk is full. */
export const writeFailure = (error: Error): UsageError =>
	new UsageError(`output: cannot be written (${(error as NodeJS.ErrnoException).code})`);

/** Collects the bytes that a guest prints one by one. */
export class OutputBuffer {
	readonly #stream: Writable;
	#bytes = new Uint8Array(BUFFER_SIZE);
	#length = 0;
	#last = 0x0a;

	constructor(stream: Writable) {
		this.#stream = stream;
	}

	/** Whether `flush` would write anything. */
	get pending(): boolean {
		return this.#length > 0;
	}

	/** Whether the cursor is at the start of a line, as far as the guest moved it. */
	get atLineStart(): boolean {
		return this.#last === 0x0a;
	}

	put(byte: number): void {
		this.#last = byte;
		if (this.#length === BUFFER_SIZE) this.#write();
		this.#bytes[this.#length++] = byte;
	}

	/** => UsageError if the output cannot be written: then there is no use in running on. */
	flush(): void {
		if (this.#length > 0) this.#write();
		// The stream's own event would come only when the run pauses.
		const { errored } = this.#stream;
		if (errored !== null && errored !== undefined) throw writeFailure(errored);
	}

	#write(): void {
		this.#stream.write(this.#bytes.subarray(0, this.#length));
		this.#bytes = new Uint8Array(BUFFER_SIZE);
		this.#length = 0;
	}
}

/** Reads standard input only when the guest waits for it, so that a run without input ends. */
export class InputReader {
	readonly #stream: NodeJS.ReadableStream;
	#chunks: AsyncIterator<string | Buffer> | null = null;
	#rest: Uint8Array = new Uint8Array(0);

	constructor(stream: NodeJS.ReadableStream) {
		this.#stream = stream;
	}

	/**
	 * Wait for input and pass it to `take`, which returns how much it had room for.
	 * => false at the end of the input.
	 */
	async feed(take: (bytes: Uint8Array) => number): Promise<boolean> {
		if (this.#rest.length === 0) {
			this.#chunks ??= this.#stream[Symbol.asyncIterator]();
			const { value, done } = await this.#chunks.next();
			if (done === true) return false;
			this.#rest = Buffer.from(value);
		}
		this.#rest = this.#rest.subarray(take(this.#rest));
		return true;
	}

	/** Let the process end although the stream may still be open. */
	close(): void {
		if (this.#chunks !== null) this.#stream.pause();
	}
}
