import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { spectralOutput, wordsOutput } from "../../workloads/reference.ts";
import { hasCommand, type Outcome, workloads } from "./support.ts";

/** A text of ASCII characters that is at hand. */
const text = readFileSync(join(workloads, "build.sh"), "latin1");

const calculations: readonly [expression: string, value: string][] = [
	["1 + 2 * 3 - 4 / 8", "6.5"],
	["2 ^ 3 ^ 2 % 100", "12"],
	["x = 5", "5"],
	["-x * (x + 1)", "-30"],
	["sqrt(2)", "1.41421356237"],
	["floor(-2.5) + abs(-1e3)", "997"],
	["1e300 * 1e300", "inf"],
	["1 / 3", "0.333333333333"],
	["1 / (2 - 2)", "error: division by zero"],
	["(1", "error: a ) is missing"],
	["y", "error: unknown variable"],
	["x", "5"],
];

describe.skipIf(!hasCommand("qemu-riscv32", "--version"))("programs over picolibc on QEMU", () => {
	const directory = mkdtempSync(join(tmpdir(), "pico-"));
	afterAll(() => rmSync(directory, { recursive: true }));

	function execute(program: string, args: readonly string[], input = ""): Outcome {
		const command = [join(workloads, "bin", program), ...args];
		const outcome = spawnSync("qemu-riscv32", command, { encoding: "utf8", input });
		const { status, signal, stdout, stderr } = outcome;
		return { code: status, signal, stdout, stderr };
	}

	it("words counts those of standard input", () => {
		expect(execute("words", [], text)).toMatchObject({ code: 0, stdout: wordsOutput(text) });
	});

	it("words counts those of several files", () => {
		const names = ["a", "b"].map((name) => join(directory, name));
		writeFileSync(names[0] ?? "", "One two, TWO\n");
		writeFileSync(names[1] ?? "", "three three3three");
		const stdout = wordsOutput("One two, TWO\nthree three3three", 2);
		expect(execute("words", ["-n", "2", ...names])).toMatchObject({ code: 0, stdout });
	});

	it("words says which file is missing", () => {
		const stderr = "words: nofile: No such file or directory\n";
		expect(execute("words", ["nofile"])).toMatchObject({ code: 1, stderr });
	});

	it.each([2, 10, 50])("spectral %i prints what the reference computes", (n) => {
		expect(execute("spectral", [`${n}`])).toMatchObject({ code: 0, stdout: spectralOutput(n) });
	});

	it("calc computes, and goes on after an error", () => {
		const input = calculations.map(([expression]) => `${expression}\n`).join("");
		const stdout = calculations.map(([, value]) => `${value}\n`).join("");
		expect(execute("calc", [], input)).toMatchObject({ code: 1, stdout });
		expect(execute("calc", ["1+1"])).toMatchObject({ code: 0, stdout: "2\n" });
	});

	it("date tells the time in UTC", () => {
		const before = Math.floor(Date.now() / 1000);
		const { code, stdout } = execute("date", ["+%Y-%m-%dT%H:%M:%SZ"]);
		const told = Date.parse(stdout.trim()) / 1000;
		expect(code).toBe(0);
		expect(told).toBeGreaterThanOrEqual(before);
		expect(told).toBeLessThanOrEqual(before + 60);
	});
});
