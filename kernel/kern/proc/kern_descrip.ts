/** Descriptors of a process, and calls about them (sys/kern/kern_descrip.c). */
import { EBADF, EINVAL, EMFILE, type Errno } from "../../../sys/errno.ts";
import { KASSERT } from "../../../sys/panic.ts";
import { devfs_console } from "../../fs/devfs.ts";
import { vref, vrele } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import type { sysent } from "../sys/sysent.ts";
import { SYS } from "../sys/sysnum.ts";
import {
	DTYPE_VNODE,
	type file,
	type filedesc,
	type fileops,
	NOFILE,
	O_APPEND,
	O_CLOEXEC,
	O_NONBLOCK,
	O_RDONLY,
	O_WRONLY,
} from "./file.ts";
import type { proc } from "./kern_proc.ts";
import { RLIMIT_NOFILE } from "./resource.ts";

export const sysent_descrip: sysent = {
	[SYS.close]: (k, p, a) => sys_close(k, p, a[0]!),
	[SYS.dup]: (_k, p, a) => sys_dup(p, a[0]!),
	[SYS.dup3]: (k, p, a) => sys_dup3(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.fcntl64]: (_k, p, a) => sys_fcntl(p, a[0]!, a[1]!, a[2]!),
};

export const FOP = (k: Kernel, fp: file): fileops => k.fileops[fp.f_type]!;

/** A table whose descriptors 0, 1 and 2 are the console: 0 to read, the others to write. */
export function fdinit(k: Kernel): filedesc {
	const console = (f_flag: number, f_count: number): file => ({
		f_type: DTYPE_VNODE,
		f_flag,
		f_count,
		f_offset: 0,
		f_vnode: devfs_console(k),
		f_pipe: null,
	});
	const output = console(O_WRONLY, 2);
	return {
		fd_ofiles: [console(O_RDONLY, 1), output, output],
		fd_cloexec: [false, false, false],
		fd_cdir: null,
	};
}

/** A copy for a child, which refers to the same open files (fork). */
export function fdcopy(fdp: filedesc): filedesc {
	for (const fp of fdp.fd_ofiles) if (fp !== null) fp.f_count++;
	if (fdp.fd_cdir !== null) vref(fdp.fd_cdir);
	return {
		fd_ofiles: [...fdp.fd_ofiles],
		fd_cloexec: [...fdp.fd_cloexec],
		fd_cdir: fdp.fd_cdir,
	};
}

/** Close everything (exit). Sleeps. */
export function* fdfree(k: Kernel, fdp: filedesc): Sleeps<void> {
	const files = fdp.fd_ofiles.splice(0);
	const cdir = fdp.fd_cdir;
	fdp.fd_cdir = null;
	for (const fp of files) if (fp !== null) yield* closef(k, fp);
	if (cdir !== null) yield* vrele(k, cdir);
}

/** Close what is marked close-on-exec (execve). Sleeps. */
export function* fdcloseexec(k: Kernel, fdp: filedesc): Sleeps<void> {
	for (let fd = 0; fd < fdp.fd_ofiles.length; fd++) {
		const fp = fdp.fd_ofiles[fd]!;
		if (fp === null || fdp.fd_cloexec[fd] !== true) continue;
		fdp.fd_ofiles[fd] = null;
		yield* closef(k, fp);
	}
}

/** The open file of a descriptor, or null. */
export const fd_getfile = (p: proc, fd: number): file | null => p.p_fd!.fd_ofiles[fd] ?? null;

/** The same, with a reference for a call that may sleep: closef drops it. */
export function fd_hold(p: proc, fd: number): file | null {
	const fp = fd_getfile(p, fd);
	if (fp !== null) fp.f_count++;
	return fp;
}

/** Drop a reference to an open file; the last one closes it. Sleeps. */
export function* closef(k: Kernel, fp: file): Sleeps<void> {
	KASSERT(fp.f_count > 0, "closef: no reference");
	if (--fp.f_count === 0) yield* FOP(k, fp).fo_close(k, fp);
}

