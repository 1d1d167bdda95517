/** Files that a command writes: none of them may be one that it reads, or another of them. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { UsageError } from "./usage-error.ts";

/** An option and the path that it was given; undefined or "-" stand for no file. */
export type NamedPath = readonly [option: string, path: string | undefined];

/** Options for which "-" does not stand for a stream. */
const FILES_ONLY: readonly string[] = ["--save", "--trace", "--trace-instructions"];

/** => the same text for the same file; null for what many may write to: streams, devices. */
function identity(path: string | undefined): string | null {
	if (path === undefined || path === "-") return null;
	try {
		const stat = statSync(path);
		return stat.isFile() ? `${stat.dev}:${stat.ino}` : null;
	} catch {
		// Not there yet, or never: whoever opens it says why.
		return resolve(path);
	}
}

/**
 * To be called before the first file is opened.
 * => UsageError if one of `outputs` is an input, too, or is named twice, or is a stream and must
 *    be a file.
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
		if (path === "-" && FILES_ONLY.includes(option)) {
			throw new UsageError(`${option} -: it must be a file`);
		}
		const file = identity(path);
		if (file === null) continue;
		const user = users.get(file);
		if (user !== undefined) throw new UsageError(`${option} ${path}: is the file of ${user}, too`);
		users.set(file, option);
	}
}
