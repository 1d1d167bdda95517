/** `uvmachine bench`: run the benchmarks. */
import { SingleBar } from "cli-progress";
import { Argument, type Command, InvalidArgumentError } from "commander";
import { allocatesTooMuch } from "../bench/allocations.ts";
import { growsTooFast } from "../bench/growth.ts";
import {
	BENCHMARKS,
	type BenchmarkName,
	benchTable,
	countSteps,
	runBenchmarks,
} from "../bench/report.ts";
import type { Engine } from "../index.ts";
import { noteEngine } from "./engine.ts";
import { ENGINE } from "./options.ts";
import { OutputFile } from "./output-file.ts";

interface BenchFlags {
	readonly engine: Engine;
	readonly json?: string;
	readonly smoke: boolean;
	readonly jobs: number;
}

export function defineBench(command: Command, done: (exitCode: number) => void): void {
	command
		.addArgument(new Argument("[names...]", "which ones (default: all)").choices(BENCHMARKS))
		.option(...ENGINE)
		.option("--json <file>", "write the results as JSON; - for stdout instead of the table")
		.option("--smoke", "small sizes, only to check that the benchmarks work", false)
		.option(
			"--jobs <n>",
			"machines to run at the same time; they slow each other down",
			jobsOption,
			1,
		)
		.action(async (names: BenchmarkName[], flags: BenchFlags) => {
			done(await bench(names, flags));
		});
}

/** => the exit code: 1 if something grows faster, or allocates more, than it may. */
async function bench(names: BenchmarkName[], flags: BenchFlags): Promise<number> {
	noteEngine({ engine: flags.engine, quiet: false });
	const json = OutputFile.open(flags.json, process.stdout);
	const bar = process.stderr.isTTY
		? new SingleBar({ format: "{bar} {value}/{total} {step} | ETA {eta} s", clearOnComplete: true })
		: null;
	bar?.start(countSteps(names, flags), 0, { step: "" });
	const report = await runBenchmarks({
		names,
		smoke: flags.smoke,
		engine: flags.engine,
		jobs: flags.jobs,
		onStep: (step) => bar?.increment(1, { step }),
	});
	bar?.stop();
	if (flags.json !== "-") process.stdout.write(benchTable(report));
	// A short run is spent in code that is not compiled yet.
	const tooMuch = report.allocations.some(allocatesTooMuch);
	json?.write(`${JSON.stringify(report, null, "\t")}\n`);
	const fails = report.growth.some(growsTooFast) || (!flags.smoke && tooMuch);
	return fails ? 1 : 0;
}

function jobsOption(text: string): number {
	const jobs = Number(text);
	if (!/^\d+$/.test(text) || jobs < 1 || jobs > 64) {
		throw new InvalidArgumentError("It must be a number from 1 to 64.");
	}
	return jobs;
}
