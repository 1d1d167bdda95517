/**
 * What the paths through the kernel allocate on the host, in steady state: bytes for each event, as
 * V8's sampling profiler counts them, and how often it collects garbage.
 */
import { Session } from "node:inspector";
import { PerformanceObserver } from "node:perf_hooks";
import { createSystem, type System } from "../index.ts";
import { callImage, SYS_GETPID, SYS_SCHED_YIELD } from "./call-image.ts";
import { type Measuring, workload } from "./guests.ts";

const MiB = 1024 * 1024;
/** Cycles: more than 32 bits also in ticks of the timer. */
const LONG = 2 ** 40;
/** Of allocation, in bytes. */
const INTERVAL = 4096;

export interface AllocationResult {
	readonly name: string;
	readonly events: number;
	/** Of one event. */
	readonly bytes: number;
	readonly allowed: number;
	/** Collections of garbage meanwhile. */
	readonly collections: number;
}

export const allocatesTooMuch = ({ bytes, allowed }: AllocationResult): boolean => bytes > allowed;

export interface AllocationRow {
	readonly name: string;
	readonly image: () => Uint8Array;
	readonly args: readonly string[];
	/** MiB. */
	readonly ram: number;
	readonly events: number;
	readonly count: (system: System) => number;
	/**
	 * Bytes of an event. A double that a function returns, as the time, is 16 wherever the host does
	 * not put the function into its caller, and that differs; a generator is some hundred.
	 */
	readonly allowed: number;
}

/** More than a row needs; touch and walk take no greater number. */
const FOREVER = "100000000";
const ROUNDS = "1000000";
const syscalls = (system: System): number => system.kernel.uvmexp.syscalls;

export const ALLOCATIONS: readonly AllocationRow[] = [
	{
		...{ name: "getpid", image: () => callImage(SYS_GETPID), args: [], ram: 16 },
		...{ events: 1_000_000, count: syscalls, allowed: 48 },
	},
	{
		...{ name: "sched_yield, two switches", args: [], ram: 16 },
		...{ image: () => callImage(SYS_SCHED_YIELD, true) },
		...{ events: 1_000_000, count: syscalls, allowed: 96 },
	},
	{
		// Physical addresses are beyond 2^31, too.
		...{ name: "a byte through a pipe and back", args: ["switch", FOREVER], ram: 16 },
		...{ image: () => workload("vmbench"), events: 1_000_000, allowed: 480 },
		count: (system) => syscalls(system) / 4,
	},
	{
		...{ name: "zero-fill fault", image: () => workload("touch"), args: ["16", ROUNDS], ram: 48 },
		...{ events: 1_000_000, allowed: 64 },
		count: ({ kernel }) => kernel.uvmexp.flt_przero,
	},
	{
		...{ name: "copy on write", args: ["cow", "8192", FOREVER], ram: 48 },
		...{ image: () => workload("vmbench"), events: 1_000_000, allowed: 64 },
		count: ({ kernel }) => kernel.uvmexp.flt_acow,
	},
	{
		...{ name: "fault in a resident file", args: ["map", "write", "shared", "4096", FOREVER] },
		...{ image: () => workload("vmbench"), ram: 48, events: 1_000_000, allowed: 64 },
		count: ({ kernel }) => kernel.uvmexp.flt_obj,
	},
	{
		// Addresses, and the generators of the page daemon for each cluster.
		...{ name: "a page out or in", image: () => workload("walk"), args: ["16", ROUNDS], ram: 4 },
		...{ events: 200_000, allowed: 560 },
		count: ({ kernel: { uvmexp } }) => uvmexp.pgswapin + uvmexp.pgswapout,
	},
	{
		// The records of a process and its thread, which others may still refer to.
		...{ name: "fork, exit and wait", args: ["fork", "0", FOREVER], ram: 32 },
		...{ image: () => workload("vmbench"), events: 50_000, allowed: 1500 },
		count: (system) => syscalls(system) / 3,
	},
];

/** Run a row, warmed up by half as many events. `share`: of the events. */
export async function measureAllocations(
	row: AllocationRow,
	{ engine }: Pick<Measuring, "engine">,
	share = 1,
): Promise<AllocationResult> {
	const system = createSystem({
		...{ program: "bench", image: row.image(), args: [...row.args], ram: row.ram * MiB },
		swap: [{ media: 64 * MiB, timing: "instant" }],
		engine,
	});
	const advance = (events: number): number => {
		const first = row.count(system);
		while (row.count(system) < first + events) {
			if (system.run(system.machine.clock.cycles + 2_000_000) !== "running") {
				throw new Error(`bench: ${row.name}: the program has ended`);
			}
		}
		return row.count(system) - first;
	};
	const wanted = row.events * share;
	// As if it had run for long: times of the first seconds are small integers, never boxed.
	advance(1);
	system.kernel.port.charge(LONG);
	advance(wanted / 2);
	let collections = 0;
	const observer = new PerformanceObserver((list) => {
		collections += list.getEntries().length;
	});
	observer.observe({ entryTypes: ["gc"] });
	const { events, bytes } = sampled(() => advance(wanted));
	// The observer is told later.
	await new Promise((resolve) => setTimeout(resolve, 20));
	observer.disconnect();
	return { name: row.name, events, bytes: bytes / events, allowed: row.allowed, collections };
}

interface SampledNode {
	readonly selfSize: number;
	readonly children: readonly SampledNode[];
}

/** What `run` allocates, also what was collected meanwhile. */
function sampled(run: () => number): { readonly events: number; readonly bytes: number } {
	const session = new Session();
	session.connect();
	const options = {
		samplingInterval: INTERVAL,
		includeObjectsCollectedByMajorGC: true,
		includeObjectsCollectedByMinorGC: true,
	};
	let bytes = 0;
	const add = ({ selfSize, children }: SampledNode): void => {
		bytes += selfSize;
		children.forEach(add);
	};
	try {
		// Without a callback these wait.
		session.post("HeapProfiler.startSampling", options as object);
		const events = run();
		session.post("HeapProfiler.stopSampling", (_, found) => {
			add((found as { profile: { head: SampledNode } }).profile.head);
		});
		return { events, bytes };
	} finally {
		session.disconnect();
	}
}

export async function runAllocations(how: Measuring): Promise<AllocationResult[]> {
	const results: AllocationResult[] = [];
	for (const row of ALLOCATIONS) {
		results.push(await measureAllocations(row, how, how.smoke ? 0.02 : 1));
	}
	return results;
}
