/**
 * Threads. A user thread is a register file that runs on the hart; while it is inside the kernel
 * and may sleep it is also a generator. A kernel thread is only what takes the place of one.
 */
import { list_remove } from "../../../sys/list.ts";
import type { Kernel } from "../../kernel.ts";
import type { uvm_faultinfo } from "../../uvm/uvm_fault.ts";
import type { proc } from "../proc/kern_proc.ts";
import { type fpreg, fpreg_clear, fpreg_new } from "./fpu.ts";
import { LSONPROC, LSSLEEP, LSZOMB, type Sleeps, setrunnable } from "./kern_synch.ts";
import { pool_put, pool_take } from "./subr_pool.ts";

/** l_restart: never; unless a handler without SA_RESTART runs; unless any handler runs. */
export const RESTART_NO = 0;
export const RESTART_SYS = 1;
export const RESTART_NOHAND = 2;

/** Arguments of a system call: a0 to a5. */
export const ARGS = 6;

/** A futex that a thread waits for (sys_futex.ts): what it lies in, where, and for which wakes. */
export interface futexwait {
	readonly fw_obj: object;
	readonly fw_off: number;
	readonly fw_bitset: number;
}

/** What the processor resumes: a generator, or what takes the place of one. */
export interface resumable {
	next(): { readonly done?: boolean };
}

/** A thread. Its record is used again when it is gone (lwp_free). */
export interface lwp {
	l_lid: number;
	l_name: string;
	/** null for a kernel thread. */
	l_proc: proc | null;
	/** LSRUN, LSSLEEP, LSONPROC or LSZOMB. */
	l_stat: number;
	/** What it sleeps on, and why; null unless LSSLEEP. */
	l_wchan: object | null;
	l_wmesg: string;
	/** A signal may end the sleep (PCATCH). */
	l_sinterruptible: boolean;
	/** Cycle at which the sleep times out, or Infinity; and whether it did. */
	l_wakecycle: number;
	l_timedout: boolean;
	/** Sleep queues: all sleepers; those of l_wchan, whose first refers to the last. */
	l_sleepnext: lwp | null;
	l_sleepprev: lwp | null;
	l_channext: lwp | null;
	l_chanprev: lwp | null;
	/** How many had gone to sleep before; index in sq_timed, or -1. */
	l_sleepseq: number;
	l_timedidx: number;
	/**
	 * The rest of a system call, fault or kernel thread; null while in user mode; k.callagain: a
	 * system call that is started again: when the thread wakes, or at once (EKERNEL).
	 */
	l_kernel: resumable | null;
	/** The call, fault or scan of the page daemon that sleeps, if that takes a generator. */
	l_call: Sleeps<number> | null;
	/** With k.faultrest: the fault, and its address. */
	l_fault: uvm_faultinfo | null;
	l_faultva: number;
	/** User registers and pc while another thread owns the hart's. */
	readonly l_regs: Int32Array;
	l_pc: number;
	readonly l_fpregs: fpreg;
	/** a0 to a5 of its latest system call, which may read them also after it has slept. */
	readonly l_args: Uint32Array;
	/** Runs ahead of threads that return to user mode. */
	l_system: boolean;
	l_runnext: lwp | null;
	/** User address whose page a system call could not get for lack of memory; or -1. */
	l_nomem: number;
	/** Whether to restart the system call that a signal has interrupted: RESTART_. */
	l_restart: number;
	/** Cycle at which a timed sleep ends in a call that is restarted; Infinity: none. */
	l_deadline: number;
	/** The system call that it sleeps in has had no effect yet, so it can be started again. */
	l_again: boolean;
	/** What such a call has copied in, piece by piece. It does not modify the pieces. */
	readonly l_copied: Uint8Array[];
	/** Index of the piece that copyin returns next, while the call is started again; or -1. */
	l_recall: number;
	/** The futex it waits for; null when it has been woken. */
	l_futex: futexwait | null;
	/** It gives up the rest of its turn (sched_yield). */
	l_yield: boolean;
	/** Faults that needed no I/O, and those that did (getrusage). */
	l_minflt: number;
	l_majflt: number;
	/** Cycles in user mode, and in the kernel on its behalf. */
	l_utime: number;
	l_stime: number;
	/** Both together, at which a timer of processor time or its limit may be due, or Infinity. */
	l_cpudue: number;
}

/** => its memory was provided (pool_prime). */
export function lwp_create(k: Kernel, name: string, p: proc | null, kernel: resumable | null): lwp {
	pool_take(k, k.pools.lwppl);
	const l = k.lwp_cache.pop() ?? lwp_new();
	lwp_init(l, k.nextlid++, name, p, kernel);
	k.lwps.push(l);
	return l;
}

