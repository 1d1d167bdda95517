/**
 * The folder of an experiment's results: `experiment.json` (what was asked) and `results.jsonl` (a
 * line for each point, in their order).
 */
import {
	closeSync,
	existsSync,
	ftruncateSync,
	mkdirSync,
	openSync,
	readFileSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import { UserError } from "../machine/user-error.ts";
import type { Row } from "./conduct.ts";

/** What must be equal for results to belong together: the program's version, and all that runs. */
export interface Identity {
	readonly version: string;
	readonly hash: string;
}

const EXPERIMENT = "experiment.json";
const RESULTS = "results.jsonl";

/** => what `action` returns; UserError of one line if the host refuses */
function attempt<T>(path: string, action: () => T): T {
	try {
		return action();
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new UserError(`${path}: ${code === undefined ? "is damaged" : `fails (${code})`}`);
	}
}

/** The whole rows at the beginning of a file, and their length in bytes. */
export function rowsOf(bytes: Uint8Array): { readonly rows: Row[]; readonly length: number } {
	const rows: Row[] = [];
	let length = 0;
	for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, length)) {
		try {
			const row = JSON.parse(new TextDecoder().decode(bytes.subarray(length, end))) as Row;
			if (row.point !== rows.length) break;
			rows.push(row);
		} catch {
			break;
		}
		length = end + 1;
	}
	return { rows, length };
}

export class ExperimentFolder {
	/** The results that were there. */
	readonly before: readonly Row[];
	readonly #path: string;
	readonly #fd: number;
	#length: number;

	/**
	 * => UserError for a folder that has results, without `resume`; or those of something else; or
	 *    one that cannot be written.
	 */
	constructor(folder: string, identity: Identity, resume: boolean) {
		const head = join(folder, EXPERIMENT);
		const path = join(folder, RESULTS);
		const there = existsSync(head);
		if (there && !resume) {
			throw new UserError(`${folder}: has results already; go on with --resume`);
		}
		if (there) {
			const { version, hash } = attempt(head, () =>
				JSON.parse(readFileSync(head, "utf8")),
			) as Identity;
			if (version !== identity.version) {
				throw new UserError(`${folder}: is of version ${version}, and this is ${identity.version}`);
			}
			if (hash !== identity.hash) throw new UserError(`${folder}: is of another experiment`);
		}
		attempt(folder, () => mkdirSync(folder, { recursive: true }));
		const old =
			there && existsSync(path) ? attempt(path, () => readFileSync(path)) : new Uint8Array(0);
		const { rows, length } = rowsOf(old);
		this.before = rows;
		this.#path = path;
		this.#fd = attempt(path, () => openSync(path, old.length > 0 ? "r+" : "w+"));
		attempt(path, () => ftruncateSync(this.#fd, length));
		this.#length = length;
		if (!there)
			attempt(head, () => writeFileSync(head, `${JSON.stringify(identity, null, "\t")}\n`));
	}

	append(row: Row): void {
		const bytes = new TextEncoder().encode(`${JSON.stringify(row)}\n`);
		attempt(this.#path, () => {
			for (let at = 0; at < bytes.length; ) {
				at += writeSync(this.#fd, bytes, at, bytes.length - at, this.#length + at);
			}
			this.#length += bytes.length;
		});
	}

	close(): void {
		attempt(this.#path, () => closeSync(this.#fd));
	}
}
