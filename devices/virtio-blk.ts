/**
 * Virtio block device. VIRTIO 1.2, section 5.2.
 *
 * A request is parsed when the driver notifies and done later, on a clock event at the cycle
 * that the timing model chooses: then data move by DMA, the medium is read or written, the status
 * byte and the used ring are written, and the interrupt is raised. So requests may complete out of
 * order, and a reset drops those in flight: they do not touch memory or medium any more.
 *
 * An invalid request gets an error status and does not affect others. Only one that cannot be
 * answered (no place for the status byte, no header, a broken ring) puts the device into
 * DEVICE_NEEDS_RESET.
 */

import { Buffer } from "buffer/index.js";
import type { Clock } from "../machine/clock.ts";
import { DISK_OK, type DiskMedia, SECTOR_SIZE } from "./disk/disk-media.ts";
import type { ControllerFault, DiskTiming } from "./disk/timing.ts";
import type { Dma } from "./dma.ts";
import { type Segment, Segments } from "./segments.ts";
import type { VirtioDevice, VirtioPort } from "./virtio-mmio.ts";
import type { Chain } from "./virtqueue.ts";

/** Section 5: device types. */
export const VIRTIO_ID_BLOCK = 2;

/** Feature bits, 5.2.3. */
const VIRTIO_BLK_F_SEG_MAX = 2;
export const VIRTIO_BLK_F_RO = 5;
const VIRTIO_BLK_F_BLK_SIZE = 6;
const VIRTIO_BLK_F_FLUSH = 9;
const VIRTIO_BLK_F_DISCARD = 13;
const VIRTIO_BLK_F_WRITE_ZEROES = 14;

/** Request types, 5.2.6. */
export const VIRTIO_BLK_T_IN = 0;
export const VIRTIO_BLK_T_OUT = 1;
export const VIRTIO_BLK_T_FLUSH = 4;
export const VIRTIO_BLK_T_FLUSH_OUT = 5; // legacy: the same
export const VIRTIO_BLK_T_GET_ID = 8;
export const VIRTIO_BLK_T_DISCARD = 11;
export const VIRTIO_BLK_T_WRITE_ZEROES = 13;

export const VIRTIO_BLK_S_OK = 0;
const VIRTIO_BLK_S_IOERR = 1;
const VIRTIO_BLK_S_UNSUPP = 2;

/** Request header: type (32 bits), reserved (32), sector (64). */
const REQUEST_HEADER_SIZE = 16;
const VIRTIO_BLK_ID_BYTES = 20;

/** Offsets in the configuration space, 5.2.4. */
const CONFIG_CAPACITY = 0; // 64 bits, in sectors
const CONFIG_SEG_MAX = 12; // 32 bits
const CONFIG_BLK_SIZE = 20; // 32 bits
const CONFIG_MAX_DISCARD_SECTORS = 36; // 32 bits each
const CONFIG_MAX_DISCARD_SEG = 40;
const CONFIG_DISCARD_SECTOR_ALIGNMENT = 44;
const CONFIG_MAX_WRITE_ZEROES_SECTORS = 48;
const CONFIG_MAX_WRITE_ZEROES_SEG = 52;
const CONFIG_WRITE_ZEROES_MAY_UNMAP = 56; // 8 bits
const CONFIG_SIZE = 72;

/** As in QEMU. */
const BLK_QUEUE_NUM_MAX = 1024;
/** Data segments of a request: a chain also has a header and a status. */
const BLK_SEG_MAX = 254;
/** Ranges of a DISCARD or WRITE_ZEROES request, and sectors of each. */
const BLK_RANGES_MAX = 16;
const BLK_RANGE_SECTORS_MAX = 0x1_0000;
/** A range: sector (64 bits), number of sectors (32), flags (32); 5.2.6. */
const RANGE_SIZE = 16;
const RANGE_UNMAP = 1;
/** Bytes that are written at a time to clear a range. */
const ZEROS_SIZE = 0x1_0000;
/** Data of longer transfers get a buffer of their own: a cluster of pages has this size. */
const BOUNCE_SIZE = 0x1_0000;
/** A longer transfer is refused with IOERR, so that a guest cannot make the host allocate more. */
const BLK_TRANSFER_MAX = 16 * 1024 * 1024; // bytes

