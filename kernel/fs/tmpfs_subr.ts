/** Nodes of the file system in memory, and the size of its files (sys/fs/tmpfs/tmpfs_subr.c). */
import { EFBIG, ENOSPC, type Errno } from "../../sys/errno.ts";
import { KASSERT } from "../../sys/panic.ts";
import { atop, round_page } from "../../sys/vmparam.ts";
import { type lock, lockinit } from "../kern/core/kern_lock.ts";
import { free, malloc } from "../kern/core/kern_malloc.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import { pool_get, pool_put } from "../kern/core/subr_pool.ts";
import { pipe_new } from "../kern/sys/pipe.ts";
import type { Kernel } from "../kernel.ts";
import { uao_create, uao_grow, uao_shrink } from "../uvm/uvm_aobj.ts";
import type { uvm_aobj } from "../uvm/uvm_aobj_slots.ts";
import { ubc_uiomove } from "../uvm/uvm_bio.ts";
import { vattr_modified, vattr_new } from "./vfs_attr.ts";
import { VT_TMPFS, type vattr_kept, type vnode, type vnode_what } from "./vnode.ts";

/** Longest file: its object has tables with an element for each page. */
export const FILE_MAX = 1024 * 1024 * 1024;

export interface tmpfs {
	readonly tm_fsid: number;
	/** Total length of all files, in pages. */
	tm_pages: number;
	tm_files: number;
	tm_nextid: number;
	tm_root: tmpfs_node | null;
}

export interface tmpfs_entry {
	readonly te_node: tmpfs_node;
	/** Place in listings. */
	readonly te_off: number;
}

export interface tmpfs_node {
	readonly tn_fs: tmpfs;
	readonly tn_fileid: number;
	readonly tn_vnode: vnode;
	/** Of a directory: the one above; itself once it is removed. */
	tn_parent: tmpfs_node;
	readonly tn_entries: Map<string, tmpfs_entry> | null;
	tn_nextoff: number;
	readonly tn_attr: vattr_kept;
	/** Names; of a directory, with its own "." and the ".." of those in it. */
	tn_nlink: number;
	tn_size: number;
	/** Of a symbolic link. */
	readonly tn_target: string;
	/** Held while the size changes, across sleeps. */
	readonly tn_lock: lock;
}

export const NODE = (vp: vnode): tmpfs_node => vp.v_data as tmpfs_node;
export const AOBJ = (vp: vnode): uvm_aobj => vp.v_uobj as uvm_aobj;

/** An empty file system. => its root. */
export function tmpfs_mount(k: Kernel): vnode {
	const fs: tmpfs = {
		tm_fsid: k.vfs.nextfsid++,
		tm_pages: 0,
		tm_files: 0,
		tm_nextid: 2,
		tm_root: null,
	};
	const what = { type: "VDIR", mode: 0o1777, uid: 0, gid: 0, rdev: null } as const;
	const root = node_make(k, fs, null, what);
	KASSERT(root !== null, "tmpfs_mount: a directory needs no memory");
	fs.tm_root = root;
	return root.tn_vnode;
}

/** Most pages of all files together: half of memory and swap. */
export const limit = (k: Kernel): number => Math.floor((k.uvmexp.npages + k.uvmexp.swpages) / 2);

/** Memory for a node, its vnode, and the target of a symbolic link. => never sleeps. */
function node_alloc(k: Kernel, target: string): boolean {
	const { tmpfsnode, vnodepl } = k.pools;
	if (!pool_get(k, tmpfsnode)) return false;
	if (pool_get(k, vnodepl)) {
		if (malloc(k, target.length)) return true;
		pool_put(vnodepl);
	}
	pool_put(tmpfsnode);
	return false;
}

export function node_free(k: Kernel, target: string): void {
	pool_put(k.pools.tmpfsnode);
	pool_put(k.pools.vnodepl);
	free(k, target.length);
}

/** Memory for a name in a directory, which `leave` returns. => never sleeps. */
export function dirent_alloc(k: Kernel, name: string): boolean {
	if (!pool_get(k, k.pools.tmpfsdirent)) return false;
	if (malloc(k, name.length)) return true;
	pool_put(k.pools.tmpfsdirent);
	return false;
}

export function dirent_free(k: Kernel, name: string): void {
	pool_put(k.pools.tmpfsdirent);
	free(k, name.length);
}

/** A node with one reference, for its name. => null: no memory, or too many nodes. */
export function node_make(
	k: Kernel,
	fs: tmpfs,
	parent: tmpfs_node | null,
	what: vnode_what,
	target = "",
): tmpfs_node | null {
	const { type, mode, uid, gid, rdev } = what;
	if (parent !== null && fs.tm_files >= limit(k)) return null;
	if (!node_alloc(k, target)) return null;
	const uobj = type === "VREG" ? uao_create(k, 0, 0) : null;
	if (type === "VREG" && uobj === null) {
		node_free(k, target);
		return null;
	}
	const attr = vattr_new(k, mode, uid, gid);
	const tn_fileid = fs.tm_nextid++;
	const vp = {
		v_type: type,
		v_op: VT_TMPFS,
		v_usecount: 1,
		v_uobj: uobj,
		v_rdev: rdev,
		v_mountedhere: null,
		v_covered: null,
		v_lockf: null,
		v_fifo: type === "VFIFO" ? pipe_new(tn_fileid, attr) : null,
		v_data: null as unknown,
	} satisfies vnode;
	const node: tmpfs_node = {
		tn_fs: fs,
		tn_fileid,
		tn_vnode: vp,
		tn_parent: parent!,
		tn_entries: type === "VDIR" ? new Map() : null,
		tn_nextoff: 3,
		tn_attr: attr,
		tn_nlink: type === "VDIR" ? 2 : 1,
		tn_size: 0,
		tn_target: target,
		tn_lock: lockinit(),
	};
	if (parent === null) node.tn_parent = node;
	vp.v_data = node;
	if (uobj !== null) k.vfs.memfiles.push(vp);
	fs.tm_files++;
	return node;
}

/** => the directory has no such name yet; its memory is there (dirent_alloc). */
export function enter(k: Kernel, dir: tmpfs_node, name: string, node: tmpfs_node): void {
	dir.tn_entries!.set(name, { te_node: node, te_off: dir.tn_nextoff++ });
	if (node.tn_entries !== null) dir.tn_nlink++;
	vattr_modified(k, dir.tn_attr);
}

/** Remove a name. => the caller drops its reference. */
export function leave(k: Kernel, dir: tmpfs_node, name: string): tmpfs_node {
	const node = dir.tn_entries!.get(name)!.te_node;
	dir.tn_entries!.delete(name);
	dirent_free(k, name);
	if (node.tn_entries !== null) dir.tn_nlink--;
	vattr_modified(k, dir.tn_attr);
	return node;
}

/** Pages that a file of `size` bytes takes. */
export const pages_of = (size: number): number => atop(round_page(size));

/** Make a file longer; the new part reads as zeros. => node locked. */
export function grow(k: Kernel, vp: vnode, size: number): Errno {
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
export function* shrink(k: Kernel, vp: vnode, size: number): Sleeps<Errno> {
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
