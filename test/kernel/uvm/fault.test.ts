/** Page faults: the four cases, the window of neighbours, and what happens without memory. */

import { beforeEach, describe, expect, it } from "vitest";
import { simple_lock } from "../../../kernel/kern/core/kern_lock.ts";
import { amap_lookup } from "../../../kernel/uvm/uvm_amap.ts";
import { uao_put } from "../../../kernel/uvm/uvm_aobj.ts";
import {
	UVM_ADV_NORMAL,
	UVM_ADV_RANDOM,
	UVM_ADV_SEQUENTIAL,
	VM_FAULT_INVALID,
	VM_FAULT_WIRE,
} from "../../../kernel/uvm/uvm_extern.ts";
import { uvm_fault, uvm_fault_nosleep } from "../../../kernel/uvm/uvm_fault.ts";
import { uvm_map_protect } from "../../../kernel/uvm/uvm_map_protect.ts";
import { PGO_DEACTIVATE, type uvm_object } from "../../../kernel/uvm/uvm_object.ts";
import { pmap_remove, pmap_update } from "../../../pmap/pmap.ts";
import { EACCES, EFAULT, EIO, ENOMEM, EWOULDBLOCK } from "../../../sys/errno.ts";
import { PAGE_SIZE, VM_PROT_READ, VM_PROT_WRITE } from "../../../sys/vmparam.ts";
import {
	AddressSpace,
	BASE,
	cowClone,
	faultsOf,
	uvm_unwire_page,
} from "../../support/address-space.ts";
import { TestKernel } from "../../support/kernel.ts";
import {
	checkAtRest,
	fill,
	pageout,
	pattern,
	readByte,
	residentPage,
	slotOf,
} from "../../support/paging.ts";

let t: TestKernel;
let space: AddressSpace;
beforeEach(() => {
	t = new TestKernel();
	space = new AddressSpace(t);
});

const va = (page: number): number => BASE + page * PAGE_SIZE;
const store = (page: number, byte: number, where = space): number =>
	t.run(where.store(va(page), byte));
const load = (page: number, where = space): number => t.run(where.load(va(page)));

/** An object whose pages 0 to n-1 are resident. */
function residentObject(pages: number): uvm_object {
	const uobj = t.aobj(pages);
	t.run(fill(t, uobj, Array(pages).keys()));
	return uobj;
}

/** How often each counter of cases grew while `body` ran. */
function cases(body: () => void): Record<string, number> {
	const names = ["flt_anon", "flt_acow", "flt_obj", "flt_prcopy", "flt_przero"] as const;
	const before = names.map((name) => t.k.uvmexp[name]);
	body();
	const grown: Record<string, number> = {};
	for (const [i, name] of names.entries()) {
		const n = t.k.uvmexp[name] - before[i]!;
		if (n > 0) grown[name] = n;
	}
	return grown;
}

/** Make the MMU forget the mappings of `pages` pages. */
function unmapped(pages: number): void {
	pmap_remove(t.k, space.map.pmap, BASE, va(pages));
	pmap_update(t.k, space.map.pmap);
}

