/** `uvmachine inject`, as users run it. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseRows } from "../../campaign/results.ts";
import { MAIN, uvmachine } from "../support/cli.ts";
import { ROOT } from "../support/sources.ts";

const folder = mkdtempSync(join(tmpdir(), "uvm-inject-"));
const path = (name: string): string => join(folder, name);

/** Write a campaign. => its path */
function campaign(name: string, text: string): string {
	writeFileSync(path(name), text);
	return path(name);
}

const FLIPS = `{
	name: "flips",
	workload: { boot: "hello", ram: "1M", swap: ["1M"] },
	rules: [
		{ id: "register", model: "cpu.register", when: { atInsn: { from: 0, to: 440, step: 22 } } },
		{ id: "fence", model: "mmu.lost-fence", when: { hit: "all" } },
	],
}`;
const flips = campaign("flips.json5", FLIPS);

it("lists the campaigns that come with it", () => {
	const { stdout, status } = uvmachine(["inject", "--list"]);
	expect(status).toBe(0);
	expect(stdout).toMatch(/^smoke +a few runs of each kind/m);
	expect(stdout.split("\n").length).toBeGreaterThan(4);
});

it("says which runs have not recovered, and the exit code is 1", () => {
	const rule = (text: string): string => `{
		name: "recovery", recover: true,
		workload: { boot: "walk", args: ["1", "1"], ram: "1M", swap: ["2M"] },
		rules: [{ params: { disk: "ld0" }, when: { hit: [2, 3] }, ${text} }],
	}`;
	const good = campaign("good.json5", rule('model: "disk.hang", life: { forNs: 1000000 }'));
	const healed = uvmachine(["inject", good, "--jobs", "1"]);
	expect([healed.status, healed.stdout]).toEqual([0, expect.stringMatching(/all 2 runs have r/)]);
	const bad = campaign("bad.json5", rule('model: "disk.lost-write"'));
	const shards = ["0/2", "1/2"].map((shard, i) => ["--shard", shard, "--out", path(`lost${i}`)]);
	for (const shard of shards) {
		const { status, stdout } = uvmachine(["inject", bad, "--jobs", "1", ...shard]);
		expect([status, stdout]).toEqual([
			1,
			expect.stringMatching(/^1 of 1 runs have not .*: [01]$/m),
		]);
	}
	const all = expect.stringMatching(/^2 of 2 runs have not recovered: 0, 1$/m);
	const folders = [path("lost0"), path("lost1"), "--out", path("lost")];
	expect(uvmachine(["inject", "merge", ...folders]).stdout).toEqual(all);
	expect(uvmachine(["inject", "report", path("lost")]).stdout).toEqual(all);
});

it("prints tables, keeps results, and goes on with them", () => {
	const out = path("flips");
	const { stdout, status } = uvmachine(["inject", flips, "--out", out, "--jobs", "2"]);
	expect(status).toBe(0);
	expect(stdout).toMatch(/^flips: \d+ runs of \d+ points$/m);
	expect(stdout).toMatch(/^sdc +\d+ +[\d.]+ % +.* {2}wrong output or page contents/m);
	expect(stdout).toMatch(/^register +21 /m);
	const results = join(out, "results.jsonl");
	const bytes = readFileSync(results);
	const again = uvmachine(["inject", flips, "--out", out]);
	expect([again.status, again.stderr]).toEqual([
		2,
		`uvmachine: ${out}: has results already; go on with --resume\n`,
	]);
	writeFileSync(results, bytes.subarray(0, bytes.length / 3));
	const resumed = uvmachine(["inject", flips, "--out", out, "--resume", "--jobs", "1"]);
	expect(resumed.status).toBe(0);
	expect(readFileSync(results).equals(bytes)).toBe(true);
	// Nothing is left to be done.
	const done = uvmachine(["inject", flips, "--out", out, "--resume"]);
	expect([done.status, readFileSync(results).equals(bytes)]).toEqual([0, true]);
});

