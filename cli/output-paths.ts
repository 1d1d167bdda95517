/** Checks that a command writes to no file that it reads, and to no file twice. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { UsageError } from "./usage-error.ts";

/** An option and its path; undefined and "-" are not files. */
export type NamedPath = readonly [option: string, path: string | undefined];

/** Options that do not take "-" for a stream. */
const FILES_ONLY: readonly string[] = ["--save", "--trace", "--trace-instructions"];

/** => the same text for the same file; null for streams and devices, which can be shared. */
function identity(path: string | undefined): string | null {
	if (path === undefined || path === "-") return null;
	try {
		const stat = statSync(path);
		return stat.isFile() ? `${stat.dev}:${stat.ino}` : null;
	} catch {
		// The file does not exist. If it cannot be created, opening it will say so.
		return resolve(path);
	}
}

/**
 * Call this before opening the first file.
 * => UsageError if one of `outputs` is also an input, is named twice, or is a stream but must be a
 *    file.
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
			throw new UsageError(`${option} -: must be a file`);
		}
		const file = identity(path);
		if (file === null) continue;
		const user = users.get(file);
		if (user !== undefined) throw new UsageError(`${option} ${path}: is also the file of ${user}`);
		users.set(file, option);
	}
}
