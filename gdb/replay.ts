/**
 * Runs a computer forwards and backwards. While it runs forwards, checkpoints are taken at
 * intervals and the computer keeps a recording of its input. To go back to a step, the computer is
 * rolled back to an earlier checkpoint and runs forward again to that step; execution is
 * deterministic, so it arrives in the same state.
 *
 * Printed bytes are counted, so that output is shown only once however often it is replayed.
 */
import type { Computer, ComputerCheckpoint, RunState } from "../computer/computer.ts";
import { DEBUG_BREAKPOINT, DEBUG_NONE, DEBUG_WATCHPOINT, type Debug } from "../machine/debug.ts";

export interface ReplayOptions {
	/** How many checkpoints to keep at most; 0 for none. */
	readonly checkpoints: number;
	/** Could the computer continue from a checkpoint taken now? */
	readonly mayCheckpoint: () => boolean;
}

/** A checkpoint with its position in the run. */
interface Stage {
	readonly step: number;
	readonly cycle: number;
	/** Traps taken so far. */
	readonly taken: number;
	/** Bytes printed so far. */
	readonly printed: number;
	readonly checkpoint: ComputerCheckpoint;
}

/** Cycles to run before the debugger is polled again: some milliseconds. */
const SLICE = 300_000;
/** Minimum of cycles between checkpoints. A copy of RAM costs about RAM / 4 cycles. */
const INTERVAL_MIN = 1_000_000;

/** A breakpoint or watchpoint that a search has found. */
export interface Found {
	readonly step: number;
	/** DEBUG_BREAKPOINT or DEBUG_WATCHPOINT. */
	readonly stop: number;
	readonly watched: Debug["watched"];
	readonly watchedVa: number;
}

export class Replay {
	/** Set when the user interrupts reverse execution. */
	cancelled = false;
	readonly #computer: Computer;
	readonly #options: ReplayOptions;
	readonly #show: (byte: number) => void;
	#stages: Stage[] = [];
	#interval: number;
	#printed = 0;
	#shown = 0;
	#state: RunState = "running";

	/** `show` receives each byte that the guest prints, once. */
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

	/** To be called for each byte that the guest prints. */
	print(byte: number): void {
		if (++this.#printed <= this.#shown) return;
		this.#shown = this.#printed;
		this.#show(byte);
	}

	/** The earliest step that can be reached. */
	get begin(): number {
		return this.#stages[0]?.step ?? this.#debug.steps;
	}

	/** The result of the latest `advance`. */
	get state(): RunState {
		return this.#state;
	}

	/** Is all recorded input used up, so that new input is accepted? */
	get live(): boolean {
		return this.#computer.recording.next === null;
	}

	/** Console input at the current cycle; null for its end. => bytes taken. */
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
		const state = this.#computer.repeat(clock.cycles + SLICE);
		this.#state = this.#computer.spins ? "running" : state;
		const last = this.#stages.at(-1);
		if (last !== undefined && clock.cycles >= last.cycle + this.#interval) this.#checkpoint();
		return this.#state;
	}

	/**
	 * Forget the past, because the user has changed the computer: replaying it would not lead here.
	 * => the current step is now the earliest that can be reached.
	 */
	restart(): void {
		this.#release(this.#stages);
		this.#stages = [];
		this.#computer.recording.truncate();
		this.#shown = this.#printed;
		this.#checkpoint();
	}

	/** Go to step `goal`, which is between `begin` and the current step. */
	*seek(goal: number): Generator<void, void, void> {
		if (this.#stages.length === 0) return;
		this.#rewind(goal);
		this.#debug.quiet = true;
		this.#debug.resume(goal, false);
		while (this.#debug.stop === DEBUG_NONE && this.#goesOn()) yield;
		this.#debug.quiet = false;
	}

	/**
	 * Find the last breakpoint or watched access before the current step.
	 * => null if there is none since `begin`. The position of the computer afterwards is arbitrary.
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

	/** The last hit between the current step and `end`. */
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
				// Going back, gdb expects a watchpoint to stop just after its access.
				const step = stop === DEBUG_BREAKPOINT ? debug.steps : debug.steps + 1;
				found = { step, stop, watched, watchedVa };
				debug.resume(end, true);
			} else {
				return found;
			}
		}
		return found;
	}

	/** => false if the guest has ended or waits for input, or the user has cancelled. */
	#goesOn(): boolean {
		const state = this.#computer.repeat(this.#computer.machine.clock.cycles + SLICE);
		return (state === "running" || this.#computer.spins) && !this.cancelled;
	}

	/** Roll back to the last checkpoint at or before `step`. => its step. */
	#rewind(step: number): number {
		// Later checkpoints are taken again as the computer runs there again.
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
