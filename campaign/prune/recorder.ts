/**
 * The golden run once more, watched: what becomes of each fault that could be made. A fault is
 * "made" where a rule would make it (MachineFaults.between), only that nothing is changed.
 */
import type { HartFaults } from "../../machine/fault-hooks.ts";
import type { Machine } from "../../machine/machine.ts";

/** Faults, each at an instant, the earliest first. */
export interface Schedule {
	readonly length: number;
	/** Instructions that have retired by then. */
	at(index: number): number;
	/** The instant has come. */
	make(index: number): void;
}

/** What wants to know which instructions are executed, between instants. */
export interface InstructionWatch {
	/** Is there anything to be known? Otherwise the hart is as fast as ever. */
	readonly waits: boolean;
	decoded(word: number): void;
	retired(): void;
	readAll(): void;
}

export class Recorder implements HartFaults {
	readonly stall = 0;
	readonly #machine: Machine;
	readonly #watch: InstructionWatch;
	readonly #schedule: Schedule;
	#next = 0;
	#traps: number;

	constructor(machine: Machine, watch: InstructionWatch, schedule: Schedule) {
		this.#machine = machine;
		this.#watch = watch;
		this.#schedule = schedule;
		this.#traps = machine.hart.traps.taken;
		machine.hart.faults = this;
	}

	get alone(): boolean {
		return this.#watch.waits;
	}

	between(): number {
		this.#trapped();
		const { instret } = this.#machine.hart.counters;
		while (this.#next < this.#schedule.length) {
			const ahead = this.#schedule.at(this.#next) - instret;
			if (ahead > 0) return ahead;
			this.#schedule.make(this.#next++);
		}
		return Number.POSITIVE_INFINITY;
	}

	fetched(half: number): number {
		return half;
	}

	decoded(word: number): void {
		this.#trapped();
		this.#watch.decoded(word);
	}

	executed(): void {
		if (!this.#trapped()) this.#watch.retired();
	}

	stalled(): void {}

	/** => true if a trap was taken since it was asked last */
	#trapped(): boolean {
		const { taken } = this.#machine.hart.traps;
		if (taken === this.#traps) return false;
		this.#traps = taken;
		this.#watch.readAll();
		return true;
	}
}
