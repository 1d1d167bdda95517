/**
 * Port of sys/uvm/uvm_pdaemon.c (2001): waiting for memory, in its own file because the pagers
 * import it and the page daemon imports the pagers.
 *
 * Copyright (c) 1997 Charles D. Cranor and Washington University.
 * Copyright (c) 1991, 1993, The Regents of the University of California.
 * Copyright (c) 1987, 1990 Carnegie-Mellon University.
 * All rights reserved. See NOTICE for the conditions.
 */
import { ENOMEM, type Errno } from "../../sys/errno.ts";
import { panic } from "../../sys/panic.ts";
import { simple_lock, simple_unlock, type simplelock } from "../kern/core/kern_lock.ts";
import { ltsleep, type Sleeps, wakeup } from "../kern/core/kern_synch.ts";
import { type pool, pool_drainable, pool_prime } from "../kern/core/subr_pool.ts";
import type { Kernel } from "../kernel.ts";
import { uvm_swapisfull } from "./uvm_swap.ts";

/** How long to wait for a resource that no wakeup announces: 1 ms, in cycles. */
const PAUSE = 1_000_000;

/** Sleep until the page daemon has freed memory, or has found nothing to free. => no locks. */
export function* uvm_wait(k: Kernel, wmesg: string): Sleeps<void> {
	// The daemon cannot wait for itself, only for its writes in flight.
	if (k.curlwp === k.uvm.pagedaemon) {
		if (k.uvmexp.paging === 0) panic("uvm_wait: the page daemon waits for itself");
		yield* uvm_pause(k, wmesg);
		return;
	}
	// Pages are free: what failed was something else, and the daemon cannot help.
	if (k.uvmexp.free > k.uvmexp.reserve_kernel) {
		yield* uvm_pause(k, wmesg);
		return;
	}
	wakeup(k, k.uvm.pagedaemon_wchan);
	yield* ltsleep(k, k.uvm.free_wchan, wmesg, 0, null);
}

/**
 * uvm_wait with a lock held, which is released meanwhile.
 * => 0, or ENOMEM at once: nothing can become free any more.
 */
export function* uvm_wait_locked(k: Kernel, lock: simplelock, wmesg: string): Sleeps<Errno> {
	if (!uvm_reclaimable(k)) return ENOMEM;
	simple_unlock(k, lock);
	yield* uvm_wait(k, wmesg);
	simple_lock(k, lock);
	return 0;
}

/** Sleep for a moment, before a retry of what failed for lack of resources. */
export function* uvm_pause(k: Kernel, wmesg: string): Sleeps<void> {
	yield* ltsleep(k, {}, wmesg, PAUSE, null);
}

/** Consecutive fruitless scans after which the daemon is not expected to free anything. */
const FRUITLESS_MAX = 32;

/** Pages of files in memory: at least as many as the page daemon could free. */
export const uvm_filepages = (k: Kernel): number => k.uvmexp.filepages + k.uvmexp.execpages;

/**
 * Whether the page daemon can still free anything. If not, allocations fail for good.
 * => swap has room for a page, pages of files are in memory, a pool has idle pages, or writes are
 *    in flight; and the latest scans were not all fruitless.
 * => during swapoff only the thread in swapoff can get false; others wait until it is done.
 */
export function uvm_reclaimable(k: Kernel): boolean {
	if (k.uvmexp.paging > 0) return true;
	if (k.uvm.swapoff_lwp !== null && k.uvm.swapoff_lwp !== k.curlwp) return true;
	if (k.uvm.pdfruitless >= FRUITLESS_MAX) return false;
	if (pool_drainable(k)) return true;
	return !uvm_swapisfull(k) || uvm_filepages(k) > 0;
}

/** How often to ask for an item that is refused although pages are free. */
const REFUSALS_MAX = 16;

/**
 * Have an item free in each of the pools, for callers of pool_take (pool_get with PR_WAITOK).
 * => no locks. Sleeps. DEVIATION (D42): false if memory is short and none can become free any more,
 *    where NetBSD sleeps for ever.
 */
export function* pool_prime_wait(k: Kernel, pools: readonly pool[], n = 1): Sleeps<boolean> {
	return pool_prime_all(k, pools, n) || (yield* pool_prime_again(k, pools, n));
}

/** pool_prime of each pool. => never sleeps. */
export function pool_prime_all(k: Kernel, pools: readonly pool[], n: number): boolean {
	for (let i = 0; i < pools.length; i++) if (!pool_prime(k, pools[i]!, n)) return false;
	return true;
}

/** pool_prime_wait where pool_prime_all has just failed. */
export function* pool_prime_again(k: Kernel, pools: readonly pool[], n: number): Sleeps<boolean> {
	for (let refusals = 0; ; ) {
		if (!uvm_reclaimable(k)) return false;
		if (k.uvmexp.free > k.uvmexp.reserve_kernel && ++refusals > REFUSALS_MAX) return false;
		yield* uvm_wait(k, "plpg");
		if (pool_prime_all(k, pools, n)) return true;
	}
}
