/** The shape of random graphs: dominators and loops against their definitions, and all ways in. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { Block, END_DISPATCH, END_JUMP, type Instruction } from "../../../machine/jit/block.ts";
import { shape } from "../../../machine/jit/graph.ts";

const NOP: Instruction = { op: 39, rd: 0, rs1: 0, rs2: 0, imm: 0, pc: 0, length: 4, upper: -1 };

/** Blocks 0.. with these successors, one instruction each. */
function graphOf(edges: readonly (readonly number[])[]): Block[] {
	const blocks = edges.map((_, i) => new Block(0x1000 + 4 * i));
	blocks.forEach((block, i) => {
		block.end = END_JUMP;
		block.instructions.push({ ...NOP, pc: block.pc });
		for (const to of new Set(edges[i])) block.successors.push(blocks[to % blocks.length]!);
		block.successors = [...new Set(block.successors)];
	});
	return blocks;
}

const graphs = fc.record({
	edges: fc.array(fc.array(fc.nat(11), { maxLength: 3 }), { minLength: 1, maxLength: 12 }),
	wanted: fc.array(fc.nat(11), { maxLength: 3 }),
});

/** Blocks that are reached from `start` without passing `avoided`. */
function reached(start: Block, avoided: Block | null): Set<Block> {
	const seen = new Set<Block>();
	const work = start === avoided ? [] : [start];
	for (let block = work.pop(); block !== undefined; block = work.pop()) {
		if (seen.has(block)) continue;
		seen.add(block);
		block.successors.forEach((to, i) => {
			if (!block.redirected[i] && to !== avoided) work.push(to);
		});
	}
	return seen;
}

/** Follow the way of entry `n` from the start, as the compiled function does. */
function enter(start: Block, n: number): Block {
	let at = start;
	for (let steps = 0; at.end === END_DISPATCH; steps++) {
		expect(steps).toBeLessThan(100);
		at = at.routes.get(n) ?? at.successors[0]!;
	}
	return at;
}

it("has dominators, loops that are entered at their heads, and a way to every entry", () => {
	let unshaped = 0;
	fc.assert(
		fc.property(graphs, ({ edges, wanted }) => {
			const blocks = graphOf(edges);
			const original = blocks.map((block) => [...block.successors]);
			const region = shape(
				blocks[0]!,
				wanted.map((i) => blocks[i % blocks.length]!),
				{ effects: [], misses: () => false },
			);
			if (region === null) {
				unshaped++;
				return;
			}
			const { start, entries } = region;
			const all = reached(start, null);
			expect(new Set(region.blocks)).toEqual(all);
			for (const block of region.blocks) {
				if (block === start) continue;
				const dominator = block.dominator!;
				expect(reached(start, dominator).has(block)).toBe(false);
				// The immediate one: every other dominator dominates it, too.
				for (const other of all) {
					if (other === block || other === dominator || other === start) continue;
					if (reached(start, other).has(block)) continue;
					expect(reached(start, other).has(dominator)).toBe(false);
				}
				block.successors.forEach((to, i) => {
					if (block.redirected[i] || to.order > block.order) return;
					expect(to.isHeader).toBe(true);
					expect(to === block || !reached(start, to).has(block)).toBe(true);
				});
			}
			// Every edge still leads where it did, perhaps by a dispatching block.
			blocks.forEach((block, i) => {
				if (!all.has(block)) return;
				original[i]!.forEach((to, j) => {
					const via = block.successors[j]!;
					if (block.redirected[j]) expect(enter(start, via.entry)).toBe(to);
					else expect(via.end === END_DISPATCH ? via.successors[0] : via).toBe(to);
				});
			});
			for (const entry of entries) expect(enter(start, entry.entry)).toBe(entry);
			for (const i of wanted) expect(entries).toContain(blocks[i % blocks.length]);
			// Between two checks no way is longer than what the first one asks for.
			const need = (block: Block, depth: number): number => {
				expect(depth).toBeLessThan(100);
				const ways = block.successors.map((to, i) =>
					block.redirected[i] || to.checks || to.order <= block.order ? 0 : need(to, depth + 1),
				);
				return block.instructions.length + Math.max(0, ...ways);
			};
			for (const block of all) {
				if (block === start || block.checks) expect(block.need).toBe(need(block, 0));
				block.successors.forEach((to, i) => {
					const back = !block.redirected[i] && to.order <= block.order;
					if (back && to !== start) expect(to.checks || to.successors[0]!.checks).toBe(true);
				});
			}
		}),
		{ numRuns: 3000 },
	);
	// What has no shape is not compiled.
	expect(unshaped).toBeLessThan(30);
});
