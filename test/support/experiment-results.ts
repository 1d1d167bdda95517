/** What experiments count, beside what bench/results/ says. */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { workloadsOf } from "../../cli/experiment.ts";
import { experimentPath, readExperiment } from "../../cli/experiment-file.ts";
import { conduct, type Row } from "../../experiment/conduct.ts";
import type { Experiment } from "../../experiment/experiment.ts";
import { exactReport, readReport, reportOf } from "../../experiment/report.ts";
import { judge } from "../../experiment/verdict.ts";
import type { Engine } from "../../machine/engine.ts";
import { ROOT } from "./sources.ts";

/** Those that take long: npm run test:reach runs them. */
export const LONG: readonly string[] = [
	...["anon-past-ram", "object-cache", "replacement", "slot-reassignment", "swapin-clustering"],
	...[
		"lat-ctx",
		"lat-proc",
		"stress-fault",
		"stress-mmap",
		"sorting",
		"hash-join",
		"search-tree",
		"compiler-memory",
	],
];

const RESULTS = `${ROOT}/bench/results`;

/** `count` points, from the first. */
async function rowsOf(experiment: Experiment, path: string, engine: Engine, count: number) {
	const workloads = await workloadsOf(experiment, dirname(path), engine);
	const points = experiment.points
		.map(({ parameters }, i) => ({ parameters, workload: workloads[i]! }))
		.slice(0, count);
	const onRow = (): void => {};
	const { limits, between } = experiment;
	return await conduct({ points, done: [], limits, between, jobs: 1, onRow });
}

const exactOf = (experiment: Experiment, rows: readonly Row[]) =>
	exactReport(reportOf(experiment, rows, [], ""));

/** The tests of these experiments. */
export function experimentsCount(names: readonly string[]): void {
	describe.each(names)("%s", (name) => {
		const path = experimentPath(name);
		const experiment = readExperiment(path);

		it("has its results, and they are as expected", async () => {
			const rows = await rowsOf(experiment, path, "auto", experiment.points.length);
			const failed = judge(experiment, rows).filter(({ failures }) => failures.length > 0);
			expect(failed).toEqual([]);
			const text = `${JSON.stringify(exactOf(experiment, rows), null, "\t")}\n`;
			await expect(text).toMatchFileSnapshot(`${RESULTS}/${name}.json`);
		});

		it("counts the same when everything is interpreted, or compiled", async () => {
			const kept = readReport(name, readFileSync(`${RESULTS}/${name}.json`, "utf8"));
			for (const engine of ["interp", "jit"] as const) {
				const rows = await rowsOf(experiment, path, engine, 1);
				expect(exactOf(experiment, rows).results).toEqual(kept.results.slice(0, 1));
			}
		});
	});
}
