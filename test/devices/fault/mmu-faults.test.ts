/** Fences that do less than they should, walks that read what is not there, bits nobody has set. */
import { describe, expect, it } from "vitest";
import { MachineFaults } from "../../../devices/fault/machine-faults.ts";
import type { MachineRule } from "../../../devices/fault/machine-rule.ts";
import { Machine } from "../../../machine/machine.ts";
import { RAM_BASE } from "../../../machine/memory.ts";
import {
	CAUSE_LOAD_PAGE_FAULT,
	CAUSE_STORE_PAGE_FAULT,
	CAUSE_USER_ECALL,
	FENCE_ALL,
} from "../../../machine/port.ts";
import { UserError } from "../../../machine/user-error.ts";
import { panic } from "../../../sys/panic.ts";
import { RW } from "../../machine/user.ts";
import { A_LOAD, A_STORE, A0, broken, DATA, DATA_FRAME, FRESH, PTE_A, PTE_D } from "./broken.ts";

const AD = PTE_A | PTE_D;
const ppn = (frame: number): number => (RAM_BASE / 4096 + frame) << 10;

describe("a partial fence", () => {
	/** Fill the TLB by hand, fence, and see what is left: [vpn, asid]. */
	function left(keeps: "half" | "superpages" | "global" | "others", va: number, asid: number) {
		const rule: MachineRule = { id: "p", model: "mmu.partial-fence", params: { keeps } };
		const b = broken([A_LOAD], [rule], { tlbEntries: 16, tlbWays: 2 });
		const { tlb } = b.machine.hart;
		tlb.fill(2, false, false, 1, 0xdf);
		tlb.fill(3, false, false, 1, 0xdf);
		tlb.fill(4, false, true, 2, 0xdf);
		tlb.fill(5, false, false, 2, 0xdf);
		tlb.fill(0x400, true, false, 1, 0xdf);
		b.port.sfenceVma(va, asid);
		const entries = tlb.list().map((e) => e.vpn);
		expect(b.applied).toEqual(["p 0"]);
		b.port.sfenceVma(FENCE_ALL, FENCE_ALL);
		expect(tlb.list()).toEqual([]);
		return entries.sort((x, y) => x - y);
	}

	it("leaves entries of its kind, and the next one does not", () => {
		expect(left("half", FENCE_ALL, FENCE_ALL)).toEqual([3, 5, 0x400]);
		expect(left("superpages", FENCE_ALL, FENCE_ALL)).toEqual([0x400]);
		expect(left("global", FENCE_ALL, FENCE_ALL)).toEqual([4]);
		expect(left("others", FENCE_ALL, FENCE_ALL)).toEqual([5]);
		// What the fence does not name stays anyway.
		expect(left("half", FENCE_ALL, 1)).toEqual([3, 4, 5, 0x400]);
		expect(left("superpages", 2 * 4096, FENCE_ALL)).toEqual([3, 4, 5, 0x400]);
	});
});

describe("a delayed fence", () => {
	const rule: MachineRule = {
		id: "late",
		model: "mmu.delayed-fence",
		params: { delayInsns: 7 },
	};

	/** Move the page to its second frame with a fence, before the loop runs on. */
	function moved() {
		const b = broken([A_LOAD, "nop", "nop"], [rule]);
		b.next();
		b.map(DATA, DATA_FRAME + 1, RW);
		b.port.sfenceVma(DATA, FENCE_ALL);
		return b;
	}

	it("takes effect after so many instructions, and not before", () => {
		const b = moved();
		const { hart } = b.machine;
		const fenced = hart.counters.instret;
		const seen: number[] = [];
		for (let i = 0; i < 12; i++) {
			b.next();
			if (b.port.x[A0] === 2) seen.push(hart.counters.instret - fenced);
		}
		// The loop loads once in five instructions that retire: calls do not.
		expect(seen[0]).toBeGreaterThanOrEqual(7);
		expect(seen[0]).toBeLessThanOrEqual(7 + 5);
		expect(hart.faults).toBe(null);
		expect(b.applied).toEqual(["late 0"]);
	});

	it("is part of a saved state", () => {
		const b = moved();
		for (let i = 0; i < 4; i++) b.next();
		const saved = structuredClone({ machine: b.machine.save(), faults: b.faults.save() });
		const machine = new Machine(b.machine.config);
		const port = machine.supervisor(panic);
		const faults = new MachineFaults(machine, [rule], 5);
		machine.restore(saved.machine);
		faults.restore(saved.faults);
		expect(machine.hart.tlb.list()).toEqual(b.machine.hart.tlb.list());
		for (let i = 0; i < 12; i++) {
			b.next();
			port.run();
			if (port.scause === CAUSE_USER_ECALL) port.pc += 4;
			expect(machine.stateHash()).toBe(b.machine.stateHash());
		}
		expect(port.x[A0]).toBe(2);
	});
});

