/** Fences that are lost, A and D bits that are missed, page faults without reason. */
import { describe, expect, it } from "vitest";
import { MachineFaults } from "../../../devices/fault/machine-faults.ts";
import type { MachineRule } from "../../../devices/fault/machine-rule.ts";
import type { MissedD } from "../../../devices/fault/mmu-rule.ts";
import {
	CAUSE_INSTRUCTION_PAGE_FAULT,
	CAUSE_LOAD_PAGE_FAULT,
	CAUSE_STORE_PAGE_FAULT,
	CAUSE_USER_ECALL,
	FENCE_ALL,
} from "../../../machine/port.ts";
import { guest } from "../../isa/guest.ts";
import { RO, RW } from "../../machine/user.ts";
import {
	A_LOAD,
	A_STORE,
	A0,
	type Broken,
	broken,
	DATA,
	DATA_FRAME,
	FRESH,
	PTE_A,
	PTE_D,
} from "./broken.ts";

const AD = PTE_A | PTE_D;
const ad = (b: Broken): number => b.pte(DATA) & AD;
const data = (b: Broken): number => b.port.ram32[DATA_FRAME * 1024]!;

describe("a lost fence", () => {
	/** Move the page to the second frame, with a fence. => what is loaded then */
	function moved(rule: MachineRule | null, va: number, asid: number): number {
		const b = broken([A_LOAD], rule === null ? [] : [rule]);
		b.next();
		expect(b.port.x[A0]).toBe(1);
		b.map(DATA, DATA_FRAME + 1, RW);
		b.port.sfenceVma(va, asid);
		b.next();
		return b.port.x[A0]!;
	}

	const FENCES: [string, number, number][] = [
		["full", FENCE_ALL, FENCE_ALL],
		["va", DATA, FENCE_ALL],
		["asid", FENCE_ALL, 1],
		["va and asid", DATA, 1],
	];
	const LOST = {
		all: ["full", "va", "asid", "va and asid"],
		va: ["va", "va and asid"],
		asid: ["asid", "va and asid"],
		full: ["full"],
	} as const;

	it("leaves the old translation in force, for fences of its scope", () => {
		for (const scope of ["all", "va", "asid", "full"] as const) {
			const rule: MachineRule = { id: "f", model: "mmu.lost-fence", params: { scope } };
			const lost = FENCES.filter(([, va, asid]) => moved(rule, va, asid) === 1);
			expect(lost.map(([name]) => name)).toEqual(LOST[scope]);
		}
		for (const [, va, asid] of FENCES) expect(moved(null, va, asid)).toBe(2);
	});

	it("is one of an instruction, too, which retires", () => {
		const g = guest("sfence.vma x0, x0\nsfence.vma x0, x0\nloop: j loop");
		const { hart } = g.machine;
		const rule: MachineRule = { id: "f", model: "mmu.lost-fence", params: {}, when: { hit: 1 } };
		const faults = new MachineFaults(g.machine, [rule]);
		hart.tlb.fill(5, false, false, 1, 0xdf);
		g.machine.runBare(1);
		expect([hart.tlb.list().length, hart.counters.instret]).toEqual([1, 1]);
		expect(hart.mmu.counters.fencesAll).toBe(1);
		expect(faults.ledger.entries).toEqual([
			{
				rule: "f",
				ordinal: 0,
				ns: 0,
				instructions: 0,
				pc: 0x8000_0000,
				target: "sfence.vma va all asid all",
				effect: "lost",
			},
		]);
		g.machine.runBare(1);
		expect(hart.tlb.list()).toEqual([]);
	});

	it("is none of power on", () => {
		const b = broken(
			[A_LOAD],
			[{ id: "f", model: "mmu.lost-fence", params: {}, life: "permanent" }],
		);
		b.next();
		b.machine.reset(0x8000_0000);
		expect(b.machine.hart.tlb.list()).toEqual([]);
		expect(b.applied).toEqual([]);
	});
});

