/** Tables of the benchmark of the engines, for a terminal and for docs/performance.md. */
import { CURVE_MS } from "./compute-process.ts";
import type { EngineGuest, EnginesReport, Spread } from "./engines.ts";

type Table = readonly (readonly string[])[];

const whole = (n: number): string => Math.round(n).toLocaleString("en-US");
const range = ({ median, lowest, highest }: Spread, digits = 2): string =>
	`${median.toFixed(digits)} (${lowest.toFixed(digits)} to ${highest.toFixed(digits)})`;

export function speedTable({ engine, guests }: EnginesReport): Table {
	const row = ({ name, interp, engine: own, qemu, ratio }: EngineGuest): string[] => [
		name,
		whole(interp.median),
		whole(own.median),
		qemu === null ? "-" : whole(qemu.median),
		ratio === null ? "-" : range(ratio),
	];
	return [["guest", "interp", engine, "QEMU", `${engine} : QEMU`], ...guests.map(row)];
}

export function compileTable({ guests }: EnginesReport): Table {
	const head = ["guest", "million instructions", "compiled", "functions", "modules", "KiB", "ms"];
	const row = ({ name, instructions, compiled, compileMs }: EngineGuest): string[] => {
		if (compiled === null) return [name, whole(instructions / 1e6), "-", "-", "-", "-", "-"];
		const share = ((compiled.instructions / instructions) * 100).toFixed(1);
		return [
			name,
			whole(instructions / 1e6),
			`${share} %`,
			String(compiled.functions),
			String(compiled.modules),
			(compiled.bytes / 1024).toFixed(1),
			compileMs.toFixed(1),
		];
	};
	return [head, ...guests.map(row)];
}

export function briefTable({ engine, brief }: EnginesReport): Table {
	const head = ["guest", "million instructions", `${engine}, ms`, "QEMU, ms", `${engine} : QEMU`];
	const rows = brief.map(({ name, work, engineMs, qemuMs, ratio }) => [
		...[name, whole(work), whole(engineMs.median), whole(qemuMs.median), range(ratio)],
	]);
	return [head, ...rows];
}

export function curveTable({ engine, curves }: EnginesReport): Table {
	const head = ["guest", "engine", ...CURVE_MS.map((ms) => `after ${ms} ms`)];
	const rows = curves.flatMap((curve) => [
		[curve.name, "interp", ...curve.interp.map(whole)],
		[curve.name, engine, ...curve.engine.map(whole)],
	]);
	return [head, ...rows];
}

export function shortTable({ engine, short }: EnginesReport): Table {
	const head = ["guest", "interp, ms", `${engine}, ms`, `${engine} : interp`];
	const rows = short.map(({ name, interpMs, engineMs, ratio }) => [
		name,
		interpMs.median.toFixed(1),
		engineMs.median.toFixed(1),
		range(ratio),
	]);
	return [head, ...rows];
}

export const meanLine = ({ engine, mean }: EnginesReport): string =>
	mean === null
		? "QEMU is not installed."
		: `Geometric mean of ${engine} : QEMU, without traps and generate: ${mean.toFixed(2)}.`;

export const briefLine = ({ engine, briefMean }: EnginesReport): string =>
	briefMean === null
		? "QEMU is not installed."
		: `Geometric mean of ${engine} : QEMU: ${briefMean.toFixed(2)}.`;

/** Columns of equal width. */
function aligned(table: Table): string[] {
	const widths = table[0]!.map((_, i) => Math.max(...table.map((row) => row[i]!.length)));
	return table.map((row) =>
		row
			.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
			.join("  "),
	);
}

/** For a terminal. */
export function engineLines(report: EnginesReport): string[] {
	const tables = [
		["million instructions a second", speedTable(report)],
		["what was compiled", compileTable(report)],
		["brief runs", briefTable(report)],
		["warm-up, million instructions a second", curveTable(report)],
		["short programs", shortTable(report)],
	] as const;
	const lines = tables.flatMap(([title, table]) =>
		table.length < 2 ? [] : [title, ...aligned(table), ""],
	);
	return [...lines, meanLine(report)];
}

/** For a page. */
export function markdown(table: Table): string {
	const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;
	const [head, ...rows] = table as readonly [readonly string[], ...Table];
	return row(head) + row(head.map(() => "---")) + rows.map(row).join("");
}
