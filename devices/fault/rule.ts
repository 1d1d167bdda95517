/**
 * A fault rule: what breaks, where, when, and for how long. Plain data, from a plan or from code.
 *
 * A candidate is an occasion on which the rule could act: a disk request that it matches, a fence,
 * an instant. `when` chooses among the candidates of a rule those that activate it; `life` says how
 * long it then acts.
 */

/** An instruction is about to be executed. Either its address, or a symbol of the program. */
export interface PcTrigger {
	readonly addr?: number | undefined;
	readonly symbol?: string | undefined;
	/** That many times. Default: 1. An instruction that traps and is repeated counts again. */
	readonly hit?: number | undefined;
}

/** The hart has accessed memory, or a device: a range from the first address on, to the second. */
export interface AccessTrigger {
	readonly va?: readonly [number, number] | undefined;
	readonly pa?: readonly [number, number] | undefined;
	/** Loads, stores, both, or instruction fetches. */
	readonly kind: "r" | "w" | "rw" | "x";
	/** That many times. Default: 1. */
	readonly hit?: number | undefined;
}

/** The kernel has logged an event in UVMHIST. */
export interface EventTrigger {
	/** The function that has logged it; or function and message, "uvm_fault: va, pa, prot". */
	readonly uvmhist: string;
	readonly hit?: number | undefined;
}

/** The console has printed a line that matches; or its beginning, as far as that is needed. */
export interface MilestoneTrigger {
	/** A regular expression: see line-pattern.ts. */
	readonly console: string;
	/** That many lines. Default: 1. */
	readonly hit?: number | undefined;
}

/** All conditions that are given must hold. None given: the first candidate activates the rule. */
export interface FaultWhen {
	/** At this virtual time, in ns. Only for rules that need no candidate of their own. */
	readonly atNs?: number | undefined;
	/** When so many instructions have retired since reset; for the same rules. */
	readonly atInsn?: number | undefined;
	/** The candidate with this number, from 1. */
	readonly hit?: number | undefined;
	/** The candidates with these numbers, from 1, each larger than the one before. */
	readonly hits?: readonly number[] | undefined;
	/** Each candidate whose number is a multiple of it. */
	readonly every?: number | undefined;
	/** Each candidate with this probability. */
	readonly chance?: number | undefined;
	/** Only from the first time on, and before the second, in ns. */
	readonly window?: readonly [number, number] | undefined;
	/**
	 * Triggers: see triggers.ts. Of a rule that needs no candidate, the instant; of others, when the
	 * first candidate may come.
	 */
	readonly pc?: PcTrigger | undefined;
	readonly access?: AccessTrigger | undefined;
	readonly event?: EventTrigger | undefined;
	readonly milestone?: MilestoneTrigger | undefined;
}

/** A state of a plan. Each begins in state 1. */
export type PlanStateName = number | string;

/** How long an activation lasts. */
export type FaultLife =
	/** For the candidate that has activated the rule. */
	| "once"
	/** For all candidates from then on. */
	| "permanent"
	/** For that many candidates, the activating one included. */
	| { readonly count: number }
	/** For that long, in ns. */
	| { readonly forNs: number }
	/** In turn for the first time, and not for the second, in ns, for ever. */
	| { readonly onNs: number; readonly offNs: number };

export interface FaultBudget {
	/** Candidates that are passed over first. */
	readonly skip?: number | undefined;
	/** Activations at most; -1: any number. Default: 1, but -1 for `hits`, `every` and `chance`. */
	readonly times?: number | undefined;
}

export interface FaultRule {
	/** Its name in the ledger, and part of its random decisions; each rule has its own. */
	readonly id: string;
	/** A name of the catalogue, such as "disk.lost-write". */
	readonly model: string;
	readonly params?: Readonly<Record<string, unknown>> | undefined;
	readonly when?: FaultWhen | undefined;
	readonly life?: FaultLife | undefined;
	readonly budget?: FaultBudget | undefined;
	/** It can be activated only while the plan is in this state. Default: in any. */
	readonly state?: PlanStateName | undefined;
	/** The state of the plan once it is activated. Default: as it is. */
	readonly nextState?: PlanStateName | undefined;
	/** For the reader. */
	readonly note?: string | undefined;
}

/** The rules of a run. */
export interface FaultPlan {
	/** For all random decisions. Default: 1. */
	readonly seed?: number | undefined;
	readonly rules: readonly FaultRule[];
}
