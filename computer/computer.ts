/**
 * A computer: a machine, the board that it is on, and software. `System` has our kernel attached,
 * `Bare` runs software made for the board. The debugger, traces, snapshots and the command line
 * work with either through this interface.
 */
import type { Board, BoardState } from "../devices/board.ts";
import type { FaultPlan } from "../devices/fault/rule.ts";
import type { DiskCounters } from "../devices/virtio-blk.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Checkpoint, Machine, MachineState } from "../machine/machine.ts";
import type { TlbCounters } from "../machine/tlb-counters.ts";
import type { TrapReport } from "../machine/trap-counts.ts";
import type { FaultReport, FaultsState } from "./fault/faults.ts";
import type { Recording } from "./recording.ts";

/**
 * The result of `run`.
 *
 * - "running": the cycle was reached, or a debugger stopped the hart.
 * - "input": everything waits for console input, or bare software has polled for it for long, or
 *   computes and could take some (`spins`).
 * - "idle": nothing happens until `idleCycles` have passed; only if `run` was asked to pause.
 * - "ended": see `exit`.
 */
export type RunState = "running" | "input" | "idle" | "ended";

/** How a run ended; the part that all computers share. */
export interface ComputerExit {
	/** "running" until the run has ended. */
	readonly kind: string;
	readonly code: number;
	/** Where the hart was, or where a signal struck. */
	readonly pc: number;
}

/** The report of a run; the part that all computers share. See docs/report.md. */
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
	readonly traps: TrapReport & {
		/** Interrupts that were claimed at the PLIC, by device. */
		readonly claims: Readonly<Record<string, number>>;
	};
	readonly disks: (DiskCounters & { id: string })[];
	/** With a plan of faults. */
	readonly faults?: FaultReport;
	/** As Computer.stateHash. */
	readonly stateHash: string;
}

/** Everything but the options, as plain data. */
export interface ComputerState {
	readonly machine: MachineState;
	readonly board: BoardState;
	/** What has become of rules of faults, but for those of disks. */
	readonly faults: FaultsState;
	/** The software's state; each kind of computer has a form of its own. */
	readonly software: unknown;
	/** What the console has printed. */
	readonly printed: Uint8Array;
	readonly state: RunState;
}

/** A state of one computer, kept in memory. */
export interface ComputerCheckpoint extends Omit<ComputerState, "machine"> {
	readonly machine: Checkpoint;
	/** The recording then, and the position in it. */
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
	 * Run until cycle `until` (default: to the end). Call it again to go on.
	 * => stopping points do not affect the simulation.
	 * => `pause`: return "idle" instead of jumping to the next timer while everything sleeps.
	 */
	run(until?: number, pause?: boolean): RunState;
	/** After "idle": for how many cycles nothing happens. Infinity after "input". */
	readonly idleCycles: number;
	/** Let time pass while nothing happens, at most `idleCycles`. */
	pass(cycles: number): void;

	/**
	 * After "input": the software does not wait, or waits in a loop that cannot be told from work.
	 * It may be given input, or be run on without.
	 */
	readonly spins: boolean;
	/** Cycles of sleeps that a run with `pause` did not stop for, because they are so short. */
	readonly dozed: number;

	/** Does the software want console input? */
	readonly asksForInput: boolean;
	/** Type on the console. => how many bytes the UART had room for. */
	input(bytes: Uint8Array): number;
	/** End the input: reads return end of file. */
	inputEnd(): void;
	/** What the console has printed: the latest 16 to 32 MiB. */
	readonly printed: Uint8Array;
	/** What the console has printed since its last newline: a prompt, perhaps. */
	readonly lastLine: Uint8Array;
	/** Tell the guest's terminal its size. => no effect on a plain console. */
	resize(columns: number, rows: number): void;

	/** => `hostMs` is the caller's to measure: the machine does not know the host's time. */
	report(hostMs: number): ComputerReport;
	/** 16 hexadecimal digits, equal for two runs of one configuration at one cycle. */
	stateHash(): string;

	/** The present state; null if it cannot be taken now (System.busy). */
	save(): ComputerState | null;
	/** => `state` was saved by a computer with the same options; UserError otherwise. */
	restore(state: ComputerState): void;
	/**
	 * Keep the present state in memory. It costs what is written afterwards, not the size of RAM.
	 * => null as for `save`. To be released when it is no longer needed.
	 */
	checkpoint(): ComputerCheckpoint | null;
	/** Go back to `checkpoint`, as often as wanted. => it is this computer's, and not released. */
	rollback(checkpoint: ComputerCheckpoint): void;
	release(checkpoint: ComputerCheckpoint): void;

	/**
	 * Replace the rules of faults: from now on those of `plan` are in force, or none. What the others
	 * have done is forgotten by the report; only silent damage to disks is undone. `candidates` says
	 * how many each rule, by its id, has had; rules of instants that are past act at once.
	 * => a rollback brings back the rules of its checkpoint, but not their plan for the report.
	 * => UserError for a plan that is wrong, or about parts that are not there.
	 */
	inject(plan?: FaultPlan, candidates?: ReadonlyMap<string, number>): void;
	/** Whether no rule does anything any more. What was done may have effects. */
	readonly faultsSpent: boolean;
	/** What has become of the rules. => undefined without a plan. */
	faultReport(): FaultReport | undefined;

	/** Everything that has come from outside. */
	readonly recording: Recording;
	/** As `run`, but first repeat what was recorded after the present place: after a rollback. */
	repeat(until: number): RunState;
}
