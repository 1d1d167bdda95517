/**
 * A small virtio-blk driver, written from VIRTIO 1.2 alone: numbers stand for registers and fields
 * here, so that a wrong constant in the device shows.
 */

import type { Bench } from "./bench-board.ts";

export interface Piece {
	readonly pa: number;
	readonly length: number;
	readonly write: boolean;
}

/** Memory: rings at 0x1000.., an indirect table at 0x4000, headers and status bytes at 0x8000. */
const RINGS = 0x8000_1000;
const INDIRECT = 0x8000_4000;
const REQUESTS = 0x8000_8000;
/** Distances for a driver that has its memory elsewhere. */
const OTHER_INDIRECT = 0x3000;
const OTHER_REQUESTS = 0x4000;
/** First address that tests may use for data. */
export const DATA = 0x8001_0000;

export interface DriverOptions {
	/** The registers of 4.2.4. */
	readonly legacy?: boolean;
	/** Legacy: alignment of the used ring; null leaves the register alone. */
	readonly align?: number | null;
	/** Where all of its memory is instead: rings first, then what requests need. */
	readonly at?: number;
}

export class BlkDriver {
	readonly bench: Bench;
	readonly base: number;
	readonly num: number;
	readonly legacy: boolean;
	readonly align: number | null;
	readonly #rings: number;
	readonly #indirect: number;
	readonly #requestsAt: number;
	/** Feature words 0 and 1 of the last start. */
	features: readonly [number, number] = [0, 0];
	#avail = 0;
	#used = 0;
	#freeDesc = 0;
	#requests = 0;

	constructor(bench: Bench, slot = 0, num = 64, options: DriverOptions = {}) {
		this.bench = bench;
		this.base = 0x1000_1000 + slot * 0x1000;
		this.num = num;
		this.legacy = options.legacy ?? false;
		this.align = options.align === undefined ? 4096 : options.align;
		const { at } = options;
		this.#rings = at ?? RINGS;
		this.#indirect = at === undefined ? INDIRECT : at + OTHER_INDIRECT;
		this.#requestsAt = at === undefined ? REQUESTS : at + OTHER_REQUESTS;
	}

	get desc(): number {
		return this.#rings;
	}

	get availRing(): number {
		return this.#rings + 16 * this.num;
	}

	/** Behind the available ring and its used_event; 2.7.2 aligns it for legacy devices. */
	get usedRing(): number {
		const end = this.#rings + 16 * this.num + 6 + 2 * this.num;
		const align = this.legacy ? (this.align ?? 4096) : 4;
		return Math.ceil(end / align) * align;
	}

	/** 2.7.6: the driver's, behind the available ring. */
	get usedEvent(): number {
		return this.availRing + 4 + 2 * this.num;
	}

	/** 2.7.8: the device's, behind the used ring. */
	get availEvent(): number {
		return this.usedRing + 4 + 8 * this.num;
	}

	/** Whether VIRTIO_F_EVENT_IDX, bit 29, was accepted. */
	get eventIdx(): boolean {
		return (this.features[0] & (1 << 29)) !== 0;
	}

	reg(offset: number): number {
		return this.bench.read(this.base + offset);
	}

	setReg(offset: number, value: number): void {
		this.bench.write(this.base + offset, value);
	}

	/** Section 3.1.1, steps 1 to 8; without FEATURES_OK, 3.1.2. `features`: words 0 and 1. */
	start(features: readonly [number, number] = [1 << 9, 1]): void {
		this.features = features;
		this.setReg(0x70, 0);
		this.setReg(0x70, 1);
		this.setReg(0x70, 1 | 2);
		if (this.legacy) {
			this.setReg(0x24, 0);
			this.setReg(0x20, features[0]);
			this.setReg(0x28, 4096);
			this.setUpQueue();
			this.setReg(0x70, 1 | 2 | 4);
			return;
		}
		for (const word of [0, 1] as const) {
			this.setReg(0x24, word);
			this.setReg(0x20, features[word]);
		}
		this.setReg(0x70, 1 | 2 | 8);
		if ((this.reg(0x70) & 8) === 0) throw new Error("features refused");
		this.setUpQueue();
		this.setReg(0x70, 1 | 2 | 8 | 4);
	}

