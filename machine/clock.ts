/**
 * Virtual time: a cycle counter and the events that wait for it.
 *
 * Handlers are registered once, when the machine is built, in a fixed order, so that an event is
 * plain data: when, which handler, one number for it. Events of the same cycle fire in the order
 * in which they were scheduled.
 */

export type EventHandler = (argument: number) => void;

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

const isBefore = (event: ClockEvent, when: number, sequence: number): boolean =>
	event.when < when || (event.when === when && event.sequence < sequence);

export class Clock {
	/** Cycles since reset. Only `advance` moves it. */
	cycles = 0;
	/** Cycle of the earliest event, or Infinity. */
	nextEvent = Number.POSITIVE_INFINITY;
	readonly #handlers: EventHandler[] = [];
	/** Sorted, the earliest last: few events wait at any time, and the next one pops cheaply. */
	#events: ClockEvent[] = [];
	/** Used again: timers are set anew at each switch between threads. */
	readonly #free: ClockEvent[] = [];
	#sequence = 0;

	/** => the handler's number, to be used with `schedule`. */
	register(handler: EventHandler): number {
		return this.#handlers.push(handler) - 1;
	}

	/** Call `handler` with `argument` at cycle `when`, or at the next `advance` if that is past. */
	schedule(when: number, handler: number, argument = 0): void {
		this.#insert(when, this.#sequence++, handler, argument);
	}

	/** The same, but before all events of that cycle that were or will be scheduled. */
	scheduleFirst(when: number, handler: number, argument = 0): void {
		this.#insert(when, FIRST + argument, handler, argument);
	}

	#insert(when: number, sequence: number, handler: number, argument: number): void {
		const events = this.#events;
		let event = this.#free.pop();
		if (event === undefined) event = { when, sequence, handler, argument };
		else {
			event.when = when;
			event.sequence = sequence;
			event.handler = handler;
			event.argument = argument;
		}
		let i = events.length;
		events.push(event);
		// Equal cycles: the earlier one stays nearer to the end.
		while (i > 0 && isBefore(events[i - 1]!, when, sequence)) {
			events[i] = events[i - 1]!;
			i--;
		}
		events[i] = event;
		this.nextEvent = events[events.length - 1]!.when;
	}

	/** Drop the events of `handler`, or only those with `argument`. */
	cancel(handler: number, argument: number | null = null): void {
		const events = this.#events;
		let left = 0;
		for (let i = 0; i < events.length; i++) {
			const event = events[i]!;
			const stays = event.handler !== handler || (argument !== null && event.argument !== argument);
			if (stays) events[left++] = event;
			else this.#free.push(event);
		}
		if (left === events.length) return;
		events.length = left;
		this.#update();
	}

	/** Is an event of `handler` scheduled? */
	waits(handler: number): boolean {
		return this.#events.some((event) => event.handler === handler);
	}

	/** Let `cycles` pass; events that fall due fire at their own cycle. */
	advance(cycles: number): void {
		const target = this.cycles + cycles;
		while (this.nextEvent <= target) {
			const event = this.#events.pop()!;
			this.#update();
			const { when, handler, argument } = event;
			this.#free.push(event);
			if (when > this.cycles) this.cycles = when;
			this.#handlers[handler]!(argument);
		}
		this.cycles = target;
	}

	/** Jump to the next event and fire it. => false if none waits. */
	skip(): boolean {
		if (this.#events.length === 0) return false;
		this.advance(Math.max(0, this.nextEvent - this.cycles));
		return true;
	}

	save(): { cycles: number; sequence: number; events: ClockEvent[] } {
		return { cycles: this.cycles, sequence: this.#sequence, events: this.#events.map(copyOf) };
	}

	restore(state: { cycles: number; sequence: number; events: ClockEvent[] }): void {
		this.cycles = state.cycles;
		this.#sequence = state.sequence;
		this.#events = state.events.map(copyOf);
		this.#update();
	}

	#update(): void {
		const events = this.#events;
		this.nextEvent =
			events.length === 0 ? Number.POSITIVE_INFINITY : events[events.length - 1]!.when;
	}
}
