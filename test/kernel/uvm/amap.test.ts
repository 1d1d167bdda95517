/** Anonymous memory: the slots of an amap, who refers to them, and when an anon goes. */
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import {
	AMAP_EXTEND_BACKWARDS,
	AMAP_EXTEND_FORWARDS,
	AMAP_REFALL,
	amap_add,
	amap_alloc,
	amap_copy,
	amap_extend,
	amap_lookup,
	amap_ref,
	amap_unadd,
	amap_unref,
	amap_used,
	type vm_amap,
} from "../../../kernel/uvm/uvm_amap.ts";
import { amap_chunk } from "../../../kernel/uvm/uvm_amap_chunks.ts";
import { uvm_analloc, uvm_anfree, type vm_anon } from "../../../kernel/uvm/uvm_anon.ts";
import { UVM_ET_NEEDSCOPY, UVM_FLAG_OVERLAY } from "../../../kernel/uvm/uvm_extern.ts";
import {
	uvm_map_entry_moved,
	uvm_map_lookup_entry,
	type vm_map_entry,
} from "../../../kernel/uvm/uvm_map_entry.ts";
import { PG_RELEASED, uvm_pagealloc } from "../../../kernel/uvm/uvm_page.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { AddressSpace, BASE, cowClone } from "../../support/address-space.ts";
import { TestKernel } from "../../support/kernel.ts";
import { checkAtRest, pageout } from "../../support/paging.ts";

let t: TestKernel;
let space: AddressSpace;
beforeEach(() => {
	t = new TestKernel();
	space = new AddressSpace(t);
});

const va = (page: number): number => BASE + page * PAGE_SIZE;
const load = (page: number, where = space): number => t.run(where.load(va(page)));
const entryAt = (page: number, where = space): vm_map_entry =>
	uvm_map_lookup_entry(where.map, va(page));

/** Store page index + 1 into each of these pages. */
function touch(first: number, last: number, where = space): void {
	for (let i = first; i < last; i++) expect(t.run(where.store(va(i), i + 1))).toBe(0);
}

/** What the pages [0, n) hold; -14 where nothing is mapped. */
const contents = (n: number, where = space): number[] =>
	Array.from({ length: n }, (_, i) => load(i, where));

describe("unmapping a part", () => {
	it("frees the anons of that part at once, in memory or in swap", () => {
		for (const out of [false, true]) {
			t = new TestKernel();
			space = new AddressSpace(t);
			space.anon(BASE, 8);
			touch(0, 8);
			if (out) pageout(t);
			expect(space.unmap(va(2), 3)).toBe(0);
			expect(t.k.uvmexp.nanon).toBe(5);
			expect(t.k.uvmexp.swpginuse).toBe(out ? 5 : 0);
			checkAtRest(t);
			expect(contents(8)).toEqual([1, 2, -14, -14, -14, 6, 7, 8]);
			expect(space.unmap(va(0), 2)).toBe(0);
			expect(space.unmap(va(5), 3)).toBe(0);
			expect(t.k.uvmexp).toMatchObject({ nanon: 0, swpginuse: 0, swpgonly: 0 });
			expect(t.k.uvm.amap_pool.pr_nout).toBe(0);
			checkAtRest(t);
		}
	});

	it("frees nothing that another address space still covers", () => {
		space.anon(BASE, 6);
		touch(0, 6);
		const child = cowClone(space, BASE, 6);
		expect(child.unmap(va(0), 2)).toBe(0);
		expect(space.unmap(va(1), 3)).toBe(0);
		expect(t.k.uvmexp.nanon).toBe(5);
		checkAtRest(t);
		expect(contents(6)).toEqual([1, -14, -14, -14, 5, 6]);
		expect(contents(6, child)).toEqual([-14, -14, 3, 4, 5, 6]);
		t.run(child.free());
		expect(t.k.uvmexp.nanon).toBe(3);
		checkAtRest(t);
		t.run(space.free());
		expect(t.k.uvmexp.nanon).toBe(0);
		checkAtRest(t);
	});
});

