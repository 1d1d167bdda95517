/** Memory that is stuck, fails when it is accessed, fails by the row, and corrects itself. */
import { describe, expect, it } from "vitest";
import { MachineFaults } from "../../../devices/fault/machine-faults.ts";
import type { MachineRule } from "../../../devices/fault/machine-rule.ts";
import type { CellFault } from "../../../devices/fault/memory-rule.ts";
import { Machine } from "../../../machine/machine.ts";
import { RAM_BASE } from "../../../machine/memory.ts";
import { CAUSE_HARDWARE_ERROR, CAUSE_USER_ECALL, type MachinePort } from "../../../machine/port.ts";
import { UserError } from "../../../machine/user-error.ts";
import { panic } from "../../../sys/panic.ts";
import { guest } from "../../isa/guest.ts";
import { TEXT_FRAME } from "../../machine/user.ts";
import { scratchHash } from "../../support/scratch-hash.ts";
import { A_LOAD, A_STORE, A0, type Broken, broken, DATA, DATA_FRAME } from "./broken.ts";

const S3 = 19;
const PA = RAM_BASE + DATA_FRAME * 4096;
const INDEX = DATA_FRAME * 1024;
const ECC: MachineRule = { id: "ecc", model: "memory.ecc", params: {} };
const flip = (pa: number, mask: number, id = "flip"): MachineRule => ({
	id,
	model: "memory.flip",
	params: { pa, mask },
	when: { atInsn: 0 },
});

function bytes(port: MachinePort, pa: number, n: number): Uint8Array | null {
	const into = new Uint8Array(n);
	return port.readRam(pa, into) ? into : null;
}

/** Effects, in order: "rule: effect". */
const effects = (b: Broken): string[] =>
	b.faults.ledger.entries.map(({ rule, effect }) => `${rule}: ${effect}`);

describe("a stuck cell", () => {
	const rule: MachineRule = {
		id: "s",
		model: "memory.stuck",
		params: { pa: PA, bit: 3, value: 1 },
	};

	it("reads as its value in every way, and keeps underneath what was written", () => {
		const steps = [
			A_LOAD,
			"lb a0, 0(s2)",
			"lhu a0, 0(s2)",
			"lr.w a0, (s2)",
			"amoadd.w a0, x0, (s2)",
		];
		const b = broken(steps, [rule]);
		const { port } = b;
		for (const _ of steps) {
			expect(b.next()).toBe(CAUSE_USER_ECALL);
			expect(port.x[A0]).toBe(9);
		}
		// The atomic has written what it read.
		expect([port.ram32[INDEX], b.applied.length]).toEqual([9, 5]);
		port.storeWord(INDEX, 0x41);
		expect(bytes(port, PA, 4)).toEqual(Uint8Array.of(0x49, 0, 0, 0));
		port.copyPage(PA, PA + 4096);
		expect(port.ram32[INDEX + 1024]).toBe(0x49);
		expect(port.ram32[INDEX]).toBe(0x41);
		b.faults.lift("s");
		b.next();
		expect(port.x[A0]).toBe(0x41);
		expect(b.machine.memory.cells).toBe(null);
	});

	it("is no candidate where it holds the value anyway, and another bit is right", () => {
		const b = broken([A_LOAD, A_STORE], [rule]);
		b.port.storeWord(INDEX, 8);
		b.next();
		expect([b.port.x[A0], b.faults.armings[0]!.candidates]).toEqual([8, 0]);
		b.port.x[S3] = 0x100;
		b.next();
		b.next();
		expect([b.port.x[A0], b.port.ram32[INDEX]]).toEqual([0x108, 0x100]);
	});

	it("is misaligned loads' and doubles', too, also across pages", () => {
		const last: MachineRule = {
			id: "s",
			model: "memory.stuck",
			params: { pa: PA + 4094, bit: 0, value: 1 },
			life: "permanent",
		};
		const b = broken(["li t0, 4093\nadd t0, t0, s2\nlw a0, 0(t0)"], [last]);
		b.port.storeWord(INDEX + 1023, 0x4433_2200 | 0);
		b.next();
		expect((b.port.x[A0]! >>> 0).toString(16)).toBe("2443322".padStart(7, "0"));
		expect(b.applied).toEqual([]);
		b.port.storeWord(INDEX + 1023, 0x4432_2200 | 0);
		b.next();
		expect((b.port.x[A0]! >>> 0).toString(16)).toBe("2443322");
		expect(b.applied).toEqual(["s 0"]);
	});

	it("in code: the hart executes something else", () => {
		// c.li a0, 1 is 4505; bit 2 makes 3 of 1: 450d has bit 3.
		const code: MachineRule = {
			id: "s",
			model: "memory.stuck",
			params: { pa: RAM_BASE, bit: 3, value: 1 },
			life: { forNs: 100 },
		};
		const g = guest("c.li a0, 1\nc.li a1, 5\nloop: j loop");
		const faults = new MachineFaults(g.machine, [code]);
		g.machine.runBare(10);
		expect([g.machine.hart.x[10], g.machine.hart.x[11]]).toEqual([3, 5]);
		expect(g.machine.memory.ram8[0]).toBe(0x05);
		expect(faults.ledger.total).toBe(1);
		g.machine.hart.pc = RAM_BASE;
		g.machine.clock.advance(1000);
		g.machine.runBare(10);
		expect(g.machine.hart.x[10]).toBe(1);
	});

	it("in a page table: another translation, while memory is right", () => {
		const b = broken([A_LOAD], []);
		const table = 4 * 1024 + ((DATA >>> 12) & 1023);
		b.faults.add({
			id: "pte",
			model: "memory.stuck",
			// Bit 10 of the entry, the lowest of the frame.
			params: { pa: RAM_BASE + table * 4 + 1, bit: 2, value: 1 },
		});
		const before = b.pte(DATA);
		b.next();
		expect([b.port.x[A0], b.pte(DATA)]).toEqual([2, before]);
	});

	it("comes and goes, where its life says so", () => {
		const b = broken([A_LOAD], [{ ...rule, life: { onNs: 50, offNs: 50 } }]);
		const seen = new Set<number>();
		for (let i = 0; i < 60; i++) {
			b.next();
			seen.add(b.port.x[A0]!);
		}
		expect([...seen].sort()).toEqual([1, 9]);
	});
});

