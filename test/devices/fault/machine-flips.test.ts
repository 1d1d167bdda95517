/** Bits of memory, page tables, TLB and registers, inverted at an instant. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MachineFaults } from "../../../devices/fault/machine-faults.ts";
import type { MachineRule } from "../../../devices/fault/machine-rule.ts";
import type { PteField } from "../../../devices/fault/mmu-rule.ts";
import { RAM_BASE } from "../../../machine/memory.ts";
import {
	CAUSE_LOAD_PAGE_FAULT,
	CAUSE_STORE_PAGE_FAULT,
	CAUSE_USER_ECALL,
	FENCE_ALL,
} from "../../../machine/port.ts";
import { UserError } from "../../../machine/user-error.ts";
import { guest } from "../../isa/guest.ts";
import { RW, type User, user } from "../../machine/user.ts";
import { runUntil } from "../../support/until.ts";
import { A_LOAD, A_STORE, A0, broken, DATA, DATA_FRAME, WANDER } from "./broken.ts";

const DATA_PA = RAM_BASE + DATA_FRAME * 4096;
const DATA_PAGES = 8;

/** => a walk costs many cycles, and there are many */
function wanderer(): User {
	const u = user(WANDER, { tlbEntries: 4, tlbWays: 1, walkCycles: 13 });
	for (let i = 0; i < DATA_PAGES; i++) u.map(DATA + i * 4096, DATA_FRAME + i, RW);
	return u;
}

const S0 = 8;
const T2 = 7;

describe("at a number of instructions", () => {
	it("a register is hit exactly then, whatever instructions cost", () => {
		fc.assert(
			fc.property(
				fc.integer({ min: 0, max: 2000 }),
				fc.constantFrom(S0, T2),
				fc.integer({ min: 1, max: 2 ** 32 - 1 }),
				(atInsn, register, mask) => {
					const u = wanderer();
					const model = "cpu.register";
					const rule: MachineRule = {
						id: "r",
						model,
						params: { register, mask },
						when: { atInsn },
					};
					const faults = new MachineFaults(u.machine, [rule]);
					const by = wanderer();
					const { hart } = by.machine;
					let before = 0;
					hart.beforeInstruction = () => {
						if (hart.counters.instret !== atInsn || before !== 0) return;
						before = by.port.cycles + 1;
						by.port.x[register]! ^= mask;
					};
					runUntil(u.port, 20_000);
					runUntil(by.port, 20_000);
					expect(u.machine.stateHash()).toBe(by.machine.stateHash());
					expect(faults.ledger.entries).toHaveLength(1);
					expect(faults.ledger.entries[0]).toMatchObject({
						instructions: atInsn,
						ns: before - 1,
						target: `x${register} mask 0x${mask.toString(16)}`,
					});
					// It costs nothing any more.
					expect(u.machine.hart.faults).toBe(null);
				},
			),
			{ numRuns: 40 },
		);
	});

	it("pc is hit between two instructions", () => {
		const source = `addi a0, a0, 1\n${"addi a1, a1, 1\n".repeat(6)}loop: j loop`;
		for (const atInsn of [0, 1, 2]) {
			const g = guest(source);
			const rule: MachineRule = {
				id: "pc",
				model: "cpu.pc",
				params: { mask: 8 },
				when: { atInsn },
			};
			const faults = new MachineFaults(g.machine, [rule]);
			g.machine.runBare(30);
			// From 0 to 8 or 4 to 12, two instructions are left out; from 8 to 0, two come twice.
			const [a0, a1] = [g.machine.hart.x[10], g.machine.hart.x[11]];
			expect([a0, a1]).toEqual(
				[
					[0, 5],
					[1, 4],
					[2, 7],
				][atInsn],
			);
			expect(faults.ledger.entries[0]!.pc).toBe(RAM_BASE + 4 * atInsn);
		}
	});

	it("an idle hart stays idle, and one that waits for long is hit afterwards", () => {
		const g = guest("wfi\naddi a0, a0, 1\nloop: j loop");
		const rule: MachineRule = {
			id: "r",
			model: "cpu.register",
			params: { register: A0, mask: 1 },
			when: { atInsn: 1 },
		};
		const faults = new MachineFaults(g.machine, [rule]);
		expect(g.machine.runBare(1000)).toBe(2); // RUN_IDLE
		expect(faults.ledger.total).toBe(0);
		g.machine.hart.state.waiting = 0;
		g.machine.runBare(1);
		expect([g.machine.hart.x[A0], faults.ledger.total]).toEqual([2, 1]);
	});
});

