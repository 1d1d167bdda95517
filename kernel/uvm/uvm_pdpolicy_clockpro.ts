/**
 * Port of sys/uvm/uvm_pdpolicy_clockpro.c (2006): CLOCK-Pro by Jiang, Chen and Zhang (USENIX 2005),
 * in the form with lists (LISTQ), and with a fixed share of cold pages.
 *
 * Copyright (c) 2005, 2006 YAMAMOTO Takashi.
 * All rights reserved. See NOTICE for the conditions.
 *
 * A page is hot or cold. Cold pages are given up in the order of their queue; one that is in its
 * test period leaves a record (uvm_clockpro_nres.ts), and if it comes back soon enough it is hot.
 * Hot pages that nobody uses become cold. PQ_ACTIVE is hot here, and PQ_INACTIVE cold.
 *
 * New pages pass through a queue of their own, so that the accesses with which a page comes into
 * memory count as one.
 */
import { pmap_clear_reference } from "../../pmap/pmap.ts";
import { KASSERT } from "../../sys/panic.ts";
import type { Kernel } from "../kernel.ts";
import {
	type clockpro_nres,
	clockpro_nres_advance,
	clockpro_nres_anfree,
	clockpro_nres_create,
	clockpro_nres_pageback,
	clockpro_nres_record,
} from "./uvm_clockpro_nres.ts";
import {
	PQ_ACTIVE,
	PQ_INACTIVE,
	pageq_insert_tail,
	pageq_length,
	pageq_remove,
	type pglist,
	pglist_init,
	type vm_page,
} from "./uvm_page.ts";
import {
	SCAN_CYCLES,
	type uvm_pdpolicy,
	type uvm_pdqueues,
	uvmpd_may_write,
} from "./uvm_pdpolicy.ts";
import { uvmpd_dropswap_queue } from "./uvm_pdswap.ts";

/** pdflags: used since it was looked at, as far as software knows. */
const PD_REFERENCED = 0x01;
/** In its test period. => cold */
const PD_TEST = 0x02;
/** The reference with which it came is still to be forgotten. */
const PD_INITIALREF = 0x04;
/** Nobody has asked for it yet: it was read ahead. */
const PD_SPECULATIVE = 0x08;
/** The queue it is on, in the bits above; 0: none. */
const PD_QSHIFT = 4;
const PD_QMASK = 0x7 << PD_QSHIFT;

const NEWQ = 1;
const COLDQ = 2;
const HOTQ = 3;
/** Cold pages that the hand of the hot ones has passed; they are looked at first. */
const LISTQ = 4;

/** Share of cold pages, in percent (CLOCKPRO_COLDPCT). */
const COLDPCT = 10;
/** Least length of the queue of new pages at which its first one leaves it: 1 MiB. */
const NEWQMIN = 256;

export interface uvm_clockpro {
	/** By number; the first is not used. */
	readonly queues: readonly pglist[];
	/** Pages that the queue of new ones may have. */
	newqlenmax: number;
	readonly nres: clockpro_nres;
	/** Pages that this search may still name. */
	left: number;
}

const state = (k: Kernel): uvm_clockpro => k.uvm.pdstate.clockpro!;
const queue_of = (pg: vm_page): number => (pg.pdflags & PD_QMASK) >>> PD_QSHIFT;
const is_hot = (pg: vm_page): boolean => (pg.pqflags & PQ_ACTIVE) !== 0;

function set_queue(pg: vm_page, q: number): void {
	pg.pdflags = (pg.pdflags & ~PD_QMASK) | (q << PD_QSHIFT);
}

function insert_tail(s: uvm_clockpro, q: number, pg: vm_page): void {
	set_queue(pg, q);
	pageq_insert_tail(s.queues[q]!, pg);
}

function pageq_insert_head(q: pglist, pg: vm_page): void {
	pg.pageq_next = q.first;
	pg.pageq_prev = null;
	if (q.first === null) q.last = pg;
	else q.first.pageq_prev = pg;
	q.first = pg;
	q.count++;
}

function insert_head(s: uvm_clockpro, q: number, pg: vm_page): void {
	set_queue(pg, q);
	pageq_insert_head(s.queues[q]!, pg);
}

/** => the page is on a queue. It keeps its temperature. */
function remove(s: uvm_clockpro, pg: vm_page): void {
	pageq_remove(s.queues[queue_of(pg)]!, pg);
	set_queue(pg, 0);
}

