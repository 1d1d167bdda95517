/** Pages on loan to the kernel: who may do what with them, and who gets them in the end. */

import { beforeEach, describe, expect, it } from "vitest";
import { makedev } from "../../../kernel/dev/conf.ts";
import { amap_lookup } from "../../../kernel/uvm/uvm_amap.ts";
import { ubc_uiomove } from "../../../kernel/uvm/uvm_bio.ts";
import { uvm_check } from "../../../kernel/uvm/uvm_check.ts";
import { udv_attach } from "../../../kernel/uvm/uvm_device.ts";
import { VM_FAULT_WIRE } from "../../../kernel/uvm/uvm_extern.ts";
import { uvm_fault } from "../../../kernel/uvm/uvm_fault.ts";
import { uvm_loan, uvm_loan_room, uvm_unloan } from "../../../kernel/uvm/uvm_loan.ts";
import { uvm_loanbreak } from "../../../kernel/uvm/uvm_loanbreak.ts";
import { uvm_map_lookup_entry } from "../../../kernel/uvm/uvm_map_entry.ts";
import { uvm_map_protect } from "../../../kernel/uvm/uvm_map_protect.ts";
import { uvm_obj_unwirepages, uvm_obj_wirepages } from "../../../kernel/uvm/uvm_object_wire.ts";
import {
	PG_BUSY,
	uvm_page_unbusy1,
	uvm_pagealloc,
	uvm_pagefree,
	type vm_page,
} from "../../../kernel/uvm/uvm_page.ts";
import { uvm_pageout_pages } from "../../../kernel/uvm/uvm_pdaemon.ts";
import { swap_off, swap_on } from "../../../kernel/uvm/uvm_swapctl.ts";
import { pmap_page_protect } from "../../../pmap/pmap.ts";
import { EACCES, EBUSY, EINVAL, EIO, ENOENT, ENOMEM } from "../../../sys/errno.ts";
import { PAGE_SIZE, VM_PROT_READ, VM_PROT_WRITE } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE, cowClone, uvm_unwire_page } from "../../support/address-space.ts";
import { Files, SYNC } from "../../support/files.ts";
import { ld, TestKernel } from "../../support/kernel.ts";
import {
	checkAtRest,
	fill,
	holdPage,
	pageout,
	pattern,
	readByte,
	residentPage,
	swappedObject,
} from "../../support/paging.ts";

let t: TestKernel;
let space: AddressSpace;

/** Private memory at BASE: page i holds pattern(i). */
function privately(pages: number): void {
	space = new AddressSpace(t);
	space.anon(BASE, pages);
	for (let i = 0; i < pages; i++) t.run(space.store(BASE + i * PAGE_SIZE, pattern(i)));
}

beforeEach(() => {
	t = new TestKernel();
	privately(4);
});

/** Lend `n` pages from page `first` of BASE on. => they, or the error. */
function lend(n: number, first = 0, from = space): vm_page[] | number {
	const pgs: vm_page[] = [];
	const error = t.run(uvm_loan(t.k, from.map, BASE + first * PAGE_SIZE, n * PAGE_SIZE, pgs));
	expect(pgs.length).toBe(error === 0 ? n : 0);
	return error === 0 ? pgs : error;
}

const lent = (n: number, first = 0, from = space): vm_page[] => {
	const pgs = lend(n, first, from);
	if (typeof pgs === "number") throw new Error(`not lent: ${pgs}`);
	return pgs;
};

const first = (pg: vm_page): number => t.bytes(pg)[0]!;
const store = (page: number, byte: number, to = space): number =>
	t.run(to.store(BASE + page * PAGE_SIZE, byte));
const load = (page: number, from = space): number => t.run(from.load(BASE + page * PAGE_SIZE));
const anon = (page: number) => {
	const { amap, pageoff } = uvm_map_lookup_entry(space.map, BASE);
	return amap_lookup(amap!, pageoff + page)!;
};

