/**
 * Terminals (sys/kern/tty.c): processing of input and output. Input is edited and echoed a line at
 * a time, or passed on as it arrives; some characters send signals. The calls that programs make
 * are in tty_file.ts.
 *
 * Output is never queued, so there is nothing for ^S to stop.
 */

import { wakeup } from "../kern/core/kern_synch.ts";
import { SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGWINCH } from "../kern/core/signal.ts";
import { pgsignal } from "../kern/proc/kern_sig.ts";
import type { Kernel } from "../kernel.ts";
import { com_rxenable, comgetc, computc } from "./com.ts";
import {
	ECHO,
	ECHOCTL,
	ECHOE,
	ECHOK,
	ECHOKE,
	ECHONL,
	ICANON,
	ICRNL,
	IEXTEN,
	IGNCR,
	IMAXBEL,
	INLCR,
	ISIG,
	ISTRIP,
	IUTF8,
	NOFLSH,
	OCRNL,
	ONLCR,
	ONOCR,
	OPOST,
	type termios,
	termios_default,
	VEOF,
	VEOL,
	VEOL2,
	VERASE,
	VINTR,
	VKILL,
	VLNEXT,
	VQUIT,
	VREPRINT,
	VSUSP,
	VWERASE,
	type winsize,
} from "./termios.ts";

/** Unread characters at which input is throttled; longest line. */
const TTYHOG = 4096;
const MAX_CANON = 4095;

const BEL = 0x07;
const BS = 0x08;
const TAB = 0x09;
const NL = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const DEL = 0x7f;
const CARET = 0x5e;

export interface tty {
	/** The UART. */
	readonly t_base: number;
	t_termios: termios;
	t_winsize: winsize;
	/** The session whose terminal it is, and its foreground process group; 0: none. */
	t_session: number;
	t_pgrp: number;
	/** Complete lines, each with its delimiter; VEOF ends one without. */
	t_canq: number[][];
	/** ICANON: the line being edited. Otherwise: unread characters. */
	t_rawq: number[];
	/** The next character has no special meaning (^V). */
	t_lnext: boolean;
	/** Column of the cursor, and of the start of the line being edited. */
	t_column: number;
	t_rocol: number;
	/** Receive interrupts are off, because the queues are full. */
	t_throttled: boolean;
	/** The line has hung up. */
	t_hup: boolean;
}

export const tty_create = (base: number): tty => ({
	t_base: base,
	t_termios: termios_default(),
	t_winsize: { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 },
	t_session: 0,
	t_pgrp: 0,
	t_canq: [],
	t_rawq: [],
	t_lnext: false,
	t_column: 0,
	t_rocol: 0,
	t_throttled: false,
	t_hup: false,
});

export const tty_canonical = (tp: tty): boolean => (tp.t_termios.c_lflag & ICANON) !== 0;

/** Receive interrupt: take characters while there is room. */
export function ttyrint(k: Kernel, tp: tty): void {
	while (!tty_full(tp)) {
		const c = comgetc(k, tp.t_base);
		if (c < 0) return;
		ttyinput(k, tp, c);
	}
	tp.t_throttled = true;
	com_rxenable(k, tp.t_base, false);
}

/** The line being edited does not count: only more input can complete it. */
function tty_full(tp: tty): boolean {
	const lines = tp.t_canq.reduce((sum, line) => sum + line.length + 1, 0);
	return lines + (tty_canonical(tp) ? 0 : tp.t_rawq.length) >= TTYHOG;
}

/** After a read: take input again, if there is room. */
export function tty_unthrottle(k: Kernel, tp: tty): void {
	if (!tp.t_throttled || tty_full(tp)) return;
	tp.t_throttled = false;
	com_rxenable(k, tp.t_base, true);
}

/** Wake readers and pollers. */
function ttwakeup(k: Kernel, tp: tty): void {
	wakeup(k, tp);
	wakeup(k, k.selwait);
}

