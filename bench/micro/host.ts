/** A kernel on a board, without a program: what micro-benchmarks of the kernel call. */

import { boardConf } from "../../computer/system-config.ts";
import { Board, boardParts } from "../../devices/board.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { InstantTiming } from "../../devices/disk/timing.ts";
import type { Engine } from "../../index.ts";
import { lwp_create, lwp_free } from "../../kernel/kern/core/kern_lwp.ts";
import { sleepq_remove } from "../../kernel/kern/core/kern_sleepq.ts";
import { ltsleep, type Sleeps, setrunnable } from "../../kernel/kern/core/kern_synch.ts";
import { main } from "../../kernel/kern/proc/init_main.ts";
import { CPU_DEADLOCK, cpu_run } from "../../kernel/kern/proc/kern_cpu.ts";
import { type Kernel, kernel_create } from "../../kernel/kernel.ts";
import { uvm_pagealloc, type vm_page } from "../../kernel/uvm/uvm_page.ts";
import { Machine } from "../../machine/machine.ts";
import { panic } from "../../sys/panic.ts";
import type { Counts } from "./micro.ts";

const MiB = 1024 * 1024;
const RAM = 16 * MiB;
const SWAP = 32 * MiB;
/** No wait of the kernel is as long. */
const FOREVER = 100_000_000_000;

export class Host {
	readonly machine: Machine;
	readonly board: Board;
	readonly k: Kernel;

	constructor(engine: Engine) {
		this.machine = new Machine({ ramSize: RAM, engine });
		this.board = new Board(boardParts(this.machine), {
			disks: [{ media: new MemoryDisk(SWAP), timing: new InstantTiming() }],
			console: () => {},
		});
		this.k = kernel_create(this.machine.supervisor(panic));
		main(this.k, boardConf(this.board, ["swap"], new Uint8Array(16)));
		this.#settle();
	}

	/** Run a kernel thread to its end. */
	run<T>(body: Sleeps<T>): T {
		const { k } = this;
		const ended: T[] = [];
		function* thread(): Sleeps<void> {
			ended.push(yield* body);
			for (;;) yield* ltsleep(k, {}, "done", 0, null);
		}
		const l = lwp_create(k, "bench", null, thread());
		setrunnable(k, l);
		this.#settle();
		if (ended.length === 0) throw new Error("bench: the thread still sleeps");
		sleepq_remove(k.sleepq, l);
		lwp_free(k, l);
		return ended[0]!;
	}

	#settle(): void {
		const end = cpu_run(this.k, this.machine.clock.cycles + FOREVER);
		if (end !== CPU_DEADLOCK) throw new Error("bench: the kernel does not come to rest");
	}

	/** Counters of uvmexp by name. */
	counts(...names: readonly (keyof Kernel["uvmexp"])[]): Counts {
		return Object.fromEntries(names.map((name) => [name, this.k.uvmexp[name]]));
	}

	/** Pages without an owner. */
	pages(n: number): vm_page[] {
		return Array.from({ length: n }, () => found(uvm_pagealloc(this.k, null, 0, null, 0)));
	}
}

/** What cannot be missing here: memory suffices. */
export function found<T>(what: T | null): T {
	if (what === null) throw new Error("bench: memory is short");
	return what;
}

/** => throws for an errno that is not 0 */
export function succeed(error: number): void {
	if (error !== 0) throw new Error(`bench: error ${error}`);
}
