/**
 * Functions that are called later (sys/kern/kern_timeout.c, callout(9)). A callout names its
 * function, so that it is plain data; softclock in kern/proc/intr.ts calls it.
 */
import { PORT_CYCLES } from "../../../machine/port.ts";
import type { Kernel } from "../../kernel.ts";

/** Names of functions: ld_timeout of the disk `c_arg`. */
export type callout_func = "ld_timeout";

export interface callout {
	/**
	 * The cycle at which it is due. Infinity: it is not pending. Here and not an argument: the host
	 * would allocate the number.
	 */
	c_time: number;
	readonly c_func: callout_func;
	readonly c_arg: number;
}

/** A callout that is not pending. => at boot: there are few, and they stay. */
export function callout_init(k: Kernel, func: callout_func, arg: number): callout {
	const c: callout = { c_time: Number.POSITIVE_INFINITY, c_func: func, c_arg: arg };
	k.callouts.push(c);
	return c;
}

/**
 * A callout has another c_time: have its function called then, and no earlier.
 * => the timer is armed when the processor next leaves the kernel or has nothing to do.
 */
export function callout_schedule(k: Kernel): void {
	let next = Number.POSITIVE_INFINITY;
	for (const { c_time } of k.callouts) next = Math.min(next, c_time);
	k.nextcallout = next;
}

export function callout_stop(k: Kernel, c: callout): void {
	c.c_time = Number.POSITIVE_INFINITY;
	callout_schedule(k);
}

/** A callout that is due, now no longer pending; or null. */
export function callout_due(k: Kernel): callout | null {
	const now = k.port.times[PORT_CYCLES]!;
	for (const c of k.callouts) {
		if (c.c_time > now) continue;
		callout_stop(k, c);
		return c;
	}
	return null;
}
