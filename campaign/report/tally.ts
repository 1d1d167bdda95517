/** Counts of outcomes, with their shares and how sure they are. */

import type { ResultRow } from "../results.ts";
import { OUTCOMES, type Outcome } from "./classify.ts";
import { type Interval, wilson } from "./statistics.ts";

export const PHASES = 10;

/** The tenth of the golden run, from 0, in which so many instructions have retired. */
export const phaseAt = (instructions: number, golden: { instructions: number }): number =>
	Math.min(PHASES - 1, Math.floor((instructions / golden.instructions) * PHASES));

/** Of an outcome, among some runs. */
export interface Share extends Interval {
	readonly runs: number;
	/** Weighted, 0 to 1; `low` and `high` are the ends of its interval at 95 %. */
	readonly share: number;
}

type Row = Pick<ResultRow, "outcome" | "templates" | "weight" | "phase" | "points">;

/** Runs of one kind; one that was made for several points counts for each. */
class Group {
	runs = 0;
	#weight = 0;
	#squares = 0;
	readonly #byOutcome = new Map<Outcome, { runs: number; weight: number }>();

	add({ outcome, weight, points = 1 }: Row): void {
		this.runs += points;
		this.#weight += weight * points;
		this.#squares += weight * weight * points;
		const { runs = 0, weight: sum = 0 } = this.#byOutcome.get(outcome) ?? {};
		this.#byOutcome.set(outcome, { runs: runs + points, weight: sum + weight * points });
	}

	/** With unequal weights the interval is that of fewer runs: Kish's effective sample size. */
	share(outcome: Outcome): Share {
		const { runs = 0, weight = 0 } = this.#byOutcome.get(outcome) ?? {};
		const share = this.#weight === 0 ? 0 : weight / this.#weight;
		const effective = this.#squares === 0 ? 0 : this.#weight ** 2 / this.#squares;
		return { runs, share, ...wilson(share * effective, effective) };
	}
}

export type Shares = Readonly<Record<Outcome, Share>>;

export interface Summary {
	readonly runs: number;
	/** Points of the fault space; null: without number. */
	readonly population: number | null;
	readonly outcomes: Shares;
	/** By template; a run with several counts for each. */
	readonly templates: Readonly<Record<string, Shares & { readonly runs: number }>>;
	/** By tenths of the golden run. */
	readonly phases: readonly (Shares & { readonly runs: number })[];
}

const sharesOf = (group: Group): Shares =>
	Object.fromEntries(OUTCOMES.map((outcome) => [outcome, group.share(outcome)])) as Shares;

const named = (group: Group): Shares & { readonly runs: number } => ({
	runs: group.runs,
	...sharesOf(group),
});

export class Tally {
	/** Results; a run that was made for several points counts once. */
	rows = 0;
	readonly #all = new Group();
	readonly #templates = new Map<string, Group>();
	readonly #phases = Array.from({ length: PHASES }, () => new Group());

	add(row: Row): void {
		this.rows++;
		this.#all.add(row);
		for (const template of new Set(row.templates)) {
			const group = this.#templates.get(template) ?? new Group();
			this.#templates.set(template, group);
			group.add(row);
		}
		if (row.phase !== null) this.#phases[row.phase]!.add(row);
	}

	/** A run that was made for several points counts for each. */
	get runs(): number {
		return this.#all.runs;
	}

	share(outcome: Outcome): Share {
		return this.#all.share(outcome);
	}

	/** Half of the widest interval of all outcomes. */
	get error(): number {
		return Math.max(
			...OUTCOMES.map((outcome) => {
				const { low, high } = this.#all.share(outcome);
				return (high - low) / 2;
			}),
		);
	}

	summary(population: number): Summary {
		return {
			runs: this.runs,
			population: Number.isFinite(population) ? population : null,
			outcomes: sharesOf(this.#all),
			templates: Object.fromEntries(
				[...this.#templates].map(([name, group]) => [name, named(group)]),
			),
			phases: this.#phases.map(named),
		};
	}
}
