/**
 * What a process may do with a file (sys/kern/kern_auth.c, vfs_subr.c's vaccess):
 * the superuser may all, others what the mode of the file says.
 */
import { EACCES, EPERM, type Errno } from "../../../sys/errno.ts";
import type { vattr } from "../../fs/vnode.ts";
import type { proc } from "./kern_proc.ts";

/** Real ids of a process, for access(2). */
export const kauth_cred_getuid = (p: proc): number => p.p_cred.cr_uid;
export const kauth_cred_getgid = (p: proc): number => p.p_cred.cr_gid;
/** The ids that count for files: the effective ones, unless setfsuid has set others. */
export const kauth_cred_geteuid = (p: proc): number => p.p_cred.cr_fsuid;
export const kauth_cred_getegid = (p: proc): number => p.p_cred.cr_fsgid;
/** Is `gid` that group, or one of the further ones? */
export const kauth_cred_ismember = ({ p_cred }: proc, gid: number): boolean =>
	p_cred.cr_fsgid === gid || p_cred.cr_groups.includes(gid);

/** Is it the superuser, as far as files are concerned? */
export const kauth_issuser = (p: proc): boolean => kauth_cred_geteuid(p) === 0;

/** Access to a file; bits as in access(2) and in each digit of a mode. */
export const VREAD = 4;
export const VWRITE = 2;
export const VEXEC = 1;

/** What the mode of a file gives to a user. `member`: is the user in this group? */
export function vaccess(
	va: vattr,
	accmode: number,
	uid: number,
	member: (gid: number) => boolean,
): Errno {
	if (uid === 0) {
		// Even the superuser needs some right to execute.
		const runs = va.va_type === "VDIR" || (va.va_mode & 0o111) !== 0;
		return (accmode & VEXEC) !== 0 && !runs ? EACCES : 0;
	}
	const shift = va.va_uid === uid ? 6 : member(va.va_gid) ? 3 : 0;
	return ((va.va_mode >>> shift) & accmode) === accmode ? 0 : EACCES;
}

/** The same for a process, with its effective ids. */
export const vaccess_proc = (p: proc, va: vattr, accmode: number): Errno =>
	vaccess(va, accmode, kauth_cred_geteuid(p), (gid) => kauth_cred_ismember(p, gid));

/** May `p` do what only the owner of a file may? => 0, EPERM. */
export const vowner = (p: proc, va: vattr): Errno =>
	kauth_issuser(p) || kauth_cred_geteuid(p) === va.va_uid ? 0 : EPERM;

/** Does the sticky bit of a directory keep `p` from removing a file from it? => 0, EPERM. */
export const vsticky = (p: proc, dir: vattr, va: vattr): Errno =>
	(dir.va_mode & 0o1000) === 0 || vowner(p, dir) === 0 ? 0 : vowner(p, va);
