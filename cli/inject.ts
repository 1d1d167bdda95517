/** `uvmachine inject`: run a campaign of faults. */
import { cpus } from "node:os";
import type { Command } from "commander";
import {
	conductCampaign,
	describeGolden,
	type Engine,
	type Executor,
	type PreparedCampaign,
	poolExecutor,
	prepareCampaign,
	queueExecutor,
	type ResultRow,
	ResultsFolder,
	reportResults,
	type Shard,
	shardLength,
	type Tally,
} from "../index.ts";
import { readCampaign, readyCampaigns } from "./campaign-file.ts";
import { readWorkload } from "./campaign-workload.ts";
import { noteEngine } from "./engine.ts";
import { minimiseCommand, replayCommand } from "./inject-again.ts";
import { mergeCommand } from "./inject-merge.ts";
import { jobsOption, runsOption, shardOption } from "./inject-options.ts";
import { InjectProgress } from "./inject-progress.ts";
import { Recovery } from "./inject-recovery.ts";
import { addReportOptions, ReportFiles, type ReportFlags, reportCommand } from "./inject-report.ts";
import { campaignTable } from "./inject-table.ts";
import { Interrupts, signalExitCode } from "./interrupts.ts";
import { ENGINE, integerOption } from "./options.ts";
import { UsageError } from "./usage-error.ts";

/** A worker makes the golden run before its first run: that many times as long is enough. */
const GOLDEN_TIMES = 20;

interface InjectFlags extends ReportFlags {
	readonly out?: string;
	readonly jobs?: number;
	readonly queue?: string;
	readonly engine: Engine;
	readonly shard?: Shard;
	readonly runs?: number;
	readonly seed?: number;
	readonly prune?: boolean;
	readonly resume: boolean;
	readonly list: boolean;
	readonly quiet: boolean;
}

const HELP = `
Examples:
  uvmachine inject --list                           the campaigns that come with uvmachine
  uvmachine inject smoke                            a run or two of each kind of fault
  uvmachine inject campaign.json5 --out results     one of your own, with all results in a folder
  uvmachine inject campaign.json5 --out results --resume
  uvmachine inject campaign.json5 --out results --queue redis://10.0.0.5:6379
  uvmachine inject report results --html report.html
  uvmachine inject replay results 12 --trace trace.json
  uvmachine inject minimise results 12 --plan worst.json5
  uvmachine inject campaign.json5 --out part0 --shard 0/3
  uvmachine inject merge part0 part1 part2 --out results`;

export function defineInject(command: Command, done: (exitCode: number) => void): void {
	command
		.argument("[campaign]", "one that comes with uvmachine, or a JSON5 file")
		.option("--list", "list the campaigns that come with uvmachine", false)
		.option("--out <folder>", "keep all results in this folder")
		.option("--resume", "with --out: go on with the results that are there", false)
		.option("--jobs <n>", "runs at the same time (default: one for each processor)", jobsOption)
		.option("--queue <url>", "have the runs made by uvmachine work, through this Redis server")
		.option("--shard <i/n>", "only part i of n, from 0, of the runs; see merge", shardOption)
		.option(...ENGINE)
		.option("--runs <n>", "so many runs at random, or at most, if all points are run", runsOption)
		.option("--seed <n>", "for all random decisions, instead of the campaign's", integerOption)
		.option("--prune", "leave out points whose outcome the run without faults shows")
		.option("--no-prune", "make a run for each point, whatever the campaign says")
		.option("-q, --quiet", "no progress", false);
	command.addHelpText("after", HELP);
	addReportOptions(command);
	command.addCommand(mergeCommand(done));
	command.addCommand(reportCommand(done));
	command.addCommand(replayCommand(done));
	command.addCommand(minimiseCommand(done));
	command.action(async (name: string | undefined, flags: InjectFlags) => {
		done(await inject(name, flags));
	});
}

function checkFlags({ resume, out, shard, queue, jobs }: InjectFlags): void {
	if (resume && out === undefined) throw new UsageError("--resume: needs --out FOLDER");
	if (shard !== undefined && out === undefined) throw new UsageError("--shard: needs --out FOLDER");
	if (queue !== undefined && jobs !== undefined) {
		throw new UsageError("--jobs: with --queue, it is an option of uvmachine work");
	}
}

