/**
 * 64-bit registers that a 32-bit hart reads and writes by halves. They are BigInts inside a
 * device and two unsigned numbers everywhere else, saved state included.
 */

export const low32 = (value: bigint): number => Number(BigInt.asUintN(32, value));
export const high32 = (value: bigint): number => Number(BigInt.asUintN(32, value >> 32n));

export const u64 = (high: number, low: number): bigint => (BigInt(high) << 32n) | BigInt(low);

/** `value` with its low (`half` 0) or high (`half` 1) word replaced. */
export const withHalf = (value: bigint, half: 0 | 1, word: number): bigint =>
	half === 0 ? u64(high32(value), word) : u64(word, low32(value));
