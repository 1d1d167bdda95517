/**
 * Advisory locks (sys/kern/vfs_lockf.c), with Linux's rules: record locks of a process (fcntl)
 * and of an open file (F_OFD_SETLK), and locks of whole files (flock), which are apart from them.
 *
 * A lock's owner is an object: the descriptor table of a process, or an open file.
 */
import { EAGAIN, EDEADLK, ENOLCK, type Errno } from "../../../sys/errno.ts";
import type { vnode } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import type { lwp } from "../core/kern_lwp.ts";
import { free, malloc } from "../core/kern_malloc.ts";
import { type Sleeps, tsleep, wakeup } from "../core/kern_synch.ts";

/** Types of locks, Linux's values. */
export const F_RDLCK = 0;
export const F_WRLCK = 1;
export const F_UNLCK = 2;

/** The end of a lock that reaches beyond every file. */
export const LF_EOF = Number.MAX_SAFE_INTEGER;

/** Most locks of one file: NetBSD's limit for one user. */
const LOCKS_MAX = 1024;

export interface lockf {
	readonly lf_type: number;
	/** First and last byte. */
	readonly lf_start: number;
	readonly lf_end: number;
	readonly lf_id: object;
	/** What F_GETLK tells: a process, or -1 for an open file. */
	readonly lf_pid: number;
}

/** The locks of a file; waiters sleep on it. */
export interface lockf_head {
	/** By owner and by first byte, no two of an owner overlap. */
	lf_records: lockf[];
	lf_flocks: lockf[];
}

/** A thread that waits for a lock. */
export interface lockf_wait {
	readonly lw_lwp: lwp;
	readonly lw_head: lockf_head;
	readonly lw_lock: lockf;
}

const overlap = (a: lockf, b: lockf): boolean => a.lf_start <= b.lf_end && b.lf_start <= a.lf_end;

/** The first lock in the way of `lock`, or null. */
function lf_getblock(list: readonly lockf[], lock: lockf): lockf | null {
	const blocks = (other: lockf): boolean =>
		other.lf_id !== lock.lf_id &&
		(other.lf_type === F_WRLCK || lock.lf_type === F_WRLCK) &&
		overlap(other, lock);
	return list.find(blocks) ?? null;
}

/** F_GETLK: the record lock in the way, or null. */
export const lf_getlock = (vp: vnode, lock: lockf): lockf | null =>
	vp.v_lockf === null ? null : lf_getblock(vp.v_lockf.lf_records, lock);

/** What is left of the locks when `lock` replaces those of its owner in its range. */
function lf_replace(list: readonly lockf[], lock: lockf): lockf[] {
	let { lf_start, lf_end } = lock;
	const kept: lockf[] = [];
	for (const old of list) {
		const near = old.lf_start <= lf_end + 1 && lf_start <= old.lf_end + 1;
		if (old.lf_id !== lock.lf_id || !near) {
			kept.push(old);
		} else if (old.lf_type === lock.lf_type) {
			// Neighbours of one type are one lock.
			lf_start = Math.min(lf_start, old.lf_start);
			lf_end = Math.max(lf_end, old.lf_end);
		} else {
			if (old.lf_start < lf_start)
				kept.push({ ...old, lf_end: Math.min(old.lf_end, lf_start - 1) });
			if (old.lf_end > lf_end) kept.push({ ...old, lf_start: Math.max(old.lf_start, lf_end + 1) });
		}
	}
	if (lock.lf_type !== F_UNLCK) kept.push({ ...lock, lf_start, lf_end });
	return kept.sort((a, b) => a.lf_start - b.lf_start);
}

/** Would waiting for `block` be waiting for oneself? Only processes are looked at, as on Linux. */
function lf_deadlock(k: Kernel, lock: lockf, block: lockf): boolean {
	let owner = block.lf_id;
	for (const _ of k.vfs.lockwaits) {
		const wait = k.vfs.lockwaits.find(({ lw_lock }) => lw_lock.lf_id === owner);
		if (wait === undefined || lock.lf_pid < 0) return false;
		const next = lf_getblock(wait.lw_head.lf_records, wait.lw_lock);
		if (next === null) return false;
		if (next.lf_id === lock.lf_id) return true;
		owner = next.lf_id;
	}
	return false;
}

/**
 * Set or (F_UNLCK) clear a record lock.
 * => EAGAIN: another is in the way, and not `wait`; EDEADLK; ENOLCK; EINTR. Sleeps.
 */
