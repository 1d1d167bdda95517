/** One run of a campaign, made again from its results. */
import { UserError } from "../machine/user-error.ts";
import type { Campaign } from "./campaign.ts";
import { classify, type Outcome } from "./classify.ts";
import { identityOf, type PreparedCampaign, prepareCampaign } from "./conduct.ts";
import type { Guest } from "./guest.ts";
import { minimisePlan } from "./minimise.ts";
import { explain } from "./report.ts";
import type { ResultRow, readResults } from "./results.ts";
import { Runner, type RunPlan, type RunResult } from "./runner.ts";
import type { Workload } from "./workload.ts";

type Results = ReturnType<typeof readResults>;

/** => UserError unless there is a result of this run. */
export function findRun({ rows }: Results, run: number): ResultRow {
	const row = rows.find((each) => each.run === run);
	if (row !== undefined) return row;
	const last = rows.at(-1);
	const there =
		last === undefined ? "there are none" : `there are ${rows.length}, up to ${last.run}`;
	throw new UserError(`run ${run}: has no result; ${there}`);
}

/** => UserError if the files or the version are others than those of the results. */
export function prepareAgain(results: Results, workload: Workload): PreparedCampaign {
	const { identity, runsMax } = results;
	const campaign = results.campaign as Campaign;
	const now = identityOf(campaign, workload, runsMax);
	if (now.version !== identity.version) {
		throw new UserError(`results: are of version ${identity.version}, and this is ${now.version}`);
	}
	if (now.hash !== identity.hash) {
		throw new UserError("results: the files of the campaign have changed, or are elsewhere");
	}
	return prepareCampaign(campaign, workload, runsMax);
}

export interface Replayed extends RunResult {
	readonly outcome: Outcome;
	readonly why: string;
	/** Is all evidence that of the result? */
	readonly same: boolean;
}

/**
 * From the beginning to the end, without short cuts. `watch` gets the computer before it runs, and
 * `uvmhist` is how many events of UVM it keeps.
 */
export function replayRun(
	{ runner, reference }: PreparedCampaign,
	row: ResultRow,
	watch: (guest: Guest) => void = () => {},
): Replayed {
	const { evidence, effort } = new Runner({
		...runner,
		checkpoints: 0,
		earlyStop: false,
	}).run(row.plan, watch);
	const outcome = classify(evidence, reference);
	const why = explain({ evidence, outcome });
	const same = JSON.stringify(evidence) === JSON.stringify(row.evidence);
	return { evidence, effort, outcome, why, same };
}

export interface Minimised {
	readonly plan: RunPlan;
	readonly outcome: Outcome;
	readonly why: string;
	/** Runs that were made to find it. */
	readonly runs: number;
}

/** => the plan, which was verified twice from the beginning. UserError if the outcome is not kept. */
export function minimiseRun({ runner, reference }: PreparedCampaign, row: ResultRow): Minimised {
	const fast = new Runner(runner);
	const ordinals = new Map<string, number[]>();
	for (const { rule, ordinal } of row.evidence.faults?.ledger ?? []) {
		ordinals.set(rule, [...(ordinals.get(rule) ?? []), ordinal]);
	}
	let runs = 0;
	const outcomeOf = (from: Runner, plan: RunPlan): Outcome => {
		runs++;
		return classify(from.run(plan).evidence, reference);
	};
	const plan = minimisePlan(
		row.plan,
		ordinals,
		(smaller) => outcomeOf(fast, smaller) === row.outcome,
	);
	const whys = [1, 2].map(() => {
		const slow = new Runner({ ...runner, checkpoints: 0, earlyStop: false });
		const { evidence } = slow.run(plan);
		const outcome = classify(evidence, reference);
		if (outcome !== row.outcome) {
			throw new UserError(`run ${row.run}: is ${outcome} now, and was ${row.outcome}`);
		}
		return explain({ evidence, outcome });
	});
	return { plan, outcome: row.outcome, why: whys[0]!, runs };
}
