/** Values of the options of `uvmachine inject` and `uvmachine work`. */
import { InvalidArgumentError } from "commander";
import type { Shard } from "../index.ts";

const JOBS_MAX = 256;
const RUNS_MAX = 10_000_000;

function numberOption(text: string, max: number): number {
	const n = Number(text);
	if (!/^\d+$/.test(text) || n < 1 || n > max) {
		throw new InvalidArgumentError(`It must be a number from 1 to ${max}.`);
	}
	return n;
}

export const jobsOption = (text: string): number => numberOption(text, JOBS_MAX);
export const runsOption = (text: string): number => numberOption(text, RUNS_MAX);

const SHARDS_MAX = 1_000_000;

export function shardOption(text: string): Shard {
	const [, i, n] = /^(\d{1,7})\/(\d{1,7})$/.exec(text) ?? [];
	const [index, count] = [Number(i), Number(n)];
	if (!(index < count && count <= SHARDS_MAX)) {
		throw new InvalidArgumentError("It must be a part from 0 and their number, such as 0/3.");
	}
	return { index, count };
}
