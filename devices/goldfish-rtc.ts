/**
 * Real-time clock of the Android "goldfish" platform: nanoseconds since 1970 in virtual time, and
 * an alarm. It starts at an epoch given to the constructor; the host's clock is never read.
 * What is no register below END reads as zero and ignores stores, as on QEMU.
 */

import { ACCESS_FAULT, type MmioDevice, type Width } from "../machine/bus.ts";
import type { Clock } from "../machine/clock.ts";
import { UserError } from "../machine/user-error.ts";
import type { IrqLine } from "./irq.ts";
import { high32, low32, u64, withHalf } from "./u64.ts";

const TIME_LOW = 0x00; // RW; a read latches TIME_HIGH
const TIME_HIGH = 0x04; // RW
const ALARM_LOW = 0x08; // RW; a write sets the alarm
const ALARM_HIGH = 0x0c; // RW; written before ALARM_LOW
const IRQ_ENABLED = 0x10; // RW, bit 0
const CLEAR_ALARM = 0x14; // W
const ALARM_STATUS = 0x18; // R: 1 while an alarm waits
const CLEAR_INTERRUPT = 0x1c; // W
const END = 0x24;

export interface GoldfishRtcState {
	/** [high, low] */
	readonly offset: readonly [number, number];
	readonly alarm: readonly [number, number];
	readonly timeHigh: number;
	readonly alarmRunning: boolean;
	readonly irqEnabled: boolean;
	readonly irqPending: boolean;
}

export class GoldfishRtc implements MmioDevice {
	/** Time of the clock's cycle 0, in ns since 1970, modulo 2^64. One cycle is one ns. */
	#offset: bigint;
	#alarm = 0n;
	#timeHigh = 0;
	#alarmRunning = false;
	#irqEnabled = false;
	#irqPending = false;
	readonly #clock: Clock;
	readonly #irq: IrqLine;
	readonly #alarmEvent: number;

	/** => `epochSeconds`: the time of cycle 0, whole seconds since 1970. */
	constructor(clock: Clock, irq: IrqLine, epochSeconds: number) {
		if (!Number.isSafeInteger(epochSeconds) || epochSeconds < 0) {
			throw new UserError(`rtc: epoch ${epochSeconds} is not a whole number of seconds`);
		}
		this.#clock = clock;
		this.#irq = irq;
		this.#offset = BigInt.asUintN(64, BigInt(epochSeconds) * 1_000_000_000n);
		this.#alarmEvent = clock.register(() => this.#ring());
	}

	/** Nanoseconds since 1970. */
	get time(): bigint {
		return BigInt.asUintN(64, this.#offset + BigInt(this.#clock.cycles));
	}

	load(offset: number, width: Width): number {
		if (width !== 4) return ACCESS_FAULT;
		switch (offset) {
			case TIME_LOW: {
				const now = this.time;
				this.#timeHigh = high32(now);
				return low32(now);
			}
			case TIME_HIGH:
				return this.#timeHigh;
			case ALARM_LOW:
				return low32(this.#alarm);
			case ALARM_HIGH:
				return high32(this.#alarm);
			case IRQ_ENABLED:
				return this.#irqEnabled ? 1 : 0;
			case ALARM_STATUS:
				return this.#alarmRunning ? 1 : 0;
			default:
				return offset < END ? 0 : ACCESS_FAULT;
		}
	}

	store(offset: number, width: Width, value: number): boolean {
		if (width !== 4) return false;
		switch (offset) {
			case TIME_LOW:
			case TIME_HIGH: {
				const then = withHalf(this.time, offset === TIME_LOW ? 0 : 1, value);
				this.#offset = BigInt.asUintN(64, then - BigInt(this.#clock.cycles));
				if (this.#alarmRunning) this.#setAlarm();
				return true;
			}
			case ALARM_LOW:
				this.#alarm = withHalf(this.#alarm, 0, value);
				this.#setAlarm();
				return true;
			case ALARM_HIGH:
				this.#alarm = withHalf(this.#alarm, 1, value);
				return true;
			case IRQ_ENABLED:
				this.#irqEnabled = (value & 1) !== 0;
				this.#update();
				return true;
			case CLEAR_ALARM:
				this.#clearAlarm();
				return true;
			case CLEAR_INTERRUPT:
				this.#irqPending = false;
				this.#update();
				return true;
			default:
				return offset < END;
		}
	}

	/** No alarm; the time is unaffected. */
	reset(): void {
		this.#clearAlarm();
		this.#alarm = 0n;
		this.#irqEnabled = false;
		this.#irqPending = false;
		this.#update();
	}

	save(): GoldfishRtcState {
		return {
			offset: [high32(this.#offset), low32(this.#offset)],
			alarm: [high32(this.#alarm), low32(this.#alarm)],
			timeHigh: this.#timeHigh,
			alarmRunning: this.#alarmRunning,
			irqEnabled: this.#irqEnabled,
			irqPending: this.#irqPending,
		};
	}

	/** => the clock is restored as well, and holds the event of the alarm. */
	restore(state: GoldfishRtcState): void {
		this.#offset = u64(...state.offset);
		this.#alarm = u64(...state.alarm);
		this.#timeHigh = state.timeHigh;
		this.#alarmRunning = state.alarmRunning;
		this.#irqEnabled = state.irqEnabled;
		this.#irqPending = state.irqPending;
		this.#update();
	}

	/** An alarm that is already past rings at once. */
	#setAlarm(): void {
		this.#clearAlarm();
		const wait = this.#alarm - this.time;
		if (wait <= 0n) {
			this.#ring();
			return;
		}
		this.#alarmRunning = true;
		const when = this.#clock.cycles + Number(wait);
		if (when <= Number.MAX_SAFE_INTEGER) this.#clock.schedule(when, this.#alarmEvent);
	}

	#clearAlarm(): void {
		this.#clock.cancel(this.#alarmEvent);
		this.#alarmRunning = false;
	}

	#ring(): void {
		this.#alarmRunning = false;
		this.#irqPending = true;
		this.#update();
	}

	#update(): void {
		this.#irq.set(this.#irqEnabled && this.#irqPending);
	}
}
