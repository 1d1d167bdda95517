/** A driver and a disk, with both kinds of registers, with and without event indices. */

import { describe, expect, it } from "vitest";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { SsdTiming } from "../../devices/disk/timing.ts";
import type { FaultyDisk } from "../../devices/fault/faulty-disk.ts";
import { Bench, expectBytes, pattern } from "./bench-board.ts";
import { BlkDriver, DATA, type Piece } from "./blk-driver.ts";
import { cachedDisk, losePower } from "./cached-disk.ts";

const SECTORS = 256;
const image = pattern(SECTORS * 512);
const NEEDS_RESET = 64;
/** A range of a DISCARD or WRITE_ZEROES request: sector, count, flags. */
type Range = readonly [sector: number, count: number, flags?: number];

describe.each([
	["legacy registers", true, false],
	["legacy registers and event indices", true, true],
	["modern registers", false, false],
	["modern registers and event indices", false, true],
])("%s", (_what, legacy, eventIdx) => {
	const all = (2 ** 9 + 2 ** 13 + 2 ** 14 + 2 ** 28 + (eventIdx ? 2 ** 29 : 0)) >>> 0;

	function setUp({ readOnly = false, num = 64, disks = 1 } = {}) {
		const media = Array.from({ length: disks }, () => new MemoryDisk(image.length, { image }));
		const caches = media.map((medium) => cachedDisk(medium));
		const bench = new Bench({
			disks: caches.map((cache) => ({ media: cache, readOnly, timing: new SsdTiming() })),
			virtio: legacy ? "legacy" : "modern",
		});
		const driver = new BlkDriver(bench, disks - 1, num, { legacy });
		driver.start([readOnly ? 1 << 5 : all, legacy ? 0 : 1]);
		return { bench, driver, media: media[disks - 1]!, cache: caches[disks - 1]!, caches };
	}

	const contents = (disk: MemoryDisk | FaultyDisk) => {
		const bytes = new Uint8Array(image.length);
		expect(disk.read(0, bytes)).toBe(0);
		return bytes;
	};
	const ramBytes = ({ ram }: Bench, pa: number, length: number) =>
		ram.bytes.slice(pa - ram.base, pa - ram.base + length);
	/** => the status, or null if there was no answer. */
	const run = (driver: BlkDriver, type: number, sector: number, data: Piece[]) => {
		const status = driver.request(type, sector, data);
		driver.settle();
		return driver.status(status);
	};
	const ranges = (driver: BlkDriver, type: 11 | 13, list: readonly Range[]) => {
		const { ram } = driver.bench;
		for (const [i, [sector, count, flags = 0]] of list.entries()) {
			ram.store32(DATA + 16 * i, sector % 2 ** 32);
			ram.store32(DATA + 16 * i + 4, Math.floor(sector / 2 ** 32));
			ram.store32(DATA + 16 * i + 8, count);
			ram.store32(DATA + 16 * i + 12, flags);
		}
		return run(driver, type, 0, [{ pa: DATA, length: 16 * list.length, write: false }]);
	};
	/** The first image with these ranges cleared. */
	const cleared = (list: readonly Range[]) => {
		const bytes = image.slice();
		for (const [sector, count] of list) bytes.fill(0, sector * 512, (sector + count) * 512);
		return bytes;
	};

	it("reads and writes, in chains and tables, and mixtures of both", () => {
		const { bench, driver, cache } = setUp();
		bench.ram.write(DATA, pattern(1024, 9));
		expect(driver.transfer(1, 5, DATA, 1024)).toBe(0);
		const expected = image.slice();
		expected.set(pattern(1024, 9), 5 * 512);
		expectBytes(contents(cache), expected);
		for (const table of [1, 2, 3]) {
			// Descriptors before the table: none, the header, the header and a piece of the data.
			const pieces = driver.pieces(0, 5, [
				{ pa: DATA + 0x1000, length: 300, write: true },
				{ pa: DATA + 0x2000, length: 724, write: true },
			]);
			const head = 40 + 4 * table;
			for (let i = 0; i < table - 1; i++) {
				const { pa, length, write } = pieces[i]!;
				driver.putDesc(head + i, pa, length, 1 | (write ? 2 : 0), head + i + 1);
			}
			const rest = pieces.slice(table - 1);
			for (const [i, { pa, length, write }] of rest.entries()) {
				const flags = (i === rest.length - 1 ? 0 : 1) | (write ? 2 : 0);
				driver.putDesc(i, pa, length, flags, i + 1, 0x8000_4000);
			}
			driver.putDesc(head + table - 1, 0x8000_4000, 16 * rest.length, 4);
			bench.ram.bytes.fill(0, 0x1_1000, 0x1_3000);
			driver.submit(head);
			driver.settle();
			expect(driver.status(pieces[3]!.pa)).toBe(0);
			expectBytes(ramBytes(bench, DATA + 0x1000, 300), pattern(1024, 9).subarray(0, 300));
			expectBytes(ramBytes(bench, DATA + 0x2000, 724), pattern(1024, 9).subarray(300));
		}
		expect(driver.collect().map((used) => used.length)).toEqual([1, 1025, 1025, 1025]);
	});

	it("buffers in the rings themselves, and on top of each other, harm nothing else", () => {
		const { bench, driver } = setUp();
		// Over its own descriptors, the rings, and the header: they have been read by then.
		for (const pa of [driver.desc, driver.availRing - 400, 0x8000_8000 - 100]) {
			driver.start([all, legacy ? 0 : 1]);
			const status = driver.request(0, 0, [{ pa, length: 512, write: true }]);
			driver.settle();
			expect(driver.reg(0x70) & NEEDS_RESET).toBe(0);
			const read = ramBytes(bench, pa, 512);
			if (status - pa >= 0 && status - pa < 512) read[status - pa] = image[status - pa]!;
			expectBytes(read, image.subarray(0, 512));
		}
		driver.start([all, legacy ? 0 : 1]);
		const twice = { pa: DATA, length: 512, write: true };
		expect(run(driver, 0, 7, [twice, twice])).toBe(0);
		expectBytes(ramBytes(bench, DATA, 512), image.subarray(8 * 512, 9 * 512));
	});

	it("DISCARD and WRITE_ZEROES clear exactly their ranges", () => {
		const lists: Range[][] = [
			[[3, 2]],
			[[0, SECTORS]],
			[
				[10, 1],
				[12, 3],
				[11, 2],
			],
			Array.from({ length: 16 }, (_, i): Range => [i * 3, 1]),
			[[5, 0]],
			[[SECTORS, 0]],
		];
		for (const type of [11, 13] as const) {
			for (const list of lists) {
				const { bench, driver, cache } = setUp();
				bench.board.disks[0]!.media.write(200, pattern(512, 3));
				bench.board.disks[0]!.media.write(200, image.slice(200 * 512, 201 * 512));
				expect(ranges(driver, type, list)).toBe(0);
				expectBytes(contents(cache), cleared(list));
				expect(driver.collect().map((used) => used.length)).toEqual([1]);
			}
		}
	});

	it("WRITE_ZEROES may unmap; any other flag is UNSUPP, and unmapping for DISCARD", () => {
		const { driver, cache } = setUp();
		const flags: [11 | 13, number, number][] = [
			[13, 1, 0],
			[13, 2, 2],
			[13, 2 ** 31, 2],
			[13, 3, 2],
			[11, 1, 2],
			[11, 2, 2],
		];
		for (const [type, flag, status] of flags) {
			const list: Range[] = [
				[0, 1],
				[2, 1, flag],
			];
			expect([type, flag, ranges(driver, type, list)]).toEqual([type, flag, status]);
		}
		expectBytes(
			contents(cache),
			cleared([
				[0, 1],
				[2, 1],
			]),
		);
	});

	it("ranges that are refused clear nothing", () => {
		const { bench, driver, cache } = setUp();
		const bad: Range[][] = [
			[[SECTORS, 1]],
			[[SECTORS + 1, 0]],
			[[SECTORS - 1, 2]],
			[
				[1, 1],
				[0, SECTORS + 1],
			],
			[[2 ** 32, 1]],
			[[2 ** 64 - 2 ** 11, 2 ** 11]],
			[[0, 0xffff_ffff]],
			Array.from({ length: 17 }, (): Range => [1, 1]),
			[],
		];
		for (const type of [11, 13] as const) {
			for (const list of bad) expect(ranges(driver, type, list)).toBe(1);
			for (const length of [1, 15, 17, 0xffff_fff0]) {
				expect(run(driver, type, 0, [{ pa: DATA, length, write: false }])).toBe(1);
			}
			expect(run(driver, type, 0, [{ pa: 0x7fff_fff8, length: 16, write: false }])).toBe(1);
			// Data of the wrong direction are none.
			expect(run(driver, type, 0, [{ pa: DATA, length: 16, write: true }])).toBe(1);
		}
		expectBytes(contents(cache), image);
		expect(bench.ram.refused).toBe(0);
		expect(driver.reg(0x70) & NEEDS_RESET).toBe(0);
	});

	it("the limits of ranges are in the configuration, and hold", () => {
		const sectors = 2 ** 20;
		const media = new MemoryDisk(sectors * 512);
		const bench = new Bench({ disks: [{ media }], virtio: legacy ? "legacy" : "modern" });
		const driver = new BlkDriver(bench, 0, 64, { legacy });
		driver.start([all, legacy ? 0 : 1]);
		const field = (offset: number) => driver.reg(0x100 + offset);
		const [discard, discardRanges, alignment, zeroes, zeroesRanges] = [36, 40, 44, 48, 52].map(
			field,
		);
		expect(alignment).toBe(1);
		expect(bench.bus.load(driver.base + 0x100 + 56, 1)).toBe(1);
		for (const [type, count, list] of [
			[11, discard!, discardRanges!],
			[13, zeroes!, zeroesRanges!],
		] as const) {
			expect(count).toBeGreaterThan(0);
			expect(list).toBeGreaterThan(0);
			expect(ranges(driver, type, [[7, count]])).toBe(0);
			expect(ranges(driver, type, [[7, count + 1]])).toBe(1);
			expect(ranges(driver, type, Array(list).fill([1, 1]))).toBe(0);
			expect(ranges(driver, type, Array(list + 1).fill([1, 1]))).toBe(1);
		}
	});

	it("FLUSH, and what a driver writes that does not know it, survive a loss of power", () => {
		const { bench, driver, cache } = setUp();
		bench.ram.write(DATA, pattern(512, 5));
		driver.transfer(1, 0, DATA, 512);
		ranges(driver, 11, [[1, 1]]);
		losePower(cache);
		expectBytes(contents(cache), image);
		driver.transfer(1, 0, DATA, 512);
		ranges(driver, 11, [[1, 1]]);
		expect(run(driver, 4, 0, [])).toBe(0);
		losePower(cache);
		const expected = cleared([[1, 1]]);
		expectBytes(contents(cache).subarray(512), expected.subarray(512));
		expect(cache.pending.length).toBe(0);
		driver.start([all & ~(1 << 9), legacy ? 0 : 1]);
		driver.transfer(1, 2, DATA, 512);
		ranges(driver, 13, [[4, 2]]);
		expect(cache.pending.length).toBe(0);
		losePower(cache);
		expectBytes(contents(cache).subarray(4 * 512, 6 * 512), new Uint8Array(1024));
	});

	it("a read-only disk says so, refuses what changes it, and does the rest", () => {
		const { driver, cache } = setUp({ readOnly: true });
		driver.setReg(0x14, 0);
		expect(driver.reg(0x10) & ((1 << 5) | (1 << 13) | (1 << 14))).toBe(1 << 5);
		driver.start([(1 << 5) | (1 << 9), legacy ? 0 : 1]);
		expect(driver.transfer(1, 0, DATA, 512)).toBe(1);
		expect(ranges(driver, 11, [[0, 1]])).toBe(1);
		expect(ranges(driver, 13, [[0, 1]])).toBe(1);
		expect(ranges(driver, 13, [[0, 1, 2]])).toBe(2);
		expect(driver.transfer(0, 0, DATA, 512)).toBe(0);
		expect(run(driver, 4, 0, [])).toBe(0);
		expect(run(driver, 8, 0, [{ pa: DATA, length: 20, write: true }])).toBe(0);
		expectBytes(contents(cache), image);
	});

	it("GET_ID fills what there is of its 20 bytes", () => {
		const { bench, driver } = setUp();
		for (const length of [0, 3, 20, 30]) {
			bench.ram.bytes.fill(0xee, 0x1_0000, 0x1_0000 + 40);
			expect(run(driver, 8, 0, [{ pa: DATA, length, write: true }])).toBe(0);
			const id = Buffer.alloc(20);
			id.write("disk0");
			const expected = Buffer.alloc(40, 0xee);
			id.copy(expected, 0, 0, Math.min(length, 20));
			expectBytes(ramBytes(bench, DATA, 40), expected);
		}
		expect(driver.collect().map((used) => used.length)).toEqual([1, 4, 21, 20]);
	});

	it.each([
		["a reset", (driver: BlkDriver) => driver.setReg(0x70, 0)],
		["a queue taken out of use", (driver: BlkDriver) => driver.stopQueue()],
		["the reset button", (driver: BlkDriver) => driver.bench.board.reset()],
		["a broken ring", (driver: BlkDriver) => driver.submit(driver.num)],
	])("%s makes requests in flight vanish", (_how, stop) => {
		const { bench, driver, cache } = setUp({ disks: 2 });
		bench.ram.write(DATA, pattern(4096, 2));
		driver.request(1, 0, [{ pa: DATA, length: 512, write: false }]);
		driver.request(0, 1, [{ pa: DATA + 0x1000, length: 512, write: true }]);
		driver.request(8, 1, [{ pa: DATA + 0x2000, length: 20, write: true }]);
		ranges(driver, 13, [[9, 1]]); // done, as is all before it
		driver.request(1, 20, [{ pa: DATA, length: 4096, write: false }]);
		driver.request(0, 1, [{ pa: DATA + 0x1800, length: 512, write: true }]);
		driver.request(13, 0, [{ pa: DATA, length: 16, write: false }]);
		driver.request(4, 0, []);
		expect(bench.board.disks[1]!.inFlight).toBe(4);
		const disk = contents(cache);
		stop(driver);
		const ram = bench.ram.bytes.slice();
		const status = driver.reg(0x60);
		driver.settle();
		expectBytes(bench.ram.bytes, ram);
		expectBytes(contents(cache), disk);
		expect(driver.reg(0x60)).toBe(status);
		expect(bench.board.disks[1]!.inFlight).toBe(0);
		driver.start([all, legacy ? 0 : 1]);
		expect(driver.transfer(0, 30, DATA, 512)).toBe(0);
		expectBytes(ramBytes(bench, DATA, 512), image.subarray(30 * 512, 31 * 512));
		expect(bench.ram.load16(driver.usedRing + 2)).toBe(1);
	});

	it("several disks do not disturb each other", () => {
		const { bench, driver, caches } = setUp({ disks: 8 });
		const other = new BlkDriver(bench, 0, 8, { legacy, at: 0x8001_8000 });
		other.start([all, legacy ? 0 : 1]);
		bench.ram.write(DATA, pattern(512, 8));
		driver.request(1, 3, [{ pa: DATA, length: 512, write: false }]);
		const read = other.request(0, 3, [{ pa: DATA + 512, length: 512, write: true }]);
		driver.setReg(0x70, 0);
		other.settle();
		expect(other.status(read)).toBe(0);
		expect([driver.reg(0x60), other.reg(0x60)]).toEqual([0, 1]);
		expect(bench.read(0x0c00_1000)).toBe(1 << 1);
		expectBytes(ramBytes(bench, DATA + 512, 512), image.subarray(3 * 512, 4 * 512));
		for (const cache of caches) expectBytes(contents(cache), image);
	});

	it("the driver is interrupted when it asked to be", () => {
		const { bench, driver } = setUp();
		const acknowledged = () => {
			const status = driver.reg(0x60);
			driver.setReg(0x64, 1);
			return status;
		};
		expect(driver.transfer(0, 0, DATA, 512)).toBe(0);
		expect(acknowledged()).toBe(1);
		// Not for the second, without looking at the ring; the flag is for drivers without indices.
		bench.ram.store16(driver.availRing, eventIdx ? 0 : 1);
		expect(driver.transfer(0, 0, DATA, 512)).toBe(0);
		expect(acknowledged()).toBe(0);
		expect(driver.collect().length).toBe(2);
		bench.ram.store16(driver.availRing, eventIdx ? 1 : 0);
		bench.ram.store16(driver.usedEvent, 3);
		for (const interrupts of eventIdx ? [0, 1, 0, 0] : [1, 1, 1, 1]) {
			expect(driver.transfer(0, 0, DATA, 512)).toBe(0);
			expect(acknowledged()).toBe(interrupts);
		}
		expect(driver.collect().length).toBe(4);
	});

	it("rings go round past 2^16 requests", () => {
		const { bench, driver } = setUp({ num: 16 });
		const data = [{ pa: DATA, length: 20, write: true }];
		let interrupts = 0;
		for (let i = 0; i < 66_000; i++) {
			driver.request(8, 0, data);
			if (i % 5 === 4 || i > 65_990) {
				driver.settle();
				interrupts += driver.reg(0x60);
				driver.setReg(0x64, 1);
				if (driver.collect().length === 0) throw new Error(`lost at ${i}`);
			}
		}
		expect(bench.ram.load16(driver.usedRing + 2)).toBe(66_000 % 65_536);
		expect(interrupts).toBe(Math.floor(65_991 / 5) + 9);
	});
});
