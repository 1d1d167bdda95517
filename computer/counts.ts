/** What a run has counted, as numbers by their names. */
import { uvmexp_init } from "../kernel/uvm/uvm_extern.ts";
import type { ComputerReport } from "./computer.ts";
import type { Report } from "./system-options.ts";

/** Numbers by their names. */
export type Counts = Readonly<Record<string, number>>;

const SHARED = ["instructions", "cycles", "virtualNs", "virtualMs"] as const;
const TLB = ["tlbMisses", "fetchMisses", "loadMisses", "storeMisses", "dirtyUpgrades"] as const;
const DISKS = ["reads", "writes", "sectorsRead", "sectorsWritten"] as const;
const UVMEXP = Object.keys(uvmexp_init());

/** All names; the counters of the VM system have NetBSD's. */
export const COUNTS: readonly string[] = [...SHARED, ...TLB, ...DISKS, ...UVMEXP];

const NS_PER_MS = 1e6;

/** Of the first `disks` disks; of a bare machine there are no counters of the VM system. */
export function countsOf(report: ComputerReport | Report, disks: number): Counts {
	const { tlb, instructions, cycles, virtualNs } = report;
	const { uvmexp = {} } = report as Partial<Report>;
	const sum = (field: (typeof DISKS)[number]): number =>
		report.disks.slice(0, disks).reduce((total, disk) => total + disk[field], 0);
	return {
		...{ instructions, cycles, virtualNs, virtualMs: virtualNs / NS_PER_MS },
		tlbMisses: tlb.misses,
		...{ fetchMisses: tlb.fetchMisses, loadMisses: tlb.loadMisses, storeMisses: tlb.storeMisses },
		dirtyUpgrades: tlb.dirtyUpgrades,
		...Object.fromEntries(DISKS.map((field) => [field, sum(field)])),
		...uvmexp,
	};
}

/** Of what there is now and no event. */
const LEVELS: ReadonlySet<string> = new Set([
	...UVMEXP.slice(0, UVMEXP.indexOf("faults")),
	...["nanon", "loanpages", "zeropages", "poolpages"],
]);

/** What was counted since `before`; levels are those of now. */
export const countsSince = (before: Counts, now: Counts): Counts =>
	Object.fromEntries(
		Object.entries(now).map(([name, value]) => [
			name,
			LEVELS.has(name) ? value : value - before[name]!,
		]),
	);
