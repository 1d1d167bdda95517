/** Paths relative to a descriptor, as openat and its relatives take them. */
import { EBADF, type Errno } from "../../../sys/errno.ts";
import { type vnode, vref, vrele } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { fd_getfile } from "../proc/kern_descrip.ts";
import type { proc } from "../proc/kern_proc.ts";
import { copyinpath, namei, namei_parent, type nameidata } from "./vfs_lookup.ts";
import { fd_directory } from "./vfs_vnops.ts";

/** Instead of a descriptor: the working directory. */
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_EACCESS = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_NO_AUTOMOUNT = 0x800;
export const AT_EMPTY_PATH = 0x1000;
/** How statx synchronises its data; ignored. */
export const AT_STATX_SYNC_TYPE = 0x6000;

/** The directory where a path relative to descriptor `fd` starts. => referenced, or an errno. */
export function at_start(k: Kernel, p: proc, fd: number, path: string): vnode | Errno {
	if (path.startsWith("/") || (fd | 0) === AT_FDCWD) {
		const vp = p.p_fd!.fd_cdir ?? k.rootvnode!;
		vref(vp);
		return vp;
	}
	return fd_directory(p, fd);
}

/**
 * The vnode of a path relative to a descriptor; with AT_EMPTY_PATH and an empty path, the
 * descriptor's own. => referenced, or an errno. Sleeps.
 */
export function* namei_at(
	k: Kernel,
	p: proc,
	fd: number,
	va: number,
	flags: number,
): Sleeps<vnode | Errno> {
	const path = yield* copyinpath(k, p, va);
	if (typeof path === "number") return path;
	if (path === "" && (flags & AT_EMPTY_PATH) !== 0 && (fd | 0) !== AT_FDCWD) {
		const vp = fd_getfile(p, fd)?.f_vnode ?? null;
		if (vp === null) return EBADF;
		vref(vp);
		return vp;
	}
	const start = at_start(k, p, fd, path);
	if (typeof start === "number") return start;
	const own = path === "" && (flags & AT_EMPTY_PATH) !== 0;
	const vp = yield* namei(k, start, own ? "." : path, (flags & AT_SYMLINK_NOFOLLOW) === 0);
	yield* vrele(k, start);
	return vp;
}

/** As namei_parent, relative to a descriptor. Symbolic links at the end are not followed. */
export function* parent_at(k: Kernel, p: proc, fd: number, va: number): Sleeps<nameidata | Errno> {
	const path = yield* copyinpath(k, p, va);
	if (typeof path === "number") return path;
	const start = at_start(k, p, fd, path);
	if (typeof start === "number") return start;
	const found = yield* namei_parent(k, start, path, false);
	yield* vrele(k, start);
	return found;
}

export function* nameidata_rele(k: Kernel, nd: nameidata): Sleeps<void> {
	if (nd.ni_vp !== null) yield* vrele(k, nd.ni_vp);
	yield* vrele(k, nd.ni_dvp);
}

/** Flags that statx knows. */
export const STATX_FLAGS =
	AT_SYMLINK_NOFOLLOW | AT_SYMLINK_FOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
