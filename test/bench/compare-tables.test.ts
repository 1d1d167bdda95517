/** What is made of the times of two builds, and how slices are timed. */
import { expect, it } from "vitest";
import {
	type Comparison,
	comparedTables,
	figure,
	ratioOf,
	readmeTables,
} from "../../bench/compare-tables.ts";
import { slice } from "../../bench/slices.ts";

const COMPARISON: Comparison = {
	paths: [{ name: "getpid", before: [4, 5, 8, 4], after: [2, 2.5, 2, 3] }],
	growth: [
		{
			...{ name: "mmap", unit: "map entries", sizes: [10, 100, 1000] },
			before: [[1], [10], [100]],
			after: [[3], [3], [3]],
		},
		{
			...{ name: "fork", unit: "processes", sizes: [10, 100, 1000] },
			before: [
				[4, 8],
				[4, 5],
				[Number.NaN, Number.NaN],
			],
			after: [
				[2, 2],
				[2, 1],
				[3, 3],
			],
		},
	],
	starts: [{ name: "--version", before: [40], after: [10] }],
	qemuTraps: [0.9, 1.1, 1],
};

it("a ratio is that of slices that were measured in turn", () => {
	// Of 1/2, 1/2, 1/4 and 3/4.
	expect(ratioOf(COMPARISON.paths[0]!)).toBe("0.50 (0.25 to 0.50)");
});

it("figures have three digits, or all before the point", () => {
	expect([0.01234, 1.5, 12.345, 99.96, 1234.5, Number.NaN].map(figure)).toEqual([
		...["0.0123", "1.50", "12.3", "100", "1,235", "-"],
	]);
});

it("tables have what was least, exponents, and what failed", () => {
	const lines = comparedTables(COMPARISON).split("\n");
	expect(lines).toContain("| getpid | 4.00, 5.00 | 2.00, 2.50 | 0.50 (0.25 to 0.50) |");
	expect(lines).toContain("| --version | 40.0, 40.0 | 10.0, 10.0 | 0.25 (0.25 to 0.25) |");
	expect(lines).toContain("A trap and return on QEMU: 0.900, 1.10, 1.00 us");
	const mmap = "| mmap, 10 / 100 / 1,000 map entries | 1.00 / 10.0 / 100 | 1.00 ±0.00 |";
	expect(lines).toContain(`${mmap} 3.00 / 3.00 / 3.00 | 0.00 ±0.00 | 0.03 to 0.03 |`);
	// The largest size that both can do has the ratio.
	const fork = "| fork, 10 / 100 / 1,000 processes | 4.00 / 4.00 / - | - |";
	expect(lines.find((line) => line.startsWith(fork))).toMatch(/\| 0.20 to 0.50 \|$/);
});

it("README has the build that is compared", () => {
	const lines = readmeTables(COMPARISON).split("\n");
	expect(lines).toContain("| getpid | 2.00 | 500,000 |");
	expect(lines).toContain("| the same on QEMU | 0.900 |  |");
	expect(lines).toContain("| mmap | 3.00, 10 map entries | 3.00, 1,000 | 0.00 ±0.00 |");
});

it("a slice counts the time of what counts, and no less than it was asked for", () => {
	let now = 0;
	let calls = 0;
	const work = (): number | null => {
		now += 10;
		calls++;
		return calls % 2 === 0 ? null : 5;
	};
	expect(slice(work, 25, () => now)).toBe(2);
	expect(calls).toBe(5);
});
