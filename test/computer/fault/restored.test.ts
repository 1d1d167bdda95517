/** A plan for a computer that was saved without one; and runs that are cut in the middle of one. */
import { describe, expect, it } from "vitest";
import { createSystem, type System } from "../../../computer/system.ts";
import type { SystemOptions } from "../../../computer/system-options.ts";
import type { FaultRule } from "../../../devices/fault/rule.ts";
import {
	Bare,
	FaultPlanError,
	restoreBare,
	restoreSystem,
	saveBare,
	saveSystem,
} from "../../../index.ts";
import { assemble } from "../../isa/assembler.ts";
import { elf } from "../../support/program.ts";
import { MiB, workload } from "../../support/workload.ts";

const walk = (rules?: readonly FaultRule[]): SystemOptions => ({
	program: "walk",
	args: ["1", "2"],
	image: workload("walk"),
	ram: MiB,
	swap: [{ media: 4 * MiB }],
	faults: rules && { seed: 3, rules },
});

const whole = createSystem(walk());
whole.run();
const { cycles } = whole.machine.clock;
const HALF = Math.floor(cycles / 2);
const plain = createSystem(walk());
plain.run(HALF);
const { instret } = plain.machine.hart.counters;
const snapshot = saveSystem(plain);
/** Of a state that cannot be taken: it has a recording from the start. */
while (plain.busy === null) plain.run(plain.machine.clock.cycles + 1000);
const busySnapshot = saveSystem(plain);

const end = (system: System) => {
	system.run();
	const { hostMs: _, ...report } = system.report(0);
	return report;
};

/** They act in the second half only, whenever they were loaded. */
const LATER: readonly FaultRule[] = [
	{ id: "flip", model: "memory.flip", when: { atNs: HALF + 1_000_000 } },
	{
		id: "jump",
		model: "clock.jump",
		params: { deltaNs: 5000 },
		when: { atInsn: instret + 70_000 },
	},
	{ id: "latency", model: "disk.latency", params: { disk: "ld0" }, when: { window: [HALF, 1e12] } },
	{
		id: "transient",
		model: "disk.transient",
		params: { disk: "ld0" },
		when: { window: [HALF + 2_000_000, 1e12] },
	},
	{ id: "fence", model: "mmu.delayed-fence", when: { window: [HALF + 1000, 1e12] } },
	{ id: "none", model: "alloc.fail", params: { of: "loan" }, when: { window: [HALF, 1e12] } },
];

/** Candidates of the first half were not counted by rules that were not there. */
const withoutCounts = (report: ReturnType<typeof end>) => {
	const { faults, ...rest } = report;
	const ledger = faults!.ledger.map(({ ordinal: _, ...entry }) => entry);
	return { ...rest, ledger, notFired: faults!.notFired };
};

describe("a snapshot without a plan", () => {
	it("goes on with one as if it had been there, and had not acted yet", () => {
		// What is drawn depends on the number of the candidate.
		const rules = LATER.map((rule) =>
			rule.id === "latency" ? { ...rule, params: { disk: "ld0", addNs: 12_345 } } : rule,
		);
		const straight = end(createSystem(walk(rules)));
		expect(straight.faults!.notFired).toEqual(["none"]);
		expect(straight.stateHash).not.toBe(whole.stateHash());
		const faults = { seed: 3, rules };
		const later = end(restoreSystem(snapshot, { faults }));
		expect(withoutCounts(later)).toEqual(withoutCounts(straight));
		expect(later.config.faults).toEqual(straight.config.faults);
	});

	it("has instants that are past come at once", () => {
		const rules = [
			{ id: "ns", model: "memory.flip", params: { pa: 0x8008_0000 }, when: { atNs: 1000 } },
			{ id: "insn", model: "cpu.register", when: { atInsn: 5 } },
		];
		const system = restoreSystem(snapshot, { faults: { rules } });
		const { clock, hart } = system.machine;
		const from = clock.cycles;
		const { instret } = hart.counters;
		system.run();
		const { ledger } = system.faultReport()!;
		expect(ledger.map(({ rule }) => rule).sort()).toEqual(["insn", "ns"]);
		// Perhaps all processes wait at first.
		const [insn, ns] = ["insn", "ns"].map((name) => ledger.find(({ rule }) => rule === name)!);
		expect(insn!.instructions - instret).toBeLessThan(2);
		expect(ns!.ns - from).toBeLessThan(1000);
	});

	it("is saved again with the plan, also where a state cannot be taken", () => {
		const faults = { seed: 3, rules: LATER };
		let busy = 0;
		for (const [file, cuts] of [
			[snapshot, 12],
			[busySnapshot, 4],
		] as const) {
			const expected = end(restoreSystem(file, { faults }));
			for (let i = 0; i < cuts; i++) {
				const system = restoreSystem(file, { faults });
				system.run(HALF + (i * (expected.cycles - HALF)) / cuts);
				if (system.busy !== null) busy++;
				const again = restoreSystem(saveSystem(system));
				expect(end(again)).toEqual(expected);
				expect(() => restoreSystem(saveSystem(again), { faults })).toThrow(
					"it has a plan of faults",
				);
			}
		}
		expect(busy).toBeGreaterThan(2);
	});

	it("refuses a plan that does not fit", () => {
		const lost = { id: "x", model: "disk.lost-write", params: { disk: "ld5" } };
		const refused =
			(...rules: FaultRule[]) =>
			() =>
				restoreSystem(snapshot, { faults: { rules } });
		expect(refused(lost)).toThrow(FaultPlanError);
		expect(refused(lost)).toThrow("rule 1 (x): params.disk: no disk ld5; there are ld0");
		const wrong = { ...lost, params: { disk: "ld0", sector: -1 } };
		expect(refused(wrong)).toThrow("rule 1 (x): params.sector: expected >=0 but received -1");
	});
});

