/** Signals (sys/kern/kern_sig.c): posting, and what happens when one is taken. */
import type { Kernel } from "../../kernel.ts";
import type { lwp } from "../core/kern_lwp.ts";
import { LSSLEEP, unsleep, wakeup } from "../core/kern_synch.ts";
import {
	CLD_CONTINUED,
	ksi_init,
	type ksiginfo,
	NSIG,
	SA_NOCLDSTOP,
	SI_USER,
	SIG_DFL,
	SIG_IGN,
	SIGABRT,
	SIGBUS,
	SIGCHLD,
	SIGCONT,
	SIGFPE,
	SIGILL,
	SIGKILL,
	SIGQUIT,
	SIGRTMIN,
	SIGSEGV,
	SIGSTOP,
	SIGSYS,
	SIGTRAP,
	SIGTSTP,
	SIGTTIN,
	SIGTTOU,
	SIGURG,
	SIGWINCH,
	SIGXCPU,
	SIGXFSZ,
	sigfirst,
	sigismember,
	sigispending,
	sigmask,
	sigminusset,
	sigplusset,
	type sigset,
} from "../core/signal.ts";
import type { proc } from "./kern_proc.ts";

/** Signals whose default is to be ignored, to stop the process, to end it with a core dump. */
const SIGS_IGNORED = sigmask(SIGCHLD, SIGCONT, SIGURG, SIGWINCH);
const SIGS_STOP = sigmask(SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU);
const SIGS_CORE = sigmask(
	SIGQUIT,
	SIGILL,
	SIGTRAP,
	SIGABRT,
	SIGBUS,
	SIGFPE,
	SIGSEGV,
	SIGXCPU,
	SIGXFSZ,
	SIGSYS,
);
/** Signals that cannot be blocked, caught or ignored. */
export const SIGS_CANTMASK: sigset = sigmask(SIGKILL, SIGSTOP);

export const sig_valid = (sig: number): boolean => sig > 0 && sig < NSIG;

/** What a signal does to a process. */
export type sigdisposition = "ignore" | "catch" | "stop" | "kill";

export function sigdisposition(p: proc, sig: number): sigdisposition {
	const { sa_handler } = p.p_sigacts[sig]!;
	if (sa_handler === SIG_IGN) return "ignore";
	if (sa_handler !== SIG_DFL) return "catch";
	if (sigismember(SIGS_IGNORED, sig)) return "ignore";
	return sigismember(SIGS_STOP, sig) ? "stop" : "kill";
}

/** Does the signal's default action write the memory of the process to a file? */
export const sig_dumpscore = (sig: number): boolean => sigismember(SIGS_CORE, sig);

/** Forget the pending signals of a set. */
export function sigclear(p: proc, set: sigset): void {
	p.p_siglist = sigminusset(p.p_siglist, set);
	if (p.p_siginfo.length === 0) return;
	p.p_siginfo = p.p_siginfo.filter((info) => !sigismember(set, info.ksi_signo));
}

/**
 * Post a signal to a process.
 * => never sleeps. An interruptible sleep of the process ends, and so does a stop if the signal is
 *    SIGCONT or SIGKILL. An ignored signal is discarded, unless it is blocked.
 */
export function kpsignal(k: Kernel, p: proc, info: ksiginfo): void {
	if (sigpost_begin(k, p, info.ksi_signo)) sigpost(k, p, info);
}

/** kpsignal of a child's end, of which nothing is noted for a parent that ignores it. */
export function sigchld_post(
	k: Kernel,
	p: proc,
	child: proc,
	sig: number,
	code: number,
	status: number,
): void {
	if (sigpost_begin(k, p, sig)) sigpost(k, p, sigchld_info(child, sig, code, status));
}

/** What a signal does before it is taken. => whether it is to be taken. */
function sigpost_begin(k: Kernel, p: proc, sig: number): boolean {
	if (p.p_exit !== null) return false;
	if (sig === SIGCONT) sigclear(p, SIGS_STOP);
	else if (sigismember(SIGS_STOP, sig)) sigclear(p, sigmask(SIGCONT));
	if (p.p_stopsig !== 0 && (sig === SIGCONT || sig === SIGKILL)) {
		p.p_continued = sig === SIGCONT;
		p.p_stopsig = 0;
		wakeup(k, p);
		if (sig === SIGCONT) tell_parent(k, p, CLD_CONTINUED, SIGCONT);
	}
	// A blocked signal is kept: its action may change before it is taken, or sigtimedwait takes it.
	const held = sigismember(p.p_sigmask, sig) || sigismember(p.p_sigwait, sig);
	if (!held && sigdisposition(p, sig) === "ignore") return false;
	return sig >= SIGRTMIN || !sigismember(p.p_siglist, sig);
}

/** The signal is pending. */
function sigpost(k: Kernel, p: proc, info: ksiginfo): void {
	p.p_siglist = sigplusset(p.p_siglist, sigmask(info.ksi_signo));
	p.p_siginfo.push(info);
	const l = p.p_lwp;
	if (l === null || !sigispending(p)) return;
	if (l.l_stat === LSSLEEP && l.l_sinterruptible) unsleep(k, l);
}

/** Notify the parent that a process has stopped or continued. => as kpsignal. */
export function tell_parent(k: Kernel, p: proc, code: number, status: number): void {
	const parent = p.p_pptr;
	if (parent === null) return;
	wakeup(k, parent);
	if ((parent.p_sigacts[SIGCHLD]!.sa_flags & SA_NOCLDSTOP) !== 0) return;
	kpsignal(k, parent, sigchld_info(p, SIGCHLD, code, status));
}

/** What a parent is told of a child (CLD_). */
export function sigchld_info(p: proc, sig: number, code: number, status: number): ksiginfo {
	return ksi_init(sig, code, {
		ksi_pid: p.p_pid,
		ksi_uid: p.p_cred.cr_uid,
		ksi_status: status,
		ksi_utime: p.p_lwp?.l_utime ?? p.p_ru.ru_utime,
		ksi_stime: p.p_lwp?.l_stime ?? p.p_ru.ru_stime,
	});
}

/** Post a signal on behalf of the kernel, or of a process. => as kpsignal. */
export function psignal(
	k: Kernel,
	p: proc,
	sig: number,
	code = SI_USER,
	sender: proc | null = null,
): void {
	const ksi_pid = sender?.p_pid ?? 0;
	kpsignal(k, p, ksi_init(sig, code, { ksi_pid, ksi_uid: sender?.p_cred.cr_uid ?? 0 }));
}

/** Post a signal to a process group. => as kpsignal. */
export function pgsignal(k: Kernel, pgid: number, sig: number): void {
	for (const p of k.procs) if (p.p_pgid === pgid) psignal(k, p, sig);
}

/**
 * Take the pending signal with the lowest number, of several the one that came first.
 * => null: all are in `mask`, or there is none.
 */
export function sigget(p: proc, mask = p.p_sigmask): ksiginfo | null {
	const sig = sigfirst(sigminusset(p.p_siglist, mask));
	if (sig === 0) return null;
	const queue = p.p_siginfo;
	const [info] = queue.splice(
		queue.findIndex(({ ksi_signo }) => ksi_signo === sig),
		1,
	);
	if (!queue.some(({ ksi_signo }) => ksi_signo === sig)) {
		p.p_siglist = sigminusset(p.p_siglist, sigmask(sig));
	}
	return info!;
}

/** Does the thread have signals to handle before it returns to user mode? */
export const sig_userret = (l: lwp): boolean =>
	sigispending(l.l_proc!) || l.l_proc!.p_sigoldmask !== null;
