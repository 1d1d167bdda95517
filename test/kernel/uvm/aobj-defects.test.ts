/**
 * The defects A1 to A23 of uvm_aobj.c 1.51: each test fails on what that revision does.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { simple_lock, simple_unlock } from "../../../kernel/kern/core/kern_lock.ts";
import { ltsleep, type Sleeps } from "../../../kernel/kern/core/kern_synch.ts";
import {
	UAO_FLAG_KERNSWAP,
	uao_create,
	uao_detach,
	uao_get_locked,
	uao_put,
	uao_swap_off,
} from "../../../kernel/uvm/uvm_aobj.ts";
import {
	SWSLOT_NOMEM,
	UAO_FLAG_NOSWAP,
	uao_dropswap,
	uao_find_swslot,
	uao_set_swslot,
} from "../../../kernel/uvm/uvm_aobj_slots.ts";
import {
	PGO_ALLPAGES,
	PGO_CLEANIT,
	PGO_DEACTIVATE,
	PGO_FREE,
	PGO_LOCKED,
	PGO_SYNCIO,
	type uvm_object,
} from "../../../kernel/uvm/uvm_object.ts";
import {
	PG_BUSY,
	PG_CLEAN,
	PG_MARKER,
	PQ_FREE,
	PQ_INACTIVE,
	uvm_pagewire,
} from "../../../kernel/uvm/uvm_page.ts";
import {
	SWSLOT_BAD,
	SWSLOT_NONE,
	uvm_swap_alloc,
	uvm_swap_free,
	uvm_swap_isallocated,
	uvm_swpgonly_add,
} from "../../../kernel/uvm/uvm_swap.ts";
import { swap_off } from "../../../kernel/uvm/uvm_swapctl.ts";
import { PMAP_ATTR_MOD, pmap_is_modified } from "../../../pmap/pmap.ts";
import { EBUSY, EIO, ENOMEM } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { ld, TestKernel, type Thread } from "../../support/kernel.ts";
import {
	breakSlot,
	checkAtRest,
	expectPattern,
	fill,
	getAll,
	holdPage,
	nulls,
	pageout,
	readByte,
	release,
	residentPage,
	slotOf,
	spawnSwapoff,
	swappedObject,
} from "../../support/paging.ts";

let t: TestKernel;
beforeEach(() => {
	t = new TestKernel();
});

/** uao_put of the pages [first, last). */
function* put(uobj: uvm_object, first: number, last: number, flags: number): Sleeps<number> {
	simple_lock(t.k, uobj.vmobjlock);
	return yield* uao_put(t.k, uobj, first * PAGE_SIZE, last * PAGE_SIZE, flags);
}

const markers = (uobj: uvm_object): number => {
	let n = 0;
	for (let pg = uobj.memq_first; pg !== null; pg = pg.listq_next) {
		if ((pg.flags & PG_MARKER) !== 0) n++;
	}
	return n;
};

