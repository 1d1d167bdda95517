/** Maps: finding room, merging, splitting, protecting and removing entries. */

import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import {
	UVM_ADV_NORMAL,
	UVM_FLAG_COPYONW,
	UVM_FLAG_FIXED,
	UVM_INH_COPY,
	UVM_INH_NONE,
	UVM_PGA_USERESERVE,
	UVM_UNKNOWN_OFFSET,
	type uvm_advice,
} from "../../../kernel/uvm/uvm_extern.ts";
import { uvm_map, uvm_map_args, uvm_unmap, uvmspace_free } from "../../../kernel/uvm/uvm_map.ts";
import { uvm_map_advice, uvm_map_inherit } from "../../../kernel/uvm/uvm_map_advice.ts";
import {
	entry_contains,
	uvm_map_findspace,
	uvm_map_lookup_entry,
	type vm_map,
} from "../../../kernel/uvm/uvm_map_entry.ts";
import { uvmspace_addref, uvmspace_fork } from "../../../kernel/uvm/uvm_map_fork.ts";
import { uvm_map_protect } from "../../../kernel/uvm/uvm_map_protect.ts";
import type { uvm_object } from "../../../kernel/uvm/uvm_object.ts";
import { uvm_pagealloc, uvm_pagefree, uvm_pagelookup } from "../../../kernel/uvm/uvm_page.ts";
import { uvm_reclaimable } from "../../../kernel/uvm/uvm_wait.ts";
import { EACCES, EFAULT, EINVAL, ENOMEM } from "../../../sys/errno.ts";
import {
	PAGE_SIZE,
	VM_MAXUSER_ADDRESS,
	VM_MIN_ADDRESS,
	VM_PROT_READ,
	VM_PROT_WRITE,
} from "../../../sys/vmparam.ts";
import { AddressSpace, BASE } from "../../support/address-space.ts";
import { TestKernel } from "../../support/kernel.ts";
import { checkAtRest } from "../../support/paging.ts";
import { testObject } from "../../support/test-pager.ts";

const RO = VM_PROT_READ;
const RW = VM_PROT_READ | VM_PROT_WRITE;

