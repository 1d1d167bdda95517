/** The speed of single paths through the kernel, and of programs without one. */
import type { Measuring } from "../guests.ts";
import { certain } from "../noise.ts";
import { ownBuild } from "../own-build.ts";
import { slice, type Work } from "../slices.ts";
import { PATHS } from "./path-rows.ts";

export interface PathResult {
	readonly name: string;
	/** null: below noise. */
	readonly perSecond: number | null;
	/** Relative margin of error in percent, of the sampled runs; NaN: not known. */
	readonly marginPercent: number;
	readonly samples: number;
}

/** Of a path. */
const SECONDS = 3;
/** Slices of a path that is not always on. */
const SLICES = 15;
const SMOKE_SLICES = 2;

/**
 * Events a second of the host, sampled by benchmark.js: the rate is the number of events in all
 * samples over their time.
 */
async function sampled(name: string, work: Work, seconds: number): Promise<PathResult> {
	// Imported only here: the command line starts sooner without it.
	const { default: Benchmark } = await import("benchmark");
	let events = 0;
	let calls = 0;
	const once = (): void => {
		events += work() ?? 0;
		calls++;
	};
	const bench = new Benchmark(name, once, { maxTime: seconds });
	bench.run();
	return {
		name,
		perSecond: certain((events / calls) * (bench.hz ?? 0), bench.stats.rme),
		marginPercent: bench.stats.rme,
		samples: bench.stats.sample.length,
	};
}

/** The same for work that is now and then something else: the median of some slices. */
function sliced(name: string, work: Work, seconds: number): PathResult {
	const samples = seconds < 1 ? SMOKE_SLICES : SLICES;
	const us = Array.from({ length: samples }, () => slice(work, (seconds / samples) * 1e6));
	us.sort((x, y) => x - y);
	const median = us[us.length >> 1]!;
	const marginPercent = ((us.at(-1)! - us[0]!) / 2 / median) * 100;
	return { name, perSecond: certain(1e6 / median, marginPercent), marginPercent, samples };
}

export async function runPaths({ smoke, engine }: Measuring): Promise<PathResult[]> {
	const seconds = smoke ? 0.02 : SECONDS;
	const results: PathResult[] = [];
	for (const { name, start, always } of PATHS) {
		const work = start(ownBuild(engine));
		// Warm up, so that the host's compiler has seen the code.
		slice(work, seconds * 300_000);
		const measure = always ? sampled : sliced;
		results.push(await measure(name, work, seconds));
	}
	return results;
}
