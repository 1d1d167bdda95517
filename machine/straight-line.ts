/** Lengths of straight lines, by which instructions are counted; code-cache.ts says how. */
import { PAGE_SIZE } from "./port.ts";

/** Halfwords of a page, each of which may begin an instruction. */
export const SLOTS = PAGE_SIZE / 2;

/** Is an instruction that begins with halfword `h` an unconditional jump? */
function isJump(h: number): boolean {
	if ((h & 3) === 3) return (h & 0x77) === 0x67;
	if ((h & 0x6003) === 0x2001) return true; // c.jal, c.j
	return (h & 0xe07f) === 0x8002 && (h & 0xf80) !== 0; // c.jr, c.jalr
}

/**
 * Length of a slot: `h` is the halfword there, `next` and `second` are the lengths of the two slots
 * behind it, which are 0 behind the end of the page.
 */
export function straightLength(h: number, next: number, second: number): number {
	if (isJump(h)) return 1;
	return 1 + ((h & 3) === 3 ? second : next);
}
