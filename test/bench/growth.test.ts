/** The exponents of `bench growth`. */
import { expect, it } from "vitest";
import { exponentOf } from "../../bench/growth/fit.ts";
import { type GrowthResult, growsTooFast } from "../../bench/growth/growth.ts";
import { rows } from "../../bench/growth/growth-rows.ts";
import { ownBuild } from "../../bench/own-build.ts";

const SIZES = [10, 30, 100, 300, 1000];

it.each([0, 0.5, 1, 2])("a power of %d is found exactly", (power) => {
	const found = exponentOf(
		SIZES,
		SIZES.map((n) => 3 * n ** power),
	);
	expect(found.exponent).toBeCloseTo(power, 9);
	expect(found.margin).toBeCloseTo(0, 6);
});

it("the interval is that of a regression", () => {
	// By hand: the residuals are -1/2, 1, -1/2, and there is one degree of freedom.
	const { exponent, margin } = exponentOf([1, Math.E, Math.E ** 2], [1, Math.E ** 2, Math.E]);
	expect(exponent).toBeCloseTo(0.5, 9);
	expect(margin).toBeCloseTo(12.706 * Math.sqrt(1.5 / 2), 3);
	expect(exponentOf([1, 2], [1, 2])).toEqual({ exponent: 1, margin: Number.POSITIVE_INFINITY });
});

it("what is certainly above is too fast, what may be noise is not", () => {
	const result = (power: number, noise: number): GrowthResult => ({
		...{ name: "", unit: "", sizes: SIZES, steps: null, allowed: 0.25 },
		hostUs: SIZES.map((n, i) => n ** power * (i % 2 === 0 ? 1 : noise)),
		...exponentOf(
			SIZES,
			SIZES.map((n, i) => n ** power * (i % 2 === 0 ? 1 : noise)),
		),
	});
	expect([result(1, 1.2), result(0.5, 1.1)].map(growsTooFast)).toEqual([true, true]);
	expect([result(0.1, 1.2), result(0.5, 9)].map(growsTooFast)).toEqual([false, false]);
});

it("steps that certainly grow too fast are too many, however short the time is", () => {
	const flat = { name: "", unit: "", sizes: SIZES, hostUs: SIZES.map(() => 1), allowed: 0.4 };
	const counted = (steps: number[] | null): GrowthResult => ({
		...{ ...flat, steps },
		...exponentOf(SIZES, flat.hostUs),
	});
	expect(growsTooFast(counted(null))).toBe(false);
	expect(growsTooFast(counted(SIZES.map((n) => 2 * Math.log2(n))))).toBe(false);
	expect(growsTooFast(counted(SIZES.map((n) => n / 4)))).toBe(true);
});

const ROWS = rows(false, ownBuild("interp")).filter(({ unit }) => unit === "map entries");
const COUNTED = ["mmap and munmap of a page", "mprotect of a page", "fault at random"];

it.each(COUNTED)("%s takes steps with the logarithm of the map entries", (name) => {
	const row = ROWS.find((one) => one.name === name)!;
	const sizes = [250, 1000, 4000];
	const steps = sizes.map((n) => row.measure(n).steps!);
	const { exponent } = exponentOf(sizes, steps);
	expect(exponent, `steps ${steps}`).toBeLessThan(row.allowed);
	// A search looks at log n nodes of the tree, and these operations search a few times.
	for (const [i, n] of sizes.entries()) {
		expect(steps[i]).toBeGreaterThan(Math.log2(n) / 2);
		expect(steps[i]).toBeLessThan(12 * Math.log2(n));
	}
});