/** How many descriptors a process may have. */
const maxfiles = (p: proc): number => Math.min(NOFILE, p.p_rlimit[RLIMIT_NOFILE]!.rlim_cur);

/**
 * Give the lowest free descriptor from `min` on to `fp`, whose reference it takes over.
 * => the descriptor, or -EMFILE: then the reference is still the caller's.
 */
export function fd_alloc(p: proc, fp: file, min: number, cloexec: boolean): number {
	const { fd_ofiles, fd_cloexec } = p.p_fd!;
	let fd = min;
	while ((fd_ofiles[fd] ?? null) !== null) fd++;
	if (fd >= maxfiles(p)) return -EMFILE;
	while (fd_ofiles.length < fd) fd_ofiles.push(null);
	fd_ofiles[fd] = fp;
	fd_cloexec[fd] = cloexec;
	return fd;
}

function* sys_close(k: Kernel, p: proc, fd: number): Sleeps<number> {
	const fp = fd_getfile(p, fd);
	if (fp === null) return -EBADF;
	p.p_fd!.fd_ofiles[fd] = null;
	yield* closef(k, fp);
	return 0;
}

const sys_dup = (p: proc, fd: number): number => dup_from(p, fd, 0, false);

function dup_from(p: proc, fd: number, min: number, cloexec: boolean): number {
	const fp = fd_getfile(p, fd);
	if (fp === null) return -EBADF;
	if (min >= maxfiles(p)) return -EINVAL;
	const made = fd_alloc(p, fp, min, cloexec);
	if (made >= 0) fp.f_count++;
	return made;
}

function* sys_dup3(k: Kernel, p: proc, from: number, to: number, flags: number): Sleeps<number> {
	const fp = fd_getfile(p, from);
	if (fp === null || to >= maxfiles(p)) return -EBADF;
	if (from === to || (flags & ~O_CLOEXEC) !== 0) return -EINVAL;
	const { fd_ofiles, fd_cloexec } = p.p_fd!;
	const old = fd_getfile(p, to);
	while (fd_ofiles.length < to) fd_ofiles.push(null);
	fp.f_count++;
	fd_ofiles[to] = fp;
	fd_cloexec[to] = (flags & O_CLOEXEC) !== 0;
	if (old !== null) yield* closef(k, old);
	return to;
}

const F_DUPFD = 0;
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const FD_CLOEXEC = 1;

function sys_fcntl(p: proc, fd: number, cmd: number, arg: number): number {
	const fp = fd_getfile(p, fd);
	if (fp === null) return -EBADF;
	const settable = O_APPEND | O_NONBLOCK;
	switch (cmd) {
		case F_DUPFD:
		case F_DUPFD_CLOEXEC:
			return dup_from(p, fd, arg, cmd === F_DUPFD_CLOEXEC);
		case F_GETFD:
			return p.p_fd!.fd_cloexec[fd] === true ? FD_CLOEXEC : 0;
		case F_SETFD:
			p.p_fd!.fd_cloexec[fd] = (arg & FD_CLOEXEC) !== 0;
			return 0;
		case F_GETFL:
			return fp.f_flag;
		case F_SETFL:
			fp.f_flag = (fp.f_flag & ~settable) | (arg & settable);
			return 0;
		default:
			return -EINVAL;
	}
}

/** Whether an open file may be read, or written. */
export const file_readable = (fp: file): boolean => (fp.f_flag & 3) !== O_WRONLY;
export const file_writable = (fp: file): boolean => (fp.f_flag & 3) !== O_RDONLY;

/** A new open file with one reference. `vp`'s reference becomes its own. */
export const file_make = (f_flag: number, vp: file["f_vnode"]): file => ({
	f_type: DTYPE_VNODE,
	f_flag,
	f_count: 1,
	f_offset: 0,
	f_vnode: vp,
	f_pipe: null,
});

/** An errno as the result of a system call. */
export const result = (error: Errno): number => (error === 0 ? 0 : -error);
