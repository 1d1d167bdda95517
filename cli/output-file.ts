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
		this.#fd = path === "-" ? null : this.#try(() => openSync(path, "w"));
	}

	/** Write all there is, and close the file. */
	write(data: string | Uint8Array): void {
		const fd = this.#fd;
		if (fd === null) {
			this.#stream.write(data);
			return;
		}
		this.#try(() => writeFileSync(fd, data));
		closeSync(fd);
	}

	#try<T>(action: () => T): T {
		try {
			return action();
		} catch (error) {
			const { code } = error as NodeJS.ErrnoException;
			throw new UsageError(`${this.#path}: cannot be written (${code})`);
		}
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

/** => UsageError if two options name one file, or one a stream that cannot be. */
export function checkOutputs(flags: OutputFlags): void {
	const taken = new Map<string, string>();
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
		if (other !== undefined) throw new UsageError(`${option} ${path}: ${other} writes there, too`);
		taken.set(file, option);
	}
}
