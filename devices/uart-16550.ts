/**
 * Serial port: TL16C550 (a 16550A) with byte-wide registers one byte apart. A wider access, as on
 * QEMU, is one to the register at its address.
 *
 * The line is faster than any program: a byte written to THR has left by the next instruction, so
 * the transmitter is always empty. A received byte arrives at once; check `room` first, because
 * bytes that do not fit are lost and reported as an overrun, as on a real line. Parity, framing and
 * break errors do not occur.
 */

import { ACCESS_FAULT, type MmioDevice, type Width } from "../machine/bus.ts";
import type { Clock } from "../machine/clock.ts";
import type { IrqLine } from "./irq.ts";

/** Register offsets. While LCR.DLAB is set, 0 and 1 are the divisor latch (DLL and DLM) instead. */
export const RBR = 0; // R: receiver buffer
export const THR = 0; // W: transmitter holding
export const IER = 1; // RW: interrupt enable
export const IIR = 2; // R: interrupt identification
export const FCR = 2; // W: FIFO control
export const LCR = 3; // RW: line control
export const MCR = 4; // RW: modem control
export const LSR = 5; // R: line status
export const MSR = 6; // R: modem status
export const SCR = 7; // RW: scratch

export const IER_ERBFI = 0x01; // received data
const IER_ETBEI = 0x02; // transmitter empty
const IER_ELSI = 0x04; // line status
const IER_EDSSI = 0x08; // modem status

const IIR_NONE = 0x01;
const IIR_MODEM = 0x00;
const IIR_THRE = 0x02;
const IIR_DATA = 0x04;
const IIR_LINE = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFOS = 0xc0; // FIFOs are on

export const FCR_ENABLE = 0x01;
const FCR_CLEAR_RX = 0x02;
const FCR_TRIGGER = 0xc0; // 1, 4, 8 or 14 bytes

const LCR_DLAB = 0x80;

const MCR_DTR = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT1 = 0x04;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;

export const LSR_DR = 0x01; // data ready
const LSR_OE = 0x02; // overrun
export const LSR_THRE = 0x20; // transmitter holding register empty
const LSR_TEMT = 0x40; // transmitter empty

const MSR_CTS = 0x10;
const MSR_DSR = 0x20;
const MSR_RI = 0x40;
const MSR_DCD = 0x80;
const MSR_TERI = 0x04; // RI ended
const MSR_DELTAS = 0x0f;

const FIFO_SIZE = 16;
/** Input clock: the baud rate is this over 16 times the divisor. */
export const UART_CLOCK_HZ = 3_686_400;

const TRIGGER_BYTES = [1, 4, 8, 14];
/** The other end of the line is always there. */
const LINE_UP = MSR_CTS | MSR_DSR | MSR_DCD;
/** 19200 baud; the datasheet leaves it undefined. */
const DIVISOR_AT_RESET = 12;

/** Reads of LSR in a row after which the guest counts as waiting; drivers also probe with it. */
const EMPTY_READS_MAX = 1000;

interface Registers {
	/** The last byte received without FIFOs; it can be read again. */
	rbr: number;
	ier: number;
	fcr: number;
	lcr: number;
	mcr: number;
	msr: number;
	scr: number;
	divisor: number;
	/** LSR.OE */
	overrun: boolean;
	/** Bytes have waited in the FIFO for four character times. */
	timeout: boolean;
	/** The transmitter has emptied, which no interrupt has reported yet. */
	transmitterEmptied: boolean;
}

const registersAtReset = (): Registers => ({
	rbr: 0,
	ier: 0,
	fcr: 0,
	lcr: 0,
	mcr: 0,
	msr: LINE_UP,
	scr: 0,
	divisor: DIVISOR_AT_RESET,
	overrun: false,
	timeout: false,
	transmitterEmptied: false,
});

export interface UartState {
	readonly rx: number[];
	readonly registers: Registers;
	/** Reads of LSR in a row that found no byte. */
	readonly looks: number;
}

export class Uart16550 implements MmioDevice {
	#rx: number[] = [];
	#r = registersAtReset();
	/** Reads of LSR in a row that found no byte, without output in between. */
	#looks = 0;
	readonly #clock: Clock;
	readonly #irq: IrqLine;
	readonly #transmit: (byte: number) => void;
	readonly #timeoutEvent: number;
	readonly #starving: () => void;

