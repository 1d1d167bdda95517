/** Attributes of files, directories and file systems: statx, getdents64, statfs64. */
import { EBADF, EFAULT, EINVAL, ENOTDIR, type Errno } from "../../../sys/errno.ts";
import { major, minor } from "../../dev/conf.ts";
import {
	type dirent,
	type statvfs,
	VOP,
	type vattr,
	type vnode,
	vrele,
	type vtype,
} from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import type { timespec } from "../core/kern_tc.ts";
import { copyout } from "../proc/copy.ts";
import type { file } from "../proc/file.ts";
import { closef, FOP, fd_getfile, fd_hold } from "../proc/kern_descrip.ts";
import type { proc } from "../proc/kern_proc.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";
import { AT_EMPTY_PATH, AT_FDCWD, namei_at, STATX_FLAGS } from "./vfs_at.ts";
import { copyinpath } from "./vfs_lookup.ts";

export const sysent_stat: sysent = {
	[SYS.statx]: (k, p, a) => sys_statx(k, p, a[0]!, a[1]!, a[2]!, a[4]!),
	[SYS.getdents64]: (k, p, a) => sys_getdents(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.statfs64]: (k, p, a) => sys_statfs(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.fstatfs64]: (k, p, a) => sys_fstatfs(k, p, a[0]!, a[1]!, a[2]!),
};

/** Bits of the type in a mode, and the type in a directory entry. */
const S_IFMT: Record<vtype, number> = {
	VFIFO: 0o010000,
	VCHR: 0o020000,
	VDIR: 0o040000,
	VBLK: 0o060000,
	VREG: 0o100000,
	VLNK: 0o120000,
};
const dirent_type = (type: vtype): number => S_IFMT[type] >>> 12;

const put64 = (view: DataView, at: number, value: number): void => {
	view.setUint32(at, value % 2 ** 32, true);
	view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
};

const put_time = (view: DataView, at: number, { tv_sec, tv_nsec }: timespec): void => {
	view.setBigInt64(at, BigInt(tv_sec), true);
	view.setUint32(at + 8, tv_nsec, true);
};

const STATX_BASIC_STATS = 0x7ff;
const BLKSIZE = 4096;

/** struct statx (linux/stat.h), 256 bytes. */
function statx_bytes(va: vattr): Uint8Array {
	const bytes = new Uint8Array(256);
	const view = new DataView(bytes.buffer);
	view.setUint32(0, STATX_BASIC_STATS, true);
	view.setUint32(4, BLKSIZE, true);
	view.setUint32(16, va.va_nlink, true);
	view.setUint32(20, va.va_uid, true);
	view.setUint32(24, va.va_gid, true);
	view.setUint16(28, S_IFMT[va.va_type] | va.va_mode, true);
	put64(view, 32, va.va_fileid);
	put64(view, 40, va.va_size);
	put64(view, 48, Math.ceil(va.va_size / 512));
	put_time(view, 64, va.va_atime);
	put_time(view, 96, va.va_ctime);
	put_time(view, 112, va.va_mtime);
	view.setUint32(128, major(va.va_rdev ?? 0), true);
	view.setUint32(132, minor(va.va_rdev ?? 0), true);
	view.setUint32(140, va.va_fsid, true);
	return bytes;
}

function* sys_statx(
	k: Kernel,
	p: proc,
	fd: number,
	va: number,
	flags: number,
	buf: number,
): Sleeps<number> {
	if ((flags & ~STATX_FLAGS) !== 0) return -EINVAL;
	const found = yield* getattr_at(k, p, fd, va, flags);
	if (typeof found === "number") return -found;
	return -(yield* copyout(k, p.p_vmspace!.vm_map, statx_bytes(found), buf));
}

/** Attributes of a path, or of a descriptor of any kind. Sleeps. */
function* getattr_at(
	k: Kernel,
	p: proc,
	fd: number,
	va: number,
	flags: number,
): Sleeps<vattr | Errno> {
	const fp = (fd | 0) === AT_FDCWD ? null : fd_getfile(p, fd);
	if (fp !== null && fp.f_vnode === null && (flags & AT_EMPTY_PATH) !== 0) {
		const path = yield* copyinpath(k, p, va);
		if (path === "") return FOP(k, fp).fo_stat(k, fp);
		return typeof path === "number" ? path : ENOTDIR;
	}
	const vp = yield* namei_at(k, p, fd, va, flags);
	if (typeof vp === "number") return vp;
	const attr = VOP(k, vp).vop_getattr(k, vp);
	yield* vrele(k, vp);
	return attr;
}

/** Fixed part of struct linux_dirent64: d_ino, d_off, d_reclen, d_type. */
const DIRENT_HEADER = 19;
/** Most bytes of entries returned at once. */
const DIRENTS_MAX = 64 * 1024;

