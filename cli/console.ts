/** The guest's console on the host's standard streams. */
import { constants, readFileSync, readlinkSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { writeFailure } from "./usage-error.ts";

const BUFFER_SIZE = 4096;

/**
 * Whether standard output was closed when this process began. Node opens /dev/null in its place,
 * for reading and writing, while a shell's >/dev/null is open for writing only. (Some programs open
 * it for both on purpose, so this is no error.) Known on Linux; elsewhere false.
 */
function stdoutClosed(): boolean {
	try {
		if (readlinkSync("/proc/self/fd/1") !== "/dev/null") return false;
		const flags = /^flags:\s*([0-7]+)/m.exec(readFileSync("/proc/self/fdinfo/1", "utf8"));
		return flags !== null && (Number.parseInt(flags[1]!, 8) & 3) === constants.O_RDWR;
	} catch {
		return false;
	}
}

/** How long a guest that computes is kept waiting for input, once. */
const PATIENCE_MS = 300;

/** Collects the bytes that a guest prints one by one. */
export class OutputBuffer {
	readonly #stream: Writable;
	#bytes = new Uint8Array(BUFFER_SIZE);
	#length = 0;
	#last = 0x0a;
	#total = 0;

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

	/** What to tell the user if nobody can have seen the output, or "". */
	get lost(): string {
		if (this.#total === 0 || !stdoutClosed()) return "";
		return `uvmachine: standard output is closed: ${this.#total} bytes are lost\n`;
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
		this.#total += this.#length;
		this.#stream.write(this.#bytes.subarray(0, this.#length));
		this.#bytes = new Uint8Array(BUFFER_SIZE);
		this.#length = 0;
	}
}

/** Reads standard input only when the guest waits for it, so that a run without input ends. */
export class InputReader {
	readonly #stream: Readable;
	#chunks: AsyncIterator<string | Buffer> | null = null;
	/** The read in progress, which `offer` did not wait for. */
	#reading: Promise<boolean> | null = null;
	#rest: Uint8Array = new Uint8Array(0);
	#patient = true;

	constructor(stream: Readable) {
		this.#stream = stream;
	}

	/**
	 * Wait for input and pass it to `take`, which returns how much it had room for.
	 * => false at the end of the input.
	 */
	async feed(take: (bytes: Uint8Array) => number): Promise<boolean> {
		if (this.#rest.length === 0 && !(await this.#read())) return false;
		this.#rest = this.#rest.subarray(take(this.#rest));
		return true;
	}

	/**
	 * The same for a guest that need not have it: only to the end of the line, and nothing if none
	 * comes. A writer gets a moment to write, so that what it has ready comes at the same cycle in
	 * every run; after that, a guest that computes is not kept waiting for it.
	 */
	async offer(take: (bytes: Uint8Array) => number): Promise<boolean> {
		if (this.#rest.length === 0) {
			const more = await Promise.race([this.#read(), this.#moment()]);
			this.#patient = more !== null;
			if (more !== true) return more !== false;
		}
		const end = this.#rest.findIndex((byte) => byte === 0x0a || byte === 0x0d) + 1;
		const line = end === 0 ? this.#rest : this.#rest.subarray(0, end);
		this.#rest = this.#rest.subarray(take(line));
		return true;
	}

	/** => false at the end of the input; otherwise there is a rest. */
	#read(): Promise<boolean> {
		this.#chunks ??= this.#stream[Symbol.asyncIterator]();
		this.#reading ??= this.#chunks.next().then(({ value, done }) => {
			this.#reading = null;
			if (done === true) return false;
			this.#rest = Buffer.from(value);
			return true;
		});
		return this.#reading;
	}

	#moment(): Promise<null> {
		return new Promise((resolve) => {
			if (this.#patient) setTimeout(() => resolve(null), PATIENCE_MS).unref();
			else setImmediate(() => resolve(null));
		});
	}

	/** Let the process end although the stream may still be open, and a read be waiting. */
	close(): void {
		if (this.#chunks !== null) this.#stream.destroy();
	}
}
