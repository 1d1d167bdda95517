/** Transfers through descriptors, ioctl and poll (sys/kern/sys_generic.c). */
import { EBADF, EFAULT, EINTR, EINVAL, EISDIR, ESPIPE, EWOULDBLOCK } from "../../../sys/errno.ts";
import type { vnode } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import { type Sleeps, tsleep } from "../core/kern_synch.ts";
import { sigminusset } from "../core/signal.ts";
import { copyin, copyout } from "../proc/copy.ts";
import { type file, POLLERR, POLLHUP, POLLIN, POLLNVAL } from "../proc/file.ts";
import {
	closef,
	FOP,
	fd_getfile,
	fd_hold,
	file_readable,
	file_writable,
} from "../proc/kern_descrip.ts";
import type { proc } from "../proc/kern_proc.ts";
import { SIGS_CANTMASK } from "../proc/kern_sig.ts";
import { sleep_interrupted, sleep_until } from "../proc/kern_time.ts";
import { copyin_sigset } from "../proc/sigabi.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";
import { vn_rdwr, vn_seekable } from "./vfs_vnops.ts";

/** Bytes copied at once; limits, as in Linux, of one call and of the parts of readv and writev. */
const MAXIO = 64 * 1024;
const SIZE_MAX = 0x7fff_f000;
const IOV_MAX = 1024;

