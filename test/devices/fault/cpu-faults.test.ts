/** Registers that are stuck; instructions skipped, fetched wrong, or with wrong results. */
import { describe, expect, it } from "vitest";
import { MachineFaults } from "../../../devices/fault/machine-faults.ts";
import type { MachineRule } from "../../../devices/fault/machine-rule.ts";
import { Machine } from "../../../machine/machine.ts";
import { RAM_BASE } from "../../../machine/memory.ts";
import { CAUSE_ILLEGAL_INSTRUCTION, CAUSE_USER_ECALL } from "../../../machine/port.ts";
import { UserError } from "../../../machine/user-error.ts";
import { panic } from "../../../sys/panic.ts";
import { type Guest, guest } from "../../isa/guest.ts";
import { RW, user } from "../../machine/user.ts";
import { runUntil } from "../../support/until.ts";
import { A_LOAD, A0, broken, DATA, DATA_FRAME, WANDER } from "./broken.ts";

const LOOP = "\nloop: j loop";

/** Run a few instructions on bare metal. => a0 to a3 */
function run(source: string, rules: readonly MachineRule[]): [number[], MachineFaults, Guest] {
	const g = guest(source + LOOP);
	const faults = new MachineFaults(g.machine, rules);
	g.machine.runBare(40);
	return [[...g.machine.hart.x.subarray(10, 14)], faults, g];
}
const rule = (model: string, params: object, rest: object = {}): MachineRule =>
	({ id: "c", model, params, ...rest }) as MachineRule;
const at = (atInsn: number) => ({ when: { atInsn } });

describe("a stuck register", () => {
	it("has its value after each instruction that writes it, while its life lasts", () => {
		const source = "li a0, 0\nmv a1, a0\nli a0, 12\nmv a2, a0\nli a0, 5\nmv a3, a0";
		const stuck = rule("cpu.stuck", { register: 10, bit: 0, value: 1 });
		const [x, faults] = run(source, [stuck]);
		expect(x).toEqual([5, 1, 13, 5]);
		// It is 0 after reset, too; where 5 is written nothing is wrong.
		expect(faults.ledger.total).toBe(3);
		const [y] = run(source, [{ ...stuck, life: { count: 1 } } as MachineRule]);
		expect(y).toEqual([5, 0, 12, 5]);
	});

	it("is what a kernel sees after a trap", () => {
		const b = broken(["addi a0, x0, 6"], [rule("cpu.stuck", { register: A0, bit: 1 })]);
		expect(b.next()).toBe(CAUSE_USER_ECALL);
		expect(b.port.x[A0]).toBe(4);
	});
});

describe("an instruction", () => {
	const source = "c.li a0, 1\naddi a0, a0, 2\naddi a0, a0, 4\nc.addi a0, 8";

	it("is skipped, or several are, whatever their length", () => {
		expect(run(source, [rule("cpu.skip", {}, at(0))])[0][0]).toBe(14);
		expect(run(source, [rule("cpu.skip", {}, at(1))])[0][0]).toBe(13);
		const [x, faults, g] = run(source, [rule("cpu.skip", { count: 3 }, at(1))]);
		expect(x[0]).toBe(1);
		expect(faults.ledger.entries[0]).toMatchObject({
			target: "pc 0x80000002",
			effect: "skipped to 0x8000000c",
		});
		// No time has passed for it, and nothing has retired.
		expect(g.machine.hart.counters.instret).toBe(40);
	});

	it("that is not there yet is skipped when it is", () => {
		const b = broken(["addi a0, x0, 3"], []);
		b.setPte(0x1_0000, 0);
		b.faults.add(rule("cpu.skip", {}, at(0)));
		expect(b.next()).not.toBe(CAUSE_USER_ECALL);
		expect(b.faults.ledger.total).toBe(0);
		b.map(0x1_0000, 0x20, 0x5b);
		b.next();
		expect([b.faults.ledger.total, b.port.x[A0]]).toEqual([1, 3]);
	});

	it("is fetched wrong once; memory is right", () => {
		// addi a0, a0, 2: bit 22 is bit 2 of the immediate.
		const corrupt = rule("cpu.corrupt", { mask: 1 << 22 }, at(1));
		const [x, faults, g] = run(source, [corrupt]);
		expect(x[0]).toBe(19);
		expect(faults.ledger.entries[0]).toMatchObject({ ordinal: 0, pc: RAM_BASE + 2 });
		g.machine.hart.pc = RAM_BASE;
		g.machine.runBare(10);
		expect(g.machine.hart.x[10]).toBe(15);
		expect(g.machine.hart.faults).toBe(null);
	});

	it("that becomes a shorter or a longer one moves what follows", () => {
		// c.li a0, 1 with both low bits set is a four-byte encoding: what follows it is its half.
		const [, faults, g] = run(source, [rule("cpu.corrupt", { mask: 2 }, at(0))]);
		expect(faults.ledger.entries[0]!.effect).toBe("0x5134505 became 0x5134507");
		// An encoding that does not exist.
		expect(g.machine.hart.traps.byCause.counts[CAUSE_ILLEGAL_INSTRUCTION]).toBeGreaterThan(0);
		// The other way round, 4 bytes become 2: then comes the upper half, 0025, as one of its own.
		const [y] = run(source, [rule("cpu.corrupt", { mask: 3 }, at(1))]);
		expect(y[0]).not.toBe(15);
	});

	it("is fetched wrong even if it is a line of its own", () => {
		// jal x0, 0: bit 7 makes it jal x1, 0.
		const g = guest("nop\nloop: j loop");
		new MachineFaults(g.machine, [rule("cpu.corrupt", { mask: 0x80 }, at(5))]);
		g.machine.runBare(20);
		expect(g.machine.hart.x[1]! >>> 0).toBe(RAM_BASE + 8);
	});

	it("waits out a stall: time passes, nothing retires, events come at their time", () => {
		const g = guest(source + LOOP);
		new MachineFaults(g.machine, [rule("cpu.stall", { cycles: 1000 }, at(2))]);
		const times: number[] = [];
		const event = g.machine.clock.register(() => times.push(g.machine.clock.cycles));
		g.machine.clock.schedule(500, event);
		g.machine.runBare(1002);
		expect([times, g.machine.hart.counters.instret]).toEqual([[500], 2]);
		g.machine.runBare(8);
		expect(g.machine.hart.counters.instret).toBe(10);
		expect(g.machine.hart.faults).toBe(null);
	});
});