describe("error correction", () => {
	it("corrects one wrong bit in each read, and a write removes it", () => {
		const b = broken([A_LOAD, A_STORE], [ECC, flip(PA, 0x10)]);
		for (let i = 0; i < 3; i++) {
			expect(b.next()).toBe(CAUSE_USER_ECALL);
			if (i !== 1) expect(b.port.x[A0]).toBe(i === 0 ? 1 : 77);
		}
		expect(effects(b)).toEqual([
			"flip: 0x1 became 0x11",
			"ecc: corrected",
			"ecc: corrected by a write",
		]);
		expect(b.port.correctedErrors).toBe(2);
		// Its page is as fast as any other again.
		expect(b.machine.hart.mirror.distrusts(0x300_0000 + DATA_FRAME * 4096)).toBe(false);
	});

	it("a store of the kernel removes a single error, too", () => {
		const b = broken([A_LOAD], [ECC, flip(PA, 0x10)]);
		b.next();
		b.port.storeWord(INDEX, 6);
		expect(b.machine.hart.mirror.distrusts(0x300_0000 + DATA_FRAME * 4096)).toBe(false);
	});

	it("scrubbing goes on in another machine, whatever the number of its rule", () => {
		const scrub = { ...ECC, params: { scrubNs: 1000 } } as MachineRule;
		const b = broken([A_LOAD], [flip(PA, 2)]);
		b.faults.add(scrub);
		b.faults.lift("flip");
		b.port.charge(300);
		const saved = structuredClone({ machine: b.machine.save(), faults: b.faults.save() });
		const machine = new Machine(b.machine.config);
		const faults = new MachineFaults(machine, [scrub], 5);
		machine.restore(saved.machine);
		faults.restore(saved.faults);
		expect(machine.clock.save().events).toEqual(b.machine.clock.save().events);
	});

	const double = [ECC, flip(PA, 0x10, "one"), flip(PA + 5, 0x20, "two")];

	it("two wrong bits of a word are a hardware error, for each kind of read", () => {
		const steps = [
			[A_LOAD, 0],
			["lb a0, 7(s2)", 7],
			["lr.w a0, (s2)", 0],
			["amoadd.w a0, x0, (s2)", 0],
			["addi t0, s2, 3\nlw a0, 0(t0)", 3],
		] as const;
		for (const [step, offset] of steps) {
			const b = broken([step], double);
			expect(b.next()).toBe(CAUSE_HARDWARE_ERROR);
			expect(b.port.stval).toBe(DATA + offset);
			expect(b.port.memoryError(PA - 8, 64)).toBe(PA);
			expect(b.port.memoryError(PA + 8, 64)).toBe(-1);
			expect(bytes(b.port, PA, 16)).toBe(null);
			expect(bytes(b.port, PA + 8, 16)).not.toBe(null);
			// Part of the word is not enough; all of it is.
			b.port.storeWord(INDEX, 5);
			expect(b.next()).toBe(CAUSE_HARDWARE_ERROR);
			b.port.writeRam(PA, Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0));
			expect(b.port.memoryError(PA - 8, 64)).toBe(-1);
			expect(b.next()).toBe(CAUSE_USER_ECALL);
			if (offset === 0) expect(b.port.x[A0]).toBe(6);
		}
	});

	it("an error in code is met by the fetch; one in a page table by the access", () => {
		const code = RAM_BASE + TEXT_FRAME * 4096 + 8;
		const b = broken(["nop", "nop"], [ECC, flip(code, 3)]);
		expect(b.next()).toBe(CAUSE_HARDWARE_ERROR);
		expect(b.port.stval).toBe(b.port.pc);
		const table = RAM_BASE + 4 * 4096 + ((DATA >>> 12) & 1023) * 4;
		const t = broken([A_LOAD], [ECC, flip(table, 3)]);
		expect(t.next()).toBe(CAUSE_HARDWARE_ERROR);
		expect(t.port.stval).toBe(DATA);
		expect(t.port.translate(DATA, 1)).toBe(-1);
	});

	it("a copied page carries the error along", () => {
		const b = broken(["lui t0, 1\nadd t0, t0, s2\nlw a0, 0(t0)"], double);
		b.next();
		b.port.copyPage(PA, PA + 4096);
		expect(b.next()).toBe(CAUSE_HARDWARE_ERROR);
		b.port.zeroPage(PA + 4096);
		expect(b.next()).toBe(CAUSE_USER_ECALL);
	});

	it("three wrong bits are an error, or something wrong, as the parameter says", () => {
		for (const miscorrect of [0, 1]) {
			const b = broken([A_LOAD], [{ ...ECC, params: { miscorrect } }, flip(PA, 0x70)]);
			expect(b.next()).toBe(miscorrect === 0 ? CAUSE_HARDWARE_ERROR : CAUSE_USER_ECALL);
			if (miscorrect === 1) expect(b.port.x[A0]).not.toBe(1);
		}
	});

	it("a stuck cell is corrected again and again; scrubbing removes what can be removed", () => {
		const stuck: MachineRule = {
			id: "s",
			model: "memory.stuck",
			params: { pa: PA + 16, bit: 0, value: 1 },
		};
		const rules = [{ ...ECC, params: { scrubNs: 1000 } }, stuck, flip(PA, 2)] as MachineRule[];
		const b = broken([A_LOAD, "lw a0, 16(s2)"], rules);
		b.next();
		b.port.charge(1500);
		const { corrected } = b.machine.memory.cells!;
		expect(corrected).toBe(2);
		for (let i = 0; i < 4; i++) expect(b.next()).toBe(CAUSE_USER_ECALL);
		expect([b.port.x[A0], b.port.correctedErrors]).toEqual([1, 4]);
		// Memory that was restored goes on scrubbing, once in the same time.
		const saved = structuredClone({ machine: b.machine.save(), faults: b.faults.save() });
		const machine = new Machine(b.machine.config);
		const port = machine.supervisor(panic);
		const faults = new MachineFaults(machine, rules, 5);
		machine.restore(saved.machine);
		faults.restore(saved.faults);
		expect(machine.clock.save().events).toEqual(b.machine.clock.save().events);
		expect(port.correctedErrors).toBe(4);
	});
});

