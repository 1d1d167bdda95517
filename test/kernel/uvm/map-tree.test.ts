/** The tree of a map's entries, against a sorted list; and what searches cost in large maps. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { check_maps } from "../../../kernel/uvm/uvm_check_map.ts";
import {
	UVM_FLAG_COPYONW,
	UVM_FLAG_FIXED,
	UVM_FLAG_NOMERGE,
} from "../../../kernel/uvm/uvm_extern.ts";
import { uvm_map_args, uvm_map_enter, uvmspace_free } from "../../../kernel/uvm/uvm_map.ts";
import {
	uvm_map_clip_end,
	uvm_map_clip_start,
	uvm_map_findspace,
	uvm_map_lookup_entry,
	type vm_map,
	type vm_map_entry,
	vm_map_lock_read,
	vm_map_unlock_read,
} from "../../../kernel/uvm/uvm_map_entry.ts";
import { uvmspace_fork } from "../../../kernel/uvm/uvm_map_fork.ts";
import { uvm_map_lookup_entry_bytree } from "../../../kernel/uvm/uvm_map_tree.ts";
import { PAGE_SIZE, VM_MAXUSER_ADDRESS, VM_MIN_ADDRESS } from "../../../sys/vmparam.ts";
import { AddressSpace } from "../../support/address-space.ts";
import { TestKernel } from "../../support/kernel.ts";

/** The n-th page of an address space. */
const va = (page: number): number => VM_MIN_ADDRESS + page * PAGE_SIZE;
const pageOf = (address: number): number => (address - VM_MIN_ADDRESS) / PAGE_SIZE;

const FIXED = UVM_FLAG_FIXED | UVM_FLAG_COPYONW | UVM_FLAG_NOMERGE;

function enter(t: TestKernel, map: vm_map, page: number, pages: number, flags = FIXED): number {
	const args = uvm_map_args(va(page), pages * PAGE_SIZE);
	args.flags = flags;
	return uvm_map_enter(t.k, map, args);
}

/** What is wrong with any map. */
function wrong(t: TestKernel): string[] {
	const found: string[] = [];
	check_maps(t.k, true, found);
	return found;
}

describe("the tree of entries", () => {
	const PAGES = 64;
	/** First page and end of each entry, in order. */
	type Model = [first: number, end: number][];

	interface Step {
		readonly op: "enter" | "append" | "remove" | "start" | "end" | "find" | "fixed" | "lookup";
		readonly page: number;
		readonly pages: number;
	}
	const step: fc.Arbitrary<Step> = fc.record({
		op: fc.constantFrom(
			...(["enter", "append", "remove", "start", "end", "find", "fixed", "lookup"] as const),
			"enter",
		),
		page: fc.nat(PAGES - 1),
		pages: fc.integer({ min: 1, max: 6 }),
	});

	/** The first place at or above `page` where `pages` are free; from 0 on: in the whole map. */
	function firstFit(model: Model, page: number, pages: number): number {
		let at = page;
		for (const [first, end] of model) if (first < at + pages && end > at) at = end;
		return at;
	}
	const isFree = (model: Model, page: number, pages: number): boolean =>
		firstFit(model, page, pages) === page;
	const find = (map: vm_map, page: number, pages: number, fixed: boolean): number => {
		const found = { start: 0 };
		const after = uvm_map_findspace(map, va(page), pages * PAGE_SIZE, found, fixed);
		return after === null ? -1 : pageOf(found.start);
	};

	function apply(
		t: TestKernel,
		space: AddressSpace,
		model: Model,
		{ op, page, pages }: Step,
	): void {
		const { map } = space;
		const inside = model.findIndex(([first, end]) => first <= page && page < end);
		if (op === "enter") {
			const free = isFree(model, page, pages);
			expect(enter(t, map, page, pages) === 0).toBe(free);
			if (free) model.push([page, page + pages]);
		} else if (op === "append") {
			// Where there is room, and as a part of a neighbour's entry if that goes on.
			const at = firstFit(model, page, pages);
			expect(enter(t, map, page, pages, UVM_FLAG_COPYONW)).toBe(0);
			const back = model.find(([, end]) => end === at);
			const forward = model.find(([first]) => first === at + pages);
			if (back !== undefined && forward !== undefined) {
				back[1] = forward[1];
				model.splice(model.indexOf(forward), 1);
			} else if (back !== undefined) back[1] += pages;
			else if (forward !== undefined) forward[0] = at;
			else model.push([at, at + pages]);
		} else if (op === "remove") {
			expect(space.unmap(va(page), pages)).toBe(0);
			const end = page + pages;
			const rest = model.flatMap(
				([a, b]): Model => [
					[a, Math.min(b, page)],
					[Math.max(a, end), b],
				],
			);
			const kept = rest.filter(([a, b], i) => a < b && (i % 2 === 0 ? a < page : b > end));
			model.splice(0, model.length, ...kept);
		} else if (op === "find") {
			expect(find(map, page, pages, false)).toBe(firstFit(model, page, pages));
			expect(find(map, 0, pages, false)).toBe(firstFit(model, 0, pages));
		} else if (op === "fixed") {
			expect(find(map, page, pages, true)).toBe(isFree(model, page, pages) ? page : -1);
		} else if (op === "lookup") {
			const entry = uvm_map_lookup_entry(map, va(page));
			const before = model.filter(([first]) => first <= page).at(-1);
			expect(entry === map.header ? undefined : pageOf(entry.start)).toBe(before?.[0]);
			expect(uvm_map_lookup_entry_bytree(map, va(page))).toBe(entry);
		} else if (inside >= 0) {
			const entry = uvm_map_lookup_entry(map, va(page));
			const clip = op === "start" ? uvm_map_clip_start : uvm_map_clip_end;
			expect(clip(t.k, map, entry, va(page))).toBe(true);
			const [first, end] = model[inside]!;
			if (first < page) model.splice(inside, 1, [first, page], [page, end]);
		}
		model.sort(([a], [b]) => a - b);
	}

	it("has the entries of a sorted list, and finds and places as a walk of it does", () => {
		const t = new TestKernel();
		fc.assert(
			fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
				const space = new AddressSpace(t);
				const model: Model = [];
				for (const s of steps) {
					// An end that is a beginning cuts nothing off.
					if (s.op === "end" && model.some(([first]) => first === s.page)) continue;
					apply(t, space, model, s);
					const list: Model = [];
					for (let e = space.map.header.next; e !== space.map.header; e = e.next) {
						list.push([pageOf(e.start), pageOf(e.end)]);
					}
					expect(list).toEqual(model);
					expect(wrong(t)).toEqual([]);
				}
				t.run(space.free());
			}),
			{ numRuns: 100 },
		);
	});
});

