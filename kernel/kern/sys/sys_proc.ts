/** System calls about processes: identity, groups, ending, limits. */
import { EFAULT, EINVAL, EKERNEL, EPERM, ESRCH } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import type { Kernel } from "../../kernel.ts";
import { arc4random } from "../core/kern_rndq.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { copyin, copyout } from "../proc/copy.ts";
import { sys_execve } from "../proc/kern_exec.ts";
import { exit1_nosleep, exited } from "../proc/kern_exit.ts";
import { sys_clone } from "../proc/kern_fork.ts";
import { pfind, type proc } from "../proc/kern_proc.ts";
import { cansignal } from "../proc/kern_prot.ts";
import { sys_getrusage, sys_prlimit64 } from "../proc/kern_resource.ts";
import { sig_valid } from "../proc/kern_sig.ts";
import { sys_wait4, sys_waitid } from "../proc/kern_wait.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";

export const sysent_proc: sysent = {
	[SYS.exit]: (k, p, a) => sys_exit(k, p, a[0]! & 0xff),
	[SYS.exit_group]: (k, p, a) => sys_exit(k, p, a[0]! & 0xff),
	[SYS.clone]: (k, p, a) => sys_clone(k, p, a[0]!, a[1]!, a[2]!, a[3]!, a[4]!),
	[SYS.execve]: (k, p, a) => sys_execve(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.wait4]: (k, p, a) => sys_wait4(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.waitid]: (k, p, a) => sys_waitid(k, p, a[0]!, a[1]!, a[2]!, a[3]!, a[4]!),
	[SYS.getpid]: (_k, p) => p.p_pid,
	[SYS.getppid]: (_k, p) => p.p_pptr?.p_pid ?? 0,
	[SYS.gettid]: (_k, p) => p.p_pid,
	[SYS.setpgid]: (k, p, a) => sys_setpgid(k, p, a[0]!, a[1]!),
	[SYS.getpgid]: (k, p, a) => find(k, p, a[0]!)?.p_pgid ?? -ESRCH,
	[SYS.getsid]: (k, p, a) => find(k, p, a[0]!)?.p_sid ?? -ESRCH,
	[SYS.setsid]: (k, p) => sys_setsid(k, p),
	[SYS.sched_yield]: (_k, p) => sys_sched_yield(p),
	[SYS.setpriority]: () => 0,
	// Linux's raw call returns 20 - nice.
	[SYS.getpriority]: () => 20,
	[SYS.set_tid_address]: (_k, p, a) => sys_set_tid_address(p, a[0]!),
	[SYS.getrusage]: (k, p, a) => sys_getrusage(k, p, a[0]!, a[1]!),
	[SYS.set_robust_list]: (_k, p, a) => sys_set_robust_list(p, a[0]!, a[1]!),
	[SYS.get_robust_list]: (k, p, a) => sys_get_robust_list(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.prctl]: (k, p, a) => sys_prctl(k, p, a[0]!, a[1]!),
	[SYS.sched_getaffinity]: (k, p, a) => sys_sched_getaffinity(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.sched_setaffinity]: (k, p, a) => sys_sched_setaffinity(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.getcpu]: (k, p, a) => sys_getcpu(k, p, a[0]!, a[1]!),
	[SYS.prlimit64]: (k, p, a) => sys_prlimit64(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.uname]: (k, p, a) => sys_uname(k, p, a[0]!),
	[SYS.sysinfo]: (k, p, a) => sys_sysinfo(k, p, a[0]!),
	[SYS.getrandom]: (k, p, a) => sys_getrandom(k, p, a[0]!, a[1]!),
	[SYS.riscv_flush_icache]: (k) => sys_flush_icache(k),
};

/** => EKERNEL at first: the process is gone when it returns, so no trap may call it. */
function sys_exit(k: Kernel, p: proc, code: number): number | Sleeps<number> {
	if (k.curlwp.l_kernel === null) return EKERNEL;
	return exit1_nosleep(k, p, exited(code)) ?? 0;
}

const find = (k: Kernel, p: proc, pid: number): proc | undefined => (pid === 0 ? p : pfind(k, pid));

