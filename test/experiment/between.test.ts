/** Counts between marks that a program prints. */
import { describe, expect, it } from "vitest";
import { readWorkload } from "../../cli/campaign-workload.ts";
import { Between } from "../../experiment/between.ts";
import { checkExperiment } from "../../experiment/experiment.ts";
import { measure } from "../../experiment/measure.ts";
import { ROOT } from "../support/sources.ts";

/** What is counted when the program prints `text`, a fault before each byte. */
function totalOf(text: string, marks: readonly [string, string] = ["<", ">"]): Between {
	let faults = 0;
	const between = new Between(marks, () => ({ faults, free: 100 - faults }));
	for (const byte of new TextEncoder().encode(text)) {
		faults++;
		between.printed(byte);
	}
	return between;
}

describe("what counts", () => {
	it.each([
		["ab<cd>ef", { faults: 3, free: 94 }],
		["<>", { faults: 1, free: 98 }],
		["<a><bc>", { faults: 5, free: 93 }],
		["><<>", { faults: 2, free: 96 }],
		["no marks", null],
		["<never ends", null],
	])("of %s", (text, total) => {
		expect(totalOf(text).total).toEqual(total);
	});

	it("is between marks of any length", () => {
		expect(totalOf("begibegin 12 end end", ["begin", "end"]).total).toEqual({
			faults: 7,
			free: 84,
		});
	});

	it("is open after the first mark", () => {
		expect(totalOf("<a").open).toBe(true);
		expect(totalOf("<a>").open).toBe(false);
	});
});

describe("a run", () => {
	const LIMITS = { instructions: 1e9, seconds: 3600 };
	const workload = readWorkload(
		{ workload: { boot: "workloads/checks/bin/faults", args: ["zero", "50"] } },
		ROOT,
	);

	it("counts what the program does between them", async () => {
		const { counts } = measure(await workload, LIMITS, ["<", ">"]);
		expect([counts.faults, counts.flt_przero]).toEqual([50, 50]);
		expect(counts.syscalls).toBeLessThan(5);
		const whole = measure(await workload, LIMITS, null).counts;
		expect(whole.faults).toBeGreaterThan(50);
	});

	it("must print both", async () => {
		const boot = await workload;
		expect(() => measure(boot, LIMITS, ["[", "]"])).toThrow("has not printed the marks of between");
		expect(() => measure(boot, LIMITS, ["<", "]"])).toThrow(
			"has not printed the second mark of between",
		);
	});
});

it("a trace has no marks", () => {
	const file = { workload: { trace: "x" }, metrics: ["faults"], between: ["<", ">"] };
	expect(() => checkExperiment(file, "test")).toThrow(
		"experiment: between: a trace prints nothing",
	);
	expect(() => checkExperiment({ ...file, between: ["<"] }, "test")).toThrow("between");
});