it("a stale entry outlives as many fences as the rule covers, and the others go", () => {
	const rule: MachineRule = {
		id: "stale",
		model: "mmu.stale-entry",
		params: { va: DATA + 8 },
		life: { count: 2 },
	};
	const b = broken([A_LOAD], [rule]);
	b.next();
	b.map(DATA, DATA_FRAME + 1, RW);
	const { tlb } = b.machine.hart;
	for (let i = 0; i < 2; i++) {
		b.port.sfenceVma(i === 0 ? FENCE_ALL : DATA, FENCE_ALL);
		expect(tlb.list().map(({ vpn }) => vpn)).toContain(DATA >>> 12);
		if (i === 0) expect(tlb.list()).toHaveLength(1);
		// A fence of another page is no candidate.
		b.port.sfenceVma(DATA + 0x5000, FENCE_ALL);
		b.next();
		expect(b.port.x[A0]).toBe(1);
	}
	b.port.sfenceVma(DATA, FENCE_ALL);
	b.next();
	expect([b.port.x[A0], b.applied]).toEqual([2, ["stale 0", "stale 1"]]);
});

describe("a bit inverted on a walk", () => {
	const flip = (rest: object): MachineRule => ({
		id: "w",
		model: "mmu.walk-flip",
		params: { va: DATA, ...rest },
	});

	it("is in the TLB until a fence, and never in RAM", () => {
		// The lowest bit of the PPN: frames 30 and 31.
		const b = broken([A_LOAD], [flip({ bit: 10 })]);
		const before = b.pte(DATA);
		for (let i = 0; i < 2; i++) {
			b.next();
			expect([b.port.x[A0], b.pte(DATA)]).toEqual([2, before]);
		}
		b.port.sfenceVma(DATA, FENCE_ALL);
		b.next();
		expect([b.port.x[A0], b.pte(DATA), b.applied]).toEqual([1, before, ["w 0"]]);
	});

	it("without V is a page fault, which heals; A and D are set in the right entry", () => {
		const b = broken([A_STORE], [flip({ field: "V" })], {}, FRESH);
		expect(b.next()).toBe(CAUSE_STORE_PAGE_FAULT);
		expect(b.pte(DATA) & AD).toBe(0);
		expect(b.next()).toBe(CAUSE_USER_ECALL);
		const other = broken([A_STORE], [flip({ bit: 10 })], {}, FRESH);
		other.next();
		expect(other.pte(DATA)).toBe((ppn(DATA_FRAME) | FRESH | AD) >>> 0);
		expect(other.port.ram32[(DATA_FRAME + 1) * 1024]).toBe(77);
	});

	it("of a pointer leads to another table, or to none", () => {
		const b = broken([A_LOAD], [flip({ level: 1, bit: 31 })]);
		b.next();
		// Outside RAM: the walk's own access faults.
		expect(b.port.scause).toBe(5);
		expect(b.next()).toBe(CAUSE_USER_ECALL);
	});
});