export interface VirtioBlkOptions {
	readonly media: DiskMedia;
	readonly timing: DiskTiming;
	/** Refuse writes although the medium would take them. */
	readonly readOnly?: boolean | undefined;
	/** What GET_ID answers; at most 20 bytes of it. */
	readonly id?: string | undefined;
}

/**
 * Observes a disk; called at the current cycle, and must not change anything. A request is what it
 * was until the call returns: it is used again.
 */
export interface DiskObserver {
	/** `sectors` is 0 for requests that move no data. */
	started(disk: string, request: BlkRequest, sectors: number): void;
	completed(disk: string, request: BlkRequest, status: number): void;
	/** A reset, or a fault of the controller, has dropped the requests in flight. */
	cancelled(disk: string, requests: readonly BlkRequest[]): void;
}

/** Counters since the start; requests that fail count as errors only. */
export interface DiskCounters {
	reads: number;
	writes: number;
	flushes: number;
	sectorsRead: number;
	sectorsWritten: number;
	errors: number;
}

/** A request in flight. */
export interface BlkRequest {
	readonly id: number;
	readonly head: number;
	readonly type: number;
	readonly sector: number;
	/** Where the status byte is, from the start of RAM on; and how many writable bytes precede it. */
	readonly statusAt: number;
	readonly before: number;
	/** The error status of an invalid request, found when it was parsed; else VIRTIO_BLK_S_OK. */
	readonly refusal: number;
}

class Request implements BlkRequest {
	id = 0;
	head = 0;
	type = 0;
	sector = 0;
	statusAt = 0;
	before = 0;
	refusal = 0;
	/** Data the device reads or writes; checked to lie in RAM. */
	readonly data = new Segments();
}

export interface VirtioBlkState {
	readonly nextId: number;
	readonly requests: (BlkRequest & { readonly data: readonly Segment[] })[];
	readonly counters: DiskCounters;
	readonly timing: unknown;
}

export class VirtioBlk implements VirtioDevice {
	readonly deviceId = VIRTIO_ID_BLOCK;
	readonly queues = [BLK_QUEUE_NUM_MAX];
	readonly features: readonly number[];
	readonly config = Buffer.alloc(CONFIG_SIZE);
	readonly id: string;
	readonly readOnly: boolean;
	readonly media: DiskMedia;
	readonly timing: DiskTiming;
	readonly counters: DiskCounters = {
		reads: 0,
		writes: 0,
		flushes: 0,
		sectorsRead: 0,
		sectorsWritten: 0,
		errors: 0,
	};
	observer: DiskObserver | null = null;
	readonly #clock: Clock;
	readonly #dma: Dma;
	readonly #completionEvent: number;
	/** In flight, in the order in which they were started. */
	readonly #requests: Request[] = [];
	/** Used again. */
	readonly #free: Request[] = [];
	readonly #bounce = new Uint8Array(BOUNCE_SIZE);
	/** The first so many sectors of it, once they were needed. */
	readonly #bounces: (Uint8Array | null)[] = [];
	/** The header of the request that is parsed. */
	readonly #header = Buffer.alloc(REQUEST_HEADER_SIZE);
	#nextId = 0;
	#port: VirtioPort | null = null;

	constructor(clock: Clock, dma: Dma, options: VirtioBlkOptions) {
		this.#clock = clock;
		this.#dma = dma;
		this.media = options.media;
		this.timing = options.timing;
		this.readOnly = options.media.readOnly || (options.readOnly ?? false);
		this.id = options.id ?? "";
		this.#completionEvent = clock.register((id) => this.#complete(id));
		const features = [VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_FLUSH];
		const write = [VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_WRITE_ZEROES];
		this.features = [...features, ...(this.readOnly ? [VIRTIO_BLK_F_RO] : write)];
		const sectors = this.media.sectors;
		this.config.writeUInt32LE(sectors % 2 ** 32, CONFIG_CAPACITY);
		this.config.writeUInt32LE(Math.floor(sectors / 2 ** 32), CONFIG_CAPACITY + 4);
		this.config.writeUInt32LE(BLK_SEG_MAX, CONFIG_SEG_MAX);
		this.config.writeUInt32LE(SECTOR_SIZE, CONFIG_BLK_SIZE);
		if (this.readOnly) return;
		this.config.writeUInt32LE(BLK_RANGE_SECTORS_MAX, CONFIG_MAX_DISCARD_SECTORS);
		this.config.writeUInt32LE(BLK_RANGES_MAX, CONFIG_MAX_DISCARD_SEG);
		this.config.writeUInt32LE(1, CONFIG_DISCARD_SECTOR_ALIGNMENT);
		this.config.writeUInt32LE(BLK_RANGE_SECTORS_MAX, CONFIG_MAX_WRITE_ZEROES_SECTORS);
		this.config.writeUInt32LE(BLK_RANGES_MAX, CONFIG_MAX_WRITE_ZEROES_SEG);
		this.config[CONFIG_WRITE_ZEROES_MAY_UNMAP] = 1;
	}

