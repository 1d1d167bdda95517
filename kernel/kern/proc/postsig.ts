/**
 * Taking signals on the way to user mode (sys/kern/kern_sig.c: issignal, postsig, trapsignal).
 */
import { is_orphaned } from "../../dev/tty.ts";
import type { Kernel } from "../../kernel.ts";
import {
	type lwp,
	lwp_pc,
	lwp_regs,
	lwp_setpc,
	RESTART_NO,
	RESTART_SYS,
} from "../core/kern_lwp.ts";
import { ltsleep, type Sleeps } from "../core/kern_synch.ts";
import {
	CLD_STOPPED,
	type ksiginfo,
	SA_RESTART,
	SIGKILL,
	SIGSEGV,
	SIGSTOP,
	sigaction_default,
	sigismember,
	sigmask,
	sigminusset,
} from "../core/signal.ts";
import { coredump } from "./core_elf32.ts";
import { exit1, killed } from "./kern_exit.ts";
import type { proc } from "./kern_proc.ts";
import { sig_dumpscore, sigdisposition, sigget, tell_parent } from "./kern_sig.ts";
import { sendsig } from "./sendsig.ts";

/** Linux's EINTR, as a program sees it in a0. */
const EINTR_RESULT = -4;

/**
 * Take every signal that is pending and not blocked.
 *
 * => the thread is about to return to user mode. Sleeps: stopped, or for its stack.
 * => a handler is entered by changing the thread's registers; the process may end instead.
 */
export function* postsigs(k: Kernel, l: lwp): Sleeps<void> {
	const p = l.l_proc!;
	for (let info = sigget(p); info !== null && p.p_exit === null; info = sigget(p)) {
		switch (sigdisposition(p, info.ksi_signo)) {
			case "ignore":
				break;
			case "stop":
				// No shell could continue an orphaned group, so only SIGSTOP stops it.
				if (info.ksi_signo === SIGSTOP || !is_orphaned(k, p.p_pgid)) {
					yield* stopped(k, p, info.ksi_signo);
				}
				break;
			case "kill":
				yield* sigexit(k, l, info);
				return;
			case "catch":
				yield* enter_handler(k, l, info);
		}
	}
	if (p.p_exit !== null) return;
	// sigsuspend ended without a handler, or the frame of its handler has the mask.
	if (p.p_sigoldmask !== null) p.p_sigmask = p.p_sigoldmask;
	p.p_sigoldmask = null;
	l.l_restart = RESTART_NO;
}

function* enter_handler(k: Kernel, l: lwp, info: ksiginfo): Sleeps<void> {
	k.watch.trace?.signal(l, info.ksi_signo);
	const action = l.l_proc!.p_sigacts[info.ksi_signo]!;
	const again = l.l_restart === RESTART_SYS && (action.sa_flags & SA_RESTART) !== 0;
	if (l.l_restart !== RESTART_NO && !again) {
		// The call was set up to be restarted, but with this handler it returns EINTR.
		lwp_setpc(k, l, lwp_pc(k, l) + 4);
		lwp_regs(k, l)[10] = EINTR_RESULT;
		l.l_deadline = Number.POSITIVE_INFINITY;
	}
	l.l_restart = RESTART_NO;
	const error = yield* sendsig(k, l, info);
	if (error === 0) return;
	const reason = l.l_nomem >= 0 ? "out of swap" : "no stack for a signal";
	const sig = l.l_nomem >= 0 ? SIGKILL : SIGSEGV;
	yield* exit1(k, l.l_proc!, killed(sig, lwp_pc(k, l), lwp_regs(k, l)[2]! >>> 0, reason));
}

function* sigexit(k: Kernel, l: lwp, info: ksiginfo): Sleeps<void> {
	k.watch.trace?.signal(l, info.ksi_signo);
	const dumped = sig_dumpscore(info.ksi_signo) && (yield* coredump(k, l, info));
	// A page for the dump may have been refused: that does not matter any more.
	l.l_nomem = -1;
	const how = killed(info.ksi_signo, lwp_pc(k, l), info.ksi_addr);
	yield* exit1(k, l.l_proc!, { ...how, coredump: dumped });
}

/** Stay stopped until the process is continued or killed. */
function* stopped(k: Kernel, p: proc, sig: number): Sleeps<void> {
	k.watch.trace?.signal(p.p_lwp!, sig);
	p.p_stopsig = sig;
	p.p_waited = false;
	p.p_continued = false;
	tell_parent(k, p, CLD_STOPPED, sig);
	while (p.p_stopsig !== 0) yield* ltsleep(k, p, "stop", 0, null);
}

/**
 * A trap raises a signal: it is taken at once, and cannot be blocked or ignored.
 * => sleeps as postsigs.
 */
export function* trapsignal(k: Kernel, l: lwp, info: ksiginfo): Sleeps<void> {
	const p = l.l_proc!;
	const sig = info.ksi_signo;
	if (sigismember(p.p_sigmask, sig) || sigdisposition(p, sig) === "ignore") {
		p.p_sigmask = sigminusset(p.p_sigmask, sigmask(sig));
		p.p_sigacts[sig] = sigaction_default();
	}
	if (sigdisposition(p, sig) === "catch") yield* enter_handler(k, l, info);
	else yield* sigexit(k, l, info);
}