describe("swapoff and objects", () => {
	it("A1: drops the last reference to an object whose user has gone meanwhile", () => {
		const uobj = swappedObject(t, 8);
		const off = spawnSwapoff(t);
		const detach = t.spawn(uao_detach(t.k, uobj));
		t.settle();
		expect(detach.done).toBe(true);
		expect(off.result).toBe(0);
		expect(t.k.uvm.uao_list).not.toContain(uobj);
		expect(t.k.uvmexp).toMatchObject({ nswapdev: 0, swpginuse: 0, swpgonly: 0 });
		checkAtRest(t);
	});

	it("A2: does not spin for an object that is locked", () => {
		const uobj = swappedObject(t, 1);
		simple_lock(t.k, uobj.vmobjlock);
		// Nobody sleeps with a simple lock, so one that is found taken is a bug, and said to be.
		expect(() => uao_swap_off(t.k, 1, 100).next()).toThrow("already locked");
	});

	it("A3: wakes who waits for a page that swapoff pages in", () => {
		const uobj = swappedObject(t, 4);
		const off = spawnSwapoff(t);
		const faults = [0, 1, 2, 3].map((i) => t.spawn(readByte(t, uobj, i)));
		t.settle();
		expect(faults.map((fault) => fault.result)).toEqual([1, 2, 3, 4]);
		expect(off.result).toBe(0);
		checkAtRest(t, uobj);
	});

	it("A3: wakes who waits behind swapoff for a page that somebody else has", () => {
		const uobj = swappedObject(t, 1);
		const holder = holdPage(t, uobj, 0);
		const off = spawnSwapoff(t);
		const fault = t.spawn(readByte(t, uobj, 0));
		t.settle();
		expect(fault.done).toBe(false);
		holder.letGo();
		expect(fault.result).toBe(1);
		expect(off.result).toBe(0);
	});

	it("A4: an error that swapoff does not know ends it, and loses nothing", () => {
		const pages = [...Array(400).keys()];
		const uobj = t.aobj(pages.length);
		t.run(fill(t, uobj, pages));
		expect(t.run(swap_off(t.k, ld(0)))).toBe(ENOMEM);
		expectPattern(t, uobj, pages);
		checkAtRest(t, uobj);
	});

	it("A4: a page that cannot be read does not keep swapoff busy for ever", () => {
		for (const size of [4, 200]) {
			t = new TestKernel();
			const uobj = swappedObject(t, 4, size);
			breakSlot(t, uobj, 2);
			expect(t.run(swap_off(t.k, ld(0)))).toBe(0);
			expectPattern(t, uobj, [0, 1, 3]);
			expect(t.run(readByte(t, uobj, 2))).toBe(-EIO);
			expect(t.k.uvmexp).toMatchObject({ swpginuse: 0, swpgbad: 0, swpgonly: 0 });
			checkAtRest(t, uobj);
		}
	});

	it("A5: a slot that is given up while swapoff sleeps is not freed again", () => {
		const uobj = swappedObject(t, 1);
		const holder = holdPage(t, uobj, 0);
		const off = spawnSwapoff(t);
		t.settle();
		expect(off.done).toBe(false);
		holder.letGo(() => {
			uao_dropswap(t.k, uobj, 0);
			holder.pg.flags &= ~PG_CLEAN;
		});
		expect(off.result).toBe(0);
		expectPattern(t, uobj, [0]);
		checkAtRest(t, uobj);
	});

	it("A5: a page that is wired while swapoff sleeps stays off the queues", () => {
		const uobj = swappedObject(t, 1);
		const holder = holdPage(t, uobj, 0);
		const off = spawnSwapoff(t);
		t.settle();
		holder.letGo(() => uvm_pagewire(t.k, holder.pg));
		expect(off.result).toBe(0);
		expect(holder.pg.pqflags & PQ_INACTIVE).toBe(0);
		checkAtRest(t, uobj);
	});

	it("A17: an object that is being freed keeps its device in use", () => {
		const uobj = swappedObject(t, 3);
		const holder = holdPage(t, uobj, 0);
		const detach = t.spawn(uao_detach(t.k, uobj));
		t.settle();
		expect(detach.done).toBe(false);
		expect(t.k.uvm.uao_list).toContain(uobj);
		expect(t.run(swap_off(t.k, ld(0)))).toBe(EBUSY);
		expect(t.k.uvmexp.nswapdev).toBe(1);
		holder.letGo();
		expect(detach.done).toBe(true);
		expect(t.run(swap_off(t.k, ld(0)))).toBe(0);
		checkAtRest(t);
	});

	it("A21: passes over the kernel object while that is never swapped", () => {
		const kobj = t.k.uvm.kernel_object!;
		kobj.u_flags |= UAO_FLAG_NOSWAP;
		kobj.u_swhash = null;
		expect(t.run(swap_off(t.k, ld(0)))).toBe(0);
	});

	it("A21: KERNSWAP gives the kernel object a table of its own size, whatever it is told", () => {
		const kobj = t.k.uvm.kernel_object!;
		kobj.u_flags |= UAO_FLAG_NOSWAP;
		kobj.u_swhash = null;
		expect(uao_create(t.k, 1, UAO_FLAG_KERNSWAP)).toBe(kobj);
		const slot = uvm_swap_alloc(t.k, 1, false);
		expect(uao_set_swslot(t.k, kobj, kobj.u_pages - 1, slot)).toBe(SWSLOT_NONE);
		expect(uao_find_swslot(t.k, kobj, kobj.u_pages - 1)).toBe(slot);
	});
});

