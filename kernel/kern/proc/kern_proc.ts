/**
 * Processes (sys/proc.h).
 */
import { list_remove } from "../../../sys/list.ts";
import type { Kernel } from "../../kernel.ts";
import type { vmspace } from "../../uvm/uvm_map.ts";
import { pool_prime_wait } from "../../uvm/uvm_wait.ts";
import type { lwp } from "../core/kern_lwp.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import type { rlimit } from "../core/rlimit.ts";
import {
	type ksiginfo,
	NSIG,
	SIGCHLD,
	type sigaction,
	sigaction_default,
	sigemptyset,
	type sigset,
} from "../core/signal.ts";
import { pool_put, pool_take } from "../core/subr_pool.ts";
import type { shmmap } from "../sys/sysv_shm.ts";
import type { filedesc } from "./file.ts";
import { limit0, type rusage, rusage_clear, rusage_zero } from "./resource.ts";
import { type itimer, itimers_none } from "./timevar.ts";
import { cred0, type ucred } from "./ucred.ts";

/** How a process ended. */
export interface proc_exit {
	/** Exit status, or 0 if a signal ended it. */
	readonly code: number;
	/** The signal that ended it, or 0. */
	readonly signal: number;
	/** Its memory has been written to a file. */
	readonly coredump: boolean;
	/** Where: the program counter and the address of the access; only with a signal. */
	readonly pc: number;
	readonly addr: number;
	/** Why, in a word or two: "out of swap"; empty if the signal says it all. */
	readonly reason: string;
}

/** A process. Its record is used again when it is gone (proc_free). */
export interface proc {
	p_pid: number;
	p_comm: string;
	/** Shared with the parent between vfork and exec; null once the process has ended. */
	p_vmspace: vmspace | null;
	/** null once the process has ended. */
	p_lwp: lwp | null;
	/** null for the first process, and for one whose parent has exited: no process waits for it. */
	p_pptr: proc | null;
	readonly p_children: proc[];
	p_pgid: number;
	p_sid: number;
	/** Attached shared memory segments. */
	readonly p_shm: shmmap[];
	/** null once the process has ended. */
	p_fd: filedesc | null;
	p_umask: number;
	/** Never changed in place: processes share it. */
	p_cred: ucred;
	/** By RLIMIT_ number. */
	readonly p_rlimit: rlimit[];

	/** By signal number. */
	readonly p_sigacts: sigaction[];
	p_sigmask: sigset;
	/** Mask to restore after sigsuspend, or null. */
	p_sigoldmask: sigset | null;
	/** Blocked signals that sigtimedwait waits for; they still count as blocked. */
	p_sigwait: sigset;
	/** Pending signals, and what is told of each, in the order in which they came. */
	p_siglist: sigset;
	p_siginfo: ksiginfo[];
	/** Alternate signal stack: size 0 for none. */
	p_sigstk: sigstk;
	/** The signal that has stopped it, or 0; and whether wait has reported that. */
	p_stopsig: number;
	p_waited: boolean;
	p_continued: boolean;
	/** Interval timers by ITIMER_ number. */
	readonly p_timers: itimer[];
	/** The signal to send to it when its parent exits (PR_SET_PDEATHSIG), or 0. */
	p_pdeathsig: number;
	/** PR_SET_DUMPABLE and PR_SET_NO_NEW_PRIVS. */
	p_dumpable: number;
	p_nnp: boolean;

	/** The signal to send to the parent at exit: SIGCHLD, unless clone named another. */
	p_exitsig: number;
	/** The parent sleeps until this process execs or exits (vfork). */
	p_vforked: boolean;
	/** CLONE_CHILD_CLEARTID: an address to clear at exit, or 0. */
	p_cleartid: number;
	/** Address of its list of robust futexes (set_robust_list), or 0. */
	p_robust: number;
	p_exit: proc_exit | null;
	readonly p_ru: rusage;
	/** Of children that were waited for. */
	readonly p_cru: rusage;
}

/** An alternate signal stack (stack_t). */
export interface sigstk {
	readonly ss_sp: number;
	readonly ss_size: number;
}

export const SIGSTK_NONE: sigstk = { ss_sp: 0, ss_size: 0 };

/**
 * A process without memory, thread and files, which the caller provides. It has its parent's
 * limits, signal actions, mask and group; without a parent, the defaults and a group of its own.
 * => the caller has provided the memory (proc_prime).
 */
