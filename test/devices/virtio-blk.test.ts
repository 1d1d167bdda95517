import { describe, expect, it } from "vitest";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { HddTiming, SsdTiming } from "../../devices/disk/timing.ts";
import { FaultyDisk } from "../../devices/fault/faulty-disk.ts";
import { Bench, expectBytes, pattern } from "./bench-board.ts";
import { BlkDriver, DATA } from "./blk-driver.ts";
import { cachedDisk } from "./cached-disk.ts";

const IN = 0;
const OUT = 1;
const FLUSH = 4;
const GET_ID = 8;
const OK = 0;
const IOERR = 1;
const UNSUPP = 2;
const SIZE = 1024 * 1024;

function setUp(media: ConstructorParameters<typeof FaultyDisk>[0] = new MemoryDisk(SIZE)) {
	const bench = new Bench({ disks: [{ media }] });
	const driver = new BlkDriver(bench);
	driver.start();
	return { bench, driver, media };
}

function ramBytes(bench: Bench, pa: number, length: number): Uint8Array {
	return bench.ram.bytes.slice(pa - bench.ram.base, pa - bench.ram.base + length);
}

describe("configuration", () => {
	it("says capacity in sectors, block size and the largest number of segments", () => {
		const { driver } = setUp();
		expect([driver.reg(0x100), driver.reg(0x104)]).toEqual([SIZE / 512, 0]);
		expect(driver.reg(0x100 + 12)).toBe(254);
		expect(driver.reg(0x100 + 20)).toBe(512);
	});

	it("capacity has 64 bits", () => {
		const { driver } = setUp(new MemoryDisk(2 ** 42));
		expect([driver.reg(0x100), driver.reg(0x104)]).toEqual([0, 2]);
	});

	it("offers exactly the features it has", () => {
		const words = (bench: Bench) => {
			const driver = new BlkDriver(bench);
			return [0, 1, 2].map((word) => {
				driver.setReg(0x14, word);
				return driver.reg(0x10);
			});
		};
		const always = (1 << 2) | (1 << 6) | (1 << 9) | (1 << 28) | (1 << 29);
		const base = always | (1 << 13) | (1 << 14);
		expect(words(new Bench({ disks: [{ media: new MemoryDisk(512) }] }))).toEqual([base, 1, 0]);
		const readOnly = { media: new MemoryDisk(512), readOnly: true };
		expect(words(new Bench({ disks: [readOnly] }))).toEqual([always | (1 << 5), 1, 0]);
	});
});

