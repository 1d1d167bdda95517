/** Reading and writing bytes one after another. */

/** What was read is not what was written. */
export class DamagedError extends Error {}

const INITIAL_SIZE = 4096;
const utf8 = new TextEncoder();

export class ByteWriter {
	#bytes = new Uint8Array(INITIAL_SIZE);
	#length = 0;
	readonly #float = new DataView(new ArrayBuffer(8));

	/** What was written so far: a view, until more is written. */
	get bytes(): Uint8Array {
		return this.#bytes.subarray(0, this.#length);
	}

	byte(value: number): void {
		if (this.#length === this.#bytes.length) this.#grow(1);
		this.#bytes[this.#length++] = value;
	}

	/** A whole number from 0 to 2^53 - 1: seven bits a byte, the lowest first. */
	natural(value: number): void {
		let rest = value;
		while (rest >= 0x80) {
			this.byte((rest % 0x80) | 0x80);
			rest = Math.floor(rest / 0x80);
		}
		this.byte(rest);
	}

	float(value: number): void {
		this.#float.setFloat64(0, value, true);
		this.append(new Uint8Array(this.#float.buffer));
	}

	text(value: string): void {
		const bytes = utf8.encode(value);
		this.natural(bytes.length);
		this.append(bytes);
	}

	append(bytes: Uint8Array): void {
		if (this.#length + bytes.length > this.#bytes.length) this.#grow(bytes.length);
		this.#bytes.set(bytes, this.#length);
		this.#length += bytes.length;
	}

	#grow(more: number): void {
		const size = Math.max(this.#bytes.length * 2, this.#length + more);
		const bytes = new Uint8Array(size);
		bytes.set(this.#bytes.subarray(0, this.#length));
		this.#bytes = bytes;
	}
}

/** => every function throws a DamagedError where the bytes end too soon. */
export class ByteReader {
	readonly #bytes: Uint8Array;
	readonly #view: DataView;
	#at = 0;

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
		this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	}

	/** How many bytes are to come. */
	get left(): number {
		return this.#bytes.length - this.#at;
	}

	peek(): number {
		return this.#bytes[this.#at] ?? -1;
	}

	byte(): number {
		if (this.#at === this.#bytes.length) throw new DamagedError("it ends too soon");
		return this.#bytes[this.#at++]!;
	}

	natural(): number {
		let value = 0;
		for (let scale = 1; ; scale *= 0x80) {
			const byte = this.byte();
			value += (byte & 0x7f) * scale;
			if (value > Number.MAX_SAFE_INTEGER) throw new DamagedError("a number that is too large");
			if (byte < 0x80) return value;
		}
	}

	/** How many things follow, each of which takes a byte at least. */
	count(): number {
		const count = this.natural();
		if (count > this.left) throw new DamagedError("it ends too soon");
		return count;
	}

	float(): number {
		this.take(8);
		return this.#view.getFloat64(this.#at - 8, true);
	}

	text(): string {
		return new TextDecoder().decode(this.take(this.count()));
	}

	/** The next bytes, as a view. */
	take(length: number): Uint8Array {
		if (length > this.left) throw new DamagedError("it ends too soon");
		this.#at += length;
		return this.#bytes.subarray(this.#at - length, this.#at);
	}

	rest(): Uint8Array {
		return this.take(this.left);
	}
}
