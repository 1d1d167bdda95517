/**
 * Packets of the GDB remote serial protocol (GDB manual, appendix E.1), as strings in which each
 * character is a byte:
 *
 *   $data#cc   cc is the sum of the bytes of data as two hexadecimal digits
 *
 * Received data may contain escapes (0x7d and the byte xor 0x20) and runs (a character, `*`, and
 * the number of repetitions plus 29). The reader never buffers more than PACKET_MAX bytes.
 */

/** Limit on the data of a packet, encoded and decoded; the debugger is told of it. */
export const PACKET_MAX = 0x4000;

const ESCAPE = 0x7d;
const RUN = 0x2a;
const RUN_BIAS = 29;

/** What the reader has received; a packet that is too long or has a wrong checksum is "bad". */
export type Received =
	| { readonly kind: "packet"; readonly data: string }
	| { readonly kind: "bad" | "interrupt" | "ack" | "nak" };

type ReaderState = "idle" | "data" | "sum1" | "sum2";

export class PacketReader {
	#state: ReaderState = "idle";
	#bytes: number[] = [];
	#tooLong = false;
	#sum = 0;
	#digit = -1;

	/** Bytes buffered now. */
	get held(): number {
		return this.#bytes.length;
	}

	/** Take one byte. => what it completes, or null. */
	take(byte: number): Received | null {
		switch (this.#state) {
			case "idle":
				return this.#outside(byte);
			case "data":
				this.#inside(byte);
				return null;
			case "sum1":
				this.#digit = hexDigit(byte);
				this.#state = "sum2";
				return null;
			case "sum2":
				this.#state = "idle";
				return this.#finish(hexDigit(byte));
		}
	}

	#outside(byte: number): Received | null {
		switch (byte) {
			case 0x03:
				return { kind: "interrupt" };
			case 0x24: // $
				this.#begin();
				return null;
			case 0x2b: // +
				return { kind: "ack" };
			case 0x2d: // -
				return { kind: "nak" };
			default:
				return null;
		}
	}

	#begin(): void {
		this.#state = "data";
		this.#bytes = [];
		this.#sum = 0;
		this.#tooLong = false;
	}

	#inside(byte: number): void {
		if (byte === 0x23) this.#state = "sum1";
		else if (byte === 0x24)
			this.#begin(); // the end of the previous packet was lost
		else {
			this.#sum = (this.#sum + byte) & 0xff;
			if (this.#bytes.length < PACKET_MAX) this.#bytes.push(byte);
			else this.#tooLong = true;
		}
	}

	#finish(digit: number): Received {
		const sum = this.#digit < 0 || digit < 0 ? -1 : this.#digit * 16 + digit;
		const data = this.#tooLong || sum !== this.#sum ? null : decode(this.#bytes);
		this.#bytes = [];
		return data === null ? { kind: "bad" } : { kind: "packet", data };
	}
}

/** Undo escapes and runs. => null if they are malformed or the result is too long. */
function decode(bytes: readonly number[]): string | null {
	const out: number[] = [];
	for (let i = 0; i < bytes.length; i++) {
		const byte = bytes[i]!;
		if (byte === ESCAPE) {
			if (++i === bytes.length) return null;
			out.push(bytes[i]! ^ 0x20);
		} else if (byte === RUN) {
			const count = (bytes[++i] ?? 0) - RUN_BIAS;
			if (out.length === 0 || count < 3) return null;
			const last = out[out.length - 1]!;
			if (out.length + count > PACKET_MAX) return null;
			for (let n = 0; n < count; n++) out.push(last);
		} else {
			out.push(byte);
		}
	}
	return bytesToString(out);
}

/** The packet that carries `data`, which may hold any byte. */
export function frame(data: string): string {
	const body = data.replace(/[#$}*]/g, (c) => `}${String.fromCharCode(c.charCodeAt(0) ^ 0x20)}`);
	let sum = 0;
	for (let i = 0; i < body.length; i++) sum = (sum + body.charCodeAt(i)) & 0xff;
	return `$${body}#${sum.toString(16).padStart(2, "0")}`;
}

function hexDigit(byte: number): number {
	const value = Number.parseInt(String.fromCharCode(byte), 16);
	return Number.isNaN(value) ? -1 : value;
}

function bytesToString(bytes: ArrayLike<number>): string {
	let text = "";
	for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i]!);
	return text;
}

/** Two hexadecimal digits for each byte. */
export function toHex(bytes: ArrayLike<number>): string {
	let text = "";
	for (let i = 0; i < bytes.length; i++) text += bytes[i]!.toString(16).padStart(2, "0");
	return text;
}

/** => null unless `text` consists of pairs of hexadecimal digits. */
export function fromHex(text: string): Uint8Array | null {
	if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return null;
	return Uint8Array.from({ length: text.length / 2 }, (_, i) =>
		Number.parseInt(text.slice(2 * i, 2 * i + 2), 16),
	);
}

/** `text` as UTF-8, in hexadecimal. */
export const textToHex = (text: string): string => toHex(new TextEncoder().encode(text));

/** An unsigned hexadecimal number of at most 32 bits, or null. */
export function parseHex(text: string | undefined): number | null {
	return text !== undefined && /^[0-9a-fA-F]{1,8}$/.test(text) ? Number.parseInt(text, 16) : null;
}

/** A 32-bit value in the byte order of the protocol. */
export const wordBytes = (value: number): Uint8Array =>
	Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);

/** => null unless `bytes` has four bytes. */
export function wordOf(bytes: Uint8Array): number | null {
	if (bytes.length !== 4) return null;
	return (bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24)) >>> 0;
}
