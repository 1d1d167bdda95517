/** Paths that fail while somebody waits: who waits is woken, and what was counted is undone. */

import { beforeEach, describe, expect, it } from "vitest";
import type { Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import { amap_lookup } from "../../../kernel/uvm/uvm_amap.ts";
import { uao_detach, uao_grow, uao_reference, uao_shrink } from "../../../kernel/uvm/uvm_aobj.ts";
import { ubc_uiomove } from "../../../kernel/uvm/uvm_bio.ts";
import { uvm_map_lookup_entry } from "../../../kernel/uvm/uvm_map_entry.ts";
import {
	PG_BUSY,
	uvm_pagealloc,
	uvm_pagewire,
	type vm_page,
} from "../../../kernel/uvm/uvm_page.ts";
import { uvm_pagermapin, uvm_pagermapout } from "../../../kernel/uvm/uvm_pagermap.ts";
import {
	uvm_swap_alloc,
	uvm_swap_markbad,
	uvm_swpgonly_add,
} from "../../../kernel/uvm/uvm_swap.ts";
import { swap_off } from "../../../kernel/uvm/uvm_swapctl.ts";
import { EFAULT, EIO, ENOMEM } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE } from "../../support/address-space.ts";
import { FIRST, Files } from "../../support/files.ts";
import { ld, TestKernel } from "../../support/kernel.ts";
import {
	breakSlot,
	checkAtRest,
	fill,
	holdPage,
	pageout,
	pattern,
	readByte,
	startPageout,
	swappedObject,
} from "../../support/paging.ts";

let t: TestKernel;
beforeEach(() => {
	t = new TestKernel();
});

/** Refuse a resource: `what`, the first `times` times. */
function refuse(what: string, times: number): { left: number } {
	const refusals = { left: times };
	t.k.failinject = (asked) => asked === what && refusals.left-- > 0;
	return refusals;
}

/** An address space with `pages` pages of private memory that hold `pattern`, paged out. */
function swappedSpace(pages: number): AddressSpace {
	const space = new AddressSpace(t);
	space.anon(BASE, pages);
	t.run(
		(function* (): Sleeps<void> {
			for (let i = 0; i < pages; i++) yield* space.store(BASE + i * PAGE_SIZE, pattern(i));
		})(),
	);
	pageout(t);
	expect(t.k.uvmexp.swpgonly).toBe(pages);
	return space;
}

/** The slot of the anon at BASE. */
function slotAtBase(space: AddressSpace): number {
	const entry = uvm_map_lookup_entry(space.map, BASE);
	return amap_lookup(entry.amap!, entry.pageoff)!.an_swslot;
}

describe("uao_shrink", () => {
	it.each([false, true])("waits for a busy page, and so may others (%s)", (others) => {
		const aobj = t.aobj(4);
		t.run(fill(t, aobj, [0, 1, 2, 3]));
		const holder = holdPage(t, aobj, 2);
		const shrink = t.spawn(uao_shrink(t.k, aobj, 1));
		t.settle();
		const reader = others ? t.spawn(readByte(t, aobj, 2)) : null;
		t.settle();
		expect([shrink.done, reader?.done ?? false]).toEqual([false, false]);
		holder.letGo();
		expect(shrink.done).toBe(true);
		if (reader !== null) expect(reader.result).toBe(-EIO);
		expect([aobj.uo_npages, aobj.u_pages]).toEqual([1, 1]);
		checkAtRest(t, aobj);
	});

	it.each([1, 2])("takes wired pages and what is in swap, whoever refers to it (%i)", (refs) => {
		const aobj = t.aobj(8);
		const { wired } = t.k.uvmexp;
		t.run(fill(t, aobj, Array(8).keys()));
		pageout(t);
		expect(t.run(readByte(t, aobj, 0))).toBe(pattern(0));
		expect(t.run(readByte(t, aobj, 6))).toBe(pattern(6));
		const holder = holdPage(t, aobj, 4);
		holder.letGo(() => uvm_pagewire(t.k, holder.pg));
		expect([t.k.uvmexp.wired, t.k.uvmexp.swpginuse, aobj.uo_npages]).toEqual([wired + 1, 8, 3]);
		for (let n = refs; n > 1; n--) uao_reference(t.k, aobj);
		t.run(uao_shrink(t.k, aobj, 3));
		expect([t.k.uvmexp.wired, t.k.uvmexp.swpginuse, aobj.uo_npages]).toEqual([wired, 3, 1]);
		expect(t.k.uvmexp.swpgonly).toBe(2);
		expect(uao_grow(t.k, aobj, 8)).toBe(true);
		const bytes = [0, 1, 2, 3, 4, 6, 7].map((i) => t.run(readByte(t, aobj, i)));
		expect(bytes).toEqual([1, 2, 3, 0, 0, 0, 0]);
		for (let n = refs; n > 1; n--) t.run(uao_detach(t.k, aobj));
		checkAtRest(t, aobj);
	});

	it("waits for a page on its way to swap, and takes its slot", () => {
		const aobj = t.aobj(4);
		t.run(fill(t, aobj, [0, 1, 2, 3]));
		const restore = startPageout(t);
		const shrink = t.spawn(uao_shrink(t.k, aobj, 0));
		t.settle();
		restore();
		expect(shrink.done).toBe(true);
		expect([t.k.uvmexp.swpginuse, t.k.uvmexp.swpgonly]).toEqual([0, 0]);
		checkAtRest(t, aobj);
	});
});

