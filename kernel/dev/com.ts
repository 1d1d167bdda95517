/**
 * Serial port: a 16550 UART, polled for output, interrupt-driven for input.
 *
 * Registers and bits: PC16550D data sheet, section 8.
 */
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

/** Set up the UART at physical address `base`. */
export function com_attach(k: Kernel, base: number): void {
	k.port.store(base + com_lcr, 1, LCR_8BITS);
	k.port.store(base + com_fifo, 1, FIFO_ENABLE);
	com_rxenable(k, base, true);
}

/** Write one character. => never sleeps. */
export function computc(k: Kernel, base: number, c: number): void {
	while ((k.port.load(base + com_lsr, 1) & LSR_TXRDY) === 0) k.port.charge(PUTC_CYCLES);
	k.port.store(base + com_data, 1, c);
	k.port.charge(PUTC_CYCLES);
}

/** => the next character received, or -1. */
export function comgetc(k: Kernel, base: number): number {
	if ((k.port.load(base + com_lsr, 1) & LSR_RXRDY) === 0) return -1;
	return k.port.load(base + com_data, 1);
}

/** Switch receive interrupts on or off. While off, characters wait in the FIFO. */
export function com_rxenable(k: Kernel, base: number, on: boolean): void {
	k.port.store(base + com_ier, 1, on ? IER_ERXRDY : 0);
}
