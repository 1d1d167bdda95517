/**
 * The same programs on our board and on QEMU's `virt` board: every value they read must agree.
 * QEMU is driven through its qtest protocol, register by register, while its hart and virtual time
 * stand still. Skipped where qemu-system-riscv32 is not installed.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import type { Width } from "../../machine/bus.ts";
import { Bench, pattern } from "./bench-board.ts";

const QEMU = "qemu-system-riscv32";
const SECTORS = 256;
const image = pattern(SECTORS * 512);

/** A board whose registers and RAM can be read and written. */
interface Target {
	read(pa: number, width: Width): Promise<number>;
	write(pa: number, width: Width, value: number): Promise<void>;
	/** Let time pass until a 16-bit word in RAM has this value. */
	waitFor(pa: number, value: number): Promise<void>;
}

class OurBoard implements Target {
	readonly bench: Bench;

	constructor() {
		const media = new MemoryDisk(image.length, { image });
		this.bench = new Bench({ disks: [{ media, id: "swap" }] });
	}

	async read(pa: number, width: Width): Promise<number> {
		if (pa < 0x8000_0000) return this.bench.bus.load(pa, width);
		const bytes = new Uint8Array(width);
		this.bench.ram.read(pa, bytes);
		return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
	}

	async write(pa: number, width: Width, value: number): Promise<void> {
		if (pa < 0x8000_0000) {
			expect(this.bench.bus.store(pa, width, value)).toBe(true);
			return;
		}
		const bytes = Uint8Array.from({ length: width }, (_, i) => (value >>> (8 * i)) & 0xff);
		this.bench.ram.write(pa, bytes);
	}

	async waitFor(pa: number, value: number): Promise<void> {
		while (this.bench.clock.skip());
		expect(await this.read(pa, 2)).toBe(value);
	}
}

class Qemu implements Target {
	readonly #child: ChildProcess;
	readonly #answers: ((line: string) => void)[] = [];

	constructor(disk: string) {
		this.#child = spawn(
			QEMU,
			// biome-ignore format: one option a line
			[
				"-machine", "virt", "-m", "16M", "-S", "-display", "none", "-bios", "none",
				"-serial", "null", "-monitor", "none", "-qtest", "stdio", "-qtest-log", "none",
				"-global", "virtio-mmio.force-legacy=false",
				"-drive", `file=${disk},format=raw,if=none,id=disk`,
				"-device", "virtio-blk-device,drive=disk,serial=swap,bus=virtio-mmio-bus.0",
			],
			{ stdio: ["pipe", "pipe", "inherit"] },
		);
		createInterface({ input: this.#child.stdout! }).on("line", (line) => {
			if (!line.startsWith("[")) this.#answers.shift()?.(line);
		});
	}

	async read(pa: number, width: Width): Promise<number> {
		const answer = await this.#command(`read${letter(width)} ${pa}`);
		return Number(answer.split(" ")[1]);
	}

	async write(pa: number, width: Width, value: number): Promise<void> {
		await this.#command(`write${letter(width)} ${pa} ${value >>> 0}`);
	}

	async waitFor(pa: number, value: number): Promise<void> {
		for (let i = 0; i < 100_000; i++) if ((await this.read(pa, 2)) === value) return;
		throw new Error("QEMU never completed the request");
	}

	async close(): Promise<void> {
		const exited = new Promise((resolve) => this.#child.on("exit", resolve));
		this.#child.kill();
		await exited;
	}

	#command(line: string): Promise<string> {
		return new Promise((resolve, reject) => {
			this.#answers.push((answer) => {
				if (answer.startsWith("OK")) resolve(answer);
				else reject(new Error(`${line}: ${answer}`));
			});
			this.#child.stdin!.write(`${line}\n`);
		});
	}
}

function letter(width: Width): string {
	return width === 1 ? "b" : width === 2 ? "w" : "l";
}

/** A repeatable stream of small numbers. */
function numbers(seed: number): (below: number) => number {
	let state = seed;
	return (below) => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return Math.floor((state / 2 ** 32) * below);
	};
}

const UART = 0x1000_0000;

/** In loopback, so that what is sent can be read; modem status changes are not QEMU's in there. */
async function uartProgram(target: Target): Promise<number[]> {
	const seen: number[] = [];
	const random = numbers(1);
	const pick = <T>(from: readonly T[]): T => from[random(from.length)]!;
	await target.write(UART + 4, 1, 0x10);
	for (let i = 0; i < 1500; i++) {
		const step = random(10);
		if (step === 0) await target.write(UART + 1, 1, random(8));
		else if (step === 1) await writeFcr(target, pick([0, 1, 1, 3, 0x41, 0x81, 0xc1]));
		else if (step === 2) await target.write(UART + 3, 1, pick([3, 3, 0x83, 0x1b]));
		else if (step === 3) await target.write(UART + 7, 1, random(256));
		else if (step <= 6) await target.write(UART, 1, random(256));
		seen.push(await target.read(UART + pick([0, 0, 1, 2, 3, 4, 5, 5, 7]), 1));
	}
	return seen;
}

