/** System calls about processes: identity, groups, ending, limits. */
import { EFAULT, EINVAL, EPERM, ESRCH } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import type { Kernel } from "../../kernel.ts";
import { arc4random } from "../core/kern_rndq.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { copyout } from "../proc/copy.ts";
import { sys_execve } from "../proc/kern_exec.ts";
import { exit1, exited } from "../proc/kern_exit.ts";
import { sys_clone } from "../proc/kern_fork.ts";
import { pfind, type proc } from "../proc/kern_proc.ts";
import { sys_getrusage, sys_prlimit64 } from "../proc/kern_resource.ts";
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
	[SYS.getuid]: () => 0,
	[SYS.geteuid]: () => 0,
	[SYS.getgid]: () => 0,
	[SYS.getegid]: () => 0,
	// There is one user, root.
	[SYS.setresuid]: () => 0,
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
	[SYS.prlimit64]: (k, p, a) => sys_prlimit64(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.uname]: (k, p, a) => sys_uname(k, p, a[0]!),
	[SYS.sysinfo]: (k, p, a) => sys_sysinfo(k, p, a[0]!),
	[SYS.getrandom]: (k, p, a) => sys_getrandom(k, p, a[0]!, a[1]!),
	[SYS.riscv_flush_icache]: (k) => sys_flush_icache(k),
};

function* sys_exit(k: Kernel, p: proc, code: number): Sleeps<number> {
	yield* exit1(k, p, exited(code));
	return 0;
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
