/** Campaigns in a queue: their runs are made by workers on any machine. */

import { UserError } from "../machine/user-error.ts";
import { codeHash, digest, pack, unpack } from "../queue/queue.ts";
import { queueParts } from "../queue/queue-executor.ts";
import type { QueueKind } from "../queue/queue-worker.ts";
import type { Campaign } from "./campaign.ts";
import { identityOf, type PreparedCampaign } from "./conduct.ts";
import { type Executor, lostRun, poolExecutor, WORKER } from "./executor.ts";
import type { Identity } from "./results.ts";
import { evidenceOfGolden } from "./run/gather.ts";
import type { GoldenFacts } from "./run/golden.ts";
import type { RunnerOptions, RunPlan, RunResult } from "./run/runner.ts";

/** What a worker has to know of a campaign. */
interface QueuedCampaign {
	readonly identity: Identity;
	readonly campaign: Campaign;
	readonly runsMax: number | undefined;
	readonly runner: RunnerOptions;
	/** Milliseconds of the host after which a run is given up. */
	readonly milliseconds: number;
}

/** The campaign's key: another version, build, configuration or golden run has another one. */
function campaignKey({ identity, runner }: QueuedCampaign, code: string): string {
	const { golden } = runner;
	return digest(JSON.stringify([identity, code, golden.stateHash, golden.cycles]));
}

/** => UserError unless it is what the key says, as this program understands it. */
function unpackCampaign(bytes: Uint8Array, key: string, code: string): QueuedCampaign {
	let queued: QueuedCampaign;
	let hash: string;
	try {
		queued = unpack(bytes) as QueuedCampaign;
		hash = identityOf(queued.campaign, queued.runner.workload, queued.runsMax).hash;
	} catch {
		throw new UserError(`campaign ${key}: its data on the server is damaged`);
	}
	if (hash !== queued.identity.hash || campaignKey(queued, code) !== key) {
		throw new UserError(`campaign ${key}: its configuration has another hash here`);
	}
	return queued;
}

/** Has `value` all that `like` has, of the same kinds? */
function isLike(value: unknown, like: unknown): boolean {
	if (like === null) return value !== undefined;
	if (Array.isArray(like)) return Array.isArray(value);
	if (typeof value !== typeof like || value === null) return false;
	if (typeof like !== "object") return true;
	const fields = value as Record<string, unknown>;
	return Object.entries(like as object).every(([name, field]) => isLike(fields[name], field));
}

/** Is it what a worker sends of a campaign with this golden run? */
function isRunResult(value: unknown, golden: GoldenFacts): value is RunResult {
	const { effort } = lostRun(golden, "");
	if (!isLike(value, { evidence: { ...evidenceOfGolden(golden), faults: null }, effort })) {
		return false;
	}
	const { faults } = (value as RunResult).evidence;
	const none = { applied: 0, rules: [], notFired: [], ledger: [] };
	return faults === null || isLike(faults, none);
}

export interface QueueExecutorOptions {
	/** As redis://host:port. */
	readonly url: string;
	readonly prepared: PreparedCampaign;
	/** As in PoolOptions. */
	readonly milliseconds: number;
	/** Runs that are done already. */
	readonly before?: number | undefined;
	/** Runs to be done in all. */
	readonly total?: number | undefined;
}

/** => UserError if the server cannot be reached; later it is waited for. */
export async function queueExecutor(options: QueueExecutorOptions): Promise<Executor> {
	const { url, prepared, milliseconds, before = 0, total = prepared.runs.length } = options;
	const { identity, campaign, runsMax, runner } = prepared;
	const queued: QueuedCampaign = { identity, campaign, runsMax, runner, milliseconds };
	const code = codeHash(WORKER);
	return await queueParts<RunPlan, RunResult>(url, {
		...{ kind: "campaign", name: campaign.name, code, before, total },
		...{ key: campaignKey(queued, code), setup: pack(queued) },
		isResult: (value) => isRunResult(value, runner.golden),
		lost: (reason) => lostRun(runner.golden, reason),
	});
}

/** How workers make the runs of campaigns. */
export function campaignsInQueue(): QueueKind {
	const code = codeHash(WORKER);
	return {
		kind: "campaign",
		code,
		async executor(setup, key, jobs) {
			const { runner, milliseconds } = unpackCampaign(setup, key, code);
			const pool = await poolExecutor({ ...runner, milliseconds, jobs });
			return { ...pool, execute: (plan, run) => pool.execute(plan as RunPlan, run) };
		},
	};
}
