/** A file for results; "-" is a stream. */
import { accessSync, constants, openSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { UsageError } from "./usage-error.ts";

export class OutputFile {
	readonly #path: string;
	readonly #stream: NodeJS.WritableStream;

	/** => null if no path is given; UsageError as the constructor. */
	static open(path: string | undefined, stream: NodeJS.WritableStream): OutputFile | null {
		return path === undefined ? null : new OutputFile(path, stream);
	}

	/** => UsageError if the file cannot be written: at once, not after a long run. */
	constructor(path: string, stream: NodeJS.WritableStream) {
		this.#path = path;
		this.#stream = stream;
		if (path !== "-") checkWritable(path);
	}

	/** Write an object on one line. */
	writeJson(value: object): void {
		this.write(`${JSON.stringify(value)}\n`);
	}

	/** Write everything; what the file held before is gone only now. */
	write(data: string | Uint8Array): void {
		const path = this.#path;
		if (path === "-") this.#stream.write(data);
		else writing(path, () => writeFileSync(path, data));
	}
}

/** Can a file be written, as far as one can tell without touching it? => UsageError. */
export function checkWritable(path: string): void {
	writing(path, () => {
		const there = statSync(path, { throwIfNoEntry: false });
		if (there?.isDirectory() === true) throw Object.assign(new Error(), { code: "EISDIR" });
		if (there !== undefined) accessSync(path, constants.W_OK);
		// A path that ends with a slash, or leads nowhere, is refused here.
		else if (!statSync(dirname(path)).isDirectory()) openSync(path, "r");
		else accessSync(dirname(path), constants.W_OK);
	});
}

/** Run `action`, which writes to `path`. => UsageError if it fails. */
export function writing<T>(path: string, action: () => T): T {
	try {
		return action();
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new UsageError(`${path}: cannot be written (${code})`);
	}
}
