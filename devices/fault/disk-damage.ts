/** What silent faults of disks do to the data of a transfer. */
import type { Torn } from "./disk-rule.ts";
import { draw, drawBelow } from "./draw.ts";

/** The candidate of a rule that is decided about. */
export interface Candidate {
	readonly seed: number;
	readonly rule: string;
	readonly ordinal: number;
}

/** Invert bits of `bytes`. => which, in words. */
export function invert(
	{ seed, rule, ordinal }: Candidate,
	bits: number | undefined,
	bytes: Uint8Array,
): string {
	const places = new Set<number>();
	for (let i = 0; places.size < Math.min(bits ?? 1, bytes.length * 8); i++) {
		places.add(drawBelow(seed, rule, ordinal, `bit ${i}`, bytes.length * 8));
	}
	for (const bit of places) bytes[bit >>> 3]! ^= 1 << (bit & 7);
	const first = [...places].slice(0, 4).map((bit) => `byte ${bit >>> 3} bit ${bit & 7}`);
	return `inverted ${first.join(", ")}${places.size > first.length ? ", ..." : ""}`;
}

/** What a torn write of `bytes` over `before` leaves, and what that is in words. */
export function tear(
	{ seed, rule, ordinal }: Candidate,
	{ unit = 512, keep = "prefix", units, rest = "old" }: Torn,
	bytes: Uint8Array,
	before: Uint8Array,
): { seen: Uint8Array; effect: string } {
	const total = Math.ceil(bytes.length / unit);
	// At least one unit arrives and one does not, if there are two.
	const kept = Math.min(
		units ?? 1 + drawBelow(seed, rule, ordinal, "units", total - 1 || 1),
		total,
	);
	const arrives = (i: number): boolean => {
		if (keep === "interleaved") return i % 2 === 0;
		return keep === "prefix" ? i < kept : i >= total - kept;
	};
	const seen = bytes.slice();
	let lost = 0;
	for (let i = 0; i < total; i++) {
		if (arrives(i)) continue;
		lost++;
		const [from, to] = [i * unit, Math.min((i + 1) * unit, bytes.length)];
		if (rest === "old") seen.set(before.subarray(from, to), from);
		else if (rest === "zero") seen.fill(0, from, to);
		else for (let at = from; at < to; at++) seen[at] = draw(seed, rule, ordinal, `byte ${at}`);
	}
	return { seen, effect: `${lost} of ${total} units of ${unit} bytes did not arrive` };
}
