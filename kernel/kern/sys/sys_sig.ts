/** System calls about signals (sys/kern/sys_sig.c), with the structures of Linux riscv32. */
import {
	EAGAIN,
	EFAULT,
	EINVAL,
	EJUSTRETURN,
	ENOMEM,
	EPERM,
	ESRCH,
	EWOULDBLOCK,
} from "../../../sys/errno.ts";
import type { Kernel } from "../../kernel.ts";
import { lwp_regs } from "../core/kern_lwp.ts";
import { type Sleeps, tsleep } from "../core/kern_synch.ts";
import { RLIMIT_SIGPENDING } from "../core/rlimit.ts";
import {
	ksi_init,
	SEGV_MAPERR,
	SI_TKILL,
	SI_USER,
	SIGCONT,
	SIGSEGV,
	type sigaction,
	sigemptyset,
	sigintersect,
	sigismember,
	sigmask,
	sigminusset,
	sigplusset,
	sigset,
} from "../core/signal.ts";
import { copyin, copyout } from "../proc/copy.ts";
import { pfind, type proc } from "../proc/kern_proc.ts";
import { cansignal } from "../proc/kern_prot.ts";
import {
	kpsignal,
	psignal,
	SIGS_CANTMASK,
	sig_valid,
	sigclear,
	sigdisposition,
	sigget,
} from "../proc/kern_sig.ts";
import { timespec_read } from "../proc/kern_time.ts";
import { trapsignal } from "../proc/postsig.ts";
import { sigreturn } from "../proc/sendsig.ts";
import {
	copyin_sigset,
	copyout_sigset,
	SIGINFO_SIZE,
	SIGSET_SIZE,
	siginfo_bytes,
} from "../proc/sigabi.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";

