/** Runs from checkpoints that end early are the runs from start to end. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { classify } from "../../../campaign/report/classify.ts";
import { evidenceOfGolden } from "../../../campaign/run/gather.ts";
import { checkpointGolden, measureGolden } from "../../../campaign/run/golden.ts";
import { type PlannedRule, planOf, Runner } from "../../../campaign/run/runner.ts";
import type { Workload } from "../../../campaign/run/workload.ts";
import { FAULT_MODELS } from "../../../computer/fault/models.ts";
import { checkFaultPlan } from "../../../computer/fault/plan.ts";
import { createSystem } from "../../../computer/system.ts";
import type { FaultRule } from "../../../devices/fault/rule.ts";
import { MiB, workload as program } from "../../support/workload.ts";

/** Pages in and out for some milliseconds. */
const workload: Workload = {
	kind: "boot",
	options: { program: "walk", args: ["1", "2"], image: program("walk"), ram: MiB },
	swap: [{ bytes: 4 * MiB }],
};
const limits = { instructions: 3, idleNs: 60e9 };
const ENOUGH = { instructions: 1e9, ns: 1e12, seconds: 600 };
const NEVER = { hit: Number.MAX_SAFE_INTEGER };

/** Plans with everything; runs in a row of thousands: RUNNER_RUNS. */
const RUNS = Number(process.env.RUNNER_RUNS ?? 10);
/** Instructions and data of the program, and where nothing is. */
const PLACES = [0x10c1a, 0x10c20, 0x10cb8, 0x3000];
const RANGES: [number, number][] = [
	[0x10000, 0x11000],
	[0x10c00, 0x10c08],
	[0x4000_0000, 0x4000_0004],
	[0x4002_0000, 0x4004_0000],
];

/** Parameters that models need. */
const NEEDED: Readonly<Record<string, Record<string, unknown>>> = {
	"mmu.pte-flip": { va: 0x10000 },
	"mmu.stale-entry": { va: 0x10000 },
	"memory.stuck": { pa: 0x8008_0000, bit: 3 },
	"memory.row": { pa: 0x8008_0000 },
	"memory.cell": { pa: 0x8008_0000, bit: 3 },
	"cpu.stuck": { register: 10, bit: 2 },
	"cpu.csr": { csr: "sepc" },
	"cpu.stall": { cycles: 10_000 },
	"irq.lost": { device: "ld0" },
	"irq.delayed": { device: "ld0", addNs: 50_000 },
	"irq.duplicated": { device: "ld0" },
	"irq.spurious": { device: "ld0" },
	"irq.storm": { device: "ld0" },
	"irq.flip": { device: "ld0" },
	"clock.jump": { deltaNs: 1_000_000 },
	"clock.rate-split": { ratio: 2 },
	"alloc.hold-pages": { leave: 20 },
	"alloc.hold-slots": { every: 2 },
	"alloc.wire-limit": { pages: 10 },
	"alloc.pager-windows": { leave: 1 },
};
const paramsOf = (model: string): Record<string, unknown> =>
	model.startsWith("disk.") ? { disk: "ld0" } : (NEEDED[model] ?? {});
/** These have the hart execute one instruction after the other: they get a program with few. */
const ONE_BY_ONE = ["cpu.stuck", "cpu.result"];
const others = [...FAULT_MODELS.keys()].filter((name) => !ONE_BY_ONE.includes(name));
const fewInstructions: Workload = {
	kind: "boot",
	options: { program: "touch", args: ["1", "4"], image: program("touch"), ram: MiB / 2 },
	swap: [{ bytes: 4 * MiB }],
};

