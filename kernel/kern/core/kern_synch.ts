/**
 * Sleeping and waking (ltsleep(9)), and the run queue.
 *
 * Code that may sleep is a generator; `yield*` marks each place where other threads may run, and
 * nothing learned before it is true after it. A channel is any object, compared by identity.
 */
import { PORT_CYCLES } from "../../../machine/port.ts";
import { EINTR, type Errno, EWOULDBLOCK } from "../../../sys/errno.ts";
import { KASSERT, panic } from "../../../sys/panic.ts";
import type { Kernel } from "../../kernel.ts";
import type { simplelock } from "./kern_lock.ts";
import type { lwp } from "./kern_lwp.ts";
import {
	sleepq_detach,
	sleepq_due,
	sleepq_enter,
	sleepq_next,
	sleepq_remove,
} from "./kern_sleepq.ts";
import { sigispending } from "./signal.ts";

/** States of a thread (sys/lwp.h). */
export const LSRUN = 2;
export const LSSLEEP = 3;
export const LSZOMB = 5;
export const LSONPROC = 7;

/** What a thread yields when it gives up the processor. */
export type WaitChannel = object | null;

/** A function that may sleep. */
export type Sleeps<T> = Generator<WaitChannel, T, void>;

/** ltsleep's results: woken, or timed out. */
export const AWOKEN = 0;
export const TIMEDOUT = 1;

/**
 * Sleep until `wakeup(chan)`, or for `timeout` cycles if that is not 0.
 *
 * => `interlock`, if any, is held on entry and released once the thread is on the sleep queue;
 *    it is not taken again.
 * => no other simple lock is held.
 * => returns AWOKEN or TIMEDOUT. A thread may be woken without cause: check again in a loop.
 */
export function* ltsleep(
	k: Kernel,
	chan: object,
	wmesg: string,
	timeout: number,
	interlock: simplelock | null,
): Sleeps<number> {
	if (interlock !== null) {
		KASSERT(interlock.locked, "ltsleep: interlock not held");
		interlock.locked = false;
		k.simplelocks--;
	}
	sleep_enter(k, chan, wmesg, timeout);
	yield chan;
	return k.curlwp.l_timedout ? TIMEDOUT : AWOKEN;
}

/**
 * Put the running thread on the sleep queue. => as ltsleep; the caller gives up the processor at
 * once.
 */
export function sleep_enter(k: Kernel, chan: object, wmesg: string, timeout: number): void {
	const l = k.curlwp;
	KASSERT(l !== k.lwp0, "ltsleep: the boot thread cannot sleep");
	l.l_stat = LSSLEEP;
	l.l_wchan = chan;
	l.l_wmesg = wmesg;
	l.l_timedout = false;
	if (!l.l_sinterruptible) l.l_again = false;
	if (timeout > 0) {
		l.l_wakecycle = k.port.times[PORT_CYCLES]! + timeout;
		k.nextwakeup = Math.min(k.nextwakeup, l.l_wakecycle);
	}
	sleepq_enter(k.sleepq, l);
}

/**
 * Sleep until `wakeup(chan)`, for at most `timeout` cycles if that is not 0, or until a signal is
 * to be taken (tsleep with PCATCH). For waits that may last: pipes, the console, other processes.
 *
 * => user threads only; no simple lock is held.
 * => 0; EWOULDBLOCK: timed out; EINTR: a signal, to be returned to the program.
 * => a signal that ends the sleep is not an error yet: what the caller waits for may have come with
 *    it, as a child's exit comes with SIGCHLD. If it has not, the caller sleeps again and gets
 *    EINTR at once.
 */
export function* tsleep(k: Kernel, chan: object, wmesg: string, timeout: number): Sleeps<Errno> {
	const l = k.curlwp;
	const p = l.l_proc;
	if (p === null) panic("tsleep: a kernel thread takes no signals");
	if (sigispending(p)) return EINTR;
	l.l_sinterruptible = true;
	const how = yield* ltsleep(k, chan, wmesg, timeout, null);
	l.l_sinterruptible = false;
	return how === TIMEDOUT ? EWOULDBLOCK : 0;
}

/**
 * tsleep without a timeout for a system call that is not a generator: the thread is on the sleep
 * queue, and the caller returns ESLEEPS at once.
 * => 0; or EINTR, and it does not sleep. When it wakes, the call is started again and looks whether
 *    it goes on (kern_lwp.ts, l_kernel).
 */
export function tsleep_enter(k: Kernel, chan: object, wmesg: string): Errno {
	const l = k.curlwp;
	if (sigispending(l.l_proc!)) return EINTR;
	l.l_sinterruptible = true;
	sleep_enter(k, chan, wmesg, 0);
	return 0;
}

/** Wake one thread because of a signal. => it sleeps. */
export function unsleep(k: Kernel, l: lwp): void {
	sleepq_remove(k.sleepq, l);
	awaken(k, l, false);
}

/** Wake every thread that sleeps on `chan`, in the order in which they went to sleep. */
export function wakeup(k: Kernel, chan: object): void {
	for (let l = sleepq_detach(k.sleepq, chan); l !== null; ) {
		const next: lwp | null = l.l_channext;
		l.l_channext = null;
		awaken(k, l, false);
		l = next;
	}
}

/**
 * Wake the threads whose timeout has passed, in the order in which they went to sleep.
 * => called with the cycle counter past k.nextwakeup.
 */
export function wakeup_timeouts(k: Kernel): void {
	for (const l of sleepq_due(k.sleepq, k.port.times[PORT_CYCLES]!)) {
		sleepq_remove(k.sleepq, l);
		awaken(k, l, true);
	}
	k.nextwakeup = sleepq_next(k.sleepq);
}

function awaken(k: Kernel, l: lwp, timedout: boolean): void {
	l.l_wchan = null;
	l.l_wakecycle = Number.POSITIVE_INFINITY;
	l.l_timedout = timedout;
	setrunnable(k, l);
}

/** Append a thread to the run queue: threads in the kernel run ahead of those in user mode. */
export function setrunnable(k: Kernel, l: lwp): void {
	KASSERT(l.l_stat !== LSRUN, "setrunnable: already on the run queue");
	l.l_stat = LSRUN;
	l.l_runnext = null;
	const queue = l.l_kernel !== null ? k.runkernel : k.runuser;
	if (queue.tail === null) queue.head = l;
	else queue.tail.l_runnext = l;
	queue.tail = l;
}

export interface runqueue {
	head: lwp | null;
	tail: lwp | null;
}

/** Take the thread that runs next off the run queue, or null. */
export function chooselwp(k: Kernel): lwp | null {
	const queue = k.runkernel.head !== null ? k.runkernel : k.runuser;
	const l = queue.head;
	if (l === null) return null;
	if (k.watch.choose !== undefined && queue === k.runkernel && l.l_runnext !== null) {
		return choosewatched(queue, k.watch.choose);
	}
	queue.head = l.l_runnext;
	if (queue.head === null) queue.tail = null;
	l.l_runnext = null;
	return l;
}

/** Take the thread that the watcher chooses off a queue. => there are two at least. */
function choosewatched(queue: runqueue, choose: (n: number) => number): lwp {
	const threads: lwp[] = [];
	for (let l = queue.head; l !== null; l = l.l_runnext) threads.push(l);
	const [chosen] = threads.splice(choose(threads.length), 1);
	for (const [i, l] of threads.entries()) l.l_runnext = threads[i + 1] ?? null;
	queue.head = threads[0]!;
	queue.tail = threads[threads.length - 1]!;
	chosen!.l_runnext = null;
	return chosen!;
}
