/**
 * Frame buffer: a picture in memory, with no registers; in device trees
 * "simple-framebuffer", format x8r8g8b8. A pixel is a little-endian word: blue in its lowest byte,
 * then green, red, and an unused byte. Lines follow each other without gaps.
 *
 * Host memory is allocated by the first store.
 */

import { ACCESS_FAULT, type MmioDevice, type Width } from "../machine/bus.ts";
import { PAGE_SIZE } from "../machine/port.ts";
import { UserError } from "../machine/user-error.ts";

/** Bytes of a pixel. */
const PIXEL = 4;
/** Largest width and height. */
const FRAMEBUFFER_MAX = 4096;

export interface FramebufferOptions {
	/** In pixels. */
	readonly width: number;
	readonly height: number;
}

/** The memory, which is never changed; null before the first store. */
export type FramebufferState = Uint8Array | null;

export class Framebuffer implements MmioDevice {
	readonly width: number;
	readonly height: number;
	/** Bytes from one line to the next. */
	readonly stride: number;
	/** Bytes of the picture, and of memory: whole pages. */
	readonly pictureSize: number;
	readonly size: number;
	#bytes: Uint8Array | null = null;
	#view: DataView | null = null;
	/** A saved state refers to the memory: it is copied before it is written. */
	#shared = false;

	/** => UserError for a width or height out of range. */
	constructor({ width, height }: FramebufferOptions) {
		for (const [name, value] of Object.entries({ width, height })) {
			if (!Number.isInteger(value) || value < 1 || value > FRAMEBUFFER_MAX) {
				throw new UserError(
					`framebuffer: ${name} ${value}: must be 1 to ${FRAMEBUFFER_MAX} pixels`,
				);
			}
		}
		this.width = width;
		this.height = height;
		this.stride = width * PIXEL;
		this.pictureSize = this.stride * height;
		this.size = Math.ceil(this.pictureSize / PAGE_SIZE) * PAGE_SIZE;
	}

	load(offset: number, width: Width): number {
		if (offset + width > this.size) return ACCESS_FAULT;
		const view = this.#view;
		if (view === null) return 0;
		if (width === 4) return view.getUint32(offset, true);
		return width === 2 ? view.getUint16(offset, true) : view.getUint8(offset);
	}

	store(offset: number, width: Width, value: number): boolean {
		if (offset + width > this.size) return false;
		const view = this.#shared || this.#view === null ? this.#own() : this.#view;
		if (width === 4) view.setUint32(offset, value, true);
		else if (width === 2) view.setUint16(offset, value, true);
		else view.setUint8(offset, value);
		return true;
	}

	/** The memory as words, for hashing; null before the first store. */
	words(): Int32Array | null {
		const bytes = this.#bytes;
		return bytes === null ? null : new Int32Array(bytes.buffer, bytes.byteOffset, this.size / 4);
	}

	/** The picture: red, green, blue of each pixel, line by line. */
	rgb(): Uint8Array {
		const out = new Uint8Array(this.width * this.height * 3);
		const bytes = this.#bytes;
		if (bytes === null) return out;
		for (let from = 0, to = 0; from < this.pictureSize; from += PIXEL, to += 3) {
			out[to] = bytes[from + 2]!;
			out[to + 1] = bytes[from + 1]!;
			out[to + 2] = bytes[from]!;
		}
		return out;
	}

	save(): FramebufferState {
		this.#shared = true;
		return this.#bytes;
	}

	/** => UserError if the saved picture has a different size. */
	restore(state: FramebufferState): void {
		if (state !== null && state.length !== this.size) {
			throw new UserError("framebuffer: the saved picture has a different size");
		}
		this.#show(state);
		this.#shared = true;
	}

	/** Memory that no saved state refers to. */
	#own(): DataView {
		this.#show(this.#bytes?.slice() ?? new Uint8Array(this.size));
		this.#shared = false;
		return this.#view!;
	}

	#show(bytes: Uint8Array | null): void {
		this.#bytes = bytes;
		this.#view = bytes === null ? null : new DataView(bytes.buffer, bytes.byteOffset, this.size);
	}
}