describe("a wrong result", () => {
	const TABLE = 0x8000_0800;
	const program = `
		li a0, 6
		li t0, ${TABLE | 0}
		li t1, 9
		sw t1, 0(t0)
		lw a1, 0(t0)
		beq a0, t1, over
		li a2, 1
	over:
		lw a3, 4(t0)
	`;
	const result = (of: string, rest: object = {}, more: object = {}): MachineRule =>
		rule("cpu.result", { class: of, ...rest }, more);

	it("is one of arithmetic, of a load, of a store's data or address, or a branch's way", () => {
		expect(run(program, [])[0]).toEqual([6, 9, 1, 0]);
		expect(run(program, [result("alu", { mask: 8 })])[0]).toEqual([14, 9, 1, 0]);
		expect(run(program, [result("load", { mask: 3 })])[0]).toEqual([6, 10, 1, 0]);
		expect(run(program, [result("load", { mask: 3 }, { when: { hit: 2 } })])[0][3]).toBe(3);
		expect(run(program, [result("store-data", { mask: 0x70 })])[0]).toEqual([6, 0x79, 1, 0]);
		expect(run(program, [result("store-address", { mask: 4 })])[0]).toEqual([6, 0, 1, 9]);
		expect(run(program, [result("branch")])[0]).toEqual([6, 9, 0, 0]);
	});

	it("leaves the registers of a store as they are, and both can be wrong at once", () => {
		const both = [
			{ ...result("store-address", { mask: 4 }), id: "a" },
			{ ...result("store-data", { mask: 1 }), id: "d" },
		] as MachineRule[];
		const [x, faults, g] = run(program, both);
		expect([x, g.machine.hart.x[5]! >>> 0, g.machine.hart.x[6]]).toEqual([[6, 0, 1, 8], TABLE, 9]);
		expect(faults.ledger.total).toBe(2);
	});

	it("inverts every kind of branch, short ones too", () => {
		for (const [branch, a, b] of [
			["beq", 1, 1],
			["bne", 1, 2],
			["blt", 1, 2],
			["bge", 2, 1],
			["bltu", 1, -1],
			["bgeu", -1, 1],
		]) {
			const source = `li a0, ${a}\nli a1, ${b}\n${branch} a0, a1, over\nli a2, 1\nover: nop`;
			expect(run(source, [])[0][2]).toBe(0);
			expect(run(source, [result("branch")])[0][2], `${branch}`).toBe(1);
		}
		for (const [branch, a] of [
			["c.beqz", 0],
			["c.bnez", 3],
		]) {
			const source = `li a0, ${a}\n${branch} a0, over\nli a2, 1\nover: nop`;
			expect(run(source, [])[0][2]).toBe(0);
			expect(run(source, [result("branch")])[0][2], `${branch}`).toBe(1);
		}
	});

	it("is there before a trap, and a load that faults has none", () => {
		const b = broken([A_LOAD], [result("load", { mask: 2 })]);
		b.setPte(DATA, 0);
		expect(b.next()).not.toBe(CAUSE_USER_ECALL);
		expect(b.faults.ledger.total).toBe(0);
		b.map(DATA, DATA_FRAME, RW);
		expect(b.next()).toBe(CAUSE_USER_ECALL);
		expect([b.port.x[A0], b.faults.ledger.total]).toEqual([3, 1]);
	});

	it("with a rule that has not acted yet, a run is the same as without, but slow", () => {
		const start = (rules: readonly MachineRule[]) => {
			const u = user(WANDER, { tlbEntries: 4, tlbWays: 2 });
			for (let i = 0; i < 8; i++) u.map(DATA + i * 4096, DATA_FRAME + i, RW);
			const faults = new MachineFaults(u.machine, rules);
			return { u, faults };
		};
		const rules = ["alu", "load", "store-data", "store-address", "branch"].map(
			(of) => ({ ...result(of, {}, { when: { hit: 1e9 } }), id: of }) as MachineRule,
		);
		const golden = start([]);
		const slow = start(rules);
		runUntil(golden.u.port, 20_000);
		runUntil(slow.u.port, 20_000);
		expect(slow.u.machine.stateHash()).toBe(golden.u.machine.stateHash());
		const counted = slow.faults.armings.map(({ rule: { id }, candidates }) => [id, candidates > 0]);
		expect(counted).toEqual(rules.map(({ id }) => [id, id !== "branch"]));
		// And the fault at a certain candidate is the same in one run, and in one that is taken up.
		const hits = rules.map((r) => ({ ...r, when: { hit: 700 } })) as MachineRule[];
		const whole = start(hits);
		runUntil(whole.u.port, 30_000);
		const half = start(hits);
		runUntil(half.u.port, 2222);
		const saved = structuredClone({ m: half.u.machine.save(), f: half.faults.save() });
		const machine = new Machine(half.u.machine.config);
		const port = machine.supervisor(panic);
		const faults = new MachineFaults(machine, hits);
		machine.restore(saved.m);
		faults.restore(saved.f);
		runUntil(port, 30_000);
		expect(machine.stateHash()).toBe(whole.u.machine.stateHash());
		expect(faults.ledger.entries).toEqual(whole.faults.ledger.entries);
		expect(faults.ledger.total).toBeGreaterThan(1);
	});
});

