/** Open files that are vnodes: regular files, directories and devices (sys/kern/vfs_vnops.c). */
import {
	EACCES,
	EBADF,
	EBUSY,
	EEXIST,
	EINVAL,
	EIO,
	EISDIR,
	ELOOP,
	ENODEV,
	ENOTDIR,
	ENOTSUP,
	ENOTTY,
	ENXIO,
	EROFS,
	type Errno,
	ESPIPE,
	ETXTBSY,
} from "../../../sys/errno.ts";
import {
	VM_PROT_ALL,
	VM_PROT_EXECUTE,
	VM_PROT_READ,
	VM_PROT_WRITE,
	type vm_prot_t,
} from "../../../sys/vmparam.ts";
import {
	bdev_open,
	bdev_size,
	type cdevsw,
	type dev_t,
	FREAD,
	FWRITE,
	major,
	minor,
} from "../../dev/conf.ts";
import { ZERODEV } from "../../dev/mem.ts";
import { IO_APPEND, VOP, type vnode, vref, vrele } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import { uao_punch } from "../../uvm/uvm_aobj_punch.ts";
import type { uvm_aobj } from "../../uvm/uvm_aobj_slots.ts";
import { udv_attach } from "../../uvm/uvm_device.ts";
import { PAGER_AOBJ, pagerops, type uvm_object, type voff_t } from "../../uvm/uvm_object.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import {
	type file,
	type fileops,
	O_ACCMODE,
	O_APPEND,
	O_CREAT,
	O_DIRECTORY,
	O_EXCL,
	O_NOFOLLOW,
	O_PATH,
	O_RDONLY,
	O_RDWR,
	O_TRUNC,
	O_WRONLY,
	POLLIN,
	POLLOUT,
} from "../proc/file.ts";
import {
	kauth_cred_getegid,
	kauth_cred_geteuid,
	VEXEC,
	VREAD,
	VWRITE,
	vaccess_proc,
} from "../proc/kern_auth.ts";
import { physio, physio_copy } from "../proc/kern_physio.ts";
import type { proc } from "../proc/kern_proc.ts";
import { namei, namei_parent } from "./vfs_lookup.ts";

/**
 * Find or make a file, and open it (vn_open).
 * => referenced; or an errno. Sleeps.
 */
export function* vn_open(
	k: Kernel,
	p: proc,
	start: vnode | null,
	path: string,
	flags: number,
	mode: number,
): Sleeps<vnode | Errno> {
	if ((flags & (O_ACCMODE | O_PATH)) === O_ACCMODE) return EINVAL;
	const vp = yield* find_or_make(k, p, start, path, flags, mode);
	if (typeof vp === "number") return vp;
	let error: Errno;
	if ((flags & O_PATH) === 0) error = open_check(k, p, vp, flags);
	else error = (flags & O_DIRECTORY) !== 0 && vp.v_type !== "VDIR" ? ENOTDIR : 0;
	if (error === 0 && (flags & (O_TRUNC | O_PATH)) === O_TRUNC && vp.v_type === "VREG") {
		error = yield* VOP(k, vp).vop_truncate(k, vp, 0);
	}
	if (error === 0) return vp;
	yield* vrele(k, vp);
	return error;
}

function* find_or_make(
	k: Kernel,
	p: proc,
	start: vnode | null,
	path: string,
	flags: number,
	mode: number,
): Sleeps<vnode | Errno> {
	const excl = (flags & (O_CREAT | O_EXCL)) === (O_CREAT | O_EXCL);
	const follow = (flags & O_NOFOLLOW) === 0 && !excl;
	if ((flags & O_CREAT) === 0 || (flags & O_PATH) !== 0) {
		const found = yield* namei(k, start, path, follow);
		return typeof found === "number" ? found : yield* open_access(k, p, found, flags);
	}
	const found = yield* namei_parent(k, start, path, follow);
	if (typeof found === "number") return found;
	const { ni_dvp, ni_name, ni_vp, ni_slash } = found;
	let vp: vnode | Errno;
	if (ni_vp === null) {
		const error = vaccess_proc(p, VOP(k, ni_dvp).vop_getattr(k, ni_dvp), VWRITE | VEXEC);
		const [uid, gid] = [kauth_cred_geteuid(p), kauth_cred_getegid(p)];
		const what = { type: "VREG", mode: mode & ~p.p_umask & 0o7777, uid, gid, rdev: null } as const;
		if (ni_slash) vp = EISDIR;
		else if (error !== 0) vp = error;
		else vp = yield* VOP(k, ni_dvp).vop_create(k, ni_dvp, ni_name, what);
	} else if (excl || ni_vp.v_type === "VDIR") {
		yield* vrele(k, ni_vp);
		vp = excl ? EEXIST : EISDIR;
	} else {
		vp = yield* open_access(k, p, ni_vp, flags);
	}
	yield* vrele(k, ni_dvp);
	return vp;
}

