/** What is compiled together. */
import { expect, it } from "vitest";
import type { Engine } from "../../../machine/engine.ts";
import type { Machine } from "../../../machine/machine.ts";
import { guest } from "../../isa/guest.ts";

const CYCLES = 8_000_000;

/** A function with two loops one behind the other, called without end. */
const TWO_LOOPS = `
	again:	jal ra, work
		addi a3, a3, 1
		j again
	work:	li a1, 1000
	first:	add a0, a0, a1
		xor a4, a0, a1
		addi a1, a1, -1
		bne a1, zero, first
		li a1, 3000
	second:	sub a0, a0, a4
		add a2, a2, a0
		addi a1, a1, -1
		bne a1, zero, second
		ret
	`;

function run(source: string, engine: Engine): Machine {
	const { machine } = guest(source, { ramSize: 1 << 17, engine });
	for (let i = 0; i < 30; i++) machine.runBare(CYCLES / 30);
	return machine;
}

it("the loops of a function are compiled once, though the second is hot first", () => {
	const [auto, interp] = [run(TWO_LOOPS, "auto"), run(TWO_LOOPS, "interp")];
	expect(auto.stateHash()).toBe(interp.stateHash());
	const { functions, instructions } = auto.hart.jit!.counts;
	expect(functions).toBe(1);
	expect(instructions).toBeGreaterThan(CYCLES / 4);
});
