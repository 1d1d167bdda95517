/** A disk in a snapshot: how it is described, and how it is opened again. */
import { DISK_OK, type DiskMedia, SECTOR_SIZE } from "../../devices/disk/disk-media.ts";
import { FileDisk } from "../../devices/disk/file-disk.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { OverlayDisk } from "../../devices/disk/overlay-disk.ts";
import { FaultyDisk } from "../../devices/fault/faulty-disk.ts";
import { SnapshotError, sha256 } from "./container.ts";

export interface SavedDisk {
	readonly bytes: number;
	readonly readOnly: boolean;
	/** A file of the host, whose contents are not in the snapshot; null: the disk is in memory. */
	readonly file: { readonly path: string; readonly sha256: string } | null;
}

/** The file that holds what `media` shows, below an overlay or not; null: it is none. */
export function fileOf(media: DiskMedia): FileDisk | null {
	if (media instanceof OverlayDisk) return fileOf(media.medium);
	if (media instanceof FaultyDisk) return fileOf(media.pristine);
	return media instanceof FileDisk ? media : null;
}

/** Bytes that are hashed at a time. */
const CHUNK = 1 << 20;

/** => SnapshotError for a disk that is neither memory nor a file. */
export function describeDisk(media: DiskMedia): SavedDisk {
	const { sectors, readOnly } = media;
	const disk = { bytes: sectors * SECTOR_SIZE, readOnly };
	if (media instanceof MemoryDisk) return { ...disk, file: null };
	const file = fileOf(media);
	if (file === null) {
		throw new SnapshotError("a disk that is neither memory nor a file cannot be saved");
	}
	return { ...disk, file: { path: file.path, sha256: hashDisk(file) } };
}

/**
 * => a disk in memory is empty: its contents come with the rest of the state.
 * => SnapshotError if a file is not what it was; UserError, one line, if it cannot be opened.
 */
export function openSavedDisk({ bytes, readOnly, file }: SavedDisk): MemoryDisk | FileDisk {
	if (file === null) return new MemoryDisk(bytes, { readOnly });
	const media = new FileDisk(file.path, { readOnly });
	if (media.sectors * SECTOR_SIZE !== bytes || hashDisk(media) !== file.sha256) {
		media.close();
		throw new SnapshotError(`disk ${file.path} has changed since`);
	}
	return media;
}

function hashDisk(disk: FileDisk): string {
	const hash = sha256();
	const bytes = new Uint8Array(CHUNK);
	const chunk = CHUNK / SECTOR_SIZE;
	for (let sector = 0; sector < disk.sectors; sector += chunk) {
		const part = bytes.subarray(0, Math.min(chunk, disk.sectors - sector) * SECTOR_SIZE);
		if (disk.read(sector, part) !== DISK_OK) {
			throw new SnapshotError(`disk ${disk.path} cannot be read`);
		}
		hash.update(part);
	}
	return hash.digest("hex");
}
