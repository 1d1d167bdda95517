/** Triggers: the instant of a rule, or when its candidates begin to count; states of a plan. */
import { describe, expect, it } from "vitest";
import { Bare } from "../../../computer/bare.ts";
import { restoreBare, saveBare } from "../../../computer/snapshot/bare-snapshot.ts";
import { createSystem } from "../../../computer/system.ts";
import type { FaultPlan, FaultRule, FaultWhen } from "../../../devices/fault/rule.ts";
import { UVMHIST_FUNCTIONS } from "../../../kernel/kern/core/kern_history.ts";
import { RAM_BASE } from "../../../machine/memory.ts";
import { assemble } from "../../isa/assembler.ts";
import { sources } from "../../support/sources.ts";
import { symbolic } from "../../support/symbolic-elf.ts";
import { MiB, workload } from "../../support/workload.ts";

const DATA = RAM_BASE + 0x1000;
/** Counts to 10 in a0, prints a line each time, stores and loads; ends with the sum in a1. */
const PROGRAM = `
	li s0, ${RAM_BASE | 0}
	lui s1, 1
	add s0, s0, s1
	lui s2, 0x10000
	li a0, 0
	li a1, 0
	li s3, 10
loop:
	addi a0, a0, 1
	sw a0, 0(s0)
	lw a2, 0(s0)
	add a1, a1, a2
	li t0, 110
	sb t0, 0(s2)
	addi t0, a0, 47
	sb t0, 0(s2)
	li t0, 10
	sb t0, 0(s2)
	bne a0, s3, loop
	lui t1, 0x100
	lui t0, 0x5
	addi t0, t0, 0x555
	sw t0, 0(t1)
end:
	j end
`;
const code = assemble(PROGRAM, RAM_BASE);
const loop = 8 * 4;
const LOOP = RAM_BASE + loop;
const image = symbolic(code.bytes, RAM_BASE, { _start: RAM_BASE, again: LOOP, odd: LOOP + 1 });

const rule = (model: string, params: object, when: FaultWhen, rest: object = {}): FaultRule => ({
	id: model,
	model,
	params: params as Record<string, unknown>,
	when,
	...rest,
});

const start = (rules?: readonly FaultRule[]): Bare =>
	new Bare({ image, ram: MiB, faults: rules && { rules } });

/** => a0, a1 and where rules have acted: pc and instructions */
function run(...rules: FaultRule[]) {
	const bare = start(rules);
	bare.run(1e6);
	const { x } = bare.machine.hart;
	const { ledger, notFired } = bare.faultReport()!;
	const places = ledger.map(({ pc, instructions, rule: id }) => [id, pc - RAM_BASE, instructions]);
	return { a: [x[10], x[11]], places, notFired, bare };
}

/** Adds 1000 to a1. */
const BUMP = { register: 11, mask: 0x400 };
const bump = (when: FaultWhen, rest: object = {}) => rule("cpu.register", BUMP, when, rest);
/** Instructions that have retired when `again` is reached for the n-th time, with the boot ROM. */
const golden = start();
golden.run(1e6);
const before = (() => {
	const { places } = run(bump({ pc: { addr: RAM_BASE } }));
	return places[0]![2] as number;
})();
const reached = (n: number): number => before + 8 + 11 * (n - 1);