describe("a walk at the wrong level", () => {
	const wrong = (as: "pointer" | "leaf" | "superpage"): MachineRule => ({
		id: "l",
		model: "mmu.wrong-level",
		params: { va: DATA, as },
	});

	it("takes a leaf for one of 4 MiB, so that other pages are wrong until a fence", () => {
		const load2 = "lui t0, 1\nadd t0, t0, s2\nlw a0, 0(t0)";
		const b = broken([A_LOAD, load2], [wrong("superpage")]);
		b.next();
		expect(b.machine.hart.tlb.list().some(({ superpage }) => superpage)).toBe(true);
		b.next();
		// The superpage begins at a multiple of its size, outside of what the page maps.
		expect(b.port.x[A0]).not.toBe(2);
		b.port.sfenceVma(FENCE_ALL, FENCE_ALL);
		b.next();
		b.next();
		expect([b.port.x[A0], b.applied]).toEqual([2, ["l 0"]]);
	});

	it("takes a pointer for a leaf: a page fault, once", () => {
		const b = broken([A_LOAD], [wrong("leaf")]);
		expect(b.next()).toBe(CAUSE_LOAD_PAGE_FAULT);
		expect(b.next()).toBe(CAUSE_USER_ECALL);
		expect([b.port.x[A0], b.applied]).toEqual([1, ["l 0"]]);
	});

	it("follows a leaf in the directory as if it were a pointer", () => {
		const b = broken([A_LOAD], [wrong("pointer")]);
		// A page of 4 MiB whose frame is a table: entry 0 of it maps frame 31.
		const entry = 1024 + (DATA >>> 22);
		b.port.storeWord(entry, (ppn(0) | RW) >>> 0);
		b.port.storeWord(0, (ppn(DATA_FRAME + 1) | RW) >>> 0);
		b.next();
		expect([b.port.x[A0], b.applied]).toEqual([2, ["l 0"]]);
		b.port.sfenceVma(FENCE_ALL, FENCE_ALL);
		b.next();
		expect(b.port.x[A0]).toBe(ppn(DATA_FRAME + 1) | RW | 0);
	});
});

describe("bits that nobody has set", () => {
	it("a false D: a page that was only read is dirty, in RAM and in the TLB", () => {
		for (const adPolicy of ["hardware", "trap"] as const) {
			const rule: MachineRule = { id: "d", model: "mmu.false-d", params: { va: DATA } };
			const b = broken([A_LOAD, A_STORE], [rule], { adPolicy }, FRESH | PTE_A);
			expect(b.next()).toBe(CAUSE_USER_ECALL);
			expect([b.pte(DATA) & AD, b.applied]).toEqual([AD, ["d 0"]]);
			expect(b.next()).toBe(CAUSE_USER_ECALL);
			expect(b.machine.hart.mmu.counters.dirtyUpgrades).toBe(0);
		}
	});

	it("a false A: a page that nobody has touched was accessed", () => {
		const neighbour: MachineRule = { id: "a", model: "mmu.false-a", params: {} };
		const named: MachineRule = { ...neighbour, params: { va: DATA + 4096 } };
		for (const rule of [neighbour, named]) {
			const b = broken([A_LOAD], [rule], {}, FRESH);
			b.next();
			expect(b.pte(DATA + 4096) & AD).toBe(PTE_A);
			expect(b.applied).toEqual(["a 0"]);
		}
	});
});

it("parameters out of range are refused", () => {
	const u = broken([A_LOAD], []);
	const add = (rule: MachineRule) => () => u.faults.add(rule);
	for (const rule of [
		{ id: "x", model: "mmu.delayed-fence", params: { delayInsns: 0 } },
		{ id: "x", model: "mmu.stale-entry", params: { va: 2 ** 32 } },
		{ id: "x", model: "mmu.walk-flip", params: { bit: 32 } },
		{ id: "x", model: "mmu.walk-flip", params: { bit: 3, field: "V" } },
		{ id: "x", model: "mmu.false-a", params: { asid: 512 } },
	] as MachineRule[]) {
		expect(add(rule)).toThrow(UserError);
	}
});
