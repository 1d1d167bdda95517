/** The speed of programs without a kernel: workloads/bare. */
import { readFileSync } from "node:fs";
import { Bare } from "../computer/bare.ts";
import type { Engine } from "../index.ts";
import { WORKLOADS } from "./guests.ts";
import { certain } from "./noise.ts";
import type { PathResult } from "./paths.ts";

const MiB = 1024 * 1024;
/** As the programs print it. */
const FUNCTIONS = 100_000;
const CALLS = 1_000_000;

/** Functions written and called a second: generate.c. */
export const generatedPath = (rounds: number, engine: Engine): PathResult =>
	path("functions of 16 instructions generated and called", "generate", FUNCTIONS, rounds, engine);

/** Calls of M-mode from U-mode a second: traps.c. */
export const trapPath = (rounds: number, engine: Engine): PathResult =>
	path("traps and returns on a bare machine", "traps", CALLS, rounds, engine);

/** What `program` does `count` times, a second, in `rounds` runs after one that warms up. */
function path(
	name: string,
	program: string,
	count: number,
	rounds: number,
	engine: Engine,
): PathResult {
	const image = readFileSync(`${WORKLOADS}bare/bin/${program}`);
	const rates: number[] = [];
	for (let round = 0; round <= rounds; round++) {
		const bare = new Bare({ image, ram: MiB, engine });
		const started = performance.now();
		bare.run();
		const seconds = (performance.now() - started) / 1e3;
		if (bare.exit.kind !== "exited" || bare.exit.code !== 0) throw new Error(`bench: ${program}`);
		if (round > 0) rates.push(count / seconds);
	}
	rates.sort((x, y) => x - y);
	const median = rates[rates.length >> 1]!;
	const marginPercent = ((rates.at(-1)! - rates[0]!) / 2 / median) * 100;
	return {
		name,
		perSecond: certain(median, marginPercent),
		marginPercent,
		samples: rates.length,
	};
}
