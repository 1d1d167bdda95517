/**
 * How a device reaches RAM. Everything a guest hands to a device (ring addresses, buffer lengths)
 * is checked here: an access that is not entirely inside RAM has no effect and returns false or -1.
 */

export interface Dma {
	/** True if `length` bytes from physical address `pa` lie in RAM; `length` may be 0. */
	contains(pa: number, length: number): boolean;
	/**
	 * Copy RAM from `pa` into `into`, or into `length` bytes of it from `at` on.
	 * => false, with `into` untouched, outside RAM.
	 */
	read(pa: number, into: Uint8Array, at?: number, length?: number): boolean;
	/**
	 * Copy `bytes`, or `length` of them from `at` on, into RAM at `pa`.
	 * => false, with RAM untouched, outside RAM.
	 */
	write(pa: number, bytes: Uint8Array, at?: number, length?: number): boolean;
	/** Little-endian, naturally aligned. => an unsigned value, or -1 outside RAM. */
	load16(pa: number): number;
	load32(pa: number): number;
	/** Little-endian, naturally aligned. => false outside RAM. */
	store8(pa: number, value: number): boolean;
	store16(pa: number, value: number): boolean;
	store32(pa: number, value: number): boolean;
}
