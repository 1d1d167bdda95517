/** What `bench growth` measures: the operations, their sizes, and how fast each may grow. */
import type { System } from "../../index.ts";
import type { Build } from "../build.ts";
import { workload } from "../guests.ts";
import { cpuUs } from "../slices.ts";

const MiB = 1024 * 1024;
/** Pages of a MiB. */
const PAGES = 256;

/** One operation. */
export interface Measured {
	/** CPU time, of all threads. */
	readonly us: number;
	/** Entries that the kernel looked at, or null: it does not count them. */
	readonly steps: number | null;
}

export interface GrowthRow {
	readonly name: string;
	readonly unit: string;
	readonly sizes: readonly number[];
	/** The largest exponent. Host caches alone make 0.1 or 0.2 of nothing. */
	readonly allowed: number;
	readonly measure: (size: number) => Measured;
}

const FLAT = 0.25;
/** log n, between the smallest and the largest of these sizes. */
const LOGARITHMIC = 0.4;
const LINEAR = 1.15;

/** Counters of the kernel, by what the operation walks. */
const STEPS = {
	mappings: (system: System): number => system.kernel.pmap.pv_probes,
	sleepers: (system: System): number => system.kernel.sleepq.sq_probes,
	/** Nodes of the tree of map entries. */
	entries: ({ process }: System): number => process.p_vmspace!.vm_map.steps,
};

interface GuestRow {
	readonly name: string;
	readonly unit: string;
	/** The case of `growth`, and its size and times for a size of the row. */
	readonly what: string;
	readonly n?: (size: number) => number;
	readonly times: (size: number) => number;
	/** Operations in a round; default: times. Or the faults that there were: not all pages fault. */
	readonly operations?: (size: number) => number;
	readonly perFault?: boolean;
	/** MiB. Default: 64 MiB of RAM, 64 of swap. */
	readonly ram?: (size: number) => number;
	readonly swap?: (size: number) => number;
	readonly rounds?: number;
	readonly sizes: readonly number[];
	readonly smoke: readonly number[];
	readonly allowed: number;
	readonly steps?: ((system: System) => number) | undefined;
	/** Change the kernel that has just started. */
	readonly prepare?: (system: System) => void;
}

const BEGIN = 0x3c;
const END = 0x3e;

/** Run a case of `growth` until its last round is over. => the fastest round. */
function runCase(row: GuestRow, size: number, build: Build): Measured {
	const rounds = row.rounds ?? 5;
	const n = row.n?.(size) ?? size;
	let started = 0;
	let before = 0;
	let left = rounds;
	let us = Number.POSITIVE_INFINITY;
	let steps: number | null = null;
	const stepsOf = build.countsSteps ? row.steps : undefined;
	const count = (): number => stepsOf?.(system) ?? 0;
	const nominal = (row.operations ?? row.times)(size);
	let faults = 0;
	const onByte = (byte: number): void => {
		const now = cpuUs();
		if (byte === BEGIN) {
			before = count();
			faults = system.kernel.uvmexp.faults;
			started = cpuUs();
		} else if (byte === END) {
			left--;
			const faulted = system.kernel.uvmexp.faults - faults;
			const operations = row.perFault === true ? Math.max(faulted, 1) : nominal;
			us = Math.min(us, (now - started) / operations);
			if (stepsOf !== undefined) steps = (count() - before) / operations;
		}
	};
	const system = build.createSystem({
		program: "growth",
		image: workload("growth"),
		args: [row.what, String(n), String(row.times(size)), String(rounds)],
		ram: (row.ram?.(size) ?? 64) * MiB,
		swap: [{ media: (row.swap?.(size) ?? 64) * MiB, timing: "instant" }],
		console: onByte,
		...build.options,
	});
	if (row.prepare !== undefined) {
		// The page daemon sets its limits first.
		advance(system, 1_000);
		row.prepare(system);
	}
	while (left > 0) {
		const state = system.run(system.machine.clock.cycles + 1_000_000);
		if (state !== "running" && left > 0) {
			throw new Error(`bench: growth ${row.what} ${n}: ${system.report(0).console}`);
		}
	}
	return { us, steps };
}

