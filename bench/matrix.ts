/** The guests on machines of different sizes, one machine per worker. */
import {
	built,
	GUESTS,
	type GuestResult,
	type GuestRun,
	type Measuring,
	SMOKE_GUESTS,
} from "./guests.ts";

export interface MatrixOptions extends Measuring {
	/** Machines to run at the same time. They slow each other down. */
	readonly jobs: number;
	readonly onResult?: (result: GuestResult) => void;
}

/** Every guest with enough memory and with too little. */
export function matrixRuns({ smoke, engine }: Measuring): GuestRun[] {
	return (smoke ? SMOKE_GUESTS : GUESTS).flatMap(([program, ...args]) =>
		[64, 4].map((ramMiB) => ({ program, args, ramMiB, engine, warmups: smoke ? 0 : 1 })),
	);
}

/** => the results in the order of `matrixRuns`. */
export async function runMatrix(options: MatrixOptions): Promise<GuestResult[]> {
	// Imported only here: the command line starts sooner without it.
	const { StaticPool } = await import("node-worker-threads-pool");
	const pool = new StaticPool<(run: GuestRun) => GuestResult>({
		size: options.jobs,
		task: built("worker"),
	});
	try {
		return await Promise.all(
			matrixRuns(options).map(async (run) => {
				const result = await pool.exec(run);
				options.onResult?.(result);
				return result;
			}),
		);
	} finally {
		await pool.destroy();
	}
}

export function geometricMean(values: readonly number[]): number {
	return Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);
}