describe("requests", () => {
	it("a write reaches the medium, and a read brings it back", () => {
		const { bench, driver, media } = setUp();
		const bytes = pattern(4096);
		bench.ram.write(DATA, bytes);
		expect(driver.transfer(OUT, 8, DATA, 4096)).toBe(OK);
		const stored = new Uint8Array(4096);
		media.read(8, stored);
		expectBytes(stored, bytes);
		expect(driver.transfer(IN, 8, DATA + 8192, 4096)).toBe(OK);
		expectBytes(ramBytes(bench, DATA + 8192, 4096), bytes);
		const used = driver.collect();
		// A write fills the status byte alone; a read its data as well.
		expect(used).toEqual([
			{ id: 0, length: 1 },
			{ id: 3, length: 4097 },
		]);
	});

	it("pieces of any size and a split header are one request", () => {
		const { bench, driver, media } = setUp();
		const bytes = pattern(1024);
		bench.ram.write(DATA, bytes.subarray(0, 5));
		bench.ram.write(DATA + 100, bytes.subarray(5, 700));
		bench.ram.write(DATA + 2000, bytes.subarray(700));
		const [header, status] = driver.pieces(OUT, 3, []);
		const head = driver.putChain([
			{ pa: header!.pa, length: 9, write: false },
			{ pa: header!.pa + 9, length: 7, write: false },
			{ pa: DATA, length: 5, write: false },
			{ pa: DATA + 50, length: 0, write: false },
			{ pa: DATA + 100, length: 695, write: false },
			{ pa: DATA + 2000, length: 324, write: false },
			status!,
		]);
		driver.submit(head);
		driver.settle();
		expect(driver.status(status!.pa)).toBe(OK);
		const stored = new Uint8Array(1024);
		media.read(3, stored);
		expectBytes(stored, bytes);
	});

	it("the status is the last writable byte, wherever the pieces end", () => {
		const { bench, driver, media } = setUp();
		media.write(0, pattern(512));
		const [header] = driver.pieces(IN, 0, []);
		driver.submit(
			driver.putChain([
				header!,
				{ pa: DATA, length: 300, write: true },
				{ pa: DATA + 4096, length: 213, write: true },
			]),
		);
		bench.ram.bytes[DATA + 4096 + 212 - bench.ram.base] = 0xff;
		driver.settle();
		expectBytes(ramBytes(bench, DATA, 300), pattern(512).subarray(0, 300));
		expectBytes(ramBytes(bench, DATA + 4096, 212), pattern(512).subarray(300));
		expect(driver.status(DATA + 4096 + 212)).toBe(OK);
		expect(driver.collect()).toEqual([{ id: 0, length: 513 }]);
	});

	it("a request may lie in an indirect table", () => {
		const { bench, driver, media } = setUp();
		driver.start([(1 << 9) | (1 << 28), 1]);
		media.write(5, pattern(1024));
		const pieces = driver.pieces(IN, 5, [
			{ pa: DATA, length: 512, write: true },
			{ pa: DATA + 4096, length: 512, write: true },
		]);
		driver.submit(driver.putIndirect(pieces));
		driver.settle();
		expect(driver.status(pieces[3]!.pa)).toBe(OK);
		expectBytes(ramBytes(bench, DATA + 4096, 512), pattern(1024).subarray(512));
	});

	it("GET_ID writes 20 bytes, padded with zeros", () => {
		const bench = new Bench({ disks: [{ media: new MemoryDisk(512), id: "swap" }] });
		const driver = new BlkDriver(bench);
		driver.start();
		bench.ram.bytes.fill(0xee, DATA - bench.ram.base, DATA - bench.ram.base + 32);
		const status = driver.request(GET_ID, 0, [{ pa: DATA, length: 20, write: true }]);
		driver.settle();
		expect(driver.status(status)).toBe(OK);
		const expected = [0x73, 0x77, 0x61, 0x70, ...new Array(16).fill(0), 0xee];
		expect([...ramBytes(bench, DATA, 21)]).toEqual(expected);
	});

	it("an unknown type is UNSUPP", () => {
		const { driver } = setUp();
		for (const type of [2, 3, 12, 14, 0xffff_ffff]) {
			const status = driver.request(type, 0, []);
			driver.settle();
			expect(driver.status(status)).toBe(UNSUPP);
		}
	});

	it("a disk is told apart by its slot and interrupt source", () => {
		const disks = [0, 1, 2].map(() => ({ media: new MemoryDisk(SIZE) }));
		const bench = new Bench({ disks });
		const driver = new BlkDriver(bench, 2);
		driver.start();
		bench.ram.write(DATA, pattern(512));
		expect(driver.transfer(OUT, 0, DATA, 512)).toBe(OK);
		expect(bench.read(0x0c00_1000)).toBe(1 << 3);
		expect(disks.map((disk) => disk.media.allocated > 0)).toEqual([false, false, true]);
	});
});

