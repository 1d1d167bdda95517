/** `uvmachine bench compare`: two results of an experiment, and what is not the same. */
import { Command } from "commander";
import {
	type Comparison,
	compareReports,
	isSame,
	readReport,
	type Scalar,
	VERSION,
} from "../index.ts";
import { readInputFile } from "./input-file.ts";
import { OutputFile } from "./output-file.ts";

const HELP = `
The files are those that --json has written. The exit code is 1 if an exact number differs.

Example:
  uvmachine bench memory --json before.json
  uvmachine bench memory --json after.json
  uvmachine bench compare before.json after.json`;

export const compareCommand = (done: (exitCode: number) => void): Command =>
	new Command("compare")
		.description("what differs between two results of an experiment")
		.argument("<before>", "results, as --json writes them")
		.argument("<after>", "other results of the same experiment")
		.option("--json <file>", "write the differences as JSON; - for stdout instead of the table")
		.addHelpText("after", HELP)
		.action((before: string, after: string, flags: { readonly json?: string }) => {
			done(compare(before, after, flags.json));
		});

function compare(before: string, after: string, path: string | undefined): number {
	const json = OutputFile.open(path, process.stdout);
	const [a, b] = [before, after].map((file) =>
		readReport(file, new TextDecoder().decode(readInputFile("results", file))),
	);
	const comparison = compareReports(a!, b!);
	if (path !== "-") process.stdout.write(tableOf(comparison));
	json?.write(`${JSON.stringify({ version: VERSION, ...comparison }, null, "\t")}\n`);
	return isSame(comparison) ? 0 : 1;
}

const placeOf = (parameters: Readonly<Record<string, Scalar>>): string =>
	Object.entries(parameters)
		.map(([name, value]) => `${name}=${value}`)
		.join(" ");

const PERCENT = 100;

function changeOf(before: Scalar, after: Scalar): string {
	if (typeof before !== "number" || typeof after !== "number") return "";
	const sign = after > before ? "+" : "";
	const share =
		before === 0 ? "" : `${sign}${(((after - before) / before) * PERCENT).toFixed(2)} %`;
	return `${sign}${(after - before).toLocaleString("en-US")}  ${share}`.trimEnd();
}

const textOf = (value: Scalar): string =>
	typeof value === "number" ? value.toLocaleString("en-US") : String(value);

function tableOf(comparison: Comparison): string {
	const { points, differences, onlyBefore, onlyAfter, otherMetrics, host } = comparison;
	const rows = differences.map(({ parameters, what, before, after }) => [
		...[placeOf(parameters), what, textOf(before), textOf(after), changeOf(before, after)],
	]);
	const table = rows.length === 0 ? [] : [["point", "", "before", "after", "change"], ...rows];
	const widths = [0, 1, 2, 3].map((i) => Math.max(0, ...table.map((row) => row[i]!.length)));
	const lines = table.map(([point, what, before, after, change]) =>
		[
			...[point!.padEnd(widths[0]!), what!.padEnd(widths[1]!)],
			...[before!.padStart(widths[2]!), after!.padStart(widths[3]!), change],
		].join("  "),
	);
	const only = (which: string, all: readonly Readonly<Record<string, Scalar>>[]): string[] =>
		all.map((parameters) => `only ${which}: ${placeOf(parameters)}`);
	const verdict =
		differences.length === 0
			? `${points} points, all numbers equal`
			: `${points} points, ${differences.length} numbers differ`;
	const ratio = (value: number): string => value.toFixed(3);
	const time =
		host === null
			? []
			: [`host time: ${ratio(host.median)} (${ratio(host.min)} to ${ratio(host.max)}) of before`];
	return `${[
		...lines,
		...only("before", onlyBefore),
		...only("after", onlyAfter),
		...otherMetrics.map((name) => `only in one: ${name}`),
		...[verdict, ...time],
	].join("\n")}\n`;
}
