/** Whole runs with many rules: the same again, from the middle, and with a rule less. */
import { describe, expect, it } from "vitest";
import { MachineFaults } from "../../../devices/fault/machine-faults.ts";
import type { MachineRule } from "../../../devices/fault/machine-rule.ts";
import { Machine } from "../../../machine/machine.ts";
import { FENCE_ALL, type MachinePort } from "../../../machine/port.ts";
import { panic } from "../../../sys/panic.ts";
import { RW, type User, user } from "../../machine/user.ts";
import { runUntil } from "../../support/until.ts";
import { DATA, DATA_FRAME, WANDER } from "./broken.ts";

const PAGES = 8;

/** The data flow of the program depends on s0 alone, so each rule sees nearly the same. */
const RULES: readonly MachineRule[] = [
	{ id: "fence", model: "mmu.lost-fence", params: {}, when: { chance: 0.3 } },
	{ id: "d", model: "mmu.missed-d", params: {}, when: { chance: 0.4 }, life: { forNs: 200 } },
	{ id: "dd", model: "mmu.missed-d", params: { entry: "dirty" }, when: { every: 7 } },
	{ id: "a", model: "mmu.missed-a", params: {}, when: { chance: 0.5 } },
	{ id: "s", model: "mmu.spurious-fault", params: {}, when: { chance: 0.05 } },
	{ id: "tlb", model: "mmu.tlb-flip", params: { field: "V" }, when: { atNs: 30_000 } },
	{ id: "tlb2", model: "mmu.tlb-flip", params: { field: "V" }, when: { atInsn: 9000 } },
	{ id: "pte", model: "mmu.pte-flip", params: { va: DATA, field: "A" }, when: { atNs: 47_111 } },
	{ id: "ram", model: "memory.flip", params: { pa: 0x8003_4000 }, when: { atNs: 20_001 } },
	{ id: "ram2", model: "memory.flip", params: { pa: 0x8003_5000 }, when: { atInsn: 12_345 } },
	{ id: "x", model: "cpu.register", params: { register: 30 }, when: { atInsn: 10_001 } },
	{ id: "x2", model: "cpu.register", params: { register: 31 }, when: { atNs: 22_222 } },
];

interface Run {
	readonly machine: Machine;
	readonly port: MachinePort;
	readonly faults: MachineFaults;
}

function start(rules: readonly MachineRule[], seed: number): Run {
	const u: User = user(WANDER, { tlbEntries: 4, tlbWays: 2 });
	for (let i = 0; i < PAGES; i++) u.map(DATA + i * 4096, DATA_FRAME + i, RW & ~0xc0);
	return { machine: u.machine, port: u.port, faults: new MachineFaults(u.machine, rules, seed) };
}

/** Tables of A and D bits lie in page 4 of RAM: the first page table is that of the program. */
const TABLE = 4 * 1024 + ((DATA >>> 12) & 1023);

/** Run until cycle `end`; every 500 cycles all A and D bits are cleared, with a fence. */
function go({ port }: Run, end: number): void {
	while (port.cycles < end) {
		const until = Math.min(end, (Math.floor(port.cycles / 500) + 1) * 500);
		// A page fault is tried again.
		while (port.cycles < until) runUntil(port, until);
		if (until % 500 !== 0) continue;
		for (let i = 0; i < PAGES; i++) port.storeWord(TABLE + i, port.ram32[TABLE + i]! & ~0xc0);
		port.sfenceVma(FENCE_ALL, 1);
	}
}

const END = 60_000;
const result = ({ machine, faults }: Run) => ({
	hash: machine.stateHash(),
	traps: [...machine.hart.traps.byCause.counts],
	ledger: faults.ledger.save(),
	armings: faults.save().rules.map(({ rule, state }) => [rule.id, state]),
});

function whole(rules: readonly MachineRule[], seed: number): Run {
	const run = start(rules, seed);
	go(run, END);
	return run;
}

const full = whole(RULES, 3);

it("every rule of the mixture acts", () => {
	const applied = full.faults.armings.map(({ rule, applied: n }) => [rule.id, n > 0]);
	expect(applied).toEqual(RULES.map(({ id }) => [id, true]));
});

