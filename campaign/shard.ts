/** A part of a campaign: every so many-th run, for job schedulers that have no queue. */
import type { RunList } from "./sampling.ts";

export interface Shard {
	/** From 0. */
	readonly index: number;
	readonly count: number;
}

/** All runs. */
export const WHOLE: Shard = { index: 0, count: 1 };

/** The number of the shard's run at this place, from 0. */
export const runAt = ({ index, count }: Shard, place: number): number => index + place * count;

/** How many of `runs` runs the shard has. */
export const shardLength = ({ index, count }: Shard, runs: number): number =>
	Math.max(0, Math.ceil((runs - index) / count));

/** => the shard's runs, with the numbers that they have in the campaign */
export function shardRuns(runs: RunList, shard: Shard): RunList {
	return {
		length: shardLength(shard, runs.length),
		population: runs.population,
		at: (place) => runs.at(runAt(shard, place)),
	};
}
