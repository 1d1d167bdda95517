/** The lengths of straight lines of a page follow what is stored into it. */
import { expect, it } from "vitest";
import { Machine } from "../../machine/machine.ts";
import { CODE, CODE_COPY, LENGTHS, RAM_OFFSET } from "../../machine/memory.ts";
import { PAGE_WORDS } from "../../machine/packer.ts";
import { PAGE_SIZE } from "../../machine/port.ts";
import { Prng } from "../../machine/prng.ts";
import { SLOTS, straightLength } from "../../machine/straight-line.ts";

const ROUNDS = 3000;
/** Some of each length, and jumps: addi, c.li, jal, c.j, c.jr. */
const HALVES = [0x0513, 0x4515, 0x006f, 0xa001, 0x8082, 0x0513, 0x4515];

it("lengths are those of the bytes that are decoded", () => {
	const prng = new Prng(2);
	const { hart } = new Machine({ ramSize: 0x10_0000 });
	const { u16 } = hart.memory;
	const half = (): number => HALVES[prng.below(HALVES.length)]!;
	for (let slot = 0; slot < SLOTS; slot++) u16[RAM_OFFSET / 2 + slot] = half();
	const first = hart.code.enter(RAM_OFFSET);
	expect(first).toBeGreaterThanOrEqual(CODE);
	const lengths = LENGTHS + (first - CODE) / 2;
	const copy = (CODE_COPY + ((first - CODE) / PAGE_WORDS) * PAGE_SIZE) / 2;
	for (let round = 0; round < ROUNDS; round++) {
		// Stores within a few slots of each other, or at the end of the page.
		const near = prng.chance(1, 4) ? SLOTS - 8 : prng.below(SLOTS - 8);
		for (let stores = prng.below(4); stores >= 0; stores--) {
			u16[RAM_OFFSET / 2 + near + prng.below(8)] = half();
		}
		hart.code.decode(first + 2 * (near + prng.below(8)));
		let next = 0;
		let second = 0;
		const wrong: number[] = [];
		for (let slot = SLOTS - 1; slot >= 0; slot--) {
			const length = straightLength(u16[copy + slot]!, next, second);
			if (u16[lengths + slot] !== length) wrong.push(slot);
			second = next;
			next = length;
		}
		expect(wrong).toEqual([]);
	}
});