describe("a flip in memory", () => {
	const flip = (params: object, when: object = { atNs: 100 }): MachineRule =>
		({ id: "m", model: "memory.flip", params, when }) as MachineRule;

	it("inverts the bits at its time, and not before", () => {
		const b = broken([A_LOAD], [flip({ pa: DATA_PA, mask: 0x8001_0080 })]);
		b.next();
		expect(b.port.x[A0]).toBe(1);
		b.port.charge(99 - b.port.cycles);
		expect(b.faults.ledger.total).toBe(0);
		b.port.charge(1);
		expect(b.faults.ledger.entries).toMatchObject([
			{ rule: "m", ns: 100, effect: "0x1 became 0x80010081" },
		]);
		b.next();
		expect(b.port.x[A0]! >>> 0).toBe(0x8001_0081);
	});

	it("changes code that was decoded, and is undone by a rollback", () => {
		const g = guest("loop: addi a0, a0, 1\nj loop");
		// addi a0, a0, 1 becomes addi a0, a0, 5
		const faults = new MachineFaults(g.machine, [flip({ pa: RAM_BASE + 2, mask: 0x40 })]);
		const checkpoint = g.machine.checkpoint();
		const state = faults.save();
		g.machine.runBare(100);
		expect(g.machine.hart.x[10]).toBe(50);
		g.machine.runBare(100);
		expect(g.machine.hart.x[10]).toBe(50 + 250);
		g.machine.rollback(checkpoint);
		faults.restore(state);
		expect(g.machine.dma.load8(RAM_BASE + 2)).toBe(0x15);
		g.machine.runBare(200);
		expect([g.machine.hart.x[10], faults.ledger.total]).toEqual([300, 1]);
	});

	it("without an address hits a byte that the seed chooses", () => {
		const hits = new Set<number>();
		for (let seed = 0; seed < 20; seed++) {
			const bytes = [seed, seed].map((s) => {
				const g = guest("loop: j loop");
				new MachineFaults(g.machine, [flip({ bits: 3 })], s);
				const before = g.machine.memory.ram8.slice();
				g.machine.runBare(101);
				const changed: string[] = [];
				g.machine.memory.ram8.forEach((byte, i) => {
					if (byte === before[i]) return;
					expect((byte ^ before[i]!).toString(2).replaceAll("0", "")).toBe("111");
					changed.push(`${i} ${byte}`);
					hits.add(i);
				});
				expect(changed).toHaveLength(1);
				return changed;
			});
			expect(bytes[0]).toEqual(bytes[1]);
		}
		expect(hits.size).toBe(20);
	});
});

describe("a flip in the TLB", () => {
	const flip = (params: object): MachineRule =>
		({ id: "t", model: "mmu.tlb-flip", params, when: { atNs: 1000 } }) as MachineRule;
	const hit = (params: object, steps = [A_LOAD], before = steps.length) => {
		const b = broken(steps, [flip(params)]);
		for (let i = 0; i < before; i++) b.next();
		const pte = b.pte(DATA);
		b.port.charge(1000 - b.port.cycles);
		expect(b.pte(DATA)).toBe(pte);
		return b;
	};

	it("sends accesses to another frame, or forbids them, until a fence", () => {
		// Bit 10 is the lowest of the page number: frame 0x30 becomes 0x31.
		const moved = hit({ va: DATA, bit: 10 });
		moved.next();
		expect(moved.port.x[A0]).toBe(2);
		moved.port.sfenceVma(DATA, FENCE_ALL);
		moved.next();
		expect(moved.port.x[A0]).toBe(1);
		const readOnly = hit({ va: DATA, asid: 1, field: "W" }, [A_STORE]);
		expect(readOnly.next()).toBe(CAUSE_STORE_PAGE_FAULT);
		expect(hit({ va: DATA, field: "U" }).next()).toBe(CAUSE_LOAD_PAGE_FAULT);
	});

	it("of V removes the entry, and of G shares it", () => {
		const gone = hit({ va: DATA, field: "V" });
		const { hart } = gone.machine;
		expect(hart.tlb.find(DATA >>> 12, 1)).toBe(-1);
		expect(gone.next()).toBe(CAUSE_USER_ECALL);
		const shared = hit({ va: DATA, field: "G" }).machine.hart.tlb;
		expect(shared.find(DATA >>> 12, 7)).toBeGreaterThanOrEqual(0);
	});

	it("without an address hits a valid entry; where there is none, nothing", () => {
		const fields = new Set<string>();
		for (let seed = 1; seed < 40; seed++) {
			const b = broken([A_LOAD], []);
			const faults = new MachineFaults(b.machine, [flip({})], seed);
			b.next();
			const before = b.machine.hart.tlb.list();
			b.port.charge(1000);
			expect(faults.ledger.total).toBe(1);
			expect(b.machine.hart.tlb.list()).not.toEqual(before);
			fields.add(faults.ledger.entries[0]!.target);
		}
		expect(fields.size).toBeGreaterThan(15);
		const b = hit({ va: DATA }, [A_LOAD], 0);
		expect([b.applied, b.faults.armings[0]!.candidates]).toEqual([[], 0]);
	});
});

