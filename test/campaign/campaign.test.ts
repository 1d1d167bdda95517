/** Campaign files: defaults, mistakes in one line, and the runs that they stand for. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Campaign, CampaignError, checkCampaign } from "../../campaign/campaign.ts";
import type { GoldenFacts } from "../../campaign/run/golden.ts";
import type { PlannedRule } from "../../campaign/run/runner.ts";
import { listRuns } from "../../campaign/sampling.ts";
import { countingPlan, spaceOf } from "../../campaign/space.ts";
import { checkFaultPlan } from "../../computer/fault/plan.ts";

const workload = { boot: "hello" };
const fence = { model: "mmu.lost-fence", when: { hit: "all" } };
const campaign = (...rules: object[]): Campaign => checkCampaign({ workload, rules });

function failure(value: unknown): CampaignError {
	try {
		checkCampaign(value);
	} catch (error) {
		if (error instanceof CampaignError) return error;
		throw error;
	}
	throw new Error("the campaign is right");
}

/** A golden run in which counter `i` of template t has seen 10 * t + i + 3 candidates. */
const golden = (of: Campaign): GoldenFacts =>
	({
		instructions: 1000,
		cycles: 5000,
		candidates: new Map(
			countingPlan(of)?.rules.map(({ id }) => {
				const [, template, i] = id.split(":").map(Number);
				return [id, 10 * template! + i! + 3];
			}),
		),
	}) as unknown as GoldenFacts;

/** All points of a campaign's rules. */
const points = (of: Campaign): PlannedRule[] =>
	spaceOf(of, golden(of)).flatMap((space) =>
		Array.from({ length: space.size }, (_, i) => space.at(i)),
	);

describe("a campaign", () => {
	it("has defaults", () => {
		const { rules, ...rest } = checkCampaign({ workload, rules: [fence, fence] });
		expect(rules.map(({ id }) => id)).toEqual(["mmu.lost-fence-1", "mmu.lost-fence-2"]);
		expect(rest).toEqual({
			...{ name: "campaign", description: "", workload, combine: "single", sample: "exhaustive" },
			...{ stop: null, seed: 1, checkpoints: 32, earlyStop: true, prune: false },
			limits: { instructions: 3, idleNs: 60e9, seconds: 60 },
		});
	});

	it.each<[unknown, string, (string | number)[]]>([
		[7, "campaign: expected Object but received 7", []],
		[{ workload }, "campaign: rules: is required", ["rules"]],
		[{ workload, rules: [] }, "campaign: rules: expected at least one", ["rules"]],
		[{ rules: [fence] }, "campaign: workload: is required", ["workload"]],
		[
			{ workload: { boot: "x", rum: 1 }, rules: [fence] },
			"campaign: workload: rum: no such field",
			["workload", "rum"],
		],
		[
			{ workload: {}, rules: [fence] },
			"campaign: workload: expected what runs: {boot: ...} or {run: ...}",
			["workload"],
		],
		[{ workload, rules: [fence], sampel: 1 }, "campaign: sampel: no such field", ["sampel"]],
		[
			{ workload, rules: [{ model: "mmu.lost" }] },
			expect.stringContaining(
				"rule 1 (mmu.lost): model: no such model; those of mmu are lost-fence, ",
			),
			["rules", 0, "model"],
		],
		[
			{ workload, rules: [fence, { ...fence, params: { scope: ["va", "vb"] } }] },
			'rule 2 (mmu.lost-fence-2): params.scope: expected ("all" | "va" | "asid" | "full") but ' +
				'received "vb"',
			["rules", 1, "params", "scope"],
		],
		[
			{ workload, rules: [{ ...fence, params: { scope: "all" }, when: { every: "all" } }] },
			"rule 1 (mmu.lost-fence): when.every: all is for hit, atInsn and atNs",
			["rules", 0, "when", "every"],
		],
		[
			{ workload, rules: [{ model: "cpu.pc", when: { atInsn: { from: 9, to: 3 } } }] },
			"campaign: rules: 0: when: atInsn: to: expected at least from",
			["rules", 0, "when", "atInsn", "to"],
		],
		[
			{ workload, rules: [{ model: "cpu.pc", when: { hit: 1 } }] },
			"rule 1 (cpu.pc): when.hit: no such field",
			["rules", 0, "when", "hit"],
		],
		[
			{ workload, rules: [fence, { ...fence, id: "mmu.lost-fence-1" }] },
			"rule 2 (mmu.lost-fence-1): id: rule 1 has this name already",
			["rules", 1, "id"],
		],
		[
			{ workload, rules: [fence], prune: true, stop: { error: 0.1 } },
			"campaign: stop: not with prune",
			["stop"],
		],
		[
			{ workload, rules: [fence], combine: "pairs" },
			"campaign: combine: pairs need two rules",
			["combine"],
		],
		[
			{ workload, rules: [fence], combine: { swarm: 0.5 } },
			"campaign: sample: a swarm needs {runs} or {error}",
			["sample"],
		],
		[
			{ workload, rules: [fence], stop: { outcome: "bad" } },
			expect.stringContaining("campaign: stop: outcome: expected"),
			["stop", "outcome"],
		],
	])("%j is refused", (value, message, path) => {
		const error = failure(value);
		expect({ message: error.message, path: error.path }).toEqual({ message, path });
	});
});