describe("a loan", () => {
	it("gives the pages themselves, and takes nothing away", () => {
		const { free } = t.k.uvmexp;
		const pgs = lent(4);
		expect(pgs.map(first)).toEqual([0, 1, 2, 3].map(pattern));
		expect(pgs[2]).toBe(anon(2).an_page);
		expect(t.k.uvmexp).toMatchObject({ loanpages: 4, loans: 4, loanbreaks: 0 });
		t.check();
		expect(load(1)).toBe(pattern(1));
		t.check();
		uvm_unloan(t.k, pgs);
		expect(store(1, 77)).toBe(0);
		expect(anon(1).an_page).toBe(pgs[1]);
		expect(t.k.uvmexp).toMatchObject({ loanpages: 0, loans: 4, loanbreaks: 0 });
		expect(t.k.uvmexp.free).toBe(free);
		t.check();
	});

	it("a store gives the owner a copy, and the borrower keeps what it got", () => {
		const { free } = t.k.uvmexp;
		const pgs = lent(4);
		expect(store(2, 99)).toBe(0);
		expect([first(pgs[2]!), load(2)]).toEqual([pattern(2), 99]);
		expect(anon(2).an_page).not.toBe(pgs[2]);
		expect(t.k.uvmexp).toMatchObject({ loanbreaks: 1, free: free - 1 });
		t.check();
		uvm_unloan(t.k, pgs);
		expect(t.k.uvmexp.free).toBe(free);
		expect(load(2)).toBe(99);
		t.check();
	});

	it("of the same page twice ends with the second", () => {
		const [a, b] = [lent(1), lent(2)];
		expect(a[0]).toBe(b[0]);
		expect(a[0]!.loan_count).toBe(2);
		uvm_unloan(t.k, a);
		t.check();
		store(0, 55);
		expect(first(b[0]!)).toBe(pattern(0));
		uvm_unloan(t.k, b);
		t.check();
	});

	it("of memory that two processes share after fork", () => {
		const child = cowClone(space, BASE, 4);
		load(1, child);
		const pgs = lent(2);
		expect(store(1, 66, child)).toBe(0);
		expect(store(1, 44)).toBe(0);
		expect([first(pgs[1]!), load(1), load(1, child)]).toEqual([pattern(1), 44, 66]);
		t.check();
		t.run(child.free());
		uvm_unloan(t.k, pgs);
		t.check();
	});

	it("brings in what is in swap, and waits for a busy page", () => {
		pageout(t);
		expect(anon(3).an_page).toBeNull();
		const waiting = [0, 1].map(() => {
			const pgs: vm_page[] = [];
			return { pgs, thread: t.spawn(uvm_loan(t.k, space.map, BASE, 4 * PAGE_SIZE, pgs)) };
		});
		t.settle();
		for (const { pgs, thread } of waiting) {
			expect(thread.result).toBe(0);
			expect(pgs.map(first)).toEqual([0, 1, 2, 3].map(pattern));
			uvm_unloan(t.k, pgs);
		}
		t.check();
	});

	it("of untouched memory is of zeros, which belong to nobody", () => {
		space.anon(BASE + 0x10000, 2);
		const { free } = t.k.uvmexp;
		const pgs = lent(2, 16);
		expect(pgs.map(first)).toEqual([0, 0]);
		expect(t.k.uvmexp.free).toBe(free - 2);
		t.check();
		t.run(space.store(BASE + 0x10000, 5));
		expect(first(pgs[0]!)).toBe(0);
		uvm_unloan(t.k, pgs);
		expect(t.k.uvmexp.free).toBe(free - 1);
		t.check();
	});
});

