/**
 * A whole campaign: the golden run, then the runs of its sample, some at the same time. Results
 * come in the order of their numbers, so that they do not depend on who was faster.
 */
import { createHash } from "node:crypto";
import { VERSION } from "../computer/version.ts";
import type { Campaign } from "./campaign.ts";
import type { Executor } from "./executor.ts";
import { checkFits } from "./fits.ts";
import { pruneRuns } from "./prune/prune.ts";
import { classify } from "./report/classify.ts";
import { phaseAt, Tally } from "./report/tally.ts";
import type { GoldenFile, Identity, ResultRow } from "./results.ts";
import type { Evidence } from "./run/evidence.ts";
import { evidenceOfGolden, evidenceOfKnown } from "./run/gather.ts";
import { type GoldenFacts, measureGolden } from "./run/golden.ts";
import type { RunnerOptions, RunResult } from "./run/runner.ts";
import { type Workload, withEngine } from "./run/workload.ts";
import { listRuns, type PlannedRun, type RunList } from "./sampling.ts";
import { type Shard, shardRuns } from "./shard.ts";
import { countingPlan, spaceOf } from "./space.ts";

/** Longer golden runs are no workloads for thousands of runs. */
const GOLDEN_LIMITS = { instructions: 20e9, ns: 3600e9 };
/** Times the time of the host for a run, that of the golden run: it is made once. */
const GOLDEN_TIMES = 10;

/** A campaign that is ready to be run. */
export interface PreparedCampaign {
	readonly campaign: Campaign;
	readonly golden: GoldenFacts;
	/** As evidence, for `classify`. */
	readonly reference: Evidence;
	readonly runs: RunList;
	readonly identity: Identity;
	/** What workers need. */
	readonly runner: RunnerOptions;
	/** At most so many runs were asked for. */
	readonly runsMax: number | undefined;
}

/**
 * Make the golden run, and find out what there is to be run. `runs` as in listRuns.
 * => CampaignError if its rules do not fit the workload; UserError for a golden run that is none.
 */
export function prepareCampaign(
	campaign: Campaign,
	workload: Workload,
	runs?: number,
): PreparedCampaign {
	checkFits(campaign, workload);
	const counting = countingPlan(campaign);
	const { limits, checkpoints, earlyStop } = campaign;
	const goldenLimits = { ...GOLDEN_LIMITS, seconds: limits.seconds * GOLDEN_TIMES };
	const golden = measureGolden(workload, counting, goldenLimits);
	const sample = listRuns(campaign, spaceOf(campaign, golden), runs);
	return {
		campaign,
		golden,
		reference: evidenceOfGolden(golden),
		runs: campaign.prune ? pruneRuns(sample, workload, golden) : sample,
		identity: identityOf(campaign, workload, runs),
		runner: { workload, golden, counting, limits, checkpoints, earlyStop },
		runsMax: runs,
	};
}

/** The hash is of everything that results depend on: not of the engine. `runs` as in listRuns. */
export function identityOf(campaign: Campaign, workload: Workload, runs?: number): Identity {
	const hash = createHash("sha256");
	const replacer = (_: string, value: unknown): unknown =>
		value instanceof Uint8Array ? createHash("sha256").update(value).digest("hex") : value;
	const what = withEngine(workload, undefined);
	hash.update(JSON.stringify([campaign, what, runs ?? null], replacer));
	return { version: VERSION, hash: hash.digest("hex") };
}

export function describeGolden({ golden, reference, runs }: PreparedCampaign): GoldenFile {
	return {
		evidence: reference,
		console: new TextDecoder().decode(golden.console),
		candidates: Object.fromEntries(golden.candidates),
		population: Number.isFinite(runs.population) ? runs.population : null,
		runs: runs.length,
		pruned: runs.pruned,
	};
}

export interface ConductOptions {
	/**
	 * Only these runs. As no shard knows what the others have seen, none of them stops early:
	 * `mergeResults` does.
	 */
	readonly shard?: Shard | undefined;
	/** Results of earlier runs, from the first on. */
	readonly before?: readonly ResultRow[];
	/** Takes each result, in the order of their numbers. */
	readonly onRow?: (row: ResultRow, tally: Tally) => void;
	/** A run is over; its result may have to wait for earlier ones. */
	readonly onDone?: (done: number) => void;
	/** Asked before each run: true to stop. */
	readonly interrupted?: () => boolean;
}

export interface Conducted {
	readonly tally: Tally;
	/** Why it is over. */
	readonly end: "complete" | "stopped" | "interrupted";
}

export async function conductCampaign(
	prepared: PreparedCampaign,
	executor: Executor,
	{ shard, before = [], onRow, onDone, interrupted = () => false }: ConductOptions = {},
): Promise<Conducted> {
	const { campaign } = prepared;
	const runs = shard === undefined ? prepared.runs : shardRuns(prepared.runs, shard);
	const isOver = (): boolean => shard === undefined && isEnough(campaign, tally);
	const tally = new Tally();
	let stopped = false;
	for (const row of before) {
		tally.add(row);
		stopped ||= isOver();
	}
	/** Results that wait for earlier ones, by their places. */
	const waiting = new Map<number, ResultRow>();
	let next = before.length;
	let started = before.length;
	const lane = async (): Promise<void> => {
		while (started < runs.length && !stopped && !interrupted()) {
			const place = started++;
			const run = runs.at(place);
			const result = knownResult(run, prepared) ?? (await executor.execute(run.plan, run.run));
			const row = rowOf(run, result, prepared);
			waiting.set(place, row);
			onDone?.(next + waiting.size);
			for (let due = waiting.get(next); due !== undefined && !stopped; due = waiting.get(next)) {
				waiting.delete(next++);
				tally.add(due);
				onRow?.(due, tally);
				stopped = isOver();
			}
		}
	};
	await Promise.all(Array.from({ length: executor.width }, lane));
	if (stopped) return { tally, end: "stopped" };
	return { tally, end: next < runs.length ? "interrupted" : "complete" };
}

/** Runs before intervals say anything. */
const RUNS_MIN = 30;

/** Does the campaign stop here? */
export function isEnough({ stop }: Campaign, tally: Tally): boolean {
	if (stop === null) return false;
	if ("error" in stop) return tally.runs >= RUNS_MIN && tally.error <= stop.error;
	return tally.share(stop.outcome).runs >= (stop.runs ?? 1);
}

/** => null: the run is to be made */
function knownResult({ known, plan }: PlannedRun, { golden }: PreparedCampaign): RunResult | null {
	if (!known) return null;
	const evidence = evidenceOfKnown(golden, plan.rules, known.what);
	return { evidence, effort: { skipped: golden.instructions, executed: 0, early: true } };
}

function rowOf(
	{ run, templates, weight, points, known, plan }: PlannedRun,
	{ evidence, effort }: RunResult,
	{ golden, reference }: PreparedCampaign,
): ResultRow {
	const first = evidence.faults?.ledger[0]?.instructions;
	const phase = first === undefined ? (known?.phase ?? null) : phaseAt(first, golden);
	const outcome = classify(evidence, reference);
	return { run, outcome, templates, weight, points, phase, plan, evidence, effort };
}
