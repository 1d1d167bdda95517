/**
 * A volatile write cache in front of a medium. A write is acknowledged when it is here; FLUSH moves
 * it to the medium; a loss of power in between forgets it.
 */

import { UserError } from "../../machine/user-error.ts";
import {
	checkRange,
	DISK_EROFS,
	DISK_OK,
	type DiskMedia,
	type DiskResult,
	SECTOR_SIZE,
} from "./disk-media.ts";

export interface WriteCacheState {
	/** [sector, contents], the oldest first */
	readonly dirty: [number, Uint8Array][];
	readonly medium: unknown;
}

export class WriteCache implements DiskMedia {
	readonly sectors: number;
	readonly readOnly: boolean;
	readonly #medium: DiskMedia;
	readonly #capacity: number;
	/** Sectors not yet on the medium, the oldest write first. */
	#dirty = new Map<number, Uint8Array>();

	/** => `capacity`: sectors that fit; when more are written, all are moved to the medium. */
	constructor(medium: DiskMedia, capacity = 512) {
		if (!Number.isSafeInteger(capacity) || capacity < 1) {
			throw new UserError(`write cache: capacity ${capacity} is not at least 1 sector`);
		}
		this.#medium = medium;
		this.#capacity = capacity;
		this.sectors = medium.sectors;
		this.readOnly = medium.readOnly;
	}

	/** Sectors that a loss of power would lose. */
	get dirtySectors(): number {
		return this.#dirty.size;
	}

	read(sector: number, into: Uint8Array): DiskResult {
		const result = this.#readMedium(sector, into);
		if (result !== DISK_OK) return result;
		for (let at = 0; at < into.length; at += SECTOR_SIZE) {
			const cached = this.#dirty.get(sector + at / SECTOR_SIZE);
			if (cached !== undefined) into.set(cached, at);
		}
		return DISK_OK;
	}

	write(sector: number, bytes: Uint8Array): DiskResult {
		if (this.readOnly) return DISK_EROFS;
		const range = checkRange(this, sector, bytes.length);
		if (range !== DISK_OK) return range;
		const count = bytes.length / SECTOR_SIZE;
		if (this.#dirty.size + count > this.#capacity) {
			const result = this.#destage();
			if (result !== DISK_OK) return result;
			if (count > this.#capacity) return this.#medium.write(sector, bytes);
		}
		for (let i = 0; i < count; i++) {
			this.#dirty.delete(sector + i); // so that it becomes the youngest
			this.#dirty.set(sector + i, bytes.slice(i * SECTOR_SIZE, (i + 1) * SECTOR_SIZE));
		}
		return DISK_OK;
	}

	/** => on an error, what could not be moved stays in the cache and the next flush tries again. */
	flush(): DiskResult {
		const result = this.#destage();
		return result === DISK_OK ? this.#medium.flush() : result;
	}

	/** Lose the cached writes, as by a loss of power. => the number of sectors that were lost. */
	losePower(): number {
		const lost = this.#dirty.size;
		this.#dirty.clear();
		return lost;
	}

	save(): WriteCacheState {
		// The bytes of a sector are never changed, only replaced.
		return { dirty: [...this.#dirty], medium: this.#medium.save() };
	}

	restore(state: WriteCacheState): void {
		this.#dirty = new Map(state.dirty);
		this.#medium.restore(state.medium);
	}

	checkpoint(): WriteCacheState {
		return { dirty: [...this.#dirty], medium: this.#medium.checkpoint() };
	}

	rollback(checkpoint: WriteCacheState): void {
		this.#dirty = new Map(checkpoint.dirty);
		this.#medium.rollback(checkpoint.medium);
	}

	release(checkpoint: WriteCacheState): void {
		this.#medium.release(checkpoint.medium);
	}

	/** A range that is wholly in the cache does not touch the medium, bad sectors or not. */
	#readMedium(sector: number, into: Uint8Array): DiskResult {
		const range = checkRange(this, sector, into.length);
		if (range !== DISK_OK) return range;
		for (let i = 0; i < into.length / SECTOR_SIZE; i++) {
			if (!this.#dirty.has(sector + i)) return this.#medium.read(sector, into);
		}
		return DISK_OK;
	}

	/** Move everything to the medium, by ascending sector. => the first error. */
	#destage(): DiskResult {
		const numbers = [...this.#dirty.keys()].sort((a, b) => a - b);
		let first: DiskResult = DISK_OK;
		for (const sector of numbers) {
			const result = this.#medium.write(sector, this.#dirty.get(sector)!);
			if (result === DISK_OK) this.#dirty.delete(sector);
			else if (first === DISK_OK) first = result;
		}
		return first;
	}
}
