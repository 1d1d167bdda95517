/** TLB misses of compiled code against the interpreter's: random accesses in two address spaces. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { H_LOAD_MISSES, H_STORE_MISSES } from "../../../machine/memory.ts";
import { build, plan, seen } from "./refill-programs.ts";

const RUNS = Number(process.env.REFILL_RUNS ?? 50);

it("misses of compiled code leave what the interpreter's leave", () => {
	let refills = 0;
	fc.assert(
		fc.property(
			plan,
			fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 5 }),
			(drawn, pieces) => {
				const [compiled, interpreted] = [build(drawn, "jit"), build(drawn, "interp")];
				for (const piece of pieces) {
					compiled.runBare(piece);
					interpreted.runBare(piece);
					const { i32 } = compiled.memory;
					refills += i32[H_LOAD_MISSES]! + i32[H_STORE_MISSES]!;
					expect(seen(compiled)).toEqual(seen(interpreted));
				}
			},
		),
		{ numRuns: RUNS },
	);
	expect(refills).toBeGreaterThan(10 * RUNS);
});
