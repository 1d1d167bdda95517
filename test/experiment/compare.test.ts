/** Two results beside each other. */
import { describe, expect, it } from "vitest";
import { compareReports, isSame } from "../../experiment/compare.ts";
import { type ExperimentReport, exactReport, readReport } from "../../experiment/report.ts";

function reportOf(faults: readonly number[], hostMs = 10): ExperimentReport {
	return {
		...{ version: "1", name: "test", question: "" },
		results: faults.map((count, n) => ({
			parameters: { n, kind: "a" },
			metrics: { faults: count },
			...{ instructions: 1000 + n, virtualNs: 5 },
			host: { hostMs: hostMs * (n + 1), metrics: {} },
			stateHash: "0",
		})),
	};
}

describe("results", () => {
	it("are the same, whatever the host's time and the order of parameters are", () => {
		const [a, b] = [reportOf([1, 2]), reportOf([1, 2], 20)];
		const turned = {
			...b,
			results: b.results.map((point, n) => ({ ...point, parameters: { kind: "a", n } })),
		};
		const comparison = compareReports(a, turned);
		expect(isSame(comparison)).toBe(true);
		expect(comparison).toMatchObject({ points: 2, host: { median: 2, min: 2, max: 2 } });
		expect(compareReports(exactReport(a), b)).toMatchObject({ points: 2, host: null });
	});

	it("differ in a metric, in instructions, in virtual time", () => {
		const [a, b] = [reportOf([1, 2]), reportOf([1, 3])];
		const wrong = { ...b.results[0]!, instructions: 7, virtualNs: 8 };
		const comparison = compareReports(a, { ...b, results: [wrong, b.results[1]!] });
		expect(isSame(comparison)).toBe(false);
		expect(comparison.differences).toEqual([
			{ parameters: { n: 0, kind: "a" }, what: "instructions", before: 1000, after: 7 },
			{ parameters: { n: 0, kind: "a" }, what: "virtualNs", before: 5, after: 8 },
			{ parameters: { n: 1, kind: "a" }, what: "faults", before: 2, after: 3 },
		]);
	});

	it("differ in points and in metrics", () => {
		const [a, b] = [reportOf([1, 2]), reportOf([1])];
		expect(compareReports(a, b)).toMatchObject({ points: 1, onlyBefore: [{ n: 1 }] });
		expect(compareReports(b, a)).toMatchObject({ points: 1, onlyAfter: [{ n: 1 }] });
		expect(isSame(compareReports(a, b))).toBe(false);
		const more = { ...b.results[0]!, metrics: { faults: 1, pageins: 0 } };
		const other = compareReports(b, { ...b, results: [more] });
		expect(other.otherMetrics).toEqual(["pageins"]);
		expect(isSame(other)).toBe(false);
	});

	it("have a spread of the host's times", () => {
		const b = reportOf([1, 2, 3]);
		const [x, y, z] = b.results;
		const slower = { ...y!, host: { hostMs: 80, metrics: {} } };
		const results = [x!, slower, { ...z!, host: { hostMs: 15, metrics: {} } }];
		const { host } = compareReports(b, { ...b, results });
		expect(host).toEqual({ median: 1, min: 0.5, max: 4 });
	});
});

describe("a file", () => {
	it("is read as it was written, with or without what is not exact", () => {
		for (const report of [reportOf([1, 2]), exactReport(reportOf([1, 2]))]) {
			expect(readReport("file", JSON.stringify(report))).toEqual(report);
		}
	});

	it.each([
		["{", "file: is not JSON"],
		["3", "file: holds no results of an experiment"],
		['{"name": "x", "question": "", "results": [{}]}', "results: 0: parameters"],
	])("%s is refused", (text, message) => {
		expect(() => readReport("file", text)).toThrow(message);
	});
});
