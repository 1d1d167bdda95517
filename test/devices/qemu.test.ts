/**
 * The same programs on our board and on QEMU's `virt` board: every value they read must agree.
 * Skipped where qemu-system-riscv32 is not installed. Disks: qemu-virtio.test.ts.
 */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OurBoard, Qemu, qemuInstalled, type Target } from "./targets.ts";

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

async function clintProgram(target: Target): Promise<number[]> {
	const seen: number[] = [];
	for (const offset of [0x4000, 0x4004, 0x0000]) {
		await target.write(0x0200_0000 + offset, 4, 0x8765_4321);
		seen.push(await target.read(0x0200_0000 + offset, 4));
	}
	return seen;
}

describe.skipIf(!qemuInstalled())("the same program on QEMU's virt board", () => {
	let qemu: Qemu;

	beforeAll(() => {
		qemu = new Qemu();
	});
	afterAll(async () => {
		await qemu.close();
	});

	it.each([
		["serial port", uartProgram],
		["interrupt controller and RTC", plicProgram],
		["CLINT", clintProgram],
	])("%s", async (_what, program) => {
		const expected = await program(qemu);
		expect(await program(new OurBoard())).toEqual(expected);
		expect(expected.length).toBeGreaterThan(0);
	});
});
