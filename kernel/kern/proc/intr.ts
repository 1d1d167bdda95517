/**
 * Interrupts: from devices through the PLIC, and the timer, which wakes sleepers that time out,
 * calls callouts, and ends a thread's time slice.
 */
import { PORT_CYCLES, SIP_SEIP, SIP_STIP } from "../../../machine/port.ts";
import { cons_intr } from "../../dev/cons.ts";
import { ld_intr, ld_timeout } from "../../dev/ld_virtio.ts";
import { plic_claim, plic_complete } from "../../dev/plic.ts";
import type { Kernel } from "../../kernel.ts";
import { wakeup_timeouts } from "../core/kern_synch.ts";
import { callout_due } from "../core/kern_timeout.ts";
import { itimer_check } from "./kern_itimer.ts";
import { timer_quantum } from "./timer.ts";
import { ITIMER_REAL } from "./timevar.ts";

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
	if (k.port.times[PORT_CYCLES]! >= k.nextwakeup) hardclock(k);
	if (k.port.times[PORT_CYCLES]! >= k.nextcallout) softclock(k);
	timer_quantum(k, k.curlwp);
	return k.runkernel.head !== null || k.runuser.head !== null;
}

/** Wake sleepers, and fire the interval timers of processes, that are due. */
function hardclock(k: Kernel): void {
	wakeup_timeouts(k);
	for (const p of k.procs) {
		if (p.p_lwp !== null) itimer_check(k, p, ITIMER_REAL);
		k.nextwakeup = Math.min(k.nextwakeup, p.p_timers[ITIMER_REAL]!.it_deadline);
	}
}

/** Call the functions that are due. */
function softclock(k: Kernel): void {
	for (let c = callout_due(k); c !== null; c = callout_due(k)) {
		switch (c.c_func) {
			case "ld_timeout":
				ld_timeout(k, k.lds[c.c_arg]!);
		}
	}
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
