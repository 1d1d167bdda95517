/**
 * The smallest plan with the same outcome, as far as trying finds it: fewer rules, explicit
 * occasions instead of chance, shorter lives, fewer bits and sectors, earlier times.
 */
import type { FaultLife, FaultWhen } from "../devices/fault/rule.ts";
import type { PlannedRule, RunPlan } from "./run/runner.ts";

type Rules = readonly PlannedRule[];
/** Does a plan with these rules have the outcome? */
type Same = (rules: Rules) => boolean;

/** Numbers of candidates at which a rule has acted, from 0. */
export type Ordinals = ReadonlyMap<string, readonly number[]>;

/**
 * `has`: does this plan have the outcome that is wanted? It is asked about valid and invalid plans.
 * => a plan that has, with the same seed; `plan` itself if nothing smaller has
 */
export function minimisePlan(
	plan: RunPlan,
	ordinals: Ordinals,
	has: (plan: RunPlan) => boolean,
): RunPlan {
	const asked = new Map<string, boolean>();
	const same: Same = (rules) => {
		const key = JSON.stringify(rules);
		const answer = asked.get(key) ?? has({ seed: plan.seed, rules });
		asked.set(key, answer);
		return answer;
	};
	let rules = ddmin(plan.rules, same);
	for (const step of [withoutChance(ordinals), shorterLife, fewerBits, fewerSectors, earlier]) {
		for (let i = 0; i < rules.length; i++) {
			const at = i;
			const with_ = (rule: PlannedRule): PlannedRule[] =>
				rules.map((r, j) => (j === at ? rule : r));
			const smaller = step(rules[at]!, (rule) => same(with_(rule)));
			rules = with_(smaller);
		}
	}
	return { seed: plan.seed, rules: ddmin(rules, same) };
}

/** Zeller's algorithm: => a part of `all` that is enough, and of which nothing can be left out. */
export function ddmin<T>(all: readonly T[], enough: (part: readonly T[]) => boolean): readonly T[] {
	let rest = all;
	for (let parts = 2; rest.length > 1; ) {
		const size = Math.ceil(rest.length / parts);
		const chunks = Array.from({ length: Math.ceil(rest.length / size) }, (_, i) =>
			rest.slice(i * size, (i + 1) * size),
		);
		const others = chunks.map((_, i) => chunks.filter((__, j) => j !== i).flat());
		const one = chunks.find((chunk) => chunk.length < rest.length && enough(chunk));
		const fewer = one ?? others.find((other) => other.length > 0 && enough(other));
		if (fewer !== undefined) {
			rest = fewer;
			parts = one === undefined ? Math.max(2, parts - 1) : 2;
		} else if (size === 1) {
			return rest;
		} else {
			parts = Math.min(rest.length, parts * 2);
		}
	}
	return rest;
}

type Step = (rule: PlannedRule, works: (rule: PlannedRule) => boolean) => PlannedRule;

/** The smallest number from `low` that works, if those that do are together at the upper end. */
function smallest(low: number, high: number, works: (n: number) => boolean): number {
	let [no, yes] = [low - 1, high];
	while (yes - no > 1) {
		const middle = Math.floor((no + yes) / 2);
		if (works(middle)) yes = middle;
		else no = middle;
	}
	return yes;
}

/** More cannot be named in a rule. */
const HITS_MAX = 10_000;

/** The occasions on which it has acted and that matter, instead of a rule that draws or repeats. */
const withoutChance =
	(ordinals: Ordinals): Step =>
	(rule, works) => {
		const { chance, every, window: _, hits = [], ...rest } = rule.when ?? {};
		if (chance === undefined && every === undefined && hits.length < 2) return rule;
		const { budget: __, ...without } = rule;
		const acted = (ordinals.get(rule.id) ?? []).map((ordinal) => ordinal + 1).slice(0, HITS_MAX);
		const at = (of: readonly number[]): PlannedRule => {
			const when = of.length === 1 ? { hit: of[0]! } : { hits: of };
			return { ...without, when: { ...rest, ...when } };
		};
		if (acted.length > 0 && works(at(acted))) return at(ddmin(acted, (of) => works(at(of))));
		// With what it was not activated by, a life may cover other occasions.
		return acted.map((n) => at([n])).find(works) ?? rule;
	};

const shorterLife: Step = (rule, works) => {
	const withLife = (life: FaultLife): PlannedRule => ({ ...rule, life });
	if (rule.life !== "once" && works(withLife("once"))) return withLife("once");
	const { life } = rule;
	if (typeof life !== "object") return rule;
	if ("count" in life) {
		return withLife({ count: smallest(1, life.count, (count) => works(withLife({ count }))) });
	}
	if ("forNs" in life) {
		return withLife({ forNs: smallest(1, life.forNs, (forNs) => works(withLife({ forNs }))) });
	}
	return rule;
};

const withParam = (rule: PlannedRule, name: string, value: unknown): PlannedRule => ({
	...rule,
	params: { ...rule.params, [name]: value },
});

const fewerBits: Step = (rule, works) => {
	const { bits, mask } = rule.params ?? {};
	if (typeof bits === "number" && bits > 1) {
		return withParam(
			rule,
			"bits",
			smallest(1, bits, (n) => works(withParam(rule, "bits", n))),
		);
	}
	if (typeof mask !== "number" || mask <= 0 || mask >= 2 ** 32) return rule;
	const set = Array.from({ length: 32 }, (_, bit) => 2 ** bit).filter(
		(bit) => Math.floor(mask / bit) % 2 === 1,
	);
	const sum = (part: readonly number[]): number => part.reduce((a, b) => a + b, 0);
	const few = ddmin(set, (part) => works(withParam(rule, "mask", sum(part))));
	return withParam(rule, "mask", sum(few));
};

const fewerSectors: Step = (rule, works) => {
	const { count } = rule.params ?? {};
	if (typeof count !== "number" || count <= 1) return rule;
	return withParam(
		rule,
		"count",
		smallest(1, count, (n) => works(withParam(rule, "count", n))),
	);
};

/** Times and occasions; a window begins as late and ends as early as possible. */
const earlier: Step = (rule, works) => {
	const withWhen = (when: Partial<FaultWhen>): PlannedRule => ({
		...rule,
		when: { ...rule.when, ...when },
	});
	const { atNs, atInsn, hit, window } = rule.when ?? {};
	if (atNs !== undefined) {
		return withWhen({ atNs: smallest(0, atNs, (n) => works(withWhen({ atNs: n }))) });
	}
	if (atInsn !== undefined) {
		return withWhen({ atInsn: smallest(0, atInsn, (n) => works(withWhen({ atInsn: n }))) });
	}
	if (hit !== undefined) {
		return withWhen({ hit: smallest(1, hit, (n) => works(withWhen({ hit: n }))) });
	}
	if (window === undefined) return rule;
	const [from, to] = window;
	const end = smallest(from + 1, to, (n) => works(withWhen({ window: [from, n] })));
	const late = (n: number): boolean => works(withWhen({ window: [end - n, end] }));
	return withWhen({ window: [end - smallest(1, end - from, late), end] });
};
