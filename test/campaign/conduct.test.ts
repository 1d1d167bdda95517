/** Whole campaigns: in one thread and in workers, cut short and resumed, and when workers fail. */
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { checkCampaign } from "../../campaign/campaign.ts";
import {
	conductCampaign,
	describeGolden,
	type PreparedCampaign,
	prepareCampaign,
} from "../../campaign/conduct.ts";
import { type Executor, localExecutor, poolExecutor } from "../../campaign/executor.ts";
import { parseRows, type ResultRow, ResultsFolder, readResults } from "../../campaign/results.ts";
import type { Workload } from "../../campaign/run/workload.ts";
import { createSystem } from "../../computer/system.ts";
import { ROOT } from "../support/sources.ts";
import { MiB, workload as program } from "../support/workload.ts";

const workload: Workload = {
	kind: "boot",
	options: { program: "hello", image: program("hello"), ram: MiB, framebuffer: null },
	swap: [{ bytes: MiB }],
};
const campaignOf = (change: object = {}) =>
	checkCampaign({
		workload: { boot: "hello" },
		rules: [
			{ model: "mmu.spurious-fault", when: { hit: "all" } },
			{ model: "cpu.register", when: { atInsn: { from: 20, to: 400, step: 20 } } },
		],
		...change,
	});
const prepared = prepareCampaign(campaignOf(), workload);
const count = prepared.runs.length;

const folder = (): string => join(mkdtempSync(join(tmpdir(), "uvm-campaign-")), "results");
const pool = (jobs: number, more: object = {}) =>
	poolExecutor({
		...{ ...prepared.runner, jobs, milliseconds: 60_000 },
		...{ file: `${ROOT}/dist/campaign/worker.js`, ...more },
	});

async function rowsOf(executor: Executor, of = prepared): Promise<ResultRow[]> {
	const rows: ResultRow[] = [];
	try {
		await conductCampaign(of, executor, { onRow: (row) => rows.push(row) });
	} finally {
		await executor.close();
	}
	return rows;
}

const store = (path: string, resume: boolean, of: PreparedCampaign = prepared): ResultsFolder => {
	const { identity, campaign } = of;
	return new ResultsFolder({
		folder: path,
		identity,
		campaign,
		golden: describeGolden(of),
		resume,
	});
};

const local = await rowsOf(localExecutor(prepared.runner));

it("a campaign has a result for each run, in their order", () => {
	expect(count).toBeGreaterThan(25);
	expect(local.map(({ run }) => run)).toEqual(Array.from({ length: count }, (_, i) => i));
	expect(local.filter(({ outcome }) => outcome === "simulator-error")).toEqual([]);
	// A fault that was not there is taken again.
	const spurious = local.filter(({ templates }) => templates[0] === "mmu.spurious-fault");
	expect(spurious.every(({ outcome }) => outcome === "latent")).toBe(true);
	expect(new Set(local.map(({ outcome }) => outcome)).size).toBeGreaterThan(2);
});

it("two workers give the same results as none", async () => {
	expect(await rowsOf(await pool(2))).toEqual(local);
});

it("a worker that fails costs the run that it was doing", async () => {
	const file = `${ROOT}/test/campaign/crash-worker.js`;
	const rows = await rowsOf(await pool(2, { file, milliseconds: 5000 }));
	expect(rows).toHaveLength(count);
	const lost = rows.filter(({ outcome }) => outcome === "simulator-error");
	expect(lost.map(({ plan, evidence }) => [plan.rules[0]!.when!.hit, evidence.error])).toEqual([
		[2, "the worker failed: planted"],
		[3, "the worker failed: the run took longer than 5 s"],
		[5, "the worker failed: the run took longer than 5 s"],
	]);
	expect(rows.filter(({ run }) => !lost.some((l) => l.run === run))).toEqual(
		local.filter(({ run }) => !lost.some((l) => l.run === run)),
	);
});

it("an exception of the simulator is the outcome of its run alone", async () => {
	const executor = localExecutor(prepared.runner);
	const bad = {
		id: "bad",
		model: "disk.lost-write",
		params: { disk: "ld7" },
		countedBy: null,
	};
	const { evidence } = await executor.execute({ seed: 1, rules: [bad] }, 0);
	expect(evidence.error).toMatch(/no disk ld7/);
	expect(evidence.stop).toBe("error");
	expect(await rowsOf(executor)).toEqual(local);
});

it("a campaign that was cut short anywhere goes on to the same file", async () => {
	const path = folder();
	const whole = store(path, false);
	for (const row of local) whole.append(row);
	whole.close();
	const file = join(path, "results.jsonl");
	const bytes = readFileSync(file);
	expect(readResults(path).rows).toEqual(local);
	for (const length of [0, 1, Math.floor(bytes.length / 2), bytes.length - 1, bytes.length]) {
		writeFileSync(file, bytes.subarray(0, length));
		expect(parseRows(bytes.subarray(0, length)).rows.length).toBeLessThanOrEqual(count);
		const resumed = store(path, true);
		await conductCampaign(prepared, localExecutor(prepared.runner), {
			before: resumed.before,
			onRow: (row) => resumed.append(row),
		});
		resumed.close();
		expect(readFileSync(file).equals(bytes)).toBe(true);
	}
});

