/** `uvmachine bench --engine`: every benchmark runs its guests on the engine that was asked for. */
import { expect, it } from "vitest";
import { BENCHMARKS } from "../../bench/report.ts";
import { uvmachine } from "../support/cli.ts";

const bench = (names: readonly string[], engine: string, nodeOptions: readonly string[] = []) =>
	uvmachine(["bench", ...names, "--smoke", "--engine", engine, "--json", "-"], "", nodeOptions);

// What begins in a process of its own has its own options.
const inProcess = BENCHMARKS.filter((name) => name !== "startup" && name !== "engines");
it.each(inProcess)("%s does not pretend to compile where nothing can be compiled", (name) => {
	const { status, stderr } = bench([name], "jit", ["--jitless"]);
	expect(stderr).toContain("engine jit: this host has no WebAssembly");
	expect(status).not.toBe(0);
});

it("the engine is in the report, and changes no count", () => {
	const reports = ["interp", "jit"].map((engine) => {
		const { status, stdout } = bench(["guests", "startup"], engine);
		expect(status).toBe(0);
		const report = JSON.parse(stdout);
		expect(report.engine).toBe(engine);
		expect(report.startupMs).toBeGreaterThan(0);
		return report;
	});
	const counts = reports.map(({ guests }) =>
		guests.map(
			({ engine: _, hostMs: __, mips: ___, ...rest }: Readonly<Record<string, unknown>>) => rest,
		),
	);
	expect(counts[0]!.length).toBeGreaterThan(4);
	expect(counts[1]).toEqual(counts[0]);
});