describe("the fault space", () => {
	it("has a point for each combination of values", () => {
		const all = points(
			campaign({
				model: "disk.corrupt",
				params: { disk: ["ld0", "ld1"], bits: { from: 1, to: 9, step: 4 } },
				when: { hit: [1, 5], window: [10, 20] },
			}),
		);
		expect(all).toHaveLength(12);
		expect(all[0]).toMatchObject({ params: { disk: "ld0", bits: 1 }, when: { hit: 1 } });
		expect(all[3]).toMatchObject({ params: { disk: "ld0", bits: 5 }, when: { hit: 5 } });
		expect(all[11]).toMatchObject({
			params: { disk: "ld1", bits: 9 },
			when: { hit: 5, window: [10, 20] },
			countedBy: "count:0:5",
		});
		expect(new Set(all.map((rule) => JSON.stringify(rule))).size).toBe(12);
	});

	it("has every candidate that the golden run has counted, for each combination", () => {
		const params = { scope: ["va", "asid", "full"] };
		const all = points(campaign(fence, { ...fence, params }));
		// 3 of the first; 13, 14 and 15 of the second.
		expect(all).toHaveLength(3 + 13 + 14 + 15);
		expect(all.map(({ when }) => when!.hit).slice(0, 5)).toEqual([1, 2, 3, 1, 2]);
		expect(all[3 + 13]).toMatchObject({ params: { scope: "asid" }, when: { hit: 1 } });
		expect(all.at(-1)).toMatchObject({ params: { scope: "full" }, when: { hit: 15 } });
	});

	it("has every instruction, and every nanosecond", () => {
		const all = points(
			campaign(
				{ model: "cpu.pc", when: { atInsn: "all" } },
				{ model: "cpu.pc", when: { atNs: { from: 0, to: 4000, step: 2000 } } },
			),
		);
		expect(all).toHaveLength(1003);
		expect([all[0]!.when, all[999]!.when]).toEqual([{ atInsn: 0 }, { atInsn: 999 }]);
		expect(all.slice(1000).map(({ when }) => when!.atNs)).toEqual([0, 2000, 4000]);
	});

	it("consists of rules that a plan may have", () => {
		const all = points(
			campaign(fence, { model: "cpu.register", params: { register: [1, 31] }, when: { atNs: 5 } }),
		);
		for (const { countedBy: _, ...rule } of all) checkFaultPlan({ rules: [rule] });
	});
});

