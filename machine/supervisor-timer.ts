/** The supervisor timer of Sstc: with menvcfgh.STCE set, STIP is pending while time >= stimecmp. */
import { CLOCK_CYCLES, CLOCK_WHEN, type Clock } from "./clock.ts";
import type { Counters } from "./counters.ts";
import type { TimerFaults } from "./fault-hooks.ts";
import { type HartState, MENVCFGH_STCE } from "./hart-state.ts";

/** Arguments of the timer's events. */
const DUE = 0;
const LATE = 1; // an interrupt that a fault has kept back

export class SupervisorTimer {
	/** null while the timer works. */
	faults: TimerFaults | null = null;
	readonly #state: HartState;
	readonly #counters: Counters;
	readonly #clock: Clock;
	readonly #handler: number;

	constructor(state: HartState, counters: Counters) {
		this.#state = state;
		this.#counters = counters;
		this.#clock = counters.clock;
		// Traps.mip computes STIP from the time: without faults, the event only ends the engine's run.
		this.#handler = this.#clock.register((what) => this.#fires(what));
	}

	/** Write stimecmp, in time ticks. */
	set(low: number, high: number): void {
		this.#state.stimecmpLow = low;
		this.#state.stimecmpHigh = high;
		this.written();
	}

	/** stimecmp was written. */
	written(): void {
		const state = this.#state;
		if (this.faults === null && !state.timerMasked) {
			this.update();
			return;
		}
		state.timerMasked = false;
		this.#clock.cancel(this.#handler, LATE);
		this.update();
		const enabled = (state.menvcfgh & MENVCFGH_STCE) !== 0;
		if (enabled && this.#counters.isDue(state)) this.#fires(DUE);
	}

	#fires(what: number): void {
		if (what === LATE) this.#state.timerMasked = false;
		if (what === LATE || this.faults === null) return;
		const late = this.faults.falls("stimer");
		this.#state.timerMasked = late > 0;
		if (late === 0 || late === Number.POSITIVE_INFINITY) return;
		this.#clock.schedule(this.#clock.cycles + late, this.#handler, LATE);
	}

	/** Schedule the event at which the timer falls due. => called when STCE or the time changes. */
	update(): void {
		const state = this.#state;
		this.#clock.cancel(this.#handler, DUE);
		if ((state.menvcfgh & MENVCFGH_STCE) === 0) return;
		this.#counters.cycleOfTimer(state);
		const { times } = this.#clock;
		const when = times[CLOCK_WHEN]!;
		// Cycles beyond 2^53 are never reached.
		if (when > times[CLOCK_CYCLES]! && when < Number.MAX_SAFE_INTEGER) {
			this.#clock.scheduleAt(this.#handler);
		}
	}
}