describe("a missed D", () => {
	const missed = (rest: Partial<MachineRule> = {}): MachineRule =>
		({ id: "d", model: "mmu.missed-d", params: {}, ...rest }) as MachineRule;

	it("leaves a page clean that was written, by a first store or after a load", () => {
		for (const steps of [[A_STORE], [A_LOAD, A_STORE]]) {
			const b = broken(steps, [missed()], {}, FRESH);
			for (const _ of steps) expect(b.next()).toBe(CAUSE_USER_ECALL);
			expect([data(b), ad(b)]).toEqual([77, PTE_A]);
			expect(b.applied).toEqual(["d 0"]);
			// The next store is done right.
			for (const _ of steps) b.next();
			expect(ad(b)).toBe(AD);
		}
	});

	it("comes again with every store while it lasts", () => {
		const b = broken([A_STORE], [missed({ life: { count: 3 } })], {}, FRESH);
		for (let i = 0; i < 3; i++) {
			b.next();
			expect(ad(b)).toBe(PTE_A);
		}
		b.next();
		expect(ad(b)).toBe(AD);
		expect(b.applied).toEqual(["d 0", "d 1", "d 2"]);
	});

	it("with a dirty entry is not seen again before a fence", () => {
		for (const adPolicy of ["hardware", "trap"] as const) {
			const params = { entry: "dirty" } as const;
			const flags = FRESH | PTE_A;
			const b = broken([A_LOAD, A_STORE], [missed({ params })], { adPolicy }, flags);
			for (let i = 0; i < 6; i++) expect(b.next()).toBe(CAUSE_USER_ECALL);
			expect([data(b), ad(b)]).toEqual([77, PTE_A]);
			expect(b.faults.armings[0]!.candidates).toBe(1);
			const { tlb } = b.machine.hart;
			expect(tlb.pte(tlb.find(DATA >>> 12, 1)) & PTE_D).toBe(PTE_D);
			b.port.sfenceVma(DATA, FENCE_ALL);
			b.next();
			if (adPolicy === "hardware") {
				b.next();
				expect(ad(b)).toBe(AD);
			} else expect(b.next()).toBe(CAUSE_STORE_PAGE_FAULT);
		}
	});

	it("where software sets D is a store that does not fault", () => {
		const options = { adPolicy: "trap" } as const;
		const flags = FRESH | PTE_A;
		expect(broken([A_STORE], [], options, flags).next()).toBe(CAUSE_STORE_PAGE_FAULT);
		for (const steps of [[A_STORE], [A_LOAD, A_STORE]]) {
			const b = broken(steps, [missed()], options, flags);
			for (const _ of steps) expect(b.next()).toBe(CAUSE_USER_ECALL);
			expect([data(b), ad(b), b.applied]).toEqual([77, PTE_A, ["d 0"]]);
			if (steps.length === 2) b.next();
			expect(b.next()).toBe(CAUSE_STORE_PAGE_FAULT);
		}
		// It faults for A as well: that is no candidate.
		const b = broken([A_STORE], [missed()], options, FRESH);
		expect(b.next()).toBe(CAUSE_STORE_PAGE_FAULT);
		expect(b.faults.armings[0]!.candidates).toBe(0);
	});

	it("concerns the page and the address space that it names", () => {
		const store = (params: MissedD): number => {
			const b = broken([A_STORE], [missed({ params: { ...params } })], {}, FRESH);
			b.next();
			return ad(b);
		};
		expect(store({ va: DATA + 8 })).toBe(PTE_A);
		expect(store({ va: DATA + 4096 })).toBe(AD);
		expect(store({ asid: 1 })).toBe(PTE_A);
		expect(store({ asid: 2 })).toBe(AD);
	});
});

