/** `uvmachine bench`: how fast all this is. */
import { writeFileSync } from "node:fs";
import { SingleBar } from "cli-progress";
import { Argument, Command, InvalidArgumentError } from "commander";
import { BENCHMARKS, type BenchmarkName, benchTable, runBenchmarks } from "../bench/report.ts";
import { UsageError } from "./usage-error.ts";

/** Eight guests, the native programs, the paths, the start-up. */
const STEPS = 11;

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
	const bar = process.stderr.isTTY
		? new SingleBar({ format: "{bar} {value}/{total} {step} | ETA {eta} s", clearOnComplete: true })
		: null;
	bar?.start(STEPS, 0, { step: "" });
	const report = await runBenchmarks({
		names,
		smoke: flags.smoke,
		jobs: flags.jobs,
		onStep: (step) => bar?.increment(1, { step }),
	});
	bar?.stop();
	const json = `${JSON.stringify(report, null, "\t")}\n`;
	process.stdout.write(flags.json === "-" ? json : benchTable(report));
	if (flags.json === undefined || flags.json === "-") return;
	try {
		writeFileSync(flags.json, json);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new UsageError(`${flags.json}: cannot be written (${code})`);
	}
}

function jobsOption(text: string): number {
	const jobs = Number(text);
	if (!/^\d+$/.test(text) || jobs < 1 || jobs > 64) {
		throw new InvalidArgumentError("It must be a number from 1 to 64.");
	}
	return jobs;
}
