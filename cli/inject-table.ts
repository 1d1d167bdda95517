/** The result of a campaign as tables for the terminal. */
import {
	type Campaign,
	OUTCOME_TEXTS,
	OUTCOMES,
	type Outcome,
	type Pruned,
	ruleOfThree,
	type Share,
	type Summary,
} from "../index.ts";
import { percent } from "./inject-progress.ts";

const OUTCOME_WIDTH = 17;
const NUMBER_WIDTH = 9;
const RANGE_WIDTH = 18;

export function campaignTable(
	{ name }: Pick<Campaign, "name">,
	summary: Summary,
	{ instructions, cycles }: { readonly instructions: number; readonly cycles: number },
	pruned?: Pruned,
): string {
	const million = (instructions / 1e6).toFixed(1);
	const points = summary.population?.toLocaleString("en-US") ?? "any number of";
	return [
		`${name}: ${summary.runs} runs of ${points} points`,
		`without faults: ${million} M instructions, ${(cycles / 1e6).toFixed(1)} ms`,
		...(pruned === undefined ? [] : [prunedLine(pruned)]),
		"",
		[
			"outcome".padEnd(OUTCOME_WIDTH),
			right("runs", NUMBER_WIDTH),
			right("share", NUMBER_WIDTH),
			right("95 % interval", RANGE_WIDTH),
		].join(""),
		...OUTCOMES.map((outcome) => outcomeLine(outcome, summary)),
		...templateLines(summary),
		"",
		"",
	].join("\n");
}

function prunedLine({ points, known, runs }: Pruned): string {
	const [all, clear, made] = [points, known, runs].map((n) => n.toLocaleString("en-US"));
	return `pruned: of ${all} points ${clear} are known without a run; ${made} runs for the others`;
}

const right = (text: string | number, width: number): string => String(text).padStart(width);

function outcomeLine(outcome: Outcome, { outcomes, runs }: Summary): string {
	const share = outcomes[outcome];
	const cells = [right(share.runs, NUMBER_WIDTH), right(percent(share.share), NUMBER_WIDTH)];
	return (
		outcome.padEnd(OUTCOME_WIDTH) +
		cells.join("") +
		right(interval(share, runs), RANGE_WIDTH) +
		`  ${OUTCOME_TEXTS[outcome]}`
	);
}

/** What was never seen is rarer than the rule of three says. */
function interval({ runs, low, high }: Share, all: number): string {
	if (all === 0) return "-";
	return runs === 0 ? `below ${percent(ruleOfThree(all))}` : `${percent(low)} to ${percent(high)}`;
}

/** Outcomes of each template, if there are several: those that were seen at all. */
function templateLines({ templates, outcomes }: Summary): string[] {
	const names = Object.keys(templates);
	if (names.length < 2) return [];
	const seen = OUTCOMES.filter((outcome) => outcomes[outcome].runs > 0);
	const width = Math.max(...names.map(({ length }) => length)) + 2;
	const line = (name: string, cells: readonly (string | number)[]): string =>
		name.padEnd(width) +
		cells.map((cell, i) => right(cell, i === 0 ? 6 : seen[i - 1]!.length + 2)).join("");
	return [
		"",
		line("rule", ["runs", ...seen]),
		...Object.entries(templates).map(([name, shares]) =>
			line(name, [shares.runs, ...seen.map((outcome) => shares[outcome].runs || "")]),
		),
	];
}