/** Discard unread input. */
export function ttyflush(k: Kernel, tp: tty): void {
	tp.t_canq = [];
	tp.t_rawq = [];
	tp.t_lnext = false;
	tty_unthrottle(k, tp);
}

/** One character of input. => never sleeps. */
function ttyinput(k: Kernel, tp: tty, received: number): void {
	const { c_iflag, c_lflag } = tp.t_termios;
	let c = (c_iflag & ISTRIP) !== 0 ? received & 0x7f : received;
	if (tp.t_lnext) {
		tp.t_lnext = false;
		tty_store(k, tp, c, true);
		return;
	}
	if ((c_lflag & ISIG) !== 0 && tty_signal(k, tp, c)) return;
	if (c === CR) {
		if ((c_iflag & IGNCR) !== 0) return;
		if ((c_iflag & ICRNL) !== 0) c = NL;
	} else if (c === NL && (c_iflag & INLCR) !== 0) {
		c = CR;
	}
	if ((c_lflag & ICANON) !== 0 && tty_edit(k, tp, c)) return;
	tty_store(k, tp, c, false);
}

/** Is `c` the key that c_cc names? 0 stands for no key. */
const is_key = (tp: tty, c: number, index: number): boolean =>
	c !== 0 && c === tp.t_termios.c_cc[index];

/** Keys that send a signal to the foreground process group. => whether `c` is one. */
function tty_signal(k: Kernel, tp: tty, c: number): boolean {
	let sig = 0;
	if (is_key(tp, c, VINTR)) sig = SIGINT;
	else if (is_key(tp, c, VQUIT)) sig = SIGQUIT;
	else if (is_key(tp, c, VSUSP)) sig = SIGTSTP;
	else return false;
	if ((tp.t_termios.c_lflag & NOFLSH) === 0) ttyflush(k, tp);
	ttyecho(k, tp, c);
	if (tp.t_pgrp === 0 || (sig === SIGTSTP && is_orphaned(k, tp.t_pgrp))) return true;
	pgsignal(k, tp.t_pgrp, sig);
	return true;
}

/** Is a process group orphaned: has no member a parent outside it, in the same session? */
export function is_orphaned(k: Kernel, pgid: number): boolean {
	return !k.procs.some((p) => {
		const parent = p.p_pptr;
		return (
			p.p_pgid === pgid && parent !== null && parent.p_pgid !== pgid && parent.p_sid === p.p_sid
		);
	});
}

/** Backspace and delete both erase, if VERASE is one of them. */
function is_erase(tp: tty, c: number): boolean {
	const key = tp.t_termios.c_cc[VERASE]!;
	if (key === BS || key === DEL) return c === BS || c === DEL;
	return is_key(tp, c, VERASE);
}

/** Keys that edit the line. => whether `c` is one. */
function tty_edit(k: Kernel, tp: tty, c: number): boolean {
	const { c_lflag } = tp.t_termios;
	if (is_erase(tp, c)) {
		tty_rub(k, tp, tp.t_rawq.length - erase_to(tp, tp.t_rawq.length));
	} else if (is_key(tp, c, VKILL)) {
		tty_kill(k, tp, c);
	} else if (is_key(tp, c, VEOF)) {
		tty_endline(k, tp);
	} else if ((c_lflag & IEXTEN) === 0) {
		return false;
	} else if (is_key(tp, c, VWERASE)) {
		tty_rub(k, tp, tp.t_rawq.length - word_start(tp));
	} else if (is_key(tp, c, VREPRINT)) {
		tty_retype(k, tp, c);
	} else if (is_key(tp, c, VLNEXT)) {
		tp.t_lnext = true;
		if ((c_lflag & ECHO) !== 0) for (const o of [CARET, BS]) ttyoutput(k, tp, o);
	} else {
		return false;
	}
	return true;
}