/**
 * => EPERM for a session leader or another session; ESRCH for others than itself and its children.
 */
function sys_setpgid(k: Kernel, p: proc, pid: number, pgid: number): number {
	const target = find(k, p, pid);
	if (target === undefined || (target !== p && target.p_pptr !== p)) return -ESRCH;
	if ((pgid | 0) < 0) return -EINVAL;
	if (target.p_sid === target.p_pid || target.p_sid !== p.p_sid) return -EPERM;
	const group = pgid === 0 ? target.p_pid : pgid;
	const exists = k.procs.some((q) => q.p_pgid === group && q.p_sid === p.p_sid);
	if (group !== target.p_pid && !exists) return -EPERM;
	target.p_pgid = group;
	return 0;
}

function sys_setsid(k: Kernel, p: proc): number {
	if (k.procs.some((q) => q.p_pgid === p.p_pid)) return -EPERM;
	p.p_sid = p.p_pid;
	p.p_pgid = p.p_pid;
	return p.p_pid;
}

function sys_sched_yield(p: proc): number {
	p.p_lwp!.l_yield = true;
	return 0;
}

function sys_set_tid_address(p: proc, va: number): number {
	p.p_cleartid = va;
	return p.p_pid;
}

const find_lwp = (k: Kernel, p: proc, pid: number): proc | undefined => {
	const target = find(k, p, pid);
	return target?.p_lwp === null ? undefined : target;
};

/** Bytes of a set of processors; there is one processor. */
const CPUSET_SIZE = 4;

/** => how many bytes of the set have been stored. */
function* sys_sched_getaffinity(
	k: Kernel,
	p: proc,
	pid: number,
	size: number,
	va: number,
): Sleeps<number> {
	if (size < CPUSET_SIZE || size % 4 !== 0) return -EINVAL;
	if (find_lwp(k, p, pid) === undefined) return -ESRCH;
	const error = yield* copyout(k, p.p_vmspace!.vm_map, new Uint8Array([1, 0, 0, 0]), va);
	return error === 0 ? CPUSET_SIZE : -error;
}

/** => EINVAL: the set does not contain the one processor. */
function* sys_sched_setaffinity(
	k: Kernel,
	p: proc,
	pid: number,
	size: number,
	va: number,
): Sleeps<number> {
	const bytes = new Uint8Array(Math.min(size, CPUSET_SIZE));
	if ((yield* copyin(k, p.p_vmspace!.vm_map, va, bytes)) !== 0) return -EFAULT;
	const target = find_lwp(k, p, pid);
	if (target === undefined) return -ESRCH;
	if (!cansignal(p, target)) return -EPERM;
	return ((bytes[0] ?? 0) & 1) === 0 ? -EINVAL : 0;
}

/** Processor and node: 0 and 0. */
function* sys_getcpu(k: Kernel, p: proc, cpu: number, node: number): Sleeps<number> {
	for (const va of [cpu, node]) {
		if (va === 0) continue;
		const error = yield* copyout(k, p.p_vmspace!.vm_map, new Uint8Array(4), va);
		if (error !== 0) return -error;
	}
	return 0;
}

/** Bytes of a struct robust_list_head. */
const ROBUST_LIST_HEAD_SIZE = 12;

function sys_set_robust_list(p: proc, head: number, size: number): number {
	if (size !== ROBUST_LIST_HEAD_SIZE) return -EINVAL;
	p.p_robust = head;
	return 0;
}

function* sys_get_robust_list(
	k: Kernel,
	p: proc,
	pid: number,
	headp: number,
	sizep: number,
): Sleeps<number> {
	const target = find_lwp(k, p, pid);
	if (target === undefined) return -ESRCH;
	if (!cansignal(p, target)) return -EPERM;
	const { vm_map: map } = p.p_vmspace!;
	const word = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);
	const error = yield* copyout(k, map, word(ROBUST_LIST_HEAD_SIZE), sizep);
	if (error !== 0) return -error;
	return -(yield* copyout(k, map, word(target.p_robust), headp));
}

