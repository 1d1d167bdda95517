/** One run of an experiment: what it counts. */
import { Guest } from "../campaign/run/guest.ts";
import type { Workload } from "../campaign/run/workload.ts";
import { COUNTS, type Counts, countsNow } from "../computer/counts.ts";
import { UserError } from "../machine/user-error.ts";
import { readTrace } from "../replay/read.ts";
import { Replay } from "../replay/replay.ts";
import { Between, type Marks } from "./between.ts";
import { type TraceWorkload, traceCounts } from "./trace-file.ts";

export interface Measured {
	/** The same whenever, wherever and on whichever engine it runs. */
	readonly counts: Counts;
	readonly stateHash: string;
	/** Milliseconds of the host. */
	readonly hostMs: number;
	readonly console: string;
}

export interface Limits {
	readonly instructions: number;
	readonly seconds: number;
}

/** What can be measured of programs. */
export const MEASURES: readonly string[] = [...COUNTS, "hostMs"];

/** Cycles between two looks at the limits. */
const SLICE = 100_000_000;

/**
 * => `marks`: only what is between them counts; null: all of the run
 * => UserError if it does not end, or ends with anything but 0, or does not print the marks
 */
export function measure(workload: Workload, limits: Limits, marks: Marks | null): Measured {
	const { instructions, seconds } = limits;
	// Of swap; the others are there for programs.
	const swap = workload.kind === "boot" ? (workload.swap?.length ?? 1) : undefined;
	const count = (): Counts => countsNow(guest.computer, swap ?? guest.computer.board.disks.length);
	const between = marks === null ? null : new Between(marks, count);
	const guest = new Guest(between === null ? workload : withListener(workload, between));
	const { computer } = guest;
	const { clock, hart } = computer.machine;
	const started = performance.now();
	for (let state = "running"; state !== "ended"; ) {
		state = guest.run(clock.cycles + SLICE);
		if (state === "input") throw new UserError("waits for more input");
		if (hart.counters.instret > instructions) {
			throw new UserError(`has not ended after ${instructions} instructions`);
		}
		if (performance.now() - started > seconds * 1000) {
			throw new UserError(`has not ended within ${seconds} s of the host`);
		}
	}
	const hostMs = performance.now() - started;
	const { exit, console, stateHash } = computer.report(hostMs);
	if (exit.kind !== "exited" || exit.code !== 0) {
		const last = console.trimEnd().split("\n").pop() ?? "";
		throw new UserError(`${exit.kind} with ${exit.code}${last === "" ? "" : `: ${last}`}`);
	}
	return { counts: between === null ? count() : totalOf(between), stateHash, hostMs, console };
}

function withListener(workload: Workload, between: Between): Workload {
	const console = (byte: number): void => between.printed(byte);
	const options: object = { ...workload.options, console };
	return { ...workload, options } as Workload;
}

function totalOf({ total, open }: Between): Counts {
	if (open) throw new UserError("has not printed the second mark of between");
	if (total === null) throw new UserError("has not printed the marks of between");
	return total;
}

/** => UserError if the trace is wrong, or cannot be made to its end */
export async function measureTrace(
	{ path, options }: TraceWorkload,
	{ instructions, seconds }: Limits,
): Promise<Measured> {
	const started = performance.now();
	const replay = new Replay(options);
	await readTrace(path, (batch) => {
		replay.refer(batch);
		if (replay.references > instructions) {
			throw new UserError(`has not ended after ${instructions} references`);
		}
		if (performance.now() - started > seconds * 1000) {
			throw new UserError(`has not ended within ${seconds} s of the host`);
		}
	});
	const hostMs = performance.now() - started;
	return { ...traceCounts(replay), hostMs, console: "" };
}
