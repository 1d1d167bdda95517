/** System calls about descriptors (sys/kern/sys_descrip.c). */
import {
	EBADF,
	EFAULT,
	EINVAL,
	ENOMEM,
	ENOTSUP,
	EOVERFLOW,
	type Errno,
} from "../../../sys/errno.ts";
import { VOP } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { copyin, copyout } from "../proc/copy.ts";
import { type file, O_APPEND, O_CLOEXEC, O_NONBLOCK, O_PATH } from "../proc/file.ts";
import {
	closef,
	fd_alloc,
	fd_close,
	fd_getfile,
	fd_hold,
	fdexpand,
	file_readable,
	file_writable,
	maxfiles,
} from "../proc/kern_descrip.ts";
import type { proc } from "../proc/kern_proc.ts";
import { pipe_setsize } from "./sys_pipe.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";
import {
	F_RDLCK,
	F_UNLCK,
	F_WRLCK,
	LF_EOF,
	lf_flock,
	lf_getlock,
	lf_setlock,
	type lockf,
} from "./vfs_lockf.ts";

export const sysent_descrip: sysent = {
	[SYS.close]: (k, p, a) => sys_close(k, p, a[0]!),
	[SYS.close_range]: (k, p, a) => sys_close_range(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.dup]: (k, p, a) => sys_dup(k, p, a[0]!),
	[SYS.dup3]: (k, p, a) => sys_dup3(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.fcntl64]: (k, p, a) => sys_fcntl(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.flock]: (k, p, a) => sys_flock(k, p, a[0]!, a[1]!),
};

function* sys_close(k: Kernel, p: proc, fd: number): Sleeps<number> {
	const fp = fd_getfile(p, fd);
	if (fp === null) return -EBADF;
	p.p_fd!.fd_ofiles[fd] = null;
	yield* fd_close(k, p.p_fd!, fp);
	return 0;
}

const CLOSE_RANGE_UNSHARE = 2;
const CLOSE_RANGE_CLOEXEC = 4;

/** Descriptors are never shared, so CLOSE_RANGE_UNSHARE has nothing to do. */
function* sys_close_range(
	k: Kernel,
	p: proc,
	first: number,
	last: number,
	flags: number,
): Sleeps<number> {
	if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) !== 0 || first > last) return -EINVAL;
	const { fd_ofiles, fd_cloexec } = p.p_fd!;
	for (let fd = first; fd <= last && fd < fd_ofiles.length; fd++) {
		if ((flags & CLOSE_RANGE_CLOEXEC) !== 0) fd_cloexec[fd] = true;
		else yield* sys_close(k, p, fd);
	}
	return 0;
}

const sys_dup = (k: Kernel, p: proc, fd: number): number => dup_from(k, p, fd, 0, false);

function dup_from(k: Kernel, p: proc, fd: number, min: number, cloexec: boolean): number {
	const fp = fd_getfile(p, fd);
	if (fp === null) return -EBADF;
	if (min >= maxfiles(p)) return -EINVAL;
	const made = fd_alloc(k, p, fp, min, cloexec);
	if (made >= 0) fp.f_count++;
	return made;
}

function* sys_dup3(k: Kernel, p: proc, from: number, to: number, flags: number): Sleeps<number> {
	if ((flags & ~O_CLOEXEC) !== 0 || from === to) return -EINVAL;
	const fp = fd_getfile(p, from);
	if (fp === null || to >= maxfiles(p)) return -EBADF;
	if (!fdexpand(k, p.p_fd!, to)) return -ENOMEM;
	const { fd_ofiles, fd_cloexec } = p.p_fd!;
	const old = fd_getfile(p, to);
	while (fd_ofiles.length < to) fd_ofiles.push(null);
	fp.f_count++;
	fd_ofiles[to] = fp;
	fd_cloexec[to] = (flags & O_CLOEXEC) !== 0;
	if (old !== null) yield* fd_close(k, p.p_fd!, old);
	return to;
}