/** Does the mode of a file allow to open it? => the file, or EACCES: then it is released. */
function* open_access(k: Kernel, p: proc, vp: vnode, flags: number): Sleeps<vnode | Errno> {
	const how = flags & O_ACCMODE;
	let accmode = how === O_WRONLY ? 0 : VREAD;
	if (how !== O_RDONLY || (flags & O_TRUNC) !== 0) accmode |= VWRITE;
	if ((flags & O_PATH) !== 0 || vp.v_type === "VLNK") return vp;
	const error = vaccess_proc(p, VOP(k, vp).vop_getattr(k, vp), accmode);
	if (error === 0) return vp;
	yield* vrele(k, vp);
	return error;
}

/** May this vnode be opened with these flags? */
function open_check(k: Kernel, p: proc, vp: vnode, flags: number): Errno {
	const write = (flags & O_ACCMODE) !== O_RDONLY || (flags & O_TRUNC) !== 0;
	if ((flags & O_DIRECTORY) !== 0 && vp.v_type !== "VDIR") return ENOTDIR;
	switch (vp.v_type) {
		case "VLNK":
			return ELOOP;
		case "VFIFO":
			return 0;
		case "VDIR":
			return write ? EISDIR : 0;
		case "VREG":
			if (write && k.uvm.swap_files.includes(vp)) return ETXTBSY;
			return write && VOP(k, vp).vfs_statvfs(k, vp).f_readonly ? EROFS : 0;
		case "VCHR": {
			const dev = cdev(k, vp);
			if (dev === undefined) return ENXIO;
			return dev.d_open?.(k, p, minor(vp.v_rdev!), flags) ?? 0;
		}
		case "VBLK": {
			const dev = vp.v_rdev!;
			if (bdev_size(k, dev) < 0) return ENXIO;
			if (k.uvm.swap_list.some((sdp) => sdp.swd_dev === dev && sdp.swd_vp === null)) {
				return EBUSY;
			}
			// A mounted disk must not change underneath its file system.
			if (write && k.uvm.uvn_list.some((uvn) => uvn.u_dev === dev)) return EBUSY;
			return bdev_open(k, dev, write ? FREAD | FWRITE : FREAD);
		}
	}
}

const cdev = (k: Kernel, vp: vnode): cdevsw | undefined => k.cdevsw[major(vp.v_rdev!)];

/**
 * Read or write at `offset` (pread and pwrite; read and write pass the offset of the file).
 * => bytes, or -errno. Sleeps.
 */
export function* vn_rdwr(
	k: Kernel,
	vp: vnode,
	bytes: Uint8Array,
	offset: number,
	write: boolean,
): Sleeps<number> {
	switch (vp.v_type) {
		case "VREG":
			if (write) return yield* VOP(k, vp).vop_write(k, vp, bytes, offset);
			return yield* VOP(k, vp).vop_read(k, vp, bytes, offset);
		case "VBLK":
			return yield* spec_rdwr(k, vp, bytes, offset, write);
		case "VCHR":
			return yield* cspec_rdwr(k, vp, bytes, offset, write);
		case "VDIR":
			return -EISDIR;
		default:
			return -EINVAL;
	}
}

/** Is it a character device that has no positions? */
export const vn_nopos = (k: Kernel, vp: vnode): boolean =>
	vp.v_type === "VCHR" && cdev(k, vp)?.d_nopos?.(minor(vp.v_rdev!)) === true;

/** Is it seekable? Of character devices, those that are memory or have no positions. */
export const vn_seekable = (k: Kernel, vp: vnode): boolean =>
	vp.v_type !== "VFIFO" && (vp.v_type !== "VCHR" || cdev_ismemory(k, vp) || vn_nopos(k, vp));

function cdev_ismemory(k: Kernel, vp: vnode): boolean {
	const dev = cdev(k, vp);
	return dev?.d_mmap !== undefined || dev?.d_ismemory?.(minor(vp.v_rdev!)) === true;
}

