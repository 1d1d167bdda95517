/** `uvmachine bench FILE`: an experiment. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
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
	type ExperimentWorkload,
	experimentPage,
	experimentTable,
	judge,
	pointQueue,
	type RunFile,
	reportOf,
	type TraceFile,
	type TraceWorkload,
	VERSION,
} from "../index.ts";
import { readWorkload, seenFrom, sizeOf, swapDisk } from "./campaign-workload.ts";
import { experimentPath, readExperiment } from "./experiment-file.ts";
import { Interrupts, signalExitCode } from "./interrupts.ts";
import { OutputFile } from "./output-file.ts";
import { UsageError } from "./usage-error.ts";

export interface ExperimentFlags {
	readonly engine: Engine;
	readonly json?: string;
	readonly csv?: string;
	readonly html?: string;
	readonly out?: string;
	readonly resume: boolean;
	readonly jobs?: number;
	readonly queue?: string;
}

/** What its points run, with all files read. `folder`: where paths are seen from */
export async function workloadsOf(
	{ points }: Experiment,
	folder: string,
	engine: Engine,
): Promise<ExperimentWorkload[]> {
	const workloads: ExperimentWorkload[] = [];
	const hashes = new Map<string, string>();
	for (const { workload } of points) {
		const file = workload as BootFile | RunFile | TraceFile;
		if (!("trace" in file)) workloads.push(await readWorkload({ workload: file }, folder, engine));
		else {
			const path = seenFrom(folder, file.trace);
			if (!hashes.has(path)) hashes.set(path, await hashOfFile(path));
			workloads.push(traceWorkload(file, path, hashes.get(path)!));
		}
	}
	return workloads;
}

async function hashOfFile(path: string): Promise<string> {
	const hash = createHash("sha256");
	try {
		for await (const part of createReadStream(path)) hash.update(part as Uint8Array);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new UsageError(`trace ${path}: cannot be read (${code})`);
	}
	return hash.digest("hex");
}

function traceWorkload(file: TraceFile, path: string, hash: string): TraceWorkload {
	const { ram, frames, swap, tlb, ad, policy, sysctl, advice } = file;
	if (ram !== undefined && frames !== undefined) {
		throw new UsageError(`trace ${path}: frames: cannot be combined with ram`);
	}
	const disks = swap?.map((text) => {
		const { bytes, timing } = swapDisk(text);
		return { media: bytes, timing };
	});
	return {
		...{ kind: "trace", path, hash },
		options: {
			...{ ram: sizeOf(ram), frames, policy, sysctl, advice, adPolicy: ad },
			...(disks === undefined ? {} : { swap: disks }),
			...{ tlbEntries: tlb?.entries, tlbWays: tlb?.ways },
		},
	};
}

/** Of everything that counts depend on: not of the engine. */
function hashOf(workloads: readonly ExperimentWorkload[], between: Experiment["between"]): string {
	const hash = createHash("sha256");
	const replacer = (key: string, value: unknown): unknown => {
		if (key === "engine" || key === "path") return undefined;
		if (!(value instanceof Uint8Array)) return value;
		return createHash("sha256").update(value).digest("hex");
	};
	return hash.update(JSON.stringify([workloads, between], replacer)).digest("hex");
}

/** A bar with rate and rest, if somebody looks on. */
function progressOf(points: number, done: number): { step(): void; stop(): void } {
	if (!process.stderr.isTTY) return { step: () => {}, stop: () => {} };
	const bar = new SingleBar({
		format: "{bar} {value}/{total} points | {rate} a second | ETA {eta_formatted}",
		clearOnComplete: true,
	});
	const started = performance.now();
	let steps = 0;
	bar.start(points, done, { rate: "0" });
	const step = (): void => {
		steps++;
		bar.increment(1, { rate: ((steps * 1000) / (performance.now() - started)).toFixed(2) });
	};
	return { step, stop: () => bar.stop() };
}

/** What is measured, and the identity of its results. */
async function pointsOf(experiment: Experiment, folder: string, engine: Engine) {
	const { limits, between } = experiment;
	const workloads = await workloadsOf(experiment, folder, engine);
	const points = experiment.points.map(({ parameters }, i) => ({
		parameters,
		workload: workloads[i]!,
	}));
	const identity = { version: VERSION, hash: hashOf(workloads, between) };
	return { what: { points, limits, between }, identity };
}

/** => the exit code: 1 if something else came out than was expected */
export async function runExperiment(name: string, flags: ExperimentFlags): Promise<number> {
	const path = experimentPath(name);
	const experiment = readExperiment(path);
	const files = {
		json: OutputFile.open(flags.json, process.stdout),
		csv: OutputFile.open(flags.csv, process.stdout),
		html: OutputFile.open(flags.html, process.stdout),
	};
	const { what, identity } = await pointsOf(experiment, dirname(path), flags.engine);
	const { out, resume, queue: url, jobs = cpus().length } = flags;
	const folder = out === undefined ? null : new ExperimentFolder(out, identity, resume);
	const done = folder?.before ?? [];
	const executor =
		url === undefined
			? undefined
			: await pointQueue({ ...what, url, name: experiment.name, before: done.length });
	const interrupts = executor === undefined ? null : new Interrupts();
	const bar = progressOf(what.points.length, done.length);
	try {
		const conducting = conductExperiment({
			...{ ...what, done, executor, jobs },
			onRow: (row) => folder?.append(row),
			onDone: () => bar.step(),
		});
		conducting.catch(() => {});
		const rows = await Promise.race([conducting, interrupts?.raised ?? conducting]);
		bar.stop();
		if (rows === undefined) return signalExitCode(interrupts!.signal!);
		const verdicts = judge(experiment, rows);
		const onStdout = [flags.json, flags.csv, flags.html].includes("-");
		if (!onStdout) process.stdout.write(experimentTable(experiment, rows, verdicts));
		const report = reportOf(experiment, rows, verdicts, VERSION);
		files.json?.write(`${JSON.stringify(report, null, "\t")}\n`);
		files.csv?.write(csvOf(experiment, rows));
		files.html?.write(experimentPage(experiment, rows, verdicts, VERSION));
		return verdicts.some(({ failures }) => failures.length > 0) ? 1 : 0;
	} finally {
		bar.stop();
		interrupts?.close();
		// What nobody waits for any more is taken back.
		await executor?.close();
		folder?.close();
	}
}
