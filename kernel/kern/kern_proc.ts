/**
 * Processes (sys/proc.h).
 */
import type { vmspace } from "../uvm/uvm_map.ts";
import type { lwp } from "./kern_lwp.ts";
import type { shmmap } from "./sysv_shm.ts";

/** Signals that end a process (sys/signal.h). */
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGBUS = 7;
export const SIGKILL = 9;
export const SIGSEGV = 11;

/** How a process ended. */
export interface proc_exit {
	/** Exit status, or 0 if a signal ended it. */
	readonly code: number;
	/** The signal that ended it, or 0. */
	readonly signal: number;
	/** Where: the program counter and the address of the access; only with a signal. */
	readonly pc: number;
	readonly addr: number;
	/** Why, in a word or two: "out of swap"; empty if the signal says it all. */
	readonly reason: string;
}

export interface proc {
	readonly p_pid: number;
	readonly p_comm: string;
	p_vmspace: vmspace | null;
	p_lwp: lwp | null;
	/** Attached shared memory segments. */
	readonly p_shm: shmmap[];
	p_exit: proc_exit | null;
}
