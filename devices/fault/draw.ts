/**
 * Random decisions of fault rules. Each is a hash of the plan's seed, the rule, the number of the
 * occasion and what is decided; there is no stream of numbers. So a rule that is removed changes
 * nothing about what the others decide, nor does the order in which they are asked.
 */

import { finish } from "../../machine/hash.ts";

const mix = (h: number, word: number): number =>
	Math.imul(finish(h ^ Math.imul(word, 0x9e3779b1)), 5) + 0xe6546b64;

function mixText(h: number, text: string): number {
	let mixed = mix(h, text.length);
	for (let i = 0; i < text.length; i++) mixed = mix(mixed, text.charCodeAt(i));
	return mixed;
}

/** A random word for `field` of occasion `ordinal` of a rule. => 0 .. 2^32 - 1 */
export function draw(seed: number, rule: string, ordinal: number, field: string): number {
	let h = mix(0x165667b1, seed >>> 0);
	h = mix(h, Math.floor(seed / 2 ** 32));
	h = mixText(h, rule);
	h = mix(h, ordinal >>> 0);
	h = mix(h, Math.floor(ordinal / 2 ** 32));
	return finish(mixText(h, field)) >>> 0;
}

/** => 0 <= x < 1, a multiple of 2^-32 */
export const drawFraction = (seed: number, rule: string, ordinal: number, field: string): number =>
	draw(seed, rule, ordinal, field) / 2 ** 32;

/** => an integer from 0 to `n` - 1; `n` is 1 .. 2^32. The bias is below n / 2^32. */
export const drawBelow = (
	seed: number,
	rule: string,
	ordinal: number,
	field: string,
	n: number,
): number => Math.floor(drawFraction(seed, rule, ordinal, field) * n);
