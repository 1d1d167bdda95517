/** `uvmachine bench`: run the benchmarks, or an experiment. */
import { existsSync } from "node:fs";
import { SingleBar } from "cli-progress";
import { type Command, InvalidArgumentError } from "commander";
import { allocatesTooMuch } from "../bench/allocations.ts";
import { growsTooFast } from "../bench/growth/growth.ts";
import { MICRO_ROWS } from "../bench/micro/rows.ts";
import {
	BENCHMARKS,
	type BenchmarkName,
	benchTable,
	countSteps,
	runBenchmarks,
	type Wanted,
} from "../bench/report.ts";
import type { Engine } from "../index.ts";
import { compareCommand } from "./bench-compare.ts";
import { traceCommand } from "./bench-trace.ts";
import { noteEngine } from "./engine.ts";
import { runExperiment } from "./experiment.ts";
import { experimentPath, readExperiment, readyExperiments } from "./experiment-file.ts";
import { ENGINE } from "./options.ts";
import { OutputFile } from "./output-file.ts";
import { UsageError } from "./usage-error.ts";

interface BenchFlags {
	readonly engine: Engine;
	readonly json?: string;
	readonly csv?: string;
	readonly html?: string;
	readonly out?: string;
	readonly resume: boolean;
	readonly list: boolean;
	readonly smoke: boolean;
	readonly jobs?: number;
	readonly queue?: string;
}

const HELP = `
Examples:
  uvmachine bench --list                            benchmarks and experiments
  uvmachine bench paths                             one of the benchmarks
  uvmachine bench pmap_enter tlb-miss               some of the micro-benchmarks
  uvmachine bench fault-ahead                       an experiment that comes with uvmachine
  uvmachine bench mine.json5 --csv results.csv      one of your own: see docs/experiments.md
  uvmachine bench mine.json5 --out results --resume
  uvmachine bench trace program.lackey --ram 2M     references that a program makes, without it`;

export function defineBench(command: Command, done: (exitCode: number) => void): void {
	command
		.argument("[names...]", "benchmarks (default: all); or one experiment, by name or JSON5 file")
		.option("--list", "list the benchmarks, and the experiments that come with uvmachine", false)
		.option(...ENGINE)
		.option("--json <file>", "write the results as JSON; - for stdout instead of the table")
		.option("--smoke", "small sizes, only to check that the benchmarks work", false)
		.option(
			"--jobs <n>",
			"machines at the same time (default: 1, as they slow each other down; " +
				"of an experiment, one for each processor)",
			jobsOption,
		)
		.option("--csv <file>", "of an experiment: write its table as CSV; - for stdout")
		.option("--html <file>", "of an experiment: write a page with its plots")
		.option(
			"--queue <url>",
			"of an experiment: have it made by uvmachine work, through this Redis server",
		)
		.option("--out <folder>", "of an experiment: keep the results in this folder")
		.option("--resume", "with --out: go on with the results that are there", false)
		.addHelpText("after", HELP)
		.addCommand(traceCommand(done))
		.addCommand(compareCommand(done))
		.action(async (names: string[], flags: BenchFlags) => {
			done(await choose(names, flags));
		});
}

const ABOUT: Readonly<Record<BenchmarkName, string>> = {
	guests: "how fast programs run, with enough memory and with too little",
	micro: "single operations of the kernel and the machine; each also has a name",
	paths: "single paths through the kernel and the machine: faults, calls, switches, paging",
	calls: "operations of programs: map, fork, exec, switch, pipe",
	snapshots: "saving, restoring, checkpoints, state hashes",
	growth: "how the cost of operations grows with sizes",
	allocations: "what the paths allocate on the host",
	startup: "how long it takes until a guest's first instruction",
	injections: "runs of a fault campaign in a second",
	engines: "the engines beside each other and beside QEMU",
};

const isBenchmark = (name: string): name is BenchmarkName =>
	(BENCHMARKS as readonly string[]).includes(name);
const isMicro = (name: string): boolean => MICRO_ROWS.some((row) => row.name === name);

/** What can be measured, with a line about each. */
function list(): string {
	const experiments = readyExperiments().map((name): [string, string] => [
		name,
		readExperiment(experimentPath(name)).question,
	]);
	const micro = MICRO_ROWS.map(({ name, about }): [string, string] => [name, about]);
	const names = [...BENCHMARKS, ...micro.map(([name]) => name), ...readyExperiments()];
	const width = Math.max(...names.map(({ length }) => length));
	const table = (rows: readonly (readonly [string, string])[]): string =>
		rows.map(([name, about]) => `  ${name.padEnd(width)}  ${about}\n`).join("");
	const benchmarks = table(BENCHMARKS.map((name) => [name, ABOUT[name]]));
	const parts = [
		["Benchmarks of this host", benchmarks],
		["Micro-benchmarks of this host, which are all in micro", table(micro)],
		["Experiments", table(experiments)],
	];
	return parts.map(([title, rows]) => `${title}:\n${rows}`).join("\n");
}

async function choose(names: string[], flags: BenchFlags): Promise<number> {
	if (flags.list) {
		process.stdout.write(list());
		return 0;
	}
	const [other] = names.filter((name) => !isBenchmark(name) && !isMicro(name));
	if (other === undefined) {
		const { csv, html, out, queue } = flags;
		const only = [csv, html, out, queue].some((value) => value !== undefined);
		if (only || flags.resume) {
			throw new UsageError("bench: --csv, --html, --out, --queue: of an experiment");
		}
		const wanted = { names: names.filter(isBenchmark), micro: names.filter(isMicro) };
		return await bench(wanted, flags);
	}
	if (names.length > 1) throw new UsageError("bench: one experiment at a time, and nothing else");
	if (!existsSync(experimentPath(other))) {
		throw new UsageError(`bench ${other}: no such benchmark, experiment or file; see --list`);
	}
	if (flags.resume && flags.out === undefined) throw new UsageError("--resume: needs --out FOLDER");
	if (flags.queue !== undefined && flags.jobs !== undefined) {
		throw new UsageError("--jobs: with --queue, it is an option of uvmachine work");
	}
	return await runExperiment(other, flags);
}

/** => the exit code: 1 if something grows faster, or allocates more, than it may. */
async function bench(wanted: Wanted, flags: BenchFlags): Promise<number> {
	noteEngine({ engine: flags.engine, quiet: false });
	const json = OutputFile.open(flags.json, process.stdout);
	const bar = process.stderr.isTTY
		? new SingleBar({ format: "{bar} {value}/{total} {step} | ETA {eta} s", clearOnComplete: true })
		: null;
	bar?.start(countSteps(wanted, flags), 0, { step: "" });
	const report = await runBenchmarks({
		...wanted,
		smoke: flags.smoke,
		engine: flags.engine,
		jobs: flags.jobs ?? 1,
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
