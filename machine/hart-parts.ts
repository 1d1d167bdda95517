import type { Bus } from "./bus.ts";
import type { Clock } from "./clock.ts";
import type { CodeCache } from "./code-cache.ts";
import type { Counters } from "./counters.ts";
import type { Csrs } from "./csr.ts";
import type { DataAccess, MisalignedPolicy } from "./data-access.ts";
import type { FloatUnit } from "./float/unit.ts";
import type { HartState } from "./hart-state.ts";
import type { InterruptLines } from "./interrupt-lines.ts";
import type { Memory } from "./memory.ts";
import type { Mirror } from "./mirror.ts";
import type { AdPolicy, Mmu } from "./mmu.ts";
import type { Pmp, PmpEntries } from "./pmp.ts";
import type { SupervisorTimer } from "./supervisor-timer.ts";
import type { SystemInstructions } from "./system-instructions.ts";
import type { Tlb } from "./tlb.ts";
import type { Traps } from "./trap.ts";

/**
 * The parts of a hart, and what it is connected to. The hart builds them in this order, each from
 * some of those before it: a constructor names the ones that it uses.
 */
export interface HartParts {
	readonly memory: Memory;
	readonly bus: Bus;
	readonly clock: Clock;
	readonly lines: InterruptLines;
	readonly state: HartState;
	readonly mirror: Mirror;
	readonly tlb: Tlb;
	readonly code: CodeCache;
	readonly pmp: Pmp;
	readonly mmu: Mmu;
	readonly counters: Counters;
	readonly traps: Traps;
	readonly timer: SupervisorTimer;
	readonly csrs: Csrs;
	readonly system: SystemInstructions;
	readonly data: DataAccess;
	readonly float: FloatUnit;
}

/** The parts that a hart is given. */
export type GivenParts = Pick<HartParts, "memory" | "mirror" | "bus" | "clock" | "lines">;

export interface HartOptions {
	readonly tlbEntries: number;
	readonly tlbWays: number;
	readonly adPolicy: AdPolicy;
	readonly misaligned: MisalignedPolicy;
	/** Cycles that a page table walk costs. */
	readonly walkCycles: number;
	/** Cycles that an access to a device takes beside its own. */
	readonly busCycles: number;
	/** Entries of physical memory protection. */
	readonly pmpEntries: PmpEntries;
}