it("the same seed gives the same, and another one something else", () => {
	expect(result(whole(RULES, 3))).toEqual(result(full));
	expect(result(whole(RULES, 4)).ledger).not.toEqual(result(full).ledger);
});

describe("a run goes on the same", () => {
	const MOMENTS = [1, 777, 20_000, 20_001, 29_999, 33_333, 59_999];

	it("in another machine", () => {
		for (const moment of MOMENTS) {
			const first = start(RULES, 3);
			go(first, moment);
			const saved = structuredClone({ machine: first.machine.save(), faults: first.faults.save() });
			const machine = new Machine(first.machine.config);
			const port = machine.supervisor(panic);
			const second: Run = { machine, port, faults: new MachineFaults(machine, RULES, 3) };
			machine.restore(saved.machine);
			second.faults.restore(saved.faults);
			go(second, END);
			expect(result(second), `${moment}`).toEqual(result(full));
		}
	});

	it("after a rollback", () => {
		const run = start(RULES, 3);
		const points = MOMENTS.map((moment) => {
			go(run, moment);
			return { checkpoint: run.machine.checkpoint(), faults: run.faults.save() };
		});
		for (const point of points.toReversed()) {
			go(run, END);
			expect(result(run)).toEqual(result(full));
			run.machine.rollback(point.checkpoint);
			run.faults.restore(point.faults);
		}
		go(run, END);
		expect(result(run)).toEqual(result(full));
	});

	it("from a state that was saved without rules, with those that come later", () => {
		const later = RULES.filter(({ when }) => (when?.atNs ?? when?.atInsn ?? 0) > 9000);
		expect(later.length).toBeGreaterThan(3);
		const golden = start([], 3);
		go(golden, 9000);
		const machine = new Machine(golden.machine.config);
		const port = machine.supervisor(panic);
		const run: Run = { machine, port, faults: new MachineFaults(machine, later, 3) };
		machine.restore(structuredClone(golden.machine.save()));
		run.faults.rearm();
		go(run, END);
		expect(result(run)).toEqual(result(whole(later, 3)));
		expect(run.faults.ledger.total).toBe(later.length);
	});
});

it("a rule that is removed moves no decision of another", () => {
	/** The candidates, among the first `n`, on which a rule with this id has acted. */
	const chosen = ({ faults }: Run, id: string, n: number): number[] =>
		faults.ledger.entries.filter((e) => e.rule === id && e.ordinal < n).map((e) => e.ordinal);
	for (const { id } of RULES) {
		const run = whole(
			RULES.filter((rule) => rule.id !== id),
			3,
		);
		for (const other of ["fence", "a", "s", "dd"]) {
			if (other === id) continue;
			const seen = (r: Run): number =>
				r.faults.armings.find(({ rule }) => rule.id === other)!.candidates;
			const n = Math.min(seen(run), seen(full));
			expect(n).toBeGreaterThan(50);
			expect(chosen(run, other, n), `${other} without ${id}`).toEqual(chosen(full, other, n));
		}
	}
});

describe("without a fault that acts", () => {
	const hooks = ({ machine }: Run) => [machine.hart.faults, machine.hart.mmu.faults];

	it("a machine is the same as one without rules", () => {
		const golden = start([], 3);
		expect(hooks(golden)).toEqual([null, null]);
		go(golden, END);
		const idle: MachineRule[] = RULES.map(
			(rule) =>
				({
					...rule,
					when:
						rule.when?.atNs !== undefined
							? { atNs: END + 1 }
							: rule.when?.atInsn !== undefined
								? { atInsn: END + 1 }
								: { hit: 1e9 },
				}) as MachineRule,
		);
		const run = whole(idle, 3);
		expect(run.faults.armings.some(({ candidates }) => candidates > 0)).toBe(true);
		expect(run.machine.stateHash()).toBe(golden.machine.stateHash());
		expect(run.faults.ledger.total).toBe(0);
	});

	it("nobody asks", () => {
		const run = start(RULES, 3);
		expect(hooks(run)).not.toContain(null);
		for (const { id } of RULES) expect(run.faults.lift(id)).toBe(true);
		expect(hooks(run)).toEqual([null, null]);
		expect(run.faults.lift("a")).toBe(false);
		expect(run.machine.clock.nextEvent).toBe(Number.POSITIVE_INFINITY);
	});
});