describe("an instant", () => {
	it("is before an instruction, by address or symbol, as often as it takes", () => {
		expect(run().a).toEqual([10, 55]);
		for (const pc of [{ addr: LOOP }, { symbol: "again" }]) {
			expect(run(bump({ pc })).places).toEqual([["cpu.register", loop, reached(1)]]);
			const third = run(bump({ pc: { ...pc, hit: 3 } }));
			expect(third.places).toEqual([["cpu.register", loop, reached(3)]]);
			expect(third.a).toEqual([10, 1024 + 55]);
			expect(run(bump({ pc: { ...pc, hit: 11 } })).notFired).toEqual(["cpu.register"]);
		}
		// The instruction itself is the one that is skipped, fetched wrong or executed elsewhere.
		expect(run(rule("cpu.skip", {}, { pc: { addr: LOOP + 4, hit: 2 } })).a).toEqual([10, 54]);
		// add a1, a1, a2 becomes sub.
		const corrupt = rule("cpu.corrupt", { mask: 2 ** 30 }, { pc: { addr: LOOP + 12, hit: 10 } });
		expect(run(corrupt).a).toEqual([10, 35]);
		const there = { pc: { addr: LOOP + 12, hit: 10 } };
		expect(run(rule("cpu.pc", { mask: 0x1c }, there)).a[1]).toBe(45);
	});

	it("is behind an access of an address, virtual or physical", () => {
		const flip = (when: FaultWhen) => rule("memory.flip", { pa: DATA, mask: 0x10 }, when);
		for (const range of ["va", "pa"] as const) {
			const access = { [range]: [DATA, DATA + 1], hit: 4 } as object;
			const at = (kind: string) => run(flip({ access: { ...access, kind } as never }));
			// Behind the fourth store the load sees it; behind the fourth load, nobody.
			expect(at("w")).toMatchObject({
				a: [10, 55 + 16],
				places: [["memory.flip", loop + 8, reached(4) + 2]],
			});
			expect(at("r")).toMatchObject({
				a: [10, 55],
				places: [["memory.flip", loop + 12, reached(4) + 3]],
			});
			// Behind the second load.
			expect(at("rw").places).toEqual([["memory.flip", loop + 12, reached(2) + 3]]);
			// A device; nothing of it is remembered as memory.
			const uart = { [range]: [0x1000_0000, 0x1000_0001], kind: "w", hit: 3 } as never;
			expect(run(bump({ access: uart })).places).toEqual([
				["cpu.register", loop + 40, reached(1) + 10],
			]);
		}
		const beside = { va: [DATA + 4, DATA + 8], kind: "rw" } as const;
		expect(run(flip({ access: beside })).notFired).toEqual(["memory.flip"]);
	});

	it("is behind an instruction that was fetched from there", () => {
		for (const range of ["va", "pa"] as const) {
			// Half of an instruction is enough.
			const x = { [range]: [LOOP + 6, LOOP + 12], kind: "x", hit: 4 } as never;
			const { places } = run(bump({ access: x }));
			expect(places).toEqual([["cpu.register", loop + 12, reached(2) + 3]]);
		}
	});

	it("is behind the byte with which a line matches", () => {
		const when = (console: string, hit = 1) => ({ milestone: { console, hit } });
		expect(run(bump(when("^n2"))).places).toEqual([["cpu.register", loop + 32, reached(3) + 8]]);
		expect(run(bump(when("2$"))).places).toEqual([["cpu.register", loop + 40, reached(3) + 10]]);
		expect(run(bump(when("^n", 5))).places).toEqual([["cpu.register", loop + 24, reached(5) + 6]]);
		expect(run(bump(when("nn"))).notFired).toEqual(["cpu.register"]);
	});

	it("is where all conditions hold; triggers count behind the others", () => {
		const pc = { symbol: "again", hit: 2 };
		expect(run(bump({ atInsn: reached(4) + 1, pc })).places[0]![2]).toBe(reached(6));
		expect(run(bump({ milestone: { console: "n4" }, pc })).places[0]![2]).toBe(reached(7));
		const access = { va: [DATA, DATA + 4], kind: "w", hit: 5 } as const;
		expect(run(bump({ pc, access })).places[0]![2]).toBe(reached(5) + 2);
		expect(run(bump({ pc: { ...pc, hit: 6 }, access })).places[0]![2]).toBe(reached(6));
	});
});

describe("candidates", () => {
	it("count from the trigger on", () => {
		const load = (when: FaultWhen) =>
			rule("cpu.result", { class: "load", mask: 0x100 }, { hit: 2, ...when });
		const { places, bare } = run(load({ pc: { symbol: "again", hit: 5 } }));
		expect(places).toEqual([["cpu.result", loop + 12, reached(6) + 3]]);
		expect(bare.faultReport()!.rules[0]).toMatchObject({ candidates: 2, applied: 1 });
		const stored = run(load({ access: { va: [DATA, DATA + 1], kind: "w" } }));
		expect(stored.places[0]![2]).toBe(reached(2) + 3);
	});
});

describe("the state of a plan", () => {
	const at = (hit: number) => ({ pc: { symbol: "again", hit } });

	it("is 1, until a rule in force changes it", () => {
		const rules = [
			bump(at(2), { id: "two", state: "armed" }),
			bump(at(3), { id: "arms", nextState: "armed" }),
			bump(at(1), { id: "one", state: 1, nextState: 1 }),
			bump({}, { id: "at once", state: "armed", nextState: 7 }),
			bump({}, { id: "later", state: 7 }),
			bump({}, { id: "never", state: 8 }),
		].map((r) => ({ ...r, id: r.id.replace(" ", "-") }));
		const { places, notFired } = run(...rules);
		expect(places.map(([id, , n]) => [id, n])).toEqual([
			["one", reached(1)],
			["arms", reached(3)],
			["at-once", reached(3)],
			["later", reached(3)],
		]);
		expect(notFired).toEqual(["two", "never"]);
	});

	it("lets candidates count in it alone, and what is in force go on", () => {
		const result = rule(
			"cpu.result",
			{ class: "load", mask: 0x100 },
			{ hit: 2 },
			{
				state: 2,
				nextState: 3,
				life: { count: 3 },
			},
		);
		const { places } = run(result, bump(at(4), { nextState: 2 }));
		expect(places.map(([, , n]) => n)).toEqual([
			reached(4),
			...[5, 6, 7].map((n) => reached(n) + 3),
		]);
	});
});

