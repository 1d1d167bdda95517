/** Functions and branches that no guest has reached, from the coverage that V8 has counted. */

import { readFileSync } from "node:fs";
import { relative } from "node:path";
import type { CoverageMapData, FileCoverageData, Range } from "istanbul-lib-coverage";
import { ROOT } from "../support/sources.ts";

/** A function, or a branch, that no guest has reached. */
export interface Unreached {
	/** The function itself, or the innermost one with a name around the branch. */
	readonly function: string;
	readonly line: number;
	/** The line, without the space around it; empty for a function. */
	readonly code: string;
	/** Which way of the branch, by Istanbul: "if 0", "cond-expr 1", ...; "" for a function. */
	readonly way: string;
}

export interface FileReach {
	/** From the root of the project. */
	readonly path: string;
	/** Functions and branches there are, and how many were reached. */
	readonly total: number;
	readonly reached: number;
	readonly unreached: readonly Unreached[];
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

/**
 * Whether the statement behind an `if` that jumps away has run. V8 counts that way itself only if
 * the function is not a generator.
 */
function ranBehind(file: FileCoverageData, lines: string[], at: Range): boolean {
	if (!/\b(return|continue|break)\b[^;]*;$/.test(lines[at.end.line - 1]!.trim())) return false;
	let [next, count] = [Number.POSITIVE_INFINITY, 0];
	for (const [id, { start }] of Object.entries(file.statementMap)) {
		if (start.line > at.end.line && start.line < next) [next, count] = [start.line, file.s[id]!];
	}
	return count > 0;
}

function reachOf(file: FileCoverageData): FileReach {
	const lines = readFileSync(file.path, "utf8").split("\n");
	const unreached: Unreached[] = [];
	let [total, reached] = [0, 0];
	const dead: Range[] = [];
	for (const [id, { name, loc }] of Object.entries(file.fnMap)) {
		total++;
		if (file.f[id]! > 0) reached++;
		else {
			dead.push(loc);
			unreached.push({ function: name, line: loc.start.line, code: "", way: "" });
		}
	}
	for (const [id, branch] of Object.entries(file.branchMap)) {
		// The branches of a function that is not reached are not listed one by one.
		if (dead.some((loc) => contains(loc, branch.loc))) continue;
		if (isGuard(lines[branch.loc.start.line - 1]!)) continue;
		for (const [i, count] of file.b[id]!.entries()) {
			total++;
			const implicit = branch.type === "if" && i === 1;
			if (count > 0 || (implicit && ranBehind(file, lines, branch.loc))) {
				reached++;
				continue;
			}
			const line = branch.locations[i]!.start.line ?? branch.loc.start.line;
			unreached.push({
				function: functionAt(file, branch.loc),
				line,
				code: lines[line - 1]!.trim(),
				way: `${branch.type} ${i}`,
			});
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
