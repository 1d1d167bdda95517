/**
 * The part of sys_pipe.c that moves bytes between pipes and user memory (its calls of uiomove).
 *
 * Nothing is taken from a pipe before all of it is in user memory, and nothing in the ring counts
 * before all of a write is there. No lock is held: copying does not sleep, and where a page fault
 * has to, a read begins anew if somebody else has read meanwhile.
 */
import { EAGAIN, EFAULT, ENOMEM, EPIPE, ESLEEPS } from "../../../sys/errno.ts";
import { VM_MAXUSER_ADDRESS } from "../../../sys/vmparam.ts";
import { vattr_accessed } from "../../fs/vfs_attr.ts";
import type { Kernel } from "../../kernel.ts";
import type { vm_map } from "../../uvm/uvm_map_entry.ts";
import {
	UIO_SLEEPS,
	uiocharge,
	uiocopy,
	uiofault_wait,
	uiopage,
	uiotranslate,
} from "../../uvm/uvm_uiomove.ts";
import { pool_prime_wait } from "../../uvm/uvm_wait.ts";
import { type Sleeps, tsleep, tsleep_enter, wakeup } from "../core/kern_synch.ts";
import { SIGPIPE } from "../core/signal.ts";
import { copyin, copyout_probe } from "../proc/copy.ts";
import { type file, O_NONBLOCK } from "../proc/file.ts";
import type { proc } from "../proc/kern_proc.ts";
import { psignal } from "../proc/kern_sig.ts";
import {
	PIPE_BUF,
	PIPE_SIZE,
	pages_of,
	type pipe,
	pipe_appended,
	pipe_count,
	pipe_peek,
	pipe_put,
	pipe_reserve,
	pipe_ring,
	pipe_room,
	pipe_taken,
} from "./pipe.ts";
import { pipe_direct_read } from "./sys_pipe_direct.ts";

/** read and write without a generator. => as fo_rdwr_nosleep. */
export function pipe_rdwr_nosleep(
	k: Kernel,
	p: proc,
	fp: file,
	va: number,
	size: number,
	write: boolean,
	again: boolean,
): number | Sleeps<number> | null {
	if (size === 0) return null;
	if (write) return size > PIPE_BUF ? null : write_nosleep(k, p, fp, va, size);
	return size > PIPE_SIZE ? null : read_nosleep(k, p, fp, va, size, again);
}

function read_nosleep(
	k: Kernel,
	p: proc,
	fp: file,
	va: number,
	size: number,
	again: boolean,
): number | Sleeps<number> {
	const pipe = fp.f_pipe!;
	const { vm_map: map } = p.p_vmspace!;
	if (!again) {
		const ua = copyout_probe(k, map, va);
		if (ua === UIO_SLEEPS) return read_sleeps(k, map, fp, va, size, va);
		if (ua < 0) return -EFAULT;
	}
	for (;;) {
		if (pipe_count(pipe) === 0) {
			const end = pipe_end(pipe, fp);
			if (end <= 0) return end;
			const error = tsleep_enter(k, pipe.pipe_rwait, "piperd");
			return error === 0 ? ESLEEPS : -error;
		}
		const n = Math.min(size, pipe_count(pipe));
		const at = read_move(k, map, pipe, va, n, 0);
		if (at === va + n) return n;
		if (at === COPY_FAULT) return -EFAULT;
		if (at >= 0) return read_sleeps(k, map, fp, va, size, at);
	}
}

/** An empty pipe: 0 at the end; -EAGAIN; 1: wait. */
function pipe_end(pipe: pipe, fp: file): number {
	if (pipe.pipe_writers === 0) return 0;
	return (fp.f_flag & O_NONBLOCK) !== 0 ? -EAGAIN : 1;
}

/** => as fo_readuser: as much as is there, at most `size` bytes. Sleeps. */
export function* pipe_readuser(
	k: Kernel,
	p: proc,
	fp: file,
	va: number,
	size: number,
): Sleeps<number> {
	const { vm_map: map } = p.p_vmspace!;
	// A call that is started again has found the page before it slept.
	const ua = k.curlwp.l_recall >= 0 ? 0 : copyout_probe(k, map, va);
	if (ua === UIO_SLEEPS) return yield* read_sleeps(k, map, fp, va, size, va);
	return ua < 0 ? -EFAULT : yield* read_sleeps(k, map, fp, va, size, -1);
}

/** The same. => `blocked`: an address that has met UIO_SLEEPS, or -1. */
function* read_sleeps(
	k: Kernel,
	map: vm_map,
	fp: file,
	va: number,
	size: number,
	blocked: number,
): Sleeps<number> {
	const l = k.curlwp;
	const pipe = fp.f_pipe!;
	let at = blocked;
	let nread = pipe.pipe_nread;
	for (;;) {
		let from = 0;
		if (at >= 0) {
			// Nothing has been taken, so the call can still be started again.
			const { l_again } = l;
			if ((yield* uiofault_wait(k, map, at, true)) < 0) return -EFAULT;
			l.l_again = l_again;
			if (pipe.pipe_nread === nread) from = at - va;
			at = -1;
		}
		if (pipe_count(pipe) === 0) {
			const end = pipe_end(pipe, fp);
			if (end <= 0) return end;
			const error = yield* tsleep(k, pipe.pipe_rwait, "piperd", 0);
			if (error !== 0) return -error;
			continue;
		}
		nread = pipe.pipe_nread;
		const n = Math.min(size, pipe_count(pipe));
		const end = read_move(k, map, pipe, va, n, from);
		if (end === va + n) return n;
		if (end === COPY_FAULT) return -EFAULT;
		if (end >= 0) at = end;
	}
}