	/** Requests accepted and not yet completed. */
	get inFlight(): number {
		return this.#requests.length;
	}

	connect(port: VirtioPort): void {
		this.#port = port;
	}

	notify(index: number): void {
		const port = this.#port!;
		const queue = port.queue(index);
		for (let chain = queue.take(); chain !== null; chain = queue.take()) {
			const request = this.#parse(chain);
			if (request === null) {
				port.needsReset();
				return;
			}
			const fault = this.#start(request);
			if (fault === "needs-reset") {
				port.needsReset();
				return;
			}
			if (fault === "drop-queue") this.cancel();
		}
		if (queue.broken) port.needsReset();
	}

	cancel(): void {
		this.observer?.cancelled(this.id, this.#requests);
		for (let i = 0; i < this.#requests.length; i++) this.#free.push(this.#requests[i]!);
		this.#requests.length = 0;
		this.#clock.cancel(this.#completionEvent);
	}

	/** The device without its medium. */
	save(): VirtioBlkState {
		const { ramBase } = this.#dma;
		return {
			nextId: this.#nextId,
			requests: this.#requests.map((request) => ({ ...request, data: request.data.list(ramBase) })),
			counters: { ...this.counters },
			timing: this.timing.save(),
		};
	}

	/** => so are the medium, and the clock, which holds the events of the requests. */
	restore(state: VirtioBlkState): void {
		this.#nextId = state.nextId;
		this.#requests.length = 0;
		for (const { data, ...saved } of state.requests) {
			const request = Object.assign(new Request(), saved);
			request.data.assign(data, this.#dma.ramBase);
			this.#requests.push(request);
		}
		Object.assign(this.counters, state.counters);
		this.timing.restore(state.timing);
	}

	/** => null if there is no way to answer: no header, or no place for the status in RAM. */
	#parse({ head, readable, writable }: Chain): Request | null {
		const before = writable.bytes - 1;
		const given = readable.bytes;
		if (before < 0 || given < REQUEST_HEADER_SIZE) return null;
		const statusAt = writable.address(before);
		if (!this.#dma.containsAt(statusAt, 1)) return null;
		const request = this.#free.pop() ?? new Request();
		const { data } = request;
		const header = this.#header;
		data.slice(readable, 0, REQUEST_HEADER_SIZE);
		if (!data.gather(this.#dma, header)) {
			this.#free.push(request);
			return null;
		}
		const type = header.readUInt32LE(0);
		const sector = header.readUInt32LE(12) * 2 ** 32 + header.readUInt32LE(8);
		if (type === VIRTIO_BLK_T_OUT || isClearing(type)) {
			data.slice(readable, REQUEST_HEADER_SIZE, given - REQUEST_HEADER_SIZE);
		} else {
			data.slice(writable, 0, before);
		}
		request.id = this.#nextId++;
		request.head = head;
		request.type = type;
		request.sector = sector;
		request.statusAt = statusAt | 0;
		request.before = before;
		request.refusal = this.#refusal(type, sector, data);
		return request;
	}

	#refusal(type: number, sector: number, data: Segments): number {
		const length = data.bytes;
		switch (type) {
			case VIRTIO_BLK_T_IN:
			case VIRTIO_BLK_T_OUT: {
				if (type === VIRTIO_BLK_T_OUT && this.readOnly) return VIRTIO_BLK_S_IOERR;
				const whole = length % SECTOR_SIZE === 0 && length <= BLK_TRANSFER_MAX;
				const inside = sector + length / SECTOR_SIZE <= this.media.sectors;
				return whole && inside && data.inRam(this.#dma) ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
			}
			case VIRTIO_BLK_T_FLUSH:
			case VIRTIO_BLK_T_FLUSH_OUT:
				return VIRTIO_BLK_S_OK;
			case VIRTIO_BLK_T_GET_ID:
				return data.inRam(this.#dma) ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
			case VIRTIO_BLK_T_DISCARD:
			case VIRTIO_BLK_T_WRITE_ZEROES: {
				const whole = length % RANGE_SIZE === 0 && length <= RANGE_SIZE * BLK_RANGES_MAX;
				const readable = whole && length > 0 && data.inRam(this.#dma);
				return readable ? this.#refuseRanges(type, data) : VIRTIO_BLK_S_IOERR;
			}
			default:
				return VIRTIO_BLK_S_UNSUPP;
		}
	}

	/** 5.2.6.2: unknown flags are not supported, nor is the unmap flag of a discard. */
	#refuseRanges(type: number, data: Segments): number {
		const flags = type === VIRTIO_BLK_T_WRITE_ZEROES ? RANGE_UNMAP : 0;
		const ranges = this.#ranges(data);
		if (ranges.length === 0) return VIRTIO_BLK_S_IOERR;
		if (ranges.some((range) => (range.flags & ~flags) !== 0)) return VIRTIO_BLK_S_UNSUPP;
		if (this.readOnly) return VIRTIO_BLK_S_IOERR;
		const inside = ranges.every(
			({ sector, count }) => count <= BLK_RANGE_SECTORS_MAX && sector + count <= this.media.sectors,
		);
		return inside ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
	}

	/** => none if they cannot be read. */
	#ranges(data: Segments): { sector: number; count: number; flags: number }[] {
		const bytes = Buffer.alloc(data.bytes);
		if (!data.gather(this.#dma, bytes)) return [];
		return Array.from({ length: bytes.length / RANGE_SIZE }, (_, i) => ({
			sector: bytes.readUInt32LE(RANGE_SIZE * i + 4) * 2 ** 32 + bytes.readUInt32LE(RANGE_SIZE * i),
			count: bytes.readUInt32LE(RANGE_SIZE * i + 8),
			flags: bytes.readUInt32LE(RANGE_SIZE * i + 12),
		}));
	}

	/** => the fault with which the controller fails instead, or null. */
	#start(request: Request): ControllerFault | null {
		const { type, refusal, sector, data } = request;
		const moves = type === VIRTIO_BLK_T_IN || type === VIRTIO_BLK_T_OUT;
		const count = moves && refusal === VIRTIO_BLK_S_OK ? data.bytes / SECTOR_SIZE : 0;
		const when = this.timing.completion(this.#clock.cycles, sector, count);
		this.#requests.push(request);
		this.observer?.started(this.id, request, count);
		if (when !== Number.POSITIVE_INFINITY) {
			this.#clock.schedule(when, this.#completionEvent, request.id);
		}
		return this.timing.controllerFault?.() ?? null;
	}

	#complete(id: number): void {
		const request = this.#remove(id);
		if (request === null) return;
		const status = request.refusal === VIRTIO_BLK_S_OK ? this.#perform(request) : request.refusal;
		if (status !== VIRTIO_BLK_S_OK) this.counters.errors++;
		this.observer?.completed(this.id, request, status);
		this.#dma.store8At(request.statusAt, status);
		// 2.7.8.2: only bytes written without a gap from the start count.
		const fills = status === VIRTIO_BLK_S_OK;
		const filled = fills ? this.#answerLength(request) : 0;
		const port = this.#port!;
		port.queue(0).give(request.head, filled === request.before ? filled + 1 : filled);
		port.interrupt(0);
		this.#free.push(request);
	}

	/** Take a request off those in flight. => null: it was cancelled. */
	#remove(id: number): Request | null {
		const requests = this.#requests;
		let i = 0;
		while (i < requests.length && requests[i]!.id !== id) i++;
		if (i === requests.length) return null;
		const request = requests[i]!;
		for (; i + 1 < requests.length; i++) requests[i] = requests[i + 1]!;
		requests.pop();
		return request;
	}

	/** Bytes that a successful request writes in front of the status. */
	#answerLength({ type, before }: BlkRequest): number {
		switch (type) {
			case VIRTIO_BLK_T_IN:
				return before;
			case VIRTIO_BLK_T_GET_ID:
				return Math.min(before, VIRTIO_BLK_ID_BYTES);
			default:
				return 0;
		}
	}

	/** => the status. */
	#perform(request: Request): number {
		switch (request.type) {
			case VIRTIO_BLK_T_IN:
				return this.#read(request);
			case VIRTIO_BLK_T_OUT:
				return this.#write(request);
			case VIRTIO_BLK_T_DISCARD:
			case VIRTIO_BLK_T_WRITE_ZEROES:
				return this.#clear(request);
			case VIRTIO_BLK_T_FLUSH:
			case VIRTIO_BLK_T_FLUSH_OUT:
				if (this.media.flush() !== DISK_OK) return VIRTIO_BLK_S_IOERR;
				this.counters.flushes++;
				return VIRTIO_BLK_S_OK;
			default: {
				const id = Buffer.alloc(VIRTIO_BLK_ID_BYTES);
				id.write(this.id);
				request.data.scatter(this.#dma, id);
				return VIRTIO_BLK_S_OK;
			}
		}
	}

	/** Discarded sectors read as zeros, so that runs are repeatable. */
	#clear({ type, data }: Request): number {
		// The guest may have changed its ranges since they were parsed.
		const refusal = this.#refuseRanges(type, data);
		if (refusal !== VIRTIO_BLK_S_OK) return refusal;
		const zeros = new Uint8Array(ZEROS_SIZE);
		for (const { sector, count } of this.#ranges(data)) {
			const end = sector + count;
			for (let at = sector; at < end; at += ZEROS_SIZE / SECTOR_SIZE) {
				const length = Math.min(ZEROS_SIZE, (end - at) * SECTOR_SIZE);
				if (this.media.write(at, zeros.subarray(0, length)) !== DISK_OK) return VIRTIO_BLK_S_IOERR;
			}
		}
		return this.#persist() ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
	}

	/** 5.2.6.2: a driver that does not know FLUSH gets a write-through disk. => false if it fails. */
	#persist(): boolean {
		return this.#port!.accepted(VIRTIO_BLK_F_FLUSH) || this.media.flush() === DISK_OK;
	}

	/** Room for whole sectors on their way between memory and medium; its contents are undefined. */
	#bounceFor(length: number): Uint8Array {
		if (length > BOUNCE_SIZE) return new Uint8Array(length);
		const views = this.#bounces;
		const sectors = length / SECTOR_SIZE;
		while (views.length <= sectors) views.push(null);
		views[sectors] ??= this.#bounce.subarray(0, length);
		return views[sectors];
	}

	#read({ sector, data }: Request): number {
		const bytes = this.#bounceFor(data.bytes);
		if (this.media.read(sector, bytes) !== DISK_OK) return VIRTIO_BLK_S_IOERR;
		data.scatter(this.#dma, bytes);
		this.counters.reads++;
		this.counters.sectorsRead += bytes.length / SECTOR_SIZE;
		return VIRTIO_BLK_S_OK;
	}

	#write({ sector, data }: Request): number {
		const bytes = this.#bounceFor(data.bytes);
		// Memory may have an error that it cannot correct.
		if (!data.gather(this.#dma, bytes)) return VIRTIO_BLK_S_IOERR;
		if (this.media.write(sector, bytes) !== DISK_OK) return VIRTIO_BLK_S_IOERR;
		if (!this.#persist()) return VIRTIO_BLK_S_IOERR;
		this.counters.writes++;
		this.counters.sectorsWritten += bytes.length / SECTOR_SIZE;
		return VIRTIO_BLK_S_OK;
	}
}

const isClearing = (type: number): boolean =>
	type === VIRTIO_BLK_T_DISCARD || type === VIRTIO_BLK_T_WRITE_ZEROES;
