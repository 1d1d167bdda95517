/** From the start of a process to the first guest instruction. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createSystem } from "../computer/system.ts";
import { workload } from "./guests.ts";

const RUNS = 5;

/** Median of the milliseconds that new processes took until a guest instruction had retired. */
export function runStartup(): number {
	const self = fileURLToPath(import.meta.url);
	const times: number[] = [];
	for (let i = 0; i < RUNS; i++) {
		const child = spawnSync(process.execPath, [self, "--first-instruction"], { encoding: "utf8" });
		if (child.status === 0) times.push(Number(child.stdout));
	}
	if (times.length === 0) throw new Error("bench: the process does not start");
	return times.sort((a, b) => a - b)[times.length >> 1]!;
}

/** In the new process: the host's clock counts from its start. */
function firstInstruction(): number {
	const system = createSystem({ program: "hello", image: workload("hello") });
	while (system.machine.hart.counters.instret === 0) {
		system.run(system.machine.clock.cycles + 1);
	}
	return performance.now();
}

if (process.argv[2] === "--first-instruction") process.stdout.write(String(firstInstruction()));
