/**
 * The chunks of an amap, by their number: a hash table with open addressing, whose entries are
 * searched from their place on. A chunk that goes leaves no gap, and the table stays as large as it
 * was, so that an amap in its steady state allocates nothing; a Map would, as it shrinks and grows.
 */
import { KASSERT } from "../../sys/panic.ts";
import type { vm_anon } from "./uvm_anon.ts";

/** Slots of a chunk, as many pages as NetBSD gives an amap of its own (uvm_amap.h). */
export const UVM_AMAP_CHUNK = 16;
export const CHUNK_SHIFT = 4;
export const CHUNK_MASK = UVM_AMAP_CHUNK - 1;

/** UVM_AMAP_CHUNK slots, by their number in the chunk. */
export interface vm_amap_chunk {
	ac_nused: number;
	readonly ac_anon: (vm_anon | null)[];
	/** Where in am_slots a slot in use is. */
	readonly ac_bckptr: number[];
}

export interface vm_amap_chunks {
	ch_count: number;
	/** 32 less the logarithm of the number of places. */
	ch_shift: number;
	/** Number and chunk of each place; it is free if that is null. */
	ch_index: Int32Array;
	ch_chunk: (vm_amap_chunk | null)[];
}

/** Places of a new table, and their logarithm. */
const PLACES_LOG_MIN = 2;

export function amap_chunks_init(): vm_amap_chunks {
	const chunks = { ch_count: 0, ch_shift: 0, ch_index: new Int32Array(0), ch_chunk: [] };
	chunks_clear(chunks, PLACES_LOG_MIN);
	return chunks;
}

function chunks_clear(t: vm_amap_chunks, log: number): void {
	t.ch_count = 0;
	t.ch_shift = 32 - log;
	t.ch_index = new Int32Array(1 << log);
	t.ch_chunk = new Array<null>(1 << log).fill(null);
}

/** An empty table that had many chunks gives its memory back. */
export function amap_chunks_shrink(t: vm_amap_chunks, places: number): void {
	KASSERT(t.ch_count === 0, "amap_chunks_shrink: not empty");
	if (t.ch_index.length > places) chunks_clear(t, PLACES_LOG_MIN);
}

/** Odd: neighbours, and numbers with a common distance, go far from each other. */
const SPREAD = 0x9e37_79b1;

/** The place where chunk `index` is, or the free one where it would be. */
function place_of(t: vm_amap_chunks, index: number): number {
	const { ch_index, ch_chunk } = t;
	const mask = ch_index.length - 1;
	let i = Math.imul(index, SPREAD) >>> t.ch_shift;
	while (ch_chunk[i] !== null && ch_index[i] !== index) i = (i + 1) & mask;
	return i;
}

/** Chunk `index`, or null. */
export const amap_chunk = (t: vm_amap_chunks, index: number): vm_amap_chunk | null =>
	t.ch_chunk[place_of(t, index)]!;

/** => there is none of this number. */
export function amap_chunk_insert(t: vm_amap_chunks, index: number, chunk: vm_amap_chunk): void {
	// A quarter stays free.
	if ((t.ch_count + 1) * 4 > t.ch_index.length * 3) chunks_move(t, 33 - t.ch_shift, 0);
	const i = place_of(t, index);
	KASSERT(t.ch_chunk[i] === null, "amap_chunk_insert: it is there already");
	t.ch_index[i] = index;
	t.ch_chunk[i] = chunk;
	t.ch_count++;
}

/** => it is there. */
export function amap_chunk_remove(t: vm_amap_chunks, index: number): void {
	const { ch_index, ch_chunk } = t;
	const mask = ch_index.length - 1;
	let hole = place_of(t, index);
	KASSERT(ch_chunk[hole] !== null, "amap_chunk_remove: no such chunk");
	// Those behind it move up, unless they would come before their own place.
	for (let i = (hole + 1) & mask; ch_chunk[i] !== null; i = (i + 1) & mask) {
		const home = Math.imul(ch_index[i]!, SPREAD) >>> t.ch_shift;
		if (((i - home) & mask) < ((i - hole) & mask)) continue;
		ch_index[hole] = ch_index[i]!;
		ch_chunk[hole] = ch_chunk[i]!;
		hole = i;
	}
	ch_chunk[hole] = null;
	t.ch_count--;
}

/** Add `up` to the numbers of all chunks. */
export const amap_chunks_renumber = (t: vm_amap_chunks, up: number): void =>
	chunks_move(t, 32 - t.ch_shift, up);

function chunks_move(t: vm_amap_chunks, log: number, up: number): void {
	const { ch_index, ch_chunk } = t;
	chunks_clear(t, log);
	for (let i = 0; i < ch_index.length; i++) {
		const chunk = ch_chunk[i]!;
		if (chunk !== null) amap_chunk_insert(t, ch_index[i]! + up, chunk);
	}
}

/** All of them, with their numbers. => for checkers */
export function amap_chunks_list(t: vm_amap_chunks): [number, vm_amap_chunk][] {
	const all: [number, vm_amap_chunk][] = [];
	for (const [i, chunk] of t.ch_chunk.entries()) {
		if (chunk !== null) all.push([t.ch_index[i]!, chunk]);
	}
	return all;
}