describe("the map of a child", () => {
	/** Its tree, from the root on, and what else the entries leave behind. */
	function form(map: vm_map): unknown[] {
		const nodes: unknown[] = [];
		const walk = (node: vm_map_entry | null): void => {
			if (node === null) return void nodes.push(null);
			const { start, end, rb_red, ownspace, space } = node;
			nodes.push([pageOf(start), pageOf(end), rb_red, ownspace, space]);
			walk(node.rb_left);
			walk(node.rb_right);
		};
		walk(map.rbhead);
		const { nentries, size, first_free, owed } = map;
		return [nodes, nentries, size, first_free === map.header || first_free.start, owed];
	}

	it("is as if its entries had been entered one by one", () => {
		const t = new TestKernel();
		const gap = fc.oneof(fc.constant(0), fc.nat(3));
		const range = fc.tuple(gap, fc.integer({ min: 1, max: 3 }));
		fc.assert(
			fc.property(fc.array(range, { maxLength: 200 }), fc.boolean(), (ranges, full) => {
				const all = [...ranges];
				const end = all.reduce((at, [free, pages]) => at + free + pages, 0);
				const last = pageOf(VM_MAXUSER_ADDRESS);
				if (full) all.push([0, last - end]);
				const enterAll = (): AddressSpace => {
					const space = new AddressSpace(t);
					let at = 0;
					for (const [free, pages] of all) {
						expect(enter(t, space.map, at + free, pages)).toBe(0);
						at += free + pages;
					}
					return space;
				};
				const [parent, model] = [enterAll(), enterAll()];
				const child = t.run(uvmspace_fork(t.k, parent.vm))!;
				expect(form(child.vm_map)).toEqual(form(model.map));
				// Its entries, and those of the model, are used again.
				t.run(uvmspace_free(t.k, child));
				t.run(model.free());
				expect(t.k.uvm.mapent_free.length).toBeGreaterThanOrEqual(2 * all.length);
				t.run(parent.free());
				expect(wrong(t)).toEqual([]);
			}),
			{ numRuns: 60 },
		);
	});

	it("that is emptied at once can be filled again", () => {
		const t = new TestKernel();
		const space = new AddressSpace(t);
		for (let i = 0; i < 50; i++) enter(t, space.map, 2 * i, 1);
		uvm_map_lookup_entry(space.map, va(20));
		expect(space.unmap(va(0), 100)).toBe(0);
		const { map } = space;
		expect([map.nentries, map.size, map.rbhead]).toEqual([0, 0, null]);
		expect([map.hint, map.first_free, map.header.next]).toEqual(Array(3).fill(map.header));
		expect(wrong(t)).toEqual([]);
		for (let i = 0; i < 50; i++) enter(t, map, 2 * i + 1, 1);
		expect(map.nentries).toBe(50);
		// All but the first one.
		expect(space.unmap(va(2), 100)).toBe(0);
		expect([map.nentries, map.size, map.first_free]).toEqual([1, PAGE_SIZE, map.header]);
		expect(wrong(t)).toEqual([]);
	});
});