const ENTRIES = [1000, 2000, 4000, 8000, 16_000];
/** The kernel allows a thousand, with those that measure. */
const PROCESSES = [10, 30, 100, 300, 990];
/** Memory for so many processes: page tables, stack and data of each. */
const processRam = (n: number): number => 32 + Math.ceil(n / 6);
const MAPPED_PAGES = 32;
/** RAM of the rows about the drum. */
const DRUM_RAM = 8;
const HOT = 3072;

const always = (n: number) => (): number => n;

function guestRows(smoke: boolean): GuestRow[] {
	const few = [2, 6];
	const times = (n: number): ((size: number) => number) => always(smoke ? 8 : n);
	const entries = (name: string, what: string): GuestRow => ({
		...{ name, what, unit: "map entries", times: times(400), sizes: ENTRIES },
		...{ smoke: [4, 16], allowed: LOGARITHMIC, steps: STEPS.entries },
	});
	const mapped = (name: string, what: string): GuestRow => ({
		...{ name, what, unit: "processes", times: always(MAPPED_PAGES), sizes: PROCESSES },
		...{ smoke: few, rounds: 2, ram: processRam, allowed: FLAT, steps: STEPS.mappings },
		operations: (n) => n * MAPPED_PAGES,
	});
	const asleep = (name: string, what: string, n: number): GuestRow => ({
		...{ name, what, unit: "sleepers", times: times(n), sizes: PROCESSES, smoke: few },
		...{ ram: processRam, allowed: FLAT },
	});
	const pages = (name: string, what: string, sizes: number[], n: number): GuestRow => ({
		...{ name, what, unit: "pages", times: times(n), sizes, smoke: [16, 64] },
		...{ ram: (size) => 32 + Math.ceil(size / 128), allowed: FLAT },
	});
	const drum = (name: string, what: string): GuestRow => ({
		...{ name, what, unit: "MiB", times: always(HOT), sizes: [16, 32, 64, 128, 256] },
		...{ smoke: [16, 18], rounds: 3, allowed: FLAT },
		...{ ram: always(DRUM_RAM), swap: (size) => size },
		n: (size) => size * PAGES - HOT,
	});
	const MEMORY = [512, 2048, 8192, 32_768, 65_536];
	return [
		entries("mmap and munmap of a page", "map"),
		entries("mprotect of a page", "protect"),
		entries("fault at random", "fault"),
		{
			...pages("fault in a sparse private mapping", "sparse", [], 0),
			...{ sizes: [1024, 4096, 16_384, 65_536, 131_072], smoke: [64, 256] },
			...{ ram: always(smoke ? 64 : 256), times: (size) => size / 16 },
		},
		mapped("exit, each page and process", "exit"),
		mapped("copy on write, each page and process", "cow"),
		mapped("munmap, each page and process", "unmap"),
		{ ...asleep("a byte to a process and back", "wake", 500), steps: STEPS.sleepers },
		asleep("fork, exit and wait, processes asleep", "procs", 50),
		{
			...pages("map and unmap shared anonymous memory", "anon", [], 20),
			...{ sizes: [16, 32, 64, 128, 256, 512].map((mib) => mib * PAGES), ram: always(64) },
		},
		{
			...entries("fork with map entries", "forkents"),
			...{ times: times(30), sizes: [300, 600, 1250, 2500, 5000], allowed: LINEAR },
			// Those of the child are gone with it.
			steps: undefined,
		},
		{
			...pages("fork with pages in memory", "forkpages", MEMORY, 40),
			allowed: LINEAR,
		},
		{
			...pages("read of 1 byte into a buffer", "pipe", [], 500),
			...{ unit: "bytes", ram: always(64), sizes: [16, 256, 4096, 16_384, 65_536] },
		},
		{
			...pages("zero-fill fault, memory in use", "zero", [], 2000),
			...{ unit: "MiB of RAM", sizes: [32, 64, 128, 256, 512], smoke: [16, 64] },
			...{ n: (mib) => (mib - 16) * PAGES + 1, ram: (mib) => mib },
		},
		{ ...pages("fault in shared memory", "aobj", MEMORY, 400), perFault: true },
		{ ...pages("fault in private memory", "amap", MEMORY, 400), perFault: true },
		drum("a page out and in, drum full", "full"),
		drum("a page out and in, drum in fragments", "holes"),
		{
			...mapped("page-out, each page and mapping", "pageout"),
			...{ sizes: [4, 10, 30, 100, 300], times: always(64), operations: (n) => n * 64 },
		},
		{
			...pages("a page out and in, most pages wired", "wired", [], HOT),
			...{ times: always(HOT), smoke: [256, 512], rounds: 3 },
			...{ sizes: [2048, 4096, 8192, 16_384, 32_768] },
			ram: (wired) => DRUM_RAM + wired / PAGES,
			// By itself the kernel lets programs lock a third of memory.
			prepare: ({ kernel }) => {
				kernel.uvmexp.wiredmax = kernel.uvmexp.npages;
			},
		},
	];
}

