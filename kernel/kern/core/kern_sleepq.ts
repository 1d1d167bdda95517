/**
 * Sleep queues: which threads sleep, on what, and until when (sys/kern/kern_sleepq.c, 2007; before,
 * slpque[] of kern_synch.c). Threads are found from their channel by a hash table, all of them stay
 * in the order in which they went to sleep, and those with a timeout are in a heap; so a wakeup
 * takes the time of those that it wakes, however many sleep.
 */
import { KASSERT } from "../../../sys/panic.ts";
import type { lwp } from "./kern_lwp.ts";

export interface sleepq {
	/**
	 * By channel: who has slept on it longest, the head of a list.
	 * DEVIATION: NetBSD hashes the address of a channel; an object has none here, but can be a key.
	 * null: none any more. Some such entries stay, because who has slept sleeps again, and a map
	 * makes new tables where entries come and go.
	 */
	readonly sq_chan: Map<object, lwp | null>;
	/** Entries with sleepers. */
	sq_busy: number;
	/** All sleepers, longest first. */
	sq_head: lwp | null;
	sq_tail: lwp | null;
	/** Those with a timeout: a binary heap by l_wakecycle. */
	readonly sq_timed: lwp[];
	/** l_sleepseq of the next sleeper. */
	sq_seq: number;
	/** Threads that wakeups have looked at, to show that they do not grow. */
	sq_probes: number;
}

export const sleepq_init = (): sleepq => ({
	sq_chan: new Map(),
	sq_busy: 0,
	sq_head: null,
	sq_tail: null,
	sq_timed: [],
	sq_seq: 0,
	sq_probes: 0,
});

/** Entries of sq_chan without sleepers that are kept, besides as many as there are with some. */
const SPARE_MAX = 64;

/** Forget the channels without sleepers: no copy of the state has them. */
export function sleepq_trim(sq: sleepq): void {
	for (const [chan, first] of sq.sq_chan) if (first === null) sq.sq_chan.delete(chan);
}

/** The last sleeper of a channel is gone. */
function vacate(sq: sleepq, chan: object): void {
	sq.sq_chan.set(chan, null);
	sq.sq_busy--;
	if (sq.sq_chan.size > 2 * sq.sq_busy + SPARE_MAX) sleepq_trim(sq);
}

/** Does a thread sleep on `chan`? */
export const sleepq_busy = (sq: sleepq, chan: object): boolean =>
	(sq.sq_chan.get(chan) ?? null) !== null;

/** Put a thread on the queues, behind all others. => its l_wchan and l_wakecycle are set. */
export function sleepq_enter(sq: sleepq, l: lwp): void {
	l.l_sleepseq = sq.sq_seq++;
	l.l_sleepprev = sq.sq_tail;
	if (sq.sq_tail === null) sq.sq_head = l;
	else sq.sq_tail.l_sleepnext = l;
	sq.sq_tail = l;
	const head = sq.sq_chan.get(l.l_wchan!) ?? null;
	if (head === null) {
		l.l_chanprev = l;
		sq.sq_chan.set(l.l_wchan!, l);
		sq.sq_busy++;
	} else {
		const tail = head.l_chanprev!;
		tail.l_channext = l;
		l.l_chanprev = tail;
		head.l_chanprev = l;
	}
	if (l.l_wakecycle !== Number.POSITIVE_INFINITY) {
		sq.sq_timed.push(l);
		heap_up(sq.sq_timed, l, sq.sq_timed.length - 1);
	}
}

/** Take a thread off the queues. => it is on them. */
export function sleepq_remove(sq: sleepq, l: lwp): void {
	const head = sq.sq_chan.get(l.l_wchan!) ?? null;
	if (head === l) {
		const next = l.l_channext;
		if (next === null) vacate(sq, l.l_wchan!);
		else {
			next.l_chanprev = l.l_chanprev;
			sq.sq_chan.set(l.l_wchan!, next);
		}
	} else {
		KASSERT(head !== null && l.l_chanprev !== null, "sleepq_remove: it does not sleep");
		l.l_chanprev!.l_channext = l.l_channext;
		(l.l_channext ?? head!).l_chanprev = l.l_chanprev;
	}
	l.l_channext = null;
	l.l_chanprev = null;
	leave(sq, l);
}

/**
 * Take all threads that sleep on `chan` off the queues.
 * => the longest sleeper, or null; l_channext of each is the next one, for the caller to clear.
 */
export function sleepq_detach(sq: sleepq, chan: object): lwp | null {
	sq.sq_probes++;
	const first = sq.sq_chan.get(chan) ?? null;
	if (first === null) return null;
	vacate(sq, chan);
	for (let l: lwp | null = first; l !== null; l = l.l_channext) {
		sq.sq_probes++;
		l.l_chanprev = null;
		leave(sq, l);
	}
	return first;
}

/**
 * Take the threads whose timeout has passed at `now` off the heap, for the caller to remove.
 * => in the order in which they went to sleep.
 */