describe("a control and status register", () => {
	it("is inverted in the bits that it has", () => {
		const b = broken(["nop"], []);
		const { state } = b.machine.hart;
		const before = state.mstatus;
		b.faults.add(rule("cpu.csr", { csr: "sstatus", mask: 0xc_0003 }, at(1)));
		b.next();
		b.next();
		expect(state.mstatus ^ before).toBe(0xc_0002);
		b.faults.add({ ...rule("cpu.csr", { csr: "satp", mask: 1 }, at(3)), id: "satp" });
		const { satp } = b.port;
		b.next();
		expect(b.port.satp).toBe(satp ^ 1);
		// The other directory maps nothing; until a fence, the TLB still does.
		b.port.sfenceVma(-1, -1);
		expect(b.next()).not.toBe(CAUSE_USER_ECALL);
	});

	it("without a mask loses one bit, of those that it has", () => {
		for (const csr of ["satp", "sepc", "stvec", "sstatus", "scause", "stval"] as const) {
			const g = guest("nop\nnop");
			const faults = new MachineFaults(g.machine, [rule("cpu.csr", { csr }, at(1))]);
			const before = { ...g.machine.hart.state.save() };
			g.machine.runBare(2);
			const after = g.machine.hart.state.save();
			const name = csr === "sstatus" ? "mstatus" : csr;
			const wrong = (before[name] ^ after[name]) >>> 0;
			expect([wrong > 0, wrong & (wrong - 1)]).toEqual([true, 0]);
			expect(faults.ledger.total).toBe(1);
		}
	});
});

it("parameters out of range are refused", () => {
	const g = guest("nop");
	const faults = new MachineFaults(g.machine);
	for (const wrong of [
		rule("cpu.stuck", { register: 0, bit: 1 }),
		rule("cpu.stuck", { register: 1, bit: 32 }),
		rule("cpu.skip", { count: 0 }, at(1)),
		rule("cpu.corrupt", { mask: 2 ** 32 }, at(1)),
		rule("cpu.stall", { cycles: 0 }, at(1)),
		rule("cpu.csr", { csr: "sstatus", mask: 1 }, at(1)),
		rule("cpu.result", { class: "branch", mask: 1 }),
		rule("cpu.result", {}, at(1)),
	]) {
		expect(() => faults.add(wrong), JSON.stringify(wrong)).toThrow(UserError);
	}
});
