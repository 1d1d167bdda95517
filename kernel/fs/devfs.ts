/**
 * The file system of devices: /dev. Its nodes are made at boot, except those of /dev/fd: that has
 * the descriptors of the process that looks, as NetBSD's fdescfs.
 */
import { EINVAL, ENOENT, ENOTDIR, type Errno } from "../../sys/errno.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import {
	bdev_cachesync,
	bdev_name,
	bdev_size,
	CDEV_CONS,
	CDEV_FB,
	CDEV_FD,
	CDEV_MEM,
	CDEV_RND,
	major,
	makedev,
	minor,
} from "../dev/conf.ts";
import { DEV_FULL, DEV_KMEM, DEV_MEM, DEV_NULL, DEV_ZERO } from "../dev/mem.ts";
import { RND_DEV_RANDOM, RND_DEV_URANDOM } from "../dev/rnd.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { file } from "../kern/proc/file.ts";
import type { Kernel } from "../kernel.ts";
import { vattr_change, vattr_new } from "./vfs_attr.ts";
import {
	type dirent,
	type statvfs,
	VT_DEVFS,
	type vattr,
	type vattr_kept,
	type vnode,
	type vnodeops,
	vops_fixed,
	vref,
	type vtype,
} from "./vnode.ts";

interface devfs {
	readonly dm_fsid: number;
	/** null only while it is being made. */
	dm_root: vnode | null;
	readonly dm_vnodes: Map<string, vnode>;
	/** Of /dev/fd, by descriptor, as far as they were looked up. */
	readonly dm_fds: Map<number, vnode>;
	dm_nextid: number;
}

interface devfs_node {
	readonly dn_fs: devfs;
	readonly dn_fileid: number;
	readonly dn_attr: vattr_kept;
	readonly dn_size: number;
}

const NODE = (vp: vnode): devfs_node => vp.v_data as devfs_node;

const devices: readonly [name: string, major: number, minor: number, mode?: number][] = [
	["console", CDEV_CONS, 0],
	["tty", CDEV_CONS, 0],
	["null", CDEV_MEM, DEV_NULL],
	["zero", CDEV_MEM, DEV_ZERO],
	["full", CDEV_MEM, DEV_FULL],
	["fb0", CDEV_FB, 0],
	["random", CDEV_RND, RND_DEV_RANDOM],
	["urandom", CDEV_RND, RND_DEV_URANDOM],
	["stdin", CDEV_FD, 0],
	["stdout", CDEV_FD, 1],
	["stderr", CDEV_FD, 2],
	["mem", CDEV_MEM, DEV_MEM, 0o640],
	["kmem", CDEV_MEM, DEV_KMEM, 0o640],
];

/** The directory of descriptors, and the one that a file system in memory is mounted on. */
const FD = "fd";
const SHM = "shm";

/** Make the nodes. => the root. The disks are attached already. */
export function devfs_mount(k: Kernel): vnode {
	const fs: devfs = {
		dm_fsid: k.vfs.nextfsid++,
		dm_root: null,
		dm_vnodes: new Map(),
		dm_fds: new Map(),
		dm_nextid: 2,
	};
	const root = devfs_vnode(k, fs, "VDIR", null, 0);
	fs.dm_root = root;
	for (const [name, ma, mi, mode] of devices) {
		fs.dm_vnodes.set(name, devfs_vnode(k, fs, "VCHR", makedev(ma, mi), 0, mode));
	}
	for (const name of [FD, SHM]) fs.dm_vnodes.set(name, devfs_vnode(k, fs, "VDIR", null, 0));
	for (const ma of k.bdevsw.keys()) {
		for (let dev = makedev(ma, 0); bdev_size(k, dev) >= 0; dev++) {
			const vp = devfs_vnode(k, fs, "VBLK", dev, bdev_size(k, dev) * 512);
			fs.dm_vnodes.set(bdev_name(k, dev), vp);
		}
	}
	return root;
}

/** A vnode with one reference, for its name. */
function devfs_vnode(
	k: Kernel,
	fs: devfs,
	type: vtype,
	rdev: vnode["v_rdev"],
	size: number,
	mode = type === "VDIR" ? 0o755 : 0o666,
): vnode {
	const node: devfs_node = {
		dn_fs: fs,
		dn_fileid: fs.dm_nextid++,
		dn_attr: vattr_new(k, mode, 0, 0),
		dn_size: size,
	};
	return {
		v_type: type,
		v_op: VT_DEVFS,
		v_usecount: 1,
		v_uobj: null,
		v_rdev: rdev,
		v_mountedhere: null,
		v_covered: null,
		v_lockf: null,
		v_fifo: null,
		v_data: node,
	};
}

/** The console's vnode, for descriptors 0, 1 and 2 of the first process. => referenced. */
export function devfs_console(k: Kernel): vnode {
	const vp = NODE(k.vfs.devroot!).dn_fs.dm_vnodes.get("console")!;
	vref(vp);
	return vp;
}

/** /dev/shm, to mount on. */
export const devfs_shm = (k: Kernel): vnode => NODE(k.vfs.devroot!).dn_fs.dm_vnodes.get(SHM)!;

