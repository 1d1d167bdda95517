/** The supervisor timer of Sstc: with menvcfgh.STCE set, STIP is pending while time >= stimecmp. */
import type { Clock } from "./clock.ts";
import type { Counters } from "./counters.ts";
import { type HartState, MENVCFGH_STCE } from "./hart-state.ts";

export class SupervisorTimer {
	readonly #state: HartState;
	readonly #counters: Counters;
	readonly #clock: Clock;
	readonly #handler: number;

	constructor(state: HartState, counters: Counters) {
		this.#state = state;
		this.#counters = counters;
		this.#clock = counters.clock;
		// The event only ends the run of the engine; Traps.mip computes STIP from the time.
		this.#handler = this.#clock.register(() => {});
	}

	/** Write stimecmp, in time ticks. */
	set(low: number, high: number): void {
		const state = this.#state;
		state.stimecmpLow = low;
		state.stimecmpHigh = high;
		this.update();
	}

	/** Schedule the event at which the timer falls due. => called when STCE or the time changes. */
	update(): void {
		const state = this.#state;
		this.#clock.cancel(this.#handler);
		if ((state.menvcfgh & MENVCFGH_STCE) === 0) return;
		const when = this.#counters.cycleOfTime(state.stimecmpHigh * 2 ** 32 + state.stimecmpLow);
		// Cycles beyond 2^53 are never reached.
		if (when > this.#clock.cycles && when < Number.MAX_SAFE_INTEGER) {
			this.#clock.schedule(when, this.#handler);
		}
	}
}
