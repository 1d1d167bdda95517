/**
 * A file system that is a tar archive on a disk: the root of the system. The tree is read at mount
 * and does not change; the contents of files can be changed in place.
 */
import { EFBIG, EISDIR, ENOENT, ENOTDIR, EROFS, type Errno, ETXTBSY } from "../../sys/errno.ts";
import { bdev_open, bdev_size, type dev_t, FREAD, FWRITE } from "../dev/conf.ts";
import { simple_lock } from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import { pipe_new } from "../kern/sys/pipe.ts";
import type { Kernel } from "../kernel.ts";
import { ubc_uiomove } from "../uvm/uvm_bio.ts";
import { PGO_ALLPAGES, PGO_CLEANIT, PGO_SYNCIO, type uvm_object } from "../uvm/uvm_object.ts";
import { type uvm_vnode, uvn_attach, uvn_detach, uvn_put } from "../uvm/uvm_vnode.ts";
import { vattr_accessed, vattr_change, vattr_modified, vattr_since } from "./vfs_attr.ts";
import {
	type dirent,
	IO_APPEND,
	type statvfs,
	VT_TARFS,
	type vattr,
	type vattr_kept,
	type vattr_set,
	type vnode,
	type vnodeops,
	vops_fixed,
	vref,
	type vtype,
} from "./vnode.ts";

/** A mounted archive. */
export interface tarfs {
	readonly tm_fsid: number;
	/** null: a tree without an archive. */
	readonly tm_dev: dev_t | null;
	readonly tm_readonly: boolean;
	readonly tm_nodes: tarfs_node[];
}

export interface tarfs_node {
	readonly tn_fs: tarfs;
	readonly tn_fileid: number;
	readonly tn_vnode: vnode;
	tn_parent: tarfs_node;
	/** Of a directory: its entries, by name. */
	readonly tn_entries: Map<string, tarfs_node> | null;
	/** Times change in memory only: the headers of the archive stay as they are. */
	readonly tn_attr: vattr_kept;
	tn_nlink: number;
	readonly tn_size: number;
	/** Of a symbolic link. */
	readonly tn_target: string;
}

/** The attributes of a new node. */
export interface tarfs_what {
	readonly type: vtype;
	readonly mode: number;
	readonly uid: number;
	readonly gid: number;
	readonly mtime: number;
	readonly size: number;
	readonly target: string;
	readonly rdev: dev_t | null;
	/** First sector of the contents. */
	readonly blkno: number;
}

const NODE = (vp: vnode): tarfs_node => vp.v_data as tarfs_node;

/** A directory of mode 0755. */
export const tarfs_directory: tarfs_what = {
	type: "VDIR",
	mode: 0o755,
	uid: 0,
	gid: 0,
	mtime: 0,
	size: 0,
	target: "",
	rdev: null,
	blkno: 0,
};

/** A tree that has only its root. `dev` holds the contents of files. => its root. */
export function tarfs_create(k: Kernel, dev: dev_t | null): tarfs_node {
	const fs: tarfs = {
		tm_fsid: k.vfs.nextfsid++,
		tm_dev: dev,
		tm_readonly: dev === null || bdev_open(k, dev, FREAD | FWRITE) !== 0,
		tm_nodes: [],
	};
	return tarfs_node_make(k, fs, null, tarfs_directory);
}

/** A node without a name yet. The tree has a reference to it while it is mounted. */
export function tarfs_node_make(
	k: Kernel,
	fs: tarfs,
	parent: tarfs_node | null,
	what: tarfs_what,
): tarfs_node {
	const regular = what.type === "VREG";
	const attr = vattr_since(what.mtime, what.mode, what.uid, what.gid);
	const tn_fileid = fs.tm_nodes.length + 2;
	const vp = {
		v_type: what.type,
		v_op: VT_TARFS,
		v_usecount: 1,
		v_uobj: regular ? uvn_attach(k, fs.tm_dev!, what.blkno, what.size) : null,
		v_rdev: what.rdev,
		v_mountedhere: null,
		v_covered: null,
		v_lockf: null,
		v_fifo: what.type === "VFIFO" ? pipe_new(tn_fileid, attr) : null,
		v_data: null as unknown,
	} satisfies vnode;
	const node: tarfs_node = {
		tn_fs: fs,
		tn_fileid,
		tn_vnode: vp,
		tn_parent: parent!,
		tn_entries: what.type === "VDIR" ? new Map() : null,
		tn_attr: attr,
		tn_nlink: 1,
		tn_size: what.size,
		tn_target: what.target,
	};
	if (parent === null) node.tn_parent = node;
	vp.v_data = node;
	fs.tm_nodes.push(node);
	return node;
}