/** A golden run in which candidates are counted, and runners in three ways. */
function prepare(of: Workload, models: readonly string[]) {
	const candidateModels = models.filter((name) => FAULT_MODELS.get(name)!.candidates !== null);
	const counting = {
		rules: candidateModels.map((model) => ({
			...{ id: `count:${model}`, model, params: paramsOf(model), when: NEVER },
		})),
	};
	const golden = measureGolden(of, counting, ENOUGH);
	const options = { workload: of, golden, counting, limits };
	const runners = {
		fast: new Runner({ ...options, checkpoints: 16, earlyStop: true }),
		whole: new Runner({ ...options, checkpoints: 16, earlyStop: false }),
		slow: new Runner({ ...options, checkpoints: 0, earlyStop: false }),
	};
	return { counting, golden, reference: evidenceOfGolden(golden), ...runners };
}
const plain = measureGolden(workload, null, ENOUGH);
const main = prepare(workload, others);
const oneByOne = prepare(fewInstructions, ONE_BY_ONE);
const { golden, counting, reference, fast, slow } = main;

it("a golden run that takes too long on the host is given up", () => {
	const late = /^golden run: has not ended within 0 s of the host$/;
	expect(() => measureGolden(workload, null, { ...ENOUGH, seconds: 0 })).toThrow(late);
});

it("the golden run is the run without an injector", () => {
	const { kind: _, swap, ...rest } = workload as Extract<Workload, { kind: "boot" }>;
	const system = createSystem({ ...rest.options, swap: [{ media: swap![0]!.bytes }] });
	system.run();
	expect(plain.stateHash).toBe(system.stateHash());
	const { candidates, ...counted } = golden;
	const { candidates: none, ...uncounted } = plain;
	expect(counted).toEqual(uncounted);
	expect([none.size, candidates.size]).toEqual([0, counting.rules.length]);
	const { guest, checkpoints } = checkpointGolden(workload, counting, golden.cycles, 16);
	expect(checkpoints.length).toBeGreaterThan(8);
	guest.computer.inject();
	expect({ ...guest.computer.report(0), config: null }).toEqual({
		...system.report(0),
		config: null,
	});
});

