/**
 * What a campaign file says: the schema, from which docs/campaign.schema.json is made, and the
 * check that a campaign passes before anything is built from it.
 */
import * as v from "valibot";
import { type Field, may, needs, object, where, whole } from "../computer/fault/fields.ts";
import { FAULT_MODELS } from "../computer/fault/models.ts";
import { checkFaultPlan, FaultPlanError, oneLine, type PlanPath } from "../computer/fault/plan.ts";
import type { FaultRule } from "../devices/fault/rule.ts";
import { UserError } from "../machine/user-error.ts";
import { OUTCOMES, type Outcome } from "./report/classify.ts";
import { endless } from "./report/recovery.ts";
import { CONFIDENCES } from "./report/statistics.ts";
import { type BootFile, boot, checkFile, type RunFile, run } from "./workload-file.ts";

type Scalar = number | string | boolean;
export interface Range {
	readonly from: number;
	readonly to: number;
	readonly step?: number | undefined;
}
/** The values of a field: one, several, numbers in equal steps, or every one that exists. */
export type Axis = Scalar | readonly Scalar[] | Range | "all" | object;
type Axes = Readonly<Record<string, Axis>>;

/** A rule whose parameters and conditions may have several values. */
export interface Template extends Omit<FaultRule, "params" | "when"> {
	readonly params: Axes;
	/** `window` and `hits` are lists, as in a rule, and no lists of values. */
	readonly when: Axes;
	/** How often it is chosen, relative to the others. Default: as it has points. */
	readonly weight?: number | undefined;
}

export type Combine = "single" | "pairs" | { readonly swarm: number };
export type Sample =
	| "exhaustive"
	| { readonly every: number }
	| { readonly runs: number; readonly stratify?: boolean | undefined }
	| {
			readonly error: number;
			readonly confidence?: number | undefined;
			readonly stratify?: boolean | undefined;
	  };
export type StopRule =
	| { readonly error: number }
	| { readonly outcome: Outcome; readonly runs?: number | undefined };

export interface Campaign {
	readonly name: string;
	readonly description: string;
	readonly workload: BootFile | RunFile;
	readonly rules: readonly Template[];
	readonly combine: Combine;
	readonly sample: Sample;
	/** null: when all runs of the sample are done. */
	readonly stop: StopRule | null;
	readonly seed: number;
	readonly limits: {
		readonly instructions: number;
		readonly idleNs: number;
		readonly seconds: number;
	};
	readonly checkpoints: number;
	readonly earlyStop: boolean;
	/** Whether points are left out whose outcome the golden run shows. */
	readonly prune: boolean;
	/** All rules end, and each run must end as the golden one. Absent: it need not. */
	readonly recover?: true | undefined;
}

/** What is wrong with a campaign, in one line. */
export class CampaignError extends UserError {
	readonly path: PlanPath;
	/** The name of a model that does not exist; otherwise null. */
	readonly model: string | null;

	constructor(message: string, path: PlanPath, model: string | null = null) {
		super(oneLine(message));
		this.path = path;
		this.model = model;
	}
}

const NAME = /^[\w.:-]{1,64}$/;
/** Instructions times the golden run's, idle time, and seconds of the host. */
const LIMITS = { instructions: 3, idleNs: 60e9, seconds: 60 };
const CHECKPOINTS = 32;
const CHECKPOINTS_MAX = 1000;
const RUNS_MAX = 10_000_000;
const VALUES_MAX = 100_000;

const fraction = (min: number, max: number): Field<number> =>
	v.pipe(v.number(), v.minValue(min), v.maxValue(max));
const text = v.string();
const flag = v.boolean();
const scalar = v.union([v.number(), v.string(), v.boolean()]);
const range = object(
	{
		from: needs(v.number(), "The first value."),
		to: needs(v.number(), "No value is larger."),
		step: may(v.pipe(v.number(), v.minValue(Number.MIN_VALUE)), "Default: 1."),
	},
	[where("to", ({ from, to }) => Number(from) <= Number(to), "expected at least from")],
);
const axis = v.union(
	[
		scalar,
		v.pipe(v.array(scalar), v.minLength(1), v.maxLength(VALUES_MAX)),
		range,
		// A field of a rule may be an object itself.
		v.pipe(
			v.record(v.string(), v.unknown()),
			v.check((value) => !("from" in value)),
		),
	],
	'expected a value, a list of values, {from, to} or "all"',
);
const axes = v.record(v.string(), axis);

