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

export interface proc {
	readonly p_pid: number;
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
	/** The parts of it that another process will have. */
	readonly p_parts: proc_parts;
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
	const pid = k.nextpid++;
	const parts = proc_parts(k, parent);
	const p: proc = {
		p_pid: pid,
		p_comm: comm,
		p_vmspace: null,
		p_lwp: null,
		p_pptr: parent,
		p_children: parts.p_children,
		p_pgid: parent?.p_pgid ?? pid,
		p_sid: parent?.p_sid ?? pid,
		p_shm: parts.p_shm,
		p_fd: null,
		p_umask: parent?.p_umask ?? 0o022,
		p_cred: parent?.p_cred ?? cred0(),
		p_rlimit: parts.p_rlimit,
		p_sigacts: parts.p_sigacts,
		p_sigmask: parent?.p_sigmask ?? sigemptyset(),
		p_sigoldmask: null,
		p_sigwait: sigemptyset(),
		p_siglist: sigemptyset(),
		p_siginfo: parts.p_siginfo,
		p_sigstk: SIGSTK_NONE,
		p_stopsig: 0,
		p_waited: false,
		p_continued: false,
		p_timers: parts.p_timers,
		p_pdeathsig: 0,
		p_dumpable: parent?.p_dumpable ?? 1,
		p_nnp: parent?.p_nnp ?? false,
		p_exitsig: SIGCHLD,
		p_vforked: false,
		p_cleartid: 0,
		p_robust: 0,
		p_exit: null,
		p_ru: parts.p_ru,
		p_cru: parts.p_cru,
		p_parts: parts,
	};
	k.procs.push(p);
	parent?.p_children.push(p);
	return p;
}

/** What a process that has ended leaves to another. */
export interface proc_parts {
	readonly p_children: proc[];
	readonly p_shm: shmmap[];
	readonly p_siginfo: ksiginfo[];
	readonly p_rlimit: rlimit[];
	readonly p_sigacts: sigaction[];
	readonly p_timers: itimer[];
	readonly p_ru: rusage;
	readonly p_cru: rusage;
}

/** How many are kept. */
const PARTS_FREE_MAX = 64;

/** Limits and signal actions as those of the parent; no timer runs; all else is empty. */
function proc_parts(k: Kernel, parent: proc | null): proc_parts {
	const parts = k.proc_parts.pop() ?? {
		p_children: [],
		p_shm: [],
		p_siginfo: [],
		p_rlimit: limit0(),
		p_sigacts: new Array(NSIG).fill(sigaction_default()),
		p_timers: itimers_none(),
		p_ru: rusage_zero(),
		p_cru: rusage_zero(),
	};
	rusage_clear(parts.p_ru);
	rusage_clear(parts.p_cru);
	if (parent === null) {
		parts.p_rlimit.splice(0, parts.p_rlimit.length, ...limit0());
		parts.p_sigacts.fill(sigaction_default());
		return parts;
	}
	for (let i = 0; i < parent.p_rlimit.length; i++) parts.p_rlimit[i] = parent.p_rlimit[i]!;
	for (let i = 0; i < NSIG; i++) parts.p_sigacts[i] = parent.p_sigacts[i]!;
	return parts;
}

/**
 * Nobody but one who asks what it used looks at them any more.
 * => its children and what was told of signals are gone
 */
function proc_parts_free(k: Kernel, parts: proc_parts): void {
	if (k.proc_parts.length >= PARTS_FREE_MAX) return;
	while (parts.p_children.length > 0) parts.p_children.pop();
	while (parts.p_shm.length > 0) parts.p_shm.pop();
	while (parts.p_siginfo.length > 0) parts.p_siginfo.pop();
	for (let i = 0; i < parts.p_timers.length; i++) {
		const timer = parts.p_timers[i]!;
		timer.it_deadline = Number.POSITIVE_INFINITY;
		timer.it_interval = 0;
	}
	k.proc_parts.push(parts);
}

/**
 * Have memory for a process, its thread and its descriptors.
 * => false: there is none. Sleeps; what it provides is there until the caller sleeps again.
 */
export function* proc_prime(k: Kernel): Sleeps<boolean> {
	return yield* pool_prime_wait(k, k.pools.ofproc);
}

/** Forget a process that has ended, or never began. => nothing refers to it. */
export function proc_free(k: Kernel, p: proc): void {
	list_remove(k.procs, p);
	pool_put(k.pools.procpl);
	pool_put(k.pools.sigapl);
	proc_parts_free(k, p.p_parts);
}

export const pfind = (k: Kernel, pid: number): proc | undefined =>
	k.procs.find((p) => p.p_pid === pid);
