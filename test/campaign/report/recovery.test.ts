/** Campaigns in which all faults end, and everything must be as without them. */
import { expect, it } from "vitest";
import { checkCampaign } from "../../../campaign/campaign.ts";
import { conductCampaign, prepareCampaign } from "../../../campaign/conduct.ts";
import { localExecutor } from "../../../campaign/executor.ts";
import { hasRecovered } from "../../../campaign/report/recovery.ts";
import type { ResultRow } from "../../../campaign/results.ts";
import type { Workload } from "../../../campaign/run/workload.ts";
import { MiB, workload as program } from "../../support/workload.ts";

const workload: Workload = {
	kind: "boot",
	options: { program: "walk", args: ["1", "2"], image: program("walk"), ram: MiB, shadow: true },
	swap: [{ bytes: 4 * MiB }],
};

const campaign = (...rules: object[]) =>
	checkCampaign({ workload: { boot: "walk" }, recover: true, rules });

it.each([
	[{ model: "disk.hang", params: { disk: "ld0" } }, "life: does not end"],
	[{ model: "alloc.hold-pages", params: { leave: 9 }, when: { atNs: 1 } }, "life: does not end"],
	[{ model: "memory.stuck", params: { pa: 0x80000000, bit: 0 } }, "life: does not end"],
	[{ model: "irq.lost", params: { device: "ld0" }, life: { onNs: 1, offNs: 1 } }, "life: does not"],
	[{ model: "mmu.lost-fence", when: { chance: 0.1 } }, "when: does not end"],
	[{ model: "mmu.lost-fence", when: { hit: 1 }, budget: { times: -1 } }, "when: does not end"],
])("a rule that does not end is refused: %j", (rule, message) => {
	expect(() => campaign(rule)).toThrow(`rule 1 (${rule.model}): ${message}`);
	expect(() => checkCampaign({ workload: { boot: "walk" }, rules: [rule] })).not.toThrow();
});

it.each([
	{ model: "disk.hang", params: { disk: "ld0" }, life: { forNs: 1 } },
	{ model: "mmu.lost-fence", when: { chance: 0.1, window: [1, 2] } },
	{ model: "mmu.lost-fence", when: { every: 2 }, budget: { times: 3 } },
	{ model: "clock.freeze", when: { atNs: 1 } },
])("one that ends is not: %j", (rule) => {
	expect(campaign(rule).recover).toBe(true);
});

/** => whether each run has recovered */
async function recovered(...rules: object[]): Promise<boolean[]> {
	const prepared = prepareCampaign(campaign(...rules), workload);
	const rows: ResultRow[] = [];
	const onRow = (row: ResultRow): void => void rows.push(row);
	await conductCampaign(prepared, localExecutor(prepared.runner), { onRow });
	expect(rows.every(({ outcome }) => outcome !== "not-fired")).toBe(true);
	return rows.map(({ evidence }) => hasRecovered(evidence, prepared.reference));
}

it("what fails for a time leaves nothing behind", async () => {
	const disk = { disk: "ld0" };
	const rules = [
		{ model: "disk.bad-sector", params: { ...disk, direction: "both" }, life: { forNs: 2e9 } },
		{ model: "disk.hang", params: disk, when: { hit: 40 }, life: { forNs: 25e9 } },
		{ model: "irq.lost", params: { device: "ld0" }, when: { hit: 20 }, life: { count: 3 } },
		{ model: "alloc.fail", params: { of: "page" }, when: { hit: 50 }, life: { forNs: 3e6 } },
		{
			model: "alloc.hold-pages",
			params: { pages: 60 },
			when: { atNs: 10e6 },
			life: { forNs: 5e6 },
		},
	];
	expect(await recovered(...rules)).toEqual(rules.map(() => true));
});

it("what is lost does not come back: wrong output, or a page that is wrong", async () => {
	const lost = { model: "disk.lost-write", params: { disk: "ld0" }, when: { hit: [2, 3] } };
	expect(await recovered(lost)).toEqual([false, false]);
});

it("counts that are wrong are no recovery, nor are a hang and an error", async () => {
	const prepared = prepareCampaign(campaign({ model: "mmu.lost-fence" }), workload);
	const golden = prepared.reference;
	expect(hasRecovered(golden, golden)).toBe(true);
	expect(hasRecovered({ ...golden, stateHash: "another" }, golden)).toBe(true);
	for (const wrong of [
		{ invariants: ["5: a slot"] },
		{ shadow: ["clean 3"] },
		{ stop: "idle" as const },
		{ error: "failed" },
		{ exit: { ...golden.exit, code: 1 } },
	]) {
		expect(hasRecovered({ ...golden, ...wrong }, golden)).toBe(false);
	}
});
