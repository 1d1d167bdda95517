/** Who does the runs: this thread, or workers in threads of their own. */
import { fileURLToPath } from "node:url";
import type { Evidence } from "./evidence.ts";
import { evidenceOfFailure } from "./gather.ts";
import type { GoldenFacts } from "./golden.ts";
import { Runner, type RunnerOptions, type RunPlan, type RunResult } from "./runner.ts";

export interface Executor {
	/** Runs that it does at the same time. */
	readonly width: number;
	/** => never fails: a run that is lost is a result as well */
	execute(plan: RunPlan): Promise<RunResult>;
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

export interface PoolOptions extends RunnerOptions {
	/** Workers. */
	readonly jobs: number;
	/** Milliseconds of the host after which a run is given up, and its worker. */
	readonly milliseconds: number;
	/** The file that each worker runs. Default: worker.js, as it is built. */
	readonly file?: string | undefined;
}

/** The built worker, seen from the sources and from the built program. */
const WORKER = fileURLToPath(new URL("../campaign/worker.js", import.meta.url));

/** => after `close` no run is executed any more. */
export async function poolExecutor(options: PoolOptions): Promise<Executor> {
	const { jobs, milliseconds, file = WORKER, ...rest } = options;
	// Imported only here: other commands start sooner without it.
	const { StaticPool } = await import("node-worker-threads-pool");
	const pool = new StaticPool<(plan: RunPlan) => RunResult, RunnerOptions>({
		size: jobs,
		task: file,
		workerData: rest,
	});
	return {
		width: jobs,
		async execute(plan) {
			try {
				return await pool.createExecutor().setTimeout(milliseconds).exec(plan);
			} catch (error) {
				return lostRun(options.golden, reasonOf(error, milliseconds));
			}
		},
		close: () => pool.destroy(),
	};
}

function reasonOf(error: unknown, milliseconds: number): string {
	const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
	if (name === "TimeoutError") return `the run took longer than ${milliseconds / 1000} s`;
	return `the worker failed: ${message}`;
}

function lostRun(golden: GoldenFacts, error: string): RunResult {
	const evidence: Evidence = evidenceOfFailure(golden, error);
	return { evidence, effort: { skipped: 0, executed: 0, early: false } };
}
