/**
 * The legacy registers, VIRTIO 1.2 section 4.2.4, where they differ. What both kinds share is in
 * virtio-scenarios.test.ts.
 */

import { describe, expect, it } from "vitest";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { SsdTiming } from "../../devices/disk/timing.ts";
import { Bench, pattern } from "./bench-board.ts";
import { BlkDriver, DATA, type DriverOptions } from "./blk-driver.ts";

const NEEDS_RESET = 64;
const RING_PAGE = 0x8000_1000 / 4096;
const image = pattern(64 * 512);

function setUp(options: DriverOptions = {}, num = 64) {
	const media = new MemoryDisk(image.length, { image });
	const disks = [{ media, timing: new SsdTiming() }];
	const bench = new Bench({ disks, virtio: "legacy" });
	return { bench, driver: new BlkDriver(bench, 0, num, { legacy: true, ...options }) };
}

describe("identification", () => {
	it("version 1, in empty slots too", () => {
		const { bench, driver } = setUp();
		expect([0x00, 0x04, 0x08, 0x0c].map((r) => driver.reg(r))).toEqual([
			0x74726976, 1, 2, 0x554d4551,
		]);
		expect(new BlkDriver(bench, 1).reg(4)).toBe(1);
	});

	it("offers ANY_LAYOUT and no VERSION_1", () => {
		const { driver } = setUp();
		const words = [0, 1, 2].map((word) => {
			driver.setReg(0x14, word);
			return driver.reg(0x10) >>> 0;
		});
		const bits = [2, 6, 9, 13, 14, 27, 28, 29].reduce((sum, bit) => sum + 2 ** bit, 0);
		expect(words).toEqual([bits, 0, 0]);
	});

	it("registers of version 2 are empty, and those of version 1 are in version 2", () => {
		const { bench, driver } = setUp();
		for (const offset of [0x44, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0xac]) {
			expect(bench.bus.store(driver.base + offset, 4, 0xffff_ffff)).toBe(true);
		}
		for (const offset of [0x44, 0xb8, 0xbc, 0xfc, 0x28, 0x3c]) {
			expect(bench.bus.load(driver.base + offset, 4)).toBe(0);
		}
		const modern = new Bench({ disks: [{ media: new MemoryDisk(512) }] });
		for (const offset of [0x28, 0x3c, 0x40]) {
			expect(modern.bus.store(driver.base + offset, 4, 0x1000)).toBe(true);
			expect(modern.bus.load(driver.base + offset, 4)).toBe(0);
		}
	});

	it("configuration of any width, and no writes to it", () => {
		const { bench, driver } = setUp();
		expect(bench.bus.load(driver.base + 0x100, 1)).toBe(64);
		expect(bench.bus.load(driver.base + 0x114, 2)).toBe(512);
		expect(bench.bus.load(driver.base + 0x115, 1)).toBe(2);
		expect(bench.bus.load(driver.base + 0x10c, 4)).toBe(254);
		expect(bench.bus.store(driver.base + 0x100, 4, 0)).toBe(true);
		expect(bench.bus.load(driver.base + 0x100, 1)).toBe(64);
	});
});

