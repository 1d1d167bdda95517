/**
 * Takes parts of works out of a queue and makes them, each in a thread, so that this thread can renew
 * the locks of the queue while they are computed.
 */
import type { Job, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { UserError } from "../machine/user-error.ts";
import {
	connect,
	loadBullmq,
	PREFIX,
	progressKey,
	QUEUE,
	type QueueJob,
	type QueueKindName,
	type QueueProgress,
	refusal,
	setupKey,
	shown,
} from "./queue.ts";
import type { QueueExecutor } from "./queue-executor.ts";

/** Milliseconds for which a part belongs to a worker that does not say that it is alive. */
const LOCK_MS = 8000;
/** Milliseconds between two searches for parts whose worker is gone. */
const STALLED_MS = 4000;
/** Workers that a part may lose before it counts as one that ends them. */
const STALLED_MAX = 10;
/** Milliseconds after which a part that was refused is offered again. */
const REFUSED_MS = 1000;
/** Milliseconds to hand over what was made, and to take leave of the server. */
const CLOSE_MS = 3000;
const late = (): Promise<unknown> => new Promise((done) => setTimeout(done, CLOSE_MS).unref());
/** Works whose threads are kept. */
const WORKS_MAX = 2;

/** A kind of work, and how its parts are made. */
export interface QueueKind {
	readonly kind: QueueKindName;
	/** The hash of the code that makes them. */
	readonly code: string;
	/**
	 * From what is on the server, with `jobs` threads.
	 * => UserError unless it is what the key says, as this program understands it.
	 */
	executor(setup: Uint8Array, key: string, jobs: number): Promise<QueueExecutor<unknown, unknown>>;
}

export interface QueueWorkerOptions {
	readonly url: string;
	/** Parts at the same time. */
	readonly jobs: number;
	/** A part is done; `done` is how many it were. */
	readonly onRun?: ((done: number) => void) | undefined;
}

/** => null if it is none */
function progressOf(text: string): QueueProgress | null {
	try {
		const { name, done, total } = JSON.parse(text) as QueueProgress;
		return { name: shown(name), done: Number(done), total: Number(total) };
	} catch {
		return null;
	}
}

/** => nothing, if it could not be made */
function release(executor: Promise<QueueExecutor<unknown, unknown>>): void {
	executor.then(
		(old) => old.close(),
		() => {},
	);
}

/** The works of which parts were made last. */
class Works {
	readonly #loaded = new Map<
		string,
		{ executor: Promise<QueueExecutor<unknown, unknown>>; running: number }
	>();
	/** Parts that are being made now. */
	readonly making = new Set<Promise<unknown>>();
	readonly #client: Redis;
	readonly #jobs: number;

	constructor(client: Redis, jobs: number) {
		this.#client = client;
		this.#jobs = jobs;
	}

	/** => UserError if it is another work than the queue says */
	async run(kind: QueueKind, { work: key, plan, run }: QueueJob): Promise<unknown> {
		const entry = this.#loaded.get(key) ?? { executor: this.#load(kind, key), running: 0 };
		// The last one is the one that was used last.
		this.#loaded.delete(key);
		this.#loaded.set(key, entry);
		entry.running++;
		try {
			const executor = await entry.executor;
			this.#forget();
			const part = executor.execute(plan, run);
			this.making.add(part);
			return await part.finally(() => this.making.delete(part));
		} catch (error) {
			if (this.#loaded.get(key) === entry) this.#loaded.delete(key);
			throw error;
		} finally {
			entry.running--;
			// The last part of a work that has failed in another one.
			if (entry.running === 0 && this.#loaded.get(key) !== entry) release(entry.executor);
		}
	}

	async #load(kind: QueueKind, key: string): Promise<QueueExecutor<unknown, unknown>> {
		const bytes = await this.#client.getBuffer(setupKey(kind.kind, key));
		if (bytes === null) throw new Error(`${kind.kind} ${key}: the server does not have it`);
		return await kind.executor(bytes, key, this.#jobs);
	}

	#forget(): void {
		for (const [key, { executor, running }] of this.#loaded) {
			if (this.#loaded.size <= WORKS_MAX) return;
			if (running > 0) continue;
			this.#loaded.delete(key);
			release(executor);
		}
	}

	async progress(): Promise<QueueProgress | null> {
		const key = [...this.#loaded.keys()].at(-1);
		const text = key === undefined ? null : await this.#client.get(progressKey(key));
		return text === null ? null : progressOf(text);
	}

	async close(): Promise<void> {
		const entries = [...this.#loaded.values()];
		const closed = entries.map(({ executor }) => executor.then((loaded) => loaded.close()));
		await Promise.allSettled(closed);
	}
}

export interface QueueWorker {
	/** Parts that it has made. */
	readonly done: number;
	/** Fails with a UserError when a part is refused, which others may make. */
	readonly refused: Promise<never>;
	/** Of the work of the last part; null: none yet. */
	progress(): Promise<QueueProgress | null>;
	/** => the parts that it makes are finished first */
	close(): Promise<void>;
}

/** => UserError if the server cannot be reached; later it is waited for. */
export async function queueMaker(
	{ url, jobs, onRun }: QueueWorkerOptions,
	kinds: readonly QueueKind[],
): Promise<QueueWorker> {
	const bullmq = await loadBullmq();
	const { client, end } = await connect(url);
	const works = new Works(client, jobs);
	let done = 0;
	let refuse = (_: UserError): void => {};
	const refused = new Promise<never>((_, reject) => {
		refuse = reject;
	});
	refused.catch(() => {});
	let worker: Worker<QueueJob, unknown> | null = null;

	/** Take no other parts. => those that are made are handed over */
	let stopped: Promise<unknown> | null = null;
	const stop = (): Promise<unknown> => {
		stopped ??= Promise.allSettled([worker?.pause()]);
		return stopped;
	};

	/** Give the part back, and take no others. */
	const giveBack = async (job: Job, token: string | undefined, why: string): Promise<never> => {
		void stop();
		await job.moveToDelayed(Date.now() + REFUSED_MS, token);
		refuse(new UserError(`work: ${why}`));
		throw new bullmq.DelayedError();
	};
	const process = async (job: Job<QueueJob>, token?: string): Promise<unknown> => {
		const kind = kinds.find((known) => known.kind === job.name);
		if (kind === undefined) {
			return await giveBack(job, token, `${shown(job.name)}: no kind of work`);
		}
		const why = refusal(kind.kind, job.data, kind.code);
		if (why !== null) return await giveBack(job, token, why);
		try {
			const result = await works.run(kind, job.data);
			done++;
			onRun?.(done);
			return result;
		} catch (error) {
			if (!(error instanceof UserError)) throw error;
			return await giveBack(job, token, error.message);
		}
	};
	worker = new bullmq.Worker<QueueJob, unknown>(QUEUE, process, {
		...{ connection: client, prefix: PREFIX, concurrency: jobs },
		...{ lockDuration: LOCK_MS, stalledInterval: STALLED_MS, maxStalledCount: STALLED_MAX },
	});
	// A lost server comes back; a part that was given to another worker is that worker's.
	worker.on("error", () => {});
	return {
		get done() {
			return done;
		},
		refused,
		progress: () => works.progress(),
		async close() {
			const handed = stop();
			await Promise.allSettled(works.making);
			// Without a server both would wait for it.
			await Promise.race([handed, late()]);
			await Promise.race([worker.close(true), late()]);
			// A work whose data is still awaited from the server fails.
			end();
			await works.close();
		},
	};
}
