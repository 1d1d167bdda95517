/** Making processes (sys/kern/kern_fork.c): clone as C libraries use it for fork and vfork. */
import { EAGAIN, EINVAL, EKERNEL, ENOMEM } from "../../../sys/errno.ts";
import type { Kernel } from "../../kernel.ts";
import { uvmspace_free, type vmspace } from "../../uvm/uvm_map.ts";
import { uvmspace_addref, uvmspace_fork_nosleep } from "../../uvm/uvm_map_fork.ts";
import { pool_prime_again, pool_prime_all } from "../../uvm/uvm_wait.ts";
import { fpu_copy } from "../core/fpu.ts";
import { lwp_create, lwp_pc, lwp_regs } from "../core/kern_lwp.ts";
import { ltsleep, type Sleeps, setrunnable } from "../core/kern_synch.ts";
import { RLIMIT_NPROC } from "../core/rlimit.ts";
import { SIGKILL, sigismember } from "../core/signal.ts";
import { shmfork } from "../sys/sysv_shm.ts";
import { copyout_word } from "./copy.ts";
import type { filedesc } from "./file.ts";
import { fdcopy, fdfree } from "./kern_descrip.ts";
import { cputime_arm } from "./kern_itimer.ts";
import { type proc, proc_create } from "./kern_proc.ts";

const CSIGNAL = 0xff;
const CLONE_VM = 0x100;
const CLONE_VFORK = 0x4000;
const CLONE_SETTLS = 0x8_0000;
const CLONE_PARENT_SETTID = 0x10_0000;
const CLONE_CHILD_CLEARTID = 0x20_0000;
const CLONE_CHILD_SETTID = 0x100_0000;
const CLONE_DETACHED = 0x40_0000;
const CLONE_SUPPORTED =
	CSIGNAL |
	CLONE_VM |
	CLONE_VFORK |
	CLONE_SETTLS |
	CLONE_PARENT_SETTID |
	CLONE_CHILD_CLEARTID |
	CLONE_CHILD_SETTID |
	CLONE_DETACHED;

const REG_SP = 2;
const REG_TP = 4;
const REG_A0 = 10;

/** Pages of memory for each process, at least: for its page tables and the kernel's own part. */
const PROC_PAGES = 4;
/** Processes that any machine may have, as Linux's MIN_THREADS. */
const MIN_PROCS = 20;

/** Most processes at a time: memory limits them, as Linux's max_threads, so that all can run. */
const maxproc = (k: Kernel): number =>
	Math.max(MIN_PROCS, Math.floor(k.uvmexp.npages / PROC_PAGES));

/**
 * clone: make a child, which returns 0 from the same call.
 *
 * => CLONE_VM shares the address space, which only vfork may (CLONE_VFORK): the parent sleeps
 *    until the child has called execve or has ended. Threads are not supported: EINVAL.
 * => the child's pid; EAGAIN: too many processes; ENOMEM: no memory, also for the kernel's own part
 *    of a process. EKERNEL at first; without a generator as far as it does not sleep.
 */
export function sys_clone(
	k: Kernel,
	p: proc,
	flags: number,
	stack: number,
	ptid: number,
	tls: number,
	ctid: number,
): number | Sleeps<number> {
	if (k.curlwp.l_kernel === null) return EKERNEL;
	const shares = (flags & CLONE_VM) !== 0;
	if ((flags & ~CLONE_SUPPORTED) !== 0) return -EINVAL;
	if (shares && (flags & CLONE_VFORK) === 0) return -EINVAL;
	if (k.procs.length >= Math.min(maxproc(k), p.p_rlimit[RLIMIT_NPROC]!.rlim_cur)) return -EAGAIN;
	const vm = p.p_vmspace!;
	if (shares) uvmspace_addref(vm);
	const vmspace = shares ? vm : uvmspace_fork_nosleep(k, vm);
	if (vmspace === null) return -ENOMEM;
	if ("next" in vmspace || !pool_prime_all(k, k.pools.ofproc, 1)) {
		return clone_wait(k, p, vmspace, flags, stack, ptid, tls, ctid);
	}
	const fd = sigismember(p.p_siglist, SIGKILL) ? null : fdcopy(k, p.p_fd!);
	if (fd === null) return clone_undo(k, p, null, vmspace);
	const child = clone_child(k, p, vmspace, fd, flags, stack, tls, ctid);
	if ((flags & CLONE_SLEEPS) !== 0) return clone_rest(k, p, child, flags, ptid, ctid);
	clone_start(k, child);
	return child.p_pid;
}