describe("the queue", () => {
	it("is where QueuePFN and GuestPageSize say, until it is stopped", () => {
		const { driver } = setUp();
		driver.start();
		expect(driver.reg(0x40)).toBe(RING_PAGE);
		expect(driver.transfer(0, 0, DATA, 512)).toBe(0);
		driver.stopQueue();
		expect(driver.reg(0x40)).toBe(0);
		driver.setReg(0x28, 1024);
		driver.setUpQueue();
		expect(driver.reg(0x70)).toBe(7 | NEEDS_RESET); // 0x8000_1000 / 4 is not RAM
		expect(driver.reg(0x40)).toBe(0);
		driver.start();
		driver.stopQueue();
		driver.setReg(0x28, 1024);
		driver.setReg(0x40, 0x8000_1000 / 1024);
		expect([driver.reg(0x40), driver.reg(0x70)]).toEqual([0x8000_1000 / 1024, 7]);
	});

	it.each([null, 4096, 2048, 64, 4])("has its used ring aligned to QueueAlign %s", (align) => {
		for (const num of [1, 2, 64, 128]) {
			const { bench, driver } = setUp({ align }, num);
			driver.start([1 << 28, 0]);
			const pieces = driver.pieces(0, 3, [{ pa: DATA, length: 512, write: true }]);
			driver.submit(driver.putIndirect(pieces));
			driver.settle();
			expect(driver.status(pieces[2]!.pa)).toBe(0);
			expect(bench.ram.load16(driver.usedRing + 2)).toBe(1);
		}
	});

	it("of 1024 entries works", () => {
		const { bench, driver } = setUp({}, 1024);
		driver.start();
		// 16 KiB of descriptors, a page for the available ring, then the used ring.
		expect(driver.usedRing).toBe(0x8000_1000 + 0x4000 + 0x1000);
		bench.ram.store32(DATA, 4);
		driver.putDesc(1023, DATA, 16, 1, 1022);
		driver.putDesc(1022, DATA + 64, 1, 2);
		bench.ram.write(DATA + 64, Uint8Array.of(0xff));
		driver.submit(1023);
		driver.settle();
		expect(driver.status(DATA + 64)).toBe(0);
		expect(driver.collect()).toEqual([{ id: 1023, length: 1 }]);
	});

	it.each([
		["an address outside RAM", { 64: 0x100 }],
		["an address above 4 GiB", { 40: 2 ** 31, 64: 0xffff_ffff }],
		["an alignment that leaves RAM", { 60: 2 ** 31, 64: RING_PAGE }],
		["a size that is no power of two", { 56: 3, 64: RING_PAGE }],
		["a size of 0", { 56: 0, 64: RING_PAGE }],
		["a size of more than 1024", { 56: 2048, 64: RING_PAGE }],
	])("with %s needs a reset", (_what, registers) => {
		const { bench, driver } = setUp();
		driver.setReg(0x28, 4096);
		driver.setReg(0x38, 8);
		for (const [register, value] of Object.entries(registers)) {
			driver.setReg(Number(register), value);
		}
		expect(driver.reg(0x70)).toBe(NEEDS_RESET);
		driver.setReg(0x50, 0);
		driver.settle();
		expect(bench.ram.refused).toBe(0);
		driver.start();
		expect(driver.transfer(0, 0, DATA, 512)).toBe(0);
	});

	it("registers do not change while it is in use", () => {
		const { driver } = setUp({ align: 64 });
		driver.start();
		driver.setReg(0x38, 2);
		driver.setReg(0x3c, 4096);
		driver.setReg(0x28, 512);
		for (const sector of [0, 1, 2]) expect(driver.transfer(0, sector, DATA, 512)).toBe(0);
		expect(driver.collect().length).toBe(3);
	});

	it("keeps its alignment while in use, for the next time as well", () => {
		const { bench, driver } = setUp({ align: 64 });
		driver.start();
		driver.setReg(0x3c, 4096);
		driver.stopQueue();
		bench.ram.store16(driver.usedRing + 2, 0);
		driver.setReg(0x40, RING_PAGE);
		driver.setReg(0x50, 0);
		const pieces = driver.pieces(4, 0, []);
		driver.submit(driver.putChain(pieces));
		driver.settle();
		expect(driver.collect().length).toBe(1);
	});

	it("a page size that is no power of two counts by its lowest bit, as in QEMU", () => {
		const { driver } = setUp();
		driver.setReg(0x28, 0x3000);
		driver.setReg(0x40, RING_PAGE);
		expect([driver.reg(0x40), driver.reg(0x70)]).toEqual([RING_PAGE, 0]);
	});

	it("queues that do not exist have no registers", () => {
		const { driver } = setUp();
		driver.setReg(0x30, 1);
		for (const register of [0x38, 0x3c, 0x40]) driver.setReg(register, 1);
		expect([driver.reg(0x34), driver.reg(0x40), driver.reg(0x70)]).toEqual([0, 0, 0]);
	});
});