describe("a row", () => {
	const rule = (params: object): MachineRule =>
		({ id: "row", model: "memory.row", params: { pa: PA + 20, ...params } }) as MachineRule;
	/** Which of the words of all frames read wrong. */
	function wrong(params: object): number[] {
		const b = broken([A_LOAD], [rule({ value: "stuck1", ...params })]);
		const found: number[] = [];
		for (let at = 0; at < b.port.ramSize; at += 4096) {
			const read = bytes(b.port, RAM_BASE + at, 4096)!;
			for (let i = 0; i < 4096; i += 8) {
				if (read[i] === 0xff && b.port.ram8[at + i] !== 0xff) found.push(at + i);
			}
		}
		return found;
	}

	it("is two pages, a bank every eighth row, a column a word of each", () => {
		const row = wrong({});
		expect([row.length, row[0]]).toEqual([1024, DATA_FRAME * 4096]);
		const bank = wrong({ kind: "bank" });
		expect(bank).toHaveLength((2 ** 20 / 8 / 8) | 0);
		const column = wrong({ kind: "column" });
		expect(column).toHaveLength(2 ** 20 / 8192 / 8);
		expect(new Set(column.map((at) => at % 8192))).toEqual(new Set([16]));
		expect(wrong({ kind: "bank", banks: 4, rowBytes: 4096 })).toHaveLength(2 ** 20 / 8 / 4);
	});

	it("reads as what failed cells give, and random cells the same each time", () => {
		const b = broken([A_LOAD], [rule({})]);
		b.next();
		expect([b.port.x[A0], b.port.ram32[INDEX]]).toEqual([0, 1]);
		const r = broken([A_LOAD], [rule({ value: "random" })]);
		r.next();
		const first = r.port.x[A0]!;
		r.next();
		expect([r.port.x[A0], first === 1]).toEqual([first, false]);
	});

	it("that is dead is an error that writing does not remove", () => {
		for (const rules of [[rule({ value: "dead" })], [ECC, rule({ value: "dead" })]]) {
			const b = broken([A_LOAD], rules);
			for (let i = 0; i < 2; i++) {
				expect(b.next()).toBe(CAUSE_HARDWARE_ERROR);
				expect(b.port.memoryError(PA, 8)).toBe(PA);
				b.port.zeroPage(PA);
				expect(b.port.memoryError(PA, 8)).toBe(-1);
			}
		}
	});
});

