/** Which mappings become one entry, and what it holds then. */

import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import {
	UVM_ET_NEEDSCOPY,
	UVM_FLAG_COPYONW,
	UVM_FLAG_FIXED,
	UVM_INH_NONE,
} from "../../../kernel/uvm/uvm_extern.ts";
import { uvm_map, uvm_map_args, uvm_mapent_trymerge } from "../../../kernel/uvm/uvm_map.ts";
import { uvm_map_lookup_entry, type vm_map } from "../../../kernel/uvm/uvm_map_entry.ts";
import type { uvm_object } from "../../../kernel/uvm/uvm_object.ts";
import { PAGE_SIZE, VM_PROT_READ, VM_PROT_WRITE } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE, cowClone } from "../../support/address-space.ts";
import { TestKernel } from "../../support/kernel.ts";
import { checkAtRest } from "../../support/paging.ts";

const RW = VM_PROT_READ | VM_PROT_WRITE;

let t: TestKernel;
let space: AddressSpace;
let map: vm_map;
let kernelEntries: number;
beforeEach(() => {
	t = new TestKernel();
	kernelEntries = t.k.uvm.map_entry_pool.pr_nout;
	space = new AddressSpace(t);
	map = space.map;
});

const va = (page: number): number => BASE + page * PAGE_SIZE;
const pageOf = (address: number): number => (address - BASE) / PAGE_SIZE;

/** [first page, end page, protection] of each entry. */
const entries = (): [number, number, number][] => {
	const list: [number, number, number][] = [];
	for (let e = map.header.next; e !== map.header; e = e.next) {
		list.push([pageOf(e.start), pageOf(e.end), e.protection]);
	}
	return list;
};

function mapObject(page: number, pages: number, uobj: uvm_object, offset: number): number {
	const args = uvm_map_args(va(page), pages * PAGE_SIZE);
	args.uobj = uobj;
	args.offset = offset * PAGE_SIZE;
	args.flags = UVM_FLAG_FIXED;
	return t.run(uvm_map(t.k, map, args));
}

