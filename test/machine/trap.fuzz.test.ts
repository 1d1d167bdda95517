/** Traps, returns from them and changes of context: long slices against single instructions. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { build, plan, seen } from "./trap-programs.ts";

const RUNS = Number(process.env.TRAP_RUNS ?? 60);
const CYCLES = 1500;

it("a slice with traps in it ends as its instructions one by one", () => {
	const quick = { traps: 0, plans: 0 };
	fc.assert(
		fc.property(
			plan,
			fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 2, maxLength: 6 }),
			(drawn, pieces) => {
				const fast = build(drawn);
				const single = build(drawn);
				// An observer is told of each exception: none is quick.
				let told = 0;
				single.hart.observer = {
					exception: () => told++,
					interrupt: () => told++,
					waits: () => {},
				};
				let end = 0;
				for (const piece of pieces) {
					end = Math.min(end + piece, CYCLES);
					if (fast.clock.cycles < end) fast.runBare(end - fast.clock.cycles);
					while (single.clock.cycles < end && single.clock.cycles < fast.clock.cycles) {
						single.runBare(1);
					}
					expect(seen(fast)).toEqual(seen(single));
					expect(fast.hart.traps.taken).toBe(told);
				}
				quick.plans++;
				quick.traps += fast.hart.traps.taken;
			},
		),
		{ numRuns: RUNS, endOnFailure: true },
	);
	// The programs do what they are for.
	expect(quick.traps / quick.plans).toBeGreaterThan(20);
});
