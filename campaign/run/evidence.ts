/** What is known of a run when it is over: raw, so that it can be classified again later. */
import type { RuleReport } from "../../computer/fault/faults.ts";
import type { LedgerEntry } from "../../devices/fault/ledger.ts";
import type { Known } from "../prune/fates.ts";

/** How the run came to its end. */
export type Stop =
	/** The guest has ended, or panicked, or everything sleeps: see `exit`. */
	| "ended"
	/** It has retired more instructions than the campaign allows. */
	| "instructions"
	/** Virtual time went on for long, and no instruction was retired. */
	| "idle"
	/** It waits for input that nobody has. */
	| "input"
	/** The simulator failed: see `error`. */
	| "error";

/** A sign that something was wrong, at a virtual time. */
export interface Indication {
	readonly ns: number;
	/** "disk": a request failed; "errno": a system call did; "signal": a process was killed. */
	readonly kind: "disk" | "errno" | "signal";
	/** "ld0 read", "EIO", "sort (3) SIGBUS". */
	readonly what: string;
}

/** What was found by a second computer, which was booted after a loss of power. */
export interface AfterEvidence {
	readonly stop: Stop;
	readonly exit: Evidence["exit"];
	/** The end of what it has printed. */
	readonly console: string;
}

export interface Evidence {
	readonly stop: Stop;
	readonly exit: {
		readonly kind: string;
		readonly code: number;
		readonly signal: string | null;
		readonly reason: string;
	};
	readonly instructions: number;
	readonly cycles: number;
	readonly console: {
		readonly bytes: number;
		/** Of all that is kept; see docs/report.md. */
		readonly hash: string;
		/** The first byte that differs from the golden run's; null: none. */
		readonly firstDifference: number | null;
		/** What it prints from a little before the difference on; of an equal one, nothing. */
		readonly text: string;
	};
	/** The kernel's messages that the golden run did not have. */
	readonly messages: readonly string[];
	/** What failed that did not fail in the golden run; the first of each kind and `what`. */
	readonly indications: readonly Indication[];
	/** How often each happened, by "kind what", as far as it differs from the golden run. */
	readonly failures: Readonly<Record<string, number>>;
	/** Counters of UVM as far as they differ: value minus that of the golden run. */
	readonly counters: Readonly<Record<string, number>>;
	/** Violated invariants of the VM system at the end. */
	readonly invariants: readonly string[];
	/** Pages that do not hold what the guest has stored, where that is watched. */
	readonly shadow: readonly string[];
	/** Of a hang: each thread that sleeps, and what for. */
	readonly sleepers: readonly string[];
	/** null: the worker is lost, and nothing is known. */
	readonly faults: {
		readonly applied: number;
		readonly rules: readonly Omit<RuleReport, "candidates">[];
		readonly notFired: readonly string[];
		/** The first applications. */
		readonly ledger: readonly LedgerEntry[];
	} | null;
	/** From the first application to the first indication after it, in ns. null: there was none. */
	readonly detectionNs: number | null;
	readonly stateHash: string;
	/** After a loss of power, if the workload has a check for that; null: none. */
	readonly after: AfterEvidence | null;
	/** The run was not made: the fault is overwritten before anything reads it, or never read. */
	readonly known?: Known | undefined;
	/** What the simulator failed with. */
	readonly error: string | null;
}
