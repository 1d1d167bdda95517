/** The last table of `npm run bench`: what was measured, in a line or a few for each benchmark. */
import { allocatesTooMuch } from "./allocations.ts";
import { growsTooFast } from "./growth/growth.ts";
import { geometricMean } from "./matrix.ts";
import { FAMILIES } from "./micro/micro.ts";
import { nanoseconds } from "./micro/table.ts";
import { BELOW_NOISE } from "./noise.ts";
import type { BenchReport } from "./report.ts";

/** The benchmark; what was measured; the figure; by how much it may be off, or "". */
type Line = readonly [string, string, string, string];

const whole = (n: number): string => Math.round(n).toLocaleString("en-US");

function guests({ geomeanMips }: BenchReport): Line[] {
	if (geomeanMips === null) return [];
	const line = (what: string, mips: number): Line => [
		"guests",
		`geometric mean, memory ${what}`,
		`${whole(mips)} M instr./s`,
		"",
	];
	return [line("suffices", geomeanMips.resident), line("is short", geomeanMips.swapping)];
}

const paths = (report: BenchReport): Line[] =>
	report.paths.map(({ name, perSecond, marginPercent }) =>
		perSecond === null
			? ["paths", name, BELOW_NOISE, ""]
			: ["paths", name, `${nanoseconds(1e9 / perSecond)} ns`, `±${marginPercent.toFixed(1)} %`],
	);

function micro(report: BenchReport): Line[] {
	return FAMILIES.flatMap((family): Line[] => {
		const own = report.micro.filter((result) => result.family === family);
		if (own.length === 0) return [];
		const mean = (of: (result: (typeof own)[number]) => number): string =>
			nanoseconds(geometricMean(own.map(of)));
		const spread = `${mean((r) => r.lowerNs)} to ${mean((r) => r.upperNs)} ns`;
		const what = `${family}: geometric mean of ${own.length}`;
		return [["micro", what, `${mean((r) => r.medianNs)} ns`, spread]];
	});
}

function calls(report: BenchReport): Line[] {
	const us = report.calls.flatMap(({ hostUs }) => (hostUs === null ? [] : [hostUs]));
	if (report.calls.length === 0) return [];
	const what = `geometric mean of ${us.length} of ${report.calls.length} operations`;
	const figure = us.length === 0 ? BELOW_NOISE : `${geometricMean(us).toFixed(1)} us`;
	return [["calls", what, figure, ""]];
}

const snapshots = (report: BenchReport): Line[] =>
	report.snapshots.map(({ name, ms }) => ["snapshots", name, `${ms.toFixed(2)} ms`, ""]);

function growth(report: BenchReport): Line[] {
	if (report.growth.length === 0) return [];
	const wrong = report.growth.filter(growsTooFast).map(({ name }) => name);
	const figure = wrong.length === 0 ? "as allowed" : `${wrong.length} too fast`;
	return [["growth", `${report.growth.length} operations by size`, figure, wrong.join(", ")]];
}

function allocations(report: BenchReport): Line[] {
	if (report.allocations.length === 0) return [];
	const wrong = report.allocations.filter(allocatesTooMuch).map(({ name }) => name);
	const most = Math.max(...report.allocations.map(({ bytes }) => bytes));
	const figure = wrong.length === 0 ? "as allowed" : `${wrong.length} too much`;
	const what = `${report.allocations.length} paths, ${most.toFixed(1)} bytes an event at most`;
	return [["allocations", what, figure, wrong.join(", ")]];
}

function others({ startupMs, injections, engines }: BenchReport): Line[] {
	const lines: Line[] = [];
	if (startupMs !== null) {
		lines.push(["startup", "until a guest's first instruction", `${whole(startupMs)} ms`, ""]);
	}
	for (const { name, perHour } of injections) {
		lines.push(["injections", name, `${whole(perHour)} an hour`, ""]);
	}
	if (engines !== null && engines.mean !== null) {
		const what = `geometric mean of ${engines.engine} : QEMU`;
		lines.push(["engines", what, engines.mean.toFixed(2), ""]);
	}
	return lines;
}

const PARTS = [guests, paths, micro, calls, snapshots, growth, allocations, others];

/** => no lines if there are not two benchmarks at least */
export function summaryLines(report: BenchReport): string[] {
	const lines = PARTS.flatMap((part) => part(report));
	if (new Set(lines.map(([benchmark]) => benchmark)).size < 2) return [];
	const head: Line = ["benchmark", "what", "figure", "spread"];
	const all = [head, ...lines];
	const width = (i: number): number => Math.max(...all.map((line) => line[i]!.length));
	const widths = [width(0), width(1), width(2)];
	return all.map(([benchmark, what, figure, spread], i) => {
		const isNew = i < 1 || all[i - 1]![0] !== benchmark;
		const cells = [(isNew ? benchmark : "").padEnd(widths[0]!), what.padEnd(widths[1]!)];
		return [...cells, figure.padStart(widths[2]!), spread].join("  ").trimEnd();
	});
}