	/**
	 * => `transmit` is given each byte that the guest sends, inside the guest's store; `starving` is
	 *    called when the guest seems to wait for input.
	 */
	constructor(
		clock: Clock,
		irq: IrqLine,
		transmit: (byte: number) => void,
		starving: () => void = () => {},
	) {
		this.#starving = starving;
		this.#clock = clock;
		this.#irq = irq;
		this.#transmit = transmit;
		this.#timeoutEvent = clock.register(() => {
			this.#r.timeout = true;
			this.#update();
		});
	}

	/** Bytes that can be received now without an overrun. */
	get room(): number {
		return (this.#fifos ? FIFO_SIZE : 1) - this.#rx.length;
	}

	/** Would a byte that arrives now raise an interrupt, at once or after the timeout? */
	get listening(): boolean {
		return (this.#r.ier & IER_ERBFI) !== 0 && this.#rx.length === 0;
	}

	/** Bytes arrive on the line. In loopback the line is disconnected. */
	receive(bytes: Iterable<number>): void {
		if ((this.#r.mcr & MCR_LOOP) !== 0) return;
		for (const byte of bytes) this.#receive(byte & 0xff);
		this.#update();
	}

	load(offset: number, _width: Width): number {
		const dlab = (this.#r.lcr & LCR_DLAB) !== 0;
		switch (offset) {
			case RBR:
				return dlab ? this.#r.divisor & 0xff : this.#readRbr();
			case IER:
				return dlab ? this.#r.divisor >>> 8 : this.#r.ier;
			case IIR:
				return this.#readIir();
			case LCR:
				return this.#r.lcr;
			case MCR:
				return this.#r.mcr;
			case LSR:
				return this.#readLsr();
			case MSR:
				return this.#readMsr();
			case SCR:
				return this.#r.scr;
			default:
				return ACCESS_FAULT;
		}
	}

	store(offset: number, _width: Width, value: number): boolean {
		if (offset > SCR) return false;
		const byte = value & 0xff;
		const r = this.#r;
		const dlab = (r.lcr & LCR_DLAB) !== 0;
		switch (offset) {
			case THR:
				if (dlab) r.divisor = (r.divisor & 0xff00) | byte;
				else this.#writeThr(byte);
				break;
			case IER:
				if (dlab) r.divisor = (r.divisor & 0x00ff) | (byte << 8);
				else this.#writeIer(byte);
				break;
			case FCR:
				this.#writeFcr(byte);
				break;
			case LCR:
				r.lcr = byte;
				break;
			case MCR:
				this.#writeMcr(byte);
				break;
			case SCR:
				r.scr = byte;
				break;
			// LSR and MSR are for reading; a write is for factory tests only.
		}
		this.#update();
		return true;
	}

	/** As after power on; received bytes are lost. */
	reset(): void {
		this.#rx = [];
		this.#r = registersAtReset();
		this.#restartTimeout();
		this.#update();
	}

	save(): UartState {
		return { rx: [...this.#rx], registers: { ...this.#r }, looks: this.#looks };
	}

	/** => the clock is restored as well, and holds the event of the timeout. */
	restore(state: UartState): void {
		this.#rx = [...state.rx];
		this.#r = { ...state.registers };
		this.#looks = state.looks;
		this.#update();
	}

	get #fifos(): boolean {
		return (this.#r.fcr & FCR_ENABLE) !== 0;
	}

	/** With FIFOs an overrun loses the new byte; without, the byte that was not read. */
	#receive(byte: number): void {
		if (!this.#fifos) this.#r.rbr = byte;
		if (this.room > 0) {
			this.#rx.push(byte);
		} else {
			this.#r.overrun = true;
			if (!this.#fifos) this.#rx[0] = byte;
		}
		this.#restartTimeout();
	}

	#readRbr(): number {
		const byte = this.#rx.shift() ?? (this.#fifos ? 0 : this.#r.rbr);
		this.#restartTimeout();
		this.#update();
		return byte;
	}

	/** Reading IIR clears a transmitter interrupt if that is what it reports. */
	#readIir(): number {
		const source = this.#source();
		if (source === IIR_THRE) {
			this.#r.transmitterEmptied = false;
			this.#update();
		}
		return source | (this.#fifos ? IIR_FIFOS : 0);
	}

	#readLsr(): number {
		const lsr = LSR_THRE | LSR_TEMT | this.#lineStatus();
		if ((lsr & LSR_DR) !== 0) this.#looks = 0;
		else if (++this.#looks === EMPTY_READS_MAX) {
			this.#looks = 0;
			this.#starving();
		}
		this.#r.overrun = false;
		this.#update();
		return lsr;
	}

	#readMsr(): number {
		const { msr } = this.#r;
		this.#r.msr &= ~MSR_DELTAS;
		this.#update();
		return msr;
	}

	#writeThr(byte: number): void {
		if ((this.#r.mcr & MCR_LOOP) !== 0) this.#receive(byte);
		else this.#transmit(byte);
		this.#looks = 0;
		this.#r.transmitterEmptied = true;
	}

	/** Enabling the transmitter interrupt reports that the transmitter is empty. */
	#writeIer(byte: number): void {
		const enabled = byte & ~this.#r.ier;
		if ((enabled & IER_ETBEI) !== 0) this.#r.transmitterEmptied = true;
		this.#r.ier = byte & 0x0f;
	}

	/** Turning the FIFOs on or off clears them; the other bits count only while they are on. */
	#writeFcr(byte: number): void {
		const toggled = ((byte ^ this.#r.fcr) & FCR_ENABLE) !== 0;
		const clear = (byte & FCR_ENABLE) !== 0 && (byte & FCR_CLEAR_RX) !== 0;
		if (toggled || clear) {
			this.#rx = [];
			this.#restartTimeout();
		}
		this.#r.fcr = (byte & FCR_ENABLE) !== 0 ? byte & (FCR_ENABLE | FCR_TRIGGER) : 0;
	}

	/** In loopback the modem outputs are connected to its inputs. */
	#writeMcr(byte: number): void {
		const mcr = byte & 0x1f;
		this.#r.mcr = mcr;
		if ((mcr & MCR_LOOP) === 0) {
			this.#setModemInputs(LINE_UP);
			return;
		}
		const cts = (mcr & MCR_RTS) !== 0 ? MSR_CTS : 0;
		const dsr = (mcr & MCR_DTR) !== 0 ? MSR_DSR : 0;
		const ri = (mcr & MCR_OUT1) !== 0 ? MSR_RI : 0;
		const dcd = (mcr & MCR_OUT2) !== 0 ? MSR_DCD : 0;
		this.#setModemInputs(cts | dsr | ri | dcd);
	}

	/** The low half of MSR remembers changes: of RI only its end. */
	#setModemInputs(inputs: number): void {
		const { msr } = this.#r;
		let deltas = ((msr ^ inputs) >>> 4) & MSR_DELTAS;
		if ((inputs & MSR_RI) !== 0) deltas &= ~MSR_TERI;
		this.#r.msr = inputs | (msr & MSR_DELTAS) | deltas;
	}

	/** The part of LSR that can change. */
	#lineStatus(): number {
		return (this.#rx.length > 0 ? LSR_DR : 0) | (this.#r.overrun ? LSR_OE : 0);
	}

	/** Four character times without a byte coming or going make waiting bytes an interrupt. */
	#restartTimeout(): void {
		this.#clock.cancel(this.#timeoutEvent);
		this.#r.timeout = false;
		if (!this.#fifos || this.#rx.length === 0) return;
		const { lcr, divisor } = this.#r;
		const stopBits = (lcr & 0x04) !== 0 ? 2 : 1;
		const bits = 1 + 5 + (lcr & 0x03) + ((lcr & 0x08) !== 0 ? 1 : 0) + stopBits;
		const ns = (4 * bits * 16 * Math.max(divisor, 1) * 1e9) / UART_CLOCK_HZ;
		this.#clock.schedule(this.#clock.cycles + Math.ceil(ns), this.#timeoutEvent);
	}

	/** The enabled interrupt of the highest priority, as IIR shows it. */
	#source(): number {
		const { ier, fcr, overrun, timeout, transmitterEmptied, msr } = this.#r;
		const trigger = this.#fifos ? TRIGGER_BYTES[fcr >>> 6]! : 1;
		if ((ier & IER_ELSI) !== 0 && overrun) return IIR_LINE;
		if ((ier & IER_ERBFI) !== 0 && this.#rx.length >= trigger) return IIR_DATA;
		if ((ier & IER_ERBFI) !== 0 && timeout) return IIR_TIMEOUT;
		if ((ier & IER_ETBEI) !== 0 && transmitterEmptied) return IIR_THRE;
		if ((ier & IER_EDSSI) !== 0 && (msr & MSR_DELTAS) !== 0) return IIR_MODEM;
		return IIR_NONE;
	}

	#update(): void {
		this.#irq.set(this.#source() !== IIR_NONE);
	}
}