/** Make a page PQ_ACTIVE, PQ_INACTIVE, or neither. */
function set_heat(k: Kernel, pg: vm_page, heat: number): void {
	if ((pg.pqflags & PQ_ACTIVE) !== 0) k.uvmexp.active--;
	else if ((pg.pqflags & PQ_INACTIVE) !== 0) k.uvmexp.inactive--;
	pg.pqflags = (pg.pqflags & ~(PQ_ACTIVE | PQ_INACTIVE)) | heat;
	if (heat === PQ_ACTIVE) k.uvmexp.active++;
	else if (heat === PQ_INACTIVE) k.uvmexp.inactive++;
}

function move_reference(k: Kernel, pg: vm_page): void {
	k.port.charge(SCAN_CYCLES);
	if (pmap_clear_reference(k, pg)) pg.pdflags |= PD_REFERENCED;
}

function clear_reference(k: Kernel, pg: vm_page): void {
	pmap_clear_reference(k, pg);
	pg.pdflags &= ~PD_REFERENCED;
}

/** Let new pages leave their queue until it has `length`. */
function rotate_new(k: Kernel, length: number): void {
	const s = state(k);
	const newq = s.queues[NEWQ]!;
	while (newq.count > length) {
		const pg = newq.first!;
		remove(s, pg);
		if ((pg.pdflags & PD_INITIALREF) !== 0) {
			k.port.charge(SCAN_CYCLES);
			clear_reference(k, pg);
			pg.pdflags &= ~PD_INITIALREF;
		}
		insert_tail(s, COLDQ, pg);
	}
}

/** The first page of the queue of cold ones; new ones go there if it is empty. */
function first_cold(k: Kernel): vm_page | null {
	const { queues } = state(k);
	if (queues[COLDQ]!.first === null) rotate_new(k, Math.max(queues[NEWQ]!.count - 1, 0));
	return queues[COLDQ]!.first;
}

/** To the head of the list, as the paper calls it: our tail. => the page is on no queue. */
function enqueue(k: Kernel, pg: vm_page): void {
	const s = state(k);
	insert_tail(s, NEWQ, pg);
	rotate_new(k, s.newqlenmax);
}

function pageenqueue(k: Kernel, pg: vm_page): void {
	pg.pdflags &= ~PD_TEST;
	const speculative = (pg.pdflags & PD_SPECULATIVE) !== 0;
	const hot = !speculative && clockpro_nres_pageback(state(k).nres, pg);
	if (!speculative && !hot) pg.pdflags |= PD_TEST;
	set_heat(k, pg, hot ? PQ_ACTIVE : PQ_INACTIVE);
	enqueue(k, pg);
}

function pagedequeue(k: Kernel, pg: vm_page): void {
	if (queue_of(pg) === 0) return;
	remove(state(k), pg);
	set_heat(k, pg, 0);
	pg.pdflags &= ~(PD_INITIALREF | PD_SPECULATIVE);
}

function pageactivate(k: Kernel, pg: vm_page): void {
	if (queue_of(pg) === 0) {
		pg.pdflags |= PD_INITIALREF;
		pageenqueue(k, pg);
	} else if ((pg.pdflags & PD_SPECULATIVE) !== 0) {
		pagedequeue(k, pg);
		pg.pdflags |= PD_INITIALREF;
		pageenqueue(k, pg);
	}
	pg.pdflags |= PD_REFERENCED;
}

/** A page that is on no queue was read ahead, or is given back. */
function pagedeactivate(k: Kernel, pg: vm_page): void {
	clear_reference(k, pg);
	if (queue_of(pg) !== 0) return;
	pg.pdflags |= PD_SPECULATIVE;
	pageenqueue(k, pg);
}

/** The first hot page; cold ones before it end their test periods. => null: there is none. */
function first_hot(k: Kernel): vm_page | null {
	const s = state(k);
	const first = s.queues[HOTQ]!.first;
	if (first !== null) return first;
	for (let pg = first_cold(k); pg !== null; pg = first_cold(k)) {
		remove(s, pg);
		if (is_hot(pg)) {
			insert_head(s, HOTQ, pg);
			return pg;
		}
		pg.pdflags &= ~PD_TEST;
		insert_tail(s, LISTQ, pg);
	}
	return null;
}

