/** Users and groups of processes (sys/kern/kern_prot.c), with Linux's rules for riscv32. */
import { EFAULT, EINVAL, EPERM } from "../../../sys/errno.ts";
import type { Kernel } from "../../kernel.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import type { sysent } from "../sys/sysent.ts";
import { SYS } from "../sys/sysnum.ts";
import { copyin, copyout } from "./copy.ts";
import type { proc } from "./kern_proc.ts";

/** May the process do what only the superuser may (suser(9))? */
export const suser = (p: proc): boolean => p.p_cred.cr_euid === 0;

/** May `p` send signals to `target`, and set its limits? => CANSIGNAL of sys/kern/kern_sig.c. */
export function cansignal(p: proc, target: proc): boolean {
	const { cr_uid, cr_euid } = p.p_cred;
	const { cr_uid: ruid, cr_svuid: svuid } = target.p_cred;
	return suser(p) || [ruid, svuid].includes(cr_uid) || [ruid, svuid].includes(cr_euid);
}

/** Most further groups of a process. */
const NGROUPS_MAX = 65536;
/** An argument that leaves an id as it is. */
const UNCHANGED = 0xffff_ffff;

export const sysent_prot: sysent = {
	[SYS.getuid]: (_k, p) => p.p_cred.cr_uid,
	[SYS.geteuid]: (_k, p) => p.p_cred.cr_euid,
	[SYS.getgid]: (_k, p) => p.p_cred.cr_gid,
	[SYS.getegid]: (_k, p) => p.p_cred.cr_egid,
	[SYS.setuid]: (_k, p, a) => sys_setuid(p, a[0]!),
	[SYS.setgid]: (_k, p, a) => sys_setgid(p, a[0]!),
	[SYS.setreuid]: (_k, p, a) => sys_setreuid(p, a[0]!, a[1]!),
	[SYS.setregid]: (_k, p, a) => sys_setregid(p, a[0]!, a[1]!),
	[SYS.setresuid]: (_k, p, a) => sys_setresuid(p, a[0]!, a[1]!, a[2]!),
	[SYS.setresgid]: (_k, p, a) => sys_setresgid(p, a[0]!, a[1]!, a[2]!),
	[SYS.getresuid]: (k, p, a) => sys_getresuid(k, p, a),
	[SYS.getresgid]: (k, p, a) => sys_getresgid(k, p, a),
	[SYS.setfsuid]: (_k, p, a) => sys_setfsuid(p, a[0]!),
	[SYS.setfsgid]: (_k, p, a) => sys_setfsgid(p, a[0]!),
	[SYS.getgroups]: (k, p, a) => sys_getgroups(k, p, a[0]! | 0, a[1]!),
	[SYS.setgroups]: (k, p, a) => sys_setgroups(k, p, a[0]! | 0, a[1]!),
};

/** The superuser sets all three; others choose between the real and the saved one. */
function sys_setuid(p: proc, uid: number): number {
	const c = p.p_cred;
	if (uid === UNCHANGED) return -EINVAL;
	if (suser(p)) {
		p.p_cred = { ...c, cr_uid: uid, cr_euid: uid, cr_svuid: uid, cr_fsuid: uid };
	} else if (uid === c.cr_uid || uid === c.cr_svuid) {
		p.p_cred = { ...c, cr_euid: uid, cr_fsuid: uid };
	} else return -EPERM;
	return 0;
}

function sys_setgid(p: proc, gid: number): number {
	const c = p.p_cred;
	if (gid === UNCHANGED) return -EINVAL;
	if (suser(p)) {
		p.p_cred = { ...c, cr_gid: gid, cr_egid: gid, cr_svgid: gid, cr_fsgid: gid };
	} else if (gid === c.cr_gid || gid === c.cr_svgid) {
		p.p_cred = { ...c, cr_egid: gid, cr_fsgid: gid };
	} else return -EPERM;
	return 0;
}

const chosen = (id: number, old: number): number => (id === UNCHANGED ? old : id);

/** May a process without privilege take this id? */
const allowed = (id: number, ...of: number[]): boolean => id === UNCHANGED || of.includes(id);

/** The saved id becomes the effective one, if the real one is set or the new one is another. */
function sys_setreuid(p: proc, ruid: number, euid: number): number {
	const c = p.p_cred;
	const may = allowed(ruid, c.cr_uid, c.cr_euid) && allowed(euid, c.cr_uid, c.cr_euid, c.cr_svuid);
	if (!may && !suser(p)) return -EPERM;
	const cr_uid = chosen(ruid, c.cr_uid);
	const cr_euid = chosen(euid, c.cr_euid);
	const follows = ruid !== UNCHANGED || (euid !== UNCHANGED && cr_euid !== c.cr_uid);
	p.p_cred = { ...c, cr_uid, cr_euid, cr_fsuid: cr_euid, cr_svuid: follows ? cr_euid : c.cr_svuid };
	return 0;
}