export const sysent_sig: sysent = {
	[SYS.kill]: (k, p, a) => sys_kill(k, p, a[0]! | 0, a[1]!),
	[SYS.tkill]: (k, p, a) => sys_tgkill(k, p, a[0]!, a[0]!, a[1]!),
	[SYS.tgkill]: (k, p, a) => sys_tgkill(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.sigaltstack]: (k, p, a) => sys_sigaltstack(k, p, a[0]!, a[1]!),
	[SYS.rt_sigsuspend]: (k, p, a) => sys_sigsuspend(k, p, a[0]!, a[1]!),
	[SYS.rt_sigaction]: (k, p, a) => sys_sigaction(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.rt_sigprocmask]: (k, p, a) => sys_sigprocmask(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.rt_sigpending]: (k, p, a) => sys_sigpending(k, p, a[0]!, a[1]!),
	[SYS.rt_sigqueueinfo]: (k, p, a) => sys_sigqueueinfo(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.rt_tgsigqueueinfo]: (k, p, a) => sys_tgsigqueueinfo(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.rt_sigreturn]: (k, p) => sys_sigreturn(k, p),
	[SYS.rt_sigtimedwait64]: (k, p, a) => sys_sigtimedwait(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
};

function* sys_kill(k: Kernel, p: proc, pid: number, sig: number): Sleeps<number> {
	if (sig !== 0 && !sig_valid(sig)) return -EINVAL;
	let targets: proc[];
	if (pid > 0) targets = k.procs.filter((q) => q.p_pid === pid);
	else if (pid === 0) targets = k.procs.filter((q) => q.p_pgid === p.p_pgid);
	else if (pid === -1) targets = k.procs.filter((q) => q !== p && q.p_pid !== 1);
	else targets = k.procs.filter((q) => q.p_pgid === -pid);
	if (targets.length === 0) return -ESRCH;
	const allowed = targets.filter((q) => maykill(p, q, sig));
	if (allowed.length === 0) return -EPERM;
	if (sig !== 0) for (const q of allowed) psignal(k, q, sig, SI_USER, p);
	return 0;
}

/** Anybody may continue the processes of his own session. */
const maykill = (p: proc, target: proc, sig: number): boolean =>
	cansignal(p, target) || (sig === SIGCONT && p.p_sid === target.p_sid);

/** A process has one thread, whose id is the process's. */
function sys_tgkill(k: Kernel, p: proc, tgid: number, tid: number, sig: number): number {
	if ((tgid | 0) <= 0 || (tid | 0) <= 0 || (sig !== 0 && !sig_valid(sig))) return -EINVAL;
	const target = pfind(k, tid);
	if (target === undefined || tgid !== tid) return -ESRCH;
	if (!maykill(p, target, sig)) return -EPERM;
	if (sig !== 0) psignal(k, target, sig, SI_TKILL, p);
	return 0;
}

/**
 * rt_sigqueueinfo: a signal with a siginfo of the sender's making, as sigqueue sends.
 * => EPERM: it claims to be of the kernel or of kill; EAGAIN: too many are pending.
 */
function* sys_sigqueueinfo(
	k: Kernel,
	p: proc,
	pid: number,
	sig: number,
	infop: number,
): Sleeps<number> {
	const words = new Int32Array(SIGINFO_SIZE / 4);
	const bytes = new Uint8Array(words.buffer);
	if ((yield* copyin(k, p.p_vmspace!.vm_map, infop, bytes)) !== 0) return -EFAULT;
	const code = words[2]!;
	if ((code >= 0 || code === SI_TKILL) && pid !== p.p_pid) return -EPERM;
	if (sig !== 0 && !sig_valid(sig)) return -EINVAL;
	const target = pfind(k, pid);
	if (target === undefined) return -ESRCH;
	if (!maykill(p, target, sig)) return -EPERM;
	if (sig === 0) return 0;
	if (target.p_siginfo.length >= target.p_rlimit[RLIMIT_SIGPENDING]!.rlim_cur) return -EAGAIN;
	const sender = { ksi_pid: words[3]!, ksi_uid: words[4]!, ksi_value: words[5]! };
	kpsignal(k, target, ksi_init(sig, code, sender));
	return 0;
}

/** The same to a thread of a process, whose id is the process's. */
function* sys_tgsigqueueinfo(
	k: Kernel,
	p: proc,
	tgid: number,
	tid: number,
	sig: number,
	infop: number,
): Sleeps<number> {
	if ((tgid | 0) <= 0 || (tid | 0) <= 0) return -EINVAL;
	return tgid === tid ? yield* sys_sigqueueinfo(k, p, tid, sig, infop) : -ESRCH;
}

/** struct sigaction of the kernel's ABI: handler, flags, mask. */
const SIGACTION_SIZE = 16;

function* sys_sigaction(
	k: Kernel,
	p: proc,
	sig: number,
	act: number,
	oact: number,
	setsize: number,
): Sleeps<number> {
	if (!sig_valid(sig) || setsize !== SIGSET_SIZE) return -EINVAL;
	const { vm_map: map } = p.p_vmspace!;
	const old = p.p_sigacts[sig]!;
	let fresh: sigaction | null = null;
	if (act !== 0) {
		if (sigismember(SIGS_CANTMASK, sig)) return -EINVAL;
		const words = new Int32Array(SIGACTION_SIZE / 4);
		if ((yield* copyin(k, map, act, new Uint8Array(words.buffer))) !== 0) return -EFAULT;
		fresh = {
			sa_handler: words[0]! >>> 0,
			sa_flags: words[1]! >>> 0,
			sa_mask: sigminusset(sigset(words[2]!, words[3]!), SIGS_CANTMASK),
		};
	}
	if (oact !== 0) {
		const { lo, hi } = old.sa_mask;
		const words = new Int32Array([old.sa_handler, old.sa_flags, lo, hi]);
		const error = yield* copyout(k, map, new Uint8Array(words.buffer), oact);
		if (error !== 0) return -error;
	}
	if (fresh === null) return 0;
	p.p_sigacts[sig] = fresh;
	if (sigdisposition(p, sig) === "ignore") sigclear(p, sigmask(sig));
	return 0;
}

const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;
const SIG_SETMASK = 2;

function* sys_sigprocmask(
	k: Kernel,
	p: proc,
	how: number,
	setp: number,
	osetp: number,
	setsize: number,
): Sleeps<number> {
	if (setsize !== SIGSET_SIZE) return -EINVAL;
	const old = p.p_sigmask;
	let mask = old;
	if (setp !== 0) {
		const set = yield* copyin_sigset(k, p, setp);
		if (set === null) return -EFAULT;
		if (how === SIG_BLOCK) mask = sigplusset(old, set);
		else if (how === SIG_UNBLOCK) mask = sigminusset(old, set);
		else if (how === SIG_SETMASK) mask = set;
		else return -EINVAL;
	}
	if (osetp !== 0) {
		const error = yield* copyout_sigset(k, p, old, osetp);
		if (error !== 0) return -error;
	}
	p.p_sigmask = sigminusset(mask, SIGS_CANTMASK);
	return 0;
}

function* sys_sigpending(k: Kernel, p: proc, va: number, setsize: number): Sleeps<number> {
	if (setsize !== SIGSET_SIZE) return -EINVAL;
	return -(yield* copyout_sigset(k, p, sigintersect(p.p_siglist, p.p_sigmask), va));
}

/** Sleep with another mask until a handler has run. => EINTR, always. */
function* sys_sigsuspend(k: Kernel, p: proc, setp: number, setsize: number): Sleeps<number> {
	if (setsize !== SIGSET_SIZE) return -EINVAL;
	const set = yield* copyin_sigset(k, p, setp);
	if (set === null) return -EFAULT;
	p.p_sigoldmask = p.p_sigmask;
	p.p_sigmask = sigminusset(set, SIGS_CANTMASK);
	for (;;) {
		const error = yield* tsleep(k, p.p_sigacts, "pause", 0);
		if (error !== 0) return -error;
	}
}

/**
 * Wait for a signal of a set, which stays blocked, and take it.
 * => its number; EAGAIN: timed out; EINTR: another signal is to be handled.
 */
function* sys_sigtimedwait(
	k: Kernel,
	p: proc,
	setp: number,
	infop: number,
	timeoutp: number,
	setsize: number,
): Sleeps<number> {
	if (setsize !== SIGSET_SIZE) return -EINVAL;
	const { vm_map: map } = p.p_vmspace!;
	const set = yield* copyin_sigset(k, p, setp);
	if (set === null) return -EFAULT;
	let end = Number.POSITIVE_INFINITY;
	if (timeoutp !== 0) {
		const bytes = new Uint8Array(16);
		if ((yield* copyin(k, map, timeoutp, bytes)) !== 0) return -EFAULT;
		const ns = timespec_read(bytes);
		if (ns === null) return -EINVAL;
		end = k.port.cycles + ns;
	}
	const old = p.p_sigmask;
	for (;;) {
		const info = sigget(p, sigset(~set.lo, ~set.hi));
		if (info !== null) {
			if (infop !== 0) {
				const error = yield* copyout(k, map, siginfo_bytes(info), infop);
				if (error !== 0) return -error;
			}
			return info.ksi_signo;
		}
		if (k.port.cycles >= end) return -EAGAIN;
		p.p_sigmask = sigminusset(old, set);
		p.p_sigwait = sigintersect(old, set);
		const left = end - k.port.cycles;
		const error = yield* tsleep(k, p.p_sigacts, "sigwait", Number.isFinite(left) ? left : 0);
		p.p_sigmask = old;
		p.p_sigwait = sigemptyset();
		if (error !== 0 && error !== EWOULDBLOCK) return -error;
	}
}

/** stack_t: address, flags, size. */
const SS_DISABLE = 2;
const MINSIGSTKSZ = 2048;

function* sys_sigaltstack(k: Kernel, p: proc, nss: number, oss: number): Sleeps<number> {
	const { vm_map: map } = p.p_vmspace!;
	const { ss_sp, ss_size } = p.p_sigstk;
	const sp = lwp_regs(k, p.p_lwp!)[2]! >>> 0;
	const inuse = ss_size > 0 && sp > ss_sp && sp <= ss_sp + ss_size;
	let fresh = p.p_sigstk;
	if (nss !== 0) {
		const words = new Uint32Array(3);
		if ((yield* copyin(k, map, nss, new Uint8Array(words.buffer))) !== 0) return -EFAULT;
		if (inuse) return -EPERM;
		const off = (words[1]! & SS_DISABLE) !== 0;
		if (!off && words[2]! < MINSIGSTKSZ) return -ENOMEM;
		fresh = off ? { ss_sp: 0, ss_size: 0 } : { ss_sp: words[0]!, ss_size: words[2]! };
	}
	if (oss !== 0) {
		const words = new Uint32Array([ss_sp, ss_size === 0 ? SS_DISABLE : inuse ? 1 : 0, ss_size]);
		const error = yield* copyout(k, map, new Uint8Array(words.buffer), oss);
		if (error !== 0) return -error;
	}
	p.p_sigstk = fresh;
	return 0;
}

function* sys_sigreturn(k: Kernel, p: proc): Sleeps<number> {
	const l = p.p_lwp!;
	const error = yield* sigreturn(k, l);
	if (error === 0) return EJUSTRETURN;
	const addr = lwp_regs(k, l)[2]! >>> 0;
	if (l.l_nomem >= 0) return -EFAULT;
	yield* trapsignal(k, l, ksi_init(SIGSEGV, SEGV_MAPERR, { ksi_addr: addr }));
	return EJUSTRETURN;
}
