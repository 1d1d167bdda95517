/**
 * A kernel on a board, without a program: real memory, disks and interrupts. Tests run kernel code
 * as threads of it.
 */
import { expect } from "vitest";
import { ConsoleLog } from "../../computer/console-log.ts";
import type { PagingPolicy } from "../../computer/paging-policy.ts";
import { boardConf, type DiskRole } from "../../computer/system-config.ts";
import { Board, boardParts } from "../../devices/board.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { type DiskTiming, SsdTiming } from "../../devices/disk/timing.ts";
import { FaultyDisk } from "../../devices/fault/faulty-disk.ts";
import { BDEV_LD, type dev_t, makedev, minor } from "../../kernel/dev/conf.ts";
import type { ld_recovery } from "../../kernel/dev/ld_virtio.ts";
import { simple_lock, simple_unlock } from "../../kernel/kern/core/kern_lock.ts";
import { type lwp, lwp_create, lwp_free } from "../../kernel/kern/core/kern_lwp.ts";
import { sleepq_remove } from "../../kernel/kern/core/kern_sleepq.ts";
import { ltsleep, type Sleeps, setrunnable } from "../../kernel/kern/core/kern_synch.ts";
import { main } from "../../kernel/kern/proc/init_main.ts";
import { CPU_DEADLOCK, cpu_run } from "../../kernel/kern/proc/kern_cpu.ts";
import type { proc } from "../../kernel/kern/proc/kern_proc.ts";
import { type Kernel, kernel_create } from "../../kernel/kernel.ts";
import { uao_create } from "../../kernel/uvm/uvm_aobj.ts";
import type { uvm_aobj } from "../../kernel/uvm/uvm_aobj_slots.ts";
import { uvm_check } from "../../kernel/uvm/uvm_check.ts";
import { pagerops, type uvm_object } from "../../kernel/uvm/uvm_object.ts";
import { uvm_page_unbusy1, uvm_pageactivate, type vm_page } from "../../kernel/uvm/uvm_page.ts";
import { swapdrum_getsdp, uvm_swap_sector } from "../../kernel/uvm/uvm_swap.ts";
import { Machine } from "../../machine/machine.ts";
import { panic } from "../../sys/panic.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";

export interface TestKernelOptions {
	/** Bytes of RAM. Default: 1 MiB. */
	readonly ram?: number;
	/** Size in bytes of each disk; all are swapped on. Default: one of 4 MiB. */
	readonly disks?: readonly number[];
	/** Disks from this one on are not swapped on. Default: none. */
	readonly swapDisks?: number;
	readonly timing?: () => DiskTiming;
	readonly adPolicy?: "hardware" | "trap";
	/** Checksums of what is in swap. Default: false. */
	readonly swapChecksum?: boolean;
	/** Disks from this one on are the second ones of those for swap. Default: none. */
	readonly mirrors?: number;
	/** What the driver does about errors. Default: it gives up at the first. */
	readonly ld?: ld_recovery;
	/** Default: none. */
	readonly framebuffer?: { readonly width: number; readonly height: number };
	/** The console is a terminal. Default: false. */
	readonly terminal?: boolean;
	/** What paging does otherwise. Default: nothing. */
	readonly policy?: PagingPolicy;
}

const NO_RECOVERY: ld_recovery = { retries: 0, timeout: Number.POSITIVE_INFINITY };

/** The disk with that unit number. */
export const ld = (unit: number): dev_t => makedev(BDEV_LD, unit);

/** A thread that a test has started. */
export interface Thread<T> {
	readonly done: boolean;
	readonly result: T;
}

export class TestKernel {
	readonly machine: Machine;
	readonly board: Board;
	readonly disks: readonly FaultyDisk[];
	readonly k: Kernel;
	/** What the console has printed. */
	readonly console = new ConsoleLog();
	readonly #threads: { readonly l: lwp; readonly ended: () => boolean }[] = [];

	constructor(options: TestKernelOptions = {}) {
		const { ram = 1 << 20, disks = [4 << 20], adPolicy = "hardware" } = options;
		this.machine = new Machine({ ramSize: ram, adPolicy });
		this.disks = disks.map((bytes) => new FaultyDisk(new MemoryDisk(bytes)));
		this.board = new Board(boardParts(this.machine), {
			disks: this.disks.map((media) => ({
				media,
				timing: options.timing?.() ?? new SsdTiming(),
			})),
			console: this.console.write,
			...(options.framebuffer === undefined ? {} : { framebuffer: options.framebuffer }),
		});
		this.k = kernel_create(this.machine.supervisor(panic));
		this.k.pmap.pm_adtrap = adPolicy === "trap";
		const nswap = options.swapDisks ?? disks.length;
		const { terminal = false } = options;
		const first = options.mirrors ?? disks.length;
		const roles = disks.map((_, i): DiskRole => {
			if (i >= first) return "mirror";
			return i < nswap ? "swap" : "disk";
		});
		const { ld = NO_RECOVERY, swapChecksum, policy } = options;
		const random = new Uint8Array(16);
		main(this.k, boardConf(this.board, roles, random, terminal, ld, swapChecksum, policy));
		this.settle();
	}

