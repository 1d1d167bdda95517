/** Edge cases of arithmetic. */
import type { Prng } from "../machine/prng.ts";

/** Edge cases of integers. */
export const EDGES: readonly number[] = [
	...[0, 1, -1, 2, -2, 3, 31, 32, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0x7fff_fffe],
	...[0xff, 0x100, 0x7f, 0x80, 0xffff, 0x1_0000, 0x7fff, 0x8000, 0xffff_8000, 0xffff_ff80],
	...[0x5555_5555, 0xaaaa_aaaa, 0xff00_ff00, 0x00ff_00ff, 0xb504_f334, 0x4afb_0ccd],
];

/** Single precision: zeros, ones, extremes, infinities, both kinds of NaN, halves, and the like. */
const SINGLES: readonly number[] = [
	...[0, 0x8000_0000, 0x3f80_0000, 0xbf80_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000],
	...[0x7f80_0001, 0xffc0_0001, 0x7fbf_ffff, 0x0000_0001, 0x8000_0001, 0x007f_ffff],
	...[0x0080_0000, 0x8080_0000, 0x7f7f_ffff, 0xff7f_ffff, 0x3f00_0000, 0x3f7f_ffff],
	...[0x3f80_0001, 0x4b00_0000, 0x4f00_0000, 0xcf00_0000, 0x4f80_0000, 0x4eff_ffff],
	...[0x3fc0_0000, 0x4020_0000, 0x3400_0000, 0x3380_0000, 0x0100_0000, 0x4f7f_ffff],
];

/** Upper words of doubles; the lower word is 0, 1 or all ones. */
const DOUBLE_HIGHS: readonly number[] = [
	...[0, 0x8000_0000, 0x3ff0_0000, 0xbff0_0000, 0x7ff0_0000, 0xfff0_0000, 0x7ff8_0000],
	...[0x7ff7_ffff, 0x0010_0000, 0x000f_ffff, 0x7fef_ffff, 0xffef_ffff, 0x3fe0_0000],
	...[0x4330_0000, 0x41e0_0000, 0xc1e0_0000, 0x41ef_ffff, 0x41df_ffff, 0x3ff8_0000],
	...[0x47ef_ffff, 0x3810_0000, 0x380f_ffff, 0x36a0_0000, 0x3ca0_0000, 0x3c90_0000],
];

const one = <T>(random: Prng, list: readonly T[]): T => list[random.below(list.length)]!;

/** An integer, often an edge case. */
export function integer(random: Prng): number {
	switch (random.below(4)) {
		case 0:
			return random.uint32() | 0;
		case 1:
			return (1 << random.below(32)) + random.below(3) - 1;
		default:
			return one(random, EDGES) | 0;
	}
}

/** An f register: low and high word; a boxed single, a double, or neither. */
export function float(random: Prng): [number, number] {
	const exponent = random.below(8) - 4;
	switch (random.below(6)) {
		case 0:
			return [random.uint32(), random.uint32()];
		case 1:
			return [one(random, SINGLES), one(random, [0, 0xffff_fffe, 0x7fff_ffff])];
		case 2:
			return [((127 + exponent) << 23) | (random.uint32() & 0x807f_ffff), 0xffff_ffff];
		case 3:
			return [random.uint32(), ((1023 + exponent) << 20) | (random.uint32() & 0x800f_ffff)];
		case 4:
			return [one(random, [0, 1, 0xffff_ffff]), one(random, DOUBLE_HIGHS)];
		default:
			return [one(random, SINGLES), 0xffff_ffff];
	}
}
