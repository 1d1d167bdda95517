/** Interval timers (sys/timevar.h). */
/** Counts all time; time in user mode; time in user mode and in the kernel on its behalf. */
export const ITIMER_REAL = 0;
export const ITIMER_VIRTUAL = 1;
export const ITIMER_PROF = 2;
const ITIMERS = 3;

/** An interval timer, in cycles of what it counts. */
export interface itimer {
	/** Infinity: it does not run. */
	it_deadline: number;
	/** 0: it fires once. */
	it_interval: number;
}

export function itimers_none(): itimer[] {
	const timers: itimer[] = [];
	for (let i = 0; i < ITIMERS; i++) {
		timers.push({ it_deadline: Number.POSITIVE_INFINITY, it_interval: 0 });
	}
	return timers;
}
