import { spawnSync } from "node:child_process";
import {
	closeSync,
	mkdtempSync,
	openSync,
	readFileSync,
	rmSync,
	symlinkSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { DISK_EIO, DISK_OK, type DiskMedia } from "../../../devices/disk/disk-media.ts";
import { FileDisk } from "../../../devices/disk/file-disk.ts";
import { MemoryDisk } from "../../../devices/disk/memory-disk.ts";
import { OverlayDisk } from "../../../devices/disk/overlay-disk.ts";
import { FaultyDisk } from "../../../devices/fault/faulty-disk.ts";
import { UserError } from "../../../machine/user-error.ts";
import { expectBytes, pattern } from "../bench-board.ts";
import { cachedDisk } from "../cached-disk.ts";
import { mediaContract } from "./media.contract.ts";

const directory = mkdtempSync(join(tmpdir(), "uvmachine-disk-"));
const open: FileDisk[] = [];
afterAll(() => {
	for (const disk of open) disk.close();
	rmSync(directory, { recursive: true });
});

function imageFile(name: string, bytes: number): string {
	const path = join(directory, name);
	closeSync(openSync(path, "w"));
	truncateSync(path, bytes);
	return path;
}

function fileDisk(path: string, options: { readOnly?: boolean } = {}): FileDisk {
	const disk = new FileDisk(path, options);
	open.push(disk);
	return disk;
}

const memory = (sectors: number) => new MemoryDisk(sectors * 512);

/** A read-only memory disk with what `media` holds. */
function frozen(media: DiskMedia): MemoryDisk {
	const image = new Uint8Array(media.sectors * 512);
	media.read(0, image);
	return new MemoryDisk(image.length, { image, readOnly: true });
}

mediaContract({ name: "memory disk", make: memory, readOnly: frozen });
mediaContract({
	name: "file disk",
	make: (sectors) => fileDisk(imageFile(`contract-${open.length}.img`, sectors * 512)),
	readOnly: (media) => fileDisk((media as FileDisk).path, { readOnly: true }),
});
mediaContract({
	name: "disk with a write cache",
	make: (sectors) => cachedDisk(memory(sectors)),
	readOnly: (media) => cachedDisk(frozen(media)),
});
mediaContract({
	name: "disk with a small write cache",
	make: (sectors) => cachedDisk(memory(sectors), { cache: 1536 }),
	readOnly: (media) => cachedDisk(frozen(media), { cache: 1536 }),
});
mediaContract({
	name: "overlay",
	make: (sectors) =>
		new OverlayDisk(fileDisk(imageFile(`contract-${open.length}.img`, sectors * 512))),
	readOnly: frozen,
});
mediaContract({
	name: "committed overlay",
	make: (sectors) => {
		const overlay = new OverlayDisk(memory(sectors));
		overlay.commit();
		return overlay;
	},
	readOnly: (media) => new OverlayDisk(frozen(media)),
});
mediaContract({
	name: "faulty disk, without a rule",
	make: (sectors) => new FaultyDisk(memory(sectors)),
	readOnly: (media) => new FaultyDisk(frozen(media)),
});

describe("memory disk", () => {
	it("a 4 GiB disk costs what was written to it", () => {
		const disk = new MemoryDisk(4 * 1024 ** 3);
		const zeros = new Uint8Array(1024 * 1024);
		for (let i = 0; i < 64; i++) disk.write(i * 100_000, zeros);
		expect(disk.allocated).toBe(0);
		disk.write(8_388_607, pattern(512));
		expect(disk.allocated).toBe(16 * 1024);
		const last = new Uint8Array(512);
		expect(disk.read(8_388_607, last)).toBe(DISK_OK);
		expectBytes(last, pattern(512));
	});

	it("an image is its first contents, and zeros follow", () => {
		const disk = new MemoryDisk(1024, { image: Uint8Array.of(1, 2, 3) });
		expect([...disk.image().subarray(0, 5)]).toEqual([1, 2, 3, 0, 0]);
		expect(disk.image().length).toBe(1024);
		expect(() => new MemoryDisk(512, { image: new Uint8Array(513) })).toThrow(UserError);
	});

	it("takes the same buffers again, at any place and with other contents", () => {
		const disk = new MemoryDisk(2048 * 512);
		const model = new Uint8Array(2048 * 512);
		const buffers = [128, 128, 40].map((sectors) => new Uint8Array(sectors * 512));
		const write = fc.tuple(fc.nat(1920), fc.nat(2), fc.nat(255));
		fc.assert(
			fc.property(fc.array(write, { minLength: 1, maxLength: 6 }), (writes) => {
				for (const [sector, which, value] of writes) {
					const bytes = buffers[which]!;
					for (let at = 0; at < bytes.length; at += 512) {
						bytes.fill(value + at / 512, at, at + 512);
					}
					expect(disk.write(sector, bytes)).toBe(DISK_OK);
					model.set(bytes, sector * 512);
				}
				expectBytes(disk.image(), model);
			}),
			{ numRuns: 30 },
		);
	});

	it.each([0, -512, 511, 1000, Number.NaN, Number.POSITIVE_INFINITY])(
		"has no size of %d bytes",
		(bytes) => {
			expect(() => new MemoryDisk(bytes)).toThrow(/bytes is not a positive multiple of 512/);
		},
	);
});

describe("file disk", () => {
	it("sector n is at byte n * 512 of the file, and survives reopening", () => {
		const path = imageFile("layout.img", 2048);
		const disk = fileDisk(path);
		disk.write(2, pattern(512));
		const expected = new Uint8Array(2048);
		expected.set(pattern(512), 1024);
		expectBytes(new Uint8Array(readFileSync(path)), expected);
		const bytes = new Uint8Array(512);
		fileDisk(path).read(2, bytes);
		expectBytes(bytes, pattern(512));
	});

	it.each([
		["missing.img", null, "no such file"],
		["empty.img", 0, "its size, 0 bytes, is not a positive multiple of 512"],
		["odd.img", 1000, "its size, 1000 bytes, is not a positive multiple of 512"],
	])("refuses %s with one line that names the file", (name, bytes, reason) => {
		const path = bytes === null ? join(directory, name) : imageFile(name, bytes);
		expect(() => new FileDisk(path)).toThrow(new UserError(`disk ${path}: ${reason}`));
		if (bytes !== null) expect(readFileSync(path).length).toBe(bytes);
	});

	it("refuses a directory, for reading too", () => {
		for (const readOnly of [false, true]) {
			const reason = `disk ${directory}: not a regular file`;
			expect(() => new FileDisk(directory, { readOnly })).toThrow(new UserError(reason));
		}
	});

	it("refuses at once what is not a file, even a pipe without a writer", () => {
		const pipe = join(directory, "pipe");
		expect(spawnSync("mkfifo", [pipe]).status).toBe(0);
		const link = join(directory, "link");
		symlinkSync("nowhere", link);
		for (const [path, reason] of [
			[pipe, "not a regular file"],
			["/dev/null", "not a regular file"],
			[link, "no such file"],
			[join(imageFile("file.img", 512), "inside"), "cannot be opened (ENOTDIR)"],
		]) {
			for (const readOnly of [false, true]) {
				const error = new UserError(`disk ${path}: ${reason}`);
				expect(() => new FileDisk(path!, { readOnly })).toThrow(error);
			}
		}
	});

	it("a file that shrinks or is closed gives errors and leaves the buffer alone", () => {
		const path = join(directory, "shrinks.img");
		writeFileSync(path, pattern(4096));
		const disk = new FileDisk(path);
		truncateSync(path, 1024);
		const bytes = pattern(1024, 9);
		expect(disk.read(1, bytes)).toBe(DISK_EIO);
		expectBytes(bytes, pattern(1024, 9));
		disk.close();
		expect(disk.read(0, bytes)).toBe(DISK_EIO);
		expect(disk.write(0, bytes)).toBe(DISK_EIO);
		expect(disk.flush()).toBe(DISK_EIO);
	});
});

describe("overlay", () => {
	const PAGE = 4096;
	const SECTORS = 20; // the last page is half a page

	const contents = (media: DiskMedia): Uint8Array => {
		const bytes = new Uint8Array(media.sectors * 512);
		expect(media.read(0, bytes)).toBe(DISK_OK);
		return bytes;
	};

	it("shows its pages, and keeps what is written to it from the medium", () => {
		const medium = memory(SECTORS);
		medium.write(0, pattern(SECTORS * 512, 1));
		const below = contents(medium);
		const expected = Uint8Array.from(below);
		const overlay = new OverlayDisk(medium, [[2, pattern(PAGE, 2)]]);
		expected.set(pattern(PAGE, 2).subarray(0, 2048), 2 * PAGE);
		expectBytes(contents(overlay), expected);
		overlay.write(7, pattern(1024, 3));
		expected.set(pattern(1024, 3), 7 * 512);
		expectBytes(contents(overlay), expected);
		expectBytes(contents(medium), below);
	});

	it("is committed only to a medium that holds what it shows", () => {
		for (const same of [true, false]) {
			const medium = memory(SECTORS);
			medium.write(3, pattern(512, same ? 4 : 5));
			const overlay = new OverlayDisk(medium, [[0, new Uint8Array(PAGE)]]);
			overlay.write(3, pattern(512, 4));
			expect(overlay.commit()).toBe(same);
			expectBytes(contents(overlay), contents(medium));
			overlay.write(19, pattern(512, 6));
			expectBytes(contents(overlay), contents(medium));
		}
	});

	it("a checkpoint of the overlay is one of the medium after it was committed", () => {
		const medium = memory(SECTORS);
		medium.write(3, pattern(512, 4));
		const overlay = new OverlayDisk(medium, [[0, new Uint8Array(PAGE)]]);
		const before = overlay.checkpoint();
		overlay.write(3, pattern(512, 4));
		expect(overlay.commit()).toBe(true);
		expect(overlay.changedSince(before).map(([page]) => page)).toEqual([0]);
		overlay.rollback(before);
		expectBytes(contents(medium), new Uint8Array(SECTORS * 512));
	});
});
