/**
 * Random numbers for programs: a sequence that depends on the machine's seed alone. xorshift128
 * by George Marsaglia (2003).
 */
import type { Kernel } from "../../kernel.ts";

/** Seed the sequence with 16 bytes. */
export function rnd_init(k: Kernel, bytes: Uint8Array): void {
	k.rnd.set(new Int32Array(bytes.slice().buffer));
	// The sequence of an all-zero state is zeros.
	k.rnd[0]! |= 1;
}

/** 32 random bits. */
export function arc4random(k: Kernel): number {
	const { rnd } = k;
	const last = rnd[3]!;
	const t = last ^ (last << 11);
	const first = rnd[0]!;
	rnd.copyWithin(1, 0, 3);
	rnd[0] = t ^ (t >>> 8) ^ first ^ (first >>> 19);
	return rnd[0]! >>> 0;
}
