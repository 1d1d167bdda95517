/**
 * The kernel context: everything that C keeps in global variables. Every function of kernel/ takes
 * it as its first parameter, so that many machines live in one process.
 */
import type { MachinePort } from "../machine/port.ts";
import type { PmapHost } from "../pmap/host.ts";
import { pmap_state } from "../pmap/pmap.ts";
import type { buf } from "./dev/buf.ts";
import type { bdevsw, cdevsw } from "./dev/conf.ts";
import type { cons } from "./dev/cons.ts";
import type { ld_softc } from "./dev/ld_virtio.ts";
import type { plic } from "./dev/plic.ts";
import { type vfs_state as vfs, vfs_state, type vnode, type vnodeops } from "./fs/vnode.ts";
import type { uvm_history } from "./kern/core/kern_history.ts";
import { type lwp, lwp_boot, type resumable } from "./kern/core/kern_lwp.ts";
import { type sleepq, sleepq_init } from "./kern/core/kern_sleepq.ts";
import type { runqueue } from "./kern/core/kern_synch.ts";
import type { timespec } from "./kern/core/kern_tc.ts";
import type { callout } from "./kern/core/kern_timeout.ts";
import type { kernel_trace } from "./kern/core/kern_trace.ts";
import { pool_list, type pools, pools_init } from "./kern/core/pools.ts";
import { type pool, pool_getitem, pool_put } from "./kern/core/subr_pool.ts";
import type { filedesc, fileops } from "./kern/proc/file.ts";
import type { autoconf } from "./kern/proc/init_main.ts";
import type { proc } from "./kern/proc/kern_proc.ts";
import type { shm_state } from "./kern/sys/sysv_shm.ts";
import { type Uvm, uvm_state } from "./uvm/uvm.ts";
import type { uvm_aobj } from "./uvm/uvm_aobj_slots.ts";
import { type uvmexp, uvmexp_init } from "./uvm/uvm_extern.ts";
import { uvm_km_alloc_poolpage, uvm_km_free_poolpage } from "./uvm/uvm_kmpage.ts";
import {
	PFN_TO_VM_PAGE,
	PHYS_TO_VM_PAGE,
	uvm_pagefree,
	uvm_ptpage_alloc,
	type vm_page,
} from "./uvm/uvm_page.ts";
import type { SwapSlot } from "./uvm/uvm_swap.ts";
import type { uvm_vnode } from "./uvm/uvm_vnode.ts";

/** What happens to the contents of pages; see uvm_shadow.ts. No hook may change anything. */
export interface page_watch {
	/** Pages are about to be written to slots; one was read from its slot. => they are busy. */
	swapout(k: Kernel, slot: SwapSlot, pps: readonly vm_page[]): void;
	swapin(k: Kernel, slot: SwapSlot, pg: vm_page): void;
	swapfree(k: Kernel, slot: SwapSlot, nslots: number): void;
	/** A page is about to be freed because its slot has the same contents. */
	swapclean(k: Kernel, slot: SwapSlot, pg: vm_page): void;
	/** Pages of a file were read, or are about to be written. => they are busy. */
	fileio(k: Kernel, uvn: uvm_vnode, pps: readonly vm_page[], read: boolean): void;
	/** Something else is about to be written to a disk. */
	rawwrite(k: Kernel, bp: buf): void;
	/** A page is about to be freed, and still has its owner and flags; or to be allocated. */
	pagefree(k: Kernel, pg: vm_page): void;
	pagealloc(k: Kernel, pg: vm_page): void;
	/** A free page was zeroed. => before that, pagealloc was called. */
	pagezeroed(k: Kernel, pg: vm_page): void;
}

/** Hooks for checkers and tracers; each is off by default, and free when off. */
export interface kernel_watch {
	/** Called when a trap that did paging work is about to return to user mode. */
	readonly userret?: (k: Kernel) => void;
	/** Called before a page is freed because its swap slot holds the same bytes. */
	readonly freeclean?: (k: Kernel, pg: vm_page, slot: number) => void;
	readonly shadow?: page_watch;
	/** Called when function `fn` has logged an event in UVMHIST. */
	readonly event?: (fn: string, message: string) => void;
	/** Called before a trap raises signal `sig`; l_kernel, not started yet, will raise it. */
	readonly trapsignal?: (k: Kernel, l: lwp, sig: number) => void;
	/** Called when a process has started another program, and when it exits. */
	readonly exec?: (k: Kernel, p: proc) => void;
	readonly exit?: (k: Kernel, p: proc) => void;
	readonly trace?: kernel_trace;
	/** Which of `n` > 1 runnable kernel threads, in order, goes on. Without it the first. */
	readonly choose?: (n: number) => number;
}

export interface Kernel extends PmapHost {
	readonly port: MachinePort;
	readonly uvm: Uvm;
	readonly uvmexp: uvmexp;

	/** Kernel memory; and all its pools, in a fixed order. */
	readonly pools: pools;
	readonly pool_head: readonly pool[];
	/** Pages for pools: without owner. => null if memory is short. Never sleeps. */
	pool_page_alloc(): vm_page | null;
	pool_page_free(pg: vm_page): void;

