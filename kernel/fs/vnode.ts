/**
 * Vnodes (sys/vnode.h): files and directories as the rest of the kernel sees them.
 */
import { EROFS, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import type { dev_t } from "../dev/conf.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import type { uvm_object } from "../uvm/uvm_object.ts";

export type vtype = "VREG" | "VDIR" | "VCHR" | "VBLK" | "VLNK";

/** Attributes (struct vattr). Times are virtual nanoseconds since reset, plus the file's own. */
export interface vattr {
	va_type: vtype;
	/** Permission bits. */
	va_mode: number;
	va_nlink: number;
	va_uid: number;
	va_gid: number;
	/** Number of the file system, and of the file in it. */
	va_fsid: number;
	va_fileid: number;
	/** Bytes. */
	va_size: number;
	/** Seconds since 1970. */
	va_mtime: number;
	/** Of a device; null for other types. */
	va_rdev: dev_t | null;
}

export interface dirent {
	readonly d_fileno: number;
	readonly d_type: vtype;
	readonly d_name: string;
	/** Where a listing continues after this entry; it increases from entry to entry. */
	readonly d_off: number;
}

/** Size and use of a file system (struct statvfs). */
export interface statvfs {
	/** Bytes of a block; blocks in all, and free. */
	readonly f_bsize: number;
	readonly f_blocks: number;
	readonly f_bfree: number;
	readonly f_files: number;
	readonly f_readonly: boolean;
}

export interface vnode {
	readonly v_type: vtype;
	/** Index in k.vops: which file system it belongs to. */
	readonly v_op: number;
	/** Names, descriptors, mappings and calls in progress that refer to it. */
	v_usecount: number;
	/** The memory object of a regular file; null for other types. */
	readonly v_uobj: uvm_object | null;
	/** The device of VCHR and VBLK; null for other types. */
	readonly v_rdev: dev_t | null;
	/** The root of the file system mounted on this directory, or null. */
	v_mountedhere: vnode | null;
	/** Of the root of a mounted file system: the directory that it covers; or null. */
	v_covered: vnode | null;
	/** For the file system: plain data. */
	readonly v_data: unknown;
}

/**
 * Operations of a file system (struct vnodeops). The caller holds no locks; a function that sleeps
 * does its own locking. Errors are positive errnos unless a count is returned.
 */
export interface vnodeops {
	readonly vop_name: string;
	/** => a referenced vnode; ENOENT, ENOTDIR. */
	vop_lookup(k: Kernel, dvp: vnode, name: string): Sleeps<vnode | Errno>;
	/** The directory above; the root of the file system is its own parent. => referenced. */
	vop_parent(k: Kernel, dvp: vnode): vnode;
	vop_getattr(k: Kernel, vp: vnode): vattr;
	/** Change the size of a regular file: EFBIG, ENOSPC, EROFS. */
	vop_truncate(k: Kernel, vp: vnode, size: number): Sleeps<Errno>;
	vop_setmode(k: Kernel, vp: vnode, mode: number): Errno;
	/** => the bytes read, fewer at the end of the file, or -errno. */
	vop_read(k: Kernel, vp: vnode, bytes: Uint8Array, offset: number): Sleeps<number>;
	/** => as vop_read. `offset` IO_APPEND: behind the end. */
	vop_write(k: Kernel, vp: vnode, bytes: Uint8Array, offset: number): Sleeps<number>;
	/** => a referenced vnode. EEXIST, EROFS, ENOSPC. */
	vop_create(k: Kernel, dvp: vnode, name: string, mode: number): Sleeps<vnode | Errno>;
	vop_mkdir(k: Kernel, dvp: vnode, name: string, mode: number): Sleeps<Errno>;
	/** Remove a file (`dir` false) or an empty directory. */
	vop_remove(k: Kernel, dvp: vnode, name: string, dir: boolean): Sleeps<Errno>;
	vop_rename(k: Kernel, fdvp: vnode, fname: string, tdvp: vnode, tname: string): Sleeps<Errno>;
	/** All entries, "." and ".." first, in a fixed order. */
	vop_readdir(k: Kernel, dvp: vnode): Sleeps<readonly dirent[]>;
	/** The target of a symbolic link. */
	vop_readlink(k: Kernel, vp: vnode): string;
	/** Write everything that is dirty to the disk. */
	vop_fsync(k: Kernel, vp: vnode): Sleeps<Errno>;
	/** Called when the last reference is dropped. */
	vop_inactive(k: Kernel, vp: vnode): Sleeps<void>;

	/** Of the whole file system whose root is `rootvp`: write everything that is dirty. */
	vfs_sync(k: Kernel, rootvp: vnode): Sleeps<Errno>;
	/** Free all memory. => no file is in use. Sleeps. */
	vfs_unmount(k: Kernel, rootvp: vnode): Sleeps<void>;
	vfs_statvfs(k: Kernel, vp: vnode): statvfs;
}

/** Which file system, by vnode.v_op. */
export const VT_TARFS = 0;
export const VT_TMPFS = 1;
export const VT_DEVFS = 2;

/** The mounted file systems, and the progress of vfs_mountroot. */
export interface vfs_state {
	/** Roots of all file systems, the first mounted first. */
	readonly mounts: vnode[];
	/** Root of the file system of devices: open before any other is mounted. */
	devroot: vnode | null;
	/** vfs_mountroot was called; it is done; and its error message, or "". */
	mounting: boolean;
	mounted: boolean;
	error: string;
	/** Files in memory: each has a reference to its object. */
	readonly memfiles: vnode[];
	/** Number of the next file system (va_fsid). */
	nextfsid: number;
}

export const vfs_state = (): vfs_state => ({
	mounts: [],
	devroot: null,
	mounting: false,
	mounted: false,
	error: "",
	memfiles: [],
	nextfsid: 1,
});

/** Add a reference. */
export function vref(vp: vnode): void {
	vp.v_usecount++;
}

/** Drop a reference. => the last one may sleep. */
export function* vrele(k: Kernel, vp: vnode): Sleeps<void> {
	KASSERT(vp.v_usecount > 0, "vrele: no reference");
	if (--vp.v_usecount === 0) yield* VOP(k, vp).vop_inactive(k, vp);
}

/** For file systems whose names and directories cannot change. */
export const vops_fixed: Pick<vnodeops, "vop_create" | "vop_mkdir" | "vop_remove" | "vop_rename"> =
	{
		vop_create: function* () {
			return EROFS;
		},
		vop_mkdir: function* () {
			return EROFS;
		},
		vop_remove: function* () {
			return EROFS;
		},
		vop_rename: function* () {
			return EROFS;
		},
	};

export const VOP = (k: Kernel, vp: vnode): vnodeops => k.vops[vp.v_op]!;

/** Offset of a write that appends. */
export const IO_APPEND = -1;
