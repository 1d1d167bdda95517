/**
 * A file system in memory: /tmp. The contents of a file are an anonymous object, so that they go
 * to swap when memory is short.
 */
import {
	EBUSY,
	EEXIST,
	EINVAL,
	EISDIR,
	ENOENT,
	ENOMEM,
	ENOSPC,
	ENOTDIR,
	ENOTEMPTY,
	ENOTSUP,
	type Errno,
} from "../../sys/errno.ts";
import { PAGE_SIZE, ptoa } from "../../sys/vmparam.ts";
import { lock_exclusive, lock_release_exclusive } from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { uao_detach } from "../uvm/uvm_aobj.ts";
import { uao_punch } from "../uvm/uvm_aobj_punch.ts";
import { ubc_uiomove } from "../uvm/uvm_bio.ts";
import {
	AOBJ,
	dirent_alloc,
	dirent_free,
	enter,
	grow,
	leave,
	limit,
	NODE,
	node_free,
	node_make,
	pages_of,
	shrink,
	type tmpfs_node,
} from "./tmpfs_subr.ts";
import { vattr_accessed, vattr_change, vattr_modified } from "./vfs_attr.ts";
import {
	type dirent,
	IO_APPEND,
	type statvfs,
	type vattr,
	type vnode,
	type vnode_what,
	type vnodeops,
	vref,
	vrele,
} from "./vnode.ts";

function* tmpfs_lookup(_k: Kernel, dvp: vnode, name: string): Sleeps<vnode | Errno> {
	const { tn_entries } = NODE(dvp);
	if (tn_entries === null) return ENOTDIR;
	const entry = tn_entries.get(name);
	if (entry === undefined) return ENOENT;
	vref(entry.te_node.tn_vnode);
	return entry.te_node.tn_vnode;
}

function tmpfs_parent(_k: Kernel, dvp: vnode): vnode {
	const vp = NODE(dvp).tn_parent.tn_vnode;
	vref(vp);
	return vp;
}

function tmpfs_getattr(_k: Kernel, vp: vnode): vattr {
	const node = NODE(vp);
	return {
		...node.tn_attr,
		va_type: vp.v_type,
		va_nlink: node.tn_nlink,
		va_fsid: node.tn_fs.tm_fsid,
		va_fileid: node.tn_fileid,
		va_size: vp.v_type === "VLNK" ? node.tn_target.length : node.tn_size,
		va_rdev: vp.v_rdev,
	};
}

function* tmpfs_truncate(k: Kernel, vp: vnode, size: number): Sleeps<Errno> {
	if (vp.v_type !== "VREG") return vp.v_type === "VDIR" ? EISDIR : EINVAL;
	const node = NODE(vp);
	yield* lock_exclusive(k, node.tn_lock);
	let error: Errno = 0;
	if (size > node.tn_size) error = grow(k, vp, size);
	else if (size < node.tn_size) error = yield* shrink(k, vp, size);
	if (error === 0) vattr_modified(k, node.tn_attr);
	lock_release_exclusive(k, node.tn_lock);
	return error;
}

function* tmpfs_read(k: Kernel, vp: vnode, bytes: Uint8Array, offset: number): Sleeps<number> {
	const n = Math.min(bytes.length, NODE(vp).tn_size - offset);
	if (n <= 0) return 0;
	const done = yield* ubc_uiomove(k, vp.v_uobj!, offset, bytes.subarray(0, n), false);
	if (done > 0) vattr_accessed(k, NODE(vp).tn_attr);
	return done;
}

function* tmpfs_write(k: Kernel, vp: vnode, bytes: Uint8Array, offset: number): Sleeps<number> {
	if (bytes.length === 0) return 0;
	const node = NODE(vp);
	yield* lock_exclusive(k, node.tn_lock);
	const at = offset === IO_APPEND ? node.tn_size : offset;
	const done = yield* write_locked(k, vp, bytes, at);
	if (done > 0) vattr_modified(k, node.tn_attr);
	lock_release_exclusive(k, node.tn_lock);
	return done;
}

/** => node locked. */
function* write_locked(k: Kernel, vp: vnode, bytes: Uint8Array, offset: number): Sleeps<number> {
	const node = NODE(vp);
	const before = node.tn_size;
	let end = offset + bytes.length;
	if (end > before) {
		let error = grow(k, vp, end);
		if (error === ENOSPC) {
			// Write as much as fits.
			const room = limit(k) - node.tn_fs.tm_pages + pages_of(before);
			end = Math.min(end, ptoa(Math.max(room, 0)));
			if (end > offset) error = end > before ? grow(k, vp, end) : 0;
		}
		if (error !== 0) return -error;
	}
	const n = yield* ubc_uiomove(k, vp.v_uobj!, offset, bytes.subarray(0, end - offset), true);
	const reached = offset + Math.max(n, 0);
	// Undo the growth that was not written.
	if (reached < end && end > before) yield* shrink(k, vp, Math.max(before, reached));
	return n === -ENOMEM ? -ENOSPC : n;
}