describe("how many faults", () => {
	const advices = [UVM_ADV_NORMAL, UVM_ADV_RANDOM, UVM_ADV_SEQUENTIAL] as const;

	it.each(advices)("first touches of n zero-fill pages fault n times (advice %i)", (advice) => {
		const n = 37;
		space.anon(BASE, n, advice);
		const stores = faultsOf(t, () => {
			for (let i = 0; i < n; i++) store(i, i);
		});
		expect(stores).toBe(n);
		const again = faultsOf(t, () => {
			for (let i = 0; i < n; i++) expect(load(i)).toBe(i);
		});
		expect(again).toBe(0);
	});

	// Behind and ahead: normal 3 and 4, random none, sequential 8 and 7.
	const windows = [
		["normal", UVM_ADV_NORMAL, 5, 4],
		["random", UVM_ADV_RANDOM, 1, 1],
		["sequential", UVM_ADV_SEQUENTIAL, 8, 9],
	] as const;

	it.each(windows)("resident pages, %s advice, object", (_, advice, ahead, behind) => {
		for (const n of [1, 5, 36, 41, 100]) {
			const uobj = residentObject(n);
			expect(space.object(BASE, n, uobj, { cow: false, advice })).toBe(0);
			const forward = faultsOf(t, () => {
				for (let i = 0; i < n; i++) expect(load(i)).toBe(pattern(i));
			});
			expect(forward, `forward ${n}`).toBe(Math.ceil(n / ahead));
			unmapped(n);
			const backward = faultsOf(t, () => {
				for (let i = n - 1; i >= 0; i--) expect(load(i)).toBe(pattern(i));
			});
			expect(backward, `backward ${n}`).toBe(Math.ceil(n / behind));
			expect(space.unmap(BASE, n)).toBe(0);
		}
		checkAtRest(t);
	});

	it.each(windows)("resident pages, %s advice, private memory", (_, advice, ahead, behind) => {
		const n = 41;
		space.anon(BASE, n, advice);
		for (let i = 0; i < n; i++) store(i, i);
		unmapped(n);
		const forward = faultsOf(t, () => {
			for (let i = 0; i < n; i++) expect(load(i)).toBe(i);
		});
		expect(forward).toBe(Math.ceil(n / ahead));
		unmapped(n);
		const backward = faultsOf(t, () => {
			for (let i = n - 1; i >= 0; i--) store(i, i);
		});
		expect(backward).toBe(Math.ceil(n / behind));
	});

	it("the window does not reach out of its entry", () => {
		const uobj = residentObject(8);
		space.object(BASE, 8, uobj);
		const prot = VM_PROT_READ;
		expect(t.run(uvm_map_protect(t.k, space.map, va(3), va(5), prot))).toBe(0);
		expect(faultsOf(t, () => load(3))).toBe(1);
		expect(faultsOf(t, () => load(4))).toBe(0);
		expect(faultsOf(t, () => load(5))).toBe(1);
		expect(faultsOf(t, () => load(2))).toBe(1);
	});
});