it("shards have the results of one run when they are merged", () => {
	const stopping = campaign(
		"stopping.json5",
		FLIPS.replace("rules:", 'stop: { outcome: "masked", runs: 5 }, rules:'),
	);
	const FILES = ["campaign.json", "golden.json", "results.jsonl"];
	const filesOf = (out: string) => FILES.map((name) => readFileSync(join(out, name), "utf8"));
	for (const file of [flips, stopping]) {
		const whole = path(`${file}-whole`);
		const table = uvmachine(["inject", file, "--out", whole, "--jobs", "1"]).stdout;
		const parts = [0, 1, 2].map((i) => {
			const out = `${file}-${i}`;
			const shard = ["--shard", `${i}/3`, "--jobs", "1"];
			expect(uvmachine(["inject", file, "--out", out, ...shard]).status).toBe(0);
			return out;
		});
		const merged = `${file}-merged`;
		const merge = (...folders: string[]) =>
			uvmachine(["inject", "merge", ...folders, "--out", merged]);
		const two = merge(parts[0]!, parts[2]!);
		expect([two.status, existsSync(merged)]).toEqual([2, false]);
		expect(two.stderr).toMatch(/^uvmachine: merge: \d+ of \d+ runs are missing: 1, 4, 7, /);
		// The last one was cut short.
		const results = join(parts[1]!, "results.jsonl");
		const bytes = readFileSync(results);
		writeFileSync(results, bytes.subarray(0, bytes.indexOf(10) + 5));
		expect(merge(...parts).stderr).toContain(`${parts[1]!} ends before run 4: --resume goes on`);
		const resume = ["--out", parts[1]!, "--resume", "--shard"];
		expect(uvmachine(["inject", file, ...resume, "2/3"]).stderr).toBe(
			`uvmachine: ${parts[1]!}: has the runs of shard 1/3\n`,
		);
		expect(uvmachine(["inject", file, ...resume, "1/3"]).status).toBe(0);
		expect(readFileSync(results).equals(bytes)).toBe(true);
		const { stdout, status } = merge(parts[2]!, parts[0]!, parts[1]!);
		expect(status).toBe(0);
		expect(filesOf(merged)).toEqual(filesOf(whole));
		const withoutEnd = (text: string) => text.trimEnd().split("\n").slice(0, -1);
		expect(withoutEnd(stdout)).toEqual(withoutEnd(table));
	}
	const other = uvmachine([
		"inject",
		"merge",
		path("flips.json5-0"),
		path("stopping.json5-1"),
		"--out",
		path("none"),
	]);
	expect(other.status).toBe(2);
	expect(other.stderr).toContain("stopping.json5-1: is of another campaign than ");
});

