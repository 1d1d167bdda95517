import { describe, expect, it } from "vitest";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { SsdTiming } from "../../devices/disk/timing.ts";
import { ACCESS_FAULT } from "../../machine/bus.ts";
import { Bench } from "./bench-board.ts";
import { BlkDriver, DATA } from "./blk-driver.ts";

const ACKNOWLEDGE = 1;
const DRIVER = 2;
const DRIVER_OK = 4;
const FEATURES_OK = 8;
const NEEDS_RESET = 64;
const FAILED = 128;

function setUp(timing = new SsdTiming()) {
	const bench = new Bench({ disks: [{ media: new MemoryDisk(64 * 512), timing }] });
	return { bench, driver: new BlkDriver(bench) };
}

const read = (driver: BlkDriver, sector = 0) =>
	driver.request(0, sector, [{ pa: DATA, length: 512, write: true }]);

describe("identification", () => {
	it("a block device of virtio 1", () => {
		const { driver } = setUp();
		expect(driver.reg(0x00)).toBe(0x74726976);
		expect(driver.reg(0x04)).toBe(2);
		expect(driver.reg(0x08)).toBe(2);
		expect(driver.reg(0x0c)).toBe(0x554d4551);
		expect(driver.reg(0xfc)).toBe(0);
	});

	it("an empty slot identifies itself as nothing, and ignores the driver", () => {
		const { bench } = setUp();
		for (let slot = 1; slot < 8; slot++) {
			const driver = new BlkDriver(bench, slot);
			expect([0x00, 0x04, 0x08, 0x0c].map((r) => driver.reg(r))).toEqual([
				0x74726976, 2, 0, 0x554d4551,
			]);
			driver.setReg(0x70, 1);
			expect(driver.reg(0x70)).toBe(0);
			expect(driver.reg(0x34)).toBe(0);
			expect(bench.bus.store(driver.base + 0x100, 4, 1)).toBe(true);
			expect(bench.bus.load(driver.base + 0x100, 4)).toBe(0);
			expect(bench.bus.load(driver.base, 1)).toBe(0x76);
			expect(bench.bus.store(driver.base + 0x70, 2, 0)).toBe(true);
		}
	});

	it("no shared memory: regions have the length 2^64 - 1", () => {
		const { driver } = setUp();
		driver.setReg(0xac, 0);
		expect([0xb0, 0xb4, 0xb8, 0xbc].map((r) => driver.reg(r))).toEqual(Array(4).fill(0xffff_ffff));
	});

	it("one queue of up to 1024 entries", () => {
		const { driver } = setUp();
		driver.setReg(0x30, 0);
		expect(driver.reg(0x34)).toBe(1024);
		for (const queue of [1, 2, 0xffff_ffff]) {
			driver.setReg(0x30, queue);
			expect(driver.reg(0x34)).toBe(0);
			driver.setReg(0x44, 1);
			expect(driver.reg(0x44)).toBe(0);
		}
		expect(driver.reg(0x70)).toBe(0);
	});
});

describe("accesses that the specification forbids do nothing", () => {
	it.each([0x014, 0x020, 0x024, 0x030, 0x038, 0x050, 0x064, 0x080, 0x0a4, 0x0c0, 0x018])(
		"a load at offset %i",
		(offset) => {
			const { bench } = setUp();
			expect(bench.bus.load(0x1000_1000 + offset, 4)).toBe(0);
		},
	);

	it.each([0x000, 0x004, 0x010, 0x034, 0x060, 0x0fc, 0x0c0, 0x100, 0x148])(
		"a store at offset %i",
		(offset) => {
			const { bench } = setUp();
			const before = bench.bus.load(0x1000_1000 + offset, 4);
			expect(bench.bus.store(0x1000_1000 + offset, 4, ~before >>> 0)).toBe(true);
			expect(bench.bus.load(0x1000_1000 + offset, 4)).toBe(before);
		},
	);

	it("control registers are 32 bits wide; configuration is any width up to its end", () => {
		const { bench } = setUp();
		expect(bench.bus.load(0x1000_1000, 2)).toBe(0);
		expect(bench.bus.store(0x1000_1070, 1, 1)).toBe(true);
		expect(bench.bus.load(0x1000_1070, 4)).toBe(0);
		expect(bench.bus.load(0x1000_1100, 1)).toBe(64);
		expect(bench.bus.load(0x1000_1114, 2)).toBe(512);
		expect(bench.bus.load(0x1000_1115, 1)).toBe(2);
		expect(bench.bus.load(0x1000_1144, 4)).toBe(0);
		expect(bench.bus.load(0x1000_1148, 4)).toBe(0xffff_ffff);
		expect(bench.bus.load(0x1000_1200, 4)).toBe(ACCESS_FAULT);
	});
});

