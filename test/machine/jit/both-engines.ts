/** Random programs on both engines: the same state wherever the cycles end. */
import fc from "fast-check";
import { expect } from "vitest";
import type { Engine } from "../../../machine/engine.ts";
import { type Guest, guest } from "../../isa/guest.ts";

export interface Alike {
	readonly runs: number;
	/** Of each run, and of its longest part. */
	readonly cycles: number;
	readonly slice: number;
	/** The share of instructions that are compiled at least, or nothing was tested. */
	readonly compiled: number;
	readonly prepare?: (built: Guest) => void;
}

export function doAlike(
	program: fc.Arbitrary<string>,
	{ runs, cycles: most, slice: longest, compiled: share, prepare }: Alike,
): void {
	const build = (source: string, values: readonly number[], engine: Engine): Guest => {
		const built = guest(source, { ramSize: 1 << 17, engine });
		const { hart } = built.machine;
		prepare?.(built);
		hart.state.mtvec = built.labels.get("handler")!;
		hart.x.set(values, 10);
		return built;
	};
	let compiled = 0;
	let all = 0;
	fc.assert(
		fc.property(
			program,
			fc.array(fc.integer(), { minLength: 6, maxLength: 6 }),
			fc.array(fc.integer({ min: 1, max: longest }), { minLength: 1, maxLength: 5 }),
			(source, values, slices) => {
				const [jit, interp] = [build(source, values, "jit"), build(source, values, "interp")];
				for (let cycles = 0, i = 0; cycles < most; i++) {
					const slice = slices[i % slices.length]!;
					jit.machine.runBare(slice);
					interp.machine.runBare(slice);
					cycles += slice;
					const [a, b] = [jit.machine.hart, interp.machine.hart];
					expect([a.pc, ...a.x], `after ${cycles} cycles`).toEqual([b.pc, ...b.x]);
				}
				expect(jit.machine.stateHash()).toBe(interp.machine.stateHash());
				compiled += jit.machine.hart.jit!.counts.instructions;
				all += most;
			},
		),
		{ numRuns: runs, endOnFailure: true },
	);
	expect(compiled / all).toBeGreaterThan(share);
}