describe("a run with", () => {
	const preparedFor = (model: string) => (ONE_BY_ONE.includes(model) ? oneByOne : main);
	const rule = (model: string, when: FaultRule["when"]): PlannedRule => ({
		id: model,
		model,
		params: paramsOf(model),
		when,
		countedBy: FAULT_MODELS.get(model)!.candidates === null ? null : `count:${model}`,
	});
	const total = (model: string): number =>
		preparedFor(model).golden.candidates.get(`count:${model}`) ?? 0;

	/** A rule of a model, at some place of the run. */
	const rules = (model: string): fc.Arbitrary<PlannedRule> => {
		const part = fc.double({ min: 0, max: 1, noNaN: true });
		const { golden } = preparedFor(model);
		if (FAULT_MODELS.get(model)!.candidates === null) {
			return part.chain((at) =>
				fc.constantFrom(
					rule(model, { atInsn: Math.floor(at * golden.instructions) }),
					rule(model, { atNs: Math.floor(at * golden.cycles) }),
				),
			);
		}
		const hit = part.map((at) => Math.floor(at * total(model)) + 1);
		const when = fc.oneof(
			hit.map((n) => ({ hit: n })),
			hit.map((n) => ({ hit: n })),
			hit.map((n) => ({ every: n })),
			hit.map((n) => ({ chance: 2 / (n + 1) })),
			part.map((at) => ({ window: [Math.floor(at * golden.cycles), 1e12] as const })),
		);
		return when.map((w) => ({ ...rule(model, w), budget: { times: 3 } }));
	};

	it("a rule that acts again, when the first time has left nothing", () => {
		for (const model of ["mmu.lost-fence", "mmu.missed-a"]) {
			const every = Math.floor(total(model) / 6);
			const one = { ...rule(model, { every }), budget: { times: 5 } };
			const { evidence, effort } = fast.run({ seed: 1, rules: [one] });
			expect(evidence).toEqual(slow.run({ seed: 1, rules: [one] }).evidence);
			expect(evidence.faults!.applied).toBe(5);
			expect(effort.skipped).toBeGreaterThan(0);
		}
	});

	it("a rule that acts just before a checkpoint, and just behind it", () => {
		const { checkpoints } = checkpointGolden(workload, counting, golden.cycles, 16);
		const at = checkpoints.filter((_, i) => i % 5 === 3);
		const pairs = at.flatMap(({ candidates, instructions, cycles }) => {
			const hits = candidates.get("count:mmu.lost-fence")!;
			return [
				rule("mmu.lost-fence", { hit: hits }),
				rule("mmu.lost-fence", { hit: hits + 1 }),
				...[-1, 0, 1].map((d) => rule("cpu.register", { atInsn: instructions + d })),
				...[-1, 0, 1].map((d) => rule("memory.flip", { atNs: cycles + d })),
			];
		});
		expect(pairs.length).toBeGreaterThan(15);
		for (const one of pairs) {
			const plan = { seed: 3, rules: [one] };
			expect(fast.run(plan).evidence).toEqual(slow.run(plan).evidence);
		}
	});

	it("a fault that leaves nothing ends early, and one that is never reached does not begin", () => {
		const results = Array.from({ length: 8 }, (_, i) =>
			fast.run({ seed: 1, rules: [rule("mmu.lost-fence", { hit: 200 + 10 * i })] }),
		);
		const masked = results.filter(({ evidence }) => classify(evidence, reference) === "masked");
		expect(masked.length).toBeGreaterThan(3);
		expect(masked.every(({ effort }) => effort.early)).toBe(true);
		const beyond = rule("mmu.lost-fence", { hit: total("mmu.lost-fence") + 1 });
		const { evidence, effort } = fast.run({ seed: 1, rules: [beyond] });
		expect(evidence).toEqual(slow.run({ seed: 1, rules: [beyond] }).evidence);
		expect([classify(evidence, reference), effort.executed]).toEqual(["not-fired", 0]);
	});

	/** Conditions that come at some time of the run, or never. */
	const triggers = fc.oneof(
		fc
			.record({ addr: fc.constantFrom(...PLACES), hit: fc.constantFrom(1, 2, 7, 900) })
			.map((pc) => ({
				pc,
			})),
		fc
			.record({
				va: fc.constantFrom(...RANGES),
				kind: fc.constantFrom("r", "w", "rw"),
				hit: fc.constantFrom(1, 30, 5000),
			})
			.map((access) => ({ access })),
		// Of a wide range the hart would execute one instruction after the other.
		fc.constantFrom(1, 30).map((n) => ({ access: { va: RANGES[1]!, kind: "x" as const, hit: n } })),
		fc
			.record({
				uvmhist: fc.constantFrom("uvm_fault", "uvm_swap_io: read slot, npages"),
				hit: fc.constantFrom(1, 9, 100),
			})
			.map((event) => ({ event })),
		fc
			.record({ console: fc.constantFrom("^.", "\\d$", "never"), hit: fc.constantFrom(1, 2) })
			.map((milestone) => ({ milestone })),
	);
	const stateOf = fc.constantFrom(1, 1, 1, 2, "hurt");
	const lives = fc.oneof(
		fc.constantFrom("once", "permanent"),
		fc.record({ count: fc.constantFrom(1, 3, 50) }),
		fc.record({ forNs: fc.constantFrom(1000, 3_000_000) }),
		fc.record({ onNs: fc.constant(20_000), offNs: fc.constantFrom(20_000, 900_000) }),
	);
	const budgets = fc.record(
		{ skip: fc.constantFrom(0, 3, 40), times: fc.constantFrom(-1, 1, 2, 5) },
		{ requiredKeys: [] },
	);
	/** A rule with anything that plans know. */
	const anything = (model: string): fc.Arbitrary<PlannedRule> =>
		fc
			.tuple(
				rules(model),
				fc.record({ life: lives, budget: budgets }, { requiredKeys: [] }),
				fc.oneof(
					{ weight: 3, arbitrary: fc.constant({}) },
					{
						weight: 2,
						arbitrary: fc.record(
							{ trigger: triggers, state: stateOf, nextState: stateOf },
							{ requiredKeys: [] },
						),
					},
				),
				fc.option(fc.uniqueArray(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 })),
			)
			.map(([one, { life, budget }, gates, numbers]): PlannedRule => {
				const { trigger, ...states } = gates as { readonly trigger?: object };
				const { budget: _, ...rest } = one;
				if (one.countedBy === null)
					return { ...rest, ...states, when: { ...one.when, ...trigger } };
				const hits = numbers === null ? {} : { hits: numbers.sort((a, b) => a - b) };
				const when = numbers === null ? one.when : hits;
				const more = { ...(life && { life }), ...(budget && { budget }) } as Partial<PlannedRule>;
				return { ...rest, ...states, ...more, when: { ...when, ...trigger } };
			});

	it("a trigger or a state that comes early, and candidates that come late", () => {
		const late = { hit: Math.floor(total("mmu.lost-fence") / 2) };
		const fence = (when: object) => rule("mmu.lost-fence", { ...late, ...when });
		const first = { ...rule("mmu.missed-a", { hit: 40 }), nextState: 2 };
		for (const of of [
			[fence({ event: { uvmhist: "uvm_fault", hit: 90 } })],
			[fence({ access: { va: RANGES[3]!, kind: "w", hit: 90 } })],
			[fence({ pc: { addr: PLACES[2]!, hit: 30 } })],
			[first, { ...fence({}), state: 2 }],
			[first, { ...fence({}), state: 1 }],
			[rule("mmu.lost-fence", { hits: [late.hit, late.hit + 3] })],
			[{ ...rule("mmu.lost-fence", late), budget: { skip: 5 }, life: { count: 3 } } as const],
		]) {
			const plan = { seed: 1, rules: of };
			expect(fast.run(plan).evidence).toEqual(slow.run(plan).evidence);
		}
	});

	it("triggers, states, lives and budgets, of one rule or two", () => {
		const one = fc.constantFrom(...others).chain(anything);
		const some = fc.uniqueArray(one, { minLength: 1, maxLength: 2, selector: ({ id }) => id });
		let acted = 0;
		let skipped = 0;
		fc.assert(
			fc.property(some, fc.nat(1000), (of, seed) => {
				const plan = { seed, rules: of };
				checkFaultPlan(planOf(plan));
				const expected = slow.run(plan);
				const quick = fast.run(plan);
				expect(quick.evidence).toEqual(expected.evidence);
				expect(expected.evidence.error).toBeNull();
				if ((expected.evidence.faults?.applied ?? 0) > 0) acted++;
				if (quick.effort.skipped > 0) skipped++;
			}),
			{ numRuns: RUNS, seed: 7, endOnFailure: true },
		);
		expect(acted).toBeGreaterThan(RUNS / 5);
		expect(skipped).toBeGreaterThan(RUNS / 10);
	});

	it("a rule for single instructions has candidates", () => {
		for (const model of ONE_BY_ONE) expect(total(model)).toBeGreaterThan(100);
	});

	it.each([...others, ...ONE_BY_ONE])("%s", (model) => {
		const { fast, whole, slow, reference } = preparedFor(model);
		fc.assert(
			fc.property(rules(model), fc.nat(1000), (one, seed) => {
				const plan = { seed, rules: [one] };
				const expected = slow.run(plan);
				expect(fast.run(plan).evidence).toEqual(expected.evidence);
				expect(whole.run(plan).evidence).toEqual(expected.evidence);
				expect(expected.evidence.error).toBeNull();
				classify(expected.evidence, reference);
			}),
			// Each run takes long: a smaller example is not worth hundreds of them.
			{ numRuns: 1, seed: 1, endOnFailure: true },
		);
	});
});
