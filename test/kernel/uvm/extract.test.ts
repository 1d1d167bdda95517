/** uvm_map_reserve, uvm_map_replace and uvm_map_extract: ranges of one map in another. */

import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { AMAP_REFALL, AMAP_SHARED } from "../../../kernel/uvm/uvm_amap.ts";
import { UVM_FLAG_FIXED, UVM_INH_SHARE } from "../../../kernel/uvm/uvm_extern.ts";
import { uvm_fault } from "../../../kernel/uvm/uvm_fault.ts";
import { uvm_loan, uvm_unloan } from "../../../kernel/uvm/uvm_loan.ts";
import { uvm_unmap_detach, uvm_unmap_remove } from "../../../kernel/uvm/uvm_map.ts";
import {
	uvm_map_lookup_entry,
	type vm_map,
	type vm_map_entry,
} from "../../../kernel/uvm/uvm_map_entry.ts";
import {
	UVM_EXTRACT_CONTIG,
	UVM_EXTRACT_FIXPROT,
	UVM_EXTRACT_QREF,
	UVM_EXTRACT_REMOVE,
	uvm_map_extract,
	uvm_map_replace,
	uvm_map_reserve,
} from "../../../kernel/uvm/uvm_map_extract.ts";
import { uvm_map_protect } from "../../../kernel/uvm/uvm_map_protect.ts";
import type { vm_page } from "../../../kernel/uvm/uvm_page.ts";
import { pmap_extract, pmap_kernel } from "../../../pmap/pmap.ts";
import { EFAULT, EINVAL, EIO, ENOMEM } from "../../../sys/errno.ts";
import { PAGE_SIZE, VM_MAX_KERNEL_ADDRESS, VM_PROT_READ } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE } from "../../support/address-space.ts";
import { TestKernel } from "../../support/kernel.ts";
import { checkAtRest, pageout } from "../../support/paging.ts";

let t: TestKernel;
let space: AddressSpace;
let map: vm_map;
beforeEach(() => {
	t = new TestKernel();
	space = new AddressSpace(t);
	map = space.map;
});

const va = (page: number): number => BASE + page * PAGE_SIZE;
const load = (page: number, where = space): number => t.run(where.load(va(page)));
const store = (page: number, byte: number, where = space): number =>
	t.run(where.store(va(page), byte));

const reserve = (page: number, pages: number, where = space): number | null =>
	t.run(uvm_map_reserve(t.k, where.map, pages * PAGE_SIZE, va(page), UVM_FLAG_FIXED));

/** Extract pages to `to` of `dst`, where room is reserved. */
const extract = (first: number, pages: number, dst: AddressSpace, to: number, flags = 0): number =>
	t.run(uvm_map_extract(t.k, map, va(first), pages * PAGE_SIZE, dst.map, va(to), flags));

/** Private pages [first, first + n) that hold their numbers. */
function fill(first: number, n: number): void {
	space.anon(va(first), n);
	for (let i = first; i < first + n; i++) expect(store(i, i + 1)).toBe(0);
}

describe("a reserved range", () => {
	it("takes room, and allows nothing", () => {
		expect(reserve(0, 4)).toBe(BASE);
		expect(reserve(3, 2)).toBeNull();
		expect([load(0), store(3, 1), space.anon(va(2), 1)]).toEqual([-EFAULT, EFAULT, ENOMEM]);
		// Nothing becomes a part of it.
		space.anon(va(4), 1);
		expect(map.nentries).toBe(2);
		checkAtRest(t);
	});

	it("puts entries into reserved room, also into its first part", () => {
		expect(reserve(8, 6)).toBe(va(8));
		const before = map.nentries;
		expect(uvm_map_replace(t.k, map, va(7), va(8), [])).toBe(EIO);
		expect(uvm_map_replace(t.k, map, va(9), va(10), [])).toBe(EIO);
		expect(uvm_map_replace(t.k, map, va(8), va(15), [])).toBe(EIO);
		space.anon(va(0), 1);
		store(0, 1);
		expect(uvm_map_replace(t.k, map, va(0), va(1), [])).toBe(EIO);
		t.k.failinject = (what) => what === "vmmpepl";
		expect(uvm_map_replace(t.k, map, va(8), va(10), [])).toBe(ENOMEM);
		t.k.failinject = null;
		expect(map.nentries).toBe(before + 1);
		expect(uvm_map_replace(t.k, map, va(8), va(10), [])).toBe(0);
		expect(uvm_map_lookup_entry(map, va(9)).start).toBe(va(0));
		expect(uvm_map_lookup_entry(map, va(10)).start).toBe(va(10));
		checkAtRest(t);
	});
});

