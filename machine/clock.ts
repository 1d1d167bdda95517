/**
 * Virtual time: a cycle counter and the events that wait for it.
 *
 * Handlers are registered once, when the machine is built, in a fixed order, so that an event is
 * plain data: when, which handler, one number for it. Events of the same cycle fire in the order
 * in which they were scheduled.
 */

import { PORT_CYCLES, PORT_UNTIL } from "./port.ts";
import type { TimeSkew } from "./time-skew.ts";

export type EventHandler = (argument: number) => void;

/** Indices of `Clock.times`, behind those of the port. */
export const CLOCK_CYCLES = 3; // cycles since reset
export const CLOCK_NEXT = 4; // cycle of the earliest event, or Infinity
export const CLOCK_WHEN = 5; // cycle of an event that is scheduled (`scheduleAt`)
const TIMES = 6;

/** An event that waits; `sequence` orders events of one cycle. */
export interface ClockEvent {
	when: number;
	sequence: number;
	handler: number;
	argument: number;
}

/** Sequence numbers of events that come first in their cycle: below all others. */
const FIRST = -(2 ** 40);

const copyOf = (event: ClockEvent): ClockEvent => ({ ...event });

const isBefore = (a: ClockEvent, b: ClockEvent): boolean =>
	a.when < b.when || (a.when === b.when && a.sequence < b.sequence);

export class Clock {
	/** All times: the host allocates no number that is read from an array where it is used. */
	readonly times: Float64Array = new Float64Array(TIMES);
	#skew: TimeSkew | null = null;
	readonly #handlers: EventHandler[] = [];
	/**
	 * The first `#count` wait: sorted, the earliest last, so that the next one pops cheaply. Few
	 * wait at any time. The others are used again: timers are set anew at each switch of threads.
	 */
	#events: ClockEvent[] = [];
	#count = 0;
	#sequence = 0;

	constructor() {
		this.times[CLOCK_NEXT] = Number.POSITIVE_INFINITY;
		this.times[PORT_UNTIL] = Number.POSITIVE_INFINITY;
	}

	/** Cycles since reset. Only `advance` moves it. */
	get cycles(): number {
		return this.times[CLOCK_CYCLES]!;
	}

	/** Cycle of the earliest event, or Infinity. */
	get nextEvent(): number {
		return this.times[CLOCK_NEXT]!;
	}

	/** What is wrong with the clock that `time` counts; null while it is right. */
	get skew(): TimeSkew | null {
		return this.#skew;
	}

	set skew(skew: TimeSkew | null) {
		this.#skew = skew;
		this.show();
	}

	/** `skew` was changed. */
	show(): void {
		const cycles = this.times[CLOCK_CYCLES]!;
		this.times[PORT_CYCLES] = this.#skew === null ? cycles : this.#skew.at(cycles);
	}

	/** => the handler's number, to be used with `schedule`. */
	register(handler: EventHandler): number {
		return this.#handlers.push(handler) - 1;
	}

	/** Call `handler` with `argument` at cycle `when`, or at the next `advance` if that is past. */
	schedule(when: number, handler: number, argument = 0): void {
		this.times[CLOCK_WHEN] = when;
		this.scheduleAt(handler, argument);
	}

	/** The same; the cycle is in `times`. */
	scheduleAt(handler: number, argument = 0): void {
		this.#insert(this.#sequence++, handler, argument);
	}

	/** The same, but before all events of that cycle that were or will be scheduled. */
	scheduleFirst(when: number, handler: number, argument = 0): void {
		this.times[CLOCK_WHEN] = when;
		this.#insert(FIRST + argument, handler, argument);
	}

	#insert(sequence: number, handler: number, argument: number): void {
		const events = this.#events;
		const when = this.times[CLOCK_WHEN]!;
		let i = this.#count++;
		if (i === events.length) events.push({ when, sequence, handler, argument });
		const event = events[i]!;
		event.when = when;
		event.sequence = sequence;
		event.handler = handler;
		event.argument = argument;
		// Equal cycles: the earlier one stays nearer to the end.
		while (i > 0 && isBefore(events[i - 1]!, event)) {
			events[i] = events[i - 1]!;
			i--;
		}
		events[i] = event;
		this.#update();
	}

	/** Drop the events of `handler`, or only those with `argument`. */
	cancel(handler: number, argument: number | null = null): void {
		const events = this.#events;
		const count = this.#count;
		let left = 0;
		for (let i = 0; i < count; i++) {
			const event = events[i]!;
			if (event.handler === handler && (argument === null || event.argument === argument)) continue;
			// Those that are dropped come behind.
			events[i] = events[left]!;
			events[left++] = event;
		}
		if (left === count) return;
		this.#count = left;
		this.#update();
	}

	/** Is an event of `handler` scheduled? */
	waits(handler: number): boolean {
		return this.#waiting().some((event) => event.handler === handler);
	}

	#waiting(): ClockEvent[] {
		return this.#events.slice(0, this.#count);
	}

	/** Let `cycles` pass; events that fall due fire at their own cycle. */
	advance(cycles: number): void {
		const { times } = this;
		const target = times[CLOCK_CYCLES]! + cycles;
		while (times[CLOCK_NEXT]! <= target) {
			const event = this.#events[--this.#count]!;
			this.#update();
			// The handler may use the record again.
			const { when, handler, argument } = event;
			if (when > times[CLOCK_CYCLES]!) {
				times[CLOCK_CYCLES] = when;
				this.show();
			}
			this.#handlers[handler]!(argument);
		}
		times[CLOCK_CYCLES] = target;
		if (this.#skew === null) times[PORT_CYCLES] = target;
		else this.show();
	}

	/** Jump to the next event and fire it. => false if none waits. */
	skip(): boolean {
		if (this.#count === 0) return false;
		this.advance(Math.max(0, this.nextEvent - this.cycles));
		return true;
	}

	save(): { cycles: number; sequence: number; events: ClockEvent[] } {
		return { cycles: this.cycles, sequence: this.#sequence, events: this.#waiting().map(copyOf) };
	}

	restore(state: { cycles: number; sequence: number; events: ClockEvent[] }): void {
		this.times[CLOCK_CYCLES] = state.cycles;
		this.show();
		this.#sequence = state.sequence;
		this.#events = state.events.map(copyOf);
		this.#count = this.#events.length;
		this.#update();
	}

	#update(): void {
		const count = this.#count;
		this.times[CLOCK_NEXT] = count === 0 ? Number.POSITIVE_INFINITY : this.#events[count - 1]!.when;
	}
}
