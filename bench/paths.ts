/** How fast single paths through the kernel are. */
import Benchmark from "benchmark";
import { createSystem, type System } from "../system.ts";
import { workload } from "./guests.ts";

const MiB = 1024 * 1024;

export interface PathResult {
	readonly name: string;
	readonly perSecond: number;
	/** Relative margin of error in percent, of the sampled runs. */
	readonly marginPercent: number;
	readonly samples: number;
}

/** A machine that goes on running `program` for as long as anybody measures. */
function endless(program: string, args: string[], ramMiB: number): System {
	return createSystem({
		program,
		image: workload(program),
		args,
		ram: ramMiB * MiB,
		swap: [{ media: 64 * MiB, timing: "instant" }],
	});
}

/** Let a system run on, and say how much `count` has grown meanwhile. */
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
function sample(
	name: string,
	system: System,
	cycles: number,
	count: (system: System) => number,
	seconds: number,
): PathResult {
	let events = 0;
	let calls = 0;
	// Once the host's compiler has seen the code.
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
		perSecond: (events / calls) * (bench.hz ?? 0),
		marginPercent: bench.stats.rme,
		samples: bench.stats.sample.length,
	};
}

/** The path of a zero-fill fault alone: one big mapping, touched page by page, never unmapped. */
function zeroFillPath(mib: number): PathResult {
	const rates: number[] = [];
	for (let i = 0; i < 4; i++) {
		const system = endless("touch", [String(mib), "1"], mib + 32);
		// The first touch is preceded by the start of the program.
		while (faults(system) < 64) system.run(system.machine.clock.cycles + 10_000);
		const first = faults(system);
		const started = performance.now();
		while (system.run(system.machine.clock.cycles + 1_000_000) === "running");
		rates.push(((faults(system) - first) / (performance.now() - started)) * 1e3);
	}
	// The first run has warmed the others up.
	const warm = rates.slice(1).sort((a, b) => a - b);
	const median = warm[1]!;
	return {
		name: "zero-fill faults, the fault path alone",
		perSecond: median,
		marginPercent: ((warm[2]! - warm[0]!) / 2 / median) * 100,
		samples: warm.length,
	};
}

export function runPaths(smoke: boolean): PathResult[] {
	const seconds = smoke ? 0.05 : 3;
	return [
		zeroFillPath(smoke ? 8 : 256),
		sample(
			"zero-fill faults, with mmap and munmap of 16 MiB",
			endless("touch", ["16", "1000000"], 64),
			1_000_000,
			faults,
			seconds,
		),
		sample(
			"pages paged out and in",
			endless("walk", ["16", "1000000"], 4),
			1_000_000,
			pages,
			seconds,
		),
	];
}
