/** System calls about names and files (sys/kern/vfs_syscalls.c). */
import {
	EBADF,
	EBUSY,
	EEXIST,
	EINVAL,
	EISDIR,
	ENOENT,
	ENOTDIR,
	ERANGE,
	EROFS,
	type Errno,
	ESPIPE,
	EXDEV,
} from "../../../sys/errno.ts";
import { vfs_syncall } from "../../fs/vfs.ts";
import { VOP, type vnode, vref, vrele } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { copyout } from "../proc/copy.ts";
import {
	O_CLOEXEC,
	O_CREAT,
	O_DIRECTORY,
	O_EXCL,
	O_NOCTTY,
	O_NOFOLLOW,
	O_TRUNC,
} from "../proc/file.ts";
import {
	closef,
	fd_alloc,
	fd_getfile,
	fd_hold,
	file_make,
	file_writable,
} from "../proc/kern_descrip.ts";
import type { proc } from "../proc/kern_proc.ts";
import { off64 } from "./sys_generic.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";
import { copyinpath, namei, namei_parent, type nameidata, vfs_path } from "./vfs_lookup.ts";
import { fd_directory, vn_open, vn_seekable } from "./vfs_vnops.ts";

export const sysent_vfs: sysent = {
	[SYS.openat]: (k, p, a) => sys_openat(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.llseek]: (k, p, a) => sys_llseek(k, p, a[0]!, a[1]! | 0, a[2]!, a[3]!, a[4]!),
	[SYS.getcwd]: (k, p, a) => sys_getcwd(k, p, a[0]!, a[1]!),
	[SYS.chdir]: (k, p, a) => sys_chdir(k, p, a[0]!),
	[SYS.fchdir]: (k, p, a) => sys_fchdir(k, p, a[0]!),
	[SYS.mkdirat]: (k, p, a) => sys_mkdirat(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.unlinkat]: (k, p, a) => sys_unlinkat(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.renameat2]: (k, p, a) => sys_renameat2(k, p, a),
	[SYS.readlinkat]: (k, p, a) => sys_readlinkat(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.faccessat]: (k, p, a) => sys_faccessat(k, p, a[0]!, a[1]!, a[2]!, 0),
	[SYS.faccessat2]: (k, p, a) => sys_faccessat(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.fchmod]: (k, p, a) => sys_fchmod(k, p, a[0]!, a[1]!),
	[SYS.fchmodat]: (k, p, a) => sys_fchmodat(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.truncate64]: (k, p, a) => sys_truncate(k, p, a[0]!, off64(a, 1)),
	[SYS.ftruncate64]: (k, p, a) => sys_ftruncate(k, p, a[0]!, off64(a, 1)),
	[SYS.fsync]: (k, p, a) => sys_fsync(k, p, a[0]!),
	[SYS.fdatasync]: (k, p, a) => sys_fsync(k, p, a[0]!),
	[SYS.sync]: (k) => sys_sync(k),
	[SYS.umask]: (_k, p, a) => sys_umask(p, a[0]!),
	[SYS.utimensat64]: (k, p, a) => sys_utimensat(k, p, a[0]!, a[1]!, a[3]!),
	[SYS.fadvise64]: (_k, p, a) => (fd_getfile(p, a[0]!) === null ? -EBADF : 0),
};

/** Instead of a descriptor: the working directory. */
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const AT_EACCESS = 0x200;
const AT_SYMLINK_FOLLOW = 0x400;
const AT_NO_AUTOMOUNT = 0x800;
const AT_EMPTY_PATH = 0x1000;
/** How statx synchronises its data; ignored. */
const AT_STATX_SYNC_TYPE = 0x6000;

/** The directory where a path relative to descriptor `fd` starts. => referenced, or an errno. */
function at_start(k: Kernel, p: proc, fd: number, path: string): vnode | Errno {
	if (path.startsWith("/") || (fd | 0) === AT_FDCWD) {
		const vp = p.p_fd!.fd_cdir ?? k.rootvnode!;
		vref(vp);
		return vp;
	}
	return fd_directory(p, fd);
}