describe("status", () => {
	it("bits are set one after the other and cleared only by a reset", () => {
		const { driver } = setUp();
		driver.setReg(0x70, ACKNOWLEDGE);
		driver.setReg(0x70, DRIVER);
		expect(driver.reg(0x70)).toBe(ACKNOWLEDGE | DRIVER);
		driver.setReg(0x70, FAILED | NEEDS_RESET);
		expect(driver.reg(0x70)).toBe(ACKNOWLEDGE | DRIVER | FAILED);
		driver.setReg(0x70, 0);
		expect(driver.reg(0x70)).toBe(0);
	});

	it.each([
		["what is offered", [1 << 9, 1], true],
		["all that is offered", [(1 << 2) | (1 << 6) | (1 << 9) | (1 << 28), 1], true],
		["nothing but VERSION_1", [0, 1], true],
		["no VERSION_1", [1 << 9, 0], false],
		["a bit that is not offered", [1 << 5, 1], false],
		["a high bit that is not offered", [0, 1 | 2], false],
	] as const)("FEATURES_OK stays set for a driver that takes %s: %s", (_what, words, ok) => {
		const { driver } = setUp();
		driver.setReg(0x70, ACKNOWLEDGE | DRIVER);
		for (const word of [0, 1] as const) {
			driver.setReg(0x24, word);
			driver.setReg(0x20, words[word] >>> 0);
		}
		driver.setReg(0x70, ACKNOWLEDGE | DRIVER | FEATURES_OK);
		expect((driver.reg(0x70) & FEATURES_OK) !== 0).toBe(ok);
		// Without agreement on features the device does not go live.
		driver.setReg(0x70, ACKNOWLEDGE | DRIVER | DRIVER_OK);
		expect((driver.reg(0x70) & DRIVER_OK) !== 0).toBe(ok);
	});

	it("features cannot change once FEATURES_OK is set", () => {
		const { bench, driver } = setUp();
		driver.start([1 << 9, 1]);
		driver.setReg(0x24, 0);
		driver.setReg(0x20, 1 << 28);
		// INDIRECT_DESC did not become accepted.
		driver.submit(driver.putIndirect(driver.pieces(4, 0, [])));
		driver.settle();
		expect(driver.reg(0x70) & NEEDS_RESET).toBe(NEEDS_RESET);
		expect(bench.board.virtio[0]!.accepted(9)).toBe(true);
	});

	it("the device consumes nothing before DRIVER_OK", () => {
		const { driver } = setUp();
		driver.setReg(0x70, ACKNOWLEDGE | DRIVER);
		driver.setReg(0x24, 1);
		driver.setReg(0x20, 1);
		driver.setReg(0x70, ACKNOWLEDGE | DRIVER | FEATURES_OK);
		driver.setUpQueue();
		const status = read(driver);
		driver.settle();
		expect(driver.status(status)).toBe(0xff);
		driver.setReg(0x70, DRIVER_OK);
		driver.setReg(0x50, 0);
		driver.settle();
		expect(driver.status(status)).toBe(0);
	});

	it("a queue that cannot work needs a reset, and is not ready", () => {
		const { driver } = setUp();
		driver.start();
		driver.setReg(0x44, 0);
		driver.setReg(0x38, 3);
		driver.setReg(0x44, 1);
		expect(driver.reg(0x44)).toBe(0);
		expect(driver.reg(0x70) & NEEDS_RESET).toBe(NEEDS_RESET);
	});

	it("a device that needs a reset does nothing more: requests in flight included", () => {
		const { bench, driver } = setUp();
		driver.start();
		const status = read(driver);
		driver.submit(200);
		expect(driver.reg(0x70)).toBe(15 | NEEDS_RESET);
		expect(driver.reg(0x60)).toBe(2);
		driver.setReg(0x70, 15);
		driver.setReg(0x50, 0);
		driver.settle();
		expect(driver.status(status)).toBe(0xff);
		expect(bench.clock.cycles).toBe(0);
		driver.start();
		expect(driver.reg(0x70)).toBe(15);
		expect(driver.reg(0x60)).toBe(0);
		expect(driver.transfer(0, 0, DATA, 512)).toBe(0);
	});

	it("a queue set up again starts at the head of its rings", () => {
		const { bench, driver } = setUp();
		driver.start();
		for (const restart of [() => {}, () => driver.start(), () => driver.setReg(0x44, 0)]) {
			restart();
			if (driver.reg(0x44) === 0) driver.setUpQueue();
			const before = bench.ram.load16(driver.usedRing + 2);
			expect(driver.transfer(0, 0, DATA, 512)).toBe(0);
			expect(driver.transfer(0, 0, DATA, 512)).toBe(0);
			expect([before, bench.ram.load16(driver.usedRing + 2)]).toEqual([0, 2]);
			expect(driver.collect().length).toBe(2);
		}
	});

	it("a reset takes the queue away and forgets the features and what was selected", () => {
		const { bench, driver } = setUp();
		driver.start();
		driver.setReg(0x14, 1);
		driver.setReg(0x24, 1);
		driver.setReg(0x30, 1);
		driver.setReg(0x70, 0);
		expect(bench.board.virtio[0]!.accepted(9)).toBe(false);
		expect(driver.reg(0x10) & (1 << 9)).toBe(1 << 9);
		expect(driver.reg(0x34)).toBe(1024);
		driver.setReg(0x20, 1 << 6);
		expect(bench.board.virtio[0]!.accepted(6)).toBe(true);
		expect(driver.reg(0x44)).toBe(0);
	});
});

