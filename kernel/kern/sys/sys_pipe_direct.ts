/**
 * The part of sys_pipe.c in which a writer lends its pages to the pipe: readers copy from them, and
 * the writer waits.
 */
import type { Errno } from "../../../sys/errno.ts";
import { PAGE_MASK, PAGE_SIZE, ptoa, round_page } from "../../../sys/vmparam.ts";
import { vattr_modified } from "../../fs/vfs_attr.ts";
import type { Kernel } from "../../kernel.ts";
import { uvm_loan, uvm_loan_room, uvm_unloan } from "../../uvm/uvm_loan.ts";
import type { vm_page } from "../../uvm/uvm_page.ts";
import { type Sleeps, tsleep, wakeup } from "../core/kern_synch.ts";
import { type file, O_NONBLOCK } from "../proc/file.ts";
import type { proc } from "../proc/kern_proc.ts";
import {
	type pipe,
	pipe_direct_done,
	pipe_put,
	pipe_reserve,
	pipe_room,
	type pipemapping,
} from "./pipe.ts";

/** The shortest write that lends pages, and the most that is lent at once; NetBSD's values. */
const PIPE_MINDIRECT = 8192;
const PIPE_DIRECT_CHUNK = 1024 * 1024;

/** Copying costs a cycle for each 8 bytes. To and from the ring copyin and copyout charge it. */
const BYTES_PER_CYCLE = 8;

/**
 * A large write that does not fit into the ring: lend the pages at `va`, and wait until they are
 * read.
 * DEVIATION: NetBSD lends also where there is room. Here the pipe takes as much as Linux promises
 * without waiting, so the writer is also done as soon as what is left fits into the ring.
 *
 * => how many bytes have left, perhaps fewer than asked for; 0: use pipe_write; -EINTR. Sleeps.
 */
export function* pipe_direct_write(
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

/** Copy what has not been read to the ring. => there is room. */
function pipe_direct_rest(k: Kernel, pipe: pipe, map: pipemapping): void {
	if (map.cnt === 0) return;
	const rest = new Uint8Array(map.cnt);
	k.port.charge(Math.ceil(rest.length / BYTES_PER_CYCLE));
	const n = pipe_direct_read(k, map, 0, rest);
	map.cnt -= n;
	pipe_put(k, pipe, rest.subarray(0, n));
}

/**
 * Fill `bytes` from pages that are lent, from byte `from` of them on; they stay in the pipe.
 * => how many; fewer: memory cannot correct the next.
 */
export function pipe_direct_read(
	k: Kernel,
	map: pipemapping,
	from: number,
	bytes: Uint8Array,
): number {
	let done = 0;
	while (done < bytes.length) {
		const pos = map.pos + from + done;
		const at = pos & PAGE_MASK;
		const n = Math.min(PAGE_SIZE - at, bytes.length - done);
		const pg = map.pgs[(pos - at) / PAGE_SIZE]!;
		if (!k.port.readRam(pg.phys_addr + at, bytes, done, n)) break;
		done += n;
	}
	return done;
}
