/**
 * The engines beside each other and beside QEMU, on workloads/compute and workloads/bare: each
 * guest takes turns on them, in processes of their own. What counts is the time of all threads
 * of a process, less that of one whose guest does nothing.
 */
import type { Engine } from "../index.ts";
import { CURVE_MS, type GuestProcess } from "./compute-process.ts";
import { FIXED, idleOf, inside, type OwnRun, onOurs, onQemu, qemuVersion } from "./engine-runs.ts";
import type { Measuring } from "./guests.ts";

/** For each guest of workloads/compute: what QEMU does in half a second to two, mostly. */
const SCALES: Readonly<Record<string, number>> = {
	...{ amo: 100, chase: 4, cold: 400, copy: 60, fib: 80, fill: 40, fnv: 160, interp: 60 },
	...{ mark: 50, matrix: 160, queens: 40, sha256: 160, sieve: 120, sort: 60, stride: 10 },
	...{ tree: 60, dmatrix: 50, mandel: 4, nbody: 20 },
};
/** The interpreter does so much less. */
const INTERPRETED = 1 / 5;
/** Million instructions of a run in which an engine mostly warms up. */
const BRIEF = 150;
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

/** A run of about BRIEF million instructions beside QEMU. */
export interface EngineBrief {
	readonly name: string;
	/** Million instructions. */
	readonly work: number;
	/** Of all threads. */
	readonly engineMs: Spread;
	readonly qemuMs: Spread;
	/** QEMU's time in the engine's of the same round. */
	readonly ratio: Spread;
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
	readonly brief: readonly EngineBrief[];
	readonly briefMean: number | null;
	readonly curves: readonly EngineCurve[];
	readonly short: readonly EngineShort[];
}

export function spread(values: readonly number[]): Spread {
	const sorted = [...values].sort((a, b) => a - b);
	return { median: sorted[sorted.length >> 1]!, lowest: sorted[0]!, highest: sorted.at(-1)! };
}

/** Less than a tick of the clock is no time. */
const TICK = 0.01;

interface Speed {
	readonly run: OwnRun;
	readonly seconds: number;
	/** Instructions. */
	readonly work: number;
}

/** One more run, less what one without work takes. */
function speedOf(name: string, scale: number, engine: Engine): Speed {
	const idle = onOurs(idleOf(name), 0, engine);
	const run = onOurs(name, scale, engine);
	return {
		run,
		seconds: Math.max(run.seconds - idle.seconds, TICK),
		work: workOf(run, idle, name),
	};
}

const mips = ({ work, seconds }: Speed): number => work / seconds / 1e6;

const workOf = (run: OwnRun, idle: OwnRun, name: string): number =>
	run.instructions - (FIXED.includes(name) ? 0 : idle.instructions);

/** Seconds of one more run on QEMU, which counts no instructions, and prints what `run` has. */
function qemuBeside(name: string, scale: number, run: OwnRun): number {
	const idle = onQemu(idleOf(name), 0);
	const { seconds, text } = onQemu(name, scale);
	if (text !== run.text) {
		throw new Error(`bench: ${name} ${scale}: QEMU prints ${text}, and ours ${run.text}`);
	}
	return Math.max(seconds - idle.seconds, TICK);
}

function measure(name: string, rounds: number, engine: Engine, hasQemu: boolean): EngineGuest {
	const scale = rounds === 1 ? 1 : (SCALES[name] ?? 0);
	const slow = Math.max(1, Math.round(scale * INTERPRETED));
	const interp: number[] = [];
	const own: number[] = [];
	const qemu: number[] = [];
	for (let round = 0; round < rounds; round++) {
		const speed = speedOf(name, scale, engine);
		own.push(mips(speed));
		if (hasQemu) {
			qemu.push(mips({ ...speed, seconds: qemuBeside(name, scale, speed.run) }));
		}
		interp.push(mips(speedOf(name, slow, "interp")));
	}
	const ratios = qemu.map((theirs, round) => own[round]! / theirs);
	const { compiled, compileMs, instructions } = inside(name, scale, engine);
	return {
		name,
		interp: spread(interp),
		engine: spread(own),
		qemu: hasQemu ? spread(qemu) : null,
		ratio: hasQemu ? spread(ratios) : null,
		...{ compiled, compileMs, instructions },
	};
}

function briefOf({ name, instructions }: EngineGuest, rounds: number, engine: Engine): EngineBrief {
	const scale = Math.max(1, Math.round((SCALES[name]! * BRIEF * 1e6) / instructions));
	const speeds: Speed[] = [];
	const qemu: number[] = [];
	for (let round = 0; round < rounds; round++) {
		const speed = speedOf(name, scale, engine);
		speeds.push(speed);
		qemu.push(qemuBeside(name, scale, speed.run));
	}
	return {
		name,
		work: speeds[0]!.work / 1e6,
		engineMs: spread(speeds.map(({ seconds }) => seconds * 1e3)),
		qemuMs: spread(qemu.map((seconds) => seconds * 1e3)),
		ratio: spread(qemu.map((theirs, round) => theirs / speeds[round]!.seconds)),
	};
}

function curveOf(name: string, rounds: number, engine: Engine): EngineCurve {
	const runs = (which: Engine): number[] => {
		const curves = Array.from({ length: rounds }, () => inside(name, 1e6, which, true).curve);
		return CURVE_MS.map((_, i) => spread(curves.map((curve) => curve[i]!)).median);
	};
	return { name, interp: runs("interp"), engine: runs(engine) };
}

function shortOf(name: string, rounds: number, engine: Engine): EngineShort {
	const ms: Record<"interp" | "engine", number[]> = { interp: [], engine: [] };
	for (let round = 0; round < rounds; round++) {
		ms.interp.push(onOurs(name, SHORT[name]!, "interp").hostMs);
		ms.engine.push(onOurs(name, SHORT[name]!, engine).hostMs);
	}
	return {
		name,
		interpMs: spread(ms.interp),
		engineMs: spread(ms.engine),
		ratio: spread(ms.engine.map((own, round) => own / ms.interp[round]!)),
	};
}

/** => null: there is none */
function meanOf(guests: readonly { readonly ratio: Spread | null }[]): number | null {
	const logs = guests.flatMap(({ ratio }) => (ratio === null ? [] : [Math.log(ratio.median)]));
	if (logs.length === 0) return null;
	return Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
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
	const scaled = guests.filter(({ name }) => !FIXED.includes(name));
	const brief = smoke || qemu === null ? [] : scaled.map((guest) => briefOf(guest, rounds, engine));
	return {
		...{ qemu, engine, rounds, guests },
		mean: meanOf(scaled),
		...{ brief, briefMean: meanOf(brief) },
		curves: smoke ? [] : CURVES.map((name) => curveOf(name, rounds, engine)),
		short: (smoke ? ["fib"] : Object.keys(SHORT)).map((name) =>
			shortOf(name, rounds * (smoke ? 1 : SHORT_TIMES), engine),
		),
	};
}
