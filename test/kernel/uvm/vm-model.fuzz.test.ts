/**
 * Random system calls of several processes against a simple model (support/vm-model.ts).
 *
 * VM_RUNS=20000 VM_SEED=1 npx vitest run test/kernel/uvm/vm-model.fuzz.test.ts goes on for hours.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { pool_drain } from "../../../kernel/kern/core/subr_pool.ts";
import { Machine } from "../../support/vm-model.ts";
import { op } from "../../support/vm-ops.ts";

const RUNS = Number(process.env.VM_RUNS ?? 50);
const SEED = process.env.VM_SEED === undefined ? undefined : Number(process.env.VM_SEED);

/** Looking at all invariants costs more than the calls. */
const CHECK_EVERY = 4;

const ops = fc.array(op, { minLength: 20, maxLength: 150, size: "max" });
/** Half of them with choices about paging. */
const policy = fc.option(
	fc.record({
		replacement: fc.constantFrom("clock", "clockpro", "aging", "random"),
		clusterPages: fc.constantFrom(1, 5, 16, 32),
		reassignSlots: fc.boolean(),
		slotAllocation: fc.constantFrom("single", "stepwise"),
		swapinPages: fc.constantFrom(1, 4, 16),
		balance: fc.boolean(),
		mergeEntries: fc.boolean(),
		cachedFiles: fc.constantFrom(1, 1000),
	}),
	{ freq: 2, nil: undefined },
);

it("random system calls do to memory what they say, whatever paging does", () => {
	fc.assert(
		fc.property(ops, policy, (ops, policy) => {
			const machine = new Machine(policy);
			const free = machine.t.k.uvmexp.free;
			for (const [i, o] of ops.entries()) {
				machine.step(o);
				if (i % CHECK_EVERY === 0) machine.t.check();
			}
			machine.verify();
			machine.t.check();
			machine.end();
			machine.t.check();
			pool_drain(machine.t.k);
			expect(machine.t.k.uvmexp.free).toBeGreaterThanOrEqual(free);
		}),
		{
			numRuns: RUNS,
			endOnFailure: process.env.VM_NOSHRINK !== undefined,
			...(SEED === undefined ? {} : { seed: SEED }),
		},
	);
});