it("Ctrl-C ends it in good order", async () => {
	const out = path("interrupted");
	const args = ["inject", "lost-fence", "--out", out, "--jobs", "1"];
	const child = spawn(process.execPath, [MAIN, ...args], { cwd: ROOT, stdio: "ignore" });
	const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
	const results = join(out, "results.jsonl");
	while (!existsSync(results) || readFileSync(results).length === 0) {
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
	child.kill("SIGINT");
	expect(await ended).toBe(130);
	const bytes = readFileSync(results);
	const { rows, length } = parseRows(bytes);
	expect(length).toBe(bytes.length);
	expect(rows.length).toBeGreaterThan(0);
});

it("runs a shell that reads a script, and a bare image", () => {
	const when = "{ atInsn: { from: 100, to: 900, step: 400 } }";
	const rules = `rules: [{ model: "memory.flip", when: ${when} }]`;
	const shell = campaign(
		"shell.json5",
		`{ workload: { boot: "sh", bin: true, ram: "2M", input: "echo one\\nexit 0\\n" }, ${rules} }`,
	);
	const bare = campaign(
		"bare.json5",
		`{ workload: { run: "${ROOT}/workloads/bare/bin/board", ram: "1M" }, ${rules} }`,
	);
	for (const file of [shell, bare]) {
		const out = `${file}.d`;
		const { status, stderr } = uvmachine(["inject", file, "--out", out, "--jobs", "1"]);
		expect([status, stderr]).toEqual([0, ""]);
		expect(parseRows(readFileSync(join(out, "results.jsonl"))).rows).toHaveLength(3);
	}
	const golden = JSON.parse(readFileSync(`${shell}.d/golden.json`, "utf8"));
	expect(golden.console).toContain("one\n");
});

describe("a mistake is one line", () => {
	const rule = `rules: [{ model: "cpu.pc", when: { atInsn: 5 } }]`;
	const boot = (program: string, more = ""): string =>
		`{\n\tworkload: { boot: "${program}" },\n\t${rule},${more} }`;

	it.each<[string, string, string]>([
		["no-such", "", "campaign no-such: no such campaign or file; there are"],
		["smok", "", "campaign smok: no such campaign or file; did you mean smoke?"],
		["a.json5", "{", "a.json5:1: the text ends too early"],
		["b.json5", boot("hello", "\n\tsampel: 1"), "b.json5:4: campaign: sampel: no such field"],
		["c.json5", boot("helo"), "program"],
		[
			"d.json5",
			`{\n workload: { boot: "hello" },\n rules: [\n  { model: "mmu.lost-fense" } ] }`,
			"d.json5:4: rule 1 (mmu.lost-fense): model: no such model; those of mmu are",
		],
		["e.json5", boot("hello", ` seed: -1`), "e.json5:3: campaign: seed: expected >=0"],
		[
			"f.json5",
			`{ workload: { boot: "hello" }, rules: [{ model: "disk.hang", params: { disk: "ld9" } }] }`,
			"f.json5:1: rule 1 (disk.hang): params.disk: no disk ld9; there are ld0",
		],
		[
			"h.json5",
			`{ workload: { boot: "hello" }, rules: [{ model: "cpu.pc", when: { atInsn: 5 } },
			{ model: "memory.flip", params: { mask: 1,
				pa: [0x80000000, 4096] }, when: { atInsn: 5 } }] }`,
			"h.json5:3: rule 2 (memory.flip): params.pa: 0x1000: not in RAM",
		],
		[
			"i.json5",
			`{ workload: { boot: "hello" }, rules: [{ model: "cpu.pc", when: {
				pc: { symbol: "no_such" } } }] }`,
			"i.json5:2: rule 1 (cpu.pc): when.pc.symbol: the program has no symbol no_such",
		],
		["g.json5", boot("hello", ` checkpoints: 2000`), "g.json5:3: campaign: checkpoints: expected"],
	])("%s %s", (name, text, message) => {
		const file = text === "" ? name : campaign(name, text);
		const { stderr, status, stdout } = uvmachine(["inject", file]);
		expect([status, stdout]).toEqual([2, ""]);
		expect(stderr).toMatch(/^uvmachine: [^\n]+\n$/);
		expect(stderr).toContain(message);
	});

	it.each([
		[["inject"], "inject: no campaign; --list shows some"],
		[["inject", "smoke", "--resume"], "--resume: needs --out FOLDER"],
		[["inject", "smoke", "--shard", "0/2"], "--shard: needs --out FOLDER"],
		[
			["inject", "smoke", "--shard", "2/2"],
			"It must be a part from 0 and their number, such as 0/3.",
		],
		[["inject", "merge", folder, "--out", "x"], "campaign.json: cannot be read (ENOENT)"],
		[["inject", "smoke", "--jobs", "0"], "It must be a number from 1 to 256."],
		[["inject", flips, "--out", "/proc/none"], "/proc/none: cannot be written (ENOENT)"],
		[["inject", flips, "--engine", "fast"], "The engine is auto, interp or jit."],
	])("%j", (args, message) => {
		const { stderr, status } = uvmachine(args);
		expect(status).toBe(2);
		expect(stderr).toMatch(/^uvmachine: [^\n]+\n$/);
		expect(stderr).toContain(message);
	});
});