describe("reading from swap", () => {
	it("A6: a slot that is gone when its read fails is not marked bad", () => {
		const uobj = swappedObject(t, 1);
		const slot = slotOf(t, uobj, 0);
		breakSlot(t, uobj, 0);
		const read = t.spawn(readByte(t, uobj, 0));
		t.spawn(
			(function* (): Sleeps<void> {
				uao_dropswap(t.k, uobj, 0);
				uvm_swpgonly_add(t.k, -1);
			})(),
		);
		t.settle();
		expect(read.result).toBe(-EIO);
		expect(t.k.uvmexp.swpgbad).toBe(0);
		expect(uvm_swap_isallocated(t.k, slot)).toBe(false);
		expect(slotOf(t, uobj, 0)).toBe(SWSLOT_BAD);
		checkAtRest(t, uobj);
	});

	it("A8: an error leaves no page of the request busy", () => {
		const uobj = swappedObject(t, 4);
		breakSlot(t, uobj, 3);
		// First the read fails; then the slot is known to be bad, and the other pages are resident.
		for (const _ of ["read", "known"]) {
			const pps = nulls(4);
			expect(t.run(getAll(t, uobj, 0, pps))).toBe(EIO);
			expect(pps).toEqual([null, null, null, null]);
			expect(t.k.uvm.vm_pages.some((pg) => (pg.flags & PG_BUSY) !== 0)).toBe(false);
		}
		expectPattern(t, uobj, [0, 1, 2]);
		t.run(uao_detach(t.k, uobj));
		checkAtRest(t);
	});

	it("A9: two threads that want each other's pages both get them", () => {
		const uobj = swappedObject(t, 2);
		const holder = holdPage(t, uobj, 1);
		const get = t.spawn(getAll(t, uobj, 0, nulls(2)));
		t.settle();
		expect(get.done).toBe(false);
		// Page 0 is not kept from anybody by a thread that sleeps for page 1.
		expect(t.run(readByte(t, uobj, 0))).toBe(1);
		holder.letGo();
		expect(get.result).toBe(0);
	});

	it.each([4, 2])("A9: nobody sleeps for memory with pages busy (%i of 4 in swap)", (swapped) => {
		const uobj = swappedObject(t, swapped, 4);
		const busy: number[] = [];
		let failures = 0;
		t.k.failinject = (what) => {
			if (what !== "page" || residentPage(t, uobj, 1) === null || failures === 3) return false;
			failures++;
			return true;
		};
		const pps = nulls(4);
		const get = t.spawn(getAll(t, uobj, 0, pps));
		const watch = t.spawn(
			(function* (): Sleeps<void> {
				while (!get.done) {
					const waits = t.k.lwps.some((l) => l.l_wmesg === "uao_getpage" && l.l_wchan !== null);
					const pgs = t.k.uvm.vm_pages.filter((pg) => (pg.flags & PG_BUSY) !== 0);
					if (waits) busy.push(pgs.length);
					yield* pause();
				}
			})(),
		);
		t.settle();
		expect(watch.done).toBe(true);
		expect(get.result).toBe(0);
		expect(failures).toBe(3);
		expect(busy.length).toBeGreaterThan(0);
		expect(Math.max(...busy)).toBe(0);
		release(t, uobj, pps);
		checkAtRest(t, uobj);
	});

	it("A10: lack of resources loses no data", () => {
		const uobj = swappedObject(t, 3);
		let failures = 2;
		t.k.failinject = (what) => what === "buf" && failures-- > 0;
		expectPattern(t, uobj, [0, 1, 2]);
		expect(failures).toBeLessThan(0);
		expect(t.k.uvmexp.swpgbad).toBe(0);
		checkAtRest(t, uobj);
	});

	it("A19: the former life of a frame does not make its new page dirty", () => {
		const uobj = swappedObject(t, 4);
		for (const pg of t.k.uvm.vm_pages) {
			if ((pg.pqflags & PQ_FREE) !== 0) pg.md_attrs |= PMAP_ATTR_MOD;
		}
		expectPattern(t, uobj, [0, 1, 2, 3]);
		const pg = residentPage(t, uobj, 2)!;
		expect(pmap_is_modified(t.k, pg)).toBe(false);
		expect(pg.flags & PG_CLEAN).toBe(PG_CLEAN);
		const written = t.k.uvmexp.pgswapout;
		pageout(t);
		expect(uobj.uo_npages).toBe(0);
		expect(t.k.uvmexp.pgswapout).toBe(written);
	});

	it("A20: a request that cannot sleep makes no neighbour that was never touched", () => {
		const uobj = t.aobj(16);
		const pps = nulls(8);
		simple_lock(t.k, uobj.vmobjlock);
		expect(uao_get_locked(t.k, uobj, 4 * PAGE_SIZE, pps, 8, 3, 0, PGO_LOCKED)).toBe(0);
		simple_unlock(t.k, uobj.vmobjlock);
		expect(pps.map((pg) => pg?.offset ?? null)).toEqual(
			nulls(8).map((_, i) => (i === 3 ? 7 * PAGE_SIZE : null)),
		);
		expect(uobj.uo_npages).toBe(1);
	});
});

