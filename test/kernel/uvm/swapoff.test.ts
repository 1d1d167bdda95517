/** Taking a swap device away: everything comes back to memory, or the device stays. */

import { beforeEach, describe, expect, it } from "vitest";
import type { Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import { amap_lookup } from "../../../kernel/uvm/uvm_amap.ts";
import { uao_detach } from "../../../kernel/uvm/uvm_aobj.ts";
import { SWF_ENABLE, uvm_swap_alloc, uvm_swap_free } from "../../../kernel/uvm/uvm_swap.ts";
import { swap_off, swap_on } from "../../../kernel/uvm/uvm_swapctl.ts";
import { uvm_reclaimable } from "../../../kernel/uvm/uvm_wait.ts";
import { EBUSY, EFAULT, EINVAL, ENOMEM, ENXIO } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE } from "../../support/address-space.ts";
import { ld, TestKernel } from "../../support/kernel.ts";
import {
	breakSlot,
	checkAtRest,
	expectPattern,
	fill,
	pageout,
	pattern,
	readByte,
	spawnSwapoff,
	startPageout,
	swappedObject,
} from "../../support/paging.ts";

let t: TestKernel;
beforeEach(() => {
	t = new TestKernel();
});

/** An address space with `pages` pages of private memory that hold `pattern`, paged out. */
function swappedSpace(pages: number): AddressSpace {
	const space = new AddressSpace(t);
	space.anon(BASE, pages);
	t.run(
		(function* (): Sleeps<void> {
			for (let i = 0; i < pages; i++) {
				expect(yield* space.store(BASE + i * PAGE_SIZE, pattern(i))).toBe(0);
			}
		})(),
	);
	pageout(t);
	return space;
}

function expectSpace(space: AddressSpace, pages: number): void {
	for (let i = 0; i < pages; i++) {
		expect(t.run(space.load(BASE + i * PAGE_SIZE)), `page ${i}`).toBe(pattern(i));
	}
}

const off = (unit = 0): number => t.run(swap_off(t.k, ld(unit)));

