/** Whether a rule acts on a candidate, against a model that looks at the whole history. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Arming } from "../../../devices/fault/arming.ts";
import { drawFraction } from "../../../devices/fault/draw.ts";
import type { FaultLife, FaultRule } from "../../../devices/fault/rule.ts";

const time = fc.integer({ min: 0, max: 200 });
const few = fc.integer({ min: 1, max: 6 });
/** A member that may be absent. */
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
	fc.option(arbitrary, { nil: undefined });

const life: fc.Arbitrary<FaultLife> = fc.oneof(
	fc.constant<FaultLife>("once"),
	fc.constant<FaultLife>("permanent"),
	few.map((count) => ({ count })),
	few.map((n) => ({ forNs: n * 7 })),
	fc.tuple(few, few).map(([on, off]) => ({ onNs: on * 5, offNs: off * 5 })),
);

const rule: fc.Arbitrary<FaultRule> = fc.record({
	id: fc.constantFrom("a", "b"),
	model: fc.constant("mmu.lost-fence"),
	when: maybe(
		fc.record({
			hit: maybe(few),
			hits: maybe(
				fc
					.uniqueArray(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 })
					.map((all) => all.sort((a, b) => a - b)),
			),
			every: maybe(few),
			chance: maybe(fc.constantFrom(0, 0.25, 0.5, 1)),
			window: maybe(fc.tuple(time, time)),
		}),
	),
	life: maybe(life),
	budget: maybe(fc.record({ skip: maybe(few), times: maybe(fc.integer({ min: -1, max: 3 })) })),
});

/** Times of candidates, none before the one that it follows. */
const candidates = fc
	.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 60 })
	.map((gaps) => {
		let now = 0;
		return gaps.map((gap) => {
			now += gap;
			return now;
		});
	});

/** Could candidate `i` at `now` activate the rule? */
function activates({ id, when = {}, budget = {} }: FaultRule, i: number, now: number): boolean {
	const n = i + 1 - (budget.skip ?? 0);
	return [
		n >= 1,
		when.hit === undefined || when.hit === n,
		when.hits === undefined || when.hits.includes(n),
		when.every === undefined || n % when.every === 0,
		when.window === undefined || (when.window[0] <= now && now < when.window[1]),
		when.chance === undefined || drawFraction(SEED, id, i, "chance") < when.chance,
	].every(Boolean);
}

/** Does an activation by candidate `from` cover candidate `i`? And is it over then? */
function covers(life: FaultLife, from: number, i: number, since: number, now: number) {
	if (life === "permanent") return { acts: true, over: false };
	if (life === "once") return { acts: i === from, over: i > from };
	if ("count" in life) return { acts: i - from < life.count, over: i - from >= life.count };
	if ("forNs" in life) return { acts: now < since + life.forNs, over: now >= since + life.forNs };
	const phase = (now - since) % (life.onNs + life.offNs);
	return { acts: phase < life.onNs, over: false };
}

const SEED = 99;

/** => for each candidate whether the rule acts on it */
function expected(r: FaultRule, times: readonly number[]): boolean[] {
	const { hits, every, chance } = r.when ?? {};
	const repeats = [hits, every, chance].some((condition) => condition !== undefined);
	const limit = r.budget?.times ?? (repeats ? -1 : 1);
	const activations: number[] = [];
	return times.map((now, i) => {
		const last = activations.at(-1);
		if (last !== undefined) {
			const { acts, over } = covers(r.life ?? "once", last, i, times[last]!, now);
			if (!over) return acts;
		}
		if ((limit >= 0 && activations.length >= limit) || !activates(r, i, now)) return false;
		activations.push(i);
		return true;
	});
}

const decisions = (arming: Arming, times: readonly number[]): number[] =>
	times.map((now) => arming.decide(now));

describe("a rule", () => {
	it("acts on the candidates that its conditions, life and budget cover", () => {
		fc.assert(
			fc.property(rule, candidates, (r, times) => {
				const arming = new Arming(SEED, r);
				const got = decisions(arming, times);
				const want = expected(r, times);
				expect(got).toEqual(want.map((acts, i) => (acts ? i : -1)));
				expect(arming.applied).toBe(want.filter(Boolean).length);
				expect(arming.candidates).toBe(times.length);
			}),
			{ numRuns: 2000 },
		);
	});

	it("is spent only when it acts no more", () => {
		let spent = 0;
		fc.assert(
			fc.property(rule, candidates, (r, times) => {
				const arming = new Arming(SEED, r);
				let over = false;
				for (const now of times) {
					expect(arming.decide(now) >= 0 && over).toBe(false);
					over = arming.spent(now);
					if (over) spent++;
				}
			}),
			{ numRuns: 2000 },
		);
		expect(spent).toBeGreaterThan(2000);
		const named: FaultRule = { id: "a", model: "m", when: { hits: [2, 3] }, budget: { skip: 5 } };
		const arming = new Arming(SEED, named);
		const seen = Array.from({ length: 10 }, (_, i) => [arming.decide(i) >= 0, arming.spent(i)]);
		expect(seen.findIndex(([acts]) => acts)).toBe(6);
		expect(seen.findLastIndex(([acts]) => acts)).toBe(7);
		expect(seen.findIndex(([, over]) => over)).toBe(7);
	});

	it("goes on after save and restore as without", () => {
		fc.assert(
			fc.property(rule, candidates, fc.nat(), (r, times, n) => {
				const at = n % times.length;
				const whole = decisions(new Arming(SEED, r), times);
				const first = new Arming(SEED, r);
				const before = decisions(first, times.slice(0, at));
				const second = new Arming(SEED, r);
				second.restore(structuredClone(first.save()));
				expect([...before, ...decisions(second, times.slice(at))]).toEqual(whole);
				expect(second.save().activations).toBeGreaterThanOrEqual(first.save().activations);
			}),
		);
	});

	it("with a chance acts on about so many", () => {
		const n = 20_000;
		for (const chance of [0.001, 0.1, 0.5, 0.9]) {
			for (const seed of [1, 2, 2 ** 40]) {
				const arming = new Arming(seed, { id: `p${chance}`, model: "any", when: { chance } });
				for (let i = 0; i < n; i++) arming.decide(i);
				const deviation = (arming.applied - n * chance) ** 2 / (n * chance * (1 - chance));
				// Chi-square with one degree of freedom: 99.9 %.
				expect(deviation, `${chance}, seed ${seed}`).toBeLessThan(10.8);
			}
		}
	});
});
