/**
 * Traps from user mode (sys/arch/riscv/riscv/trap.c): page faults, system calls, interrupts, and
 * what ends a program.
 */
import {
	CAUSE_BREAKPOINT,
	CAUSE_HARDWARE_ERROR,
	CAUSE_ILLEGAL_INSTRUCTION,
	CAUSE_INSTRUCTION_PAGE_FAULT,
	CAUSE_LOAD_PAGE_FAULT,
	CAUSE_STORE_PAGE_FAULT,
	CAUSE_USER_ECALL,
	SCAUSE_INTERRUPT,
} from "../../../machine/port.ts";
import { pmap_extract, pmap_fault } from "../../../pmap/pmap.ts";
import {
	EACCES,
	EINTR,
	EIO,
	EJUSTRETURN,
	EKERNEL,
	ENOMEM,
	type Errno,
	ESLEEPS,
	EWOULDBLOCK,
} from "../../../sys/errno.ts";
import {
	trunc_page,
	VM_PROT_EXECUTE,
	VM_PROT_READ,
	VM_PROT_WRITE,
	type vm_prot_t,
} from "../../../sys/vmparam.ts";
import type { Kernel } from "../../kernel.ts";
import { VM_FAULT_INVALID } from "../../uvm/uvm_extern.ts";
import {
	uvm_fault_nosleep,
	uvm_fault_rest,
	uvm_fault_resume,
	uvm_fault_tried,
} from "../../uvm/uvm_fault.ts";
import { uvm_memerror_wait, uvm_page_isbroken, uvm_page_memerror } from "../../uvm/uvm_memerror.ts";
import { PG_BUSY, PHYS_TO_VM_PAGE } from "../../uvm/uvm_page.ts";
import {
	type lwp,
	lwp_pc,
	lwp_regs,
	lwp_setpc,
	RESTART_NO,
	type resumable,
} from "../core/kern_lwp.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import {
	BUS_ADRALN,
	BUS_ADRERR,
	BUS_MCEERR_AR,
	ILL_ILLOPC,
	ksi_init,
	type ksiginfo,
	SEGV_ACCERR,
	SEGV_MAPERR,
	SIGBUS,
	SIGILL,
	SIGKILL,
	SIGSEGV,
	SIGTRAP,
	TRAP_BRKPT,
} from "../core/signal.ts";
import { syscall, syscall_handler, syscall_restarts, syscall_result } from "../sys/syscall.ts";
import { cpu_intr } from "./intr.ts";
import { exit1, killed } from "./kern_exit.ts";
import { sig_userret } from "./kern_sig.ts";
import { trapsignal } from "./postsig.ts";

/** Cost of entering and leaving the kernel, and of its work in common cases, in cycles. */
const TRAP_CYCLES = 100;
const FAULT_CYCLES = 400;
const SYSCALL_CYCLES = 200;

/** What the thread does after a trap. */
export const TRAP_RETURN = 0; // it returns to user mode
export const TRAP_KERNEL = 1; // it runs l_kernel to its end first
export const TRAP_PREEMPT = 2; // its time slice is over
export const TRAP_NONE = 3; // there was none
export const TRAP_SLEEP = 4; // it sleeps

/**
 * Handle the trap that ended the latest run of user code.
 * => called outside of any thread's generator; never sleeps itself.
 */
export function trap(k: Kernel, l: lwp): number {
	const { scause } = k.port;
	k.uvmexp.traps++;
	k.port.charge(TRAP_CYCLES);
	if (scause >= SCAUSE_INTERRUPT) return cpu_intr(k) ? TRAP_PREEMPT : TRAP_RETURN;
	switch (scause) {
		case CAUSE_USER_ECALL:
			return trap_syscall(k, l);
		case CAUSE_LOAD_PAGE_FAULT:
			return trap_pagefault(k, l, VM_PROT_READ);
		case CAUSE_STORE_PAGE_FAULT:
			return trap_pagefault(k, l, VM_PROT_WRITE);
		case CAUSE_INSTRUCTION_PAGE_FAULT:
			return trap_pagefault(k, l, VM_PROT_EXECUTE);
		case CAUSE_ILLEGAL_INSTRUCTION:
			return trap_signal(k, l, trapinfo(SIGILL, ILL_ILLOPC, k.port.sepc));
		case CAUSE_BREAKPOINT:
			return trap_signal(k, l, trapinfo(SIGTRAP, TRAP_BRKPT, k.port.sepc));
		case CAUSE_HARDWARE_ERROR:
			return trap_memerror(k, l);
		default:
			return trap_signal(k, l, trapinfo(SIGBUS, BUS_ADRALN, k.port.stval));
	}
}