/** QEMU reports a cleared FIFO as a transmitter interrupt: forget it. */
async function writeFcr(target: Target, value: number): Promise<void> {
	await target.write(UART + 2, 1, value);
	await target.write(UART + 3, 1, 3);
	await target.write(UART + 1, 1, 0);
}

const PLIC = 0x0c00_0000;

async function plicProgram(target: Target): Promise<number[]> {
	const seen: number[] = [];
	const random = numbers(2);
	for (let i = 0; i < 200; i++) {
		const context = random(2);
		const offsets = [
			4 * (1 + random(95)),
			0x2000 + 0x80 * context + 4 * random(3),
			0x20_0000 + 0x1000 * context,
		];
		const pa = PLIC + offsets[random(3)]!;
		// Bit 0 of the first enable word is wired to zero, which QEMU forgets.
		await target.write(pa, 4, (random(2 ** 31) * 2) >>> 0);
		seen.push(await target.read(pa, 4));
	}
	// The RTC's alarm, source 11, of priority 3, in both contexts.
	for (const source of [10, 11]) await target.write(PLIC + 4 * source, 4, source - 8);
	for (const context of [0, 1]) {
		for (const word of [0, 1, 2]) {
			await target.write(PLIC + 0x2000 + 0x80 * context + 4 * word, 4, word === 0 ? 3 << 10 : 0);
		}
		await target.write(PLIC + 0x20_0000 + 0x1000 * context, 4, 0);
	}
	await target.write(0x0010_1010, 4, 1);
	await target.write(0x0010_1008, 4, 0);
	await target.write(UART + 1, 1, 2);
	for (const register of [0x1000, 0x20_1004, 0x1000, 0x20_0004, 0x20_0004, 0x1000]) {
		seen.push(await target.read(PLIC + register, 4));
	}
	// Quiet both, then complete; each was claimed by another context.
	await target.write(0x0010_101c, 4, 1);
	await target.write(UART + 1, 1, 0);
	await target.write(PLIC + 0x20_1004, 4, 11);
	await target.write(PLIC + 0x20_0004, 4, 10);
	for (const register of [0x1000, 0x20_1004, 0x20_0004]) {
		seen.push(await target.read(PLIC + register, 4));
	}
	return seen;
}

const BLK = 0x1000_1000;
const DESC = 0x8000_1000;
const AVAIL = 0x8000_2000;
const USED = 0x8000_3000;
const HEADER = 0x8000_4000;
const STATUS = 0x8000_4100;
const DATA = 0x8000_5000;
const OFFERED = (1 << 2) | (1 << 6) | (1 << 9) | (1 << 28);

async function startBlk(target: Target): Promise<number[]> {
	const seen: number[] = [];
	const write = (offset: number, value: number) => target.write(BLK + offset, 4, value);
	const read = async (offset: number, width: Width = 4) => {
		seen.push(await target.read(BLK + offset, width));
	};
	for (const register of [0x00, 0x04, 0x08, 0x0c, 0x60, 0x70]) await read(register);
	await write(0x14, 0);
	seen.push((await target.read(BLK + 0x10, 4)) & OFFERED);
	await write(0x14, 1);
	seen.push((await target.read(BLK + 0x10, 4)) & 1);
	await write(0x70, 1 | 2);
	for (const [word, value] of [OFFERED, 1].entries()) {
		await write(0x24, word);
		await write(0x20, value);
	}
	await write(0x70, 1 | 2 | 8);
	await read(0x70);
	for (const [offset, width] of [
		[0, 4],
		[4, 4],
		[12, 4],
		[20, 4],
		[20, 2],
		[21, 1],
	] as const) {
		await read(0x100 + offset, width);
	}
	await write(0x30, 0);
	await write(0x38, 8);
	for (const [register, pa] of [
		[0x80, DESC],
		[0x90, AVAIL],
		[0xa0, USED],
	] as const) {
		await write(register, pa);
		await write(register + 4, 0);
	}
	await read(0x44);
	await write(0x44, 1);
	await read(0x44);
	await write(0x70, 15);
	await read(0x70);
	return seen;
}

interface Step {
	readonly type: number;
	readonly sector: number;
	/** Lengths of the data pieces, which follow each other in memory. */
	readonly data: readonly number[];
}

