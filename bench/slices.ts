/** Measures work in short slices, by the CPU time of all threads of this process. */

/**
 * Does some work. => how many events that was, or null: it was something else, and its time does
 * not count.
 */
export type Work = () => number | null;

/** Microseconds that all threads have taken. */
export function cpuUs(): number {
	const { user, system } = process.cpuUsage();
	return user + system;
}

/** Work for `us` of the time that counts. => microseconds of one event */
export function slice(work: Work, us: number, clock: () => number = cpuUs): number {
	let events = 0;
	let spent = 0;
	while (spent < us || events === 0) {
		const started = clock();
		const done = work();
		if (done === null) continue;
		spent += clock() - started;
		events += done;
	}
	return spent / events;
}
