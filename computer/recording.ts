/**
 * What came to a computer from outside, and where in its run. A computer is deterministic, so its
 * state at the start and a recording are enough to reach every later state again.
 *
 * Snapshots use one where the state itself cannot be taken, and the debugger to run backwards.
 */
import type { FaultPlan } from "../devices/fault/rule.ts";
import type { RunState } from "./computer.ts";

export type OutsideEvent =
	| { readonly what: "input"; readonly bytes: Uint8Array }
	| { readonly what: "end" }
	| { readonly what: "resize"; readonly columns: number; readonly rows: number }
	| { readonly what: "pass"; readonly cycles: number }
	| { readonly what: "reset" }
	/** The hardware is broken from now on. */
	| { readonly what: "faults"; readonly plan: FaultPlan };

/** A point in a run between two calls of `run`. */
export interface Place {
	/** The clock; several places may have the same. */
	readonly cycle: number;
	/**
	 * "running": the first place of this cycle at which `run` stops. Otherwise where `run` comes
	 * back by itself, with this result.
	 */
	readonly state: RunState;
}

export interface RecordedEvent extends Place {
	readonly event: OutsideEvent;
}

export class Recording {
	readonly #events: RecordedEvent[];
	/** As `position`; the events behind it are to be repeated. */
	#position = 0;

	constructor(events: readonly RecordedEvent[] = []) {
		this.#events = [...events];
	}

	/** Add what comes at the present, in place of what was recorded from here on. */
	add(event: RecordedEvent): void {
		this.truncate();
		this.#events.push(event);
		this.#position++;
	}

	/** The event to be repeated next, or null. */
	get next(): RecordedEvent | null {
		return this.#events[this.#position] ?? null;
	}

	/** `next` was repeated. */
	skip(): void {
		this.#position++;
	}

	/** Drop the events that are to be repeated. */
	truncate(): void {
		this.#events.length = this.#position;
	}

	/** How many events are before the present. To be set when the computer goes back. */
	get position(): number {
		return this.#position;
	}

	set position(position: number) {
		this.#position = position;
	}

	/** The events before the present. */
	get past(): RecordedEvent[] {
		return this.#events.slice(0, this.#position);
	}
}