describe("an object's page on loan", () => {
	it("is copied by a store in any process", () => {
		const aobj = t.aobj(2);
		t.run(fill(t, aobj, [0, 1]));
		const other = new AddressSpace(t);
		aobj.uo_refs++;
		space.object(BASE + 0x20000, 2, aobj);
		other.object(BASE + 0x20000, 2, aobj);
		expect([load(33, other), load(33)]).toEqual([pattern(1), pattern(1)]);
		const pgs = lent(2, 32);
		t.check();
		expect(store(33, 200, other)).toBe(0);
		expect([load(33), load(33, other), first(pgs[1]!)]).toEqual([200, 200, pattern(1)]);
		expect(residentPage(t, aobj, 1)).not.toBe(pgs[1]);
		expect(load(32)).toBe(pattern(0));
		t.check();
		uvm_unloan(t.k, pgs);
		t.check();
	});

	it("is copied when the kernel writes to it, and waits for memory", () => {
		const aobj = swappedObject(t, 2);
		space.object(BASE + 0x20000, 2, aobj);
		const pgs = lent(2, 32);
		let refusals = 1;
		t.k.failinject = (what) => what === "page" && refusals-- > 0;
		expect(t.run(ubc_uiomove(t.k, aobj, 0, Uint8Array.of(123), true))).toBe(1);
		expect(refusals).toBe(-1);
		expect([load(32), first(pgs[0]!)]).toEqual([123, pattern(0)]);
		t.check();
		uvm_unloan(t.k, pgs);
		t.check();
	});

	it("the copy has its place among the object's pages", () => {
		const aobj = t.aobj(3);
		t.run(fill(t, aobj, [0, 1, 2]));
		space.object(BASE + 0x20000, 3, aobj);
		const pgs = lent(1, 33);
		store(33, 1);
		const offsets: number[] = [];
		for (let pg = aobj.memq_first; pg !== null; pg = pg.listq_next) offsets.push(pg.offset);
		expect(offsets).toEqual([0, PAGE_SIZE, 2 * PAGE_SIZE]);
		uvm_unloan(t.k, pgs);
		t.check();
	});

	it("a clean copy is as clean as the page was", () => {
		const files = new Files();
		t = files.t;
		const uvn = files.file(2 * PAGE_SIZE);
		uvn.uo_refs++;
		space = new AddressSpace(t);
		space.object(BASE, 2, uvn);
		t.run(uvm_map_protect(t.k, space.map, BASE, BASE + PAGE_SIZE, VM_PROT_READ));
		const pgs = lent(2);
		const before = files.counters().writes;
		expect(t.run(uvm_fault(t.k, space.map, BASE, VM_FAULT_WIRE, VM_PROT_READ))).toBe(0);
		expect(residentPage(t, uvn, 0)).not.toBe(pgs[0]);
		uvm_unwire_page(space, BASE);
		expect(files.put(uvn, SYNC)).toBe(0);
		expect(files.counters().writes).toBe(before);
		uvm_unloan(t.k, pgs);
		t.check();
	});
});

describe("an owner that frees a page on loan", () => {
	it("forgets it, and the borrower frees it", () => {
		const { free } = t.k.uvmexp;
		const pgs = lent(4);
		space.unmap(BASE, 4);
		expect(pgs.map(first)).toEqual([0, 1, 2, 3].map(pattern));
		expect(t.k.uvmexp.free - free).toBeLessThan(4);
		expect(pgs[0]).toMatchObject({ uanon: null, uobject: null, pqflags: 0, loan_count: 1 });
		t.check();
		uvm_unloan(t.k, pgs);
		expect(t.k.uvmexp.free).toBeGreaterThanOrEqual(free + 4);
		t.check();
	});

	it("an object that is gone, a process that ends", () => {
		const aobj = t.aobj(2);
		t.run(fill(t, aobj, [0, 1]));
		space.object(BASE + 0x20000, 2, aobj);
		const pgs = lent(2, 32);
		const own = lent(4);
		t.run(space.free());
		expect(first(pgs[1]!)).toBe(pattern(1));
		t.check();
		uvm_unloan(t.k, pgs);
		uvm_unloan(t.k, own);
		checkAtRest(t);
	});
});

