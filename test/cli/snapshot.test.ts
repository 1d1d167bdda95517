/** Snapshots from the command line: saved, restored, and refused in one line. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Report } from "../../computer/system-options.ts";
import { assemble } from "../isa/assembler.ts";
import { uvmachine } from "../support/cli.ts";

const dir = mkdtempSync(join(tmpdir(), "uvmachine-test-"));
afterAll(() => rmSync(dir, { recursive: true }));

const path = (name: string): string => join(dir, name);

function reportOf(args: string[], input = ""): Report {
	const run = uvmachine([...args, "-q", "--json", path("report")], input);
	expect(run.stderr).toBe("");
	return JSON.parse(readFileSync(path("report"), "utf8")) as Report;
}

describe("boot", () => {
	it("saved at a cycle reaches the same end, in that run and from the file", () => {
		const straight = reportOf(["boot", "sort", "1", "--ram", "1M"]);
		const at = String(Math.round(straight.cycles / 2));
		const saving = ["boot", "sort", "1", "--ram", "1M", "--save", path("sort"), "--save-at", at];
		const same = { ...straight, hostMs: expect.any(Number) as number };
		expect(reportOf(saving)).toEqual(same);
		const whole = uvmachine(["boot", "--restore", path("sort"), "-q"]);
		const all = uvmachine(["boot", "sort", "1", "--ram", "1M", "-q"]);
		// Output from before the snapshot is not printed again.
		expect(all.stdout.endsWith(whole.stdout)).toBe(true);
		expect(reportOf(["boot", "--restore", path("sort")])).toEqual(same);
	});

	it("saved at the end of its input continues with more input", () => {
		const first = uvmachine(["boot", "sh", "--save", path("sh"), "-q"], "X=5\necho one\n");
		expect(first).toMatchObject({ status: 0, stdout: "one\n", stderr: "" });
		const second = uvmachine(["boot", "--restore", path("sh"), "-q"], "echo $X\nexit 3\n");
		expect(second).toMatchObject({ status: 1, stdout: "5\n", stderr: "" });
		// The file has not changed.
		expect(uvmachine(["boot", "--restore", path("sh"), "-q"], "exit 0\n").status).toBe(0);
	});

	it("saved where a limit stops it continues from there", () => {
		const limit = ["--max-cycles", "3000000"];
		expect(uvmachine(["boot", "matmul", "60", "--save", path("mm"), ...limit, "-q"]).status).toBe(
			0,
		);
		const { cycles, stateHash } = reportOf(["boot", "matmul", "60"]);
		expect(reportOf(["boot", "--restore", path("mm")])).toMatchObject({ cycles, stateHash });
	});

	it("leaves no file behind unless something was saved", () => {
		const run = uvmachine([
			"boot",
			"hello",
			"-q",
			"--save",
			path("none"),
			"--save-at",
			"999999999999",
		]);
		expect(run.status).toBe(2);
		expect(run.stderr).toMatch(
			/^uvmachine: --save-at 999999999999: the run has ended at cycle \d+\n$/,
		);
		expect([existsSync(path("none")), existsSync(path("none.part"))]).toEqual([false, false]);
	});
});

describe("run", () => {
	it("saved at a cycle reaches the same end", () => {
		const { bytes } = assemble(
			`	li s1, 200000
				lui s2, 0x10000
				li a0, 65
			loop:
				addi s1, s1, -1
				bne s1, zero, loop
				sb a0, 0(s2)
				lui t0, 0x100
				li t1, 0x5555
				sw t1, 0(t0)
				j loop`,
			0x8000_0000,
		);
		writeFileSync(path("image"), bytes);
		const args = ["run", path("image"), "--ram", "1M"];
		const straight = reportOf(args);
		expect(straight.console).toBe("A");
		reportOf([...args, "--save", path("bare"), "--save-at", "100000"]);
		const { cycles, stateHash, console } = straight;
		expect(reportOf(["run", "--restore", path("bare")])).toMatchObject({
			...{ cycles, stateHash, console },
		});
	});
});

describe("a mistake costs one line and exit code 2", () => {
	it.each([
		["no snapshot", ["boot", "--restore", "/bin/sh"], /snapshot \/bin\/sh: not a snapshot/],
		["no file", ["boot", "--restore", "/nowhere"], /snapshot \/nowhere: no such file/],
		[
			"one of another kind",
			["run", "--restore", path("sh")],
			/this snapshot was made by `uvmachine boot`/,
		],
		["a program, too", ["boot", "--restore", path("sh"), "sort"], /program sort: with --restore/],
		["an image, too", ["run", "--restore", path("bare"), "x"], /image x: with --restore/],
		["--ram, too", ["boot", "--restore", path("sh"), "--ram", "4M"], /--ram: with --restore/],
		["--ad, too", ["run", "--restore", path("bare"), "--ad", "trap"], /--ad: with --restore/],
		["a history", ["boot", "--restore", path("sh"), "--uvmhist", "-"], /--uvmhist: the snapshot/],
		["no --save", ["boot", "hello", "--save-at", "5"], /--save-at: needs --save FILE/],
		[
			"a past",
			["boot", "--restore", path("sh"), "--save", path("x"), "--save-at", "5"],
			/at cycle/,
		],
		["no folder", ["boot", "hello", "--save", "/nowhere/x"], /\/nowhere\/x: cannot be written/],
		["nothing", ["run"], /run: no image and no --restore FILE/],
	])("%s", (_, args, message) => {
		const run = uvmachine(args);
		expect(run.status).toBe(2);
		expect(run.stderr).toMatch(message);
		expect(run.stderr.trimEnd().split("\n")).toHaveLength(1);
	});
});
