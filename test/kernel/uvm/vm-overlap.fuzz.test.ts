/**
 * Operations of several processes that overlap, against a model (support/vm-overlap.ts).
 *
 * OVERLAP_RUNS=20000 OVERLAP_SEED=1 npx vitest run test/kernel/uvm/vm-overlap.fuzz.test.ts
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { pool_drain } from "../../../kernel/kern/core/subr_pool.ts";
import { OverlapMachine } from "../../support/vm-overlap.ts";
import { config, rounds } from "../../support/vm-overlap-ops.ts";

const RUNS = Number(process.env.OVERLAP_RUNS ?? 28);
const { OVERLAP_SEED } = process.env;

it("what processes do to memory at the same time does no harm", () => {
	fc.assert(
		fc.property(config, rounds, (how, all) => {
			const machine = new OverlapMachine(how);
			for (const ops of all) {
				machine.round(ops);
				machine.t.check();
			}
			machine.verify();
			machine.t.check();
			machine.end();
			machine.t.check();
			pool_drain(machine.t.k);
			expect(machine.t.k.uvmexp.free).toBeGreaterThanOrEqual(machine.free);
		}),
		{
			numRuns: RUNS,
			endOnFailure: process.env.VM_NOSHRINK !== undefined,
			...(OVERLAP_SEED === undefined ? {} : { seed: Number(OVERLAP_SEED) }),
		},
	);
});
