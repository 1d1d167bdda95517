/**
 * Terminals as programs use them (sys/kern/tty.c: ttread, ttwrite, ttioctl, ttpoll), with job
 * control: a process that is not in the foreground is stopped when it reads.
 */
import { EAGAIN, EINTR, EINVAL, EIO, ENOTTY, EPERM, type Errno } from "../../sys/errno.ts";
import { type Sleeps, tsleep } from "../kern/core/kern_synch.ts";
import { SIG_IGN, SIGTTIN, SIGTTOU, sigismember } from "../kern/core/signal.ts";
import { copyin, copyout } from "../kern/proc/copy.ts";
import { O_NONBLOCK, POLLHUP, POLLIN, POLLOUT } from "../kern/proc/file.ts";
import type { proc } from "../kern/proc/kern_proc.ts";
import { pgsignal } from "../kern/proc/kern_sig.ts";
import type { Kernel } from "../kernel.ts";
import {
	FIONREAD,
	TCFLSH,
	TCGETS,
	TCIFLUSH,
	TCIOFLUSH,
	TCSBRK,
	TCSETS,
	TCSETSF,
	TCSETSW,
	TCXONC,
	TERMIOS_SIZE,
	TIOCGPGRP,
	TIOCGSID,
	TIOCGWINSZ,
	TIOCNOTTY,
	TIOCOUTQ,
	TIOCSCTTY,
	TIOCSPGRP,
	TIOCSWINSZ,
	TOSTOP,
	termios_decode,
	termios_encode,
	VMIN,
	VTIME,
	WINSIZE_SIZE,
	winsize_decode,
	winsize_encode,
} from "./termios.ts";
import {
	is_orphaned,
	type tty,
	tty_canonical,
	tty_unthrottle,
	ttyflush,
	ttyoutput,
	ttyresize,
	ttysetattr,
} from "./tty.ts";

/** The unit of VTIME, a tenth of a second, in cycles. */
const DECISECOND = 100_000_000;

/**
 * May `p` do what only the foreground may? If not, its process group gets `sig`.
 * => 0; EINTR: the signal will be taken now, and the call restarted; EIO.
 */
function ttcheck(k: Kernel, p: proc, tp: tty, sig: number): Errno {
	if (p.p_sid !== tp.t_session || tp.t_pgrp === 0 || p.p_pgid === tp.t_pgrp) return 0;
	const ignored = p.p_sigacts[sig]!.sa_handler === SIG_IGN;
	if (ignored || sigismember(p.p_sigmask, sig)) return sig === SIGTTIN ? EIO : 0;
	if (is_orphaned(k, p.p_pgid)) return EIO;
	pgsignal(k, p.p_pgid, sig);
	return EINTR;
}

/** The timer of a raw read: bytes available when it was started, and that cycle. */
interface rawtimer {
	have: number;
	since: number;
}

/** Cycles that a raw read of `size` bytes has yet to wait. */
function raw_wait(tp: tty, size: number, timer: rawtimer, now: number): number {
	const { c_cc } = tp.t_termios;
	const min = c_cc[VMIN]!;
	const time = c_cc[VTIME]! * DECISECOND;
	const have = tp.t_rawq.length;
	if (have >= Math.max(1, Math.min(min, size))) return 0;
	if (min === 0) return Math.max(0, timer.since + time - now);
	if (have !== timer.have) {
		timer.have = have;
		timer.since = now;
	}
	if (time === 0 || have === 0) return Number.POSITIVE_INFINITY;
	return Math.max(0, timer.since + time - now);
}

/** Sleeps. => as fo_read. */
export function* ttread(
	k: Kernel,
	p: proc,
	tp: tty,
	bytes: Uint8Array,
	flag: number,
): Sleeps<number> {
	if (bytes.length === 0) return 0;
	const timer = { have: 0, since: k.port.cycles };
	for (;;) {
		// A call that is started again passed this check before it slept.
		const denied = k.curlwp.l_recall >= 0 ? 0 : ttcheck(k, p, tp, SIGTTIN);
		if (denied !== 0) return -denied;
		const canonical = tty_canonical(tp);
		const wait = canonical
			? Number.POSITIVE_INFINITY
			: raw_wait(tp, bytes.length, timer, k.port.cycles);
		const queue = canonical ? tp.t_canq[0] : tp.t_rawq;
		const nonblock = (flag & O_NONBLOCK) !== 0;
		const enough = canonical || wait === 0 || ((nonblock || tp.t_hup) && tp.t_rawq.length > 0);
		if (queue !== undefined && enough) return take(k, tp, queue, bytes);
		if (tp.t_hup) return 0;
		if (nonblock) return -EAGAIN;
		const error = yield* tsleep(k, tp, "ttyin", Number.isFinite(wait) ? wait : 0);
		if (error === EINTR) return -EINTR;
	}
}

/** Take bytes from `queue`, the first line or the raw queue. */
function take(k: Kernel, tp: tty, queue: number[], bytes: Uint8Array): number {
	const taken = queue.splice(0, bytes.length);
	bytes.set(taken);
	if (queue.length === 0 && queue === tp.t_canq[0]) tp.t_canq.shift();
	tty_unthrottle(k, tp);
	return taken.length;
}

