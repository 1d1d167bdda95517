/**
 * Which pages were given up in their test periods (uvm_pdpolicy_clockpro.c, nonresident_*): a hash
 * table of cookies instead of places in the list, as in NetBSD. A bucket is a ring; the hand of the
 * hot pages turns all rings together, and what falls out was away for too long.
 *
 * Copyright (c) 2005, 2006 YAMAMOTO Takashi.
 * All rights reserved. See NOTICE for the conditions.
 */
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import type { vm_anon } from "./uvm_anon.ts";
import type { vm_page } from "./uvm_page.ts";

const BUCKETSIZE = 14;
/** Room for records, in pages of memory (CLOCKPRO_HASHFACTOR). */
const HASHFACTOR = 2;

export interface clockpro_nres {
	/** By bucket, BUCKETSIZE each; 0: none. */
	readonly cookies: Uint32Array;
	/** By bucket: how often it was turned, and where it begins. */
	readonly cycle: Float64Array;
	readonly cur: Uint8Array;
	/** How often each is to have been turned, and the part that is left over, in pages. */
	target: number;
	frac: number;
	/** Names of anons that have been given. */
	names: number;
}

export function clockpro_nres_create(npages: number): clockpro_nres {
	const buckets = Math.ceil(npages / BUCKETSIZE) * HASHFACTOR;
	return {
		cookies: new Uint32Array(buckets * BUCKETSIZE),
		cycle: new Float64Array(buckets),
		cur: new Uint8Array(buckets),
		target: 0,
		frac: 0,
		names: 0,
	};
}

/** A well mixed number of a page's identity (the finaliser of MurmurHash3, by Austin Appleby). */
function mix(owner: number, index: number, seed: number): number {
	let h = Math.imul(owner, 0x9e37_79b1) ^ Math.imul(index + seed, 0x85eb_ca77);
	h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
	h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
	return (h ^ (h >>> 16)) >>> 0;
}

/** The cookie of a page, or of the page of an anon; its bucket comes from the same identity. */
const cookie_of = (owner: number, index: number): number => mix(owner, index, 1) || 1;

/** An anon's name is negative, an object's positive. */
const owner_of = ({ uanon, uobject }: vm_page): number =>
	uanon === null ? uobject!.uo_id : -uanon.an_id;
const index_of = ({ uanon, offset }: vm_page): number => (uanon === null ? offset / PAGE_SIZE : 0);

/** Turn a bucket as often as all have been turned since. */
function rotate(nres: clockpro_nres, bucket: number): void {
	const turns = Math.min(nres.target - nres.cycle[bucket]!, BUCKETSIZE);
	const first = bucket * BUCKETSIZE;
	for (let i = 0; i < turns; i++) {
		const cur = (nres.cur[bucket]! + i) % BUCKETSIZE;
		nres.cookies[first + cur] = 0;
	}
	nres.cur[bucket] = (nres.cur[bucket]! + nres.target - nres.cycle[bucket]!) % BUCKETSIZE;
	nres.cycle[bucket] = nres.target;
}

/** The hand of the hot pages has passed one of `hot`. */
export function clockpro_nres_advance(nres: clockpro_nres, hot: number): void {
	nres.frac += BUCKETSIZE;
	while (nres.frac >= hot && hot > 0) {
		nres.target++;
		nres.frac -= hot;
	}
}

/** A page in its test period is given up. => it has an owner */
export function clockpro_nres_record(nres: clockpro_nres, pg: vm_page): void {
	if (pg.uanon !== null && pg.uanon.an_id === 0) pg.uanon.an_id = ++nres.names;
	const owner = owner_of(pg);
	const index = index_of(pg);
	const bucket = mix(owner, index, 0) % nres.cur.length;
	rotate(nres, bucket);
	nres.cookies[bucket * BUCKETSIZE + nres.cur[bucket]!] = cookie_of(owner, index);
	nres.cur[bucket] = (nres.cur[bucket]! + 1) % BUCKETSIZE;
}

/** Whether a page that has come back was given up in its test period; its record goes. */
export function clockpro_nres_pageback(nres: clockpro_nres, pg: vm_page): boolean {
	if (pg.uanon !== null && pg.uanon.an_id === 0) return false;
	return lookupremove(nres, owner_of(pg), index_of(pg));
}

/** An anon with a name is freed: whoever gets it next has no name. */
export function clockpro_nres_anfree(nres: clockpro_nres, anon: vm_anon): void {
	lookupremove(nres, -anon.an_id, 0);
	anon.an_id = 0;
}

function lookupremove(nres: clockpro_nres, owner: number, index: number): boolean {
	const bucket = mix(owner, index, 0) % nres.cur.length;
	rotate(nres, bucket);
	const cookie = cookie_of(owner, index);
	const first = bucket * BUCKETSIZE;
	for (let i = first; i < first + BUCKETSIZE; i++) {
		if (nres.cookies[i] !== cookie) continue;
		nres.cookies[i] = 0;
		return true;
	}
	return false;
}
