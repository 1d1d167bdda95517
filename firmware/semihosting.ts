/**
 * Semihosting: a program asks its debugger, here the machine, to print, to read and to exit. RISC-V
 * semihosting 1.0; operations and their blocks are those of Arm's "Semihosting for AArch32 and
 * AArch64". A call is ebreak between two marked nops, the operation in a0, its parameter in a1.
 *
 * Only the console can be opened (":tt"), and ":semihosting-features"; no file of the host. Times
 * are the machine's.
 */

import type { Firmware } from "../machine/bare-run.ts";
import type { Dma } from "../machine/dma.ts";
import type { Hart } from "../machine/hart.ts";
import { PRIV_U } from "../machine/hart-state.ts";
import { RAM_BASE } from "../machine/memory.ts";
import { ACCESS_LOAD, ACCESS_STORE, CAUSE_BREAKPOINT } from "../machine/port.ts";

const BEFORE = 0x01f0_1013; // slli x0, x0, 0x1f
const BEHIND = 0x4070_5013; // srai x0, x0, 7

const SYS_OPEN = 0x01;
const SYS_CLOSE = 0x02;
const SYS_WRITEC = 0x03;
const SYS_WRITE0 = 0x04;
const SYS_WRITE = 0x05;
const SYS_READ = 0x06;
const SYS_READC = 0x07;
const SYS_ISERROR = 0x08;
const SYS_ISTTY = 0x09;
const SYS_SEEK = 0x0a;
const SYS_FLEN = 0x0c;
const SYS_CLOCK = 0x10;
const SYS_TIME = 0x11;
const SYS_ERRNO = 0x13;
const SYS_GET_CMDLINE = 0x15;
const SYS_HEAPINFO = 0x16;
const SYS_EXIT = 0x18;
const SYS_EXIT_EXTENDED = 0x20;
const SYS_ELAPSED = 0x30;
const SYS_TICKFREQ = 0x31;

const APPLICATION_EXIT = 0x2_0026;

const ENOENT = 2;
const EBADF = 9;
const EFAULT = 14;
const EINVAL = 22;
const ENOSYS = 38;

/** Of ":semihosting-features": the magic number; SYS_EXIT_EXTENDED, and stdout beside stderr. */
const FEATURES = [0x53, 0x48, 0x46, 0x42, 0x03];
/** Bytes that one call moves at most. */
const BYTES_MAX = 1 << 20;
const NAME_MAX = 64;
const FILES_MAX = 64;

/** What a handle stands for, as plain data. */
interface OpenFile {
	readonly kind: "in" | "out" | "features" | "closed";
	position: number;
}

export interface SemihostingState {
	readonly files: OpenFile[];
	readonly errno: number;
	readonly endTold?: boolean;
}

export interface SemihostingHost {
	readonly hart: Hart;
	readonly dma: Dma;
	readonly putchar: (byte: number) => void;
	/** => -1 if there is none, -2 if there never will be. */
	readonly getchar: () => number;
	/** The program waits for input: it will ask again. */
	readonly starving: () => void;
	/** It waits for input, and none will come: it waits for ever. */
	readonly exhausted: () => void;
	readonly exit: (code: number) => void;
	/** Seconds since 1970. */
	readonly seconds: () => number;
	readonly commandLine: string;
	/** Of RAM behind the images: the first free address; and the end of RAM. */
	readonly heap: number;
	readonly top: number;
}

/** The call waits for input, and is done again. */
const AGAIN = -2;

export class Semihosting implements Firmware {
	readonly causes = 1 << CAUSE_BREAKPOINT;
	readonly #host: SemihostingHost;
	#files: OpenFile[] = [];
	#errno = 0;
	/** SYS_READC has returned -1. */
	#endTold = false;

	constructor(host: SemihostingHost) {
		this.#host = host;
	}

