/** The campaign `smoke`, whole. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { uvmachine } from "../support/cli.ts";
import { ROOT } from "../support/sources.ts";

it("smoke has every kind of fault, and each acts", () => {
	const { stdout, stderr, status } = uvmachine(["inject", "smoke", "--jobs", "2", "--json", "-"]);
	expect([status, stderr]).toEqual([0, ""]);
	const { end, runs, population, outcomes, templates } = JSON.parse(stdout);
	expect([end, runs]).toEqual(["complete", population]);
	expect(outcomes["not-fired"].runs + outcomes["simulator-error"].runs).toBe(0);
	const models = readFileSync(`${ROOT}/docs/fault-models.md`, "utf8").matchAll(/^## `(.*)`$/gm);
	// One acts on what other faults leave, the other one on interrupts that come at once.
	const others = ["memory.ecc", "irq.reordered"];
	for (const [, model] of models) {
		if (!others.includes(model!)) expect(templates).toHaveProperty([model!]);
	}
});

it("smoke has the same results on both engines", () => {
	const folder = mkdtempSync(join(tmpdir(), "uvm-smoke-"));
	const results = ["interp", "jit"].map((engine) => {
		const out = join(folder, engine);
		const args = ["inject", "smoke", "--jobs", "2", "--engine", engine, "--out", out];
		expect(uvmachine(args).status).toBe(0);
		const files = ["campaign.json", "golden.json", "results.jsonl"];
		return files.map((name) => readFileSync(join(out, name), "utf8"));
	});
	expect(results[1]).toEqual(results[0]);
});
