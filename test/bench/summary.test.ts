/** The last table of `npm run bench`. */
import { expect, it } from "vitest";
import type { BenchReport } from "../../bench/report.ts";
import { summaryLines } from "../../bench/summary.ts";

const NOTHING: BenchReport = {
	...{ engine: "auto", version: "", host: { cpu: "", node: "" } },
	...{ guests: [], geomeanMips: null, nativeMs: null, paths: [], micro: [], calls: [] },
	...{ snapshots: [], growth: [], allocations: [], startupMs: null, injections: [] },
	engines: null,
};
const MICRO = { samples: 9, operations: 1, leastNs: 1 };
const GROWTH = { unit: "pages", sizes: [1, 2, 4], hostUs: [1, 2, 4], steps: null, margin: 0.1 };

it("has a line or a few for each benchmark, and names it once", () => {
	const report: BenchReport = {
		...NOTHING,
		geomeanMips: { resident: 431.4, swapping: 348 },
		paths: [
			{ name: "getpid", perSecond: 2e6, marginPercent: 1.25, samples: 3 },
			{ name: "fork", perSecond: null, marginPercent: 140, samples: 3 },
		],
		micro: [
			{ ...MICRO, name: "a", family: "pmap", medianNs: 40, lowerNs: 30, upperNs: 50 },
			{ ...MICRO, name: "b", family: "pmap", medianNs: 90, lowerNs: 30, upperNs: 200 },
		],
		growth: [
			{ ...GROWTH, name: "flat", exponent: 0.1, allowed: 0.25 },
			{ ...GROWTH, name: "steep", exponent: 1, allowed: 0.25 },
		],
		allocations: [
			{ name: "x", events: 1, bytes: 3.21, allowed: 4, collections: 0, kept: 0 },
			{ name: "y", events: 1, bytes: 9, allowed: 4, collections: 0, kept: 0 },
		],
		startupMs: 157.3,
		injections: [
			{
				name: "and pruning",
				perHour: 8391,
				points: 5,
				runs: 3,
				instructions: 1,
				jobs: 1,
				seconds: 1,
			},
		],
	};
	const lines = summaryLines(report).map((line) => line.split(/ {2,}/));
	expect(lines).toEqual([
		["benchmark", "what", "figure", "spread"],
		["guests", "geometric mean, memory suffices", "431 M instr./s"],
		["", "geometric mean, memory is short", "348 M instr./s"],
		["paths", "getpid", "500 ns", "±1.3 %"],
		["", "fork", "below noise"],
		["micro", "pmap: geometric mean of 2", "60.0 ns", "30.0 to 100 ns"],
		["growth", "2 operations by size", "1 too fast", "steep"],
		["allocations", "2 paths, 9.0 bytes an event at most", "1 too much", "y"],
		["startup", "until a guest's first instruction", "157 ms"],
		["injections", "and pruning", "8,391 an hour"],
	]);
});

it("is none where there is one benchmark, which has a table of its own", () => {
	expect(summaryLines({ ...NOTHING, startupMs: 1 })).toEqual([]);
	expect(summaryLines(NOTHING)).toEqual([]);
});