describe("the sample", () => {
	const two = [fence, { model: "cpu.pc", when: { atInsn: "all" } }];
	const list = (change: object, runs?: number) => {
		const of = checkCampaign({ workload, rules: two, ...change });
		return listRuns(of, spaceOf(of, golden(of)), runs);
	};
	const keys = (change: object, runs?: number): string[] => {
		const all = list(change, runs);
		return Array.from({ length: all.length }, (_, i) => JSON.stringify(all.at(i).plan.rules));
	};

	it("is everything, or each n-th point", () => {
		const all = keys({});
		expect(new Set(all).size).toBe(1003);
		expect(keys({ sample: { every: 10 } })).toEqual(all.filter((_, i) => i % 10 === 0));
		expect(keys({}, 7)).toEqual(all.slice(0, 7));
		expect(list({}).population).toBe(1003);
	});

	it("is random, without a point twice, and follows the seed alone", () => {
		const seeds = fc.tuple(fc.nat(1000), fc.integer({ min: 1, max: 1003 }));
		fc.assert(
			fc.property(seeds, ([seed, runs]) => {
				const some = keys({ seed, sample: { runs } });
				expect(new Set(some).size).toBe(runs);
				expect(keys({ seed, sample: { runs: 5000 } }, runs)).toEqual(some);
			}),
			{ numRuns: 20 },
		);
		expect(keys({ seed: 1, sample: { runs: 50 } })).not.toEqual(
			keys({ seed: 2, sample: { runs: 50 } }),
		);
		// 385 of infinitely many; of 1003 the formula needs 278.
		expect(list({ sample: { error: 0.05 } }).length).toBe(278);
	});

	it("gives every rule as many runs, weighted by its points", () => {
		const { length, at } = list({ sample: { runs: 9, stratify: true } });
		const runs = Array.from({ length }, (_, i) => at(i));
		const of = (name: string) => runs.filter(({ templates }) => templates[0] === name);
		expect([of("mmu.lost-fence").length, of("cpu.pc").length]).toEqual([3, 5]);
		const sum = (some: { weight: number }[]): number =>
			some.reduce((n, { weight }) => n + weight, 0);
		expect(sum(runs)).toBeCloseTo(8, 9);
		expect(sum(of("mmu.lost-fence")) / sum(runs)).toBeCloseTo(3 / 1003, 9);
	});

	it("follows the weights of the rules", () => {
		const rules = [
			{ ...fence, weight: 3 },
			{ model: "cpu.pc", when: { atInsn: "all" }, weight: 1 },
		];
		const { length, at } = list({ rules, sample: { runs: 2000 } });
		const fences = Array.from({ length }, (_, i) => at(i)).filter(({ templates }) =>
			templates.includes("mmu.lost-fence"),
		);
		expect(fences.length / length).toBeCloseTo(0.75, 1);
	});

	it("has no pair where only one rule has candidates", () => {
		const of = checkCampaign({ workload, rules: [fence, fence], combine: "pairs" });
		const facts = golden(of);
		const candidates = new Map([...facts.candidates].slice(1));
		expect(() => listRuns(of, spaceOf(of, { ...facts, candidates }))).toThrow(
			"campaign: no two rules have candidates in the golden run",
		);
		const single: Campaign = { ...of, combine: "single" };
		expect(listRuns(single, spaceOf(single, { ...facts, candidates })).length).toBe(13);
	});

	it("has pairs, and swarms", () => {
		const pairs = list({ combine: "pairs" });
		expect(pairs.length).toBe(3 * 1000);
		expect(new Set(keys({ combine: "pairs" })).size).toBe(3000);
		expect(pairs.at(2999).templates).toEqual(["mmu.lost-fence", "cpu.pc"]);
		const swarm = list({ combine: { swarm: 0.25 }, sample: { runs: 2000 } });
		const sizes = Array.from({ length: 2000 }, (_, i) => swarm.at(i).plan.rules.length);
		expect(sizes.every((n) => n === 1 || n === 2)).toBe(true);
		expect(sizes.filter((n) => n === 2).length / 2000).toBeCloseTo(1 / 16, 1);
	});
});
