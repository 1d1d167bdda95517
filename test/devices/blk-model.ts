/**
 * What a virtio disk does to RAM and to its sectors, written plainly from VIRTIO 1.2: exact
 * integers, a byte at a time. `limits` are the device's own and stand in its configuration space.
 */

export interface ModelOptions {
	readonly num: number;
	readonly indirect: boolean;
	readonly eventIdx: boolean;
	readonly readOnly: boolean;
	/** Addresses of the three areas. */
	readonly desc: number;
	readonly avail: number;
	readonly used: number;
}

interface Piece {
	readonly pa: bigint;
	readonly length: bigint;
}

interface Pending {
	readonly head: number;
	readonly type: number;
	readonly sector: bigint;
	readonly data: readonly Piece[];
	readonly statusPa: bigint;
	readonly before: bigint;
	readonly refusal: number;
	readonly when: number;
}

const BASE = 0x8000_0000n;
const CHAIN_LIMIT = 1024;
const TRANSFER_LIMIT = 2n ** 24n;
const RANGES_LIMIT = 16n;
const RANGE_LIMIT = 0x1_0000n;

const total = (pieces: readonly Piece[]) => pieces.reduce((sum, { length }) => sum + length, 0n);

/** Bytes `from` to `to` of a buffer. */
function cut(pieces: readonly Piece[], from: bigint, to: bigint): Piece[] {
	let start = 0n;
	const result: Piece[] = [];
	for (const { pa, length } of pieces) {
		const low = from > start ? from : start;
		const high = to < start + length ? to : start + length;
		if (high > low) result.push({ pa: pa + low - start, length: high - low });
		start += length;
	}
	return result;
}

export class BlkModel {
	readonly ram: Uint8Array;
	readonly disk: Uint8Array;
	options: ModelOptions;
	now = 0;
	/** Whether the queue is in use. */
	ready = false;
	needsReset = false;
	interruptStatus = 0;
	pending: Pending[] = [];
	/** What was answered: type and status. */
	readonly answers: [type: number, status: number][] = [];
	#lastAvail = 0;
	#usedIdx = 0;

	constructor(ramSize: number, disk: Uint8Array, options: ModelOptions) {
		this.ram = new Uint8Array(ramSize);
		this.disk = disk.slice();
		this.options = options;
	}

	start(options: ModelOptions): void {
		this.options = options;
		this.needsReset = false;
		this.interruptStatus = 0;
		this.restartQueue();
	}

	restartQueue(): void {
		this.pending = [];
		this.#lastAvail = 0;
		this.#usedIdx = 0;
		this.ready = true;
	}

	stop(): void {
		this.pending = [];
		this.ready = false;
	}

	notify(): void {
		const { num, avail, used, eventIdx } = this.options;
		while (this.ready && !this.needsReset) {
			const waiting = (this.#get(avail + 2, 2) - this.#lastAvail) & 0xffff;
			if (eventIdx) this.#put(used + 4 + 8 * num, 2, this.#lastAvail);
			if (waiting === 0) return;
			const head = this.#get(avail + 4 + 2 * (this.#lastAvail % num), 2);
			const request = waiting + this.pending.length > num ? null : this.#request(head);
			if (request === null) {
				this.needsReset = true;
				this.interruptStatus |= 2;
				this.pending = [];
				return;
			}
			this.#lastAvail = (this.#lastAvail + 1) & 0xffff;
			this.pending.push(request);
		}
	}

	/** The requests that are due next. */
	step(): void {
		if (this.pending.length === 0) return;
		this.now = Math.max(this.now, Math.min(...this.pending.map(({ when }) => when)));
		const due = this.pending.filter(({ when }) => when <= this.now);
		this.pending = this.pending.filter(({ when }) => when > this.now);
		for (const request of due) this.#complete(request);
	}

	#get(pa: number, width: number): number {
		const at = pa - Number(BASE);
		return this.ram.slice(at, at + width).reduceRight((value, byte) => value * 256 + byte, 0);
	}

