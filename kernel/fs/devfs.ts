/** The file system of devices: /dev. Its nodes are made at boot. */
import { EINVAL, ENOENT, ENOTDIR, type Errno } from "../../sys/errno.ts";
import { PAGE_SIZE } from "../../sys/vmparam.ts";
import { bdev_name, bdev_size, CDEV_CONS, CDEV_FB, CDEV_MEM, makedev } from "../dev/conf.ts";
import { DEV_FULL, DEV_NULL, DEV_ZERO } from "../dev/mem.ts";
import type { Sleeps } from "../kern/core/kern_synch.ts";
import type { Kernel } from "../kernel.ts";
import {
	type dirent,
	type statvfs,
	VT_DEVFS,
	type vattr,
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
}

interface devfs_node {
	readonly dn_fs: devfs;
	readonly dn_fileid: number;
	dn_mode: number;
	readonly dn_size: number;
}

const NODE = (vp: vnode): devfs_node => vp.v_data as devfs_node;

const devices: readonly [name: string, major: number, minor: number][] = [
	["console", CDEV_CONS, 0],
	["tty", CDEV_CONS, 0],
	["null", CDEV_MEM, DEV_NULL],
	["zero", CDEV_MEM, DEV_ZERO],
	["full", CDEV_MEM, DEV_FULL],
	["fb0", CDEV_FB, 0],
];

/** Make the nodes. => the root. The disks are attached already. */
export function devfs_mount(k: Kernel): vnode {
	const fs: devfs = { dm_fsid: k.vfs.nextfsid++, dm_root: null, dm_vnodes: new Map() };
	const root = devfs_vnode(fs, "VDIR", null, 0);
	fs.dm_root = root;
	for (const [name, major, minor] of devices) {
		fs.dm_vnodes.set(name, devfs_vnode(fs, "VCHR", makedev(major, minor), 0));
	}
	for (const major of k.bdevsw.keys()) {
		for (let dev = makedev(major, 0); bdev_size(k, dev) >= 0; dev++) {
			const vp = devfs_vnode(fs, "VBLK", dev, bdev_size(k, dev) * 512);
			fs.dm_vnodes.set(bdev_name(k, dev), vp);
		}
	}
	return root;
}

/** A vnode with one reference, for its name. */
function devfs_vnode(fs: devfs, type: vtype, rdev: vnode["v_rdev"], size: number): vnode {
	const node: devfs_node = {
		dn_fs: fs,
		dn_fileid: fs.dm_root === null ? 2 : fs.dm_vnodes.size + 3,
		dn_mode: type === "VDIR" ? 0o755 : 0o666,
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
		v_data: node,
	};
}

/** The console's vnode, for descriptors 0, 1 and 2 of the first process. => referenced. */
export function devfs_console(k: Kernel): vnode {
	const vp = NODE(k.vfs.devroot!).dn_fs.dm_vnodes.get("console")!;
	vref(vp);
	return vp;
}

function* devfs_lookup(_k: Kernel, dvp: vnode, name: string): Sleeps<vnode | Errno> {
	if (dvp.v_type !== "VDIR") return ENOTDIR;
	const vp = NODE(dvp).dn_fs.dm_vnodes.get(name);
	if (vp === undefined) return ENOENT;
	vref(vp);
	return vp;
}

function devfs_getattr(_k: Kernel, vp: vnode): vattr {
	const node = NODE(vp);
	return {
		va_type: vp.v_type,
		va_mode: node.dn_mode,
		va_nlink: vp.v_type === "VDIR" ? 2 : 1,
		va_uid: 0,
		va_gid: 0,
		va_fsid: node.dn_fs.dm_fsid,
		va_fileid: node.dn_fileid,
		va_size: node.dn_size,
		va_mtime: 0,
		va_rdev: vp.v_rdev,
	};
}

function* devfs_readdir(_k: Kernel, dvp: vnode): Sleeps<readonly dirent[]> {
	const { dn_fs, dn_fileid } = NODE(dvp);
	const list: dirent[] = [
		{ d_fileno: dn_fileid, d_type: "VDIR", d_name: ".", d_off: 1 },
		{ d_fileno: dn_fileid, d_type: "VDIR", d_name: "..", d_off: 2 },
	];
	for (const [d_name, vp] of dn_fs.dm_vnodes) {
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
	vop_setmode: (_k, vp, mode) => {
		NODE(vp).dn_mode = mode;
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
	vop_fsync: function* () {
		return 0;
	},
	vop_inactive: function* () {},
	vfs_sync: function* () {
		return 0;
	},
	vfs_unmount: function* () {},
	vfs_statvfs: devfs_statvfs,
};
