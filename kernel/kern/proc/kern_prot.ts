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

/** May `p` read and write the memory of `target`? => the same process, user and group, or root. */
export function candebug(p: proc, target: proc): boolean {
	const { cr_uid, cr_gid } = p.p_cred;
	const { cr_euid, cr_svuid, cr_egid, cr_svgid, ...real } = target.p_cred;
	const users = [real.cr_uid, cr_euid, cr_svuid];
	const groups = [real.cr_gid, cr_egid, cr_svgid];
	const same = users.every((id) => id === cr_uid) && groups.every((id) => id === cr_gid);
	return p === target || suser(p) || same;
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
	[SYS.setuid]: (_k, p, a) => sys_setid(p, "uid", a[0]!),
	[SYS.setgid]: (_k, p, a) => sys_setid(p, "gid", a[0]!),
	[SYS.setreuid]: (_k, p, a) => sys_setreid(p, "uid", a[0]!, a[1]!),
	[SYS.setregid]: (_k, p, a) => sys_setreid(p, "gid", a[0]!, a[1]!),
	[SYS.setresuid]: (_k, p, a) => sys_setresid(p, "uid", a[0]!, a[1]!, a[2]!),
	[SYS.setresgid]: (_k, p, a) => sys_setresid(p, "gid", a[0]!, a[1]!, a[2]!),
	[SYS.getresuid]: (k, p, a) => sys_getresid(k, p, "uid", a),
	[SYS.getresgid]: (k, p, a) => sys_getresid(k, p, "gid", a),
	[SYS.setfsuid]: (_k, p, a) => sys_setfsid(p, "uid", a[0]!),
	[SYS.setfsgid]: (_k, p, a) => sys_setfsid(p, "gid", a[0]!),
	[SYS.getgroups]: (k, p, a) => sys_getgroups(k, p, a[0]! | 0, a[1]!),
	[SYS.setgroups]: (k, p, a) => sys_setgroups(k, p, a[0]! | 0, a[1]!),
};

/** The real, effective, saved and file ids of users and of groups, which have the same rules. */
const IDS = {
	uid: ["cr_uid", "cr_euid", "cr_svuid", "cr_fsuid"],
	gid: ["cr_gid", "cr_egid", "cr_svgid", "cr_fsgid"],
} as const;
type kind = keyof typeof IDS;

const ids_of = ({ p_cred }: proc, kind: kind): number[] => IDS[kind].map((name) => p_cred[name]);

/** Set the ids of one kind, real one first. => 0 */
function set_ids(p: proc, kind: kind, ...ids: number[]): number {
	p.p_cred = { ...p.p_cred, ...Object.fromEntries(IDS[kind].map((name, i) => [name, ids[i]])) };
	return 0;
}

/** The superuser sets all; others choose between the real and the saved one. */
function sys_setid(p: proc, kind: kind, id: number): number {
	const [real, , saved] = ids_of(p, kind) as [number, number, number];
	if (id === UNCHANGED) return -EINVAL;
	if (suser(p)) return set_ids(p, kind, id, id, id, id);
	if (id !== real && id !== saved) return -EPERM;
	return set_ids(p, kind, real, id, saved, id);
}

const chosen = (id: number, old: number): number => (id === UNCHANGED ? old : id);

/** May a process without privilege take this id? */
const allowed = (id: number, of: number[]): boolean => id === UNCHANGED || of.includes(id);

/** The saved id becomes the effective one, if the real one is set or the new one is another. */
function sys_setreid(p: proc, kind: kind, real: number, effective: number): number {
	const [r, e, s] = ids_of(p, kind) as [number, number, number];
	if (!suser(p) && !(allowed(real, [r, e]) && allowed(effective, [r, e, s]))) return -EPERM;
	const next = chosen(effective, e);
	const follows = real !== UNCHANGED || (effective !== UNCHANGED && next !== r);
	return set_ids(p, kind, chosen(real, r), next, follows ? next : s, next);
}

function sys_setresid(p: proc, kind: kind, ...wanted: number[]): number {
	const old = ids_of(p, kind).slice(0, 3);
	if (!suser(p) && !wanted.every((id) => allowed(id, old))) return -EPERM;
	const next = wanted.map((id, i) => chosen(id, old[i]!));
	return set_ids(p, kind, ...next, next[1]!);
}

/** => the old one, whether or not it has been changed. */
function sys_setfsid(p: proc, kind: kind, id: number): number {
	const [real, effective, saved, old] = ids_of(p, kind) as [number, number, number, number];
	const may = suser(p) || allowed(id, [real, effective, saved, old]);
	if (id !== UNCHANGED && may) set_ids(p, kind, real, effective, saved, id);
	return old;
}

/** Store the real, effective and saved id at the addresses in `va`. => 0, EFAULT. */
function* sys_getresid(k: Kernel, p: proc, kind: kind, va: Uint32Array): Sleeps<number> {
	for (const [i, id] of ids_of(p, kind).slice(0, 3).entries()) {
		const bytes = new Uint8Array(new Uint32Array([id]).buffer);
		const error = yield* copyout(k, p.p_vmspace!.vm_map, bytes, va[i]!);
		if (error !== 0) return -error;
	}
	return 0;
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
