/** System calls about names and files (sys/kern/vfs_syscalls.c). */
import {
	EBADF,
	EFBIG,
	EINVAL,
	EISDIR,
	ENODEV,
	ENOENT,
	ENOTDIR,
	ENOTSUP,
	ERANGE,
	EROFS,
	type Errno,
	ESPIPE,
} from "../../../sys/errno.ts";
import { fd_dupopen, filedesc_fd } from "../../dev/filedesc.ts";
import { fifo_open } from "../../fs/fifo_vnops.ts";
import { vfs_syncall } from "../../fs/vfs.ts";
import { VOP, type vnode, vref, vrele } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { copyout } from "../proc/copy.ts";
import {
	type file,
	O_ACCMODE,
	O_CLOEXEC,
	O_CREAT,
	O_DIRECTORY,
	O_EXCL,
	O_NOCTTY,
	O_NOFOLLOW,
	O_PATH,
	O_TRUNC,
} from "../proc/file.ts";
import {
	kauth_cred_geteuid,
	kauth_cred_getgid,
	kauth_cred_getuid,
	kauth_cred_ismember,
	vaccess,
} from "../proc/kern_auth.ts";
import {
	closef,
	falloc,
	fd_alloc,
	fd_getfile,
	fd_hold,
	ffree,
	file_make,
	file_writable,
} from "../proc/kern_descrip.ts";
import type { proc } from "../proc/kern_proc.ts";
import { off64 } from "./sys_generic.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";
import {
	AT_EACCESS,
	AT_EMPTY_PATH,
	AT_FDCWD,
	AT_SYMLINK_NOFOLLOW,
	at_start,
	namei_at,
} from "./vfs_at.ts";
import { copyinpath, vfs_path } from "./vfs_lookup.ts";
import { fd_directory, vn_nopos, vn_open, vn_seekable } from "./vfs_vnops.ts";

export const sysent_vfs: sysent = {
	[SYS.openat]: (k, p, a) => sys_openat(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.llseek]: (k, p, a) => sys_llseek(k, p, a[0]!, a[1]! | 0, a[2]!, a[3]!, a[4]!),
	[SYS.getcwd]: (k, p, a) => sys_getcwd(k, p, a[0]!, a[1]!),
	[SYS.chdir]: (k, p, a) => sys_chdir(k, p, a[0]!),
	[SYS.fchdir]: (k, p, a) => sys_fchdir(k, p, a[0]!),
	[SYS.faccessat]: (k, p, a) => sys_faccessat(k, p, a[0]!, a[1]!, a[2]!, 0),
	[SYS.faccessat2]: (k, p, a) => sys_faccessat(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.truncate64]: (k, p, a) => sys_truncate(k, p, a[0]!, off64(a, 1)),
	[SYS.ftruncate64]: (k, p, a) => sys_ftruncate(k, p, a[0]!, off64(a, 1)),
	[SYS.fsync]: (k, p, a) => sys_fsync(k, p, a[0]!),
	[SYS.fdatasync]: (k, p, a) => sys_fsync(k, p, a[0]!),
	[SYS.sync]: (k) => sys_sync(k),
	[SYS.syncfs]: (k, p, a) => sys_syncfs(k, p, a[0]!),
	[SYS.fallocate]: (k, p, a) => sys_fallocate(k, p, a[0]!, a[1]!, off64(a, 2), off64(a, 4)),
	[SYS.umask]: (_k, p, a) => sys_umask(p, a[0]!),
	[SYS.fadvise64]: (_k, p, a) => (fd_getfile(p, a[0]!) === null ? -EBADF : 0),
};

/** Flags that matter only while open runs. */
const O_OPENING = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

function* sys_openat(
	k: Kernel,
	p: proc,
	fd: number,
	va: number,
	flags: number,
	mode: number,
): Sleeps<number> {
	const path = yield* copyinpath(k, p, va);
	if (typeof path === "number") return -path;
	const error = yield* falloc(k);
	if (error !== 0) return -error;
	const fp = yield* open_path(k, p, fd, path, flags, mode);
	if (typeof fp !== "number") return yield* enter_file(k, p, fp, (flags & O_CLOEXEC) !== 0);
	ffree(k);
	return fp;
}

