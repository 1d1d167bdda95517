/** Sample sizes and intervals. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ruleOfThree, sampleSize, wilson } from "../../../campaign/report/statistics.ts";
import { Tally } from "../../../campaign/report/tally.ts";

const INFINITE = Number.POSITIVE_INFINITY;

it.each([
	[385, INFINITE, 0.05, 0.95],
	[664, INFINITE, 0.05, 0.99],
	[1844, INFINITE, 0.03, 0.99],
	[9604, INFINITE, 0.01, 0.95],
	[16590, INFINITE, 0.01, 0.99],
	[278, 1000, 0.05, 0.95],
	[100, 100, 0.001, 0.95],
	[1, 1, 0.05, 0.95],
])("%i runs of %d for %d at %d", (n, population, error, confidence) => {
	expect(sampleSize(population, error, confidence)).toBe(n);
});

describe("Wilson's interval", () => {
	// Brown, Cai and DasGupta's formula, computed elsewhere (R, binom.confint).
	it.each([
		[0, 10, 0, 0.2775],
		[5, 10, 0.2366, 0.7634],
		[1, 100, 0.0018, 0.0545],
		[50, 100, 0.4038, 0.5962],
	])("of %i in %i", (count, n, low, high) => {
		const interval = wilson(count, n);
		expect(interval.low).toBeCloseTo(low, 3);
		expect(interval.high).toBeCloseTo(high, 3);
	});

	it("holds the share, and is mirrored", () => {
		const counts = fc.nat(500).chain((n) => fc.tuple(fc.nat(n), fc.constant(n + 1)));
		fc.assert(
			fc.property(counts, ([count, n]) => {
				const { low, high } = wilson(count, n);
				const mirrored = wilson(n - count, n);
				expect(low).toBeLessThanOrEqual(count / n);
				expect(high).toBeGreaterThanOrEqual(count / n);
				expect(1 - mirrored.high).toBeCloseTo(low, 9);
			}),
		);
	});

	it("of nothing is everything", () => {
		expect(wilson(0, 0)).toEqual({ low: 0, high: 1 });
		expect([ruleOfThree(300), ruleOfThree(1)]).toEqual([0.01, 1]);
	});
});

it("a tally weights runs, and counts by rule and by tenth", () => {
	const tally = new Tally();
	tally.add({ outcome: "sdc", templates: ["a"], weight: 3, phase: 0 });
	tally.add({ outcome: "masked", templates: ["b"], weight: 1, phase: 9 });
	tally.add({ outcome: "not-fired", templates: ["a", "b"], weight: 0, phase: null });
	const { outcomes, templates, phases, runs, population } = tally.summary(INFINITE);
	expect([runs, population]).toEqual([3, null]);
	expect([outcomes.sdc.runs, outcomes.sdc.share, outcomes.masked.share]).toEqual([1, 0.75, 0.25]);
	// Kish: as good as 16/10 runs.
	const { low, high } = wilson(1.2, 1.6);
	expect(outcomes.sdc.low).toBeCloseTo(low, 9);
	expect(outcomes.sdc.high).toBeCloseTo(high, 9);
	expect([templates.a!.runs, templates.b!.runs]).toEqual([2, 2]);
	expect(phases.map((phase) => phase.runs)).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
});
