/**
 * Fault plans from outside: the schema, from which docs/fault-plan.schema.json is made, and the
 * check that a plan passes before anything is built from it.
 */
import * as v from "valibot";
import { LinePattern, PatternError } from "../../devices/fault/line-pattern.ts";
import type { FaultPlan, FaultRule } from "../../devices/fault/rule.ts";
import { FaultRuleError } from "../../devices/fault/rule-error.ts";
import { UVMHIST_FUNCTIONS } from "../../kernel/kern/core/kern_history.ts";
import { UserError } from "../../machine/user-error.ts";
import { complaint } from "../check-options.ts";
import { ADDRESS_MAX, type Field, isOptional, may, needs, object, where, whole } from "./fields.ts";
import type { FaultModel } from "./model.ts";
import { FAULT_MODELS } from "./models.ts";

/** A name appears in ledgers and messages. */
const NAME = /^[\w.:-]{1,64}$/;
const NAMES = "expected 1 to 64 letters, digits or any of _ - . :";
const MESSAGE_MAX = 500;
/** Characters of a regular expression. */
const PATTERN_MAX = 500;

export type PlanPath = readonly (string | number)[];

/** What is wrong with a plan, in one line. */
export class FaultPlanError extends UserError {
	/** To the field: ["rules", 1, "params", "sector"]. */
	readonly path: PlanPath;
	/** The name of a model that does not exist; otherwise null. */
	readonly model: string | null;

	constructor(message: string, path: PlanPath, model: string | null = null) {
		super(oneLine(message));
		this.path = path;
		this.model = model;
	}
}

const ns = whole(0);

const hit = may(whole(1), "That many times. Default: 1.");

const HITS_MAX = 10_000;
const hits = v.pipe(
	v.array(whole(1)),
	v.minLength(1, "expected at least one"),
	v.maxLength(HITS_MAX, `expected at most ${HITS_MAX}`),
	v.check((all) => all.every((n, i) => i === 0 || n > all[i - 1]!), "expected growing numbers"),
);

/** [from, to) of addresses. */
const range = v.pipe(
	v.strictTuple([whole(0, 2 ** 32), whole(0, 2 ** 32)]),
	v.check(([from, to]) => from < to, "expected two addresses, the lower one first"),
);

const pattern = v.pipe(
	v.string(),
	v.maxLength(PATTERN_MAX),
	v.check(
		(text) => patternError(text) === "",
		({ input }) => `is not a regular expression: ${patternError(input as string)}`,
	),
);

/** => what is wrong with a pattern for lines of the console, or "" */
function patternError(text: string): string {
	try {
		new LinePattern(text);
		return "";
	} catch (error) {
		if (error instanceof PatternError) return error.message;
		throw error;
	}
}

const triggers = {
	pc: may(
		object(
			{
				addr: may(
					v.pipe(
						whole(0, ADDRESS_MAX),
						v.check((n) => n % 2 === 0, "expected an even address"),
					),
					"Of an instruction.",
				),
				symbol: may(v.string(), "Of the program that is run, instead of an address."),
				hit,
			},
			[
				where(
					"addr",
					({ addr, symbol }) => (addr === undefined) !== (symbol === undefined),
					"expected either addr or symbol",
				),
			],
		),
		"Before an instruction is executed.",
	),
	access: may(
		object(
			{
				va: may(range, "Virtual addresses: from the first on, and below the second."),
				pa: may(range, "Physical addresses, instead."),
				kind: needs(
					v.picklist(["r", "w", "rw", "x"]),
					"Loads, stores, both, or fetches of instructions.",
				),
				hit,
			},
			[
				where(
					"va",
					({ va, pa }) => (va === undefined) !== (pa === undefined),
					"expected either va or pa",
				),
			],
		),
		"Behind an instruction that has accessed some of these bytes.",
	),
	event: may(
		object({
			uvmhist: needs(
				v.pipe(
					v.string(),
					v.check(
						(text) => UVMHIST_FUNCTIONS.includes(text.split(": ", 1)[0]!),
						`expected a function that logs events: ${UVMHIST_FUNCTIONS.join(", ")}`,
					),
				),
				'The function that logs the event; or function and message, "uvm_fault: va, pa, prot".',
			),
			hit,
		}),
		"When the kernel of boot logs an event in UVMHIST.",
	),
	milestone: may(
		object({
			console: needs(pattern, "A regular expression."),
			hit: may(whole(1), "That many lines. Default: 1."),
		}),
		"When the console has printed as much of a line as it takes to match.",
	),
};