/** Make room: the length of a file is its room, so there is nothing to do inside of it. */
function* tmpfs_allocate(k: Kernel, vp: vnode, end: number, keep: boolean): Sleeps<Errno> {
	const node = NODE(vp);
	yield* lock_exclusive(k, node.tn_lock);
	let error: Errno = 0;
	if (end > node.tn_size) error = keep ? ENOTSUP : grow(k, vp, end);
	if (error === 0) vattr_modified(k, node.tn_attr);
	lock_release_exclusive(k, node.tn_lock);
	return error;
}

/** Free the pages in [start, end), and zero what is left of it. Sleeps. */
function* tmpfs_punch(k: Kernel, vp: vnode, start: number, end: number): Sleeps<Errno> {
	const node = NODE(vp);
	yield* lock_exclusive(k, node.tn_lock);
	const error = yield* uao_punch(k, AOBJ(vp), start, Math.min(end, node.tn_size));
	vattr_modified(k, node.tn_attr);
	lock_release_exclusive(k, node.tn_lock);
	return error;
}

/** May a name be made in this directory? Not if it was removed. */
function may_enter(dvp: vnode, name: string): Errno {
	const dir = NODE(dvp);
	if (dir.tn_entries === null) return ENOTDIR;
	if (dir.tn_nlink === 0) return ENOENT;
	return dir.tn_entries.has(name) ? EEXIST : 0;
}

/** Make a node with a name. => the node, or an errno. */
function make(
	k: Kernel,
	dvp: vnode,
	name: string,
	what: vnode_what,
	target = "",
): tmpfs_node | Errno {
	const error = may_enter(dvp, name);
	if (error !== 0) return error;
	const dir = NODE(dvp);
	// A directory with the set-group-ID bit gives its group, and a directory the bit, too.
	const sgid = (dir.tn_attr.va_mode & S_ISGID) !== 0;
	const mode = sgid && what.type === "VDIR" ? what.mode | S_ISGID : what.mode;
	const own = sgid ? { ...what, mode, gid: dir.tn_attr.va_gid } : what;
	if (!dirent_alloc(k, name)) return ENOSPC;
	const node = node_make(k, dir.tn_fs, dir, own, target);
	if (node === null) {
		dirent_free(k, name);
		return ENOSPC;
	}
	enter(k, dir, name, node);
	return node;
}

const S_ISGID = 0o2000;

function* tmpfs_create(
	k: Kernel,
	dvp: vnode,
	name: string,
	what: vnode_what,
): Sleeps<vnode | Errno> {
	const node = make(k, dvp, name, what);
	if (typeof node === "number") return node;
	vref(node.tn_vnode);
	return node.tn_vnode;
}

function* tmpfs_mkdir(k: Kernel, dvp: vnode, name: string, what: vnode_what): Sleeps<Errno> {
	const node = make(k, dvp, name, what);
	return typeof node === "number" ? node : 0;
}

function* tmpfs_symlink(
	k: Kernel,
	dvp: vnode,
	name: string,
	what: vnode_what,
	target: string,
): Sleeps<Errno> {
	const node = make(k, dvp, name, what, target);
	return typeof node === "number" ? node : 0;
}

function* tmpfs_link(k: Kernel, dvp: vnode, name: string, vp: vnode): Sleeps<Errno> {
	const error = may_enter(dvp, name);
	if (error !== 0) return error;
	const node = NODE(vp);
	// It may have lost its last name while the caller looked for a place for this one.
	if (node.tn_nlink === 0) return ENOENT;
	if (!dirent_alloc(k, name)) return ENOSPC;
	node.tn_nlink++;
	vref(vp);
	vattr_change(k, node.tn_attr, {});
	enter(k, NODE(dvp), name, node);
	return 0;
}

/** May this node lose its name, as a file or as a directory? */
function may_leave(node: tmpfs_node, dir: boolean): Errno {
	if (node.tn_vnode.v_mountedhere !== null) return EBUSY;
	if (!dir) return node.tn_entries !== null ? EISDIR : 0;
	if (node.tn_entries === null) return ENOTDIR;
	return node.tn_entries.size > 0 ? ENOTEMPTY : 0;
}

/** Finish the removal of a name: drop its reference. Sleeps. */
function* nameless(k: Kernel, node: tmpfs_node): Sleeps<void> {
	node.tn_nlink = node.tn_entries === null ? node.tn_nlink - 1 : 0;
	vattr_change(k, node.tn_attr, {});
	// The parent of a removed directory, in which a process may still be, is itself.
	node.tn_parent = node;
	yield* vrele(k, node.tn_vnode);
}

function* tmpfs_remove(k: Kernel, dvp: vnode, name: string, dir: boolean): Sleeps<Errno> {
	const entry = NODE(dvp).tn_entries?.get(name);
	if (entry === undefined) return ENOENT;
	const error = may_leave(entry.te_node, dir);
	if (error !== 0) return error;
	yield* nameless(k, leave(k, NODE(dvp), name));
	return 0;
}