	/** The boot thread: curlwp of code that runs outside any thread and cannot sleep. */
	readonly lwp0: lwp;
	curlwp: lwp;
	/** The thread whose user registers and page tables are on the hart, or null. */
	hartlwp: lwp | null;
	/** The thread in user mode when cpu_run stopped at its limit; it is resumed first. */
	interrupted: lwp | null;
	readonly lwps: lwp[];
	nextlid: number;
	readonly sleepq: sleepq;
	/** Earliest timeout among the sleepers, in cycles. */
	nextwakeup: number;
	/** All callouts, and when the first is due, in cycles. */
	readonly callouts: callout[];
	nextcallout: number;
	readonly runkernel: runqueue;
	readonly runuser: runqueue;
	/** Simple locks held; 0 whenever a thread sleeps. */
	simplelocks: number;
	/** l_kernel of threads whose system call is started again; null until there is one. */
	callagain: resumable | null;
	/** l_kernel of threads with an l_call, after a system call and after a fault; likewise. */
	callrest: resumable | null;
	faultrest: resumable | null;

	/** Threads that wait for futexes, longest waiter first. */
	readonly futexq: lwp[];
	readonly procs: proc[];
	/** Records of processes and threads that have ended: they are used again. */
	readonly proc_cache: proc[];
	readonly lwp_cache: lwp[];
	/** Tables of descriptors, likewise. */
	readonly filedescs: filedesc[];
	nextpid: number;
	/** Set when the last process exits; ends the scheduler loop. */
	halted: boolean;

	readonly shm: shm_state;
	/** File systems by v_op, kinds of open files by f_type, device drivers by major number. */
	readonly vops: vnodeops[];
	readonly fileops: fileops[];
	readonly cdevsw: cdevsw[];
	readonly bdevsw: bdevsw[];
	readonly vfs: vfs;
	/** The root directory; null before vfs_init. */
	rootvnode: vnode | null;
	/** Wait channel of poll, woken whenever a pipe or a device changes. */
	readonly selwait: object;
	/** The signal trampoline's page; null before the first process. */
	sigobject: uvm_aobj | null;
	/** The wall clock at cycle 0, as the real-time clock told at boot. */
	boottime: timespec;
	/** State of the random number sequence (kern_rndq.ts). */
	readonly rnd: Int32Array;
	cons: cons | null;
	plic: plic | null;
	/** The configuration of the board, given to `main`; null before. */
	conf: autoconf | null;
	/** A word on its way to a program. */
	readonly wordbytes: Uint8Array;
	/** Bufs that are not in use. */
	readonly bswlist: buf[];
	/** State of the driver of the disks ld0, ld1, ..., by unit. */
	readonly lds: ld_softc[];

	/** Paging work since the last return to user mode (kernel_watch.userret). */
	pagingwork: boolean;
	watch: kernel_watch;
	uvmhist: uvm_history | null;
	/** Tests: true makes this allocation fail; the argument names the pool, or
	 *  "page", "pv", "pager_map", "buf", "swslot". */
	failinject: ((what: string) => boolean) | null;
	/** Messages of the kernel to the operator, oldest first. */
	readonly msgbuf: string[];
}

/** A kernel that has not booted yet; `main` in kern/proc/init_main.ts boots it. */
export function kernel_create(port: MachinePort): Kernel {
	const lwp0 = lwp_boot();
	const pools = pools_init();
	const k: Kernel = {
		port,
		pmap: pmap_state(),
		uvm: uvm_state(pools),
		uvmexp: uvmexp_init(),
		pools,
		pool_head: pool_list(pools),
		pool_page_alloc: () => uvm_km_alloc_poolpage(k),
		pool_page_free: (pg) => uvm_km_free_poolpage(k, pg),
		lwp0,
		curlwp: lwp0,
		hartlwp: null,
		interrupted: null,
		lwps: [],
		nextlid: 1,
		sleepq: sleepq_init(),
		nextwakeup: Number.POSITIVE_INFINITY,
		callouts: [],
		nextcallout: Number.POSITIVE_INFINITY,
		runkernel: { head: null, tail: null },
		runuser: { head: null, tail: null },
		simplelocks: 0,
		callagain: null,
		callrest: null,
		faultrest: null,
		futexq: [],
		procs: [],
		proc_cache: [],
		lwp_cache: [],
		filedescs: [],
		nextpid: 1,
		halted: false,
		shm: { shmsegs: [], shm_nextid: 0 },
		vops: [],
		fileops: [],
		cdevsw: [],
		bdevsw: [],
		vfs: vfs_state(),
		rootvnode: null,
		selwait: {},
		sigobject: null,
		boottime: { tv_sec: 0, tv_nsec: 0 },
		rnd: new Int32Array(4),
		cons: null,
		plic: null,
		conf: null,
		wordbytes: new Uint8Array(4),
		bswlist: [],
		lds: [],
		pagingwork: false,
		watch: {},
		uvmhist: null,
		failinject: null,
		msgbuf: [],
		pmap_ptpage_alloc: () => uvm_ptpage_alloc(k),
		pmap_ptpage_free: (page) => uvm_pagefree(k, page as vm_page),
		pmap_pv_get: () => pool_getitem(k, k.pools.pvpl),
		pmap_pv_put: () => pool_put(k.pools.pvpl),
		PHYS_TO_VM_PAGE: (pa) => PHYS_TO_VM_PAGE(k, pa),
		PFN_TO_VM_PAGE: (pfn) => PFN_TO_VM_PAGE(k, pfn),
	};
	return k;
}
