/** The files of `--trace` and `--trace-instructions`, written while the run goes on. */
import { closeSync, openSync, writeSync } from "node:fs";
import { type Computer, type Tracing, traceEvents, traceInstructions } from "../index.ts";
import { checkWritable, writing } from "./output-file.ts";

/** Characters that are written at a time. */
const CHUNK = 1 << 18;

class TraceFile {
	readonly #path: string;
	/** null until it begins. */
	#fd: number | null = null;
	#text = "";
	#tracing: Tracing | null = null;

	/** => UsageError if it cannot be written. */
	constructor(path: string) {
		this.#path = path;
		checkWritable(path);
	}

	/** `attach` is given what takes the trace. */
	begin(attach: (write: (text: string) => void) => Tracing): void {
		this.#fd = writing(this.#path, () => openSync(this.#path, "w"));
		this.#tracing = attach((text) => {
			this.#text += text;
			if (this.#text.length >= CHUNK) this.#flush();
		});
	}

	close(): void {
		const fd = this.#fd;
		if (fd === null) return;
		this.#tracing?.end();
		this.#flush();
		closeSync(fd);
	}

	#flush(): void {
		const bytes = Buffer.from(this.#text);
		this.#text = "";
		writing(this.#path, () => {
			for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd!, bytes, at);
		});
	}
}

export interface TraceFlags {
	readonly trace?: string;
	readonly traceInstructions?: string;
}

/** The files that the options ask for, and what is to be done with them. */
export class TraceFiles {
	readonly #events: TraceFile | null;
	readonly #instructions: TraceFile | null;

	/** => UsageError if one cannot be written. */
	constructor(flags: TraceFlags) {
		const open = (path?: string): TraceFile | null =>
			path === undefined ? null : new TraceFile(path);
		this.#events = open(flags.trace);
		this.#instructions = open(flags.traceInstructions);
	}

	begin(computer: Computer): void {
		this.#events?.begin((write) => traceEvents(computer, write));
		this.#instructions?.begin((write) => traceInstructions(computer, write));
	}

	close(): void {
		this.#events?.close();
		this.#instructions?.close();
	}
}