/** The hand of the hot pages: those that nobody used become cold, until enough are. */
function handhot_advance(k: Kernel): void {
	const e = k.uvmexp;
	const s = state(k);
	clockpro_tune(k);
	if (e.inactive >= e.inactarg) return;
	for (let pg = first_hot(k); pg !== null; pg = first_hot(k)) {
		clockpro_nres_advance(s.nres, s.queues[HOTQ]!.count);
		// It ends at a hot page, so that no cold one in its test period is older than all hot ones.
		if (e.inactive >= e.inactarg) return;
		move_reference(k, pg);
		if ((pg.pdflags & PD_REFERENCED) === 0) {
			e.pddeact++;
			set_heat(k, pg, PQ_INACTIVE);
		}
		pg.pdflags &= ~PD_REFERENCED;
		remove(s, pg);
		enqueue(k, pg);
	}
}

/** The hand of the cold pages. => the page that is to be given up, still on a queue; or null. */
function handcold_advance(k: Kernel, dirty: boolean): vm_page | null {
	const e = k.uvmexp;
	const s = state(k);
	for (;;) {
		rotate_new(k, s.newqlenmax);
		handhot_advance(k);
		const pg = s.queues[LISTQ]!.first ?? first_cold(k);
		if (pg === null) return null;
		e.pdscans++;
		remove(s, pg);
		if (is_hot(pg)) {
			insert_tail(s, HOTQ, pg);
			continue;
		}
		move_reference(k, pg);
		const referenced = (pg.pdflags & PD_REFERENCED) !== 0;
		if (referenced && (pg.pdflags & PD_SPECULATIVE) !== 0) {
			pg.pdflags &= ~(PD_SPECULATIVE | PD_REFERENCED);
			pageenqueue(k, pg);
			continue;
		}
		const test = (pg.pdflags & PD_TEST) !== 0;
		if (!referenced) {
			const named = !dirty || uvmpd_may_write(k, pg);
			if (named && test) clockpro_nres_record(s.nres, pg);
			enqueue(k, pg);
			if (!named) return null;
			handhot_advance(k);
			return pg;
		}
		pg.pdflags &= ~(PD_REFERENCED | PD_TEST);
		if (test) set_heat(k, pg, PQ_ACTIVE);
		else pg.pdflags |= PD_TEST;
		e.pdreact++;
		enqueue(k, pg);
	}
}

function clockpro_tune(k: Kernel): void {
	const e = k.uvmexp;
	e.inactarg = Math.max(Math.floor(((e.active + e.inactive) * COLDPCT) / 100), 1);
	state(k).newqlenmax = Math.max(Math.floor(e.inactarg / 4), NEWQMIN);
}

function clockpro_selectvictim(k: Kernel, dirty: boolean): vm_page | null {
	const s = state(k);
	// A page that is passed over ends no search.
	while (s.left > 0) {
		s.left--;
		const pg = handcold_advance(k, dirty);
		if (pg !== null || !dirty) return pg;
	}
	return null;
}

/** Free the slots of pages that are in memory: of hot ones first. */
function clockpro_balancequeue(k: Kernel, swap_shortage: number): void {
	let shortage = swap_shortage;
	for (const q of [HOTQ, NEWQ, COLDQ]) {
		shortage -= uvmpd_dropswap_queue(k, state(k).queues[q]!, shortage);
	}
}

const QUEUES: uvm_pdqueues = {
	pageactivate,
	pagedeactivate,
	pagedequeue,
	anfree: (k, anon) => clockpro_nres_anfree(state(k).nres, anon),
	length: (k) => {
		let total = 0;
		for (const queue of state(k).queues) {
			const length = pageq_length(queue);
			if (length < 0) return -1;
			total += length;
		}
		return total;
	},
};

export const uvm_pdpolicy_clockpro: uvm_pdpolicy = {
	name: "clockpro",
	init: (k) => {
		KASSERT(k.uvm.pdstate.clockpro === null, "clockpro: initialised twice");
		k.uvm.pdstate.clockpro = {
			queues: Array.from({ length: LISTQ + 1 }, pglist_init),
			newqlenmax: NEWQMIN,
			nres: clockpro_nres_create(k.uvmexp.npages),
			left: 0,
		};
	},
	tune: clockpro_tune,
	scaninit: (k) => {
		state(k).left = k.uvmexp.active + k.uvmexp.inactive;
	},
	scanfini: () => {},
	selectvictim: clockpro_selectvictim,
	balancequeue: clockpro_balancequeue,
	queues: QUEUES,
};
