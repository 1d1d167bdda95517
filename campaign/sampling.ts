/**
 * Which points of the fault space are run, in which order. Run n is the same whoever asks, and
 * whatever was asked before.
 */
import { draw, drawBelow, drawFraction } from "../devices/fault/draw.ts";
import { UserError } from "../machine/user-error.ts";
import type { Campaign, Sample } from "./campaign.ts";
import type { Known, Pruned } from "./prune/fates.ts";
import { sampleSize } from "./report/statistics.ts";
import type { RunPlan } from "./run/runner.ts";
import type { TemplateSpace } from "./space.ts";

/** A run of a campaign. */
export interface PlannedRun {
	/** From 0. */
	readonly run: number;
	/** The templates of its rules. */
	readonly templates: readonly string[];
	/** For how many points of the space it stands, relative to the other runs. */
	readonly weight: number;
	/** Points of the sample that it is made for. Default: 1. */
	readonly points?: number | undefined;
	/** It is not made, as this is known; and in which tenth of the golden run it acts. */
	readonly known?: { readonly what: Known; readonly phase: number | null } | null | undefined;
	readonly plan: RunPlan;
}

/** A rule by the number of its template and its point. */
type Choice = readonly [template: number, point: number];

export interface RunList {
	readonly length: number;
	/** Points of the whole fault space; Infinity for a swarm. */
	readonly population: number;
	/** What pruning has saved; absent without. */
	readonly pruned?: Pruned | undefined;
	at(run: number): PlannedRun;
}

/** Attempts to draw a number that was not drawn before. */
const DRAWS_MAX = 1000;
const THIRTY_TWO_BITS = 2 ** 32;

/** => 0 to n - 1, also for an n of more than 32 bits */
function drawLarge(seed: number, what: string, i: number, n: number): number {
	if (n <= THIRTY_TWO_BITS) return drawBelow(seed, what, i, "point", n);
	const high = drawFraction(seed, what, i, "point");
	const low = drawFraction(seed, what, i, "rest");
	return Math.min(n - 1, Math.floor((high + low / THIRTY_TWO_BITS) * n));
}

/** `count` different ones of 0 to n - 1, in random order; all of them if there are no more. */
function distinct(seed: number, what: string, count: number, n: number): number[] {
	const chosen = new Set<number>();
	const wanted = Math.min(count, n);
	if (wanted * 2 > n) return shuffled(seed, what, n).slice(0, wanted);
	for (let i = 0; chosen.size < wanted && i < wanted * DRAWS_MAX; i++) {
		chosen.add(drawLarge(seed, what, i, n));
	}
	return [...chosen];
}

function shuffled(seed: number, what: string, n: number): number[] {
	const all = Array.from({ length: n }, (_, i) => i);
	for (let i = n - 1; i > 0; i--) {
		const j = drawBelow(seed, what, i, "swap", i + 1);
		[all[i], all[j]] = [all[j]!, all[i]!];
	}
	return all;
}

/** All ways to choose, by number: one point of one template, or of each of two. */
class Choices {
	readonly size: number;
	readonly #groups: readonly { readonly of: readonly number[]; readonly before: number }[];
	readonly #sizes: readonly number[];

	constructor(spaces: readonly TemplateSpace[], pairs: boolean) {
		this.#sizes = spaces.map(({ size }) => size);
		const indexes = [...spaces.keys()];
		const groups = pairs
			? indexes.flatMap((i) => indexes.slice(i + 1).map((j) => [i, j]))
			: indexes.map((i) => [i]);
		let before = 0;
		this.#groups = groups.map((of) => {
			const group = { of, before };
			before += of.reduce((n, i) => n * this.#sizes[i]!, 1);
			return group;
		});
		this.size = before;
	}

	at(index: number): Choice[] {
		const { of, before } = this.#groups.findLast((group) => group.before <= index)!;
		let rest = index - before;
		return of.map((template): Choice => {
			const size = this.#sizes[template]!;
			const point = rest % size;
			rest = Math.floor(rest / size);
			return [template, point];
		});
	}
}

const isStratified = (sample: Sample): boolean =>
	typeof sample === "object" && "stratify" in sample && sample.stratify === true;

/** Runs that a random sample has. */
function sizeOf(sample: Exclude<Sample, "exhaustive" | { every: number }>, n: number): number {
	return "runs" in sample ? sample.runs : sampleSize(n, sample.error, sample.confidence);
}

