/** Path name lookup (sys/kern/vfs_lookup.c). */
import { EFAULT, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, type Errno } from "../../../sys/errno.ts";
import { PAGE_MASK, PAGE_SIZE } from "../../../sys/vmparam.ts";
import { VOP, type vnode, vref, vrele } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { copyin } from "../proc/copy.ts";
import { kauth_issuser, VEXEC, vaccess_proc } from "../proc/kern_auth.ts";
import type { proc } from "../proc/kern_proc.ts";

/** Longest path with its zero byte, and longest name in it, in bytes. */
export const PATH_MAX = 1024;
export const NAME_MAX = 255;
const MAXSYMLINKS = 32;

/** Bytes of a path copied at once. */
const CHUNK = 64;

/** The result of a lookup. */
export interface nameidata {
	/** The directory that has, or would have, the last name. Referenced. */
	readonly ni_dvp: vnode;
	/** Empty if the path has no name: "/". */
	readonly ni_name: string;
	/** Referenced; null: there is no such name. */
	readonly ni_vp: vnode | null;
	/** The path ends with a slash. */
	readonly ni_slash: boolean;
}

/** A path from user memory; a character stands for a byte. Sleeps. */
export function* copyinpath(k: Kernel, p: proc, va: number): Sleeps<string | Errno> {
	let path = "";
	while (path.length < PATH_MAX) {
		const at = va + path.length;
		const n = Math.min(CHUNK, PAGE_SIZE - (at & PAGE_MASK), PATH_MAX - path.length);
		const bytes = new Uint8Array(n);
		if ((yield* copyin(k, p.p_vmspace!.vm_map, at, bytes)) !== 0) return EFAULT;
		const end = bytes.indexOf(0);
		path += String.fromCharCode(...(end < 0 ? bytes : bytes.subarray(0, end)));
		if (end >= 0) return path;
	}
	return ENAMETOOLONG;
}

/**
 * The vnode that `path` leads to from `start` (null: the root).
 * => `follow`: a symbolic link at its end, too, is followed.
 * => referenced; or an errno. Sleeps.
 */
export function* namei(
	k: Kernel,
	start: vnode | null,
	path: string,
	follow: boolean,
): Sleeps<vnode | Errno> {
	const found = yield* namei_parent(k, start, path, follow);
	if (typeof found === "number") return found;
	yield* vrele(k, found.ni_dvp);
	return found.ni_vp ?? ENOENT;
}

/** As namei, for callers that make or remove names. => see nameidata; or an errno. Sleeps. */
export function* namei_parent(
	k: Kernel,
	start: vnode | null,
	path: string,
	follow: boolean,
): Sleeps<nameidata | Errno> {
	if (path === "") return ENOENT;
	let dvp = path.startsWith("/") || start === null ? k.rootvnode! : start;
	let rest = path;
	let links = 0;
	vref(dvp);
	for (;;) {
		const { name, more, last } = split(rest);
		if (name === "") {
			vref(dvp);
			return { ni_dvp: dvp, ni_name: "", ni_vp: dvp, ni_slash: true };
		}
		const vp = yield* lookup(k, dvp, name);
		if (vp === ENOENT && last) {
			return { ni_dvp: dvp, ni_name: name, ni_vp: null, ni_slash: more !== "" };
		}
		if (typeof vp === "number") {
			yield* vrele(k, dvp);
			return vp;
		}
		if (vp.v_type === "VLNK" && (!last || follow || more !== "")) {
			const target = VOP(k, vp).vop_readlink(k, vp);
			yield* vrele(k, vp);
			rest = target + more;
			const long = rest.length >= PATH_MAX;
			if (++links > MAXSYMLINKS || long || target === "") {
				yield* vrele(k, dvp);
				return long ? ENAMETOOLONG : target === "" ? ENOENT : ELOOP;
			}
			if (rest.startsWith("/")) {
				yield* vrele(k, dvp);
				dvp = k.rootvnode!;
				vref(dvp);
			}
			continue;
		}
		if (last) {
			if (more === "" || vp.v_type === "VDIR") {
				return { ni_dvp: dvp, ni_name: name, ni_vp: vp, ni_slash: more !== "" };
			}
			yield* vrele(k, vp);
			yield* vrele(k, dvp);
			return ENOTDIR;
		}
		yield* vrele(k, dvp);
		dvp = vp;
		rest = more;
	}
}

/** The first name of a path, what follows it, and whether that is nothing but slashes. */
function split(path: string): { name: string; more: string; last: boolean } {
	const names = path.replace(/^\/+/, "");
	const slash = names.indexOf("/");
	if (slash < 0) return { name: names, more: "", last: true };
	const more = names.slice(slash);
	return { name: names.slice(0, slash), more, last: /^\/+$/.test(more) };
}

/** One name in a directory, across mounts. => referenced, or an errno. Sleeps. */
function* lookup(k: Kernel, dvp: vnode, name: string): Sleeps<vnode | Errno> {
	if (dvp.v_type !== "VDIR") return ENOTDIR;
	if (name.length > NAME_MAX) return ENAMETOOLONG;
	const p = k.curlwp.l_proc;
	if (p !== null && !kauth_issuser(p)) {
		const error = vaccess_proc(p, VOP(k, dvp).vop_getattr(k, dvp), VEXEC);
		if (error !== 0) return error;
	}
	if (name === ".") {
		vref(dvp);
		return dvp;
	}
	if (name === "..") return vfs_parent(k, dvp);
	const found = yield* VOP(k, dvp).vop_lookup(k, dvp, name);
	if (typeof found === "number" || found.v_mountedhere === null) return found;
	const root = found.v_mountedhere;
	vref(root);
	yield* vrele(k, found);
	return root;
}

/** The directory above, across mounts; the root is its own parent. => referenced. */
function vfs_parent(k: Kernel, dvp: vnode): vnode {
	let vp = dvp;
	while (vp.v_covered !== null) vp = vp.v_covered;
	if (vp !== k.rootvnode) return VOP(k, vp).vop_parent(k, vp);
	vref(vp);
	return vp;
}

/**
 * The path of a directory. => null: it has been removed. Sleeps.
 * => the caller has a reference.
 */
export function* vfs_path(k: Kernel, vp: vnode): Sleeps<string | null> {
	let path = "";
	let at = vp;
	vref(at);
	while (at !== k.rootvnode) {
		const parent = vfs_parent(k, at);
		const covered = at.v_covered ?? at;
		const { va_fileid } = VOP(k, covered).vop_getattr(k, covered);
		const entries = yield* VOP(k, parent).vop_readdir(k, parent);
		const entry = entries.find(
			(e) => e.d_fileno === va_fileid && e.d_name !== "." && e.d_name !== "..",
		);
		yield* vrele(k, at);
		at = parent;
		if (entry === undefined) {
			yield* vrele(k, at);
			return null;
		}
		path = `/${entry.d_name}${path}`;
	}
	yield* vrele(k, at);
	return path === "" ? "/" : path;
}
