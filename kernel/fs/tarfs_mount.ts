/** Mounting an archive: its headers are read from the disk and become a tree. */
import { ENOMEM } from "../../sys/errno.ts";
import { bdev_name, bdev_size, type dev_t, makedev } from "../dev/conf.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import { timespec_copy } from "../kern/core/kern_tc.ts";
import { physio_copy } from "../kern/proc/kern_physio.ts";
import type { Kernel } from "../kernel.ts";
import {
	pax_parse,
	TAR_BLOCK,
	type tar_extended,
	type tar_member,
	tar_parse,
	tar_string,
} from "./tar.ts";
import {
	tarfs_create,
	tarfs_directory,
	type tarfs_node,
	tarfs_node_make,
	tarfs_vnodeops,
	type tarfs_what,
} from "./tarfs.ts";
import type { vnode } from "./vnode.ts";

/** Longest extended header, in bytes; longest name in a path. */
const EXTENDED_MAX = 64 * 1024;
const NAME_MAX = 255;
/** Sectors that are read at a time. */
const WINDOW = 8;

/** Returns sectors one by one, and reads the disk in larger pieces. */
interface reader {
	readonly dev: dev_t;
	first: number;
	bytes: Uint8Array;
}

/** => a sector, or an error message. Sleeps. */
function* read_block(k: Kernel, r: reader, blkno: number): Sleeps<Uint8Array | string> {
	const at = (blkno - r.first) * TAR_BLOCK;
	if (at >= 0 && at < r.bytes.length) return r.bytes.subarray(at, at + TAR_BLOCK);
	const n = Math.min(WINDOW, bdev_size(k, r.dev) - blkno);
	if (n <= 0) return "the archive is truncated";
	const bytes = new Uint8Array(n * TAR_BLOCK);
	const error = yield* physio_copy(k, r.dev, blkno, bytes, true);
	if (error !== 0) return error === ENOMEM ? "out of memory" : "cannot be read";
	r.first = blkno;
	r.bytes = bytes;
	return bytes.subarray(0, TAR_BLOCK);
}

/**
 * Mount the archive on `dev`.
 * => the root of its tree; or an error message, in one line. Sleeps. Never throws, whatever the
 *    disk holds.
 */
export function* tarfs_mount(k: Kernel, dev: dev_t): Sleeps<vnode | string> {
	const root = tarfs_create(k, dev);
	const r: reader = { dev, first: 0, bytes: new Uint8Array(0) };
	let extended: tar_extended = {};
	const capacity = bdev_size(k, dev);
	for (let blkno = 0; blkno < capacity; ) {
		const where = `${bdev_name(k, dev)}: sector ${blkno}`;
		const block = yield* read_block(k, r, blkno);
		let wrong = typeof block === "string" ? block : "";
		const header = typeof block === "string" ? "end" : tar_parse(block, extended);
		if (typeof block !== "string" && header === "end") break;
		if (header !== "end" && "error" in header) {
			const other = blkno === 0 && header.error === "bad checksum";
			wrong = other ? "not a tar archive" : header.error;
		} else if (header !== "end") {
			const data = blkno + 1;
			const sectors = has_data(header.type) ? Math.ceil(header.size / TAR_BLOCK) : 0;
			if (data + sectors > capacity) {
				wrong = "the archive is truncated";
			} else if ("xgLK".includes(header.type)) {
				wrong = yield* read_extended(k, r, header, data, extended);
			} else {
				wrong = add_member(k, root, header, data);
				extended = {};
			}
			blkno = data + sectors;
		}
		if (wrong !== "") {
			// Nothing was read into the objects of files yet.
			yield* tarfs_vnodeops.vfs_unmount(k, root.tn_vnode);
			return `${where}: ${wrong}`;
		}
	}
	return root.tn_vnode;
}

/** Members of other types have no data, whatever their size field says. */
const has_data = (type: string): boolean => !"123456".includes(type);

