/** Lengths of straight lines, by which instructions are counted; code-cache.ts says how. */
import { instructionLength } from "./decode.ts";
import { PAGE_SIZE } from "./port.ts";

/** Halfwords of a page, each of which may begin an instruction. */
export const SLOTS = PAGE_SIZE / 2;

/** Is an instruction that begins with halfword `h` an unconditional jump? */
function isJump(h: number): boolean {
	if ((h & 3) === 3) return (h & 0x7f) === 0x6f || (h & 0x7f) === 0x67;
	if ((h & 0x6003) === 0x2001 && (h & 3) === 1) return true; // c.jal, c.j
	return (h & 0xe07f) === 0x8002 && (h & 0xf80) !== 0; // c.jr, c.jalr
}

/**
 * Length of a slot, from the bytes there and the lengths of the slots behind it. `copy` and
 * `lengths` are the halfword indexes of the page's first ones.
 */
export function straightLength(
	halves: Uint16Array,
	copy: number,
	lengths: number,
	slot: number,
): number {
	const h = halves[copy + slot]!;
	if (isJump(h)) return 1;
	const next = slot + (instructionLength(h) >> 1);
	return next > SLOTS ? 1 : 1 + halves[lengths + next]!;
}
