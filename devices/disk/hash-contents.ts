/** The contents of a disk as part of a state hash. */
import type { WordHash } from "../../machine/hash.ts";
import { type DiskMedia, SECTOR_SIZE } from "./disk-media.ts";

/** Bytes that are hashed at a time. */
const CHUNK = 64 * 1024;

const CHUNK_SECTORS = CHUNK / SECTOR_SIZE;

/** Add the contents chunk by chunk; chunks of zeros do not affect the hash. */
export function hashContents(hash: WordHash, media: DiskMedia): void {
	const sectors = CHUNK_SECTORS;
	const bytes = new Uint8Array(CHUNK);
	const words = new Int32Array(bytes.buffer);
	for (const chunk of media.dataRuns?.(sectors) ?? allChunks(media)) {
		const sector = chunk * sectors;
		const n = Math.min(sectors, media.sectors - sector);
		if (n < sectors) bytes.fill(0);
		media.read(sector, bytes.subarray(0, n * SECTOR_SIZE));
		if (!isZero(words)) hash.number(sector).words(words);
	}
}

function* allChunks({ sectors }: DiskMedia): Generator<number> {
	for (let chunk = 0; chunk * CHUNK_SECTORS < sectors; chunk++) yield chunk;
}

function isZero(words: Int32Array): boolean {
	for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
	return true;
}
