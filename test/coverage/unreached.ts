/** Functions and branches that no guest has reached, from the coverage that V8 has counted. */

import { readFileSync } from "node:fs";
import { relative } from "node:path";
import type { CoverageMapData, FileCoverageData, Range } from "istanbul-lib-coverage";
import { ROOT } from "../support/sources.ts";

export interface FileReach {
	/** From the root of the project. */
	readonly path: string;
	/** Functions and branches there are, and how many were reached. */
	readonly total: number;
	readonly reached: number;
	/** "function name" or "branch in name, line n: kind" for the others. */
	readonly unreached: readonly string[];
}

const contains = (outer: Range, inner: Range): boolean =>
	outer.start.line <= inner.start.line && inner.end.line <= outer.end.line;

/** The innermost named function around a place. */
function functionAt(file: FileCoverageData, place: Range): string {
	let best: { name: string; lines: number } = {
		name: "the module",
		lines: Number.POSITIVE_INFINITY,
	};
	for (const { name, loc } of Object.values(file.fnMap)) {
		const lines = loc.end.line - loc.start.line;
		if (contains(loc, place) && lines < best.lines && !name.startsWith("(anonymous")) {
			best = { name, lines };
		}
	}
	return best.name;
}

/** What only a defect, or a trace, reaches: a line with a panic, or UVMHIST. */
const isGuard = (line: string): boolean => /panic\(|KASSERT\(|uvmhist/.test(line);

function reachOf(file: FileCoverageData): FileReach {
	const lines = readFileSync(file.path, "utf8").split("\n");
	const unreached: string[] = [];
	let [total, reached] = [0, 0];
	const dead: Range[] = [];
	for (const [id, { name, loc }] of Object.entries(file.fnMap)) {
		total++;
		if (file.f[id]! > 0) reached++;
		else {
			dead.push(loc);
			unreached.push(`function ${name}, line ${loc.start.line}`);
		}
	}
	for (const [id, branch] of Object.entries(file.branchMap)) {
		// The branches of a function that is not reached are not listed one by one.
		if (dead.some((loc) => contains(loc, branch.loc))) continue;
		if (isGuard(lines[branch.loc.start.line - 1]!)) continue;
		for (const [i, count] of file.b[id]!.entries()) {
			total++;
			if (count > 0) reached++;
			else {
				const at = branch.locations[i]!;
				const line = at.start.line ?? branch.loc.start.line;
				unreached.push(
					`branch in ${functionAt(file, branch.loc)}, line ${line}: ${branch.type} ${i}`,
				);
			}
		}
	}
	return { path: relative(ROOT, file.path), total, reached, unreached };
}

export const reach = (map: CoverageMapData): FileReach[] =>
	Object.values(map)
		.map((file) =>
			reachOf("data" in file ? (file.data as FileCoverageData) : (file as FileCoverageData)),
		)
		.sort((a, b) => (a.path < b.path ? -1 : 1));
