/** Random programs on both engines: the same state wherever the cycles end. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Engine } from "../../../machine/engine.ts";
import { Prng } from "../../../machine/prng.ts";
import { type Guest, guest } from "../../isa/guest.ts";
import { program } from "./programs.ts";

const RUNS = Number(process.env.PROGRAM_RUNS ?? 25);
const CYCLES = 6000;
/** Of RAM: what programs load from and store to. */
const DATA = 0x8000;
const DATA_END = 0xc000;

function build(source: string, values: readonly number[], engine: Engine): Guest {
	const built = guest(source, { ramSize: 1 << 17, engine });
	const { hart, memory } = built.machine;
	const random = new Prng(1);
	for (let i = DATA; i < DATA_END; i++) memory.ram8[i] = random.below(256);
	hart.state.mtvec = built.labels.get("handler")!;
	hart.x.set(values, 10);
	return built;
}

it("compiled programs do what interpreted ones do", () => {
	let compiled = 0;
	let all = 0;
	fc.assert(
		fc.property(
			program,
			fc.array(fc.integer(), { minLength: 6, maxLength: 6 }),
			fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 }),
			(source, values, slices) => {
				const [jit, interp] = [build(source, values, "jit"), build(source, values, "interp")];
				for (let cycles = 0, i = 0; cycles < CYCLES; i++) {
					const slice = slices[i % slices.length]!;
					jit.machine.runBare(slice);
					interp.machine.runBare(slice);
					cycles += slice;
					const [a, b] = [jit.machine.hart, interp.machine.hart];
					expect([a.pc, ...a.x], `after ${cycles} cycles`).toEqual([b.pc, ...b.x]);
				}
				expect(jit.machine.stateHash()).toBe(interp.machine.stateHash());
				compiled += jit.machine.hart.jit!.counts.instructions;
				all += CYCLES;
			},
		),
		{ numRuns: RUNS, endOnFailure: true },
	);
	// Or nothing was tested.
	expect(compiled / all).toBeGreaterThan(0.3);
});
