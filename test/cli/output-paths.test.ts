/** Several options that name the same file. */
import { expect, it } from "vitest";
import { checkOutputPaths, type NamedPath } from "../../cli/output-paths.ts";

const check =
	(outputs: NamedPath[], inputs: NamedPath[] = []) =>
	() =>
		checkOutputPaths(outputs, inputs);

it("two options cannot write to one file, under any of its names", () => {
	const pairs: [string, string][] = [
		["a", "a"],
		["folder/../a", "./a"],
		["a", `${process.cwd()}/a`],
		["package.json", "./package.json"],
	];
	for (const [one, other] of pairs) {
		const outputs: NamedPath[] = [
			["--trace", one],
			["--json", other],
		];
		expect(check(outputs)).toThrow(/is also the file of --trace$/);
		expect(check([["--save", one]], [["--disk", other]])).toThrow(/is also the file of --disk$/);
	}
	const different: NamedPath[] = [
		["--save", "a"],
		["--trace", "b"],
		["--json", undefined],
		["--uvmhist", "/dev/null"],
		["--screenshot", "/dev/null"],
	];
	expect(check(different, [["--disk", "package.json/x"]])).not.toThrow();
});

it("what a stream cannot take goes to a file", () => {
	for (const option of ["--save", "--trace", "--trace-instructions"]) {
		expect(check([[option, "-"]])).toThrow(/ -: must be a file$/);
	}
	expect(
		check([
			["--json", "-"],
			["--uvmhist", "-"],
			["--screenshot", "-"],
		]),
	).not.toThrow();
});
