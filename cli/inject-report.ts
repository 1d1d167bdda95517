/** The files that say what became of a campaign, and `uvmachine inject report`. */
import { Command, InvalidArgumentError } from "commander";
import {
	type Campaign,
	type CampaignReport,
	FAILURES,
	htmlOf,
	junitOf,
	OUTCOMES,
	type Outcome,
	readResults,
	reclassify,
	reportResults,
	shardLength,
} from "../index.ts";
import { Recovery } from "./inject-recovery.ts";
import { campaignTable } from "./inject-table.ts";
import { OutputFile } from "./output-file.ts";

export interface ReportFlags {
	readonly json?: string;
	readonly junit?: string;
	readonly html?: string;
	readonly fail: readonly Outcome[];
}

export const addReportOptions = (command: Command): Command =>
	command
		.option("--json <file>", "write a report as JSON; - for stdout instead of the table")
		.option("--junit <file>", "write the runs as JUnit XML; - for stdout")
		.option("--html <file>", "write a page with charts")
		.option(
			"--fail <outcomes>",
			"with --junit: outcomes that fail, with commas",
			outcomesOption,
			FAILURES,
		);

function outcomesOption(text: string): Outcome[] {
	const names = text.split(",").filter((name) => name !== "");
	const wrong = names.find((name) => !(OUTCOMES as readonly string[]).includes(name));
	if (wrong === undefined) return names as Outcome[];
	throw new InvalidArgumentError(`There is no outcome ${wrong}; there are ${OUTCOMES.join(", ")}.`);
}

/** The files that were asked for. => UsageError at once if one cannot be written. */
export class ReportFiles {
	/** Is stdout taken by one of them? */
	readonly onStdout: boolean;
	readonly #json: OutputFile | null;
	readonly #junit: OutputFile | null;
	readonly #html: OutputFile | null;
	readonly #fail: readonly Outcome[];

	constructor({ json, junit, html, fail }: ReportFlags) {
		const open = (path: string | undefined): OutputFile | null =>
			OutputFile.open(path, process.stdout);
		this.#json = open(json);
		this.#junit = open(junit);
		this.#html = open(html);
		this.#fail = fail;
		this.onStdout = [json, junit, html].includes("-");
	}

	get wanted(): boolean {
		return (this.#json ?? this.#junit ?? this.#html) !== null;
	}

	write(report: CampaignReport): void {
		this.#json?.write(`${JSON.stringify(report, null, "\t")}\n`);
		this.#junit?.write(junitOf(report, this.#fail));
		this.#html?.write(htmlOf(report));
	}
}

export function reportCommand(done: (exitCode: number) => void): Command {
	const command = new Command("report")
		.description("report on results again, without running anything")
		.argument("<folder>", "that inject --out or inject merge has written")
		.option("--reclassify", "find the outcomes again from the evidence", false);
	return addReportOptions(command).action(
		(folder: string, flags: ReportFlags & { readonly reclassify: boolean }) => {
			const files = new ReportFiles(flags);
			const results = readResults(folder);
			const { rows, changed } = flags.reclassify
				? reclassify(results)
				: { rows: results.rows, changed: 0 };
			const planned = shardLength(results.shard, results.golden.runs);
			const report = reportResults({ ...results, rows }, planned);
			files.write(report);
			if (!files.onStdout) {
				process.stdout.write(campaignTable(report, report, report.golden, report.pruned));
				process.stdout.write(`${report.results.length} of ${planned} runs: ${report.end}\n`);
				const recovery = new Recovery(results.campaign as Campaign, results.golden.evidence);
				for (const row of rows) recovery.add(row);
				process.stdout.write(`${recovery}`);
				if (flags.reclassify) process.stdout.write(`${changed} have another outcome now\n`);
			}
			done(0);
		},
	);
}
