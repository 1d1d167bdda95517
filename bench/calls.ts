/**
 * The cost of single operations of processes: mapping, faulting and unmapping, fork and exit,
 * context switches, pipes. Counts and virtual time are exact and the same on every host; the host's
 * time is not.
 */
import { createSystem, type Engine } from "../index.ts";
import { type Measuring, workload } from "./guests.ts";
import { difference } from "./noise.ts";

const MiB = 1024 * 1024;

export interface CallResult {
	readonly name: string;
	/** Of one operation. */
	readonly faults: number;
	readonly instructions: number;
	readonly virtualNs: number;
	/** null: below noise. */
	readonly hostUs: number | null;
}

interface Case {
	readonly name: string;
	/** Arguments of vmbench, without the number of times. */
	readonly args: readonly string[];
	readonly times: number;
}

/** Pages of each mapping: 1 MiB, as in the paper on UVM (Cranor and Parulkar, 1999). */
const PAGES = 256;

function cases(smoke: boolean): Case[] {
	const scale = smoke ? 0.02 : 1;
	const times = (n: number): number => Math.max(2, Math.round(n * scale));
	const found: Case[] = [];
	for (const access of ["read", "write"]) {
		for (const kind of ["shared", "private", "zero"]) {
			const what = kind === "zero" ? "zero-fill" : `${kind} file`;
			found.push({
				name: `map, ${access}, unmap 1 MiB, ${what}`,
				args: ["map", access, kind, String(PAGES)],
				times: times(400),
			});
		}
	}
	for (const mib of [0, 1, 4, 16]) {
		const args = ["fork", String(mib * 1024)];
		found.push({ name: `fork and exit with ${mib} MiB`, args, times: times(400) });
	}
	found.push({
		name: "the same, the child writes 1 MiB",
		args: ["cow", "1024"],
		times: times(200),
	});
	found.push({ name: "context switch, there and back", args: ["switch"], times: times(20_000) });
	found.push({ name: "4 KiB through a pipe", args: ["pipe", "4"], times: times(10_000) });
	found.push({ name: "64 KiB through a pipe", args: ["pipe", "64"], times: times(2_000) });
	return found;
}

interface Totals {
	readonly faults: number;
	readonly instructions: number;
	readonly cycles: number;
	readonly ms: number;
}

function run(args: readonly string[], times: number, engine: Engine): Totals {
	const system = createSystem({
		program: "vmbench",
		image: workload("vmbench"),
		args: [...args, String(times)],
		ram: 64 * MiB,
		swap: [{ media: 64 * MiB, timing: "instant" }],
		engine,
	});
	const started = performance.now();
	system.run();
	const ms = performance.now() - started;
	const { exit, instructions, cycles, uvmexp, console } = system.report(ms);
	if (exit.kind !== "exited" || exit.code !== 0) {
		throw new Error(`bench: vmbench ${args.join(" ")}: ${exit.kind} ${exit.code} ${console}`);
	}
	return { faults: uvmexp.faults, instructions, cycles, ms };
}

/** Runs of one case. All counts are equal. */
const ROUNDS = 3;

const rounds = (args: readonly string[], times: number, engine: Engine): Totals[] =>
	Array.from({ length: ROUNDS }, () => run(args, times, engine));

/** The difference between few and many times, which cancels start-up and exit. */
function measure({ name, args, times }: Case, engine: Engine): CallResult {
	run(args, times, engine);
	const few = rounds(args, times / 2, engine);
	const many = rounds(args, times / 2 + times, engine);
	const each = (of: (totals: Totals) => number): number => (of(many[0]!) - of(few[0]!)) / times;
	const ms = difference(
		few.map((t) => t.ms),
		many.map((t) => t.ms),
	);
	return {
		name,
		faults: each((t) => t.faults),
		instructions: each((t) => t.instructions),
		virtualNs: each((t) => t.cycles),
		hostUs: ms === null ? null : (ms / times) * 1000,
	};
}

export const runCalls = ({ smoke, engine }: Measuring): CallResult[] =>
	cases(smoke).map((one) => measure(one, engine));
