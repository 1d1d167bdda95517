/**
 * System calls: numbers and conventions of Linux on riscv32 (asm-generic/unistd.h), so that
 * ordinary toolchains work. Errno values are translated here and nowhere else.
 */
import {
	EAGAIN,
	EDEADLK,
	EFAULT,
	EINVAL,
	ELOOP,
	ENAMETOOLONG,
	ENOLCK,
	ENOSYS,
	ENOTEMPTY,
	ENOTSUP,
	EOVERFLOW,
	ETIMEDOUT,
} from "../../../sys/errno.ts";
import { bdev_lookup, type dev_t } from "../../dev/conf.ts";
import { swap_off_file, swap_on_file } from "../../fs/vfs_swap.ts";
import { type vnode, vrele } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import { swap_off, swap_on } from "../../uvm/uvm_swapctl.ts";
import {
	ARGS,
	type lwp,
	lwp_regs,
	RESTART_NO,
	RESTART_NOHAND,
	RESTART_SYS,
} from "../core/kern_lwp.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { copyinstr } from "../proc/copy.ts";
import { sysent_itimer } from "../proc/kern_itimer.ts";
import type { proc } from "../proc/kern_proc.ts";
import { sysent_prot } from "../proc/kern_prot.ts";
import { sysent_time } from "../proc/kern_time.ts";
import { sysent_descrip } from "./sys_descrip.ts";
import { sysent_futex } from "./sys_futex.ts";
import { sysent_generic } from "./sys_generic.ts";

import { sysent_mman } from "./sys_mman.ts";
import { sysent_pipe } from "./sys_pipe.ts";
import { sysent_proc } from "./sys_proc.ts";
import { sysent_process_vm } from "./sys_process_vm.ts";
import { sysent_select } from "./sys_select.ts";
import { sysent_sig } from "./sys_sig.ts";
import { sysent_uvmctl } from "./sys_uvmctl.ts";
import type { syscall_fn, sysent } from "./sysent.ts";
import { syscall_name } from "./sysnames.ts";
import { SYS } from "./sysnum.ts";
import { sysent_shm } from "./sysv_shm.ts";
import { namei, PATH_MAX } from "./vfs_lookup.ts";
import { sysent_names } from "./vfs_names.ts";
import { sysent_setattr } from "./vfs_setattr.ts";
import { sysent_stat } from "./vfs_stat.ts";
import { sysent_vfs } from "./vfs_syscalls.ts";

/** Linux's number of an errno. */
function linux_errno(error: number): number {
	switch (error) {
		case EAGAIN:
			return 11;
		case EDEADLK:
			return 35;
		case ENAMETOOLONG:
			return 36;
		case ENOLCK:
			return 37;
		case ENOSYS:
			return 38;
		case ENOTEMPTY:
			return 39;
		case ELOOP:
			return 40;
		case EOVERFLOW:
			return 75;
		case ENOTSUP:
			return 95;
		case ETIMEDOUT:
			return 110;
		default:
			return error;
	}
}

const sysent_misc: sysent = {
	[SYS.swapon]: (k, p, a) => sys_swapon(k, p, a[0]!, a[1]!),
	[SYS.swapoff]: (k, p, a) => sys_swapoff(k, p, a[0]!),
};

const groups: readonly sysent[] = [
	sysent_misc,
	sysent_mman,
	sysent_proc,
	sysent_process_vm,
	sysent_shm,
	sysent_descrip,
	sysent_generic,
	sysent_vfs,
	sysent_names,
	sysent_setattr,
	sysent_stat,
	sysent_select,
	sysent_pipe,
	sysent_sig,
	sysent_time,
	sysent_itimer,
	sysent_prot,
	sysent_futex,
	sysent_uvmctl,
];

/** Every system call by number. */
const calls: (syscall_fn | undefined)[] = [];
for (const group of groups) {
	for (const [number, handler] of Object.entries(group)) calls[Number(number)] = handler;
}

/** The handler of a system call. */
export const syscall_handler = (number: number): syscall_fn | undefined => calls[number];

/**
 * The system call whose number and arguments are in the thread's registers.
 *
 * => a result (negative: an errno) if it is done, or the rest of it as a sleeping function.
 * => the caller puts the result into a0.
 */