const stateName = v.union(
	[whole(1), v.pipe(v.string(), v.regex(NAME, NAMES))],
	"expected a number from 1, or a name",
);

const state = needs(
	stateName,
	"It is activated only in this state of the plan, which begins in 1. Default: in any.",
);
const nextState = needs(
	stateName,
	"The state of the plan once it is activated. Default: as it is.",
);

const candidates = object({
	hit: may(whole(1), "The candidate with this number, from 1."),
	hits: may(hits, "The candidates with these numbers, in their order."),
	every: may(whole(1), "Each candidate whose number is a multiple of it."),
	chance: may(
		v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
		"Each candidate with this probability.",
	),
	window: may(
		v.pipe(
			v.strictTuple([ns, ns]),
			v.check(([from, to]) => from < to, "expected two times, the earlier one first"),
		),
		"Only from the first time on, and before the second, in ns.",
	),
	...triggers,
});

const instant = object(
	{
		atNs: may(ns, "At this virtual time, in ns."),
		atInsn: may(whole(0), "When so many instructions have retired since reset."),
		...triggers,
	},
	[
		where(
			"atNs",
			({ atNs, atInsn }) => atNs === undefined || atInsn === undefined,
			"expected either atNs or atInsn",
		),
	],
);

const life = v.union(
	[
		v.picklist(["once", "permanent"]),
		object({ count: needs(whole(1), "For so many candidates.") }),
		object({ forNs: needs(whole(1), "For that long, in ns.") }),
		object({
			onNs: needs(whole(1), "In turn for this time, in ns,"),
			offNs: needs(whole(1), "and not for this one, for ever."),
		}),
	],
	"expected once, permanent, {count}, {forNs} or {onNs, offNs}",
);

const span = v.union(
	[v.literal("permanent"), object({ forNs: needs(whole(1), "For that long, in ns.") })],
	"expected permanent or {forNs}",
);

const budget = object({
	skip: may(whole(0), "Candidates that are passed over first. Default: 0."),
	times: may(
		v.pipe(
			whole(-1),
			v.check((n) => n !== 0, "expected -1 or at least 1"),
		),
		"Activations at most; -1: any number. Default: 1, but -1 for hits, every and chance.",
	),
});

/** What rules have in common; the JSON schema has each of them once. */
export const FAULT_PLAN_PARTS: Readonly<Record<string, Field>> = {
	state,
	nextState,
	candidates,
	instant,
	life,
	span,
	budget,
};

/** A rule of an instant says when that is. */
const hasWhen = where(
	"when",
	({ when, state }) => state !== undefined || Object.keys(when as object).length > 0,
	"expected atNs, atInsn or a trigger",
);

function ruleSchema([name, model]: readonly [string, FaultModel]): Field {
	const params = object(model.params, model.conditions);
	const when =
		model.candidates === null
			? { when: instant, ...(model.lasts === true ? { life: v.optional(span) } : {}) }
			: { when: v.optional(candidates), life: v.optional(life), budget: v.optional(budget) };
	return object(
		{
			id: may(
				v.pipe(v.string(), v.regex(NAME, NAMES)),
				"Its own name. Default: the name of the model.",
			),
			model: needs(v.literal(name), model.does),
			params: Object.values(model.params).every(isOptional) ? v.optional(params) : params,
			...when,
			state: v.optional(state),
			nextState: v.optional(nextState),
			note: may(v.string(), "For the reader."),
		},
		model.candidates === null ? [hasWhen] : [],
	);
}

type RuleSchemas = v.VariantOptions<"model">;

export const FAULT_PLAN = object({
	$schema: may(v.string(), "The address of this schema, for editors."),
	seed: may(whole(0), "For all random decisions. Default: 1."),
	rules: needs(
		v.array(v.variant("model", [...FAULT_MODELS].map(ruleSchema) as unknown as RuleSchemas)),
		"What breaks, and when.",
	),
});

