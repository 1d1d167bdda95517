/** Signals (sys/kern/kern_sig.c): posting, and what happens when one is taken. */
import type { Kernel } from "../../kernel.ts";
import type { lwp } from "../core/kern_lwp.ts";
import { LSSLEEP, unsleep, wakeup } from "../core/kern_synch.ts";
import {
	CLD_CONTINUED,
	type ksiginfo,
	NSIG,
	SA_NOCLDSTOP,
	SI_USER,
	SIG_DFL,
	SIG_IGN,
	SIGCHLD,
	SIGCONT,
	SIGKILL,
	SIGSTOP,
	SIGTSTP,
	SIGTTIN,
	SIGTTOU,
	SIGURG,
	SIGWINCH,
	sigispending,
	sigmask,
	type sigset,
} from "../core/signal.ts";
import type { proc } from "./kern_proc.ts";

/** Signals whose default is to be ignored, and those whose default is to stop the process. */
const SIGS_IGNORED = sigmask(SIGCHLD) | sigmask(SIGCONT) | sigmask(SIGURG) | sigmask(SIGWINCH);
const SIGS_STOP = sigmask(SIGSTOP) | sigmask(SIGTSTP) | sigmask(SIGTTIN) | sigmask(SIGTTOU);
/** Signals that cannot be blocked, caught or ignored. */
export const SIGS_CANTMASK: sigset = sigmask(SIGKILL) | sigmask(SIGSTOP);

export const sig_valid = (sig: number): boolean => sig > 0 && sig < NSIG;

/** What a signal does to a process. */
export type sigdisposition = "ignore" | "catch" | "stop" | "kill";

export function sigdisposition(p: proc, sig: number): sigdisposition {
	const { sa_handler } = p.p_sigacts[sig]!;
	if (sa_handler === SIG_IGN) return "ignore";
	if (sa_handler !== SIG_DFL) return "catch";
	if ((SIGS_IGNORED & sigmask(sig)) !== 0) return "ignore";
	return (SIGS_STOP & sigmask(sig)) !== 0 ? "stop" : "kill";
}

/**
 * Post a signal to a process.
 * => never sleeps. An interruptible sleep of the process ends, and so does a stop if the signal is
 *    SIGCONT or SIGKILL. An ignored signal is discarded, unless it is blocked.
 */
export function kpsignal(k: Kernel, p: proc, info: ksiginfo): void {
	const sig = info.ksi_signo;
	if (p.p_exit !== null) return;
	if (sig === SIGCONT) p.p_siglist &= ~SIGS_STOP;
	else if ((SIGS_STOP & sigmask(sig)) !== 0) p.p_siglist &= ~sigmask(SIGCONT);
	if (p.p_stopsig !== 0 && (sig === SIGCONT || sig === SIGKILL)) {
		p.p_continued = sig === SIGCONT;
		p.p_stopsig = 0;
		wakeup(k, p);
		if (sig === SIGCONT) tell_parent(k, p, CLD_CONTINUED, SIGCONT);
	}
	// A blocked signal is kept: its action may change before it is taken, or sigtimedwait takes it.
	const held = ((p.p_sigmask | p.p_sigwait) & sigmask(sig)) !== 0;
	if (!held && sigdisposition(p, sig) === "ignore") return;
	p.p_siglist |= sigmask(sig);
	p.p_siginfo[sig] = info;
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
	kpsignal(k, parent, {
		ksi_signo: SIGCHLD,
		ksi_code: code,
		ksi_addr: 0,
		ksi_pid: p.p_pid,
		ksi_status: status,
	});
}

/** Post a signal on behalf of the kernel, or of process `pid`. => as kpsignal. */
export function psignal(k: Kernel, p: proc, sig: number, code = SI_USER, pid = 0): void {
	kpsignal(k, p, { ksi_signo: sig, ksi_code: code, ksi_addr: 0, ksi_pid: pid, ksi_status: 0 });
}

/** Post a signal to a process group. => as kpsignal. */
export function pgsignal(k: Kernel, pgid: number, sig: number): void {
	for (const p of k.procs) if (p.p_pgid === pgid) psignal(k, p, sig);
}

/** Take the pending signal with the lowest number. => null: all are blocked, or there is none. */
export function sigget(p: proc): ksiginfo | null {
	const ready = p.p_siglist & ~p.p_sigmask;
	if (ready === 0) return null;
	const sig = 32 - Math.clz32(ready & -ready);
	p.p_siglist &= ~sigmask(sig);
	return p.p_siginfo[sig]!;
}

/** Does the thread have signals to handle before it returns to user mode? */
export const sig_userret = (l: lwp): boolean =>
	sigispending(l.l_proc!) || l.l_proc!.p_sigoldmask !== null;
