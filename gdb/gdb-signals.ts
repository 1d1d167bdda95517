/** From the guests' signal numbers to those of the protocol (GDB's include/gdb/signals.def). */

/** Guests use Linux's numbers; these differ. */
const DIFFERENT: Readonly<Record<number, number>> = {
	7: 10, // SIGBUS
	10: 30, // SIGUSR1
	12: 31, // SIGUSR2
	16: 143, // SIGSTKFLT: unknown
	17: 20, // SIGCHLD
	18: 19, // SIGCONT
	19: 17, // SIGSTOP
	20: 18, // SIGTSTP
	23: 16, // SIGURG
	29: 23, // SIGIO
	30: 32, // SIGPWR
	31: 12, // SIGSYS
};

const ABORT = 6;

/** => SIGABRT for 0: the system ended without a signal or an exit code. */
export const gdbSignal = (signal: number): number =>
	signal === 0 ? ABORT : (DIFFERENT[signal] ?? signal);
