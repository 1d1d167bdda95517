/** Signals (sys/kern/kern_sig.c). */
import type { Kernel } from "../kernel.ts";
import { type proc, sigispending } from "./kern_proc.ts";
import { LSSLEEP, unsleep } from "./kern_synch.ts";
import { type ksiginfo, SI_USER, SIG_DFL, SIG_IGN, SIGCHLD, SIGCONT, sigmask } from "./signal.ts";

/** Is `sig` of no consequence to `p`? */
function sigignored(p: proc, sig: number): boolean {
	const { sa_handler } = p.p_sigacts[sig]!;
	if (sa_handler === SIG_IGN) return true;
	return sa_handler === SIG_DFL && (sig === SIGCHLD || sig === SIGCONT);
}

/** Post a signal. => never sleeps; an interruptible sleep of the process ends. */
export function kpsignal(k: Kernel, p: proc, info: ksiginfo): void {
	if (p.p_exit !== null || sigignored(p, info.ksi_signo)) return;
	p.p_siglist |= sigmask(info.ksi_signo);
	p.p_siginfo[info.ksi_signo] = info;
	const l = p.p_lwp;
	if (l === null || !sigispending(p)) return;
	if (l.l_stat === LSSLEEP && l.l_sinterruptible) unsleep(k, l);
}

/** Post a signal on behalf of the kernel, or of process `pid`. => as kpsignal. */
export function psignal(k: Kernel, p: proc, sig: number, code = SI_USER, pid = 0): void {
	const info: ksiginfo = {
		ksi_signo: sig,
		ksi_code: code,
		ksi_addr: 0,
		ksi_pid: pid,
		ksi_status: 0,
	};
	kpsignal(k, p, info);
}

/** Post a signal to a process group. => as kpsignal. */
export function pgsignal(k: Kernel, pgid: number, sig: number): void {
	for (const p of k.procs) if (p.p_pgid === pgid) psignal(k, p, sig);
}
