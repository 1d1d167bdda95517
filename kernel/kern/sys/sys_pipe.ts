/**
 * Pipes (sys/kern/sys_pipe.c), as in POSIX: a write of up to PIPE_BUF bytes is never interleaved
 * with others. Bytes are in a ring and move in at most two pieces.
 */
import { EAGAIN, EINVAL, ENOTTY, EPIPE } from "../../../sys/errno.ts";
import { FIONREAD } from "../../dev/termios.ts";
import type { Kernel } from "../../kernel.ts";
import { type Sleeps, tsleep, wakeup } from "../core/kern_synch.ts";
import { SIGPIPE } from "../core/signal.ts";
import { copyout } from "../proc/copy.ts";
import {
	DTYPE_PIPE,
	type file,
	type fileops,
	O_ACCMODE,
	O_CLOEXEC,
	O_NONBLOCK,
	O_RDONLY,
	O_WRONLY,
	POLLERR,
	POLLHUP,
	POLLIN,
	POLLOUT,
} from "../proc/file.ts";
import { fd_alloc } from "../proc/kern_descrip.ts";
import type { proc } from "../proc/kern_proc.ts";
import { psignal } from "../proc/kern_sig.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";

/** Bytes that a pipe holds, and the longest write that is done in one piece; Linux's values. */
export const PIPE_SIZE = 64 * 1024;
export const PIPE_BUF = 4096;

/** Copying costs a cycle for each 8 bytes. */
const BYTES_PER_CYCLE = 8;

/** A pipe; both of its ends, which are files, refer to it. */
export interface pipe {
	/** The ring; empty until the first write. */
	pipe_buffer: Uint8Array;
	/** Where the next byte is read, and how many there are. */
	pipe_out: number;
	pipe_cnt: number;
	/** Are the ends still open? */
	pipe_reader: boolean;
	pipe_writer: boolean;
	/** Wait channels: for something to read, and for room. */
	readonly pipe_rwait: object;
	readonly pipe_wwait: object;
}

/** Register the operations of pipes. => at boot. */
export function pipe_init(k: Kernel): void {
	k.fileops[DTYPE_PIPE] = pipeops;
}

/** A pipe. => both files have one reference, which is for a descriptor. */
export function pipe_create(flags: number): { read: file; write: file } {
	const pipe: pipe = {
		pipe_buffer: new Uint8Array(0),
		pipe_out: 0,
		pipe_cnt: 0,
		pipe_reader: true,
		pipe_writer: true,
		pipe_rwait: {},
		pipe_wwait: {},
	};
	return { read: pipe_file(pipe, O_RDONLY | flags), write: pipe_file(pipe, O_WRONLY | flags) };
}

const pipe_file = (pipe: pipe, f_flag: number): file => ({
	f_type: DTYPE_PIPE,
	f_flag,
	f_count: 1,
	f_offset: 0,
	f_vnode: null,
	f_pipe: pipe,
});

const is_reader = (fp: file): boolean => (fp.f_flag & O_ACCMODE) === O_RDONLY;

function* pipe_read(k: Kernel, _p: proc, fp: file, bytes: Uint8Array): Sleeps<number> {
	const pipe = fp.f_pipe!;
	if (bytes.length === 0) return 0;
	while (pipe.pipe_cnt === 0) {
		if (!pipe.pipe_writer) return 0;
		if ((fp.f_flag & O_NONBLOCK) !== 0) return -EAGAIN;
		const error = yield* tsleep(k, pipe.pipe_rwait, "piperd", 0);
		if (error !== 0) return -error;
	}
	return pipe_take(k, pipe, bytes);
}

function* pipe_write(k: Kernel, p: proc, fp: file, bytes: Uint8Array): Sleeps<number> {
	const pipe = fp.f_pipe!;
	const atomic = bytes.length <= PIPE_BUF;
	let done = 0;
	while (done < bytes.length) {
		if (!pipe.pipe_reader) {
			psignal(k, p, SIGPIPE);
			return done > 0 ? done : -EPIPE;
		}
		const room = PIPE_SIZE - pipe.pipe_cnt;
		if (room >= (atomic ? bytes.length : 1)) {
			done += pipe_put(k, pipe, bytes.subarray(done, done + room));
			p.p_lwp!.l_again = false;
			continue;
		}
		if ((fp.f_flag & O_NONBLOCK) !== 0) return done > 0 ? done : -EAGAIN;
		const error = yield* tsleep(k, pipe.pipe_wwait, "pipewr", 0);
		if (error !== 0) return done > 0 ? done : -error;
	}
	return done;
}

