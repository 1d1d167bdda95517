/**
 * Running a machine forwards and backwards. Forwards it records what comes from outside: console
 * input, with its place. Backwards it goes to an earlier snapshot and runs forwards again, feeding
 * what was recorded, until the wanted step: execution is deterministic, so everything is as it was.
 *
 * What the guest prints is counted, so that what is printed again is not shown again.
 */
import { DEBUG_BREAKPOINT, DEBUG_NONE, DEBUG_WATCHPOINT, type Debug } from "../machine/debug.ts";
import type { Machine } from "../machine/machine.ts";

/** "input": only console input can wake the guest. "idle": it waits for nothing that will come. */
export type HostState = "running" | "input" | "idle" | "ended";

/** A machine and what belongs to it. */
export interface ReplayHost {
	/** Another object, perhaps, after `restore`. */
	readonly machine: Machine;
	/** Run until cycle `until`, or until the hart's debugger stops it. */
	run(until: number): HostState;
	/** Console input. => how many bytes there was room for. */
	input(bytes: Uint8Array): number;
	inputEnd(): void;
	/**
	 * Is "input" a place from which nothing but input leads on? Otherwise the guest looks for it
	 * again and again, and the cycle says where it came.
	 */
	readonly sleeps: boolean;
	/** Most snapshots worth having; 0 if there are none. */
	readonly snapshots: number;
	/** Can a snapshot be made here? */
	readonly canSave: boolean;
	save(): unknown;
	/** => the host owns `state` still, and may be asked to restore it again. */
	restore(state: unknown): void;
	/** `state` is not needed any more. */
	release(state: unknown): void;
}

interface Mark {
	readonly step: number;
	readonly cycle: number;
	readonly taken: number;
	/** Entries of the log that were fed, and bytes that were printed. */
	readonly next: number;
	readonly printed: number;
	readonly state: unknown;
}

/** null: the end of the input. `asleep`: it came while the guest waited for it. */
interface InputEntry {
	readonly cycle: number;
	readonly asleep: boolean;
	readonly bytes: Uint8Array | null;
}

/** Cycles between two looks at what the user wants: some milliseconds. */
const SLICE = 300_000;
/** Fewest cycles between two snapshots. A copy of RAM takes as long as about RAM / 4 cycles. */
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
	readonly #host: ReplayHost;
	readonly #show: (byte: number) => void;
	#marks: Mark[] = [];
	#interval: number;
	#log: InputEntry[] = [];
	#next = 0;
	#printed = 0;
	#shown = 0;
	#state: HostState = "running";

	/** `show` takes what the guest prints, each byte once. */
	constructor(host: ReplayHost, show: (byte: number) => void) {
		this.#host = host;
		this.#show = show;
		this.#interval = Math.max(INTERVAL_MIN, host.machine.memory.ramSize / 4);
		this.#mark();
	}

	get #debug(): Debug {
		return this.#host.machine.hart.attachDebug();
	}

	/** The guest has printed a byte. */
	print(byte: number): void {
		if (++this.#printed <= this.#shown) return;
		this.#shown = this.#printed;
		this.#show(byte);
	}

	/** Can it go back at all? */
	get possible(): boolean {
		return this.#marks.length > 0;
	}

	/** Snapshots that there are. */
	get marks(): number {
		return this.#marks.length;
	}

	/** The first step that can be gone back to. */
	get begin(): number {
		return this.#marks[0]?.step ?? this.#debug.steps;
	}

	/** What the latest `advance` has come to. */
	get state(): HostState {
		return this.#state;
	}

	/** Is there no recorded input left, so that new input may come? */
	get live(): boolean {
		return this.#next === this.#log.length;
	}

	/** Console input, at the present cycle; null for its end. => bytes taken. */
	input(bytes: Uint8Array | null): number {
		if (!this.live) return 0;
		const taken = bytes === null ? 0 : this.#host.input(bytes);
		if (bytes !== null && taken === 0) return 0;
		if (bytes === null) this.#host.inputEnd();
		this.#log.push({
			cycle: this.#host.machine.clock.cycles,
			asleep: this.#host.sleeps && this.#state === "input",
			bytes: bytes === null ? null : bytes.slice(0, taken),
		});
		this.#next++;
		this.#state = "running";
		return taken;
	}

	/** Run forwards for a while, or until the debugger stops the hart. */
	advance(): HostState {
		const { machine } = this.#host;
		this.#state = this.#advance(machine.clock.cycles + SLICE);
		const last = this.#marks.at(-1);
		if (last !== undefined && machine.clock.cycles >= last.cycle + this.#interval) this.#mark();
		return this.#state;
	}

	/**
	 * The user has changed the machine: what was before does not lead here, and what comes is new.
	 * => it is possible to come back to this place, but not to go beyond it.
	 */
	restart(): void {
		this.#drop(this.#marks);
		this.#marks = [];
		this.#log = [];
		this.#next = 0;
		this.#shown = this.#printed;
		this.#mark();
	}

	/** Go to a step between `begin` and the present. */
	*seek(goal: number): Generator<void, void, void> {
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
		const state = this.#advance(this.#host.machine.clock.cycles + SLICE);
		return state === "running" && !this.cancelled;
	}

	#advance(until: number): HostState {
		const host = this.#host;
		for (;;) {
			const entry = this.#log[this.#next];
			if (entry === undefined) return host.run(until);
			const { clock } = host.machine;
			if (entry.asleep || clock.cycles < entry.cycle) {
				const before = clock.cycles;
				const state = host.run(entry.asleep ? until : Math.min(until, entry.cycle));
				if (this.#debug.stop !== DEBUG_NONE) return state;
				// It has looked for input, and found none then either.
				const looks = !host.sleeps && state === "input" && clock.cycles > before;
				if (looks && clock.cycles < Math.min(until, entry.cycle)) continue;
				const there = entry.asleep ? state === "input" : clock.cycles >= entry.cycle;
				if (!there) return looks ? "running" : state;
			}
			this.#next++;
			if (entry.bytes === null) host.inputEnd();
			else host.input(entry.bytes);
		}
	}

	/** => the step of the mark that it has gone back to. */
	#rewind(step: number): number {
		// Marks behind it are made again when it runs there again.
		while (this.#marks.length > 1 && this.#marks.at(-1)!.step > step) {
			this.#drop(this.#marks.splice(-1));
		}
		const mark = this.#marks.at(-1)!;
		this.#host.restore(mark.state);
		this.#host.machine.hart.traps.taken = mark.taken;
		this.#next = mark.next;
		this.#printed = mark.printed;
		return mark.step;
	}

	#drop(marks: readonly Mark[]): void {
		for (const mark of marks) this.#host.release(mark.state);
	}

	#mark(): void {
		const { snapshots, canSave, machine } = this.#host;
		if (snapshots === 0 || !canSave) return;
		if (this.#marks.length >= snapshots) {
			if (snapshots < 3) return;
			this.#interval *= 2;
			this.#drop(this.#marks.filter((_, i) => i % 2 !== 0));
			this.#marks = this.#marks.filter((_, i) => i % 2 === 0);
		}
		this.#marks.push({
			step: this.#debug.steps,
			cycle: machine.clock.cycles,
			taken: machine.hart.traps.taken,
			next: this.#next,
			printed: this.#printed,
			state: this.#host.save(),
		});
	}
}
