/**
 * What an experiment file says: a question, what runs, the parameters with all their values, what is
 * measured, what is expected, and what is drawn.
 */
import * as v from "valibot";
import { boot, checkFile, run } from "../campaign/workload-file.ts";
import { type Field, may, needs, object, whole } from "../computer/fault/fields.ts";
import { oneLine, type PlanPath } from "../computer/fault/plan.ts";
import { UserError } from "../machine/user-error.ts";
import type { Marks } from "./between.ts";
import { Formula } from "./formula.ts";
import { MEASURES } from "./measure.ts";
import { type Parameters, pointsOf, type Scalar, substitute } from "./points.ts";
import { TRACE_MEASURES, trace } from "./trace-file.ts";

/** A number that is measured, or made of such numbers and of parameters. */
export interface Metric {
	readonly name: string;
	readonly is: Formula;
	/** It is the same whenever it runs: the host's time is not in it. */
	readonly exact: boolean;
}

/** What must hold at each point. */
export interface Law {
	readonly text: string;
	readonly that: Formula;
	/** At which points; null: at all. */
	readonly where: Formula | null;
	readonly why: string;
}

export const TRENDS = ["rises", "falls", "never rises", "never falls", "stays"] as const;
/** How a metric changes with a parameter, in the order of its values, all others being the same. */
export interface Trend {
	readonly metric: string;
	readonly over: string;
	readonly is: (typeof TRENDS)[number];
	readonly where: Formula | null;
	readonly why: string;
}

export interface Plot {
	readonly title: string;
	/** A parameter or a metric. */
	readonly x: string;
	readonly y: string;
	/** A line for each value of this parameter; null: one line. */
	readonly by: string | null;
	readonly log: "x" | "y" | "both" | "none";
	readonly where: Formula | null;
}

export interface Point {
	readonly parameters: Parameters;
	/** BootFile, RunFile or TraceFile. */
	readonly workload: object;
}

export interface Experiment {
	readonly name: string;
	readonly question: string;
	readonly notes: string;
	readonly points: readonly Point[];
	readonly parameters: readonly string[];
	readonly metrics: readonly Metric[];
	readonly laws: readonly Law[];
	readonly trends: readonly Trend[];
	readonly plots: readonly Plot[];
	readonly limits: { readonly instructions: number; readonly seconds: number };
	/** What a program prints around what counts; null: all of its run counts. */
	readonly between: Marks | null;
}

/** What is wrong with an experiment, in one line, and the field that it is about. */
export class ExperimentError extends UserError {
	readonly path: PlanPath;

	constructor(message: string, path: PlanPath) {
		super(oneLine(message));
		this.path = path;
	}
}

const LIMITS = { instructions: 1e12, seconds: 3600 };
const NAME = /^[A-Za-z][\w]{0,63}$/;
const FORM = "expected a letter, and letters or digits behind it";

const text = v.string();
const name = v.pipe(text, v.regex(NAME, FORM));
const scalar = v.union([v.number(), text, v.boolean()]);
const axis = v.union(
	[
		v.pipe(v.array(scalar), v.minLength(1)),
		object({
			from: needs(v.number(), "The first value."),
			to: needs(v.number(), "No value is larger."),
			step: may(v.pipe(v.number(), v.minValue(Number.MIN_VALUE)), "The next is so much more."),
			times: may(v.pipe(v.number(), v.minValue(1.0001)), "The next is so many times as much."),
		}),
	],
	"expected a list of values, or {from, to, step} or {from, to, times}",
);
const where = may(text, "A condition: only at points that meet it.");
const why = may(text, "For the reader.");

export const EXPERIMENT = object({
	$schema: may(text, "The address of this schema, for editors."),
	name: may(
		v.pipe(text, v.regex(/^[\w.:-]{1,64}$/, "expected 1 to 64 letters or digits")),
		"Its name.",
	),
	question: may(text, "What it is to answer."),
	notes: may(text, "For the reader."),
	workload: needs(
		v.record(text, v.unknown()),
		"What runs, as in a campaign, {boot: ...} or {run: ...}; or {trace: ...}. $name stands for a " +
			"parameter's value.",
	),
	parameters: may(v.record(name, axis), "The values of each parameter; every combination is run."),
	metrics: needs(
		v.pipe(
			v.array(
				v.union(
					[
						text,
						object({
							name: needs(name, "Its name."),
							is: needs(text, "A formula of what is measured, of parameters and other metrics."),
						}),
					],
					"expected the name of a number, or {name, is}",
				),
			),
			v.minLength(1, "expected at least one"),
		),
		"What is measured, in this order.",
	),
	expect: may(
		v.array(
			v.union(
				[
					object({
						that: needs(text, "A condition that holds at each point."),
						where,
						why,
					}),
					object({
						metric: needs(text, "A metric."),
						over: needs(text, "A parameter."),
						is: needs(v.picklist(TRENDS), "How the metric changes with the parameter."),
						where,
						why,
					}),
				],
				"expected {that} or {metric, over, is}",
			),
		),
		"What must come out; the exit code is 1 if something else does.",
	),
	plots: may(
		v.array(
			object({
				title: may(text, "Above the plot."),
				x: needs(text, "A parameter or a metric."),
				y: needs(text, "A metric."),
				by: may(text, "A line for each value of this parameter."),
				log: may(v.picklist(["x", "y", "both", "none"]), "Logarithmic axes. Default: none."),
				where,
			}),
		),
		"What is drawn.",
	),
	between: may(
		v.pipe(
			v.array(v.pipe(text, v.minLength(1))),
			v.length(2, "expected two texts, such as ['<', '>']"),
		),
		"Only what happens after the program has printed the first of these, and before the second.",
	),
	limits: may(
		object({
			instructions: may(whole(1), "Of a run. Default: 10^12."),
			seconds: may(whole(1), "Of the host, for a run. Default: 3600."),
		}),
		"After which a run is given up, which ends the experiment.",
	),
});

