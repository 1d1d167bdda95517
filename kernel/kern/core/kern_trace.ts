/**
 * The calls that the kernel makes to a tracer, each at the cycle of its event (k.port.cycles). They
 * must change nothing.
 */
import type { vm_prot_t } from "../../../sys/vmparam.ts";
import type { lwp } from "./kern_lwp.ts";

export interface kernel_trace {
	/** `l` gets, or gives up, the processor, in the kernel or in user mode. */
	oncpu(l: lwp): void;
	offcpu(l: lwp): void;
	/** `args`: a0 to a5. */
	syscall(l: lwp, number: number, args: Int32Array): void;
	/** => `value` is the result, or a negative errno. */
	sysret(l: lwp, value: number): void;
	fault(l: lwp, va: number, access: vm_prot_t): void;
	/** => `slept`: for memory or I/O. */
	faultdone(l: lwp, error: number, slept: boolean): void;
	/** `source`: "timer", or a driver's name and unit. */
	interrupt(source: string): void;
	/** The thread is about to take a signal. */
	signal(l: lwp, sig: number): void;
	/** The process has started another program. */
	exec(l: lwp): void;
}
