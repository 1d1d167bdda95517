/** A console, and processes without programs that use it. */

import { CDEV_CONS } from "../../kernel/dev/conf.ts";
import { cons_session } from "../../kernel/dev/cons.ts";
import { TCSETS, termios_default, termios_encode } from "../../kernel/dev/termios.ts";
import type { Sleeps } from "../../kernel/kern/core/kern_synch.ts";
import { sigismember } from "../../kernel/kern/core/signal.ts";
import type { proc } from "../../kernel/kern/proc/kern_proc.ts";
import { AddressSpace } from "./address-space.ts";
import { TestKernel, type Thread } from "./kernel.ts";

/** Where programs of these tests have memory. */
export const BUFFER = 0x10_0000;

/** A program at the console. */
export class Program {
	readonly t: TestKernel;
	readonly space: AddressSpace;

	constructor(t: TestKernel, parent: proc | null = null) {
		this.t = t;
		this.space = new AddressSpace(t, parent);
		this.space.anon(BUFFER, 1);
		cons_session(t.k, this.proc);
	}

	get proc(): proc {
		return this.space.proc;
	}

	*#read(size: number, flag: number): Sleeps<string | number> {
		const dev = this.t.k.cdevsw[CDEV_CONS]!;
		const bytes = new Uint8Array(size);
		const n = yield* dev.d_read(this.t.k, this.proc, 0, bytes, flag);
		return n < 0 ? n : new TextDecoder().decode(bytes.subarray(0, n));
	}

	/** Begin to read. */
	reading(size = 100, flag = 0): Thread<string | number> {
		const thread = this.t.spawn(this.#read(size, flag), this.proc);
		this.t.settle();
		return thread;
	}

	/** What can be read now. => throws if there is nothing and it sleeps. */
	read(size = 100, flag = 0): string | number {
		return this.reading(size, flag).result;
	}

	write(text: string): number {
		const dev = this.t.k.cdevsw[CDEV_CONS]!;
		const bytes = new TextEncoder().encode(text);
		return this.t.run(dev.d_write(this.t.k, this.proc, 0, bytes, 0), this.proc);
	}

	ioctl(cmd: number, arg: number): number {
		const dev = this.t.k.cdevsw[CDEV_CONS]!;
		return this.t.run(dev.d_ioctl!(this.t.k, this.proc, 0, cmd, arg), this.proc) + 0; // not -0
	}

	/** An ioctl whose operand is `bytes`. */
	put(cmd: number, bytes: Uint8Array): number {
		for (const [i, byte] of bytes.entries()) this.t.run(this.space.store(BUFFER + i, byte));
		return this.ioctl(cmd, BUFFER);
	}

	/** An ioctl that gives `size` bytes. */
	get(cmd: number, size: number): Uint8Array | number {
		const result = this.ioctl(cmd, BUFFER);
		if (result !== 0) return result;
		return Uint8Array.from({ length: size }, (_, i) => this.t.run(this.space.load(BUFFER + i)));
	}

	int(cmd: number): number {
		const bytes = this.get(cmd, 4);
		return typeof bytes === "number" ? bytes : new Int32Array(bytes.buffer)[0]!;
	}

	putInt(cmd: number, value: number): number {
		return this.put(cmd, new Uint8Array(Int32Array.of(value).buffer));
	}

	/** Change attributes: clear and set bits of c_lflag, and set characters. */
	attributes(clear: number, set: number, cc: Record<number, number> = {}, cmd = TCSETS): number {
		const t = termios_default();
		for (const [index, c] of Object.entries(cc)) t.c_cc[Number(index)] = c;
		return this.put(cmd, termios_encode({ ...t, c_lflag: (t.c_lflag & ~clear) | set }));
	}

	poll(events: number): number {
		return this.t.k.cdevsw[CDEV_CONS]!.d_poll!(this.t.k, 0, events);
	}
}

export function terminal(): { t: TestKernel; program: Program } {
	const t = new TestKernel({ terminal: true });
	return { t, program: new Program(t) };
}

export const pending = (p: proc, sig: number): boolean => sigismember(p.p_siglist, sig);
