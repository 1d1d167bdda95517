/** Swap slots: which device, which slot, and what a bad one is. */
import { beforeEach, describe, expect, it } from "vitest";
import {
	SWSLOT_BAD,
	SWSLOT_NONE,
	uvm_swap_alloc,
	uvm_swap_free,
	uvm_swap_isallocated,
	uvm_swap_markbad,
	uvm_swpgonly_add,
} from "../../../kernel/uvm/uvm_swap.ts";
import { swap_on } from "../../../kernel/uvm/uvm_swapctl.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { ld, TestKernel } from "../../support/kernel.ts";
import { checkAtRest, expectPattern, fill } from "../../support/paging.ts";

/** Pages of the disks here, with the label. */
const PAGES = 65;

let t: TestKernel;

/** A kernel with a swap disk for each priority. */
function withPriorities(...priorities: number[]): void {
	t = new TestKernel({ disks: priorities.map(() => PAGES * PAGE_SIZE), swapDisks: 0 });
	for (const [i, priority] of priorities.entries()) {
		expect(swap_on(t.k, `/dev/ld${i}`, ld(i), priority)).toBe(0);
	}
}

const unitOf = (slot: number): number => t.disks.indexOf(t.sector(slot).disk);

/** Allocate `n` times; the disk of each slot. */
const units = (n: number): number[] =>
	Array.from({ length: n }, () => unitOf(uvm_swap_alloc(t.k, 1, false)));

beforeEach(() => withPriorities(0));

describe("uvm_swap_alloc", () => {
	it("takes the devices of the lowest priority value first, until they are full", () => {
		withPriorities(5, 1, 3);
		expect(units(64)).toEqual(new Array(64).fill(1));
		expect(units(64)).toEqual(new Array(64).fill(2));
		expect(units(64)).toEqual(new Array(64).fill(0));
		expect(uvm_swap_alloc(t.k, 1, true)).toBe(SWSLOT_NONE);
	});

	it("gives devices of equal priority their turns, and no turn to others", () => {
		withPriorities(2, 1, 1, 1);
		expect(units(7)).toEqual([1, 2, 3, 1, 2, 3, 1]);
	});

	it("goes back to a better device when it has room again", () => {
		withPriorities(1, 2);
		const first = uvm_swap_alloc(t.k, 64, false);
		expect(units(2)).toEqual([1, 1]);
		uvm_swap_free(t.k, first + 10, 1);
		expect(units(2)).toEqual([0, 1]);
	});

	it("allocates adjacent slots, all or none", () => {
		const slot = uvm_swap_alloc(t.k, 16, false);
		expect(t.k.uvm.swap_alloc_nslots).toBe(16);
		for (let i = 0; i < 16; i++) expect(uvm_swap_isallocated(t.k, slot + i)).toBe(true);
		expect(uvm_swap_alloc(t.k, 49, false)).toBe(SWSLOT_NONE);
		expect(t.k.uvm.swap_alloc_nslots).toBe(0);
		expect(t.k.uvmexp.swpginuse).toBe(16);
	});

	it("with lessok falls from the whole run to a single slot", () => {
		const all = uvm_swap_alloc(t.k, 64, false);
		for (let i = 0; i < 64; i += 16) uvm_swap_free(t.k, all + i, 15);
		expect(uvm_swap_alloc(t.k, 16, false)).toBe(SWSLOT_NONE);
		expect(uvm_swap_alloc(t.k, 16, true)).toBe(all);
		expect(t.k.uvm.swap_alloc_nslots).toBe(1);
		expect(uvm_swap_alloc(t.k, 15, true)).toBe(all + 16);
		expect(t.k.uvm.swap_alloc_nslots).toBe(15);
	});

	it("with lessok prefers a whole run on a worse device to a single slot on a better one", () => {
		withPriorities(1, 2);
		const all = uvm_swap_alloc(t.k, 64, false);
		uvm_swap_free(t.k, all, 1);
		expect(unitOf(uvm_swap_alloc(t.k, 16, true))).toBe(1);
		expect(t.k.uvm.swap_alloc_nslots).toBe(16);
	});

	it("numbers slots from 1, and never hands out a label", () => {
		withPriorities(0, 0);
		const slots: number[] = [];
		for (let slot = 0; (slot = uvm_swap_alloc(t.k, 1, false)) !== 0; ) slots.push(slot);
		expect(slots.sort((a, b) => a - b)).toEqual(
			[...Array(2 * PAGES).keys()].map((i) => i + 1).filter((slot) => slot % PAGES !== 1),
		);
		expect(t.k.uvmexp).toMatchObject({ swpages: 128, swpginuse: 128 });
		for (const slot of slots) expect(t.sector(slot).sector).toBeGreaterThanOrEqual(8);
	});
});

describe("uvm_swap_free", () => {
	it("ignores a bad slot, and panics for none, for a free one, and for one of no device", () => {
		const slot = uvm_swap_alloc(t.k, 1, false);
		uvm_swap_free(t.k, SWSLOT_BAD, 1);
		expect(t.k.uvmexp.swpginuse).toBe(1);
		expect(() => uvm_swap_free(t.k, SWSLOT_NONE, 1)).toThrow("slot on no device");
		expect(() => uvm_swap_free(t.k, 10_000, 1)).toThrow("slot on no device");
		uvm_swap_free(t.k, slot, 1);
		expect(() => uvm_swap_free(t.k, slot, 1)).toThrow("slot is free already");
	});
});

describe("uvm_swap_markbad", () => {
	it("keeps slots from ever being used again", () => {
		const slot = uvm_swap_alloc(t.k, 8, false);
		uvm_swpgonly_add(t.k, 2);
		uvm_swap_markbad(t.k, slot + 3, 2);
		uvm_swap_free(t.k, slot, 3);
		uvm_swap_free(t.k, slot + 5, 3);
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 2, swpgbad: 2, swpgonly: 0 });
		const slots: number[] = [];
		for (let next = 0; (next = uvm_swap_alloc(t.k, 1, false)) !== 0; ) slots.push(next);
		expect(slots).toHaveLength(62);
		expect(slots).not.toContain(slot + 3);
		expect(slots).not.toContain(slot + 4);
	});

	it("a disk that cannot write its first half keeps the data in the other", () => {
		t = new TestKernel({ disks: [4 << 20] });
		t.disks[0]!.failWrites(0, 4096);
		const uobj = t.aobj(300);
		t.run(fill(t, uobj, Array(300).keys()));
		expectPattern(t, uobj, Array(300).keys());
		expect(t.k.uvmexp.swpgbad).toBeGreaterThanOrEqual(100);
		checkAtRest(t, uobj);
	});
});

describe("the label", () => {
	it("survives any amount of paging", () => {
		t = new TestKernel({ disks: [2 << 20] });
		const label = new Uint8Array(PAGE_SIZE).fill(0xa5);
		t.disks[0]!.write(0, label);
		const uobj = t.aobj(500);
		t.run(fill(t, uobj, Array(500).keys()));
		expectPattern(t, uobj, Array(500).keys());
		const found = new Uint8Array(PAGE_SIZE);
		t.disks[0]!.read(0, found);
		expect(found).toEqual(label);
	});
});