/** A character device that is seekable. => as vn_rdwr. */
function* cspec_rdwr(
	k: Kernel,
	vp: vnode,
	bytes: Uint8Array,
	offset: number,
	write: boolean,
): Sleeps<number> {
	const dev = cdev(k, vp);
	if (dev === undefined || !vn_seekable(k, vp)) return -ESPIPE;
	const unit = minor(vp.v_rdev!);
	const p = k.curlwp.l_proc!;
	if (write) return yield* dev.d_write(k, p, unit, bytes, 0, offset);
	return yield* dev.d_read(k, p, unit, bytes, 0, offset);
}

/** How many bytes at `offset` a transfer of whole sectors can move. => 0: the end; or -errno */
function spec_size(k: Kernel, dev: dev_t, size: number, offset: number, write: boolean): number {
	const sectors = bdev_size(k, dev);
	if (sectors < 0) return -ENXIO;
	const left = sectors * 512 - offset;
	if (left <= 0) return write ? -EIO : 0;
	const n = Math.min(size, left);
	return offset % 512 !== 0 || n % 512 !== 0 ? -EINVAL : n;
}

/** Whole sectors of a disk, bypassing the page cache. => as vn_rdwr. */
function* spec_rdwr(
	k: Kernel,
	vp: vnode,
	bytes: Uint8Array,
	offset: number,
	write: boolean,
): Sleeps<number> {
	const dev = vp.v_rdev!;
	const n = spec_size(k, dev, bytes.length, offset, write);
	if (n <= 0) return n;
	const error = yield* physio_copy(k, dev, offset / 512, bytes.subarray(0, n), !write);
	return error === 0 ? n : -error;
}

/** The same between a disk and user memory. => as fo_direct. */
function* spec_direct(
	k: Kernel,
	p: proc,
	fp: file,
	va: number,
	size: number,
	offset: number | null,
	write: boolean,
): Sleeps<number> {
	const dev = fp.f_vnode!.v_rdev!;
	const from = offset ?? fp.f_offset;
	let n = spec_size(k, dev, size, from, write);
	if (n <= 0) return n;
	n = yield* physio(k, p.p_vmspace!.vm_map, dev, from / 512, va, n, !write);
	if (n === -EBUSY) return 0;
	if (n > 0 && offset === null) fp.f_offset = from + n;
	return n;
}

/** Read from a regular file. => bytes, fewer at its end, or -errno. Sleeps. */
export function* vn_read(k: Kernel, vp: vnode, bytes: Uint8Array, offset: number): Sleeps<number> {
	return yield* vn_rdwr(k, vp, bytes, offset, false);
}

/** The program that `path` names. => a referenced regular file; EACCES if it is something else. */
export function* vn_open_exec(k: Kernel, p: proc, path: string): Sleeps<vnode | Errno> {
	const vp = yield* namei(k, p.p_fd?.fd_cdir ?? null, path, true);
	if (typeof vp === "number" || vp.v_type === "VREG") return vp;
	yield* vrele(k, vp);
	return EACCES;
}

/**
 * Make a part of a mapped object a hole: of a file in memory, or of memory that has no file (any
 * more). => ENOTSUP: it cannot. Sleeps; the caller has a reference.
 */
export function* vn_punch(k: Kernel, uobj: uvm_object, from: voff_t, to: voff_t): Sleeps<Errno> {
	const vp = k.vfs.memfiles.find(({ v_uobj }) => v_uobj === uobj);
	if (vp !== undefined) {
		vref(vp);
		const error = yield* VOP(k, vp).vop_punch!(k, vp, from, to);
		yield* vrele(k, vp);
		return error;
	}
	return uobj.pgops === PAGER_AOBJ ? yield* uao_punch(k, uobj as uvm_aobj, from, to) : ENOTSUP;
}

/**
 * The memory object of a descriptor, and the maximum protection of its mappings.
 * => the caller gets a reference to the object; null: /dev/zero, anonymous memory.
 * => EACCES: not opened for that; ENODEV: not mappable; EINVAL: a device cannot be mapped
 *    privately; ETXTBSY: a swap device. The fault checks where a file ends.
 */