function sys_setregid(p: proc, rgid: number, egid: number): number {
	const c = p.p_cred;
	const { cr_gid: old, cr_egid: olde, cr_svgid } = c;
	const may = allowed(rgid, old, olde) && allowed(egid, old, olde, cr_svgid);
	if (!may && !suser(p)) return -EPERM;
	const cr_gid = chosen(rgid, c.cr_gid);
	const cr_egid = chosen(egid, c.cr_egid);
	const follows = rgid !== UNCHANGED || (egid !== UNCHANGED && cr_egid !== c.cr_gid);
	p.p_cred = { ...c, cr_gid, cr_egid, cr_fsgid: cr_egid, cr_svgid: follows ? cr_egid : c.cr_svgid };
	return 0;
}

function sys_setresuid(p: proc, ruid: number, euid: number, svuid: number): number {
	const c = p.p_cred;
	const may = [ruid, euid, svuid].every((id) => allowed(id, c.cr_uid, c.cr_euid, c.cr_svuid));
	if (!may && !suser(p)) return -EPERM;
	const cr_euid = chosen(euid, c.cr_euid);
	p.p_cred = {
		...c,
		cr_uid: chosen(ruid, c.cr_uid),
		cr_euid,
		cr_fsuid: cr_euid,
		cr_svuid: chosen(svuid, c.cr_svuid),
	};
	return 0;
}

function sys_setresgid(p: proc, rgid: number, egid: number, svgid: number): number {
	const c = p.p_cred;
	const may = [rgid, egid, svgid].every((id) => allowed(id, c.cr_gid, c.cr_egid, c.cr_svgid));
	if (!may && !suser(p)) return -EPERM;
	const cr_egid = chosen(egid, c.cr_egid);
	p.p_cred = {
		...c,
		cr_gid: chosen(rgid, c.cr_gid),
		cr_egid,
		cr_fsgid: cr_egid,
		cr_svgid: chosen(svgid, c.cr_svgid),
	};
	return 0;
}

/** => the old one, whether or not it has been changed. */
function sys_setfsuid(p: proc, uid: number): number {
	const c = p.p_cred;
	if (
		uid !== UNCHANGED &&
		(suser(p) || allowed(uid, c.cr_uid, c.cr_euid, c.cr_svuid, c.cr_fsuid))
	) {
		p.p_cred = { ...c, cr_fsuid: uid };
	}
	return c.cr_fsuid;
}

function sys_setfsgid(p: proc, gid: number): number {
	const c = p.p_cred;
	if (
		gid !== UNCHANGED &&
		(suser(p) || allowed(gid, c.cr_gid, c.cr_egid, c.cr_svgid, c.cr_fsgid))
	) {
		p.p_cred = { ...c, cr_fsgid: gid };
	}
	return c.cr_fsgid;
}

/** Store ids at the addresses that the arguments are. => 0, EFAULT. */
function* copyout_ids(k: Kernel, p: proc, ids: number[], va: Uint32Array): Sleeps<number> {
	for (const [i, id] of ids.entries()) {
		const bytes = new Uint8Array(new Uint32Array([id]).buffer);
		const error = yield* copyout(k, p.p_vmspace!.vm_map, bytes, va[i]!);
		if (error !== 0) return -error;
	}
	return 0;
}

function* sys_getresuid(k: Kernel, p: proc, a: Uint32Array): Sleeps<number> {
	const { cr_uid, cr_euid, cr_svuid } = p.p_cred;
	return yield* copyout_ids(k, p, [cr_uid, cr_euid, cr_svuid], a);
}

function* sys_getresgid(k: Kernel, p: proc, a: Uint32Array): Sleeps<number> {
	const { cr_gid, cr_egid, cr_svgid } = p.p_cred;
	return yield* copyout_ids(k, p, [cr_gid, cr_egid, cr_svgid], a);
}

/** => how many there are; with size 0 nothing is stored. EINVAL: more than `size`. */
function* sys_getgroups(k: Kernel, p: proc, size: number, va: number): Sleeps<number> {
	const { cr_groups } = p.p_cred;
	if (size === 0) return cr_groups.length;
	if (size < cr_groups.length) return -EINVAL;
	const bytes = new Uint8Array(new Uint32Array(cr_groups).buffer);
	const error = yield* copyout(k, p.p_vmspace!.vm_map, bytes, va);
	return error === 0 ? cr_groups.length : -error;
}

function* sys_setgroups(k: Kernel, p: proc, size: number, va: number): Sleeps<number> {
	if (!suser(p)) return -EPERM;
	if (size < 0 || size > NGROUPS_MAX) return -EINVAL;
	const groups = new Uint32Array(size);
	const bytes = new Uint8Array(groups.buffer);
	if ((yield* copyin(k, p.p_vmspace!.vm_map, va, bytes)) !== 0) return -EFAULT;
	p.p_cred = { ...p.p_cred, cr_groups: [...groups] };
	return 0;
}
