/** A campaign's results as one object, for people and programs: counts, and each run in short. */
import * as v from "valibot";
import { type Field, needs, object } from "../../computer/fault/fields.ts";
import { RAM_BASE } from "../../machine/memory.ts";
import type { Campaign } from "../campaign.ts";
import { isEnough } from "../conduct.ts";
import type { Pruned } from "../prune/fates.ts";
import type { Identity, ResultRow, readResults } from "../results.ts";
import type { Evidence } from "../run/evidence.ts";
import { classify, OUTCOME_TEXTS, OUTCOMES, type Outcome } from "./classify.ts";
import { type Shares, type Summary, Tally } from "./tally.ts";

/** A place that a fault has hit, and what became of the run. */
export interface Hit {
	readonly run: number;
	readonly outcome: Outcome;
	/** "ram", or the id of a disk. */
	readonly place: string;
	/** An address, or a sector. */
	readonly at: number;
}

/** A run in short. */
export interface RunReport {
	readonly run: number;
	readonly outcome: Outcome;
	readonly templates: readonly string[];
	readonly models: readonly string[];
	readonly weight: number;
	/** Points of the sample that it was made for. */
	readonly points: number;
	readonly phase: number | null;
	/** From the first application to the first sign of it, in ns; null: there was none. */
	readonly detectionNs: number | null;
	/** Virtual time, times that of the run without faults; null: the run was lost. */
	readonly slowdown: number | null;
	/** Why it has this outcome, in words. */
	readonly why: string;
}

export interface CampaignReport extends Summary {
	readonly name: string;
	readonly description: string;
	readonly version: string;
	readonly hash: string;
	readonly seed: number;
	/** "complete", "stopped" (that was enough) or "interrupted". */
	readonly end: "complete" | "stopped" | "interrupted";
	readonly planned: number;
	/** What pruning has saved; absent without. */
	readonly pruned?: Pruned | undefined;
	readonly golden: { readonly instructions: number; readonly cycles: number };
	/** By fault model; a run with several counts for each. */
	readonly models: Readonly<Record<string, Shares & { readonly runs: number }>>;
	readonly results: readonly RunReport[];
	readonly hits: readonly Hit[];
	/** Of the host, and runs in an hour; only of a campaign that has just been run. */
	readonly seconds?: number | undefined;
	readonly perHour?: number | undefined;
}

const number = v.number();
const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const text = v.string();
const outcome = v.picklist(OUTCOMES);
const maybe = (field: Field): Field => v.nullable(field);
const share = object({
	runs: needs(whole, "Runs with this outcome."),
	share: needs(number, "Weighted, from 0 to 1."),
	low: needs(number, "The lower end of its interval at 95 %."),
	high: needs(number, "The upper end."),
});
const shares = Object.fromEntries(
	OUTCOMES.map((name) => [name, needs(share, OUTCOME_TEXTS[name])] as const),
);
const group = object({ runs: needs(whole, "Runs of this kind."), ...shares });
const run = object({
	run: needs(whole, "Its number, from 0."),
	outcome: needs(outcome, "What became of it."),
	templates: needs(v.array(text), "The names of its rules."),
	models: needs(v.array(text), "Their fault models."),
	weight: needs(number, "For how many points it stands, relative to other runs."),
	points: needs(whole, "Points of the sample that it was made for."),
	phase: needs(maybe(whole), "The tenth of the golden run in which a rule first acted."),
	detectionNs: needs(maybe(number), "From the first application to the first sign of it."),
	slowdown: needs(maybe(number), "Virtual time, times that of the golden run."),
	why: needs(text, "Why it has this outcome."),
});
const hit = object({
	run: needs(whole, "The run."),
	outcome: needs(outcome, "What became of it."),
	place: needs(text, "ram, or the id of a disk."),
	at: needs(number, "An address, or a sector."),
});

/** docs/campaign-report.schema.json is made of it. */
export const CAMPAIGN_REPORT = object({
	name: needs(text, "The campaign."),
	description: needs(text, "What it says about itself."),
	version: needs(text, "Of uvmachine."),
	hash: needs(text, "Of the campaign and all that it runs."),
	seed: needs(number, "For all random decisions."),
	end: needs(v.picklist(["complete", "stopped", "interrupted"]), "Why there are no more runs."),
	planned: needs(whole, "Runs of its sample."),
	runs: needs(whole, "Runs that are done; one that was made for several points counts for each."),
	pruned: v.optional(
		object({
			points: needs(whole, "Points of the sample."),
			known: needs(whole, "Those whose outcome the golden run shows."),
			runs: needs(whole, "Runs that are made for all others."),
		}),
	),
	population: needs(maybe(whole), "Points of the fault space; null: without number."),
	golden: needs(
		object({ instructions: needs(whole, "Retired."), cycles: needs(whole, "Virtual ns.") }),
		"The run without faults.",
	),
	outcomes: needs(object(shares), "All runs."),
	templates: needs(v.record(text, group), "By rule of the campaign."),
	models: needs(v.record(text, group), "By fault model."),
	phases: needs(v.array(group), "By tenths of the golden run."),
	results: needs(v.array(run), "Each run."),
	hits: needs(v.array(hit), "Places that were hit first."),
	seconds: v.optional(number),
	perHour: v.optional(number),
});

