/** The map of free slots against an array of booleans that is searched from its start. */
import fc from "fast-check";
import { expect, it } from "vitest";
import {
	swapmap_clear,
	swapmap_create,
	swapmap_find,
	swapmap_isset,
	swapmap_set,
} from "../../../kernel/uvm/uvm_swapmap.ts";

function firstRun(used: readonly boolean[], n: number): number {
	let run = 0;
	for (let i = 0; i < used.length; i++) {
		run = used[i] ? 0 : run + 1;
		if (run === n) return i + 1 - n;
	}
	return -1;
}

const lengths = fc.oneof(
	{ weight: 4, arbitrary: fc.integer({ min: 1, max: 40 }) },
	fc.integer({ min: 1, max: 1024 }),
);
/** Take the first run of some length, or free what is taken of a range. */
const operation = fc.record({
	take: fc.boolean(),
	n: lengths,
	at: fc.oneof(
		fc.integer({ min: 0, max: 5000 }),
		fc.integer({ min: -30, max: 10 }).map((n) => 1024 + n),
	),
	every: fc.integer({ min: 1, max: 3 }),
});

it("finds the first run that is long enough, whatever was taken and freed", () => {
	const sizes = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 900, max: 4200 }));
	const operations = fc.array(operation, { maxLength: 60 });
	fc.assert(
		fc.property(sizes, fc.boolean(), operations, (size, full, operations) => {
			const map = swapmap_create(size);
			if (full) swapmap_set(map, 0, size);
			const used = new Array<boolean>(size).fill(full);
			for (const { take, n, at, every } of operations) {
				const first = firstRun(used, n);
				expect(swapmap_find(map, n)).toBe(first);
				if (take && first >= 0) {
					swapmap_set(map, first, n);
					used.fill(true, first, first + n);
				}
				if (take) continue;
				for (let i = at % size; i < Math.min(size, (at % size) + n); i += every) {
					expect(swapmap_isset(map, i)).toBe(used[i]);
					if (used[i]) swapmap_clear(map, i, 1);
					used[i] = false;
				}
			}
		}),
		{ numRuns: 400 },
	);
});

it("a run across two blocks is found when its second half comes free", () => {
	const map = swapmap_create(4096);
	swapmap_set(map, 0, 4096);
	for (const border of [1024, 2048, 3072]) {
		swapmap_clear(map, border - 3, 3);
		expect(swapmap_find(map, 4)).toBe(-1);
		swapmap_clear(map, border, 1);
		expect(swapmap_find(map, 4)).toBe(border - 3);
		swapmap_set(map, border - 3, 4);
	}
});

it("a slot that is free cannot be freed, and a run cannot be longer than a block", () => {
	const map = swapmap_create(64);
	expect(() => swapmap_clear(map, 3, 1)).toThrow("slot is free already");
	expect(() => swapmap_find(map, 1025)).toThrow("too many slots");
});