/** Start a kernel thread whose body is `body` (kthread_create(9)). */
export function kthread_create(k: Kernel, name: string, body: resumable): lwp {
	const l = lwp_create(k, name, null, body);
	setrunnable(k, l);
	return l;
}

/** How many are kept. */
const LWP_CACHE_MAX = 64;

/**
 * Forget a thread that will never run again. => until another thread is made, its record tells
 * whose it was.
 */
export function lwp_free(k: Kernel, l: lwp): void {
	l.l_stat = LSZOMB;
	l.l_kernel = null;
	l.l_call = null;
	l.l_fault = null;
	l.l_futex = null;
	while (l.l_copied.length > 0) l.l_copied.pop();
	if (k.lwps.includes(l)) {
		list_remove(k.lwps, l);
		pool_put(k.pools.lwppl);
		if (k.lwp_cache.length < LWP_CACHE_MAX) k.lwp_cache.push(l);
	}
	if (k.hartlwp === l) k.hartlwp = null;
}

/** The user registers of a thread, wherever they are now. => not across a sleep. */
export const lwp_regs = (k: Kernel, l: lwp): Int32Array => (k.hartlwp === l ? k.port.x : l.l_regs);

/** The program counter at which a thread resumes in user mode. => as lwp_regs. */
export const lwp_pc = (k: Kernel, l: lwp): number => (k.hartlwp === l ? k.port.pc : l.l_pc);

export function lwp_setpc(k: Kernel, l: lwp, pc: number): void {
	if (k.hartlwp === l) k.port.pc = pc;
	else l.l_pc = pc;
}

/** The boot thread: it belongs to no process and never sleeps. */
export function lwp_boot(): lwp {
	const l = lwp_new();
	lwp_init(l, 0, "boot", null, null);
	l.l_stat = LSONPROC;
	return l;
}

/** A record for lwp_init. */
const lwp_new = (): lwp => ({
	l_lid: 0,
	l_name: "",
	l_proc: null,
	l_stat: LSZOMB,
	l_wchan: null,
	l_wmesg: "",
	l_sinterruptible: false,
	l_wakecycle: Number.POSITIVE_INFINITY,
	l_timedout: false,
	l_sleepnext: null,
	l_sleepprev: null,
	l_channext: null,
	l_chanprev: null,
	l_sleepseq: 0,
	l_timedidx: -1,
	l_kernel: null,
	l_call: null,
	l_fault: null,
	l_faultva: 0,
	l_regs: new Int32Array(32),
	l_pc: 0,
	l_fpregs: fpreg_new(),
	l_args: new Uint32Array(ARGS),
	l_system: false,
	l_runnext: null,
	l_nomem: -1,
	l_restart: RESTART_NO,
	l_deadline: Number.POSITIVE_INFINITY,
	l_again: false,
	l_copied: [],
	l_recall: -1,
	l_futex: null,
	l_yield: false,
	l_minflt: 0,
	l_majflt: 0,
	l_utime: 0,
	l_stime: 0,
	l_cpudue: Number.POSITIVE_INFINITY,
});

/** Whatever the record was: a new thread, which is not on a queue yet. */
function lwp_init(
	l: lwp,
	lid: number,
	name: string,
	p: proc | null,
	kernel: resumable | null,
): void {
	l.l_lid = lid;
	l.l_name = name;
	l.l_proc = p;
	l.l_stat = LSSLEEP;
	l.l_wchan = null;
	l.l_wmesg = "";
	l.l_sinterruptible = false;
	l.l_wakecycle = Number.POSITIVE_INFINITY;
	l.l_timedout = false;
	l.l_sleepnext = l.l_sleepprev = null;
	l.l_channext = l.l_chanprev = null;
	l.l_sleepseq = 0;
	l.l_timedidx = -1;
	l.l_kernel = kernel;
	l.l_call = null;
	l.l_fault = null;
	l.l_faultva = 0;
	l.l_regs.fill(0);
	l.l_pc = 0;
	fpreg_clear(l.l_fpregs);
	l.l_args.fill(0);
	l.l_system = p === null;
	l.l_runnext = null;
	l.l_nomem = -1;
	l.l_restart = RESTART_NO;
	l.l_deadline = Number.POSITIVE_INFINITY;
	l.l_again = false;
	while (l.l_copied.length > 0) l.l_copied.pop();
	l.l_recall = -1;
	l.l_futex = null;
	l.l_yield = false;
	l.l_minflt = l.l_majflt = 0;
	l.l_utime = l.l_stime = 0;
	l.l_cpudue = Number.POSITIVE_INFINITY;
}
