/**
 * A disk in host memory. Space is allocated in chunks when something other than zeros is first
 * written to them, so a large empty disk costs nothing. A chunk that a saved state refers to is
 * copied before it is written, so saving is cheap as well.
 */

import { Buffer } from "buffer/index.js";
import { PAGE_SIZE } from "../../machine/port.ts";
import { UserError } from "../../machine/user-error.ts";
import {
	checkRange,
	DISK_EROFS,
	DISK_OK,
	type DiskMedia,
	type DiskResult,
	SECTOR_SIZE,
	sectorsOf,
} from "./disk-media.ts";

const CHUNK_SIZE = 16 * 1024; // bytes, a multiple of the sector size
/** Sectors of what is written at once, to keep views of its parts. */
const PARTS = 128;

/** A part of the contents. */
class Chunk {
	readonly bytes: Uint8Array;
	/** Its pages, once they were read. */
	readonly #pages: (Uint8Array | null)[] = [null, null, null, null];

	constructor(bytes: Uint8Array) {
		this.bytes = bytes;
	}

	/** A view of the bytes [from, from + size). => that of a page is made once. */
	part(from: number, size: number): Uint8Array {
		if (size !== PAGE_SIZE || from % PAGE_SIZE !== 0) {
			return this.bytes.subarray(from, from + size);
		}
		const page = from / PAGE_SIZE;
		this.#pages[page] ??= this.bytes.subarray(from, from + size);
		return this.#pages[page];
	}
}

export interface MemoryDiskOptions {
	readonly readOnly?: boolean | undefined;
	readonly image?: Uint8Array | undefined;
}

export interface MemoryDiskState {
	/** [chunk number, contents]; the contents never change */
	readonly chunks: [number, Uint8Array][];
}

export class MemoryDisk implements DiskMedia {
	readonly sectors: number;
	readonly readOnly: boolean;
	readonly #chunks = new Map<number, Chunk>();
	/** Chunks that no saved state refers to. */
	readonly #owned = new Set<number>();
	/** Whence what was written last in parts came, and views of these by their first sector. */
	#source: Uint8Array | null = null;
	readonly #parts = new Array<Uint8Array | null>(PARTS).fill(null);

	/**
	 * => `bytes`: the size, a multiple of 512; UserError otherwise.
	 * => `image`: the first contents, no longer than the disk; zeros follow.
	 */
	constructor(bytes: number, options: MemoryDiskOptions = {}) {
		this.sectors = sectorsOf(bytes, "memory disk");
		this.readOnly = options.readOnly ?? false;
		const image = options.image ?? new Uint8Array(0);
		if (image.length > bytes) {
			throw new UserError(`memory disk: an image of ${image.length} bytes exceeds ${bytes}`);
		}
		this.#store(0, image);
	}

	/** Host memory in use for contents, in bytes. */
	get allocated(): number {
		return this.#chunks.size * CHUNK_SIZE;
	}

	read(sector: number, into: Uint8Array): DiskResult {
		const range = checkRange(this, sector, into.length);
		if (range !== DISK_OK) return range;
		for (let at = 0, size = 0; at < into.length; at += size) {
			const from = (sector * SECTOR_SIZE + at) % CHUNK_SIZE;
			size = Math.min(PAGE_SIZE - (from % PAGE_SIZE), into.length - at);
			const chunk = this.#chunks.get(Math.floor((sector * SECTOR_SIZE + at) / CHUNK_SIZE));
			if (chunk === undefined) into.fill(0, at, at + size);
			else into.set(chunk.part(from, size), at);
		}
		return DISK_OK;
	}

	write(sector: number, bytes: Uint8Array): DiskResult {
		if (this.readOnly) return DISK_EROFS;
		const range = checkRange(this, sector, bytes.length);
		if (range === DISK_OK) this.#store(sector * SECTOR_SIZE, bytes);
		return range;
	}

	flush(): DiskResult {
		return DISK_OK;
	}

	dataRuns(sectors: number): Iterable<number> {
		const runs = new Set<number>();
		const size = sectors * SECTOR_SIZE;
		for (const chunk of this.#chunks.keys()) {
			const start = chunk * CHUNK_SIZE;
			for (let at = Math.floor(start / size); at * size < start + CHUNK_SIZE; at++) runs.add(at);
		}
		return [...runs].filter((run) => run * sectors < this.sectors).sort((a, b) => a - b);
	}

	/** The whole disk as one buffer; for images that are small enough. */
	image(): Buffer {
		const image = Buffer.alloc(this.sectors * SECTOR_SIZE);
		this.read(0, image);
		return image;
	}

	save(): MemoryDiskState {
		const chunks = [...this.#chunks].sort(([a], [b]) => a - b);
		this.#owned.clear();
		return { chunks: chunks.map(([number, { bytes }]) => [number, bytes]) };
	}

	restore(state: MemoryDiskState): void {
		this.#owned.clear();
		this.#chunks.clear();
		for (const [number, bytes] of state.chunks) {
			const inside = number >= 0 && number * CHUNK_SIZE < this.sectors * SECTOR_SIZE;
			if (!inside || bytes.length !== CHUNK_SIZE) {
				throw new UserError("memory disk: the saved disk has a different size");
			}
			this.#chunks.set(number, new Chunk(bytes));
		}
	}

	checkpoint(): MemoryDiskState {
		return this.save();
	}

	rollback(checkpoint: MemoryDiskState): void {
		this.restore(checkpoint);
	}

	release(): void {}

	/** A view of what is written. A device writes from the same place each time, more or less. */
	#part(bytes: Uint8Array, at: number, size: number): Uint8Array {
		if (bytes.length > PARTS * SECTOR_SIZE) return bytes.subarray(at, at + size);
		const source = this.#source;
		if (source?.buffer !== bytes.buffer || source.byteOffset !== bytes.byteOffset) {
			this.#parts.fill(null);
			this.#source = bytes;
		}
		const kept = this.#parts[at / SECTOR_SIZE];
		if (kept?.length === size) return kept;
		const part = bytes.subarray(at, at + size);
		this.#parts[at / SECTOR_SIZE] = part;
		return part;
	}

	#store(offset: number, bytes: Uint8Array): void {
		for (let at = 0, size = 0; at < bytes.length; at += size) {
			const number = Math.floor((offset + at) / CHUNK_SIZE);
			const to = (offset + at) % CHUNK_SIZE;
			size = Math.min(PAGE_SIZE - (to % PAGE_SIZE), bytes.length - at);
			const source = size === bytes.length ? bytes : this.#part(bytes, at, size);
			let chunk = this.#chunks.get(number);
			if (chunk === undefined && isZero(source)) continue;
			if (chunk === undefined || !this.#owned.has(number)) {
				chunk = new Chunk(chunk === undefined ? new Uint8Array(CHUNK_SIZE) : chunk.bytes.slice());
				this.#chunks.set(number, chunk);
				this.#owned.add(number);
			}
			chunk.bytes.set(source, to);
		}
	}
}

function isZero(bytes: Uint8Array): boolean {
	if (bytes.byteOffset % 4 !== 0 || bytes.length % 4 !== 0)
		return bytes.every((byte) => byte === 0);
	const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
	for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
	return true;
}
