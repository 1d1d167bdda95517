/** Results of an experiment as a table, and as comma-separated values. */
import type { Row } from "./conduct.ts";
import type { Experiment } from "./experiment.ts";
import type { Scalar } from "./points.ts";
import { type Verdict, valuesOf } from "./verdict.ts";

/** Digits behind the point of numbers that are not whole. */
const DIGITS = 3;
/** Failures of an expectation that are shown. */
const SHOWN = 5;

/** A number with its digits in groups. */
export const cell = (value: Scalar): string =>
	typeof value !== "number"
		? String(value)
		: Number.isInteger(value)
			? value.toLocaleString("en-US")
			: value.toLocaleString("en-US", {
					minimumFractionDigits: DIGITS,
					maximumFractionDigits: DIGITS,
				});

/** The head, and a row for each point: its parameters and its metrics. */
export function cellsOf(experiment: Experiment, rows: readonly Row[]): Scalar[][] {
	const names = [...experiment.parameters, ...experiment.metrics.map(({ name }) => name)];
	const values = rows.map((row) => valuesOf(experiment, row));
	return [names, ...values.map((of) => names.map((name) => of[name]!))];
}

export function tableOf(
	experiment: Experiment,
	rows: readonly Row[],
	verdicts: readonly Verdict[],
): string {
	const { name, question } = experiment;
	const cells = cellsOf(experiment, rows).map((row, i) =>
		i === 0 ? row.map(String) : row.map(cell),
	);
	const widths = cells[0]!.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
	const lines = cells.map((row) => row.map((text, i) => text.padStart(widths[i]!)).join("  "));
	const judged = verdicts.flatMap(({ text, failures, checked }) => {
		const count = failures.length;
		if (count === 0) return [`holds  ${text} (${checked} checked)`];
		const shown = failures.slice(0, SHOWN).map((line) => `         ${line}`);
		const more = count > SHOWN ? [`         and ${count - SHOWN} more`] : [];
		return [`FAILS  ${text} (${count} of ${checked})`, ...shown, ...more];
	});
	const head = question === "" ? name : `${name}: ${question}`;
	return `${[head, "", ...lines, ...(judged.length > 0 ? ["", ...judged] : [])].join("\n")}\n`;
}

const quoted = (value: Scalar): string => {
	const text = String(value);
	return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** RFC 4180, but for the ends of lines. */
export const csvOf = (experiment: Experiment, rows: readonly Row[]): string =>
	cellsOf(experiment, rows)
		.map((row) => `${row.map(quoted).join(",")}\n`)
		.join("");
