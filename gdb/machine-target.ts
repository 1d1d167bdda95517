/**
 * What all targets have in common: breakpoints, running, stepping and reverse execution. Subclasses
 * define the threads and their registers and memory.
 */

import type { Computer } from "../computer/computer.ts";
import {
	DEBUG_BREAKPOINT,
	DEBUG_GOAL,
	DEBUG_NONE,
	DEBUG_WATCHPOINT,
	type Debug,
	WATCH_BOTH,
	WATCH_LOAD,
	WATCH_STORE,
	type WatchKind,
} from "../machine/debug.ts";
import type { Machine } from "../machine/machine.ts";
import {
	type BreakKind,
	GDB_SIGINT,
	GDB_SIGTRAP,
	type GdbResume,
	type GdbStop,
	type GdbTarget,
	type GdbThread,
} from "./protocol/target.ts";
import { type Found, Replay, type ReplayOptions } from "./replay.ts";

interface Point {
	readonly kind: BreakKind;
	readonly address: number;
	readonly length: number;
}

const watchKind = (kind: BreakKind): WatchKind =>
	kind === "read" ? WATCH_LOAD : kind === "write" ? WATCH_STORE : WATCH_BOTH;

/** Limit on breakpoints and watchpoints together, against a broken or hostile client. */
const POINTS_MAX = 1000;

export abstract class MachineTarget implements GdbTarget {
	abstract readonly xml: string;
	abstract readonly registerCount: number;
	/** Is reverse execution possible? */
	readonly reverse: boolean;
	readonly machine: Machine;
	protected readonly replay: Replay;
	#points: Point[] = [];
	/** The reverse execution in progress. */
	#back: Generator<void, GdbStop, void> | null = null;
	/** How the guest ended, once it has. */
	#over: GdbStop | null = null;
	#attached = true;

	/** `show` and `options`: see Replay. */
	constructor(computer: Computer, show: (byte: number) => void, options: ReplayOptions) {
		this.machine = computer.machine;
		this.replay = new Replay(computer, show, options);
		this.reverse = options.checkpoints > 0;
	}

	abstract threads(): readonly GdbThread[];
	abstract currentThread(): number;
	abstract readRegister(thread: number, register: number): Uint8Array | null;
	abstract writeRegister(thread: number, register: number, bytes: Uint8Array): boolean;
	abstract readMemory(thread: number, address: number, length: number): Uint8Array;
	abstract writeMemory(thread: number, address: number, bytes: Uint8Array): boolean;
	abstract monitor(command: string): string;
	/** The stop to report for the guest's end. */
	protected abstract ended(): GdbStop;

	protected get debug(): Debug {
		return this.machine.hart.attachDebug();
	}

	/** Steps since reset: the position in the run. */
	get stepsDone(): number {
		return this.debug.steps;
	}

	get cycles(): number {
		return this.machine.clock.cycles;
	}

	/** Has the guest ended? */
	get over(): boolean {
		return this.#over !== null;
	}

	/** Is the guest idle, so that running it is pointless until there is input? */
	get asleep(): boolean {
		return this.#back === null && (this.replay.state === "input" || this.replay.state === "idle");
	}

	/** To be called for each byte that the guest prints. */
	print(byte: number): void {
		this.replay.print(byte);
	}

	/** Console input; null for its end. => bytes taken; none while the past is replayed. */
	input(bytes: Uint8Array | null): number {
		return this.#back === null ? this.replay.input(bytes) : 0;
	}

	/** Does `input` accept anything now? */
	get takesInput(): boolean {
		return this.#back === null && this.replay.live;
	}

	notice(): string {
		return "";
	}

