/**
 * Host-target interface: two 64-bit words in RAM, `tohost` and `fromhost`, with which programs of
 * the RISC-V tools (such as the official ISA tests) print and exit.
 *
 * A command is device (bits 63:56), operation (55:48), payload (47:0). Device 0 is system calls:
 * an odd payload ends the run with its upper bits as exit code, an even one is the address of a
 * call's number and arguments, eight bytes each. Device 1 is a console.
 */
import type { Clock } from "../machine/clock.ts";
import { DMA_FAULT, type Dma } from "../machine/dma.ts";

const DEVICE_SYSCALL = 0;
const DEVICE_CONSOLE = 1;
const CONSOLE_GETC = 0;
const CONSOLE_PUTC = 1;
const SYS_WRITE = 64;
const SYS_EXIT = 93;
const EBADF = 9;
const EFAULT = 14;
const ENOSYS = 38;
/** Bytes that one write system call may print. */
const WRITE_MAX = 1 << 20;

/** A 64-bit command is written in halves, in either order: it is read this much later. */
const COMMAND_CYCLES = 100;

export interface HtifHost {
	readonly dma: Dma;
	readonly clock: Clock;
	/** Bring the clock up to date: a store happens while an engine runs. */
	readonly sync: () => void;
	readonly putchar: (byte: number) => void;
	/** => -1 if there is none. */
	readonly getchar: () => number;
	readonly exit: (code: number) => void;
}

export class Htif {
	readonly #host: HtifHost;
	readonly #tohost: number;
	readonly #fromhost: number;
	readonly #event: number;

	/** => physical addresses; `fromhost` may be 0 if the program has none. */
	constructor(host: HtifHost, tohost: number, fromhost: number) {
		this.#host = host;
		this.#tohost = tohost;
		this.#fromhost = fromhost;
		this.#event = host.clock.register(() => this.#command());
	}

	/** The hart has stored `bytes` bytes at physical address `pa`. */
	stored(pa: number, bytes: number): void {
		if (pa + bytes <= this.#tohost || pa >= this.#tohost + 8) return;
		const { clock } = this.#host;
		if (clock.waits(this.#event)) return;
		this.#host.sync();
		clock.schedule(clock.cycles + COMMAND_CYCLES, this.#event);
	}

	#command(): void {
		const { dma } = this.#host;
		const low = dma.load32(this.#tohost);
		const high = dma.load32(this.#tohost + 4);
		if (low === DMA_FAULT || high === DMA_FAULT || (low === 0 && high === 0)) return;
		this.#write64(this.#tohost, 0, 0);
		const device = high >>> 24;
		const operation = (high >>> 16) & 0xff;
		if (device === DEVICE_SYSCALL && operation === 0) this.#syscall(low);
		else if (device === DEVICE_CONSOLE) this.#console(operation, low & 0xff);
	}

	#syscall(payload: number): void {
		if ((payload & 1) !== 0) {
			this.#host.exit(payload >>> 1);
			return;
		}
		const { dma } = this.#host;
		const word = (index: number): number => dma.load32(payload + 8 * index);
		if (!dma.contains(payload, 64)) return;
		const number = word(0);
		if (number === SYS_EXIT) {
			this.#host.exit(word(1));
			return;
		}
		const result = number === SYS_WRITE ? this.#print(word(1), word(2), word(3)) : -ENOSYS;
		this.#write64(payload, result, result < 0 ? -1 : 0);
		this.#answer(1, 0);
	}

	/** => bytes printed, or a negative error number. */
	#print(fd: number, pa: number, length: number): number {
		const { dma, putchar } = this.#host;
		if (fd !== 1 && fd !== 2) return -EBADF;
		const bytes = new Uint8Array(Math.min(length, WRITE_MAX));
		if (!dma.read(pa, bytes)) return -EFAULT;
		for (const byte of bytes) putchar(byte);
		return bytes.length;
	}

	#console(operation: number, byte: number): void {
		if (operation === CONSOLE_PUTC) {
			this.#host.putchar(byte);
			this.#answer(0x100 | byte, (DEVICE_CONSOLE << 24) | (CONSOLE_PUTC << 16));
		} else if (operation === CONSOLE_GETC) {
			const key = this.#host.getchar();
			this.#answer(key < 0 ? 0 : 0x100 | key, (DEVICE_CONSOLE << 24) | (CONSOLE_GETC << 16));
		}
	}

	#answer(low: number, high: number): void {
		if (this.#fromhost !== 0) this.#write64(this.#fromhost, low, high);
	}

	#write64(pa: number, low: number, high: number): void {
		this.#host.dma.store32(pa, low >>> 0);
		this.#host.dma.store32(pa + 4, high >>> 0);
	}
}
