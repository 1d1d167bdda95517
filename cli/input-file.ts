/** Input files. */
import { readFileSync, statSync } from "node:fs";
import { UsageError } from "./usage-error.ts";

/** No machine has more memory. */
const SIZE_MAX = 2 ** 30;

/** => UsageError that names `what` it is; devices are rejected, because they may never end. */
export function readInputFile(what: string, path: string | URL): Uint8Array {
	try {
		const stat = statSync(path);
		if (!stat.isFile() && !stat.isFIFO()) throw new UsageError(`${what} ${path}: not a file`);
		if (stat.size > SIZE_MAX) throw new UsageError(`${what} ${path}: larger than 1 GiB`);
		return readFileSync(path);
	} catch (error) {
		if (error instanceof UsageError) throw error;
		const { code } = error as NodeJS.ErrnoException;
		const why = code === "ENOENT" ? "no such file" : `cannot be read (${code})`;
		throw new UsageError(`${what} ${path}: ${why}`);
	}
}
