/** Parameters of experiments: all combinations, and their places in a workload. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pointsOf, substitute } from "../../experiment/points.ts";

const fail = (message: string): never => {
	throw new Error(message);
};

describe("points", () => {
	it("are all combinations, the first parameter changing slowest", () => {
		expect(pointsOf({ a: [1, 2], b: ["x", "y"] }, fail)).toEqual([
			{ a: 1, b: "x" },
			{ a: 1, b: "y" },
			{ a: 2, b: "x" },
			{ a: 2, b: "y" },
		]);
	});

	it("without a parameter are one", () => {
		expect(pointsOf({}, fail)).toEqual([{}]);
	});

	it("are as many as the values multiply to, and all different", () => {
		const axis = fc.uniqueArray(fc.integer(), { minLength: 1, maxLength: 5 });
		fc.assert(
			fc.property(fc.array(axis, { maxLength: 4 }), (axes) => {
				const named = Object.fromEntries(axes.map((values, i) => [`p${i}`, values]));
				const points = pointsOf(named, fail);
				expect(points).toHaveLength(axes.reduce((n, { length }) => n * length, 1));
				expect(new Set(points.map((point) => JSON.stringify(point))).size).toBe(points.length);
			}),
			{ numRuns: 50 },
		);
	});

	it.each([
		[{ from: 1, to: 4 }, [1, 2, 3, 4]],
		[{ from: 0, to: 1, step: 0.1 }, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]],
		[{ from: 1, to: 64, times: 4 }, [1, 4, 16, 64]],
		[{ from: 5, to: 5 }, [5]],
	])("of the range %j", (range, values) => {
		const points = pointsOf({ n: range }, fail).map(({ n }) => Number(n));
		expect(points).toHaveLength(values.length);
		for (const [i, value] of values.entries()) expect(points[i]).toBeCloseTo(value, 9);
	});

	it.each([
		[{ from: 2, to: 1 }, "n: to: expected at least from"],
		[{ from: 1, to: 2, step: 1, times: 2 }, "n: times: cannot be combined with step"],
		[{ from: 0, to: 2, times: 2 }, "n: from: expected more than 0 with times"],
		[{ from: 0, to: 1e9 }, "n: makes more than 100000 points"],
	])("are not of the range %j", (range, message) => {
		expect(() => pointsOf({ m: [1, 2], n: range }, fail)).toThrow(message);
	});
});

describe("in a workload", () => {
	const values = { n: 3, ram: "4M", on: true };

	it("a name alone becomes the value, and inside of a text its digits", () => {
		const template = { args: ["$n", "x$n-$ram"], check: "$on", deep: [{ ram: "$ram" }] };
		expect(substitute(template, values, fail)).toEqual({
			args: [3, "x3-4M"],
			check: true,
			deep: [{ ram: "4M" }],
		});
	});

	it("two signs are one, and what is no text stays", () => {
		expect(substitute(["$$n", "a$", 5, null, false], values, fail)).toEqual([
			...["$n", "a$", 5, null, false],
		]);
	});

	it("a name of no parameter is a mistake, with its path", () => {
		expect(() => substitute({ args: ["ok", "$m"] }, values, fail)).toThrow(
			"args: 1: $m: there is no such parameter",
		);
		expect(() => substitute("$toString", values, fail)).toThrow("no such parameter");
	});
});
