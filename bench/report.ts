/** All benchmarks, as one object and as a table. */
import { cpus } from "node:os";
import { type Engine, VERSION } from "../index.ts";
import { type AllocationResult, allocatesTooMuch, runAllocations } from "./allocations.ts";
import { type CallResult, runCalls } from "./calls.ts";
import { engineLines } from "./engine-tables.ts";
import { type EnginesReport, engineNames, runEngines } from "./engines.ts";
import { type GrowthResult, growsTooFast, growthNames, runGrowth } from "./growth/growth.ts";
import type { GuestResult, Measuring } from "./guests.ts";
import { type InjectionResult, runInjections } from "./injections.ts";
import { geometricMean, matrixRuns, runMatrix } from "./matrix.ts";
import { type MicroResult, microRows, runMicro } from "./micro/run.ts";
import { microLines } from "./micro/table.ts";
import { runNative } from "./native.ts";
import { BELOW_NOISE } from "./noise.ts";
import { type PathResult, runPaths } from "./paths/paths.ts";
import { runSnapshots, type SnapshotResult } from "./snapshots.ts";
import { runStartup } from "./startup.ts";
import { summaryLines } from "./summary.ts";

export const BENCHMARKS = [
	"guests",
	"paths",
	"micro",
	"calls",
	"snapshots",
	"growth",
	"allocations",
	"startup",
	"injections",
	"engines",
] as const;
export type BenchmarkName = (typeof BENCHMARKS)[number];

export interface BenchReport {
	readonly version: string;
	readonly host: { readonly cpu: string; readonly node: string };
	readonly engine: Engine;
	readonly guests: readonly GuestResult[];
	/** Geometric mean of the guests' MIPS, with enough memory and with too little. */
	readonly geomeanMips: { readonly resident: number; readonly swapping: number } | null;
	/** Milliseconds of the same programs compiled natively. */
	readonly nativeMs: Readonly<Record<string, number>> | null;
	readonly paths: readonly PathResult[];
	readonly micro: readonly MicroResult[];
	readonly calls: readonly CallResult[];
	readonly snapshots: readonly SnapshotResult[];
	readonly growth: readonly GrowthResult[];
	readonly allocations: readonly AllocationResult[];
	readonly startupMs: number | null;
	readonly injections: readonly InjectionResult[];
	readonly engines: EnginesReport | null;
}

export interface BenchOptions extends Measuring {
	/** Which ones; all if empty, and `micro` is, too. */
	readonly names: readonly BenchmarkName[];
	/** Micro-benchmarks that were asked for by their names. */
	readonly micro: readonly string[];
	readonly jobs: number;
	readonly onStep?: (done: string) => void;
}

export type Wanted = Pick<BenchOptions, "names" | "micro">;

function wants({ names, micro }: Wanted, name: BenchmarkName): boolean {
	if (names.includes(name) || (names.length === 0 && micro.length === 0)) return true;
	return name === "micro" && micro.length > 0;
}

/** How often `onStep` will be called. */
export function countSteps(wanted: Wanted, how: Measuring): number {
	const guests = wants(wanted, "guests") ? matrixRuns(how).length + 1 : 0;
	const growth = wants(wanted, "growth") ? growthNames(how).length : 0;
	const engines = wants(wanted, "engines") ? engineNames(how).length : 0;
	const others = BENCHMARKS.filter(
		(name) => !["guests", "growth", "engines"].includes(name) && wants(wanted, name),
	);
	return guests + growth + engines + others.length;
}

export async function runBenchmarks(options: BenchOptions): Promise<BenchReport> {
	const { smoke, engine, jobs } = options;
	const wanted = (name: BenchmarkName): boolean => wants(options, name);
	const step = (what: string): void => options.onStep?.(what);
	// First: what others have called in other ways V8 does not inline.
	const allocations = wanted("allocations") ? await runAllocations(options) : [];
	if (allocations.length > 0) step("allocations");
	let guests: GuestResult[] = [];
	let native: Map<string, number> | null = null;
	if (wanted("guests")) {
		const onResult = (r: GuestResult): void => step(`${r.program} in ${r.ramMiB} MiB`);
		guests = await runMatrix({ smoke, engine, jobs, onResult });
		native = runNative(smoke);
		step("native programs");
	}
	const paths = wanted("paths") ? await runPaths(options) : [];
	if (paths.length > 0) step("paths");
	const microNames = options.names.includes("micro") ? [] : options.micro;
	const micro = wanted("micro") ? await runMicro(options, microRows(microNames)) : [];
	if (micro.length > 0) step("micro");
	const calls = wanted("calls") ? runCalls(options) : [];
	if (calls.length > 0) step("calls");
	const snapshots = wanted("snapshots") ? runSnapshots(options) : [];
	if (snapshots.length > 0) step("snapshots");
	const growth = wanted("growth") ? runGrowth(options, step) : [];
	const startupMs = wanted("startup") ? runStartup(engine) : null;
	if (startupMs !== null) step("startup");
	const injections = wanted("injections") ? await runInjections(options) : [];
	if (injections.length > 0) step("injections");
	const engines = wanted("engines") ? runEngines(options, step) : null;
	return {
		version: VERSION,
		host: { cpu: cpus()[0]?.model ?? "unknown", node: process.version },
		engine,
		guests,
		geomeanMips:
			guests.length === 0 ? null : { resident: mean(guests, 64), swapping: mean(guests, 4) },
		nativeMs: native === null ? null : Object.fromEntries(native),
		paths,
		micro,
		calls,
		snapshots,
		growth,
		allocations,
		startupMs,
		injections,
		engines,
	};
}

const mean = (guests: GuestResult[], ramMiB: number): number =>
	geometricMean(guests.filter((g) => g.ramMiB === ramMiB).map((g) => g.mips));

