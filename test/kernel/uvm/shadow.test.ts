/** The shadow of page contents: what it sees, and that it sees nothing where nothing is wrong. */
import { beforeEach, describe, expect, it } from "vitest";
import { PG_CLEAN, uvm_pageidlezero } from "../../../kernel/uvm/uvm_page.ts";
import {
	type shadow_mismatch,
	type uvm_shadow,
	uvm_shadow_found,
	uvm_shadow_init,
	uvm_shadow_watch,
} from "../../../kernel/uvm/uvm_shadow.ts";
import { swap_off } from "../../../kernel/uvm/uvm_swapctl.ts";
import { pmap_clear_modify } from "../../../pmap/pmap.ts";
import { ld, TestKernel } from "../../support/kernel.ts";
import {
	checkAtRest,
	expectPattern,
	fill,
	pageout,
	readByte,
	residentPage,
	slotOf,
	swappedObject,
} from "../../support/paging.ts";

let t: TestKernel;
let sh: uvm_shadow;

beforeEach(() => {
	t = new TestKernel();
	sh = uvm_shadow_init();
	t.k.watch = { ...t.k.watch, shadow: uvm_shadow_watch(sh) };
});

const kinds = (): shadow_mismatch["what"][] => uvm_shadow_found(t.k, sh).found.map((m) => m.what);

it("sees nothing in memory that is paged, freed and paged again", () => {
	const uobj = t.aobj(400);
	for (let round = 0; round < 3; round++) {
		t.run(fill(t, uobj, Array(400).keys()));
		expectPattern(t, uobj, Array(400).keys());
	}
	pageout(t);
	expect(kinds()).toEqual([]);
	expect(sh.slots.size).toBe(t.k.uvmexp.swpginuse);
	checkAtRest(t, uobj);
});

it("forgets slots that are freed", () => {
	const uobj = swappedObject(t, 40);
	t.run(readByte(t, uobj, 3));
	expect(t.run(swap_off(t.k, ld(0)))).toBe(0);
	expect(sh.slots.size).toBe(0);
	expect(kinds()).toEqual([]);
	expectPattern(t, uobj, Array(40).keys());
});

describe("sees", () => {
	it("a page that comes back from swap and is another", () => {
		const uobj = swappedObject(t, 40);
		const slot = slotOf(t, uobj, 7);
		const { disk, sector } = t.sector(slot);
		disk.write(sector + 5, new Uint8Array(512));
		for (let i = 0; i < 40; i++) t.run(readByte(t, uobj, i));
		expect(sh.found).toEqual([{ what: "swapin", place: slot, cycle: sh.found[0]!.cycle }]);
		expect(sh.count).toBe(1);
		// It is not seen again when it has been told.
		expect(kinds()).toEqual(["swapin"]);
	});

	it("a page that is marked clean too early, before it is dropped and when it is", () => {
		const uobj = swappedObject(t, 40);
		t.run(readByte(t, uobj, 7));
		const pg = residentPage(t, uobj, 7)!;
		t.k.port.writeRam(pg.phys_addr + 100, Uint8Array.of(99));
		expect(pg.flags & PG_CLEAN).toBe(PG_CLEAN);
		pmap_clear_modify(t.k, pg);
		expect(kinds()).toEqual(["clean"]);
		// Looking changes nothing.
		expect(sh.count).toBe(0);
		const place = pg.phys_addr;
		pageout(t);
		expect(sh.found).toMatchObject([{ what: "clean", place }]);
	});

	it("a store to a page that is free", () => {
		const uobj = swappedObject(t, 40);
		const free = t.k.uvm.page_free.first ?? t.k.uvm.page_zeros.first!;
		t.k.port.writeRam(free.phys_addr + 4000, Uint8Array.of(99));
		expect(kinds()).toEqual(["free"]);
		const more = t.aobj(150);
		t.run(fill(t, more, Array(150).keys()));
		expect(sh.found).toMatchObject([{ what: "free", place: free.phys_addr }]);
		expectPattern(t, uobj, Array(40).keys());
	});

	it("a store to a page that is free and was zeroed", () => {
		uvm_pageidlezero(t.k, 1_000_000);
		const zeroed = t.k.uvm.page_zeros.first!;
		t.k.port.writeRam(zeroed.phys_addr, Uint8Array.of(1));
		expect(kinds()).toEqual(["free"]);
	});

	it("and keeps the first hundred", () => {
		const uobj = swappedObject(t, 150);
		for (let i = 0; i < 150; i++) {
			const { disk, sector } = t.sector(slotOf(t, uobj, i));
			disk.write(sector, new Uint8Array(512).fill(0xee));
		}
		for (let i = 0; i < 150; i++) t.run(readByte(t, uobj, i));
		expect(sh.count).toBe(150);
		expect(sh.found).toHaveLength(100);
	});
});