describe("a map of n entries", () => {
	/** Pages in use alternate with free ones, entered in one order or another. */
	function filled(t: TestKernel, n: number, at: (i: number) => number = (i) => i): AddressSpace {
		const space = new AddressSpace(t);
		let refused = 0;
		for (let i = 0; i < n; i++) refused += enter(t, space.map, 2 * at(i) + 1, 1);
		expect(refused).toBe(0);
		return space;
	}
	const SIZES = [15, 255, 4095, 32767];
	/** A number coprime to the sizes: its multiples are all places in another order. */
	const STRIDE = 12_289;
	const high = (n: number): number => Math.ceil(2 * Math.log2(n + 1));

	/** The most steps that one of 200 operations takes. */
	function worst({ map }: AddressSpace, operation: (i: number) => void): number {
		let most = 0;
		for (let i = 0; i < 200; i++) {
			const before = map.steps;
			operation(i);
			most = Math.max(most, map.steps - before);
		}
		return most;
	}

	it("is searched, changed and filled in steps that grow with the logarithm of n", () => {
		for (const n of SIZES) {
			const orders = [(i: number) => i, (i: number) => n - 1 - i, (i: number) => (i * STRIDE) % n];
			for (const at of orders) {
				const t = new TestKernel({ ram: 16 << 20 });
				const space = filled(t, n, at);
				const { map } = space;
				// Two climbs, and recolouring, for each.
				expect(map.steps).toBeLessThanOrEqual(n * 4 * high(n));
				expect(
					worst(space, (i) => uvm_map_lookup_entry(map, va(2 * ((i * STRIDE) % n) + 1))),
				).toBeLessThanOrEqual(high(n));
				const room = { start: 0 };
				uvm_map_findspace(map, va(1), 2 * PAGE_SIZE, room, false);
				expect(pageOf(room.start)).toBe(2 * n);
				expect(
					worst(space, (i) => uvm_map_findspace(map, va(i % n), 2 * PAGE_SIZE, room, false)),
				).toBeLessThanOrEqual(3 * high(n));
				const change = (i: number): void => {
					const page = 2 * ((i * STRIDE) % n) + 1;
					expect(space.unmap(va(page), 1)).toBe(0);
					expect(enter(t, map, page, 1)).toBe(0);
				};
				expect(worst(space, change)).toBeLessThanOrEqual(10 * high(n));
				expect(wrong(t)).toEqual([]);
				t.run(space.free());
				expect([map.rbhead, map.nentries]).toEqual([null, 0]);
			}
		}
	});

	it("whose entries touch each other has its first gap found in as few steps", () => {
		for (const n of SIZES) {
			const t = new TestKernel({ ram: 16 << 20 });
			const space = new AddressSpace(t);
			const { map } = space;
			for (let i = 0; i < n; i++) enter(t, map, i, 1);
			expect(map.first_free).toBe(map.header.prev);
			const change = (i: number): void => {
				space.unmap(va(i % 2), 1);
				expect(enter(t, map, i % 2, 1)).toBe(0);
			};
			expect(worst(space, change)).toBeLessThanOrEqual(10 * high(n));
			expect(map.first_free).toBe(map.header.prev);
		}
	});

	it("costs virtual time for the steps beyond the height of a tree of 15", () => {
		const t = new TestKernel({ ram: 16 << 20 });
		const { clock } = t.machine;
		for (const [n, costs] of [
			[15, false],
			[32767, true],
		] as const) {
			const { map } = filled(t, n);
			// What entering has cost is charged at the first unlock.
			t.run(vm_map_lock_read(t.k, map));
			vm_map_unlock_read(t.k, map);
			let expected = 0;
			const begin = clock.cycles;
			for (let i = 0; i < 100; i++) {
				const before = map.steps;
				t.run(vm_map_lock_read(t.k, map));
				uvm_map_lookup_entry(map, va(2 * ((i * STRIDE) % n) + 1));
				const at = clock.cycles;
				vm_map_unlock_read(t.k, map);
				const cost = 10 * Math.max(0, map.steps - before - 8);
				expect(clock.cycles - at).toBe(cost);
				expected += cost;
			}
			expect(expected > 0).toBe(costs);
			expect(clock.cycles - begin >= expected).toBe(true);
		}
	});

	it("has 65530 at most", () => {
		const t = new TestKernel({ ram: 16 << 20 });
		const space = filled(t, 65530);
		expect(enter(t, space.map, 0, 1)).not.toBe(0);
		expect(VM_MAXUSER_ADDRESS).toBeGreaterThan(va(2 * 65530));
		expect(wrong(t)).toEqual([]);
	});
});
