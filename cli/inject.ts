/** `uvmachine inject`: run a campaign of faults. */
import { cpus } from "node:os";
import { Command, InvalidArgumentError } from "commander";
import {
	conductCampaign,
	describeGolden,
	poolExecutor,
	prepareCampaign,
	ResultsFolder,
	type Summary,
} from "../index.ts";
import { readCampaign, readyCampaigns } from "./campaign-file.ts";
import { readWorkload } from "./campaign-workload.ts";
import { InjectProgress } from "./inject-progress.ts";
import { campaignTable } from "./inject-table.ts";
import { Interrupts, signalExitCode } from "./interrupts.ts";
import { integerOption } from "./options.ts";
import { OutputFile } from "./output-file.ts";
import { UsageError } from "./usage-error.ts";

const JOBS_MAX = 256;
/** A worker makes the golden run before its first run: that many times as long is enough. */
const GOLDEN_TIMES = 20;

interface InjectFlags {
	readonly out?: string;
	readonly jobs: number;
	readonly runs?: number;
	readonly seed?: number;
	readonly resume: boolean;
	readonly json?: string;
	readonly list: boolean;
	readonly quiet: boolean;
}

const HELP = `
Examples:
  uvmachine inject --list                           the campaigns that come with uvmachine
  uvmachine inject smoke                            a run or two of each kind of fault
  uvmachine inject campaign.json5 --out results     one of your own, with all results in a folder
  uvmachine inject campaign.json5 --out results --resume`;

export function injectCommand(done: (exitCode: number) => void): Command {
	const command = new Command("inject")
		.description("run a campaign of hardware faults, and say what became of the runs")
		.argument("[campaign]", "one that comes with uvmachine, or a JSON5 file")
		.option("--list", "list the campaigns that come with uvmachine", false)
		.option("--out <folder>", "keep all results in this folder")
		.option("--resume", "with --out: go on with the results that are there", false)
		.option("--jobs <n>", "runs at the same time (default: one for each processor)", jobsOption)
		.option("--runs <n>", "so many runs at random, or at most, if all points are run", runsOption)
		.option("--seed <n>", "for all random decisions, instead of the campaign's", integerOption)
		.option("--json <file>", "write the summary as JSON; - for stdout instead of the table")
		.option("-q, --quiet", "no progress", false);
	command.addHelpText("after", HELP);
	return command.action(async (name: string | undefined, flags: InjectFlags) => {
		done(await inject(name, { ...flags, jobs: flags.jobs ?? cpus().length }));
	});
}

async function inject(name: string | undefined, flags: InjectFlags): Promise<number> {
	if (flags.list) {
		process.stdout.write(list());
		return 0;
	}
	if (name === undefined) throw new UsageError("inject: no campaign; --list shows some");
	if (flags.resume && flags.out === undefined) throw new UsageError("--resume: needs --out FOLDER");
	const file = readCampaign(name);
	const json = OutputFile.open(flags.json, process.stdout);
	const campaign = { ...file.campaign, seed: flags.seed ?? file.campaign.seed };
	const workload = await readWorkload(campaign, file.folder);
	const started = performance.now();
	const prepared = prepareCampaign(campaign, workload, flags.runs);
	const goldenMs = performance.now() - started;
	const { identity, runs, runner } = prepared;
	const { out: folder, resume } = flags;
	const golden = describeGolden(prepared);
	const store =
		folder === undefined ? null : new ResultsFolder({ folder, identity, campaign, golden, resume });
	const interrupts = new Interrupts();
	const before = store?.before ?? [];
	const progress = new InjectProgress(process.stderr, flags.quiet, runs.length, before.length);
	const jobs = Math.max(1, Math.min(flags.jobs, runs.length - before.length));
	const milliseconds = campaign.limits.seconds * 1000 + goldenMs * GOLDEN_TIMES;
	const executor = await poolExecutor({ ...runner, jobs, milliseconds });
	try {
		const conducting = conductCampaign(prepared, executor, {
			before,
			onRow: (row, tally) => {
				store?.append(row);
				progress.update(tally);
			},
			interrupted: () => interrupts.signal !== null,
		});
		// A run may take a minute: it is lost rather than waited for.
		const raised = interrupts.raised.then(() => null);
		const conducted = await Promise.race([conducting, raised]);
		conducting.catch(() => {});
		progress.stop();
		const tally = progress.tally;
		const summary = tally.summary(runs.population);
		const seconds = (performance.now() - started) / 1000;
		const perHour = Math.round(((tally.runs - before.length) / seconds) * 3600);
		const end = conducted?.end ?? "interrupted";
		const report = { name: campaign.name, end, ...identity, seed: campaign.seed, ...summary };
		json?.write(`${JSON.stringify({ ...report, seconds, perHour }, null, "\t")}\n`);
		if (flags.json !== "-") {
			process.stdout.write(campaignTable(campaign, summary, prepared.golden));
			process.stdout.write(closing(summary, runs.length, end, seconds, perHour));
		}
		if (interrupts.signal !== null) return signalExitCode(interrupts.signal);
		return summary.outcomes["simulator-error"].runs > 0 ? 3 : 0;
	} finally {
		interrupts.close();
		progress.stop();
		await executor.close();
		store?.close();
	}
}

function closing(
	{ runs }: Summary,
	planned: number,
	end: string,
	seconds: number,
	perHour: number,
): string {
	const rate = `${seconds.toFixed(1)} s, ${perHour.toLocaleString("en-US")} runs an hour`;
	if (end === "complete") return `${runs} runs in ${rate}\n`;
	const why = end === "stopped" ? "that was enough" : "interrupted";
	return `${runs} of ${planned} runs in ${rate}; ${why}\n`;
}

function list(): string {
	const names = readyCampaigns();
	const width = Math.max(...names.map(({ length }) => length));
	return names
		.map((name) => `${name.padEnd(width)}  ${readCampaign(name).campaign.description}\n`)
		.join("");
}

function numberOption(text: string, max: number): number {
	const n = Number(text);
	if (!/^\d+$/.test(text) || n < 1 || n > max) {
		throw new InvalidArgumentError(`It must be a number from 1 to ${max}.`);
	}
	return n;
}

const jobsOption = (text: string): number => numberOption(text, JOBS_MAX);
const runsOption = (text: string): number => numberOption(text, 10_000_000);