it("a run stops where it is told to, whatever the kernel's clock shows", () => {
	for (const [model, params] of [
		["clock.jump", { deltaNs: 50_000 }],
		["clock.jump", { deltaNs: -50_000, backwards: true }],
		["clock.freeze", { durNs: 3_000_000 }],
		["clock.rate-split", { ratio: 0.3 }],
	] as const) {
		const rules = [{ id: "clock", model, params, when: { atNs: 500_000 } }];
		const system = createSystem(walk(rules));
		for (const until of [400_000, 600_000, 3_000_000]) {
			expect(system.run(until)).toBe("running");
			const over = system.machine.clock.cycles - until;
			expect([over >= 0, over < 40_000]).toEqual([true, true]);
			expect(restoreSystem(saveSystem(system)).stateHash()).toBe(system.stateHash());
		}
	}
});

it("a run is cut in the middle of triggers, states and lives, and is the uncut one", () => {
	const source = `
		la s0, data
		li s3, 3000
		li a1, 0
	again:	lw a2, 0(s0)
		addi a2, a2, 1
		sw a2, 0(s0)
	add:	add a1, a1, a2
		bne a2, s3, again
		li a0, 1
		la a1, text
		li a2, 5
		li a7, 64
		ecall
		li a7, 93
		ecall
	data:	.word 0
	text:	.word 0x6c6c6548
		.word 0x0000000a
	`;
	const { labels } = assemble(source, 0x10000);
	const [again, add, data] = ["again", "add", "data"].map((name) => labels.get(name)!);
	const bits = (mask: number) => ({ register: 11, mask });
	const rules: FaultRule[] = [
		{
			...{ id: "first", model: "cpu.register", params: bits(0x1_0000) },
			...{ when: { pc: { addr: again, hit: 900 } }, nextState: "hit" },
		},
		{
			...{ id: "second", model: "cpu.register", params: bits(0x2_0000) },
			...{ when: { pc: { addr: add, hit: 900 } }, state: "hit", nextState: 3 },
		},
		{
			...{ id: "late", model: "cpu.register", params: bits(0x4_0000) },
			when: { access: { va: [data!, data! + 2], kind: "rw", hit: 4000 }, atInsn: 2000 },
		},
		{
			...{ id: "faulty", model: "mmu.spurious-fault", params: { access: "store" } },
			...{ when: { every: 1, event: { uvmhist: "uvm_fault", hit: 2 } }, budget: { times: 2 } },
		},
		{
			...{ id: "said", model: "clock.jump", params: { deltaNs: 12345 } },
			when: { milestone: { console: "ll$" } },
		},
	];
	const options = { program: "loop", image: elf(source), ram: MiB, faults: { rules } };
	const expected = end(createSystem(options));
	expect(expected.faults!.ledger.map(({ rule }) => rule)).toEqual(
		expect.arrayContaining(["first", "second", "late", "said"]),
	);
	const start = expected.faults!.ledger[0]!.ns / 2;
	for (let i = 0; i <= 12; i++) {
		const system = createSystem(options);
		system.run(Math.floor(start + ((expected.cycles - start) * i) / 13));
		expect(end(restoreSystem(saveSystem(system)))).toEqual(expected);
		const checkpoint = system.checkpoint();
		if (checkpoint === null) continue;
		expect(end(system)).toEqual(expected);
		system.rollback(checkpoint);
		expect(end(system)).toEqual(expected);
	}
});

it("a bare machine does the same", () => {
	const options = { image: workload("../bare/bin/board"), ram: MiB };
	const at = { atInsn: 3000 };
	const rules = [{ id: "pc", model: "cpu.stall", params: { cycles: 77 }, when: at }];
	const straight = new Bare({ ...options, faults: { rules } });
	straight.run(1e8);
	const half = new Bare(options);
	half.run(2000);
	expect(half.machine.hart.counters.instret).toBeLessThan(3000);
	const file = saveBare(half);
	const restored = restoreBare(file, { faults: { rules } });
	restored.run(2500);
	const again = restoreBare(saveBare(restored));
	expect(() => restoreBare(saveBare(restored), { faults: { rules } })).toThrow(
		"it has a plan of faults",
	);
	for (const bare of [restored, again]) {
		bare.run(1e8);
		expect(bare.report(0)).toEqual(straight.report(0));
	}
});
