/**
 * A file system in memory: /tmp. The contents of a file are an anonymous object, so that they go
 * to swap when memory is short.
 */
import {
	EBUSY,
	EEXIST,
	EFBIG,
	EINVAL,
	EISDIR,
	ENOENT,
	ENOMEM,
	ENOSPC,
	ENOTDIR,
	ENOTEMPTY,
	type Errno,
} from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import { atop, PAGE_SIZE, ptoa, round_page } from "../../sys/vmparam.ts";
import {
	type lock,
	lock_exclusive,
	lock_release_exclusive,
	lockinit,
} from "../kern/core/kern_lock.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import { uao_create, uao_detach, uao_grow, uao_shrink, type uvm_aobj } from "../uvm/uvm_aobj.ts";
import { ubc_uiomove } from "../uvm/uvm_bio.ts";
import {
	type dirent,
	IO_APPEND,
	type statvfs,
	VT_TMPFS,
	type vattr,
	type vnode,
	type vnodeops,
	vref,
	vrele,
	type vtype,
} from "./vnode.ts";

/** Longest file: its object has tables with an element for each page. */
const FILE_MAX = 1024 * 1024 * 1024;

interface tmpfs {
	readonly tm_fsid: number;
	/** Total length of all files, in pages. */
	tm_pages: number;
	tm_files: number;
	tm_nextid: number;
	tm_root: tmpfs_node | null;
}

interface tmpfs_entry {
	readonly te_node: tmpfs_node;
	/** Place in listings. */
	readonly te_off: number;
}

interface tmpfs_node {
	readonly tn_fs: tmpfs;
	readonly tn_fileid: number;
	readonly tn_vnode: vnode;
	/** Of a directory: the one above; itself once it is removed. */
	tn_parent: tmpfs_node;
	readonly tn_entries: Map<string, tmpfs_entry> | null;
	tn_nextoff: number;
	tn_mode: number;
	tn_nlink: number;
	/** Cycle of the latest change. */
	tn_mtime: number;
	tn_size: number;
	/** Held while the size changes, across sleeps. */
	readonly tn_lock: lock;
}

const NODE = (vp: vnode): tmpfs_node => vp.v_data as tmpfs_node;
const AOBJ = (vp: vnode): uvm_aobj => vp.v_uobj as uvm_aobj;

/** An empty file system. => its root. */
export function tmpfs_mount(k: Kernel): vnode {
	const fs: tmpfs = {
		tm_fsid: k.vfs.nextfsid++,
		tm_pages: 0,
		tm_files: 0,
		tm_nextid: 2,
		tm_root: null,
	};
	const root = node_make(k, fs, null, "VDIR", 0o1777);
	KASSERT(root !== null, "tmpfs_mount: a directory needs no memory");
	fs.tm_root = root;
	return root.tn_vnode;
}

/** Most pages of all files together: half of memory and swap. */
const limit = (k: Kernel): number => Math.floor((k.uvmexp.npages + k.uvmexp.swpages) / 2);

/** A node with one reference, for its name. => null: no memory, or too many nodes. */
function node_make(
	k: Kernel,
	fs: tmpfs,
	parent: tmpfs_node | null,
	type: vtype,
	mode: number,
): tmpfs_node | null {
	if (parent !== null && fs.tm_files >= limit(k)) return null;
	const uobj = type === "VREG" ? uao_create(k, 0, 0) : null;
	if (type === "VREG" && uobj === null) return null;
	const vp = {
		v_type: type,
		v_op: VT_TMPFS,
		v_usecount: 1,
		v_uobj: uobj,
		v_rdev: null,
		v_mountedhere: null,
		v_covered: null,
		v_data: null as unknown,
	} satisfies vnode;
	const node: tmpfs_node = {
		tn_fs: fs,
		tn_fileid: fs.tm_nextid++,
		tn_vnode: vp,
		tn_parent: parent!,
		tn_entries: type === "VDIR" ? new Map() : null,
		tn_nextoff: 3,
		tn_mode: mode,
		tn_nlink: type === "VDIR" ? 2 : 1,
		tn_mtime: k.port.cycles,
		tn_size: 0,
		tn_lock: lockinit(),
	};
	if (parent === null) node.tn_parent = node;
	vp.v_data = node;
	if (uobj !== null) k.vfs.memfiles.push(vp);
	fs.tm_files++;
	return node;
}

/** => the directory has no such name yet. */
function enter(k: Kernel, dir: tmpfs_node, name: string, node: tmpfs_node): void {
	dir.tn_entries!.set(name, { te_node: node, te_off: dir.tn_nextoff++ });
	if (node.tn_entries !== null) dir.tn_nlink++;
	dir.tn_mtime = k.port.cycles;
}

/** Remove a name. => the caller drops its reference. */
function leave(k: Kernel, dir: tmpfs_node, name: string): tmpfs_node {
	const node = dir.tn_entries!.get(name)!.te_node;
	dir.tn_entries!.delete(name);
	if (node.tn_entries !== null) dir.tn_nlink--;
	dir.tn_mtime = k.port.cycles;
	return node;
}

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
		va_type: vp.v_type,
		va_mode: node.tn_mode,
		va_nlink: node.tn_nlink,
		va_uid: 0,
		va_gid: 0,
		va_fsid: node.tn_fs.tm_fsid,
		va_fileid: node.tn_fileid,
		va_size: node.tn_size,
		va_mtime: Math.floor(node.tn_mtime / 1e9),
		va_rdev: null,
	};
}