describe("a read that fails while a second thread waits for the page", () => {
	it("fails both: a file", () => {
		const f = new Files();
		t = f.t;
		const uvn = f.file(PAGE_SIZE);
		t.disks[1]!.failReads(FIRST, 8);
		const reads = [0, 1].map(() => t.spawn(ubc_uiomove(t.k, uvn, 0, new Uint8Array(1), false)));
		t.settle();
		expect(reads.map((read) => read.result)).toEqual([-EIO, -EIO]);
		t.check();
	});

	it("fails both: an object in swap", () => {
		const uobj = swappedObject(t, 1);
		breakSlot(t, uobj, 0);
		const reads = [0, 1].map(() => t.spawn(readByte(t, uobj, 0)));
		t.settle();
		expect(reads.map((read) => read.result)).toEqual([-EIO, -EIO]);
		checkAtRest(t, uobj);
	});

	it("fails both: private memory in swap", () => {
		const space = swappedSpace(1);
		const { disk, sector } = t.sector(slotAtBase(space));
		disk.failReads(sector, 8);
		const reads = [0, 1].map(() => t.spawn(space.load(BASE)));
		t.settle();
		expect(reads.map((read) => read.result)).toEqual([-EFAULT, -EFAULT]);
		expect(t.k.uvmexp).toMatchObject({ swpgonly: 0, swpgbad: 1 });
		t.check();
		// A bad slot is not counted as an only copy, so it is not uncounted when its anon goes.
		space.unmap(BASE, 1);
		expect(t.k.uvmexp).toMatchObject({ swpgonly: 0, swpgbad: 1, swpginuse: 1, nanon: 0 });
		t.check();
	});

	it("for lack of resources fails nobody", () => {
		const f = new Files();
		t = f.t;
		const uvn = f.file(PAGE_SIZE);
		const uobj = t.aobj(1);
		t.run(fill(t, uobj, [0]));
		const space = swappedSpaceBeside(uobj.uo_npages);
		const refusals = refuse("buf", 4);
		const byte = new Uint8Array(1);
		const reads = [0, 1].flatMap(() => [
			t.spawn(ubc_uiomove(t.k, uvn, 0, byte, false)),
			t.spawn(readByte(t, uobj, 0)),
			t.spawn(space.load(BASE)),
		]);
		t.settle();
		t.k.failinject = null;
		expect(refusals.left).toBeLessThan(0);
		expect(reads.map((read) => read.result)).toEqual(
			[0, 1].flatMap(() => [1, pattern(0), pattern(0)]),
		);
		expect(t.k.uvmexp.swpgonly).toBe(0);
		checkAtRest(t, uobj);
	});

	/** swappedSpace, where other pages go to swap too. */
	function swappedSpaceBeside(others: number): AddressSpace {
		const space = new AddressSpace(t);
		space.anon(BASE, 1);
		t.run(space.store(BASE, pattern(0)));
		pageout(t);
		expect(t.k.uvmexp.swpgonly).toBe(1 + others);
		return space;
	}
});

describe("private memory that goes while it is being read", () => {
	it.each([
		["well", 0],
		["badly", 1],
		["not, for lack of a buffer", 0],
	])("and the read ends %s: no slot is counted any more", (how, bad) => {
		const space = swappedSpace(1);
		const { disk, sector } = t.sector(slotAtBase(space));
		if (bad > 0) disk.failReads(sector, 8);
		// The reader waits for kernel addresses, then perhaps finds no buffer.
		let asked = 0;
		t.k.failinject = (what) =>
			(what === "pager_map" && asked++ === 0) || (what === "buf" && how.startsWith("not"));
		const reader = t.spawn(space.load(BASE));
		const waiter = t.spawn(space.load(BASE));
		space.unmap(BASE, 1);
		t.k.failinject = null;
		expect(asked).toBeGreaterThan(0);
		expect([reader.result, waiter.result]).toEqual([-EFAULT, -EFAULT]);
		expect(t.k.uvmexp).toMatchObject({ swpgonly: 0, swpginuse: bad, swpgbad: bad });
		expect(t.k.uvm.anon_pool.pr_nout).toBe(0);
		t.check();
	});
});

