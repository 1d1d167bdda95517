/** The swap slots of an aobj: against a map of them, and what a large object costs. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { simple_lock } from "../../../kernel/kern/core/kern_lock.ts";
import { uao_detach, uao_grow, uao_put, uao_shrink } from "../../../kernel/uvm/uvm_aobj.ts";
import {
	SWSLOT_NOMEM,
	uao_dropswap,
	uao_find_swslot,
	uao_set_swslot,
	uao_slots,
	type uvm_aobj,
} from "../../../kernel/uvm/uvm_aobj_slots.ts";
import { PGO_DISCARD, PGO_FREE } from "../../../kernel/uvm/uvm_object.ts";
import { uvm_swap_alloc, uvm_swap_free, uvm_swpgonly_add } from "../../../kernel/uvm/uvm_swap.ts";
import { ptoa } from "../../../sys/vmparam.ts";
import { TestKernel } from "../../support/kernel.ts";
import { checkAtRest } from "../../support/paging.ts";

/** Pages of the largest object here. */
const HUGE = 1 << 17;

const machine = (): TestKernel => new TestKernel({ ram: 8 << 20, disks: [4 << 20] });

/** A page that is only in swap. => false: no slot, or no memory to record it. */
function swapOut(t: TestKernel, aobj: uvm_aobj, page: number): boolean {
	const slot = uvm_swap_alloc(t.k, 1, false);
	if (slot === 0) return false;
	if (uao_set_swslot(t.k, aobj, page, slot) === SWSLOT_NOMEM) {
		uvm_swap_free(t.k, slot, 1);
		return false;
	}
	uvm_swpgonly_add(t.k, 1);
	return true;
}

const slotsOf = (aobj: uvm_aobj): [number, number][] =>
	uao_slots(aobj)
		.map(({ pageidx, slot }): [number, number] => [pageidx, slot])
		.sort(([a], [b]) => a - b);

function discard(t: TestKernel, aobj: uvm_aobj, first: number, last: number): void {
	t.run(
		(function* () {
			simple_lock(t.k, aobj.vmobjlock);
			yield* uao_put(t.k, aobj, ptoa(first), ptoa(last), PGO_FREE | PGO_DISCARD);
		})(),
	);
}

const used = (t: TestKernel): number[] => [
	t.k.uvm.uao_swhash_elt_pool.pr_nout,
	...t.k.pools.kmembuckets.map((pool) => pool.pr_nout),
	t.k.uvmexp.swpginuse,
	t.k.uvmexp.swpgonly,
];