	/**
	 * Start a kernel thread, or with `p` the thread of a process that is in a system call; it runs
	 * in the next `settle`.
	 */
	spawn<T>(body: Sleeps<T>, p: proc | null = null): Thread<T> {
		const { k } = this;
		let done = false;
		let result: T | null = null;
		function* thread(): Sleeps<void> {
			result = yield* body;
			done = true;
			for (;;) yield* ltsleep(k, {}, "done", 0, null);
		}
		const l = lwp_create(k, "test", p, thread());
		if (p !== null) p.p_lwp = l;
		setrunnable(k, l);
		this.#threads.push({ l, ended: () => done });
		return {
			get done() {
				return done;
			},
			get result() {
				if (!done) throw new Error("the thread still sleeps");
				return result as T;
			},
		};
	}

	/** Run until every thread sleeps and no event is left, or `cycles` have passed. */
	settle(cycles = 100_000_000_000): void {
		const end = cpu_run(this.k, this.machine.clock.cycles + cycles);
		if (end !== CPU_DEADLOCK) throw new Error("the kernel did not come to rest");
		// Threads that have ended do not count, and their records are used again.
		const left = this.#threads.splice(0);
		for (const thread of left) {
			const { l, ended } = thread;
			if (!ended()) this.#threads.push(thread);
			else if (this.k.lwps.includes(l)) {
				sleepq_remove(this.k.sleepq, l);
				lwp_free(this.k, l);
			}
		}
	}

	/** Bytes arrive on the console; then `settle`. */
	type(bytes: string | Uint8Array): void {
		let rest = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
		while (rest.length > 0) {
			const room = Math.min(rest.length, this.board.uart.room);
			if (room === 0) throw new Error("nobody takes the input");
			this.board.uart.receive(rest.subarray(0, room));
			rest = rest.subarray(room);
			this.settle();
		}
	}

	/** Run a thread to its end. => throws if it never wakes. */
	run<T>(body: Sleeps<T>, p: proc | null = null): T {
		const thread = this.spawn(body, p);
		this.settle();
		return thread.result;
	}

	/** Check every invariant that should hold now. */
	check(): void {
		expect(uvm_check(this.k, this.machine.hart.tlb.list())).toEqual([]);
	}

	aobj(pages: number): uvm_aobj {
		const aobj = uao_create(this.k, pages * PAGE_SIZE, 0);
		if (aobj === null) throw new Error("no aobj");
		return aobj;
	}

	/** Get a page of an object, have `use` look at it or change it, and let go of it. Sleeps. */
	*page<T>(uobj: uvm_object, pageidx: number, use: (pg: vm_page) => T): Sleeps<T | number> {
		const { k } = this;
		const pps: (vm_page | null)[] = [null];
		simple_lock(k, uobj.vmobjlock);
		const ops = pagerops(k, uobj);
		const error = yield* ops.pgo_get(k, uobj, pageidx * PAGE_SIZE, pps, 1, 0, 0, 0);
		if (error !== 0) return error;
		const pg = pps[0]!;
		const result = use(pg);
		simple_lock(k, uobj.vmobjlock);
		simple_lock(k, k.uvm.pageqlock);
		uvm_pageactivate(k, pg);
		uvm_page_unbusy1(k, pg);
		simple_unlock(k, k.uvm.pageqlock);
		simple_unlock(k, uobj.vmobjlock);
		return result;
	}

	/** Bytes of a page, as they are in RAM. */
	bytes(pg: vm_page): Uint8Array {
		const at = pg.phys_addr - this.k.port.ramBase;
		return this.k.port.ram8.subarray(at, at + PAGE_SIZE);
	}

	/** First sector of a swap slot, and the disk that it is on. */
	sector(slot: number): { disk: FaultyDisk; sector: number } {
		const sdp = swapdrum_getsdp(this.k, slot);
		if (sdp === null) throw new Error(`slot ${slot} is on no device`);
		return {
			disk: this.disks[minor(sdp.swd_dev)]!,
			sector: uvm_swap_sector(sdp, slot),
		};
	}
}
