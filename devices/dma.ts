/**
 * How a device reaches RAM. Everything a guest hands to a device (ring addresses, buffer lengths)
 * is checked here: an access that is not entirely inside RAM has no effect and returns false or -1.
 *
 * Where a parameter is `at`, RAM begins at 0: of the addresses in it, which are physical ones less
 * `ramBase`, the host allocates no number. Any other number is an address outside RAM.
 */

export interface Dma {
	/** Physical address of the first byte of RAM. */
	readonly ramBase: number;
	/** True if `length` bytes from `at` lie in RAM; `length` may be 0. */
	containsAt(at: number, length: number): boolean;
	/**
	 * Copy RAM from `at` into `into`, or into `length` bytes of it from `to` on.
	 * => false, with `into` untouched, outside RAM. false as well where memory cannot correct what it
	 *    reads; that part of `into` is undefined then.
	 */
	readAt(at: number, into: Uint8Array, to?: number, length?: number): boolean;
	/**
	 * Copy `bytes`, or `length` of them from `from` on, into RAM at `at`.
	 * => false, with RAM untouched, outside RAM.
	 */
	writeAt(at: number, bytes: Uint8Array, from?: number, length?: number): boolean;
	/**
	 * Little-endian, naturally aligned.
	 * => an unsigned value, or -1 outside RAM and where memory cannot correct what it reads.
	 */
	load16At(at: number): number;
	/** Little-endian, naturally aligned. => false outside RAM. */
	store8At(at: number, value: number): boolean;
	store16At(at: number, value: number): boolean;
	store32At(at: number, value: number): boolean;
}