describe("a run with triggers", () => {
	const rules = [
		bump({ pc: { symbol: "again", hit: 7 } }),
		rule(
			"memory.flip",
			{ pa: DATA, mask: 2 },
			{ access: { pa: [DATA, DATA + 4], kind: "w", hit: 6 } },
		),
		rule("cpu.stall", { cycles: 50 }, { milestone: { console: "^n.$", hit: 8 } }),
		rule("cpu.skip", {}, { pc: { addr: LOOP + 12 } }, { state: 1, nextState: 2 }),
	];

	it("in which none comes is as one without", () => {
		const never = [
			bump({ pc: { symbol: "again", hit: 100 } }),
			rule(
				"memory.flip",
				{ pa: DATA },
				{ access: { va: [DATA, DATA + 4096], kind: "rw", hit: 100 } },
			),
			rule("cpu.pc", {}, { access: { pa: [RAM_BASE, LOOP], kind: "x", hit: 100 } }),
			rule("cpu.csr", { csr: "satp" }, { milestone: { console: "x" } }),
			rule("cpu.result", {}, { pc: { addr: 0 } }),
		];
		const bare = start(never);
		bare.run(1e6);
		expect([bare.stateHash(), bare.exit]).toEqual([golden.stateHash(), golden.exit]);
		expect(bare.faultReport()!.notFired.length).toBe(never.length);
	});

	it("is the same in one piece, saved and restored, and rolled back", () => {
		const whole = start(rules);
		whole.run(1e6);
		const report = whole.report(0);
		expect(report.faults!.notFired).toEqual([]);
		for (const cycles of [0, 40, 55, 70, 85, 90, 100, 130]) {
			const half = start(rules);
			half.run(whole.machine.clock.cycles - 150 + cycles);
			const other = restoreBare(saveBare(half));
			other.run(1e6);
			expect(other.report(0)).toEqual(report);
			const checkpoint = half.checkpoint()!;
			half.run(1e6);
			expect(half.report(0)).toEqual(report);
			half.rollback(checkpoint);
			half.run(1e6);
			expect(half.report(0)).toEqual(report);
		}
	});

	it("has no hooks left when all have come", () => {
		const bare = start(rules);
		bare.run(1e6);
		expect(bare.machine.hart.triggers).toBe(null);
		expect(golden.machine.hart.triggers).toBe(null);
	});
});

describe("a trigger that does not fit", () => {
	it.each([
		[{ pc: { symbol: "main" } }, "when.pc.symbol: the program has no symbol main"],
		[{ pc: { symbol: "odd" } }, "when.pc.symbol: odd is no instruction"],
		[{ access: { pa: [0, 4], kind: "r" } }, "when.access.pa: neither memory nor a device is there"],
		[{ event: { uvmhist: "uvm_fault" } }, "when.event: is for our own kernel; there is none"],
		[
			{ milestone: { console: "(" } },
			"when.milestone.console: is not a regular expression: a group without its )",
		],
		[{ access: { va: [0, 4], pa: [0, 4], kind: "r" } }, "when.access.va: expected either va or pa"],
		[{ pc: { addr: 1 } }, "when.pc.addr: expected an even address"],
		[{ pc: {} }, "when.pc.addr: expected either addr or symbol"],
	])("%j: %s", (when, message) => {
		const bad = { ...bump(when as never), id: "bad" };
		expect(() => start([bump({ atNs: 1 }), bad])).toThrow(`rule 2 (bad): ${message}`);
	});

	it("names functions that log events", () => {
		const logging = new Set(
			sources("kernel").flatMap(({ text }) =>
				[...text.matchAll(/UVMHIST_LOG\(\s*k,\s*"(\w+)"/g)].map((match) => match[1]),
			),
		);
		expect([...logging].sort()).toEqual(UVMHIST_FUNCTIONS);
	});
});

describe("an event of UVMHIST", () => {
	const sort = (faults?: FaultPlan, uvmhist?: number) => {
		const system = createSystem({
			program: "sort",
			args: ["1"],
			image: workload("sort"),
			ram: MiB,
			swap: [{ media: 8 * MiB }],
			faults,
			uvmhist,
		});
		system.run();
		return system;
	};

	it("is an instant, or the beginning of candidates; and asked for, changes nothing", () => {
		const event = (name: string, hit = 1) => ({ event: { uvmhist: name, hit } });
		const none = sort({ rules: [rule("cpu.pc", {}, event("uvm_swap_markbad"))] });
		const without = sort();
		expect(none.stateHash()).toBe(without.stateHash());
		expect(none.machine.clock.cycles).toBe(without.machine.clock.cycles);
		const history = sort(undefined, 100_000).history();
		const of = (text: string) => history.filter((line) => line.includes(text));
		const nth = (text: string, n: number) => Number(of(text)[n - 1]!.split(" ")[0]);
		const jump = sort({ rules: [rule("clock.jump", { deltaNs: 1000 }, event("uvm_fault", 40))] });
		expect(jump.faultReport()!.ledger[0]!.ns).toBe(nth("uvm_fault", 40));
		const half = Math.floor(of("swapcluster_put").length / 2);
		const put = event("swapcluster_put: slot, pages", half);
		const lost = sort({ rules: [rule("disk.lost-write", { disk: "ld0" }, put)] });
		const [entry] = lost.faultReport()!.ledger;
		expect(entry!.ns).toBeGreaterThanOrEqual(nth("swapcluster_put", half));
		expect(entry!.ordinal).toBe(0);
		expect(half).toBeGreaterThan(5);
	});
});
