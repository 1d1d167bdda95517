/** A file for results; "-" is a stream. */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { UsageError } from "./usage-error.ts";

export class OutputFile {
	readonly #path: string;
	readonly #stream: NodeJS.WritableStream;
	readonly #fd: number | null;

	/** => null if no path is given; UsageError as the constructor. */
	static open(path: string | undefined, stream: NodeJS.WritableStream): OutputFile | null {
		return path === undefined ? null : new OutputFile(path, stream);
	}

	/** => UsageError if the file cannot be opened: at once, not after a long run. */
	constructor(path: string, stream: NodeJS.WritableStream) {
		this.#path = path;
		this.#stream = stream;
		this.#fd = path === "-" ? null : writing(path, () => openSync(path, "w"));
	}

	/** Write an object on one line, and close the file. */
	writeJson(value: object): void {
		this.write(`${JSON.stringify(value)}\n`);
	}

	/** Write everything, and close the file. */
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

/** Run `action`, which writes to `path`. => UsageError if it fails. */
export function writing<T>(path: string, action: () => T): T {
	try {
		return action();
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new UsageError(`${path}: cannot be written (${code})`);
	}
}