/**
 * The memory at stval cannot be read. If its page can be given up, the access is repeated and
 * faults; else SIGBUS: a page of the kernel, such as a page table, or one that must stay.
 */
function trap_memerror(k: Kernel, l: lwp): number {
	const va = k.port.stval;
	const pa = pmap_extract(k, l.l_proc!.p_vmspace!.vm_map.pmap, va);
	const pg = pa < 0 ? null : PHYS_TO_VM_PAGE(k, trunc_page(pa));
	if (pg !== null && uvm_page_isbroken(k, pg)) {
		if ((pg.flags & PG_BUSY) !== 0) {
			l.l_kernel = uvm_memerror_wait(k, pg);
			return TRAP_KERNEL;
		}
		if (uvm_page_memerror(k, pg)) return TRAP_RETURN;
	}
	return trap_signal(k, l, trapinfo(SIGBUS, BUS_MCEERR_AR, va));
}

function trap_pagefault(k: Kernel, l: lwp, access: vm_prot_t): number {
	const { vm_map: map } = l.l_proc!.p_vmspace!;
	const va = k.port.stval;
	if (pmap_fault(k, map.pmap, va, access)) return TRAP_RETURN;
	const { trace } = k.watch;
	trace?.fault(l, va, access);
	k.port.charge(FAULT_CYCLES);
	const error = uvm_fault_nosleep(k, map, va, VM_FAULT_INVALID, access);
	if (error !== EWOULDBLOCK) trace?.faultdone(l, error, false);
	if (error === 0) return TRAP_RETURN;
	if (error === EWOULDBLOCK) {
		l.l_fault = uvm_fault_tried(k, map, va, VM_FAULT_INVALID, access);
		l.l_faultva = va;
		k.faultrest ??= faultrest(k);
		l.l_kernel = k.faultrest;
	} else {
		l.l_kernel = fault_failed(k, l, va, error);
		k.watch.trapsignal?.(k, l, error === ENOMEM ? SIGKILL : error === EIO ? SIGBUS : SIGSEGV);
	}
	return TRAP_KERNEL;
}

/** What a thread does whose page fault sleeps: l_fault is the fault, l_call its rest or null. */
function faultrest(k: Kernel): resumable {
	const sleeps = { done: false };
	const done = { done: true };
	return {
		next() {
			const l = k.curlwp;
			const ufi = l.l_fault!;
			let error: Errno = ESLEEPS;
			if (l.l_call === null) {
				error = uvm_fault_resume(k, ufi);
				if (error === ESLEEPS) return sleeps;
				if (error === EWOULDBLOCK) l.l_call = uvm_fault_rest(k, ufi, error);
			}
			if (l.l_call !== null) {
				const result = l.l_call.next();
				if (result.done !== true) return result;
				l.l_call = null;
				error = result.value;
			}
			l.l_fault = null;
			k.watch.trace?.faultdone(l, error, true);
			if (error === 0) return done;
			l.l_kernel = fault_failed(k, l, l.l_faultva, error);
			return l.l_kernel.next();
		},
	};
}

/** Out of memory: SIGKILL. Lost contents: SIGBUS. Anything else: SIGSEGV. */
function* fault_failed(k: Kernel, l: lwp, va: number, error: Errno): Sleeps<void> {
	if (error === ENOMEM) {
		yield* exit1(k, l.l_proc!, killed(SIGKILL, lwp_pc(k, l), va, "out of swap"));
	} else if (error === EIO) {
		yield* trapsignal(k, l, trapinfo(SIGBUS, BUS_ADRERR, va));
	} else {
		const code = error === EACCES ? SEGV_ACCERR : SEGV_MAPERR;
		yield* trapsignal(k, l, trapinfo(SIGSEGV, code, va));
	}
}

