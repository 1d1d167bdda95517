/**
 * The hart's part in time: cycles that an engine has used are handed to the clock here.
 *
 * An engine is given a budget that ends at the next event, and counts down. Code that reads
 * the time in between (a device register, a counter) calls `sync` first.
 */
import { CLOCK_CYCLES, CLOCK_WHEN, type Clock } from "./clock.ts";
import type { HartState } from "./hart-state.ts";
import {
	H_BUDGET,
	H_CYCLES,
	H_INSTRET,
	H_LEFT,
	H_SKEWED,
	H_STALL,
	H_TIME_OFFSET,
	type Memory,
} from "./memory.ts";
import { CYCLES_PER_TIME_TICK, PORT_CYCLES } from "./port.ts";
import type { TimeSkew } from "./time-skew.ts";

export class Counters {
	/** Instructions retired, exact below 2^53. */
	instret = 0;
	/** What writing mtime has added to `time`: signed, exact below 2^53, for comparisons. */
	#timeOffset = 0;
	readonly clock: Clock;
	readonly #words: Int32Array;
	readonly #doubles: Float64Array;

	constructor(memory: Memory, clock: Clock) {
		this.clock = clock;
		this.#words = memory.i32;
		this.#doubles = memory.f64;
	}

	/** null while the clock that `time` counts is right. */
	get skew(): TimeSkew | null {
		return this.clock.skew;
	}

	set skew(skew: TimeSkew | null) {
		this.clock.skew = skew;
	}

	/** The same in time ticks modulo 2^64: two unsigned words. */
	get timeOffsetLow(): number {
		return this.#words[H_TIME_OFFSET]! >>> 0;
	}

	get timeOffsetHigh(): number {
		return this.#words[H_TIME_OFFSET + 1]! >>> 0;
	}

	/** Engines count from here. */
	#publish(): void {
		const doubles = this.#doubles;
		doubles[H_CYCLES >> 1] = this.clock.times[CLOCK_CYCLES]!;
		doubles[H_INSTRET >> 1] = this.instret;
		this.#words[H_SKEWED] = this.skew === null ? 0 : 1;
	}

	/** Begin a run of at most `budget` cycles. */
	start(budget: number): void {
		this.#words[H_LEFT] = budget;
		this.#words[H_BUDGET] = budget;
		this.#words[H_STALL] = 0;
		this.#publish();
	}

	/** Account for the cycles used since the last call; events that fall due fire. */
	sync(): void {
		const words = this.#words;
		const left = words[H_LEFT]!;
		const used = words[H_BUDGET]! - left;
		if (used === 0) return;
		this.instret += used - words[H_STALL]!;
		words[H_BUDGET] = left;
		words[H_STALL] = 0;
		this.clock.advance(used);
		this.#publish();
	}

	/** Ticks of CYCLES_PER_TIME_TICK cycles since reset. */
	get ticks(): number {
		return Math.floor(this.ns(this.clock.cycles) / CYCLES_PER_TIME_TICK);
	}

	/** What the clock shows at cycle `cycle`, in ns. */
	ns(cycle: number): number {
		return this.skew === null ? cycle : this.skew.at(cycle);
	}

	/** What the clock shows now, in ns. */
	get now(): number {
		return this.clock.times[PORT_CYCLES]!;
	}

	/** The first cycle at which the clock shows `ns` ns, as it runs now. */
	cycleOf(ns: number): number {
		return this.skew === null ? ns : this.skew.cycleOf(ns);
	}

	/** The `time` counter, exact below 2^53. */
	get time(): number {
		const time = this.ticks + this.#timeOffset;
		return time < 0 ? time + 2 ** 64 : time;
	}

	/** Is `time` at least stimecmp? */
	isDue({ stimecmpHigh, stimecmpLow }: HartState): boolean {
		const ticks = Math.floor(this.clock.times[PORT_CYCLES]! / CYCLES_PER_TIME_TICK);
		const time = ticks + this.#timeOffset;
		return (time < 0 ? time + 2 ** 64 : time) >= stimecmpHigh * 2 ** 32 + stimecmpLow;
	}

	setTimeOffset(high: number, low: number): void {
		this.#words[H_TIME_OFFSET] = low;
		this.#words[H_TIME_OFFSET + 1] = high;
		// Signed, so that a clock that was set back is exact as well.
		this.#timeOffset = (high | 0) * 2 ** 32 + this.timeOffsetLow;
	}

	/** First cycle at which `time` is at least `ticks`; Infinity stays Infinity. */
	cycleOfTime(ticks: number): number {
		return this.cycleOf((ticks - this.#timeOffset) * CYCLES_PER_TIME_TICK);
	}

	/** The same of stimecmp, as the cycle of an event (CLOCK_WHEN). */
	cycleOfTimer({ stimecmpHigh, stimecmpLow }: HartState): void {
		const ticks = stimecmpHigh * 2 ** 32 + stimecmpLow;
		const ns = (ticks - this.#timeOffset) * CYCLES_PER_TIME_TICK;
		const { skew, times } = this.clock;
		times[CLOCK_WHEN] = skew === null ? ns : skew.cycleOf(ns);
	}
}
