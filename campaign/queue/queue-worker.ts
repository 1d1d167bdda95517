/**
 * Takes runs out of a queue and makes them, each in a thread, so that this thread can renew the
 * locks of the queue while they are computed.
 */
import type { Job, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { UserError } from "../../machine/user-error.ts";
import { type Executor, poolExecutor } from "../executor.ts";
import type { RunResult } from "../run/runner.ts";
import {
	codeHash,
	connect,
	loadBullmq,
	PREFIX,
	progressKey,
	QUEUE,
	type QueueProgress,
	type RunJob,
	refusal,
	setupKey,
	unpackCampaign,
} from "./queue.ts";

/** Milliseconds for which a run belongs to a worker that does not say that it is alive. */
const LOCK_MS = 8000;
/** Milliseconds between two searches for runs whose worker is gone. */
const STALLED_MS = 4000;
/** Workers that a run may lose before it counts as one that ends them. */
const STALLED_MAX = 10;
/** Milliseconds after which a run that was refused is offered again. */
const REFUSED_MS = 1000;
/** Campaigns whose workers are kept. */
const CAMPAIGNS_MAX = 2;

export interface QueueWorkerOptions {
	readonly url: string;
	/** Runs at the same time. */
	readonly jobs: number;
	/** A run is done; `done` is how many it were. */
	readonly onRun?: (done: number) => void;
}

/** The campaigns of which runs were made last. */
class Campaigns {
	readonly #loaded = new Map<string, { executor: Promise<Executor>; running: number }>();
	readonly #client: Redis;
	readonly #jobs: number;
	readonly #code: string;

	constructor(client: Redis, jobs: number, code: string) {
		this.#client = client;
		this.#jobs = jobs;
		this.#code = code;
	}

	/** => UserError if it is another campaign than the queue says */
	async run({ campaign: key, plan, run }: RunJob): Promise<RunResult> {
		const entry = this.#loaded.get(key) ?? { executor: this.#load(key), running: 0 };
		// The last one is the one that was used last.
		this.#loaded.delete(key);
		this.#loaded.set(key, entry);
		entry.running++;
		try {
			const executor = await entry.executor;
			this.#forget();
			return await executor.execute(plan, run);
		} catch (error) {
			this.#loaded.delete(key);
			throw error;
		} finally {
			entry.running--;
		}
	}

	async #load(key: string): Promise<Executor> {
		const bytes = await this.#client.getBuffer(setupKey(key));
		if (bytes === null) throw new Error(`campaign ${key}: the server does not have it`);
		const { runner, milliseconds } = unpackCampaign(bytes, key, this.#code);
		return poolExecutor({ ...runner, milliseconds, jobs: this.#jobs });
	}

	#forget(): void {
		for (const [key, { executor, running }] of this.#loaded) {
			if (this.#loaded.size <= CAMPAIGNS_MAX) return;
			if (running > 0) continue;
			this.#loaded.delete(key);
			void executor.then((old) => old.close());
		}
	}

	async progress(): Promise<QueueProgress | null> {
		const key = [...this.#loaded.keys()].at(-1);
		const text = key === undefined ? null : await this.#client.get(progressKey(key));
		return text === null ? null : (JSON.parse(text) as QueueProgress);
	}

	async close(): Promise<void> {
		const entries = [...this.#loaded.values()];
		const closed = entries.map(({ executor }) => executor.then((loaded) => loaded.close()));
		await Promise.allSettled(closed);
	}
}

export interface QueueWorker {
	/** Runs that it has done. */
	readonly done: number;
	/** Fails with a UserError when a run is refused, which others may do. */
	readonly refused: Promise<never>;
	/** Of the campaign of the last run; null: none yet. */
	progress(): Promise<QueueProgress | null>;
	/** => the runs that it makes are finished first */
	close(): Promise<void>;
}

/** => UserError if the server cannot be reached; later it is waited for. */
export async function queueWorker({ url, jobs, onRun }: QueueWorkerOptions): Promise<QueueWorker> {
	const bullmq = await loadBullmq();
	const code = codeHash();
	const client = await connect(url);
	const campaigns = new Campaigns(client, jobs, code);
	let done = 0;
	let refuse = (_: UserError): void => {};
	const refused = new Promise<never>((_, reject) => {
		refuse = reject;
	});
	refused.catch(() => {});
	let worker: Worker<RunJob, RunResult> | null = null;

	/** Give the run back, and take no others. */
	const giveBack = async (job: Job, token: string | undefined, why: string): Promise<never> => {
		void worker?.pause(true);
		await job.moveToDelayed(Date.now() + REFUSED_MS, token);
		refuse(new UserError(`work: ${why}`));
		throw new bullmq.DelayedError();
	};
	const process = async (job: Job<RunJob>, token?: string): Promise<RunResult> => {
		const why = refusal(job.data, code);
		if (why !== null) return await giveBack(job, token, why);
		try {
			const result = await campaigns.run(job.data);
			done++;
			onRun?.(done);
			return result;
		} catch (error) {
			if (!(error instanceof UserError)) throw error;
			return await giveBack(job, token, error.message);
		}
	};
	worker = new bullmq.Worker<RunJob, RunResult>(QUEUE, process, {
		...{ connection: client, prefix: PREFIX, concurrency: jobs },
		...{ lockDuration: LOCK_MS, stalledInterval: STALLED_MS, maxStalledCount: STALLED_MAX },
	});
	// A lost server comes back; a run that was given to another worker is that worker's.
	worker.on("error", () => {});
	return {
		get done() {
			return done;
		},
		refused,
		progress: () => campaigns.progress(),
		async close() {
			await worker.close();
			await campaigns.close();
			client.disconnect();
		},
	};
}