it("results of another campaign, version or golden run are refused", () => {
	const path = folder();
	store(path, false).close();
	expect(() => store(path, false)).toThrow(`${path}: has results already; go on with --resume`);
	const other = prepareCampaign(campaignOf({ seed: 2 }), workload);
	expect(() => store(path, true, other)).toThrow(`${path}: is of another campaign`);
	const older = { ...prepared, identity: { ...prepared.identity, version: "0.0.9" } };
	expect(() => store(path, true, older)).toThrow(/is of version 0\.1\.0, and this is 0\.0\.9/);
	const reference = { ...prepared.reference, stateHash: "0" };
	expect(() => store(path, true, { ...prepared, reference })).toThrow(
		/was another one; start again/,
	);
});

it("a full disk is one line", () => {
	const path = folder();
	mkdirSync(path);
	symlinkSync("/dev/full", join(path, "results.jsonl"));
	const full = store(path, false);
	expect(() => full.append(local[0]!)).toThrow(/results\.jsonl: cannot be written \(ENOSPC\)$/);
	full.close();
});

it("a campaign stops when it has seen enough, at the same run whatever is in flight", async () => {
	const stop = { outcome: "latent", runs: 5 };
	const enough = prepareCampaign(campaignOf({ stop }), workload);
	const rows = await rowsOf(localExecutor(enough.runner), enough);
	expect(rows).toEqual(local.slice(0, rows.length));
	expect(rows.filter(({ outcome }) => outcome === "latent")).toHaveLength(5);
	expect(rows.at(-1)!.outcome).toBe("latent");
	expect(await rowsOf(await pool(2), enough)).toEqual(rows);
	let asked = 0;
	const { end, tally } = await conductCampaign(prepared, localExecutor(prepared.runner), {
		interrupted: () => asked++ === 4,
	});
	expect([end, tally.runs]).toEqual(["interrupted", 4]);
});

it("a rule about a disk that is not there is named as the campaign names it", () => {
	const rules = [{ id: "lost", model: "disk.lost-write", params: { disk: "ld3" } }];
	expect(() => prepareCampaign(campaignOf({ rules }), workload)).toThrow(
		"rule 1 (lost): params.disk: no disk ld3; there are ld0",
	);
});

it("a rule may have triggers and states; candidates are those behind a trigger", async () => {
	const event = { event: { uvmhist: "uvm_fault", hit: 4 } };
	const spurious = { id: "behind", model: "mmu.spurious-fault" };
	const { kind: _, swap, ...rest } = workload as Extract<Workload, { kind: "boot" }>;
	const counting = { ...spurious, when: { ...event, hit: Number.MAX_SAFE_INTEGER } };
	const system = createSystem({
		...rest.options,
		swap: [{ media: swap![0]!.bytes }],
		faults: { rules: [counting] },
	});
	system.run();
	const { candidates } = system.faultReport()!.rules[0]!;
	const gated = prepareCampaign(
		campaignOf({
			rules: [
				{ ...spurious, when: { hit: "all", ...event } },
				{
					model: "cpu.stall",
					params: { cycles: [5, 9] },
					when: { pc: { addr: 0x10074 } },
					state: 1,
				},
				{ model: "mmu.lost-fence", when: { hit: 1 }, state: "never", nextState: 2 },
			],
		}),
		workload,
	);
	expect(candidates).toBeGreaterThan(2);
	expect(candidates).toBeLessThan(count);
	expect(gated.runs.length).toBe(candidates + 2 + 1);
	const rows = await rowsOf(localExecutor(gated.runner), gated);
	const fired = rows.map(({ evidence }) => evidence.faults?.applied ?? 0);
	expect(fired.slice(0, candidates)).toEqual(Array(candidates).fill(1));
	expect(fired.at(-1)).toBe(0);
	expect(rows.filter(({ outcome }) => outcome === "simulator-error")).toEqual([]);
});

it("memory with error correction may have several values, though a computer has one", () => {
	const rules = [{ model: "memory.ecc", params: { miscorrect: [0.1, 0.5] } }];
	expect(prepareCampaign(campaignOf({ rules }), workload).runs.length).toBe(2);
	const both = [...rules, { id: "other", model: "memory.ecc" }];
	expect(() => prepareCampaign(campaignOf({ rules: both, combine: "pairs" }), workload)).toThrow(
		"rule 2 (other): memory.ecc: there is a rule of this model already",
	);
});