describe("while it is on loan a page", () => {
	it("stays in memory, whatever the page daemon does", () => {
		const pgs = lent(2);
		pageout(t);
		expect([0, 1, 2].map((i) => anon(i).an_page)).toEqual([pgs[0], pgs[1], null]);
		t.run(uvm_pageout_pages(t.k, pgs));
		expect(anon(0).an_page).toBe(pgs[0]);
		t.check();
		uvm_unloan(t.k, pgs);
		pageout(t);
		expect(anon(0).an_page).toBeNull();
		expect([load(0), load(1), load(2)]).toEqual([0, 1, 2].map(pattern));
		t.check();
	});

	it("is mapped again to be read only", () => {
		const aobj = t.aobj(1);
		t.run(fill(t, aobj, [0]));
		space.object(BASE + 0x20000, 1, aobj);
		const pgs = [lent(2), lent(1, 32)];
		for (const pg of pgs.flat()) pmap_page_protect(t.k, pg, 0);
		expect([load(0), load(32)]).toEqual([pattern(0), pattern(0)]);
		t.check();
		for (const loan of pgs) uvm_unloan(t.k, loan);
		expect([store(0, 1), store(32, 1), t.k.uvmexp.loanbreaks]).toEqual([0, 0, 0]);
		t.check();
	});

	it("gives up its slot to swapoff", () => {
		pageout(t);
		const pgs = lent(2);
		expect(anon(0).an_swslot).toBeGreaterThan(0);
		expect(t.run(swap_off(t.k, ld(0)))).toBe(0);
		t.check();
		expect(swap_on(t.k, "/dev/ld0", ld(0), 0)).toBe(0);
		expect([load(0), load(3), first(pgs[1]!)]).toEqual([pattern(0), pattern(3), pattern(1)]);
		uvm_unloan(t.k, pgs);
		t.check();
	});

	it("is not wired: its owner wires a copy", () => {
		const pgs = lent(2);
		const prot = VM_PROT_READ | VM_PROT_WRITE;
		expect(t.run(uvm_fault(t.k, space.map, BASE, VM_FAULT_WIRE, prot))).toBe(0);
		expect([pgs[0]!.wire_count, anon(0).an_page!.wire_count]).toEqual([0, 1]);
		expect(anon(0).an_page).not.toBe(pgs[0]);
		uvm_unwire_page(space, BASE);
		uvm_unloan(t.k, pgs);
		t.check();
	});

	it("also where it can only be read, and is shared", () => {
		const child = cowClone(space, BASE, 4);
		t.run(uvm_map_protect(t.k, space.map, BASE, BASE + PAGE_SIZE, VM_PROT_READ));
		load(0);
		load(0, child);
		store(3, 8, child);
		const pgs = lent(1);
		expect(t.run(uvm_fault(t.k, space.map, BASE, VM_FAULT_WIRE, VM_PROT_READ))).toBe(0);
		expect(pgs[0]!.wire_count).toBe(0);
		expect([load(0), load(0, child)]).toEqual([pattern(0), pattern(0)]);
		uvm_unwire_page(space, BASE);
		uvm_unloan(t.k, pgs);
		t.check();
	});

	it("an object is wired as a whole, with copies, and waits for memory", () => {
		const aobj = t.aobj(3);
		t.run(fill(t, aobj, [0, 1, 2]));
		space.object(BASE + 0x20000, 3, aobj);
		const pgs = lent(1, 33);
		let refusals = 1;
		t.k.failinject = (what) => what === "page" && refusals-- > 0;
		expect(t.run(uvm_obj_wirepages(t.k, aobj))).toBe(0);
		expect(refusals).toBe(-1);
		expect(pgs[0]!.wire_count).toBe(0);
		expect(t.run(readByte(t, aobj, 1))).toBe(pattern(1));
		uvm_obj_unwirepages(t.k, aobj);
		uvm_unloan(t.k, pgs);
		t.check();
	});
});

describe("nothing is lent", () => {
	const nothing = (): void => {
		expect(t.k.uvmexp.loanpages).toBe(0);
		expect(t.k.uvm.loans).toEqual([]);
		t.check();
	};

	it("of a hole, what cannot be read, a device", () => {
		expect(lend(5)).toBe(ENOENT);
		t.run(uvm_map_protect(t.k, space.map, BASE + PAGE_SIZE, BASE + 2 * PAGE_SIZE, 0));
		expect(lend(4)).toBe(EACCES);
		const fb = new TestKernel({ framebuffer: { width: 32, height: 32 } });
		const device = fb.k.cdevsw.findIndex((dev) => dev?.d_mmap !== undefined);
		const udv = udv_attach(fb.k, makedev(device, 0));
		if (typeof udv === "number") throw new Error("no device");
		const user = new AddressSpace(fb);
		user.object(BASE, 1, udv);
		expect(fb.run(uvm_loan(fb.k, user.map, BASE, PAGE_SIZE, []))).toBe(EINVAL);
		fb.check();
		nothing();
	});

	it("of a wired page, or what cannot be read from the disk", () => {
		const prot = VM_PROT_READ | VM_PROT_WRITE;
		t.run(uvm_fault(t.k, space.map, BASE + PAGE_SIZE, VM_FAULT_WIRE, prot));
		expect(lend(4)).toBe(EBUSY);
		uvm_unwire_page(space, BASE + PAGE_SIZE);
		pageout(t);
		const { disk, sector } = t.sector(anon(2).an_swslot);
		disk.failReads(sector, 8);
		expect(lend(4)).toBe(EIO);
		nothing();
	});

	it("beyond a third of memory", () => {
		const room = uvm_loan_room(t.k);
		expect(room).toBe(t.k.uvmexp.wiredmax - t.k.uvmexp.wired);
		space.anon(BASE + 0x100000, room + 1);
		expect(lend(room + 1, 256)).toBe(ENOMEM);
		nothing();
		const pgs = lent(room, 256);
		expect(uvm_loan_room(t.k)).toBe(0);
		expect(lend(1)).toBe(ENOMEM);
		uvm_unloan(t.k, pgs);
		nothing();
	});

	it("without memory: a page of zeros waits for it, then gives up", () => {
		t.run(swap_off(t.k, ld(0)));
		space.anon(BASE + 0x10000, 2);
		t.k.uvm.pdfruitless = 100;
		t.k.failinject = (what) => what === "page";
		expect(lend(2, 16)).toBe(ENOMEM);
		t.k.failinject = null;
		t.k.uvm.pdfruitless = 0;
		nothing();
	});
});