/** Who makes the runs. `before`: how many of all are done already. */
async function executorOf(
	prepared: PreparedCampaign,
	{ queue: url, jobs = cpus().length }: InjectFlags,
	milliseconds: number,
	{ before, total }: { readonly before: number; readonly total: number },
): Promise<Executor> {
	if (url !== undefined) {
		return await queueExecutor({ url, prepared, milliseconds, before, total });
	}
	const threads = Math.max(1, Math.min(jobs, total - before));
	return await poolExecutor({ ...prepared.runner, jobs: threads, milliseconds });
}

async function inject(name: string | undefined, flags: InjectFlags): Promise<number> {
	if (flags.list) {
		process.stdout.write(list());
		return 0;
	}
	if (name === undefined) throw new UsageError("inject: no campaign; --list shows some");
	checkFlags(flags);
	noteEngine(flags);
	const file = readCampaign(name);
	const files = new ReportFiles(flags);
	const { seed = file.campaign.seed, prune = file.campaign.prune } = flags;
	const campaign = { ...file.campaign, seed, prune };
	const workload = await readWorkload(campaign, file.folder, flags.engine);
	const started = performance.now();
	const prepared = file.located(() => prepareCampaign(campaign, workload, flags.runs));
	const goldenMs = performance.now() - started;
	const { identity, runs } = prepared;
	const { out: folder, resume, shard } = flags;
	const golden = describeGolden(prepared);
	const store =
		folder === undefined
			? null
			: new ResultsFolder({
					...{ folder, identity, campaign, golden, resume, shard },
					runsMax: flags.runs,
				});
	const interrupts = new Interrupts();
	const before = store?.before ?? [];
	/** For the report. */
	const rows: ResultRow[] = files.wanted ? [...before] : [];
	const total = shard === undefined ? runs.length : shardLength(shard, runs.length);
	const recovery = new Recovery(campaign, prepared.reference);
	for (const row of before) recovery.add(row);
	const progress = new InjectProgress(process.stderr, flags.quiet, total, before.length);
	const milliseconds = campaign.limits.seconds * 1000 + goldenMs * GOLDEN_TIMES;
	const done = { before: before.length, total };
	const executor = await executorOf(prepared, flags, milliseconds, done);
	try {
		const conducting = conductCampaign(prepared, executor, {
			...{ shard, before },
			onRow: (row, tally) => {
				store?.append(row);
				recovery.add(row);
				if (files.wanted) rows.push(row);
				progress.update(tally);
			},
			interrupted: () => interrupts.signal !== null,
		});
		// A run may take a minute: it is lost rather than waited for.
		const raised = interrupts.raised.then(() => null);
		const conducted = await Promise.race([conducting, raised]);
		conducting.catch(() => {});
		progress.stop();
		const tally = conducted?.tally ?? progress.tally;
		const summary = tally.summary(runs.population);
		const seconds = (performance.now() - started) / 1000;
		const perHour = Math.round(((tally.rows - before.length) / seconds) * 3600);
		const end = conducted?.end ?? "interrupted";
		if (files.wanted) {
			const report = reportResults({ campaign, identity, golden, rows }, total);
			files.write({ ...report, end, seconds, perHour });
		}
		if (!files.onStdout) {
			process.stdout.write(campaignTable(campaign, summary, prepared.golden, runs.pruned));
			process.stdout.write(closing(tally, total, end, seconds, perHour));
			process.stdout.write(`${recovery}`);
		}
		if (interrupts.signal !== null) return signalExitCode(interrupts.signal);
		if (summary.outcomes["simulator-error"].runs > 0) return 3;
		return recovery.lost.length > 0 ? 1 : 0;
	} finally {
		interrupts.close();
		progress.stop();
		await executor.close();
		store?.close();
	}
}

function closing(
	{ rows }: Tally,
	planned: number,
	end: string,
	seconds: number,
	perHour: number,
): string {
	const rate = `${seconds.toFixed(1)} s, ${perHour.toLocaleString("en-US")} runs an hour`;
	if (end === "complete") return `${rows} runs in ${rate}\n`;
	const why = end === "stopped" ? "that was enough" : "interrupted";
	return `${rows} of ${planned} runs in ${rate}; ${why}\n`;
}

function list(): string {
	const names = readyCampaigns();
	const width = Math.max(...names.map(({ length }) => length));
	return names
		.map((name) => `${name.padEnd(width)}  ${readCampaign(name).campaign.description}\n`)
		.join("");
}