export function sleepq_due(sq: sleepq, now: number): lwp[] {
	const due: lwp[] = [];
	for (;;) {
		const l = sq.sq_timed[0];
		if (l === undefined || l.l_wakecycle > now) break;
		sq.sq_probes++;
		due.push(l);
		heap_remove(sq.sq_timed, l);
	}
	return due.sort((a, b) => a.l_sleepseq - b.l_sleepseq);
}

/** When the next timeout is due, in cycles, or Infinity. */
export const sleepq_next = (sq: sleepq): number =>
	sq.sq_timed[0]?.l_wakecycle ?? Number.POSITIVE_INFINITY;

/** Take a thread off all queues but that of its channel. */
function leave(sq: sleepq, l: lwp): void {
	const { l_sleepprev: prev, l_sleepnext: next } = l;
	if (prev === null) sq.sq_head = next;
	else prev.l_sleepnext = next;
	if (next === null) sq.sq_tail = prev;
	else next.l_sleepprev = prev;
	l.l_sleepprev = null;
	l.l_sleepnext = null;
	if (l.l_timedidx >= 0) heap_remove(sq.sq_timed, l);
}

function heap_remove(heap: lwp[], l: lwp): void {
	const i = l.l_timedidx;
	const last = heap.pop()!;
	l.l_timedidx = -1;
	if (last === l) return;
	heap_up(heap, last, i);
	heap_down(heap, last, last.l_timedidx);
}

/** Put `l` at `i` or above, so that nobody above is due later. */
function heap_up(heap: lwp[], l: lwp, at: number): void {
	let i = at;
	while (i > 0) {
		const above = (i - 1) >> 1;
		if (heap[above]!.l_wakecycle <= l.l_wakecycle) break;
		heap_set(heap, heap[above]!, i);
		i = above;
	}
	heap_set(heap, l, i);
}

/** Put `l` at `i` or below, so that nobody below is due sooner. */
function heap_down(heap: lwp[], l: lwp, at: number): void {
	let i = at;
	for (;;) {
		let below = 2 * i + 1;
		if (below >= heap.length) break;
		const right = heap[below + 1];
		if (right !== undefined && right.l_wakecycle < heap[below]!.l_wakecycle) below++;
		if (heap[below]!.l_wakecycle >= l.l_wakecycle) break;
		heap_set(heap, heap[below]!, i);
		i = below;
	}
	heap_set(heap, l, i);
}

function heap_set(heap: lwp[], l: lwp, i: number): void {
	heap[i] = l;
	l.l_timedidx = i;
}

/** For checkers: what is wrong with the queues. => `sleepers` are the threads with a channel. */
export function sleepq_check(sq: sleepq, sleepers: readonly lwp[]): string[] {
	const wrong: string[] = [];
	const queued: lwp[] = [];
	for (let l = sq.sq_head; l !== null && queued.length <= sleepers.length; l = l.l_sleepnext) {
		const before = queued[queued.length - 1] ?? null;
		if (l.l_sleepprev !== before) wrong.push("the links of a sleeper are wrong");
		if (before !== null && before.l_sleepseq >= l.l_sleepseq) wrong.push("sleepers out of order");
		queued.push(l);
	}
	if ((queued[queued.length - 1] ?? null) !== sq.sq_tail)
		wrong.push("the last sleeper is not last");
	const members = new Set(queued);
	if (members.size !== sleepers.length || !sleepers.every((l) => members.has(l))) {
		wrong.push(`${queued.length} threads are on the sleep queue, ${sleepers.length} sleep`);
	}
	const chains = new Map<object, lwp[]>();
	for (const l of queued) {
		if (l.l_wchan === null) continue;
		chains.set(l.l_wchan, [...(chains.get(l.l_wchan) ?? []), l]);
	}
	const busy = [...sq.sq_chan.values()].filter((first) => first !== null).length;
	if (chains.size !== busy || busy !== sq.sq_busy) {
		wrong.push("channels without sleepers, or the reverse");
	}
	for (const [chan, chain] of chains) {
		const ok = chain.every((l, i) => {
			const prev = i === 0 ? chain[chain.length - 1] : chain[i - 1];
			return l.l_chanprev === prev && l.l_channext === (chain[i + 1] ?? null);
		});
		if (!ok || sq.sq_chan.get(chan) !== chain[0]) wrong.push("the queue of a channel is wrong");
	}
	const timed = queued.filter((l) => l.l_wakecycle !== Number.POSITIVE_INFINITY);
	const heap = sq.sq_timed;
	const ordered = heap.every((l, i) => {
		return l.l_timedidx === i && heap[Math.max(i - 1, 0) >> 1]!.l_wakecycle <= l.l_wakecycle;
	});
	if (!ordered) wrong.push("the timeouts are out of order");
	if (heap.length !== timed.length || !timed.every((l) => heap[l.l_timedidx] === l)) {
		wrong.push(`${heap.length} timeouts for ${timed.length} timed sleepers`);
	}
	return wrong;
}