describe("a mapping beside others", () => {
	/** Private memory of two pages at `page`; with `touched` it has an amap. */
	function two(page: number, touched: boolean): void {
		space.anon(va(page), 2);
		if (touched) for (const i of [page, page + 1]) t.run(space.store(va(i), i + 1));
	}

	it.each([
		["none", "none", 1],
		["amap", "none", 1],
		["none", "amap", 1],
		["amap", "amap", 2],
	])("joins the entries on both sides: %s, %s", (before, behind, n) => {
		two(0, before === "amap");
		two(4, behind === "amap");
		two(2, false);
		expect(map.nentries).toBe(n);
		const bytes = [before, "none", behind].flatMap((what, i) =>
			what === "amap" ? [2 * i + 1, 2 * i + 2] : [0, 0],
		);
		expect([0, 1, 2, 3, 4, 5].map((i) => t.run(space.load(va(i))))).toEqual(bytes);
		checkAtRest(t);
		// One store reaches one page.
		t.run(space.store(va(3), 99));
		expect([0, 1, 2, 3, 4, 5].map((i) => t.run(space.load(va(i))))).toEqual(bytes.with(3, 99));
		space.unmap(BASE, 6);
		expect(t.k.uvmexp.nanon).toBe(0);
		checkAtRest(t);
	});

	it("takes over the amap of the entry behind, with the room in front of it", () => {
		space.anon(va(4), 4);
		for (const page of [4, 7]) t.run(space.store(va(page), page));
		space.anon(va(1), 1);
		space.anon(va(2), 2);
		const { amap, pageoff, etype } = map.header.next;
		expect([map.nentries, amap!.am_nslot, pageoff, etype & UVM_ET_NEEDSCOPY]).toEqual([
			1, 20, 13, 0,
		]);
		expect([4, 5, 7].map((page) => t.run(space.load(va(page))))).toEqual([4, 0, 7]);
		checkAtRest(t);
	});

	it("merges with the entry behind, whose amap grows to the front", () => {
		two(20, true);
		for (let page = 19; page >= 0; page--) {
			space.anon(va(page), 1);
			if (page % 3 === 0) t.run(space.store(va(page), page + 1));
			checkAtRest(t);
		}
		expect(entries()).toEqual([[0, 22, RW]]);
		expect(t.k.uvm.amap_pool.pr_nout).toBe(1);
		for (let page = 0; page < 22; page++) {
			const byte = page % 3 === 0 || page >= 20 ? page + 1 : 0;
			expect(t.run(space.load(va(page)))).toBe(byte);
		}
		checkAtRest(t);
	});

	it("does not merge with an entry behind that differs, or whose amap others refer to", () => {
		two(4, true);
		const child = cowClone(space, va(4), 2);
		uvm_map_lookup_entry(map, va(4)).etype &= ~UVM_ET_NEEDSCOPY;
		uvm_map_lookup_entry(child.map, va(4)).etype |= UVM_ET_NEEDSCOPY;
		two(2, false);
		expect(map.nentries).toBe(2);
		space.anon(va(1), 1, 1);
		const args = uvm_map_args(va(0), PAGE_SIZE);
		args.flags = UVM_FLAG_FIXED | UVM_FLAG_COPYONW;
		args.advice = 1;
		args.inherit = UVM_INH_NONE;
		t.run(uvm_map(t.k, map, args));
		expect(entries()).toEqual([
			[0, 1, RW],
			[1, 2, RW],
			[2, 4, RW],
			[4, 6, RW],
		]);
		t.run(child.free());
		checkAtRest(t);
	});

	it("joins an object's pages to both sides, and keeps one reference", () => {
		const uobj = t.aobj(10);
		uobj.uo_refs += 3;
		mapObject(4, 2, uobj, 6);
		mapObject(2, 2, uobj, 4);
		expect([map.nentries, map.header.next.offset, uobj.uo_refs]).toEqual([1, 4 * PAGE_SIZE, 3]);
		mapObject(0, 1, uobj, 2);
		mapObject(1, 1, uobj, 3);
		expect([map.nentries, map.header.next.offset, uobj.uo_refs]).toEqual([1, 2 * PAGE_SIZE, 1]);
		// What comes from elsewhere in the object stays by itself.
		uobj.uo_refs++;
		mapObject(8, 1, uobj, 3);
		uobj.uo_refs++;
		mapObject(7, 1, uobj, 1);
		expect(entries().map(([first]) => first)).toEqual([0, 7, 8]);
		space.unmap(va(7), 2);
		t.run(space.store(va(5), 7));
		expect(uobj.memq_first!.offset).toBe(7 * PAGE_SIZE);
		checkAtRest(t);
		space.unmap(BASE, 6);
		expect(t.k.uvm.uao_list).not.toContain(uobj);
	});

	it("is tried again later: an entry that stays by itself is as it was", () => {
		two(0, false);
		space.anon(va(2), 2, 1);
		two(4, false);
		const { size, nentries } = map;
		const middle = uvm_map_lookup_entry(map, va(2));
		expect(uvm_mapent_trymerge(t.k, map, middle)).toBe(false);
		expect([map.size, map.nentries, uvm_map_lookup_entry(map, va(3))]).toEqual([
			size,
			nentries,
			middle,
		]);
		checkAtRest(t);
		middle.advice = 0;
		expect(uvm_mapent_trymerge(t.k, map, middle)).toBe(true);
		expect([map.size, entries()]).toEqual([size, [[0, 6, RW]]]);
		checkAtRest(t);
	});

	it("of adjacent ranges, in any order, leaves one entry", () => {
		const pages = 12;
		fc.assert(
			fc.property(fc.shuffledSubarray([...Array(pages).keys()], { minLength: pages }), (order) => {
				space = new AddressSpace(t);
				map = space.map;
				for (const page of order) space.anon(va(page), 1);
				expect(entries()).toEqual([[0, pages, RW]]);
				expect(t.k.uvm.map_entry_pool.pr_nout).toBe(1 + kernelEntries);
				checkAtRest(t);
				t.run(space.free());
			}),
			{ numRuns: 30 },
		);
	});
});

it("nothing becomes one entry if an experiment says so", () => {
	t = new TestKernel({ policy: { mergeEntries: false } });
	space = new AddressSpace(t);
	map = space.map;
	for (const page of [0, 2, 1]) {
		space.anon(va(page), 1);
		t.run(space.store(va(page), page + 1));
	}
	expect(entries()).toEqual([
		[0, 1, RW],
		[1, 2, RW],
		[2, 3, RW],
	]);
	space.anon(va(3), 1);
	const fresh = uvm_map_lookup_entry(map, va(3));
	expect([uvm_mapent_trymerge(t.k, map, fresh), map.nentries]).toEqual([false, 4]);
	expect([0, 1, 2, 3].map((i) => t.run(space.load(va(i))))).toEqual([1, 2, 3, 0]);
	space.unmap(BASE, 4);
	checkAtRest(t);
});
