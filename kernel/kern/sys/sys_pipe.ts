/**
 * Pipes (sys/kern/sys_pipe.c), as in POSIX: a write of up to PIPE_BUF bytes is never interleaved
 * with others. Bytes are in a ring and move in at most two pieces.
 *
 * A large write that would have to wait lends its pages to the pipe instead (pipe_direct_write):
 * readers copy from them, and the writer waits. Either the ring grows or pages are lent, never
 * both; what is in the ring comes first.
 */
import {
	EAGAIN,
	EBUSY,
	EINVAL,
	ENOMEM,
	ENOTTY,
	EPERM,
	EPIPE,
	type Errno,
} from "../../../sys/errno.ts";
import { PAGE_MASK, PAGE_SIZE, ptoa, round_page } from "../../../sys/vmparam.ts";
import { FIONREAD } from "../../dev/termios.ts";
import { vattr_accessed, vattr_modified, vattr_new } from "../../fs/vfs_attr.ts";
import { VOP, type vattr, type vattr_kept, vrele } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import { uvm_loan, uvm_loan_room, uvm_unloan } from "../../uvm/uvm_loan.ts";
import type { vm_page } from "../../uvm/uvm_page.ts";
import { pool_prime_wait } from "../../uvm/uvm_wait.ts";
import type { lwp } from "../core/kern_lwp.ts";
import { type Sleeps, tsleep, wakeup } from "../core/kern_synch.ts";
import { SIGPIPE } from "../core/signal.ts";
import { pool_getn, pool_put, pool_take } from "../core/subr_pool.ts";
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
import { psignal } from "../proc/kern_sig.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";

/**
 * Bytes that a new pipe holds, the most that others than the superuser may ask for, and the longest
 * write that is done in one piece; Linux's values.
 */
export const PIPE_SIZE = 64 * 1024;
const PIPE_MAXSIZE = 1024 * 1024;
export const PIPE_BUF = 4096;

/** The shortest write that lends pages, and the most that is lent at once; NetBSD's values. */
const PIPE_MINDIRECT = 8192;
const PIPE_DIRECT_CHUNK = 1024 * 1024;

/** Copying costs a cycle for each 8 bytes. To and from the ring copyin and copyout charge it. */
const BYTES_PER_CYCLE = 8;

/** What a writer has lent (struct pipemapping). */
interface pipemapping {
	readonly pgs: vm_page[];
	/** Where in them the next byte is, and how many are left. */
	pos: number;
	cnt: number;
	/** Nothing of the write follows. */
	readonly last: boolean;
}

/** A pipe; its open ends, which are files, refer to it. A FIFO has one, too. */
export interface pipe {
	/** The ring; empty until the first write. Its length then. */
	pipe_buffer: Uint8Array;
	pipe_size: number;
	/** Where the next byte is read, and how many there are. */
	pipe_out: number;
	pipe_cnt: number;
	/** Pages that a writer lends; null: none. Their bytes are behind those of the ring. */
	pipe_map: pipemapping | null;
	/** Pages of memory for these bytes, as if they began at a page. */
	pipe_npages: number;
	/** Ends that are open, and ends to write that have ever been. */
	pipe_readers: number;
	pipe_writers: number;
	pipe_wcount: number;
	/** Threads that wait in open for the other end of a FIFO. */
	readonly pipe_openers: fifo_opener[];
	/** Wait channels: for something to read, and for room. */
	readonly pipe_rwait: object;
	readonly pipe_wwait: object;
	/** Its number; a FIFO has one in its file system. */
	readonly pipe_ino: number;
	readonly pipe_attr: vattr_kept;
}

/** See fs/fifo_vnops.ts. */
export interface fifo_opener {
	readonly fo_lwp: lwp;
	readonly fo_write: boolean;
	/** The other end was opened meanwhile, perhaps not for long. */
	fo_met: boolean;
}

/** Register the operations of pipes. => at boot. */
export function pipe_init(k: Kernel): void {
	k.fileops[DTYPE_PIPE] = pipeops;
}

/** A pipe without ends. */
export const pipe_new = (pipe_ino: number, pipe_attr: vattr_kept): pipe => ({
	pipe_buffer: new Uint8Array(0),
	pipe_size: PIPE_SIZE,
	pipe_out: 0,
	pipe_cnt: 0,
	pipe_map: null,
	pipe_npages: 0,
	pipe_readers: 0,
	pipe_writers: 0,
	pipe_wcount: 0,
	pipe_openers: [],
	pipe_rwait: {},
	pipe_wwait: {},
	pipe_ino,
	pipe_attr,
});

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

