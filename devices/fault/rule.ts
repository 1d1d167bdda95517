/**
 * A fault rule: what breaks, where, when, and for how long. Plain data, from a plan or from code.
 *
 * A candidate is an occasion on which the rule could act: a disk request that it matches, a fence,
 * an instant. `when` chooses among the candidates of a rule those that activate it; `life` says how
 * long it then acts.
 */

/** All conditions that are given must hold. None given: the first candidate activates the rule. */
export interface FaultWhen {
	/** At this virtual time, in ns. Only for rules that need no candidate of their own. */
	readonly atNs?: number | undefined;
	/** When so many instructions have retired since reset; for the same rules. */
	readonly atInsn?: number | undefined;
	/** The candidate with this number, from 1. */
	readonly hit?: number | undefined;
	/** Each candidate whose number is a multiple of it. */
	readonly every?: number | undefined;
	/** Each candidate with this probability. */
	readonly chance?: number | undefined;
	/** Only from the first time on, and before the second, in ns. */
	readonly window?: readonly [number, number] | undefined;
}

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
	/** Activations at most; -1: any number. Default: 1, but -1 for `every` and `chance`. */
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
	/** For the reader. */
	readonly note?: string | undefined;
}

/** The rules of a run. */
export interface FaultPlan {
	/** For all random decisions. Default: 1. */
	readonly seed?: number | undefined;
	readonly rules: readonly FaultRule[];
}
