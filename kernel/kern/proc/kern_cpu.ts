/**
 * The processor: chooses threads and runs them, in the kernel or in user mode, until the system
 * halts. This is the only place where a thread's generator is resumed.
 */

import { PORT_CYCLES, PORT_UNTIL } from "../../../machine/port.ts";
import { pmap_activate } from "../../../pmap/pmap.ts";
import { KASSERT } from "../../../sys/panic.ts";
import type { Kernel } from "../../kernel.ts";
import { uvm_pageidlezero } from "../../uvm/uvm_page.ts";
import { fpu_load, fpu_save } from "../core/fpu.ts";
import type { lwp } from "../core/kern_lwp.ts";
import { chooselwp, LSONPROC, LSSLEEP, LSZOMB, setrunnable } from "../core/kern_synch.ts";
import { cpu_intr, intr_pending } from "./intr.ts";
import { cputime_check } from "./kern_itimer.ts";
import { sig_userret } from "./kern_sig.ts";
import { postsigs } from "./postsig.ts";
import { timer_idle, timer_kernel, timer_quantum } from "./timer.ts";
import { TRAP_KERNEL, TRAP_NONE, TRAP_RETURN, TRAP_SLEEP, trap } from "./trap.ts";

/** Cost of giving the hart to another thread, in cycles. */
const SWITCH_CYCLES = 200;

/** Integer registers; x0 is always zero. */
const REGS = 32;

/** Why cpu_run returned. */
export const CPU_HALTED = 0; // the last process has ended
export const CPU_LIMIT = 1; // the cycle limit is reached; call again to continue
export const CPU_DEADLOCK = 2; // everything sleeps, and no event is left that could wake it
export const CPU_IDLE = 3; // everything sleeps, and the caller advances time (`pause` only)

/**
 * Run the system until cycle `until`. What the kernel does then it does to its end: a trap, or a
 * thread's work up to its next sleep; some microseconds. It also stops, with CPU_LIMIT, when a
 * debugger has stopped the hart.
 * => stopping points do not affect the simulation.
 * => `pause`: return CPU_IDLE while everything sleeps, so that the caller advances time.
 */
export function cpu_run(k: Kernel, until: number, pause = false): number {
	k.port.times[PORT_UNTIL] = until;
	while (!k.halted) {
		if (k.port.reached || k.port.stopped) return CPU_LIMIT;
		const interrupted = k.interrupted;
		if (interrupted !== null) {
			k.interrupted = null;
			k.curlwp = interrupted;
			run_user(k, interrupted);
			if (k.interrupted === null) k.watch.trace?.offcpu(interrupted);
			k.curlwp = k.lwp0;
			continue;
		}
		if (intr_pending(k)) {
			idle_end(k);
			cpu_intr(k);
		}
		const l = chooselwp(k);
		if (l === null) {
			timer_idle(k);
			if (k.uvm.idlesince < 0) k.uvm.idlesince = k.port.times[PORT_CYCLES]!;
			if (pause && !intr_pending(k)) return CPU_IDLE;
			if (!k.port.wfi()) return CPU_DEADLOCK;
			continue;
		}
		idle_end(k);
		k.curlwp = l;
		l.l_stat = LSONPROC;
		k.uvmexp.swtch++;
		k.watch.trace?.oncpu(l);
		if (l.l_kernel !== null) timer_kernel(k);
		if (l.l_kernel === null || run_kernel(k, l)) {
			cpu_switchto(k, l);
			timer_quantum(k, l);
			run_user(k, l);
		}
		if (k.interrupted === null) k.watch.trace?.offcpu(l);
		k.curlwp = k.lwp0;
	}
	return CPU_HALTED;
}

/** The processor has something to do. If it had nothing before, it zeroed pages in that time. */
function idle_end(k: Kernel): void {
	const { idlesince } = k.uvm;
	if (idlesince < 0) return;
	k.uvm.idlesince = -1;
	uvm_pageidlezero(k, k.port.times[PORT_CYCLES]! - idlesince);
}

/**
 * Resume a thread in the kernel until it sleeps or is done.
 * => true if it returns to user mode.
 */
function run_kernel(k: Kernel, l: lwp): boolean {
	const start = k.port.times[PORT_CYCLES]!;
	const done = l.l_kernel!.next().done === true;
	l.l_stime += k.port.times[PORT_CYCLES]! - start;
	KASSERT(k.simplelocks === 0, "a thread sleeps, or is done, with a simple lock held");
	if (l.l_stat === LSZOMB) return false;
	if (!done) {
		KASSERT(l.l_stat !== LSONPROC, "a thread gave up the processor without going to sleep");
		return false;
	}
	KASSERT(l.l_proc !== null, "a kernel thread returned");
	l.l_kernel = null;
	return true;
}

/** Give the hart's registers and page tables to `l`. */
function cpu_switchto(k: Kernel, l: lwp): void {
	const { x } = k.port;
	const old = k.hartlwp;
	if (old !== l) {
		if (old !== null) {
			const { l_regs: saved } = old;
			for (let i = 1; i < REGS; i++) saved[i] = x[i]!;
			old.l_pc = k.port.pc;
			fpu_save(k, old);
		}
		const { l_regs: regs } = l;
		for (let i = 1; i < REGS; i++) x[i] = regs[i]!;
		k.port.pc = l.l_pc;
		fpu_load(k, l);
		k.hartlwp = l;
		k.port.charge(SWITCH_CYCLES);
	}
	pmap_activate(k, l.l_proc!.p_vmspace!.vm_map.pmap);
}

/**
 * Run user code of `l`, whose registers are on the hart, until it sleeps, exits, or is preempted.
 * => `l_kernel` is not null if a debugger has stopped the hart before that was started.
 */
function run_user(k: Kernel, l: lwp): void {
	for (;;) {
		if (k.port.reached) {
			k.interrupted = l;
			return;
		}
		if (l.l_kernel === null && sig_userret(l)) {
			l.l_kernel = postsigs(k, l);
			if (!run_kernel(k, l)) return;
			cpu_switchto(k, l);
			continue;
		}
		let what = l.l_kernel === null ? run_trap(k, l) : TRAP_KERNEL;
		if (what === TRAP_SLEEP) return;
		if (what === TRAP_NONE || k.port.stopped) {
			k.interrupted = l;
			return;
		}
		if (what === TRAP_KERNEL) {
			if (!run_kernel(k, l)) return;
			cpu_switchto(k, l);
			what = TRAP_RETURN;
		}
		if (what === TRAP_RETURN && k.runkernel.head === null) continue;
		l.l_stat = LSSLEEP;
		setrunnable(k, l);
		return;
	}
}

/** Run user code until it traps, and handle the trap. => TRAP_. */
function run_trap(k: Kernel, l: lwp): number {
	userret(k);
	const start = k.port.times[PORT_CYCLES]!;
	const trapped = k.port.run();
	l.l_utime += k.port.times[PORT_CYCLES]! - start;
	if (!trapped) return TRAP_NONE;
	const entered = k.port.times[PORT_CYCLES]!;
	const what = trap(k, l);
	l.l_stime += k.port.times[PORT_CYCLES]! - entered;
	if (l.l_utime + l.l_stime >= l.l_cpudue) cputime_check(k, l);
	return what;
}

/** About to return to user mode: let a checker look at the system. */
function userret(k: Kernel): void {
	if (!k.pagingwork) return;
	k.pagingwork = false;
	k.watch.userret?.(k);
}