	/** => false for an exception that is no call. */
	trap(): boolean {
		const { hart } = this.#host;
		const { pc, state, x } = hart;
		if (state.cause !== CAUSE_BREAKPOINT || state.priv === PRIV_U) return false;
		if (this.#word(pc - 4) !== BEFORE || this.#word(pc + 4) !== BEHIND) return false;
		const result = this.#call(x[10]!, x[11]! >>> 0);
		if (result === AGAIN) return true;
		x[10] = result;
		hart.pc = pc + 4;
		return true;
	}

	/** As after power on. */
	reset(): void {
		this.#files = [];
		this.#errno = 0;
		this.#endTold = false;
	}

	save(): SemihostingState {
		return {
			files: this.#files.map((file) => ({ ...file })),
			errno: this.#errno,
			endTold: this.#endTold,
		};
	}

	restore(state: SemihostingState): void {
		this.#files = state.files.map((file) => ({ ...file }));
		this.#errno = state.errno;
		this.#endTold = state.endTold ?? false;
	}

	#call(operation: number, parameter: number): number {
		const { hart, exit, putchar, seconds } = this.#host;
		const { cycles } = hart.clock;
		const argument = (index: number): number => this.#word(parameter + 4 * index);
		switch (operation) {
			case SYS_OPEN:
				return this.#open(argument(0), argument(1), argument(2));
			case SYS_CLOSE:
				return this.#close(argument(0));
			case SYS_WRITEC:
				putchar(Math.max(this.#byte(parameter), 0));
				return 0;
			case SYS_WRITE0:
				for (let i = 0, byte = 0; i < BYTES_MAX; i++) {
					byte = this.#byte(parameter + i);
					if (byte <= 0) break;
					putchar(byte);
				}
				return 0;
			case SYS_WRITE:
				return this.#write(argument(0), argument(1), argument(2));
			case SYS_READ:
				return this.#read(argument(0), argument(1), argument(2));
			case SYS_READC: {
				const byte = this.#host.getchar();
				if (byte >= 0) return byte;
				return byte === -1 ? this.#starve() : this.#end();
			}
			case SYS_ISERROR:
				return (argument(0) | 0) < 0 ? 1 : 0;
			case SYS_ISTTY: {
				const file = this.#file(argument(0));
				return file === null ? -1 : file.kind === "features" ? 0 : 1;
			}
			case SYS_SEEK:
				return this.#seek(argument(0), argument(1));
			case SYS_FLEN: {
				const file = this.#file(argument(0));
				return file === null ? -1 : file.kind === "features" ? FEATURES.length : 0;
			}
			case SYS_CLOCK:
				return Math.floor(cycles / 1e7) | 0;
			case SYS_TIME:
				return seconds() | 0;
			case SYS_ERRNO:
				return this.#errno;
			case SYS_GET_CMDLINE:
				return this.#commandLine(parameter);
			case SYS_HEAPINFO: {
				const { heap, top } = this.#host;
				const block = argument(0);
				const values = [heap, top, top, heap];
				const done = values.every((value, i) => this.#setWord(block + 4 * i, value));
				return done ? 0 : this.#fail(EFAULT);
			}
			case SYS_EXIT:
				exit(parameter === APPLICATION_EXIT ? 0 : 1);
				return 0;
			case SYS_EXIT_EXTENDED:
				exit(argument(0) === APPLICATION_EXIT ? argument(1) | 0 : 1);
				return 0;
			case SYS_ELAPSED: {
				const done = this.#setWord(parameter, cycles % 2 ** 32);
				return done && this.#setWord(parameter + 4, Math.floor(cycles / 2 ** 32)) ? 0 : -1;
			}
			case SYS_TICKFREQ:
				return 1_000_000_000;
			default:
				return this.#fail(ENOSYS);
		}
	}

	#open(name: number, mode: number, length: number): number {
		if (length > NAME_MAX) return this.#fail(ENOENT);
		let text = "";
		for (let i = 0; i < length; i++) text += String.fromCharCode(Math.max(this.#byte(name + i), 0));
		let kind: OpenFile["kind"];
		if (text === ":tt") kind = mode < 4 ? "in" : "out";
		else if (text === ":semihosting-features" && mode < 2) kind = "features";
		else return this.#fail(ENOENT);
		let index = this.#files.findIndex((file) => file.kind === "closed");
		if (index < 0) index = this.#files.length;
		if (index >= FILES_MAX) return this.#fail(EINVAL);
		this.#files[index] = { kind, position: 0 };
		return index + 1;
	}

	#file(handle: number): OpenFile | null {
		const file = this.#files[handle - 1];
		if (file !== undefined && file.kind !== "closed") return file;
		this.#fail(EBADF);
		return null;
	}

	#close(handle: number): number {
		if (this.#file(handle) === null) return -1;
		this.#files[handle - 1] = { kind: "closed", position: 0 };
		return 0;
	}

	/** => how many bytes were not written. */
	#write(handle: number, from: number, length: number): number {
		if (this.#file(handle)?.kind !== "out") return length | 0;
		let done = 0;
		for (; done < Math.min(length, BYTES_MAX); done++) {
			const byte = this.#byte(from + done);
			if (byte < 0) break;
			this.#host.putchar(byte);
		}
		return (length - done) | 0;
	}

	/** => how many bytes were not read, all of them at the end; from the console up to a line. */
	#read(handle: number, to: number, length: number): number {
		const file = this.#file(handle);
		if (file === null || file.kind === "out") return length | 0;
		let done = 0;
		while (done < length) {
			const byte = file.kind === "in" ? this.#host.getchar() : (FEATURES[file.position++] ?? -2);
			if (byte < 0) {
				if (byte === -1 && done === 0) return this.#starve();
				break;
			}
			if (!this.#setByte(to + done, byte)) break;
			done++;
			if (file.kind === "in" && byte === 0x0a) break;
		}
		return (length - done) | 0;
	}

	#starve(): typeof AGAIN {
		this.#host.starving();
		return AGAIN;
	}

	/**
	 * SYS_READC at the end of the input, for which it has no result. It is -1 once; a program that
	 * asks again takes that for a byte, as picolibc's do, and would go on for ever.
	 */
	#end(): number {
		if (this.#endTold) {
			this.#host.exhausted();
			return AGAIN;
		}
		this.#endTold = true;
		return -1;
	}

	#seek(handle: number, position: number): number {
		const file = this.#file(handle);
		if (file === null) return -1;
		if (file.kind !== "features" || position > FEATURES.length) return this.#fail(EINVAL);
		file.position = position;
		return 0;
	}