describe("amap_extend", () => {
	it("a mapping right behind another one grows its amap instead of adding an entry", () => {
		space.anon(BASE, 2, 0, UVM_FLAG_OVERLAY);
		touch(0, 2);
		for (let i = 2; i < 20; i++) {
			space.anon(va(i), 1, 0, UVM_FLAG_OVERLAY);
			touch(i, i + 1);
		}
		expect(space.map.nentries).toBe(1);
		expect(entryAt(0).amap!.am_nslot).toBe(20);
		expect(t.k.uvm.amap_pool.pr_nout).toBe(1);
		expect(contents(20)).toEqual([...Array(20).keys()].map((i) => i + 1));
		checkAtRest(t);
	});

	it("memory that was unmapped and mapped again reads as zeros", () => {
		space.anon(BASE, 8, 0, UVM_FLAG_OVERLAY);
		touch(0, 8);
		space.unmap(va(5), 3);
		checkAtRest(t);
		space.anon(va(5), 3, 0, UVM_FLAG_OVERLAY);
		expect(space.map.nentries).toBe(1);
		expect(contents(8)).toEqual([1, 2, 3, 4, 5, 0, 0, 0]);
		checkAtRest(t);
	});

	it("makes room on both sides, and keeps what the slots hold", () => {
		space.anon(va(40), 3, 0, UVM_FLAG_OVERLAY);
		touch(40, 43);
		const entry = entryAt(40);
		const amap = entry.amap!;
		const held = (first: number): (vm_anon | null)[] =>
			[0, 1, 2].map((i) => amap_lookup(amap, entry.pageoff + first + i));
		const anons = held(0);
		let front = 0;
		for (const [add, flags] of [
			[1, AMAP_EXTEND_BACKWARDS],
			[2, AMAP_EXTEND_FORWARDS],
			[9, AMAP_EXTEND_BACKWARDS],
			[1, AMAP_EXTEND_BACKWARDS],
			[7, AMAP_EXTEND_FORWARDS],
			[3, AMAP_EXTEND_BACKWARDS],
		] as const) {
			expect(amap_extend(t.k, entry, add * PAGE_SIZE, flags)).toBe(true);
			space.map.size += add * PAGE_SIZE;
			if (flags === AMAP_EXTEND_FORWARDS) {
				entry.end += add * PAGE_SIZE;
			} else {
				entry.start -= add * PAGE_SIZE;
				front += add;
			}
			uvm_map_entry_moved(space.map, entry);
			uvm_map_entry_moved(space.map, entry.prev);
			expect(held(front)).toEqual(anons);
			checkAtRest(t);
			const whole = contents(63).slice(26, 52);
			expect(whole.filter((n) => n > 0)).toEqual([41, 42, 43]);
		}
		expect(entry.end - entry.start).toBe(26 * PAGE_SIZE);
		// Each half of it refers to its slots alone.
		expect(space.unmap(va(30), 11)).toBe(0);
		expect(contents(44).slice(40)).toEqual([-14, 42, 43, 0]);
		checkAtRest(t);
	});

	it("refuses more slots than there may be", () => {
		space.anon(va(1), 1, 0, UVM_FLAG_OVERLAY);
		const before = { ...entryAt(1) };
		for (const flags of [AMAP_EXTEND_FORWARDS, AMAP_EXTEND_BACKWARDS]) {
			expect(amap_extend(t.k, entryAt(1), (1 << 22) * PAGE_SIZE, flags)).toBe(false);
		}
		expect(entryAt(1)).toEqual(before);
		checkAtRest(t);
	});

	it("never grows an amap that another entry refers to", () => {
		space.anon(BASE, 2, 0, UVM_FLAG_OVERLAY);
		touch(0, 2);
		const child = cowClone(space, BASE, 2);
		entryAt(0).etype &= ~UVM_ET_NEEDSCOPY;
		entryAt(0, child).etype |= UVM_ET_NEEDSCOPY;
		space.anon(va(2), 2, 0, UVM_FLAG_OVERLAY);
		touch(2, 4);
		expect(entryAt(0).amap!.am_nslot).toBe(2);
		expect(entryAt(2)).not.toBe(entryAt(0));
		expect(contents(4)).toEqual([1, 2, 3, 4]);
		expect(contents(2, child)).toEqual([1, 2]);
		checkAtRest(t);
	});
});