const F_DUPFD = 0;
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const F_SETPIPE_SZ = 1031;
const F_GETPIPE_SZ = 1032;
const FD_CLOEXEC = 1;

/** Commands about record locks: `wide` ones have 64-bit offsets, those of `ofd` another owner. */
const LOCK_COMMANDS = new Map([
	[5, { op: "get", wide: false, ofd: false }],
	[6, { op: "set", wide: false, ofd: false }],
	[7, { op: "wait", wide: false, ofd: false }],
	[12, { op: "get", wide: true, ofd: false }],
	[13, { op: "set", wide: true, ofd: false }],
	[14, { op: "wait", wide: true, ofd: false }],
	[36, { op: "get", wide: true, ofd: true }],
	[37, { op: "set", wide: true, ofd: true }],
	[38, { op: "wait", wide: true, ofd: true }],
] as const);

function* sys_fcntl(k: Kernel, p: proc, fd: number, cmd: number, arg: number): Sleeps<number> {
	const fp = fd_getfile(p, fd);
	if (fp === null) return -EBADF;
	const settable = O_APPEND | O_NONBLOCK;
	switch (cmd) {
		case F_DUPFD:
		case F_DUPFD_CLOEXEC:
			return dup_from(k, p, fd, arg, cmd === F_DUPFD_CLOEXEC);
		case F_GETFD:
			return p.p_fd!.fd_cloexec[fd] === true ? FD_CLOEXEC : 0;
		case F_SETFD:
			p.p_fd!.fd_cloexec[fd] = (arg & FD_CLOEXEC) !== 0;
			return 0;
		case F_GETFL:
			return fp.f_flag;
	}
	if ((fp.f_flag & O_PATH) !== 0) return -EBADF;
	const lock = LOCK_COMMANDS.get(cmd as 5);
	if (lock !== undefined) {
		fp.f_count++;
		const error = yield* fcntl_lock(k, p, fp, lock, arg);
		yield* closef(k, fp);
		return -error;
	}
	switch (cmd) {
		case F_SETFL:
			fp.f_flag = (fp.f_flag & ~settable) | (arg & settable);
			return 0;
		case F_GETPIPE_SZ:
			return fp.f_pipe === null ? -EBADF : fp.f_pipe.pipe_size;
		case F_SETPIPE_SZ:
			return fp.f_pipe === null ? -EBADF : pipe_setsize(k, p, fp.f_pipe, arg);
		default:
			return -EINVAL;
	}
}

/** struct flock, with offsets of 32 or 64 bits. */
const FLOCK_SIZE = 16;
const FLOCK64_SIZE = 32;

interface flock {
	readonly type: number;
	readonly whence: number;
	readonly start: number;
	readonly len: number;
	readonly pid: number;
}

function flock_decode(bytes: Uint8Array, wide: boolean): flock {
	const view = new DataView(bytes.buffer);
	const off = (narrow: number, at: number): number =>
		wide ? Number(view.getBigInt64(at, true)) : view.getInt32(narrow, true);
	return {
		type: view.getInt16(0, true),
		whence: view.getInt16(2, true),
		start: off(4, 8),
		len: off(8, 16),
		pid: view.getInt32(wide ? 24 : 12, true),
	};
}

/** What is in the way, into what the program passed; null: nothing is. => EOVERFLOW. */
function flock_encode(bytes: Uint8Array, wide: boolean, block: lockf | null): Errno {
	const view = new DataView(bytes.buffer);
	view.setInt16(0, block?.lf_type ?? F_UNLCK, true);
	if (block === null) return 0;
	const { lf_start, lf_end, lf_pid } = block;
	const len = lf_end === LF_EOF ? 0 : lf_end - lf_start + 1;
	if (!wide && lf_start + Math.max(len - 1, 0) > 0x7fff_ffff) return EOVERFLOW;
	view.setInt16(2, 0, true);
	if (wide) {
		view.setBigInt64(8, BigInt(lf_start), true);
		view.setBigInt64(16, BigInt(len), true);
	} else {
		view.setInt32(4, lf_start, true);
		view.setInt32(8, len, true);
	}
	view.setInt32(wide ? 24 : 12, lf_pid, true);
	return 0;
}

