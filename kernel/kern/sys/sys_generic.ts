/** Transfers through descriptors, and ioctl (sys/kern/sys_generic.c). */
import {
	EBADF,
	EFAULT,
	EINVAL,
	EISDIR,
	ENOTSUP,
	type Errno,
	ESLEEPS,
	ESPIPE,
} from "../../../sys/errno.ts";
import { FIONREAD } from "../../dev/termios.ts";
import { IO_APPEND, VOP, type vnode } from "../../fs/vnode.ts";

import type { Kernel } from "../../kernel.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { copyin, copyout } from "../proc/copy.ts";
import { type file, O_APPEND, O_NONBLOCK, POLLIN } from "../proc/file.ts";
import {
	closef,
	FOP,
	fd_getfile,
	fd_hold,
	fd_unhold,
	file_readable,
	file_writable,
} from "../proc/kern_descrip.ts";
import type { proc } from "../proc/kern_proc.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";
import { vn_rdwr, vn_seekable } from "./vfs_vnops.ts";

/** Bytes copied at once; limits, as in Linux, of one call and of the parts of readv and writev. */
const MAXIO = 64 * 1024;
const SIZE_MAX = 0x7fff_f000;
const IOV_MAX = 1024;

export const sysent_generic: sysent = {
	[SYS.read]: (k, p, a) => sys_rdwr1(k, p, a[0]!, a[1]!, a[2]!, false),
	[SYS.write]: (k, p, a) => sys_rdwr1(k, p, a[0]!, a[1]!, a[2]!, true),
	[SYS.readv]: (k, p, a) => sys_rdwrv(k, p, a[0]!, a[1]!, a[2]!, false),
	[SYS.writev]: (k, p, a) => sys_rdwrv(k, p, a[0]!, a[1]!, a[2]!, true),
	[SYS.pread64]: (k, p, a) => sys_rdwr(k, p, a[0]!, [[a[1]!, a[2]!]], off64(a, 3), false),
	[SYS.pwrite64]: (k, p, a) => sys_rdwr(k, p, a[0]!, [[a[1]!, a[2]!]], off64(a, 3), true),
	[SYS.ioctl]: (k, p, a) => sys_ioctl(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.preadv]: (k, p, a) => sys_prwv(k, p, a, false),
	[SYS.pwritev]: (k, p, a) => sys_prwv(k, p, a, true),
	[SYS.preadv2]: (k, p, a) => sys_prwv2(k, p, a, false),
	[SYS.pwritev2]: (k, p, a) => sys_prwv2(k, p, a, true),
	[SYS.sendfile64]: (k, p, a) => sys_sendfile(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
};

/** A 64-bit argument: two registers, the lower half first; negative if its top bit is set. */
export const off64 = (a: Uint32Array, i: number): number => (a[i + 1]! | 0) * 2 ** 32 + a[i]!;

/** User memory: address and size. */
export type iovec = readonly [va: number, size: number];

/** read and write: without a generator, if the file has that. */
function sys_rdwr1(
	k: Kernel,
	p: proc,
	fd: number,
	va: number,
	size: number,
	write: boolean,
): number | Sleeps<number> {
	const { l_kernel, l_recall } = k.curlwp;
	const again = l_kernel !== null && l_kernel === k.callagain;
	if (again || (l_kernel === null && l_recall < 0)) {
		const fp = fd_getfile(p, fd);
		if (again) fd_unhold(fp!);
		if (fp !== null && (write ? file_writable(fp) : file_readable(fp))) {
			const n = FOP(k, fp).fo_rdwr_nosleep?.(k, p, fp, va, size, write, again) ?? null;
			if (n === ESLEEPS) fp.f_count++;
			if (typeof n === "number") return n;
			if (n !== null) return held(k, fp, n);
		}
	}
	return sys_rdwr(k, p, fd, [[va, size]], null, write);
}

/** The rest of a call, with a reference to its file. */
function* held(k: Kernel, fp: file, rest: Sleeps<number>): Sleeps<number> {
	fp.f_count++;
	const n = yield* rest;
	yield* closef(k, fp);
	return n;
}

/** Read into or write from user memory, at `offset`; null: at the file's own. */
function* sys_rdwr(
	k: Kernel,
	p: proc,
	fd: number,
	iov: readonly iovec[],
	offset: number | null,
	write: boolean,
	append = false,
): Sleeps<number> {
	const fp = fd_getfile(p, fd);
	if (fp === null || !(write ? file_writable(fp) : file_readable(fp))) return -EBADF;
	if (offset !== null) {
		const vp = fp.f_vnode;
		if (offset < 0) return -EINVAL;
		if (vp === null) return -ESPIPE;
		if (!vn_seekable(k, vp)) return -ESPIPE;
	}
	if (fp.f_vnode?.v_type === "VDIR") return -EISDIR;
	fp.f_count++;
	let done = 0;
	for (const [va, size] of iov) {
		let at = offset === null ? null : offset + done;
		if (append && write && fp.f_vnode?.v_type === "VREG") at = IO_APPEND;
		const n = yield* rdwr(k, p, fp, va, Math.min(size, SIZE_MAX), at, write);
		if (n < 0 && done === 0) done = n;
		if (n > 0) {
			done += n;
			p.p_lwp!.l_again = false;
		}
		if (n < size) break;
	}
	yield* closef(k, fp);
	return done;
}

/** Large writes to pipes, and all transfers of disks, may save the copy. */
const isdirect = (fp: file, write: boolean): boolean =>
	fp.f_vnode?.v_type === "VBLK" || (write && fp.f_pipe !== null);

/** One piece of user memory, chunk by chunk. => bytes, or -errno if there were none. Sleeps. */
function* rdwr(
	k: Kernel,
	p: proc,
	fp: file,
	va: number,
	size: number,
	offset: number | null,
	write: boolean,
): Sleeps<number> {
	const { vm_map: map } = p.p_vmspace!;
	let done = 0;
	const { fo_direct: direct, fo_readuser: readuser } = FOP(k, fp);
	while (done < size) {
		const at = offset === null || offset === IO_APPEND ? offset : offset + done;
		if (direct !== undefined && isdirect(fp, write)) {
			const n = yield* direct(k, p, fp, va + done, size - done, at, write);
			if (n < 0) return done > 0 ? done : n;
			done += n;
			if (n > 0) continue;
		}
		const want = Math.min(MAXIO, size - done);
		let n: number;
		if (!write && readuser !== undefined) {
			n = yield* readuser(k, p, fp, va + done, want);
		} else {
			const bytes = new Uint8Array(want);
			if (write && (yield* copyin(k, map, va + done, bytes)) !== 0) {
				return done > 0 ? done : -EFAULT;
			}
			n = yield* transfer(k, p, fp, bytes, at, write);
			if (!write && n > 0) {
				const error = yield* copyout(k, map, bytes.subarray(0, n), va + done);
				if (error !== 0) return done > 0 ? done : -error;
			}
		}
		if (n < 0) return done > 0 ? done : n;
		done += n;
		p.p_lwp!.l_again = false;
		if (n < want) break;
		// Return a full buffer rather than wait for more.
		if (!write && (FOP(k, fp).fo_poll(k, fp, POLLIN) & POLLIN) === 0) break;
	}
	return done;
}

function* transfer(
	k: Kernel,
	p: proc,
	fp: file,
	bytes: Uint8Array,
	offset: number | null,
	write: boolean,
): Sleeps<number> {
	if (offset !== null) {
		const vp: vnode = fp.f_vnode!;
		// As on Linux, a file that was opened to append to is appended to.
		const append = write && (fp.f_flag & O_APPEND) !== 0 && vp.v_type === "VREG";
		return yield* vn_rdwr(k, vp, bytes, append ? IO_APPEND : offset, write);
	}
	const ops = FOP(k, fp);
	if (write) return yield* ops.fo_write(k, p, fp, bytes);
	return yield* ops.fo_read(k, p, fp, bytes);
}

function* sys_rdwrv(
	k: Kernel,
	p: proc,
	fd: number,
	va: number,
	count: number,
	write: boolean,
): Sleeps<number> {
	const iov = yield* copyin_iov(k, p, va, count);
	return typeof iov === "number" ? -iov : yield* sys_rdwr(k, p, fd, iov, null, write);
}

/** The parts of readv and its relatives. => EINVAL, EFAULT. Sleeps. */
export function* copyin_iov(
	k: Kernel,
	p: proc,
	va: number,
	count: number,
): Sleeps<iovec[] | Errno> {
	if (count > IOV_MAX) return EINVAL;
	const words = new Uint32Array(count * 2);
	const error = yield* copyin(k, p.p_vmspace!.vm_map, va, new Uint8Array(words.buffer));
	if (error !== 0) return error;
	const iov: iovec[] = [];
	let total = 0;
	for (let i = 0; i < count; i++) {
		iov.push([words[i * 2]!, words[i * 2 + 1]!]);
		total += words[i * 2 + 1]!;
	}
	return total > SIZE_MAX ? EINVAL : iov;
}

const RWF_HIPRI = 1;
const RWF_DSYNC = 2;
const RWF_SYNC = 4;
const RWF_APPEND = 16;

/** preadv and pwritev. Sleeps. */
function* sys_prwv(k: Kernel, p: proc, a: Uint32Array, write: boolean): Sleeps<number> {
	const iov = yield* copyin_iov(k, p, a[1]!, a[2]!);
	return typeof iov === "number" ? -iov : yield* sys_rdwr(k, p, a[0]!, iov, off64(a, 3), write);
}

/**
 * The same with flags; at offset -1 they use and move the file's own.
 * => -ENOTSUP: a flag that is not supported. Sleeps.
 */
function* sys_prwv2(k: Kernel, p: proc, a: Uint32Array, write: boolean): Sleeps<number> {
	const [fd, flags] = [a[0]!, a[5]!];
	const iov = yield* copyin_iov(k, p, a[1]!, a[2]!);
	if (typeof iov === "number") return -iov;
	if ((flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND)) !== 0) return -ENOTSUP;
	const offset = off64(a, 3);
	const append = (flags & RWF_APPEND) !== 0;
	const n = yield* sys_rdwr(k, p, fd, iov, offset === -1 ? null : offset, write, append);
	if (n <= 0 || !write || (flags & (RWF_DSYNC | RWF_SYNC)) === 0) return n;
	const fp = fd_hold(p, fd);
	const vp = fp?.f_vnode ?? null;
	const error = vp === null ? 0 : yield* VOP(k, vp).vop_fsync(k, vp);
	if (fp !== null) yield* closef(k, fp);
	return error === 0 ? n : -error;
}