export function syscall(k: Kernel, l: lwp): number | Sleeps<number> {
	const x = lwp_regs(k, l);
	const number = x[17]! >>> 0;
	const handler = number < calls.length ? calls[number] : undefined;
	if (handler === undefined) return nosys(k, number);
	const { l_args: a } = l;
	for (let i = 0; i < ARGS; i++) a[i] = x[10 + i]!;
	return handler(k, l.l_proc!, a);
}

/** A result as the program sees it. */
export const syscall_result = (value: number): number => (value < 0 ? -linux_errno(-value) : value);

/** Calls that are restarted, if the handler of the signal has SA_RESTART. */
const RESTARTABLE: ReadonlySet<number> = new Set([
	SYS.read,
	SYS.readv,
	SYS.write,
	SYS.writev,
	SYS.wait4,
	SYS.waitid,
	SYS.openat,
	SYS.ioctl,
	SYS.fcntl64,
	SYS.flock,
	SYS.sendfile64,
	SYS.futex64,
]);

/** Calls that any handler interrupts, but that are restarted after a stop. */
const UNHANDLED: ReadonlySet<number> = new Set([
	SYS.rt_sigsuspend,
	SYS.ppoll64,
	SYS.pselect6,
	SYS.clock_nanosleep64,
]);

/** When to restart a system call that ended with EINTR: RESTART_. */
export function syscall_restarts(number: number): number {
	if (RESTARTABLE.has(number)) return RESTART_SYS;
	return UNHANDLED.has(number) ? RESTART_NOHAND : RESTART_NO;
}

/** Limit of k.msgbuf, for programs that try every number. */
const MESSAGES_MAX = 100;

/** Each unknown number is reported once. */
function nosys(k: Kernel, number: number): number {
	const message = `unknown system call ${syscall_name(number)}`;
	if (k.msgbuf.length < MESSAGES_MAX && !k.msgbuf.includes(message)) k.msgbuf.push(message);
	return -ENOSYS;
}

/** A disk to swap to, or a file, which is referenced. */
interface swap_target {
	readonly path: string;
	readonly dev: dev_t | null;
	readonly vp: vnode | null;
}

/** /dev/ld0, /dev/ld1, ...: also without a file system; any other path is looked up. Sleeps. */
function* swap_path(k: Kernel, p: proc, va: number): Sleeps<swap_target | number> {
	const path = yield* copyinstr(k, p.p_vmspace!.vm_map, va, PATH_MAX);
	if (path === null) return -EFAULT;
	const dev = path.startsWith("/dev/") ? bdev_lookup(k, path.slice("/dev/".length)) : null;
	if (dev !== null) return { path, dev, vp: null };
	const vp = yield* namei(k, p.p_fd?.fd_cdir ?? null, path, true);
	return typeof vp === "number" ? -vp : { path, dev: vp.v_type === "VBLK" ? vp.v_rdev : null, vp };
}

const SWAP_FLAG_PREFER = 0x8000;
const SWAP_FLAG_PRIO_MASK = 0x7fff;

/** Linux uses the higher priority first, NetBSD the lower value. */
function* sys_swapon(k: Kernel, p: proc, va: number, flags: number): Sleeps<number> {
	const found = yield* swap_path(k, p, va);
	if (typeof found === "number") return found;
	const { path, dev, vp } = found;
	const priority = (flags & SWAP_FLAG_PREFER) !== 0 ? -(flags & SWAP_FLAG_PRIO_MASK) : 0;
	let error = EINVAL;
	if ((flags & ~(SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK)) === 0) {
		if (dev !== null) error = swap_on(k, path, dev, priority);
		else error = yield* swap_on_file(k, path, vp!, priority);
	}
	if (vp !== null) yield* vrele(k, vp);
	return -error;
}

function* sys_swapoff(k: Kernel, p: proc, va: number): Sleeps<number> {
	const found = yield* swap_path(k, p, va);
	if (typeof found === "number") return found;
	const { dev, vp } = found;
	const error = dev !== null ? yield* swap_off(k, dev) : yield* swap_off_file(k, vp!);
	if (vp !== null) yield* vrele(k, vp);
	return -error;
}