/** => an open file; or a descriptor that needs none, or -errno. Sleeps. */
function* open_path(
	k: Kernel,
	p: proc,
	fd: number,
	path: string,
	flags: number,
	mode: number,
): Sleeps<file | number> {
	const start = at_start(k, p, fd, path);
	if (typeof start === "number") return -start;
	const vp = yield* vn_open(k, p, start, path, flags, mode);
	yield* vrele(k, start);
	if (typeof vp === "number") return -vp;
	if ((flags & O_PATH) !== 0) return file_make(O_PATH, vp);
	const fd_own = filedesc_fd(vp);
	if (fd_own >= 0) {
		yield* vrele(k, vp);
		return fd_dupopen(k, p, fd_own, flags & O_ACCMODE, (flags & O_CLOEXEC) !== 0);
	}
	const f_flag = flags & ~O_OPENING;
	if (vp.v_type !== "VFIFO") return file_make(f_flag, vp);
	const fp = yield* fifo_open(k, vp, f_flag);
	if (typeof fp !== "number") return fp;
	yield* vrele(k, vp);
	return -fp;
}

/** Give a new open file a descriptor. => it, or -EMFILE or -ENOMEM. Sleeps. */
function* enter_file(k: Kernel, p: proc, fp: file, cloexec: boolean): Sleeps<number> {
	const made = fd_alloc(k, p, fp, 0, cloexec);
	if (made < 0) yield* closef(k, fp);
	return made;
}

const SEEK_SET = 0;
const SEEK_CUR = 1;
const SEEK_END = 2;

function* sys_llseek(
	k: Kernel,
	p: proc,
	fd: number,
	high: number,
	low: number,
	va: number,
	whence: number,
): Sleeps<number> {
	const fp = fd_hold(p, fd);
	if (fp === null) return -EBADF;
	const error = yield* seek(k, p, fp, high * 2 ** 32 + low, va, whence);
	yield* closef(k, fp);
	return -error;
}

function* seek(
	k: Kernel,
	p: proc,
	fp: ReturnType<typeof file_make>,
	distance: number,
	va: number,
	whence: number,
): Sleeps<Errno> {
	const vp = fp.f_vnode;
	if (vp === null || !vn_seekable(k, vp)) return ESPIPE;
	let from = 0;
	if (whence === SEEK_CUR) from = fp.f_offset;
	else if (whence === SEEK_END) from = VOP(k, vp).vop_getattr(k, vp).va_size;
	else if (whence !== SEEK_SET) return EINVAL;
	const offset = vn_nopos(k, vp) ? 0 : from + distance;
	if (offset < 0 || offset > Number.MAX_SAFE_INTEGER) return EINVAL;
	const words = new Uint32Array([offset % 2 ** 32, Math.floor(offset / 2 ** 32)]);
	const error = yield* copyout(k, p.p_vmspace!.vm_map, new Uint8Array(words.buffer), va);
	if (error === 0) fp.f_offset = offset;
	return error;
}

/** => the length of the path with its zero byte. */
function* sys_getcwd(k: Kernel, p: proc, va: number, size: number): Sleeps<number> {
	const vp = p.p_fd!.fd_cdir ?? k.rootvnode!;
	vref(vp);
	const path = yield* vfs_path(k, vp);
	yield* vrele(k, vp);
	if (path === null) return -ENOENT;
	if (path.length + 1 > size) return size === 0 ? -EINVAL : -ERANGE;
	const bytes = Uint8Array.from(`${path}\0`, (c) => c.charCodeAt(0));
	const error = yield* copyout(k, p.p_vmspace!.vm_map, bytes, va);
	return error === 0 ? bytes.length : -error;
}

function* sys_chdir(k: Kernel, p: proc, va: number): Sleeps<number> {
	const vp = yield* namei_at(k, p, AT_FDCWD, va, 0);
	return typeof vp === "number" ? -vp : yield* change_directory(k, p, vp);
}

function* sys_fchdir(k: Kernel, p: proc, fd: number): Sleeps<number> {
	const vp = fd_directory(p, fd);
	return typeof vp === "number" ? -vp : yield* change_directory(k, p, vp);
}

/** => `vp`'s reference is the working directory's. */
function* change_directory(k: Kernel, p: proc, vp: vnode): Sleeps<number> {
	if (vp.v_type !== "VDIR") {
		yield* vrele(k, vp);
		return -ENOTDIR;
	}
	const old = p.p_fd!.fd_cdir;
	p.p_fd!.fd_cdir = vp;
	if (old !== null) yield* vrele(k, old);
	return 0;
}

const W_OK = 2;

