/** Files that several options name. */
import { expect, it } from "vitest";
import { checkOutputs, type OutputFlags } from "../../cli/output-file.ts";

it("two options do not write to one file, however it is named", () => {
	const both: OutputFlags[] = [
		{ trace: "a", traceInstructions: "a" },
		{ save: "folder/../a", json: "./a" },
		{ screenshot: "a", uvmhist: `${process.cwd()}/a` },
	];
	expect(() => checkOutputs({ save: "./disk" }, ["disk"])).toThrow(/the file of --disk$/);
	for (const flags of both) expect(() => checkOutputs(flags, [])).toThrow(/that is the file of --/);
	expect(() => checkOutputs({ save: "a", trace: "b", json: "c" }, [])).not.toThrow();
	expect(() => checkOutputs({ trace: "/dev/null", json: "/dev/null" }, [])).not.toThrow();
});

it("what a stream cannot take goes to a file", () => {
	for (const name of ["save", "trace", "traceInstructions"]) {
		expect(() => checkOutputs({ [name]: "-" }, [])).toThrow(/ -: it must be a file$/);
	}
	expect(() => checkOutputs({ json: "-", uvmhist: "-", screenshot: "-" }, [])).not.toThrow();
});