	#put(pa: number, width: number, value: number): void {
		for (let i = 0; i < width; i++) {
			this.ram[pa - Number(BASE) + i] = Math.floor(value / 256 ** i) & 0xff;
		}
	}

	#inRam({ pa, length }: Piece): boolean {
		return pa >= BASE && pa + length <= BASE + BigInt(this.ram.length);
	}

	#read(pieces: readonly Piece[]): number[] {
		return pieces.flatMap(({ pa, length }) => {
			const at = Number(pa - BASE);
			return [...this.ram.subarray(at, at + Number(length))];
		});
	}

	#write(pieces: readonly Piece[], bytes: Uint8Array): void {
		let next = 0;
		for (const { pa, length } of pieces) {
			for (let i = 0; i < length && next < bytes.length; i++) {
				this.ram[Number(pa - BASE) + i] = bytes[next++]!;
			}
		}
	}

	/** => [what the device reads, what it writes] */
	#chain(head: number): [Piece[], Piece[]] | null {
		const { num, desc, indirect } = this.options;
		const read: Piece[] = [];
		const write: Piece[] = [];
		let table: { pa: number; size: number; indirect: boolean } = {
			pa: desc,
			size: num,
			indirect: false,
		};
		let seen = 0;
		for (let index = head; ; ) {
			if (index >= table.size || seen++ === table.size) return null;
			if (read.length + write.length === CHAIN_LIMIT) return null;
			const at = table.pa + 16 * index;
			const pa = BigInt(this.#get(at, 4)) + (BigInt(this.#get(at + 4, 4)) << 32n);
			const piece = { pa, length: BigInt(this.#get(at + 8, 4)) };
			const flags = this.#get(at + 12, 2);
			if ((flags & 4) !== 0) {
				const whole = piece.length > 0n && piece.length % 16n === 0n && this.#inRam(piece);
				if (!indirect || table.indirect || (flags & 1) !== 0 || !whole) return null;
				table = { pa: Number(pa), size: Number(piece.length / 16n), indirect: true };
				seen = 0;
				index = 0;
				continue;
			}
			if ((flags & 2) === 0 && write.length > 0) return null;
			((flags & 2) === 0 ? read : write).push(piece);
			if ((flags & 1) === 0) return [read, write];
			index = this.#get(at + 14, 2);
		}
	}

	#request(head: number): Pending | null {
		const chain = this.#chain(head);
		if (chain === null) return null;
		const [read, write] = chain;
		const [readable, writable] = [total(read), total(write)];
		if (readable < 16n || writable < 1n) return null;
		const before = writable - 1n;
		const statusPiece = cut(write, before, writable)[0]!;
		const header = cut(read, 0n, 16n);
		if (!this.#inRam(statusPiece) || !header.every((piece) => this.#inRam(piece))) return null;
		const words = new DataView(Uint8Array.from(this.#read(header)).buffer);
		const type = words.getUint32(0, true);
		const sector = words.getBigUint64(8, true);
		const fromDriver = type === 1 || type === 11 || type === 13;
		const data = fromDriver ? cut(read, 16n, readable) : cut(write, 0n, before);
		const refusal = this.#refusal(type, sector, data);
		const count = refusal === 0 && type <= 1 ? Number(total(data) / 512n) : 0;
		const when = this.now + 100_000 + 2500 * count;
		return { head, type, sector, data, statusPa: statusPiece.pa, before, refusal, when };
	}

	#inDisk(sector: bigint, count: bigint): boolean {
		return sector + count <= BigInt(this.disk.length / 512);
	}

	/** => the status of a request that cannot succeed; else 0. */
	#refusal(type: number, sector: bigint, data: readonly Piece[]): number {
		const length = total(data);
		const inRam = data.every((piece) => this.#inRam(piece));
		switch (type) {
			case 0:
			case 1: {
				const whole = length % 512n === 0n && length <= TRANSFER_LIMIT;
				const writes = type === 0 || !this.options.readOnly;
				return inRam && whole && writes && this.#inDisk(sector, length / 512n) ? 0 : 1;
			}
			case 4:
			case 5:
				return 0;
			case 8:
				return inRam ? 0 : 1;
			case 11:
			case 13: {
				const whole = length > 0n && length % 16n === 0n && length <= 16n * RANGES_LIMIT;
				return inRam && whole ? this.#refuseRanges(type, data) : 1;
			}
			default:
				return 2;
		}
	}

	#ranges(data: readonly Piece[]): { sector: bigint; count: bigint; flags: number }[] {
		const view = new DataView(Uint8Array.from(this.#read(data)).buffer);
		return Array.from({ length: view.byteLength / 16 }, (_, i) => ({
			sector: view.getBigUint64(16 * i, true),
			count: BigInt(view.getUint32(16 * i + 8, true)),
			flags: view.getUint32(16 * i + 12, true),
		}));
	}

	#refuseRanges(type: number, data: readonly Piece[]): number {
		const ranges = this.#ranges(data);
		if (ranges.some(({ flags }) => flags > 1 || (flags === 1 && type === 11))) return 2;
		if (this.options.readOnly) return 1;
		const fits = ranges.every(
			({ sector, count }) => count <= RANGE_LIMIT && this.#inDisk(sector, count),
		);
		return fits ? 0 : 1;
	}

	#complete(request: Pending): void {
		const { num, avail, used, eventIdx } = this.options;
		const { type, data, before } = request;
		let status = request.refusal;
		// The driver may have changed the ranges.
		if (status === 0 && (type === 11 || type === 13)) status = this.#refuseRanges(type, data);
		const filled = status === 0 ? this.#perform(request) : 0;
		this.ram[Number(request.statusPa - BASE)] = status;
		const element = used + 4 + 8 * (this.#usedIdx % num);
		this.#put(element, 4, request.head);
		this.#put(element + 4, 4, filled === Number(before) ? filled + 1 : filled);
		const wanted = eventIdx
			? this.#get(avail + 4 + 2 * num, 2) === this.#usedIdx
			: (this.#get(avail, 2) & 1) === 0;
		this.#usedIdx = (this.#usedIdx + 1) & 0xffff;
		this.#put(used + 2, 2, this.#usedIdx);
		if (wanted) this.interruptStatus |= 1;
		this.answers.push([type, status]);
	}

	/** => bytes written at the start of the data. */
	#perform({ type, sector, data, before }: Pending): number {
		const at = Number(sector) * 512;
		switch (type) {
			case 0:
				this.#write(data, this.disk.slice(at, at + Number(before)));
				return Number(before);
			case 1:
				this.disk.set(this.#read(data), at);
				return 0;
			case 8: {
				const id = new Uint8Array(20);
				id.set(Buffer.from("disk0"));
				this.#write(data, id);
				return Math.min(Number(before), 20);
			}
			case 11:
			case 13:
				for (const range of this.#ranges(data)) {
					const start = Number(range.sector) * 512;
					this.disk.fill(0, start, start + Number(range.count) * 512);
				}
				return 0;
			default:
				return 0;
		}
	}
}