/** The line is complete. */
function tty_endline(k: Kernel, tp: tty): void {
	tp.t_canq.push(tp.t_rawq);
	tp.t_rawq = [];
	ttwakeup(k, tp);
}

/** Does `c` end a line, and belong to it? */
const is_delimiter = (tp: tty, c: number): boolean =>
	c === NL || is_key(tp, c, VEOL) || is_key(tp, c, VEOL2);

/** Store an ordinary character, or one quoted with ^V. */
function tty_store(k: Kernel, tp: tty, c: number, literal: boolean): void {
	const canonical = tty_canonical(tp);
	const ends = canonical && !literal && is_delimiter(tp, c);
	if (canonical && !ends && tp.t_rawq.length >= MAX_CANON) {
		if ((tp.t_termios.c_iflag & IMAXBEL) !== 0) ttyoutput(k, tp, BEL);
		return;
	}
	if (tp.t_rawq.length === 0) tp.t_rocol = tp.t_column;
	ttyecho(k, tp, c);
	tp.t_rawq.push(c);
	if (ends) tty_endline(k, tp);
	else if (!canonical) ttwakeup(k, tp);
}

const is_continuation = (tp: tty, c: number): boolean =>
	(c & 0xc0) === 0x80 && (tp.t_termios.c_iflag & IUTF8) !== 0;

/** Start of the character that ends at index `end` of the line; 0 if there is none. */
function erase_to(tp: tty, end: number): number {
	let at = end;
	while (at > 0 && is_continuation(tp, tp.t_rawq[at - 1]!)) at--;
	return Math.max(0, at - 1);
}

/** Start of the last word of the line. */
function word_start(tp: tty): number {
	const is_blank = (c: number): boolean => c === SPACE || c === TAB;
	let at = tp.t_rawq.length;
	while (at > 0 && is_blank(tp.t_rawq[at - 1]!)) at--;
	while (at > 0 && !is_blank(tp.t_rawq[at - 1]!)) at--;
	return at;
}

/** Remove the last `count` bytes of the line, from the screen as well. */
function tty_rub(k: Kernel, tp: tty, count: number): void {
	if (count === 0) return;
	const from = line_column(tp);
	tp.t_rawq.length -= count;
	const { c_lflag, c_cc } = tp.t_termios;
	if ((c_lflag & ECHO) === 0) return;
	if ((c_lflag & ECHOE) === 0) {
		ttyecho(k, tp, c_cc[VERASE]!);
		return;
	}
	for (let n = from - line_column(tp); n > 0; n--) {
		for (const c of [BS, SPACE, BS]) ttyoutput(k, tp, c);
	}
}

/** The column behind the line being edited. */
function line_column(tp: tty): number {
	let column = tp.t_rocol;
	const marks = (tp.t_termios.c_lflag & ECHOCTL) !== 0;
	for (const c of tp.t_rawq) {
		if (marks && is_control(c)) column += 2;
		else column = column_after(tp, c, column);
	}
	return column;
}

function tty_kill(k: Kernel, tp: tty, c: number): void {
	const { c_lflag } = tp.t_termios;
	if ((c_lflag & ECHOKE) !== 0 && (c_lflag & ECHOE) !== 0) {
		tty_rub(k, tp, tp.t_rawq.length);
		return;
	}
	ttyecho(k, tp, c);
	if ((c_lflag & ECHO) !== 0 && (c_lflag & ECHOK) !== 0) ttyoutput(k, tp, NL);
	tp.t_rawq = [];
}

/** Print the line again. */
function tty_retype(k: Kernel, tp: tty, c: number): void {
	if ((tp.t_termios.c_lflag & ECHO) === 0) return;
	ttyecho(k, tp, c);
	ttyoutput(k, tp, NL);
	tp.t_rocol = tp.t_column;
	for (const o of tp.t_rawq) ttyecho(k, tp, o);
}

/** Control characters that ECHOCTL shows as ^X. */
const is_control = (c: number): boolean => (c < SPACE && c !== TAB && c !== NL) || c === DEL;