	insert(kind: BreakKind, address: number, length: number): boolean {
		const same = (p: Point): boolean =>
			p.kind === kind && p.address === address && p.length === length;
		if (this.#points.some(same)) return true;
		if (this.#points.length >= POINTS_MAX) return false;
		this.#points.push({ kind, address, length });
		this.#set({ kind, address, length });
		return true;
	}

	remove(kind: BreakKind, address: number, length: number): boolean {
		const isBreak = kind === "software" || kind === "hardware";
		const i = this.#points.findIndex(
			(p) => p.kind === kind && p.address === address && (isBreak || p.length === length),
		);
		if (i < 0) return true;
		this.#points.splice(i, 1);
		if (!isBreak) this.debug.removeWatchpoint({ va: address, length, kind: watchKind(kind) });
		else if (!this.#points.some((p) => p.address === address && this.#isBreak(p))) {
			this.debug.removeBreakpoint(address);
		}
		return true;
	}

	resume(how: GdbResume): void {
		this.replay.cancelled = false;
		if (how.reverse) {
			this.#back = how.step ? this.#stepBack() : this.#continueBack();
			return;
		}
		this.goForward(how);
	}

	/** Prepare the hart to run forwards; `run` does it. */
	protected goForward({ step }: GdbResume): void {
		const { debug } = this;
		// A step ignores a breakpoint at its own instruction, or it could never leave one.
		debug.resume(step ? debug.steps + 1 : Number.POSITIVE_INFINITY, step);
	}

	run(): GdbStop | null {
		if (this.#over !== null) return this.#over;
		if (this.#back !== null) return this.#runBack(this.#back);
		if (this.debug.stop === DEBUG_NONE) {
			const state = this.replay.advance();
			if (state === "ended" && this.debug.stop === DEBUG_NONE) {
				this.#over = this.ended();
				return this.#over;
			}
		}
		return this.debug.stop === DEBUG_NONE ? null : this.stopped();
	}

	interrupt(): void {
		if (this.#back !== null) this.replay.cancelled = true;
		else this.debug.request();
	}

	/** A debugger has connected. */
	attach(): void {
		this.#attached = true;
	}

	/** Is a debugger connected? */
	protected get attached(): boolean {
		return this.#attached;
	}

	detach(): void {
		this.#attached = false;
		this.#points = [];
		this.#back = null;
		this.machine.hart.detachDebug();
	}

	/** Does the machine run only to reach a position in the past, so that events do not count? */
	protected get searching(): boolean {
		return this.#back !== null;
	}

	/** Set all breakpoints and watchpoints again, after a reset of the machine. */
	protected setPoints(): void {
		this.debug.clear();
		for (const point of this.#points) this.#set(point);
	}

	/** Let a guest that has ended run again, after a reset. */
	protected revive(): void {
		this.#over = null;
	}

	/** The stop to report after the hart has stopped. */
	protected stopped(): GdbStop {
		const { stop, watched, watchedVa } = this.debug;
		const thread = this.currentThread();
		if (stop === DEBUG_GOAL) return { kind: "signal", thread, signal: GDB_SIGTRAP };
		if (stop === DEBUG_BREAKPOINT || stop === DEBUG_WATCHPOINT) {
			return this.#hit(stop, watched, watchedVa);
		}
		return { kind: "signal", thread, signal: GDB_SIGINT };
	}

	#hit(stop: number, watched: Debug["watched"], address: number): GdbStop {
		const thread = this.currentThread();
		if (stop === DEBUG_BREAKPOINT) {
			const pc = this.machine.hart.pc;
			const software = this.#points.some((p) => p.address === pc && p.kind === "software");
			return { kind: "breakpoint", thread, hardware: !software };
		}
		const kind = watched?.kind ?? WATCH_STORE;
		const type = kind === WATCH_LOAD ? "rwatch" : kind === WATCH_STORE ? "watch" : "awatch";
		return { kind: "watchpoint", thread, type, address };
	}

	#isBreak({ kind }: Point): boolean {
		return kind === "software" || kind === "hardware";
	}

	#set({ kind, address, length }: Point): void {
		if (kind === "software" || kind === "hardware") this.debug.addBreakpoint(address);
		else this.debug.addWatchpoint({ va: address, length, kind: watchKind(kind) });
	}

	#runBack(back: Generator<void, GdbStop, void>): GdbStop | null {
		const { done, value } = back.next();
		if (done !== true) return null;
		this.#back = null;
		return value;
	}

	*#stepBack(): Generator<void, GdbStop, void> {
		const { steps } = this.debug;
		if (steps <= this.replay.begin) return this.#atBegin();
		yield* this.replay.seek(steps - 1);
		return this.#arrived();
	}

	*#continueBack(): Generator<void, GdbStop, void> {
		const found: Found | null = yield* this.replay.search();
		if (this.replay.cancelled) return this.#arrived();
		yield* this.replay.seek(found?.step ?? this.replay.begin);
		if (this.replay.cancelled) return this.#arrived();
		return found === null ? this.#atBegin() : this.#hit(found.stop, found.watched, found.watchedVa);
	}

	#arrived(): GdbStop {
		const thread = this.currentThread();
		return { kind: "signal", thread, signal: this.replay.cancelled ? GDB_SIGINT : GDB_SIGTRAP };
	}

	#atBegin(): GdbStop {
		return { kind: "begin", thread: this.currentThread() };
	}
}
