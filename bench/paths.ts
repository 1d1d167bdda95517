/** The speed of single paths through the kernel, and of programs without one. */
import { createSystem, type Engine, type System } from "../index.ts";
import { generatedPath, trapPath } from "./bare.ts";
import { type Measuring, workload } from "./guests.ts";
import { certain } from "./noise.ts";

const MiB = 1024 * 1024;

export interface PathResult {
	readonly name: string;
	/** null: below noise. */
	readonly perSecond: number | null;
	/** Relative margin of error in percent, of the sampled runs; NaN: not known. */
	readonly marginPercent: number;
	readonly samples: number;
}

/** A machine that runs `program` without end. */
function endless(program: string, args: string[], ramMiB: number, engine: Engine): System {
	return createSystem({
		program,
		image: workload(program),
		args,
		ram: ramMiB * MiB,
		swap: [{ media: 64 * MiB, timing: "instant" }],
		engine,
	});
}

/** Run a system for `cycles`. => how much `count` has grown. */
function advance(system: System, cycles: number, count: (system: System) => number): number {
	const before = count(system);
	if (system.run(system.machine.clock.cycles + cycles) !== "running") {
		throw new Error("bench: the program has ended");
	}
	return count(system) - before;
}

const faults = (system: System): number => system.kernel.uvmexp.faults;
const pages = ({ kernel: { uvmexp } }: System): number => uvmexp.pgswapin + uvmexp.pgswapout;

/**
 * Events a second of the host, sampled by benchmark.js: each sample lets the system run on for
 * `cycles`, so the rate is the number of events in all samples over their time.
 */
async function sample(
	name: string,
	system: System,
	cycles: number,
	count: (system: System) => number,
	seconds: number,
): Promise<PathResult> {
	// Imported only here: the command line starts sooner without it.
	const { default: Benchmark } = await import("benchmark");
	let events = 0;
	let calls = 0;
	// Warm up, so that the host's compiler has seen the code.
	const warm = performance.now() + seconds * 300;
	while (performance.now() < warm) advance(system, cycles, count);
	const bench = new Benchmark(
		name,
		() => {
			events += advance(system, cycles, count);
			calls++;
		},
		{ maxTime: seconds },
	);
	bench.run();
	return {
		name,
		perSecond: certain((events / calls) * (bench.hz ?? 0), bench.stats.rme),
		marginPercent: bench.stats.rme,
		samples: bench.stats.sample.length,
	};
}

/**
 * The path of a zero-fill fault alone, from the guest's store back to the guest: the time between
 * the first pages of a mapping and its last ones, without mmap and munmap.
 */
function zeroFillPath(mib: number, rounds: number, engine: Engine): PathResult {
	const pages = mib * 256;
	const margin = pages >> 4;
	const slice = 50_000;
	const system = endless("touch", [String(mib), "1000000"], mib + 32, engine);
	const until = (count: number): void => {
		while (faults(system) < count) advance(system, slice, faults);
	};
	// The program's start-up, then some rounds to warm up the host's compiler and memory.
	let first = 0;
	while (system.machine.hart.counters.instret < 1_000) advance(system, 1_000, faults);
	until(faults(system) + pages * 4);
	first = faults(system);
	const rates: number[] = [];
	for (let round = 1; round <= rounds; round++) {
		until(first + round * pages + margin);
		const from = faults(system);
		const started = performance.now();
		until(from + pages - 2 * margin);
		rates.push(((faults(system) - from) / (performance.now() - started)) * 1e3);
	}
	rates.sort((x, y) => x - y);
	const median = rates[rates.length >> 1]!;
	const marginPercent = ((rates.at(-1)! - rates[0]!) / 2 / median) * 100;
	return {
		name: "zero-fill faults, the fault path alone",
		perSecond: certain(median, marginPercent),
		marginPercent,
		samples: rates.length,
	};
}

export async function runPaths({ smoke, engine }: Measuring): Promise<PathResult[]> {
	const seconds = smoke ? 0.05 : 3;
	return [
		zeroFillPath(smoke ? 4 : 64, smoke ? 3 : 15, engine),
		await sample(
			"zero-fill faults, with mmap and munmap of 16 MiB",
			endless("touch", ["16", "1000000"], 64, engine),
			1_000_000,
			faults,
			seconds,
		),
		await sample(
			"pages paged out and in",
			endless("walk", ["16", "1000000"], 4, engine),
			1_000_000,
			pages,
			seconds,
		),
		generatedPath(smoke ? 1 : 9, engine),
		trapPath(smoke ? 1 : 9, engine),
	];
}
