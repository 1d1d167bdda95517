import { describe, expect, it } from "vitest";
import { GoldfishRtc } from "../../devices/goldfish-rtc.ts";
import { ACCESS_FAULT } from "../../machine/bus.ts";
import { Clock } from "../../machine/clock.ts";
import { UserError } from "../../machine/user-error.ts";
import { Lamp } from "./bench-board.ts";

const EPOCH = 1_700_000_000;
const EPOCH_NS = 1_700_000_000_000_000_000n;

function setUp(epoch = EPOCH) {
	const clock = new Clock();
	const irq = new Lamp();
	return { clock, irq, rtc: new GoldfishRtc(clock, irq, epoch) };
}

/** TIME_LOW first: it latches TIME_HIGH. */
function now(rtc: GoldfishRtc): bigint {
	const low = BigInt(rtc.load(0x00, 4));
	return (BigInt(rtc.load(0x04, 4)) << 32n) | low;
}

function write(rtc: GoldfishRtc, offset: number, value: number): void {
	expect(rtc.store(offset, 4, value)).toBe(true);
}

function setAlarm(rtc: GoldfishRtc, at: bigint): void {
	write(rtc, 0x0c, Number(at >> 32n));
	write(rtc, 0x08, Number(at & 0xffff_ffffn));
}

describe("time", () => {
	it("starts at the epoch and advances a nanosecond a cycle", () => {
		const { clock, rtc } = setUp();
		expect(now(rtc)).toBe(EPOCH_NS);
		clock.advance(123_456_789);
		expect(now(rtc)).toBe(EPOCH_NS + 123_456_789n);
	});

	it("the high half is latched when the low half is read", () => {
		const { clock, rtc } = setUp(0);
		clock.advance(0xffff_ffff);
		expect(rtc.load(0x00, 4)).toBe(0xffff_ffff);
		clock.advance(1);
		expect(rtc.load(0x04, 4)).toBe(0);
		expect(rtc.load(0x00, 4)).toBe(0);
		expect(rtc.load(0x04, 4)).toBe(1);
	});

	it("can be set by halves", () => {
		const { clock, rtc } = setUp();
		write(rtc, 0x04, 5);
		write(rtc, 0x00, 7);
		clock.advance(3);
		expect(now(rtc)).toBe((5n << 32n) + 10n);
	});

	it("the epoch is whole seconds", () => {
		for (const epoch of [-1, 0.5, Number.NaN]) expect(() => setUp(epoch)).toThrow(UserError);
	});
});

describe("the alarm", () => {
	it("rings at its time, once, and stays until it is cleared", () => {
		const { clock, irq, rtc } = setUp();
		write(rtc, 0x10, 1);
		setAlarm(rtc, EPOCH_NS + 500n);
		expect(rtc.load(0x18, 4)).toBe(1);
		clock.advance(499);
		expect(irq.on).toBe(false);
		clock.advance(1);
		expect(irq.on).toBe(true);
		expect(rtc.load(0x18, 4)).toBe(0);
		write(rtc, 0x1c, 1);
		expect(irq.on).toBe(false);
		expect(clock.skip()).toBe(false);
	});

	it("in the past rings at once, but does not interrupt while disabled", () => {
		const { irq, rtc } = setUp();
		setAlarm(rtc, EPOCH_NS);
		expect(irq.on).toBe(false);
		write(rtc, 0x10, 1);
		expect(irq.on).toBe(true);
		write(rtc, 0x10, 0);
		expect(irq.on).toBe(false);
	});

	it("can be cleared, moved, and follows a clock that is set", () => {
		const { clock, irq, rtc } = setUp();
		write(rtc, 0x10, 1);
		setAlarm(rtc, EPOCH_NS + 100n);
		write(rtc, 0x14, 1);
		expect(rtc.load(0x18, 4)).toBe(0);
		clock.advance(200);
		expect(irq.on).toBe(false);
		setAlarm(rtc, EPOCH_NS + 1000n);
		setAlarm(rtc, EPOCH_NS + 2000n);
		expect(clock.nextEvent).toBe(2000);
		write(rtc, 0x00, rtc.load(0x00, 4) + 1000);
		expect(clock.nextEvent).toBe(1000);
		clock.advance(1000);
		expect(irq.on).toBe(true);
	});

	it("in the far future never rings", () => {
		const { clock, rtc } = setUp();
		setAlarm(rtc, 2n ** 64n - 1n);
		expect(rtc.load(0x18, 4)).toBe(1);
		expect(clock.skip()).toBe(false);
		expect([rtc.load(0x08, 4), rtc.load(0x0c, 4)]).toEqual([0xffff_ffff, 0xffff_ffff]);
	});
});

it("is saved and restored with its alarm", () => {
	const first = setUp();
	write(first.rtc, 0x10, 1);
	first.clock.advance(10);
	setAlarm(first.rtc, EPOCH_NS + 50n);
	first.rtc.load(0x00, 4);
	const second = setUp(0);
	second.clock.restore(structuredClone(first.clock.save()));
	second.rtc.restore(structuredClone(first.rtc.save()));
	for (const { clock, irq, rtc } of [first, second]) {
		expect(irq.on).toBe(false);
		expect(rtc.load(0x18, 4)).toBe(1);
		clock.skip();
		expect(clock.cycles).toBe(50);
		expect(irq.on).toBe(true);
		expect(now(rtc)).toBe(EPOCH_NS + 50n);
	}
	expect(second.rtc.save()).toEqual(first.rtc.save());
});

it("narrow accesses fault; other registers are empty", () => {
	const { rtc } = setUp();
	expect(rtc.load(0, 2)).toBe(ACCESS_FAULT);
	expect(rtc.store(0x10, 1, 1)).toBe(false);
	for (const offset of [0x14, 0x1c, 0x20]) expect(rtc.load(offset, 4)).toBe(0);
	for (const offset of [0x18, 0x20]) expect(rtc.store(offset, 4, 0)).toBe(true);
	expect(rtc.load(0x24, 4)).toBe(ACCESS_FAULT);
});