export function* lf_setlock(k: Kernel, vp: vnode, lock: lockf, wait: boolean): Sleeps<Errno> {
	vp.v_lockf ??= { lf_records: [], lf_flocks: [] };
	const head = vp.v_lockf;
	let error: Errno = 0;
	while (lock.lf_type !== F_UNLCK && error === 0) {
		const block = lf_getblock(head.lf_records, lock);
		if (block === null) break;
		if (!wait) error = EAGAIN;
		else if (lf_deadlock(k, lock, block)) error = EDEADLK;
		else error = yield* lf_wait(k, head, lock);
	}
	lf_waited(k);
	if (error === 0) {
		const list = lf_replace(head.lf_records, lock);
		if (list.length > Math.max(LOCKS_MAX, head.lf_records.length)) error = ENOLCK;
		else if (!lf_store(k, vp, list, head.lf_flocks)) error = ENOLCK;
	}
	lf_trim(k, vp);
	return error;
}

/** flock: as lf_setlock, of the whole file; what the owner had is lost before it waits. */
export function* lf_flock(k: Kernel, vp: vnode, lock: lockf, wait: boolean): Sleeps<Errno> {
	vp.v_lockf ??= { lf_records: [], lf_flocks: [] };
	const head = vp.v_lockf;
	const own = head.lf_flocks.find((old) => old.lf_id === lock.lf_id);
	if (own?.lf_type === lock.lf_type) return 0;
	if (own !== undefined) {
		lf_store(k, vp, head.lf_records, head.lf_flocks.toSpliced(head.lf_flocks.indexOf(own), 1));
	}
	let error: Errno = 0;
	while (lock.lf_type !== F_UNLCK && error === 0) {
		if (lf_getblock(head.lf_flocks, lock) === null) break;
		error = wait ? yield* lf_wait(k, head, lock) : EAGAIN;
	}
	lf_waited(k);
	if (error === 0 && lock.lf_type !== F_UNLCK) {
		if (!lf_store(k, vp, head.lf_records, [...head.lf_flocks, lock])) error = ENOLCK;
	}
	lf_trim(k, vp);
	return error;
}

/** Wait for a change. The thread is noted, so that the call can be started again. Sleeps. */
function* lf_wait(k: Kernel, head: lockf_head, lock: lockf): Sleeps<Errno> {
	const { lockwaits } = k.vfs;
	if (!lockwaits.some(({ lw_lwp }) => lw_lwp === k.curlwp)) {
		lockwaits.push({ lw_lwp: k.curlwp, lw_head: head, lw_lock: lock });
	}
	return yield* tsleep(k, head, "lockf", 0);
}

/** The running thread waits no longer. */
function lf_waited(k: Kernel): void {
	const { lockwaits } = k.vfs;
	const i = lockwaits.findIndex(({ lw_lwp }) => lw_lwp === k.curlwp);
	if (i >= 0) lockwaits.splice(i, 1);
}

/** Bytes of a lock (lockf.h, struct lockf): 10 words, its ends 8 bytes each. */
const LOCKF_SIZE = 48;

/**
 * Store new lists, and wake those who may have waited for the difference.
 * => never sleeps; false, and nothing has changed, if there is no memory for more locks.
 */
function lf_store(k: Kernel, vp: vnode, records: lockf[], flocks: lockf[]): boolean {
	const head = vp.v_lockf!;
	const more = records.length + flocks.length - head.lf_records.length - head.lf_flocks.length;
	if (more > 0 && !malloc(k, LOCKF_SIZE, more)) return false;
	if (more < 0) free(k, LOCKF_SIZE, -more);
	head.lf_records = records;
	head.lf_flocks = flocks;
	wakeup(k, head);
	return true;
}

/** Forget the head of a file that has no locks. */
function lf_trim(k: Kernel, vp: vnode): void {
	const head = vp.v_lockf;
	if (head === null || head.lf_records.length > 0 || head.lf_flocks.length > 0) return;
	if (!k.vfs.lockwaits.some(({ lw_head }) => lw_head === head)) vp.v_lockf = null;
}

/** Release all locks of an owner: a process closes the file, or an open file ends. */
export function lf_release(k: Kernel, vp: vnode, id: object): void {
	if (vp.v_lockf !== null) lf_remove(k, vp, vp.v_lockf, id);
}

function lf_remove(k: Kernel, vp: vnode, head: lockf_head, id: object): void {
	const others = (list: lockf[]): lockf[] => list.filter((lock) => lock.lf_id !== id);
	lf_store(k, vp, others(head.lf_records), others(head.lf_flocks));
	lf_trim(k, vp);
}