/**
 * A directory of that name, made in memory if there is none: a place to mount on.
 * => it replaces a file of that name.
 */
export function tarfs_mountpoint(k: Kernel, root: vnode, name: string): vnode {
	const parent = NODE(root);
	const old = parent.tn_entries!.get(name);
	if (old !== undefined && old.tn_entries !== null) return old.tn_vnode;
	const made = tarfs_node_make(k, parent.tn_fs, parent, tarfs_directory);
	parent.tn_entries!.set(name, made);
	return made.tn_vnode;
}

function* tarfs_lookup(_k: Kernel, dvp: vnode, name: string): Sleeps<vnode | Errno> {
	const { tn_entries } = NODE(dvp);
	if (tn_entries === null) return ENOTDIR;
	const node = tn_entries.get(name);
	if (node === undefined) return ENOENT;
	vref(node.tn_vnode);
	return node.tn_vnode;
}

function tarfs_parent(_k: Kernel, dvp: vnode): vnode {
	const vp = NODE(dvp).tn_parent.tn_vnode;
	vref(vp);
	return vp;
}

function tarfs_getattr(_k: Kernel, vp: vnode): vattr {
	const node = NODE(vp);
	const { tn_entries } = node;
	const subdirs = [...(tn_entries?.values() ?? [])].filter((n) => n.tn_entries !== null).length;
	return {
		...node.tn_attr,
		va_type: vp.v_type,
		va_nlink: tn_entries === null ? node.tn_nlink : 2 + subdirs,
		va_fsid: node.tn_fs.tm_fsid,
		va_fileid: node.tn_fileid,
		va_size: vp.v_type === "VLNK" ? node.tn_target.length : node.tn_size,
		va_rdev: vp.v_rdev,
	};
}

/** The last sector belongs to the file alone, too. */
function tarfs_bmap(_k: Kernel, vp: vnode): { dev: dev_t; blkno: number; sectors: number } {
	const { u_dev, u_blkno, u_size } = vp.v_uobj as uvm_vnode;
	return { dev: u_dev, blkno: u_blkno, sectors: Math.ceil(u_size / 512) };
}

/** The size of a file is fixed. */
function* tarfs_truncate(k: Kernel, vp: vnode, size: number): Sleeps<Errno> {
	const node = NODE(vp);
	if (vp.v_type === "VDIR") return EISDIR;
	if (node.tn_fs.tm_readonly) return EROFS;
	if (k.uvm.swap_files.includes(vp)) return ETXTBSY;
	if (size === node.tn_size) return 0;
	return size > node.tn_size ? EFBIG : EROFS;
}

/** Times can be set while the disk can be written; the mode and the owner are fixed. */
function tarfs_setattr(k: Kernel, vp: vnode, set: vattr_set): Errno {
	const { tn_fs, tn_attr } = NODE(vp);
	const { va_mode, va_uid, va_gid } = set;
	if (tn_fs.tm_readonly) return EROFS;
	if (va_mode !== undefined || va_uid !== undefined || va_gid !== undefined) return EROFS;
	vattr_change(k, tn_attr, set);
	return 0;
}

function* tarfs_read(k: Kernel, vp: vnode, bytes: Uint8Array, offset: number): Sleeps<number> {
	const n = Math.min(bytes.length, NODE(vp).tn_size - offset);
	if (n <= 0) return 0;
	const done = yield* ubc_uiomove(k, vp.v_uobj!, offset, bytes.subarray(0, n), false);
	if (done > 0 && !NODE(vp).tn_fs.tm_readonly) vattr_accessed(k, NODE(vp).tn_attr);
	return done;
}

