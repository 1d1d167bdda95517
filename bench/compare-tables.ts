/** What a comparison of two builds has measured, and tables of it. */
import { markdown } from "./engine-tables.ts";
import { exponentOf } from "./growth/fit.ts";

/** Microseconds of one event in each slice; slices of the same place were measured in turn. */
export interface Compared {
	readonly name: string;
	readonly before: readonly number[];
	readonly after: readonly number[];
}

/** At each size, microseconds of one operation in each turn; NaN: it fails there. */
export interface ComparedGrowth {
	readonly name: string;
	/** What the sizes count. */
	readonly unit: string;
	readonly sizes: readonly number[];
	readonly before: readonly (readonly number[])[];
	readonly after: readonly (readonly number[])[];
}

/** What one process measures. */
export interface Part {
	readonly paths: readonly Compared[];
	readonly growth: readonly ComparedGrowth[];
}

export interface Comparison extends Part {
	/** Milliseconds that a start takes, less an empty process. */
	readonly starts: readonly Compared[];
	/** Microseconds of a trap and its return on QEMU; empty: it is not installed. */
	readonly qemuTraps: readonly number[];
}

const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
export const least = (values: readonly number[]): number => sorted(values)[0]!;
export const median = (values: readonly number[]): number => sorted(values)[values.length >> 1]!;

/** Three digits, or all before the point. */
export function figure(value: number): string {
	if (Number.isNaN(value)) return "-";
	if (value >= 100) return Math.round(value).toLocaleString("en-US");
	return value.toPrecision(3);
}

/** Of slices measured in turn: the median ratio, and the quarter and three quarters of them. */
export function ratioOf({ before, after }: Compared): string {
	const ratios = sorted(after.map((us, i) => us / before[i]!));
	const at = (share: number): string => ratios[Math.floor(share * (ratios.length - 1))]!.toFixed(2);
	return `${at(0.5)} (${at(0.25)} to ${at(0.75)})`;
}

const pathCells = (one: Compared): string[] => {
	const cell = (values: readonly number[]): string =>
		`${figure(least(values))}, ${figure(median(values))}`;
	return [one.name, cell(one.before), cell(one.after), ratioOf(one)];
};

/** The exponent of what was measured at all sizes. */
function growthOf(sizes: readonly number[], us: readonly number[]): string {
	if (us.some(Number.isNaN)) return "-";
	const { exponent, margin } = exponentOf(sizes, us);
	return `${exponent.toFixed(2)} ±${margin.toFixed(2)}`;
}

/** The least of each size; of the largest size that both can do, the ratio. */
function growthCells({ name, unit, sizes, before, after }: ComparedGrowth): string[] {
	const [b, a] = [before.map(least), after.map(least)];
	const last = b.findLastIndex((us, i) => us > 0 && a[i]! > 0);
	const ratios = last < 0 ? [] : sorted(after[last]!.map((us, turn) => us / before[last]![turn]!));
	const spread =
		ratios.length === 0 ? "-" : `${ratios[0]!.toFixed(2)} to ${ratios.at(-1)!.toFixed(2)}`;
	return [
		`${name}, ${sizes.map((n) => n.toLocaleString("en-US")).join(" / ")} ${unit}`,
		...[b.map(figure).join(" / "), growthOf(sizes, b)],
		...[a.map(figure).join(" / "), growthOf(sizes, a)],
		spread,
	];
}

const PATH_HEAD = ["least, median", "before", "after", "after : before"];
const GROWTH_HEAD = ["least us", "before", "exponent", "after", "exponent", "at the largest"];

/** Everything, in markdown. */
export function comparedTables({ paths, growth, starts, qemuTraps }: Comparison): string {
	const tables: string[] = [];
	const table = (title: string, head: string[], lines: string[][]): void => {
		if (lines.length > 0) tables.push(`${title}\n\n${markdown([head, ...lines])}`);
	};
	table("Microseconds of CPU time:", PATH_HEAD, paths.map(pathCells));
	table("Milliseconds beyond an empty process:", PATH_HEAD, starts.map(pathCells));
	if (qemuTraps.length > 0) {
		tables.push(`A trap and return on QEMU: ${qemuTraps.map(figure).join(", ")} us\n`);
	}
	table("Growth:", GROWTH_HEAD, growth.map(growthCells));
	return tables.join("\n");
}

const README_PATHS = ["path", "host us", "a second"];
const README_GROWTH = ["operation", "host us, with", "host us, with", "exponent"];

/** What README.md shows of the build that is compared: what is least, and how it grows. */
export function readmeTables({ paths, growth, qemuTraps }: Comparison): string {
	const lines = paths.map(({ name, after }) => {
		const us = least(after);
		return [name, figure(us), Math.round(1e6 / us).toLocaleString("en-US")];
	});
	if (qemuTraps.length > 0) lines.push(["the same on QEMU", figure(least(qemuTraps)), ""]);
	const growing = growth.map(({ name, unit, sizes, after }) => {
		const us = after.map(least);
		const at = (i: number): string =>
			`${figure(us.at(i)!)}, ${sizes.at(i)!.toLocaleString("en-US")}`;
		return [name, `${at(0)} ${unit}`, at(-1), growthOf(sizes, us)];
	});
	return `${markdown([README_PATHS, ...lines])}\n${markdown([README_GROWTH, ...growing])}`;
}
