/** Experiments in a queue: their points are measured by workers on any machine. */
import { campaignsInQueue } from "../campaign/queue.ts";
import { UserError } from "../machine/user-error.ts";
import { codeHash, digest, pack, unpack } from "../queue/queue.ts";
import { queueParts } from "../queue/queue-executor.ts";
import {
	type QueueKind,
	type QueueWorker,
	type QueueWorkerOptions,
	queueMaker,
} from "../queue/queue-worker.ts";
import {
	type ConductOptions,
	type Outcome,
	type PointExecutor,
	pointThreads,
	type Task,
	WORKER,
} from "./conduct.ts";

export interface PointQueueOptions extends Pick<ConductOptions, "points" | "limits" | "between"> {
	/** As redis://host:port. */
	readonly url: string;
	/** Of the experiment. */
	readonly name: string;
	/** Points that are measured already: the first ones. */
	readonly before: number;
}

/** Is it what a worker sends? */
function isOutcome(value: unknown): value is Outcome {
	if (typeof value !== "object" || value === null) return false;
	const { failed, counts, stateHash, hostMs, console } = value as Record<string, unknown>;
	if (failed !== undefined) return typeof failed === "string";
	if (typeof counts !== "object" || counts === null) return false;
	const isCounted = Object.values(counts).every((count) => typeof count === "number");
	const isNamed = typeof stateHash === "string" && typeof console === "string";
	return isCounted && isNamed && typeof hostMs === "number";
}

/** Other programs with the same code have the same key for the same points. */
const keyOf = (setup: Uint8Array, code: string): string => digest(`${digest(setup)} ${code}`);

/**
 * An executor that puts points into a queue.
 * => UserError if the server cannot be reached, later it is waited for; or if a point runs a trace,
 *    whose file other machines do not have
 */
export async function pointQueue(options: PointQueueOptions): Promise<PointExecutor> {
	const { url, name, points, limits, between = null, before } = options;
	if (points.some(({ workload }) => workload.kind === "trace")) {
		throw new UserError("--queue: the workers do not have the file of a trace");
	}
	const tasks: Task[] = points.map(({ workload }) => ({ workload, limits, between }));
	const setup = pack(tasks);
	const code = codeHash(WORKER);
	const parts = await queueParts<null, Outcome>(url, {
		...{ kind: "experiment", name, key: keyOf(setup, code), setup, code },
		...{ before, total: points.length },
		isResult: isOutcome,
		lost: (failed) => ({ failed }),
	});
	return { ...parts, execute: (_, point) => parts.execute(null, point) };
}

/** How workers measure points. */
function pointsInQueue(): QueueKind {
	const code = codeHash(WORKER);
	return {
		kind: "experiment",
		code,
		async executor(setup, key, jobs) {
			if (keyOf(setup, code) !== key) {
				throw new UserError(`experiment ${key}: its data on the server is damaged`);
			}
			const tasks = unpack(setup) as Task[];
			const pool = await pointThreads(jobs);
			return { ...pool, execute: (_, point) => pool.execute(tasks[point]!, point) };
		},
	};
}

/**
 * Make runs of campaigns and measure points of experiments that others put into a queue.
 * => UserError if the server cannot be reached; later it is waited for.
 */
export const queueWorker = (options: QueueWorkerOptions): Promise<QueueWorker> =>
	queueMaker(options, [campaignsInQueue(), pointsInQueue()]);