/** The first and last byte that a struct flock means. => EINVAL, EOVERFLOW. */
function flock_range(k: Kernel, fp: file, fl: flock): { start: number; end: number } | Errno {
	const vp = fp.f_vnode!;
	const from = [0, fp.f_offset, VOP(k, vp).vop_getattr(k, vp).va_size][fl.whence];
	if (from === undefined) return EINVAL;
	const at = from + fl.start;
	if (at > LF_EOF) return EOVERFLOW;
	const start = fl.len < 0 ? at + fl.len : at;
	if (at < 0 || start < 0) return EINVAL;
	if (fl.len === 0) return { start, end: LF_EOF };
	const end = fl.len < 0 ? at - 1 : at + fl.len - 1;
	return { start, end: Math.min(end, LF_EOF) };
}

/** Record locks. => EINVAL: pipes have none. Sleeps. */
function* fcntl_lock(
	k: Kernel,
	p: proc,
	fp: file,
	cmd: { readonly op: string; readonly wide: boolean; readonly ofd: boolean },
	va: number,
): Sleeps<Errno> {
	const { op, wide, ofd } = cmd;
	const { vm_map: map } = p.p_vmspace!;
	const bytes = new Uint8Array(wide ? FLOCK64_SIZE : FLOCK_SIZE);
	if ((yield* copyin(k, map, va, bytes)) !== 0) return EFAULT;
	const vp = fp.f_vnode;
	const own = bytes.slice();
	const fl = flock_decode(own, wide);
	const get = op === "get";
	if (vp === null || (ofd && fl.pid !== 0)) return EINVAL;
	if (fl.type !== F_RDLCK && fl.type !== F_WRLCK && (get || fl.type !== F_UNLCK)) return EINVAL;
	const range = flock_range(k, fp, fl);
	if (typeof range === "number") return range;
	const lock: lockf = {
		lf_type: fl.type,
		lf_start: range.start,
		lf_end: range.end,
		lf_id: ofd ? fp : p.p_fd!,
		lf_pid: ofd ? -1 : p.p_pid,
	};
	if (get) {
		const error = flock_encode(own, wide, lf_getlock(vp, lock));
		return error !== 0 ? error : yield* copyout(k, map, own, va);
	}
	if (fl.type === F_RDLCK && !file_readable(fp)) return EBADF;
	if (fl.type === F_WRLCK && !file_writable(fp)) return EBADF;
	return yield* lf_setlock(k, vp, lock, op === "wait");
}

const LOCK_NB = 4;
const LOCK_TYPES = new Map([
	[1, F_RDLCK],
	[2, F_WRLCK],
	[8, F_UNLCK],
]);

/** => -ENOTSUP: pipes have no locks. */
function* sys_flock(k: Kernel, p: proc, fd: number, operation: number): Sleeps<number> {
	const lf_type = LOCK_TYPES.get(operation & ~LOCK_NB);
	if (lf_type === undefined) return -EINVAL;
	const fp = fd_hold(p, fd);
	if (fp === null) return -EBADF;
	const vp = fp.f_vnode;
	let error: Errno = vp === null ? ENOTSUP : EBADF;
	if (vp !== null && (fp.f_flag & O_PATH) === 0) {
		const lock: lockf = { lf_type, lf_start: 0, lf_end: LF_EOF, lf_id: fp, lf_pid: -1 };
		error = yield* lf_flock(k, vp, lock, (operation & LOCK_NB) === 0);
	}
	yield* closef(k, fp);
	return -error;
}
