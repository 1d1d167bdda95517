/**
 * What stands behind a disk: an array of 512-byte sectors, accessed synchronously. How long an
 * access takes is not the medium's business (timing.ts); whether it succeeds is.
 */
import { UserError } from "../../machine/user-error.ts";

export const SECTOR_SIZE = 512; // bytes

/** Outcome of an access; everything but DISK_OK leaves the sectors and the buffer as they were. */
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
	/** Contents that live in memory, as plain data; null for contents that live elsewhere. */
	save(): unknown;
	restore(state: unknown): void;
	/**
	 * Note this instant of the contents, wherever they live, at the cost of what is written later.
	 * => `rollback` goes back to it, or forward; as often as wanted, until it is released.
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
