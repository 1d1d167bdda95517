/** The timer of the hart: it wakes sleepers that time out and ends time slices (stimecmp). */
import { CYCLES_PER_TIME_TICK, PORT_CYCLES, PORT_STIMECMP } from "../../../machine/port.ts";
import type { Kernel } from "../../kernel.ts";
import type { lwp } from "../core/kern_lwp.ts";

/** A time slice: 10 ms of virtual time, in cycles. */
const QUANTUM = 10_000_000;

/** Have the timer interrupt at cycle `when`, or before. */
export function timer_arm_by(k: Kernel, when: number): void {
	k.nextwakeup = Math.min(k.nextwakeup, when);
	timer_advance(k, when);
}

/** The running thread has a new timer of processor time (l_cpudue). */
export function timer_arm_cputime(k: Kernel, l: lwp): void {
	timer_advance(k, k.port.cycles + Math.max(0, l.l_cpudue - l.l_utime - l.l_stime));
}

function timer_advance(k: Kernel, when: number): void {
	k.port.stimecmp = Math.min(k.port.stimecmp, Math.ceil(when / CYCLES_PER_TIME_TICK));
}

/**
 * Have the timer interrupt after `cycles`, when a timer of processor time of `l` is due, or at the
 * next timeout or callout.
 */
function timer_arm(k: Kernel, cycles: number, l: lwp | null): void {
	const { times } = k.port;
	let after = cycles;
	if (l !== null) after = Math.min(after, Math.max(0, l.l_cpudue - l.l_utime - l.l_stime));
	const when = Math.min(times[PORT_CYCLES]! + after, k.nextwakeup, k.nextcallout);
	times[PORT_STIMECMP] = Math.ceil(when / CYCLES_PER_TIME_TICK);
	k.port.stimecmpWritten();
}

/** Start a time slice of a thread; it ends early when a timer of processor time is due. */
export const timer_quantum = (k: Kernel, l: lwp): void => timer_arm(k, QUANTUM, l);

/** No thread runs: the timer is needed only for the next timeout. */
export const timer_idle = (k: Kernel): void => timer_arm(k, Number.POSITIVE_INFINITY, null);

/** A thread runs in the kernel, perhaps one of several that never let the processor rest. */
export function timer_kernel(k: Kernel): void {
	const next = Math.min(k.nextwakeup, k.nextcallout);
	if (next < Number.POSITIVE_INFINITY) timer_advance(k, next);
}
