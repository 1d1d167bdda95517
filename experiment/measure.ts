/** One run of an experiment: what it counts. */
import { Guest } from "../campaign/run/guest.ts";
import type { Workload } from "../campaign/run/workload.ts";
import { COUNTS, type Counts, countsOf } from "../computer/counts.ts";
import { UserError } from "../machine/user-error.ts";
import { readTrace } from "../replay/read.ts";
import { Replay } from "../replay/replay.ts";
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

/** => UserError if it does not end, or ends with anything but 0 */
export function measure(workload: Workload, { instructions, seconds }: Limits): Measured {
	const guest = new Guest(workload);
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
	const report = computer.report(hostMs);
	const { kind, code } = report.exit;
	if (kind !== "exited" || code !== 0) {
		const last = report.console.trimEnd().split("\n").pop() ?? "";
		throw new UserError(`${kind} with ${code}${last === "" ? "" : `: ${last}`}`);
	}
	const { console, stateHash } = report;
	// Of swap; the others are there for programs.
	const disks = workload.kind === "boot" ? (workload.swap?.length ?? 1) : report.disks.length;
	return { counts: countsOf(report, disks), stateHash, hostMs, console };
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
