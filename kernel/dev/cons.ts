/**
 * The console: the serial port, as a terminal or as a plain stream of bytes.
 *
 * It is plain when the input and output of a run are files or pipes of the host: bytes pass
 * unchanged, nothing is echoed, and isatty returns 0. The kind does not change while the system
 * runs.
 */
import { EAGAIN, ENOTTY } from "../../sys/errno.ts";
import type { lwp } from "../kern/core/kern_lwp.ts";
import { sleepq_busy } from "../kern/core/kern_sleepq.ts";
import { type Sleeps, tsleep, wakeup } from "../kern/core/kern_synch.ts";
import { copyout } from "../kern/proc/copy.ts";
import { O_NONBLOCK, POLLHUP, POLLIN, POLLOUT } from "../kern/proc/file.ts";
import type { proc } from "../kern/proc/kern_proc.ts";
import type { Kernel } from "../kernel.ts";
import { com_attach, comgetc, computc } from "./com.ts";
import { CDEV_CONS, type cdevsw } from "./conf.ts";
import { FIONREAD } from "./termios.ts";
import { type tty, tty_create, ttyhangup, ttyrint, ttysessionend } from "./tty.ts";
import { ttioctl, ttpoll, ttread, ttwrite } from "./tty_file.ts";

export interface cons {
	readonly base: number;
	/** null: a plain stream. */
	readonly tty: tty | null;
	/** Plain: unread characters, and whether the input has ended. */
	readonly input: number[];
	eof: boolean;
	/** Plain: threads that have asked for input in poll since the last change. */
	readonly pollers: lwp[];
	/** Has a program ever asked for input? */
	asked: boolean;
}

/** Set up the UART at physical address `base`. */
export function cons_attach(k: Kernel, base: number, terminal: boolean): void {
	com_attach(k, base);
	const tty = terminal ? tty_create(base) : null;
	k.cons = { base, tty, input: [], eof: false, pollers: [], asked: false };
	k.cdevsw[CDEV_CONS] = cons_cdevsw;
}

const cons_cdevsw: cdevsw = {
	d_name: "console",
	*d_read(k, p, _minor, bytes, flag) {
		const { tty } = k.cons!;
		k.cons!.asked = true;
		if (tty !== null) return yield* ttread(k, p, tty, bytes, flag);
		return yield* plain_read(k, bytes, flag);
	},
	*d_write(k, p, _minor, bytes) {
		const { tty, base } = k.cons!;
		if (tty !== null) return yield* ttwrite(k, p, tty, bytes);
		for (const c of bytes) computc(k, base, c);
		return bytes.length;
	},
	*d_ioctl(k, p, _minor, cmd, arg) {
		const { tty, input } = k.cons!;
		if (tty !== null) return yield* ttioctl(k, p, tty, cmd, arg);
		if (cmd !== FIONREAD) return -ENOTTY;
		const count = new Uint8Array(Uint32Array.of(input.length).buffer);
		return -(yield* copyout(k, p.p_vmspace!.vm_map, count, arg));
	},
	d_poll(k, _minor, events) {
		const { tty } = k.cons!;
		if ((events & POLLIN) !== 0) k.cons!.asked = true;
		return tty !== null ? ttpoll(tty, events) : plain_poll(k, events);
	},
};

function* plain_read(k: Kernel, bytes: Uint8Array, flag: number): Sleeps<number> {
	const cons = k.cons!;
	if (bytes.length === 0) return 0;
	while (cons.input.length === 0 && !cons.eof) {
		if ((flag & O_NONBLOCK) !== 0) return -EAGAIN;
		const error = yield* tsleep(k, cons, "ttyin", 0);
		if (error !== 0) return -error;
	}
	const taken = cons.input.splice(0, bytes.length);
	bytes.set(taken);
	return taken.length;
}

function plain_poll(k: Kernel, events: number): number {
	const cons = k.cons!;
	const ready = events & POLLOUT;
	if (cons.input.length > 0) return ready | (events & POLLIN);
	if (cons.eof) return ready | (events & POLLIN) | POLLHUP;
	if ((events & POLLIN) !== 0 && !cons.pollers.includes(k.curlwp)) cons.pollers.push(k.curlwp);
	return ready;
}

/** Receive interrupt. */
export function cons_intr(k: Kernel): void {
	const cons = k.cons!;
	if (cons.tty !== null) {
		ttyrint(k, cons.tty);
		return;
	}
	for (let c = comgetc(k, cons.base); c >= 0; c = comgetc(k, cons.base)) cons.input.push(c);
	cons_wakeup(k, cons);
}

function cons_wakeup(k: Kernel, cons: cons): void {
	cons.pollers.length = 0;
	wakeup(k, cons);
	wakeup(k, k.selwait);
}

/** Hang up: unread characters can still be read, then end of file. */
export function cnhangup(k: Kernel): void {
	const { cons } = k;
	if (cons === null) return;
	cons.eof = true;
	if (cons.tty !== null) ttyhangup(k, cons.tty);
	else cons_wakeup(k, cons);
}

/**
 * Could console input wake a thread, although all sleep? On a terminal it always could, because a
 * key may send a signal.
 */
export function cnwaiting(k: Kernel): boolean {
	const { cons } = k;
	if (cons === null || cons.eof) return false;
	if (cons.tty !== null) return true;
	return sleepq_busy(k.sleepq, cons) || cons.pollers.some((l) => l.l_wchan === k.selwait);
}

/** Make the console the terminal of a new session, if no other session has it. */
export function cons_session(k: Kernel, p: proc): void {
	const tty = k.cons?.tty ?? null;
	if (tty === null || tty.t_session !== 0) return;
	tty.t_session = p.p_sid;
	tty.t_pgrp = p.p_pgid;
}

/** Release the console, if the leader of its session has exited. */
export function cons_sessionend(k: Kernel, p: proc): void {
	const tty = k.cons?.tty ?? null;
	if (tty !== null && p.p_pid === p.p_sid) ttysessionend(k, tty, p.p_sid);
}
