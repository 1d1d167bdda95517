/**
 * Terminal attributes (sys/termios.h) with Linux's bits, numbers and layouts for riscv32, which
 * are those that guest programs use (asm-generic/termbits.h, asm-generic/ioctls.h).
 */

/** c_iflag */
export const ISTRIP = 0x0020;
export const INLCR = 0x0040;
export const IGNCR = 0x0080;
export const ICRNL = 0x0100;
export const IMAXBEL = 0x2000;
export const IUTF8 = 0x4000;

/** c_oflag */
export const OPOST = 0x0001;
export const ONLCR = 0x0004;
export const OCRNL = 0x0008;
export const ONOCR = 0x0010;

/** c_cflag */
const B38400 = 0x000f;
const CS8 = 0x0030;
const CREAD = 0x0080;

/** c_lflag */
export const ISIG = 0x0001;
export const ICANON = 0x0002;
export const ECHO = 0x0008;
export const ECHOE = 0x0010;
export const ECHOK = 0x0020;
export const ECHONL = 0x0040;
export const NOFLSH = 0x0080;
export const TOSTOP = 0x0100;
export const ECHOCTL = 0x0200;
export const ECHOKE = 0x0800;
export const IEXTEN = 0x8000;

/** Indexes of c_cc. */
export const VINTR = 0;
export const VQUIT = 1;
export const VERASE = 2;
export const VKILL = 3;
export const VEOF = 4;
export const VTIME = 5;
export const VMIN = 6;
export const VSUSP = 10;
export const VEOL = 11;
export const VREPRINT = 12;
export const VWERASE = 14;
export const VLNEXT = 15;
export const VEOL2 = 16;
const NCCS = 19;

/** ioctls */
export const TCGETS = 0x5401;
export const TCSETS = 0x5402;
export const TCSETSW = 0x5403;
export const TCSETSF = 0x5404;
export const TCSBRK = 0x5409;
export const TCXONC = 0x540a;
export const TCFLSH = 0x540b;
export const TIOCSCTTY = 0x540e;
export const TIOCGPGRP = 0x540f;
export const TIOCSPGRP = 0x5410;
export const TIOCOUTQ = 0x5411;
export const TIOCGWINSZ = 0x5413;
export const TIOCSWINSZ = 0x5414;
export const FIONREAD = 0x541b;
export const TIOCNOTTY = 0x5422;
export const TIOCGSID = 0x5429;

/** Operands of TCFLSH. */
export const TCIFLUSH = 0;
export const TCIOFLUSH = 2;

export interface termios {
	readonly c_iflag: number;
	readonly c_oflag: number;
	readonly c_cflag: number;
	readonly c_lflag: number;
	readonly c_line: number;
	readonly c_cc: Uint8Array;
}

export interface winsize {
	readonly ws_row: number;
	readonly ws_col: number;
	readonly ws_xpixel: number;
	readonly ws_ypixel: number;
}

/** Initial attributes: a line at a time, echoed, with the usual keys. */
export function termios_default(): termios {
	const c_cc = new Uint8Array(NCCS);
	const keys: [number, number][] = [
		[VINTR, 0x03], // ^C
		[VQUIT, 0x1c], // ^\
		[VERASE, 0x7f],
		[VKILL, 0x15], // ^U
		[VEOF, 0x04], // ^D
		[VMIN, 1],
		[VSUSP, 0x1a], // ^Z
		[VREPRINT, 0x12], // ^R
		[VWERASE, 0x17], // ^W
		[VLNEXT, 0x16], // ^V
	];
	for (const [index, key] of keys) c_cc[index] = key;
	return {
		c_iflag: ICRNL | IMAXBEL | IUTF8,
		c_oflag: OPOST | ONLCR,
		c_cflag: B38400 | CS8 | CREAD,
		c_lflag: ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
		c_line: 0,
		c_cc,
	};
}

/** struct termios: four words of flags, c_line, c_cc. */
export const TERMIOS_SIZE = 36;
const C_LINE = 16;
const C_CC = 17;

export function termios_encode(t: termios): Uint8Array {
	const bytes = new Uint8Array(TERMIOS_SIZE);
	const view = new DataView(bytes.buffer);
	for (const [i, flags] of [t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag].entries()) {
		view.setUint32(4 * i, flags, true);
	}
	bytes[C_LINE] = t.c_line;
	bytes.set(t.c_cc, C_CC);
	return bytes;
}

export function termios_decode(bytes: Uint8Array): termios {
	const view = new DataView(bytes.buffer, bytes.byteOffset, TERMIOS_SIZE);
	return {
		c_iflag: view.getUint32(0, true),
		c_oflag: view.getUint32(4, true),
		c_cflag: view.getUint32(8, true),
		c_lflag: view.getUint32(12, true),
		c_line: bytes[C_LINE]!,
		c_cc: bytes.slice(C_CC, C_CC + NCCS),
	};
}

/** struct winsize: four halfwords. */
export const WINSIZE_SIZE = 8;

export function winsize_encode(w: winsize): Uint8Array {
	return new Uint8Array(Uint16Array.of(w.ws_row, w.ws_col, w.ws_xpixel, w.ws_ypixel).buffer);
}

export function winsize_decode(bytes: Uint8Array): winsize {
	const [ws_row, ws_col, ws_xpixel, ws_ypixel] = new Uint16Array(bytes.slice().buffer);
	return { ws_row: ws_row!, ws_col: ws_col!, ws_xpixel: ws_xpixel!, ws_ypixel: ws_ypixel! };
}