/** Pages that a file of `size` bytes takes. */
const pages_of = (size: number): number => atop(round_page(size));

/** Make a file longer; the new part reads as zeros. => node locked. */
function grow(k: Kernel, vp: vnode, size: number): Errno {
	const node = NODE(vp);
	const { tn_fs } = node;
	if (size > FILE_MAX) return EFBIG;
	const more = pages_of(size) - pages_of(node.tn_size);
	if (more > 0) {
		if (tn_fs.tm_pages + more > limit(k)) return ENOSPC;
		if (!uao_grow(k, AOBJ(vp), pages_of(size))) return ENOSPC;
		tn_fs.tm_pages += more;
	}
	node.tn_size = size;
	return 0;
}

/** Make a file shorter. => node locked. Sleeps. */
function* shrink(k: Kernel, vp: vnode, size: number): Sleeps<Errno> {
	const node = NODE(vp);
	const fewer = pages_of(node.tn_size) - pages_of(size);
	const tail = Math.min(node.tn_size, round_page(size)) - size;
	node.tn_size = size;
	if (fewer > 0) {
		yield* uao_shrink(k, AOBJ(vp), pages_of(size));
		node.tn_fs.tm_pages -= fewer;
	}
	// Zero the rest of the page, which must not reappear when the file grows again.
	if (tail === 0) return 0;
	const n = yield* ubc_uiomove(k, AOBJ(vp), size, new Uint8Array(tail), true);
	return n < 0 ? -n : 0;
}

function* tmpfs_truncate(k: Kernel, vp: vnode, size: number): Sleeps<Errno> {
	if (vp.v_type !== "VREG") return vp.v_type === "VDIR" ? EISDIR : EINVAL;
	const node = NODE(vp);
	yield* lock_exclusive(k, node.tn_lock);
	let error: Errno = 0;
	if (size > node.tn_size) error = grow(k, vp, size);
	else if (size < node.tn_size) error = yield* shrink(k, vp, size);
	node.tn_mtime = k.port.cycles;
	lock_release_exclusive(k, node.tn_lock);
	return error;
}

function* tmpfs_read(k: Kernel, vp: vnode, bytes: Uint8Array, offset: number): Sleeps<number> {
	const n = Math.min(bytes.length, NODE(vp).tn_size - offset);
	if (n <= 0) return 0;
	return yield* ubc_uiomove(k, vp.v_uobj!, offset, bytes.subarray(0, n), false);
}

function* tmpfs_write(k: Kernel, vp: vnode, bytes: Uint8Array, offset: number): Sleeps<number> {
	if (bytes.length === 0) return 0;
	const node = NODE(vp);
	yield* lock_exclusive(k, node.tn_lock);
	const at = offset === IO_APPEND ? node.tn_size : offset;
	const done = yield* write_locked(k, vp, bytes, at);
	if (done > 0) node.tn_mtime = k.port.cycles;
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

/** May a name be made in this directory? Not if it was removed. */
function may_enter(dvp: vnode, name: string): Errno {
	const dir = NODE(dvp);
	if (dir.tn_entries === null) return ENOTDIR;
	if (dir.tn_nlink === 0) return ENOENT;
	return dir.tn_entries.has(name) ? EEXIST : 0;
}

function* tmpfs_create(k: Kernel, dvp: vnode, name: string, mode: number): Sleeps<vnode | Errno> {
	const error = may_enter(dvp, name);
	if (error !== 0) return error;
	const dir = NODE(dvp);
	const node = node_make(k, dir.tn_fs, dir, "VREG", mode);
	if (node === null) return ENOSPC;
	enter(k, dir, name, node);
	vref(node.tn_vnode);
	return node.tn_vnode;
}

function* tmpfs_mkdir(k: Kernel, dvp: vnode, name: string, mode: number): Sleeps<Errno> {
	const error = may_enter(dvp, name);
	if (error !== 0) return error;
	const dir = NODE(dvp);
	const node = node_make(k, dir.tn_fs, dir, "VDIR", mode);
	if (node === null) return ENOSPC;
	enter(k, dir, name, node);
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
	node.tn_nlink = 0;
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
		leave(k, to, tname);
	}
	leave(k, from, fname);
	node.tn_parent = to;
	enter(k, to, tname, node);
	if (old !== undefined) yield* nameless(k, old);
	return 0;
}

function* tmpfs_readdir(_k: Kernel, dvp: vnode): Sleeps<readonly dirent[]> {
	const node = NODE(dvp);
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
		f_files: tm_files,
		f_readonly: false,
	};
}

export const tmpfs_vnodeops: vnodeops = {
	vop_name: "tmpfs",
	vop_lookup: tmpfs_lookup,
	vop_parent: tmpfs_parent,
	vop_getattr: tmpfs_getattr,
	vop_truncate: tmpfs_truncate,
	vop_setmode: (_k, vp, mode) => {
		NODE(vp).tn_mode = mode;
		return 0;
	},
	vop_read: tmpfs_read,
	vop_write: tmpfs_write,
	vop_create: tmpfs_create,
	vop_mkdir: tmpfs_mkdir,
	vop_remove: tmpfs_remove,
	vop_rename: tmpfs_rename,
	vop_readdir: tmpfs_readdir,
	vop_readlink: () => "",
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
