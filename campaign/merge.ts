/** The results of shards, put together as if one machine had made all runs. */
import { UserError } from "../machine/user-error.ts";
import type { Campaign } from "./campaign.ts";
import { isEnough } from "./conduct.ts";
import { Tally } from "./report/tally.ts";
import { type ResultRow, ResultsFolder, readResults } from "./results.ts";
import { runAt, shardLength } from "./shard.ts";

type Results = ReturnType<typeof readResults>;

export interface Merged {
	readonly campaign: Campaign;
	readonly golden: Results["golden"];
	readonly identity: Results["identity"];
	readonly rows: readonly ResultRow[];
	readonly tally: Tally;
	/** How many runs were planned. */
	readonly planned: number;
}

/** Missing runs that a message names. */
const NAMED_MAX = 8;

/**
 * Write the results of `folders` to the new folder `out`.
 * => UserError if they are of different campaigns or versions, or runs are missing.
 */
export function mergeResults(folders: readonly string[], out: string): Merged {
	const parts = folders.map((folder) => ({ folder, ...readResults(folder) }));
	const [first] = parts;
	if (first === undefined) throw new UserError("merge: no folders");
	for (const part of parts.slice(1)) checkSame(first, part);
	const rows = new Map<number, { row: ResultRow; folder: string }>();
	for (const { folder, rows: own } of parts) {
		for (const row of own) {
			const other = rows.get(row.run);
			if (other === undefined) rows.set(row.run, { row, folder });
			else if (JSON.stringify(other.row) !== JSON.stringify(row)) {
				throw new UserError(`${folder}: run ${row.run} is another one than in ${other.folder}`);
			}
		}
	}
	const { identity, golden, runsMax } = first;
	const campaign = first.campaign as Campaign;
	const planned = golden.runs;
	const tally = new Tally();
	const merged: ResultRow[] = [];
	for (let run = 0; run < planned && !isEnough(campaign, tally); run++) {
		const found = rows.get(run);
		if (found === undefined) throw new UserError(missing(parts, rows, planned));
		tally.add(found.row);
		merged.push(found.row);
	}
	const store = new ResultsFolder({
		...{ folder: out, identity, campaign, golden, runsMax },
		resume: false,
	});
	for (const row of merged) store.append(row);
	store.close();
	return { campaign, golden, identity, rows: merged, tally, planned };
}

type Part = Results & { readonly folder: string };

function checkSame(one: Part, other: Part): void {
	const { identity, folder } = one;
	if (other.identity.version !== identity.version) {
		throw new UserError(
			`${other.folder}: is of version ${other.identity.version}, and ` +
				`${folder} is of ${identity.version}`,
		);
	}
	if (other.identity.hash !== identity.hash) {
		throw new UserError(`${other.folder}: is of another campaign than ${folder}`);
	}
	if (JSON.stringify(other.golden) !== JSON.stringify(one.golden)) {
		throw new UserError(`${other.folder}: the run without faults is another one than in ${folder}`);
	}
}

/** Which runs are missing, and where they can be made. */
function missing(
	parts: readonly Part[],
	rows: ReadonlyMap<number, unknown>,
	planned: number,
): string {
	const runs = Array.from({ length: planned }, (_, run) => run).filter((run) => !rows.has(run));
	const named = runs.slice(0, NAMED_MAX).join(", ");
	const more = runs.length > NAMED_MAX ? ", ..." : "";
	const short = parts.filter(({ shard, rows: own }) => own.length < shardLength(shard, planned));
	const found = short.map(({ folder, shard, rows: own }) => {
		const next = runAt(shard, own.length);
		return `${folder} ends before run ${next}`;
	});
	const hint = found.length === 0 ? "a shard is missing" : `${found.join("; ")}: --resume goes on`;
	return `merge: ${runs.length} of ${planned} runs are missing: ${named}${more}; ${hint}`;
}