/** Pages for `bytes` bytes. */
const pages_of = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE);

/** Pages for `bytes` more bytes in the ring. => never sleeps; false if there are none. */
function pipe_reserve(k: Kernel, pipe: pipe, bytes: number): boolean {
	const more = pages_of(pipe.pipe_cnt + bytes) - pipe.pipe_npages;
	if (more <= 0) return true;
	if (!pool_getn(k, k.pools.pipebuf, more)) return false;
	pipe.pipe_npages += more;
	return true;
}

/** Return the pages that what is in a pipe does not need. */
function pipe_trim(k: Kernel, pipe: pipe): void {
	const excess = pipe.pipe_npages - pages_of(pipe.pipe_cnt);
	pool_put(k.pools.pipebuf, excess);
	pipe.pipe_npages -= excess;
}

function* pipe_write(k: Kernel, p: proc, fp: file, bytes: Uint8Array): Sleeps<number> {
	const pipe = fp.f_pipe!;
	const atomic = bytes.length <= PIPE_BUF;
	let done = 0;
	while (done < bytes.length) {
		if (pipe.pipe_readers === 0) {
			psignal(k, p, SIGPIPE);
			return done > 0 ? done : -EPIPE;
		}
		const room = pipe_room(pipe);
		if (room >= (atomic ? bytes.length : 1)) {
			let part = bytes.subarray(done, done + room);
			// Where memory is short, as much as there are pages for: to wait for many may be in vain.
			while (part.length > PIPE_BUF && !pipe_reserve(k, pipe, part.length)) {
				part = part.subarray(0, part.length >> 1);
			}
			if (!pipe_reserve(k, pipe, part.length)) {
				const more = pages_of(pipe.pipe_cnt + part.length) - pipe.pipe_npages;
				const found = yield* pool_prime_wait(k, [k.pools.pipebuf], more);
				if (!found) return done > 0 ? done : -ENOMEM;
				continue;
			}
			done += pipe_put(k, pipe, part);
			p.p_lwp!.l_again = false;
			continue;
		}
		if ((fp.f_flag & O_NONBLOCK) !== 0) return done > 0 ? done : -EAGAIN;
		const error = yield* tsleep(k, pipe.pipe_wwait, "pipewr", 0);
		if (error !== 0) return done > 0 ? done : -error;
	}
	return done;
}

/**
 * A large write that does not fit into the ring: lend the pages at `va`, and wait until they are
 * read.
 * DEVIATION: NetBSD lends also where there is room. Here the pipe takes as much as Linux promises
 * without waiting, so the writer is also done as soon as what is left fits into the ring.
 *
 * => how many bytes have left, perhaps fewer than asked for; 0: use pipe_write; -EINTR. Sleeps.
 */
function* pipe_direct_write(
	k: Kernel,
	p: proc,
	fp: file,
	va: number,
	size: number,
): Sleeps<number> {
	const pipe = fp.f_pipe!;
	if ((fp.f_flag & O_NONBLOCK) !== 0 || size < PIPE_MINDIRECT) return 0;
	if (pipe.pipe_readers === 0 || size <= pipe_room(pipe)) return 0;
	const pos = va & PAGE_MASK;
	const bytes = Math.min(size, Math.min(PIPE_DIRECT_CHUNK, ptoa(uvm_loan_room(k))) - pos);
	if (bytes < PIPE_MINDIRECT) return 0;
	const pgs: vm_page[] = [];
	const { vm_map } = p.p_vmspace!;
	// Where it fails, copying finds out why.
	if ((yield* uvm_loan(k, vm_map, va - pos, round_page(pos + bytes), pgs)) !== 0) return 0;
	// It may have slept.
	if (pipe.pipe_map !== null) {
		uvm_unloan(k, pgs);
		return 0;
	}
	const map: pipemapping = { pgs, pos, cnt: bytes, last: bytes === size };
	pipe.pipe_map = map;
	p.p_lwp!.l_again = false;
	vattr_modified(k, pipe.pipe_attr);
	wakeup(k, pipe.pipe_rwait);
	wakeup(k, k.selwait);
	let error: Errno = 0;
	// The rest may go into the ring if there is memory for it.
	const isLent = (): boolean => pipe.pipe_map === map && pipe.pipe_readers > 0;
	const isDone = (): boolean => pipe_direct_done(pipe) && pipe_reserve(k, pipe, map.cnt);
	while (error === 0 && isLent() && !isDone()) {
		error = yield* tsleep(k, pipe.pipe_wwait, "pipdwt", 0);
	}
	if (pipe.pipe_map === map) {
		pipe.pipe_map = null;
		if (error === 0 && pipe.pipe_readers > 0) pipe_direct_rest(k, pipe, map);
	}
	uvm_unloan(k, pgs);
	wakeup(k, pipe.pipe_wwait);
	wakeup(k, k.selwait);
	const done = bytes - map.cnt;
	// Without readers pipe_write raises the signal.
	return done === 0 ? -error : done;
}