describe("queue registers", () => {
	it("do not change while the queue is in use", () => {
		const { driver } = setUp();
		driver.start();
		driver.setReg(0x38, 1);
		for (const register of [0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4]) driver.setReg(register, 4);
		for (const sector of [0, 1, 2]) expect(driver.transfer(0, sector, DATA, 512)).toBe(0);
	});

	it("notifications of queues that do not exist or are not ready are ignored", () => {
		const { driver } = setUp();
		driver.start();
		for (const queue of [1, 0xffff, 0xffff_ffff]) driver.setReg(0x50, queue);
		driver.setReg(0x44, 0);
		driver.setReg(0x50, 0);
		expect(driver.reg(0x70)).toBe(15);
	});
});

describe("interrupts", () => {
	it("a used buffer raises the wire until it is acknowledged", () => {
		const { bench, driver } = setUp();
		bench.write(0x0c00_0004, 1);
		bench.write(0x0c00_2080, 1 << 1);
		driver.start();
		read(driver);
		expect(bench.lines.seip.on).toBe(false);
		driver.settle();
		expect(bench.lines.seip.on).toBe(true);
		expect(driver.reg(0x60)).toBe(1);
		expect(bench.read(0x0c20_1004)).toBe(1);
		// Completed before it was acknowledged: the wire is still high, and asks again.
		bench.write(0x0c20_1004, 1);
		expect(bench.lines.seip.on).toBe(true);
		bench.read(0x0c20_1004);
		driver.setReg(0x64, 2);
		expect(driver.reg(0x60)).toBe(1);
		driver.setReg(0x64, 1);
		expect(driver.reg(0x60)).toBe(0);
		bench.write(0x0c20_1004, 1);
		expect(bench.lines.seip.on).toBe(false);
	});

	it("a driver that asks for silence is not interrupted", () => {
		const { bench, driver } = setUp();
		driver.start();
		bench.ram.store16(driver.availRing, 1);
		read(driver);
		driver.settle();
		expect(driver.collect().length).toBe(1);
		expect(driver.reg(0x60)).toBe(0);
	});

	it("a changed configuration shows in the generation and interrupts", () => {
		const { bench, driver } = setUp();
		driver.start();
		bench.board.virtio[0]!.configChanged();
		expect(driver.reg(0xfc)).toBe(1);
		expect(driver.reg(0x60)).toBe(2);
		driver.setReg(0x64, 2);
		driver.setReg(0x70, 0);
		bench.board.virtio[0]!.configChanged();
		expect(driver.reg(0xfc)).toBe(2);
		expect(driver.reg(0x60)).toBe(0);
		bench.board.reset();
		expect(driver.reg(0xfc)).toBe(0);
	});
});
