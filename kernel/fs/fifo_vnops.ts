/**
 * FIFOs (sys/miscfs/fifofs/fifo_vnops.c): pipes with a name. Open waits for the other end, as POSIX
 * says; what goes through is in kern/sys/sys_pipe.ts.
 */
import { ENXIO, type Errno } from "../../sys/errno.ts";
import { type Sleeps, tsleep, wakeup } from "../kern/core/kern_synch.ts";
import { DTYPE_PIPE, type file, O_NONBLOCK } from "../kern/proc/file.ts";
import { file_make, file_readable, file_writable } from "../kern/proc/kern_descrip.ts";
import { pipe_leave } from "../kern/sys/sys_pipe.ts";
import type { Kernel } from "../kernel.ts";
import type { vnode } from "./vnode.ts";

/**
 * Open a FIFO.
 *
 * => to read, it waits for a writer, and to write, for a reader, unless O_NONBLOCK: then there is
 *    nothing to read yet, or ENXIO. To read and write it never waits, as on Linux.
 * => a file with one reference, which takes over `vp`'s; or EINTR. Sleeps; the thread is noted in
 *    the FIFO, so that the call can be started again.
 */
export function* fifo_open(k: Kernel, vp: vnode, f_flag: number): Sleeps<file | Errno> {
	const pipe = vp.v_fifo!;
	const fp: file = { ...file_make(f_flag, vp), f_type: DTYPE_PIPE, f_pipe: pipe };
	const [reader, writer] = [file_readable(fp), file_writable(fp)];
	const nonblock = (f_flag & O_NONBLOCK) !== 0;
	const { pipe_openers } = pipe;
	let own = pipe_openers.find((opener) => opener.fo_lwp === k.curlwp);
	if (own === undefined) {
		if (!reader && nonblock && pipe.pipe_readers === 0) return ENXIO;
		fp.f_wcount = pipe.pipe_wcount;
		if (reader) pipe.pipe_readers++;
		if (writer) {
			pipe.pipe_writers++;
			pipe.pipe_wcount++;
		}
		for (const other of pipe_openers) if (other.fo_write ? reader : writer) other.fo_met = true;
		wakeup(k, pipe_openers);
		const alone = reader ? pipe.pipe_writers === 0 : pipe.pipe_readers === 0;
		if (!alone || nonblock) {
			if (reader && pipe.pipe_writers > 0) fp.f_wcount = pipe.pipe_wcount - 1;
			return fp;
		}
		own = { fo_lwp: k.curlwp, fo_write: writer, fo_met: false };
		pipe_openers.push(own);
	}
	let error: Errno = 0;
	while (!own.fo_met && error === 0) error = yield* tsleep(k, pipe_openers, "fifo", 0);
	pipe_openers.splice(pipe_openers.indexOf(own), 1);
	if (!own.fo_met) {
		pipe_leave(k, pipe, reader, writer, true);
		return error;
	}
	// The writer that it has met may be gone: that is an end of file.
	fp.f_wcount = pipe.pipe_wcount - 1;
	return fp;
}
