/**
 * What the paths through the kernel allocate on the host, in steady state: bytes for each event, as
 * V8's sampling profiler counts them, how often it collects garbage, and what is left of it all.
 */
import { Session } from "node:inspector";
import { PerformanceObserver } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Measuring } from "./guests.ts";
import { ownBuild } from "./own-build.ts";
import { KERNEL_PATHS, type KernelPath, kernelPath, stepsOf } from "./paths/path-rows.ts";

/** Cycles: more than 32 bits also in ticks of the timer. */
const LONG = 2 ** 40;
/** Of allocation, in bytes. */
const INTERVAL = 4096;
const EVENTS = 1_000_000;
/** Allowed bytes of the events that are sampled: each sample takes memory. */
const SAMPLED = 100_000_000;
/** Bytes of all events that may stay, for code that the host compiles meanwhile: an object of each
 * event would be four times as much. */
const KEPT = 4 * 1024 * 1024;

export interface AllocationResult {
	readonly name: string;
	readonly events: number;
	/** Of one event. */
	readonly bytes: number;
	readonly allowed: number;
	/** Collections of garbage meanwhile. */
	readonly collections: number;
	/** Bytes that a full collection leaves of all events. */
	readonly kept: number;
}

export const allocatesTooMuch = ({ bytes, allowed, kept }: AllocationResult): boolean =>
	bytes > allowed || kept > KEPT;

/**
 * Bytes of an event: nothing is allocated, but the host compiles what is new, and tables that grow
 * with what a program has mapped are made anew now and then. A number object of each event would be
 * 16, a generator some hundred.
 */
const ALLOWED: Readonly<Record<string, number>> = {
	...{ "zero-fill fault": 12, "fault in a resident file": 12, "copy on write": 12 },
	...{ getpid: 4, "sched_yield, two switches": 4, "a byte through a pipe and back": 12 },
	"fork, exit and wait": 12,
	"a page out or in": 12,
	...{ "amoadd.w": 1, "lr.w and sc.w, each": 1 },
};

export interface AllocationRow extends KernelPath {
	readonly allowed: number;
}

export const ALLOCATIONS: readonly AllocationRow[] = KERNEL_PATHS.map((path) => ({
	...path,
	allowed: ALLOWED[path.name]!,
}));

/** Run a row, warmed up by half as many events. `share`: of a million events. */
export async function measureAllocations(
	row: AllocationRow,
	{ engine }: Pick<Measuring, "engine">,
	share = 1,
): Promise<AllocationResult> {
	const system = kernelPath(row, ownBuild(engine));
	const work = stepsOf({ ...row, faultsAlone: false }, system);
	const advance = (events: number): number => {
		let done = 0;
		while (done < events) done += work() ?? 0;
		return done;
	};
	const wanted = EVENTS * share;
	// As if it had run for long: times of the first seconds are small integers, never boxed.
	advance(1);
	system.kernel.port.charge(LONG);
	advance(wanted / 2);
	const before = heapBytes();
	let collections = 0;
	const observer = new PerformanceObserver((list) => {
		collections += list.getEntries().length;
	});
	observer.observe({ entryTypes: ["gc"] });
	const { events, bytes } = sampled(() => advance(Math.min(wanted, SAMPLED / row.allowed)));
	const all = events + advance(Math.max(wanted - events, 1));
	// The observer is told later.
	await new Promise((resolve) => setTimeout(resolve, 20));
	observer.disconnect();
	const kept = heapBytes() - before;
	const { name, allowed } = row;
	return { name, events: all, bytes: bytes / events, allowed, collections, kept };
}

/** What is left when all garbage has been collected, with what lies outside of the heap. */
function heapBytes(): number {
	setFlagsFromString("--expose-gc");
	(runInNewContext("gc") as () => void)();
	const { heapUsed, external } = process.memoryUsage();
	return heapUsed + external;
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

/** Times that a row is measured. A busy host compiles late, and what is not compiled yet allocates
 * numbers; what a path allocates itself, it does each time. */
const TIMES = 3;

export async function runAllocations(how: Measuring): Promise<AllocationResult[]> {
	const results: AllocationResult[] = [];
	for (const row of ALLOCATIONS) {
		const measure = () => measureAllocations(row, how, how.smoke ? 0.02 : 1);
		let least = await measure();
		for (let i = 1; i < TIMES && !how.smoke && allocatesTooMuch(least); i++) {
			const next = await measure();
			if (!allocatesTooMuch(next) || next.bytes < least.bytes) least = next;
		}
		results.push(least);
	}
	return results;
}