describe("the table of slots", () => {
	it("A7: no memory for a slot is told from a bad slot, and changes nothing", () => {
		const uobj = t.aobj(200);
		const slot = uvm_swap_alloc(t.k, 2, false);
		expect(uao_set_swslot(t.k, uobj, 3, slot)).toBe(SWSLOT_NONE);
		t.k.failinject = (what) => what === "uaoeltpl";
		expect(uao_set_swslot(t.k, uobj, 100, slot + 1)).toBe(SWSLOT_NOMEM);
		expect(uao_find_swslot(t.k, uobj, 100)).toBe(SWSLOT_NONE);
		expect(uao_set_swslot(t.k, uobj, 3, SWSLOT_BAD)).toBe(slot);
		expect(uao_set_swslot(t.k, uobj, 3, SWSLOT_NONE)).toBe(SWSLOT_BAD);
		expect(uao_set_swslot(t.k, uobj, 100, SWSLOT_NONE)).toBe(SWSLOT_NONE);
		expect(SWSLOT_NOMEM).not.toBe(SWSLOT_BAD);
		uvm_swap_free(t.k, slot, 2);
		checkAtRest(t, uobj);
	});

	it("A15: an object may have more than 2^19 pages", () => {
		const far = 2 ** 19 + 5;
		const uobj = t.aobj(2 ** 19 + 16);
		t.run(fill(t, uobj, [far]));
		pageout(t);
		expect(slotOf(t, uobj, far)).toBeGreaterThan(0);
		expect(t.run(swap_off(t.k, ld(0)))).toBe(0);
		expectPattern(t, uobj, [far]);
		expect(residentPage(t, uobj, far)).not.toBeNull();
		for (const [first, last] of [
			[far, far + 1],
			[0, 2 ** 20],
		] as const) {
			t.run(put(uobj, first, last, PGO_FREE));
			expect(residentPage(t, uobj, far)).toBeNull();
			t.run(fill(t, uobj, [far]));
		}
		t.run(put(uobj, 0, 0, PGO_FREE | PGO_ALLPAGES));
		expect(uobj.uo_npages).toBe(0);
		checkAtRest(t, uobj);
	});

	it("A16: a page index outside of the object is refused", () => {
		for (const pages of [4, 200]) {
			const uobj = t.aobj(pages);
			for (const pageidx of [-1, pages, pages + 1000]) {
				expect(() => uao_find_swslot(t.k, uobj, pageidx)).toThrow("outside of the object");
				expect(() => uao_set_swslot(t.k, uobj, pageidx, 1)).toThrow("outside of the object");
			}
		}
	});

	it("A18: a bad slot is not subtracted from swpgonly when its object goes", () => {
		for (const size of [3, 200]) {
			t = new TestKernel();
			const uobj = swappedObject(t, 3, size);
			breakSlot(t, uobj, 1);
			expect(t.run(readByte(t, uobj, 1))).toBe(-EIO);
			expect(t.k.uvmexp).toMatchObject({ swpginuse: 3, swpgbad: 1, swpgonly: 2 });
			t.run(uao_detach(t.k, uobj));
			expect(t.k.uvmexp).toMatchObject({ swpginuse: 1, swpgbad: 1, swpgonly: 0 });
			checkAtRest(t);
		}
	});

	it("A23: a page that has a slot can be written again without memory for its record", () => {
		const uobj = swappedObject(t, 1, 200);
		t.run(fill(t, uobj, [0]));
		t.k.failinject = (what) => what === "uaoeltpl";
		pageout(t);
		expect(uobj.uo_npages).toBe(0);
		t.k.failinject = null;
		expectPattern(t, uobj, [0]);
		checkAtRest(t, uobj);
	});
});

