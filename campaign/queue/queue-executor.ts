/** An executor that puts runs into a queue, for workers on any machine. */
import type { Job, Queue } from "bullmq";
import type { Redis } from "ioredis";
import { VERSION } from "../../computer/version.ts";
import type { PreparedCampaign } from "../conduct.ts";
import { type Executor, lostRun, messageOf } from "../executor.ts";
import type { RunPlan, RunResult } from "../run/runner.ts";
import {
	campaignKey,
	codeHash,
	connect,
	jobId,
	KEPT_SECONDS,
	loadBullmq,
	PREFIX,
	packCampaign,
	progressKey,
	QUEUE,
	type QueueProgress,
	queuedCampaign,
	type RunJob,
	setupKey,
} from "./queue.ts";

/** Runs in the queue at the same time. */
const WIDTH = 512;
/** Milliseconds between two comparisons of what the server has with what it should have. */
const RECONCILE_MS = 1000;
/** Milliseconds to take back runs that nobody waits for any more. */
const CLOSE_MS = 3000;
/** How often a run is tried again when a worker fails at it. */
const ATTEMPTS = 5;
const BACKOFF_MS = 1000;

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

interface Waiting {
	readonly job: RunJob;
	readonly done: (result: RunResult) => void;
}

class QueueExecutor implements Executor {
	readonly width = WIDTH;
	readonly #waiting = new Map<string, Waiting>();
	readonly #client: Redis;
	readonly #queue: Queue<RunJob, RunResult>;
	readonly #options: QueueExecutorOptions;
	readonly #setup: Buffer;
	readonly #code: string;
	readonly #key: string;
	readonly #timer: NodeJS.Timeout;
	#done: number;
	#reconciling = false;

	constructor(
		options: QueueExecutorOptions,
		client: Redis,
		queue: Queue<RunJob, RunResult>,
		code: string,
	) {
		const { prepared, milliseconds, before = 0 } = options;
		const queued = queuedCampaign(prepared, milliseconds);
		this.#options = options;
		this.#client = client;
		this.#queue = queue;
		this.#code = code;
		this.#key = campaignKey(queued, code);
		this.#setup = packCampaign(queued);
		this.#done = before;
		this.#timer = setInterval(() => void this.#reconcile(), RECONCILE_MS);
	}

	/** Before the first run: workers look for it. */
	async publish(): Promise<void> {
		const key = setupKey(this.#key);
		if ((await this.#client.expire(key, KEPT_SECONDS)) === 0) {
			await this.#client.set(key, this.#setup, "EX", KEPT_SECONDS);
		}
		const { prepared, total = prepared.runs.length } = this.#options;
		const progress: QueueProgress = { name: prepared.campaign.name, done: this.#done, total };
		await this.#client.set(progressKey(this.#key), JSON.stringify(progress), "EX", KEPT_SECONDS);
	}

	execute(plan: RunPlan, run: number): Promise<RunResult> {
		const id = jobId(this.#key, run);
		const job = { campaign: this.#key, run, plan, version: VERSION, code: this.#code };
		return new Promise((done) => {
			this.#waiting.set(id, { job, done });
			// If it fails, it is noticed that the job is missing.
			this.#add(id, job).catch(() => {});
		});
	}

	/** => does nothing if the job is there already */
	async #add(id: string, job: RunJob): Promise<void> {
		const kept = { age: KEPT_SECONDS };
		await this.#queue.add("run", job, {
			...{ jobId: id, attempts: ATTEMPTS, backoff: { type: "fixed", delay: BACKOFF_MS } },
			...{ removeOnComplete: kept, removeOnFail: kept },
		});
	}

	/** => a second result of a run changes nothing */
	take(id: string, result: RunResult): void {
		const waiting = this.#waiting.get(id);
		if (waiting === undefined) return;
		this.#waiting.delete(id);
		this.#done++;
		waiting.done(result);
		this.#queue.remove(id).catch(() => {});
	}

	/** The server may have lost jobs, and we may have missed events. */
	async #reconcile(): Promise<void> {
		if (this.#reconciling) return;
		this.#reconciling = true;
		try {
			await this.publish();
			const ids = [...this.#waiting.keys()];
			const jobs = await Promise.all(ids.map((id) => this.#queue.getJob(id)));
			await Promise.all(ids.map((id, i) => this.#compare(id, jobs[i])));
		} catch {
			// The server is away; the next attempt may find it.
		} finally {
			this.#reconciling = false;
		}
	}

	async #compare(id: string, job: Job<RunJob, RunResult> | undefined): Promise<void> {
		const waiting = this.#waiting.get(id);
		if (waiting === undefined) return;
		if (job === undefined) return this.#add(id, waiting.job);
		if (job.finishedOn === undefined) return;
		if (job.returnvalue) this.take(id, job.returnvalue);
		else this.fail(id, job.failedReason ?? "");
	}

	fail(id: string, reason: string): void {
		const { golden } = this.#options.prepared;
		this.take(id, lostRun(golden, `the run was lost: ${reason}`));
	}

	/** => runs that no worker has begun are taken back */
	async close(): Promise<void> {
		clearInterval(this.#timer);
		const ids = [...this.#waiting.keys()];
		this.#waiting.clear();
		const removed = Promise.allSettled(ids.map((id) => this.#queue.remove(id)));
		const late = new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref());
		await Promise.race([removed, late]);
	}
}

/** => UserError if the server cannot be reached; later it is waited for. */
export async function queueExecutor(options: QueueExecutorOptions): Promise<Executor> {
	const { Queue, QueueEvents } = await loadBullmq();
	const code = codeHash();
	const client = await connect(options.url);
	const common = { connection: client, prefix: PREFIX };
	const queue = new Queue<RunJob, RunResult>(QUEUE, common);
	const events = new QueueEvents(QUEUE, common);
	queue.on("error", () => {});
	events.on("error", () => {});
	const executor = new QueueExecutor(options, client, queue, code);
	events.on("completed", ({ jobId: id, returnvalue }) => {
		executor.take(id, returnvalue as unknown as RunResult);
	});
	try {
		await executor.publish();
	} catch (error) {
		await executor.close();
		client.disconnect();
		throw new Error(`queue: ${messageOf(error)}`);
	}
	return {
		width: executor.width,
		execute: (plan, run) => executor.execute(plan, run),
		async close() {
			await executor.close();
			// Without a server they would wait for it.
			await Promise.race([
				Promise.allSettled([events.close(), queue.close()]),
				new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref()),
			]);
			client.disconnect();
		},
	};
}