function* tarfs_write(k: Kernel, vp: vnode, bytes: Uint8Array, offset: number): Sleeps<number> {
	const node = NODE(vp);
	if (node.tn_fs.tm_readonly) return -EROFS;
	if (k.uvm.swap_files.includes(vp)) return -ETXTBSY;
	if (bytes.length === 0) return 0;
	const n = Math.min(bytes.length, node.tn_size - offset);
	// Appending would make it longer.
	if (n <= 0 || offset === IO_APPEND) return -EFBIG;
	const done = yield* ubc_uiomove(k, vp.v_uobj!, offset, bytes.subarray(0, n), true);
	if (done > 0) vattr_modified(k, node.tn_attr);
	return done;
}

function* tarfs_readdir(_k: Kernel, dvp: vnode): Sleeps<readonly dirent[]> {
	const node = NODE(dvp);
	const list: dirent[] = [
		{ d_fileno: node.tn_fileid, d_type: "VDIR", d_name: ".", d_off: 1 },
		{ d_fileno: node.tn_parent.tn_fileid, d_type: "VDIR", d_name: "..", d_off: 2 },
	];
	for (const [d_name, entry] of node.tn_entries!) {
		const d_off = list.length + 1;
		list.push({ d_fileno: entry.tn_fileid, d_type: entry.tn_vnode.v_type, d_name, d_off });
	}
	return list;
}

/**
 * Write a file's dirty pages, and wait.
 * => an error, also (once) of an earlier asynchronous write.
 */
function* tarfs_flush(k: Kernel, uobj: uvm_object): Sleeps<Errno> {
	simple_lock(k, uobj.vmobjlock);
	return yield* uvn_put(k, uobj, 0, 0, PGO_ALLPAGES | PGO_CLEANIT | PGO_SYNCIO);
}

function* tarfs_fsync(k: Kernel, vp: vnode): Sleeps<Errno> {
	return vp.v_uobj === null ? 0 : yield* tarfs_flush(k, vp.v_uobj);
}

function* tarfs_sync(k: Kernel, rootvp: vnode): Sleeps<Errno> {
	let error: Errno = 0;
	for (const { tn_vnode } of NODE(rootvp).tn_fs.tm_nodes) {
		const failed: Errno = yield* tarfs_fsync(k, tn_vnode);
		if (failed === 0) continue;
		error = failed;
		// Users of the file get the error, too.
		(tn_vnode.v_uobj as uvm_vnode).u_error = failed;
	}
	return error;
}

function* tarfs_unmount(k: Kernel, rootvp: vnode): Sleeps<void> {
	for (const { tn_vnode } of NODE(rootvp).tn_fs.tm_nodes.splice(0)) {
		if (tn_vnode.v_uobj !== null) yield* uvn_detach(k, tn_vnode.v_uobj);
	}
}

function tarfs_statvfs(k: Kernel, vp: vnode): statvfs {
	const { tm_dev, tm_readonly, tm_nodes } = NODE(vp).tn_fs;
	return {
		f_bsize: 512,
		f_blocks: tm_dev === null ? 0 : bdev_size(k, tm_dev),
		f_bfree: 0,
		f_files: tm_nodes.length,
		f_ffree: 0,
		f_readonly: tm_readonly,
	};
}

export const tarfs_vnodeops: vnodeops = {
	vop_name: "tarfs",
	vop_lookup: tarfs_lookup,
	vop_parent: tarfs_parent,
	vop_getattr: tarfs_getattr,
	vop_truncate: tarfs_truncate,
	vop_bmap: tarfs_bmap,
	vop_setattr: tarfs_setattr,
	vop_read: tarfs_read,
	vop_write: tarfs_write,
	...vops_fixed,
	vop_readdir: tarfs_readdir,
	vop_readlink: (_k, vp) => NODE(vp).tn_target,
	vop_fsync: tarfs_fsync,
	// The tree refers to every node.
	vop_inactive: function* () {},
	vfs_sync: tarfs_sync,
	vfs_unmount: tarfs_unmount,
	vfs_statvfs: tarfs_statvfs,
};
