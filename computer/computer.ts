/**
 * A computer: a machine, the board that it is on, and software. `System` is one with our kernel
 * attached, `Bare` one with software made for the board. Whoever runs, debugs, traces, saves or
 * breaks a computer needs no more than this.
 */
import type { Board, BoardState } from "../devices/board.ts";
import type { DiskCounters } from "../devices/virtio-blk.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Checkpoint, Machine, MachineState } from "../machine/machine.ts";
import type { TlbCounters } from "../machine/mmu.ts";
import type { Recording } from "./recording.ts";

/**
 * What `run` has come to.
 *
 * - "running": the cycle is reached, or a debugger has stopped the hart.
 * - "input": only console input can bring the software on; or bare software has asked for some
 *   again and again.
 * - "idle": nothing happens until `idleCycles` have passed; only if `run` was asked to pause.
 * - "ended": see `exit`.
 */
export type RunState = "running" | "input" | "idle" | "ended";

/** How a run ended: what all computers tell. */
export interface ComputerExit {
	/** "running" until the run has ended. */
	readonly kind: string;
	readonly code: number;
	/** Where the hart was, or where a signal struck. */
	readonly pc: number;
}

/** What all computers report. */
export interface ComputerReport {
	readonly version: string;
	/** The resolved configuration. */
	readonly config: Record<string, unknown>;
	readonly exit: ComputerExit;
	/** What the console has printed, as UTF-8: the latest 16 to 32 MiB. */
	readonly console: string;
	/** Instructions retired. */
	readonly instructions: number;
	readonly cycles: number;
	/** One cycle is one virtual nanosecond. */
	readonly virtualNs: number;
	/** Milliseconds of the host, as measured by the caller. */
	readonly hostMs: number;
	readonly tlb: TlbCounters & { misses: number };
	readonly disks: (DiskCounters & { id: string })[];
	/** As Computer.stateHash. */
	readonly stateHash: string;
}

/** Everything but the options, as plain data. */
export interface ComputerState {
	readonly machine: MachineState;
	readonly board: BoardState;
	/** What the software needs besides; its form is the computer's own. */
	readonly software: unknown;
	/** What the console has printed. */
	readonly printed: Uint8Array;
	readonly state: RunState;
}

/** An instant of one computer, kept in memory. */
export interface ComputerCheckpoint extends Omit<ComputerState, "machine"> {
	readonly machine: Checkpoint;
	/** What had come from outside. */
	readonly recording: Recording;
	readonly position: number;
}

export interface Computer {
	readonly machine: Machine;
	readonly board: Board;
	/** The attached kernel, or null. */
	readonly kernel: Kernel | null;
	readonly exit: ComputerExit;

	/**
	 * Run until cycle `until` (default: to the end), then call it again.
	 * => stopping points do not affect the simulation.
	 * => `pause`: come back also when nothing happens until a timer goes off, instead of jumping
	 *    there.
	 */
	run(until?: number, pause?: boolean): RunState;
	/** After "idle": for how many cycles nothing happens. Infinity after "input". */
	readonly idleCycles: number;
	/** Let time pass while nothing happens, at most `idleCycles`. */
	pass(cycles: number): void;

	/** Does the software want console input? */
	readonly asksForInput: boolean;
	/** Type on the console. => how many bytes the UART had room for. */
	input(bytes: Uint8Array): number;
	/** No more input will come: reads find its end. */
	inputEnd(): void;
	/** The terminal's window has another size. => no effect on a plain console. */
	resize(columns: number, rows: number): void;

	/** => `hostMs` is the caller's to measure: the machine does not know the host's time. */
	report(hostMs: number): ComputerReport;
	/** 16 hexadecimal digits, equal for two runs of one configuration at one cycle. */
	stateHash(): string;

	/** The present state; null if it cannot be taken here. */
	save(): ComputerState | null;
	/** => `state` was saved by a computer with the same options; UserError otherwise. */
	restore(state: ComputerState): void;
	/**
	 * Keep this instant in memory, at the cost of what is written afterwards; null as for `save`.
	 * => to be released when it is no longer needed.
	 */
	checkpoint(): ComputerCheckpoint | null;
	/** Go back to `checkpoint`, as often as wanted. => it is this computer's, and not released. */
	rollback(checkpoint: ComputerCheckpoint): void;
	release(checkpoint: ComputerCheckpoint): void;

	/** What has come from outside. */
	readonly recording: Recording;
	/**
	 * As `run`, repeating what was recorded behind the present place: after a rollback, or on a
	 * computer that was given a recording.
	 */
	repeat(until: number): RunState;
}
