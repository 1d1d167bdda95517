/**
 * The folder of a campaign's results: `campaign.json` (what was asked), `golden.json` (what runs
 * are compared with) and `results.jsonl` (a line for each run, in the order of their numbers).
 */
import {
	closeSync,
	existsSync,
	fsyncSync,
	ftruncateSync,
	mkdirSync,
	openSync,
	readFileSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { UserError } from "../machine/user-error.ts";
import type { Pruned } from "./prune/fates.ts";
import type { Outcome } from "./report/classify.ts";
import type { Evidence } from "./run/evidence.ts";
import type { RunEffort, RunPlan } from "./run/runner.ts";
import { runAt, type Shard, WHOLE } from "./shard.ts";

/** What became of a run. */
export interface ResultRow {
	readonly run: number;
	readonly outcome: Outcome;
	readonly templates: readonly string[];
	readonly weight: number;
	/** Points of the sample that it was made for, all with this outcome. Absent: 1. */
	readonly points?: number | undefined;
	/** The tenth of the golden run, 0 to 9, in which a rule first acted; null: none did. */
	readonly phase: number | null;
	readonly plan: RunPlan;
	readonly evidence: Evidence;
	readonly effort: RunEffort;
}

/** The golden run as golden.json has it: of the whole campaign, also in the folder of a shard. */
export interface GoldenFile {
	readonly evidence: Evidence;
	readonly console: string;
	readonly candidates: Readonly<Record<string, number>>;
	/** Points of the fault space; null: without number. */
	readonly population: number | null;
	readonly runs: number;
	/** What pruning has saved; absent without. */
	readonly pruned?: Pruned | undefined;
}

/** What must be equal for results to belong together. */
export interface Identity {
	readonly version: string;
	/** Of the campaign with all that it runs. */
	readonly hash: string;
}

const CAMPAIGN = "campaign.json";
const GOLDEN = "golden.json";
const RESULTS = "results.jsonl";
/** Milliseconds of the host between two writings through to the disk. */
const SYNC_MS = 1000;

/** The folder, and those above it. Node's own way never ends for some places, such as /proc. */
function makeFolder(path: string): void {
	if (existsSync(path)) return;
	if (dirname(path) !== path) makeFolder(dirname(path));
	mkdirSync(path);
}

/** => what `action` returns; UserError of one line if it fails */
function writing<T>(path: string, action: () => T): T {
	try {
		return action();
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === undefined) throw error;
		throw new UserError(`${path}: cannot be written (${code})`);
	}
}

function readJson(path: string): unknown {
	try {
		return JSON.parse(readFileSync(path, "utf8"));
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		throw new UserError(
			`${path}: ${code === undefined ? "is damaged" : `cannot be read (${code})`}`,
		);
	}
}

/** The whole rows of a file, and how many bytes they take: a line may have been cut short. */
export function parseRows(
	bytes: Uint8Array,
	shard: Shard = WHOLE,
): { rows: ResultRow[]; length: number } {
	const rows: ResultRow[] = [];
	let length = 0;
	for (;;) {
		const end = bytes.indexOf(0x0a, length);
		if (end < 0) return { rows, length };
		try {
			const row = JSON.parse(new TextDecoder().decode(bytes.subarray(length, end))) as ResultRow;
			if (row.run !== runAt(shard, rows.length)) return { rows, length };
			rows.push(row);
		} catch {
			return { rows, length };
		}
		length = end + 1;
	}
}

/** => UserError unless the folder has results. Lines that are damaged are left out. */
export function readResults(folder: string): {
	identity: Identity;
	campaign: unknown;
	golden: GoldenFile;
	shard: Shard;
	/** As in prepareCampaign. */
	runsMax: number | undefined;
	rows: ResultRow[];
} {
	const {
		identity,
		campaign,
		shard = WHOLE,
		runsMax,
	} = readJson(join(folder, CAMPAIGN)) as {
		identity: Identity;
		campaign: unknown;
		shard?: Shard;
		runsMax?: number;
	};
	const golden = readJson(join(folder, GOLDEN)) as GoldenFile;
	const path = join(folder, RESULTS);
	const bytes = existsSync(path) ? readFileSync(path) : new Uint8Array(0);
	return { identity, campaign, golden, shard, runsMax, rows: parseRows(bytes, shard).rows };
}

