/** A trace as what an experiment runs: its fields in a file, and what of it a worker gets. */
import * as v from "valibot";
import { size } from "../campaign/workload-file.ts";
import { may, needs, object, whole } from "../computer/fault/fields.ts";
import { PAGING_POLICY, type PagingPolicy } from "../computer/paging-policy.ts";
import { ADVICE, type Replay, type ReplayOptions } from "../replay/replay.ts";

export interface TraceFile {
	readonly trace: string;
	readonly ram?: number | string | undefined;
	readonly frames?: number | undefined;
	readonly swap?: readonly string[] | undefined;
	readonly tlb?: { readonly entries: number; readonly ways?: number | undefined } | undefined;
	readonly ad?: "hardware" | "trap" | undefined;
	readonly policy?: PagingPolicy | undefined;
	readonly sysctl?: Readonly<Record<string, number>> | undefined;
	readonly advice?: keyof typeof ADVICE | undefined;
}

const text = v.string();

/** TraceFile */
export const trace = object({
	trace: needs(text, "A file of references: see uvmachine bench trace."),
	ram: may(size, "RAM, such as 8M."),
	frames: may(whole(1), "Instead of ram: so many page frames are left to the references."),
	swap: may(v.array(text), "Swap disks: a size with an optional timing, as 32M,hdd. Default: 1G."),
	tlb: may(
		object({
			entries: needs(whole(1), "Entries of the TLB."),
			ways: may(whole(1), "Entries in a set. Default: 4."),
		}),
		"The shape of the TLB.",
	),
	ad: may(v.picklist(["hardware", "trap"]), "Who sets A and D bits. Default: hardware."),
	policy: may(PAGING_POLICY, "What paging does otherwise than NetBSD's."),
	sysctl: may(v.record(text, whole(0)), "Tunables of the kernel."),
	advice: may(
		v.picklist(Object.keys(ADVICE) as (keyof typeof ADVICE)[]),
		"How many neighbours a fault looks at. Default: normal.",
	),
});

/** A trace, with what the system is made of. */
export interface TraceWorkload {
	readonly kind: "trace";
	readonly path: string;
	/** Of the file. */
	readonly hash: string;
	readonly options: ReplayOptions;
}

/** What is counted beside what programs count. */
export const TRACE_MEASURES = [
	...["references", "distinct", "frames", "misses", "lruMisses", "optimumMisses"],
] as const;

export function traceCounts(replay: Replay): {
	readonly counts: Readonly<Record<string, number>>;
	readonly stateHash: string;
} {
	const { counts, references, distinct, frames, misses, stateHash } = replay.result();
	return {
		counts: {
			...counts,
			...{ references, distinct, frames },
			...{ misses: misses.system, lruMisses: misses.lru, optimumMisses: misses.optimum ?? 0 },
		},
		stateHash,
	};
}
