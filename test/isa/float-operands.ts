/** Operands at which floating-point arithmetic goes wrong, for machines and models alike. */
import fc from "fast-check";
import type { Model } from "./float-model.ts";

/** Bit patterns: zeros, subnormals, ties, infinities, NaNs with payloads, anything. */
export function pattern(m: Model): fc.Arbitrary<bigint> {
	const width = m.bits - 1 - m.exponentBits;
	const top = 2 ** m.exponentBits - 1;
	const bias = top >> 1;
	const all = (1n << BigInt(width)) - 1n;
	const half = 1n << BigInt(width - 1);
	const exponent = fc.oneof(
		fc.constantFrom(0, 1, 2, top - 2, top - 1, top),
		fc.integer({ min: bias - 3, max: bias + 3 }),
		fc.integer({ min: bias - width - 3, max: bias + width + 35 }),
		fc.constantFrom(bias >> 1, (bias >> 1) + 1, bias + (bias >> 1), width, width + 1, width + 2),
		fc.integer({ min: 0, max: top }),
	);
	const fraction = fc.oneof(
		fc.constantFrom(0n, 1n, 2n, 3n, half - 1n, half, half + 1n, all, all - 1n),
		fc.integer({ min: 0, max: width - 1 }).map((n) => 1n << BigInt(n)),
		fc.integer({ min: 0, max: width - 1 }).map((n) => all ^ (1n << BigInt(n))),
		fc.bigInt({ min: 0n, max: all }),
	);
	return fc
		.tuple(fc.boolean(), exponent, fraction)
		.map(
			([negative, e, f]) =>
				(negative ? 1n << BigInt(m.bits - 1) : 0n) | (BigInt(e) << BigInt(width)) | f,
		);
}
