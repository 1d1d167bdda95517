import { describe, expect, it } from "vitest";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import type { PowerRequest } from "../../devices/power.ts";
import { ACCESS_FAULT, type Width } from "../../machine/bus.ts";
import { Bench } from "./bench-board.ts";
import { BlkDriver, DATA } from "./blk-driver.ts";

const memoryDisk = () => ({ media: new MemoryDisk(64 * 1024) });

describe("the memory map is that of QEMU's virt board", () => {
	it.each([
		[0x0010_0000, 4, 0],
		[0x0010_1010, 4, 0],
		[0x0200_4000, 4, 0xffff_ffff],
		[0x0c00_0004, 4, 0],
		[0x0c20_1000, 4, 0],
		[0x1000_0005, 1, 0x60],
		[0x1000_1000, 4, 0x74726976],
		[0x1000_8000, 4, 0x74726976],
	] as const)("something answers at %i, %i bytes wide", (pa, width, value) => {
		expect(new Bench().bus.load(pa, width)).toBe(value);
	});

	it.each([0x000f_fffc, 0x0010_2000, 0x0201_0000, 0x0c60_0000, 0x1000_0100, 0x1000_9000])(
		"nothing answers at %i",
		(pa) => {
			const { bus } = new Bench();
			expect(bus.load(pa, 4)).toBe(ACCESS_FAULT);
			expect(bus.store(pa, 4, 0)).toBe(false);
		},
	);
});

describe("wires", () => {
	const enable = (bench: Bench, source: number) => {
		bench.write(0x0c00_0000 + 4 * source, 1);
		bench.write(0x0c00_2080, 1 << source);
	};

	it("the UART is source 10", () => {
		const bench = new Bench();
		enable(bench, 10);
		bench.bus.store(0x1000_0001, 1, 1);
		bench.board.uart.receive([1]);
		expect(bench.lines.seip.on).toBe(true);
		expect(bench.read(0x0c20_1004)).toBe(10);
	});

	it("the RTC is source 11", () => {
		const bench = new Bench({ epochSeconds: 0 });
		enable(bench, 11);
		bench.write(0x0010_1010, 1);
		bench.write(0x0010_1008, 0);
		expect(bench.read(0x0c20_1004)).toBe(11);
	});

	it("virtio slot n is source n + 1", () => {
		const bench = new Bench({ disks: Array.from({ length: 8 }, memoryDisk) });
		for (let slot = 0; slot < 8; slot++) {
			enable(bench, slot + 1);
			const driver = new BlkDriver(bench, slot);
			driver.start();
			expect(driver.transfer(0, 0, DATA, 512)).toBe(0);
			expect(bench.read(0x0c20_1004)).toBe(slot + 1);
			driver.setReg(0x64, 1);
			bench.write(0x0c20_1004, slot + 1);
			expect(bench.lines.seip.on).toBe(false);
		}
	});

	it("the CLINT drives the hart's timer and software interrupts", () => {
		const { bus, lines } = new Bench();
		bus.store(0x0200_0000, 4, 1);
		expect(lines.msip.on).toBe(true);
		bus.store(0x0200_4004, 4, 0);
		bus.store(0x0200_4000, 4, 0);
		expect(lines.mtip.on).toBe(true);
	});
});

describe("power", () => {
	it.each([
		[0x5555, 4, { kind: "pass", code: 0 }],
		[0x0003_3333, 4, { kind: "fail", code: 3 }],
		[0xffff_3333, 4, { kind: "fail", code: 0xffff }],
		[0x7777, 4, { kind: "reset", code: 0 }],
		[0x5555, 2, { kind: "pass", code: 0 }],
	] as const)("%i, %i bytes wide", (value, width, expected) => {
		const requests: PowerRequest[] = [];
		const { bus } = new Bench({ power: (request) => requests.push(request) });
		expect(bus.store(0x0010_0000, width, value)).toBe(true);
		expect(requests).toEqual([expected]);
	});

	it("other values, registers and widths ask for nothing", () => {
		const requests: PowerRequest[] = [];
		const { bus } = new Bench({ power: (request) => requests.push(request) });
		expect(bus.store(0x0010_0000, 4, 0x1234)).toBe(true);
		expect(bus.store(0x0010_0000, 1, 0x55)).toBe(false);
		expect(bus.store(0x0010_0004, 4, 0x5555)).toBe(true);
		expect(bus.load(0x0010_0004, 4)).toBe(0);
		expect([1, 2, 4].map((w) => bus.load(0x0010_0000, w as Width))).toEqual([ACCESS_FAULT, 0, 0]);
		expect(requests).toEqual([]);
	});
});

describe("options", () => {
	it("disks are named by their order, unless they have a name", () => {
		const disks = [memoryDisk(), { ...memoryDisk(), id: "swap" }];
		expect(new Bench({ disks }).board.disks.map((disk) => disk.id)).toEqual(["disk0", "swap"]);
	});

	it("a read-only medium makes a read-only disk", () => {
		const media = new MemoryDisk(512, { readOnly: true });
		expect(new Bench({ disks: [{ media }] }).board.disks[0]!.readOnly).toBe(true);
	});

	it("there is room for eight disks", () => {
		const disks = Array.from({ length: 9 }, memoryDisk);
		expect(() => new Bench({ disks })).toThrow(/9 disks; there are 8 slots/);
	});

	it("the console gets what the guest prints, the RTC its epoch", () => {
		const printed: number[] = [];
		const bench = new Bench({ console: (byte) => printed.push(byte), epochSeconds: 3 });
		bench.bus.store(0x1000_0000, 1, 0x41);
		expect(printed).toEqual([0x41]);
		expect(bench.read(0x0010_1000)).toBe(3_000_000_000);
	});

	it("a state goes only into a board with as many disks", () => {
		const state = new Bench().board.save();
		const other = new Bench({ disks: [memoryDisk()] }).board;
		expect(() => other.restore(state)).toThrow(/a different number of disks/);
	});
});
