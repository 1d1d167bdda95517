/**
 * The engines beside each other and beside QEMU, on workloads/compute and workloads/bare: each
 * guest takes turns on them, in processes of their own. What counts is the time of all threads
 * of a process, less that of one whose guest does nothing.
 */
import { spawnSync } from "node:child_process";
import type { Engine } from "../index.ts";
import { CURVE_MS, type GuestProcess } from "./compute-process.ts";
import { built, type Measuring, WORKLOADS } from "./guests.ts";

export const QEMU = "qemu-system-riscv32";

/** For each guest of workloads/compute: what QEMU does in half a second to two, mostly. */
const SCALES: Readonly<Record<string, number>> = {
	...{ amo: 100, chase: 4, cold: 400, copy: 100, fib: 150, fill: 30, fnv: 80, interp: 60 },
	...{ mark: 50, matrix: 80, queens: 40, sha256: 60, sieve: 120, sort: 80, stride: 10, tree: 60 },
	...{ dmatrix: 50, mandel: 4, nbody: 20 },
};
/** The interpreter does so much less. */
const INTERPRETED = 1 / 5;
/** Programs without a scale: a million traps, a hundred thousand functions made and called. */
const FIXED = ["traps", "generate"];
const CURVES = ["mark", "interp", "sort"];
/** Programs that the interpreter runs for some ten milliseconds. */
const SHORT: Readonly<Record<string, number>> = { fib: 1, interp: 1, mark: 1, sieve: 1, sort: 1 };

/** Of one engine, from some rounds. */
export interface Spread {
	readonly median: number;
	readonly lowest: number;
	readonly highest: number;
}

export interface EngineGuest {
	readonly name: string;
	/** Million instructions a second. */
	readonly interp: Spread;
	readonly engine: Spread;
	/** null: there is no QEMU. */
	readonly qemu: Spread | null;
	/** The engine's speed in QEMU's of the same round. */
	readonly ratio: Spread | null;
	/** What the engine has compiled in one run. */
	readonly compiled: GuestProcess["compiled"];
	readonly compileMs: number;
	readonly instructions: number;
}

export interface EngineCurve {
	readonly name: string;
	/** Million instructions a second about each of CURVE_MS. */
	readonly interp: readonly number[];
	readonly engine: readonly number[];
}

export interface EngineShort {
	readonly name: string;
	readonly interpMs: Spread;
	readonly engineMs: Spread;
	/** The engine's time in the interpreter's of the same round. */
	readonly ratio: Spread;
}

export interface EnginesReport {
	/** The version; null: it is not installed. */
	readonly qemu: string | null;
	readonly engine: Engine;
	readonly rounds: number;
	readonly guests: readonly EngineGuest[];
	/** Geometric mean of the ratios to QEMU of the guests with a scale. */
	readonly mean: number | null;
	readonly curves: readonly EngineCurve[];
	readonly short: readonly EngineShort[];
}

export function spread(values: readonly number[]): Spread {
	const sorted = [...values].sort((a, b) => a - b);
	return { median: sorted[sorted.length >> 1]!, lowest: sorted[0]!, highest: sorted.at(-1)! };
}

const bootargsOf = (name: string, scale: number): string => `${name} ${scale}`;
const imageOf = (name: string): string => (FIXED.includes(name) ? name : "compute");

/** Seconds of all threads of a process, as the shell tells them, and what it has printed. */
function timed(command: readonly string[]): { readonly seconds: number; readonly text: string } {
	const script = '"$@" </dev/null 2>/dev/null || exit 1; times';
	const run = spawnSync("sh", ["-c", script, "sh", ...command], { encoding: "utf8" });
	if (run.status !== 0) throw new Error(`bench: ${command.join(" ")} fails`);
	const lines = run.stdout.trimEnd().split("\n");
	const times = [...lines.pop()!.matchAll(/(\d+)m([\d.]+)s/g)];
	lines.pop();
	const seconds = times.reduce((sum, [, m, s]) => sum + 60 * Number(m) + Number(s), 0);
	return { seconds, text: lines.join("\n") };
}

function qemuVersion(): string | null {
	const { status, stdout } = spawnSync(QEMU, ["--version"], { encoding: "utf8" });
	return status === 0 ? (/version (\S+)/.exec(stdout)?.[1] ?? "unknown") : null;
}

function onQemu(name: string, scale: number): { seconds: number; text: string } {
	const image = `${WORKLOADS}bare/bin/${imageOf(name)}`;
	const machine = ["-machine", "virt", "-m", "128", "-nographic", "-bios", "none"];
	return timed([QEMU, ...machine, "-kernel", image, "-append", bootargsOf(name, scale)]);
}

/** Seconds that QEMU takes for `name`, less those for nothing; null: it is not installed. */
export function qemuSeconds(name: string): number | null {
	if (qemuVersion() === null) return null;
	const idle = onQemu(idleOf(name), 0);
	return onQemu(name, 0).seconds - idle.seconds;
}

interface OwnRun extends GuestProcess {
	readonly seconds: number;
}

