/**
 * Disk media: an array of 512-byte sectors, accessed synchronously. The medium decides whether an
 * access succeeds; timing.ts decides how long it takes.
 */
import { UserError } from "../../machine/user-error.ts";

export const SECTOR_SIZE = 512; // bytes

/** Outcome of an access; all but DISK_OK leave the sectors and the buffer unchanged. */
export const DISK_OK = 0;
export const DISK_EIO = 1; // the medium failed
export const DISK_ERANGE = 2; // not whole sectors of this disk
export const DISK_EROFS = 3; // write to a read-only medium
export type DiskResult = typeof DISK_OK | typeof DISK_EIO | typeof DISK_ERANGE | typeof DISK_EROFS;

export interface DiskMedia {
	/** Size in sectors. */
	readonly sectors: number;
	readonly readOnly: boolean;
	/** Read `into.length / 512` sectors from `sector` on; the length is a multiple of 512. */
	read(sector: number, into: Uint8Array): DiskResult;
	/** Write `bytes.length / 512` sectors from `sector` on; `bytes` is not kept. */
	write(sector: number, bytes: Uint8Array): DiskResult;
	/** Make every write so far survive a loss of power. */
	flush(): DiskResult;
	/**
	 * The runs of `sectors` sectors, by number and ascending, that may hold something other than
	 * zeros. Its cost is that of what was written, not of the size. Absent: any may.
	 */
	dataRuns?(sectors: number): Iterable<number>;
	/** Contents that live in memory, as plain data; null for contents that live elsewhere. */
	save(): unknown;
	restore(state: unknown): void;
	/**
	 * Take a checkpoint of the contents; its cost is that of later writes.
	 * => `rollback` goes to it any number of times, until it is released.
	 */
	checkpoint(): unknown;
	rollback(checkpoint: unknown): void;
	release(checkpoint: unknown): void;
}

/** => DISK_ERANGE unless [sector, sector + length / 512) are whole sectors of `media`. */
export function checkRange(media: DiskMedia, sector: number, length: number): DiskResult {
	const count = length / SECTOR_SIZE;
	if (!Number.isInteger(count) || !Number.isInteger(sector) || sector < 0) return DISK_ERANGE;
	return sector + count <= media.sectors ? DISK_OK : DISK_ERANGE;
}

/** => UserError unless `bytes` is a size that a disk can have. */
export function sectorsOf(bytes: number, name: string): number {
	if (!Number.isSafeInteger(bytes) || bytes <= 0 || bytes % SECTOR_SIZE !== 0) {
		throw new UserError(`${name}: ${bytes} bytes is not a positive multiple of ${SECTOR_SIZE}`);
	}
	return bytes / SECTOR_SIZE;
}
