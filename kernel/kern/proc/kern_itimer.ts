/**
 * What the passing of time does to a process: the three interval timers (sys/kern/kern_time.c:
 * setitimer), and the limit of processor time (RLIMIT_CPU). One cycle is one nanosecond.
 */
import { EFAULT, EINVAL } from "../../../sys/errno.ts";
import type { Kernel } from "../../kernel.ts";
import type { lwp } from "../core/kern_lwp.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { RLIMIT_CPU } from "../core/rlimit.ts";
import { SI_KERNEL, SIGALRM, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU } from "../core/signal.ts";
import type { sysent } from "../sys/sysent.ts";
import { SYS } from "../sys/sysnum.ts";
import { copyin, copyout } from "./copy.ts";
import type { proc } from "./kern_proc.ts";
import { psignal } from "./kern_sig.ts";
import { timer_arm_by, timer_arm_cputime } from "./timer.ts";
import { ITIMER_PROF, ITIMER_REAL, ITIMER_VIRTUAL } from "./timevar.ts";

export const sysent_itimer: sysent = {
	[SYS.getitimer]: (k, p, a) => sys_getitimer(k, p, a[0]!, a[1]!),
	[SYS.setitimer]: (k, p, a) => sys_setitimer(k, p, a[0]!, a[1]!, a[2]!),
};

/** The signal of each. */
const SIGNALS: readonly number[] = [SIGALRM, SIGVTALRM, SIGPROF];

const NEVER = Number.POSITIVE_INFINITY;

/** What a timer has counted so far. */
function itimer_now(k: Kernel, l: lwp, which: number): number {
	if (which === ITIMER_REAL) return k.port.cycles;
	return which === ITIMER_VIRTUAL ? l.l_utime : l.l_utime + l.l_stime;
}

/** Fire a timer if it is due, and start it again if it has an interval. */
export function itimer_check(k: Kernel, p: proc, which: number): void {
	const timer = p.p_timers[which]!;
	const now = itimer_now(k, p.p_lwp!, which);
	if (timer.it_deadline > now) return;
	timer.it_deadline = timer.it_interval > 0 ? now + timer.it_interval : NEVER;
	psignal(k, p, SIGNALS[which]!, SI_KERNEL);
}

/**
 * Set the processor time at which cputime_check has to look at this thread again: no timer of
 * processor time and no limit is reached before it.
 */
export function cputime_arm(k: Kernel, p: proc): void {
	const l = p.p_lwp!;
	const { rlim_cur, rlim_max } = p.p_rlimit[RLIMIT_CPU]!;
	l.l_cpudue = Math.min(
		// Time in user mode is a part of the time that l_cpudue counts.
		p.p_timers[ITIMER_VIRTUAL]!.it_deadline + l.l_stime,
		p.p_timers[ITIMER_PROF]!.it_deadline,
		Math.min(Math.max(rlim_cur, 1), rlim_max) * 1e9,
	);
	if (l === k.curlwp) timer_arm_cputime(k, l);
}

/**
 * The thread has used the processor time that cputime_arm has set: fire its timers, and enforce
 * RLIMIT_CPU, as Linux: SIGXCPU at the soft limit and for each second after it, SIGKILL at the hard
 * limit.
 */
export function cputime_check(k: Kernel, l: lwp): void {
	const p = l.l_proc!;
	if (p.p_exit !== null) return;
	itimer_check(k, p, ITIMER_VIRTUAL);
	itimer_check(k, p, ITIMER_PROF);
	const used = (l.l_utime + l.l_stime) / 1e9;
	const { rlim_cur, rlim_max } = p.p_rlimit[RLIMIT_CPU]!;
	if (used >= rlim_max) {
		psignal(k, p, SIGKILL, SI_KERNEL);
	} else if (used >= rlim_cur) {
		psignal(k, p, SIGXCPU, SI_KERNEL);
		p.p_rlimit[RLIMIT_CPU] = { rlim_cur: Math.floor(used) + 1, rlim_max };
	}
	cputime_arm(k, p);
}

/** struct itimerval: 32-bit seconds and microseconds, of the interval and of the time left. */
function itimerval_bytes(k: Kernel, p: proc, which: number): Uint8Array {
	const words = new Uint32Array(4);
	const put = (i: number, ns: number): void => {
		const us = Math.ceil(ns / 1000);
		words[i] = Math.floor(us / 1e6);
		words[i + 1] = us % 1e6;
	};
	const { it_interval, it_deadline } = p.p_timers[which]!;
	put(0, it_interval);
	const left = it_deadline - itimer_now(k, p.p_lwp!, which);
	if (left < NEVER) put(2, Math.max(1000, left));
	return new Uint8Array(words.buffer);
}

/** => 0, EFAULT, EINVAL. */
function* sys_getitimer(k: Kernel, p: proc, which: number, value: number): Sleeps<number> {
	if (which >= SIGNALS.length) return -EINVAL;
	return -(yield* copyout(k, p.p_vmspace!.vm_map, itimerval_bytes(k, p, which), value));
}

/** => 0, EFAULT, EINVAL. */
function* sys_setitimer(
	k: Kernel,
	p: proc,
	which: number,
	value: number,
	old: number,
): Sleeps<number> {
	if (which >= SIGNALS.length) return -EINVAL;
	const { vm_map: map } = p.p_vmspace!;
	const words = new Uint32Array(4);
	if (value !== 0 && (yield* copyin(k, map, value, new Uint8Array(words.buffer))) !== 0) {
		return -EFAULT;
	}
	if (words[1]! >= 1e6 || words[3]! >= 1e6) return -EINVAL;
	if (old !== 0) {
		const error = yield* copyout(k, map, itimerval_bytes(k, p, which), old);
		if (error !== 0) return -error;
	}
	// Without a value the timer stops.
	const next = words[2]! * 1e9 + words[3]! * 1000;
	const timer = p.p_timers[which]!;
	timer.it_interval = words[0]! * 1e9 + words[1]! * 1000;
	timer.it_deadline = next === 0 ? NEVER : itimer_now(k, p.p_lwp!, which) + next;
	if (which === ITIMER_REAL) timer_arm_by(k, timer.it_deadline);
	else cputime_arm(k, p);
	return 0;
}
