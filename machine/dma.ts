/**
 * Physical memory as devices reach it. Every access names its range and is refused as a whole
 * unless the range lies in RAM. Writes are coherent with decoded code and with reservations.
 */

import type { CodeCache } from "./code-cache.ts";
import type { HartParts } from "./hart-parts.ts";
import type { HartState } from "./hart-state.ts";
import type { Memory } from "./memory.ts";
import type { Mirror } from "./mirror.ts";
import { PAGE_MASK, PAGE_SIZE } from "./port.ts";

/** Returned by the loads for an address outside RAM; no value in memory equals it. */
export const DMA_FAULT = -1;

export class Dma {
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
		return length === 0 || this.#memory.offsetOf(pa, length) >= 0;
	}

	/** Fill `bytes` from RAM at `pa`. => false, and nothing read, unless all of it lies in RAM. */
	read(pa: number, bytes: Uint8Array): boolean {
		const host = this.#memory.offsetOf(pa, bytes.length);
		if (host < 0) return false;
		bytes.set(this.#memory.u8.subarray(host, host + bytes.length));
		return true;
	}

	/** Copy `bytes` to RAM at `pa`. => false, and nothing written, unless all of it lies in RAM. */
	write(pa: number, bytes: Uint8Array): boolean {
		const host = this.#memory.offsetOf(pa, bytes.length);
		if (host < 0) return false;
		this.#mirror.storingRange(host, bytes.length);
		this.#memory.u8.set(bytes, host);
		this.overwritten(host, bytes.length);
		return true;
	}

	/** Set `length` bytes of RAM to `value`. => false unless all of them lie in RAM. */
	fill(pa: number, length: number, value: number): boolean {
		const host = this.#memory.offsetOf(pa, length);
		if (host < 0) return false;
		this.#mirror.storingRange(host, length);
		this.#memory.u8.fill(value, host, host + length);
		this.overwritten(host, length);
		return true;
	}

	/** Unsigned little-endian values; the address need not be aligned. => DMA_FAULT outside RAM. */
	load8(pa: number): number {
		const host = this.#memory.offsetOf(pa, 1);
		return host < 0 ? DMA_FAULT : this.#memory.u8[host]!;
	}

	load16(pa: number): number {
		const host = this.#memory.offsetOf(pa, 2);
		return host < 0 ? DMA_FAULT : this.#load(host, 2);
	}

	load32(pa: number): number {
		const host = this.#memory.offsetOf(pa, 4);
		if (host < 0) return DMA_FAULT;
		return (host & 3) === 0 ? this.#memory.i32[host >> 2]! >>> 0 : this.#load(host, 4);
	}

	/** => false outside RAM. */
	store8(pa: number, value: number): boolean {
		return this.#store(pa, 1, value);
	}

	store16(pa: number, value: number): boolean {
		return this.#store(pa, 2, value);
	}

	store32(pa: number, value: number): boolean {
		return this.#store(pa, 4, value);
	}

	/** Invert one bit (0..7) of the byte at `pa`: a memory error. => false outside RAM. */
	flip(pa: number, bit: number): boolean {
		const host = this.#memory.offsetOf(pa, 1);
		if (host < 0) return false;
		this.#mirror.storingRange(host, 1);
		this.#memory.u8[host]! ^= 1 << bit;
		this.overwritten(host, 1);
		return true;
	}

	/** Copy a range of RAM to another. => false, and nothing written, unless both lie in RAM. */
	copy(from: number, to: number, length: number): boolean {
		const source = this.#memory.offsetOf(from, length);
		const host = this.#memory.offsetOf(to, length);
		if (source < 0 || host < 0) return false;
		this.#mirror.storingRange(host, length);
		this.#memory.u8.copyWithin(host, source, source + length);
		this.overwritten(host, length);
		return true;
	}

	/** To be called after bytes of RAM were written, by host offset. */
	overwritten(host: number, bytes: number): void {
		const reserved = this.#state.reservation;
		if (host < reserved + 4 && reserved < host + bytes) this.#state.reservation = -1;
		const end = host + bytes;
		for (let page = host & ~PAGE_MASK; page < end; page += PAGE_SIZE) {
			if (this.#mirror.isWatched(page)) this.#code.overwritten(page, 1);
		}
	}

	#load(host: number, bytes: number): number {
		let value = 0;
		for (let i = bytes - 1; i >= 0; i--) value = value * 256 + this.#memory.u8[host + i]!;
		return value;
	}

	#store(pa: number, bytes: number, value: number): boolean {
		const host = this.#memory.offsetOf(pa, bytes);
		if (host < 0) return false;
		this.#mirror.storingRange(host, bytes);
		for (let i = 0; i < bytes; i++) this.#memory.u8[host + i] = value >>> (8 * i);
		this.overwritten(host, bytes);
		return true;
	}
}
