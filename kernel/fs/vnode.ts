/**
 * Vnodes (sys/vnode.h): files and directories as the rest of the kernel sees them.
 */
import { EROFS, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import type { dev_t } from "../dev/conf.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { timespec, timespec_kept } from "../kern/core/kern_tc.ts";
import type { pipe } from "../kern/sys/pipe.ts";
import type { lockf_head, lockf_wait } from "../kern/sys/vfs_lockf.ts";
import type { Kernel } from "../kernel.ts";
import type { uvm_object } from "../uvm/uvm_object.ts";

export type vtype = "VREG" | "VDIR" | "VCHR" | "VBLK" | "VLNK" | "VFIFO";

/** Attributes that can be set, and that a file system keeps for each file. */
export interface vattr_kept {
	/** Permission bits. */
	va_mode: number;
	va_uid: number;
	va_gid: number;
	/** Each is the file's own record, of the time of the latest change. */
	readonly va_atime: timespec_kept;
	readonly va_mtime: timespec_kept;
	/** When an attribute or the contents changed. */
	readonly va_ctime: timespec_kept;
}

/** New values of some of them. => copied */
export interface vattr_set extends Partial<Pick<vattr_kept, "va_mode" | "va_uid" | "va_gid">> {
	readonly va_atime?: timespec;
	readonly va_mtime?: timespec;
}

/** Attributes (struct vattr). => the times are the file's own records: not across a sleep. */
export interface vattr extends Readonly<vattr_kept> {
	va_type: vtype;
	va_nlink: number;
	/** Number of the file system, and of the file in it. */
	va_fsid: number;
	va_fileid: number;
	/** Bytes. */
	va_size: number;
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
	/** Files in all, and how many more there may be. */
	readonly f_files: number;
	readonly f_ffree: number;
	readonly f_readonly: boolean;
}

/** What a new file is. */
export interface vnode_what {
	readonly type: vtype;
	readonly mode: number;
	readonly uid: number;
	readonly gid: number;
	/** Of VCHR and VBLK; null for other types. */
	readonly rdev: dev_t | null;
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
	/** Advisory locks; null while there are none. */
	v_lockf: lockf_head | null;
	/** Of VFIFO: what goes through it, while it is open; null otherwise. */
	v_fifo: pipe | null;
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
	/** Where a regular file lies, in one piece, on a disk (VOP_BMAP). Absent: it lies in memory. */
	vop_bmap?(k: Kernel, vp: vnode): { dev: dev_t; blkno: number; sectors: number };
	/** Make room up to `end`; the file grows, unless `keep`. Absent: it cannot. */
	vop_allocate?(k: Kernel, vp: vnode, end: number, keep: boolean): Sleeps<Errno>;
	/** Make [start, end) a hole, which reads as zeros. Absent: it cannot. */
	vop_punch?(k: Kernel, vp: vnode, start: number, end: number): Sleeps<Errno>;
	/** Change attributes. => EROFS. */
	vop_setattr(k: Kernel, vp: vnode, set: vattr_set): Errno;
	/** => the bytes read, fewer at the end of the file, or -errno. */
	vop_read(k: Kernel, vp: vnode, bytes: Uint8Array, offset: number): Sleeps<number>;
	/** => as vop_read. `offset` IO_APPEND: behind the end. */
	vop_write(k: Kernel, vp: vnode, bytes: Uint8Array, offset: number): Sleeps<number>;
	/** Make a file, device or FIFO. => a referenced vnode. EEXIST, EROFS, ENOSPC. */
	vop_create(k: Kernel, dvp: vnode, name: string, what: vnode_what): Sleeps<vnode | Errno>;
	vop_mkdir(k: Kernel, dvp: vnode, name: string, what: vnode_what): Sleeps<Errno>;
	/** Make a symbolic link to `target`. */
	vop_symlink(k: Kernel, dvp: vnode, name: string, what: vnode_what, target: string): Sleeps<Errno>;
	/** Another name for `vp`, which is in the same file system and not a directory. */
	vop_link(k: Kernel, dvp: vnode, name: string, vp: vnode): Sleeps<Errno>;
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
	/** Number of the next file system (va_fsid), and of the next pipe (va_fileid). */
	nextfsid: number;
	nextpipe: number;
	/** Processes that wait for a record lock. */
	readonly lockwaits: lockf_wait[];
}

export const vfs_state = (): vfs_state => ({
	mounts: [],
	devroot: null,
	mounting: false,
	mounted: false,
	error: "",
	memfiles: [],
	nextfsid: 1,
	nextpipe: 1,
	lockwaits: [],
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

/** Drop a reference that is not the last one. => false: it is, and vrele drops it. */
export function vrele_nosleep(vp: vnode): boolean {
	if (vp.v_usecount === 1) return false;
	KASSERT(vp.v_usecount > 0, "vrele: no reference");
	vp.v_usecount--;
	return true;
}

/** For file systems whose names and directories cannot change. */
export const vops_fixed: Pick<
	vnodeops,
	"vop_create" | "vop_mkdir" | "vop_symlink" | "vop_link" | "vop_remove" | "vop_rename"
> = {
	vop_create: fixed,
	vop_mkdir: fixed,
	vop_symlink: fixed,
	vop_link: fixed,
	vop_remove: fixed,
	vop_rename: fixed,
};

function* fixed(): Sleeps<Errno> {
	return EROFS;
}

export const VOP = (k: Kernel, vp: vnode): vnodeops => k.vops[vp.v_op]!;

/** Offset of a write that appends. */
export const IO_APPEND = -1;
