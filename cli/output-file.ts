/** A file that the user names for results; "-" stands for a stream. */
import { closeSync, openSync, statSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { UsageError } from "./usage-error.ts";

export class OutputFile {
	readonly #path: string;
	readonly #stream: NodeJS.WritableStream;
	readonly #fd: number | null;

	/** => UsageError if it cannot be written: now, and not after a long run. */
	constructor(path: string, stream: NodeJS.WritableStream) {
		this.#path = path;
		this.#stream = stream;
		this.#fd = path === "-" ? null : writing(path, () => openSync(path, "w"));
	}

	/** Write all there is, and close the file. */
	write(data: string | Uint8Array): void {
		const fd = this.#fd;
		if (fd === null) {
			this.#stream.write(data);
			return;
		}
		writing(this.#path, () => writeFileSync(fd, data));
		closeSync(fd);
	}
}

/** Do something that writes to `path`. => UsageError if it fails. */
export function writing<T>(path: string, action: () => T): T {
	try {
		return action();
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new UsageError(`${path}: cannot be written (${code})`);
	}
}

/** Options that name a file to be written, as the command line's parser calls them. */
const OUTPUTS = {
	save: "--save",
	trace: "--trace",
	traceInstructions: "--trace-instructions",
	json: "--json",
	screenshot: "--screenshot",
	uvmhist: "--uvmhist",
} as const;
/** Those for which "-" stands for a stream. */
const STREAMS: readonly string[] = ["json", "screenshot", "uvmhist"];

export type OutputFlags = { readonly [name in keyof typeof OUTPUTS]?: string };

/** => UsageError if an option names the file of another one or a disk, or a stream it cannot. */
export function checkOutputs(flags: OutputFlags, disks: readonly string[]): void {
	const taken = new Map(disks.map((disk) => [resolve(disk), "--disk"]));
	for (const [name, option] of Object.entries(OUTPUTS)) {
		const path = flags[name as keyof OutputFlags];
		if (path === undefined) continue;
		if (path === "-") {
			if (!STREAMS.includes(name)) throw new UsageError(`${option} -: it must be a file`);
			continue;
		}
		const file = resolve(path);
		// Any number may write to /dev/null.
		if (statSync(file, { throwIfNoEntry: false })?.isFile() === false) continue;
		const other = taken.get(file);
		if (other !== undefined)
			throw new UsageError(`${option} ${path}: that is the file of ${other}`);
		taken.set(file, option);
	}
}