function timed(action: () => void): Measured {
	const started = cpuUs();
	action();
	return { us: cpuUs() - started, steps: null };
}

/** A machine whose program has written 4 MiB and goes on writing them. */
function touching(ram: number, swap: number, build: Build): System {
	const system = build.createSystem({
		program: "touch",
		image: workload("touch"),
		args: ["4", "1000000"],
		ram: ram * MiB,
		swap: [{ media: swap * MiB, timing: "instant" }],
		...build.options,
	});
	while (system.machine.hart.counters.instret < 100_000) advance(system, 1_000_000);
	return system;
}

function advance(system: System, cycles: number): void {
	if (system.run(system.machine.clock.cycles + cycles) !== "running") {
		throw new Error("bench: the program has ended");
	}
}

/** What the host does with a whole machine, by its RAM and by its disk. */
function machineRows(smoke: boolean, build: Build): GrowthRow[] {
	const ram = smoke ? [16, 24] : [16, 64, 256, 512, 900];
	const disks = smoke ? [16, 24] : [16, 64, 128, 256, 512];
	const row = (
		name: string,
		measure: (system: System) => Measured,
		make = (mib: number): System => touching(mib, 64, build),
	): GrowthRow => ({
		...{ name, unit: "MiB of RAM", sizes: ram, allowed: FLAT },
		measure: (mib) => measure(make(mib)),
	});
	const disk = (name: string, measure: (mib: number) => Measured): GrowthRow => ({
		...{ name, unit: "MiB of disk", sizes: disks, allowed: FLAT, measure },
	});
	const checkpoint = (system: System): Measured => {
		let taken = null;
		let found: Measured | null = null;
		while (taken === null) {
			found = timed(() => {
				taken = system.checkpoint();
			});
			if (taken === null) advance(system, 10_000);
		}
		return found!;
	};
	return [
		{
			...row("create a system", () => ({ us: 0, steps: null })),
			measure: (mib) => timed(() => touching(mib, 64, build)),
		},
		row("state hash", (system) => timed(() => system.stateHash())),
		row("save a snapshot", (system) => timed(() => build.saveSystem(system))),
		row("restore a snapshot", (system) => {
			const file = build.saveSystem(system);
			return timed(() => build.restoreSystem(file, build.options));
		}),
		row("take a checkpoint", checkpoint),
		row("go back to a checkpoint", (system) => {
			let noted = system.checkpoint();
			for (; noted === null; noted = system.checkpoint()) advance(system, 10_000);
			while (system.machine.checkpointBytes < 2 * MiB) advance(system, 20_000);
			const back = noted;
			return timed(() => system.rollback(back));
		}),
		disk("create a system with a sparse disk", (mib) => timed(() => touching(16, mib, build))),
		disk("state hash with a sparse disk", (mib) => {
			const system = touching(16, mib, build);
			return timed(() => system.stateHash());
		}),
	];
}

/** `smoke`: small sizes. */
export const rows = (smoke: boolean, build: Build): GrowthRow[] => [
	...guestRows(smoke).map(
		(row): GrowthRow => ({
			...{ name: row.name, unit: row.unit, allowed: row.allowed },
			sizes: smoke ? row.smoke : row.sizes,
			measure: (size) => runCase(smoke ? { ...row, rounds: 1 } : row, size, build),
		}),
	),
	...machineRows(smoke, build),
];
