/** The same C programs compiled for the host, if it has a compiler. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GUESTS, SMOKE_GUESTS, WORKLOADS } from "./guests.ts";

const RUNS = 3;

/** Milliseconds of the fastest of three runs, by program; null without a compiler. */
export function runNative(smoke: boolean): Map<string, number> | null {
	const dir = mkdtempSync(join(tmpdir(), "uvmachine-"));
	try {
		const build = spawnSync("sh", [`${WORKLOADS}build.sh`, "--native", dir], { stdio: "ignore" });
		if (build.status !== 0) return null;
		const times = new Map<string, number>();
		for (const [program, ...args] of smoke ? SMOKE_GUESTS : GUESTS) {
			let best = Number.POSITIVE_INFINITY;
			for (let i = 0; i < RUNS; i++) {
				const started = performance.now();
				const run = spawnSync(join(dir, program), args, { stdio: "ignore" });
				if (run.status === 0) best = Math.min(best, performance.now() - started);
			}
			if (Number.isFinite(best)) times.set(program, best);
		}
		return times;
	} finally {
		rmSync(dir, { recursive: true });
	}
}