function* sys_getdents(k: Kernel, p: proc, fd: number, va: number, size: number): Sleeps<number> {
	const fp = fd_hold(p, fd);
	if (fp === null) return -EBADF;
	const n = yield* getdents(k, p, fp, va, Math.min(size, DIRENTS_MAX));
	yield* closef(k, fp);
	return n;
}

function* getdents(k: Kernel, p: proc, fp: file, va: number, size: number): Sleeps<number> {
	const vp = fp.f_vnode;
	if (vp === null || vp.v_type !== "VDIR") return -ENOTDIR;
	const from = fp.f_offset;
	const entries = (yield* VOP(k, vp).vop_readdir(k, vp)).filter((e) => e.d_off > from);
	const bytes = new Uint8Array(size);
	let done = 0;
	let last = from;
	for (const entry of entries) {
		const n = put_dirent(bytes.subarray(done), entry);
		if (n === 0) break;
		done += n;
		last = entry.d_off;
	}
	if (done === 0) return entries.length > 0 ? -EINVAL : 0;
	const error = yield* copyout(k, p.p_vmspace!.vm_map, bytes.subarray(0, done), va);
	if (error !== 0) return -EFAULT;
	fp.f_offset = last;
	return done;
}

/** => the length of the record, or 0 if it does not fit. */
function put_dirent(bytes: Uint8Array, entry: dirent): number {
	const length = Math.ceil((DIRENT_HEADER + entry.d_name.length + 1) / 8) * 8;
	if (length > bytes.length) return 0;
	const view = new DataView(bytes.buffer, bytes.byteOffset);
	put64(view, 0, entry.d_fileno);
	put64(view, 8, entry.d_off);
	view.setUint16(16, length, true);
	view.setUint8(18, dirent_type(entry.d_type));
	for (let i = 0; i < entry.d_name.length; i++) {
		bytes[DIRENT_HEADER + i] = entry.d_name.charCodeAt(i);
	}
	return length;
}

/** f_type that stands for each file system, by vnode.v_op: ustar, tmpfs, devfs. */
const STATFS_MAGIC = [0x7573_7461, 0x0102_1994, 0x1373];
const STATFS_SIZE = 88;
const ST_RDONLY = 1;
const ST_VALID = 0x20;
const PIPEFS_MAGIC = 0x5049_5045;

/** What fstatfs tells of a pipe. */
const pipefs: statvfs = {
	f_bsize: BLKSIZE,
	f_blocks: 0,
	f_bfree: 0,
	f_files: 0,
	f_ffree: 0,
	f_readonly: false,
};

/** struct statfs64 (asm-generic/statfs.h). `vp` null: of a pipe. */
function statfs_bytes(k: Kernel, vp: vnode | null): Uint8Array {
	const fs = vp === null ? pipefs : VOP(k, vp).vfs_statvfs(k, vp);
	const bytes = new Uint8Array(STATFS_SIZE);
	const view = new DataView(bytes.buffer);
	view.setUint32(0, vp === null ? PIPEFS_MAGIC : (STATFS_MAGIC[vp.v_op] ?? 0), true);
	view.setUint32(4, fs.f_bsize, true);
	put64(view, 8, fs.f_blocks);
	put64(view, 16, fs.f_bfree);
	put64(view, 24, fs.f_bfree);
	put64(view, 32, fs.f_files);
	put64(view, 40, fs.f_ffree);
	if (vp !== null) view.setUint32(48, VOP(k, vp).vop_getattr(k, vp).va_fsid, true);
	view.setUint32(56, 255, true);
	view.setUint32(60, fs.f_bsize, true);
	view.setUint32(64, ST_VALID | (fs.f_readonly ? ST_RDONLY : 0), true);
	return bytes;
}

function* sys_statfs(k: Kernel, p: proc, va: number, size: number, buf: number): Sleeps<number> {
	const vp = yield* namei_at(k, p, AT_FDCWD, va, 0);
	if (typeof vp === "number") return -vp;
	const error = yield* statfs(k, p, vp, size, buf);
	yield* vrele(k, vp);
	return -error;
}

function* sys_fstatfs(k: Kernel, p: proc, fd: number, size: number, buf: number): Sleeps<number> {
	const fp = fd_getfile(p, fd);
	if (fp === null) return -EBADF;
	fp.f_count++;
	const error = yield* statfs(k, p, fp.f_vnode, size, buf);
	yield* closef(k, fp);
	return -error;
}

function* statfs(k: Kernel, p: proc, vp: vnode | null, size: number, buf: number): Sleeps<Errno> {
	if (size !== STATFS_SIZE) return EINVAL;
	return yield* copyout(k, p.p_vmspace!.vm_map, statfs_bytes(k, vp), buf);
}