describe("a missed A", () => {
	const rule: MachineRule = {
		id: "a",
		model: "mmu.missed-a",
		params: { va: DATA },
		life: "permanent",
	};

	it("leaves a page unused that was read", () => {
		const b = broken([A_LOAD], [rule], {}, FRESH);
		for (let i = 0; i < 3; i++) b.next();
		expect([b.port.x[A0], ad(b), b.applied]).toEqual([1, 0, ["a 0"]]);
		b.port.sfenceVma(DATA, FENCE_ALL);
		b.next();
		expect([ad(b), b.applied]).toEqual([0, ["a 0", "a 1"]]);
		b.faults.lift("a");
		b.port.sfenceVma(DATA, FENCE_ALL);
		b.next();
		expect(ad(b)).toBe(PTE_A);
	});

	it("does not keep a store from setting D", () => {
		const b = broken([A_STORE], [rule], {}, FRESH);
		b.next();
		expect([data(b), ad(b)]).toEqual([77, PTE_D]);
	});

	it("where software sets A is an access that does not fault", () => {
		const options = { adPolicy: "trap" } as const;
		expect(broken([A_LOAD], [], options, FRESH).next()).toBe(CAUSE_LOAD_PAGE_FAULT);
		const b = broken([A_LOAD], [rule], options, FRESH);
		expect(b.next()).toBe(CAUSE_USER_ECALL);
		expect([b.port.x[A0], ad(b)]).toEqual([1, 0]);
	});
});

describe("a spurious fault", () => {
	it("stops an access of its kind, which succeeds when it is tried again", () => {
		for (const [access, cause, step] of [
			["fetch", CAUSE_INSTRUCTION_PAGE_FAULT, "nop"],
			["load", CAUSE_LOAD_PAGE_FAULT, A_LOAD],
			["store", CAUSE_STORE_PAGE_FAULT, A_STORE],
		] as const) {
			const rule: MachineRule = { id: "s", model: "mmu.spurious-fault", params: { access } };
			const b = broken([step], [rule], {}, FRESH);
			expect(b.next()).toBe(cause);
			if (access !== "fetch") expect(b.port.stval).toBe(DATA);
			expect([ad(b), data(b)]).toEqual([0, 1]);
			expect(b.next()).toBe(CAUSE_USER_ECALL);
			expect([b.port.x[A0], data(b)]).toEqual([
				access === "load" ? 1 : 0,
				access === "store" ? 77 : 1,
			]);
			expect(b.applied).toEqual(["s 0"]);
		}
	});

	it("is none where the page table forbids the access", () => {
		const rule: MachineRule = { id: "s", model: "mmu.spurious-fault", params: { va: DATA } };
		const b = broken([A_STORE], [rule], {}, RO);
		expect(b.next()).toBe(CAUSE_STORE_PAGE_FAULT);
		expect(b.faults.armings[0]!.candidates).toBe(0);
	});
});

it("no rule acts outside of its window", () => {
	const models = ["mmu.missed-a", "mmu.missed-d", "mmu.spurious-fault", "mmu.lost-fence"] as const;
	const at = (b: Broken): void => {
		b.setPte(DATA, b.pte(DATA) & ~AD);
		b.port.sfenceVma(DATA, FENCE_ALL);
		for (let i = 0; i < 2; i++) b.next();
	};
	for (const model of models) {
		const rule = {
			id: "w",
			model,
			params: {},
			when: { window: [1000, 2000] },
			life: "once",
			budget: { times: -1 },
		} as unknown as MachineRule;
		const b = broken([A_STORE], [rule], {}, FRESH);
		at(b);
		b.port.charge(1000 - b.port.cycles);
		at(b);
		const { total } = b.faults.ledger;
		expect(total, model).toBeGreaterThan(0);
		for (const { ns } of b.faults.ledger.entries) expect(ns).toBeGreaterThanOrEqual(1000);
		b.port.charge(2000 - b.port.cycles);
		at(b);
		expect(b.faults.ledger.total, model).toBe(total);
	}
});