/**
 * The vnode of a path relative to a descriptor; with AT_EMPTY_PATH and an empty path, the
 * descriptor's own. => referenced, or an errno. Sleeps.
 */
export function* namei_at(
	k: Kernel,
	p: proc,
	fd: number,
	va: number,
	flags: number,
): Sleeps<vnode | Errno> {
	const path = yield* copyinpath(k, p, va);
	if (typeof path === "number") return path;
	if (path === "" && (flags & AT_EMPTY_PATH) !== 0 && (fd | 0) !== AT_FDCWD) {
		const vp = fd_getfile(p, fd)?.f_vnode ?? null;
		if (vp === null) return EBADF;
		vref(vp);
		return vp;
	}
	const start = at_start(k, p, fd, path);
	if (typeof start === "number") return start;
	const own = path === "" && (flags & AT_EMPTY_PATH) !== 0;
	const vp = yield* namei(k, start, own ? "." : path, (flags & AT_SYMLINK_NOFOLLOW) === 0);
	yield* vrele(k, start);
	return vp;
}

/** As namei_parent, relative to a descriptor. Symbolic links at the end are not followed. */
function* parent_at(k: Kernel, p: proc, fd: number, va: number): Sleeps<nameidata | Errno> {
	const path = yield* copyinpath(k, p, va);
	if (typeof path === "number") return path;
	const start = at_start(k, p, fd, path);
	if (typeof start === "number") return start;
	const found = yield* namei_parent(k, start, path, false);
	yield* vrele(k, start);
	return found;
}

function* nameidata_rele(k: Kernel, nd: nameidata): Sleeps<void> {
	if (nd.ni_vp !== null) yield* vrele(k, nd.ni_vp);
	yield* vrele(k, nd.ni_dvp);
}

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
	const start = at_start(k, p, fd, path);
	if (typeof start === "number") return -start;
	const vp = yield* vn_open(k, p, start, path, flags, mode);
	yield* vrele(k, start);
	if (typeof vp === "number") return -vp;
	const fp = file_make(flags & ~O_OPENING, vp);
	const made = fd_alloc(p, fp, 0, (flags & O_CLOEXEC) !== 0);
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
	const offset = from + distance;
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

const is_dot = (name: string): boolean => name === "." || name === "..";

function* sys_mkdirat(k: Kernel, p: proc, fd: number, va: number, mode: number): Sleeps<number> {
	const nd = yield* parent_at(k, p, fd, va);
	if (typeof nd === "number") return -nd;
	let error: Errno = EEXIST;
	if (nd.ni_vp === null) {
		const { ni_dvp, ni_name } = nd;
		error = yield* VOP(k, ni_dvp).vop_mkdir(k, ni_dvp, ni_name, mode & ~p.p_umask & 0o1777);
	}
	yield* nameidata_rele(k, nd);
	return -error;
}

function* sys_unlinkat(k: Kernel, p: proc, fd: number, va: number, flags: number): Sleeps<number> {
	if ((flags & ~AT_REMOVEDIR) !== 0) return -EINVAL;
	const nd = yield* parent_at(k, p, fd, va);
	if (typeof nd === "number") return -nd;
	const { ni_dvp, ni_name, ni_vp } = nd;
	const dir = (flags & AT_REMOVEDIR) !== 0;
	let error: Errno;
	if (ni_vp === null) error = ENOENT;
	else if (ni_name === "" || ni_vp.v_covered !== null) error = dir ? EBUSY : EISDIR;
	else if (is_dot(ni_name)) error = dir ? EINVAL : EISDIR;
	else error = yield* VOP(k, ni_dvp).vop_remove(k, ni_dvp, ni_name, dir);
	yield* nameidata_rele(k, nd);
	return -error;
}

const RENAME_NOREPLACE = 1;

