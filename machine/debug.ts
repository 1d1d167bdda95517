/**
 * Debugging: stops the hart before breakpoints and watched accesses, and at a given step.
 * `Hart.debug` is null without a debugger; then all of this costs one comparison for each slice.
 *
 * A step is an instruction retired or a trap taken, so the number of steps since reset names a
 * place in the run: `Hart.steps`. Debugging does not affect the guest: registers, memory, TLB
 * and time are the same with and without a debugger.
 *
 * - Breakpoints are virtual addresses. Code at the same offset of any page is executed alone
 *   (CodeCache.setAlone), and its address is compared with them. So it does not
 *   matter where the page lies, whether it is mapped twice, or comes back from a disk.
 * - Pages with a watchpoint are kept out of the mirror's tables for loads and stores, so that
 *   DataAccess sees every access of the hart. Accesses of devices, of page table walks and of an
 *   attached supervisor are not seen.
 */

import { ALONE_DEBUG, type CodeCache } from "./code-cache.ts";
import type { DataAccess } from "./data-access.ts";
import { type HartState, LEAVE_DEBUG } from "./hart-state.ts";
import { GUARD_DEBUG, type Mirror } from "./mirror.ts";
import { PAGE_MASK, PAGE_SHIFT } from "./port.ts";

/** Why the hart has stopped. */
export const DEBUG_NONE = 0; // it has not
export const DEBUG_BREAKPOINT = 1; // the instruction at pc is to be executed next
export const DEBUG_WATCHPOINT = 2; // the instruction at pc is about to access `watched`
export const DEBUG_GOAL = 3; // `goal` is reached
const DEBUG_REQUEST = 4; // `request` was called
export type DebugStop =
	| typeof DEBUG_NONE
	| typeof DEBUG_BREAKPOINT
	| typeof DEBUG_WATCHPOINT
	| typeof DEBUG_GOAL
	| typeof DEBUG_REQUEST;

/** Accesses that a watchpoint is for. */
export const WATCH_LOAD = 1;
export const WATCH_STORE = 2;
export const WATCH_BOTH = 3;
export type WatchKind = typeof WATCH_LOAD | typeof WATCH_STORE | typeof WATCH_BOTH;

export interface Watchpoint {
	readonly va: number;
	readonly length: number;
	readonly kind: WatchKind;
}

/** The parts of a hart that a debugger controls. */
export interface DebugParts {
	readonly state: HartState;
	readonly code: CodeCache;
	readonly mirror: Mirror;
	readonly data: DataAccess;
	/** Steps since reset. */
	readonly steps: number;
}

export class Debug {
	/** Set while the hart is stopped; `resume` clears it. */
	stop: DebugStop = DEBUG_NONE;
	/** The step before which the hart stops. */
	goal = Number.POSITIVE_INFINITY;
	/** A breakpoint or watchpoint is passed if it is met at exactly this step. */
	passing = -1;
	/** Ignore breakpoints and watchpoints for now. */
	quiet = false;
	/** After DEBUG_WATCHPOINT: the watchpoint, and the address of the access. */
	watched: Watchpoint | null = null;
	watchedVa = 0;
	/** Do breakpoints and watchpoints apply to the software that runs now? */
	applies: () => boolean = () => true;
	/** An attached supervisor lets the hart run: the time to set `goal`. */
	entering: () => void = () => {};
	readonly #parts: DebugParts;
	readonly #breakpoints = new Set<number>();
	readonly #watchpoints: Watchpoint[] = [];

	constructor(parts: DebugParts) {
		this.#parts = parts;
	}

	get steps(): number {
		return this.#parts.steps;
	}

	/** Have the hart stop before its next instruction. */
	request(): void {
		if (this.stop === DEBUG_NONE) this.stop = DEBUG_REQUEST;
	}

	/** Let the hart go on. => `pass`: ignore a breakpoint at pc. */
	resume(goal: number, pass: boolean): void {
		this.stop = DEBUG_NONE;
		this.watched = null;
		this.goal = goal;
		this.passing = pass ? this.steps : -1;
	}

	/** => false if there is one already. */
	addBreakpoint(va: number): boolean {
		if (this.#breakpoints.has(va)) return false;
		this.#breakpoints.add(va);
		this.#setAlone();
		return true;
	}

	/** => false if there is none. */
	removeBreakpoint(va: number): boolean {
		if (!this.#breakpoints.delete(va)) return false;
		this.#setAlone();
		return true;
	}

	#setAlone(): void {
		const offsets = new Set([...this.#breakpoints].map((va) => va & PAGE_MASK));
		this.#parts.code.setAlone(offsets, ALONE_DEBUG);
	}

	addWatchpoint(watchpoint: Watchpoint): void {
		this.#watchpoints.push(watchpoint);
		this.#guard();
	}

	/** => false if there is none like it. */
	removeWatchpoint({ va, length, kind }: Watchpoint): boolean {
		const i = this.#watchpoints.findIndex(
			(w) => w.va === va && w.length === length && w.kind === kind,
		);
		if (i < 0) return false;
		this.#watchpoints.splice(i, 1);
		this.#guard();
		return true;
	}

	/** Forget all breakpoints and watchpoints. */
	clear(): void {
		for (const va of [...this.#breakpoints]) this.removeBreakpoint(va);
		this.#watchpoints.length = 0;
		this.#guard();
	}

	/** For the hart: a number of cycles that cannot pass the goal; 0 if it must stop. */
	budget(): number {
		return this.arrived() ? 0 : this.goal - this.steps;
	}

	/** For the hart: must it stop here? */
	arrived(): boolean {
		if (this.stop === DEBUG_NONE && this.steps >= this.goal) this.stop = DEBUG_GOAL;
		return this.stop !== DEBUG_NONE;
	}

	/** For the hart: is there a breakpoint for the instruction at `pc`, to be executed now? */
	meets(pc: number): boolean {
		if (!this.#breakpoints.has(pc >>> 0)) return false;
		if (this.quiet || this.steps === this.passing || !this.applies()) return false;
		this.stop = DEBUG_BREAKPOINT;
		return true;
	}

	/**
	 * For DataAccess: the instruction is about to access `bytes` bytes at `va`.
	 * => true: stop instead; HartState.leave distinguishes that from an exception.
	 */
	access(va: number, bytes: number, kind: WatchKind): boolean {
		if (this.quiet || this.steps === this.passing) return false;
		const first = va >>> 0;
		for (const w of this.#watchpoints) {
			if ((w.kind & kind) === 0 || first >= w.va + w.length || w.va >= first + bytes) continue;
			if (!this.applies()) continue;
			this.watched = w;
			this.watchedVa = Math.max(first, w.va);
			this.stop = DEBUG_WATCHPOINT;
			this.#parts.state.leave = LEAVE_DEBUG;
			return true;
		}
		return false;
	}

	/** Have accesses to the watched pages come here. */
	#guard(): void {
		const { mirror, data } = this.#parts;
		const pages = new Set<number>();
		for (const { va, length } of this.#watchpoints) {
			const last = (va + length - 1) >>> PAGE_SHIFT;
			for (let vpn = va >>> PAGE_SHIFT; vpn <= last; vpn++) pages.add(vpn);
		}
		mirror.guard(pages, GUARD_DEBUG);
		data.debug = pages.size === 0 ? null : this;
	}
}
