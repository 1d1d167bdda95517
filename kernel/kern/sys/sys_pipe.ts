/**
 * Pipes (sys/kern/sys_pipe.c), as in POSIX: a write of up to PIPE_BUF bytes is never interleaved
 * with others. Bytes are in a ring and move in at most two pieces.
 *
 * A large write that would have to wait lends its pages to the pipe instead (pipe_direct_write):
 * readers copy from them, and the writer waits. Either the ring grows or pages are lent, never
 * both; what is in the ring comes first.
 */
import { EAGAIN, EBUSY, EINVAL, ENOMEM, ENOTTY, EPERM, type Errno } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { FIONREAD } from "../../dev/termios.ts";
import { vattr_accessed, vattr_new } from "../../fs/vfs_attr.ts";
import { VOP, type vattr, vrele } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import { pool_prime_wait } from "../../uvm/uvm_wait.ts";
import { type Sleeps, tsleep, wakeup } from "../core/kern_synch.ts";
import { pool_put, pool_take } from "../core/subr_pool.ts";
import { copyout } from "../proc/copy.ts";
import {
	DTYPE_PIPE,
	type file,
	type fileops,
	O_CLOEXEC,
	O_NONBLOCK,
	O_RDONLY,
	O_WRONLY,
	POLLERR,
	POLLHUP,
	POLLIN,
	POLLOUT,
} from "../proc/file.ts";
import { kauth_cred_getegid, kauth_cred_geteuid } from "../proc/kern_auth.ts";
import {
	fd_alloc,
	file_new,
	file_prime,
	file_readable,
	file_writable,
} from "../proc/kern_descrip.ts";
import type { proc } from "../proc/kern_proc.ts";
import { suser } from "../proc/kern_prot.ts";
import {
	PIPE_BUF,
	PIPE_MAXSIZE,
	PIPE_SIZE,
	type pipe,
	pipe_count,
	pipe_new,
	pipe_peek,
	pipe_room,
	pipe_taken,
	pipe_trim,
} from "./pipe.ts";
import { pipe_direct_read, pipe_direct_write } from "./sys_pipe_direct.ts";
import { pipe_rdwr_nosleep, pipe_readuser, pipe_unlend, pipe_write } from "./sys_pipe_uio.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";

/** Register the operations of pipes. => at boot. */
export function pipe_init(k: Kernel): void {
	k.fileops[DTYPE_PIPE] = pipeops;
}

/**
 * A pipe of process `p`. => both files have one reference, which is for a descriptor.
 * => the memory was provided (pipe_prime).
 */
export function pipe_create(k: Kernel, p: proc, flags: number): { read: file; write: file } {
	const attr = vattr_new(k, 0o600, kauth_cred_geteuid(p), kauth_cred_getegid(p));
	pool_take(k, k.pools.pipepl);
	const pipe = pipe_new(k.vfs.nextpipe++, attr);
	pipe.pipe_readers = 1;
	pipe.pipe_writers = 1;
	pipe.pipe_wcount = 1;
	const end = (mode: number): file => ({
		...file_new(k, mode | flags, null),
		f_type: DTYPE_PIPE,
		f_pipe: pipe,
	});
	return { read: end(O_RDONLY), write: end(O_WRONLY) };
}

function* pipe_read(k: Kernel, _p: proc, fp: file, bytes: Uint8Array): Sleeps<number> {
	const pipe = fp.f_pipe!;
	if (bytes.length === 0) return 0;
	for (;;) {
		while (pipe_count(pipe) === 0) {
			if (pipe.pipe_writers === 0) return 0;
			if ((fp.f_flag & O_NONBLOCK) !== 0) return -EAGAIN;
			const error = yield* tsleep(k, pipe.pipe_rwait, "piperd", 0);
			if (error !== 0) return -error;
		}
		const n = pipe_take(k, pipe, bytes);
		if (n > 0) return n;
	}
}

function* pipe_ioctl(k: Kernel, p: proc, fp: file, cmd: number, arg: number): Sleeps<number> {
	if (cmd !== FIONREAD) return -ENOTTY;
	const count = new Uint8Array(Uint32Array.of(pipe_count(fp.f_pipe!)).buffer);
	return -(yield* copyout(k, p.p_vmspace!.vm_map, count, arg));
}

function pipe_poll(_k: Kernel, fp: file, events: number): number {
	const pipe = fp.f_pipe!;
	let ready = 0;
	if (file_readable(fp)) {
		if (pipe_count(pipe) > 0) ready |= events & POLLIN;
		// Not before the first writer of a FIFO.
		if (pipe.pipe_writers === 0 && fp.f_wcount !== pipe.pipe_wcount) ready |= POLLHUP;
	}
	if (file_writable(fp)) {
		if (pipe.pipe_readers === 0) ready |= (events & POLLOUT) | POLLERR;
		if (pipe_room(pipe) >= PIPE_BUF) ready |= events & POLLOUT;
	}
	return ready;
}

/** A pipe belongs to no file system: st_dev is 0. */
function pipe_stat(k: Kernel, fp: file): vattr {
	const { f_vnode: vp, f_pipe } = fp;
	if (vp !== null) return VOP(k, vp).vop_getattr(k, vp);
	return {
		...f_pipe!.pipe_attr,
		va_type: "VFIFO",
		va_nlink: 1,
		va_fsid: 0,
		va_fileid: f_pipe!.pipe_ino,
		va_size: 0,
		va_rdev: null,
	};
}

