/** The command as users run it: built, and in a process of its own. */
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { CHILD_LIMIT_MS } from "./limits.ts";
import { ROOT } from "./sources.ts";

/** What node is to run. */
export const MAIN = `${ROOT}/dist/cli/main.js`;

/** Run `uvmachine` to its end with `input` as its standard input, and options of node. */
export function uvmachine(
	args: readonly string[],
	input = "",
	nodeOptions: readonly string[] = [],
): SpawnSyncReturns<string> {
	return spawnSync(process.execPath, [...nodeOptions, MAIN, ...args], {
		cwd: ROOT,
		encoding: "utf8",
		input,
		timeout: CHILD_LIMIT_MS,
	});
}
