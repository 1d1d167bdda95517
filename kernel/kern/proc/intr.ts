/**
 * Interrupts: from devices through the PLIC, and the timer, which wakes sleepers that time out and
 * ends a thread's time slice.
 */
import { CYCLES_PER_TIME_TICK, SIP_SEIP, SIP_STIP } from "../../../machine/port.ts";
import { cons_intr } from "../../dev/cons.ts";
import { ld_intr } from "../../dev/ld_virtio.ts";
import { plic_claim, plic_complete } from "../../dev/plic.ts";
import type { Kernel } from "../../kernel.ts";
import { wakeup_timeouts } from "../core/kern_synch.ts";
import { SI_KERNEL, SIGALRM } from "../core/signal.ts";
import { psignal } from "./kern_sig.ts";

/** A time slice: 10 ms of virtual time, in cycles. */
const QUANTUM = 10_000_000;

/** Is an enabled interrupt pending? */
export const intr_pending = (k: Kernel): boolean => (k.port.sip & k.port.sie) !== 0;

/**
 * Serve the interrupts that are pending. => never sleeps.
 * => true if the running thread should be preempted by another one.
 */
export function cpu_intr(k: Kernel): boolean {
	const pending = k.port.sip & k.port.sie;
	if ((pending & SIP_SEIP) !== 0) plic_intr(k);
	if ((pending & SIP_STIP) === 0) return k.runkernel.head !== null;
	k.uvmexp.intrs++;
	k.watch.trace?.interrupt("timer");
	if (k.port.cycles >= k.nextwakeup) hardclock(k);
	timer_arm(k, QUANTUM);
	return k.runkernel.head !== null || k.runuser.head !== null;
}

/** Wake sleepers, and fire the interval timers of processes, that are due. */
function hardclock(k: Kernel): void {
	wakeup_timeouts(k);
	const now = k.port.cycles;
	for (const p of k.procs) {
		if (p.p_realtimer <= now) {
			p.p_realtimer = p.p_realinterval > 0 ? now + p.p_realinterval : Number.POSITIVE_INFINITY;
			psignal(k, p, SIGALRM, SI_KERNEL);
		}
		k.nextwakeup = Math.min(k.nextwakeup, p.p_realtimer);
	}
}

/** Have the timer interrupt at cycle `when`, or before. */
export function timer_arm_by(k: Kernel, when: number): void {
	k.nextwakeup = Math.min(k.nextwakeup, when);
	k.port.stimecmp = Math.min(k.port.stimecmp, Math.ceil(when / CYCLES_PER_TIME_TICK));
}

/** Serve the pending interrupts of devices. */
function plic_intr(k: Kernel): void {
	for (let irq = plic_claim(k); irq !== 0; irq = plic_claim(k)) {
		k.uvmexp.intrs++;
		const ih = k.plic!.handlers[irq] ?? null;
		if (ih !== null) k.watch.trace?.interrupt(`${ih.ih_driver}${ih.ih_unit}`);
		if (ih !== null && ih.ih_driver === "ld") ld_intr(k, k.lds[ih.ih_unit]!);
		else if (ih !== null) cons_intr(k);
		plic_complete(k, irq);
	}
}

/** Have the timer interrupt after `cycles`, or at the next timeout. */
function timer_arm(k: Kernel, cycles: number): void {
	const when = Math.min(k.port.cycles + cycles, k.nextwakeup);
	k.port.stimecmp = Math.ceil(when / CYCLES_PER_TIME_TICK);
}

/** Start a thread's time slice. */
export const timer_quantum = (k: Kernel): void => timer_arm(k, QUANTUM);

/** No thread runs: the timer is needed only for the next timeout. */
export const timer_idle = (k: Kernel): void => timer_arm(k, Number.POSITIVE_INFINITY);