export interface ResultsOptions {
	readonly folder: string;
	readonly identity: Identity;
	/** For the reader, and for `inject` later. */
	readonly campaign: unknown;
	readonly golden: unknown;
	/** Go on with the results that are there. */
	readonly resume: boolean;
	/** Default: all runs. */
	readonly shard?: Shard | undefined;
	/** As in prepareCampaign. */
	readonly runsMax?: number | undefined;
}

export class ResultsFolder {
	/** The results that were there. */
	readonly before: readonly ResultRow[];
	readonly #path: string;
	readonly #fd: number;
	#length: number;
	#synced = performance.now();

	/**
	 * => UserError for a folder that has results, without `resume`; or results of another campaign
	 *    or version, with it; or one that cannot be written.
	 */
	constructor({ folder, identity, campaign, golden, resume, shard, runsMax }: ResultsOptions) {
		const path = join(folder, RESULTS);
		const there = existsSync(join(folder, CAMPAIGN));
		if (there && !resume) {
			throw new UserError(`${folder}: has results already; go on with --resume`);
		}
		if (there) checkIdentity(folder, identity, golden, shard);
		writing(folder, () => makeFolder(folder));
		if (!there) {
			const write = (name: string, value: unknown): void =>
				writing(join(folder, name), () =>
					writeFileSync(join(folder, name), `${JSON.stringify(value, null, "\t")}\n`),
				);
			write(GOLDEN, golden);
			writing(path, () => writeFileSync(path, ""));
			// Last: with it the folder is complete.
			write(CAMPAIGN, { identity, campaign, shard, runsMax });
		}
		const old = there && existsSync(path) ? readFileSync(path) : new Uint8Array(0);
		const { rows, length } = parseRows(old, shard);
		this.before = rows;
		this.#path = path;
		this.#fd = writing(path, () => openSync(path, existsSync(path) ? "r+" : "w+"));
		this.#length = length;
		if (length < old.length) writing(path, () => ftruncateSync(this.#fd, length));
	}

	/** => UserError if the disk is full; the file ends with the row before then. */
	append(row: ResultRow): void {
		const bytes = Buffer.from(`${JSON.stringify(row)}\n`);
		try {
			for (let at = 0; at < bytes.length; ) {
				at += writeSync(this.#fd, bytes, at, bytes.length - at, this.#length + at);
			}
			this.#length += bytes.length;
			if (performance.now() - this.#synced > SYNC_MS) this.#sync();
		} catch (error) {
			try {
				ftruncateSync(this.#fd, this.#length);
			} catch {
				// A line that is cut short is left out by whoever reads the file.
			}
			const { code } = error as NodeJS.ErrnoException;
			throw new UserError(`${this.#path}: cannot be written (${code})`);
		}
	}

	#sync(): void {
		this.#synced = performance.now();
		try {
			fsyncSync(this.#fd);
		} catch (error) {
			// A pipe or /dev/full has nothing to be written through to.
			if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
		}
	}

	close(): void {
		writing(this.#path, () => {
			this.#sync();
			closeSync(this.#fd);
		});
	}
}

/** => UserError unless the folder is of this campaign, and its golden run is ours. */
function checkIdentity(
	folder: string,
	{ version, hash }: Identity,
	golden: unknown,
	{ index, count }: Shard = WHOLE,
): void {
	const { identity, shard = WHOLE } = readJson(join(folder, CAMPAIGN)) as {
		identity: Identity;
		shard?: Shard;
	};
	if (identity.version !== version) {
		throw new UserError(`${folder}: is of version ${identity.version}, and this is ${version}`);
	}
	if (identity.hash !== hash) throw new UserError(`${folder}: is of another campaign`);
	if (shard.index !== index || shard.count !== count) {
		throw new UserError(`${folder}: has the runs of shard ${shard.index}/${shard.count}`);
	}
	const before = JSON.stringify(readJson(join(folder, GOLDEN)));
	if (before !== JSON.stringify(golden)) {
		throw new UserError(`${folder}: the run without faults was another one; start again`);
	}
}
