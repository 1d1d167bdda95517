/**
 * The kernel's state as plain data, to be saved and restored.
 *
 * A generator cannot be saved. So the state can be taken only while every thread is in user mode,
 * or sleeps in something that can be started again: a daemon at the head of its loop, or a system
 * call that has had no effect yet. Such threads get new generators, which run up to the sleep; the
 * state is then loaded once more, to undo what that has changed.
 */
import { panic } from "../../../sys/panic.ts";
import type { Kernel } from "../../kernel.ts";
import { PGO_DONTCARE, vm_page } from "../../uvm/uvm_page.ts";
import { uvm_aiodone_daemon } from "../../uvm/uvm_pager.ts";
import { uvm_pageout } from "../../uvm/uvm_pdaemon.ts";
import type { lwp, resumable } from "../core/kern_lwp.ts";
import { sleepq_remove, sleepq_trim } from "../core/kern_sleepq.ts";
import { LSSLEEP } from "../core/kern_synch.ts";
import { syscall } from "../sys/syscall.ts";
import { syscall_sleeping } from "./trap.ts";

/** Members of Kernel that are not saved: they are equal in every kernel of this configuration. */
const FIXED: ReadonlySet<string> = new Set<keyof Kernel>([
	"port",
	"vops",
	"fileops",
	"cdevsw",
	"bdevsw",
	"watch",
	"failinject",
	"callagain",
	"callrest",
	"faultrest",
	"pmap_ptpage_alloc",
	"pmap_ptpage_free",
	"pmap_pv_get",
	"pmap_pv_put",
	"pool_page_alloc",
	"pool_page_free",
	"PHYS_TO_VM_PAGE",
	"PFN_TO_VM_PAGE",
]);

/** Where daemons sleep at the head of their loops. */
const DAEMON_SLEEPS: readonly string[] = ["pgdaemon", "aiodoned"];
/** Where system calls sleep that have had no effect yet. */
const CALL_SLEEPS: readonly string[] = [
	"wait",
	"piperd",
	"pipewr",
	"ttyin",
	"nanosleep",
	"poll",
	"select",
	"fifo",
	"lockf",
	"pause",
	"futex",
];

export interface kernel_state {
	/** Members of Kernel. */
	readonly members: Partial<Kernel>;
	/** Threads that sleep inside the kernel. */
	readonly inkernel: readonly lwp[];
}

/** What the state refers to without containing it, by name; and the classes of its objects. */
export function kern_vocabulary(k: Kernel): {
	externals: Map<object, string>;
	classes: Record<string, { prototype: object; create: () => object }>;
} {
	return {
		externals: new Map<object, string>([
			[k, "kernel"],
			[k.port, "port"],
			[k.vops, "vops"],
			[k.fileops, "fileops"],
			[k.cdevsw, "cdevsw"],
			[k.bdevsw, "bdevsw"],
			[k.uvm.pagerops, "pagerops"],
			[PGO_DONTCARE, "PGO_DONTCARE"],
			[k.uvm.pdpolicy, "pdpolicy"],
		]),
		classes: { vm_page: { prototype: vm_page.prototype, create: () => new vm_page(0) } },
	};
}

/** The thread that prevents the state from being taken now, or null. */
export function kern_busy(k: Kernel): lwp | null {
	return k.lwps.find((l) => l.l_kernel !== null && !is_resumable(k, l)) ?? null;
}

function is_resumable(k: Kernel, l: lwp): boolean {
	if (l.l_stat !== LSSLEEP || l.l_wakecycle <= k.port.cycles) return false;
	if (l.l_proc === null) return DAEMON_SLEEPS.includes(l.l_wmesg);
	if (!l.l_again || !l.l_sinterruptible || !CALL_SLEEPS.includes(l.l_wmesg)) return false;
	// A read in raw mode has a timer, which only its generator knows.
	return l.l_wmesg !== "ttyin" || l.l_wakecycle === Number.POSITIVE_INFINITY;
}

/**
 * Pass the state to `write`, which must not keep it: the objects are the kernel's own.
 * => no thread is in the way (kern_busy), and none runs.
 */
export function kern_save<T>(k: Kernel, write: (state: kernel_state) => T): T {
	const inkernel = k.lwps.filter((l) => l.l_kernel !== null);
	const rest = inkernel.map(({ l_kernel, l_call }) => ({ l_kernel, l_call }));
	for (const l of inkernel) Object.assign(l, { l_kernel: null, l_call: null });
	for (const l of k.lwps) if (!inkernel.includes(l)) l.l_copied.length = 0;
	sleepq_trim(k.sleepq);
	try {
		const members = Object.fromEntries(Object.entries(k).filter(([name]) => !FIXED.has(name)));
		return write({ members, inkernel });
	} finally {
		for (const [i, l] of inkernel.entries()) Object.assign(l, rest[i]);
	}
}

/** Load a state. => threads inside the kernel have no generators yet. */
export function kern_load(k: Kernel, { members }: kernel_state): void {
	Object.assign(k, members);
}

/**
 * New generators for the threads inside the kernel, each run up to where the thread sleeps.
 *
 * => after kern_load, with the machine's state in place. Changes both: the caller loads them once
 *    more, and then sets l_kernel to the generators.
 * => panics if a thread would not go to sleep again as it did.
 */
export function kern_resume(k: Kernel, { inkernel }: kernel_state): resumable[] {
	return inkernel.map((l) => {
		const wmesg = l.l_wmesg;
		k.curlwp = l;
		// A timed sleep ends when it would have ended: its timeout tells when.
		l.l_deadline = l.l_wakecycle;
		l.l_recall = 0;
		l.l_wmesg = "";
		sleepq_remove(k.sleepq, l);
		if (l.l_proc !== null) call_again(k, l);
		else if (l === k.uvm.pagedaemon) l.l_kernel = uvm_pageout(k);
		else l.l_kernel = uvm_aiodone_daemon(k);
		const kernel = l.l_kernel!;
		const { done } = kernel.next();
		if (done === true || l.l_wmesg !== wmesg) panic("kern_resume: a thread does not sleep again");
		return kernel;
	});
}

/** Start the system call that a thread sleeps in again. */
function call_again(k: Kernel, l: lwp): void {
	const call = syscall(k, l);
	if (typeof call === "number") panic("kern_resume: a system call does not sleep again");
	l.l_kernel = syscall_sleeping(k, l, call);
}
