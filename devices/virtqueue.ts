/**
 * Split virtqueue, the device's side. VIRTIO 1.2, section 2.7.
 *
 * The rings are written by the guest, so every index, address and length is checked before
 * it is used. What breaks the ring format makes the queue `broken` for good: the device then asks
 * for a reset. Nothing here throws, loops without bound, or touches memory outside RAM.
 */

import type { Dma } from "./dma.ts";
import { Segments } from "./segments.ts";

/** Descriptor flags, 2.7.5. */
const VIRTQ_DESC_F_NEXT = 1;
const VIRTQ_DESC_F_WRITE = 2;
const VIRTQ_DESC_F_INDIRECT = 4;
/** Flags of the available ring, 2.7.6. */
const VIRTQ_AVAIL_F_NO_INTERRUPT = 1;

/** A descriptor: address (64 bits), length (32), flags (16), next (16). */
const DESC_SIZE = 16;
/** Available ring: flags, idx, ring[]. Used ring: flags, idx, {id, len}[]. */
const RING_FLAGS = 0;
const RING_IDX = 2;
const RING_ENTRIES = 4;
const USED_ELEMENT_SIZE = 8;
/**
 * Buffers of a chain. 2.7.5.3.1 tells drivers to stay below the queue's size, but with an indirect
 * table many do not; like QEMU we take what fits the largest of queues.
 */
const CHAIN_MAX = 1024;
/** Behind each ring: used_event, avail_event. */
const EVENT_SIZE = 2;

/** One request: buffers the device reads, then buffers it writes. */
export interface Chain {
	head: number;
	readonly readable: Segments;
	readonly writable: Segments;
}

export interface VirtqueueState {
	readonly num: number;
	readonly ready: boolean;
	readonly broken: boolean;
	readonly desc: readonly [number, number];
	readonly driver: readonly [number, number];
	readonly device: readonly [number, number];
	readonly lastAvail: number;
	readonly usedIdx: number;
	readonly inFlight: number;
}

export class Virtqueue {
	/** QueueNumMax: the largest size that the device accepts. */
	readonly numMax: number;
	/** QueueNum: entries of each ring. */
	num: number;
	/** Ring addresses as [low, high]: descriptor table, available ring, used ring. */
	desc: [number, number] = [0, 0];
	driver: [number, number] = [0, 0];
	device: [number, number] = [0, 0];
	/** Whether chains with an indirect table are allowed (VIRTIO_F_INDIRECT_DESC negotiated). */
	indirect = false;
	/** Whether the rings' event fields count (VIRTIO_F_EVENT_IDX negotiated). */
	eventIdx = false;
	#ready = false;
	#broken = false;
	/** Free-running indices modulo 2^16. */
	#lastAvail = 0;
	#usedIdx = 0;
	/** Chains taken and not yet returned. */
	#inFlight = 0;
	/** Where the rings are while ready, from the start of RAM on. */
	#descAt = 0;
	#availAt = 0;
	#usedAt = 0;
	/** The current descriptor. An indirect table need not be aligned. */
	readonly #entryBytes = new Uint8Array(DESC_SIZE);
	readonly #entry = new DataView(this.#entryBytes.buffer);
	/** The chain that was taken last. */
	readonly #chain: Chain = { head: 0, readable: new Segments(), writable: new Segments() };
	readonly #dma: Dma;

	constructor(dma: Dma, numMax: number) {
		this.#dma = dma;
		this.numMax = numMax;
		this.num = numMax;
	}

	get ready(): boolean {
		return this.#ready;
	}

	/** The guest broke the ring format; `reset` clears this. */
	get broken(): boolean {
		return this.#broken;
	}

	/**
	 * Put the queue into use. => false, and not ready, unless the size is a power of two up to
	 * `numMax` and the three areas are aligned (2.7) and lie in RAM.
	 */
	enable(): boolean {
		const { num } = this;
		if (num < 1 || num > this.numMax || (num & (num - 1)) !== 0) return false;
		const desc = address(this.desc);
		const avail = address(this.driver);
		const used = address(this.device);
		if (desc % 16 !== 0 || avail % 2 !== 0 || used % 4 !== 0) return false;
		const event = this.eventIdx ? EVENT_SIZE : 0;
		const descAt = this.#place(desc, DESC_SIZE * num);
		const availAt = this.#place(avail, RING_ENTRIES + 2 * num + event);
		const usedAt = this.#place(used, RING_ENTRIES + USED_ELEMENT_SIZE * num + event);
		if (descAt < 0 || availAt < 0 || usedAt < 0) return false;
		this.#descAt = descAt;
		this.#availAt = availAt;
		this.#usedAt = usedAt;
		this.#lastAvail = 0;
		this.#usedIdx = 0;
		this.#inFlight = 0;
		this.#ready = true;
		return true;
	}

