/** `uvmachine bench` with names of benchmarks, as users run it. */
import { expect, it } from "vitest";
import { MICRO_ROWS } from "../../bench/micro/rows.ts";
import { BENCHMARKS } from "../../bench/report.ts";
import { readyExperiments } from "../../cli/experiment-file.ts";
import { uvmachine } from "../support/cli.ts";

it("--list names everything that can be run, each once", () => {
	const { status, stdout } = uvmachine(["bench", "--list"]);
	expect(status).toBe(0);
	const listed = [...stdout.matchAll(/^ {2}(\S+) {2,}\S/gm)].map(([, name]) => name!);
	const names = [...BENCHMARKS, ...MICRO_ROWS.map(({ name }) => name), ...readyExperiments()];
	expect(listed).toEqual(names);
});

it("a micro-benchmark runs alone, or a few do", () => {
	const { status, stdout } = uvmachine(["bench", "pmap_enter", "--smoke"]);
	expect(status).toBe(0);
	expect(stdout).toMatch(/^pmap_enter( +[\d,.]+){5}$/m);
	expect(stdout).not.toContain("pmap_remove");
	const two = uvmachine(["bench", "tlb-miss", "pmap_remove", "--smoke", "--json", "-"]);
	const { micro, paths, growth } = JSON.parse(two.stdout);
	expect(micro.map(({ name }: { name: string }) => name)).toEqual(["pmap_remove", "tlb-miss"]);
	expect([paths, growth]).toEqual([[], []]);
});

it.each(["pmap_entr", "Micro", "micro/pmap_enter"])(
	"%s is no name, and one line says so",
	(name) => {
		const { status, stdout, stderr } = uvmachine(["bench", name]);
		expect([status, stdout]).toEqual([2, ""]);
		expect(stderr).toBe(
			`uvmachine: bench ${name}: no such benchmark, experiment or file; see --list\n`,
		);
	},
);
