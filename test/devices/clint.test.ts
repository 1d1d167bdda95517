import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Clint } from "../../devices/clint.ts";
import { ACCESS_FAULT } from "../../machine/bus.ts";
import { Clock } from "../../machine/clock.ts";
import { CYCLES_PER_TIME_TICK } from "../../machine/port.ts";
import { Lamp } from "./bench-board.ts";

function setUp() {
	const clock = new Clock();
	const msip = new Lamp();
	const mtip = new Lamp();
	const written: [number, number][] = [];
	const clint = new Clint(clock, msip, mtip, (high, low) => written.push([high, low]));
	return { clock, msip, mtip, clint, written };
}

function write(clint: Clint, offset: number, value: number): void {
	expect(clint.store(offset, 4, value)).toBe(true);
}

function write64(clint: Clint, offset: number, value: bigint): void {
	write(clint, offset, Number(value & 0xffff_ffffn));
	write(clint, offset + 4, Number(value >> 32n));
}

const read64 = (clint: Clint, offset: number) =>
	(BigInt(clint.load(offset + 4, 4)) << 32n) | BigInt(clint.load(offset, 4));

const MTIMECMP = 0x4000;
const MTIME = 0xbff8;

it("msip is one bit, and a wire", () => {
	const { clint, msip } = setUp();
	write(clint, 0, 0xffff_ffff);
	expect(clint.load(0, 4)).toBe(1);
	expect(msip.on).toBe(true);
	write(clint, 0, 0xffff_fffe);
	expect(clint.load(0, 4)).toBe(0);
	expect(msip.on).toBe(false);
});

describe("mtime", () => {
	it("ticks once in CYCLES_PER_TIME_TICK cycles", () => {
		const { clock, clint } = setUp();
		clock.advance(CYCLES_PER_TIME_TICK * 5 - 1);
		expect(read64(clint, MTIME)).toBe(4n);
		clock.advance(1);
		expect(read64(clint, MTIME)).toBe(5n);
		clock.advance(CYCLES_PER_TIME_TICK * 2 ** 33);
		expect(read64(clint, MTIME)).toBe(5n + 2n ** 33n);
	});

	it("can be written by halves, and goes on from there, modulo 2^64", () => {
		const { clock, clint } = setUp();
		clock.advance(1000);
		write(clint, MTIME + 4, 0x1234);
		expect(read64(clint, MTIME)).toBe(0x1234_0000_0000n + 10n);
		write(clint, MTIME, 0xffff_ffff);
		clock.advance(100);
		expect(read64(clint, MTIME)).toBe(0x1235_0000_0000n);
		write64(clint, MTIME, 2n ** 64n - 1n);
		clock.advance(200);
		expect(clint.mtime).toBe(1n);
	});

	it("the hart hears of every write", () => {
		const { clock, clint, written } = setUp();
		clock.advance(700);
		write(clint, MTIMECMP, 3);
		write(clint, MTIME + 4, 2);
		write(clint, MTIME, 9);
		// Since reset 7 ticks have passed.
		expect(written).toEqual([
			[2, 0],
			[2, 2],
		]);
	});
});

describe("the timer interrupt", () => {
	it("rises at the exact cycle, stays, and falls when mtimecmp moves on", () => {
		const { clock, clint, mtip } = setUp();
		clock.advance(30);
		write64(clint, MTIMECMP, 7n);
		clock.advance(669);
		expect(mtip.on).toBe(false);
		clock.advance(1);
		expect(mtip.on).toBe(true);
		clock.advance(10_000);
		expect(mtip.on).toBe(true);
		write64(clint, MTIMECMP, 1000n);
		expect(mtip.on).toBe(false);
		expect(clock.skip()).toBe(true);
		expect(clock.cycles).toBe(100_000);
		expect(mtip.on).toBe(true);
	});

	it("is off at reset, and never comes for a time that is never reached", () => {
		const { clock, clint, mtip } = setUp();
		expect(clock.skip()).toBe(false);
		for (const never of [2n ** 64n - 1n, 2n ** 63n, 2n ** 53n]) {
			write64(clint, MTIMECMP, never);
			expect(read64(clint, MTIMECMP)).toBe(never);
			expect(clock.nextEvent).toBe(Number.POSITIVE_INFINITY);
		}
		expect(mtip.on).toBe(false);
	});

	it("is mtime >= mtimecmp after any sequence of writes and any time", () => {
		const step = fc.tuple(
			fc.constantFrom("wait", MTIMECMP, MTIMECMP + 4, MTIME, MTIME + 4),
			fc.oneof(fc.nat(3), fc.nat(1000), fc.nat(2 ** 32 - 1)),
		);
		fc.assert(
			fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
				const { clock, clint, mtip } = setUp();
				for (const [where, value] of steps) {
					if (typeof where === "string") clock.advance(value * 37);
					else write(clint, where, value);
					expect(mtip.on).toBe(read64(clint, MTIME) >= read64(clint, MTIMECMP));
				}
				const copy = setUp();
				copy.clock.restore(structuredClone(clock.save()));
				copy.clint.restore(structuredClone(clint.save()));
				expect(copy.mtip.on).toBe(mtip.on);
				for (const c of [clock, copy.clock]) c.skip();
				expect(copy.mtip.on).toBe(mtip.on);
				expect(copy.clint.mtime).toBe(clint.mtime);
			}),
		);
	});
});

it("other registers are empty, other widths fault", () => {
	const { clint } = setUp();
	for (const offset of [4, 0x3ffc, 0x4008, 0xbff4]) {
		expect(clint.store(offset, 4, 1)).toBe(true);
		expect(clint.load(offset, 4)).toBe(0);
	}
	expect(clint.load(0xc000, 4)).toBe(ACCESS_FAULT);
	expect(clint.store(0xc000, 4, 0)).toBe(false);
	expect(clint.load(0, 1)).toBe(ACCESS_FAULT);
	expect(clint.store(MTIMECMP, 2, 0)).toBe(false);
});
