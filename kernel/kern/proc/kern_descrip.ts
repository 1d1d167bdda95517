/** Descriptors of a process (sys/kern/kern_descrip.c); sys_descrip.ts has the calls about them. */
import { EMFILE, ENFILE, ENOMEM, type Errno } from "../../../sys/errno.ts";
import { KASSERT } from "../../../sys/panic.ts";
import { devfs_console } from "../../fs/devfs.ts";
import { vref, vrele, vrele_nosleep } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import { pool_prime_wait } from "../../uvm/uvm_wait.ts";
import { free, malloc } from "../core/kern_malloc.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { RLIMIT_NOFILE } from "../core/rlimit.ts";
import { pool_get, pool_put, pool_take } from "../core/subr_pool.ts";
import { lf_release } from "../sys/vfs_lockf.ts";
import {
	DTYPE_VNODE,
	type file,
	type filedesc,
	type fileops,
	NDEXTENT,
	NDFILE,
	NOFILE,
	O_PATH,
	O_RDONLY,
	O_WRONLY,
	OFILESIZE,
} from "./file.ts";
import type { proc } from "./kern_proc.ts";

export const FOP = (k: Kernel, fp: file): fileops => k.fileops[fp.f_type]!;

/** A table whose descriptors 0, 1 and 2 are the console: 0 to read, the others to write. */
export function fdinit(k: Kernel): filedesc {
	pool_take(k, k.pools.fdescpl);
	const console = (f_flag: number, f_count: number): file => ({
		...file_new(k, f_flag, devfs_console(k)),
		f_count,
	});
	const output = console(O_WRONLY, 2);
	return {
		fd_ofiles: [console(O_RDONLY, 1), output, output],
		fd_cloexec: [false, false, false],
		fd_nfiles: NDFILE,
		fd_cdir: null,
	};
}

/**
 * A copy for a child, which refers to the same open files (fork).
 * => never sleeps; null if memory is short.
 */
export function fdcopy(k: Kernel, fdp: filedesc): filedesc | null {
	if (!pool_get(k, k.pools.fdescpl)) return null;
	if (!malloc(k, table_size(fdp.fd_nfiles))) {
		pool_put(k.pools.fdescpl);
		return null;
	}
	const fresh = k.filedescs.pop() ?? fd_empty();
	for (let fd = 0; fd < fdp.fd_ofiles.length; fd++) {
		const fp = fdp.fd_ofiles[fd]!;
		if (fp !== null) fp.f_count++;
		fresh.fd_ofiles[fd] = fp;
		fresh.fd_cloexec[fd] = fdp.fd_cloexec[fd]!;
	}
	if (fdp.fd_cdir !== null) vref(fdp.fd_cdir);
	fresh.fd_nfiles = fdp.fd_nfiles;
	fresh.fd_cdir = fdp.fd_cdir;
	return fresh;
}

const fd_empty = (): filedesc => ({
	fd_ofiles: [],
	fd_cloexec: [],
	fd_nfiles: NDFILE,
	fd_cdir: null,
});

/** Tables that are kept when they are not in use. */
const FILEDESCS_MAX = 64;

/** Bytes of a table of descriptors that struct filedesc0 has no room for. */
const table_size = (nfiles: number): number => (nfiles > NDFILE ? nfiles * OFILESIZE : 0);

/** Have memory for descriptor `fd` (fdexpand). => never sleeps; false if it is short. */
export function fdexpand(k: Kernel, fdp: filedesc, fd: number): boolean {
	let nfiles = fdp.fd_nfiles;
	while (fd >= nfiles) nfiles = nfiles < NDEXTENT ? NDEXTENT : nfiles * 2;
	if (nfiles === fdp.fd_nfiles) return true;
	if (!malloc(k, table_size(nfiles))) return false;
	free(k, table_size(fdp.fd_nfiles));
	fdp.fd_nfiles = nfiles;
	return true;
}

/** Close everything (exit). Sleeps. */
export function* fdfree(k: Kernel, fdp: filedesc): Sleeps<void> {
	while (!fdfree_nosleep(k, fdp)) {
		const { fd_cdir: cdir } = fdp;
		const fd = fdp.fd_ofiles.findIndex((fp) => fp !== null);
		if (fd >= 0) {
			const fp = fdp.fd_ofiles[fd]!;
			fdp.fd_ofiles[fd] = null;
			yield* closef(k, fp);
		} else {
			fdp.fd_cdir = null;
			yield* vrele(k, cdir!);
		}
	}
}

/** The same as far as it does not sleep. => false: what is left is for fdfree. */
export function fdfree_nosleep(k: Kernel, fdp: filedesc): boolean {
	const { fd_ofiles: files, fd_cdir: cdir } = fdp;
	for (let fd = 0; fd < files.length; fd++) {
		const fp = files[fd]!;
		if (fp === null) continue;
		if (!fd_drop(k, fdp, fp)) return false;
		files[fd] = null;
	}
	if (cdir !== null && !vrele_nosleep(cdir)) return false;
	fdp.fd_cdir = null;
	free(k, table_size(fdp.fd_nfiles));
	pool_put(k.pools.fdescpl);
	// Not by its length, so that the array keeps its room.
	while (files.length > 0) files.pop();
	while (fdp.fd_cloexec.length > 0) fdp.fd_cloexec.pop();
	if (k.filedescs.length < FILEDESCS_MAX) k.filedescs.push(fdp);
	return true;
}