/** Read an extended header. => an error message, or "". Sleeps. */
function* read_extended(
	k: Kernel,
	r: reader,
	header: tar_member,
	data: number,
	extended: tar_extended,
): Sleeps<string> {
	if (header.size > EXTENDED_MAX) return "extended header too long";
	const bytes = new Uint8Array(Math.ceil(header.size / TAR_BLOCK) * TAR_BLOCK);
	for (let at = 0; at < bytes.length; at += TAR_BLOCK) {
		const block = yield* read_block(k, r, data + at / TAR_BLOCK);
		if (typeof block === "string") return block;
		bytes.set(block, at);
	}
	const contents = bytes.subarray(0, header.size);
	switch (header.type) {
		case "x":
			return pax_parse(contents, extended);
		case "L":
			extended.path = tar_string(contents);
			return "";
		case "K":
			extended.linkpath = tar_string(contents);
			return "";
		default:
			// Global headers (times, comments) are ignored.
			return "";
	}
}

/** The names of a path; null if it leads out of the tree, or has a name that is too long. */
function path_names(path: string): string[] | null {
	const names = path.split("/").filter((name) => name !== "" && name !== ".");
	return names.some((name) => name === ".." || name.length > NAME_MAX) ? null : names;
}

/** Put a member into the tree. => an error message, or "". */
function add_member(k: Kernel, root: tarfs_node, header: tar_member, blkno: number): string {
	const names = path_names(header.path);
	if (names === null) return "bad name";
	const type = vtype_of(header.type);
	const what = { ...tarfs_directory, type, mode: header.mode, uid: header.uid, gid: header.gid };
	const name = names.pop();
	if (name === undefined) {
		// The root itself.
		if (type !== "VDIR") return "bad name";
		root.tn_attr.va_mode = header.mode;
		return "";
	}
	const dir = make_directories(k, root, names);
	if (dir === null) return "a file and a directory have the same name";
	if (header.type === "1") return add_link(root, dir, name, header.linkpath);
	const full: tarfs_what = {
		...what,
		mtime: Math.max(header.mtime, 0),
		size: type === "VREG" ? header.size : 0,
		target: type === "VLNK" ? header.linkpath : "",
		rdev: type === "VCHR" || type === "VBLK" ? makedev(header.devmajor, header.devminor) : null,
		blkno,
	};
	if (type === "VLNK" && full.target === "") return "empty symbolic link";
	const old = dir.tn_entries!.get(name);
	const time = { tv_sec: full.mtime, tv_nsec: 0 };
	if (old !== undefined && old.tn_entries !== null) {
		if (type !== "VDIR") return "a file and a directory have the same name";
		old.tn_attr.va_mode = header.mode;
		timespec_copy(old.tn_attr.va_mtime, time);
		timespec_copy(old.tn_attr.va_atime, time);
		timespec_copy(old.tn_attr.va_ctime, time);
		return "";
	}
	// A later member replaces an earlier one.
	if (old !== undefined) old.tn_nlink--;
	dir.tn_entries!.set(name, tarfs_node_make(k, dir.tn_fs, dir, full));
	return "";
}

/** Unknown types are files, as POSIX says. */
function vtype_of(type: string): tarfs_what["type"] {
	switch (type) {
		case "2":
			return "VLNK";
		case "3":
			return "VCHR";
		case "4":
			return "VBLK";
		case "5":
			return "VDIR";
		case "6":
			return "VFIFO";
		default:
			return "VREG";
	}
}

/** The directory that the names lead to; missing ones are made. */
function make_directories(
	k: Kernel,
	root: tarfs_node,
	names: readonly string[],
): tarfs_node | null {
	let dir = root;
	for (const name of names) {
		let next = dir.tn_entries!.get(name);
		if (next === undefined) {
			next = tarfs_node_make(k, dir.tn_fs, dir, tarfs_directory);
			dir.tn_entries!.set(name, next);
		}
		if (next.tn_entries === null) return null;
		dir = next;
	}
	return dir;
}

/** Add a hard link. => an error message, or "". */
function add_link(root: tarfs_node, dir: tarfs_node, name: string, linkpath: string): string {
	let node: tarfs_node | undefined = root;
	for (const part of path_names(linkpath) ?? ["/"]) node = node?.tn_entries?.get(part);
	if (node === undefined || node.tn_entries !== null) return "hard link to a missing file";
	const old = dir.tn_entries!.get(name);
	if (old !== undefined && old.tn_entries !== null)
		return "a file and a directory have the same name";
	if (old !== undefined) old.tn_nlink--;
	node.tn_nlink++;
	dir.tn_entries!.set(name, node);
	return "";
}