/**
 * Copy from a file to any other, at the file's offset or at the one at `va`, which is updated then.
 * => -EINVAL: no regular file or disk to read from, or one to append to. Sleeps.
 */
function* sys_sendfile(
	k: Kernel,
	p: proc,
	out: number,
	from: number,
	va: number,
	count: number,
): Sleeps<number> {
	const { vm_map: map } = p.p_vmspace!;
	const bytes = new Uint8Array(8);
	if (va !== 0 && (yield* copyin(k, map, va, bytes)) !== 0) return -EFAULT;
	const [infp, outfp] = [fd_hold(p, from), fd_hold(p, out)];
	let n = -EBADF;
	if (infp !== null && outfp !== null && file_readable(infp) && file_writable(outfp)) {
		const view = new DataView(bytes.buffer);
		const at = va === 0 ? infp.f_offset : Number(view.getBigInt64(0, true));
		n = yield* sendfile(k, p, outfp, infp, at, Math.min(count, SIZE_MAX), va !== 0);
		if (n > 0 && va === 0) infp.f_offset = at + n;
		// As in Linux, the offset is stored also where nothing was sent.
		if (va !== 0) {
			view.setBigInt64(0, BigInt(at + Math.max(n, 0)), true);
			if ((yield* copyout(k, map, bytes, va)) !== 0) n = -EFAULT;
		}
	}
	if (infp !== null) yield* closef(k, infp);
	if (outfp !== null) yield* closef(k, outfp);
	return n;
}

