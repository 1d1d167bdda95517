/** Making processes (sys/kern/kern_fork.c): clone as C libraries use it for fork and vfork. */
import { EAGAIN, EINVAL, ENOMEM } from "../../../sys/errno.ts";
import type { Kernel } from "../../kernel.ts";
import { uvmspace_free } from "../../uvm/uvm_map.ts";
import { uvmspace_addref, uvmspace_fork_nosleep } from "../../uvm/uvm_map_fork.ts";
import { pool_prime_again, pool_prime_all } from "../../uvm/uvm_wait.ts";
import { fpu_copy } from "../core/fpu.ts";
import { lwp_create, lwp_pc, lwp_regs } from "../core/kern_lwp.ts";
import { ltsleep, type Sleeps, setrunnable } from "../core/kern_synch.ts";
import { RLIMIT_NPROC } from "../core/rlimit.ts";
import { SIGKILL, sigismember } from "../core/signal.ts";
import { shmfork } from "../sys/sysv_shm.ts";
import { copyout_word } from "./copy.ts";
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
 * => sleeps. The child's pid; EAGAIN: too many processes; ENOMEM: no memory, also for the kernel's
 *    own part of a process.
 */
export function* sys_clone(
	k: Kernel,
	p: proc,
	flags: number,
	stack: number,
	ptid: number,
	tls: number,
	ctid: number,
): Sleeps<number> {
	const l = p.p_lwp!;
	const shares = (flags & CLONE_VM) !== 0;
	if ((flags & ~CLONE_SUPPORTED) !== 0) return -EINVAL;
	if (shares && (flags & CLONE_VFORK) === 0) return -EINVAL;
	if (k.procs.length >= Math.min(maxproc(k), p.p_rlimit[RLIMIT_NPROC]!.rlim_cur)) return -EAGAIN;
	const vm = p.p_vmspace!;
	if (shares) uvmspace_addref(vm);
	const forked = shares ? vm : uvmspace_fork_nosleep(k, vm);
	const vmspace = forked !== null && "next" in forked ? yield* forked : forked;
	if (vmspace === null) return -ENOMEM;
	const { ofproc } = k.pools;
	const primed = pool_prime_all(k, ofproc, 1) || (yield* pool_prime_again(k, ofproc, 1));
	const fd = primed ? fdcopy(k, p.p_fd!) : null;
	if (fd === null) {
		yield* uvmspace_free(k, vmspace);
		return -ENOMEM;
	}
	// A signal to the process group while this slept has missed the child.
	if (sigismember(p.p_siglist, SIGKILL)) {
		yield* fdfree(k, fd);
		yield* uvmspace_free(k, vmspace);
		return -EAGAIN;
	}
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
	if ((flags & CLONE_CHILD_SETTID) !== 0) {
		yield* copyout_word(k, vmspace.vm_map, child.p_pid, ctid);
	}
	if ((flags & CLONE_PARENT_SETTID) !== 0) yield* copyout_word(k, vm.vm_map, child.p_pid, ptid);
	cputime_arm(k, child);
	setrunnable(k, cl);
	while (child.p_vforked) yield* ltsleep(k, child, "vfork", 0, null);
	return child.p_pid;
}