/** Whether the writer that lends pages need not wait any longer. */
const pipe_direct_done = ({ pipe_map: map, pipe_cnt, pipe_size }: pipe): boolean =>
	map!.last ? pipe_cnt + map!.cnt <= pipe_size : map!.cnt === 0;

/** Copy what has not been read to the ring. => there is room. */
function pipe_direct_rest(k: Kernel, pipe: pipe, map: pipemapping): void {
	if (map.cnt === 0) return;
	const rest = new Uint8Array(map.cnt);
	k.port.charge(Math.ceil(rest.length / BYTES_PER_CYCLE));
	pipe_put(k, pipe, rest.subarray(0, pipe_direct_read(k, map, rest)));
}

/** Fill `bytes` from pages that are lent. => how many; fewer: memory cannot correct the next. */
function pipe_direct_read(k: Kernel, map: pipemapping, bytes: Uint8Array): number {
	let done = 0;
	while (done < bytes.length) {
		const at = map.pos & PAGE_MASK;
		const n = Math.min(PAGE_SIZE - at, bytes.length - done);
		const pg = map.pgs[(map.pos - at) / PAGE_SIZE]!;
		if (!k.port.readRam(pg.phys_addr + at, bytes, done, n)) break;
		map.pos += n;
		map.cnt -= n;
		done += n;
	}
	return done;
}

/** Bytes that can be read, and room in the ring for more. */
const pipe_count = ({ pipe_cnt, pipe_map }: pipe): number => pipe_cnt + (pipe_map?.cnt ?? 0);
const pipe_room = ({ pipe_cnt, pipe_size, pipe_map }: pipe): number =>
	pipe_map === null ? pipe_size - pipe_cnt : 0;

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
		pipe_copyout(pipe, ring.subarray(0, pipe.pipe_cnt));
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
	pipe_copyout(pipe, bytes.subarray(0, ring));
	pipe.pipe_cnt -= ring;
	pipe_trim(k, pipe);
	pipe.pipe_out = pipe.pipe_cnt === 0 ? 0 : (pipe.pipe_out + ring) % pipe.pipe_size;
	const lent = map === null ? 0 : Math.min(bytes.length - ring, map.cnt);
	const n = lent > 0 ? pipe_direct_read(k, map!, bytes.subarray(ring, ring + lent)) : 0;
	if (n < lent) pipe.pipe_map = null;
	vattr_accessed(k, pipe.pipe_attr);
	if (pipe.pipe_map === null || pipe_direct_done(pipe)) wakeup(k, pipe.pipe_wwait);
	wakeup(k, k.selwait);
	return ring + n;
}

/** Copy the first bytes of the ring, which stay in it. => there are as many. */
function pipe_copyout({ pipe_buffer: ring, pipe_out: at }: pipe, bytes: Uint8Array): void {
	const first = Math.min(bytes.length, ring.length - at);
	bytes.set(ring.subarray(at, at + first));
	if (first < bytes.length) bytes.set(ring.subarray(0, bytes.length - first), first);
}

/** Append `bytes`. => there is room for them. */
function pipe_put(k: Kernel, pipe: pipe, bytes: Uint8Array): number {
	const { pipe_size } = pipe;
	if (pipe.pipe_buffer.length === 0) pipe.pipe_buffer = new Uint8Array(pipe_size);
	const at = (pipe.pipe_out + pipe.pipe_cnt) % pipe_size;
	const first = Math.min(bytes.length, pipe_size - at);
	vattr_modified(k, pipe.pipe_attr);
	pipe.pipe_buffer.set(bytes.subarray(0, first), at);
	pipe.pipe_buffer.set(bytes.subarray(first), 0);
	pipe.pipe_cnt += bytes.length;
	wakeup(k, pipe.pipe_rwait);
	wakeup(k, k.selwait);
	return bytes.length;
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
