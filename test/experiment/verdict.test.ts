/** What is expected of an experiment, and what is said where something else came out. */
import { expect, it } from "vitest";
import type { Row } from "../../experiment/conduct.ts";
import { checkExperiment } from "../../experiment/experiment.ts";
import { csvOf, tableOf } from "../../experiment/table.ts";
import { judge } from "../../experiment/verdict.ts";

const WORKLOAD = { boot: "hello", args: ["$n", "$kind"] };

/** An experiment over n and kind, where `faults` were counted, in the order of its points. */
function experimentOf(
	expected: readonly object[],
	faults: readonly number[],
): { experiment: ReturnType<typeof checkExperiment>; rows: Row[] } {
	const experiment = checkExperiment(
		{
			question: "What?",
			workload: WORKLOAD,
			parameters: { n: [1, 2, 3], kind: ["a", "b"] },
			metrics: ["faults", { name: "each", is: "faults / n" }],
			expect: expected,
		},
		"test",
	);
	const rows = experiment.points.map(
		({ parameters }, point): Row => ({
			...{ point, parameters, hostMs: 1, stateHash: "", console: "" },
			counts: { faults: faults[point]! },
		}),
	);
	return { experiment, rows };
}

const RISING = [1, 10, 2, 20, 3, 30];

it("a condition is asked of each point, or of those where another one holds", () => {
	const expected = [
		{ that: "each == 1" },
		{ that: "each == 1", where: 'kind == "a"' },
		{ that: "each >= 10", where: 'kind == "b" and n > 1', why: "they are larger" },
	];
	const { experiment, rows } = experimentOf(expected, RISING);
	expect(judge(experiment, rows)).toEqual([
		{
			text: "each == 1",
			why: "",
			checked: 6,
			failures: [
				"at n=1 kind=b: each is 10",
				"at n=2 kind=b: each is 10",
				"at n=3 kind=b: each is 10",
			],
		},
		{ text: 'each == 1 where kind == "a"', why: "", checked: 3, failures: [] },
		{
			text: 'each >= 10 where kind == "b" and n > 1',
			why: "they are larger",
			checked: 2,
			failures: [],
		},
	]);
});

it.each([
	["rises", [1, 2, 3], true],
	["rises", [1, 2, 2], false],
	["falls", [3, 2, 1], true],
	["falls", [3, 3, 1], false],
	["never rises", [3, 3, 1], true],
	["never rises", [3, 4, 1], false],
	["never falls", [1, 1, 2], true],
	["never falls", [1, 0, 2], false],
	["stays", [5, 5, 5], true],
	["stays", [5, 5, 6], false],
])("%s: %j: %s", (is, series, holds) => {
	// The other kind does the same, so that its series is not mixed with this one.
	const faults = series.flatMap((value) => [value, value + 100]);
	const { experiment, rows } = experimentOf([{ metric: "faults", over: "n", is }], faults);
	const [verdict] = judge(experiment, rows);
	expect(verdict!.checked).toBe(4);
	expect(verdict!.failures.length === 0).toBe(holds);
});

it("a series that fails is named with its neighbours", () => {
	const expected = [{ metric: "faults", over: "n", is: "stays", where: 'kind == "b"' }];
	const { experiment, rows } = experimentOf(expected, [0, 7, 0, 7, 0, 8]);
	const [verdict] = judge(experiment, rows);
	expect(verdict).toMatchObject({ text: 'faults stays with n where kind == "b"', checked: 2 });
	expect(verdict!.failures).toEqual(["kind=b: from n=2 to 3: faults goes from 7 to 8"]);
});

it("the table has a row for each point, and says what holds and what fails", () => {
	const { experiment, rows } = experimentOf([{ that: "faults < 30" }], [1000, 1, 1, 1, 1, 1]);
	const lines = tableOf(experiment, rows, judge(experiment, rows)).split("\n");
	expect(lines.slice(0, 4)).toEqual([
		"test: What?",
		"",
		"n  kind  faults   each",
		"1     a   1,000  1,000",
	]);
	expect(lines.slice(10)).toEqual([
		"FAILS  faults < 30 (1 of 6)",
		"         at n=1 kind=a: faults is 1000",
		"",
	]);
});

it("as comma-separated values, numbers are whole and text is quoted", () => {
	const { experiment, rows } = experimentOf([], [1000, 1, 1, 1, 1, 1]);
	const [first, ...rest] = rows;
	const odd = [{ ...first!, parameters: { n: 1, kind: 'a,"b"' } }, ...rest];
	expect(csvOf(experiment, odd).split("\n").slice(0, 3)).toEqual([
		"n,kind,faults,each",
		'1,"a,""b""",1000,1000',
		"1,b,1,1",
	]);
});
