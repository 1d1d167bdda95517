/** One run of an experiment: what it counts. */
import { Guest } from "../campaign/run/guest.ts";
import type { Workload } from "../campaign/run/workload.ts";
import type { Report } from "../computer/system-options.ts";
import { uvmexp_init } from "../kernel/uvm/uvm_extern.ts";
import { UserError } from "../machine/user-error.ts";

/** Numbers by their names. */
export type Counts = Readonly<Record<string, number>>;

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

const SHARED = ["instructions", "cycles", "virtualNs", "virtualMs"] as const;
const TLB = ["tlbMisses", "fetchMisses", "loadMisses", "storeMisses", "dirtyUpgrades"] as const;
const DISKS = ["reads", "writes", "sectorsRead", "sectorsWritten"] as const;

/** What can be measured; the counters of the VM system have NetBSD's names. */
export const MEASURES: readonly string[] = [
	...SHARED,
	"hostMs",
	...TLB,
	...DISKS,
	...Object.keys(uvmexp_init()),
];

/** Cycles between two looks at the limits. */
const SLICE = 100_000_000;
const NS_PER_MS = 1e6;

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
	return { counts: countsOf(report, workload), stateHash, hostMs, console };
}

function countsOf(report: ReturnType<Guest["computer"]["report"]>, workload: Workload): Counts {
	const { tlb, disks, instructions, cycles, virtualNs } = report;
	// Of swap; the others are there for programs.
	const swap = workload.kind === "boot" ? disks.slice(0, workload.swap?.length ?? 1) : disks;
	const { uvmexp = {} } = report as Partial<Report>;
	const sum = (field: (typeof DISKS)[number]): number =>
		swap.reduce((total, disk) => total + disk[field], 0);
	return {
		...{ instructions, cycles, virtualNs, virtualMs: virtualNs / NS_PER_MS },
		tlbMisses: tlb.misses,
		...{ fetchMisses: tlb.fetchMisses, loadMisses: tlb.loadMisses, storeMisses: tlb.storeMisses },
		dirtyUpgrades: tlb.dirtyUpgrades,
		...Object.fromEntries(DISKS.map((field) => [field, sum(field)])),
		...uvmexp,
	};
}
