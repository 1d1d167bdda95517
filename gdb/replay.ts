/**
 * Running a computer forwards and backwards. Forwards it takes checkpoints now and then, and the
 * computer records what comes from outside. Backwards it goes to an earlier checkpoint and repeats
 * the run up to the wanted step: execution is deterministic, so everything is as it was.
 *
 * What the guest prints is counted, so that what is printed again is not shown again.
 */
import type { Computer, ComputerCheckpoint, RunState } from "../computer/computer.ts";
import { DEBUG_BREAKPOINT, DEBUG_NONE, DEBUG_WATCHPOINT, type Debug } from "../machine/debug.ts";

export interface ReplayOptions {
	/** Most checkpoints worth having; 0 if there are to be none. */
	readonly checkpoints: number;
	/** Can the computer go on from a checkpoint taken here? */
	readonly mayCheckpoint: () => boolean;
}

/** A checkpoint, and where it is in the run. */
interface Stage {
	readonly step: number;
	readonly cycle: number;
	/** Traps taken. */
	readonly taken: number;
	/** Bytes printed. */
	readonly printed: number;
	readonly checkpoint: ComputerCheckpoint;
}

/** Cycles between two looks at what the user wants: some milliseconds. */
const SLICE = 300_000;
/** Fewest cycles between two checkpoints. A copy of RAM takes as long as about RAM / 4 cycles. */
const INTERVAL_MIN = 1_000_000;

/** A place that a search has found. */
export interface Found {
	readonly step: number;
	/** DEBUG_BREAKPOINT or DEBUG_WATCHPOINT. */
	readonly stop: number;
	readonly watched: Debug["watched"];
	readonly watchedVa: number;
}

export class Replay {
	/** Has the user asked for a search to end? */
	cancelled = false;
	readonly #computer: Computer;
	readonly #options: ReplayOptions;
	readonly #show: (byte: number) => void;
	#stages: Stage[] = [];
	#interval: number;
	#printed = 0;
	#shown = 0;
	#state: RunState = "running";

	/** `show` takes what the guest prints, each byte once. */
	constructor(computer: Computer, show: (byte: number) => void, options: ReplayOptions) {
		this.#computer = computer;
		this.#show = show;
		this.#options = options;
		this.#interval = Math.max(INTERVAL_MIN, computer.machine.memory.ramSize / 4);
		this.#checkpoint();
	}

	get #debug(): Debug {
		return this.#computer.machine.hart.attachDebug();
	}

	/** The guest has printed a byte. */
	print(byte: number): void {
		if (++this.#printed <= this.#shown) return;
		this.#shown = this.#printed;
		this.#show(byte);
	}

	/** The first step that can be gone back to. */
	get begin(): number {
		return this.#stages[0]?.step ?? this.#debug.steps;
	}

	/** What the latest `advance` has come to. */
	get state(): RunState {
		return this.#state;
	}

	/** Is there no recorded input left, so that new input may come? */
	get live(): boolean {
		return this.#computer.recording.next === null;
	}

	/** Console input, at the present cycle; null for its end. => bytes taken. */
	input(bytes: Uint8Array | null): number {
		if (!this.live) return 0;
		const taken = bytes === null ? 0 : this.#computer.input(bytes);
		if (bytes === null) this.#computer.inputEnd();
		if (bytes === null || taken > 0) this.#state = "running";
		return taken;
	}

	/** Run forwards for a while, or until the debugger stops the hart. */
	advance(): RunState {
		const { clock } = this.#computer.machine;
		this.#state = this.#computer.repeat(clock.cycles + SLICE);
		const last = this.#stages.at(-1);
		if (last !== undefined && clock.cycles >= last.cycle + this.#interval) this.#checkpoint();
		return this.#state;
	}

	/**
	 * The user has changed the computer: what was before does not lead here, and what comes is new.
	 * => it is possible to come back to this place, but not to go beyond it.
	 */
	restart(): void {
		this.#release(this.#stages);
		this.#stages = [];
		this.#computer.recording.truncate();
		this.#shown = this.#printed;
		this.#checkpoint();
	}

	/** Go to a step between `begin` and the present. */
	*seek(goal: number): Generator<void, void, void> {
		if (this.#stages.length === 0) return;
		this.#rewind(goal);
		this.#debug.quiet = true;
		this.#debug.resume(goal, false);
		while (this.#debug.stop === DEBUG_NONE && this.#goesOn()) yield;
		this.#debug.quiet = false;
	}

	/**
	 * The last place before the present where a breakpoint is met, or after which a watched access
	 * is done.
	 * => null: there is none since `begin`. The machine is anywhere afterwards.
	 */
	*search(): Generator<void, Found | null, void> {
		let end = this.#debug.steps;
		while (end > this.begin) {
			const start = this.#rewind(end - 1);
			const found = yield* this.#searchForwards(end);
			if (found !== null || this.cancelled) return found;
			end = start;
		}
		return null;
	}

	/** The last hit from here to `end`. */
	*#searchForwards(end: number): Generator<void, Found | null, void> {
		const debug = this.#debug;
		let found: Found | null = null;
		debug.resume(end, false);
		while (!this.cancelled) {
			const goesOn = this.#goesOn();
			const { stop } = debug;
			if (stop === DEBUG_NONE) {
				if (!goesOn) return found;
				yield;
			} else if (stop === DEBUG_BREAKPOINT || stop === DEBUG_WATCHPOINT) {
				const { watched, watchedVa } = debug;
				// Coming from behind, an access is met when it is done.
				const step = stop === DEBUG_BREAKPOINT ? debug.steps : debug.steps + 1;
				found = { step, stop, watched, watchedVa };
				debug.resume(end, true);
			} else {
				return found;
			}
		}
		return found;
	}

	/** => false if the guest is at its end, or waits for what has not come yet. */
	#goesOn(): boolean {
		const state = this.#computer.repeat(this.#computer.machine.clock.cycles + SLICE);
		return state === "running" && !this.cancelled;
	}

	/** => the step of the checkpoint that it has gone back to. */
	#rewind(step: number): number {
		// Checkpoints behind it are taken again when it runs there again.
		while (this.#stages.length > 1 && this.#stages.at(-1)!.step > step) {
			this.#release(this.#stages.splice(-1));
		}
		const stage = this.#stages.at(-1)!;
		this.#computer.rollback(stage.checkpoint);
		this.#computer.machine.hart.traps.taken = stage.taken;
		this.#printed = stage.printed;
		return stage.step;
	}

	#release(stages: readonly Stage[]): void {
		for (const { checkpoint } of stages) this.#computer.release(checkpoint);
	}

	#checkpoint(): void {
		const { checkpoints, mayCheckpoint } = this.#options;
		if (checkpoints === 0 || !mayCheckpoint()) return;
		if (this.#stages.length >= checkpoints) {
			if (checkpoints < 3) return;
			this.#interval *= 2;
			this.#release(this.#stages.filter((_, i) => i % 2 !== 0));
			this.#stages = this.#stages.filter((_, i) => i % 2 === 0);
		}
		const checkpoint = this.#computer.checkpoint();
		if (checkpoint === null) return;
		const { clock, hart } = this.#computer.machine;
		this.#stages.push({
			step: this.#debug.steps,
			cycle: clock.cycles,
			taken: hart.traps.taken,
			printed: this.#printed,
			checkpoint,
		});
	}
}
