/**
 * The points of a fault space: every rule that a template stands for, by number. How many there
 * are depends on the golden run, where a field is "all".
 */
import type { FaultPlan, FaultRule, FaultWhen } from "../devices/fault/rule.ts";
import { TRIGGERS } from "../devices/fault/triggers.ts";
import { UserError } from "../machine/user-error.ts";
import { type Axis, type Campaign, isList, isRange, type Template } from "./campaign.ts";
import { hasInstant } from "./run/activation.ts";
import type { GoldenFacts } from "./run/golden.ts";
import type { PlannedRule } from "./run/runner.ts";

/** Combinations of parameters whose candidates the golden run counts, of all templates. */
const COUNTED_MAX = 512;
const NEVER = { hit: Number.MAX_SAFE_INTEGER };

/** A field with its values. */
interface Values {
	readonly name: string;
	readonly count: number;
	at(i: number): unknown;
}

/** `all`: how many values "all" are; null: it is a value itself. */
function valuesOf(name: string, values: Axis | readonly unknown[], all: number | null): Values {
	// Candidates are counted from 1, instructions and nanoseconds from 0.
	if (values === "all" && all !== null) {
		return { name, count: all, at: (i) => (name === "hit" ? i + 1 : i) };
	}
	if (isRange(values)) {
		const { from, to, step = 1 } = values;
		return { name, count: Math.floor((to - from) / step) + 1, at: (i) => from + i * step };
	}
	if (Array.isArray(values) && !isList(name)) {
		return { name, count: values.length, at: (i) => values[i] };
	}
	return { name, count: 1, at: () => values };
}

/** How many combinations these fields have. */
const product = (axes: readonly Values[]): number => axes.reduce((n, { count }) => n * count, 1);

/** Combination `index`: the first field changes slowest. */
function combination(axes: readonly Values[], index: number): Record<string, unknown> {
	let rest = index;
	const chosen: [string, unknown][] = [];
	for (const { name, count, at } of axes.toReversed()) {
		chosen.unshift([name, at(rest % count)]);
		rest = Math.floor(rest / count);
	}
	return Object.fromEntries(chosen);
}

const paramsOf = ({ params }: Template): Values[] =>
	Object.entries(params).map(([name, values]) => valuesOf(name, values, null));

/** All combinations of parameters. => none if they are too many */
export function parameterSets(template: Template): Record<string, unknown>[] {
	const axes = paramsOf(template);
	const count = product(axes);
	if (count > COUNTED_MAX) return [];
	return Array.from({ length: count }, (_, i) => combination(axes, i));
}

/** The rule of the golden run that counts for a combination of parameters. */
const counterOf = (template: number, combination: number): string =>
	`count:${template}:${combination}`;

/** Candidates are counted from the triggers on. */
const triggersOf = ({ when }: Template): FaultWhen =>
	Object.fromEntries(
		TRIGGERS.flatMap((name) => (when[name] === undefined ? [] : [[name, when[name]]])),
	);

/** Which templates have candidates that can be counted, so many that none is left out. */
function countedTemplates(rules: readonly Template[]): number[] {
	let left = COUNTED_MAX;
	return [...rules.entries()].flatMap(([i, template]) => {
		if (hasInstant(template as unknown as FaultRule)) return [];
		const combinations = product(paramsOf(template));
		if (combinations > left) return [];
		// A computer has one rule of it at most.
		const { model } = template;
		const alike = rules.filter((other) => other.model === model).length;
		if (model === "memory.ecc" && alike * combinations > 1) return [];
		left -= combinations;
		return [i];
	});
}

/** Rules for the golden run that count candidates and never act. => null: there are none. */
export function countingPlan({ rules }: Campaign): FaultPlan | null {
	const counting = countedTemplates(rules).flatMap((i): FaultRule[] => {
		const { model } = rules[i]!;
		const axes = paramsOf(rules[i]!);
		return Array.from({ length: product(axes) }, (_, c) => ({
			id: counterOf(i, c),
			model,
			params: combination(axes, c),
			when: { ...triggersOf(rules[i]!), ...NEVER },
		}));
	});
	return counting.length === 0 ? null : { rules: counting };
}

/** The points of one template. */
export class TemplateSpace {
	readonly template: Template;
	readonly size: number;
	readonly #index: number;
	readonly #params: readonly Values[];
	readonly #counted: boolean;
	/** The conditions of each combination of parameters, and how many points are before its own. */
	readonly #parts: readonly { readonly when: readonly Values[]; readonly before: number }[];

	constructor(template: Template, index: number, counted: boolean, golden: GoldenFacts) {
		this.template = template;
		this.#index = index;
		this.#params = paramsOf(template);
		this.#counted = counted;
		const hits = template.when.hit === "all";
		if (hits && !counted) {
			const many = product(this.#params);
			throw new UserError(
				`rule ${index + 1} (${template.id}): when.hit: all of ${many} combinations of parameters ` +
					`cannot be counted, only ${COUNTED_MAX} together`,
			);
		}
		let before = 0;
		// Without "all" candidates each combination has the same points.
		const parts = Array.from({ length: hits ? product(this.#params) : 1 }, (_, c) => {
			const when = Object.entries(template.when).map(([name, values]) =>
				valuesOf(name, values, this.#all(name, c, golden)),
			);
			const part = { when, before };
			before += product(when);
			return part;
		});
		this.#parts = parts;
		this.size = hits ? before : before * product(this.#params);
	}

	#all(name: string, combination: number, golden: GoldenFacts): number {
		if (name === "atInsn") return golden.instructions;
		if (name === "atNs") return golden.cycles;
		return golden.candidates.get(counterOf(this.#index, combination)) ?? 0;
	}

	/** => the rule of point 0 to `size` - 1 */
	at(point: number): PlannedRule {
		const { template } = this;
		const [params, when] = this.#split(point);
		const conditions = combination(when.axes, when.index);
		const { weight: _, ...rule } = template;
		return {
			...rule,
			params: combination(this.#params, params),
			when: conditions,
			countedBy: this.#counted ? counterOf(this.#index, params) : null,
		};
	}

	#split(point: number): [params: number, when: { axes: readonly Values[]; index: number }] {
		if (this.#parts.length === 1) {
			const axes = this.#parts[0]!.when;
			const each = product(axes);
			return [Math.floor(point / each), { axes, index: point % each }];
		}
		let low = 0;
		let high = this.#parts.length - 1;
		while (low < high) {
			const middle = (low + high + 1) >>> 1;
			if (this.#parts[middle]!.before <= point) low = middle;
			else high = middle - 1;
		}
		const { when, before } = this.#parts[low]!;
		return [low, { axes: when, index: point - before }];
	}
}

/** => UserError for a campaign without any point. */
export function spaceOf({ rules }: Campaign, golden: GoldenFacts): TemplateSpace[] {
	const counted = countedTemplates(rules);
	const spaces = rules.map((rule, i) => new TemplateSpace(rule, i, counted.includes(i), golden));
	if (spaces.every(({ size }) => size === 0)) {
		throw new UserError("campaign: no rule has a candidate in the golden run");
	}
	return spaces;
}