describe("amap_copy", () => {
	it("shares the anons, and counts them", () => {
		space.anon(BASE, 4);
		touch(0, 3);
		const child = cowClone(space, BASE, 4);
		const old = entryAt(0).amap!;
		expect(amap_copy(t.k, entryAt(0, child))).toBe(true);
		const copy = entryAt(0, child).amap!;
		expect(copy).not.toBe(old);
		expect([old.am_ref, copy.am_ref, copy.am_nused]).toEqual([1, 1, 3]);
		for (let s = 0; s < 3; s++) {
			expect(amap_lookup(copy, s)).toBe(amap_lookup(old, s));
			expect(amap_lookup(copy, s)!.an_ref).toBe(2);
		}
		expect(entryAt(0, child).etype & UVM_ET_NEEDSCOPY).toBe(0);
		checkAtRest(t);
	});

	it("copies only what its entry covers", () => {
		space.anon(BASE, 6);
		touch(0, 6);
		const child = cowClone(space, BASE, 6);
		child.unmap(va(0), 2);
		expect(amap_copy(t.k, entryAt(2, child))).toBe(true);
		const { amap, pageoff } = entryAt(2, child);
		expect([amap!.am_nslot, amap!.am_nused, pageoff]).toEqual([4, 4, 0]);
		checkAtRest(t);
		expect(contents(6, child)).toEqual([-14, -14, 3, 4, 5, 6]);
	});

	it("takes over an amap that nobody else refers to any more", () => {
		space.anon(BASE, 2);
		touch(0, 2);
		const child = cowClone(space, BASE, 2);
		const amap = entryAt(0).amap;
		t.run(child.free());
		expect(amap_copy(t.k, entryAt(0))).toBe(true);
		expect(entryAt(0).amap).toBe(amap);
		expect(entryAt(0).etype & UVM_ET_NEEDSCOPY).toBe(0);
		checkAtRest(t);
	});

	it("without memory leaves the copy for later", () => {
		space.anon(BASE, 2);
		touch(0, 2);
		const child = cowClone(space, BASE, 2);
		t.k.failinject = (what) => what === "amappl";
		expect(amap_copy(t.k, entryAt(0))).toBe(false);
		expect(entryAt(0).etype & UVM_ET_NEEDSCOPY).toBe(UVM_ET_NEEDSCOPY);
		expect(contents(2)).toEqual([1, 2]);
		t.k.failinject = null;
		expect(t.run(space.store(va(0), 9))).toBe(0);
		expect(contents(2, child)).toEqual([1, 2]);
		checkAtRest(t);
	});
});

describe("a sparse mapping", () => {
	/** One page of each 16, `n` of them, in a mapping of `pages`. */
	function sparse(pages: number, n: number): void {
		expect(space.anon(BASE, pages)).toBe(0);
		for (let i = 0; i < n; i++) expect(t.run(space.store(va(i * 16), (i % 255) + 1))).toBe(0);
	}

	it("stays one entry, and costs what is touched of it, however large it is", () => {
		const costs = [1 << 12, 1 << 14, 1 << 16, 1 << 18].map((pages) => {
			t = new TestKernel({ ram: 4 << 20 });
			space = new AddressSpace(t);
			sparse(pages, 200);
			expect([space.map.nentries, entryAt(0).amap!.am_nslot]).toEqual([1, pages]);
			expect(t.k.uvm.amap_slots).toBe(200 * 16);
			const { poolpages } = t.k.uvmexp;
			const { steps } = space.map;
			expect(space.unmap(va(16), pages - 32)).toBe(0);
			expect(t.k.uvm.amap_slots).toBe(16);
			checkAtRest(t);
			space.unmap(BASE, pages);
			expect([t.k.uvm.amap_slots, t.k.uvm.amap_pool.pr_nout]).toEqual([0, 0]);
			return [poolpages, steps];
		});
		for (const cost of costs) expect(cost).toEqual(costs[0]);
	});

	it("of which every second page is unmapped counts each part by itself", () => {
		space.anon(BASE, 200);
		touch(0, 100);
		for (let i = 1; i < 200; i += 2) expect(space.unmap(va(i), 1)).toBe(0);
		expect(t.k.uvmexp.nanon).toBe(50);
		expect(entryAt(0).amap!.am_ppref!.length).toBe(200);
		checkAtRest(t);
		expect(contents(100)).toEqual([...Array(100).keys()].map((i) => (i % 2 === 0 ? i + 1 : -14)));
		space.unmap(BASE, 200);
		expect([t.k.uvmexp.nanon, t.k.uvm.amap_slots]).toEqual([0, 0]);
	});

	it("is copied as a whole or not at all", () => {
		sparse(4096, 6);
		const child = cowClone(space, BASE, 4096);
		let left = 3;
		t.k.failinject = (what) => what === "kmem64" && left-- === 0;
		expect(amap_copy(t.k, entryAt(0, child))).toBe(false);
		t.k.failinject = null;
		expect(left).toBe(-1);
		expect(entryAt(0, child).etype & UVM_ET_NEEDSCOPY).toBe(UVM_ET_NEEDSCOPY);
		expect(entryAt(0, child).amap).toBe(entryAt(0).amap);
		checkAtRest(t);
		expect(amap_copy(t.k, entryAt(0, child))).toBe(true);
		expect(entryAt(0, child).amap!.am_slots).toEqual([0, 16, 32, 48, 64, 80]);
		checkAtRest(t);
	});

	it("waits for memory for a chunk as for a page", () => {
		sparse(4096, 1);
		let refused = 0;
		t.k.failinject = (what) => what === "kmem64" && refused++ < 2;
		expect(t.run(space.store(va(100), 7))).toBe(0);
		t.k.failinject = null;
		expect(refused).toBeGreaterThan(2);
		expect([load(0), load(99), load(100)]).toEqual([1, 0, 7]);
		expect(t.k.uvmexp.nanon).toBe(3);
		checkAtRest(t);
	});
});

