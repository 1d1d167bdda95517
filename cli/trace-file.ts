/** The file of `--trace`, written while the run goes on. */
import { closeSync, openSync, writeSync } from "node:fs";
import type { Tracing } from "../trace/trace.ts";
import { UsageError } from "./usage-error.ts";

/** Characters that are written at a time. */
const CHUNK = 1 << 18;

export class TraceFile {
	readonly #path: string;
	readonly #fd: number;
	#text = "";
	#tracing: Tracing | null = null;

	/** => UsageError if it cannot be written. */
	constructor(path: string) {
		this.#path = path;
		this.#fd = this.#try(() => openSync(path, "w"));
	}

	/** `attach` is given what takes the trace. */
	begin(attach: (write: (text: string) => void) => Tracing): void {
		this.#tracing = attach((text) => {
			this.#text += text;
			if (this.#text.length >= CHUNK) this.#flush();
		});
	}

	close(): void {
		this.#tracing?.end();
		this.#flush();
		closeSync(this.#fd);
	}

	#flush(): void {
		const bytes = Buffer.from(this.#text);
		this.#text = "";
		this.#try(() => {
			for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
		});
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