describe("swap_off", () => {
	it("brings objects and private memory back to memory", () => {
		const uobj = swappedObject(t, 20);
		const large = swappedObject(t, 20, 300);
		const space = swappedSpace(20);
		expect(t.k.uvmexp.swpgonly).toBe(60);
		expect(off()).toBe(0);
		expect(t.k.uvmexp).toMatchObject({ nswapdev: 0, swpages: 0, swpginuse: 0, swpgonly: 0 });
		checkAtRest(t, uobj, large);
		expectPattern(t, uobj, Array(20).keys());
		expectPattern(t, large, Array(20).keys());
		expectSpace(space, 20);
	});

	it("moves what memory cannot take to another device", () => {
		t = new TestKernel({ disks: [2 << 20, 2 << 20] });
		const uobj = t.aobj(400);
		t.run(fill(t, uobj, Array(400).keys()));
		expect(off(0)).toBe(0);
		expect(t.k.uvm.swap_list.map((sdp) => sdp.swd_path)).toEqual(["/dev/ld1"]);
		expectPattern(t, uobj, Array(400).keys());
		checkAtRest(t, uobj);
	});

	it.each([0, 1])("leaves in swap what lies on another device than %i", (unit) => {
		t = new TestKernel({ disks: [1 << 20, 1 << 20] });
		const small = swappedObject(t, 32);
		const large = swappedObject(t, 32, 300);
		const space = swappedSpace(32);
		const sdp = t.k.uvm.swap_list.find((one) => one.swd_path === `/dev/ld${unit}`)!;
		expect([sdp.swd_npginuse, t.k.uvmexp.swpgonly]).toEqual([48, 96]);
		expect(off(unit)).toBe(0);
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 48, swpgonly: 48, pgswapin: 48 });
		checkAtRest(t, small, large);
		expectPattern(t, small, Array(32).keys());
		expectPattern(t, large, Array(32).keys());
		expectSpace(space, 32);
	});

	it("private memory that memory cannot take stays where it is: ENOMEM", () => {
		const space = swappedSpace(400);
		expect(off()).toBe(ENOMEM);
		expect(t.k.uvm.swap_list[0]!.swd_flags & SWF_ENABLE).toBe(SWF_ENABLE);
		expect(t.k.uvmexp).toMatchObject({ swpages: 1023, swpgavail: 1023 });
		expectSpace(space, 400);
		checkAtRest(t);
	});

	it("is refused while another one is under way", () => {
		const uobj = swappedObject(t, 4);
		const first = spawnSwapoff(t);
		const second = spawnSwapoff(t);
		t.settle();
		expect([first.result, second.result]).toEqual([0, EBUSY]);
		checkAtRest(t, uobj);
	});

	it("is refused while somebody has slots that no owner records yet", () => {
		const slot = uvm_swap_alloc(t.k, 16, false);
		expect(off()).toBe(EBUSY);
		expect(t.k.uvmexp.swpages).toBe(1023);
		uvm_swap_free(t.k, slot, 16);
		expect(off()).toBe(0);
		checkAtRest(t);
	});

	it("waits for a cluster of the page daemon that is in flight", () => {
		const uobj = t.aobj(40);
		t.run(fill(t, uobj, Array(40).keys()));
		const restore = startPageout(t);
		let paging = 0;
		const thread = t.spawn(
			(function* (): Sleeps<number> {
				paging = t.k.uvmexp.paging;
				return yield* swap_off(t.k, ld(0));
			})(),
		);
		t.settle();
		restore();
		expect(paging).toBe(40);
		expect(thread.result).toBe(0);
		expectPattern(t, uobj, Array(40).keys());
		checkAtRest(t, uobj);
	});

	it("survives the exit of a process whose memory it is reading", () => {
		for (const when of ["before", "after"]) {
			t = new TestKernel();
			const space = swappedSpace(30);
			if (when === "before") t.spawn(space.free());
			const thread = spawnSwapoff(t);
			if (when === "after") t.spawn(space.free());
			t.settle();
			expect(thread.result).toBe(0);
			expect(t.k.uvmexp).toMatchObject({ swpginuse: 0, swpgonly: 0, nanon: 0 });
			checkAtRest(t);
		}
	});

	it("and a fault for the same page both get it", () => {
		const space = swappedSpace(6);
		const thread = spawnSwapoff(t);
		const loads = [0, 1, 5].map((i) => t.spawn(space.load(BASE + i * PAGE_SIZE)));
		t.settle();
		expect(loads.map((load) => load.result)).toEqual([1, 2, 6]);
		expect(thread.result).toBe(0);
		checkAtRest(t);
	});

	it("frees an object that was detached while another one was being read", () => {
		const uobjs = [swappedObject(t, 5), swappedObject(t, 5), swappedObject(t, 5)];
		const thread = spawnSwapoff(t);
		for (const uobj of uobjs) t.spawn(uao_detach(t.k, uobj));
		t.settle();
		expect(thread.result).toBe(0);
		expect(t.k.uvm.uao_list).toEqual([t.k.uvm.kernel_object]);
		checkAtRest(t);
	});

	it("takes the bad slots of the device with it; their pages stay lost", () => {
		const uobj = swappedObject(t, 4);
		breakSlot(t, uobj, 1);
		const space = swappedSpace(2);
		const anon = amap_lookup(t.k.uvm.amap_list!, 1)!;
		const { disk, sector } = t.sector(anon.an_swslot);
		disk.failReads(sector, 8);
		expect(off()).toBe(0);
		expect(t.k.uvmexp).toMatchObject({ swpginuse: 0, swpgbad: 0, swpgonly: 0 });
		disk.liftAll();
		expect(t.run(readByte(t, uobj, 1))).toBeLessThan(0);
		expect(t.run(space.load(BASE))).toBe(1);
		expect(t.run(space.load(BASE + PAGE_SIZE))).toBe(-EFAULT);
		expectPattern(t, uobj, [0, 2, 3]);
		checkAtRest(t, uobj);
	});

	it("a device can come back, with new slots", () => {
		const uobj = swappedObject(t, 4);
		expect(off()).toBe(0);
		expect(off()).toBe(ENXIO);
		expect(swap_on(t.k, "/dev/ld0", ld(0), 0)).toBe(0);
		expect(swap_on(t.k, "/dev/ld0", ld(0), 0)).toBe(EBUSY);
		pageout(t);
		expect(uobj.uo_npages).toBe(0);
		expectPattern(t, uobj, [0, 1, 2, 3]);
		checkAtRest(t, uobj);
	});
});

describe("after scans without success", () => {
	const FRUITLESS = 1000;

	beforeEach(() => {
		t = new TestKernel({ disks: [1 << 20, 1 << 20], swapDisks: 1 });
		t.k.uvm.pdfruitless = FRUITLESS;
		expect(uvm_reclaimable(t.k)).toBe(false);
	});

	it("a new device is a reason to hope", () => {
		expect(swap_on(t.k, "/dev/ld1", ld(1), 0)).toBe(0);
		expect(uvm_reclaimable(t.k)).toBe(true);
	});

	it("so is the end of swapoff, which held memory, also if it was refused", () => {
		expect(swap_on(t.k, "/dev/ld1", ld(1), 0)).toBe(0);
		t.k.uvm.pdfruitless = FRUITLESS;
		expect(off(1)).toBe(0);
		expect(uvm_reclaimable(t.k)).toBe(true);
		t.k.uvm.pdfruitless = FRUITLESS;
		const slot = uvm_swap_alloc(t.k, 1, true);
		expect(off()).toBe(EBUSY);
		expect(uvm_reclaimable(t.k)).toBe(true);
		uvm_swap_free(t.k, slot, 1);
	});
});

describe("swap_on", () => {
	it("refuses a disk that has no room behind its label", () => {
		t = new TestKernel({ disks: [PAGE_SIZE, 2 * PAGE_SIZE], swapDisks: 0 });
		expect(swap_on(t.k, "/dev/ld0", ld(0), 0)).toBe(EINVAL);
		expect(swap_on(t.k, "/dev/ld1", ld(1), 0)).toBe(0);
		expect(t.k.uvmexp.swpages).toBe(1);
	});
});
