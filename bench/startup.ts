/** From the start of a process to the first guest instruction. */
import { spawnSync } from "node:child_process";
import type { Engine } from "../index.ts";
import { built } from "./guests.ts";

const RUNS = 5;

/** Median of the milliseconds that new processes took until a guest instruction had retired. */
export function runStartup(engine: Engine): number {
	const times: number[] = [];
	for (let i = 0; i < RUNS; i++) {
		const args = [built("first-instruction"), engine];
		const child = spawnSync(process.execPath, args, { encoding: "utf8" });
		if (child.status === 0) times.push(Number(child.stdout));
	}
	if (times.length === 0) throw new Error("bench: the process does not start");
	return times.sort((a, b) => a - b)[times.length >> 1]!;
}
