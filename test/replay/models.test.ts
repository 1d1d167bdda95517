/** The models beside the system: against the simplest ones that can be written. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LeastRecent } from "../../replay/least-recent.ts";
import { optimum, PageSequence } from "../../replay/optimum.ts";

const PAGES = 6;
const traces = fc.array(fc.nat(PAGES - 1), { minLength: 1, maxLength: 40 });
const frames = fc.integer({ min: 1, max: PAGES + 1 });

const sequenceOf = (pages: readonly number[]): PageSequence => {
	const sequence = new PageSequence();
	for (const page of pages) sequence.push(page);
	return sequence;
};

/** The fewest misses, by trying each victim: those of the best way to each set of pages. */
function fewest(pages: readonly number[], size: number): number {
	let best = new Map([[0, 0]]);
	for (const page of pages) {
		const after = new Map<number, number>();
		const reach = (set: number, misses: number): void => {
			after.set(set, Math.min(misses, after.get(set) ?? Number.POSITIVE_INFINITY));
		};
		for (const [set, misses] of best) {
			const inside = Array.from({ length: PAGES }, (_, i) => i).filter((i) => (set >> i) & 1);
			if (inside.includes(page)) reach(set, misses);
			else if (inside.length < size) reach(set | (1 << page), misses + 1);
			else for (const out of inside) reach((set & ~(1 << out)) | (1 << page), misses + 1);
		}
		best = after;
	}
	return Math.min(...best.values());
}

/** Misses of the optimum, where each victim is looked for among all pages in memory. */
function usedLast(pages: readonly number[], size: number): number {
	const inside = new Set<number>();
	let misses = 0;
	for (const [i, page] of pages.entries()) {
		if (inside.has(page)) continue;
		misses++;
		if (inside.size === size) {
			const next = (other: number): number => pages.indexOf(other, i) >>> 0;
			inside.delete([...inside].reduce((a, b) => (next(b) > next(a) ? b : a)));
		}
		inside.add(page);
	}
	return misses;
}

/** Misses of LRU, with an array. */
function leastRecent(pages: readonly number[], size: number): number {
	let recent: number[] = [];
	let misses = 0;
	for (const page of pages) {
		if (!recent.includes(page)) misses++;
		recent = [page, ...recent.filter((other) => other !== page)].slice(0, size);
	}
	return misses;
}

const ofModel = (pages: readonly number[], size: number): number => {
	const model = new LeastRecent(size, PAGES);
	for (const page of pages) model.refer(page);
	return model.misses;
};

describe("the optimum", () => {
	it("is what the best choice of victims gives", () => {
		fc.assert(
			fc.property(traces, frames, (pages, size) => {
				expect(optimum(sequenceOf(pages), size)).toBe(fewest(pages, size));
			}),
			{ numRuns: 500 },
		);
	});

	it("is that of the textbook", () => {
		const pages = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1];
		expect(optimum(sequenceOf(pages), 3)).toBe(9);
	});

	it("is that of a search for the page that is used last, with more references than frames", () => {
		const seeds = fc.array(fc.nat(2 ** 20), { minLength: 1, maxLength: 8 });
		fc.assert(
			fc.property(seeds, fc.integer({ min: 1, max: 60 }), (seed, size) => {
				// References that come back, most of them soon.
				let state = seed.reduce((sum, n) => (sum * 31 + n) >>> 0, 1);
				const pages = Array.from({ length: 6000 }, () => {
					state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
					return Math.floor(((state >>> 8) / 2 ** 24) ** 2 * 100);
				});
				expect(optimum(sequenceOf(pages), size)).toBe(usedLast(pages, size));
			}),
			{ numRuns: 20 },
		);
	});
});

describe("LRU", () => {
	it("misses what is not among the pages referenced last", () => {
		fc.assert(
			fc.property(traces, frames, (pages, size) => {
				expect(ofModel(pages, size)).toBe(leastRecent(pages, size));
			}),
			{ numRuns: 500 },
		);
	});

	it("never misses less than the optimum", () => {
		fc.assert(
			fc.property(traces, frames, (pages, size) => {
				expect(ofModel(pages, size)).toBeGreaterThanOrEqual(optimum(sequenceOf(pages), size));
			}),
		);
	});
});
