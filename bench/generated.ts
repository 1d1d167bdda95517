/** The speed of a program that generates code and calls it: workloads/bare/generate.c. */
import { readFileSync } from "node:fs";
import { Bare } from "../computer/bare.ts";
import { WORKLOADS } from "./guests.ts";
import { certain } from "./noise.ts";
import type { PathResult } from "./paths.ts";

const MiB = 1024 * 1024;
/** As the program prints it. */
const FUNCTIONS = 100_000;

/** Functions written and called a second, in `rounds` runs after one that warms up. */
export function generatedPath(rounds: number): PathResult {
	const image = readFileSync(`${WORKLOADS}bare/bin/generate`);
	const rates: number[] = [];
	for (let round = 0; round <= rounds; round++) {
		const bare = new Bare({ image, ram: MiB });
		const started = performance.now();
		bare.run();
		const seconds = (performance.now() - started) / 1e3;
		if (bare.exit.kind !== "exited" || bare.exit.code !== 0) throw new Error("bench: generate");
		if (round > 0) rates.push(FUNCTIONS / seconds);
	}
	rates.sort((x, y) => x - y);
	const median = rates[rates.length >> 1]!;
	const marginPercent = ((rates.at(-1)! - rates[0]!) / 2 / median) * 100;
	return {
		name: "functions of 16 instructions generated and called",
		perSecond: certain(median, marginPercent),
		marginPercent,
		samples: rates.length,
	};
}
