/**
 * Core-local interruptor of hart 0: software interrupt, timer and timer compare. Registers as in
 * the SiFive CLINT and QEMU's `virt` board. 64-bit registers are accessed by 32-bit halves.
 */

import { ACCESS_FAULT, type MmioDevice, type Width } from "../machine/bus.ts";
import type { Clock } from "../machine/clock.ts";
import type { TimerFaults } from "../machine/fault-hooks.ts";
import { CYCLES_PER_TIME_TICK } from "../machine/port.ts";
import type { TimeSkew } from "../machine/time-skew.ts";
import type { IrqLine } from "./irq.ts";
import { high32, low32, u64, withHalf } from "./u64.ts";

const CLINT_MSIP = 0x0000; // RW, bit 0
const CLINT_MTIMECMP = 0x4000; // RW
const CLINT_MTIMECMPH = 0x4004; // RW
const CLINT_MTIME = 0xbff8; // RW
const CLINT_MTIMEH = 0xbffc; // RW
/** Below it what is not a register reads as zero and ignores stores, as on QEMU. */
const CLINT_END = 0xc000;

/** The compare value that no reachable time equals. */
const NEVER = u64(0xffff_ffff, 0xffff_ffff);

export interface ClintState {
	readonly msip: boolean;
	/** [high, low] */
	readonly mtimecmp: readonly [number, number];
	readonly offset: readonly [number, number];
	/** MTIP stays clear although mtimecmp has passed. Absent without such a fault. */
	readonly masked?: true;
}

/** Arguments of the timer's events. */
const DUE = 0;
const LATE = 1; // an interrupt that a fault has kept back

export class Clint implements MmioDevice {
	/** null while the clock that mtime counts is right; `clockChanged` is told of changes. */
	skew: TimeSkew | null = null;
	/** null while the timer works. */
	faults: TimerFaults | null = null;
	/** mtimecmp has passed; and if so, a fault keeps its interrupt back. */
	#due = false;
	#masked = false;
	#msip = false;
	#mtimecmp = NEVER;
	/** mtime minus the ticks since reset, modulo 2^64; non-zero once mtime has been written. */
	#offset = 0n;
	readonly #clock: Clock;
	readonly #msipLine: IrqLine;
	readonly #mtipLine: IrqLine;
	readonly #timerEvent: number;
	readonly #written: (offsetHigh: number, offsetLow: number) => void;

	/** => `written` is told by how much mtime is ahead when the guest writes it; see `mtime`. */
	constructor(
		clock: Clock,
		msip: IrqLine,
		mtip: IrqLine,
		written: (offsetHigh: number, offsetLow: number) => void = () => {},
	) {
		this.#written = written;
		this.#clock = clock;
		this.#msipLine = msip;
		this.#mtipLine = mtip;
		this.#timerEvent = clock.register((what) => {
			if (what === LATE) this.#masked = false;
			this.#updateTimer();
		});
	}

	/**
	 * Time ticks, CYCLES_PER_TIME_TICK cycles each; 64 bits. The hart's `time` CSR shadows it, so
	 * the hart is told of writes.
	 */
	get mtime(): bigint {
		return BigInt.asUintN(64, BigInt(this.#ticks) + this.#offset);
	}

	get #ticks(): number {
		const { cycles } = this.#clock;
		return Math.floor((this.skew?.at(cycles) ?? cycles) / CYCLES_PER_TIME_TICK);
	}

	/** What mtime counts was changed. */
	clockChanged(): void {
		this.#updateTimer();
	}

	load(offset: number, width: Width): number {
		if (width !== 4) return ACCESS_FAULT;
		switch (offset) {
			case CLINT_MSIP:
				return this.#msip ? 1 : 0;
			case CLINT_MTIMECMP:
				return low32(this.#mtimecmp);
			case CLINT_MTIMECMPH:
				return high32(this.#mtimecmp);
			case CLINT_MTIME:
				return low32(this.mtime);
			case CLINT_MTIMEH:
				return high32(this.mtime);
			default:
				return offset < CLINT_END ? 0 : ACCESS_FAULT;
		}
	}

	store(offset: number, width: Width, value: number): boolean {
		if (width !== 4) return false;
		switch (offset) {
			case CLINT_MSIP:
				this.#msip = (value & 1) !== 0;
				this.#msipLine.set(this.#msip);
				return true;
			case CLINT_MTIMECMP:
			case CLINT_MTIMECMPH:
				this.#mtimecmp = withHalf(this.#mtimecmp, offset === CLINT_MTIMECMP ? 0 : 1, value);
				this.#compareWritten();
				return true;
			case CLINT_MTIME:
			case CLINT_MTIMEH: {
				const now = this.mtime;
				const then = withHalf(now, offset === CLINT_MTIME ? 0 : 1, value);
				this.#offset = BigInt.asUintN(64, this.#offset + then - now);
				this.#updateTimer();
				this.#written(high32(this.#offset), low32(this.#offset));
				return true;
			}
			default:
				return offset < CLINT_END;
		}
	}

	/** No interrupt; mtime is unaffected. */
	reset(): void {
		this.#msip = false;
		this.#msipLine.set(false);
		this.#mtimecmp = NEVER;
		this.#compareWritten();
	}

	save(): ClintState {
		return {
			msip: this.#msip,
			mtimecmp: [high32(this.#mtimecmp), low32(this.#mtimecmp)],
			offset: [high32(this.#offset), low32(this.#offset)],
			...(this.#masked ? { masked: true } : {}),
		};
	}

	/** => the clock is restored as well, and holds the event of the timer. */
	restore(state: ClintState): void {
		this.#msip = state.msip;
		this.#mtimecmp = u64(...state.mtimecmp);
		this.#offset = u64(...state.offset);
		this.#msipLine.set(this.#msip);
		this.#due = this.mtime >= this.#mtimecmp;
		this.#masked = state.masked === true;
		this.#mtipLine.set(this.#due && !this.#masked);
	}

	/** What a fault has kept back has no meaning any more. */
	#compareWritten(): void {
		this.#due = false;
		this.#masked = false;
		this.#clock.cancel(this.#timerEvent, LATE);
		this.#updateTimer();
	}

	/** MTIP is a level: mtime >= mtimecmp, unsigned. One event waits for it to rise. */
	#updateTimer(): void {
		this.#clock.cancel(this.#timerEvent, DUE);
		const wait = this.#mtimecmp - this.mtime;
		if (wait <= 0n && !this.#due) this.#falls();
		this.#due = wait <= 0n;
		this.#mtipLine.set(this.#due && !this.#masked);
		if (this.#due) return;
		const ns = (this.#ticks + Number(wait)) * CYCLES_PER_TIME_TICK;
		const when = this.skew?.cycleOf(ns) ?? ns;
		// A later cycle is not an exact number, and is centuries away.
		if (when <= Number.MAX_SAFE_INTEGER) this.#clock.schedule(when, this.#timerEvent);
	}

	/** mtime has reached mtimecmp. */
	#falls(): void {
		const late = this.faults?.falls("mtimer") ?? 0;
		this.#masked = late > 0;
		if (late === 0 || late === Number.POSITIVE_INFINITY) return;
		this.#clock.schedule(this.#clock.cycles + late, this.#timerEvent, LATE);
	}
}
