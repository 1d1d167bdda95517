/** Experiment files: what is refused, and where the mistake is. */
import { describe, expect, it } from "vitest";
import { checkExperiment, ExperimentError } from "../../experiment/experiment.ts";
import { MEASURES } from "../../experiment/measure.ts";

const FILE = {
	workload: { boot: "walk", args: ["$n"], ram: "$ram" },
	parameters: { n: [1, 2], ram: ["2M", "4M"] },
	metrics: ["faults", { name: "each", is: "faults / n" }],
	plots: [{ x: "n", y: "each", by: "ram" }],
};

const errorOf = (value: unknown): ExperimentError => {
	try {
		checkExperiment(value, "test");
	} catch (error) {
		if (error instanceof ExperimentError) return error;
		throw error;
	}
	throw new Error("it is accepted");
};

it("has a workload for each point", () => {
	const { points, metrics, plots, name } = checkExperiment(FILE, "test");
	expect(points.map(({ workload }) => workload)).toEqual([
		{ boot: "walk", args: ["1"], ram: "2M" },
		{ boot: "walk", args: ["1"], ram: "4M" },
		{ boot: "walk", args: ["2"], ram: "2M" },
		{ boot: "walk", args: ["2"], ram: "4M" },
	]);
	expect(metrics.map((metric) => metric.name)).toEqual(["faults", "each"]);
	expect(plots).toEqual([
		{ x: "n", y: "each", by: "ram", log: "none", title: "each over n", where: null },
	]);
	expect(name).toBe("test");
});

it("knows the counters of the VM system, of the TLB and of disks", () => {
	const names = [
		"faults",
		"pageins",
		"pdscans",
		"tlbMisses",
		"writes",
		"virtualNs",
		"instructions",
	];
	expect(MEASURES).toEqual(expect.arrayContaining(names));
});

describe("is refused", () => {
	it.each([
		[{ ...FILE, workload: {} }, ["workload"], "expected what runs"],
		[{ ...FILE, workload: { boot: "walk", rom: 1 } }, ["workload", "rom"], "rom: no such field"],
		[{ ...FILE, workload: { boot: "$x" } }, ["workload", "boot"], "$x: there is no such parameter"],
		[{ ...FILE, parameters: { ...FILE.parameters, ram: ["2X"] } }, ["workload", "ram"], "2X"],
		[{ ...FILE, parameters: { "a b": [1] } }, ["parameters", "a b"], ""],
		[{ ...FILE, parameters: { n: [], ram: ["2M"] } }, ["parameters", "n"], ""],
		[{ ...FILE, metrics: [] }, ["metrics"], "at least one"],
		[{ ...FILE, metrics: ["pageinz"] }, ["metrics", 0], "pageinz: there is no such number"],
		[{ ...FILE, metrics: [{ name: "x", is: "1 +" }] }, ["metrics", 0, "is"], "no formula"],
		[{ ...FILE, expect: [{ that: "bogus > 1" }] }, ["expect", 0, "that"], "bogus"],
		[
			{ ...FILE, expect: [{ metric: "faults", over: "m", is: "rises" }] },
			["expect", 0, "over"],
			"m: there is n, ram",
		],
		[{ ...FILE, plots: [{ x: "n", y: "ram" }] }, ["plots", 0, "y"], "ram: there is faults, each"],
		[
			{ ...FILE, plots: [{ x: "n", y: "each", by: "q" }] },
			["plots", 0, "by"],
			"q: there is n, ram",
		],
		[{ ...FILE, question: 3 }, ["question"], ""],
	])("%j", (value, path, message) => {
		const error = errorOf(value);
		expect(error.path).toEqual(path);
		expect(error.message).toContain(message);
		expect(error.message).not.toContain("\n");
	});

	it.each([null, 3, [], "text"])("%j", (value) => {
		expect(errorOf(value).message).toMatch(/^experiment/);
	});
});
