/**
 * Locks. With one hart and no kernel preemption a simple lock is never contended: it states who may
 * touch what, and the scheduler panics if a thread sleeps with one. A `lock` may be held across a
 * sleep, so threads do wait for it.
 */
import { KASSERT } from "../../../sys/panic.ts";
import type { Kernel } from "../../kernel.ts";
import type { lwp } from "./kern_lwp.ts";
import { ltsleep, type Sleeps, wakeup } from "./kern_synch.ts";

export interface simplelock {
	locked: boolean;
}

export const simple_lock_init = (): simplelock => ({ locked: false });

export function simple_lock(k: Kernel, lock: simplelock): void {
	KASSERT(!lock.locked, "simple_lock: already locked");
	lock.locked = true;
	k.simplelocks++;
}

export function simple_unlock(k: Kernel, lock: simplelock): void {
	KASSERT(lock.locked, "simple_unlock: not locked");
	lock.locked = false;
	k.simplelocks--;
}

/** A sleeping reader-writer lock (lockmgr(9)), fair enough for few threads. */
export interface lock {
	/** The thread that holds it exclusively. */
	lk_holder: lwp | null;
	/** Number of shared holders. */
	lk_sharecount: number;
	lk_waiters: number;
}

export const lockinit = (): lock => ({
	lk_holder: null,
	lk_sharecount: 0,
	lk_waiters: 0,
});

/** => false, and nothing taken, if a writer holds the lock. */
export function lock_shared_try(lk: lock): boolean {
	if (lk.lk_holder !== null) return false;
	lk.lk_sharecount++;
	return true;
}

/** => false, and nothing taken, if any thread holds the lock. */
export function lock_exclusive_try(k: Kernel, lk: lock): boolean {
	if (lk.lk_holder !== null || lk.lk_sharecount > 0) return false;
	lk.lk_holder = k.curlwp;
	return true;
}

/** => may sleep. */
export function* lock_shared(k: Kernel, lk: lock): Sleeps<void> {
	while (!lock_shared_try(lk)) yield* lock_wait(k, lk);
}

/** => may sleep. */
export function* lock_exclusive(k: Kernel, lk: lock): Sleeps<void> {
	while (!lock_exclusive_try(k, lk)) yield* lock_wait(k, lk);
}

function* lock_wait(k: Kernel, lk: lock): Sleeps<void> {
	lk.lk_waiters++;
	yield* ltsleep(k, lk, "vmmaplk", 0, null);
	lk.lk_waiters--;
}

/** From exclusive to shared, without letting a writer in between. */
export function lock_downgrade(k: Kernel, lk: lock): void {
	KASSERT(lk.lk_holder === k.curlwp, "lock: downgrade by a thread that does not hold it");
	lk.lk_holder = null;
	lk.lk_sharecount = 1;
	if (lk.lk_waiters > 0) wakeup(k, lk);
}

export function lock_release_shared(k: Kernel, lk: lock): void {
	KASSERT(lk.lk_sharecount > 0, "lock: release of a shared lock that is not held");
	lk.lk_sharecount--;
	if (lk.lk_sharecount === 0 && lk.lk_waiters > 0) wakeup(k, lk);
}

export function lock_release_exclusive(k: Kernel, lk: lock): void {
	KASSERT(lk.lk_holder === k.curlwp, "lock: release by a thread that does not hold it");
	lk.lk_holder = null;
	if (lk.lk_waiters > 0) wakeup(k, lk);
}
