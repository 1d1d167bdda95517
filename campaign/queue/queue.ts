/**
 * What the two sides of a queue agree on: `inject --queue` puts runs into it, `uvmachine work`
 * takes them out. The queue is BullMQ's, on a Redis server; both packages are loaded only here,
 * and only when a queue is asked for.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { deserialize, serialize } from "node:v8";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Redis } from "ioredis";
import { VERSION } from "../../computer/version.ts";
import { UserError } from "../../machine/user-error.ts";
import type { Campaign } from "../campaign.ts";
import { identityOf, type PreparedCampaign } from "../conduct.ts";
import { WORKER } from "../executor.ts";
import type { Identity } from "../results.ts";
import type { RunnerOptions, RunPlan } from "../run/runner.ts";

export const QUEUE = "runs";
/** Of all keys on the server. */
export const PREFIX = "uvmachine";
/** Seconds that the server keeps what nobody asks for any more. */
export const KEPT_SECONDS = 7 * 24 * 3600;

/** A run in the queue. */
export interface RunJob {
	/** The campaign's key on the server. */
	readonly campaign: string;
	readonly run: number;
	readonly plan: RunPlan;
	/** Of the program that has made the plan. */
	readonly version: string;
	readonly code: string;
}

/** What a worker has to know of a campaign. */
export interface QueuedCampaign {
	readonly identity: Identity;
	readonly campaign: Campaign;
	readonly runsMax: number | undefined;
	readonly runner: RunnerOptions;
	/** Milliseconds of the host after which a run is given up. */
	readonly milliseconds: number;
}

/** How far a campaign is, for the workers' progress. */
export interface QueueProgress {
	readonly name: string;
	readonly done: number;
	readonly total: number;
}

export const setupKey = (campaign: string): string => `${PREFIX}:campaign:${campaign}`;
export const progressKey = (campaign: string): string => `${PREFIX}:progress:${campaign}`;

/** The identity of a run: whoever does it, and however often, it is one job with one result. */
export const jobId = (campaign: string, run: number): string => `${campaign}-${run}`;

const digest = (data: string | Uint8Array): string =>
	createHash("sha256").update(data).digest("hex").slice(0, 24);

/** Of the code that makes the runs: two builds of one version may differ. */
export function codeHash(file: string = WORKER): string {
	try {
		return digest(readFileSync(file));
	} catch (error) {
		throw new UserError(`${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
	}
}

/** The campaign's key: another version, build, configuration or golden run has another one. */
export function campaignKey({ identity, runner }: QueuedCampaign, code: string): string {
	const { golden } = runner;
	return digest(JSON.stringify([identity, code, golden.stateHash, golden.cycles]));
}

export function queuedCampaign(prepared: PreparedCampaign, milliseconds: number): QueuedCampaign {
	const { identity, campaign, runsMax, runner } = prepared;
	return { identity, campaign, runsMax, runner, milliseconds };
}

export const packCampaign = (queued: QueuedCampaign): Buffer =>
	gzipSync(serialize(queued), { level: 1 });

/** => UserError unless it is what the key says, as this program understands it. */
export function unpackCampaign(bytes: Uint8Array, key: string, code: string): QueuedCampaign {
	let queued: QueuedCampaign;
	let hash: string;
	try {
		queued = deserialize(gunzipSync(bytes)) as QueuedCampaign;
		hash = identityOf(queued.campaign, queued.runner.workload, queued.runsMax).hash;
	} catch {
		throw new UserError(`campaign ${key}: its data on the server is damaged`);
	}
	if (hash !== queued.identity.hash || campaignKey(queued, code) !== key) {
		throw new UserError(`campaign ${key}: its configuration has another hash here`);
	}
	return queued;
}

/** => null if the run can be made by this program, or why not. */
export function refusal({ version, code }: RunJob, ownCode: string): string | null {
	if (version !== VERSION) return `the campaign is of version ${version}, and this is ${VERSION}`;
	if (code !== ownCode) return `the campaign is of another build of version ${VERSION}`;
	return null;
}

/** Without the password. */
export function shownUrl(url: string): string {
	const shown = new URL(url);
	shown.password = shown.password === "" ? "" : "***";
	return shown.href;
}

/** => the module. UserError if it is not installed. */
async function optional<T>(load: () => Promise<T>, name: string): Promise<T> {
	try {
		return await load();
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
		throw new UserError(`--queue: needs the package ${name}: npm install bullmq ioredis`);
	}
}

export const loadBullmq = (): Promise<typeof import("bullmq")> =>
	optional(() => import("bullmq"), "bullmq");

/** Milliseconds between two attempts to reach a server that was lost. */
const RETRY_MS = 500;

/**
 * A connection that comes back whenever the server does.
 * => UserError if the server cannot be reached now.
 */
export async function connect(url: string): Promise<Redis> {
	const { Redis: Client } = await optional(() => import("ioredis"), "ioredis");
	if (!/^rediss?:\/\//.test(url) || !URL.canParse(url)) {
		throw new UserError(`--queue ${url}: expected a Redis server, such as redis://127.0.0.1:6379`);
	}
	// The first attempt is not repeated: the address may be wrong.
	const probe = new Client(url, { lazyConnect: true, retryStrategy: () => null });
	let cause = "";
	probe.on("error", (error: NodeJS.ErrnoException) => {
		cause = error.code ?? error.message;
	});
	try {
		await probe.connect();
		await probe.ping();
	} catch (error) {
		const why = cause || (error as Error).message;
		throw new UserError(`--queue ${shownUrl(url)}: cannot be reached (${why})`);
	} finally {
		probe.disconnect();
	}
	const client = new Client(url, { maxRetriesPerRequest: null, retryStrategy: () => RETRY_MS });
	// It comes back by itself.
	client.on("error", () => {});
	return client;
}