describe("cases", () => {
	it("1A: an anon of one's own is mapped, and writable", () => {
		space.anon(BASE, 1);
		store(0, 7);
		unmapped(1);
		expect(cases(() => expect(load(0)).toBe(7))).toEqual({ flt_anon: 1 });
		expect(faultsOf(t, () => store(0, 8))).toBe(0);
		checkAtRest(t);
	});

	it("1A, 1B: a shared anon is readable, and copied by the first write", () => {
		space.anon(BASE, 2);
		store(0, 7);
		store(1, 8);
		const child = cowClone(space, BASE, 2);
		checkAtRest(t);
		expect(cases(() => expect(load(0, child)).toBe(7))).toEqual({ flt_anon: 1 });
		expect(cases(() => store(0, 9, child))).toEqual({ flt_anon: 1, flt_acow: 1 });
		expect([load(0), load(0, child), load(1), load(1, child)]).toEqual([7, 9, 8, 8]);
		checkAtRest(t);
		// The anon has one reference left: no copy is needed any more.
		expect(cases(() => store(0, 10))).toEqual({ flt_anon: 1 });
		expect([load(0), load(0, child)]).toEqual([10, 9]);
		t.run(child.free());
		expect(cases(() => store(1, 11))).toEqual({ flt_anon: 1 });
		checkAtRest(t);
	});

	it("2A: a shared object's page is mapped as it is, for everybody", () => {
		const uobj = residentObject(2);
		const other = new AddressSpace(t);
		uobj.uo_refs++;
		space.object(BASE, 2, uobj);
		other.object(BASE, 2, uobj);
		expect(cases(() => store(1, 99))).toEqual({ flt_obj: 1 });
		expect(load(1, other)).toBe(99);
		checkAtRest(t);
	});

	it("2B: a write to a copy-on-write object makes a copy, and leaves the object alone", () => {
		const uobj = residentObject(2);
		uobj.uo_refs++;
		space.object(BASE, 2, uobj, { cow: true, advice: UVM_ADV_RANDOM });
		expect(cases(() => expect(load(0)).toBe(pattern(0)))).toEqual({ flt_obj: 1 });
		expect(cases(() => store(0, 99))).toEqual({ flt_prcopy: 1 });
		expect(cases(() => store(1, 98))).toEqual({ flt_prcopy: 1 });
		expect([load(0), load(1)]).toEqual([99, 98]);
		expect(t.run(readByte(t, uobj, 0))).toBe(pattern(0));
		expect(t.bytes(residentPage(t, uobj, 0)!)[0]).toBe(pattern(0));
		expect(t.k.uvmexp.nanon).toBe(2);
	});

	it("2B: memory that was never touched reads as zeros, whoever had the frame before", () => {
		for (const pg of t.k.uvm.vm_pages) {
			if (pg.uobject === null && pg.pqflags === 1) t.bytes(pg).fill(0xff);
		}
		space.anon(BASE, 3);
		expect(cases(() => expect(load(1)).toBe(0))).toEqual({ flt_przero: 1 });
		expect(t.run(space.load(va(1) + PAGE_SIZE - 1))).toBe(0);
		checkAtRest(t);
	});

	it("a page in swap is read, once, however many wait for it", () => {
		space.anon(BASE, 4, UVM_ADV_RANDOM);
		for (let i = 0; i < 4; i++) store(i, i + 1);
		pageout(t);
		expect(uvm_fault_nosleep(t.k, space.map, va(2), VM_FAULT_INVALID, VM_PROT_READ)).toBe(
			EWOULDBLOCK,
		);
		const loads = [2, 2, 2].map((i) => t.spawn(space.load(va(i))));
		t.settle();
		expect(loads.map((l) => l.result)).toEqual([3, 3, 3]);
		expect(t.k.uvmexp.pgswapin).toBe(1);
		checkAtRest(t);
	});

	it.each([
		["room in pager_map", "pager_map", 1],
		["a buf", "buf", 1],
		["room in pager_map, and then a buf", "", 2],
	])("a page in swap waits for %s", (_, what, times) => {
		space.anon(BASE, 2, UVM_ADV_RANDOM);
		for (let i = 0; i < 2; i++) store(i, i + 1);
		pageout(t);
		let refused = 0;
		t.k.failinject = (pool) => {
			const wanted = what === "" ? ["pager_map", "buf"][refused] : what;
			return refused < times && pool === wanted && ++refused > 0;
		};
		const { pageins, fltrelck } = t.k.uvmexp;
		expect(load(1)).toBe(2);
		expect(refused).toBe(times);
		expect(t.k.uvmexp.pgswapin).toBe(1);
		// Each attempt to read it counts, and what each of them waits for.
		const attempts = what === "pager_map" ? 1 : 2;
		expect(t.k.uvmexp.pageins - pageins).toBe(attempts);
		expect(t.k.uvmexp.fltrelck - fltrelck).toBe(attempts);
		checkAtRest(t);
	});

	it("a fault goes on where the attempt ended that could not sleep, and waits for that", () => {
		const uobj = residentObject(2);
		uobj.uo_refs++;
		pageout(t);
		space.object(BASE, 2, uobj);
		const { uvmexp } = t.k;
		const attempts = uvmexp.fltlget;
		const fault = [t.k, space.map, BASE, VM_FAULT_INVALID, VM_PROT_READ] as const;
		expect(uvm_fault_nosleep(...fault)).toBe(EWOULDBLOCK);
		expect(t.run(uvm_fault(...fault, true))).toBe(0);
		// One before the page was read, and one after it.
		expect(uvmexp.fltlget - attempts).toBe(2);
		expect(uvmexp.pgswapin).toBe(1);
		// Not where that was another fault: page 1 is mapped, and read, with one attempt more.
		expect(t.run(uvm_fault(t.k, space.map, va(1), VM_FAULT_INVALID, VM_PROT_READ, true))).toBe(0);
		expect(uvmexp.fltlget - attempts).toBe(4);
		expect(load(1)).toBe(pattern(1));
	});

	it("M6: a store through a mapping that outlived deactivation is not lost", () => {
		const uobj = t.aobj(2);
		uobj.uo_refs++;
		space.object(BASE, 2, uobj);
		store(0, 1);
		pageout(t);
		expect(load(0)).toBe(1);
		simple_lock(t.k, uobj.vmobjlock);
		t.run(uao_put(t.k, uobj, 0, PAGE_SIZE, PGO_DEACTIVATE));
		expect(faultsOf(t, () => store(0, 2))).toBeLessThanOrEqual(1);
		simple_lock(t.k, uobj.vmobjlock);
		t.run(uao_put(t.k, uobj, 0, PAGE_SIZE, PGO_DEACTIVATE));
		expect(faultsOf(t, () => store(0, 3))).toBe(0);
		pageout(t);
		expect(uobj.uo_npages).toBe(0);
		expect(load(0)).toBe(3);
	});

	it("a wiring fault wires the page and gives up its slot", () => {
		const uobj = residentObject(2);
		uobj.uo_refs++;
		pageout(t);
		space.object(BASE, 2, uobj);
		const access = VM_PROT_READ | VM_PROT_WRITE;
		expect(t.run(uvm_fault(t.k, space.map, BASE, VM_FAULT_WIRE, access))).toBe(0);
		const pg = residentPage(t, uobj, 0)!;
		expect(pg.wire_count).toBe(1);
		expect(slotOf(t, uobj, 0)).toBe(0);
		pageout(t);
		expect(residentPage(t, uobj, 0)).toBe(pg);
		uvm_unwire_page(space, BASE);
		expect(pg.wire_count).toBe(0);
		pageout(t);
		expect(residentPage(t, uobj, 0)).toBeNull();
		expect(load(0)).toBe(pattern(0));
	});
});

