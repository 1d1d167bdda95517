/** `uvmachine bench FILE`: an experiment. */
import { createHash } from "node:crypto";
import { cpus } from "node:os";
import { dirname } from "node:path";
import { SingleBar } from "cli-progress";
import {
	type BootFile,
	conductExperiment,
	csvOf,
	type Engine,
	type Experiment,
	ExperimentFolder,
	experimentPage,
	experimentTable,
	judge,
	type RunFile,
	VERSION,
	valuesOf,
	type Workload,
} from "../index.ts";
import { readWorkload } from "./campaign-workload.ts";
import { experimentPath, readExperiment } from "./experiment-file.ts";
import { OutputFile } from "./output-file.ts";

export interface ExperimentFlags {
	readonly engine: Engine;
	readonly json?: string;
	readonly csv?: string;
	readonly html?: string;
	readonly out?: string;
	readonly resume: boolean;
	readonly jobs?: number;
}

async function workloadsOf(
	{ points }: Experiment,
	folder: string,
	engine: Engine,
): Promise<Workload[]> {
	const workloads: Workload[] = [];
	for (const { workload } of points) {
		workloads.push(
			await readWorkload({ workload: workload as BootFile | RunFile }, folder, engine),
		);
	}
	return workloads;
}

/** Of everything that counts depend on: not of the engine. */
function hashOf(workloads: readonly Workload[]): string {
	const hash = createHash("sha256");
	const replacer = (key: string, value: unknown): unknown => {
		if (key === "engine") return undefined;
		if (!(value instanceof Uint8Array)) return value;
		return createHash("sha256").update(value).digest("hex");
	};
	return hash.update(JSON.stringify(workloads, replacer)).digest("hex");
}

/** => the exit code: 1 if something else came out than was expected */
export async function runExperiment(name: string, flags: ExperimentFlags): Promise<number> {
	const path = experimentPath(name);
	const experiment = readExperiment(path);
	const json = OutputFile.open(flags.json, process.stdout);
	const csv = OutputFile.open(flags.csv, process.stdout);
	const html = OutputFile.open(flags.html, process.stdout);
	const workloads = await workloadsOf(experiment, dirname(path), flags.engine);
	const identity = { version: VERSION, hash: hashOf(workloads) };
	const folder =
		flags.out === undefined ? null : new ExperimentFolder(flags.out, identity, flags.resume);
	const done = folder?.before ?? [];
	const bar = process.stderr.isTTY
		? new SingleBar({
				format: "{bar} {value}/{total} points | ETA {eta_formatted}",
				clearOnComplete: true,
			})
		: null;
	bar?.start(workloads.length, done.length);
	try {
		const rows = await conductExperiment({
			points: experiment.points.map(({ parameters }, i) => ({
				parameters,
				workload: workloads[i]!,
			})),
			...{ done, limits: experiment.limits, jobs: flags.jobs ?? cpus().length },
			onRow: (row) => folder?.append(row),
			onDone: () => bar?.increment(),
		});
		bar?.stop();
		const verdicts = judge(experiment, rows);
		const onStdout = [flags.json, flags.csv, flags.html].includes("-");
		if (!onStdout) process.stdout.write(experimentTable(experiment, rows, verdicts));
		const metrics = experiment.metrics.map((metric) => metric.name);
		const results = rows.map((row) => {
			const values = valuesOf(experiment, row);
			const measured = Object.fromEntries(metrics.map((metric) => [metric, values[metric]]));
			return { parameters: row.parameters, metrics: measured, stateHash: row.stateHash };
		});
		const { name: title, question } = experiment;
		const report = { version: VERSION, name: title, question, results, verdicts };
		json?.write(`${JSON.stringify(report, null, "\t")}\n`);
		csv?.write(csvOf(experiment, rows));
		html?.write(experimentPage(experiment, rows, verdicts, VERSION));
		return verdicts.some(({ failures }) => failures.length > 0) ? 1 : 0;
	} finally {
		bar?.stop();
		folder?.close();
	}
}
