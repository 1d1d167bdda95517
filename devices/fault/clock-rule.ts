/** What a rule for clocks and timers does: fault models, and their parameters. */

/** Which clock is wrong. */
export interface ClockTarget {
	/**
	 * "time": that which the hart shows, in its register `time`, with the supervisor's timer; the
	 * kernel of `boot` has no other. "mtime": that of the CLINT, with its timer. Default: "both".
	 */
	readonly target?: "both" | "time" | "mtime" | undefined;
}

/** At an instant the clock jumps. */
export interface ClockJump extends ClockTarget {
	/** Negative: back, but not below 0. */
	readonly deltaNs: number;
	/** Must be true for a jump back. */
	readonly backwards?: boolean | undefined;
}

/** From an instant on the clock runs too fast, or too slowly. */
export interface ClockDrift extends ClockTarget {
	/** By so many millionths, -500,000 to 1,000,000; not 0. Default: 200. */
	readonly ppm?: number | undefined;
	/** For how long. Default: for ever. */
	readonly durNs?: number | undefined;
}

/** From an instant on the clock stands still for a while. */
export interface ClockFreeze extends ClockTarget {
	/** Default: 10 ms. */
	readonly durNs?: number | undefined;
}

/** From an instant on the clock of the software and the time of devices run at different rates. */
export interface RateSplit extends ClockTarget {
	/** Of the former to the latter, 0.01 to 100. */
	readonly ratio: number;
	/** For how long. Default: for ever. */
	readonly durNs?: number | undefined;
}

export interface TimerTarget {
	/** The supervisor's timer (Sstc), or that of the CLINT. Default: "any". */
	readonly timer?: "any" | "stimer" | "mtimer" | undefined;
}

/** A timer does not interrupt, until it is set again. A candidate is a timer that falls due. */
export type TimerMiss = TimerTarget;

/** A timer interrupts late. A candidate is a timer that falls due. */
export interface ClockJitter extends TimerTarget {
	/** At most by so many ns; the seed chooses. Default: 10,000. */
	readonly maxNs?: number | undefined;
}

export interface ClockModels {
	readonly "clock.jump": ClockJump;
	readonly "clock.drift": ClockDrift;
	readonly "clock.freeze": ClockFreeze;
	readonly "clock.rate-split": RateSplit;
	readonly "clock.timer-miss": TimerMiss;
	readonly "clock.jitter": ClockJitter;
}
