/** Files that a command writes: none of them may be one that it reads, or another of them. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { UsageError } from "./usage-error.ts";

/** An option and the path that it was given; undefined or "-" stand for no file. */
export type NamedPath = readonly [option: string, path: string | undefined];

/** => the same text for the same file; null for what many may write to: streams, devices. */
function identity(path: string | undefined): string | null {
	if (path === undefined || path === "-") return null;
	const stat = statSync(path, { throwIfNoEntry: false });
	if (stat === undefined) return resolve(path);
	return stat.isFile() ? `${stat.dev}:${stat.ino}` : null;
}

/**
 * To be called before the first file is opened.
 * => UsageError if one of `outputs` is an input, too, or is named twice.
 */
export function checkOutputPaths(
	outputs: readonly NamedPath[],
	inputs: readonly NamedPath[],
): void {
	const users = new Map<string, string>();
	for (const [option, path] of inputs) {
		const file = identity(path);
		if (file !== null) users.set(file, option);
	}
	for (const [option, path] of outputs) {
		const file = identity(path);
		if (file === null) continue;
		const user = users.get(file);
		if (user !== undefined) throw new UsageError(`${option} ${path}: is the file of ${user}, too`);
		users.set(file, option);
	}
}
