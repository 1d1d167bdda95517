/** Signals (sys/signal.h), with Linux's numbers, which are those that guest programs use. */
import type { proc } from "../proc/kern_proc.ts";
export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGUSR1 = 10;
export const SIGSEGV = 11;
export const SIGUSR2 = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGSTKFLT = 16;
export const SIGURG = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGVTALRM = 26;
export const SIGPROF = 27;
export const SIGWINCH = 28;
export const SIGIO = 29;
export const SIGPWR = 30;
export const SIGSYS = 31;
/** Real-time signals are queued, each with its siginfo; of the others, one is pending at a time. */
export const SIGRTMIN = 32;
export const SIGRTMAX = 64;
export const NSIG = 65;

const NAMES: readonly string[] =
	`HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP
	TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS`
		.split(/\s+/)
		.map((name) => `SIG${name}`);

/** => "SIGINT", "SIGRTMIN+2". */
export function signame(sig: number): string {
	if (sig < SIGRTMIN) return NAMES[sig - 1] ?? `signal ${sig}`;
	return sig === SIGRTMIN ? "SIGRTMIN" : `SIGRTMIN+${sig - SIGRTMIN}`;
}

/** The number of a signal that signame names; 0: there is none. */
export function signo(name: string): number {
	const known = NAMES.indexOf(name) + 1;
	const realtime = /^SIGRTMIN(?:\+(\d+))?$/.exec(name);
	return realtime === null ? known : SIGRTMIN + Number(realtime[1] ?? 0);
}

/** A set of signals (sigset_t), never changed in place: bit n - 1 of the 64 stands for signal n. */
export interface sigset {
	readonly lo: number;
	readonly hi: number;
}

export const sigset = (lo: number, hi: number): sigset => ({ lo: lo | 0, hi: hi | 0 });
const EMPTY = sigset(0, 0);
const FULL = sigset(-1, -1);
export const sigemptyset = (): sigset => EMPTY;
export const sigfillset = (): sigset => FULL;
export const sigisempty = (set: sigset): boolean => (set.lo | set.hi) === 0;

/** The set of one signal, or of several. */
export function sigmask(...sigs: number[]): sigset {
	let lo = 0;
	let hi = 0;
	for (const sig of sigs) {
		if (sig <= 32) lo |= 1 << (sig - 1);
		else hi |= 1 << (sig - 33);
	}
	return sigset(lo, hi);
}

export const sigismember = ({ lo, hi }: sigset, sig: number): boolean =>
	((sig <= 32 ? lo >>> (sig - 1) : hi >>> (sig - 33)) & 1) !== 0;

/** The signals of either set; of the first but not of the second; of both. */
export const sigplusset = (a: sigset, b: sigset): sigset => sigset(a.lo | b.lo, a.hi | b.hi);
export const sigminusset = (a: sigset, b: sigset): sigset =>
	((a.lo & b.lo) | (a.hi & b.hi)) === 0 ? a : sigset(a.lo & ~b.lo, a.hi & ~b.hi);
export const sigintersect = (a: sigset, b: sigset): sigset => sigset(a.lo & b.lo, a.hi & b.hi);

/** The signal of the set with the lowest number, or 0. */
export function sigfirst({ lo, hi }: sigset): number {
	if (lo !== 0) return 32 - Math.clz32(lo & -lo);
	return hi === 0 ? 0 : 64 - Math.clz32(hi & -hi);
}

/** What a handler is told (siginfo_t). */
export interface ksiginfo {
	readonly ksi_signo: number;
	/** SI_, or why a trap or a child raised the signal. */
	readonly ksi_code: number;
	/** Address of the access, for signals that a trap raises. */
	readonly ksi_addr: number;
	/** Sender and its user, for signals that a process sends; or the child of a SIGCHLD. */
	readonly ksi_pid: number;
	readonly ksi_uid: number;
	/** How a child has ended; and its processor time, in cycles. */
	readonly ksi_status: number;
	readonly ksi_utime: number;
	readonly ksi_stime: number;
	/** What sigqueue sent along. */
	readonly ksi_value: number;
}

/** A siginfo with only the members that matter (KSI_INIT). */
export const ksi_init = (
	ksi_signo: number,
	ksi_code: number,
	rest: Partial<ksiginfo> = {},
): ksiginfo => ({
	ksi_signo,
	ksi_code,
	ksi_addr: 0,
	ksi_pid: 0,
	ksi_uid: 0,
	ksi_status: 0,
	ksi_utime: 0,
	ksi_stime: 0,
	ksi_value: 0,
	...rest,
});

/** si_code */
export const SI_USER = 0;
export const SI_TKILL = -6;
export const SI_KERNEL = 0x80;
export const SEGV_MAPERR = 1;
export const SEGV_ACCERR = 2;
export const BUS_ADRALN = 1;
export const BUS_ADRERR = 2;
export const BUS_MCEERR_AR = 4;
export const ILL_ILLOPC = 1;
export const TRAP_BRKPT = 1;
export const CLD_EXITED = 1;
export const CLD_KILLED = 2;
export const CLD_DUMPED = 3;
export const CLD_STOPPED = 5;
export const CLD_CONTINUED = 6;

/** sa_handler is an address, SIG_DFL or SIG_IGN. */
export interface sigaction {
	readonly sa_handler: number;
	readonly sa_flags: number;
	readonly sa_mask: sigset;
}

export const SIG_DFL = 0;
export const SIG_IGN = 1;

export const sigaction_default = (): sigaction => ({
	sa_handler: SIG_DFL,
	sa_flags: 0,
	sa_mask: sigemptyset(),
});

export const SA_NOCLDSTOP = 0x1;
export const SA_NOCLDWAIT = 0x2;
export const SA_ONSTACK = 0x0800_0000;
export const SA_RESTART = 0x1000_0000;
export const SA_NODEFER = 0x4000_0000;
export const SA_RESETHAND = 0x8000_0000;

/** Is there a signal that can be taken now? SIGKILL and SIGSTOP are never in the mask. */
export function sigispending({ p_siglist, p_sigmask }: proc): boolean {
	return ((p_siglist.lo & ~p_sigmask.lo) | (p_siglist.hi & ~p_sigmask.hi)) !== 0;
}
