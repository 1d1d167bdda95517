/**
 * The end of a process (sys/kern/kern_exit.c), and the end of the system with the last one.
 */

import { pmap_activate, pmap_kernel, pmap_resident_count } from "../../../pmap/pmap.ts";
import { list_remove } from "../../../sys/list.ts";
import { KASSERT } from "../../../sys/panic.ts";
import { cons_sessionend } from "../../dev/cons.ts";
import { vfs_shutdown } from "../../fs/vfs.ts";
import type { Kernel } from "../../kernel.ts";
import { uvmspace_free_nosleep, type vmspace } from "../../uvm/uvm_map.ts";
import { uvm_pause } from "../../uvm/uvm_wait.ts";
import { lwp_free } from "../core/kern_lwp.ts";
import { type Sleeps, wakeup } from "../core/kern_synch.ts";
import {
	CLD_DUMPED,
	CLD_EXITED,
	CLD_KILLED,
	SA_NOCLDWAIT,
	SI_USER,
	SIG_IGN,
	SIGCHLD,
	sigfillset,
} from "../core/signal.ts";
import { futex_cleartid, futex_robust } from "../sys/sys_futex.ts";
import { shm_shutdown, shmexit } from "../sys/sysv_shm.ts";
import { copyout_word } from "./copy.ts";
import { fdfree, fdfree_nosleep } from "./kern_descrip.ts";
import { type proc, type proc_exit, proc_free } from "./kern_proc.ts";
import { psignal, sig_valid, sigchld_post, sigclear } from "./kern_sig.ts";
import type { rusage } from "./resource.ts";
import { sigcode_fini } from "./sigcode.ts";

/**
 * End a process: its files, its memory, its attachments, its thread. Sleeps.
 *
 * => called by the process's own thread, which does not run again. 0, as a system call.
 * => it becomes a zombie, unless the parent ignores SIGCHLD or there is no parent.
 */
export function* exit1(k: Kernel, p: proc, how: proc_exit): Sleeps<number> {
	const rest = exit1_nosleep(k, p, how);
	return rest === null ? 0 : yield* rest;
}

/** The same as far as it does not sleep. => null; or the rest of it. */
export function exit1_nosleep(k: Kernel, p: proc, how: proc_exit): Sleeps<number> | null {
	KASSERT(p.p_exit === null, "exit1: process has ended already");
	p.p_exit = how;
	k.watch.exit?.(k, p);
	sigclear(p, sigfillset());
	p.p_sigoldmask = null;
	for (let i = 0; i < p.p_timers.length; i++) {
		p.p_timers[i]!.it_deadline = Number.POSITIVE_INFINITY;
	}
	cons_sessionend(k, p);
	if (p.p_fd !== null && !fdfree_nosleep(k, p.p_fd)) return exit_rest(k, p, how, null);
	p.p_fd = null;
	if (p.p_vmspace !== null) {
		if (p.p_robust !== 0 || p.p_cleartid !== 0) return exit_rest(k, p, how, null);
		const rest = uvmspace_free_nosleep(k, exit_vmspace(k, p));
		if (rest !== null) return exit_rest(k, p, how, rest);
	}
	if (p.p_shm.length > 0) return exit_rest(k, p, how, null);
	exit_family(k, p);
	if (is_last(k, p)) return exit_last(k, p, how);
	exit_done(k, p, how);
	return null;
}

/** The rest of it, from the files on. => `space`: the rest of what frees its memory, or null. */
function* exit_rest(
	k: Kernel,
	p: proc,
	how: proc_exit,
	space: Sleeps<void> | null,
): Sleeps<number> {
	if (p.p_fd !== null) yield* fdfree(k, p.p_fd);
	p.p_fd = null;
	if (space !== null) yield* space;
	if (p.p_vmspace !== null) {
		if (p.p_robust !== 0 || p.p_cleartid !== 0) yield* exit_futexes(k, p, p.p_vmspace);
		const rest = uvmspace_free_nosleep(k, exit_vmspace(k, p));
		if (rest !== null) yield* rest;
	}
	if (p.p_shm.length > 0) yield* shmexit(k, p);
	exit_family(k, p);
	if (is_last(k, p)) return yield* exit_last(k, p, how);
	exit_done(k, p, how);
	return 0;
}

/** What the process leaves to its parent, and to its children. */
function exit_family(k: Kernel, p: proc): void {
	const l = p.p_lwp!;
	vfork_done(k, p);
	p.p_ru.ru_utime = l.l_utime;
	p.p_ru.ru_stime = l.l_stime;
	p.p_ru.ru_minflt = l.l_minflt;
	p.p_ru.ru_majflt = l.l_majflt;
	// Orphans get no new parent, so nothing waits for them.
	for (let child = p.p_children.shift(); child !== undefined; child = p.p_children.shift()) {
		child.p_pptr = null;
		if (child.p_pdeathsig !== 0) psignal(k, child, child.p_pdeathsig, SI_USER, p);
		if (child.p_lwp === null) proc_free(k, child);
	}
}

