/** System calls that set attributes of files (sys/kern/vfs_syscalls.c). */
import { EACCES, EBADF, EFAULT, EINVAL, ENOTSUP, EPERM, type Errno } from "../../../sys/errno.ts";
import { vattr_change } from "../../fs/vfs_attr.ts";
import { VOP, type vattr_set, vrele } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { nanotime, type timespec } from "../core/kern_tc.ts";
import { copyin } from "../proc/copy.ts";
import { type file, O_PATH } from "../proc/file.ts";
import {
	kauth_cred_geteuid,
	kauth_cred_ismember,
	kauth_issuser,
	VWRITE,
	vaccess_proc,
	vowner,
} from "../proc/kern_auth.ts";
import { closef, FOP, fd_hold, file_make } from "../proc/kern_descrip.ts";
import type { proc } from "../proc/kern_proc.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, namei_at } from "./vfs_at.ts";

export const sysent_setattr: sysent = {
	[SYS.fchmod]: (k, p, a) => sys_fchmod(k, p, a[0]!, a[1]!),
	[SYS.fchmodat]: (k, p, a) => sys_fchmodat(k, p, a[0]!, a[1]!, a[2]!, 0),
	[SYS.fchmodat2]: (k, p, a) => sys_fchmodat(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.fchown]: (k, p, a) => sys_fchown(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.fchownat]: (k, p, a) => sys_fchownat(k, p, a[0]!, a[1]!, a[2]!, a[3]!, a[4]!),
	[SYS.utimensat64]: (k, p, a) => sys_utimensat(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
};

/** A change of an open file. => an errno. */
type change = (k: Kernel, p: proc, fp: file) => Errno;

/** Change the file of a descriptor. Sleeps. */
function* by_fd(k: Kernel, p: proc, fd: number, change: change): Sleeps<number> {
	const fp = fd_hold(p, fd);
	if (fp === null) return -EBADF;
	const error = (fp.f_flag & O_PATH) !== 0 ? EBADF : change(k, p, fp);
	yield* closef(k, fp);
	return -error;
}

/** Change the file of a path. Sleeps. */
function* by_path(
	k: Kernel,
	p: proc,
	fd: number,
	va: number,
	flags: number,
	change: change,
): Sleeps<number> {
	if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
	const vp = yield* namei_at(k, p, fd, va, flags);
	if (typeof vp === "number") return -vp;
	const error = change(k, p, file_make(0, vp));
	yield* vrele(k, vp);
	return -error;
}

function setattr(k: Kernel, fp: file, set: vattr_set): Errno {
	if (fp.f_vnode !== null) return VOP(k, fp.f_vnode).vop_setattr(k, fp.f_vnode, set);
	vattr_change(k, fp.f_pipe!.pipe_attr, set);
	return 0;
}

const S_ISUID = 0o4000;
const S_ISGID = 0o2000;
const S_IXGRP = 0o010;

/** => ENOTSUP: a symbolic link has no mode of its own; EPERM. */
const chmod =
	(mode: number): change =>
	(k, p, fp) => {
		const va = FOP(k, fp).fo_stat(k, fp);
		if (va.va_type === "VLNK") return ENOTSUP;
		const error = vowner(p, va);
		if (error !== 0) return error;
		// Others than the superuser set the group bit for a group of their own.
		const foreign = !kauth_issuser(p) && !kauth_cred_ismember(p, va.va_gid);
		return setattr(k, fp, { va_mode: mode & 0o7777 & ~(foreign ? S_ISGID : 0) });
	};

function* sys_fchmod(k: Kernel, p: proc, fd: number, mode: number): Sleeps<number> {
	return yield* by_fd(k, p, fd, chmod(mode));
}

function* sys_fchmodat(
	k: Kernel,
	p: proc,
	fd: number,
	va: number,
	mode: number,
	flags: number,
): Sleeps<number> {
	return yield* by_path(k, p, fd, va, flags, chmod(mode));
}

/** An id that leaves the owner or the group as it is. */
const ID_KEEP = 0xffff_ffff;

/** => EPERM: only the superuser gives files away; the owner may choose among own groups. */
const chown =
	(uid: number, gid: number): change =>
	(k, p, fp) => {
		const va = FOP(k, fp).fo_stat(k, fp);
		const va_uid = uid === ID_KEEP ? va.va_uid : uid;
		const va_gid = gid === ID_KEEP ? va.va_gid : gid;
		if (!kauth_issuser(p)) {
			const own = kauth_cred_geteuid(p) === va.va_uid;
			const group = va_gid === va.va_gid || kauth_cred_ismember(p, va_gid);
			if (uid === ID_KEEP && gid === ID_KEEP) return 0;
			if (!own || va_uid !== va.va_uid || !group) return EPERM;
		}
		let va_mode = va.va_mode;
		if (va.va_type !== "VDIR") {
			va_mode &= ~S_ISUID;
			if ((va_mode & S_IXGRP) !== 0) va_mode &= ~S_ISGID;
		}
		return setattr(k, fp, { va_uid, va_gid, va_mode });
	};

function* sys_fchown(k: Kernel, p: proc, fd: number, uid: number, gid: number): Sleeps<number> {
	return yield* by_fd(k, p, fd, chown(uid, gid));
}

function* sys_fchownat(
	k: Kernel,
	p: proc,
	fd: number,
	va: number,
	uid: number,
	gid: number,
	flags: number,
): Sleeps<number> {
	return yield* by_path(k, p, fd, va, flags, chown(uid, gid));
}

const UTIME_NOW = 0x3fff_ffff;
const UTIME_OMIT = 0x3fff_fffe;
const TIMES_SIZE = 32;

/** What a timespec of utimensat means; null: leave the time alone. => undefined: EINVAL. */
function utime(view: DataView, at: number): timespec | "now" | null | undefined {
	// Of the nanoseconds, 32 bits count, as in timespec_read.
	const tv_nsec = view.getInt32(at + 8, true);
	if (tv_nsec === UTIME_NOW) return "now";
	if (tv_nsec === UTIME_OMIT) return null;
	if (tv_nsec < 0 || tv_nsec >= 1e9) return undefined;
	const seconds = Number(view.getBigInt64(at, true));
	const limit = Number.MAX_SAFE_INTEGER;
	return { tv_sec: Math.max(-limit, Math.min(seconds, limit)), tv_nsec };
}

/** => EPERM: only the owner chooses times; EACCES: who may write can set the present time. */
const settimes =
	(atime: timespec | "now" | null, mtime: timespec | "now" | null): change =>
	(k, p, fp) => {
		const va = FOP(k, fp).fo_stat(k, fp);
		const now = nanotime(k);
		if (atime === null && mtime === null) return 0;
		if (vowner(p, va) !== 0) {
			if (atime !== "now" || mtime !== "now") return EPERM;
			if (vaccess_proc(p, va, VWRITE) !== 0) return EACCES;
		}
		return setattr(k, fp, {
			va_atime: atime === "now" ? now : (atime ?? va.va_atime),
			va_mtime: mtime === "now" ? now : (mtime ?? va.va_mtime),
		});
	};

/** Without a path (0), the times of the descriptor's file: futimens. */
function* sys_utimensat(
	k: Kernel,
	p: proc,
	fd: number,
	va: number,
	times: number,
	flags: number,
): Sleeps<number> {
	let [atime, mtime]: (timespec | "now" | null | undefined)[] = ["now", "now"];
	if (times !== 0) {
		const bytes = new Uint8Array(TIMES_SIZE);
		if ((yield* copyin(k, p.p_vmspace!.vm_map, times, bytes)) !== 0) return -EFAULT;
		const view = new DataView(bytes.buffer);
		atime = utime(view, 0);
		mtime = utime(view, 16);
	}
	if (atime === undefined || mtime === undefined) return -EINVAL;
	// Then the path is not even looked at.
	if (atime === null && mtime === null) return 0;
	const change = settimes(atime, mtime);
	if (va !== 0) return yield* by_path(k, p, fd, va, flags, change);
	if ((fd | 0) === AT_FDCWD) return -EFAULT;
	return flags !== 0 ? -EINVAL : yield* by_fd(k, p, fd, change);
}
