/**
 * Runs micro-benchmarks in rounds: each round has some samples of each row, so that noise of the
 * host falls on all of them. The package `benchmark` finds out how many calls a round has; each is
 * a sample, and what it prepares and checks lies outside of its time.
 */
import type { Measuring } from "../guests.ts";
import { differs, type Family, type Micro, type MicroRow } from "./micro.ts";
import { MICRO_ROWS } from "./rows.ts";

export interface MicroResult {
	readonly name: string;
	readonly family: Family;
	/** Nanoseconds of the host for one operation: quartiles of the samples, and the least of them. */
	readonly medianNs: number;
	readonly lowerNs: number;
	readonly upperNs: number;
	readonly leastNs: number;
	readonly samples: number;
	/** Of a sample, all checked. */
	readonly operations: number;
}

const ROUNDS = 12;
/** Of a row in a round, with what it prepares; until the host has compiled the code, more. */
const SECONDS = 0.015;
const WARM_UP_SECONDS = 0.2;

/** A row that has been started. */
interface Running {
	readonly row: MicroRow;
	readonly micro: Micro;
	readonly ns: number[];
}

/** => nanoseconds of an operation in each call of `work`; throws if one did something else */
async function samples({ row, micro }: Running, seconds: number): Promise<number[]> {
	// Imported only here: the command line starts sooner without it.
	const { default: Benchmark } = await import("benchmark");
	const { before, work, counts, grows, operations } = micro;
	const ns: number[] = [];
	const once = (): void => {
		before?.();
		const first = counts();
		const started = performance.now();
		work();
		ns.push(((performance.now() - started) / operations) * 1e6);
		const wrong = differs(grows, first, counts());
		if (wrong !== null) throw new Error(`bench ${row.name}: ${wrong}`);
	};
	const bench = new Benchmark(row.name, once, { minTime: seconds, maxTime: -1, minSamples: 1 });
	bench.run();
	if (bench.error !== undefined) throw bench.error;
	return ns;
}

const quantile = (sorted: readonly number[], q: number): number =>
	sorted[Math.round((sorted.length - 1) * q)]!;

function summary({ row, micro, ns }: Running): MicroResult {
	const sorted = ns.toSorted((a, b) => a - b);
	return {
		name: row.name,
		family: row.family,
		medianNs: quantile(sorted, 0.5),
		lowerNs: quantile(sorted, 0.25),
		upperNs: quantile(sorted, 0.75),
		leastNs: sorted[0]!,
		samples: sorted.length,
		operations: micro.operations,
	};
}

/** `names`: of rows; all if there are none. */
export const microRows = (names: readonly string[] = []): MicroRow[] =>
	MICRO_ROWS.filter(({ name }) => names.length === 0 || names.includes(name));

/** => throws if a row did something else than it says */
export async function runMicro(
	{ smoke, engine }: Measuring,
	rows: readonly MicroRow[] = MICRO_ROWS,
): Promise<MicroResult[]> {
	const running = rows.map((row): Running => ({ row, micro: row.start(engine), ns: [] }));
	// The host compiles the code first.
	if (!smoke) for (const one of running) await samples(one, WARM_UP_SECONDS);
	for (let round = 0; round < (smoke ? 1 : ROUNDS); round++) {
		for (const one of running) one.ns.push(...(await samples(one, smoke ? 0.001 : SECONDS)));
	}
	return running.map(summary);
}
