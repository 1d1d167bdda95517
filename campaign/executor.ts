/** Who does the runs: this thread, or workers in threads of their own. */
import { fileURLToPath } from "node:url";
import type { StaticPool } from "node-worker-threads-pool";
import type { Evidence } from "./run/evidence.ts";
import { evidenceOfFailure } from "./run/gather.ts";
import type { GoldenFacts } from "./run/golden.ts";
import { Runner, type RunnerOptions, type RunPlan, type RunResult } from "./run/runner.ts";

export interface Executor {
	/** Runs that it does at the same time. */
	readonly width: number;
	/**
	 * `run`: its number in the campaign.
	 * => never fails: a run that is lost is a result as well. At most `width` at a time.
	 */
	execute(plan: RunPlan, run: number): Promise<RunResult>;
	close(): Promise<void>;
}

/** Runs one after the other, in this thread. */
export function localExecutor(options: RunnerOptions): Executor {
	const runner = new Runner(options);
	return {
		width: 1,
		execute: async (plan) => runner.run(plan),
		close: async () => {},
	};
}

type Task = (plan: RunPlan) => RunResult;

export interface PoolOptions extends RunnerOptions {
	/** Workers. */
	readonly jobs: number;
	/** Milliseconds of the host after which a run is given up, and its worker. */
	readonly milliseconds: number;
	/** The file that each worker runs. Default: worker.js, as it is built. */
	readonly file?: string | undefined;
}

/** The built worker, seen from the sources and from the built program. */
export const WORKER = fileURLToPath(new URL("../campaign/worker.js", import.meta.url));

/** One worker, in a pool of its own: so it can be ended when it does not answer. */
class Slot {
	readonly #create: () => StaticPool<Task>;
	#pool: StaticPool<Task>;

	constructor(create: () => StaticPool<Task>) {
		this.#create = create;
		this.#pool = create();
	}

	/** => throws if the worker fails, or is not done after this time. */
	async execute(plan: RunPlan, milliseconds: number): Promise<RunResult> {
		const pool = this.#pool;
		let timer: NodeJS.Timeout | null = null;
		const late = new Promise<null>((resolve) => {
			timer = setTimeout(() => resolve(null), milliseconds);
			// The worker keeps the process alive, and when it is gone nobody waits.
			timer.unref();
		});
		try {
			const result = await Promise.race([pool.exec(plan), late]);
			if (result !== null) return result;
			this.#pool = this.#create();
			await pool.destroy();
			throw new Error(`the run took longer than ${milliseconds / 1000} s`);
		} finally {
			clearTimeout(timer!);
		}
	}

	async close(): Promise<void> {
		await this.#pool.destroy();
	}
}

/** => after `close` no run is executed any more. */
export async function poolExecutor(options: PoolOptions): Promise<Executor> {
	const { jobs, milliseconds, file = WORKER, ...rest } = options;
	// Imported only here: other commands start sooner without it.
	const { StaticPool: Pool } = await import("node-worker-threads-pool");
	const create = (): StaticPool<Task> =>
		new Pool<Task, RunnerOptions>({ size: 1, task: file, workerData: rest });
	const slots = Array.from({ length: jobs }, () => new Slot(create));
	const free = [...slots];
	return {
		width: jobs,
		async execute(plan) {
			const slot = free.pop()!;
			try {
				return await slot.execute(plan, milliseconds);
			} catch (error) {
				return lostRun(options.golden, `the worker failed: ${messageOf(error)}`);
			} finally {
				free.push(slot);
			}
		},
		async close() {
			await Promise.all(slots.map((slot) => slot.close()));
		},
	};
}

export const messageOf = (error: unknown): string =>
	error instanceof Error ? error.message : String(error);

export function lostRun(golden: GoldenFacts, error: string): RunResult {
	const evidence: Evidence = evidenceOfFailure(golden, error);
	return { evidence, effort: { skipped: 0, executed: 0, early: false } };
}