describe("a swapoff that is refused", () => {
	it("does not count bad slots as available again", () => {
		swappedSpace(400);
		const slot = uvm_swap_alloc(t.k, 1, false);
		uvm_swpgonly_add(t.k, 1);
		uvm_swap_markbad(t.k, slot, 1);
		const { swpgavail } = t.k.uvmexp;
		expect(swpgavail).toBe(1022);
		expect(t.run(swap_off(t.k, ld(0)))).toBe(ENOMEM);
		expect(t.k.uvmexp.swpgavail).toBe(swpgavail);
		t.check();
	});
});

describe("a pageout that cannot start", () => {
	it("of a file leaves nothing counted as being written", () => {
		const f = new Files();
		t = f.t;
		const uvn = f.file(20 * PAGE_SIZE);
		f.dirty(uvn, ...Array(20).keys());
		const refusals = refuse("buf", 3);
		pageout(t);
		t.k.failinject = null;
		expect(refusals.left).toBeLessThan(0);
		expect([t.k.uvmexp.paging, uvn.u_nio]).toEqual([0, 0]);
		t.check();
		pageout(t);
		expect([f.resident(uvn), t.k.uvmexp.paging]).toEqual([[], 0]);
		for (let i = 0; i < 20; i++) expect(f.onDisk(FIRST + i * 8, 512)[0]).toBe(0xd0 + i);
		t.check();
	});

	it("of a file is forgotten when a later one succeeds", () => {
		const f = new Files();
		t = f.t;
		const uvn = f.file(4 * PAGE_SIZE);
		f.dirty(uvn, 0, 1, 2, 3);
		t.disks[1]!.failWrites(FIRST, 1);
		pageout(t);
		expect(uvn.u_failures).toBeGreaterThan(0);
		t.disks[1]!.liftAll();
		pageout(t);
		expect([uvn.u_failures, f.resident(uvn)]).toEqual([0, []]);
		// So that clusters are made again, and not single pages.
		const { writes } = f.counters();
		f.dirty(uvn, 0, 1, 2, 3);
		pageout(t);
		expect(f.counters().writes - writes).toBe(1);
	});

	it("to swap gives back its slots, and its pages to who waits for them", () => {
		const aobj = t.aobj(20);
		t.run(fill(t, aobj, Array(20).keys()));
		const space = new AddressSpace(t);
		space.anon(BASE, 1);
		t.run(space.store(BASE, 7));
		refuse("buf", 2);
		const restore = startPageout(t);
		const readers = [t.spawn(readByte(t, aobj, 3)), t.spawn(space.load(BASE))];
		t.settle();
		restore();
		t.k.failinject = null;
		expect(readers.map((reader) => reader.result)).toEqual([pattern(3), 7]);
		expect(t.k.uvmexp.paging).toBe(0);
		checkAtRest(t, aobj);
	});
});

describe("the page daemon without kernel addresses for its pages", () => {
	const npages = 16;
	const flags = { waitok: true, read: true };
	let pgs: vm_page[];
	let taken: number[];
	beforeEach(() => {
		pgs = Array.from({ length: npages }, () => uvm_pagealloc(t.k, null, 0, null, 0)!);
		taken = [];
		for (;;) {
			const kva = t.run(uvm_pagermapin(t.k, pgs, npages, { ...flags, waitok: false }));
			if (kva === 0) break;
			taken.push(kva);
		}
	});

	/** Have the page daemon map the pages. */
	const asDaemon = () =>
		t.spawn(
			(function* (): Sleeps<number> {
				const daemon = t.k.uvm.pagedaemon;
				t.k.uvm.pagedaemon = t.k.curlwp;
				const kva = yield* uvm_pagermapin(t.k, pgs, npages, flags);
				t.k.uvm.pagedaemon = daemon;
				return kva;
			})(),
		);

	it.each([
		["its own window", () => t.k.uvm.emergva],
		["room of others", () => taken[3]!],
	])("is woken by the return of %s", (_what, returned) => {
		const first = asDaemon();
		t.settle();
		expect(first.result).toBe(t.k.uvm.emergva);
		const second = asDaemon();
		t.settle();
		expect(second.done).toBe(false);
		uvm_pagermapout(t.k, returned(), npages);
		t.settle();
		expect(second.result).toBe(returned());
		expect(pgs.every((pg) => (pg.flags & PG_BUSY) !== 0)).toBe(true);
	});
});