describe("waits:", () => {
	it("a store that finds no memory for the copy", () => {
		const pgs = lent(1);
		let refusals = 2;
		t.k.failinject = (what) => what === "page" && refusals-- > 0;
		expect(store(0, 31)).toBe(0);
		expect(refusals).toBeLessThan(0);
		expect([load(0), first(pgs[0]!)]).toEqual([31, pattern(0)]);
		uvm_unloan(t.k, pgs);
		t.check();
	});

	it("who waits for a page when it is replaced is woken", () => {
		const aobj = t.aobj(1);
		t.run(fill(t, aobj, [0]));
		space.object(BASE + 0x20000, 1, aobj);
		const pgs = lent(1, 32);
		pgs[0]!.flags |= PG_BUSY;
		const waiting = t.spawn(readByte(t, aobj, 0));
		t.settle();
		expect(waiting.done).toBe(false);
		const copy = uvm_loanbreak(t.k, pgs[0]!)!;
		uvm_page_unbusy1(t.k, copy);
		t.settle();
		expect(waiting.result).toBe(pattern(0));
		uvm_unloan(t.k, pgs);
		t.check();
	});

	it("who waits for a page that a store replaces is woken", () => {
		const aobj = t.aobj(1);
		t.run(fill(t, aobj, [0]));
		space.object(BASE + 0x20000, 1, aobj);
		const pgs = lent(1, 32);
		const holder = holdPage(t, aobj, 0);
		const readers = [0, 1].map(() => t.spawn(readByte(t, aobj, 0)));
		const writer = t.spawn(space.store(BASE + 0x20000, 9));
		const lender = t.spawn(uvm_loan(t.k, space.map, BASE + 0x20000, PAGE_SIZE, []));
		t.settle();
		expect([...readers, writer, lender].some((thread) => thread.done)).toBe(false);
		holder.letGo();
		expect(writer.result).toBe(0);
		expect(lender.result).toBe(0);
		expect(readers.map((reader) => reader.result)).toEqual([pattern(0), pattern(0)]);
		for (const loan of [...t.k.uvm.loans]) uvm_unloan(t.k, loan);
		expect(first(pgs[0]!)).toBe(pattern(0));
		t.check();
	});
});

describe("uvm_check finds", () => {
	const found = (): string => uvm_check(t.k).join("; ");

	it("a wrong count, a wired page and a queue", () => {
		const pgs = lent(1);
		pgs[0]!.loan_count++;
		expect(found()).toContain("16: loan_count counts wrongly");
		pgs[0]!.loan_count--;
		t.k.uvmexp.loanpages++;
		expect(found()).toContain("16: uvmexp.loanpages counts wrongly");
		t.k.uvmexp.loanpages--;
		pgs[0]!.wire_count++;
		expect(found()).toContain("16: a page on loan is wired");
		pgs[0]!.wire_count--;
		uvm_unloan(t.k, pgs);
		store(0, 1);
		const loan: vm_page[] = [anon(0).an_page!];
		t.k.uvm.loans.push(loan);
		loan[0]!.loan_count++;
		t.k.uvmexp.loanpages++;
		expect(found()).toContain("16: a page on loan is writable");
		uvm_unloan(t.k, loan);
		t.check();
	});

	it("a page without owner that is on a queue", () => {
		const pg = uvm_pagealloc(t.k, null, 0, null, 0)!;
		pg.flags = 0;
		pg.pqflags = 0x10;
		pg.loan_count = 1;
		t.k.uvm.loans.push([pg]);
		t.k.uvmexp.loanpages++;
		expect(found()).toContain("16: a page on loan without owner");
		pg.pqflags = 0;
		uvm_pagefree(t.k, pg);
		uvm_unloan(t.k, t.k.uvm.loans[0]!);
		t.check();
	});
});
