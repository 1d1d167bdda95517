/** A swap disk that was given up by its driver is no longer used; nothing in memory is lost. */
import { expect, it } from "vitest";
import { swap_off } from "../../../kernel/uvm/uvm_swapctl.ts";
import { EIO } from "../../../sys/errno.ts";
import type { TestKernelOptions } from "../../support/kernel.ts";
import { ld, TestKernel } from "../../support/kernel.ts";
import {
	checkAtRest,
	expectPattern,
	fill,
	pageout,
	readByte,
	slotOf,
	swappedObject,
} from "../../support/paging.ts";

const PAGES = 64;
const ALL = Array.from({ length: PAGES }, (_, i) => i);
const TWO: TestKernelOptions = { disks: [2 << 20, 2 << 20] };

/** Slots of each disk: 511, and one for the label. */
const SLOTS = 511;
const isOn = (t: TestKernel, unit: number, slot: number): boolean => {
	const sdp = t.k.uvm.swap_list.find(({ swd_dev }) => swd_dev === ld(unit))!;
	return slot >= sdp.swd_drumoffset && slot < sdp.swd_drumoffset + sdp.swd_drumsize;
};
const MESSAGE = "ld1: no longer used for swap: it is dead";

it("takes no more slots", () => {
	const t = new TestKernel(TWO);
	const { uvmexp, uvm, msgbuf } = t.k;
	t.k.lds[1]!.sc_dead = true;
	const uobj = swappedObject(t, PAGES);
	expect(ALL.every((i) => isOn(t, 0, slotOf(t, uobj, i)))).toBe(true);
	expectPattern(t, uobj, ALL);
	expect([uvmexp.swpgbad, uvmexp.swpgavail, uvm.swapstats.dead]).toEqual([0, SLOTS, 1]);
	expect(msgbuf).toEqual([MESSAGE]);
	checkAtRest(t, uobj);
});

it.each([
	["pages get new slots", true],
	["pages keep their slots", false],
])("%s: those in memory go to the other disk; the others are lost", (_, reassignSlots) => {
	const t = new TestKernel({ ...TWO, policy: { reassignSlots } });
	const { uvmexp } = t.k;
	const uobj = swappedObject(t, PAGES);
	const there = ALL.filter((i) => isOn(t, 1, slotOf(t, uobj, i)));
	expect(there.length).toBeGreaterThan(PAGES / 4);
	const [lost, ...kept] = there;
	// They are clean, and come from there.
	expectPattern(t, uobj, kept);
	t.k.lds[1]!.sc_dead = true;
	pageout(t);
	expect(uobj.uo_npages).toBe(0);
	expect(kept.every((i) => isOn(t, 0, slotOf(t, uobj, i)))).toBe(true);
	// What is in use there counts as long as it is.
	expect(uvmexp.swpgavail).toBe(SLOTS + 1);
	expect(t.run(readByte(t, uobj, lost!))).toBe(-EIO);
	expect([uvmexp.swpgavail, uvmexp.swpgbad]).toEqual([SLOTS, 1]);
	expectPattern(
		t,
		uobj,
		ALL.filter((i) => i !== lost),
	);
	expect(t.k.msgbuf).toEqual([MESSAGE]);
	checkAtRest(t, uobj);
	expect(t.run(swap_off(t.k, ld(1)))).toBe(0);
	expect([uvmexp.swpgavail, uvmexp.swpages, uvmexp.swpgbad]).toEqual([SLOTS, SLOTS, 0]);
	checkAtRest(t, uobj);
});

it("the last one: what is in memory stays there", () => {
	const t = new TestKernel();
	t.k.lds[0]!.sc_dead = true;
	const uobj = t.aobj(PAGES);
	t.run(fill(t, uobj, ALL));
	pageout(t);
	expect([uobj.uo_npages, t.k.uvmexp.swpgavail, t.k.uvmexp.swpgbad]).toEqual([PAGES, 0, 0]);
	expectPattern(t, uobj, ALL);
	checkAtRest(t, uobj);
});

it("a device with a second disk is not dead before both are", () => {
	const t = new TestKernel({ ...TWO, mirrors: 1 });
	t.k.lds[0]!.sc_dead = true;
	const uobj = swappedObject(t, PAGES);
	expectPattern(t, uobj, ALL);
	expect(t.k.uvm.swapstats.dead).toBe(0);
	t.k.lds[1]!.sc_dead = true;
	pageout(t);
	expect(t.k.uvm.swapstats.dead).toBe(1);
	expectPattern(t, uobj, ALL);
	checkAtRest(t, uobj);
});