	/** Where `bytes` bytes at physical address `pa` are, from the start of RAM on; -1: not there. */
	#place(pa: number, bytes: number): number {
		const at = pa - this.#dma.ramBase;
		return this.#dma.containsAt(at, bytes) ? at | 0 : -1;
	}

	/** 2.7.2: all three areas one after the other from `base` on, as legacy drivers lay them. */
	layOut(base: number, align: number): void {
		const avail = base + DESC_SIZE * this.num;
		const end = avail + RING_ENTRIES + 2 * this.num + EVENT_SIZE;
		const halves = (at: number): [number, number] => [at % 2 ** 32, Math.floor(at / 2 ** 32)];
		this.desc = halves(base);
		this.driver = halves(avail);
		this.device = halves(Math.ceil(end / align) * align);
	}

	/** Take the queue out of use; the chains in flight are forgotten. */
	disable(): void {
		this.#ready = false;
		this.#inFlight = 0;
	}

	reset(): void {
		this.disable();
		this.#broken = false;
		this.indirect = false;
		this.eventIdx = false;
		this.num = this.numMax;
		this.desc = [0, 0];
		this.driver = [0, 0];
		this.device = [0, 0];
	}

	/**
	 * The next chain that the driver made available; null if there is none or `broken`.
	 * => it is as returned until the next call.
	 */
	take(): Chain | null {
		if (!this.#ready || this.#broken) return null;
		const idx = this.#dma.load16At(this.#availAt + RING_IDX);
		// What memory cannot correct is no index, here and in #walk.
		if (idx < 0) return this.#break();
		const waiting = (idx - this.#lastAvail) & 0xffff;
		// 2.7.10: the driver is to notify as soon as it goes on from here.
		if (this.eventIdx) this.#dma.store16At(this.#availEventAt, this.#lastAvail);
		if (waiting === 0) return null;
		// The driver owns `num` descriptors, so it cannot have more requests than that.
		if (waiting + this.#inFlight > this.num) return this.#break();
		const entry = this.#availAt + RING_ENTRIES + 2 * (this.#lastAvail % this.num);
		const chain = this.#walk(this.#dma.load16At(entry));
		if (chain === null) return this.#break();
		this.#lastAvail = (this.#lastAvail + 1) & 0xffff;
		this.#inFlight++;
		return chain;
	}

	/** Return a chain; `written` bytes of its writable part, from the start, are valid. */
	give(head: number, written: number): void {
		const element = this.#usedAt + RING_ENTRIES + USED_ELEMENT_SIZE * (this.#usedIdx % this.num);
		this.#dma.store32At(element, head);
		this.#dma.store32At(element + 4, written >>> 0);
		this.#usedIdx = (this.#usedIdx + 1) & 0xffff;
		this.#dma.store16At(this.#usedAt + RING_IDX, this.#usedIdx);
		this.#inFlight--;
	}

	/** The driver suppresses the interrupt for the chain given last, 2.7.7. */
	get quiet(): boolean {
		const at = this.eventIdx ? RING_ENTRIES + 2 * this.num : RING_FLAGS;
		const wish = this.#dma.load16At(this.#availAt + at);
		// A wish that memory cannot correct silences nothing.
		if (wish < 0) return false;
		if (!this.eventIdx) return (wish & VIRTQ_AVAIL_F_NO_INTERRUPT) !== 0;
		return wish !== ((this.#usedIdx - 1) & 0xffff);
	}

	get #availEventAt(): number {
		return this.#usedAt + RING_ENTRIES + USED_ELEMENT_SIZE * this.num;
	}

	save(): VirtqueueState {
		return {
			num: this.num,
			ready: this.#ready,
			broken: this.#broken,
			desc: [...this.desc],
			driver: [...this.driver],
			device: [...this.device],
			lastAvail: this.#lastAvail,
			usedIdx: this.#usedIdx,
			inFlight: this.#inFlight,
		};
	}

	/** => `indirect` and `eventIdx` follow from the negotiated features: the transport sets them. */
	restore(state: VirtqueueState): void {
		this.num = state.num;
		this.desc = [...state.desc];
		this.driver = [...state.driver];
		this.device = [...state.device];
		this.#descAt = this.#place(address(this.desc), 1);
		this.#availAt = this.#place(address(this.driver), 1);
		this.#usedAt = this.#place(address(this.device), 1);
		this.#ready = state.ready;
		this.#broken = state.broken;
		this.#lastAvail = state.lastAvail;
		this.#usedIdx = state.usedIdx;
		this.#inFlight = state.inFlight;
	}

	#break(): null {
		this.#broken = true;
		return null;
	}

	/** => null for a chain that breaks the rules of 2.7.4 and 2.7.5. */
	#walk(head: number): Chain | null {
		const chain = this.#chain;
		const { readable, writable } = chain;
		chain.head = head;
		readable.clear();
		writable.clear();
		const entry = this.#entry;
		let table = this.#descAt;
		let size = this.num;
		let inTable = false;
		let index = head;
		// More entries than the queue has, or than any chain may have, are a loop.
		for (let left = size; left > 0; left--) {
			if (index < 0 || index >= size) return null;
			if (!this.#dma.readAt(table + DESC_SIZE * index, this.#entryBytes)) return null;
			const pa = entry.getUint32(4, true) * 2 ** 32 + entry.getUint32(0, true);
			const at = pa - this.#dma.ramBase;
			const length = entry.getUint32(8, true);
			const flags = entry.getUint16(12, true);
			if ((flags & VIRTQ_DESC_F_INDIRECT) !== 0) {
				if (!this.indirect || inTable || (flags & VIRTQ_DESC_F_NEXT) !== 0) return null;
				if (length === 0 || length % DESC_SIZE !== 0) return null;
				if (!this.#dma.containsAt(at, length)) return null;
				table = at | 0;
				size = length / DESC_SIZE;
				inTable = true;
				index = 0;
				left = 1 + CHAIN_MAX - readable.count - writable.count;
				continue;
			}
			if ((flags & VIRTQ_DESC_F_WRITE) !== 0) writable.add(at, length);
			else if (writable.count > 0) return null;
			else readable.add(at, length);
			if ((flags & VIRTQ_DESC_F_NEXT) === 0) return chain;
			index = entry.getUint16(14, true);
		}
		return null;
	}
}

/** Inexact above 2^53, which is as far outside RAM as the exact address. */
function address([low, high]: readonly [number, number]): number {
	return high * 2 ** 32 + low;
}