const PR_SET_PDEATHSIG = 1;
const PR_GET_PDEATHSIG = 2;
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const PR_SET_NAME = 15;
const PR_GET_NAME = 16;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_GET_NO_NEW_PRIVS = 39;
/** Bytes of a name, with its final zero. */
const PR_NAME_SIZE = 16;

/** => EINVAL for anything that is not listed here. */
function* sys_prctl(k: Kernel, p: proc, option: number, arg: number): Sleeps<number> {
	const { vm_map: map } = p.p_vmspace!;
	switch (option) {
		case PR_SET_PDEATHSIG:
			if (arg !== 0 && !sig_valid(arg)) return -EINVAL;
			p.p_pdeathsig = arg;
			return 0;
		case PR_GET_PDEATHSIG: {
			const bytes = new Uint8Array(new Uint32Array([p.p_pdeathsig]).buffer);
			return -(yield* copyout(k, map, bytes, arg));
		}
		case PR_GET_DUMPABLE:
			return p.p_dumpable;
		case PR_SET_DUMPABLE:
			if (arg > 1) return -EINVAL;
			p.p_dumpable = arg;
			return 0;
		case PR_SET_NAME: {
			let name = "";
			const byte = new Uint8Array(1);
			for (let i = 0; i < PR_NAME_SIZE - 1; i++) {
				if ((yield* copyin(k, map, arg + i, byte)) !== 0) return -EFAULT;
				if (byte[0] === 0) break;
				name += String.fromCharCode(byte[0]!);
			}
			p.p_comm = name;
			return 0;
		}
		case PR_GET_NAME: {
			const bytes = new Uint8Array(PR_NAME_SIZE);
			for (const [i, c] of [...p.p_comm.slice(0, PR_NAME_SIZE - 1)].entries()) {
				bytes[i] = c.charCodeAt(0);
			}
			return -(yield* copyout(k, map, bytes, arg));
		}
		case PR_SET_NO_NEW_PRIVS:
			if (arg !== 1) return -EINVAL;
			p.p_nnp = true;
			return 0;
		case PR_GET_NO_NEW_PRIVS:
			return p.p_nnp ? 1 : 0;
		default:
			return -EINVAL;
	}
}

function sys_flush_icache(k: Kernel): number {
	k.port.fenceI();
	return 0;
}

/** Size of each of the six strings of struct utsname. */
const UTSNAME_FIELD = 65;

function* sys_uname(k: Kernel, p: proc, va: number): Sleeps<number> {
	const bytes = new Uint8Array(6 * UTSNAME_FIELD);
	const fields = ["uvmachine", "uvmachine", "0.1", "NetBSD UVM", "riscv32", ""];
	for (const [i, text] of fields.entries()) {
		for (let c = 0; c < text.length; c++) bytes[i * UTSNAME_FIELD + c] = text.charCodeAt(c);
	}
	return -(yield* copyout(k, p.p_vmspace!.vm_map, bytes, va));
}

/** struct sysinfo of 32 bits; memory in bytes. */
function* sys_sysinfo(k: Kernel, p: proc, va: number): Sleeps<number> {
	const e = k.uvmexp;
	const words = new Uint32Array(16);
	words[0] = Math.floor(k.port.cycles / 1e9);
	words[4] = e.npages * PAGE_SIZE;
	words[5] = e.free * PAGE_SIZE;
	words[8] = e.swpages * PAGE_SIZE;
	words[9] = (e.swpages - e.swpginuse) * PAGE_SIZE;
	words[10] = k.procs.length;
	words[13] = 1;
	return -(yield* copyout(k, p.p_vmspace!.vm_map, new Uint8Array(words.buffer), va));
}

/** Most bytes that getrandom returns. */
const GETRANDOM_MAX = 256;

function* sys_getrandom(k: Kernel, p: proc, va: number, size: number): Sleeps<number> {
	const bytes = new Uint8Array(Math.min(size, GETRANDOM_MAX));
	for (let i = 0; i < bytes.length; i++) bytes[i] = arc4random(k) >>> 24;
	const error = yield* copyout(k, p.p_vmspace!.vm_map, bytes, va);
	return error === 0 ? bytes.length : -EFAULT;
}
