/** `uvmachine bench`: how fast all this is. */
import { SingleBar } from "cli-progress";
import { Argument, Command, InvalidArgumentError } from "commander";
import {
	BENCHMARKS,
	type BenchmarkName,
	benchTable,
	countSteps,
	runBenchmarks,
} from "../bench/report.ts";
import { OutputFile } from "./output-file.ts";

interface BenchFlags {
	readonly json?: string;
	readonly smoke: boolean;
	readonly jobs: number;
}

export function benchCommand(done: (exitCode: number) => void): Command {
	return new Command("bench")
		.description("measure the interpreter, the paging paths and the start-up")
		.addArgument(new Argument("[names...]", "which ones (default: all)").choices(BENCHMARKS))
		.option("--json <file>", "write the results as JSON; - for stdout instead of the table")
		.option("--smoke", "small sizes: does it work, not how fast is it", false)
		.option("--jobs <n>", "machines at the same time, which disturb each other", jobsOption, 1)
		.action(async (names: BenchmarkName[], flags: BenchFlags) => {
			await bench(names, flags);
			done(0);
		});
}

async function bench(names: BenchmarkName[], flags: BenchFlags): Promise<void> {
	const json = OutputFile.open(flags.json, process.stdout);
	const bar = process.stderr.isTTY
		? new SingleBar({ format: "{bar} {value}/{total} {step} | ETA {eta} s", clearOnComplete: true })
		: null;
	bar?.start(countSteps(names, flags.smoke), 0, { step: "" });
	const report = await runBenchmarks({
		names,
		smoke: flags.smoke,
		jobs: flags.jobs,
		onStep: (step) => bar?.increment(1, { step }),
	});
	bar?.stop();
	if (flags.json !== "-") process.stdout.write(benchTable(report));
	json?.write(`${JSON.stringify(report, null, "\t")}\n`);
}

function jobsOption(text: string): number {
	const jobs = Number(text);
	if (!/^\d+$/.test(text) || jobs < 1 || jobs > 64) {
		throw new InvalidArgumentError("It must be a number from 1 to 64.");
	}
	return jobs;
}