function* pipe_ioctl(k: Kernel, p: proc, fp: file, cmd: number, arg: number): Sleeps<number> {
	if (cmd !== FIONREAD) return -ENOTTY;
	const count = new Uint8Array(Uint32Array.of(fp.f_pipe!.pipe_cnt).buffer);
	return -(yield* copyout(k, p.p_vmspace!.vm_map, count, arg));
}

function pipe_poll(_k: Kernel, fp: file, events: number): number {
	const pipe = fp.f_pipe!;
	if (is_reader(fp)) {
		const ready = pipe.pipe_cnt > 0 ? events & POLLIN : 0;
		return pipe.pipe_writer ? ready : ready | POLLHUP;
	}
	if (!pipe.pipe_reader) return (events & POLLOUT) | POLLERR;
	return PIPE_SIZE - pipe.pipe_cnt >= PIPE_BUF ? events & POLLOUT : 0;
}

function* pipe_close(k: Kernel, fp: file): Sleeps<void> {
	const pipe = fp.f_pipe!;
	if (is_reader(fp)) {
		pipe.pipe_reader = false;
		pipe.pipe_cnt = 0;
		pipe.pipe_buffer = new Uint8Array(0);
	} else {
		pipe.pipe_writer = false;
	}
	wakeup(k, pipe.pipe_rwait);
	wakeup(k, pipe.pipe_wwait);
	wakeup(k, k.selwait);
}

const pipeops: fileops = {
	fo_read: pipe_read,
	fo_write: pipe_write,
	fo_ioctl: pipe_ioctl,
	fo_poll: pipe_poll,
	fo_close: pipe_close,
};

/** Fill `bytes` as far as possible. => there is something to read. */
function pipe_take(k: Kernel, pipe: pipe, bytes: Uint8Array): number {
	const { pipe_buffer: ring, pipe_out: at } = pipe;
	const n = Math.min(bytes.length, pipe.pipe_cnt);
	const first = Math.min(n, PIPE_SIZE - at);
	bytes.set(ring.subarray(at, at + first));
	if (first < n) bytes.set(ring.subarray(0, n - first), first);
	pipe.pipe_cnt -= n;
	pipe.pipe_out = pipe.pipe_cnt === 0 ? 0 : (at + n) % PIPE_SIZE;
	k.port.charge(Math.ceil(n / BYTES_PER_CYCLE));
	wakeup(k, pipe.pipe_wwait);
	wakeup(k, k.selwait);
	return n;
}

/** Append `bytes`. => there is room for them. */
function pipe_put(k: Kernel, pipe: pipe, bytes: Uint8Array): number {
	if (pipe.pipe_buffer.length === 0) pipe.pipe_buffer = new Uint8Array(PIPE_SIZE);
	const at = (pipe.pipe_out + pipe.pipe_cnt) % PIPE_SIZE;
	const first = Math.min(bytes.length, PIPE_SIZE - at);
	pipe.pipe_buffer.set(bytes.subarray(0, first), at);
	pipe.pipe_buffer.set(bytes.subarray(first), 0);
	pipe.pipe_cnt += bytes.length;
	k.port.charge(Math.ceil(bytes.length / BYTES_PER_CYCLE));
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
	const { read, write } = pipe_create(flags & O_NONBLOCK);
	const cloexec = (flags & O_CLOEXEC) !== 0;
	const rfd = fd_alloc(p, read, 0, cloexec);
	if (rfd < 0) return rfd;
	const wfd = fd_alloc(p, write, 0, cloexec);
	let error = wfd < 0 ? -wfd : 0;
	if (error === 0) {
		const fds = new Uint8Array(Int32Array.of(rfd, wfd).buffer);
		error = yield* copyout(k, p.p_vmspace!.vm_map, fds, va);
	}
	if (error === 0) return 0;
	// No other thread has seen them.
	p.p_fd!.fd_ofiles[rfd] = null;
	if (wfd >= 0) p.p_fd!.fd_ofiles[wfd] = null;
	return -error;
}
