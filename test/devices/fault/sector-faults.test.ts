import { expect, it } from "vitest";
import { DISK_EIO, DISK_ERANGE, DISK_EROFS, DISK_OK } from "../../../devices/disk/disk-media.ts";
import { MemoryDisk } from "../../../devices/disk/memory-disk.ts";
import { SectorFaults } from "../../../devices/fault/sector-faults.ts";
import { UserError } from "../../../machine/user-error.ts";
import { expectBytes, pattern } from "../bench-board.ts";

const SECTORS = 64;

function setUp() {
	const medium = new MemoryDisk(SECTORS * 512, { image: pattern(SECTORS * 512) });
	return { medium, faults: new SectorFaults(medium) };
}

it("exactly the requests that overlap a bad range fail, as a whole", () => {
	const { faults } = setUp();
	faults.failReads(10, 4);
	for (let sector = 0; sector < 20; sector++) {
		for (let count = 1; count <= 8; count++) {
			const overlaps = sector <= 13 && sector + count - 1 >= 10;
			const bytes = new Uint8Array(count * 512);
			expect(faults.read(sector, bytes)).toBe(overlaps ? DISK_EIO : DISK_OK);
			const expected = pattern(SECTORS * 512).slice(sector * 512, (sector + count) * 512);
			expectBytes(bytes, overlaps ? new Uint8Array(count * 512) : expected);
		}
	}
});

it("a read fault leaves writes alone, and a write fault reads", () => {
	const { faults, medium } = setUp();
	faults.failReads(0, 1);
	faults.failWrites(1, 1);
	const bytes = pattern(512, 5);
	expect(faults.write(0, bytes)).toBe(DISK_OK);
	expect(faults.write(1, bytes)).toBe(DISK_EIO);
	expect(faults.read(1, bytes)).toBe(DISK_OK);
	expectBytes(bytes, pattern(SECTORS * 512).slice(512, 1024));
	medium.read(1, bytes);
	expectBytes(bytes, pattern(SECTORS * 512).slice(512, 1024));
});

it("a lifted fault is gone, the data are as they were, and the count stays", () => {
	const { faults } = setUp();
	const first = faults.failReads(5, 1);
	const second = faults.failReads(5, 2);
	const bytes = new Uint8Array(512);
	faults.read(5, bytes);
	expect(faults.lift(first)).toBe(true);
	expect(faults.lift(first)).toBe(false);
	faults.read(5, bytes);
	faults.read(6, bytes);
	expect(faults.faults.map(({ id, injected }) => [id, injected])).toEqual([[second, 2]]);
	faults.liftAll();
	expect(faults.read(5, bytes)).toBe(DISK_OK);
	expectBytes(bytes, pattern(SECTORS * 512).slice(5 * 512, 6 * 512));
	expect([faults.injectedReads, faults.injectedWrites]).toEqual([3, 0]);
});

it("a request that is wrong anyway is not counted as injected", () => {
	const { faults } = setUp();
	faults.failReads(SECTORS - 1, 1);
	faults.failWrites(0, SECTORS);
	expect(faults.read(SECTORS - 1, new Uint8Array(1024))).toBe(DISK_ERANGE);
	expect(faults.write(0, new Uint8Array(100))).toBe(DISK_ERANGE);
	const readOnly = new SectorFaults(new MemoryDisk(512, { readOnly: true }));
	readOnly.failWrites(0, 1);
	expect(readOnly.write(0, new Uint8Array(512))).toBe(DISK_EROFS);
	expect([faults.injectedReads, faults.injectedWrites, readOnly.injectedWrites]).toEqual([0, 0, 0]);
});

it("a fault outside the disk is refused, not forgotten", () => {
	const { faults } = setUp();
	expect(() => faults.failReads(SECTORS, 1)).toThrow(UserError);
	expect(() => faults.failWrites(0, SECTORS + 1)).toThrow(UserError);
	expect(() => faults.failReads(0, 0)).toThrow(UserError);
	expect(faults.faults).toEqual([]);
});

it("faults and counters are saved and restored", () => {
	const { faults } = setUp();
	const id = faults.failWrites(2, 1);
	faults.write(2, new Uint8Array(512));
	const state = structuredClone(faults.save());
	const other = new SectorFaults(new MemoryDisk(SECTORS * 512));
	other.restore(state);
	const bytes = new Uint8Array(SECTORS * 512);
	other.read(0, bytes);
	expectBytes(bytes, pattern(SECTORS * 512));
	faults.write(2, new Uint8Array(512));
	expect(other.write(2, new Uint8Array(512))).toBe(DISK_EIO);
	expect(other.injectedWrites).toBe(2);
	expect(other.lift(id)).toBe(true);
	expect(other.failReads(0, 1)).toBe(id + 1);
});