describe("a flip in a page table", () => {
	const flip = (params: object): MachineRule =>
		({
			id: "p",
			model: "mmu.pte-flip",
			params: { va: DATA, ...params },
			when: { atNs: 500 },
		}) as MachineRule;

	it("stays in RAM, and is noticed when the page is walked", () => {
		const bits: [PteField, number][] = [
			["V", 0],
			["W", 2],
			["D", 7],
		];
		for (const [field, bit] of bits) {
			const b = broken([A_LOAD], [flip({ field })]);
			b.next();
			const before = b.pte(DATA);
			b.port.charge(500 - b.port.cycles);
			expect(b.pte(DATA) ^ before).toBe(1 << bit);
			expect(b.next()).toBe(CAUSE_USER_ECALL);
			b.port.sfenceVma(DATA, FENCE_ALL);
			expect(b.next()).toBe(field === "V" ? CAUSE_LOAD_PAGE_FAULT : CAUSE_USER_ECALL);
		}
	});

	it("is one of the directory, at level 1", () => {
		const b = broken([A_LOAD], [flip({ level: 1, field: "V" })]);
		const entry = 1024 + (DATA >>> 22);
		const before = b.port.ram32[entry]!;
		b.port.charge(500);
		expect(b.port.ram32[entry]! ^ before).toBe(1);
	});

	it("in an address space that does not run waits for it", () => {
		const b = broken([A_LOAD], [flip({ asid: 2, bit: 10 })]);
		for (let i = 0; i < 4; i++) b.map(0x1_0000 + i * 4096, 0x20 + i, 0x5b, 2);
		b.map(DATA, DATA_FRAME, RW, 2);
		b.port.charge(600);
		b.next();
		expect([b.port.x[A0], b.applied]).toEqual([1, []]);
		b.port.satp = b.satp(2, 2);
		b.next();
		expect([b.port.x[A0], b.applied]).toEqual([2, ["p 0"]]);
		expect(b.machine.hart.faults).toBe(null);
	});

	it("without an entry is none", () => {
		const b = broken([A_LOAD], [flip({ va: 0x7000_0000 })]);
		b.port.charge(600);
		b.next();
		expect(b.applied).toEqual([]);
	});
});

it("a rule that cannot be followed is refused, with one line", () => {
	const { machine } = guest("loop: j loop");
	const faults = new MachineFaults(machine);
	const refused = (model: string, params: object, rest: object = {}): string => {
		try {
			faults.add({ id: "x", model, params, ...rest } as MachineRule);
		} catch (error) {
			expect(error).toBeInstanceOf(UserError);
			expect((error as Error).message).not.toContain("\n");
			return (error as Error).message;
		}
		throw new Error(`${model} ${JSON.stringify(params)} was taken`);
	};
	const when = { atNs: 5 };
	expect(refused("memory.flip", { pa: 0x1000 }, { when })).toBe("fault x: pa 0x1000: not in RAM");
	expect(refused("memory.flip", { pa: RAM_BASE + (1 << 20) - 1, mask: 0x100 }, { when })).toContain(
		"not in RAM",
	);
	expect(refused("memory.flip", { pa: RAM_BASE })).toContain("needs atNs or atInsn");
	expect(refused("memory.flip", {}, { when: { atNs: 1, atInsn: 1 } })).toContain("one of them");
	expect(refused("memory.flip", {}, { when, life: "permanent" })).toContain("life");
	expect(refused("memory.flip", { bits: 9 }, { when })).toContain("1 to 8");
	expect(refused("cpu.register", { register: 0 }, { when })).toContain("1 to 31");
	expect(refused("cpu.pc", { mask: 3 }, { when })).toContain("even");
	expect(refused("mmu.tlb-flip", { bit: 32 }, { when })).toContain("0 to 31");
	expect(refused("mmu.pte-flip", { va: 0, bit: 1, field: "V" }, { when })).toContain("only one");
	expect(refused("mmu.missed-d", {}, { when })).toContain("no instant");
	expect(faults.armings).toEqual([]);
	faults.add({ id: "x", model: "mmu.missed-d", params: {} });
	expect(refused("mmu.missed-a", {})).toContain("already");
});
