/** Runs the points of an experiment, and hands out their results in order. */
import { fileURLToPath } from "node:url";
import type { Workload } from "../campaign/run/workload.ts";
import { UserError } from "../machine/user-error.ts";
import type { Marks } from "./between.ts";
import { type Limits, type Measured, measure, measureTrace } from "./measure.ts";
import type { Parameters } from "./points.ts";
import type { TraceWorkload } from "./trace-file.ts";

/** A point that was measured. */
export interface Row extends Measured {
	/** From 0. */
	readonly point: number;
	readonly parameters: Parameters;
}

/** What a point runs. */
export type ExperimentWorkload = Workload | TraceWorkload;

export interface Task {
	readonly workload: ExperimentWorkload;
	readonly limits: Limits;
	readonly between: Marks | null;
}

/** What became of a point: what it has counted, or why it has not. */
export type Outcome = Measured | { readonly failed: string };

/** Who measures points. */
export interface PointExecutor {
	/** Points that it measures at the same time. */
	readonly width: number;
	/** `point`: from 0. => at most `width` at a time; throws only if something is broken */
	execute(task: Task, point: number): Promise<Outcome>;
	close(): Promise<void>;
}

export interface ConductOptions {
	readonly points: readonly {
		readonly parameters: Parameters;
		readonly workload: ExperimentWorkload;
	}[];
	/** Results that are there already: of the first points. */
	readonly done: readonly Row[];
	readonly limits: Limits;
	/** What a program prints around what counts. Default: all of a run counts. */
	readonly between?: Marks | null | undefined;
	/** Threads. */
	readonly jobs: number;
	/** Who measures points instead; it is not closed. Default: threads of this process. */
	readonly executor?: PointExecutor | undefined;
	/** Gets each result, in the order of the points. */
	readonly onRow: (row: Row) => void;
	/** A point was measured, in whatever order. */
	readonly onDone?: (() => void) | undefined;
	/** The file that each worker runs. Default: worker.js, as it is built. */
	readonly file?: string | undefined;
}

/** The built worker, seen from the sources and from the built program. */
export const WORKER = fileURLToPath(new URL("../experiment/worker.js", import.meta.url));

export async function measurePoint({ workload, limits, between }: Task): Promise<Outcome> {
	try {
		if (workload.kind === "trace") return await measureTrace(workload, limits);
		return measure(workload, limits, between);
	} catch (error) {
		if (!(error instanceof UserError)) throw error;
		return { failed: error.message };
	}
}

/** With `jobs` threads, or this one. `file`: what each runs */
export async function pointPool(jobs: number, file = WORKER): Promise<PointExecutor> {
	if (jobs <= 1) return { width: 1, execute: measurePoint, close: async () => {} };
	return await pointThreads(jobs, file);
}

/** With `jobs` threads, so that this one is free meanwhile. `file`: what each runs */
export async function pointThreads(jobs: number, file = WORKER): Promise<PointExecutor> {
	// Imported only here: other commands start sooner without it.
	const { StaticPool } = await import("node-worker-threads-pool");
	const pool = new StaticPool<(task: Task) => Outcome>({ size: jobs, task: file });
	return { width: jobs, execute: (task) => pool.exec(task), close: () => pool.destroy() };
}

const describe = (parameters: Parameters): string =>
	Object.entries(parameters)
		.map(([name, value]) => `${name}=${value}`)
		.join(" ");

/** => all rows. UserError, after what was begun has ended, if a point cannot be measured */
export async function conduct(options: ConductOptions): Promise<Row[]> {
	const { points, limits, between = null, jobs, onRow } = options;
	const rows = [...options.done];
	const waiting = new Map<number, Row>();
	let next = rows.length;
	/** Of the first point that has failed; all before it were begun before it. */
	let failure: { readonly point: number; readonly error: UserError } | null = null;
	const fail = (point: number, parameters: Parameters, why: string): void => {
		if (failure !== null && failure.point < point) return;
		const place = `point ${point + 1} (${describe(parameters)})`;
		failure = { point, error: new UserError(`${place}: ${why}`) };
	};
	const hand = (row: Row): void => {
		waiting.set(row.point, row);
		for (let ready = waiting.get(rows.length); ready !== undefined; ) {
			waiting.delete(rows.length);
			rows.push(ready);
			onRow(ready);
			ready = waiting.get(rows.length);
		}
	};
	const work = async ({ execute }: PointExecutor): Promise<void> => {
		while (next < points.length && failure === null) {
			const point = next++;
			const { parameters, workload } = points[point]!;
			const outcome = await execute({ workload, limits, between }, point);
			options.onDone?.();
			if ("failed" in outcome) fail(point, parameters, outcome.failed);
			else hand({ point, parameters, ...outcome });
		}
	};
	const left = points.length - rows.length;
	const executor = options.executor ?? (await pointPool(Math.min(jobs, left), options.file));
	const width = Math.min(executor.width, left);
	try {
		await Promise.all(Array.from({ length: width }, () => work(executor)));
	} finally {
		if (options.executor === undefined) await executor.close();
	}
	if (failure !== null) throw (failure as { readonly error: UserError }).error;
	return rows;
}