/** => bytes, or -errno if there were none. Sleeps. */
function* sendfile(
	k: Kernel,
	p: proc,
	outfp: file,
	infp: file,
	offset: number,
	count: number,
	given: boolean,
): Sleeps<number> {
	const vp = infp.f_vnode;
	if (given && (vp === null || !vn_seekable(k, vp))) return -ESPIPE;
	if (vp === null || (vp.v_type !== "VREG" && vp.v_type !== "VBLK")) return -EINVAL;
	if (offset < 0 || (outfp.f_flag & O_APPEND) !== 0) return -EINVAL;
	for (let done = 0; ; ) {
		const bytes = new Uint8Array(Math.min(MAXIO, count - done));
		const got = yield* vn_rdwr(k, vp, bytes, offset + done, false);
		if (got <= 0) return done > 0 ? done : got;
		const put = yield* FOP(k, outfp).fo_write(k, p, outfp, bytes.subarray(0, got));
		if (put < 0) return done > 0 ? done : put;
		done += put;
		p.p_lwp!.l_again = false;
		if (put < got || done === count) return done;
	}
}

function* sys_ioctl(k: Kernel, p: proc, fd: number, cmd: number, arg: number): Sleeps<number> {
	const fp = fd_hold(p, fd);
	if (fp === null) return -EBADF;
	const n = yield* ioctl(k, p, fd, fp, cmd, arg);
	yield* closef(k, fp);
	return n;
}

/** What every descriptor can be asked, with Linux's values: close on exec, and O_NONBLOCK. */
const FIONCLEX = 0x5450;
const FIOCLEX = 0x5451;
const FIONBIO = 0x5421;

function* ioctl(
	k: Kernel,
	p: proc,
	fd: number,
	fp: file,
	cmd: number,
	arg: number,
): Sleeps<number> {
	const { vm_map: map } = p.p_vmspace!;
	const int = new Int32Array(1);
	switch (cmd) {
		case FIOCLEX:
		case FIONCLEX:
			p.p_fd!.fd_cloexec[fd] = cmd === FIOCLEX;
			return 0;
		case FIONBIO:
			if ((yield* copyin(k, map, arg, new Uint8Array(int.buffer))) !== 0) return -EFAULT;
			fp.f_flag = int[0] === 0 ? fp.f_flag & ~O_NONBLOCK : fp.f_flag | O_NONBLOCK;
			return 0;
		case FIONREAD:
			// Of a regular file: what is left to its end.
			if (fp.f_vnode?.v_type !== "VREG") break;
			int[0] = VOP(k, fp.f_vnode).vop_getattr(k, fp.f_vnode).va_size - fp.f_offset;
			return -(yield* copyout(k, map, new Uint8Array(int.buffer), arg));
	}
	return yield* FOP(k, fp).fo_ioctl(k, p, fp, cmd, arg);
}
