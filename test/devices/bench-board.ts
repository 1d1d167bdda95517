/**
 * A board on a bench: real bus, clock and devices, RAM in a Uint8Array, and lamps on the
 * interrupt wires in place of a hart.
 */

import { expect } from "vitest";
import { Board, type BoardOptions } from "../../devices/board.ts";
import type { Dma } from "../../devices/dma.ts";
import type { IrqLine } from "../../devices/irq.ts";
import { ACCESS_FAULT, Bus } from "../../machine/bus.ts";
import { Clock } from "../../machine/clock.ts";
import { RAM_BASE } from "../../machine/memory.ts";

/** RAM that counts the bytes that devices write to it, and refuses what lies outside. */
export class BenchRam implements Dma {
	readonly bytes: Uint8Array;
	readonly base: number;
	readonly ramBase: number;
	/** Accesses refused because they were not wholly inside. */
	refused = 0;
	readonly #view: DataView;

	constructor(size: number, base = RAM_BASE) {
		this.bytes = new Uint8Array(size);
		this.base = base;
		this.ramBase = base;
		this.#view = new DataView(this.bytes.buffer);
	}

	contains(pa: number, length: number): boolean {
		return pa >= this.base && pa + length <= this.base + this.bytes.length;
	}

	read(pa: number, into: Uint8Array, at = 0, length = into.length - at): boolean {
		if (!this.#check(pa, length)) return false;
		into.set(this.bytes.subarray(pa - this.base, pa - this.base + length), at);
		return true;
	}

	write(pa: number, bytes: Uint8Array, at = 0, length = bytes.length - at): boolean {
		if (!this.#check(pa, length)) return false;
		this.bytes.set(bytes.subarray(at, at + length), pa - this.base);
		return true;
	}

	load16(pa: number): number {
		return this.#check(pa, 2, 2) ? this.#view.getUint16(pa - this.base, true) : -1;
	}

	load32(pa: number): number {
		return this.#check(pa, 4, 4) ? this.#view.getUint32(pa - this.base, true) : -1;
	}

	store8(pa: number, value: number): boolean {
		return this.write(pa, Uint8Array.of(value));
	}

	store16(pa: number, value: number): boolean {
		if (!this.#check(pa, 2, 2)) return false;
		this.#view.setUint16(pa - this.base, value, true);
		return true;
	}

	store32(pa: number, value: number): boolean {
		if (!this.#check(pa, 4, 4)) return false;
		this.#view.setUint32(pa - this.base, value, true);
		return true;
	}

	containsAt(at: number, length: number): boolean {
		return this.contains(this.base + at, length);
	}

	readAt(at: number, into: Uint8Array, to?: number, length?: number): boolean {
		return this.read(this.base + at, into, to, length);
	}

	writeAt(at: number, bytes: Uint8Array, from?: number, length?: number): boolean {
		return this.write(this.base + at, bytes, from, length);
	}

	load16At(at: number): number {
		return this.load16(this.base + at);
	}

	store8At(at: number, value: number): boolean {
		return this.store8(this.base + at, value);
	}

	store16At(at: number, value: number): boolean {
		return this.store16(this.base + at, value);
	}

	store32At(at: number, value: number): boolean {
		return this.store32(this.base + at, value);
	}

	#check(pa: number, length: number, alignment = 1): boolean {
		// The interface promises natural alignment; a device that breaks it is wrong.
		if (pa % alignment !== 0) throw new Error("misaligned DMA");
		if (this.contains(pa, length)) return true;
		this.refused++;
		return false;
	}
}

/** Equality of bytes; `toEqual` looks at them one by one and takes a second for a megabyte. */
export function expectBytes(actual: Uint8Array, expected: Uint8Array): void {
	const differs = actual.findIndex((byte, i) => byte !== expected[i]);
	expect({ length: actual.length, differs }).toEqual({ length: expected.length, differs: -1 });
}

/** Bytes that differ from sector to sector and from seed to seed. */
export function pattern(length: number, seed = 1): Uint8Array {
	return Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 13 + (i >> 8)) & 0xff);
}

/** The end of a wire: whether it is high, and how often it rose. */
export class Lamp implements IrqLine {
	on = false;
	rises = 0;

	set(level: boolean): void {
		if (level && !this.on) this.rises++;
		this.on = level;
	}
}

export class Bench {
	readonly bus = new Bus();
	readonly clock = new Clock();
	readonly ram: BenchRam;
	readonly lines = { meip: new Lamp(), seip: new Lamp(), mtip: new Lamp(), msip: new Lamp() };
	readonly board: Board;

	constructor(options: BoardOptions = {}, ramSize = 256 * 1024) {
		this.ram = new BenchRam(ramSize);
		this.board = new Board(
			{ bus: this.bus, clock: this.clock, dma: this.ram, lines: this.lines },
			options,
		);
	}

	/** A 32-bit load that must not fault. */
	read(pa: number): number {
		const value = this.bus.load(pa, 4);
		if (value === ACCESS_FAULT) throw new Error(`load fault at 0x${pa.toString(16)}`);
		return value;
	}

	/** A 32-bit store that must not fault. */
	write(pa: number, value: number): void {
		if (!this.bus.store(pa, 4, value >>> 0)) {
			throw new Error(`store fault at 0x${pa.toString(16)}`);
		}
	}
}
