/** What the kinds of System V IPC have in common (sys/kern/sysv_ipc.c): permissions. */
import { EACCES, EPERM, type Errno } from "../../../sys/errno.ts";
import type { proc } from "../proc/kern_proc.ts";
import { suser } from "../proc/kern_prot.ts";

/** struct ipc_perm: owner and creator of an object, and its access mode. */
export interface ipc_perm {
	uid: number;
	gid: number;
	readonly cuid: number;
	readonly cgid: number;
	mode: number;
}

/** What ipcperm is asked for, as in a mode; IPC_M: to change or remove the object. */
export const IPC_R = 0o400;
export const IPC_W = 0o200;
export const IPC_M = 0o10000;

/** The permissions of an object that `p` makes. */
export function ipc_perm_init(p: proc, mode: number): ipc_perm {
	const { cr_euid: uid, cr_egid: gid } = p.p_cred;
	return { uid, gid, cuid: uid, cgid: gid, mode: mode & 0o777 };
}

/** May `p` do `mode` (IPC_R, IPC_W, IPC_M)? => 0, EACCES; for IPC_M EPERM. */
export function ipcperm(p: proc, perm: ipc_perm, mode: number): Errno {
	if (suser(p)) return 0;
	const { cr_euid: uid, cr_egid, cr_groups } = p.p_cred;
	const member = (gid: number): boolean => gid === cr_egid || cr_groups.includes(gid);
	const owner = uid === perm.uid || uid === perm.cuid;
	if ((mode & IPC_M) !== 0) return owner ? 0 : EPERM;
	const group = member(perm.gid) || member(perm.cgid);
	const granted = owner ? perm.mode : group ? perm.mode << 3 : perm.mode << 6;
	return (granted & mode) === mode ? 0 : EACCES;
}
