/**
 * A whole campaign: the golden run, then the runs of its sample, some at the same time. Results
 * come in the order of their numbers, so that they do not depend on who was faster.
 */
import { createHash } from "node:crypto";
import { VERSION } from "../computer/version.ts";
import { UserError } from "../machine/user-error.ts";
import type { Campaign } from "./campaign.ts";
import { classify } from "./classify.ts";
import type { Evidence } from "./evidence.ts";
import type { Executor } from "./executor.ts";
import { evidenceOfGolden } from "./gather.ts";
import { type GoldenFacts, measureGolden } from "./golden.ts";
import type { Identity, ResultRow } from "./results.ts";
import type { RunnerOptions, RunResult } from "./runner.ts";
import { listRuns, type PlannedRun, type RunList } from "./sampling.ts";
import { type Shard, shardRuns } from "./shard.ts";
import { countingPlan, spaceOf } from "./space.ts";
import { PHASES, Tally } from "./tally.ts";
import type { Workload } from "./workload.ts";

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
 * => UserError if the campaign does not fit the workload.
 */
export function prepareCampaign(
	campaign: Campaign,
	workload: Workload,
	runs?: number,
): PreparedCampaign {
	const counting = countingPlan(campaign);
	const { limits, checkpoints, earlyStop } = campaign;
	const goldenLimits = { ...GOLDEN_LIMITS, seconds: limits.seconds * GOLDEN_TIMES };
	const golden = withNames(campaign, () => measureGolden(workload, counting, goldenLimits));
	return {
		campaign,
		golden,
		reference: evidenceOfGolden(golden),
		runs: listRuns(campaign, spaceOf(campaign, golden), runs),
		identity: identityOf(campaign, workload, runs),
		runner: { workload, golden, counting, limits, checkpoints, earlyStop },
		runsMax: runs,
	};
}

/** A rule that counts has the fault of the template that it was made of. */
function withNames<T>({ rules }: Campaign, action: () => T): T {
	try {
		return action();
	} catch (error) {
		if (!(error instanceof UserError)) throw error;
		const message = error.message.replace(
			/^fault count:(\d+):\d+/,
			(_, i) => `rule ${Number(i) + 1} (${rules[Number(i)]!.id})`,
		);
		throw new UserError(message);
	}
}

/** The hash is of everything that results depend on. `runs` as in listRuns. */
export function identityOf(campaign: Campaign, workload: Workload, runs?: number): Identity {
	const hash = createHash("sha256");
	const replacer = (_: string, value: unknown): unknown =>
		value instanceof Uint8Array ? createHash("sha256").update(value).digest("hex") : value;
	hash.update(JSON.stringify([campaign, workload, runs ?? null], replacer));
	return { version: VERSION, hash: hash.digest("hex") };
}

/** The golden run as golden.json has it: of the whole campaign, also in the folder of a shard. */
export interface GoldenFile {
	readonly evidence: Evidence;
	readonly console: string;
	readonly candidates: Readonly<Record<string, number>>;
	/** Points of the fault space; null: without number. */
	readonly population: number | null;
	readonly runs: number;
}

export function describeGolden({ golden, reference, runs }: PreparedCampaign): GoldenFile {
	return {
		evidence: reference,
		console: new TextDecoder().decode(golden.console),
		candidates: Object.fromEntries(golden.candidates),
		population: Number.isFinite(runs.population) ? runs.population : null,
		runs: runs.length,
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
			const row = rowOf(run, await executor.execute(run.plan, run.run), prepared);
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

function rowOf(
	{ run, templates, weight, plan }: PlannedRun,
	{ evidence, effort }: RunResult,
	{ golden, reference }: PreparedCampaign,
): ResultRow {
	const first = evidence.faults?.ledger[0]?.instructions;
	const phase =
		first === undefined
			? null
			: Math.min(PHASES - 1, Math.floor((first / golden.instructions) * PHASES));
	const outcome = classify(evidence, reference);
	return { run, outcome, templates, weight, phase, plan, evidence, effort };
}
