/**
 * Physical memory as devices reach it. Every access names its range and is refused as a whole
 * unless the range lies in RAM. Writes are coherent with decoded code and with reservations.
 */

import type { CodeCache } from "./code-cache.ts";
import type { HartParts } from "./hart-parts.ts";
import type { HartState } from "./hart-state.ts";
import { type Memory, RAM_BASE } from "./memory.ts";
import type { Mirror } from "./mirror.ts";
import { PAGE_MASK, PAGE_SIZE } from "./port.ts";

/** Returned by the loads for an address outside RAM; no value in memory equals it. */
export const DMA_FAULT = -1;

/** Up to so many bytes a loop is faster than `set`, which needs a view. */
const FEW = 32;

/** Copy a part of an array into another one. */
function copyBytes(
	from: Uint8Array,
	at: number,
	to: Uint8Array,
	where: number,
	length: number,
): void {
	if (length === from.length) to.set(from, where);
	else if (length > FEW) to.set(from.subarray(at, at + length), where);
	else for (let i = 0; i < length; i++) to[where + i] = from[at + i]!;
}

/** Views of pages that are kept, a power of two. */
const VIEWS = 1024;

/** Addresses are physical ones; `at`: RAM begins at 0, and its addresses are small integers. */
export class Dma {
	readonly ramBase = RAM_BASE;
	/** Of pages that were read as a whole, by the low bits of the page number. */
	readonly #views: (Uint8Array | null)[] = new Array<Uint8Array | null>(VIEWS).fill(null);
	readonly #memory: Memory;
	readonly #mirror: Mirror;
	readonly #code: CodeCache;
	readonly #state: HartState;

	constructor({
		memory,
		mirror,
		code,
		state,
	}: Pick<HartParts, "memory" | "mirror" | "code" | "state">) {
		this.#memory = memory;
		this.#mirror = mirror;
		this.#code = code;
		this.#state = state;
	}

	/** Whether all of `length` bytes from `pa` on lie in RAM; true for a length of 0. */
	contains(pa: number, length: number): boolean {
		return this.containsAt(pa - RAM_BASE, length);
	}

	containsAt(at: number, length: number): boolean {
		return length === 0 || this.#memory.offsetAt(at, length) >= 0;
	}

	/**
	 * Fill `bytes`, or `length` of them from `at` on, from RAM at `pa`. => false, and nothing read,
	 * unless all of it lies in RAM. false as well where memory cannot correct what it reads; `bytes`
	 * is undefined then.
	 */
	read(pa: number, bytes: Uint8Array, at = 0, length = bytes.length - at): boolean {
		return this.readAt(pa - RAM_BASE, bytes, at, length);
	}

	readAt(at: number, bytes: Uint8Array, to = 0, length = bytes.length - to): boolean {
		const host = this.#memory.offsetAt(at, length);
		return host >= 0 && this.readHost(host, bytes, to, length);
	}

