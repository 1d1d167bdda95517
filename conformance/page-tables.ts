/** Random page tables for Sv32. */
import type { Prng } from "../machine/prng.ts";
import {
	CODE,
	DATA,
	DATA_PAGES,
	HANDLER_M,
	OTHER_ROOT,
	ROOT,
	SUPER,
	SUPERPAGE,
	TABLE_SAME,
	TABLE_WINDOW,
	WINDOW,
	WINDOW_PAGES,
} from "./layout.ts";

const V = 1;
const R = 2;
const W = 4;
const X = 8;
const U = 16;
const A = 64;
const D = 128;

const entry = (pa: number, bits: number): number => (((pa / 4096) * 1024) | bits) >>> 0;

/** Random rights, A and D; more often useful ones. */
function bits(random: Prng): number {
	if (random.chance(1, 10)) return random.below(1024);
	const rights = [R, R | W, R | W | X, X, X, R | X, R | W][random.below(7)]!;
	const ad = [0, A, A | D, A | D][random.below(4)]!;
	const user = random.chance(1, 2) ? U : 0;
	const global = random.chance(1, 8) ? 32 : 0;
	return V | rights | ad | user | global | (random.below(8) === 0 ? random.below(4) << 8 : 0);
}

/** A leaf for a data page, rarely for an address outside RAM; its bits may be reserved. */
export function pageTableEntry(random: Prng): number {
	const pa = random.chance(1, 16) ? 0x8100_0000 : DATA + random.below(DATA_PAGES) * 4096;
	return entry(pa, bits(random));
}

/** Words of memory for both address spaces; `user`: code is mostly for U-mode, else S-mode. */
export function pageTables(random: Prng, user: boolean): [number, number][] {
	const words: [number, number][] = [];
	const put = (table: number, index: number, value: number): void => {
		words.push([table + 4 * index, value]);
	};
	const codeBits = V | R | X | (random.chance(1, 2) ? W | D : 0) | A;
	const codeUser = user !== random.chance(1, 20) ? U : 0;
	put(TABLE_SAME, 0, entry(HANDLER_M, V | R | X | A));
	for (let page = 0; page < 2; page++) {
		const loose = random.chance(1, 10) ? bits(random) : codeBits | codeUser;
		put(TABLE_SAME, 1 + page, entry(CODE + page * 4096, loose));
	}
	// The tables themselves, for S-mode.
	for (let page = 4; page < 8; page++) {
		put(TABLE_SAME, page, entry(HANDLER_M + page * 4096, V | R | W | A | D));
	}
	for (let page = 0; page < DATA_PAGES; page++) {
		put(TABLE_SAME, 8 + page, entry(DATA + page * 4096, bits(random)));
	}
	for (let page = 0; page < WINDOW_PAGES; page++) put(TABLE_WINDOW, page, pageTableEntry(random));
	for (const root of [ROOT, OTHER_ROOT]) {
		put(root, HANDLER_M >>> 22, entry(TABLE_SAME, V | (random.chance(1, 16) ? 32 : 0)));
		// A, D and U of a pointer are reserved.
		const reserved = random.chance(1, 16) ? [U, A, D][random.below(3)]! : 0;
		put(root, WINDOW >>> 22, entry(TABLE_WINDOW, V | reserved));
		put(root, SUPER >>> 22, entry(HANDLER_M, bits(random) | R));
		put(root, (SUPER + SUPERPAGE) >>> 22, entry(HANDLER_M + 4096, V | R | W | A | D));
		put(root, (SUPER + 2 * SUPERPAGE) >>> 22, entry(0x8100_0000, bits(random) | R));
		put(root, (SUPER + 3 * SUPERPAGE) >>> 22, entry(HANDLER_M, V | R | W | X | U));
	}
	return words;
}

/** An address in one of the interesting regions. */
export function virtualAddress(random: Prng): number {
	const page = random.chance(1, 4)
		? SUPER + random.below(4) * SUPERPAGE + 0x8000
		: random.chance(1, 4)
			? DATA + random.below(DATA_PAGES) * 4096
			: WINDOW + random.below(WINDOW_PAGES) * 4096;
	return page + (random.chance(1, 3) ? 4095 - random.below(8) : random.below(4096));
}