describe("life", () => {
	it("FEATURES_OK does not exist, and features that were not offered are ignored", () => {
		const { bench, driver } = setUp();
		driver.start([0xffff_ffff, 0xffff_ffff]);
		expect(driver.reg(0x70)).toBe(7);
		const accepted = Array.from({ length: 64 }, (_, bit) => bit).filter((bit) =>
			bench.board.virtio[0]!.accepted(bit),
		);
		expect(accepted).toEqual([2, 6, 9, 13, 14, 27, 28, 29]);
	});

	it("buffers are used before DRIVER_OK, by the features that were written", () => {
		const { bench, driver } = setUp();
		driver.setReg(0x28, 4096);
		driver.setReg(0x20, (1 << 28) | (1 << 29));
		driver.setUpQueue();
		const pieces = driver.pieces(0, 0, [{ pa: DATA, length: 512, write: true }]);
		driver.submit(driver.putIndirect(pieces));
		driver.settle();
		expect(driver.status(pieces[2]!.pa)).toBe(0);
		expect(bench.ram.load16(driver.availEvent)).toBe(1);
		expect(driver.reg(0x60)).toBe(1);
		expect(driver.reg(0x70)).toBe(0);
	});

	it("DRIVER_OK fixes the features", () => {
		const { bench, driver } = setUp();
		driver.start([1 << 9, 0]);
		driver.setReg(0x20, 1 << 28);
		expect([9, 28].map((bit) => bench.board.virtio[0]!.accepted(bit))).toEqual([true, false]);
	});

	it("only the page size survives the driver's reset, and nothing the board's", () => {
		const { bench, driver } = setUp({ align: 64 });
		driver.start();
		driver.setReg(0x70, 0);
		expect([driver.reg(0x40), driver.reg(0x70), driver.reg(0x60)]).toEqual([0, 0, 0]);
		// Neither QueueNum nor QueueAlign is what it was: 1024 entries, 4096.
		driver.setReg(0x40, RING_PAGE);
		expect(driver.reg(0x40)).toBe(RING_PAGE);
		const fresh = new BlkDriver(bench, 0, 1024, { legacy: true });
		bench.ram.store32(DATA, 4);
		driver.putDesc(0, DATA, 16, 1, 1);
		driver.putDesc(1, DATA + 64, 1, 2);
		bench.ram.store32(fresh.availRing, 0);
		bench.ram.store16(fresh.usedRing + 2, 0);
		fresh.submit(0);
		fresh.settle();
		expect(bench.ram.load16(fresh.usedRing + 2)).toBe(1);
		bench.board.virtio[0]!.configChanged();
		bench.board.reset();
		driver.setReg(0x40, RING_PAGE);
		expect([driver.reg(0x40), driver.reg(0x70)]).toEqual([0, NEEDS_RESET]);
		bench.board.reset();
		driver.setReg(0x40, RING_PAGE * 4096);
		expect([driver.reg(0x40), driver.reg(0x70)]).toEqual([RING_PAGE * 4096, 0]);
	});

	it("a reset forgets the features before the driver says anything more", () => {
		const { bench, driver } = setUp();
		driver.start([(1 << 28) | (1 << 29), 0]);
		driver.setReg(0x70, 0);
		driver.setUpQueue();
		bench.ram.store16(driver.availEvent, 0x7777);
		const pieces = driver.pieces(4, 0, []);
		driver.submit(driver.putChain(pieces), false);
		driver.setReg(0x50, 0);
		driver.settle();
		expect(driver.status(pieces[1]!.pa)).toBe(0);
		expect(bench.ram.load16(driver.availEvent)).toBe(0x7777);
		driver.submit(driver.putIndirect(driver.pieces(4, 0, [])), false);
		driver.setReg(0x50, 0);
		expect(driver.reg(0x70)).toBe(NEEDS_RESET);
	});

	it("FLUSH_OUT is FLUSH", () => {
		const { bench, driver } = setUp();
		driver.start();
		const status = driver.request(5, 0, []);
		driver.settle();
		expect(driver.status(status)).toBe(0);
		expect(bench.board.disks[0]!.counters.flushes).toBe(1);
	});
});