/** => as fo_write. */
export function* ttwrite(k: Kernel, p: proc, tp: tty, bytes: Uint8Array): Sleeps<number> {
	if ((tp.t_termios.c_lflag & TOSTOP) !== 0) {
		const denied = ttcheck(k, p, tp, SIGTTOU);
		if (denied !== 0) return -denied;
	}
	if (tp.t_hup) return -EIO;
	for (const c of bytes) ttyoutput(k, tp, c);
	return bytes.length;
}

/** Bytes that can be read now. */
function ttnread(tp: tty): number {
	return tty_canonical(tp) ? tp.t_canq.flat().length : tp.t_rawq.length;
}

function is_readable(tp: tty): boolean {
	if (tty_canonical(tp)) return tp.t_canq.length > 0;
	const { c_cc } = tp.t_termios;
	return tp.t_rawq.length >= (c_cc[VTIME] !== 0 ? 1 : Math.max(1, c_cc[VMIN]!));
}

export function ttpoll(tp: tty, events: number): number {
	const ready = events & POLLOUT;
	if (tp.t_hup) return ready | (events & POLLIN) | POLLHUP;
	return is_readable(tp) ? ready | (events & POLLIN) : ready;
}

/** Sleeps. => as fo_ioctl. */
export function* ttioctl(k: Kernel, p: proc, tp: tty, cmd: number, arg: number): Sleeps<number> {
	const { vm_map: map } = p.p_vmspace!;
	switch (cmd) {
		case TCGETS:
			return -(yield* copyout(k, map, termios_encode(tp.t_termios), arg));
		case TCSETS:
		case TCSETSW:
		case TCSETSF:
			return -(yield* tcsetattr(k, p, tp, cmd, arg));
		case TCFLSH:
			if (arg > TCIOFLUSH) return -EINVAL;
			if (arg === TCIFLUSH || arg === TCIOFLUSH) ttyflush(k, tp);
			return 0;
		case TCSBRK:
		case TCXONC:
			return 0;
		case TIOCGWINSZ:
			return -(yield* copyout(k, map, winsize_encode(tp.t_winsize), arg));
		case TIOCSWINSZ: {
			const bytes = new Uint8Array(WINSIZE_SIZE);
			const error = yield* copyin(k, map, arg, bytes);
			if (error === 0) ttyresize(k, tp, winsize_decode(bytes));
			return -error;
		}
		case FIONREAD:
			return -(yield* put_int(k, p, arg, ttnread(tp)));
		case TIOCOUTQ:
			return -(yield* put_int(k, p, arg, 0));
		default:
			return yield* jobioctl(k, p, tp, cmd, arg);
	}
}

function* put_int(k: Kernel, p: proc, va: number, value: number): Sleeps<Errno> {
	const bytes = new Uint8Array(Int32Array.of(value).buffer);
	return yield* copyout(k, p.p_vmspace!.vm_map, bytes, va);
}

function* tcsetattr(k: Kernel, p: proc, tp: tty, cmd: number, arg: number): Sleeps<Errno> {
	const bytes = new Uint8Array(TERMIOS_SIZE);
	const error = yield* copyin(k, p.p_vmspace!.vm_map, arg, bytes);
	if (error !== 0) return error;
	const denied = ttcheck(k, p, tp, SIGTTOU);
	if (denied !== 0) return denied;
	if (cmd === TCSETSF) ttyflush(k, tp);
	ttysetattr(k, tp, termios_decode(bytes));
	return 0;
}

/** ioctls of sessions and process groups. Sleeps. */
function* jobioctl(k: Kernel, p: proc, tp: tty, cmd: number, arg: number): Sleeps<number> {
	if (cmd === TIOCSCTTY) {
		if (p.p_sid !== p.p_pid || (tp.t_session !== 0 && tp.t_session !== p.p_sid)) return -EPERM;
		if (tp.t_session === 0) tp.t_pgrp = p.p_pgid;
		tp.t_session = p.p_sid;
		return 0;
	}
	if (tp.t_session === 0 || p.p_sid !== tp.t_session) return -ENOTTY;
	switch (cmd) {
		case TIOCGPGRP:
			return -(yield* put_int(k, p, arg, tp.t_pgrp));
		case TIOCSPGRP:
			return -(yield* tcsetpgrp(k, p, tp, arg));
		case TIOCGSID:
			return -(yield* put_int(k, p, arg, tp.t_session));
		case TIOCNOTTY:
			if (p.p_pid !== tp.t_session) return -EPERM;
			tp.t_session = 0;
			tp.t_pgrp = 0;
			return 0;
		default:
			return -ENOTTY;
	}
}

function* tcsetpgrp(k: Kernel, p: proc, tp: tty, arg: number): Sleeps<Errno> {
	const bytes = new Uint8Array(4);
	const error = yield* copyin(k, p.p_vmspace!.vm_map, arg, bytes);
	if (error !== 0) return error;
	const denied = ttcheck(k, p, tp, SIGTTOU);
	if (denied !== 0) return denied;
	const pgid = new Int32Array(bytes.buffer)[0]!;
	if (pgid <= 0) return EINVAL;
	if (!k.procs.some((q) => q.p_pgid === pgid && q.p_sid === tp.t_session)) return EPERM;
	tp.t_pgrp = pgid;
	return 0;
}
