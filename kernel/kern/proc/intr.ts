/**
 * Interrupts: from devices through the PLIC, and the timer, which wakes sleepers whose time is
 * over and ends a thread's turn.
 */
import { CYCLES_PER_TIME_TICK, SIP_SEIP, SIP_STIP } from "../../../machine/port.ts";
import { cons_intr } from "../../dev/cons.ts";
import { ld_intr } from "../../dev/ld_virtio.ts";
import { plic_claim, plic_complete } from "../../dev/plic.ts";
import type { Kernel } from "../../kernel.ts";
import { wakeup_timeouts } from "../core/kern_synch.ts";
import { SI_KERNEL, SIGALRM } from "../core/signal.ts";
import { psignal } from "./kern_sig.ts";

/** A thread's turn: 10 ms of virtual time, in cycles. */
const QUANTUM = 10_000_000;

/** Is an interrupt waiting that is enabled? */
export const intr_pending = (k: Kernel): boolean => (k.port.sip & k.port.sie) !== 0;

/**
 * Serve the interrupts that are pending. => never sleeps.
 * => true if the running thread's turn is over and another one waits.
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

/** What falls due by time: sleepers, and interval timers of processes. */
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

/** Something falls due at cycle `when`. */
export function timer_arm_by(k: Kernel, when: number): void {
	k.nextwakeup = Math.min(k.nextwakeup, when);
	k.port.stimecmp = Math.min(k.port.stimecmp, Math.ceil(when / CYCLES_PER_TIME_TICK));
}

/** Serve every device that asks. */
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

/** Have the timer interrupt after `cycles`, or when the next sleeper's time is over. */
function timer_arm(k: Kernel, cycles: number): void {
	const when = Math.min(k.port.cycles + cycles, k.nextwakeup);
	k.port.stimecmp = Math.ceil(when / CYCLES_PER_TIME_TICK);
}

/** A thread begins its turn. */
export const timer_quantum = (k: Kernel): void => timer_arm(k, QUANTUM);

/** Nobody runs: only sleepers with a timeout need the timer. */
export const timer_idle = (k: Kernel): void => timer_arm(k, Number.POSITIVE_INFINITY);
