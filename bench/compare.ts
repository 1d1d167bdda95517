/**
 * Two builds beside each other: `npm run bench:compare -- DIST [JSON [NAMES]]`, where DIST is the
 * folder `dist` of another build, the one before, and JSON a file for the results. The paths of
 * `bench paths` and the rows of `bench growth` are measured with the same code on both,
 * alternating in one process; and once more in another one, where the builds are loaded in the
 * other order. What is measured is the CPU time of all threads. The command line is started in
 * turn, too. Prints tables, and those of README.md. NAMES are those of paths and rows, `starts`
 * and `QEMU`; default: all.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { compareStarts } from "./compare-starts.ts";
import { type Comparison, comparedTables, type Part, readmeTables } from "./compare-tables.ts";
import { qemuSeconds } from "./engine-runs.ts";
import { built } from "./guests.ts";

const OWN = fileURLToPath(new URL("..", import.meta.url));
const ROUNDS = 3;
/** A million traps in so many seconds are microseconds of each. */
const TRAPS = "traps";

/** => what a process measures that loads the builds in this order */
function partOf(other: string, order: number, names: readonly string[]): Part {
	const args = [built("compare-part"), other, String(order), ...names];
	const stdio: ["ignore", "pipe", "inherit"] = ["ignore", "pipe", "inherit"];
	const child = spawnSync(process.execPath, args, { stdio, encoding: "utf8", maxBuffer: 1 << 26 });
	if (child.status !== 0) throw new Error("bench: a part of the comparison fails");
	// NaN is null there.
	return JSON.parse(child.stdout, (_, value) => value ?? Number.NaN) as Part;
}

const joined = (one: Part, two: Part): Part => ({
	paths: one.paths.map((path, i) => ({
		name: path.name,
		before: [...path.before, ...two.paths[i]!.before],
		after: [...path.after, ...two.paths[i]!.after],
	})),
	growth: one.growth.map((row, i) => ({
		...row,
		before: row.before.map((us, size) => [...us, ...two.growth[i]!.before[size]!]),
		after: row.after.map((us, size) => [...us, ...two.growth[i]!.after[size]!]),
	})),
});

function compare(other: string, names: readonly string[]): Comparison {
	const part = joined(partOf(other, 0, names), partOf(other, 1, names));
	const wanted = (name: string): boolean => names.length === 0 || names.includes(name);
	const rounds = wanted("QEMU") ? ROUNDS : 0;
	const traps = Array.from({ length: rounds }, () => qemuSeconds(TRAPS));
	return {
		...part,
		starts: wanted("starts") ? compareStarts([other, OWN]) : [],
		qemuTraps: traps.filter((us) => us !== null),
	};
}

const [dist, json, ...names] = process.argv.slice(2);
if (dist === undefined) throw new Error("bench: which build? Its folder dist is the argument.");
const comparison = compare(resolve(dist), names);
if (json !== undefined) writeFileSync(json, `${JSON.stringify(comparison, null, "\t")}\n`);
process.stdout.write(`${comparedTables(comparison)}\n${readmeTables(comparison)}`);