function* sys_renameat2(k: Kernel, p: proc, a: Uint32Array): Sleeps<number> {
	const flags = a[4]!;
	if ((flags & ~RENAME_NOREPLACE) !== 0) return -EINVAL;
	const from = yield* parent_at(k, p, a[0]!, a[1]!);
	if (typeof from === "number") return -from;
	const to = yield* parent_at(k, p, a[2]!, a[3]!);
	if (typeof to === "number") {
		yield* nameidata_rele(k, from);
		return -to;
	}
	const error = yield* rename(k, from, to, (flags & RENAME_NOREPLACE) !== 0);
	yield* nameidata_rele(k, from);
	yield* nameidata_rele(k, to);
	return -error;
}

function* rename(k: Kernel, from: nameidata, to: nameidata, noreplace: boolean): Sleeps<Errno> {
	const fvp = from.ni_vp;
	const tvp = to.ni_vp;
	if (fvp === null) return ENOENT;
	if (noreplace && tvp !== null) return EEXIST;
	for (const nd of [from, to]) {
		if (nd.ni_name === "" || is_dot(nd.ni_name)) return EBUSY;
		if (nd.ni_vp !== null && nd.ni_vp.v_covered !== null) return EBUSY;
	}
	const [fdvp, tdvp] = [from.ni_dvp, to.ni_dvp];
	const fsid = (vp: vnode): number => VOP(k, vp).vop_getattr(k, vp).va_fsid;
	if (fsid(fdvp) !== fsid(tdvp)) return EXDEV;
	if (tvp !== null && tvp.v_type === "VDIR" && fvp.v_type !== "VDIR") return EISDIR;
	if (tvp === null && to.ni_slash && fvp.v_type !== "VDIR") return ENOTDIR;
	return yield* VOP(k, fdvp).vop_rename(k, fdvp, from.ni_name, tdvp, to.ni_name);
}

function* sys_readlinkat(
	k: Kernel,
	p: proc,
	fd: number,
	va: number,
	buf: number,
	size: number,
): Sleeps<number> {
	if (size === 0) return -EINVAL;
	const vp = yield* namei_at(k, p, fd, va, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
	if (typeof vp === "number") return -vp;
	const link = vp.v_type === "VLNK";
	const target = link ? VOP(k, vp).vop_readlink(k, vp) : "";
	yield* vrele(k, vp);
	if (!link) return -EINVAL;
	const bytes = Uint8Array.from(target.slice(0, size), (c) => c.charCodeAt(0));
	const error = yield* copyout(k, p.p_vmspace!.vm_map, bytes, buf);
	return error === 0 ? bytes.length : -error;
}

const W_OK = 2;

/** All access is allowed, except writing to what is read-only. */
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
	const readonly = vp.v_type !== "VCHR" && VOP(k, vp).vfs_statvfs(k, vp).f_readonly;
	yield* vrele(k, vp);
	return (mode & W_OK) !== 0 && readonly ? -EROFS : 0;
}

function sys_fchmod(k: Kernel, p: proc, fd: number, mode: number): number {
	const vp = fd_getfile(p, fd)?.f_vnode ?? null;
	if (vp === null) return -EBADF;
	return -VOP(k, vp).vop_setmode(k, vp, mode & 0o7777);
}

function* sys_fchmodat(k: Kernel, p: proc, fd: number, va: number, mode: number): Sleeps<number> {
	const vp = yield* namei_at(k, p, fd, va, 0);
	if (typeof vp === "number") return -vp;
	const error = VOP(k, vp).vop_setmode(k, vp, mode & 0o7777);
	yield* vrele(k, vp);
	return -error;
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

function sys_umask(p: proc, mask: number): number {
	const old = p.p_umask;
	p.p_umask = mask & 0o777;
	return old;
}

/** Times cannot be set: this succeeds without effect if the file exists. */
function* sys_utimensat(k: Kernel, p: proc, fd: number, va: number, flags: number): Sleeps<number> {
	if (va === 0) return fd_getfile(p, fd) === null ? -EBADF : 0;
	const vp = yield* namei_at(k, p, fd, va, flags);
	if (typeof vp === "number") return -vp;
	yield* vrele(k, vp);
	return 0;
}

/** Flags that statx knows. */
export const STATX_FLAGS =
	AT_SYMLINK_NOFOLLOW | AT_SYMLINK_FOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