let t: TestKernel;
let space: AddressSpace;
let map: vm_map;
beforeEach(() => {
	t = new TestKernel();
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

const protect = (first: number, end: number, prot: number): number =>
	t.run(uvm_map_protect(t.k, map, va(first), va(end), prot));

function mapObject(page: number, pages: number, uobj: uvm_object, offset: number): number {
	const args = uvm_map_args(va(page), pages * PAGE_SIZE);
	args.uobj = uobj;
	args.offset = offset * PAGE_SIZE;
	args.flags = UVM_FLAG_FIXED;
	return t.run(uvm_map(t.k, map, args));
}

const find = (hint: number, length: number, fixed = false): number => {
	const found = { start: -1 };
	const after = uvm_map_findspace(map, hint, length, found, fixed);
	expect(after === null).toBe(found.start === -1);
	return found.start;
};

describe("findspace", () => {
	it("finds the first gap at or above the hint that is large enough", () => {
		for (const [page, n] of [
			[0, 2],
			[3, 2],
			[8, 1],
		] as const) {
			space.anon(va(page), n);
		}
		expect(find(va(0), PAGE_SIZE)).toBe(va(2));
		expect(find(va(0), 2 * PAGE_SIZE)).toBe(va(5));
		expect(find(va(0), 3 * PAGE_SIZE)).toBe(va(5));
		expect(find(va(0), 4 * PAGE_SIZE)).toBe(va(9));
		expect(find(va(6), PAGE_SIZE)).toBe(va(6));
		expect(find(0, PAGE_SIZE)).toBe(VM_MIN_ADDRESS);
	});

	it("takes a fixed place as it is, or not at all", () => {
		space.anon(va(4), 2);
		expect(find(va(2), 2 * PAGE_SIZE, true)).toBe(va(2));
		for (const page of [3, 4, 5]) expect(find(va(page), 2 * PAGE_SIZE, true)).toBe(-1);
		expect(space.anon(va(3), 2)).toBe(ENOMEM);
		expect(entries()).toEqual([[4, 6, RW]]);
	});

	it("never looks behind the end of the map", () => {
		const size = VM_MAXUSER_ADDRESS - VM_MIN_ADDRESS;
		expect(find(0, size)).toBe(VM_MIN_ADDRESS);
		expect(find(0, size + PAGE_SIZE)).toBe(-1);
		expect(find(VM_MAXUSER_ADDRESS, PAGE_SIZE)).toBe(-1);
		space.anon(VM_MAXUSER_ADDRESS - PAGE_SIZE, 1);
		expect(find(VM_MAXUSER_ADDRESS - PAGE_SIZE, PAGE_SIZE)).toBe(-1);
		expect(find(0, size)).toBe(-1);
		checkAtRest(t);
	});

	it("first_free follows what is mapped without a gap from the bottom on", () => {
		const bottom = (n: number): number => VM_MIN_ADDRESS + n * PAGE_SIZE;
		space.anon(bottom(1), 1);
		expect(map.first_free).toBe(map.header);
		space.anon(bottom(0), 1);
		expect(map.first_free.end).toBe(bottom(2));
		expect(find(0, PAGE_SIZE)).toBe(bottom(2));
		space.unmap(bottom(0), 1);
		expect(find(0, PAGE_SIZE)).toBe(bottom(0));
		checkAtRest(t);
	});
});

describe("uvm_map", () => {
	it("refuses more than the maximal protection, and nothing at all", () => {
		const args = uvm_map_args(BASE, PAGE_SIZE);
		args.maxprot = RO;
		expect(t.run(uvm_map(t.k, map, args))).toBe(EACCES);
		expect(t.run(uvm_map(t.k, map, uvm_map_args(BASE, 0)))).toBe(EINVAL);
		expect(map.nentries).toBe(0);
	});

	it("merges with the entry before if that goes on in every respect", () => {
		space.anon(va(0), 2);
		space.anon(va(2), 3);
		expect(entries()).toEqual([[0, 5, RW]]);
		space.anon(va(5), 1, 1);
		const args = uvm_map_args(va(6), PAGE_SIZE);
		args.flags = UVM_FLAG_FIXED | UVM_FLAG_COPYONW;
		args.prot = RO;
		t.run(uvm_map(t.k, map, args));
		expect(entries()).toEqual([
			[0, 5, RW],
			[5, 6, RW],
			[6, 7, RO],
		]);
		checkAtRest(t);
	});

	it("merges an object's pages only if they follow each other, and keeps one reference", () => {
		const uobj = t.aobj(10);
		uobj.uo_refs += 2;
		mapObject(0, 2, uobj, 0);
		mapObject(2, 2, uobj, 2);
		expect([map.nentries, uobj.uo_refs]).toEqual([1, 2]);
		mapObject(4, 2, uobj, 6);
		expect([map.nentries, uobj.uo_refs]).toEqual([2, 2]);
		uobj.uo_refs--;
		// The test's own reference is one of the two that entries have now; take it back.
		uobj.uo_refs++;
		checkAtRest(t);
	});

	it("without memory for an entry changes nothing", () => {
		t.k.failinject = (what) => what === "vmmpepl";
		expect(space.anon(BASE, 2)).toBe(ENOMEM);
		expect([map.nentries, map.size]).toEqual([0, 0]);
	});
});

describe("uvm_unmap", () => {
	it("in the middle of an entry leaves two, each with its own offset and reference", () => {
		const uobj = t.aobj(10);
		mapObject(0, 10, uobj, 0);
		space.unmap(va(3), 4);
		expect(entries()).toEqual([
			[0, 3, RW],
			[7, 10, RW],
		]);
		expect(map.header.next.next.offset).toBe(7 * PAGE_SIZE);
		expect([uobj.uo_refs, map.size]).toEqual([2, 6 * PAGE_SIZE]);
		checkAtRest(t);
		t.run(space.store(va(7), 77));
		const [first] = [uobj.memq_first!];
		expect(first.offset).toBe(7 * PAGE_SIZE);
		space.unmap(va(0), 10);
		expect(t.k.uvm.uao_list).not.toContain(uobj);
		checkAtRest(t);
	});

	it("over several entries and gaps takes them all", () => {
		for (const page of [0, 2, 4, 6]) space.anon(va(page), 1);
		space.unmap(va(1), 5);
		expect(entries()).toEqual([
			[0, 1, RW],
			[6, 7, RW],
		]);
		expect(uvm_map_lookup_entry(map, va(3)).start).toBe(va(0));
		checkAtRest(t);
	});

	it("that cannot split an entry says ENOMEM and removes nothing", () => {
		space.anon(BASE, 6);
		for (let i = 0; i < 6; i++) t.run(space.store(va(i), i + 1));
		for (const [first, pages] of [
			[2, 2],
			[3, 3],
			[0, 3],
		] as const) {
			t.k.failinject = (what) => what === "vmmpepl";
			expect(space.unmap(va(first), pages)).toBe(ENOMEM);
			t.k.failinject = null;
			for (let i = 0; i < 6; i++) expect(t.run(space.load(va(i)))).toBe(i + 1);
			checkAtRest(t);
		}
	});

	it("of the entry that the hint remembers leaves the hint alive", () => {
		for (const page of [0, 2, 4]) space.anon(va(page), 1);
		uvm_map_lookup_entry(map, va(2));
		space.unmap(va(2), 1);
		expect(entry_contains(map, uvm_map_lookup_entry(map, va(2)), va(2))).toBe(false);
		expect(uvm_map_lookup_entry(map, va(4)).start).toBe(va(4));
	});
});

describe("uvm_map_protect", () => {
	it("splits entries at the ends of the range", () => {
		space.anon(BASE, 6);
		expect(protect(2, 4, RO)).toBe(0);
		expect(entries()).toEqual([
			[0, 2, RW],
			[2, 4, RO],
			[4, 6, RW],
		]);
		checkAtRest(t);
	});

	it("beyond max_protection or over a hole changes nothing", () => {
		const args = uvm_map_args(va(4), PAGE_SIZE);
		args.prot = args.maxprot = RO;
		args.flags = UVM_FLAG_FIXED;
		args.uobj = t.aobj(1);
		args.offset = 0;
		space.anon(BASE, 4);
		expect(t.run(uvm_map(t.k, map, args))).toBe(0);
		const before = entries();
		expect(protect(2, 5, RW)).toBe(EACCES);
		expect(protect(2, 6, RO)).toBe(EFAULT);
		expect(protect(7, 8, RO)).toBe(EFAULT);
		expect(entries()).toEqual(before);
		expect(UVM_UNKNOWN_OFFSET).toBe(-1);
	});

	it("takes effect on pages that are mapped, and gives back only what a fault may give", () => {
		const shared = t.aobj(2);
		const private_ = t.aobj(2);
		space.object(va(0), 2, shared);
		space.object(va(2), 2, private_, { cow: true, advice: 1 });
		for (let i = 0; i < 4; i++) expect(t.run(space.load(va(i)))).toBe(0);
		for (const i of [0, 2]) expect(t.run(space.store(va(i), 5))).toBe(0);
		expect(protect(0, 4, RO)).toBe(0);
		for (let i = 0; i < 4; i++) expect(t.run(space.store(va(i), 6))).toBe(EFAULT);
		checkAtRest(t);
		expect(protect(0, 4, RW)).toBe(0);
		checkAtRest(t);
		for (let i = 0; i < 4; i++) expect(t.run(space.store(va(i), 7))).toBe(0);
		// Each entry by its own copy-on-write bit: the private object never sees a store.
		expect(t.bytes(shared.memq_first!)[0]).toBe(7);
		for (let pg = private_.memq_first; pg !== null; pg = pg.listq_next) {
			expect(t.bytes(pg)[0]).toBe(0);
		}
		checkAtRest(t);
	});
});

describe("uvmspace_free", () => {
	it("the last reference to what it maps goes with it, and private memory behind that", () => {
		const uobj = t.aobj(2);
		expect(space.object(BASE, 2, uobj)).toBe(0);
		space.anon(va(4), 2);
		for (const page of [0, 4]) expect(t.run(space.store(va(page), 7))).toBe(0);
		expect([uobj.uo_npages, t.k.uvmexp.nanon]).toEqual([1, 1]);
		t.run(space.free());
		expect([uobj.uo_npages, t.k.uvmexp.nanon]).toEqual([0, 0]);
		checkAtRest(t);
	});

	it("a second user keeps an address space", () => {
		space.anon(BASE, 2);
		t.run(space.store(va(1), 7));
		uvmspace_addref(space.vm);
		t.run(uvmspace_free(t.k, space.vm));
		expect(t.run(space.load(va(1)))).toBe(7);
		checkAtRest(t);
		t.run(space.free());
		expect(t.k.uvmexp.nanon).toBe(0);
		checkAtRest(t);
		expect(() => uvmspace_addref(space.vm)).toThrow("address space is gone");
	});
});

describe("uvmspace_fork", () => {
	it("waits for memory, and fails when none can become free", () => {
		space.anon(BASE, 1);
		t.run(space.store(va(0), 7));
		const uobj = testObject(t);
		const take = (flags: number): void => {
			for (let i = uobj.uo_npages; ; i++) {
				if (uvm_pagealloc(t.k, uobj, i * PAGE_SIZE, null, flags) === null) return;
			}
		};
		take(0);
		take(UVM_PGA_USERESERVE);
		t.settle();
		t.k.uvm.pdfruitless = 0;
		expect(t.run(uvmspace_fork(t.k, space.vm))).toBeNull();
		// The page daemon was given every chance.
		expect(uvm_reclaimable(t.k)).toBe(false);
		for (let i = 0; i < 8; i++) uvm_pagefree(t.k, uvm_pagelookup(t.k, uobj, i * PAGE_SIZE)!);
		t.k.uvm.pdfruitless = 0;
		const child = t.run(uvmspace_fork(t.k, space.vm))!;
		expect(child.vm_map.nentries).toBe(1);
		t.run(uvmspace_free(t.k, child));
	});
});

describe("any sequence of map, unmap and protect", () => {
	const PAGES = 24;
	const FRESH = { prot: RW, inherit: UVM_INH_COPY, advice: UVM_ADV_NORMAL, byte: 0 };
	const OPS = ["map", "unmap", "ro", "rw", "store", "inherit", "advice", "same"] as const;
	type Step = { op: (typeof OPS)[number]; first: number; pages: number };
	const step: fc.Arbitrary<Step> = fc.record({
		op: fc.constantFrom(...OPS, "map", "store"),
		first: fc.nat(PAGES - 1),
		pages: fc.integer({ min: 1, max: 8 }),
	});

	/** What a page is: null for unmapped, or its attributes and first byte. */
	type Page = { prot: number; inherit: number; advice: number; byte: number } | null;

	/** Set an attribute of a range; what is mapped of it changes, a hole is EFAULT. */
	function setAttribute(range: readonly Page[], { op, first }: Step, n: number): void {
		const [start, end] = [va(first), va(first + range.length)];
		// Values come back, so that ranges become alike again.
		const [inherit, advice] = [n % 2 === 0 ? UVM_INH_NONE : UVM_INH_COPY, n % 3] as const;
		const same = op === "same";
		let error = 0;
		if (op === "inherit" || same) {
			const value = same ? UVM_INH_COPY : inherit;
			error = t.run(uvm_map_inherit(t.k, map, start, end, value));
			for (const page of range) if (page !== null) page.inherit = value;
		}
		if (op === "advice" || same) {
			const value = same ? UVM_ADV_NORMAL : (advice as uvm_advice);
			const failed = t.run(uvm_map_advice(t.k, map, start, end, value));
			error = error === 0 ? failed : error;
			for (const page of range) if (page !== null) page.advice = value;
		}
		expect(error).toBe(range.includes(null) ? EFAULT : 0);
	}

	function apply(model: Page[], { op, first, pages }: Step, n: number): void {
		const end = Math.min(first + pages, PAGES);
		const range = model.slice(first, end);
		if (op === "map") {
			const error = space.anon(va(first), end - first);
			expect(error).toBe(range.some((page) => page !== null) ? ENOMEM : 0);
			if (error === 0) for (let i = first; i < end; i++) model[i] = { ...FRESH };
		} else if (op === "unmap") {
			expect(t.run(uvm_unmap(t.k, map, va(first), va(end)))).toBe(0);
			for (let i = first; i < end; i++) model[i] = null;
		} else if (op === "store") {
			const page = model[first]!;
			const error = t.run(space.store(va(first), n));
			expect(error).toBe(page?.prot === RW ? 0 : EFAULT);
			if (error === 0) page!.byte = n;
		} else if (op !== "ro" && op !== "rw") {
			setAttribute(range, { op, first, pages }, n);
		} else {
			const prot = op === "ro" ? RO : RW;
			const error = protect(first, end, prot);
			expect(error).toBe(range.some((page) => page === null) ? EFAULT : 0);
			if (error === 0) for (const page of range) page!.prot = prot;
		}
	}

	/** Protection, inheritance and advice of each page. */
	function attributes(): (number[] | null)[] {
		const found = new Array<number[] | null>(PAGES).fill(null);
		for (let e = map.header.next; e !== map.header; e = e.next) {
			found.fill([e.protection, e.inheritance, e.advice], pageOf(e.start), pageOf(e.end));
		}
		return found;
	}

	it("leaves the map that a list of pages predicts", () => {
		fc.assert(
			fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
				// Its own kernel, so that what one sequence leaves behind is found there.
				t = new TestKernel();
				space = new AddressSpace(t);
				map = space.map;
				const model: Page[] = new Array<Page>(PAGES).fill(null);
				for (const [n, s] of steps.entries()) {
					apply(model, s, n + 1);
					expect(attributes()).toEqual(
						model.map((page) => page && [page.prot, page.inherit, page.advice]),
					);
					checkAtRest(t);
				}
				for (const [i, page] of model.entries()) {
					expect(t.run(space.load(va(i)))).toBe(page === null ? -EFAULT : page.byte);
				}
				t.run(space.free());
				expect(t.k.uvmexp.nanon).toBe(0);
				checkAtRest(t);
			}),
			{ numRuns: 80 },
		);
	});
});