/** fd_close unless it may sleep. => false: the reference is the last one, and closef drops it. */
function fd_drop(k: Kernel, fdp: filedesc, fp: file): boolean {
	if (fp.f_vnode !== null) lf_release(k, fp.f_vnode, fdp);
	if (fp.f_count === 1) return false;
	fd_unhold(fp);
	return true;
}

/** Close what is marked close-on-exec (execve). Sleeps. */
export function* fdcloseexec(k: Kernel, fdp: filedesc): Sleeps<void> {
	for (let fd = 0; fd < fdp.fd_ofiles.length; fd++) {
		const fp = fdp.fd_ofiles[fd]!;
		if (fp === null || fdp.fd_cloexec[fd] !== true) continue;
		fdp.fd_ofiles[fd] = null;
		yield* fd_close(k, fdp, fp);
	}
}

/** The open file of a descriptor, or null. */
export const fd_getfile = (p: proc, fd: number): file | null => p.p_fd!.fd_ofiles[fd] ?? null;

/**
 * The same, with a reference for a call that may sleep: closef drops it.
 * => null, too, for a file that only names a place (O_PATH).
 */
export function fd_hold(p: proc, fd: number): file | null {
	const fp = fd_getfile(p, fd);
	if (fp === null || (fp.f_flag & O_PATH) !== 0) return null;
	fp.f_count++;
	return fp;
}

/** Drop a reference that is not the last one. */
export function fd_unhold(fp: file): void {
	KASSERT(fp.f_count > 1, "fd_unhold: the last reference");
	fp.f_count--;
}

/** Drop a reference to an open file; the last one closes it. Sleeps. */
export function* closef(k: Kernel, fp: file): Sleeps<void> {
	KASSERT(fp.f_count > 0, "closef: no reference");
	if (--fp.f_count > 0) return;
	if (fp.f_vnode !== null) lf_release(k, fp.f_vnode, fp);
	yield* FOP(k, fp).fo_close(k, fp);
	pool_put(k.pools.filepl);
}

/**
 * Close a descriptor of `fdp`, which is no longer in the table. Sleeps.
 * => the process loses its record locks on the file, also those set through other descriptors.
 */
export function* fd_close(k: Kernel, fdp: filedesc, fp: file): Sleeps<void> {
	if (fp.f_vnode !== null) lf_release(k, fp.f_vnode, fdp);
	yield* closef(k, fp);
}

/** How many descriptors a process may have. */
export const maxfiles = (p: proc): number => Math.min(NOFILE, p.p_rlimit[RLIMIT_NOFILE]!.rlim_cur);

/**
 * Give the lowest free descriptor from `min` on to `fp`, whose reference it takes over.
 * => the descriptor; or -EMFILE or -ENOMEM: then the reference is still the caller's.
 */
export function fd_alloc(k: Kernel, p: proc, fp: file, min: number, cloexec: boolean): number {
	const { fd_ofiles, fd_cloexec } = p.p_fd!;
	let fd = min;
	while ((fd_ofiles[fd] ?? null) !== null) fd++;
	if (fd >= maxfiles(p)) return -EMFILE;
	if (!fdexpand(k, p.p_fd!, fd)) return -ENOMEM;
	while (fd_ofiles.length < fd) fd_ofiles.push(null);
	fd_ofiles[fd] = fp;
	fd_cloexec[fd] = cloexec;
	return fd;
}

/** Whether an open file may be read, or written. */
export const file_readable = (fp: file): boolean => (fp.f_flag & (O_WRONLY | O_PATH)) === 0;
export const file_writable = (fp: file): boolean =>
	(fp.f_flag & 3) !== O_RDONLY && (fp.f_flag & O_PATH) === 0;

/** Most open files of all processes together (kern.maxfiles with 32 users, param.c). */
export const MAXFILES = 1772;

/**
 * Have memory for `n` open files. => 0; ENFILE: too many are open; ENOMEM. Sleeps; what it provides
 * is there until the caller sleeps again.
 */
export function* file_prime(k: Kernel, n: number): Sleeps<Errno> {
	const { filepl } = k.pools;
	if (filepl.pr_nout + n > MAXFILES) return ENFILE;
	return (yield* pool_prime_wait(k, [filepl], n)) ? 0 : ENOMEM;
}

/** Take the memory of one open file (falloc), which file_make then makes, or ffree. Sleeps. */
export function* falloc(k: Kernel): Sleeps<Errno> {
	// A call that is started again has it already.
	if (k.curlwp.l_recall >= 0) return 0;
	const error = yield* file_prime(k, 1);
	if (error === 0) pool_take(k, k.pools.filepl);
	return error;
}

export const ffree = (k: Kernel): void => pool_put(k.pools.filepl);

/** An open file whose memory was provided (file_prime). */
export function file_new(k: Kernel, f_flag: number, vp: file["f_vnode"]): file {
	pool_take(k, k.pools.filepl);
	return file_make(f_flag, vp);
}

/** A new open file with one reference. `vp`'s reference becomes its own. */
export const file_make = (f_flag: number, vp: file["f_vnode"]): file => ({
	f_type: DTYPE_VNODE,
	f_flag,
	f_count: 1,
	f_offset: 0,
	f_vnode: vp,
	f_wcount: 0,
	f_pipe: null,
});

/** An errno as the result of a system call. */
export const result = (error: Errno): number => (error === 0 ? 0 : -error);