function* tmpfs_rename(
	k: Kernel,
	fdvp: vnode,
	fname: string,
	tdvp: vnode,
	tname: string,
): Sleeps<Errno> {
	const [from, to] = [NODE(fdvp), NODE(tdvp)];
	const node = from.tn_entries!.get(fname)?.te_node;
	if (node === undefined || to.tn_nlink === 0) return ENOENT;
	if (node.tn_vnode.v_mountedhere !== null) return EBUSY;
	if (node.tn_entries !== null) {
		for (let up = to; up !== up.tn_parent; up = up.tn_parent) if (up === node) return EINVAL;
	}
	const old = to.tn_entries!.get(tname)?.te_node;
	if (old === node) return 0;
	if (old !== undefined) {
		const error = may_leave(old, node.tn_entries !== null);
		if (error !== 0) return error;
	}
	if (!dirent_alloc(k, tname)) return ENOSPC;
	if (old !== undefined) leave(k, to, tname);
	leave(k, from, fname);
	vattr_change(k, node.tn_attr, {});
	node.tn_parent = to;
	enter(k, to, tname, node);
	if (old !== undefined) yield* nameless(k, old);
	return 0;
}

function* tmpfs_readdir(k: Kernel, dvp: vnode): Sleeps<readonly dirent[]> {
	const node = NODE(dvp);
	vattr_accessed(k, node.tn_attr);
	const list: dirent[] = [
		{ d_fileno: node.tn_fileid, d_type: "VDIR", d_name: ".", d_off: 1 },
		{ d_fileno: node.tn_parent.tn_fileid, d_type: "VDIR", d_name: "..", d_off: 2 },
	];
	for (const [d_name, { te_node, te_off }] of node.tn_entries!) {
		const { tn_fileid, tn_vnode } = te_node;
		list.push({ d_fileno: tn_fileid, d_type: tn_vnode.v_type, d_name, d_off: te_off });
	}
	return list;
}

/** The last reference is gone; mappings may still keep the contents. */
function* tmpfs_inactive(k: Kernel, vp: vnode): Sleeps<void> {
	const node = NODE(vp);
	const { tn_fs } = node;
	tn_fs.tm_files--;
	tn_fs.tm_pages -= pages_of(node.tn_size);
	node.tn_size = 0;
	node_free(k, node.tn_target);
	if (vp.v_uobj === null) return;
	const { memfiles } = k.vfs;
	memfiles.splice(memfiles.indexOf(vp), 1);
	yield* uao_detach(k, vp.v_uobj);
}

/** Free everything: it is stored nowhere else. */
function* tmpfs_unmount(k: Kernel, rootvp: vnode): Sleeps<void> {
	const dirs = [NODE(rootvp)];
	for (let dir = dirs.pop(); dir !== undefined; dir = dirs.pop()) {
		for (const [name, { te_node }] of [...dir.tn_entries!]) {
			leave(k, dir, name);
			if (te_node.tn_entries !== null) dirs.push(te_node);
			else yield* nameless(k, te_node);
		}
	}
}

function tmpfs_statvfs(k: Kernel, vp: vnode): statvfs {
	const { tm_pages, tm_files } = NODE(vp).tn_fs;
	const f_blocks = limit(k);
	return {
		f_bsize: PAGE_SIZE,
		f_blocks,
		f_bfree: Math.max(f_blocks - tm_pages, 0),
		f_files: Math.max(f_blocks, tm_files),
		f_ffree: Math.max(f_blocks - tm_files, 0),
		f_readonly: false,
	};
}

export const tmpfs_vnodeops: vnodeops = {
	vop_name: "tmpfs",
	vop_lookup: tmpfs_lookup,
	vop_parent: tmpfs_parent,
	vop_getattr: tmpfs_getattr,
	vop_truncate: tmpfs_truncate,
	vop_setattr: (k, vp, set) => {
		vattr_change(k, NODE(vp).tn_attr, set);
		return 0;
	},
	vop_allocate: tmpfs_allocate,
	vop_punch: tmpfs_punch,
	vop_read: tmpfs_read,
	vop_write: tmpfs_write,
	vop_create: tmpfs_create,
	vop_mkdir: tmpfs_mkdir,
	vop_symlink: tmpfs_symlink,
	vop_link: tmpfs_link,
	vop_remove: tmpfs_remove,
	vop_rename: tmpfs_rename,
	vop_readdir: tmpfs_readdir,
	vop_readlink: (k, vp) => {
		vattr_accessed(k, NODE(vp).tn_attr);
		return NODE(vp).tn_target;
	},
	vop_fsync: function* () {
		return 0;
	},
	vop_inactive: tmpfs_inactive,
	vfs_sync: function* () {
		return 0;
	},
	vfs_unmount: tmpfs_unmount,
	vfs_statvfs: tmpfs_statvfs,
};