describe("amap_add, amap_unadd", () => {
	const fresh = (slots: number): vm_amap => amap_alloc(t.k, slots)!;

	it("refuse a slot that is in use, one that is empty, and one outside of the amap", () => {
		const amap = fresh(2);
		const anon = uvm_analloc(t.k)!;
		amap_add(t.k, amap, 1, anon, false);
		expect(() => amap_add(t.k, amap, 1, anon, false)).toThrow("slot in use");
		expect(() => amap_add(t.k, amap, 0, anon, true)).toThrow("nothing to replace");
		expect(() => amap_add(t.k, amap, 2, anon, false)).toThrow("out of range");
		expect(() => amap_unadd(t.k, amap, 0)).toThrow("slot is empty");
	});

	it("keep the slots in use packed, in any order of both", () => {
		const slots = 40;
		fc.assert(
			fc.property(fc.array(fc.nat(slots - 1), { maxLength: 60 }), (steps) => {
				const amap = fresh(slots);
				const used = new Set<number>();
				for (const slot of steps) {
					if (used.delete(slot)) {
						const anon = amap_lookup(amap, slot)!;
						amap_unadd(t.k, amap, slot);
						anon.an_ref = 0;
						uvm_anfree(t.k, anon);
					} else {
						const anon = uvm_analloc(t.k)!;
						uvm_pagealloc(t.k, null, 0, anon, 0);
						amap_add(t.k, amap, slot, anon, false);
						anon.an_page!.flags = 0;
						used.add(slot);
					}
					const packed = amap.am_slots.slice(0, amap.am_nused);
					expect(new Set(packed)).toEqual(used);
					expect(packed.length).toBe(used.size);
					expect(amap_used(amap, 0, slots)).toEqual([...used].sort((a, b) => a - b));
					const bckptr = packed.map((s) => amap_chunk(amap.am_chunks, s >>> 4)!.ac_bckptr[s & 15]);
					expect(bckptr).toEqual(packed.map((_, i) => i));
				}
				amap_unref(t.k, amap, 0, slots);
				expect(t.k.uvmexp.nanon).toBe(0);
			}),
			{ numRuns: 60 },
		);
		checkAtRest(t);
	});

	it("references to parts end with the parts, in any order", () => {
		const slots = 8;
		const part = fc.tuple(fc.nat(slots - 1), fc.integer({ min: 1, max: slots }));
		fc.assert(
			fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), fc.nat(), (parts, seed) => {
				const amap = fresh(slots);
				for (let s = 0; s < slots; s++) {
					const anon = uvm_analloc(t.k)!;
					uvm_pagealloc(t.k, null, 0, anon, 0)!.flags = 0;
					amap_add(t.k, amap, s, anon, false);
				}
				const refs = parts.map(([slot, len]) => [slot, Math.min(len, slots - slot)] as const);
				for (const [slot, len] of refs) amap_ref(t.k, amap, slot, len, 0);
				const left: (readonly [number, number])[] = [[0, slots], ...refs];
				while (left.length > 0) {
					const [gone] = left.splice(seed % left.length, 1);
					amap_unref(t.k, amap, gone![0], gone![1]);
					for (let s = 0; s < slots; s++) {
						const covered = left.some(([slot, len]) => s >= slot && s < slot + len);
						expect(amap_lookup(amap, s) !== null).toBe(covered);
					}
				}
				expect(t.k.uvmexp.nanon).toBe(0);
			}),
			{ numRuns: 60 },
		);
	});
});

