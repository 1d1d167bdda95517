/**
 * /dev/fd/N, /dev/stdin, /dev/stdout, /dev/stderr (sys/kern/kern_descrip.c: filedescopen,
 * fd_dupopen): to open one is to duplicate descriptor N, which is the minor number.
 */
import { EACCES, EBADF, ENXIO } from "../../sys/errno.ts";
import type { vnode } from "../fs/vnode.ts";
import { O_RDWR } from "../kern/proc/file.ts";
import { fd_alloc, fd_getfile, file_readable, file_writable } from "../kern/proc/kern_descrip.ts";
import type { proc } from "../kern/proc/kern_proc.ts";
import type { Kernel } from "../kernel.ts";
import { CDEV_FD, major, minor } from "./conf.ts";

export function filedesc_attach(k: Kernel): void {
	k.cdevsw[CDEV_FD] = {
		d_name: "filedesc",
		d_open: (_k, p, fd) => (fd_getfile(p, fd) === null ? ENXIO : 0),
		// No open file is this device itself.
		d_read: function* () {
			return -ENXIO;
		},
		d_write: function* () {
			return -ENXIO;
		},
	};
}

/** The descriptor that a vnode stands for, or -1. */
export const filedesc_fd = (vp: vnode): number =>
	vp.v_type === "VCHR" && major(vp.v_rdev!) === CDEV_FD ? minor(vp.v_rdev!) : -1;

/**
 * Duplicate descriptor `fd`, as an open with access `mode` does.
 * => the new one; -EBADF; -EACCES: it has less access; -EMFILE; -ENOMEM.
 */
export function fd_dupopen(k: Kernel, p: proc, fd: number, mode: number, cloexec: boolean): number {
	const fp = fd_getfile(p, fd);
	if (fp === null) return -EBADF;
	const [reads, writes] = [mode === 0 || mode === O_RDWR, mode !== 0];
	if ((reads && !file_readable(fp)) || (writes && !file_writable(fp))) return -EACCES;
	const made = fd_alloc(k, p, fp, 0, cloexec);
	if (made >= 0) fp.f_count++;
	return made;
}