function* pipe_close(k: Kernel, fp: file): Sleeps<void> {
	const pipe = fp.f_pipe!;
	pipe_leave(k, pipe, file_readable(fp), file_writable(fp), fp.f_vnode !== null);
	if (fp.f_vnode !== null) yield* vrele(k, fp.f_vnode);
}

/** An end is gone. `fifo`: it keeps what is in it for the next reader while a writer is left. */
export function pipe_leave(
	k: Kernel,
	pipe: pipe,
	reader: boolean,
	writer: boolean,
	fifo: boolean,
): void {
	if (reader) pipe.pipe_readers--;
	if (writer) pipe.pipe_writers--;
	if (pipe.pipe_readers === 0 && (pipe.pipe_writers === 0 || !fifo)) {
		pipe.pipe_cnt = 0;
		pipe.pipe_out = 0;
		pipe_trim(k, pipe);
		pipe.pipe_buffer = new Uint8Array(0);
		if (pipe.pipe_writers === 0) pipe.pipe_size = PIPE_SIZE;
		// A FIFO is part of its file.
		if (pipe.pipe_writers === 0 && !fifo) pool_put(k.pools.pipepl);
	}
	wakeup(k, pipe.pipe_rwait);
	wakeup(k, pipe.pipe_wwait);
	wakeup(k, k.selwait);
}

/**
 * F_SETPIPE_SZ: make the ring hold `size` bytes, rounded up to a power of two of pages.
 * => the new size; -EBUSY: more are in it; -EPERM, -ENOMEM, -EINVAL: too large.
 */
export function pipe_setsize(k: Kernel, p: proc, pipe: pipe, size: number): number {
	if (size > 2 ** 31) return -EINVAL;
	let rounded = PAGE_SIZE;
	while (rounded < size) rounded *= 2;
	if (rounded > PIPE_MAXSIZE && rounded > pipe.pipe_size && !suser(p)) return -EPERM;
	if (rounded > k.port.ramSize) return -ENOMEM;
	if (rounded < pipe.pipe_cnt) return -EBUSY;
	if (pipe.pipe_buffer.length > 0) {
		const ring = new Uint8Array(rounded);
		pipe_peek(pipe, 0, ring.subarray(0, pipe.pipe_cnt));
		pipe.pipe_buffer = ring;
		pipe.pipe_out = 0;
	}
	pipe.pipe_size = rounded;
	wakeup(k, pipe.pipe_wwait);
	wakeup(k, k.selwait);
	return rounded;
}

const pipeops: fileops = {
	fo_read: pipe_read,
	fo_write: pipe_write,
	fo_direct: pipe_direct_write,
	fo_readuser: pipe_readuser,
	fo_rdwr_nosleep: pipe_rdwr_nosleep,
	fo_ioctl: pipe_ioctl,
	fo_poll: pipe_poll,
	fo_stat: pipe_stat,
	fo_close: pipe_close,
};

/**
 * Fill `bytes` as far as possible. => there is something to read. What is lent and cannot be read
 * is lent no longer: its writer copies the rest, and meets the error himself.
 */
function pipe_take(k: Kernel, pipe: pipe, bytes: Uint8Array): number {
	const { pipe_map: map } = pipe;
	const ring = Math.min(bytes.length, pipe.pipe_cnt);
	pipe_peek(pipe, 0, bytes.subarray(0, ring));
	const lent = map === null ? 0 : Math.min(bytes.length - ring, map.cnt);
	const n = lent > 0 ? pipe_direct_read(k, map!, 0, bytes.subarray(ring, ring + lent)) : 0;
	vattr_accessed(k, pipe.pipe_attr);
	pipe_taken(k, pipe, ring + n);
	if (n < lent) pipe_unlend(k, pipe);
	return ring + n;
}

export const sysent_pipe: sysent = {
	[SYS.pipe2]: (k, p, a) => sys_pipe2(k, p, a[0]!, a[1]!),
};

/** The descriptors of both ends, the one to read first, go to `va`. */
function* sys_pipe2(k: Kernel, p: proc, va: number, flags: number): Sleeps<number> {
	if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return -EINVAL;
	const short = yield* pipe_prime(k);
	if (short !== 0) return -short;
	const { read, write } = pipe_create(k, p, flags & O_NONBLOCK);
	const cloexec = (flags & O_CLOEXEC) !== 0;
	const rfd = fd_alloc(k, p, read, 0, cloexec);
	if (rfd < 0) {
		pipe_abort(k);
		return rfd;
	}
	const wfd = fd_alloc(k, p, write, 0, cloexec);
	let error = wfd < 0 ? -wfd : 0;
	if (error === 0) {
		const fds = new Uint8Array(Int32Array.of(rfd, wfd).buffer);
		error = yield* copyout(k, p.p_vmspace!.vm_map, fds, va);
	}
	if (error === 0) return 0;
	// No other thread has seen them.
	p.p_fd!.fd_ofiles[rfd] = null;
	if (wfd >= 0) p.p_fd!.fd_ofiles[wfd] = null;
	pipe_abort(k);
	return -error;
}

/** Have memory for a pipe and its two files. => ENFILE, ENOMEM. Sleeps. */
function* pipe_prime(k: Kernel): Sleeps<Errno> {
	for (;;) {
		if (!(yield* pool_prime_wait(k, [k.pools.pipepl]))) return ENOMEM;
		const error = yield* file_prime(k, 2);
		// While that slept, another may have taken the first.
		if (error !== 0 || k.pools.pipepl.pr_nitems > 0) return error;
	}
}

/** Give up the memory of a new pipe that nothing refers to. */
function pipe_abort(k: Kernel): void {
	pool_put(k.pools.pipepl);
	pool_put(k.pools.filepl, 2);
}
