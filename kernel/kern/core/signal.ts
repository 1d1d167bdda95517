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
export const SIGURG = 23;
export const SIGWINCH = 28;
/** Signals have the numbers 1 to 31; there are no real-time signals. */
export const NSIG = 32;

const NAMES: Readonly<Record<number, string>> = {
	[SIGHUP]: "SIGHUP",
	[SIGINT]: "SIGINT",
	[SIGQUIT]: "SIGQUIT",
	[SIGILL]: "SIGILL",
	[SIGTRAP]: "SIGTRAP",
	[SIGABRT]: "SIGABRT",
	[SIGBUS]: "SIGBUS",
	[SIGFPE]: "SIGFPE",
	[SIGKILL]: "SIGKILL",
	[SIGUSR1]: "SIGUSR1",
	[SIGSEGV]: "SIGSEGV",
	[SIGUSR2]: "SIGUSR2",
	[SIGPIPE]: "SIGPIPE",
	[SIGALRM]: "SIGALRM",
	[SIGTERM]: "SIGTERM",
	[SIGCHLD]: "SIGCHLD",
	[SIGCONT]: "SIGCONT",
	[SIGSTOP]: "SIGSTOP",
	[SIGTSTP]: "SIGTSTP",
	[SIGTTIN]: "SIGTTIN",
	[SIGTTOU]: "SIGTTOU",
	[SIGURG]: "SIGURG",
	[SIGWINCH]: "SIGWINCH",
};

export const signame = (sig: number): string => NAMES[sig] ?? `signal ${sig}`;

/** A set of signals: bit n - 1 stands for signal n. */
export type sigset = number;
export const sigmask = (sig: number): sigset => 1 << (sig - 1);

/** What a handler is told (siginfo_t): si_code, and the address of a fault or the sender. */
export interface ksiginfo {
	readonly ksi_signo: number;
	readonly ksi_code: number;
	/** Address of the access, for signals that a trap raises. */
	readonly ksi_addr: number;
	/** Sender, for signals that a process sends; or the child of a SIGCHLD. */
	readonly ksi_pid: number;
	readonly ksi_status: number;
}

/** si_code */
export const SI_USER = 0;
export const SI_KERNEL = 0x80;
export const SEGV_MAPERR = 1;
export const SEGV_ACCERR = 2;
export const BUS_ADRALN = 1;
export const BUS_ADRERR = 2;
export const ILL_ILLOPC = 1;
export const TRAP_BRKPT = 1;
export const CLD_EXITED = 1;
export const CLD_KILLED = 2;
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

export const SA_NOCLDSTOP = 0x1;
export const SA_NOCLDWAIT = 0x2;
export const SA_ONSTACK = 0x0800_0000;
export const SA_RESTART = 0x1000_0000;
export const SA_NODEFER = 0x4000_0000;
export const SA_RESETHAND = 0x8000_0000;

/** Is there a signal that can be taken now? SIGKILL and SIGSTOP are never in the mask. */
export const sigispending = (p: proc): boolean => (p.p_siglist & ~p.p_sigmask) !== 0;