/** The end of the last process is that of the system. */
function* exit_last(k: Kernel, p: proc, how: proc_exit): Sleeps<number> {
	yield* shm_shutdown(k);
	yield* vfs_shutdown(k);
	yield* sigcode_fini(k);
	yield* cpu_reboot(k);
	exit_done(k, p, how);
	return 0;
}

function exit_done(k: Kernel, p: proc, how: proc_exit): void {
	lwp_free(k, p.p_lwp!);
	p.p_lwp = null;
	exit_tell(k, p, how);
}

/** Have all others ended? One that is still exiting has files and memory, and gets here itself. */
function is_last(k: Kernel, p: proc): boolean {
	for (let i = 0; i < k.procs.length; i++) {
		const other = k.procs[i]!;
		if (other !== p && other.p_lwp !== null) return false;
	}
	return true;
}

/** What others may wait for in the memory of a process that ends. Sleeps. */
function* exit_futexes(k: Kernel, p: proc, vm: vmspace): Sleeps<void> {
	if (p.p_robust !== 0) yield* futex_robust(k, p);
	if (p.p_cleartid === 0) return;
	yield* copyout_word(k, vm.vm_map, 0, p.p_cleartid);
	futex_cleartid(k, p, p.p_cleartid);
}

/** Leave the address space. => it; a vforked process has only borrowed it. */
function exit_vmspace(k: Kernel, p: proc): vmspace {
	const vm = p.p_vmspace!;
	p.p_ru.ru_maxrss = Math.max(p.p_ru.ru_maxrss, pmap_resident_count(k, vm.vm_map.pmap));
	pmap_activate(k, pmap_kernel(k));
	p.p_vmspace = null;
	return vm;
}

/** Wake the parent that waits in vfork. */
export function vfork_done(k: Kernel, p: proc): void {
	if (!p.p_vforked) return;
	p.p_vforked = false;
	wakeup(k, p);
}

/** Notify the parent, or remove the process at once. */
function exit_tell(k: Kernel, p: proc, how: proc_exit): void {
	const parent = p.p_pptr;
	const action = parent?.p_sigacts[SIGCHLD];
	if (parent === null) {
		proc_free(k, p);
		return;
	}
	wakeup(k, parent);
	// clone accepts any number, also 0.
	if (sig_valid(p.p_exitsig)) {
		sigchld_post(k, parent, p, p.p_exitsig, exit_code(how), how.signal || how.code);
	}
	const ignored = action!.sa_handler === SIG_IGN || (action!.sa_flags & SA_NOCLDWAIT) !== 0;
	if (p.p_exitsig === SIGCHLD && ignored) proc_reap(k, p);
}

/** CLD_: how a process has ended. */
export function exit_code({ signal, coredump }: proc_exit): number {
	if (signal === 0) return CLD_EXITED;
	return coredump ? CLD_DUMPED : CLD_KILLED;
}

/** Remove an exited child, and add its usage to the parent's. */
export function proc_reap(k: Kernel, p: proc): void {
	const parent = p.p_pptr!;
	ruadd(parent.p_cru, p.p_ru);
	ruadd(parent.p_cru, p.p_cru);
	list_remove(parent.p_children, p);
	p.p_pptr = null;
	proc_free(k, p);
}

function ruadd(to: rusage, from: rusage): void {
	to.ru_utime += from.ru_utime;
	to.ru_stime += from.ru_stime;
	to.ru_minflt += from.ru_minflt;
	to.ru_majflt += from.ru_majflt;
	to.ru_nvcsw += from.ru_nvcsw;
	to.ru_nivcsw += from.ru_nivcsw;
	to.ru_maxrss = Math.max(to.ru_maxrss, from.ru_maxrss);
}

/** Power off, after all writes: "sifive_test" takes 0x5555 for success. Sleeps. */
function* cpu_reboot(k: Kernel): Sleeps<void> {
	while (k.uvmexp.paging > 0 || k.uvm.aio_done.length > 0) yield* uvm_pause(k, "reboot");
	k.halted = true;
	k.port.store(k.conf!.power, 4, 0x5555);
}

/** The exit of a process that `signal` kills. `addr` is the address of the access, or 0. */
export function killed(signal: number, pc: number, addr: number, reason = ""): proc_exit {
	return { code: 0, signal, coredump: false, pc, addr, reason };
}

export const exited = (code: number): proc_exit => (code === 0 ? SUCCEEDED : ended(code));

const ended = (code: number): proc_exit => ({
	code,
	signal: 0,
	coredump: false,
	pc: 0,
	addr: 0,
	reason: "",
});

const SUCCEEDED = ended(0);
