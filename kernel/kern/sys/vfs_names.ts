/** System calls that make, change and remove names (sys/kern/vfs_syscalls.c). */
import {
	EBUSY,
	EEXIST,
	EINVAL,
	EISDIR,
	ENAMETOOLONG,
	ENOENT,
	ENOTDIR,
	EPERM,
	type Errno,
	EXDEV,
} from "../../../sys/errno.ts";
import { type dev_t, makedev } from "../../dev/conf.ts";
import { VOP, type vnode, type vnode_what, vrele, type vtype } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { copyout } from "../proc/copy.ts";
import {
	kauth_cred_getegid,
	kauth_cred_geteuid,
	kauth_issuser,
	VEXEC,
	VWRITE,
	vaccess_proc,
	vsticky,
} from "../proc/kern_auth.ts";
import type { proc } from "../proc/kern_proc.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";
import {
	AT_EMPTY_PATH,
	AT_REMOVEDIR,
	AT_SYMLINK_FOLLOW,
	AT_SYMLINK_NOFOLLOW,
	namei_at,
	nameidata_rele,
	parent_at,
} from "./vfs_at.ts";
import { copyinpath, type nameidata, PATH_MAX } from "./vfs_lookup.ts";

export const sysent_names: sysent = {
	[SYS.mknodat]: (k, p, a) => sys_mknodat(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
	[SYS.mkdirat]: (k, p, a) => sys_mkdirat(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.symlinkat]: (k, p, a) => sys_symlinkat(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.linkat]: (k, p, a) => sys_linkat(k, p, a),
	[SYS.unlinkat]: (k, p, a) => sys_unlinkat(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.renameat2]: (k, p, a) => sys_renameat2(k, p, a),
	[SYS.readlinkat]: (k, p, a) => sys_readlinkat(k, p, a[0]!, a[1]!, a[2]!, a[3]!),
};

/** May `p` add a name to a directory, or remove one? */
export const may_change = (k: Kernel, p: proc, dvp: vnode): Errno =>
	vaccess_proc(p, VOP(k, dvp).vop_getattr(k, dvp), VWRITE | VEXEC);

/** May `p` remove the name `vp` from `dvp`? */
function may_remove(k: Kernel, p: proc, dvp: vnode, vp: vnode): Errno {
	const error = may_change(k, p, dvp);
	if (error !== 0) return error;
	return vsticky(p, VOP(k, dvp).vop_getattr(k, dvp), VOP(k, vp).vop_getattr(k, vp));
}

/** A new file of `p`. */
export const what_made = (
	p: proc,
	type: vtype,
	mode: number,
	rdev: dev_t | null = null,
): vnode_what => ({
	type,
	mode: mode & ~p.p_umask,
	uid: kauth_cred_geteuid(p),
	gid: kauth_cred_getegid(p),
	rdev,
});

/** The types that mknod can make, by the type bits of the mode. */
const MKNOD_TYPES = new Map<number, vtype>([
	[0, "VREG"],
	[0o010000, "VFIFO"],
	[0o020000, "VCHR"],
	[0o060000, "VBLK"],
	[0o100000, "VREG"],
]);

/** A device number as Linux packs it into 32 bits. */
const dev_decode = (dev: number): dev_t =>
	makedev((dev >>> 8) & 0xfff, (dev & 0xff) | ((dev >>> 12) & 0xf_ff00));

function* sys_mknodat(
	k: Kernel,
	p: proc,
	fd: number,
	va: number,
	mode: number,
	dev: number,
): Sleeps<number> {
	const type = MKNOD_TYPES.get(mode & 0o170000);
	const nd = yield* parent_at(k, p, fd, va);
	if (typeof nd === "number") return -nd;
	const device = type === "VCHR" || type === "VBLK";
	let error: Errno = may_change(k, p, nd.ni_dvp);
	if (nd.ni_vp !== null) error = EEXIST;
	else if (type === undefined) error = (mode & 0o170000) === 0o040000 ? EPERM : EINVAL;
	else if (nd.ni_slash) error = ENOENT;
	else if (device && !kauth_issuser(p)) error = EPERM;
	else if (error === 0) {
		const what = what_made(p, type, mode & 0o7777, device ? dev_decode(dev) : null);
		const made = yield* VOP(k, nd.ni_dvp).vop_create(k, nd.ni_dvp, nd.ni_name, what);
		if (typeof made === "number") error = made;
		else yield* vrele(k, made);
	}
	yield* nameidata_rele(k, nd);
	return -error;
}

function* sys_symlinkat(k: Kernel, p: proc, from: number, fd: number, va: number): Sleeps<number> {
	const target = yield* copyinpath(k, p, from);
	if (typeof target === "number") return -target;
	if (target === "") return -ENOENT;
	if (target.length >= PATH_MAX) return -ENAMETOOLONG;
	const nd = yield* parent_at(k, p, fd, va);
	if (typeof nd === "number") return -nd;
	const { ni_dvp, ni_name } = nd;
	let error: Errno = may_change(k, p, ni_dvp);
	if (nd.ni_vp !== null) error = EEXIST;
	else if (nd.ni_slash) error = ENOENT;
	else if (error === 0) {
		const what = { ...what_made(p, "VLNK", 0o777), mode: 0o777 };
		error = yield* VOP(k, ni_dvp).vop_symlink(k, ni_dvp, ni_name, what, target);
	}
	yield* nameidata_rele(k, nd);
	return -error;
}

function* sys_linkat(k: Kernel, p: proc, a: Uint32Array): Sleeps<number> {
	const flags = a[4]!;
	if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
	const nofollow = (flags & AT_SYMLINK_FOLLOW) === 0 ? AT_SYMLINK_NOFOLLOW : 0;
	const vp = yield* namei_at(k, p, a[0]!, a[1]!, nofollow | (flags & AT_EMPTY_PATH));
	if (typeof vp === "number") return -vp;
	const nd = yield* parent_at(k, p, a[2]!, a[3]!);
	const error = typeof nd === "number" ? nd : yield* link(k, p, vp, nd);
	if (typeof nd !== "number") yield* nameidata_rele(k, nd);
	yield* vrele(k, vp);
	return -error;
}

function* link(k: Kernel, p: proc, vp: vnode, nd: nameidata): Sleeps<Errno> {
	const { ni_dvp, ni_name, ni_vp, ni_slash } = nd;
	if (ni_vp !== null) return EEXIST;
	if (ni_slash) return ENOENT;
	if (fsid(k, vp) !== fsid(k, ni_dvp)) return EXDEV;
	if (vp.v_type === "VDIR") return EPERM;
	const error = may_change(k, p, ni_dvp);
	return error !== 0 ? error : yield* VOP(k, ni_dvp).vop_link(k, ni_dvp, ni_name, vp);
}

const fsid = (k: Kernel, vp: vnode): number => VOP(k, vp).vop_getattr(k, vp).va_fsid;

const is_dot = (name: string): boolean => name === "." || name === "..";

function* sys_mkdirat(k: Kernel, p: proc, fd: number, va: number, mode: number): Sleeps<number> {
	const nd = yield* parent_at(k, p, fd, va);
	if (typeof nd === "number") return -nd;
	const { ni_dvp, ni_name } = nd;
	let error: Errno = nd.ni_vp !== null ? EEXIST : may_change(k, p, ni_dvp);
	if (error === 0) {
		const what = what_made(p, "VDIR", mode & 0o1777);
		error = yield* VOP(k, ni_dvp).vop_mkdir(k, ni_dvp, ni_name, what);
	}
	yield* nameidata_rele(k, nd);
	return -error;
}

function* sys_unlinkat(k: Kernel, p: proc, fd: number, va: number, flags: number): Sleeps<number> {
	if ((flags & ~AT_REMOVEDIR) !== 0) return -EINVAL;
	const nd = yield* parent_at(k, p, fd, va);
	if (typeof nd === "number") return -nd;
	const { ni_dvp, ni_name, ni_vp } = nd;
	const dir = (flags & AT_REMOVEDIR) !== 0;
	let error: Errno;
	if (ni_vp === null) error = ENOENT;
	else if (ni_name === "" || ni_vp.v_covered !== null) error = dir ? EBUSY : EISDIR;
	else if (is_dot(ni_name)) error = dir ? EINVAL : EISDIR;
	else error = may_remove(k, p, ni_dvp, ni_vp);
	if (error === 0) error = yield* VOP(k, ni_dvp).vop_remove(k, ni_dvp, ni_name, dir);
	yield* nameidata_rele(k, nd);
	return -error;
}

const RENAME_NOREPLACE = 1;

function* sys_renameat2(k: Kernel, p: proc, a: Uint32Array): Sleeps<number> {
	const flags = a[4]!;
	if ((flags & ~RENAME_NOREPLACE) !== 0) return -EINVAL;
	const from = yield* parent_at(k, p, a[0]!, a[1]!);
	if (typeof from === "number") return -from;
	const to = yield* parent_at(k, p, a[2]!, a[3]!);
	if (typeof to === "number") {
		yield* nameidata_rele(k, from);
		return -to;
	}
	const error = yield* rename(k, p, from, to, (flags & RENAME_NOREPLACE) !== 0);
	yield* nameidata_rele(k, from);
	yield* nameidata_rele(k, to);
	return -error;
}

function* rename(
	k: Kernel,
	p: proc,
	from: nameidata,
	to: nameidata,
	noreplace: boolean,
): Sleeps<Errno> {
	const fvp = from.ni_vp;
	const tvp = to.ni_vp;
	if (fvp === null) return ENOENT;
	if (noreplace && tvp !== null) return EEXIST;
	for (const nd of [from, to]) {
		if (nd.ni_name === "" || is_dot(nd.ni_name)) return EBUSY;
		if (nd.ni_vp !== null && nd.ni_vp.v_covered !== null) return EBUSY;
	}
	const [fdvp, tdvp] = [from.ni_dvp, to.ni_dvp];
	if (fsid(k, fdvp) !== fsid(k, tdvp)) return EXDEV;
	if (tvp !== null && tvp.v_type === "VDIR" && fvp.v_type !== "VDIR") return EISDIR;
	if ((to.ni_slash || from.ni_slash) && fvp.v_type !== "VDIR") return ENOTDIR;
	const left = may_remove(k, p, fdvp, fvp);
	if (left !== 0) return left;
	const entered = tvp === null ? may_change(k, p, tdvp) : may_remove(k, p, tdvp, tvp);
	if (entered !== 0) return entered;
	return yield* VOP(k, fdvp).vop_rename(k, fdvp, from.ni_name, tdvp, to.ni_name);
}

function* sys_readlinkat(
	k: Kernel,
	p: proc,
	fd: number,
	va: number,
	buf: number,
	size: number,
): Sleeps<number> {
	if (size === 0) return -EINVAL;
	const vp = yield* namei_at(k, p, fd, va, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
	if (typeof vp === "number") return -vp;
	const link = vp.v_type === "VLNK";
	const target = link ? VOP(k, vp).vop_readlink(k, vp) : "";
	yield* vrele(k, vp);
	if (!link) return -EINVAL;
	const bytes = Uint8Array.from(target.slice(0, size), (c) => c.charCodeAt(0));
	const error = yield* copyout(k, p.p_vmspace!.vm_map, bytes, buf);
	return error === 0 ? bytes.length : -error;
}
