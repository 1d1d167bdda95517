/**
 * What a pipe is (sys/pipe.h), and its ring of bytes, for the parts of sys_pipe.c.
 */
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { vattr_modified } from "../../fs/vfs_attr.ts";
import type { vattr_kept } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import type { vm_page } from "../../uvm/uvm_page.ts";
import type { lwp } from "../core/kern_lwp.ts";
import { wakeup } from "../core/kern_synch.ts";
import { pool_getn, pool_put } from "../core/subr_pool.ts";

/**
 * Bytes that a new pipe holds, the most that others than the superuser may ask for, and the longest
 * write that is done in one piece; Linux's values.
 */
export const PIPE_SIZE = 64 * 1024;
export const PIPE_MAXSIZE = 1024 * 1024;
export const PIPE_BUF = 4096;

/** What a writer has lent (struct pipemapping). */
export interface pipemapping {
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
	/** How often bytes were taken out. */
	pipe_nread: number;
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

/** A pipe without ends. */
export const pipe_new = (pipe_ino: number, pipe_attr: vattr_kept): pipe => ({
	pipe_buffer: new Uint8Array(0),
	pipe_size: PIPE_SIZE,
	pipe_out: 0,
	pipe_cnt: 0,
	pipe_map: null,
	pipe_nread: 0,
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

/** Pages for `bytes` bytes. */
export const pages_of = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE);

/** Pages for `bytes` more bytes in the ring. => never sleeps; false if there are none. */
export function pipe_reserve(k: Kernel, pipe: pipe, bytes: number): boolean {
	const more = pages_of(pipe.pipe_cnt + bytes) - pipe.pipe_npages;
	if (more <= 0) return true;
	if (!pool_getn(k, k.pools.pipebuf, more)) return false;
	pipe.pipe_npages += more;
	return true;
}

/** Return the pages that what is in a pipe does not need. */
export function pipe_trim(k: Kernel, pipe: pipe): void {
	const excess = pipe.pipe_npages - pages_of(pipe.pipe_cnt);
	pool_put(k.pools.pipebuf, excess);
	pipe.pipe_npages -= excess;
}

/** Bytes that can be read, and room in the ring for more. */
export const pipe_count = ({ pipe_cnt, pipe_map }: pipe): number => pipe_cnt + (pipe_map?.cnt ?? 0);
export const pipe_room = ({ pipe_cnt, pipe_size, pipe_map }: pipe): number =>
	pipe_map === null ? pipe_size - pipe_cnt : 0;

/** Whether the writer that lends pages need not wait any longer. */
export const pipe_direct_done = ({ pipe_map: map, pipe_cnt, pipe_size }: pipe): boolean =>
	map!.last ? pipe_cnt + map!.cnt <= pipe_size : map!.cnt === 0;

/** `n` bytes have been read, those of the ring first. => there are as many. */
export function pipe_taken(k: Kernel, pipe: pipe, n: number): void {
	const { pipe_map: map } = pipe;
	const ring = Math.min(n, pipe.pipe_cnt);
	pipe.pipe_cnt -= ring;
	pipe_trim(k, pipe);
	pipe.pipe_out = pipe.pipe_cnt === 0 ? 0 : (pipe.pipe_out + ring) % pipe.pipe_size;
	if (n > ring) {
		map!.pos += n - ring;
		map!.cnt -= n - ring;
	}
	pipe.pipe_nread++;
	if (map === null || pipe_direct_done(pipe)) wakeup(k, pipe.pipe_wwait);
	wakeup(k, k.selwait);
}

/** Copy what is in the ring from byte `from` on, and stays there. => also behind what counts. */
export function pipe_peek(pipe: pipe, from: number, bytes: Uint8Array): void {
	const { pipe_buffer: ring, pipe_out } = pipe;
	const at = ring.length === 0 ? 0 : (pipe_out + from) % ring.length;
	const first = Math.min(bytes.length, ring.length - at);
	bytes.set(ring.subarray(at, at + first));
	if (first < bytes.length) bytes.set(ring.subarray(0, bytes.length - first), first);
}

/** Append `bytes`. => there is room for them. */
export function pipe_put(k: Kernel, pipe: pipe, bytes: Uint8Array): number {
	const { pipe_size } = pipe;
	pipe_ring(pipe);
	const at = (pipe.pipe_out + pipe.pipe_cnt) % pipe_size;
	const first = Math.min(bytes.length, pipe_size - at);
	pipe.pipe_buffer.set(bytes.subarray(0, first), at);
	pipe.pipe_buffer.set(bytes.subarray(first), 0);
	pipe_appended(k, pipe, bytes.length);
	return bytes.length;
}

/** Have a ring. */
export function pipe_ring(pipe: pipe): void {
	if (pipe.pipe_buffer.length === 0) pipe.pipe_buffer = new Uint8Array(pipe.pipe_size);
}

/** `n` bytes have been copied behind what is in the ring. */
export function pipe_appended(k: Kernel, pipe: pipe, n: number): void {
	vattr_modified(k, pipe.pipe_attr);
	pipe.pipe_cnt += n;
	wakeup(k, pipe.pipe_rwait);
	wakeup(k, k.selwait);
}
