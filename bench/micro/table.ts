/** The table of micro-benchmarks, for people. */
import { FAMILIES } from "./micro.ts";
import { MICRO_ROWS } from "./rows.ts";
import type { MicroResult } from "./run.ts";

const NAMES = Math.max(...MICRO_ROWS.map(({ name }) => name.length)) + 2;
const NUMBERS = 11;

const line = (cells: readonly string[]): string => {
	const [name, ...numbers] = cells;
	return [name!.padEnd(NAMES), ...numbers.map((cell) => cell.padStart(NUMBERS))].join("");
};

/** Nanoseconds, three digits or all before the point. */
export const nanoseconds = (ns: number): string =>
	ns < 100
		? ns.toLocaleString("en-US", { minimumSignificantDigits: 3, maximumSignificantDigits: 3 })
		: Math.round(ns).toLocaleString("en-US");

/** => no lines for no results */
export function microLines(results: readonly MicroResult[]): string[] {
	if (results.length === 0) return [];
	const head = line(["ns of one operation", "median", "quartiles", "", "least", "samples"]);
	const families = FAMILIES.flatMap((family) => {
		const own = results.filter((result) => result.family === family);
		return own.length === 0 ? [] : ["", ...own.map(rowOf)];
	});
	return ["", head, ...families.slice(1)];
}

function rowOf({ name, medianNs, lowerNs, upperNs, leastNs, samples }: MicroResult): string {
	return line([
		name,
		...[medianNs, lowerNs, upperNs, leastNs].map(nanoseconds),
		samples.toLocaleString("en-US"),
	]);
}
