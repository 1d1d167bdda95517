/** The table of an amap's chunks against a Map. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
	amap_chunk,
	amap_chunk_insert,
	amap_chunk_remove,
	amap_chunks_init,
	amap_chunks_list,
	amap_chunks_renumber,
	amap_chunks_shrink,
	type vm_amap_chunk,
} from "../../../kernel/uvm/uvm_amap_chunks.ts";

const chunk = (): vm_amap_chunk => ({ ac_nused: 0, ac_anon: [], ac_bckptr: [] });

/** Few, so that chunks are met again; with the same low bits; and of all slots there may be. */
const index = fc.oneof(
	fc.nat(12),
	fc.nat(40).map((i) => i * 1024),
	fc.nat(65_535),
);
const steps = fc.array(
	fc.oneof(
		{ weight: 6, arbitrary: fc.record({ what: fc.constant("put" as const), index }) },
		{ weight: 5, arbitrary: fc.record({ what: fc.constant("take" as const), index: fc.nat() }) },
		{ weight: 1, arbitrary: fc.record({ what: fc.constant("up" as const), index: fc.nat(5) }) },
	),
	{ maxLength: 400, size: "max" },
);

describe("the chunks of an amap", () => {
	it("are found by their numbers, and no others", () => {
		fc.assert(
			fc.property(steps, (list) => {
				const table = amap_chunks_init();
				const model = new Map<number, vm_amap_chunk>();
				for (const { what, index: i } of list) {
					if (what === "up") {
						amap_chunks_renumber(table, i);
						const moved = [...model].map(([at, c]) => [at + i, c] as const);
						model.clear();
						for (const [at, c] of moved) model.set(at, c);
					} else if (what === "put" && !model.has(i)) {
						const c = chunk();
						amap_chunk_insert(table, i, c);
						model.set(i, c);
					} else if (what === "take" && model.size > 0) {
						const at = [...model.keys()][i % model.size]!;
						amap_chunk_remove(table, at);
						model.delete(at);
						expect(amap_chunk(table, at)).toBeNull();
					}
					expect(table.ch_count).toBe(model.size);
					expect(new Map(amap_chunks_list(table))).toEqual(model);
					for (const [at, c] of model) expect(amap_chunk(table, at)).toBe(c);
					expect(amap_chunk(table, 70_000)).toBeNull();
				}
			}),
			{ numRuns: 100 },
		);
	});

	it("take no new memory for as many as there were before", () => {
		const table = amap_chunks_init();
		for (let i = 0; i < 100; i++) amap_chunk_insert(table, i, chunk());
		for (let i = 0; i < 100; i++) amap_chunk_remove(table, i);
		const { ch_index, ch_chunk } = table;
		for (let i = 0; i < 100; i++) amap_chunk_insert(table, 3 * i, chunk());
		expect([table.ch_index, table.ch_chunk]).toEqual([ch_index, ch_chunk]);
		expect(table.ch_index).toBe(ch_index);
		for (let i = 0; i < 100; i++) amap_chunk_remove(table, 3 * i);
		amap_chunks_shrink(table, 256);
		expect(table.ch_index).toBe(ch_index);
		amap_chunks_shrink(table, 64);
		expect(table.ch_index.length).toBe(4);
		expect(amap_chunk(table, 3)).toBeNull();
	});
});