type MetricText = string | { readonly name: string; readonly is: string };
interface File {
	readonly name?: string;
	readonly question?: string;
	readonly notes?: string;
	readonly workload: Readonly<Record<string, unknown>>;
	readonly parameters?: Readonly<Record<string, readonly Scalar[] | object>>;
	readonly metrics: readonly MetricText[];
	readonly expect?: readonly (
		| { readonly that: string; readonly where?: string; readonly why?: string }
		| (Omit<Trend, "where" | "why"> & { readonly where?: string; readonly why?: string })
	)[];
	readonly plots?: readonly (Partial<Omit<Plot, "where">> &
		Pick<Plot, "x" | "y"> & { readonly where?: string })[];
	readonly limits?: Partial<Experiment["limits"]>;
	readonly between?: Marks;
}

const fail = (message: string, path: PlanPath): never => {
	throw new ExperimentError(message, path);
};
const checked = (schema: Field, value: unknown, above: PlanPath): unknown =>
	checkFile("experiment", schema, value, above, fail);

/** => ExperimentError: "experiment: metrics: 2: pageinz: ..." */
export function checkExperiment(value: unknown, fallback: string): Experiment {
	const file = checked(EXPERIMENT, value, []) as File;
	const points = pointsOf(file.parameters ?? {}, (message, path) =>
		fail(`experiment: parameters: ${message}`, ["parameters", ...path]),
	);
	const parameters = Object.keys(file.parameters ?? {});
	const metrics = file.metrics.map((metric): { name: string; is: string } =>
		typeof metric === "string" ? { name: metric, is: metric } : metric,
	);
	const measures = "trace" in file.workload ? [...MEASURES, ...TRACE_MEASURES] : MEASURES;
	const known = new Set<string>([...measures, ...parameters]);
	/** => a formula of what is known so far */
	const formula = (text: string, path: PlanPath): Formula =>
		Formula.parse(text, known, (message) =>
			fail(`experiment: ${path.map(String).join(": ")}: ${message}`, path),
		);
	const named = (what: string, path: PlanPath, names: readonly string[]): string =>
		names.includes(what)
			? what
			: fail(
					`experiment: ${path.map(String).join(": ")}: ${what}: there is ${names.join(", ")}`,
					path,
				);
	const conditionOf = (text: string | undefined, path: PlanPath): Formula | null =>
		text === undefined ? null : formula(text, [...path, "where"]);
	const inexact = new Set(["hostMs"]);
	const made = metrics.map(({ name, is }, i): Metric => {
		const simple = typeof file.metrics[i] === "string";
		const parsed = formula(is, simple ? ["metrics", i] : ["metrics", i, "is"]);
		const exact = !parsed.names.some((used) => inexact.has(used));
		known.add(name);
		if (!exact) inexact.add(name);
		return { name, is: parsed, exact };
	});
	const names = made.map((metric) => metric.name);
	const laws: Law[] = [];
	const trends: Trend[] = [];
	for (const [i, expected] of (file.expect ?? []).entries()) {
		const path = ["expect", i];
		const shared = { where: conditionOf(expected.where, path), why: expected.why ?? "" };
		if ("that" in expected) {
			const that = formula(expected.that, [...path, "that"]);
			laws.push({ text: expected.that, that, ...shared });
		} else {
			const metric = named(expected.metric, [...path, "metric"], names);
			const over = named(expected.over, [...path, "over"], parameters);
			trends.push({ metric, over, is: expected.is, ...shared });
		}
	}
	const plots = (file.plots ?? []).map((plot, i): Plot => {
		const path = ["plots", i];
		return {
			x: named(plot.x, [...path, "x"], [...parameters, ...names]),
			y: named(plot.y, [...path, "y"], names),
			by:
				plot.by === undefined || plot.by === null
					? null
					: named(plot.by, [...path, "by"], parameters),
			log: plot.log ?? "none",
			title: plot.title ?? `${plot.y} over ${plot.x}`,
			where: conditionOf(plot.where, path),
		};
	});
	return {
		name: file.name ?? fallback,
		question: file.question ?? "",
		notes: file.notes ?? "",
		points: points.map((values) => ({
			parameters: values,
			workload: workloadAt(file.workload, values),
		})),
		...{ parameters, metrics: made, laws, trends, plots },
		limits: { ...LIMITS, ...file.limits },
		between: betweenOf(file),
	};
}

function betweenOf({ between, workload }: File): Marks | null {
	if (between === undefined) return null;
	if (!("trace" in workload)) return between;
	return fail("experiment: between: a trace prints nothing", ["between"]);
}

/** What runs at a point. => ExperimentError for what is no workload */
function workloadAt(template: object, parameters: Parameters): object {
	const given = substitute(template, parameters, (message, path) =>
		fail(`experiment: workload: ${message}`, ["workload", ...path]),
	) as { readonly args?: unknown };
	// A program gets all numbers as text.
	const workload = Array.isArray(given.args) ? { ...given, args: given.args.map(String) } : given;
	const forms = Object.entries({ boot, run, trace });
	const form = forms.find(([key]) => key in workload)?.[1];
	if (form === undefined) {
		const kinds = "{boot: ...}, {run: ...} or {trace: ...}";
		return fail(`experiment: workload: expected what runs: ${kinds}`, ["workload"]);
	}
	return checked(form, workload, ["workload"]) as object;
}