/** read_move and write_copy: EFAULT; or memory cannot correct what it reads. */
const COPY_FAULT = -1;
const COPY_MEMERR = -2;

/**
 * Copy the first `n` bytes of a pipe to `va`, from byte `from` on, and take all of them out.
 * => va + n; or nothing is taken, and: where a page fault has to sleep; COPY_FAULT; or COPY_MEMERR,
 *    and the pages are lent no longer. Never sleeps.
 */
function read_move(
	k: Kernel,
	map: vm_map,
	pipe: pipe,
	va: number,
	n: number,
	from: number,
): number {
	const end = va + n;
	if (end > VM_MAXUSER_ADDRESS) return COPY_FAULT;
	if (from === 0) vattr_accessed(k, pipe.pipe_attr);
	for (let at = va + from; at < end; ) {
		const ua = uiotranslate(k, map, at, true);
		if (ua < 0) return ua === UIO_SLEEPS ? at : COPY_FAULT;
		const part = Math.min(uiopage(at), end - at);
		if (!read_piece(k, pipe, at - va, part, ua)) {
			pipe_unlend(k, pipe);
			return COPY_MEMERR;
		}
		uiocharge(k, ua, part);
		at += part;
	}
	pipe_taken(k, pipe, n);
	return end;
}

/** Copy `n` bytes from byte `from` of a pipe on. => false: memory cannot correct what is lent. */
function read_piece(k: Kernel, pipe: pipe, from: number, n: number, ua: number): boolean {
	const ring = Math.max(0, Math.min(n, pipe.pipe_cnt - from));
	if (ring > 0) {
		const { pipe_buffer, pipe_size } = pipe;
		const at = (pipe.pipe_out + from) % pipe_size;
		const first = Math.min(ring, pipe_size - at);
		uiocopy(k, ua, pipe_buffer, at, first, true);
		if (first < ring) uiocopy(k, ua + first, pipe_buffer, 0, ring - first, true);
	}
	if (ring === n) return true;
	const lent = new Uint8Array(n - ring);
	const { pipe_map: map } = pipe;
	if (pipe_direct_read(k, map!, from + ring - pipe.pipe_cnt, lent) < lent.length) return false;
	uiocopy(k, ua + ring, lent, 0, lent.length, true);
	return true;
}

/** Memory cannot correct what is lent: the writer copies the rest, and meets the error himself. */
export function pipe_unlend(k: Kernel, pipe: pipe): void {
	pipe.pipe_map = null;
	wakeup(k, pipe.pipe_wwait);
}

/** => as fo_rdwr_nosleep; null also where it has to wait. => at most PIPE_BUF bytes. */
function write_nosleep(
	k: Kernel,
	p: proc,
	fp: file,
	va: number,
	size: number,
): number | Sleeps<number> | null {
	const pipe = fp.f_pipe!;
	const { vm_map: map } = p.p_vmspace!;
	if (pipe.pipe_readers === 0 || pipe_room(pipe) < size) return null;
	if (va + size > VM_MAXUSER_ADDRESS) return -EFAULT;
	pipe_ring(pipe);
	for (let done = 0; done < size; ) {
		const at = va + done;
		const ua = uiotranslate(k, map, at, false);
		if (ua === UIO_SLEEPS) return write_rest(k, p, fp, va, size, done, true);
		if (ua < 0) return -EFAULT;
		const n = Math.min(uiopage(at), size - done);
		if (!write_piece(k, pipe, done, n, ua)) return write_rest(k, p, fp, va, size, done, false);
		uiocharge(k, ua, n);
		done += n;
	}
	if (!pipe_reserve(k, pipe, size)) return write_rest(k, p, fp, va, size, size, false);
	pipe_appended(k, pipe, size);
	return size;
}

/** Copy `n` bytes behind the ring's and `from` more. => false: memory cannot correct them. */
function write_piece(k: Kernel, pipe: pipe, from: number, n: number, ua: number): boolean {
	const { pipe_buffer, pipe_size } = pipe;
	const at = (pipe.pipe_out + pipe.pipe_cnt + from) % pipe_size;
	const first = Math.min(n, pipe_size - at);
	if (!uiocopy(k, ua, pipe_buffer, at, first, false)) return false;
	return first === n || uiocopy(k, ua + first, pipe_buffer, 0, n - first, false);
}

/**
 * The rest of a write of which `done` bytes are behind the ring's, where others may overwrite them.
 * => `blocked`: the next one has met UIO_SLEEPS. All are there: memory for them has been refused.
 */
function write_rest(
	k: Kernel,
	p: proc,
	fp: file,
	va: number,
	size: number,
	done: number,
	blocked: boolean,
): Sleeps<number> {
	const bytes = new Uint8Array(size);
	pipe_peek(fp.f_pipe!, fp.f_pipe!.pipe_cnt, bytes.subarray(0, done));
	return write_sleeps(k, p, fp, va, bytes, done, blocked);
}

function* write_sleeps(
	k: Kernel,
	p: proc,
	fp: file,
	va: number,
	bytes: Uint8Array,
	done: number,
	blocked: boolean,
): Sleeps<number> {
	const error = yield* copyin(k, p.p_vmspace!.vm_map, va, bytes, done, blocked);
	return error !== 0 ? -error : yield* pipe_write(k, p, fp, bytes, done === bytes.length);
}

/** `short`: the memory for them has just been refused. => as fo_write. */
export function* pipe_write(
	k: Kernel,
	p: proc,
	fp: file,
	bytes: Uint8Array,
	short = false,
): Sleeps<number> {
	const pipe = fp.f_pipe!;
	const atomic = bytes.length <= PIPE_BUF;
	let done = 0;
	let refused = short;
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
			if (refused || !pipe_reserve(k, pipe, part.length)) {
				refused = false;
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