const trapinfo = (sig: number, code: number, addr: number): ksiginfo =>
	ksi_init(sig, code, { ksi_addr: addr });

function trap_signal(k: Kernel, l: lwp, info: ksiginfo): number {
	l.l_kernel = trapsignal(k, l, info);
	k.watch.trapsignal?.(k, l, info.ksi_signo);
	return TRAP_KERNEL;
}

function trap_syscall(k: Kernel, l: lwp): number {
	k.uvmexp.syscalls++;
	k.port.charge(SYSCALL_CYCLES);
	// The program continues after the ecall.
	k.port.pc += 4;
	const { trace } = k.watch;
	trace?.syscall(l, k.port.x[17]!, k.port.x.subarray(10, 16));
	const result = syscall(k, l);
	if (typeof result === "number" && result !== ESLEEPS && result !== EKERNEL) {
		if (syscall_done(k, l, result)) {
			l.l_kernel = fault_failed(k, l, l.l_nomem, ENOMEM);
			return TRAP_KERNEL;
		}
		if (!l.l_yield) return TRAP_RETURN;
		l.l_yield = false;
		return TRAP_PREEMPT;
	}
	l.l_again = true;
	if (l.l_copied.length > 0) l.l_copied.length = 0;
	if (typeof result === "number") {
		k.callagain ??= callagain(k);
		l.l_kernel = k.callagain;
		return result === EKERNEL ? TRAP_KERNEL : TRAP_SLEEP;
	}
	call_sleeps(k, l, result);
	return TRAP_KERNEL;
}

/** A thread has to run the rest of a system call that sleeps. */
function call_sleeps(k: Kernel, l: lwp, call: Sleeps<number>): void {
	l.l_call = call;
	k.callrest ??= callrest(k);
	l.l_kernel = k.callrest;
}

/** What such a thread does: l_call is the rest. */
function callrest(k: Kernel): resumable {
	return {
		next() {
			const l = k.curlwp;
			const result = l.l_call!.next();
			if (result.done !== true) return result;
			l.l_call = null;
			if (!syscall_done(k, l, result.value)) return result;
			l.l_kernel = fault_failed(k, l, l.l_nomem, ENOMEM);
			return l.l_kernel.next();
		},
	};
}

/** Run a system call that may sleep, and give the thread its result. */
export function* syscall_sleeping(k: Kernel, l: lwp, call: Sleeps<number>): Sleeps<void> {
	const value = yield* call;
	if (syscall_done(k, l, value)) yield* fault_failed(k, l, l.l_nomem, ENOMEM);
}

/** Give the thread the result of its system call. => true: memory was short, and it has to die. */
function syscall_done(k: Kernel, l: lwp, value: number): boolean {
	k.watch.trace?.sysret(l, value);
	if (l.l_proc!.p_exit !== null || value === EJUSTRETURN) return false;
	if (l.l_nomem >= 0) return true;
	const x = lwp_regs(k, l);
	if (value === -EINTR && syscall_restarts(x[17]!) !== RESTART_NO) {
		// Back to the ecall, unless a handler without SA_RESTART is entered.
		lwp_setpc(k, l, lwp_pc(k, l) - 4);
		// A SIGCONT may have cancelled the signal meanwhile.
		l.l_restart = sig_userret(l) ? syscall_restarts(x[17]!) : RESTART_NO;
	} else {
		x[10] = syscall_result(value);
	}
	return false;
}

/** What a thread does whose system call is started again: it wakes, or EKERNEL. */
function callagain(k: Kernel): resumable {
	const sleeps = { done: false };
	const done = { done: true };
	return {
		next() {
			const l = k.curlwp;
			l.l_sinterruptible = false;
			const result = syscall_handler(lwp_regs(k, l)[17]!)!(k, l.l_proc!, l.l_args);
			if (result === ESLEEPS) return sleeps;
			if (typeof result !== "number") {
				call_sleeps(k, l, result);
			} else {
				if (!syscall_done(k, l, result)) return done;
				l.l_kernel = fault_failed(k, l, l.l_nomem, ENOMEM);
			}
			return l.l_kernel!.next();
		},
	};
}