/** The report as a table. */
export function benchTable(report: BenchReport): string {
	const lines: string[] = [`${report.host.cpu}, Node ${report.host.node}, engine ${report.engine}`];
	if (report.guests.length > 0) {
		lines.push(
			"",
			row(["guest", "RAM", "M instr.", "ms", "M instr./s", "page-ins", "paged out", "native ms"]),
		);
		for (const g of report.guests) {
			lines.push(
				row([
					[g.program, ...g.args].join(" "),
					`${g.ramMiB} MiB`,
					(g.instructions / 1e6).toFixed(1),
					g.hostMs.toFixed(0),
					g.mips.toFixed(0),
					String(g.pageins),
					String(g.pageouts),
					report.nativeMs?.[g.program]?.toFixed(1) ?? "-",
				]),
			);
		}
		const { resident, swapping } = report.geomeanMips!;
		lines.push(`geometric mean: ${resident.toFixed(0)} resident, ${swapping.toFixed(0)} swapping`);
	}
	if (report.paths.length > 0) lines.push("");
	lines.push(...report.paths.map(pathLine));
	lines.push(...microLines(report.micro), ...callLines(report.calls));
	if (report.snapshots.length > 0) lines.push("");
	for (const s of report.snapshots) {
		lines.push(`${s.name}: ${s.ms.toFixed(2)} ms (median of ${s.samples})`);
	}
	lines.push(...growthLines(report.growth), ...allocationLines(report.allocations));
	if (report.startupMs !== null) {
		lines.push("", `process start to first guest instruction: ${report.startupMs.toFixed(0)} ms`);
	}
	lines.push(...injectionLines(report.injections));
	if (report.engines !== null) lines.push("", ...engineLines(report.engines));
	const summary = summaryLines(report);
	if (summary.length > 0) lines.push("", ...summary);
	return `${lines.join("\n")}\n`;
}

function pathLine({ name, perSecond, marginPercent, samples }: PathResult): string {
	if (perSecond === null) return `${name}: ${BELOW_NOISE} (${samples} samples)`;
	const rate = Math.round(perSecond).toLocaleString("en-US");
	return `${name}: ${rate} a second (±${marginPercent.toFixed(1)} %, ${samples} samples)`;
}

function callLines(calls: readonly CallResult[]): string[] {
	if (calls.length === 0) return [];
	const line = (cells: readonly string[]): string =>
		cells.map((cell, i) => (i === 0 ? cell.padEnd(44) : cell.padStart(14))).join("");
	const fixed = (value: number | null): string =>
		value === null ? BELOW_NOISE : value.toFixed(value < 100 ? 1 : 0);
	return [
		"",
		line(["operation", "faults", "instructions", "virtual ns", "host us"]),
		...calls.map((c) =>
			line([c.name, ...[c.faults, c.instructions, c.virtualNs, c.hostUs].map(fixed)]),
		),
	];
}

function growthLines(growth: readonly GrowthResult[]): string[] {
	if (growth.length === 0) return [];
	const line = (cells: readonly string[]): string =>
		cells.map((cell, i) => (i === 0 ? cell.padEnd(41) : cell.padStart(GROWTH[i]!))).join("");
	const steps = (n: number | undefined): string => (n === undefined ? "" : n.toFixed(1));
	return [
		"",
		line(["growth", "from", "host us", "steps", "to", "host us", "steps", "exponent", "allowed"]),
		...growth.map((g) => {
			const verdict = growsTooFast(g) ? " TOO FAST" : "";
			const exponent = `${g.exponent.toFixed(2)} ±${g.margin.toFixed(2)}`;
			const [us, last] = [g.hostUs[0]!, g.hostUs.at(-1)!];
			return (
				line([
					g.name,
					...[String(g.sizes[0]), us.toFixed(us < 100 ? 2 : 0), steps(g.steps?.[0])],
					`${g.sizes.at(-1)} ${g.unit}`,
					...[last.toFixed(last < 100 ? 2 : 0), steps(g.steps?.at(-1))],
					...[exponent, g.allowed.toFixed(2)],
				]) + verdict
			);
		}),
	];
}

function allocationLines(allocations: readonly AllocationResult[]): string[] {
	if (allocations.length === 0) return [];
	const line = (cells: readonly string[]): string =>
		cells.map((cell, i) => (i === 0 ? cell.padEnd(41) : cell.padStart(13))).join("");
	return [
		"",
		line(["allocated by an event", "events", "bytes", "allowed", "collections", "KiB kept"]),
		...allocations.map((a) => {
			const numbers = [a.events.toFixed(0), a.bytes.toFixed(1), String(a.allowed)];
			const verdict = allocatesTooMuch(a) ? " TOO MUCH" : "";
			const kept = (a.kept / 1024).toFixed(0);
			return line([a.name, ...numbers, String(a.collections), kept]) + verdict;
		}),
	];
}

const GROWTH = [41, 6, 9, 6, 20, 9, 6, 14, 8];

function injectionLines(injections: readonly InjectionResult[]): string[] {
	const [first] = injections;
	if (first === undefined) return [];
	const million = (first.instructions / 1e6).toFixed(1);
	const jobs = first.jobs === 1 ? "1 worker" : `${first.jobs} workers`;
	return [
		"",
		`injections an hour, of a program of ${million} M instructions, with ${jobs}`,
		...injections.map(
			({ name, perHour, points, runs }) =>
				`${name.padEnd(18)}${perHour.toLocaleString("en-US").padStart(10)}` +
				`  (${points} points by ${runs} runs)`,
		),
	];
}

const WIDTHS = [14, 8, 10, 8, 11, 10, 10, 10];

const row = (cells: string[]): string =>
	cells.map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[i]!) : cell.padStart(WIDTHS[i]!))).join("");