const STEPS: readonly Step[] = [
	{ type: 0, sector: 3, data: [512] },
	{ type: 0, sector: 0, data: [100, 412, 1024] },
	{ type: 1, sector: 9, data: [512, 512] },
	{ type: 0, sector: 8, data: [2048] },
	{ type: 4, sector: 0, data: [] },
	{ type: 8, sector: 0, data: [20] },
	{ type: 99, sector: 0, data: [] },
	{ type: 0, sector: SECTORS, data: [512] },
	{ type: 1, sector: SECTORS - 1, data: [1024] },
	{ type: 0, sector: SECTORS - 1, data: [512] },
	{ type: 0, sector: 0, data: [511] },
	{ type: 1, sector: 0, data: [513] },
];

async function blkProgram(target: Target): Promise<number[]> {
	const seen = await startBlk(target);
	for (const [i, { type, sector, data }] of STEPS.entries()) {
		await target.write(HEADER, 4, type);
		await target.write(HEADER + 8, 4, sector);
		await target.write(HEADER + 12, 4, 0);
		await target.write(STATUS, 1, 0xff);
		// QEMU does not write the zeros that pad an id: let them be there.
		const fill = type === 8 ? 0 : 0x0101_0101;
		for (let at = 0; at < 2048; at += 4) await target.write(DATA + at, 4, fill * (i + at));
		const pieces = [{ pa: HEADER, length: 16, flags: 0 }];
		let pa = DATA;
		for (const length of data) {
			pieces.push({ pa, length, flags: type === 1 ? 0 : 2 });
			pa += length;
		}
		pieces.push({ pa: STATUS, length: 1, flags: 2 });
		for (const [j, piece] of pieces.entries()) {
			const last = j === pieces.length - 1;
			await target.write(DESC + 16 * j, 4, piece.pa);
			await target.write(DESC + 16 * j + 4, 4, 0);
			await target.write(DESC + 16 * j + 8, 4, piece.length);
			await target.write(DESC + 16 * j + 12, 2, piece.flags | (last ? 0 : 1));
			await target.write(DESC + 16 * j + 14, 2, j + 1);
		}
		await target.write(AVAIL + 4 + 2 * (i % 8), 2, 0);
		await target.write(AVAIL + 2, 2, i + 1);
		await target.write(BLK + 0x50, 4, 0);
		await target.waitFor(USED + 2, i + 1);
		const status = await target.read(STATUS, 1);
		seen.push(status, await target.read(USED + 4 + 8 * (i % 8), 4));
		// QEMU counts the buffer of a failed request as written.
		const length = await target.read(USED + 8 + 8 * (i % 8), 4);
		seen.push(status === 0 ? length : -1);
		if (status === 0)
			for (let at = 0; at < 2048; at += 4) seen.push(await target.read(DATA + at, 4));
		seen.push(await target.read(BLK + 0x60, 4), await target.read(PLIC + 0x1000, 4));
		await target.write(BLK + 0x64, 4, 1);
		seen.push(await target.read(BLK + 0x60, 4));
	}
	return seen;
}

async function clintProgram(target: Target): Promise<number[]> {
	const seen: number[] = [];
	for (const offset of [0x4000, 0x4004, 0x0000]) {
		await target.write(0x0200_0000 + offset, 4, 0x8765_4321);
		seen.push(await target.read(0x0200_0000 + offset, 4));
	}
	return seen;
}

const installed = spawnSync(QEMU, ["--version"]).status === 0;

describe.skipIf(!installed)("the same program on QEMU's virt board", () => {
	const directory = mkdtempSync(join(tmpdir(), "uvmachine-qemu-"));
	const disk = join(directory, "disk.img");
	let qemu: Qemu;

	beforeAll(() => {
		writeFileSync(disk, image);
		qemu = new Qemu(disk);
	});
	afterAll(async () => {
		await qemu.close();
		rmSync(directory, { recursive: true });
	});

	test.each([
		["serial port", uartProgram],
		["interrupt controller and RTC", plicProgram],
		["CLINT", clintProgram],
		["virtio disk", blkProgram],
	])("%s", async (_what, program) => {
		const ours = new OurBoard();
		const expected = await program(qemu);
		expect(await program(ours)).toEqual(expected);
		expect(expected.length).toBeGreaterThan(0);
		if (program === blkProgram) {
			const stored = new Uint8Array(image.length);
			ours.bench.board.disks[0]!.media.read(0, stored);
			expect(Buffer.from(stored).equals(readFileSync(disk))).toBe(true);
			expect(Buffer.from(stored).equals(image)).toBe(false);
		}
	});
});