/**
 * `runs`: at most so many; of a random sample, exactly.
 * => UserError if there are no two rules of which each has a point, and runs are pairs
 */
export function listRuns(
	campaign: Campaign,
	spaces: readonly TemplateSpace[],
	runs?: number,
): RunList {
	const { seed, combine } = campaign;
	const make = (run: number, choices: readonly Choice[], weight = 1): PlannedRun => ({
		run,
		templates: choices.map(([template]) => spaces[template]!.template.id),
		weight,
		plan: {
			seed: draw(seed, "run", run, "seed"),
			rules: choices.map(([template, point]) => spaces[template]!.at(point)),
		},
	});
	const given = campaign.sample;
	const random = typeof given === "object" && !("every" in given);
	const sample = random && runs !== undefined ? { ...given, error: undefined, runs } : given;
	if (typeof combine === "object") {
		const length = sizeOf(sample as { runs: number }, Number.POSITIVE_INFINITY);
		const at = (run: number): PlannedRun => make(run, swarm(seed, run, combine.swarm, spaces));
		return { length, population: Number.POSITIVE_INFINITY, at };
	}
	const all = new Choices(spaces, combine === "pairs");
	const population = all.size;
	if (population === 0) {
		throw new UserError("campaign: no two rules have candidates in the golden run");
	}
	if (sample === "exhaustive" || "every" in sample) {
		const step = sample === "exhaustive" ? 1 : sample.every;
		const length = Math.min(Math.ceil(population / step), runs ?? Number.POSITIVE_INFINITY);
		return { length, population, at: (run) => make(run, all.at(run * step)) };
	}
	const n = sizeOf(sample, population);
	const weights = spaces.map(({ template }) => template.weight);
	if (combine === "single" && weights.some((weight) => weight !== undefined)) {
		const at = (run: number): PlannedRun => make(run, [weighted(seed, run, spaces)]);
		return { length: n, population, at };
	}
	if (combine === "single" && isStratified(given)) return stratified(seed, n, spaces, make);
	const points = distinct(seed, "sample", n, population);
	return { length: points.length, population, at: (run) => make(run, all.at(points[run]!)) };
}

function swarm(
	seed: number,
	run: number,
	probability: number,
	spaces: readonly TemplateSpace[],
): Choice[] {
	const usable = [...spaces.entries()].filter(([, { size }]) => size > 0);
	const enabled = usable.filter(
		([, { template }]) => drawFraction(seed, template.id, run, "enabled") < probability,
	);
	// A run without any rule would tell nothing.
	if (enabled.length === 0)
		enabled.push(usable[drawBelow(seed, "swarm", run, "one", usable.length)]!);
	return enabled.map(([i, { template, size }]) => [i, drawLarge(seed, template.id, run, size)]);
}

function weighted(seed: number, run: number, spaces: readonly TemplateSpace[]): Choice {
	const weights = spaces.map(({ template, size }) => (size > 0 ? (template.weight ?? 1) : 0));
	const sum = weights.reduce((a, b) => a + b, 0);
	let left = drawFraction(seed, "template", run, "weight") * sum;
	let chosen = weights.findIndex((weight) => (left -= weight) < 0);
	if (chosen < 0) chosen = weights.findLastIndex((weight) => weight > 0);
	const { template, size } = spaces[chosen]!;
	return [chosen, drawLarge(seed, template.id, run, size)];
}

function stratified(
	seed: number,
	n: number,
	spaces: readonly TemplateSpace[],
	make: (run: number, choices: readonly Choice[], weight: number) => PlannedRun,
): RunList {
	const usable = [...spaces.entries()].filter(([, { size }]) => size > 0);
	const each = Math.ceil(n / usable.length);
	const population = usable.reduce((sum, [, { size }]) => sum + size, 0);
	const points = usable.map(([, { template, size }]) => distinct(seed, template.id, each, size));
	const runs = Array.from({ length: each }, (_, i) =>
		usable.flatMap(([index], j): [Choice, number][] => {
			const own = points[j]!;
			return i < own.length ? [[[index, own[i]!], j]] : [];
		}),
	).flat();
	const length = Math.min(n, runs.length);
	const shares = usable.map((_, j) => runs.slice(0, length).filter(([, k]) => k === j).length);
	const at = (run: number): PlannedRun => {
		const [choice, j] = runs[run]!;
		const share = usable[j]![1].size / population;
		return make(run, [choice], (share * length) / shares[j]!);
	};
	return { length, population, at };
}
