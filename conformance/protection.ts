/** Random regions of physical memory protection. */
import { CSR } from "../machine/csr-numbers.ts";
import { RAM_BASE } from "../machine/memory.ts";
import type { Prng } from "../machine/prng.ts";
import { DATA, DATA_PAGES, PAGE } from "./layout.ts";

const TOR = 1 << 3;
const NA4 = 2 << 3;
const NAPOT = 3 << 3;
const LOCKED = 0x80;

/** The last entry allows all accesses in all modes. */
export const OPEN: readonly (readonly [number, number])[] = [
	[CSR.pmpaddr0 + 15, 0xffff_ffff],
	[CSR.pmpcfg0 + 3, 0x1f00_0000],
];

/** Turn all entries off. */
export const CLOSED: readonly (readonly [number, number])[] = [
	...Array.from({ length: 4 }, (_, i) => [CSR.pmpcfg0 + i, 0] as const),
	...Array.from({ length: 16 }, (_, i) => [CSR.pmpaddr0 + i, 0] as const),
];

/** Bounds that many regions have, so that pointers can be placed near them. */
export const REGION_BORDERS: readonly number[] = [0x40, 0x44, 0x800, 0xffc, 0x1000, 0x1ff8, 0x2000]
	.flatMap((offset) => [offset, offset + 0x1000])
	.map((offset) => DATA + offset);

/** An address in the data pages or the stream, in the format of pmpaddr. */
function address(random: Prng): number {
	if (random.chance(1, 20)) return random.uint32();
	if (random.chance(1, 2)) return REGION_BORDERS[random.below(REGION_BORDERS.length)]! / 4;
	const pa = random.chance(1, 8)
		? RAM_BASE + random.below(0x8000)
		: DATA + random.below(DATA_PAGES * PAGE);
	const word = Math.floor((random.chance(1, 3) ? pa - (pa % PAGE) : pa) / 4);
	// Trailing ones make a NAPOT region larger.
	const ones = random.chance(1, 2) ? random.below(13) : 0;
	return (word | (2 ** ones - 1)) >>> 0;
}

/** A pmpcfg register: four entries. W without R is reserved and never generated. */
function configuration(random: Prng, locks: boolean): number {
	let value = 0;
	for (let i = 0; i < 4; i++) {
		const rights = [0, 1, 3, 4, 5, 7, 7, 7][random.below(8)]!;
		const mode = [0, TOR, TOR, NA4, NAPOT, NAPOT, NAPOT][random.below(7)]!;
		const lock = locks && random.chance(1, 6) ? LOCKED : 0;
		value = ((value << 8) | rights | mode | lock) >>> 0;
	}
	return value;
}

/** A random write to a register of the first eight entries. */
export function protectionWrite(random: Prng, locks: boolean): { csr: number; value: number } {
	return random.chance(1, 3)
		? { csr: CSR.pmpcfg0 + random.below(2), value: configuration(random, locks) }
		: { csr: CSR.pmpaddr0 + random.below(8), value: address(random) };
}

/** Writes to all registers of the first eight entries. */
export function regions(random: Prng, locks: boolean): [number, number][] {
	const writes: [number, number][] = [];
	for (let i = 0; i < 8; i++) writes.push([CSR.pmpaddr0 + i, address(random)]);
	writes.push([CSR.pmpcfg0, configuration(random, locks)]);
	if (random.chance(1, 2)) writes.push([CSR.pmpcfg0 + 1, configuration(random, locks)]);
	return writes;
}
