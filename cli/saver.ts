/** The snapshot that `--save` asks for: when it is made, and its file. */
import { closeSync, openSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { type Computer, FaultPlanError, SnapshotError, UserError } from "../index.ts";
import { readInputFile } from "./input-file.ts";
import { writing } from "./output-file.ts";
import { UsageError } from "./usage-error.ts";

/** How many cycles before --save-at to begin to look for a state that can be taken. */
const APPROACH = [100_000_000, 10_000_000, 1_000_000, 100_000, 10_000];
/** How many times, and how far apart, the system is looked at for one. */
const LOOKS = 100;
const LOOK_CYCLES = 5_000;

/** How a computer is saved. */
export interface SaveMethod {
	/** Let later snapshots begin with the present state, if it can be taken. */
	rebase(): boolean;
	/** The present as a snapshot file. */
	save(): Uint8Array;
}

export class Saver {
	readonly #computer: Computer;
	readonly #method: SaveMethod;
	readonly #path: string;
	/** Cycle at which to save; null: at the end, or when asked. */
	readonly #at: number | null;
	#saved = false;

	/** => UsageError if the file cannot be written, or the cycle is past: now, not at the end. */
	constructor(computer: Computer, method: SaveMethod, path: string, at: number | null) {
		this.#computer = computer;
		this.#method = method;
		this.#path = path;
		this.#at = at;
		if (at !== null && at < this.#cycles) {
			throw new UsageError(`--save-at ${at}: the system is at cycle ${this.#cycles} already`);
		}
		// What is no file would be replaced by one.
		const there = statSync(path, { throwIfNoEntry: false });
		if (there?.isFile() === false) throw new UsageError(`--save ${path}: not a file`);
		closeSync(writing(path, () => openSync(this.#part, "w")));
		rmSync(this.#part);
	}

	/** Was anything saved? */
	get saved(): boolean {
		return this.#saved;
	}

	/** Does it wait for a cycle, and not for the end? */
	get waits(): boolean {
		return this.#at !== null;
	}

	/** How far to run, on the way to `until`. */
	next(until: number): number {
		const at = this.#at;
		if (at === null || this.#saved) return until;
		const points = [...APPROACH.map((distance) => at - distance), at];
		return Math.min(until, points.find((point) => point > this.#cycles) ?? until);
	}

	/** To be called after a run up to there. `pause` as in System.run. */
	look(pause = false): void {
		const at = this.#at;
		if (at === null || this.#saved) return;
		const cycles = this.#cycles;
		if (cycles >= at) this.save();
		else if (APPROACH.some((distance) => cycles >= at - distance)) this.#approach(at, pause);
	}

	/** Save as soon as the state can be taken, or a little later. => a line for the user. */
	saveSoon(): string {
		this.#approach(Number.POSITIVE_INFINITY, true);
		this.save();
		return `saved to ${this.#path} at cycle ${this.#cycles}`;
	}

	save(): void {
		const file = this.#snapshot();
		try {
			writing(this.#path, () => {
				writeFileSync(this.#part, file);
				renameSync(this.#part, this.#path);
			});
		} finally {
			rmSync(this.#part, { force: true });
		}
		this.#saved = true;
	}

	/**
	 * The run is over, or the user has `left` it: what was to be saved at the end is.
	 * => UsageError if the cycle was not reached.
	 */
	finish(left: boolean): void {
		if (!this.waits && !this.#saved && !left) this.save();
		if (this.#saved || left) return;
		throw new UsageError(`--save-at ${this.#at}: the run has ended at cycle ${this.#cycles}`);
	}

	/** Run on, not up to `end`, until a state is found that later snapshots can begin with. */
	#approach(end: number, pause: boolean): void {
		for (let looks = LOOKS; looks > 0; looks--) {
			if (this.#method.rebase()) return;
			const next = this.#cycles + LOOK_CYCLES;
			if (next >= end || this.#computer.run(next, pause) !== "running") return;
		}
	}

	#snapshot(): Uint8Array {
		try {
			return this.#method.save();
		} catch (error) {
			if (!(error instanceof SnapshotError)) throw error;
			throw new UsageError(`--save ${this.#path}: ${error.message}`);
		}
	}

	get #cycles(): number {
		return this.#computer.machine.clock.cycles;
	}

	/** A snapshot that is half written replaces none that is whole. */
	get #part(): string {
		return `${this.#path}.part`;
	}
}

/**
 * Bring back what a snapshot file holds.
 * => UsageError, one line that names the file, if it is no snapshot or does not fit.
 */
export function openSnapshot<T>(path: string, restore: (file: Uint8Array) => T): T {
	const file = readInputFile("snapshot", path);
	try {
		return restore(file);
	} catch (error) {
		// That is about --faults.
		if (!(error instanceof UserError) || error instanceof FaultPlanError) throw error;
		throw new UsageError(`snapshot ${path}: ${error.message}`);
	}
}

/** => UsageError for options beside --restore that say what the snapshot says. */
export function refuseConfiguration(command: Command, names: readonly string[]): void {
	const given = names.find((name) => command.getOptionValueSource(name) === "cli");
	if (given === undefined) return;
	const option = command.options.find((o) => o.attributeName() === given);
	throw new UsageError(`${option?.long}: with --restore the snapshot says what the system is`);
}
