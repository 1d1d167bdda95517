/**
 * Which slots of a swap device are free: a bit for each, and for each block of them a hint of how
 * long a run can be, as in NetBSD's radix tree (sys/kern/subr_blist.c, bm_bighint). The first run
 * that is long enough is found, as by extent(9) in the seeds.
 */
import { KASSERT } from "../../sys/panic.ts";

const BLOCK_WORDS = 32;
const BLOCK_SHIFT = 10;
/** Slots of a block, and of the longest run that can be asked for. */
const BLOCK_SLOTS = 1 << BLOCK_SHIFT;

export interface swapmap {
	/** One bit a slot: allocated. */
	readonly sm_bits: Int32Array;
	/** No free run that begins in the block is longer. */
	readonly sm_bighint: Uint16Array;
}

/** => `nslots` that are free. The bits behind them in the last word are not. */
export function swapmap_create(nslots: number): swapmap {
	const sm_bits = new Int32Array(Math.ceil(nslots / 32));
	if (nslots % 32 !== 0) sm_bits[sm_bits.length - 1] = -1 << (nslots & 31);
	const sm_bighint = new Uint16Array(Math.ceil(nslots / BLOCK_SLOTS)).fill(BLOCK_SLOTS);
	return { sm_bits, sm_bighint };
}

export const swapmap_isset = ({ sm_bits }: swapmap, i: number): boolean =>
	(sm_bits[i >>> 5]! & (1 << (i & 31))) !== 0;

/** First of `n` adjacent free slots, or -1. => n <= BLOCK_SLOTS */
export function swapmap_find({ sm_bits, sm_bighint }: swapmap, n: number): number {
	KASSERT(n > 0 && n <= BLOCK_SLOTS, "swapmap_find: too many slots");
	for (let block = 0; block < sm_bighint.length; block++) {
		if (sm_bighint[block]! < n) continue;
		const found = find_in_block(sm_bits, block * BLOCK_WORDS, n);
		if (found >= 0) return found;
		sm_bighint[block] = n - 1;
	}
	return -1;
}

/** First of `n` adjacent clear bits that begin in the block from the word `start` on, or -1. */
function find_in_block(bits: Int32Array, start: number, n: number): number {
	const end = start + BLOCK_WORDS;
	// Clear bits just before the word.
	let run = 0;
	for (let word = start; word < bits.length && (word < end || run > 0); word++) {
		const set = bits[word]!;
		const low = set === 0 ? 32 : lowest(set);
		if (run + low >= n) return word * 32 - run;
		if (low === 32) {
			run += 32;
			continue;
		}
		if (word < end) {
			const first = find_in_word(~set, n);
			if (first >= 0) return word * 32 + first;
		}
		run = word < end ? Math.clz32(set) : 0;
	}
	return -1;
}

/** The lowest of `n` adjacent set bits of a word, or -1. */
function find_in_word(free: number, n: number): number {
	// Bit i stays while the `have` bits from i on are set.
	let starts = free;
	for (let have = 1; have < n && starts !== 0; ) {
		const more = Math.min(have, n - have);
		starts &= starts >>> more;
		have += more;
	}
	return starts === 0 ? -1 : lowest(starts);
}

/** The number of the lowest set bit. */
const lowest = (bits: number): number => 31 - Math.clz32(bits & -bits);

export function swapmap_set({ sm_bits }: swapmap, first: number, n: number): void {
	for (let i = first; i < first + n; i++) sm_bits[i >>> 5]! |= 1 << (i & 31);
}

/** => the slots are allocated. */
export function swapmap_clear(map: swapmap, first: number, n: number): void {
	const { sm_bits, sm_bighint } = map;
	for (let i = first; i < first + n; i++) {
		KASSERT(swapmap_isset(map, i), "uvm_swap_free: slot is free already");
		sm_bits[i >>> 5]! &= ~(1 << (i & 31));
	}
	// A run can begin in the block before.
	const last = (first + n - 1) >>> BLOCK_SHIFT;
	for (let block = (first >>> BLOCK_SHIFT) - 1; block <= last; block++) {
		if (block >= 0) sm_bighint[block] = BLOCK_SLOTS;
	}
}
