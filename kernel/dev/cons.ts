/**
 * The console: a 16550 UART, polled for output, interrupt-driven for input.
 *
 * Registers and bits: PC16550D data sheet, section 8.
 */
import { EAGAIN } from "../../pmap/errno.ts";
import { CDEV_CONS, O_NONBLOCK, POLLIN, POLLOUT } from "../kern/file.ts";
import { ltsleep, type Sleeps, wakeup } from "../kern/kern_synch.ts";
import type { Kernel } from "../kernel.ts";

const com_data = 0;
const com_ier = 1;
const com_fifo = 2;
const com_lcr = 3;
const com_lsr = 5;
const IER_ERXRDY = 0x01;
const FIFO_ENABLE = 0x01;
const LCR_8BITS = 0x03;
const LSR_RXRDY = 0x01;
const LSR_TXRDY = 0x20;

/** Cost of one character, in cycles. */
const PUTC_CYCLES = 20;

export interface cons {
	readonly base: number;
	/** Characters received and not read yet. */
	readonly input: number[];
	eof: boolean;
}

/** Set up the UART at physical address `base`. */
export function cons_attach(k: Kernel, base: number): void {
	k.port.store(base + com_lcr, 1, LCR_8BITS);
	k.port.store(base + com_fifo, 1, FIFO_ENABLE);
	k.port.store(base + com_ier, 1, IER_ERXRDY);
	k.cons = { base, input: [], eof: false };
	k.cdevsw[CDEV_CONS] = {
		d_name: "console",
		d_read: function* (kernel, _p, _minor, bytes, flag) {
			const { input, eof } = kernel.cons!;
			if (input.length === 0 && !eof && (flag & O_NONBLOCK) !== 0) return -EAGAIN;
			const data = yield* cnread(kernel, bytes.length);
			bytes.set(data);
			return data.length;
		},
		d_write: function* (kernel, _p, _minor, bytes) {
			cnwrite(kernel, bytes);
			return bytes.length;
		},
		d_poll: (kernel, _minor, events) => {
			const { input, eof } = kernel.cons!;
			return events & (input.length > 0 || eof ? POLLIN | POLLOUT : POLLOUT);
		},
	};
}

/** Write one character. => never sleeps. */
function cnputc(k: Kernel, base: number, c: number): void {
	while ((k.port.load(base + com_lsr, 1) & LSR_TXRDY) === 0) k.port.charge(PUTC_CYCLES);
	k.port.store(base + com_data, 1, c);
	k.port.charge(PUTC_CYCLES);
}

export function cnwrite(k: Kernel, bytes: Uint8Array): void {
	if (k.cons === null) return;
	for (const c of bytes) cnputc(k, k.cons.base, c);
}

/** Interrupt: take what was received. */
export function cons_intr(k: Kernel): void {
	const cons = k.cons!;
	while ((k.port.load(cons.base + com_lsr, 1) & LSR_RXRDY) !== 0) {
		cons.input.push(k.port.load(cons.base + com_data, 1));
	}
	wakeup(k, cons);
	wakeup(k, k.selwait);
}

/**
 * Read up to `size` characters, at least one unless the input has ended.
 * => sleeps until there is one.
 */
export function* cnread(k: Kernel, size: number): Sleeps<Uint8Array> {
	const cons = k.cons;
	if (cons === null) return new Uint8Array(0);
	while (cons.input.length === 0 && !cons.eof) yield* ltsleep(k, cons, "ttyin", 0, null);
	return Uint8Array.from(cons.input.splice(0, size));
}

/** The line hangs up: what was received can still be read, and then the input has ended. */
export function cnhangup(k: Kernel): void {
	if (k.cons === null) return;
	k.cons.eof = true;
	wakeup(k, k.cons);
	wakeup(k, k.selwait);
}

/** Does somebody wait for input? */
export const cnwaiting = (k: Kernel): boolean =>
	k.sleepers.some((l) => l.l_wchan === k.cons || l.l_wchan === k.selwait);