const template = object({
	id: may(
		v.pipe(v.string(), v.regex(NAME, "expected 1 to 64 letters, digits or any of _ - . :")),
		"Its name. Default: the name of the model, with a number if there are several.",
	),
	model: needs(v.string(), "A fault model: see fault-models.md."),
	params: may(axes, "Its parameters, each a value, a list or {from, to, step}."),
	when: may(
		axes,
		"As in a rule. hit, atInsn and atNs may be all: every candidate, instruction or nanosecond " +
			"of the golden run. window and hits stay as they are, and triggers have single values.",
	),
	life: may(v.unknown(), "As in a rule."),
	budget: may(v.unknown(), "As in a rule."),
	state: may(v.unknown(), "As in a rule."),
	nextState: may(v.unknown(), "As in a rule."),
	note: may(text, "For the reader."),
	weight: may(
		fraction(Number.MIN_VALUE, 1e9),
		"How often a random sample chooses it, relative to the others.",
	),
});

const stratify = may(flag, "As many runs for each rule. Default: in proportion to their points.");

export const CAMPAIGN = object({
	$schema: may(text, "The address of this schema, for editors."),
	name: may(v.pipe(text, v.regex(NAME, "expected 1 to 64 letters or digits")), "Its name."),
	description: may(text, "For the reader."),
	workload: needs(
		v.union([boot, run], "expected what runs: {boot: ...} or {run: ...}"),
		"What runs.",
	),
	rules: needs(
		v.pipe(v.array(template), v.minLength(1, "expected at least one")),
		"The fault space: rules of which each field may have several values.",
	),
	combine: may(
		v.union(
			[
				v.picklist(["single", "pairs"]),
				object({ swarm: needs(fraction(0, 1), "The probability of each rule.") }),
			],
			"expected single, pairs or {swarm: probability}",
		),
		"Rules of a run: one; two different ones; or each with this probability. Default: single.",
	),
	sample: may(
		v.union(
			[
				v.literal("exhaustive"),
				object({ every: needs(whole(1), "Each n-th point.") }),
				object({ runs: needs(whole(1, RUNS_MAX), "So many points at random."), stratify }),
				object({
					error: needs(fraction(0.001, 0.5), "As many at random as this margin needs."),
					confidence: may(v.picklist(CONFIDENCES), "Default: 0.95."),
					stratify,
				}),
			],
			"expected exhaustive, {every}, {runs} or {error, confidence}",
		),
		"Which points of the fault space are run. Default: exhaustive.",
	),
	stop: may(
		v.union(
			[
				object({ error: needs(fraction(0.001, 0.5), "When every interval is this narrow.") }),
				object({
					outcome: needs(v.picklist(OUTCOMES), "When this outcome was seen,"),
					runs: may(whole(1), "so often. Default: 1."),
				}),
			],
			"expected {error} or {outcome, runs}",
		),
		"When to stop before all runs are done.",
	),
	seed: may(whole(0), "For all random decisions. Default: 1."),
	limits: may(
		object({
			instructions: may(fraction(1, 1e6), "Of a run, times the golden run's. Default: 3."),
			idleNs: may(whole(1), "Virtual time without an instruction, in ns. Default: 60 s."),
			seconds: may(whole(1), "Of the host, for a run. Default: 60."),
		}),
		"After which a run is given up.",
	),
	checkpoints: may(whole(0, CHECKPOINTS_MAX), "Of the golden run. Default: 32."),
	recover: may(
		flag,
		"All rules end, and each run must then end as the one without faults: with the same output, " +
			"and intact pages. The runs that do not are named, and the exit code is 1. Default: false.",
	),
	earlyStop: may(flag, "End runs whose state is golden again. Default: true."),
	prune: may(flag, "Leave out points whose outcome the golden run shows. Default: false."),
});

export const isRange = (value: unknown): value is Range =>
	typeof value === "object" && value !== null && "from" in value && "to" in value;

/** Is one value of a condition a list itself? */
export const isList = (name: string): boolean => name === "window" || name === "hits";

/** Fields of `when` that may be "all". */
const COUNTABLE: readonly string[] = ["hit", "atInsn", "atNs"];

/** The first value of a field. */
export function firstValue(name: string, values: Axis | readonly unknown[]): unknown {
	if (values === "all" && COUNTABLE.includes(name)) return name === "hit" ? 1 : 0;
	if (isList(name) || typeof values !== "object") return values;
	if (Array.isArray(values)) return values[0];
	return isRange(values) ? values.from : values;
}