export function proc_create(k: Kernel, comm: string, parent: proc | null): proc {
	pool_take(k, k.pools.procpl);
	pool_take(k, k.pools.sigapl);
	const p = k.proc_cache.pop() ?? proc_new();
	proc_init(p, k.nextpid++, comm, parent);
	k.procs.push(p);
	parent?.p_children.push(p);
	return p;
}

/** How many records are kept. */
const PROC_CACHE_MAX = 64;

/** A record for proc_init. */
const proc_new = (): proc => ({
	p_pid: 0,
	p_comm: "",
	p_vmspace: null,
	p_lwp: null,
	p_pptr: null,
	p_children: [],
	p_pgid: 0,
	p_sid: 0,
	p_shm: [],
	p_fd: null,
	p_umask: 0,
	p_cred: cred0(),
	p_rlimit: limit0(),
	p_sigacts: new Array(NSIG).fill(sigaction_default()),
	p_sigmask: sigemptyset(),
	p_sigoldmask: null,
	p_sigwait: sigemptyset(),
	p_siglist: sigemptyset(),
	p_siginfo: [],
	p_sigstk: SIGSTK_NONE,
	p_stopsig: 0,
	p_waited: false,
	p_continued: false,
	p_timers: itimers_none(),
	p_pdeathsig: 0,
	p_dumpable: 1,
	p_nnp: false,
	p_exitsig: SIGCHLD,
	p_vforked: false,
	p_cleartid: 0,
	p_robust: 0,
	p_exit: null,
	p_ru: rusage_zero(),
	p_cru: rusage_zero(),
});

/** Whatever the record was: a new process. */
function proc_init(p: proc, pid: number, comm: string, parent: proc | null): void {
	p.p_pid = pid;
	p.p_comm = comm;
	p.p_vmspace = null;
	p.p_lwp = null;
	p.p_pptr = parent;
	while (p.p_children.length > 0) p.p_children.pop();
	p.p_pgid = parent?.p_pgid ?? pid;
	p.p_sid = parent?.p_sid ?? pid;
	while (p.p_shm.length > 0) p.p_shm.pop();
	p.p_fd = null;
	p.p_umask = parent?.p_umask ?? 0o022;
	p.p_cred = parent?.p_cred ?? cred0();
	const limits = parent?.p_rlimit ?? limit0();
	for (let i = 0; i < limits.length; i++) p.p_rlimit[i] = limits[i]!;
	if (parent === null) p.p_sigacts.fill(sigaction_default());
	else for (let i = 0; i < NSIG; i++) p.p_sigacts[i] = parent.p_sigacts[i]!;
	p.p_sigmask = parent?.p_sigmask ?? sigemptyset();
	p.p_sigoldmask = null;
	p.p_sigwait = sigemptyset();
	p.p_siglist = sigemptyset();
	while (p.p_siginfo.length > 0) p.p_siginfo.pop();
	p.p_sigstk = SIGSTK_NONE;
	p.p_stopsig = 0;
	p.p_waited = p.p_continued = false;
	for (let i = 0; i < p.p_timers.length; i++) {
		const timer = p.p_timers[i]!;
		timer.it_deadline = Number.POSITIVE_INFINITY;
		timer.it_interval = 0;
	}
	p.p_pdeathsig = 0;
	p.p_dumpable = parent?.p_dumpable ?? 1;
	p.p_nnp = parent?.p_nnp ?? false;
	p.p_exitsig = SIGCHLD;
	p.p_vforked = false;
	p.p_cleartid = 0;
	p.p_robust = 0;
	p.p_exit = null;
	rusage_clear(p.p_ru);
	rusage_clear(p.p_cru);
}

/**
 * Have memory for a process, its thread and its descriptors.
 * => false: there is none. Sleeps; what it provides is there until the caller sleeps again.
 */
export function* proc_prime(k: Kernel): Sleeps<boolean> {
	return yield* pool_prime_wait(k, k.pools.ofproc);
}

/** The first process: whoever has started the system asks it how it has ended. */
const INIT_PID = 1;

/**
 * Forget a process that has ended, or never began. => nothing refers to it.
 * => until another process is made, its record tells how it ended, and what it used.
 */
export function proc_free(k: Kernel, p: proc): void {
	list_remove(k.procs, p);
	pool_put(k.pools.procpl);
	pool_put(k.pools.sigapl);
	if (p.p_pid !== INIT_PID && k.proc_cache.length < PROC_CACHE_MAX) k.proc_cache.push(p);
}

export const pfind = (k: Kernel, pid: number): proc | undefined =>
	k.procs.find((p) => p.p_pid === pid);