	#commandLine(block: number): number {
		const bytes = new TextEncoder().encode(`${this.#host.commandLine}\0`);
		const buffer = this.#word(block);
		if (bytes.length > this.#word(block + 4)) return this.#fail(EINVAL);
		for (const [i, byte] of bytes.entries()) {
			if (!this.#setByte(buffer + i, byte)) return this.#fail(EFAULT);
		}
		this.#setWord(block + 4, bytes.length - 1);
		return 0;
	}

	#fail(errno: number): -1 {
		this.#errno = errno;
		return -1;
	}

	/** Physical address of `va` as the program sees it. => -1 if it may not access it. */
	#physical(va: number, access: typeof ACCESS_LOAD | typeof ACCESS_STORE): number {
		const { mmu, state } = this.#host.hart;
		const rights = { priv: state.priv, sum: true, mxr: true };
		const { cause, tval } = state;
		if (mmu.translateAs(va | 0, access, rights)) return mmu.pa;
		state.cause = cause;
		state.tval = tval;
		return -1;
	}

	/** => -1 outside RAM. */
	#byte(va: number): number {
		return this.#host.dma.load8(this.#physical(va, ACCESS_LOAD));
	}

	#setByte(va: number, value: number): boolean {
		return this.#host.dma.store8(this.#physical(va, ACCESS_STORE), value);
	}

	/** 0 outside RAM. */
	#word(va: number): number {
		const pa = this.#physical(va, ACCESS_LOAD);
		return pa < RAM_BASE ? 0 : Math.max(this.#host.dma.load32(pa), 0);
	}

	#setWord(va: number, value: number): boolean {
		return this.#host.dma.store32(this.#physical(va, ACCESS_STORE), value);
	}
}
