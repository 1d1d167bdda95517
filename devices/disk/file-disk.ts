/**
 * A raw image file on the host: sector n is at byte n * 512. The size of the file is the size of
 * the disk and never changes. The contents are the file's: a saved state does not hold them, but
 * a checkpoint keeps the pages that are overwritten, and a rollback writes them into the file.
 */

import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import type { Instant } from "../../machine/page-history.ts";
import { UserError } from "../../machine/user-error.ts";
import { DiskHistory, type DiskPage } from "./disk-history.ts";
import {
	checkRange,
	DISK_EIO,
	DISK_EROFS,
	DISK_OK,
	type DiskMedia,
	type DiskResult,
	SECTOR_SIZE,
} from "./disk-media.ts";

/** Bytes that are looked at together for contents. */
const SCAN_SIZE = 64 * 1024;
const ZEROS = Buffer.alloc(SCAN_SIZE);

export class FileDisk implements DiskMedia {
	readonly path: string;
	readonly sectors: number;
	readonly readOnly: boolean;
	readonly #fd: number;
	/** What `#scan` has found, and what was written since; null before the first call of dataRuns. */
	#data: Uint8Array | null = null;
	/** null before the first checkpoint. */
	#history: DiskHistory | null = null;

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
		return DISK_OK;
	}

	write(sector: number, bytes: Uint8Array): DiskResult {
		if (this.readOnly) return DISK_EROFS;
		const range = checkRange(this, sector, bytes.length);
		if (range !== DISK_OK) return range;
		this.#history?.writing(sector, bytes.length);
		return this.#write(sector, bytes);
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

	/**
	 * Node does not tell where a file has holes, so the first call reads all of it, unless it is one
	 * hole; later ones know what was written meanwhile.
	 */
	*dataRuns(sectors: number): Generator<number> {
		this.#data ??= this.#scan();
		const size = sectors * SECTOR_SIZE;
		let last = -1;
		for (let page = 0; page < this.#data.length; page++) {
			const run = Math.floor((page * SCAN_SIZE) / size);
			if (this.#data[page] === 0 || run === last) continue;
			last = run;
			yield run;
		}
	}

	/** Which pieces of SCAN_SIZE bytes hold something other than zeros. */
	#scan(): Uint8Array {
		const bytes = this.sectors * SECTOR_SIZE;
		const data = new Uint8Array(Math.ceil(bytes / SCAN_SIZE));
		// A file that occupies no block is one hole. A small one may be kept in its inode.
		if (bytes > SCAN_SIZE && fstatSync(this.#fd).blocks === 0) return data;
		const piece = Buffer.alloc(SCAN_SIZE);
		for (let i = 0; i < data.length; i++) {
			const length = Math.min(SCAN_SIZE, bytes - i * SCAN_SIZE);
			const part = piece.subarray(0, length);
			const read = transfer(length, (at, rest) =>
				readSync(this.#fd, part, at, rest, i * SCAN_SIZE + at),
			);
			// What cannot be read may be anything.
			data[i] = read && part.equals(ZEROS.subarray(0, length)) ? 0 : 1;
		}
		return data;
	}

	/** Every later access fails with DISK_EIO. */
	close(): void {
		closeSync(this.#fd);
	}

	save(): null {
		return null;
	}

	restore(): void {}

	checkpoint(): Instant {
		this.#history ??= new DiskHistory(this, (sector, bytes) => this.#write(sector, bytes));
		return this.#history.checkpoint();
	}

	rollback(checkpoint: Instant): void {
		this.#history!.rollback(checkpoint);
	}

	release(checkpoint: Instant): void {
		this.#history!.release(checkpoint);
	}

	/** Pages that have changed since a checkpoint, with the bytes they had then. */
	changedSince(checkpoint: Instant): DiskPage[] {
		return this.#history!.changedSince(checkpoint);
	}

	#write(sector: number, bytes: Uint8Array): DiskResult {
		const first = Math.floor((sector * SECTOR_SIZE) / SCAN_SIZE);
		const end = sector * SECTOR_SIZE + bytes.length;
		this.#data?.fill(1, first, Math.ceil(end / SCAN_SIZE));
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
