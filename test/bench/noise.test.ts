/** Figures that noise drowns are no figures. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { CallResult } from "../../bench/calls.ts";
import { certain, difference } from "../../bench/noise.ts";
import { type BenchReport, benchTable } from "../../bench/report.ts";

it("a difference is exact without noise, and never negative or nothing", () => {
	const whole = fc.nat(1_000_000);
	const noise = fc.tuple(whole, whole, whole);
	fc.assert(
		fc.property(whole, whole, noise, noise, (few, many, a, b) => {
			const short = a.map((n) => few + n);
			const long = b.map((n) => many + n);
			const found = difference(short, long);
			if (found !== null) expect(found).toBeGreaterThan(0);
			expect(difference([few, few], [few + many + 1, few + many + 1])).toBe(many + 1);
		}),
	);
});

it("a difference within the spread of the runs is null, one well beyond it is not", () => {
	expect(difference([10, 12, 30], [13, 14, 99])).toBe(null);
	expect(difference([10, 12, 30], [13.1, 14, 99])).toBeCloseTo(3.1);
	expect(difference([10, 12, 30], [9, 9, 9])).toBe(null);
	expect(difference([10, 10, 10], [10, 10, 10])).toBe(null);
});

it("a rate whose margin reaches to nothing is null", () => {
	expect([certain(5, 99), certain(5, 100), certain(5, Number.NaN)]).toEqual([5, null, null]);
	expect([certain(Number.POSITIVE_INFINITY, 1), certain(Number.NaN, 1)]).toEqual([null, null]);
});

it("the table says so", () => {
	const counts = { faults: 2, instructions: 91, virtualNs: 11_483 };
	const calls: CallResult[] = [
		{ name: "fork", ...counts, hostUs: null },
		{ name: "exec", ...counts, hostUs: 12.34 },
	];
	const report: BenchReport = {
		engine: "auto",
		version: "",
		host: { cpu: "", node: "" },
		...{
			guests: [],
			geomeanMips: null,
			nativeMs: null,
			micro: [],
			calls,
			snapshots: [],
			growth: [],
			allocations: [],
			engines: null,
			startupMs: null,
			injections: [],
		},
		paths: [
			{ name: "faults", perSecond: null, marginPercent: 140, samples: 3 },
			{ name: "pages", perSecond: 1_000, marginPercent: 1, samples: 3 },
		],
	};
	const table = benchTable(report);
	expect(table).toMatch(/^fork +2.0 +91.0 +11483 +below noise$/m);
	expect(table).toMatch(/^exec +2.0 +91.0 +11483 +12.3$/m);
	expect(table).toMatch(/^faults: below noise \(3 samples\)$/m);
	expect(table).toMatch(/^pages: 1,000 a second \(±1.0 %, 3 samples\)$/m);
});