type Results = Pick<ReturnType<typeof readResults>, "golden" | "rows"> & {
	readonly campaign: unknown;
	readonly identity: Identity;
};

/** => the rows with the outcomes that this version gives their evidence, and how many differ */
export function reclassify({ rows, golden }: Pick<Results, "rows" | "golden">): {
	rows: ResultRow[];
	changed: number;
} {
	const again = rows.map((row) => ({ ...row, outcome: classify(row.evidence, golden.evidence) }));
	const changed = again.filter((row, i) => row.outcome !== rows[i]!.outcome).length;
	return { rows: again, changed };
}

/** `planned`: of a shard, its own runs. Default: those of the campaign. */
export function reportResults(results: Results, planned = results.golden.runs): CampaignReport {
	const { golden, rows, identity } = results;
	const campaign = results.campaign as Campaign;
	const { name, description, seed } = campaign;
	const tally = new Tally();
	const byModel = new Tally();
	for (const row of rows) {
		tally.add(row);
		byModel.add({ ...row, templates: modelsOf(row) });
	}
	const stopped = isEnough(campaign, tally) ? "stopped" : "interrupted";
	const { instructions, cycles } = golden.evidence;
	const population = golden.population ?? Number.POSITIVE_INFINITY;
	return {
		...{ name, description, ...identity, seed },
		end: rows.length >= planned ? "complete" : stopped,
		planned,
		pruned: golden.pruned,
		...tally.summary(population),
		golden: { instructions, cycles },
		models: byModel.summary(population).templates,
		results: rows.map((row) => shortly(row, golden.evidence)),
		hits: rows.flatMap(hitsOf),
	};
}

const modelsOf = ({ plan }: Pick<ResultRow, "plan">): string[] => [
	...new Set(plan.rules.map(({ model }) => model)),
];

function shortly(row: ResultRow, golden: Evidence): RunReport {
	const { run: n, templates, weight, points = 1, phase, evidence } = row;
	const { detectionNs, cycles, error } = evidence;
	const slowdown = error === null ? cycles / golden.cycles : null;
	const models = modelsOf(row);
	const why = explain(row);
	return {
		...{ run: n, outcome: row.outcome, templates, models, weight, points, phase },
		...{ detectionNs, slowdown, why },
	};
}

/** Signs that are named. */
const SIGNS_MAX = 3;

/** Why a run has its outcome: what was broken, and what showed. */
export function explain({
	evidence,
	outcome: is,
}: Pick<ResultRow, "evidence" | "outcome">): string {
	const { faults, exit, messages, failures, shadow, console: printed, error } = evidence;
	const [first] = faults?.ledger ?? [];
	const cause = first === undefined ? "" : `${first.target}: ${first.effect}; `;
	const named = (list: readonly string[]): string => list.slice(0, SIGNS_MAX).join(", ");
	if (evidence.known === "overwritten") return "overwritten before anything has read it";
	if (evidence.known === "unread") return "never read, and still there at the end";
	const signs = {
		"not-fired": `never acted: ${named(faults?.notFired ?? [])}`,
		"simulator-error": error?.split("\n")[0] ?? "differs from the run without faults",
		hang: `${evidence.stop === "ended" ? exit.kind : evidence.stop} ${named(evidence.sleepers)}`,
		panic: exit.reason,
		"detected-killed": named(Object.keys(failures).filter((name) => name.startsWith("signal"))),
		"detected-handled": named([...messages, ...Object.keys(failures)]),
		sdc: printed.firstDifference === null ? named(shadow) : wrongOutput(evidence),
		latent: "the final state differs",
		masked: "the final state is the same",
	};
	return `${cause}${signs[is]}`.trim();
}

const wrongOutput = ({ console: printed, exit }: Evidence): string =>
	`output differs from byte ${printed.firstDifference} on, ${exit.kind} ${exit.code}`;

/** Where the first application of a run's rules was, if it was in RAM or on a disk. */
function hitsOf({ run: n, outcome: is, plan, evidence }: ResultRow): Hit[] {
	const [first] = evidence.faults?.ledger ?? [];
	if (first === undefined) return [];
	const [, ram] = /^ram (0x[0-9a-f]+)/.exec(first.target) ?? [];
	if (ram !== undefined) return [{ run: n, outcome: is, place: "ram", at: Number(ram) }];
	const disk = plan.rules.find(({ id }) => id === first.rule)?.params?.disk;
	const [, sector] = /\bsectors? (\d+)/.exec(first.target) ?? [];
	if (typeof disk !== "string" || sector === undefined) return [];
	return [{ run: n, outcome: is, place: disk, at: Number(sector) }];
}

/** Where a heat map of this place begins. */
export const placeBase = (place: string): number => (place === "ram" ? RAM_BASE : 0);
