/** One run of a campaign, made again from its results. */
import type { Bare } from "../computer/bare.ts";
import type { System } from "../computer/system.ts";
import { UserError } from "../machine/user-error.ts";
import type { Campaign } from "./campaign.ts";
import { identityOf, type PreparedCampaign, prepareCampaign } from "./conduct.ts";
import { minimisePlan } from "./minimise.ts";
import { classify, type Outcome } from "./report/classify.ts";
import { explain } from "./report/report.ts";
import type { ResultRow, readResults } from "./results.ts";
import type { Guest } from "./run/guest.ts";
import { planOf, Runner, type RunPlan, type RunResult } from "./run/runner.ts";
import { createComputer, type Workload } from "./run/workload.ts";

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

/** How far before a fault to stop, in ns, until no rule has acted. */
const STEPS_BACK = [1, 1e3, 1e4, 1e5, 1e6, 1e7];

/**
 * A computer with the rules of a run, for a debugger: where a rule is about to act, if
 * `atInjection`, and otherwise at its beginning. `prepare` is what the debugger does with it first.
 */
export function stoppedRun<T>(
	workload: Workload,
	{ plan, evidence }: ResultRow,
	atInjection: boolean,
	prepare: (computer: System | Bare) => T,
	console: (byte: number) => void = () => {},
): T {
	const first = atInjection ? evidence.faults?.ledger[0]?.ns : undefined;
	const starts = first === undefined ? [] : STEPS_BACK.map((back) => first - back);
	const options = { ...workload.options, faults: planOf(plan), console };
	for (const ns of [...starts.filter((start) => start > 0), 0]) {
		const computer = createComputer({ ...workload, options } as Workload);
		if (ns > 0) computer.run(ns);
		const prepared = prepare(computer);
		if (ns === 0 || computer.faultReport()?.applied === 0) return prepared;
	}
	throw new Error("unreachable");
}

export interface Minimised {
	readonly plan: RunPlan;
	readonly outcome: Outcome;
	readonly why: string;
	/** Runs that were made to find it. */
	readonly runs: number;
}

/** => the plan, verified twice from the beginning. UserError if the outcome is not kept. */
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
