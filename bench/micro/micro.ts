/** What a micro-benchmark is: one operation of the kernel or the machine, done many times. */
import type { Engine } from "../../index.ts";

/** Counters of the kernel and the machine, and values that must be there, by name. */
export type Counts = Readonly<Record<string, number>>;

export interface Micro {
	/** How many of them `work` does. */
	readonly operations: number;
	/** Makes everything ready for `work`; not timed. */
	readonly before?: () => void;
	readonly work: () => void;
	/** Looked at before and after `work`; not timed. */
	readonly counts: () => Counts;
	/** By how much each of these must have grown: `work` did what it says, and nothing else. */
	readonly grows: Counts;
}

export const FAMILIES = ["pmap", "memory", "fault", "map", "machine"] as const;
export type Family = (typeof FAMILIES)[number];

export interface MicroRow {
	/** As it is called on the command line. */
	readonly name: string;
	readonly about: string;
	readonly family: Family;
	/** => a machine of its own */
	readonly start: (engine: Engine) => Micro;
}

/** What counts did not grow as they must, as text; null if all did. */
export function differs(grows: Counts, before: Counts, after: Counts): string | null {
	const wrong = Object.entries(grows).flatMap(([name, by]) => {
		const grown = after[name]! - before[name]!;
		return grown === by ? [] : [`${name} has grown by ${grown}, not by ${by}`];
	});
	return wrong.length === 0 ? null : wrong.join("; ");
}
