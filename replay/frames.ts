/** How much RAM leaves so many page frames to processes. */

import { RAM_MIN } from "../computer/system.ts";
import { UserError } from "../machine/user-error.ts";
import { PAGE_SIZE } from "../sys/vmparam.ts";

const TRIES = 16;

/**
 * => bytes of RAM; `framesOf` starts a system with so much and tells its frames. What the kernel
 *    keeps for itself hardly grows with RAM, so that a few tries are enough.
 * => UserError if no size is right
 */
export function ramWith(frames: number, framesOf: (ram: number) => number): number {
	const least = RAM_MIN / PAGE_SIZE;
	let pages = Math.max(least, frames);
	for (let i = 0; i < TRIES; i++) {
		const there = framesOf(pages * PAGE_SIZE);
		if (there === frames) return pages * PAGE_SIZE;
		pages += frames - there;
		if (pages < least) throw new UserError(`frames ${frames}: expected at least ${there}`);
	}
	throw new UserError(`frames ${frames}: no size of RAM leaves so many to processes`);
}