function onOurs(name: string, scale: number, engine: Engine, what = ""): OwnRun {
	const args = [imageOf(name), bootargsOf(name, scale), engine, what];
	const { seconds, text } = timed([process.execPath, built("compute-guest"), ...args]);
	return { ...(JSON.parse(text) as GuestProcess), seconds };
}

/** A guest that does nothing, and what of it is not the work of `name`. */
const idleOf = (name: string): string => (FIXED.includes(name) ? "fib" : name);

/** Less than a tick of the clock is no time. */
const TICK = 0.01;

/** Million instructions a second of one more run, less what one without work takes. */
function speedOf(name: string, scale: number, engine: Engine): { mips: number; run: OwnRun } {
	const idle = onOurs(idleOf(name), 0, engine);
	const run = onOurs(name, scale, engine);
	const seconds = Math.max(run.seconds - idle.seconds, TICK);
	return { mips: workOf(run, idle, name) / seconds / 1e6, run };
}

const workOf = (run: OwnRun, idle: OwnRun, name: string): number =>
	run.instructions - (FIXED.includes(name) ? 0 : idle.instructions);

/** The same of QEMU, which counts no instructions: they are those of `run`. */
function qemuSpeed(name: string, scale: number, run: OwnRun): number {
	const idle = onQemu(idleOf(name), 0);
	const { seconds, text } = onQemu(name, scale);
	if (text.trim() !== run.console.trim()) {
		throw new Error(`bench: ${name} ${scale}: QEMU prints ${text}, and ours ${run.console}`);
	}
	const work = workOf(run, onOurs(idleOf(name), 0, "interp"), name);
	return work / Math.max(seconds - idle.seconds, TICK) / 1e6;
}

function measure(name: string, rounds: number, engine: Engine, hasQemu: boolean): EngineGuest {
	const scale = rounds === 1 ? 1 : (SCALES[name] ?? 0);
	const slow = Math.max(1, Math.round(scale * INTERPRETED));
	const interp: number[] = [];
	const own: number[] = [];
	const qemu: number[] = [];
	let last: OwnRun | null = null;
	for (let round = 0; round < rounds; round++) {
		const { mips, run } = speedOf(name, scale, engine);
		last = run;
		own.push(mips);
		if (hasQemu) qemu.push(qemuSpeed(name, scale, run));
		interp.push(speedOf(name, slow, "interp").mips);
	}
	const ratios = qemu.map((theirs, round) => own[round]! / theirs);
	return {
		name,
		interp: spread(interp),
		engine: spread(own),
		qemu: hasQemu ? spread(qemu) : null,
		ratio: hasQemu ? spread(ratios) : null,
		compiled: last!.compiled,
		compileMs: last!.compileMs,
		instructions: last!.instructions,
	};
}

function curveOf(name: string, rounds: number, engine: Engine): EngineCurve {
	const runs = (which: Engine): number[] => {
		const curves = Array.from({ length: rounds }, () => onOurs(name, 1e6, which, "curve").curve);
		return CURVE_MS.map((_, i) => spread(curves.map((curve) => curve[i]!)).median);
	};
	return { name, interp: runs("interp"), engine: runs(engine) };
}

function shortOf(name: string, rounds: number, engine: Engine): EngineShort {
	const ms: Record<"interp" | "engine", number[]> = { interp: [], engine: [] };
	for (let round = 0; round < rounds; round++) {
		ms.interp.push(onOurs(name, SHORT[name]!, "interp").cpuMs);
		ms.engine.push(onOurs(name, SHORT[name]!, engine).cpuMs);
	}
	return {
		name,
		interpMs: spread(ms.interp),
		engineMs: spread(ms.engine),
		ratio: spread(ms.engine.map((own, round) => own / ms.interp[round]!)),
	};
}

const ROUNDS = 3;
/** What is short is measured more often. */
const SHORT_TIMES = 3;

export const engineNames = ({ smoke }: Measuring): string[] =>
	smoke ? ["fib", "cold"] : [...Object.keys(SCALES), ...FIXED];

export function runEngines(how: Measuring, onGuest?: (name: string) => void): EnginesReport {
	const { smoke, engine } = how;
	const rounds = smoke ? 1 : ROUNDS;
	const qemu = qemuVersion();
	const guests = engineNames(how).map((name) => {
		const guest = measure(name, rounds, engine, qemu !== null);
		onGuest?.(name);
		return guest;
	});
	const ratios = guests.flatMap(({ name, ratio }) =>
		ratio === null || FIXED.includes(name) ? [] : [Math.log(ratio.median)],
	);
	const mean = Math.exp(ratios.reduce((sum, log) => sum + log, 0) / ratios.length);
	return {
		...{ qemu, engine, rounds, guests },
		mean: ratios.length === 0 ? null : mean,
		curves: smoke ? [] : CURVES.map((name) => curveOf(name, rounds, engine)),
		short: (smoke ? ["fib"] : Object.keys(SHORT)).map((name) =>
			shortOf(name, rounds * (smoke ? 1 : SHORT_TIMES), engine),
		),
	};
}