describe("the slots of an object", () => {
	it("are as a map of them says, whatever it is asked for", () => {
		const size = fc.oneof(fc.nat(80), fc.nat(6000), fc.nat(HUGE));
		const step = fc.oneof(
			{ weight: 4, arbitrary: fc.record({ out: fc.array(size, { maxLength: 40 }) }) },
			{ weight: 2, arbitrary: fc.record({ forget: size }) },
			{ weight: 2, arbitrary: fc.record({ free: fc.tuple(size, size) }) },
			{ weight: 1, arbitrary: fc.record({ size }) },
			{ weight: 1, arbitrary: fc.record({ refuse: fc.nat(3) }) },
		);
		fc.assert(
			fc.property(size, fc.array(step, { maxLength: 30 }), (pages, steps) => {
				const t = machine();
				const before = used(t);
				const aobj = t.aobj(Math.max(pages, 1));
				const model = new Map<number, number>();
				for (const s of steps) {
					if ("out" in s) {
						for (const page of s.out) {
							if (page >= aobj.u_pages || model.has(page)) continue;
							if (swapOut(t, aobj, page)) model.set(page, uao_find_swslot(t.k, aobj, page));
						}
						t.k.failinject = null;
					} else if ("forget" in s) {
						const page = [...model.keys()].find((p) => p >= s.forget);
						if (page === undefined) continue;
						uao_dropswap(t.k, aobj, page);
						uvm_swpgonly_add(t.k, -1);
						model.delete(page);
					} else if ("free" in s) {
						const [first, last] = [Math.min(...s.free), Math.max(...s.free)];
						discard(t, aobj, first, last);
						for (const page of model.keys()) if (page >= first && page < last) model.delete(page);
					} else if ("refuse" in s) {
						// The next slots find no memory after so many requests.
						let left = s.refuse;
						t.k.failinject = () => left-- <= 0;
					} else if (s.size > aobj.u_pages) {
						const was = aobj.u_pages;
						const grew = uao_grow(t.k, aobj, s.size);
						t.k.failinject = null;
						expect(aobj.u_pages).toBe(grew ? s.size : was);
					} else {
						t.k.failinject = null;
						t.run(uao_shrink(t.k, aobj, s.size));
						for (const page of model.keys()) if (page >= s.size) model.delete(page);
					}
					expect(slotsOf(aobj)).toEqual([...model].sort(([a], [b]) => a - b));
					for (const [page, slot] of model) expect(uao_find_swslot(t.k, aobj, page)).toBe(slot);
					checkAtRest(t, aobj);
				}
				t.k.failinject = null;
				t.run(uao_detach(t.k, aobj));
				t.check();
				expect(used(t)).toEqual(before);
			}),
			{ numRuns: 60 },
		);
	});

	/** The most elements in a bucket. */
	function longest(aobj: uvm_aobj): number {
		let most = 0;
		for (const head of aobj.u_swhash!) {
			let n = 0;
			for (let elt = head; elt !== null; elt = elt.list) n++;
			most = Math.max(most, n);
		}
		return most;
	}

	it("are found in a few steps however large it is and however much of it is in swap", () => {
		for (const pages of [1 << 12, 1 << 14, HUGE]) {
			const t = machine();
			const aobj = t.aobj(pages);
			for (let page = 0; page < pages; page += 16) uao_set_swslot(t.k, aobj, page, 1 + page);
			expect(longest(aobj)).toBeLessThanOrEqual(2);
			expect(aobj.u_swhashcnt).toBe(pages / 16);
		}
	});

	it("are kept where they are if there is no memory for more buckets", () => {
		const t = machine();
		const aobj = t.aobj(HUGE);
		const buckets = aobj.u_swhash!.length;
		t.k.failinject = (what) => what.startsWith("kmem");
		for (let i = 0; i < 3 * buckets; i++) {
			expect(uao_set_swslot(t.k, aobj, i * 16, 1 + i)).toBe(0);
		}
		expect(aobj.u_swhash!.length).toBe(buckets);
		t.k.failinject = null;
		expect(uao_set_swslot(t.k, aobj, 3 * buckets * 16, 1)).toBe(0);
		expect(aobj.u_swhash!.length).toBe(2 * buckets);
		for (let i = 0; i < 3 * buckets; i++) {
			expect(uao_find_swslot(t.k, aobj, i * 16)).toBe(1 + i);
		}
	});

	it("cost what an object has of them, not what it may have", () => {
		const made = [1 << 14, HUGE, 1 << 20].map((pages) => {
			const t = machine();
			const before = used(t);
			const aobj = t.aobj(pages);
			const empty = used(t);
			swapOut(t, aobj, pages - 1);
			const one = used(t);
			// A hole does not look at each page, nor at each 16 of them.
			const get = countLookups(aobj);
			discard(t, aobj, 0, pages);
			expect(get()).toBeLessThanOrEqual(32);
			t.run(uao_detach(t.k, aobj));
			expect(used(t)).toEqual(before);
			return [empty, one];
		});
		expect(made[1]).toEqual(made[0]);
		expect(made[2]).toEqual(made[0]);
	});

	/** How often the object's buckets were read one by one since. */
	function countLookups(aobj: uvm_aobj): () => number {
		let lookups = 0;
		aobj.u_swhash = new Proxy(aobj.u_swhash!, {
			get(target, key, receiver) {
				if (typeof key === "string" && /^\d+$/.test(key)) lookups++;
				return Reflect.get(target, key, receiver);
			},
		});
		const buckets = aobj.u_swhash.length;
		return () => Math.max(lookups - buckets, 0);
	}

	it("do not move when a file grows page by page", () => {
		const t = machine();
		const aobj = t.aobj(0);
		let moved = 0;
		let table: unknown = null;
		for (let pages = 1; pages <= 8192; pages++) {
			expect(uao_grow(t.k, aobj, pages)).toBe(true);
			if (pages % 16 === 1) uao_set_swslot(t.k, aobj, pages - 1, pages);
			if (pages > 64 && aobj.u_swhash !== table) {
				moved++;
				table = aobj.u_swhash;
			}
		}
		expect(moved).toBeLessThanOrEqual(8);
		expect(slotsOf(aobj)).toEqual(Array.from({ length: 512 }, (_, i) => [16 * i, 16 * i + 1]));
	});
});
