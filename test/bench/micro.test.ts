/** Micro-benchmarks: their names, their check, and their table. */
import { expect, it } from "vitest";
import { differs, FAMILIES, type MicroRow } from "../../bench/micro/micro.ts";
import { MICRO_ROWS } from "../../bench/micro/rows.ts";
import { runMicro } from "../../bench/micro/run.ts";
import { microLines } from "../../bench/micro/table.ts";
import { BENCHMARKS } from "../../bench/report.ts";
import { readyExperiments } from "../../cli/experiment-file.ts";

it("what did not grow as it must is named, and nothing else", () => {
	const grows = { a: 2, b: 0, c: -1 };
	expect(differs(grows, { a: 1, b: 5, c: 1, d: 0 }, { a: 3, b: 5, c: 0, d: 9 })).toBeNull();
	expect(differs(grows, { a: 1, b: 5, c: 1 }, { a: 3, b: 6, c: 1 })).toBe(
		"b has grown by 1, not by 0; c has grown by 0, not by -1",
	);
	expect(differs(grows, {}, { a: 2, b: 0, c: -1 })).toContain("NaN");
});

it("one call in many that does something else is found", async () => {
	let [calls, done] = [0, 0];
	const row: MicroRow = {
		...{ name: "counts", about: "", family: "map" },
		start: () => ({
			operations: 1,
			work: () => {
				if (++calls !== 50) done++;
			},
			counts: () => ({ done }),
			grows: { done: 1 },
		}),
	};
	const run = runMicro({ smoke: true, engine: "auto" }, [row]);
	await expect(run).rejects.toThrow("bench counts: done has grown by 0, not by 1");
});

it("a name is that of one benchmark or experiment", () => {
	const names = [...BENCHMARKS, ...MICRO_ROWS.map(({ name }) => name), ...readyExperiments()];
	expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

it("the table has the rows by family", () => {
	const results = ["tlb-hit", "pmap_enter", "tlb-miss"].map((name, i) => ({
		...{ name, family: MICRO_ROWS.find((row) => row.name === name)!.family },
		...{ medianNs: 12_345, lowerNs: 9.876, upperNs: 99.95, leastNs: 1, samples: 1000 + i },
		operations: 1,
	}));
	const lines = microLines(results);
	expect(lines.map((line) => line.split(" ")[0])).toEqual([
		"",
		"ns",
		"pmap_enter",
		"",
		"tlb-hit",
		"tlb-miss",
	]);
	expect(lines[2]).toMatch(/^pmap_enter +12,345 +9\.88 +100 +1\.00 +1,001$/);
	expect(new Set(MICRO_ROWS.map(({ family }) => family))).toEqual(new Set(FAMILIES));
	expect(microLines([])).toEqual([]);
});