export const sysent_generic: sysent = {
	[SYS.read]: (k, p, a) => sys_rdwr(k, p, a[0]!, [[a[1]!, a[2]!]], null, false),
	[SYS.write]: (k, p, a) => sys_rdwr(k, p, a[0]!, [[a[1]!, a[2]!]], null, true),
	[SYS.readv]: (k, p, a) => sys_rdwrv(k, p, a[0]!, a[1]!, a[2]!, false),
	[SYS.writev]: (k, p, a) => sys_rdwrv(k, p, a[0]!, a[1]!, a[2]!, true),
	[SYS.pread64]: (k, p, a) => sys_rdwr(k, p, a[0]!, [[a[1]!, a[2]!]], off64(a, 3), false),
	[SYS.pwrite64]: (k, p, a) => sys_rdwr(k, p, a[0]!, [[a[1]!, a[2]!]], off64(a, 3), true),
	[SYS.ioctl]: (k, p, a) => sys_ioctl(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.ppoll64]: (k, p, a) => sys_ppoll(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
};

/** A 64-bit argument: two registers, the lower half first; negative if its top bit is set. */
export const off64 = (a: Uint32Array, i: number): number => (a[i + 1]! | 0) * 2 ** 32 + a[i]!;

/** User memory: address and size. */
type iovec = readonly [va: number, size: number];

/** Read into or write from user memory, at `offset`; null: at the file's own. */
function* sys_rdwr(
	k: Kernel,
	p: proc,
	fd: number,
	iov: readonly iovec[],
	offset: number | null,
	write: boolean,
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
		const at = offset === null ? null : offset + done;
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
	while (done < size) {
		const bytes = new Uint8Array(Math.min(MAXIO, size - done));
		if (write && (yield* copyin(k, map, va + done, bytes)) !== 0) {
			return done > 0 ? done : -EFAULT;
		}
		const n = yield* transfer(k, p, fp, bytes, offset === null ? null : offset + done, write);
		if (n < 0) return done > 0 ? done : n;
		if (!write && n > 0) {
			const error = yield* copyout(k, map, bytes.subarray(0, n), va + done);
			if (error !== 0) return done > 0 ? done : -error;
		}
		done += n;
		p.p_lwp!.l_again = false;
		if (n < bytes.length) break;
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
		return yield* vn_rdwr(k, vp, bytes, offset, write);
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
	if (count > IOV_MAX) return -EINVAL;
	const words = new Uint32Array(count * 2);
	const error = yield* copyin(k, p.p_vmspace!.vm_map, va, new Uint8Array(words.buffer));
	if (error !== 0) return -error;
	const iov: iovec[] = [];
	let total = 0;
	for (let i = 0; i < count; i++) {
		iov.push([words[i * 2]!, words[i * 2 + 1]!]);
		total += words[i * 2 + 1]!;
	}
	if (total > SIZE_MAX) return -EINVAL;
	return yield* sys_rdwr(k, p, fd, iov, null, write);
}

function* sys_ioctl(k: Kernel, p: proc, fd: number, cmd: number, arg: number): Sleeps<number> {
	const fp = fd_hold(p, fd);
	if (fp === null) return -EBADF;
	const n = yield* FOP(k, fp).fo_ioctl(k, p, fp, cmd, arg);
	yield* closef(k, fp);
	return n;
}

/** struct pollfd: fd, events, revents. */
const POLLFD_SIZE = 8;
const POLLFD_MAX = 1024;

/**
 * Wait until one of the descriptors is ready, the timeout passes, or a signal comes.
 * => how many are ready; -EINTR.
 */
function* sys_ppoll(
	k: Kernel,
	p: proc,
	fds: number,
	nfds: number,
	timeout: number,
	mask: number,
): Sleeps<number> {
	const { vm_map: map } = p.p_vmspace!;
	if (nfds > POLLFD_MAX) return -EINVAL;
	const bytes = new Uint8Array(nfds * POLLFD_SIZE);
	if ((yield* copyin(k, map, fds, bytes)) !== 0) return -EFAULT;
	let deadline = Number.POSITIVE_INFINITY;
	if (timeout !== 0) {
		const words = new Uint32Array(4);
		if ((yield* copyin(k, map, timeout, new Uint8Array(words.buffer))) !== 0) return -EFAULT;
		const [seconds, ns] = [off64(words, 0), off64(words, 2)];
		if (seconds < 0 || ns < 0 || ns >= 1e9) return -EINVAL;
		deadline = sleep_until(k, seconds * 1e9 + ns);
	}
	if (mask !== 0) {
		const set = yield* copyin_sigset(k, p, mask);
		if (set === null) return -EFAULT;
		p.p_sigoldmask = p.p_sigmask;
		p.p_sigmask = sigminusset(set, SIGS_CANTMASK);
	}
	const n = yield* poll_wait(k, p, new DataView(bytes.buffer), deadline);
	if (n === -EINTR) sleep_interrupted(k, deadline);
	// The mask stays until the handler of the signal has run, as after sigsuspend.
	if (mask !== 0 && n !== -EINTR && p.p_sigoldmask !== null) {
		p.p_sigmask = p.p_sigoldmask;
		p.p_sigoldmask = null;
	}
	if (n < 0) return n;
	const error = yield* copyout(k, map, bytes, fds);
	return error === 0 ? n : -error;
}

/** => how many are ready: 0 after the timeout; or -EINTR. Sleeps. */
function* poll_wait(k: Kernel, p: proc, view: DataView, deadline: number): Sleeps<number> {
	for (;;) {
		const n = poll_scan(k, p, view);
		const left = deadline - k.port.cycles;
		if (n > 0 || left <= 0) return n;
		const error = yield* tsleep(k, k.selwait, "poll", left === Number.POSITIVE_INFINITY ? 0 : left);
		if (error !== 0 && error !== EWOULDBLOCK) return -error;
	}
}

/** Fill in revents. => how many are nonzero. */
function poll_scan(k: Kernel, p: proc, view: DataView): number {
	let ready = 0;
	for (let at = 0; at < view.byteLength; at += POLLFD_SIZE) {
		const fd = view.getInt32(at, true);
		const events = view.getInt16(at + 4, true) | POLLERR | POLLHUP;
		let revents = 0;
		if (fd >= 0) {
			const fp = fd_getfile(p, fd);
			revents = fp === null ? POLLNVAL : FOP(k, fp).fo_poll(k, fp, events) & events;
		}
		view.setInt16(at + 6, revents, true);
		if (revents !== 0) ready++;
	}
	return ready;
}