describe("errors", () => {
	it("a request that fails hurts no other and moves no data", () => {
		const memory = new MemoryDisk(SIZE);
		memory.write(0, pattern(SIZE));
		const faults = new FaultyDisk(memory);
		faults.failReads(9, 1);
		const { bench, driver } = setUp(faults);
		const statuses = [0, 8, 16].map((sector, i) =>
			driver.request(IN, sector, [{ pa: DATA + i * 4096, length: 4096, write: true }]),
		);
		driver.settle();
		expect(statuses.map((pa) => driver.status(pa))).toEqual([OK, IOERR, OK]);
		expectBytes(ramBytes(bench, DATA + 4096, 4096), new Uint8Array(4096));
		expectBytes(ramBytes(bench, DATA + 8192, 4096), pattern(SIZE).slice(8192, 8192 + 4096));
		expect(driver.collect().map((used) => used.length)).toEqual([4097, 0, 4097]);
		expect(driver.reg(0x70) & 64).toBe(0);
		expect(bench.board.disks[0]!.counters).toEqual({
			reads: 2,
			writes: 0,
			flushes: 0,
			sectorsRead: 16,
			sectorsWritten: 0,
			errors: 1,
		});
	});

	it.each([
		["past the end", SIZE / 512, 512],
		["across the end", SIZE / 512 - 1, 1024],
		["at a sector of 2^64", 2 ** 64 - 2 ** 32, 512],
		["of part of a sector", 0, 511],
		["that is too long to be meant", 0, 0xffff_fe00],
	])("a read or write %s is IOERR", (_what, sector, length) => {
		const { bench, driver } = setUp();
		const before = bench.ram.bytes.slice(DATA - bench.ram.base);
		for (const type of [IN, OUT] as const) {
			expect(driver.transfer(type, sector, DATA, length)).toBe(IOERR);
		}
		expectBytes(bench.ram.bytes.slice(DATA - bench.ram.base), before);
		expect(driver.reg(0x70) & 64).toBe(0);
	});

	it("data outside RAM are IOERR", () => {
		const { bench, driver } = setUp();
		const end = bench.ram.base + bench.ram.bytes.length;
		for (const pa of [0, 0x7fff_ff00, end - 256, end, 2 ** 32 + DATA, 2 ** 64 - 2 ** 11]) {
			expect(driver.transfer(IN, 0, pa, 512)).toBe(IOERR);
			expect(driver.transfer(OUT, 0, pa, 512)).toBe(IOERR);
		}
		expect(bench.ram.refused).toBe(0);
	});

	it("a write to a read-only disk is IOERR and writes nothing", () => {
		const media = new MemoryDisk(SIZE);
		const bench = new Bench({ disks: [{ media, readOnly: true }] });
		const driver = new BlkDriver(bench);
		driver.start();
		bench.ram.write(DATA, pattern(512));
		expect(driver.transfer(OUT, 0, DATA, 512)).toBe(IOERR);
		expect(media.allocated).toBe(0);
		expect(driver.transfer(IN, 0, DATA, 512)).toBe(OK);
	});

	it("a request without room for a status needs a reset", () => {
		for (const pieces of [
			[{ pa: DATA, length: 16, write: false }],
			[
				{ pa: DATA, length: 16, write: false },
				{ pa: DATA, length: 0, write: true },
			],
			[
				{ pa: DATA, length: 15, write: false },
				{ pa: DATA + 512, length: 1, write: true },
			],
			[{ pa: DATA, length: 513, write: true }],
			[
				{ pa: DATA, length: 16, write: false },
				{ pa: 0x1000, length: 1, write: true },
			],
			[
				{ pa: 0x1000, length: 16, write: false },
				{ pa: DATA, length: 1, write: true },
			],
		]) {
			const { bench, driver } = setUp();
			driver.submit(driver.putChain(pieces));
			driver.settle();
			expect(driver.reg(0x70) & 64).toBe(64);
			// The driver hears of it: configuration change.
			expect(driver.reg(0x60)).toBe(2);
			expect(driver.collect()).toEqual([]);
			expect(bench.ram.bytes[DATA + 512 - bench.ram.base]).toBe(0);
			driver.start();
			expect(driver.transfer(IN, 0, DATA, 512)).toBe(OK);
		}
	});
});

