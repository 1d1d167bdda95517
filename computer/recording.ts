/**
 * What comes to a system from outside, and when: enough to do it all again. A system is
 * deterministic, and where it stops makes no difference; so the calls that let it run are known by
 * the last one before something comes.
 */

/** What comes: keys, their end, another size of the window, time that passes while all sleep. */
export type Happening =
	| { readonly what: "input"; readonly bytes: Uint8Array }
	| { readonly what: "end" }
	| { readonly what: "resize"; readonly columns: number; readonly rows: number }
	| { readonly what: "pass"; readonly cycles: number }
	| { readonly what: "nothing" };

/** A run up to cycle `until` (Infinity: to its end), and what came where it stopped. */
export interface JournalEntry {
	readonly until: number;
	readonly pause: boolean;
	readonly then: Happening;
}

/** What a journal is repeated on. */
export interface Repeatable {
	run(until: number, pause: boolean): unknown;
	input(bytes: Uint8Array): unknown;
	inputEnd(): void;
	resize(columns: number, rows: number): void;
	pass(cycles: number): void;
}

/** Stands for a run that did not happen: one to a cycle that is always past. */
const NOT_AT_ALL = -1;

export class Journal {
	readonly #entries: JournalEntry[];
	#until = NOT_AT_ALL;
	#pause = false;

	constructor(entries: readonly JournalEntry[] = []) {
		this.#entries = [...entries];
	}

	/** The system has been asked to run. */
	ran(until: number, pause: boolean): void {
		if (pause !== this.#pause && this.#until !== NOT_AT_ALL) this.note({ what: "nothing" });
		this.#pause = pause;
		this.#until = Math.max(this.#until, until);
	}

	/** Something has come where it stopped. */
	note(then: Happening): void {
		this.#entries.push({ until: this.#until, pause: this.#pause, then });
		this.#until = NOT_AT_ALL;
	}

	/** All of it, up to now, as plain data. */
	get entries(): JournalEntry[] {
		if (this.#until === NOT_AT_ALL) return [...this.#entries];
		const then: Happening = { what: "nothing" };
		return [...this.#entries, { until: this.#until, pause: this.#pause, then }];
	}

	repeat(system: Repeatable): void {
		for (const { until, pause, then } of this.entries) {
			if (until !== NOT_AT_ALL) system.run(until, pause);
			switch (then.what) {
				case "input":
					system.input(then.bytes);
					break;
				case "end":
					system.inputEnd();
					break;
				case "resize":
					system.resize(then.columns, then.rows);
					break;
				case "pass":
					system.pass(then.cycles);
					break;
				case "nothing":
			}
		}
	}
}