	setUpQueue(): void {
		this.#avail = 0;
		this.#used = 0;
		this.bench.ram.store32(this.availRing, 0);
		this.bench.ram.store32(this.usedRing, 0);
		this.bench.ram.store16(this.usedEvent, 0);
		this.bench.ram.store16(this.availEvent, 0);
		this.setReg(0x30, 0);
		this.setReg(0x38, this.num);
		if (this.legacy) {
			if (this.align !== null) this.setReg(0x3c, this.align);
			this.setReg(0x40, this.#rings / 4096);
			return;
		}
		const areas: [number, number][] = [
			[0x80, this.desc],
			[0x90, this.availRing],
			[0xa0, this.usedRing],
		];
		for (const [register, pa] of areas) {
			this.setReg(register, pa);
			this.setReg(register + 4, 0);
		}
		this.setReg(0x44, 1);
	}

	putDesc(index: number, pa: number, length: number, flags: number, next = 0, at = this.desc) {
		const { ram } = this.bench;
		ram.store32(at + 16 * index, pa % 2 ** 32);
		ram.store32(at + 16 * index + 4, Math.floor(pa / 2 ** 32));
		ram.store32(at + 16 * index + 8, length);
		ram.store16(at + 16 * index + 12, flags);
		ram.store16(at + 16 * index + 14, next);
	}

	/** Write a chain from the next free descriptors on. => its head. */
	putChain(pieces: readonly Piece[]): number {
		const head = this.#freeDesc;
		for (const [i, piece] of pieces.entries()) {
			const index = (head + i) % this.num;
			const last = i === pieces.length - 1;
			const flags = (last ? 0 : 1) | (piece.write ? 2 : 0);
			this.putDesc(index, piece.pa, piece.length, flags, (index + 1) % this.num);
		}
		this.#freeDesc = (head + pieces.length) % this.num;
		return head;
	}

	putIndirect(pieces: readonly Piece[]): number {
		const head = this.#freeDesc;
		for (const [i, piece] of pieces.entries()) {
			const flags = (i === pieces.length - 1 ? 0 : 1) | (piece.write ? 2 : 0);
			this.putDesc(i, piece.pa, piece.length, flags, i + 1, this.#indirect);
		}
		this.putDesc(head, this.#indirect, 16 * pieces.length, 4);
		this.#freeDesc = (head + 1) % this.num;
		return head;
	}

	/** Take the queue out of use. */
	stopQueue(): void {
		this.setReg(this.legacy ? 0x40 : 0x44, 0);
	}

	/** Make a chain available and notify; 2.7.10.1: with event indices only where asked. */
	submit(head: number, notify = true): void {
		const { ram } = this.bench;
		const old = this.#avail;
		ram.store16(this.availRing + 4 + 2 * (old % this.num), head);
		this.#avail = (old + 1) & 0xffff;
		ram.store16(this.availRing + 2, this.#avail);
		const wanted = !this.eventIdx || ram.load16(this.availEvent) === old;
		if (notify && wanted) this.setReg(0x50, 0);
	}

	/** Pieces of a request: header, data, status. The status byte is 0xff until answered. */
	pieces(type: number, sector: number, data: readonly Piece[]): Piece[] {
		const { ram } = this.bench;
		const header = this.#requestsAt + 32 * (this.#requests++ % 64);
		ram.store32(header, type);
		ram.store32(header + 4, 0);
		ram.store32(header + 8, sector % 2 ** 32);
		ram.store32(header + 12, Math.floor(sector / 2 ** 32));
		ram.write(header + 16, Uint8Array.of(0xff));
		return [
			{ pa: header, length: 16, write: false },
			...data,
			{ pa: header + 16, length: 1, write: true },
		];
	}

	/** => the status byte's address. */
	request(type: number, sector: number, data: readonly Piece[]): number {
		const pieces = this.pieces(type, sector, data);
		this.submit(this.putChain(pieces));
		return pieces[pieces.length - 1]!.pa;
	}

	/** Read or write whole sectors at `pa`, and wait for it. => the status. */
	transfer(type: 0 | 1, sector: number, pa: number, length: number): number {
		const status = this.request(type, sector, [{ pa, length, write: type === 0 }]);
		this.settle();
		return this.status(status);
	}

	status(pa: number): number {
		return this.bench.ram.bytes[pa - this.bench.ram.base]!;
	}

	/** Let time pass until nothing waits any more. */
	settle(): void {
		while (this.bench.clock.skip());
	}

	/** Used elements that have not been seen yet; then used_event asks for the next one. */
	collect(): { id: number; length: number }[] {
		const { ram } = this.bench;
		const elements = [];
		while (this.#used !== ram.load16(this.usedRing + 2)) {
			const at = this.usedRing + 4 + 8 * (this.#used % this.num);
			elements.push({ id: ram.load32(at), length: ram.load32(at + 4) });
			this.#used = (this.#used + 1) & 0xffff;
		}
		if (this.eventIdx) ram.store16(this.usedEvent, this.#used);
		return elements;
	}
}
