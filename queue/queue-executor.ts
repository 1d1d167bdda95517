/** An executor that puts the parts of a work into a queue, for workers on any machine. */
import type { Job, Queue } from "bullmq";
import type { Redis } from "ioredis";
import { VERSION } from "../computer/version.ts";
import { UserError } from "../machine/user-error.ts";
import {
	connect,
	jobId,
	KEPT_SECONDS,
	loadBullmq,
	PREFIX,
	progressKey,
	QUEUE,
	type QueueJob,
	type QueueKindName,
	type QueueProgress,
	setupKey,
	shown,
	shownUrl,
} from "./queue.ts";

/** Who makes the parts of a work. */
export interface QueueExecutor<Plan, Result> {
	/** Parts that it has made at the same time. */
	readonly width: number;
	/** `run`: its number in the work. => never fails: a part that is lost is a result as well */
	execute(plan: Plan, run: number): Promise<Result>;
	close(): Promise<void>;
}

/** What is made. */
export interface QueuedWork<Result> {
	readonly kind: QueueKindName;
	/** For people. */
	readonly name: string;
	/** The same for the same parts with the same results. */
	readonly key: string;
	/** What a worker has to know of it. */
	readonly setup: Buffer;
	/** Of the code that makes it. */
	readonly code: string;
	/** Parts that are made already, and in all. */
	readonly before: number;
	readonly total: number;
	/** Is it what the parts result in? Anyone can write to the server. */
	readonly isResult: (value: unknown) => value is Result;
	/** The result of a part that no worker could make. */
	readonly lost: (reason: string) => Result;
}

/** Parts in the queue at the same time. */
const WIDTH = 512;
/** Milliseconds between two comparisons of what the server has with what it should have. */
const RECONCILE_MS = 1000;
/** Milliseconds to take back parts that nobody waits for any more. */
const CLOSE_MS = 3000;
/** How often a part is tried again when a worker fails at it. */
const ATTEMPTS = 5;
const BACKOFF_MS = 1000;

interface Waiting<Plan, Result> {
	readonly job: QueueJob<Plan>;
	readonly done: (result: Result) => void;
}

class Parts<Plan, Result> {
	readonly #waiting = new Map<string, Waiting<Plan, Result>>();
	readonly #client: Redis;
	readonly #queue: Queue;
	readonly #work: QueuedWork<Result>;
	readonly #timer: NodeJS.Timeout;
	#done: number;
	#reconciling = false;

	constructor(work: QueuedWork<Result>, client: Redis, queue: Queue) {
		this.#work = work;
		this.#client = client;
		this.#queue = queue;
		this.#done = work.before;
		this.#timer = setInterval(() => void this.#reconcile(), RECONCILE_MS);
	}

	/** Before the first part: workers look for it. */
	async publish(): Promise<void> {
		const { kind, key: work, name, total, setup } = this.#work;
		const key = setupKey(kind, work);
		if ((await this.#client.expire(key, KEPT_SECONDS)) === 0) {
			await this.#client.set(key, setup, "EX", KEPT_SECONDS);
		}
		const progress: QueueProgress = { name, done: this.#done, total };
		await this.#client.set(progressKey(work), JSON.stringify(progress), "EX", KEPT_SECONDS);
	}

	execute(plan: Plan, run: number): Promise<Result> {
		const { key: work, code } = this.#work;
		const id = jobId(work, run);
		const job = { work, run, plan, version: VERSION, code };
		return new Promise((done) => {
			this.#waiting.set(id, { job, done });
			// If it fails, it is noticed that the job is missing.
			this.#add(id, job).catch(() => {});
		});
	}

	/** => does nothing if the job is there already */
	async #add(id: string, job: QueueJob<Plan>): Promise<void> {
		const kept = { age: KEPT_SECONDS };
		await this.#queue.add(this.#work.kind, job, {
			...{ jobId: id, attempts: ATTEMPTS, backoff: { type: "fixed", delay: BACKOFF_MS } },
			...{ removeOnComplete: kept, removeOnFail: kept },
		});
	}

	/** => a second result of a part changes nothing */
	take(id: string, value: unknown): void {
		const waiting = this.#waiting.get(id);
		if (waiting === undefined) return;
		this.#waiting.delete(id);
		this.#done++;
		const { isResult, lost } = this.#work;
		waiting.done(isResult(value) ? value : lost("the result on the server is damaged"));
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

	async #compare(id: string, job: Job<QueueJob> | undefined): Promise<void> {
		const waiting = this.#waiting.get(id);
		if (waiting === undefined) return;
		if (job === undefined) return this.#add(id, waiting.job);
		if (job.finishedOn === undefined) return;
		if (job.returnvalue) this.take(id, job.returnvalue);
		else this.fail(id, job.failedReason ?? "");
	}

	fail(id: string, reason: string): void {
		this.take(id, this.#work.lost(`the run was lost: ${reason}`));
	}

	/** => parts that no worker has begun are taken back */
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
export async function queueParts<Plan, Result>(
	url: string,
	work: QueuedWork<Result>,
): Promise<QueueExecutor<Plan, Result>> {
	const { Queue, QueueEvents } = await loadBullmq();
	const { client, end } = await connect(url);
	const common = { connection: client, prefix: PREFIX };
	const queue = new Queue(QUEUE, common);
	const events = new QueueEvents(QUEUE, common);
	queue.on("error", () => {});
	events.on("error", () => {});
	const parts = new Parts<Plan, Result>(work, client, queue);
	events.on("completed", ({ jobId: id, returnvalue }) => {
		parts.take(id, returnvalue);
	});
	const close = async (): Promise<void> => {
		await parts.close();
		// Without a server they would wait for it.
		await Promise.race([
			Promise.allSettled([events.close(), queue.close()]),
			new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref()),
		]);
		end();
	};
	try {
		await parts.publish();
	} catch (error) {
		await close();
		const why = error instanceof Error ? error.message : error;
		throw new UserError(`--queue ${shownUrl(url)}: ${shown(why)}`);
	}
	return {
		width: WIDTH,
		execute: (plan, run) => parts.execute(plan, run),
		close,
	};
}
