/** The hash of a disk's contents, and what it costs. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DiskMedia } from "../../../devices/disk/disk-media.ts";
import { FileDisk } from "../../../devices/disk/file-disk.ts";
import { hashContents } from "../../../devices/disk/hash-contents.ts";
import { MemoryDisk } from "../../../devices/disk/memory-disk.ts";
import { OverlayDisk } from "../../../devices/disk/overlay-disk.ts";
import { WordHash } from "../../../machine/hash.ts";

const SECTORS = 1000;
let directory: string;

beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "hash-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** An empty file of this size. */
function empty(bytes: number): string {
	const path = join(directory, "disk.img");
	writeFileSync(path, "");
	truncateSync(path, bytes);
	return path;
}

const hash = (media: DiskMedia): string => {
	const all = new WordHash();
	hashContents(all, media);
	return all.digest();
};

/** The same disk, of which nothing is known. */
const opaque = (media: DiskMedia): DiskMedia => {
	const read = media.read.bind(media);
	return { sectors: media.sectors, read } as unknown as DiskMedia;
};

const kinds: [string, () => DiskMedia][] = [
	["memory", () => new MemoryDisk(SECTORS * 512)],
	["file", () => new FileDisk(empty(SECTORS * 512))],
	[
		"overlay",
		() => new OverlayDisk(new MemoryDisk(SECTORS * 512), [[7, new Uint8Array(4096).fill(1)]]),
	],
];

describe.each(kinds)("a disk in a %s", (_, create) => {
	it("has the hash of all its sectors, whatever was written, and between writes", () => {
		const write = fc.record({
			sector: fc.nat(SECTORS - 9),
			count: fc.integer({ min: 1, max: 8 }),
			value: fc.constantFrom(0, 1, 255),
			hashed: fc.boolean(),
		});
		fc.assert(
			fc.property(fc.array(write, { maxLength: 30 }), (writes) => {
				const media = create();
				for (const { sector, count, value, hashed } of writes) {
					media.write(sector, new Uint8Array(count * 512).fill(value));
					if (hashed) expect(hash(media)).toBe(hash(opaque(media)));
				}
				expect(hash(media)).toBe(hash(opaque(media)));
				if (media instanceof FileDisk) media.close();
			}),
			{ numRuns: 30 },
		);
	});
});

describe("what was never written", () => {
	it("is not read, in memory", () => {
		const media = new MemoryDisk(2 ** 40);
		media.write(2 ** 30, new Uint8Array(512).fill(1));
		let read = 0;
		const original = media.read.bind(media);
		media.read = (sector, into) => {
			read += into.length;
			return original(sector, into);
		};
		hash(new OverlayDisk(media));
		expect(read).toBeLessThanOrEqual(64 * 1024);
	});

	it("is not read in a file that is one hole", () => {
		const media = new FileDisk(empty(2 ** 38));
		expect([...media.dataRuns(128)]).toEqual([]);
		media.write(2 ** 28, new Uint8Array(512).fill(1));
		expect([...media.dataRuns(128)]).toEqual([2 ** 28 / 128]);
		media.close();
	});
});