/** With the real ids of the process, or (AT_EACCESS) its effective ones. */
function* sys_faccessat(
	k: Kernel,
	p: proc,
	fd: number,
	va: number,
	mode: number,
	flags: number,
): Sleeps<number> {
	const known = AT_SYMLINK_NOFOLLOW | AT_EACCESS | AT_EMPTY_PATH;
	if ((mode & ~7) !== 0 || (flags & ~known) !== 0) return -EINVAL;
	const vp = yield* namei_at(k, p, fd, va, flags);
	if (typeof vp === "number") return -vp;
	const stored = vp.v_type === "VREG" || vp.v_type === "VDIR" || vp.v_type === "VLNK";
	const readonly = stored && VOP(k, vp).vfs_statvfs(k, vp).f_readonly;
	const attr = VOP(k, vp).vop_getattr(k, vp);
	const effective = (flags & AT_EACCESS) !== 0;
	const uid = effective ? kauth_cred_geteuid(p) : kauth_cred_getuid(p);
	const member = (gid: number): boolean =>
		effective ? kauth_cred_ismember(p, gid) : gid === kauth_cred_getgid(p);
	yield* vrele(k, vp);
	if ((mode & W_OK) !== 0 && readonly) return -EROFS;
	return -vaccess(attr, mode, uid, member);
}

function* sys_truncate(k: Kernel, p: proc, va: number, size: number): Sleeps<number> {
	if (size < 0) return -EINVAL;
	const vp = yield* namei_at(k, p, AT_FDCWD, va, 0);
	if (typeof vp === "number") return -vp;
	let error: Errno = vp.v_type === "VDIR" ? EISDIR : EINVAL;
	if (vp.v_type === "VREG") error = yield* VOP(k, vp).vop_truncate(k, vp, size);
	yield* vrele(k, vp);
	return -error;
}

function* sys_ftruncate(k: Kernel, p: proc, fd: number, size: number): Sleeps<number> {
	const fp = fd_hold(p, fd);
	if (fp === null) return -EBADF;
	const vp = fp.f_vnode;
	let error: Errno = EINVAL;
	if (size >= 0 && file_writable(fp) && vp !== null && vp.v_type === "VREG") {
		error = yield* VOP(k, vp).vop_truncate(k, vp, size);
	}
	yield* closef(k, fp);
	return -error;
}

function* sys_fsync(k: Kernel, p: proc, fd: number): Sleeps<number> {
	const fp = fd_hold(p, fd);
	if (fp === null) return -EBADF;
	const vp = fp.f_vnode;
	const error = vp === null ? EINVAL : yield* VOP(k, vp).vop_fsync(k, vp);
	yield* closef(k, fp);
	return -error;
}

/** Errors are reported by fsync. */
function* sys_sync(k: Kernel): Sleeps<number> {
	yield* vfs_syncall(k);
	return 0;
}

/** Write the file system of a descriptor. => errors are reported by fsync. */
function* sys_syncfs(k: Kernel, p: proc, fd: number): Sleeps<number> {
	const fp = fd_hold(p, fd);
	if (fp === null) return -EBADF;
	yield* vfs_syncall(k);
	yield* closef(k, fp);
	return 0;
}

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

function* sys_fallocate(
	k: Kernel,
	p: proc,
	fd: number,
	mode: number,
	offset: number,
	len: number,
): Sleeps<number> {
	const fp = fd_hold(p, fd);
	if (fp === null) return -EBADF;
	const error = yield* fallocate(k, fp, mode, offset, offset + len);
	yield* closef(k, fp);
	return -error;
}

/** => ENOTSUP: the file system cannot do that. Sleeps. */
function* fallocate(k: Kernel, fp: file, mode: number, offset: number, end: number): Sleeps<Errno> {
	if (offset < 0 || end <= offset) return EINVAL;
	const keep = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
	const punch = (mode & FALLOC_FL_PUNCH_HOLE) !== 0;
	if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) !== 0) return ENOTSUP;
	if (punch && !keep) return ENOTSUP;
	if (!file_writable(fp)) return EBADF;
	const vp = fp.f_vnode;
	if (vp === null || vp.v_type === "VFIFO") return ESPIPE;
	if (vp.v_type === "VDIR") return EISDIR;
	if (vp.v_type !== "VREG") return ENODEV;
	if (end > Number.MAX_SAFE_INTEGER) return EFBIG;
	if (VOP(k, vp).vop_allocate === undefined) return ENOTSUP;
	if (punch) return yield* VOP(k, vp).vop_punch!(k, vp, offset, end);
	return yield* VOP(k, vp).vop_allocate!(k, vp, end, keep);
}

function sys_umask(p: proc, mask: number): number {
	const old = p.p_umask;
	p.p_umask = mask & 0o777;
	return old;
}