/** What clone has to do for these may sleep. */
const CLONE_SLEEPS = CLONE_CHILD_SETTID | CLONE_PARENT_SETTID | CLONE_VFORK;

/** The same where `forked` still has to be made, or memory is short for the rest of a process. */
function* clone_wait(
	k: Kernel,
	p: proc,
	forked: vmspace | Sleeps<vmspace | null>,
	flags: number,
	stack: number,
	ptid: number,
	tls: number,
	ctid: number,
): Sleeps<number> {
	const { ofproc } = k.pools;
	let vmspace: vmspace | null;
	let primed = false;
	if ("next" in forked) {
		vmspace = yield* forked;
		if (vmspace === null) return -ENOMEM;
		primed = pool_prime_all(k, ofproc, 1);
	} else {
		vmspace = forked;
	}
	primed ||= yield* pool_prime_again(k, ofproc, 1);
	const fd = primed ? fdcopy(k, p.p_fd!) : null;
	// A signal to the process group while this slept has missed the child.
	const undone = fd === null || sigismember(p.p_siglist, SIGKILL);
	if (undone) return yield* clone_undo(k, p, fd, vmspace);
	const child = clone_child(k, p, vmspace, fd, flags, stack, tls, ctid);
	return yield* clone_rest(k, p, child, flags, ptid, ctid);
}

/** No child: it has met a signal that kills, or memory is short. Sleeps. */
function* clone_undo(k: Kernel, p: proc, fd: filedesc | null, vmspace: vmspace): Sleeps<number> {
	const killed = sigismember(p.p_siglist, SIGKILL);
	if (fd !== null) yield* fdfree(k, fd);
	yield* uvmspace_free(k, vmspace);
	return killed ? -EAGAIN : -ENOMEM;
}

/** A child, which does not run yet. */
function clone_child(
	k: Kernel,
	p: proc,
	vmspace: vmspace,
	fd: filedesc,
	flags: number,
	stack: number,
	tls: number,
	ctid: number,
): proc {
	const l = p.p_lwp!;
	const shares = (flags & CLONE_VM) !== 0;
	const child = proc_create(k, p.p_comm, p);
	child.p_vmspace = vmspace;
	child.p_fd = fd;
	if (!shares) shmfork(p, child);
	child.p_sigstk = shares ? child.p_sigstk : p.p_sigstk;
	child.p_exitsig = flags & CSIGNAL;
	child.p_vforked = (flags & CLONE_VFORK) !== 0;
	if ((flags & CLONE_CHILD_CLEARTID) !== 0) child.p_cleartid = ctid;
	const cl = lwp_create(k, p.p_comm, child, null);
	child.p_lwp = cl;
	const regs = lwp_regs(k, l);
	for (let i = 0; i < cl.l_regs.length; i++) cl.l_regs[i] = regs[i]!;
	cl.l_pc = lwp_pc(k, l);
	fpu_copy(k, l, cl);
	cl.l_regs[REG_A0] = 0;
	if (stack !== 0) cl.l_regs[REG_SP] = stack;
	if ((flags & CLONE_SETTLS) !== 0) cl.l_regs[REG_TP] = tls;
	return child;
}

function clone_start(k: Kernel, child: proc): void {
	cputime_arm(k, child);
	setrunnable(k, child.p_lwp!);
}

/** Tell the number of the child, start it, and wait as vfork does. => the number. Sleeps. */
function* clone_rest(
	k: Kernel,
	p: proc,
	child: proc,
	flags: number,
	ptid: number,
	ctid: number,
): Sleeps<number> {
	if ((flags & CLONE_CHILD_SETTID) !== 0) {
		yield* copyout_word(k, child.p_vmspace!.vm_map, child.p_pid, ctid);
	}
	if ((flags & CLONE_PARENT_SETTID) !== 0) {
		yield* copyout_word(k, p.p_vmspace!.vm_map, child.p_pid, ptid);
	}
	clone_start(k, child);
	const pid = child.p_pid;
	// If nobody waits for the child, its record may be another one's by now.
	while (child.p_pid === pid && child.p_vforked) yield* ltsleep(k, child, "vfork", 0, null);
	return pid;
}