/**
 * A plan from outside, checked; what a rule may leave out, its name and its parameters, is there.
 * => FaultPlanError: "rule 2 (lost-1): params.sector: ..."
 */
export function checkFaultPlan(plan: unknown): FaultPlan {
	const parsed = v.safeParse(FAULT_PLAN, plan);
	if (!parsed.success) throw errorOf(plan, parsed.issues[0]);
	const { seed, rules } = parsed.output as FaultPlan;
	const whole = rules.map(
		(rule): FaultRule => ({ ...rule, id: rule.id ?? rule.model, params: rule.params ?? {} }),
	);
	for (const [i, { id }] of whole.entries()) {
		const first = whole.findIndex((other) => other.id === id);
		if (first === i) continue;
		const message = `rule ${i + 1} (${id}): id: rule ${first + 1} has this name already`;
		throw new FaultPlanError(message, ["rules", i, "id"]);
	}
	return seed === undefined ? { rules: whole } : { seed, rules: whole };
}

/**
 * Build from the rules of a plan, or change to them.
 * => FaultPlanError for a rule that the hardware cannot follow
 */
export function building<T>(plan: FaultPlan | undefined, build: () => T): T {
	try {
		return build();
	} catch (error) {
		if (plan === undefined || !(error instanceof FaultRuleError)) throw error;
		const { rule, field, what } = error;
		throw ruleError(plan, rule, field, what);
	}
}

/** => about a field of the rule with this id: "rule 2 (lost-1): params.disk: ..." */
export function ruleError(
	plan: FaultPlan,
	id: string,
	field: readonly string[],
	what: string,
): FaultPlanError {
	const index = plan.rules.findIndex((rule) => rule.id === id);
	const place = [nameOfRule(plan, index), ...(field.length === 0 ? [] : [field.join(".")])];
	return new FaultPlanError(`${place.join(": ")}: ${what}`, ["rules", index, ...field]);
}

/** => how messages call rule `index`: "rule 2 (lost-1)" */
export const nameOfRule = (plan: FaultPlan, index: number): string =>
	ruleName(plan.rules[index], index);

function errorOf(plan: unknown, issue: v.BaseIssue<unknown>): FaultPlanError {
	const path = (issue.path ?? []).map(({ key }) => key as string | number);
	const [top, index, ...field] = path;
	if (top !== "rules" || typeof index !== "number") {
		const place = ["fault plan", ...path].join(": ");
		return new FaultPlanError(`${place}: ${complaint(issue, "field")}`, path);
	}
	const rule = ruleName((plan as FaultPlan).rules[index], index);
	if (issue.type === "variant" && field[0] === "model") {
		const { input } = issue;
		const why = input === undefined ? "is required" : `no such model; ${modelsLike(input)}`;
		return new FaultPlanError(
			`${rule}: model: ${why}`,
			path,
			typeof input === "string" ? input : null,
		);
	}
	const place = field.length === 0 ? rule : `${rule}: ${field.join(".")}`;
	return new FaultPlanError(`${place}: ${complaint(issue, "field")}`, path);
}

/** The models of the family that `model` names, or else all families. */
function modelsLike(model: unknown): string {
	const names = [...FAULT_MODELS.keys()].map((name) => name.split(".") as [string, string]);
	const [family] = typeof model === "string" ? model.split(".") : [];
	const own = names.filter(([of]) => of === family).map(([, name]) => name);
	if (own.length > 0) return `those of ${family} are ${own.join(", ")}`;
	return `there are those of ${[...new Set(names.map(([of]) => of))].join(", ")}`;
}

/** How messages call a rule that may be anything: "rule 2 (lost-1)". */
function ruleName(rule: unknown, index: number): string {
	const { id, model } = (rule ?? {}) as Record<string, unknown>;
	const name = id ?? model;
	const known = typeof name === "string" && NAME.test(name);
	return `rule ${index + 1}${known ? ` (${name})` : ""}`;
}

/** Texts of a plan, or a campaign, may hold anything. */
export function oneLine(message: string): string {
	const line = message.replace(
		/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
		(c) => `\\u{${c.codePointAt(0)!.toString(16)}}`,
	);
	return line.length <= MESSAGE_MAX ? line : `${line.slice(0, MESSAGE_MAX)}...`;
}