function ttyecho(k: Kernel, tp: tty, c: number): void {
	const { c_lflag } = tp.t_termios;
	if ((c_lflag & ECHO) === 0) {
		if (c === NL && (c_lflag & (ECHONL | ICANON)) === (ECHONL | ICANON)) ttyoutput(k, tp, NL);
	} else if ((c_lflag & ECHOCTL) !== 0 && is_control(c)) {
		ttyoutput(k, tp, CARET);
		ttyoutput(k, tp, c ^ 0x40);
	} else {
		ttyoutput(k, tp, c);
	}
}

/** One character of output, with the processing that c_oflag asks for. => never sleeps. */
export function ttyoutput(k: Kernel, tp: tty, written: number): void {
	const { c_oflag } = tp.t_termios;
	let c = written;
	if ((c_oflag & OPOST) !== 0) {
		if (c === CR && (c_oflag & OCRNL) !== 0) c = NL;
		else if (c === CR && (c_oflag & ONOCR) !== 0 && tp.t_column === 0) return;
		if (c === NL && (c_oflag & ONLCR) !== 0) {
			computc(k, tp.t_base, CR);
			tp.t_column = 0;
		}
	}
	computc(k, tp.t_base, c);
	tp.t_column = column_after(tp, c, tp.t_column);
}

/** The column after `c`; escape sequences are not interpreted. */
function column_after(tp: tty, c: number, column: number): number {
	if (c === CR) return 0;
	if (c === BS) return Math.max(0, column - 1);
	if (c === TAB) return (column | 7) + 1;
	if (c < SPACE || c === DEL || is_continuation(tp, c)) return column;
	return column + 1;
}

/** Hang up: signal the processes that use the terminal; reads return end of file from now on. */
export function ttyhangup(k: Kernel, tp: tty): void {
	tp.t_hup = true;
	if (tp.t_session !== 0) pgsignal(k, tp.t_session, SIGHUP);
	if (tp.t_pgrp !== 0 && tp.t_pgrp !== tp.t_session) {
		pgsignal(k, tp.t_pgrp, SIGHUP);
		pgsignal(k, tp.t_pgrp, SIGCONT);
	}
	ttwakeup(k, tp);
}

/** The leader of session `sid` has exited: take the terminal from the session. */
export function ttysessionend(k: Kernel, tp: tty, sid: number): void {
	if (tp.t_session !== sid) return;
	if (tp.t_pgrp !== 0) {
		pgsignal(k, tp.t_pgrp, SIGHUP);
		pgsignal(k, tp.t_pgrp, SIGCONT);
	}
	tp.t_session = 0;
	tp.t_pgrp = 0;
}

/** Set the window size, and signal the foreground process group if it has changed. */
export function ttyresize(k: Kernel, tp: tty, size: winsize): void {
	const old = tp.t_winsize;
	tp.t_winsize = size;
	const same =
		old.ws_row === size.ws_row &&
		old.ws_col === size.ws_col &&
		old.ws_xpixel === size.ws_xpixel &&
		old.ws_ypixel === size.ws_ypixel;
	if (!same && tp.t_pgrp !== 0) pgsignal(k, tp.t_pgrp, SIGWINCH);
}

/** Set the attributes. Unread input is kept and becomes readable at once. */
export function ttysetattr(k: Kernel, tp: tty, t: termios): void {
	const before = tty_canonical(tp);
	tp.t_termios = t;
	tp.t_lnext = false;
	if (before === tty_canonical(tp)) {
		ttwakeup(k, tp);
		return;
	}
	if (before) {
		tp.t_rawq = [...tp.t_canq.flat(), ...tp.t_rawq];
		tp.t_canq = [];
	} else if (tp.t_rawq.length > 0) {
		tp.t_canq.push(tp.t_rawq);
		tp.t_rawq = [];
	}
	ttwakeup(k, tp);
}
