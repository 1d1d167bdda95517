/** uvm_shareprot, which no pager of 2002 calls: what it does to all who share an object. */
import { beforeEach, describe, expect, it } from "vitest";
import { simple_lock, simple_unlock } from "../../../kernel/kern/core/kern_lock.ts";
import { uao_reference } from "../../../kernel/uvm/uvm_aobj.ts";
import type { uvm_aobj } from "../../../kernel/uvm/uvm_aobj_slots.ts";
import { uvm_map_lookup_entry } from "../../../kernel/uvm/uvm_map_entry.ts";
import { uvm_shareprot } from "../../../kernel/uvm/uvm_pager.ts";
import { ACCESS_LOAD, ACCESS_STORE } from "../../../machine/port.ts";
import { pmap_activate } from "../../../pmap/pmap.ts";
import { PAGE_SIZE, VM_PROT_NONE, VM_PROT_READ } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE } from "../../support/address-space.ts";
import { TestKernel } from "../../support/kernel.ts";

const PAGES = 4;
let t: TestKernel;
let uobj: uvm_aobj;
let spaces: AddressSpace[];

beforeEach(() => {
	t = new TestKernel();
	uobj = t.aobj(2 * PAGES);
	uao_reference(t.k, uobj);
	spaces = [new AddressSpace(t), new AddressSpace(t)];
	for (const space of spaces) {
		space.object(BASE, 2 * PAGES, uobj);
		for (let i = 0; i < 2 * PAGES; i++) t.run(space.store(BASE + i * PAGE_SIZE, i));
	}
});

/** Whether user mode could access page `i` of a space now, without a fault. */
function allowed(space: AddressSpace, i: number, access: 1 | 2): boolean {
	pmap_activate(t.k, space.map.pmap);
	return t.k.port.translate(BASE + i * PAGE_SIZE, access) >= 0;
}

/** Apply it to the first half of the object, through an entry that maps just that. */
function shareprot(prot: number): void {
	const entry = { ...uvm_map_lookup_entry(spaces[0]!.map, BASE) };
	entry.end = entry.start + PAGES * PAGE_SIZE;
	simple_lock(t.k, uobj.vmobjlock);
	uvm_shareprot(t.k, entry, prot);
	simple_unlock(t.k, uobj.vmobjlock);
}

describe("uvm_shareprot", () => {
	it("takes writing away in every map, and only in the entry's range", () => {
		shareprot(VM_PROT_READ);
		for (const space of spaces) {
			expect([allowed(space, 0, ACCESS_LOAD), allowed(space, 0, ACCESS_STORE)]).toEqual([
				true,
				false,
			]);
			expect(allowed(space, PAGES - 1, ACCESS_STORE)).toBe(false);
			expect(allowed(space, PAGES, ACCESS_STORE)).toBe(true);
		}
	});

	it("removes the mappings if nothing is to be allowed", () => {
		shareprot(VM_PROT_NONE);
		for (const space of spaces) {
			expect(allowed(space, 0, ACCESS_LOAD)).toBe(false);
			expect(allowed(space, PAGES, ACCESS_LOAD)).toBe(true);
		}
		expect(t.run(spaces[1]!.load(BASE + PAGE_SIZE))).toBe(1);
	});

	it("panics for an entry without an object", () => {
		spaces[0]!.anon(BASE + 0x10_0000, 1);
		const entry = uvm_map_lookup_entry(spaces[0]!.map, BASE + 0x10_0000);
		expect(() => uvm_shareprot(t.k, entry, VM_PROT_READ)).toThrow("non-object attached");
	});
});
