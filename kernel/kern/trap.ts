/**
 * Traps from user mode (sys/arch/riscv/riscv/trap.c): page faults, system calls, interrupts, and
 * what ends a program.
 */
import {
	CAUSE_BREAKPOINT,
	CAUSE_ILLEGAL_INSTRUCTION,
	CAUSE_INSTRUCTION_PAGE_FAULT,
	CAUSE_LOAD_PAGE_FAULT,
	CAUSE_STORE_PAGE_FAULT,
	CAUSE_USER_ECALL,
	SCAUSE_INTERRUPT,
} from "../../machine/port.ts";
import { EIO, ENOMEM, type Errno, EWOULDBLOCK } from "../../pmap/errno.ts";
import { pmap_fault } from "../../pmap/pmap.ts";
import {
	VM_PROT_EXECUTE,
	VM_PROT_READ,
	VM_PROT_WRITE,
	type vm_prot_t,
} from "../../pmap/vmparam.ts";
import type { Kernel } from "../kernel.ts";
import { VM_FAULT_INVALID } from "../uvm/uvm_extern.ts";
import { uvm_fault, uvm_fault_nosleep } from "../uvm/uvm_fault.ts";
import { cpu_intr } from "./intr.ts";
import { exit1, killed } from "./kern_exit.ts";
import type { lwp } from "./kern_lwp.ts";
import type { proc_exit } from "./kern_proc.ts";
import type { Sleeps } from "./kern_synch.ts";
import { SIGBUS, SIGILL, SIGKILL, SIGSEGV, SIGTRAP } from "./signal.ts";
import { syscall, syscall_result } from "./syscall.ts";

/** Cost of entering and leaving the kernel, and of its work in common cases, in cycles. */
const TRAP_CYCLES = 100;
const FAULT_CYCLES = 400;
const SYSCALL_CYCLES = 200;

/** What becomes of the thread after a trap. */
export const TRAP_RETURN = 0; // it goes on in user mode
export const TRAP_KERNEL = 1; // l_kernel is to be driven to its end first
export const TRAP_PREEMPT = 2; // its time is over

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
			return trap_signal(k, l, killed(SIGILL, k.port.sepc, k.port.sepc));
		case CAUSE_BREAKPOINT:
			return trap_signal(k, l, killed(SIGTRAP, k.port.sepc, k.port.sepc));
		default:
			return trap_signal(k, l, killed(SIGBUS, k.port.sepc, k.port.stval));
	}
}

function trap_pagefault(k: Kernel, l: lwp, access: vm_prot_t): number {
	const { vm_map: map } = l.l_proc!.p_vmspace!;
	const va = k.port.stval;
	if (pmap_fault(k, map.pmap, va, access)) return TRAP_RETURN;
	k.port.charge(FAULT_CYCLES);
	const error = uvm_fault_nosleep(k, map, va, VM_FAULT_INVALID, access);
	if (error === 0) return TRAP_RETURN;
	if (error !== EWOULDBLOCK) return trap_signal(k, l, fault_signal(k.port.sepc, va, error));
	l.l_kernel = pagefault(k, l, k.port.sepc, va, access);
	return TRAP_KERNEL;
}

/** The part of a page fault that sleeps. */
function* pagefault(k: Kernel, l: lwp, pc: number, va: number, access: vm_prot_t): Sleeps<void> {
	const p = l.l_proc!;
	const error = yield* uvm_fault(k, p.p_vmspace!.vm_map, va, VM_FAULT_INVALID, access);
	if (error !== 0) yield* exit1(k, p, fault_signal(pc, va, error));
}

/** Out of memory kills; lost contents are a bus error; anything else is the program's mistake. */
function fault_signal(pc: number, va: number, error: Errno): proc_exit {
	if (error === ENOMEM) return killed(SIGKILL, pc, va, "out of swap");
	return killed(error === EIO ? SIGBUS : SIGSEGV, pc, va);
}

function trap_signal(k: Kernel, l: lwp, how: proc_exit): number {
	l.l_kernel = exit1(k, l.l_proc!, how);
	return TRAP_KERNEL;
}

function trap_syscall(k: Kernel, l: lwp): number {
	k.uvmexp.syscalls++;
	k.port.charge(SYSCALL_CYCLES);
	// The instruction after ecall is where the program goes on.
	k.port.pc += 4;
	const result = syscall(k, l);
	if (typeof result === "number") {
		k.port.x[10] = syscall_result(result);
		return TRAP_RETURN;
	}
	l.l_kernel = syscall_sleeping(k, l, result);
	return TRAP_KERNEL;
}

/** Drive a system call that may sleep, and give the thread its result. */
function* syscall_sleeping(k: Kernel, l: lwp, call: Sleeps<number>): Sleeps<void> {
	const pc = k.port.sepc;
	const value = syscall_result(yield* call);
	if (l.l_nomem >= 0) {
		yield* exit1(k, l.l_proc!, fault_signal(pc, l.l_nomem, ENOMEM));
		return;
	}
	if (k.hartlwp === l) k.port.x[10] = value;
	else l.l_regs[10] = value;
}