describe("errors", () => {
	const fault = (page: number, access: number): number =>
		t.run(uvm_fault(t.k, space.map, va(page), VM_FAULT_INVALID, access));

	it("no entry is EFAULT, too little protection EACCES", () => {
		space.anon(BASE, 2);
		expect(fault(2, VM_PROT_READ)).toBe(EFAULT);
		t.run(uvm_map_protect(t.k, space.map, BASE, va(1), VM_PROT_READ));
		expect(fault(0, VM_PROT_WRITE)).toBe(EACCES);
		expect(fault(0, VM_PROT_READ)).toBe(0);
		expect(fault(1, VM_PROT_WRITE)).toBe(0);
		expect(store(0, 1)).toBe(EFAULT);
		checkAtRest(t);
	});

	it("contents that cannot be read are EIO for ever, and never zeros", () => {
		space.anon(BASE, 2);
		store(0, 1);
		store(1, 2);
		pageout(t);
		const { disk, sector } = t.sector(amap_lookup(t.k.uvm.amap_list!, 1)!.an_swslot);
		disk.failReads(sector, 8);
		expect(fault(1, VM_PROT_READ)).toBe(EIO);
		disk.liftAll();
		expect(fault(1, VM_PROT_READ)).toBe(EIO);
		expect(fault(1, VM_PROT_WRITE)).toBe(EIO);
		expect(load(0)).toBe(1);
		expect(t.k.uvmexp.swpgbad).toBe(1);
		checkAtRest(t);
		t.run(space.free());
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 1, swpgonly: 0, nanon: 0 });
		checkAtRest(t);
	});

	it("without memory and swap it is ENOMEM, and what is there stays", () => {
		t = new TestKernel({ disks: [17 * PAGE_SIZE] });
		space = new AddressSpace(t);
		space.anon(BASE, 400);
		let n = 0;
		while (store(n, n & 0xff) === 0) n++;
		expect(fault(n, VM_PROT_WRITE)).toBe(ENOMEM);
		expect(n).toBeGreaterThan(200);
		expect(t.k.uvmexp.swpgonly).toBe(16);
		checkAtRest(t);
		t.run(space.free());
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 0, nanon: 0 });
		checkAtRest(t);
	});

	// Each of these fails for the first time, then the second, ... until it is not asked for.
	it.each(["page", "anonpl", "amappl", "pv", "buf", "pager_map", "vmmpekpl"])(
		"a fault for which %s fails once is only late",
		(what) => {
			for (let nth = 1; ; nth++) {
				t = new TestKernel();
				space = new AddressSpace(t);
				space.anon(BASE, 4);
				for (let i = 0; i < 4; i++) store(i, i + 1);
				pageout(t);
				const child = cowClone(space, BASE, 4);
				let asked = 0;
				t.k.failinject = (name) => name === what && ++asked === nth;
				expect(store(1, 9, child)).toBe(0);
				expect(load(2)).toBe(3);
				t.k.failinject = null;
				expect([1, 2].map((i) => load(i))).toEqual([2, 3]);
				expect(load(1, child)).toBe(9);
				checkAtRest(t);
				if (asked >= nth) continue;
				expect(nth, "nothing was injected").toBeGreaterThan(1);
				return;
			}
		},
	);
});
