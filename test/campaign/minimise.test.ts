/** The smallest plan: of made-up outcomes, and of real ones, as users ask for it. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { ddmin, minimisePlan } from "../../campaign/minimise.ts";
import type { PlannedRule, RunPlan } from "../../campaign/run/runner.ts";
import { readFaults } from "../../cli/fault-file.ts";
import { SystemTarget } from "../../gdb/system-target.ts";
import {
	checkFaultPlan,
	type ResultRow,
	readResults,
	type System,
	stoppedRun,
	type Workload,
} from "../../index.ts";
import { uvmachine } from "../support/cli.ts";
import { GdbClient } from "../support/gdb-client.ts";
import { MiB, workload as program } from "../support/workload.ts";

it("ddmin finds exactly what is needed, whatever it is", () => {
	const all = Array.from({ length: 20 }, (_, i) => i);
	fc.assert(
		fc.property(fc.subarray(all, { minLength: 1 }), (needed) => {
			const enough = (part: readonly number[]): boolean => needed.every((n) => part.includes(n));
			expect(ddmin(all, enough)).toEqual(needed);
		}),
	);
	// Either of two is enough: one is left.
	expect(ddmin(all, (part) => part.includes(3) || part.includes(17))).toHaveLength(1);
});

const rule = (id: string, more: Partial<PlannedRule>): PlannedRule => ({
	...{ id, model: "disk.corrupt", countedBy: null },
	...more,
});
const minimised = (
	rules: readonly PlannedRule[],
	has: (plan: RunPlan) => boolean,
	ordinals: readonly (readonly [string, readonly number[]])[] = [],
): readonly PlannedRule[] => minimisePlan({ seed: 1, rules }, new Map(ordinals), has).rules;

it("what draws becomes the occasion that matters, with a short life and a small size", () => {
	const drawn = rule("drawn", {
		params: { disk: "ld0", bits: 64, count: 16 },
		when: { chance: 0.5 },
		budget: { times: -1 },
		life: { count: 100 },
	});
	const other = rule("other", { when: { hit: 1 } });
	const has = ({ rules }: RunPlan): boolean => {
		const found = rules.find(({ id }) => id === "drawn");
		if (found === undefined) return false;
		const { when, life, params } = found;
		const acts = when?.chance !== undefined || when?.hit === 8;
		const lasts = typeof life === "object" && "count" in life && life.count >= 7;
		return acts && lasts && (params?.bits as number) >= 3 && (params?.count as number) >= 2;
	};
	expect(minimised([other, drawn], has, [["drawn", [1, 4, 7, 9]]])).toEqual([
		rule("drawn", {
			params: { disk: "ld0", bits: 3, count: 2 },
			when: { hit: 8 },
			life: { count: 7 },
		}),
	]);
});

it("several occasions that are needed together are named", () => {
	const acted = [2, 3, 5, 8, 13, 21, 34];
	const needed = [4, 14, 35];
	for (const when of [{ chance: 0.3, window: [1, 1e9] }, { every: 1 }] as const) {
		const drawn = rule("drawn", { params: { disk: "ld0" }, when, life: "once" });
		const has = ({ rules }: RunPlan): boolean => {
			const { when: at } = rules.find(({ id }) => id === "drawn")!;
			const { chance, every, hits = [] } = at!;
			return chance !== undefined || every !== undefined || needed.every((n) => hits.includes(n));
		};
		const [smallest] = minimised([drawn], has, [["drawn", acted]]);
		expect(smallest).toEqual(rule("drawn", { ...drawn, when: { hits: needed } }));
		// It is one that a plan may have.
		const { countedBy: _, ...plain } = smallest!;
		expect(checkFaultPlan({ rules: [plain] }).rules[0]).toEqual(plain);
		// Of many that are named, those that matter.
		const named = rule("drawn", { when: { hits: acted.map((n) => n + 1) }, life: "once" });
		const [fewer] = minimised([named], has, [["drawn", acted]]);
		expect(fewer!.when).toEqual({ hits: needed });
	}
});

it("a mask keeps the bits that matter, a window what it must hold, a time is early", () => {
	const bits = (plan: RunPlan): number => plan.rules[0]!.params!.mask as number;
	const masked = rule("masked", { params: { mask: 0xffff_ffff }, life: "once" });
	const twoBits = (plan: RunPlan): boolean => (bits(plan) & 0x8010) === 0x8010;
	expect(minimised([masked], twoBits)[0]!.params).toEqual({ mask: 0x8010 });
	const inWindow = rule("window", { when: { window: [0, 1e6] }, life: "once" });
	const holds = ({ rules }: RunPlan): boolean => {
		const [from, to] = rules[0]!.when!.window!;
		return from <= 1234 && to > 5678;
	};
	expect(minimised([inWindow], holds)[0]!.when).toEqual({ window: [1234, 5679] });
	const late = rule("late", { when: { atInsn: 1_000_000 }, life: { forNs: 1e9 } });
	const after = ({ rules: [one] }: RunPlan): boolean => {
		const { life, when } = one!;
		return typeof life === "object" && "forNs" in life && life.forNs > 50 && when!.atInsn! >= 77;
	};
	expect(minimised([late], after)[0]).toEqual(
		rule("late", { when: { atInsn: 77 }, life: { forNs: 51 } }),
	);
});

const folder = mkdtempSync(join(tmpdir(), "uvm-minimise-"));
const path = (name: string): string => join(folder, name);
writeFileSync(
	path("campaign.json5"),
	`{
		name: "pairs",
		workload: { boot: "walk", args: ["1", "1"], ram: "1M", swap: ["4M"] },
		rules: [
			{ model: "cpu.register", params: { register: 31 }, when: { atInsn: [300000, 400000] } },
			{ model: "disk.corrupt", params: { disk: "ld0", bits: 64 }, when: { every: [1, 2] } },
		],
		combine: "pairs",
	}`,
);
const out = path("results");
const campaign = uvmachine(["inject", path("campaign.json5"), "--out", out, "--jobs", "1"]);

it("a run is made again, with a trace, and its outcome is the same", () => {
	expect([campaign.status, campaign.stderr]).toEqual([0, ""]);
	for (const { run, outcome, evidence } of readResults(out).rows) {
		const trace = path(`trace-${run}`);
		const history = path(`history-${run}`);
		const files = ["--trace", trace, "--uvmhist", history];
		const args = ["inject", "replay", out, `${run}`];
		const { status, stdout, stderr } = uvmachine([...args, ...files]);
		expect([status, stderr]).toEqual([0, expect.stringMatching(`^run ${run}: ${outcome} `)]);
		expect(stdout).toHaveLength(evidence.console.bytes);
		const { traceEvents } = JSON.parse(readFileSync(trace, "utf8"));
		expect(traceEvents.length).toBeGreaterThan(100);
		expect(readFileSync(history, "utf8").split("\n").length).toBeGreaterThan(100);
		expect(uvmachine(args).stderr).toContain(`${outcome} (as before): `);
	}
	// As if it had been another one.
	const file = join(out, "results.jsonl");
	const text = readFileSync(file, "utf8");
	const row = JSON.parse(text.split("\n")[0]!) as ResultRow;
	const rest = text.slice(text.indexOf("\n"));
	writeFileSync(file, JSON.stringify({ ...row, outcome: "hang" }) + rest);
	const other = uvmachine(["inject", "replay", out, "0"]);
	expect([other.status, other.stderr]).toEqual([
		1,
		expect.stringContaining(`run 0: ${row.outcome} (before, it was hang): `),
	]);
	writeFileSync(file, text);
});

it("a debugger gets a run where its fault is about to act", () => {
	const { rows } = readResults(out);
	const workload: Workload = {
		kind: "boot",
		options: { program: "walk", args: ["1", "1"], image: program("walk"), ram: MiB },
		swap: [{ bytes: 4 * MiB }],
	};
	for (const row of rows) {
		const [system, target] = stoppedRun(workload, row, true, (computer) => {
			const made = new SystemTarget(computer as System, () => {}, true);
			return [computer as System, made] as const;
		});
		const first = row.evidence.faults!.ledger[0]!;
		expect(system.faultReport()!.applied).toBe(0);
		const before = first.ns - system.machine.clock.cycles;
		expect(before).toBeGreaterThanOrEqual(0);
		expect(before).toBeLessThan(20e6);
		const client = new GdbClient(target);
		expect(client.ask("?")).toMatch(/^[ST]/);
		while (system.faultReport()!.applied === 0) client.all("c");
		expect(system.faultReport()!.ledger[0]).toEqual(first);
	}
});

it("the smallest plan of a run has its outcome with boot --faults", () => {
	const bad = readResults(out).rows.find(({ outcome }) => outcome !== "masked")!;
	const file = path("plan.json5");
	const { status, stderr } = uvmachine(["inject", "minimise", out, `${bad.run}`, "--plan", file]);
	expect([status, stderr]).toEqual([
		0,
		expect.stringMatching(`^run ${bad.run}: ${bad.outcome} with 1 of 2 rules, found in \\d+ runs`),
	]);
	const text = readFileSync(file, "utf8");
	expect(text).toMatch(new RegExp(`^// Run ${bad.run}: ${bad.outcome}\\.\n// .+\n`));
	const { rules } = readFaults(file).plan;
	expect(rules.map(({ model, params, when }) => [model, params?.bits, Object.keys(when!)])).toEqual(
		[["disk.corrupt", 1, ["hit"]]],
	);
	const boot = ["boot", "walk", "1", "1", "--ram", "1M", "--swap", "4M"];
	const report = path("boot.json");
	const booted = uvmachine([...boot, "--faults", file, "--json", report, "-q"]);
	expect(JSON.parse(readFileSync(report, "utf8")).faults.applied).toBeGreaterThan(0);
	expect(booted.status === 0).toBe(bad.evidence.exit.code === 0);
});

it("mistakes are one line", () => {
	const { length } = readResults(out).rows;
	for (const [args, line] of [
		[["replay", out, "99"], `run 99: has no result; there are ${length}, up to ${length - 1}`],
		[["replay", out, "0", "--stop-at-injection"], "--stop-at-injection: needs --gdb"],
		[["replay", out, "0", "--gdb", "0", "--uvmhist", "-"], "--gdb: cannot be combined with"],
		[["minimise", path("none"), "0"], /campaign\.json: cannot be read \(ENOENT\)/],
		[["replay", out, "0", "--uvmhist", "/none/x"], /none.x: cannot be written \(ENOENT\)/],
	] as const) {
		const { status, stderr } = uvmachine(["inject", ...args]);
		expect([status, stderr]).toEqual([2, expect.stringMatching(line)]);
	}
	expect(existsSync(path("none"))).toBe(false);
});
