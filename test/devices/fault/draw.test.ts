/** Random decisions of rules are uniform, and independent of each other. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { draw, drawBelow, drawFraction } from "../../../devices/fault/draw.ts";

const CELLS = 64;
const N = 64_000;

/** Chi-square of how often each cell was hit, with CELLS - 1 degrees of freedom. */
function chiSquare(hits: Uint32Array): number {
	const mean = N / CELLS;
	return hits.reduce((sum, n) => sum + (n - mean) ** 2 / mean, 0);
}

/** 63 degrees of freedom: 99.99 %. */
const BOUND = 113;

const SERIES: [string, (i: number) => number][] = [
	["ordinals", (i) => drawBelow(1, "rule", i, "bit", CELLS)],
	["seeds", (i) => drawBelow(i, "rule", 0, "bit", CELLS)],
	["high seeds", (i) => drawBelow(i * 2 ** 33, "rule", 0, "bit", CELLS)],
	["rules", (i) => drawBelow(1, `rule-${i}`, 0, "bit", CELLS)],
	["fields", (i) => drawBelow(1, "rule", 3, `bit ${i}`, CELLS)],
	["low bits", (i) => draw(1, "rule", i, "bit") % CELLS],
];

it.each(SERIES)("are uniform over %s", (_, series) => {
	const hits = new Uint32Array(CELLS);
	for (let i = 0; i < N; i++) hits[series(i)]!++;
	expect(chiSquare(hits)).toBeLessThan(BOUND);
});

it.each([
	["ordinals", (i: number) => [draw(1, "a", i, "x"), draw(1, "a", i + 1, "x")] as const],
	["seeds", (i: number) => [draw(i, "a", 7, "x"), draw(i + 1, "a", 7, "x")] as const],
	["rules", (i: number) => [draw(1, "a", i, "x"), draw(1, "b", i, "x")] as const],
	["fields", (i: number) => [draw(1, "a", i, "x"), draw(1, "a", i, "y")] as const],
])("are independent for neighbouring %s", (_, pair) => {
	const hits = new Uint32Array(CELLS);
	for (let i = 0; i < N; i++) {
		const [first, second] = pair(i);
		hits[(first >>> 29) * 8 + (second >>> 29)]!++;
	}
	expect(chiSquare(hits)).toBeLessThan(BOUND);
});

it("lie in their range, and depend on nothing but their arguments", () => {
	const arguments_ = [fc.maxSafeNat(), fc.string(), fc.maxSafeNat(), fc.string()] as const;
	fc.assert(
		fc.property(
			...arguments_,
			fc.integer({ min: 1, max: 2 ** 32 }),
			(seed, rule, n, field, max) => {
				const fraction = drawFraction(seed, rule, n, field);
				expect(fraction).toBeGreaterThanOrEqual(0);
				expect(fraction).toBeLessThan(1);
				expect(drawBelow(seed, rule, n, field, max)).toBeLessThan(max);
				expect(draw(seed, rule, n, field)).toBe(draw(seed, rule, n, field));
			},
		),
	);
});