/** => the campaign with all defaults. CampaignError: "campaign: rules: 1: params.sector: ..." */
export function checkCampaign(value: unknown): Campaign {
	const { workload: what } = (value ?? {}) as { readonly workload?: unknown };
	// Of a union the message would be about both.
	if (typeof what === "object" && what !== null) {
		const form = "boot" in what ? boot : "run" in what ? run : null;
		if (form !== null) checked(form, what, ["workload"]);
	}
	const file = checked(CAMPAIGN, value, []) as Partial<Campaign> & Pick<Campaign, "workload">;
	const given = file.rules as readonly (Omit<Template, "id" | "params" | "when"> &
		Partial<Template>)[];
	const rules = given.map((rule, i): Template => {
		const alike = given.filter(({ model }) => model === rule.model);
		const number = alike.length > 1 ? `-${alike.indexOf(rule) + 1}` : "";
		const id = rule.id ?? `${rule.model}${number}`;
		const whole: Template = { ...rule, id, params: rule.params ?? {}, when: rule.when ?? {} };
		checkTemplate(whole, i);
		return whole;
	});
	for (const [i, { id }] of rules.entries()) {
		const first = rules.findIndex((other) => other.id === id);
		if (first === i) continue;
		const message = `rule ${i + 1} (${id}): id: rule ${first + 1} has this name already`;
		throw new CampaignError(message, ["rules", i, "id"]);
	}
	const { name = "campaign", description = "", combine = "single", stop = null, seed = 1 } = file;
	const { sample = "exhaustive", checkpoints = CHECKPOINTS, earlyStop = true, workload } = file;
	const { prune = false } = file;
	const campaign: Campaign = {
		...(file.recover === true ? { recover: file.recover } : {}),
		...{ name, description, workload, rules, combine, sample, stop, seed, checkpoints, earlyStop },
		prune,
		limits: { ...LIMITS, ...file.limits },
	};
	checkCombination(campaign);
	if (campaign.recover === true) checkEnds(rules);
	return campaign;
}

function checked(schema: Field, value: unknown, above: PlanPath): unknown {
	return checkFile("campaign", schema, value, above, (message, path) => {
		throw new CampaignError(message, path);
	});
}

function checkTemplate(rule: Template, i: number): void {
	const fail = (path: PlanPath, message: string, model: string | null = null): never => {
		throw new CampaignError(message, ["rules", i, ...path], model);
	};
	const label = `rule ${i + 1} (${rule.id})`;
	for (const section of ["params", "when"] as const) {
		for (const [name, values] of Object.entries(rule[section])) {
			// A parameter may have a value of this name.
			if (section === "when" && values === "all" && !COUNTABLE.includes(name)) {
				fail([section, name], `${label}: when.${name}: all is for hit, atInsn and atNs`);
			}
		}
	}
	if (!FAULT_MODELS.has(rule.model)) {
		// The message names the models of its family.
		const message = messageOf(() => checkFaultPlan({ rules: [{ model: rule.model }] }));
		fail(["model"], message.replace(/^rule \d+ \([^)]*\)/, label), rule.model);
	}
	for (const sample of samplesOf(rule)) {
		try {
			checkFaultPlan({ rules: [sample] });
		} catch (error) {
			if (!(error instanceof FaultPlanError)) throw error;
			const [, , ...path] = error.path;
			fail(path, error.message.replace(/^rule 1/, `rule ${i + 1}`));
		}
	}
}

function messageOf(action: () => void): string {
	try {
		action();
		return "";
	} catch (error) {
		return (error as Error).message;
	}
}

/** The rule with the first values, and with each other value of one field. */
export function samplesOf(rule: Template): FaultRule[] {
	const { weight: _, ...rest } = rule;
	const first = (section: "params" | "when"): Record<string, unknown> =>
		Object.fromEntries(
			Object.entries(rule[section]).map(([name, values]) => [name, firstValue(name, values)]),
		);
	const base = { ...rest, params: first("params"), when: first("when") };
	const others = (["params", "when"] as const).flatMap((section) =>
		Object.entries(rule[section]).flatMap(([name, values]) =>
			extremes(name, values).map((value) => ({
				...base,
				[section]: { ...base[section], [name]: value },
			})),
		),
	);
	return [base, ...others] as FaultRule[];
}

/** Values that may be wrong although the first one is right. */
function extremes(name: string, values: Axis): readonly unknown[] {
	if (isList(name) || typeof values !== "object") return [];
	if (Array.isArray(values)) return values.slice(1);
	if (!isRange(values)) return [];
	const { from, to, step = 1 } = values;
	return [from + Math.floor((to - from) / step) * step];
}

function checkEnds(rules: readonly Template[]): void {
	for (const [i, rule] of rules.entries()) {
		const why = endless(samplesOf(rule)[0]!);
		if (why === "") continue;
		const path = ["rules", i, why.slice(0, why.indexOf(":"))];
		throw new CampaignError(`rule ${i + 1} (${rule.id}): ${why}`, path);
	}
}

function checkCombination({ combine, rules, sample, stop, prune }: Campaign): void {
	if (prune && stop !== null) {
		// What is known is known of all points, and not of those that come first.
		throw new CampaignError("campaign: stop: not with prune", ["stop"]);
	}
	if (combine === "pairs" && rules.length < 2) {
		throw new CampaignError("campaign: combine: pairs need two rules", ["combine"]);
	}
	const random = typeof sample === "object" && ("runs" in sample || "error" in sample);
	if (typeof combine === "object" && !random) {
		throw new CampaignError("campaign: sample: a swarm needs {runs} or {error}", ["sample"]);
	}
}
