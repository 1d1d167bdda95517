/**
 * System calls: numbers and conventions of Linux on riscv32 (asm-generic/unistd.h), so that
 * ordinary toolchains work. Errno values are translated here and nowhere else.
 */
import {
	EAGAIN,
	EBADF,
	EDEADLK,
	EFAULT,
	EINVAL,
	ENAMETOOLONG,
	ENOENT,
	ENOSYS,
} from "../../pmap/errno.ts";
import { cnread, cnwrite } from "../dev/cons.ts";
import type { ld_softc } from "../dev/ld_virtio.ts";
import type { Kernel } from "../kernel.ts";
import { swap_off, swap_on } from "../uvm/uvm_swapctl.ts";
import { copyin, copyinstr, copyout } from "./copy.ts";
import { exit1, exited } from "./kern_exit.ts";
import type { lwp } from "./kern_lwp.ts";
import type { proc } from "./kern_proc.ts";
import type { Sleeps } from "./kern_synch.ts";
import { sys_brk, sys_mmap2, sys_mprotect, sys_munmap } from "./sys_mman.ts";
import { sys_shmat, sys_shmctl, sys_shmdt, sys_shmget } from "./sysv_shm.ts";

const SYS_read = 63;
const SYS_write = 64;
const SYS_exit = 93;
const SYS_exit_group = 94;
const SYS_getpid = 172;
const SYS_shmget = 194;
const SYS_shmctl = 195;
const SYS_shmat = 196;
const SYS_shmdt = 197;
const SYS_brk = 214;
const SYS_munmap = 215;
const SYS_mmap2 = 222;
const SYS_swapon = 224;
const SYS_swapoff = 225;
const SYS_mprotect = 226;
const SYS_clock_gettime64 = 403;

/** Longest transfer that read and write do at once, and the longest path, in bytes. */
const MAXIO = 64 * 1024;
const PATH_MAX = 1024;

/** Linux's number of an errno that NetBSD numbers otherwise. */
function linux_errno(error: number): number {
	switch (error) {
		case EAGAIN:
			return 11;
		case EDEADLK:
			return 35;
		case ENAMETOOLONG:
			return 36;
		case ENOSYS:
			return 38;
		default:
			return error;
	}
}

/**
 * The system call whose number and arguments are in the thread's registers.
 *
 * => a result (negative: an errno) if it is done, or the rest of it as a sleeping function.
 * => the caller puts the result into a0.
 */
export function syscall(k: Kernel, l: lwp): number | Sleeps<number> {
	const { x } = k.port;
	const p = l.l_proc!;
	const a0 = x[10]! >>> 0;
	const a1 = x[11]! >>> 0;
	const a2 = x[12]! >>> 0;
	const a3 = x[13]! >>> 0;
	switch (x[17]! >>> 0) {
		case SYS_read:
			return sys_read(k, p, a0, a1, a2);
		case SYS_write:
			return sys_write(k, p, a0, a1, a2);
		case SYS_exit:
		case SYS_exit_group:
			return sys_exit(k, p, a0 & 0xff);
		case SYS_getpid:
			return p.p_pid;
		case SYS_shmget:
			return sys_shmget(k, a0, a1, a2);
		case SYS_shmctl:
			return sys_shmctl(k, p, a0, a1, a2);
		case SYS_shmat:
			return sys_shmat(k, p, a0, a1, a2);
		case SYS_shmdt:
			return sys_shmdt(k, p, a0);
		case SYS_brk:
			return sys_brk(k, p, a0);
		case SYS_munmap:
			return sys_munmap(k, p, a0, a1);
		case SYS_mmap2:
			return sys_mmap2(k, p, a0, a1, a2, a3);
		case SYS_mprotect:
			return sys_mprotect(k, p, a0, a1, a2);
		case SYS_swapon:
			return sys_swapon(k, p, a0, a1);
		case SYS_swapoff:
			return sys_swapoff(k, p, a0);
		case SYS_clock_gettime64:
			return sys_clock_gettime(k, p, a0, a1);
		default:
			return nosys(k, x[17]! >>> 0);
	}
}

/** A result as the program sees it. */
export const syscall_result = (value: number): number => (value < 0 ? -linux_errno(-value) : value);

/** Each unknown number is reported once. */
function nosys(k: Kernel, number: number): number {
	const message = `unknown system call ${number}`;
	if (!k.msgbuf.includes(message)) k.msgbuf.push(message);
	return -ENOSYS;
}

function* sys_exit(k: Kernel, p: proc, code: number): Sleeps<number> {
	yield* exit1(k, p, exited(code));
	return 0;
}

function* sys_read(k: Kernel, p: proc, fd: number, va: number, size: number): Sleeps<number> {
	if (fd !== 0) return -EBADF;
	if (size === 0) return 0;
	const bytes = yield* cnread(k, Math.min(size, MAXIO));
	const error = yield* copyout(k, p.p_vmspace!.vm_map, bytes, va);
	return error === 0 ? bytes.length : -error;
}

/** Standard output and standard error are the console. */
function* sys_write(k: Kernel, p: proc, fd: number, va: number, size: number): Sleeps<number> {
	if (fd !== 1 && fd !== 2) return -EBADF;
	const bytes = new Uint8Array(Math.min(size, MAXIO));
	const error = yield* copyin(k, p.p_vmspace!.vm_map, va, bytes);
	if (error !== 0) return -error;
	cnwrite(k, bytes);
	return bytes.length;
}

/** The disk that a path names: /dev/ld0, /dev/ld1, ... */
function* swap_path(
	k: Kernel,
	p: proc,
	va: number,
): Sleeps<{ path: string; dev: ld_softc } | number> {
	const path = yield* copyinstr(k, p.p_vmspace!.vm_map, va, PATH_MAX);
	if (path === null) return -EFAULT;
	const match = /^\/dev\/ld(\d+)$/.exec(path);
	const dev = match === null ? undefined : k.lds[Number(match[1])];
	return dev === undefined ? -ENOENT : { path, dev };
}

const SWAP_FLAG_PREFER = 0x8000;
const SWAP_FLAG_PRIO_MASK = 0x7fff;

/** Linux's higher priority is used first; NetBSD's lower value is. */
function* sys_swapon(k: Kernel, p: proc, path: number, flags: number): Sleeps<number> {
	const found = yield* swap_path(k, p, path);
	if (typeof found === "number") return found;
	if ((flags & ~(SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK)) !== 0) return -EINVAL;
	const priority = (flags & SWAP_FLAG_PREFER) !== 0 ? -(flags & SWAP_FLAG_PRIO_MASK) : 0;
	return -swap_on(k, found.path, found.dev, priority);
}

function* sys_swapoff(k: Kernel, p: proc, path: number): Sleeps<number> {
	const found = yield* swap_path(k, p, path);
	if (typeof found === "number") return found;
	return -(yield* swap_off(k, found.dev));
}

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;

/** Virtual time since reset, whatever the clock: one cycle is one nanosecond. */
function* sys_clock_gettime(k: Kernel, p: proc, clock: number, va: number): Sleeps<number> {
	if (clock !== CLOCK_REALTIME && clock !== CLOCK_MONOTONIC) return -EINVAL;
	const now = k.port.cycles;
	const words = new Uint32Array([Math.floor(now / 1e9), 0, now % 1e9, 0]);
	return -(yield* copyout(k, p.p_vmspace!.vm_map, new Uint8Array(words.buffer), va));
}