	/** The same by host offset. => all of it lies in RAM */
	readHost(host: number, bytes: Uint8Array, at: number, length: number): boolean {
		if (this.#memory.cells !== null) {
			return this.#readCells(host, bytes.subarray(at, at + length));
		}
		let done = 0;
		// Whole pages by their views, as one would have to be made of each other range.
		if ((host & PAGE_MASK) === 0) {
			for (; done + PAGE_SIZE <= length; done += PAGE_SIZE) {
				bytes.set(this.#page(host + done), at + done);
			}
		}
		if (done < length) copyBytes(this.#memory.u8, host + done, bytes, at + done, length - done);
		return true;
	}

	/** The page at a host offset. */
	#page(host: number): Uint8Array {
		const i = (host / PAGE_SIZE) % VIEWS;
		const kept = this.#views[i];
		if (kept?.byteOffset === host) return kept;
		const page = this.#memory.u8.subarray(host, host + PAGE_SIZE);
		this.#views[i] = page;
		return page;
	}

	/**
	 * Copy `bytes`, or `length` of them from `at` on, to RAM at `pa`. => false, and nothing written,
	 * unless all of it lies in RAM.
	 */
	write(pa: number, bytes: Uint8Array, at = 0, length = bytes.length - at): boolean {
		return this.writeAt(pa - RAM_BASE, bytes, at, length);
	}

	writeAt(at: number, bytes: Uint8Array, from = 0, length = bytes.length - from): boolean {
		const host = this.#memory.offsetAt(at, length);
		if (host < 0) return false;
		this.writeHost(host, bytes, from, length);
		return true;
	}

	/** The same by host offset. => all of it lies in RAM */
	writeHost(host: number, bytes: Uint8Array, at: number, length: number): void {
		this.#writing(host, length);
		copyBytes(bytes, at, this.#memory.u8, host, length);
		this.overwritten(host, length);
	}

	/** Set `length` bytes of RAM to `value`. => false unless all of them lie in RAM. */
	fill(pa: number, length: number, value: number): boolean {
		const host = this.#memory.offsetOf(pa, length);
		if (host < 0) return false;
		this.#writing(host, length);
		this.#memory.u8.fill(value, host, host + length);
		this.overwritten(host, length);
		return true;
	}

	/**
	 * Unsigned little-endian values; the address need not be aligned.
	 * => DMA_FAULT outside RAM, and where memory cannot correct what it reads.
	 */
	load8(pa: number): number {
		const host = this.#memory.offsetOf(pa, 1);
		return host < 0 ? DMA_FAULT : this.#load(host, 1);
	}

	load16(pa: number): number {
		return this.load16At(pa - RAM_BASE);
	}

	load16At(at: number): number {
		const host = this.#memory.offsetAt(at, 2);
		return host < 0 ? DMA_FAULT : this.#load(host, 2);
	}

	load32(pa: number): number {
		const host = this.#memory.offsetOf(pa, 4);
		if (host < 0) return DMA_FAULT;
		return (host & 3) === 0 && this.#memory.cells === null
			? this.#memory.i32[host >> 2]! >>> 0
			: this.#load(host, 4);
	}

	/** => false outside RAM. */
	store8(pa: number, value: number): boolean {
		return this.#store(pa - RAM_BASE, 1, value);
	}

	store16(pa: number, value: number): boolean {
		return this.#store(pa - RAM_BASE, 2, value);
	}

	store32(pa: number, value: number): boolean {
		return this.#store(pa - RAM_BASE, 4, value);
	}

	store8At(at: number, value: number): boolean {
		return this.#store(at, 1, value);
	}

	store16At(at: number, value: number): boolean {
		return this.#store(at, 2, value);
	}

	store32At(at: number, value: number): boolean {
		return this.#store(at, 4, value);
	}

	/** Invert one bit (0..7) of the byte at `pa`: a memory error. => false outside RAM. */
	flip(pa: number, bit: number): boolean {
		const host = this.#memory.offsetOf(pa, 1);
		if (host < 0) return false;
		this.#writing(host, 1);
		this.#memory.u8[host]! ^= 1 << bit;
		this.overwritten(host, 1);
		return true;
	}

	/**
	 * Copy a range of RAM to another. => false, and nothing written, unless both lie in RAM. What
	 * memory cannot correct is copied as such, in words of 8 bytes.
	 */
	copy(from: number, to: number, length: number): boolean {
		const source = this.#memory.offsetOf(from, length);
		const host = this.#memory.offsetOf(to, length);
		if (source < 0 || host < 0) return false;
		if (this.#memory.cells !== null) return this.#copyCells(source, host, length);
		this.#mirror.storingRange(host, length);
		this.#memory.u8.copyWithin(host, source, source + length);
		this.overwritten(host, length);
		return true;
	}

	/** To be called after bytes of RAM were written, by host offset. */
	overwritten(host: number, bytes: number): void {
		const { cells } = this.#memory;
		if (cells !== null) this.#eachPage(host, bytes, (at, n) => cells.written(at, n));
		const reserved = this.#state.reservation;
		if (host < reserved + 4 && reserved < host + bytes) this.#state.reservation = -1;
		const end = host + bytes;
		for (let page = host & ~PAGE_MASK; page < end; page += PAGE_SIZE) {
			if (this.#mirror.isWatched(page)) this.#code.overwritten(page, 1);
		}
	}

	/** `bytes` bytes at `host` are about to be written. */
	#writing(host: number, bytes: number): void {
		const { cells } = this.#memory;
		this.#mirror.storingRange(host, bytes);
		if (cells !== null) this.#eachPage(host, bytes, (at, n) => cells.writing(at, n));
	}

	/** The parts of a range that lie in pages whose cells may err. */
	#eachPage(host: number, bytes: number, visit: (at: number, n: number) => void): void {
		for (let at = host; at < host + bytes; ) {
			const n = Math.min(PAGE_SIZE - (at & PAGE_MASK), host + bytes - at);
			if (this.#mirror.distrusts(at)) visit(at, n);
			at += n;
		}
	}

	#readCells(host: number, bytes: Uint8Array): boolean {
		const cells = this.#memory.cells!;
		let sound = true;
		bytes.set(this.#memory.u8.subarray(host, host + bytes.length));
		this.#eachPage(host, bytes.length, (at, n) => {
			sound = cells.read(at, n, bytes, at - host) && sound;
		});
		return sound;
	}

	#copyCells(source: number, host: number, length: number): true {
		const cells = this.#memory.cells!;
		const bytes = this.#memory.u8.slice(source, source + length);
		const lost: number[] = [];
		this.#eachPage(source, length, (at, n) => {
			for (let i = at; i < at + n; ) {
				const word = Math.min(8 - (i & 7), at + n - i);
				if (!cells.read(i, word, bytes, i - source)) lost.push(i - source);
				i += word;
			}
		});
		this.#writing(host, length);
		this.#memory.u8.set(bytes, host);
		this.overwritten(host, length);
		for (const at of lost) cells.poison((host + at) & ~7);
		return true;
	}

	#load(host: number, bytes: number): number {
		let value = 0;
		if (this.#memory.cells !== null) {
			const read = new Uint8Array(bytes);
			if (!this.#readCells(host, read)) return DMA_FAULT;
			return read.reduceRight((sum, byte) => sum * 256 + byte, 0);
		}
		for (let i = bytes - 1; i >= 0; i--) value = value * 256 + this.#memory.u8[host + i]!;
		return value;
	}

	#store(at: number, bytes: number, value: number): boolean {
		const host = this.#memory.offsetAt(at, bytes);
		if (host < 0) return false;
		this.#writing(host, bytes);
		for (let i = 0; i < bytes; i++) this.#memory.u8[host + i] = value >>> (8 * i);
		this.overwritten(host, bytes);
		return true;
	}
}
