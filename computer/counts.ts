/** What a run has counted, as numbers by their names. */
import { type uvmexp, uvmexp_init } from "../kernel/uvm/uvm_extern.ts";
import type { Computer, ComputerReport } from "./computer.ts";

/** Numbers by their names. */
export type Counts = Readonly<Record<string, number>>;

const SHARED = ["instructions", "cycles", "virtualNs", "virtualMs"] as const;
const TLB = ["tlbMisses", "fetchMisses", "loadMisses", "storeMisses", "dirtyUpgrades"] as const;
const DISKS = ["reads", "writes", "sectorsRead", "sectorsWritten"] as const;
const UVMEXP = Object.keys(uvmexp_init());

/** All names; the counters of the VM system have NetBSD's. */
export const COUNTS: readonly string[] = [...SHARED, ...TLB, ...DISKS, ...UVMEXP, "mapEntries"];

const NS_PER_MS = 1e6;

/** What a report has of it; of a bare machine there are no counters of the VM system. */
interface Counted
	extends Pick<ComputerReport, "instructions" | "cycles" | "virtualNs" | "tlb" | "disks"> {
	readonly uvmexp?: uvmexp;
	/** Entries of the maps of all processes. */
	readonly mapEntries?: number;
}

/** Of the first `disks` disks. */
export function countsOf(report: Counted, disks: number): Counts {
	const { tlb, instructions, cycles, virtualNs, uvmexp = {}, mapEntries } = report;
	const sum = (field: (typeof DISKS)[number]): number =>
		report.disks.slice(0, disks).reduce((total, disk) => total + disk[field], 0);
	return {
		...{ instructions, cycles, virtualNs, virtualMs: virtualNs / NS_PER_MS },
		tlbMisses: tlb.misses,
		...{ fetchMisses: tlb.fetchMisses, loadMisses: tlb.loadMisses, storeMisses: tlb.storeMisses },
		dirtyUpgrades: tlb.dirtyUpgrades,
		...Object.fromEntries(DISKS.map((field) => [field, sum(field)])),
		...uvmexp,
		...(mapEntries === undefined ? {} : { mapEntries }),
	};
}

/** Of what there is now and no event. */
const LEVELS: ReadonlySet<string> = new Set([
	...UVMEXP.slice(0, UVMEXP.indexOf("faults")),
	...["nanon", "loanpages", "zeropages", "poolpages", "mapEntries"],
]);

/** Milliseconds that do not depend on when they began, as differences of fractions do. */
const withMs = (counts: Counts): Counts =>
	counts.virtualNs === undefined ? counts : { ...counts, virtualMs: counts.virtualNs / NS_PER_MS };

/** What was counted since `before`; levels are those of now. */
export const countsSince = (before: Counts, now: Counts): Counts =>
	withMs(
		Object.fromEntries(
			Object.entries(now).map(([name, value]) => [
				name,
				LEVELS.has(name) ? value : value - before[name]!,
			]),
		),
	);

/** What was counted in two parts of a run, of which `b` is the later one. */
export const countsOfBoth = (a: Counts, b: Counts): Counts =>
	withMs(
		Object.fromEntries(
			Object.entries(b).map(([name, value]) => [name, LEVELS.has(name) ? value : value + a[name]!]),
		),
	);

/** What a computer has counted so far. => as countsOf */
export function countsNow({ machine, board, kernel }: Computer, disks: number): Counts {
	const tlb = machine.hart.mmu.counters;
	const { cycles } = machine.clock;
	return countsOf(
		{
			...{ instructions: machine.hart.counters.instret, cycles, virtualNs: cycles },
			tlb: { ...tlb, misses: tlb.fetchMisses + tlb.loadMisses + tlb.storeMisses },
			disks: board.disks.map((disk) => ({ id: disk.id, ...disk.counters })),
			...(kernel === null
				? {}
				: { uvmexp: kernel.uvmexp, mapEntries: kernel.uvm.map_entry_pool.pr_nout }),
		},
		disks,
	);
}
