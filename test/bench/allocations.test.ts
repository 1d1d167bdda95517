/** A bounded share of `bench allocations`. */
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import {
	ALLOCATIONS,
	type AllocationResult,
	type AllocationRow,
	allocatesTooMuch,
	measureAllocations,
} from "../../bench/allocations.ts";
import { ROOT } from "../support/sources.ts";

const row = (name: string): AllocationRow => ALLOCATIONS.find((one) => one.name === name)!;

/** Of a million events: an object of each would be more than what may stay. */
const SHARE = 0.3;

it("in steady state a path allocates no more than it may, and keeps nothing", () => {
	// In a process of its own: what other tests have called in other ways V8 does not inline.
	const args = [`${ROOT}/dist/cli/main.js`, "bench", "allocations", "--json", "-"];
	const { stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
	const { allocations } = JSON.parse(stdout) as { allocations: AllocationResult[] };
	expect(allocations.map(({ name }) => name)).toEqual(ALLOCATIONS.map(({ name }) => name));
	expect(allocations.filter(allocatesTooMuch)).toEqual([]);
});

it("what is allocated is seen, also when it has been collected", async () => {
	const kept: object[] = [];
	const one = row("getpid");
	const found = await measureAllocations(
		{
			...one,
			count: (system) => {
				// Of them one stays.
				for (let i = 0; i < 2_000; i++) kept[0] = { i, list: [i, i, i, i] };
				return one.count(system);
			},
		},
		{ engine: "auto" },
		0.1,
	);
	expect(found.bytes).toBeGreaterThan(one.allowed);
	expect(allocatesTooMuch(found)).toBe(true);
});

it("what is kept is seen, also when it is little", async () => {
	const kept: object[] = [];
	const one = row("amoadd.w");
	const found = await measureAllocations(
		{
			...one,
			allowed: Number.POSITIVE_INFINITY,
			count: (of) => {
				// Twice in each step, which has a million events.
				for (let i = 0; i < 500_000; i++) kept.push({});
				return one.count(of);
			},
		},
		{ engine: "auto" },
		SHARE,
	);
	expect(found.kept).toBeGreaterThan(16 * found.events);
	expect(allocatesTooMuch(found)).toBe(true);
});
