/** `uvmachine bench FILE`, as users run it. */
import {
	copyFileSync,
	existsSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { BENCHMARKS } from "../../bench/report.ts";
import { readyExperiments } from "../../cli/experiment-file.ts";
import { uvmachine } from "../support/cli.ts";
import { ROOT } from "../support/sources.ts";

const folder = mkdtempSync(join(tmpdir(), "uvm-experiment-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string): string => join(folder, name);
const file = (name: string, text: string): string => {
	writeFileSync(path(name), text);
	return path(name);
};

const PAGES = `{
	question: "How many faults does a program have?",
	workload: { boot: "walk", args: ["2", "1"], ram: "$ram", swap: ["8M"] },
	parameters: { ram: ["1M", "4M"] },
	metrics: ["faults", "pageins"],
	expect: [
		{ metric: "pageins", over: "ram", is: "falls" },
		{ that: "pageins == 0", where: 'ram == "4M"' },
	],
}
`;

describe("an experiment", () => {
	it("prints its table, and says that what was expected came out", () => {
		const { status, stdout, stderr } = uvmachine(["bench", file("pages.json5", PAGES)]);
		expect([status, stderr]).toEqual([0, ""]);
		const lines = stdout.split("\n");
		expect(lines[0]).toBe("pages: How many faults does a program have?");
		expect(lines[2]).toMatch(/^ram +faults +pageins$/);
		expect(lines[3]).toMatch(/^ 1M +[\d,]+ +[\d,]+$/);
		expect(lines.slice(6)).toEqual([
			'holds  pageins == 0 where ram == "4M" (1 checked)',
			"holds  pageins falls with ram (1 checked)",
			"",
		]);
	});

	it("ends with 1 if something else comes out", () => {
		const wrong = file("wrong.json5", PAGES.replace('is: "falls"', 'is: "rises"'));
		const { status, stdout } = uvmachine(["bench", wrong, "--jobs", "1"]);
		expect(status).toBe(1);
		expect(stdout).toMatch(/^FAILS {2}pageins rises with ram \(1 of 1\)$/m);
	});

	it("writes JSON and CSV with the same numbers", () => {
		const [json, csv] = [path("pages.json"), path("pages.csv")];
		const both = uvmachine(["bench", path("pages.json5"), "--json", json, "--csv", csv]);
		expect(both.status).toBe(0);
		const { results } = JSON.parse(readFileSync(json, "utf8"));
		const rows = results.map(
			({ parameters, metrics }: Record<string, Record<string, number>>) =>
				`${parameters!.ram},${metrics!.faults},${metrics!.pageins}`,
		);
		expect(readFileSync(csv, "utf8")).toBe(`ram,faults,pageins\n${rows.join("\n")}\n`);
		const onStdout = uvmachine(["bench", path("pages.json5"), "--csv", "-"]);
		expect(onStdout.stdout).toBe(readFileSync(csv, "utf8"));
	});

	it("goes on where it was interrupted", () => {
		const out = path("out");
		const run = (...more: string[]) =>
			uvmachine(["bench", path("pages.json5"), "--out", out, ...more]);
		const { stdout } = run();
		const results = join(out, "results.jsonl");
		const whole = readFileSync(results, "utf8");
		const again = run();
		expect([again.status, again.stderr]).toEqual([
			2,
			`uvmachine: ${out}: has results already; go on with --resume\n`,
		]);
		// In the middle of the second line.
		truncateSync(results, whole.indexOf("\n") + 20);
		expect(run("--resume").stdout).toBe(stdout);
		const counts = (text: string): unknown[] =>
			text
				.trimEnd()
				.split("\n")
				.map((line) => ({ ...JSON.parse(line), hostMs: 0 }));
		expect(counts(readFileSync(results, "utf8"))).toEqual(counts(whole));
		const other = file("other.json5", PAGES.replace('"1M"', '"2M"'));
		const mixed = uvmachine(["bench", other, "--out", out, "--resume"]);
		expect([mixed.status, mixed.stderr]).toEqual([
			2,
			`uvmachine: ${out}: is of another experiment\n`,
		]);
	});
});

describe("a trace", () => {
	const EXPERIMENT = `{
		workload: { trace: "trace.txt", frames: "$frames", advice: "$advice" },
		parameters: { frames: [150, 200, 500], advice: ["normal", "random"] },
		metrics: ["misses", "lruMisses", "optimumMisses", "frames", "pgswapin", "faults"],
		expect: [
			{ that: "misses >= optimumMisses and lruMisses >= optimumMisses" },
			{ that: "misses == 400", where: "frames == 500" },
			{ metric: "optimumMisses", over: "frames", is: "falls" },
		],
	}
	`;
	const pages = Array.from({ length: 400 }, (_, page) => `W ${(page * 4096).toString(16)}\n`);

	it("is what an experiment runs", () => {
		file("trace.txt", `${pages.join("")}${pages.join("")}`);
		const { status, stdout, stderr } = uvmachine(["bench", file("trace.json5", EXPERIMENT)]);
		expect([status, stderr]).toEqual([0, ""]);
		expect(stdout).toMatch(/^ +200 +normal +[\d,]+ +800 +600 +200 /m);
	});

	it.each([
		["frames", "ram: '4M', frames", "frames: cannot be combined with ram"],
		["trace.txt", "no.txt", "no.txt: cannot be read (ENOENT)"],
		["[150,", "[20,", "point 1 (frames=20 advice=normal): frames 20: expected at least"],
		['advice: "$', 'advise: "$', ":2: experiment: workload: advise: no such field"],
		["misses ==", "missed ==", ":7: experiment: expect: 1: that: missed: there is no such"],
	])("a mistake is one line (%s)", (text, instead, message) => {
		const wrong = file("wrong-trace.json5", EXPERIMENT.replace(text, instead));
		const { status, stderr } = uvmachine(["bench", wrong, "--jobs", "1"]);
		expect(status).toBe(2);
		expect(stderr).toMatch(/^uvmachine: [^\n]*\n$/);
		expect(stderr).toContain(message);
	});
});

describe("bench compare", () => {
	const results = (name: string, text: string): string => {
		const json = path(`${name}.out.json`);
		expect(uvmachine(["bench", file(`${name}.json5`, text), "--json", json]).status).toBe(0);
		return json;
	};

	it("says what differs, and what the host's time did", () => {
		const one = results("pages", PAGES);
		const same = uvmachine(["bench", "compare", one, results("pages", PAGES)]);
		expect(same.status).toBe(0);
		expect(same.stdout).toMatch(
			/^2 points, all numbers equal\nhost time: \d.\d{3} \(.*\) of before\n$/,
		);
		const three = results("more", PAGES.replace('["2", "1"]', '["3", "1"]'));
		const other = uvmachine(["bench", "compare", one, three]);
		expect(other.status).toBe(1);
		expect(other.stdout).toMatch(/^ram=1M +faults +[\d,]+ +[\d,]+ +\+[\d,]+ +\+[\d.]+ %$/m);
		const json = uvmachine(["bench", "compare", one, three, "--json", "-"]);
		expect(JSON.parse(json.stdout)).toMatchObject({ points: 2, onlyBefore: [] });
	});

	it.each([
		[["compare", "no.json", "no.json"], "no.json"],
		[["compare", file("bad.json", "{"), path("bad.json")], "bad.json: is not JSON"],
	])("%j is a mistake of one line", (args, message) => {
		const { status, stderr } = uvmachine(["bench", ...args]);
		expect(status).toBe(2);
		expect(stderr).toMatch(/^uvmachine: [^\n]*\n$/);
		expect(stderr).toContain(message);
	});
});

describe("a mistake is one line", () => {
	it.each([
		[
			"pageinz",
			PAGES.replace('"faults"', '"faultz"'),
			":5: experiment: metrics: 0: faultz: there is no",
		],
		["ram", PAGES.replace('"4M"]', '"4X"]'), ":3: experiment: workload: ram: expected"],
		["syntax", PAGES.replace("metrics:", "metrics"), ":5: is not JSON5"],
	])("in the file (%s)", (name, text, message) => {
		const wrong = file(`${name}.json5`, text);
		const { status, stderr } = uvmachine(["bench", wrong]);
		expect(status).toBe(2);
		expect(stderr).toMatch(/^uvmachine: [^\n]*\n$/);
		expect(stderr).toContain(`${wrong}${message}`);
	});

	it.each([
		[["bench", "nothing"], "bench nothing: no such benchmark, experiment or file; see --list"],
		[["bench", "paths", "memory"], "bench: one experiment at a time, and nothing else"],
		[["bench", "memory", "--resume"], "--resume: needs --out FOLDER"],
	])("in the command (%j)", (args, message) => {
		const { status, stderr } = uvmachine(args);
		expect([status, stderr]).toEqual([2, `uvmachine: ${message}\n`]);
	});

	it("a program that fails ends the experiment, and says at which point", () => {
		const fails = file("fails.json5", PAGES.replace('["2", "1"]', '["x"]'));
		const { status, stderr } = uvmachine(["bench", fails, "--out", path("failed")]);
		expect(status).toBe(2);
		expect(stderr).toBe(
			"uvmachine: point 1 (ram=1M): exited with 2: usage: walk [MiB=16] [rounds=4] [seed=1]\n",
		);
		expect(existsSync(join(path("failed"), "experiment.json"))).toBe(true);
	});
});

it("the documentation's example runs for somebody's own program, and draws its plot", () => {
	const docs = readFileSync(join(ROOT, "docs/experiments.md"), "utf8");
	const example = /```json5\n([\s\S]*?)```/.exec(docs)![1]!;
	expect(example.split("\n").length).toBeLessThanOrEqual(11);
	copyFileSync(join(ROOT, "workloads/bin/walk"), path("program"));
	const [mine, html] = [file("mine.json5", example), path("mine.html")];
	const { status, stdout, stderr } = uvmachine(["bench", mine, "--html", html]);
	expect([status, stderr]).toEqual([0, ""]);
	expect(stdout).toContain("holds  pageins never rises with ram (4 checked)");
	const page = readFileSync(html, "utf8");
	expect(page).toContain("<canvas");
	for (const line of ["policy clock", "policy clockpro"])
		expect(page).toContain(`"label":"${line}"`);
});

it("bench --list names benchmarks and experiments", () => {
	const { stdout } = uvmachine(["bench", "--list"]);
	const names = stdout.split("\n").map((line) => /^ {2}(\S+) {2,}\S/.exec(line)?.[1]);
	expect(names).toEqual(expect.arrayContaining([...BENCHMARKS, ...readyExperiments()]));
});
