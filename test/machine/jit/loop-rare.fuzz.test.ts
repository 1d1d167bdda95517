/**
 * The emitted loop with the rare instructions beside it, which are not compiled: random programs
 * against the interpreter in TypeScript.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { Jit } from "../../../machine/jit/jit.ts";
import type { Machine } from "../../../machine/machine.ts";
import { H_FENCES, H_LOAD_MISSES, H_STORE_MISSES } from "../../../machine/memory.ts";
import * as traps from "../trap-programs.ts";
import * as refills from "./refill-programs.ts";

const RUNS = Number(process.env.LOOP_RARE_RUNS ?? 60);
const OPTIONS = { hot: Number.POSITIVE_INFINITY, patience: 0, misses: 1, functions: 16 };

/** Have `machine` run the emitted loop, and compile nothing. */
function useLoop({ hart, memory }: Machine, [tlbEntries, tlbWays, walkCycles]: number[]): void {
	const walks = { tlbEntries: tlbEntries!, tlbWays: tlbWays!, walkCycles: walkCycles! };
	hart.jit = new Jit(memory, hart.code, walks, { ...OPTIONS, chunk: 100, loopAfter: 0 });
	hart.code.user = hart.jit;
	hart.interpreter.compileAfter(0, walks);
}

it("traps, contexts, status and counters are those of the interpreter", () => {
	fc.assert(
		fc.property(
			traps.plan,
			fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 6 }),
			(drawn, pieces) => {
				const [looping, interpreted] = [traps.build(drawn), traps.build(drawn)];
				useLoop(looping, [8, 2, drawn.walkCycles]);
				interpreted.hart.engine = "interp";
				for (const piece of pieces) {
					looping.runBare(piece);
					interpreted.runBare(piece);
					expect(traps.seen(looping)).toEqual(traps.seen(interpreted));
				}
			},
		),
		{ numRuns: RUNS },
	);
});

it("misses and fences leave the TLB that the interpreter leaves", () => {
	const counted = { misses: 0, fences: 0 };
	fc.assert(
		fc.property(
			refills.plan,
			fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 5 }),
			(drawn, pieces) => {
				const looping = refills.build(drawn, "interp");
				const interpreted = refills.build(drawn, "interp");
				useLoop(looping, [...drawn.tlb, drawn.walkCycles]);
				for (const piece of pieces) {
					looping.runBare(piece);
					interpreted.runBare(piece);
					const { i32 } = looping.memory;
					counted.misses += i32[H_LOAD_MISSES]! + i32[H_STORE_MISSES]!;
					counted.fences += i32[H_FENCES]!;
					expect(refills.seen(looping)).toEqual(refills.seen(interpreted));
				}
			},
		),
		{ numRuns: RUNS },
	);
	expect(counted.misses).toBeGreaterThan(10 * RUNS);
	expect(counted.fences).toBeGreaterThan(RUNS / 10);
});
