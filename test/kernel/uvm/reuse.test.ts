/** What is freed and used again, so that no new objects have to be made. */
import { expect, it } from "vitest";
import {
	AMAP_SHARED,
	amap_add,
	amap_alloc,
	amap_lookup,
	amap_ref,
	amap_unadd,
	amap_unref,
} from "../../../kernel/uvm/uvm_amap.ts";
import { uvm_analloc, uvm_anfree } from "../../../kernel/uvm/uvm_anon.ts";
import { uvm_pagealloc } from "../../../kernel/uvm/uvm_page.ts";
import { TestKernel } from "../../support/kernel.ts";
import { checkAtRest } from "../../support/paging.ts";

it("anons and chunks of amaps are used again, and are as new then", () => {
	const t = new TestKernel();
	const used = new Set<object>();
	for (let round = 0; round < 20; round++) {
		const amap = amap_alloc(t.k, 64)!;
		for (let slot = 0; slot < 64; slot++) {
			const anon = uvm_analloc(t.k)!;
			expect({ ...anon }).toEqual({ locked: false, an_ref: 1, an_page: null, an_swslot: 0 });
			used.add(anon);
			amap_add(t.k, amap, slot, anon, false);
			uvm_pagealloc(t.k, null, 0, anon, 0)!.flags = 0;
		}
		for (const chunk of amap.am_chunks.values()) used.add(chunk);
		// Out of order, so that each chunk empties slot by slot.
		for (let i = 0; i < 64; i++) {
			const slot = (i * 37) % 64;
			const anon = amap_lookup(amap, slot)!;
			amap_unadd(t.k, amap, slot);
			expect(amap_lookup(amap, slot)).toBeNull();
			anon.an_ref = 0;
			uvm_anfree(t.k, anon);
		}
		amap_unref(t.k, amap, 0, 64);
		expect(t.k.uvm.amap_chunk_free.every((c) => c.ac_nused === 0)).toBe(true);
		expect(t.k.uvm.amap_chunk_free.every((c) => c.ac_anon.every((a) => a === null))).toBe(true);
	}
	expect(used.size).toBe(64 + 4);
	checkAtRest(t);
});

it("amaps are used again, and are as new then", () => {
	const t = new TestKernel();
	const used = new Set<object>();
	for (let round = 0; round < 20; round++) {
		const amap = amap_alloc(t.k, 32)!;
		used.add(amap);
		expect({ ...amap, am_slots: [] }).toEqual({
			...{ am_l: { locked: false }, am_ref: 1, am_flags: 0, am_nslot: 32, am_nused: 0 },
			...{ am_chunks: new Map(), am_slots: [], am_ppref: null },
			...{ am_list_next: null, am_list_prev: null },
		});
		for (let slot = 0; slot < 32; slot += 3) {
			const anon = uvm_analloc(t.k)!;
			amap_add(t.k, amap, slot, anon, false);
			uvm_pagealloc(t.k, null, 0, anon, 0)!.flags = 0;
		}
		// Parts of it have counts of their own, and it is shared.
		amap_ref(t.k, amap, 0, 16, AMAP_SHARED);
		amap_unref(t.k, amap, 16, 16);
		amap_unref(t.k, amap, 0, 16);
	}
	expect(used.size).toBe(1);
	checkAtRest(t);
});
