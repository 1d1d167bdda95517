/**
 * A raw image file on the host: sector n is at byte n * 512. The size of the file is the size of
 * the disk and never changes. The contents are the file's: a saved state does not hold them, but
 * a checkpoint keeps what is overwritten, and going back to it writes that into the file.
 */

import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { Buffer } from "buffer/index.js";
import { PageHistory } from "../../machine/page-history.ts";
import { UserError } from "../../machine/user-error.ts";
import {
	checkRange,
	DISK_EIO,
	DISK_EROFS,
	DISK_OK,
	type DiskMedia,
	type DiskResult,
	SECTOR_SIZE,
} from "./disk-media.ts";

/** Sectors of a page of the history. */
const PAGE_SECTORS = 8;
const PAGE_SIZE = PAGE_SECTORS * SECTOR_SIZE;

export class FileDisk implements DiskMedia {
	readonly path: string;
	readonly sectors: number;
	readonly readOnly: boolean;
	readonly #fd: number;
	/** null before the first checkpoint. */
	#history: PageHistory | null = null;
	/** Pages that are seen instead of the file's; null: writes go to the file. */
	#overlay: Map<number, Uint8Array> | null = null;

	/**
	 * => a UserError of one line that names the file if it cannot be opened, is not a regular
	 *    file, or its size is not a positive multiple of 512 bytes: nothing is rounded, since a
	 *    cut or padded image is a different disk.
	 */
	constructor(path: string, options: { readonly readOnly?: boolean | undefined } = {}) {
		this.path = path;
		this.readOnly = options.readOnly ?? false;
		this.#fd = this.#open();
		const { reason, bytes } = this.#measure();
		if (reason !== null) {
			closeSync(this.#fd);
			throw new UserError(`disk ${path}: ${reason}`);
		}
		this.sectors = bytes / SECTOR_SIZE;
	}

	read(sector: number, into: Uint8Array): DiskResult {
		const range = checkRange(this, sector, into.length);
		if (range !== DISK_OK) return range;
		// A failure in the middle must leave `into` alone.
		const bytes = new Uint8Array(into.length);
		const moved = transfer(bytes.length, (at, length) =>
			readSync(this.#fd, bytes, at, length, sector * SECTOR_SIZE + at),
		);
		if (!moved) return DISK_EIO;
		into.set(bytes);
		if (this.#overlay !== null) this.#eachPage(sector, into, (page, part) => part.set(page));
		return DISK_OK;
	}

	write(sector: number, bytes: Uint8Array): DiskResult {
		if (this.readOnly) return DISK_EROFS;
		const range = checkRange(this, sector, bytes.length);
		if (range !== DISK_OK) return range;
		this.#keep(sector, bytes.length);
		if (this.#overlay === null) return this.#write(sector, bytes);
		this.#cover(sector, bytes.length);
		this.#eachPage(sector, bytes, (page, part) => page.set(part));
		return DISK_OK;
	}

	flush(): DiskResult {
		if (this.readOnly) return DISK_OK;
		try {
			fsyncSync(this.#fd);
			return DISK_OK;
		} catch {
			return DISK_EIO;
		}
	}

	/** Every later access fails with DISK_EIO. */
	close(): void {
		closeSync(this.#fd);
	}

	save(): null {
		return null;
	}

	restore(): void {}

	checkpoint(): Int32Array {
		this.#history ??= new PageHistory({
			pages: Math.ceil(this.sectors / PAGE_SECTORS),
			read: (page, into) => {
				this.read(page * PAGE_SECTORS, into.subarray(0, this.#pageLength(page)));
			},
			write: (page, from) => {
				this.#write(page * PAGE_SECTORS, from.subarray(0, this.#pageLength(page)));
			},
		});
		return this.#history.take();
	}

	rollback(checkpoint: Int32Array): void {
		this.#history!.rollback(checkpoint, () => {});
	}

	release(checkpoint: Int32Array): void {
		this.#history!.release(checkpoint);
	}

	/** What has changed since a checkpoint: pages of 4096 bytes, and what they were. */
	changedSince(checkpoint: Int32Array): [page: number, bytes: Uint8Array][] {
		return this.#history!.changes(checkpoint);
	}

	/**
	 * Show `pages` instead of the file's, and keep what is written from the file, until `settle`:
	 * what was done to the file is done again.
	 */
	pretend(pages: readonly (readonly [page: number, bytes: Uint8Array])[]): void {
		const covered = pages.map(([page, bytes]): [number, Uint8Array] => {
			return [page, bytes.slice(0, this.#pageLength(page))];
		});
		this.#overlay = new Map(covered);
	}

	/** The file is itself again. => whether it holds what was shown last. */
	settle(): boolean {
		const shown = [...(this.#overlay ?? [])];
		this.#overlay = null;
		return shown.every(([page, bytes]) => {
			const own = new Uint8Array(bytes.length);
			return this.read(page * PAGE_SECTORS, own) === DISK_OK && Buffer.compare(own, bytes) === 0;
		});
	}

	/** Have all pages of a range in the overlay. */
	#cover(sector: number, length: number): void {
		const end = (sector * SECTOR_SIZE + length) / PAGE_SIZE;
		for (let page = Math.floor(sector / PAGE_SECTORS); page < end; page++) {
			if (this.#overlay!.has(page)) continue;
			const bytes = new Uint8Array(this.#pageLength(page));
			this.read(page * PAGE_SECTORS, bytes);
			this.#overlay!.set(page, bytes);
		}
	}

	/** Each piece of `bytes`, which are for `sector`, with the part of the overlay it meets. */
	#eachPage(
		sector: number,
		bytes: Uint8Array,
		action: (page: Uint8Array, piece: Uint8Array) => void,
	): void {
		const start = sector * SECTOR_SIZE;
		const end = start + bytes.length;
		for (let page = Math.floor(start / PAGE_SIZE); page * PAGE_SIZE < end; page++) {
			const covered = this.#overlay!.get(page);
			if (covered === undefined) continue;
			const base = page * PAGE_SIZE;
			const from = Math.max(start, base);
			const to = Math.min(end, base + covered.length);
			action(covered.subarray(from - base, to - base), bytes.subarray(from - start, to - start));
		}
	}

	/** What these bytes of the file are needs to be kept, if a checkpoint is there. */
	#keep(sector: number, length: number): void {
		if (this.#history === null || length === 0) return;
		const last = Math.floor((sector + length / SECTOR_SIZE - 1) / PAGE_SECTORS);
		for (let page = Math.floor(sector / PAGE_SECTORS); page <= last; page++) {
			this.#history.writing(page);
		}
	}

	/** Bytes of a page of the history; the last one may be shorter. */
	#pageLength(page: number): number {
		return Math.min(PAGE_SECTORS, this.sectors - page * PAGE_SECTORS) * SECTOR_SIZE;
	}

	#write(sector: number, bytes: Uint8Array): DiskResult {
		const moved = transfer(bytes.length, (at, length) =>
			writeSync(this.#fd, bytes, at, length, sector * SECTOR_SIZE + at),
		);
		return moved ? DISK_OK : DISK_EIO;
	}

	#open(): number {
		try {
			// A pipe without a writer must not make us wait.
			const { O_NONBLOCK, O_RDONLY, O_RDWR } = constants;
			return openSync(this.path, (this.readOnly ? O_RDONLY : O_RDWR) | O_NONBLOCK);
		} catch (error) {
			throw new UserError(`disk ${this.path}: ${reasonOf(error)}`);
		}
	}

	#measure(): { reason: string | null; bytes: number } {
		const stat = fstatSync(this.#fd);
		if (!stat.isFile()) return { reason: "not a regular file", bytes: 0 };
		const valid = stat.size > 0 && stat.size % SECTOR_SIZE === 0;
		const reason = `its size, ${stat.size} bytes, is not a positive multiple of ${SECTOR_SIZE}`;
		return { reason: valid ? null : reason, bytes: stat.size };
	}
}

/** Move `length` bytes, however few the host moves at a time. => false if it stops early. */
function transfer(length: number, move: (at: number, length: number) => number): boolean {
	try {
		for (let at = 0; at < length; ) {
			const moved = move(at, length - at);
			if (moved === 0) return false;
			at += moved;
		}
		return true;
	} catch {
		return false;
	}
}

function reasonOf(error: unknown): string {
	const code = error instanceof Error && "code" in error ? error.code : "";
	switch (code) {
		case "ENOENT":
			return "no such file";
		case "EACCES":
		case "EPERM":
			return "permission denied";
		case "EISDIR":
			return "not a regular file";
		case "EROFS":
			return "the file system is read-only";
		default:
			return `cannot be opened (${String(code)})`;
	}
}
