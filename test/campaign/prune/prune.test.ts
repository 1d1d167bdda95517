/** Pruned campaigns against the same campaigns with every run made. */
import { expect, it } from "vitest";
import { checkCampaign } from "../../../campaign/campaign.ts";
import { conductCampaign, prepareCampaign } from "../../../campaign/conduct.ts";
import { localExecutor } from "../../../campaign/executor.ts";
import type { ResultRow } from "../../../campaign/results.ts";
import type { Workload } from "../../../campaign/run/workload.ts";
import { MiB, workload as program } from "../../support/workload.ts";

const HELLO: Workload = {
	kind: "boot",
	options: { program: "hello", image: program("hello"), ram: MiB, framebuffer: null },
	swap: [{ bytes: MiB }],
};
const PAGING: Workload = {
	kind: "boot",
	options: {
		program: "walk",
		image: program("walk"),
		args: ["200", "2"],
		ram: MiB / 2,
		framebuffer: null,
	},
	swap: [{ bytes: 4 * MiB }],
};

/** Reads all its pages again, and compares. */
const COMPARING: Workload = {
	...PAGING,
	options: { ...PAGING.options, args: ["1", "1"] },
} as Workload;

/** Points by rule and outcome. */
function countOf(rows: readonly ResultRow[]): Record<string, number> {
	const counts: Record<string, number> = {};
	for (const { templates, outcome, points = 1 } of rows) {
		const key = `${templates[0]} ${outcome}`;
		counts[key] = (counts[key] ?? 0) + points;
	}
	return counts;
}

async function rowsOf(workload: Workload, file: object, prune: boolean): Promise<ResultRow[]> {
	const campaign = checkCampaign({ workload: { boot: "x" }, ...file, prune });
	const prepared = prepareCampaign(campaign, workload);
	const rows: ResultRow[] = [];
	await conductCampaign(prepared, localExecutor(prepared.runner), {
		onRow: (row) => rows.push(row),
	});
	return rows;
}

async function compare(
	workload: Workload,
	file: object,
): Promise<{ whole: ResultRow[]; pruned: ResultRow[] }> {
	const pruned = await rowsOf(workload, file, true);
	const whole = await rowsOf(workload, file, false);
	expect(countOf(pruned)).toEqual(countOf(whole));
	return { whole, pruned };
}

it("registers: what is read first, or overwritten", async () => {
	const { whole, pruned } = await compare(HELLO, {
		rules: [
			{
				model: "cpu.register",
				params: { register: { from: 1, to: 31 }, mask: 0x80000001 },
				when: { atInsn: { from: 3, to: 400, step: 57 } },
			},
			// The number of a system call, which nobody but the kernel reads.
			{
				id: "a7",
				model: "cpu.register",
				params: { register: 17, mask: 1 },
				when: { atInsn: { from: 350, to: 457 } },
			},
		],
	});
	expect(pruned.length).toBeLessThan(whole.length);
});

it("RAM: by the program, walks, DMA and the kernel", async () => {
	await compare(PAGING, {
		rules: [
			{ model: "memory.flip", when: { atInsn: "all" } },
			{
				id: "word",
				model: "memory.flip",
				params: { pa: { from: 0x80000000, to: 0x8007fffc, step: 4 }, mask: 0xffff00ff },
				when: { atInsn: "all" },
			},
		],
		sample: { runs: 24, stratify: true },
	});
});

it("page table entries and entries of the TLB", async () => {
	const { whole, pruned } = await compare(HELLO, {
		rules: [
			{
				model: "mmu.pte-flip",
				params: {
					va: [0x10000, 0x12000, 0x7fffe000],
					level: [0, 1],
					bit: { from: 0, to: 31, step: 3 },
				},
				when: { atInsn: [20, 300] },
			},
			{
				model: "mmu.tlb-flip",
				params: { bit: { from: 0, to: 31, step: 2 } },
				when: { atInsn: { from: 20, to: 400, step: 60 } },
			},
		],
	});
	expect(pruned.length).toBeLessThan(whole.length);
});

it("sectors that are written", async () => {
	const disk = "ld0";
	const hit = { from: 3, to: 43, step: 4 };
	const { whole, pruned } = await compare(PAGING, {
		rules: [
			{ model: "disk.lost-write", params: { disk }, when: { hit } },
			{ model: "disk.corrupt", params: { disk, direction: "write" }, when: { hit } },
			{ model: "disk.torn-write", params: { disk }, when: { hit: [20, 30] } },
			{ model: "disk.misdirected-write", params: { disk }, when: { hit: [10, 40] } },
		],
	});
	expect(pruned.length).toBeLessThan(whole.length);
	const read = await compare(COMPARING, {
		rules: [{ model: "disk.lost-write", params: { disk }, when: { hit: [5, 15] } }],
	});
	expect(countOf(read.whole)).toMatchObject({ "disk.lost-write sdc": 1 });
});

it("with the shadow, which looks at memory as well, nothing but registers is left out", () => {
	const watched = { ...HELLO, options: { ...HELLO.options, shadow: true } } as Workload;
	const campaign = checkCampaign({
		workload: { boot: "hello" },
		rules: [{ model: "memory.flip", when: { atInsn: "all" } }],
		sample: { runs: 50 },
		prune: true,
	});
	const { runs } = prepareCampaign(campaign, watched);
	expect(runs.pruned).toEqual({ points: 50, known: 0, runs: 50 });
});