export function* vn_mmap(
	k: Kernel,
	p: proc,
	fd: number,
	prot: vm_prot_t,
	shared: boolean,
): Sleeps<{ uobj: uvm_object | null; maxprot: vm_prot_t } | Errno> {
	const fp = p.p_fd!.fd_ofiles[fd] ?? null;
	if (fp === null || (fp.f_flag & O_PATH) !== 0) return EBADF;
	const vp = fp.f_vnode;
	if (vp === null || (vp.v_type !== "VREG" && vp.v_type !== "VCHR")) return ENODEV;
	const mode = fp.f_flag & O_ACCMODE;
	if (mode === O_WRONLY) return EACCES;
	let maxprot = VM_PROT_ALL;
	if (shared && mode !== O_RDWR) maxprot = VM_PROT_READ | VM_PROT_EXECUTE;
	if ((prot & VM_PROT_WRITE & ~maxprot) !== 0) return EACCES;
	if (vp.v_type === "VCHR") {
		if (vp.v_rdev === ZERODEV) return { uobj: null, maxprot };
		const udv = udv_attach(k, vp.v_rdev!);
		if (typeof udv === "number") return udv;
		if (shared) return { uobj: udv, maxprot };
		yield* pagerops(k, udv).pgo_detach(k, udv);
		return EINVAL;
	}
	if (k.uvm.swap_files.includes(vp)) return ETXTBSY;
	const uobj = vp.v_uobj!;
	pagerops(k, uobj).pgo_reference(k, uobj);
	return { uobj, maxprot };
}

/** Read or write a character device at the offset of its open file. => as fo_read. */
function* cdev_rdwr(
	k: Kernel,
	p: proc,
	fp: file,
	bytes: Uint8Array,
	write: boolean,
): Sleeps<number> {
	const vp = fp.f_vnode!;
	const dev = cdev(k, vp);
	if (dev === undefined) return -ENXIO;
	const unit = minor(vp.v_rdev!);
	const at = fp.f_offset;
	const n = write
		? yield* dev.d_write(k, p, unit, bytes, fp.f_flag, at)
		: yield* dev.d_read(k, p, unit, bytes, fp.f_flag, at);
	if (n > 0) fp.f_offset = at + n;
	return n;
}

function* vn_fo_read(k: Kernel, p: proc, fp: file, bytes: Uint8Array): Sleeps<number> {
	const vp = fp.f_vnode!;
	if (vp.v_type === "VCHR") return yield* cdev_rdwr(k, p, fp, bytes, false);
	const offset = fp.f_offset;
	const n = yield* vn_rdwr(k, vp, bytes, offset, false);
	if (n > 0) fp.f_offset = offset + n;
	return n;
}

function* vn_fo_write(k: Kernel, p: proc, fp: file, bytes: Uint8Array): Sleeps<number> {
	const vp = fp.f_vnode!;
	if (vp.v_type === "VCHR") return yield* cdev_rdwr(k, p, fp, bytes, true);
	const append = (fp.f_flag & O_APPEND) !== 0 && vp.v_type === "VREG";
	const offset = fp.f_offset;
	const n = yield* vn_rdwr(k, vp, bytes, append ? IO_APPEND : offset, true);
	if (n > 0) fp.f_offset = append ? VOP(k, vp).vop_getattr(k, vp).va_size : offset + n;
	return n;
}

function* vn_fo_ioctl(k: Kernel, p: proc, fp: file, cmd: number, arg: number): Sleeps<number> {
	const vp = fp.f_vnode!;
	const dev = vp.v_type === "VCHR" ? cdev(k, vp) : undefined;
	if (dev?.d_ioctl === undefined) return -ENOTTY;
	return yield* dev.d_ioctl(k, p, minor(vp.v_rdev!), cmd, arg);
}

function vn_fo_poll(k: Kernel, fp: file, events: number): number {
	const vp = fp.f_vnode!;
	const dev = vp.v_type === "VCHR" ? cdev(k, vp) : undefined;
	if (dev?.d_poll !== undefined) return dev.d_poll(k, minor(vp.v_rdev!), events);
	return events & (POLLIN | POLLOUT);
}

export const vnode_fileops: fileops = {
	fo_read: vn_fo_read,
	fo_write: vn_fo_write,
	fo_direct: spec_direct,
	fo_ioctl: vn_fo_ioctl,
	fo_poll: vn_fo_poll,
	fo_stat: (k, fp) => VOP(k, fp.f_vnode!).vop_getattr(k, fp.f_vnode!),
	fo_close: function* (k, fp) {
		yield* vrele(k, fp.f_vnode!);
	},
};

/** The vnode of a directory that a descriptor refers to. => referenced, or an errno. */
export function fd_directory(p: proc, fd: number): vnode | Errno {
	const fp = p.p_fd!.fd_ofiles[fd] ?? null;
	if (fp === null) return EBADF;
	const vp = fp.f_vnode;
	if (vp === null || vp.v_type !== "VDIR") return ENOTDIR;
	vref(vp);
	return vp;
}