describe("time", () => {
	it("nothing happens before the timing model says so", () => {
		const media = new MemoryDisk(SIZE);
		media.write(0, pattern(512));
		const bench = new Bench({ disks: [{ media, timing: new SsdTiming() }] });
		const driver = new BlkDriver(bench);
		driver.start();
		const status = driver.request(IN, 0, [{ pa: DATA, length: 512, write: true }]);
		bench.clock.advance(100_000 + 2_500 - 1);
		expect(driver.status(status)).toBe(0xff);
		expect(driver.collect()).toEqual([]);
		expect(bench.board.disks[0]!.inFlight).toBe(1);
		// Data move by DMA at completion: what lies on the disk then.
		media.write(0, pattern(512, 2));
		bench.clock.advance(1);
		expect(driver.status(status)).toBe(OK);
		expectBytes(ramBytes(bench, DATA, 512), pattern(512, 2));
		expect(bench.clock.cycles).toBe(102_500);
	});

	it("a short request overtakes a long one", () => {
		const bench = new Bench({ disks: [{ media: new MemoryDisk(SIZE), timing: new SsdTiming() }] });
		const driver = new BlkDriver(bench);
		driver.start();
		driver.request(IN, 0, [{ pa: DATA, length: 65536, write: true }]);
		driver.request(IN, 0, [{ pa: DATA, length: 512, write: true }]);
		driver.settle();
		expect(driver.collect().map((used) => used.id)).toEqual([3, 0]);
	});

	it("without FLUSH negotiated a write is on the medium when it completes", () => {
		for (const [features, dirty] of [
			[1 << 9, 1],
			[0, 0],
		] as const) {
			const cache = cachedDisk(new MemoryDisk(SIZE));
			const { driver } = setUp(cache);
			driver.start([features, 1]);
			expect(driver.transfer(OUT, 0, DATA, 512)).toBe(OK);
			expect(cache.pending.length).toBe(dirty);
		}
	});

	it("FLUSH empties the write cache", () => {
		const cache = cachedDisk(new MemoryDisk(SIZE));
		const { bench, driver } = setUp(cache);
		driver.transfer(OUT, 0, DATA, 512);
		const status = driver.request(FLUSH, 0, []);
		driver.settle();
		expect(driver.status(status)).toBe(OK);
		expect(cache.pending.length).toBe(0);
		expect(bench.board.disks[0]!.counters).toMatchObject({ writes: 1, flushes: 1, errors: 0 });
	});

	it("a flush or a request that is refused moves no sectors, and takes the latency alone", () => {
		const bench = new Bench({ disks: [{ media: new MemoryDisk(SIZE), timing: new SsdTiming() }] });
		const driver = new BlkDriver(bench);
		driver.start();
		const data = { pa: DATA, length: 4096, write: true };
		const requests = [
			[FLUSH, 0, []],
			[IN, SIZE, [data]],
			[99, 0, [data]],
			[GET_ID, 0, [data]],
		] as const;
		for (const [type, sector, pieces] of requests) {
			const before = bench.clock.cycles;
			driver.request(type, sector, pieces);
			driver.settle();
			expect(bench.clock.cycles - before).toBe(100_000);
		}
		expect(driver.collect().length).toBe(4);
	});

	it("a reset makes requests in flight vanish", () => {
		const media = new MemoryDisk(SIZE);
		const bench = new Bench({ disks: [{ media, timing: new SsdTiming() }] });
		const driver = new BlkDriver(bench);
		driver.start();
		bench.ram.write(DATA, pattern(512));
		driver.request(OUT, 0, [{ pa: DATA, length: 512, write: false }]);
		const read = driver.request(IN, 0, [{ pa: DATA, length: 512, write: true }]);
		driver.setReg(0x70, 0);
		const before = bench.ram.bytes.slice();
		driver.settle();
		expect(bench.clock.cycles).toBe(0);
		expectBytes(bench.ram.bytes, before);
		expect(media.allocated).toBe(0);
		expect(driver.status(read)).toBe(0xff);
		driver.start();
		expect(driver.transfer(IN, 0, DATA, 512)).toBe(OK);
	});

	it("a queue taken out of use loses its requests", () => {
		const media = new MemoryDisk(SIZE);
		const bench = new Bench({ disks: [{ media, timing: new SsdTiming() }] });
		const driver = new BlkDriver(bench);
		driver.start();
		bench.ram.write(DATA, pattern(512));
		driver.request(OUT, 0, [{ pa: DATA, length: 512, write: false }]);
		driver.setReg(0x44, 0);
		expect(driver.reg(0x44)).toBe(0);
		driver.settle();
		expect(media.allocated).toBe(0);
		expect(driver.reg(0x60)).toBe(0);
	});
});

describe("save and restore", () => {
	it("a board restored in the middle of requests goes on as the first one does", () => {
		const build = () =>
			new Bench({
				disks: [
					{ media: new MemoryDisk(SIZE), timing: new HddTiming(SIZE / 512) },
					{ media: cachedDisk(new MemoryDisk(SIZE)), timing: new SsdTiming() },
				],
			});
		const first = build();
		const driver = new BlkDriver(first);
		driver.start([(1 << 9) | (1 << 28), 1]);
		first.ram.write(DATA, pattern(65536));
		driver.request(OUT, 100, [{ pa: DATA, length: 4096, write: false }]);
		driver.request(OUT, 1900, [{ pa: DATA + 4096, length: 4096, write: false }]);
		driver.request(IN, 100, [{ pa: DATA + 16384, length: 4096, write: true }]);
		first.board.virtio[0]!.configChanged();
		first.clock.skip();
		// Plain data: a structured clone is as good as the original.
		const saved = structuredClone({ clock: first.clock.save(), board: first.board.save() });
		const ram = first.ram.bytes.slice();
		const second = build();
		second.ram.bytes.set(ram);
		second.clock.restore(saved.clock);
		second.board.restore(saved.board);
		for (const bench of [first, second]) {
			while (bench.clock.skip());
			const again = new BlkDriver(bench);
			expect(bench.board.disks[0]!.inFlight).toBe(0);
			expect(again.reg(0x70)).toBe(15);
			expect(again.reg(0xfc)).toBe(1);
			// The queue goes on too: offer the first chain once more, as the fourth request.
			bench.ram.store16(again.availRing + 4 + 2 * 3, 0);
			bench.ram.store16(again.availRing + 2, 4);
			again.setReg(0x50, 0);
			again.settle();
			expect(bench.ram.load16(again.usedRing + 2)).toBe(4);
		}
		expect(second.clock.cycles).toBe(first.clock.cycles);
		expectBytes(second.ram.bytes, first.ram.bytes);
		expectBytes(ramBytes(second, DATA + 16384, 4096), pattern(65536).subarray(0, 4096));
		expect(second.board.save()).toEqual(first.board.save());
	});
});
