/** Cuts of the power, and the check that a second computer makes afterwards. */
import { expect, it } from "vitest";
import { checkCampaign } from "../../campaign/campaign.ts";
import { conductCampaign, prepareCampaign } from "../../campaign/conduct.ts";
import { localExecutor } from "../../campaign/executor.ts";
import type { ResultRow } from "../../campaign/results.ts";
import { Runner } from "../../campaign/run/runner.ts";
import type { BootWorkload } from "../../campaign/run/workload.ts";
import { readCampaign } from "../../cli/campaign-file.ts";
import { readWorkload } from "../../cli/campaign-workload.ts";
import { System } from "../../computer/system.ts";
import { BDEV_LD, type bdevsw } from "../../kernel/dev/conf.ts";
import type { Sleeps } from "../../kernel/kern/core/kern_synch.ts";

const file = readCampaign("power-prefix");
const workload = (await readWorkload(file.campaign, file.folder)) as BootWorkload;

/** A part of the campaign: a few of the prefixes. */
const campaignOf = (units: readonly number[], rest: object = {}) =>
	checkCampaign({
		workload: { boot: "durable" },
		rules: (["write", "flush"] as const).map((on) => ({
			id: on,
			model: "disk.power-cut",
			params: { disk: "ld1", on, keep: "prefix", units, ...rest },
			when: { hit: "all" },
		})),
	});

async function conduct(campaign = campaignOf([0, 3, 8])): Promise<ResultRow[]> {
	const prepared = prepareCampaign(campaign, workload);
	const rows: ResultRow[] = [];
	await conductCampaign(prepared, localExecutor(prepared.runner), {
		onRow: (row) => rows.push(row),
	});
	return rows;
}

/** Run `body` on a kernel whose msync, fsync and sync do not flush the disk. */
async function withoutFlush<T>(body: () => Promise<T>): Promise<T> {
	const { kernel } = new System({ ...workload.options, swap: [{ media: 1 << 20 }] });
	const ld = kernel.bdevsw[BDEV_LD] as { d_cachesync: bdevsw["d_cachesync"] };
	const { d_cachesync } = ld;
	ld.d_cachesync = function* (): Sleeps<number> {
		return 0;
	};
	try {
		return await body();
	} finally {
		ld.d_cachesync = d_cachesync;
	}
}

it("what msync has returned for survives every cut", async () => {
	const rows = await conduct();
	// Eight writes and eight flushes.
	expect(rows).toHaveLength(16 * 3);
	expect(new Set(rows.map(({ outcome }) => outcome))).toEqual(new Set(["detected-handled"]));
	const { evidence } = rows.at(-1)!;
	expect(evidence.exit).toMatchObject({ kind: "power-lost", reason: "flush" });
	// All of the last write has survived, and msync has not returned.
	expect(evidence.after!.console).toMatch(/durable: 4 pages, steps up to 7 are there\r?\n$/);
	expect(evidence.faults!.ledger[0]!.effect).toMatch(/^power lost: sectors \d+ to \d+: kept$/);
	const steps = rows.map((row) => Number(/up to (\d+)/.exec(row.evidence.after!.console)![1]));
	expect(new Set(steps)).toEqual(new Set([0, 1, 2, 3, 4, 5, 6, 7]));
});

it("a kernel that forgets the flush is found", async () => {
	const rows = await withoutFlush(() => conduct(campaignOf([0, 8, 16])));
	const writes = rows.filter(({ templates }) => templates[0] === "write");
	// Nothing is flushed, so there is nothing to cut at.
	expect(rows).toHaveLength(writes.length);
	const outcomes = writes.map(({ plan, outcome }) => [
		plan.rules[0]!.when!.hit,
		plan.rules[0]!.params!.units,
		outcome,
	]);
	// A cut at write n leaves the promises of n - 1 writes: kept if so many have survived.
	for (const [hit, units, outcome] of outcomes) {
		const kept = Math.floor((units as number) / 8);
		expect([hit, units, outcome]).toEqual([
			...[hit, units, (hit as number) - 1 <= kept ? "detected-handled" : "sdc"],
		]);
	}
	const worst = writes.find(({ outcome }) => outcome === "sdc")!;
	expect(worst.evidence.after!.exit.code).toBe(1);
	expect(worst.evidence.after!.console).toMatch(/what step \d+ has stored is lost/);
});

it("a disk that ignores flushes is found", async () => {
	const rows = await conduct(campaignOf([0], { flush: false }));
	const sdc = rows.filter(({ outcome }) => outcome === "sdc");
	expect(sdc.length).toBe(rows.length - 2);
});

it("a run from a checkpoint ends as one from the start does", () => {
	const { runner, runs } = prepareCampaign(campaignOf([2], { flush: false }), workload);
	const [near, far] = [runner, { ...runner, checkpoints: 0 }].map((o) => new Runner(o));
	for (const run of [3, 9, 15]) {
		const { plan } = runs.at(run);
		expect(near!.run(plan).evidence).toEqual(far!.run(plan).evidence);
	}
});

it("a check that fails without any fault is refused", () => {
	const after = { options: { ...workload.after!.options, args: ["check", "/nothing"] } };
	expect(() => prepareCampaign(campaignOf([0]), { ...workload, after })).toThrow(
		/^golden run: the check after it fails, without any fault: exited with 1: durable: \/nothing/,
	);
});
