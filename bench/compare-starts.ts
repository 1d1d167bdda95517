/** What starting the command line costs beyond an empty process, for two builds. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Compared } from "./compare-tables.ts";

const ROUNDS = 12;
const STARTS: readonly (readonly string[])[] = [["boot", "hello"], ["--version"], ["--help"]];

/** Writes the CPU time of its process, in microseconds, when that ends. */
const hook = (file: string): string => `process.on("exit", () => {
	const { user, system } = process.cpuUsage();
	require("node:fs").writeFileSync(${JSON.stringify(file)}, String(user + system));
});\n`;

/** `dists`: the folders of the builds, before and after. => milliseconds of CPU time */
export function compareStarts(dists: readonly [string, string]): Compared[] {
	const dir = mkdtempSync(join(tmpdir(), "uvmachine-"));
	try {
		const [file, preload, empty] = ["us", "hook.cjs", "empty.mjs"].map((name) => join(dir, name));
		writeFileSync(preload!, hook(file!));
		writeFileSync(empty!, "");
		const ms = (program: string, args: readonly string[]): number => {
			const { status } = spawnSync(process.execPath, ["-r", preload!, program, ...args]);
			if (status !== 0) throw new Error(`bench: ${program} ${args.join(" ")} fails`);
			return Number(readFileSync(file!, "utf8")) / 1e3;
		};
		return STARTS.map((args) => {
			const [before, after]: [number[], number[]] = [[], []];
			for (let round = 0; round < ROUNDS; round++) {
				const none = ms(empty!, []);
				before.push(ms(`${dists[0]}/cli/main.js`, args) - none);
				after.push(ms(`${dists[1]}/cli/main.js`, args) - none);
			}
			return { name: args.join(" "), before, after };
		});
	} finally {
		rmSync(dir, { recursive: true });
	}
}
