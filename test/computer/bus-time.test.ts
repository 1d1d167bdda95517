/** What an access to a device costs a bare guest. */
import { expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import { assemble } from "../isa/assembler.ts";

/** Polls mtime for 100 us, then switches the machine off. */
const POLL = `
	lui s0, 0x200c
	lw t0, -8(s0)
	addi t0, t0, 1000
wait:	lw t1, -8(s0)
	bltu t1, t0, wait
	lui t0, 0x100
	li t1, 0x5555
	sw t1, 0(t0)
end:	j end`;

function run(busCycles: number | undefined, slice = Number.POSITIVE_INFINITY): Bare {
	const image = assemble(POLL, 0x8000_0000).bytes;
	const bare = new Bare({ image, ram: 1 << 20, busCycles });
	while (bare.run(bare.machine.clock.cycles + slice) !== "ended");
	return bare;
}

it("a guest that polls the time waits in fewer instructions", () => {
	const turns = (cycles: number): number => 100_000 / (cycles + 2);
	for (const [option, cycles] of [
		[undefined, 100],
		[0, 0],
		[1000, 1000],
	] as const) {
		const { instret } = run(option).machine.hart.counters;
		expect(Math.abs(instret - 2 * turns(cycles))).toBeLessThan(30 + 300 / (cycles + 2));
	}
});

it("and at the same cycles however the run is divided", () => {
	const whole = run(undefined).stateHash();
	for (const slice of [1, 7, 101, 1000]) expect(run(undefined, slice).stateHash()).toBe(whole);
});
