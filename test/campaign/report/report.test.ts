/** Reports: JSON that follows its schema, JUnit, a page that needs nothing else. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runInNewContext, Script } from "node:vm";
import { type JsonSchema, toJsonSchema } from "@valibot/to-json-schema";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, it } from "vitest";
import {
	CAMPAIGN_REPORT,
	type CampaignReport,
	htmlOf,
	junitOf,
	OUTCOMES,
	type ResultRow,
} from "../../../index.ts";
import { uvmachine } from "../../support/cli.ts";

const folder = mkdtempSync(join(tmpdir(), "uvm-report-"));
const path = (name: string): string => join(folder, name);
const out = path("results");
const file = path("campaign.json5");
writeFileSync(
	file,
	`{
		name: "reported",
		description: "a < b && \\"c\\"</script>",
		workload: { boot: "walk", args: ["1", "1"], ram: "1M", swap: ["4M"] },
		rules: [
			{ id: "pc", model: "cpu.pc", when: { atInsn: [1000, 50000, 400000] } },
			{ id: "ram", model: "memory.flip", when: { atInsn: [100000, 300000] } },
			{ id: "lost", model: "disk.lost-write", params: { disk: "ld0" }, when: { hit: [1, 2, 5] } },
		],
	}`,
);
const files = ["json", "junit", "html"].flatMap((name) => [`--${name}`, path(`one.${name}`)]);
const done = uvmachine(["inject", file, "--out", out, "--jobs", "1", ...files]);
const again = ["json", "junit", "html"].flatMap((name) => [`--${name}`, path(`two.${name}`)]);
const reported = uvmachine(["inject", "report", out, "--reclassify", ...again]);
const textOf = (name: string): string => readFileSync(path(name), "utf8");
const report = JSON.parse(textOf("two.json")) as CampaignReport;
const rows = readFileSync(join(out, "results.jsonl"), "utf8")
	.trimEnd()
	.split("\n")
	.map((line) => JSON.parse(line) as ResultRow);

it("a report is written at the end of a campaign, and again from its results", () => {
	expect([done.status, done.stderr, reported.status, reported.stderr]).toEqual([0, "", 0, ""]);
	expect(reported.stdout).toMatch(/^8 of 8 runs: complete\n0 have another outcome now\n/m);
	const { seconds, perHour, ...first } = JSON.parse(textOf("one.json"));
	expect(seconds * perHour).toBeGreaterThan(0);
	expect(report).toEqual(first);
	for (const name of ["junit", "html"]) expect(textOf(`two.${name}`)).toBe(textOf(`one.${name}`));
});

it("JSON follows docs/campaign-report.schema.json", async () => {
	const schema: JsonSchema = {
		...toJsonSchema(CAMPAIGN_REPORT, { target: "draft-2020-12", ignoreActions: ["partial_check"] }),
		title: "A report of uvmachine inject",
	};
	const text = `${JSON.stringify(schema, null, "\t")}\n`;
	await expect(text).toMatchFileSnapshot("../../../docs/campaign-report.schema.json");
	const validate = new Ajv2020({ strictTypes: false }).compile(schema as object);
	validate(report);
	expect(validate.errors).toBe(null);
	expect(validate({ ...report, results: [{ ...report.results[0], outcome: "fine" }] })).toBe(false);
});

it("each run is counted once, for its rule, its model and its place", () => {
	expect(report.results.map(({ outcome }) => outcome)).toEqual(rows.map(({ outcome }) => outcome));
	for (const outcome of OUTCOMES) {
		const n = rows.filter((row) => row.outcome === outcome).length;
		expect(report.outcomes[outcome].runs).toBe(n);
		const models = Object.values(report.models).map((shares) => shares[outcome].runs);
		expect(models.reduce((a, b) => a + b)).toBe(n);
	}
	expect(Object.keys(report.models)).toEqual(["cpu.pc", "memory.flip", "disk.lost-write"]);
	const hits = report.hits.map(({ run, place }) => [run, place]);
	expect(hits).toEqual([
		[3, "ram"],
		[4, "ram"],
		[5, "ld0"],
		[6, "ld0"],
		[7, "ld0"],
	]);
	for (const { place, at } of report.hits) {
		const [from, to] = place === "ram" ? [0x8000_0000, 0x8010_0000] : [0, 8192];
		expect(at >= from && at < to).toBe(true);
	}
	expect(report.results.every(({ why }) => why.length > 5)).toBe(true);
});

it("results are classified by their evidence, without running", () => {
	const changed = path("changed");
	spawnSync("cp", ["-r", out, changed]);
	// As if an older version had thought so.
	const lines = rows.map((row) => JSON.stringify({ ...row, outcome: "latent" }));
	writeFileSync(join(changed, "results.jsonl"), `${lines.join("\n")}\n`);
	const json = (...args: string[]): CampaignReport =>
		JSON.parse(uvmachine(["inject", "report", changed, "--json", "-", ...args]).stdout);
	expect(json().outcomes.latent.runs).toBe(rows.length);
	expect(json("--reclassify")).toEqual(report);
	const n = rows.filter(({ outcome }) => outcome !== "latent").length;
	const { stdout } = uvmachine(["inject", "report", changed, "--reclassify"]);
	expect(stdout).toContain(`${n} have another outcome now\n`);
});

/** The elements of well-formed XML. */
function elements(xml: string): { name: string; attributes: string }[] {
	const open: string[] = [];
	const found: { name: string; attributes: string }[] = [];
	expect(xml.replace(/<[^<>]*>/g, "")).not.toMatch(/[<>]|&(?!(amp|lt|gt|quot|#39);)/);
	for (const [, end, name, attributes] of xml.matchAll(/<(\/?)(\w+(?:-\w+)?)([^<>]*)>/g)) {
		if (end === "/") expect(open.pop()).toBe(name);
		else {
			expect(attributes).toMatch(/^( \w+="[^"<]*")*$/);
			open.push(name!);
			found.push({ name: name!, attributes: attributes! });
		}
	}
	expect(open).toEqual([]);
	return found;
}

it("JUnit has a case for each run, and the outcomes that fail are chosen", () => {
	const failing = (xml: string): number =>
		elements(xml).filter(({ name }) => name === "failure" || name === "error").length;
	const xml = textOf("two.junit");
	const all = elements(xml);
	expect(all.filter(({ name }) => name === "testcase")).toHaveLength(rows.length);
	expect(all.filter(({ name }) => name === "testsuite")).toHaveLength(3);
	const bad = ["panic", "hang", "simulator-error", "sdc"];
	const n = rows.filter(({ outcome }) => bad.includes(outcome)).length;
	expect(n).toBeGreaterThan(0);
	expect(failing(xml)).toBe(n);
	expect(all[0]!.attributes).toContain(`tests="${rows.length}" failures="${n}" errors="0"`);
	expect(failing(junitOf(report, []))).toBe(0);
	expect(failing(junitOf(report, OUTCOMES))).toBe(rows.length);
	const odd = { ...report.results[0]!, outcome: "simulator-error" as const, why: "a\0<b>&\"'" };
	const one = junitOf({ ...report, name: '<"', results: [odd] });
	expect(elements(one).map(({ name }) => name)).toContain("error");
	expect(one).toContain("a\ufffd&lt;b&gt;&amp;&quot;&#39;");
	const { status, stdout } = uvmachine([
		"inject",
		"report",
		out,
		"--junit",
		"-",
		"--fail",
		"latent",
	]);
	const latent = rows.filter(({ outcome }) => outcome === "latent").length;
	expect([status, failing(stdout)]).toEqual([0, latent]);
	const wrong = uvmachine(["inject", "report", out, "--fail", "latent,fine"]);
	expect([wrong.status, wrong.stderr]).toEqual([
		2,
		expect.stringMatching(/no outcome fine; there/),
	]);
});

it("the page needs nothing else, and draws every chart", () => {
	const html = htmlOf(report);
	expect(html).not.toMatch(/<(script|link|img|iframe)[^>]*(src|href)=/);
	const scripts = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, code]) => code!);
	expect(scripts).toHaveLength(2);
	// The library is whole.
	expect(() => new Script(scripts[0]!)).not.toThrow();
	expect(scripts[0]).toMatch(/Chart\.js v4/);
	const drawn: [string, { data: { labels: string[]; datasets: { data: number[] }[] } }][] = [];
	class Chart {
		constructor(id: string, chart: (typeof drawn)[number][1]) {
			drawn.push([id, chart]);
		}
	}
	runInNewContext(scripts[1]!, { Chart, document: { getElementById: (id: string) => id } });
	expect(drawn.map(([id]) => html.includes(`<canvas id="${id}"`))).toEqual(Array(5).fill(true));
	const [, models] = drawn[0]!;
	expect(models.data.labels).toEqual(["cpu.pc (3)", "memory.flip (2)", "disk.lost-write (3)"]);
	for (const i of models.data.labels.keys()) {
		const sum = models.data.datasets.map(({ data }) => data[i]!).reduce((a, b) => a + b);
		expect(sum).toBeCloseTo(100);
	}
	const counted = (i: number): number =>
		drawn[i]![1].data.datasets[0]!.data.reduce((a, b) => a + b, 0);
	const detected = rows.filter(({ evidence }) => evidence.detectionNs !== null).length;
	expect([counted(3), counted(4)]).toEqual([detected, rows.length]);
	const maps = [...html.matchAll(/<title>[^<]*: (\d+) faults, (\d+) ended badly<\/title>/g)];
	expect(maps.map(([, n]) => Number(n)).reduce((a, b) => a + b)).toBe(report.hits.length);
	expect(html).toContain("a &lt; b &amp;&amp; &quot;c&quot;&lt;/script&gt;");
});