describe("uao_put", () => {
	it("A11: its place holders are gone before the object is unlocked", () => {
		const uobj = t.aobj(8);
		t.run(fill(t, uobj, [0, 1, 2]));
		const lock = uobj.vmobjlock;
		let locked = false;
		let seen = 0;
		Object.defineProperty(lock, "locked", {
			get: () => locked,
			set: (value: boolean) => {
				locked = value;
				if (!value) seen += markers(uobj);
			},
		});
		t.run(put(uobj, 0, 8, PGO_DEACTIVATE));
		t.run(put(uobj, 0, 8, PGO_FREE));
		expect(seen).toBe(0);
		expect(uobj.uo_npages).toBe(0);
	});

	it("A11: walks that meet asleep pass over each other's place holders", () => {
		const uobj = t.aobj(8);
		t.run(fill(t, uobj, [0, 1, 2]));
		const holder = holdPage(t, uobj, 1);
		const puts: Thread<number>[] = [];
		for (let i = 0; i < 3; i++) puts.push(t.spawn(put(uobj, 0, 8, PGO_FREE)));
		t.settle();
		expect(markers(uobj)).toBe(6);
		t.run(fill(t, uobj, [5]));
		expect(t.run(put(uobj, 0, 8, PGO_DEACTIVATE))).toBe(0);
		holder.letGo();
		expect(puts.map((thread) => thread.result)).toEqual([0, 0, 0]);
		expect(markers(uobj)).toBe(0);
		// Pages that were made while the walk slept lie behind its end.
		expect(uobj.uo_npages).toBe(1);
		expectPattern(t, uobj, [5]);
		checkAtRest(t, uobj);
	});

	it("A12: every mix of flags with FREE or DEACTIVATE deactivates, FREE alone frees", () => {
		for (let flags = 1; flags <= (PGO_CLEANIT | PGO_DEACTIVATE | PGO_FREE); flags++) {
			if ((flags & (PGO_DEACTIVATE | PGO_FREE)) === 0) continue;
			for (const all of [0, PGO_ALLPAGES]) {
				const uobj = t.aobj(4);
				t.run(fill(t, uobj, [1]));
				t.run(put(uobj, 0, 4, flags | all));
				const queue = residentPage(t, uobj, 1)?.pqflags ?? PQ_FREE;
				const expected = (flags & ~PGO_SYNCIO) === PGO_FREE ? PQ_FREE : PQ_INACTIVE;
				expect(queue & expected, `flags ${flags | all}`).toBe(expected);
			}
		}
	});

	it("A13: a busy page is not deactivated: it may be on its way to disk", () => {
		const uobj = t.aobj(4);
		const holder = holdPage(t, uobj, 1);
		const put1 = t.spawn(put(uobj, 0, 4, PGO_DEACTIVATE));
		t.settle();
		expect(put1.result).toBe(0);
		expect(holder.pg.pqflags & PQ_INACTIVE).toBe(0);
		holder.letGo();
		checkAtRest(t, uobj);
	});

	it("A14: FREE takes what is only in swap, too", () => {
		for (const size of [24, 200]) {
			t = new TestKernel();
			const uobj = swappedObject(t, 24, size);
			expectPattern(t, uobj, [8, 9, 10, 11, 12, 13, 14, 15]);
			t.run(put(uobj, 0, 1, PGO_FREE)); // by lookup
			expect(t.k.uvmexp.swpgonly).toBe(15);
			t.run(put(uobj, 2, 10, PGO_FREE)); // by list
			for (const i of [0, 2, 7, 8, 9]) expect(t.run(readByte(t, uobj, i))).toBe(0);
			expectPattern(t, uobj, [1, 10, 16, 23]);
			t.run(put(uobj, 0, 0, PGO_FREE | PGO_ALLPAGES));
			expect(t.k.uvmexp).toMatchObject({ swpginuse: 0, swpgonly: 0 });
			checkAtRest(t, uobj);
		}
	});

	it("A22: returns 0 for success, and the object unlocked, whatever it was asked", () => {
		const uobj = t.aobj(4);
		t.run(fill(t, uobj, [0, 1]));
		for (let flags = 0; flags < 32; flags++) {
			expect(t.run(put(uobj, 0, 4, flags))).toBe(0);
			expect(uobj.vmobjlock.locked).toBe(false);
			expect(t.run(put(uobj, 3, 3, flags))).toBe(0);
			expect(uobj.vmobjlock.locked).toBe(false);
		}
		checkAtRest(t, uobj);
	});
});

/** Let others run, without a place where they could wait for us. */
function* pause(): Sleeps<void> {
	const { k } = t;
	yield* ltsleep(k, {}, "pause", 100, null);
}
