/** Mounted file systems (sys/kern/vfs_subr.c, vfs_syscalls.c). */
import type { Errno } from "../../sys/errno.ts";
import { bdev_name, bdev_size, type dev_t } from "../dev/conf.ts";
import { filedesc_attach } from "../dev/filedesc.ts";
import { mem_attach } from "../dev/mem.ts";
import { rnd_attach } from "../dev/rnd.ts";
import { ltsleep, type Sleeps, wakeup } from "../kern/core/kern_synch.ts";
import { DTYPE_VNODE } from "../kern/proc/file.ts";
import { vnode_fileops } from "../kern/sys/vfs_vnops.ts";
import type { Kernel } from "../kernel.ts";
import { devfs_mount, devfs_shm, devfs_vnodeops } from "./devfs.ts";
import { tarfs_create, tarfs_mountpoint, tarfs_vnodeops } from "./tarfs.ts";
import { tarfs_mount } from "./tarfs_mount.ts";
import { tmpfs_vnodeops } from "./tmpfs.ts";
import { tmpfs_mount } from "./tmpfs_subr.ts";
import { VOP, VT_DEVFS, VT_TARFS, VT_TMPFS, type vnode } from "./vnode.ts";

/**
 * Register the file systems, and make /dev, so that the console can be opened.
 * => at boot, with all devices attached. Until vfs_mountroot the root is an empty directory.
 */
export function vfs_init(k: Kernel): void {
	k.vops[VT_TARFS] = tarfs_vnodeops;
	k.vops[VT_TMPFS] = tmpfs_vnodeops;
	k.vops[VT_DEVFS] = devfs_vnodeops;
	k.fileops[DTYPE_VNODE] = vnode_fileops;
	mem_attach(k);
	rnd_attach(k);
	filedesc_attach(k);
	k.vfs.devroot = devfs_mount(k);
	k.rootvnode = tarfs_create(k, null).tn_vnode;
}

/**
 * Mount the archive on disk `root` as the root, or an empty directory for null; an archive on
 * disk `bin` at /bin, unless the root has one; and /dev, /tmp and /dev/shm. Only the first caller
 * does that; the others wait for it.
 * => an error message, in one line, or "". Sleeps.
 */
export function* vfs_mountroot(k: Kernel, root: dev_t | null, bin: dev_t | null): Sleeps<string> {
	while (k.vfs.mounting && !k.vfs.mounted) yield* ltsleep(k, k.vfs, "mountroot", 0, null);
	if (k.vfs.mounted) return k.vfs.error;
	k.vfs.mounting = true;
	if (root !== null) {
		const mounted = yield* mount_disk(k, root);
		if (mounted !== null) k.rootvnode = mounted;
	}
	k.vfs.mounts.push(k.rootvnode!);
	mount_on(k, "dev", k.vfs.devroot!);
	mount_on(k, "tmp", tmpfs_mount(k));
	mount_at(k, devfs_shm(k), tmpfs_mount(k));
	if (bin !== null && !(yield* has_bin(k))) {
		const mounted = yield* mount_disk(k, bin);
		if (mounted !== null) mount_on(k, "bin", mounted);
	}
	k.vfs.mounted = true;
	wakeup(k, k.vfs);
	return k.vfs.error;
}

/** => the root of the archive on a disk; null, with the error recorded. Sleeps. */
function* mount_disk(k: Kernel, dev: dev_t): Sleeps<vnode | null> {
	const absent = bdev_size(k, dev) < 0;
	const mounted = absent ? `${bdev_name(k, dev)}: no such disk` : yield* tarfs_mount(k, dev);
	if (typeof mounted !== "string") return mounted;
	if (k.vfs.error === "") k.vfs.error = mounted;
	k.msgbuf.push(mounted);
	return null;
}

/** Does the root have something in /bin? */
function* has_bin(k: Kernel): Sleeps<boolean> {
	const root = k.rootvnode!;
	const bin = (yield* VOP(k, root).vop_readdir(k, root)).find((entry) => entry.d_name === "bin");
	if (bin === undefined || bin.d_type !== "VDIR") return bin !== undefined;
	const vp = tarfs_mountpoint(k, root, "bin");
	return (yield* VOP(k, vp).vop_readdir(k, vp)).length > 2;
}

/** Mount a file system in the root directory. */
function mount_on(k: Kernel, name: string, vp: vnode): void {
	mount_at(k, tarfs_mountpoint(k, k.rootvnode!, name), vp);
}

function mount_at(k: Kernel, covered: vnode, vp: vnode): void {
	covered.v_mountedhere = vp;
	vp.v_covered = covered;
	k.vfs.mounts.push(vp);
}

/** Write everything that is dirty. => the last error, or 0. Sleeps. */
export function* vfs_syncall(k: Kernel): Sleeps<Errno> {
	let error: Errno = 0;
	for (const vp of [...k.vfs.mounts]) {
		const failed: Errno = yield* VOP(k, vp).vfs_sync(k, vp);
		if (failed !== 0) error = failed;
	}
	return error;
}

/** Power-off: write everything, and free all memory. => no process is left. Sleeps. */
export function* vfs_shutdown(k: Kernel): Sleeps<void> {
	yield* vfs_syncall(k);
	for (const vp of k.vfs.mounts.splice(0)) yield* VOP(k, vp).vfs_unmount(k, vp);
}