const is_fd_directory = (vp: vnode): boolean => NODE(vp).dn_fs.dm_vnodes.get(FD) === vp;

/** The open file of a descriptor of the running process, or null. */
const own_file = (k: Kernel, fd: number): file | null =>
	k.curlwp.l_proc?.p_fd?.fd_ofiles[fd] ?? null;

/** The node of /dev/fd/`name`, made at the first lookup. */
function fd_vnode(k: Kernel, dvp: vnode, name: string): vnode | undefined {
	const fd = /^(0|[1-9]\d{0,3})$/.test(name) ? Number(name) : -1;
	if (own_file(k, fd) === null) return undefined;
	const { dn_fs } = NODE(dvp);
	const vp = dn_fs.dm_fds.get(fd) ?? devfs_vnode(k, dn_fs, "VCHR", makedev(CDEV_FD, fd), 0);
	dn_fs.dm_fds.set(fd, vp);
	return vp;
}

function* devfs_lookup(k: Kernel, dvp: vnode, name: string): Sleeps<vnode | Errno> {
	if (dvp.v_type !== "VDIR") return ENOTDIR;
	const { dm_vnodes, dm_root } = NODE(dvp).dn_fs;
	let vp: vnode | undefined;
	if (dvp === dm_root) vp = dm_vnodes.get(name);
	else if (is_fd_directory(dvp)) vp = fd_vnode(k, dvp, name);
	if (vp === undefined) return ENOENT;
	vref(vp);
	return vp;
}

/** => of a descriptor's node: the attributes of what it refers to. */
function devfs_getattr(k: Kernel, vp: vnode): vattr {
	const node = NODE(vp);
	if (vp.v_type === "VCHR" && major(vp.v_rdev!) === CDEV_FD) {
		const fp = own_file(k, minor(vp.v_rdev!));
		if (fp !== null) return k.fileops[fp.f_type]!.fo_stat(k, fp);
	}
	return {
		...node.dn_attr,
		va_type: vp.v_type,
		va_nlink: vp.v_type !== "VDIR" ? 1 : vp === node.dn_fs.dm_root ? 4 : 2,
		va_fsid: node.dn_fs.dm_fsid,
		va_fileid: node.dn_fileid,
		va_size: node.dn_size,
		va_rdev: vp.v_rdev,
	};
}

/** Names and nodes in a directory. */
function entries(k: Kernel, dvp: vnode): (readonly [string, vnode])[] {
	const { dm_vnodes, dm_root } = NODE(dvp).dn_fs;
	if (dvp === dm_root) return [...dm_vnodes];
	const files = is_fd_directory(dvp) ? (k.curlwp.l_proc?.p_fd?.fd_ofiles ?? []) : [];
	return files.flatMap((_, fd) => {
		const vp = fd_vnode(k, dvp, String(fd));
		return vp === undefined ? [] : [[String(fd), vp] as const];
	});
}

function* devfs_readdir(k: Kernel, dvp: vnode): Sleeps<readonly dirent[]> {
	const { dn_fs, dn_fileid } = NODE(dvp);
	const list: dirent[] = [
		{ d_fileno: dn_fileid, d_type: "VDIR", d_name: ".", d_off: 1 },
		{ d_fileno: NODE(dn_fs.dm_root!).dn_fileid, d_type: "VDIR", d_name: "..", d_off: 2 },
	];
	for (const [d_name, vp] of entries(k, dvp)) {
		const d_off = list.length + 1;
		list.push({ d_fileno: NODE(vp).dn_fileid, d_type: vp.v_type, d_name, d_off });
	}
	return list;
}

const devfs_statvfs = (_k: Kernel, vp: vnode): statvfs => ({
	f_bsize: PAGE_SIZE,
	f_blocks: 0,
	f_bfree: 0,
	f_files: NODE(vp).dn_fs.dm_vnodes.size,
	f_ffree: 0,
	f_readonly: false,
});

export const devfs_vnodeops: vnodeops = {
	vop_name: "devfs",
	vop_lookup: devfs_lookup,
	vop_parent: (_k, dvp) => {
		const root = NODE(dvp).dn_fs.dm_root!;
		vref(root);
		return root;
	},
	vop_getattr: devfs_getattr,
	// A device has no size to change; O_TRUNC is ignored.
	vop_truncate: function* () {
		return 0;
	},
	vop_setattr: (k, vp, set) => {
		vattr_change(k, NODE(vp).dn_attr, set);
		return 0;
	},
	// Devices are read and written through their drivers: kern/sys/vfs_vnops.ts.
	vop_read: function* () {
		return -EINVAL;
	},
	vop_write: function* () {
		return -EINVAL;
	},
	...vops_fixed,
	vop_readdir: devfs_readdir,
	vop_readlink: () => "",
	// Their writes do not wait in memory.
	vop_fsync: function* (k, vp) {
		return vp.v_type === "VBLK" ? yield* bdev_cachesync(k, vp.v_rdev!) : 0;
	},
	vop_inactive: function* () {},
	vfs_sync: function* () {
		return 0;
	},
	vfs_unmount: function* () {},
	vfs_statvfs: devfs_statvfs,
};