/** The count of each slot, read from the runs; two equal runs side by side are an error. */
function ppref(amap: vm_amap): number[] {
	const counts: number[] = [];
	for (const { at, ref } of amap.am_ppref!) {
		expect(counts.at(-1)).not.toBe(ref);
		while (counts.length < at) counts.push(counts.at(-1)!);
		counts.push(ref);
	}
	while (counts.length < amap.am_nslot) counts.push(counts.at(-1)!);
	return counts;
}

describe("am_ppref", () => {
	it("counts in runs what an array with a count for each slot counts", () => {
		const slots = 24;
		const part = fc.tuple(fc.nat(slots - 1), fc.integer({ min: 1, max: slots }), fc.boolean());
		let longest = 0;
		fc.assert(
			fc.property(fc.array(part, { minLength: 1, maxLength: 30 }), (steps) => {
				const amap = amap_alloc(t.k, slots)!;
				const model = new Array<number>(slots).fill(1);
				const held: [number, number][] = [[0, slots]];
				for (const [slot, some, drop] of steps) {
					const len = Math.min(some, slots - slot);
					if (drop && held.length > 1) {
						const [from, n] = held.splice(slot % held.length, 1)[0]!;
						amap_unref(t.k, amap, from, n);
						for (let s = from; s < from + n; s++) model[s]!--;
					} else {
						amap_ref(t.k, amap, slot, len, 0);
						held.push([slot, len]);
						for (let s = slot; s < slot + len; s++) model[s]!++;
					}
					if (amap.am_ppref === null) expect(new Set(model)).toEqual(new Set([amap.am_ref]));
					else expect(ppref(amap)).toEqual(model);
					longest = Math.max(longest, held.length);
				}
				for (const [from, n] of held) amap_unref(t.k, amap, from, n);
				expect(t.k.uvm.amap_pool.pr_nout).toBe(0);
			}),
			{ numRuns: 200 },
		);
		expect(longest).toBeGreaterThan(5);
	});

	it("a quick reference counts for all slots, before and after an entry is split", () => {
		for (const split of [false, true]) {
			space.anon(BASE, 6, 0, UVM_FLAG_OVERLAY);
			touch(0, 6);
			const amap = entryAt(0).amap!;
			if (split) space.unmap(va(2), 1);
			amap_ref(t.k, amap, 1, 2, AMAP_REFALL);
			if (split) expect(ppref(amap)).toEqual([2, 2, 1, 2, 2, 2]);
			else expect(amap.am_ppref).toBeNull();
			// The slots whose entry goes are kept by the quick reference.
			space.unmap(va(4), 2);
			expect(t.k.uvmexp.nanon).toBe(split ? 5 : 6);
			amap_unref(t.k, amap, 1, 2, AMAP_REFALL);
			expect(t.k.uvmexp.nanon).toBe(split ? 3 : 4);
			checkAtRest(t);
			space.unmap(BASE, 6);
			expect(t.k.uvm.amap_pool.pr_nout).toBe(0);
		}
	});
});

describe("uvm_anfree", () => {
	it("leaves a busy page to who has it", () => {
		const anon = uvm_analloc(t.k)!;
		const pg = uvm_pagealloc(t.k, null, 0, anon, 0)!;
		expect(() => uvm_anfree(t.k, anon)).toThrow("still referred to");
		anon.an_ref = 0;
		uvm_anfree(t.k, anon);
		expect(pg.flags & PG_RELEASED).toBe(PG_RELEASED);
		expect(t.k.uvmexp.nanon).toBe(1);
	});

	it("an anon that dies while its page is being read goes when the read is over", () => {
		for (const readable of [true, false]) {
			t = new TestKernel();
			space = new AddressSpace(t);
			space.anon(BASE, 1);
			touch(0, 1);
			pageout(t);
			const { disk, sector } = t.sector(amap_lookup(t.k.uvm.amap_list!, 0)!.an_swslot);
			if (!readable) disk.failReads(sector, 8);
			const reader = t.spawn(space.load(va(0)));
			t.spawn(space.free());
			t.settle();
			expect(reader.result).toBe(-14);
			expect(t.k.uvmexp).toMatchObject({ nanon: 0, swpgonly: 0 });
			expect(t.k.uvmexp.swpginuse).toBe(t.k.uvmexp.swpgbad);
			if (!readable) expect(t.k.uvmexp.swpgbad).toBe(1);
			checkAtRest(t);
		}
	});
});
