/** A bounded share of `bench allocations`. */
import { describe, expect, it } from "vitest";
import {
	ALLOCATIONS,
	type AllocationRow,
	allocatesTooMuch,
	measureAllocations,
} from "../../bench/allocations.ts";

const row = (name: string): AllocationRow => ALLOCATIONS.find((one) => one.name === name)!;

/** The host's compiler may come late, so it is asked again before it counts. */
async function least(one: AllocationRow, share: number): Promise<number> {
	let bytes = Number.POSITIVE_INFINITY;
	for (let i = 0; i < 3 && bytes > one.allowed; i++) {
		bytes = Math.min(bytes, (await measureAllocations(one, { engine: "auto" }, share)).bytes);
	}
	return bytes;
}

describe("in steady state allocates no more than it may:", () => {
	it.each([
		["getpid", 0.2],
		["sched_yield, two switches", 0.2],
		["a byte through a pipe and back", 0.1],
		["zero-fill fault", 0.1],
		["copy on write", 0.1],
		["a page out or in", 0.2],
		["fork, exit and wait", 0.2],
	])("%s", async (name, share) => {
		expect(await least(row(name), share)).toBeLessThanOrEqual(row(name).allowed);
	});
});

it("what is allocated is seen, also when it has been collected", async () => {
	const kept: object[] = [];
	const one = row("getpid");
	const found = await measureAllocations(
		{
			...one,
			count: (system) => {
				// Of them one stays.
				for (let i = 0; i < 20_000; i++) kept[0] = { i, list: [i, i, i, i] };
				return one.count(system);
			},
		},
		{ engine: "auto" },
		0.1,
	);
	expect(found.bytes).toBeGreaterThan(one.allowed);
	expect(allocatesTooMuch(found)).toBe(true);
});