describe("uvm_map_extract", () => {
	it("shares memory with another map, and copies what it lacks of an amap", () => {
		fill(0, 4);
		space.anon(va(8), 2);
		const other = new AddressSpace(t);
		expect(reserve(20, 12, other)).toBe(va(20));
		expect(extract(1, 9, other, 20)).toBe(va(20));
		expect([20, 21, 22, 27, 28].map((i) => load(i, other))).toEqual([2, 3, 4, 0, 0]);
		expect(load(23, other)).toBe(-EFAULT);
		expect(store(20, 99, other)).toBe(0);
		expect(store(9, 77)).toBe(0);
		expect([load(1), load(28, other)]).toEqual([99, 77]);
		expect(uvm_map_lookup_entry(map, va(1)).amap!.am_flags & AMAP_SHARED).toBe(AMAP_SHARED);
		expect(reserve(29, 3, other)).toBeNull();
		t.run(space.free());
		expect([load(20, other), load(28, other)]).toEqual([99, 77]);
		checkAtRest(t);
	});

	it("of pages on loan: who shares them sees the copy that a store makes", () => {
		fill(0, 3);
		const other = new AddressSpace(t);
		expect(reserve(0, 3, other)).toBe(va(0));
		expect(extract(0, 3, other, 0)).toBe(va(0));
		expect([load(1, other), load(2, other)]).toEqual([2, 3]);
		const pgs: vm_page[] = [];
		expect(t.run(uvm_loan(t.k, map, va(0), 3 * PAGE_SIZE, pgs))).toBe(0);
		expect([load(1), load(1, other)]).toEqual([2, 2]);
		expect([store(1, 66), store(2, 44, other)]).toEqual([0, 0]);
		expect([load(1), load(1, other), load(2), load(2, other)]).toEqual([66, 66, 44, 44]);
		expect(pgs.map((pg) => t.bytes(pg)[0])).toEqual([1, 2, 3]);
		t.check();
		uvm_unloan(t.k, pgs);
		checkAtRest(t);
	});

	it("moves any range, and what it means", () => {
		const PAGES = 16;
		const range = fc.tuple(fc.nat(PAGES - 1), fc.integer({ min: 1, max: PAGES }));
		const touched = fc.uniqueArray(fc.nat(PAGES - 1), { maxLength: 8 });
		const holes = fc.uniqueArray(fc.nat(PAGES - 1), { maxLength: 3 });
		fc.assert(
			fc.property(
				fc.array(range, { minLength: 1, maxLength: 5 }),
				touched,
				holes,
				(moves, a, b) => {
					const where = new AddressSpace(t);
					[space, map] = [where, where.map];
					const model = new Array<number>(PAGES * 2).fill(-EFAULT).fill(0, 0, PAGES);
					space.anon(va(0), PAGES);
					for (const i of a) {
						store(i, i + 1);
						model[i] = i + 1;
					}
					for (const i of b) {
						space.unmap(va(i), 1);
						model[i] = -EFAULT;
					}
					// There and, after something else, back.
					for (const [first, some] of [...moves, [0, PAGES] as const]) {
						const n = Math.min(some, PAGES - first);
						for (const [from, to] of [
							[first, first + PAGES],
							[first + PAGES, first],
						] as const) {
							const there = model.slice(to, to + n);
							space.unmap(va(to), n);
							model.fill(-EFAULT, to, to + n);
							expect(reserve(to, n)).toBe(va(to));
							expect(extract(from, n, space, to, UVM_EXTRACT_REMOVE)).toBe(va(to));
							for (let i = 0; i < n; i++) {
								model[to + i] = model[from + i]!;
								model[from + i] = -EFAULT;
							}
							expect(there.length).toBe(n);
							expect(model.map((_, i) => load(i))).toEqual(model);
							checkAtRest(t);
						}
					}
					for (let e = map.header.next; e !== map.header; e = e.next) {
						expect(e.amap === null ? 0 : e.amap.am_flags & AMAP_SHARED).toBe(0);
					}
					t.run(space.free());
					expect(t.k.uvmexp.nanon).toBe(0);
				},
			),
			{ numRuns: 15 },
		);
	});

	it("keeps an object's offsets and references", () => {
		const uobj = t.aobj(8);
		space.object(va(0), 8, uobj);
		store(5, 6);
		expect(reserve(20, 3)).toBe(va(20));
		expect(extract(4, 3, space, 20)).toBe(va(20));
		expect([uobj.uo_refs, load(21), store(22, 9), load(6)]).toEqual([4, 6, 0, 9]);
		checkAtRest(t);
		space.unmap(va(0), 30);
		expect(t.k.uvm.uao_list).not.toContain(uobj);
	});

	/** Extract into the kernel's map, as uvm_io does; null: the kernel address, or an error. */
	const quick = (first: number, pages: number, flags = 0): number =>
		t.run(
			uvm_map_extract(
				t.k,
				map,
				va(first),
				pages * PAGE_SIZE,
				t.k.uvm.kernel_map!,
				null,
				UVM_EXTRACT_QREF | UVM_EXTRACT_CONTIG | flags,
			),
		);

	function release(kva: number, pages: number): void {
		const kernel = t.k.uvm.kernel_map!;
		const dead = uvm_unmap_remove(t.k, kernel, kva, kva + pages * PAGE_SIZE)!;
		t.run(uvm_unmap_detach(t.k, kernel, dead, AMAP_REFALL));
	}

	it("with quick references shows a range to the kernel, and splits nothing", () => {
		fill(0, 6);
		pageout(t);
		const kva = quick(2, 3);
		// No error: those are more than any address of the kernel.
		expect(kva).toBeLessThan(VM_MAX_KERNEL_ADDRESS);
		expect([map.nentries, uvm_map_lookup_entry(map, va(0)).amap!.am_ppref]).toEqual([1, null]);
		const kernel = t.k.uvm.kernel_map!;
		for (let i = 0; i < 3; i++) {
			expect(t.run(uvm_fault(t.k, kernel, kva + i * PAGE_SIZE, 0, VM_PROT_READ))).toBe(0);
			const pa = pmap_extract(t.k, pmap_kernel(t.k), kva + i * PAGE_SIZE);
			expect(t.k.port.ram8[pa - t.k.port.ramBase]).toBe(i + 3);
		}
		// Pages whose mapping goes meanwhile stay until the reference does.
		space.unmap(va(3), 3);
		expect(t.k.uvmexp.nanon).toBe(6);
		release(kva, 3);
		expect(t.k.uvmexp.nanon).toBe(3);
		expect([0, 1, 2].map((i) => load(i))).toEqual([1, 2, 3]);
		checkAtRest(t);
	});

	it("with quick references takes a chunk of a large mapping that was never touched", () => {
		space.anon(va(0), 1000);
		const kva = quick(500, 2);
		expect(t.k.uvm.amap_slots).toBeLessThan(64);
		release(kva, 2);
		checkAtRest(t);
	});

	it("gives the protection that is, or with FIXPROT the one that may be", () => {
		fill(0, 2);
		t.run(uvm_map_protect(t.k, map, va(0), va(2), VM_PROT_READ));
		const kernel = t.k.uvm.kernel_map!;
		const prot = (kva: number): vm_map_entry => uvm_map_lookup_entry(kernel, kva);
		const plain = quick(0, 2);
		expect(prot(plain).protection).toBe(VM_PROT_READ);
		const fixed = quick(0, 2, UVM_EXTRACT_FIXPROT);
		expect(prot(fixed).protection).toBe(prot(fixed).max_protection);
		release(plain, 2);
		release(fixed, 2);
		checkAtRest(t);
	});

	it("over a hole is refused with CONTIG, and leaves nothing", () => {
		fill(0, 2);
		fill(3, 2);
		const { nentries, size } = t.k.uvm.kernel_map!;
		expect(quick(0, 5)).toBe(-EINVAL);
		expect(quick(2, 2)).toBe(-EINVAL);
		expect(quick(4, 2)).toBe(-EINVAL);
		// Nor is room left reserved.
		expect(t.k.uvm.kernel_map).toMatchObject({ nentries, size });
		const kva = quick(3, 2);
		// No error: those are more than any address of the kernel.
		expect(kva).toBeLessThan(VM_MAX_KERNEL_ADDRESS);
		release(kva, 2);
		checkAtRest(t);
	});

	it("without memory leaves both maps as they were", () => {
		fill(0, 4);
		space.anon(va(4), 2, 1);
		const uobj = t.aobj(2);
		space.object(va(6), 2, uobj);
		const other = new AddressSpace(t);
		for (let fail = 0; ; fail++) {
			expect(reserve(20, 8, other)).toBe(va(20));
			let n = 0;
			t.k.failinject = () => n++ === fail;
			const to = extract(0, 8, other, 20);
			t.k.failinject = null;
			checkAtRest(t);
			if (n <= fail) {
				expect([to, fail > 2]).toEqual([va(20), true]);
				break;
			}
			expect(to).toBe(-ENOMEM);
			expect([uobj.uo_refs, other.map.nentries]).toEqual([1, 1]);
			expect([0, 3].map((i) => load(i))).toEqual([1, 4]);
			expect(other.unmap(va(20), 8)).toBe(0);
		}
		expect(uvm_map_lookup_entry(map, va(0)).inheritance).not.toBe(UVM_INH_SHARE);
	});
});
