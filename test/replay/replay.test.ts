/** References through a real system: what must come out whatever its policy is. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Prng } from "../../machine/prng.ts";
import { Batches, type ReferenceBatch } from "../../replay/batch.ts";
import { Replay, type ReplayOptions, type ReplayResult } from "../../replay/replay.ts";

const KiB = 1024;
const [LOAD, STORE] = [0, 1] as const;
type Reference = readonly [page: number, kind: number];

function resultOf(
	references: readonly Reference[],
	options: ReplayOptions = { ram: 1024 * KiB },
	size = references.length,
): ReplayResult {
	const replay = new Replay(options);
	const batches = new Batches((batch: ReferenceBatch) => replay.refer(batch));
	for (const [i, [page, kind]] of references.entries()) {
		batches.add(page, kind);
		if ((i + 1) % size === 0) batches.flush();
	}
	batches.flush();
	return replay.result();
}

const sweep = (pages: number, kind: number): Reference[] =>
	Array.from({ length: pages }, (_, page) => [page, kind]);

/** Some pages often, all of them sometimes. */
function mixed(length: number, pages: number): Reference[] {
	const prng = new Prng(1);
	return Array.from({ length }, () => {
		const page = prng.below(100) < 90 ? prng.below(150) : prng.below(pages);
		return [page, prng.below(3) === 0 ? STORE : LOAD];
	});
}

describe("a trace", () => {
	it("that fits has a zero-fill fault for each page, and nothing else", () => {
		const { counts, distinct, misses, references } = resultOf([
			...sweep(200, STORE),
			...sweep(200, LOAD),
		]);
		expect([references, distinct, counts.instructions]).toEqual([400, 200, 400]);
		expect([counts.faults, counts.flt_przero, counts.pageins]).toEqual([200, 200, 0]);
		expect(misses).toEqual({ system: 200, lru: 200, optimum: 200 });
	});

	it("that does not fit is paged out and in; pages that were only read again stay clean", () => {
		const reads = [...sweep(600, STORE), ...sweep(600, LOAD), ...sweep(600, LOAD)];
		const first = resultOf(reads).counts;
		const all = resultOf(reads.map(([page]) => [page, STORE])).counts;
		expect(first.pgswapin).toBeGreaterThan(1000);
		expect(all.pgswapin).toBeGreaterThan(1000);
		// Each page once, and those of the process that there is; or each time that it is given up.
		expect(first.pgswapout).toBeLessThanOrEqual(600 + 5);
		expect(all.pgswapout).toBeGreaterThan(1200);
	});

	it("misses at least as often as the optimum, which misses at most as often as LRU", () => {
		const { misses, frames, distinct, counts } = resultOf(mixed(30_000, 500));
		expect(frames).toBeLessThan(256);
		expect(misses.optimum).toBeGreaterThan(distinct);
		expect(misses.lru).toBeGreaterThan(misses.optimum!);
		expect(misses.system).toBeGreaterThan(misses.optimum!);
		expect(misses.system).toBe(distinct + counts.pgswapin!);
	});

	it("costs the same in whatever parts it comes", () => {
		const references = mixed(3000, 400);
		const whole = resultOf(references);
		expect(whole.counts.pgswapin).toBeGreaterThan(0);
		fc.assert(
			fc.property(fc.integer({ min: 1, max: 700 }), (size) => {
				expect(resultOf(references, { ram: 1024 * KiB }, size)).toEqual(whole);
			}),
			{ numRuns: 5, examples: [[1]] },
		);
	});

	it("passes the checks of invariants and of contents", () => {
		const references = mixed(10_000, 500);
		const options = { ram: 1024 * KiB, check: true, shadow: true };
		expect(resultOf(references, options)).toEqual(resultOf(references));
	});

	it("may lie anywhere in 64 bits; neighbours stay neighbours", () => {
		const far = 2 ** 52 - 4096;
		const low = sweep(100, STORE);
		const high = low.map(([page, kind]): Reference => [far + page, kind]);
		expect(resultOf(high)).toEqual(resultOf(low));
		const areas = Array.from({ length: 3000 }, (_, i): Reference => [i * 256, STORE]);
		expect(() => resultOf(areas)).toThrow(/^references lie in more than \d+ areas of 1 MiB$/);
	});

	it("faults around a page as its advice says", () => {
		const references = mixed(20_000, 500);
		const faults = (advice: "normal" | "random" | "sequential"): number =>
			resultOf(references, { ram: 1024 * KiB, advice }).counts.faults!;
		// Pages that were deactivated are in memory, but not mapped.
		expect(faults("normal")).toBeLessThan(faults("random"));
		expect(faults("sequential")).not.toBe(faults("normal"));
	});

	it("says why it ends too early", () => {
		const swap = [{ media: 256 * KiB }];
		expect(() => resultOf(sweep(600, STORE), { ram: 1024 * KiB, swap })).toThrow(
			/^after \d+ references: the process was killed: out of swap$/,
		);
	});
});

describe("frames", () => {
	it("are as many as were asked for", () => {
		for (const frames of [150, 1000]) {
			expect(resultOf(sweep(10, STORE), { frames }).frames).toBe(frames);
		}
	});

	it("are not fewer than the kernel can live with", () => {
		expect(() => new Replay({ frames: 10 })).toThrow(/^frames 10: .* at least \d+$/);
	});
});
