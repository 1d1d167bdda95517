/**
 * The wall clock (sys/kern/kern_tc.c): the time of boot, which the real-time clock told, plus the
 * cycles since then. One cycle is one nanosecond.
 */
import { PORT_CYCLES } from "../../../machine/port.ts";
import type { Kernel } from "../../kernel.ts";

/** Whole seconds since 1970, and nanoseconds, 0 to 999,999,999. */
export interface timespec {
	readonly tv_sec: number;
	readonly tv_nsec: number;
}

/** One that is written again and again: a time that a file system keeps. */
export type timespec_kept = { -readonly [field in keyof timespec]: timespec[field] };

const NS_PER_S = 1_000_000_000;

/** Registers of the "google,goldfish-rtc": nanoseconds; reading the low half latches the high. */
const RTC_TIME_LOW = 0x00;
const RTC_TIME_HIGH = 0x04;

/** Read the real-time clock at physical address `rtc`. => at boot, once. */
export function inittodr(k: Kernel, rtc: number): void {
	const low = k.port.load(rtc + RTC_TIME_LOW, 4);
	const high = k.port.load(rtc + RTC_TIME_HIGH, 4);
	// The nanoseconds of a date need more than 53 bits.
	const now = BigInt(high) * 2n ** 32n + BigInt(low) - BigInt(k.port.cycles);
	const ns = BigInt(NS_PER_S);
	k.boottime = { tv_sec: Number(now / ns), tv_nsec: Number(now % ns) };
}

/** The wall clock's time. => in `ts`, or in a new record. */
export function nanotime(k: Kernel, ts: timespec_kept = { tv_sec: 0, tv_nsec: 0 }): timespec {
	const { boottime } = k;
	const cycles = k.port.times[PORT_CYCLES]!;
	const nsec = boottime.tv_nsec + (cycles % NS_PER_S);
	const carry = nsec >= NS_PER_S ? 1 : 0;
	ts.tv_sec = boottime.tv_sec + Math.floor(cycles / NS_PER_S) + carry;
	ts.tv_nsec = nsec - carry * NS_PER_S;
	return ts;
}

/** Its seconds alone. */
export const time_second = (k: Kernel): number =>
	k.boottime.tv_sec + Math.floor((k.boottime.tv_nsec + k.port.times[PORT_CYCLES]!) / NS_PER_S);

export function timespec_copy(to: timespec_kept, from: timespec): void {
	to.tv_sec = from.tv_sec;
	to.tv_nsec = from.tv_nsec;
}

/** a < b: negative; equal: 0. */
export const timespeccmp = (a: timespec, b: timespec): number =>
	a.tv_sec - b.tv_sec || a.tv_nsec - b.tv_nsec;

/** The cycle at which the wall clock will have reached `ts`, or has: then it may be negative. */
export const timespec_cycle = (k: Kernel, ts: timespec): number =>
	(ts.tv_sec - k.boottime.tv_sec) * NS_PER_S + ts.tv_nsec - k.boottime.tv_nsec;
