/**
 * A medium that shows some pages of its own instead of those of the medium below, and keeps what
 * is written to it. Restoring a snapshot repeats a run on an overlay: the file below has been
 * written already, and the overlay begins with the pages as they were.
 *
 * After `commit` every access goes to the medium below. A saved state is that of the medium below.
 */
import { Buffer } from "buffer/index.js";
import type { Instant } from "../../machine/page-history.ts";
import { PAGE_SIZE } from "../../machine/port.ts";
import { DiskHistory, type DiskPage, PAGE_SECTORS, pageLength } from "./disk-history.ts";
import {
	checkRange,
	DISK_EROFS,
	DISK_OK,
	type DiskMedia,
	type DiskResult,
	SECTOR_SIZE,
} from "./disk-media.ts";

export class OverlayDisk<M extends DiskMedia = DiskMedia> implements DiskMedia {
	readonly medium: M;
	readonly sectors: number;
	readonly readOnly: boolean;
	/** Pages of the overlay by number; null after `commit`. */
	#overlay: Map<number, Uint8Array> | null;
	/** null before the first checkpoint. */
	#history: DiskHistory | null = null;

	/** => `pages` are copied. */
	constructor(medium: M, pages: readonly DiskPage[] = []) {
		this.medium = medium;
		this.sectors = medium.sectors;
		this.readOnly = medium.readOnly;
		this.#overlay = new Map(
			pages.map(([page, bytes]) => [page, bytes.slice(0, pageLength(medium, page))]),
		);
	}

	read(sector: number, into: Uint8Array): DiskResult {
		const result = this.medium.read(sector, into);
		if (result === DISK_OK) this.#eachPiece(sector, into, (page, piece) => piece.set(page));
		return result;
	}

	write(sector: number, bytes: Uint8Array): DiskResult {
		if (this.readOnly) return DISK_EROFS;
		const range = checkRange(this, sector, bytes.length);
		if (range !== DISK_OK) return range;
		this.#history?.writing(sector, bytes.length);
		return this.#write(sector, bytes);
	}

	flush(): DiskResult {
		return this.medium.flush();
	}

	*dataRuns(sectors: number): Generator<number> {
		const count = Math.ceil(this.sectors / sectors);
		const below = this.medium.dataRuns?.(sectors) ?? Array.from({ length: count }, (_, i) => i);
		const runs = new Set(below);
		for (const page of this.#overlay?.keys() ?? []) {
			const last = (page + 1) * PAGE_SECTORS;
			for (let at = Math.floor((page * PAGE_SECTORS) / sectors); at * sectors < last; at++) {
				runs.add(at);
			}
		}
		yield* [...runs].filter((run) => run < count).sort((a, b) => a - b);
	}

	save(): unknown {
		return this.medium.save();
	}

	restore(state: unknown): void {
		this.medium.restore(state);
	}

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

	/**
	 * Drop the overlay, whose contents must have reached the medium below by other means.
	 * => whether they have: the medium holds what the overlay showed. Nothing is written to it.
	 */
	commit(): boolean {
		const shown = [...(this.#overlay ?? [])];
		this.#overlay = null;
		return shown.every(([page, bytes]) => {
			const below = new Uint8Array(bytes.length);
			const result = this.medium.read(page * PAGE_SECTORS, below);
			return result === DISK_OK && Buffer.compare(below, bytes) === 0;
		});
	}

	#write(sector: number, bytes: Uint8Array): DiskResult {
		if (this.#overlay === null) return this.medium.write(sector, bytes);
		const result = this.#cover(this.#overlay, sector, bytes.length);
		if (result !== DISK_OK) return result;
		this.#eachPiece(sector, bytes, (page, piece) => page.set(piece));
		return DISK_OK;
	}

	/** Copy all pages of a range into the overlay. */
	#cover(overlay: Map<number, Uint8Array>, sector: number, length: number): DiskResult {
		const end = sector + length / SECTOR_SIZE;
		for (let page = Math.floor(sector / PAGE_SECTORS); page * PAGE_SECTORS < end; page++) {
			if (overlay.has(page)) continue;
			const bytes = new Uint8Array(pageLength(this, page));
			const result = this.medium.read(page * PAGE_SECTORS, bytes);
			if (result !== DISK_OK) return result;
			overlay.set(page, bytes);
		}
		return DISK_OK;
	}

	/** Each piece of `bytes`, which belong to `sector`, with the part of the overlay it meets. */
	#eachPiece(
		sector: number,
		bytes: Uint8Array,
		action: (page: Uint8Array, piece: Uint8Array) => void,
	): void {
		if (this.#overlay === null) return;
		const start = sector * SECTOR_SIZE;
		const end = start + bytes.length;
		for (let page = Math.floor(start / PAGE_SIZE); page * PAGE_SIZE < end; page++) {
			const covered = this.#overlay.get(page);
			if (covered === undefined) continue;
			const base = page * PAGE_SIZE;
			const from = Math.max(start, base);
			const to = Math.min(end, base + covered.length);
			action(covered.subarray(from - base, to - base), bytes.subarray(from - start, to - start));
		}
	}
}