describe("a cell that fails on", () => {
	/** Load, store 77, load; bit 2 of 1 is 0, of 77 it is 1. */
	function run(params: Partial<CellFault>, start = 1): [number, number, number] {
		const rule: MachineRule = {
			id: "c",
			model: "memory.cell",
			params: { pa: PA, bit: 2, ...params },
		};
		const b = broken([A_LOAD, A_STORE, A_LOAD], [rule]);
		if (start !== 1) b.port.storeWord(INDEX, start);
		b.next();
		const before = b.port.x[A0]!;
		b.machine.stateHash();
		b.next();
		b.next();
		expect(b.machine.stateHash()).toBe(scratchHash(b.machine));
		return [before, b.port.x[A0]!, b.port.ram32[INDEX]!];
	}

	it("a transition keeps its value", () => {
		expect(run({ mode: "tf1" })).toEqual([1, 73, 73]);
		expect(run({ mode: "tf0", bit: 1 }, 3)).toEqual([3, 79, 79]);
		expect(run({ mode: "tf0" })).toEqual([1, 77, 77]);
	});

	it("a write that changes nothing is inverted", () => {
		expect(run({ mode: "wdf", bit: 0 })).toEqual([1, 76, 76]);
		expect(run({ mode: "wdf" })).toEqual([1, 77, 77]);
	});

	it("a read is inverted, before or after it, or only the value is", () => {
		expect(run({ mode: "rdf" })).toEqual([5, 73, 73]);
		expect(run({ mode: "drdf" })).toEqual([1, 77, 73]);
		expect(run({ mode: "irf" })).toEqual([5, 73, 77]);
	});

	it("a change of another cell is inverted", () => {
		const other = { aggressorPa: PA, aggressorBit: 3 };
		expect(run({ mode: "cf", ...other })).toEqual([1, 73, 73]);
		expect(run({ mode: "cf", aggressorPa: PA, aggressorBit: 0 })).toEqual([1, 77, 77]);
	});

	it("a transition has an error, where there is error correction", () => {
		const rule: MachineRule = { id: "c", model: "memory.cell", params: { pa: PA, bit: 2 } };
		const b = broken([A_STORE, A_LOAD], [ECC, rule]);
		b.next();
		b.next();
		expect([b.port.x[A0], effects(b)]).toEqual([77, ["c: stayed 0", "ecc: corrected"]]);
	});
});

it("parameters out of range are refused, and a second error correction", () => {
	const b = broken([A_LOAD], [ECC]);
	for (const [model, params] of [
		["memory.stuck", { pa: 0x1000, bit: 0 }],
		["memory.stuck", { pa: PA, bit: 8 }],
		["memory.row", { pa: RAM_BASE + 2 ** 20 }],
		["memory.row", { pa: PA, rowBytes: 100 }],
		["memory.cell", { pa: PA, bit: 1, aggressorPa: PA }],
		["memory.cell", { pa: PA, bit: 1, mode: "cf", aggressorPa: PA }],
		["memory.cell", { pa: RAM_BASE + 2 ** 20 - 1, bit: 1, mode: "cf" }],
		["memory.ecc", {}],
	] as const) {
		const rule = { id: "x", model, params } as MachineRule;
		expect(() => b.faults.add(rule), JSON.stringify(rule)).toThrow(UserError);
	}
});
