/**
 * System V shared memory (sys/kern/sysv_shm.c): a segment is an aobj, mapped shared.
 */
import { EEXIST, EINVAL, ENOENT, ENOMEM, ENOSPC, type Errno } from "../../../sys/errno.ts";
import {
	PAGE_SIZE,
	round_page,
	trunc_page,
	VM_DEFAULT_ADDRESS,
	VM_PROT_EXECUTE,
	VM_PROT_READ,
	VM_PROT_WRITE,
} from "../../../sys/vmparam.ts";
import type { Kernel } from "../../kernel.ts";
import { uao_create, uao_detach, uao_reference, type uvm_aobj } from "../../uvm/uvm_aobj.ts";
import { UVM_FLAG_FIXED, UVM_INH_SHARE } from "../../uvm/uvm_extern.ts";
import { uvm_map, uvm_map_args, uvm_unmap } from "../../uvm/uvm_map.ts";
import type { vm_map } from "../../uvm/uvm_map_entry.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { copyout } from "../proc/copy.ts";
import type { proc } from "../proc/kern_proc.ts";
import { as_allowed } from "./sys_mman.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";

const IPC_PRIVATE = 0;
const IPC_CREAT = 0o1000;
const IPC_EXCL = 0o2000;
const IPC_RMID = 0;
const IPC_STAT = 2;
const IPC_64 = 0x100;
const SHM_RDONLY = 0o10000;
const SHM_RND = 0o20000;
const SHMMNI = 128;
/** The largest segment, in bytes. */
const SHMMAX = 1 << 30;

/** A segment. It is freed when it is marked removed and attached nowhere. */
export interface shmid_ds {
	readonly shm_id: number;
	readonly shm_key: number;
	readonly shm_segsz: number;
	readonly shm_amp: uvm_aobj;
	shm_nattch: number;
	shm_removed: boolean;
}

/** One attachment of a process. */
export interface shmmap {
	readonly va: number;
	readonly seg: shmid_ds;
}

export interface shm_state {
	readonly shmsegs: shmid_ds[];
	/** Ids are never reused, so an old one cannot name a new segment. */
	shm_nextid: number;
}

export const sysent_shm: sysent = {
	[SYS.shmget]: (k, _p, a) => sys_shmget(k, a[0]!, a[1]!, a[2]!),
	[SYS.shmctl]: (k, p, a) => sys_shmctl(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.shmat]: (k, p, a) => sys_shmat(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.shmdt]: (k, p, a) => sys_shmdt(k, p, a[0]!),
};

/** => the id (>= 0), or a negative errno. Never sleeps. */
function sys_shmget(k: Kernel, key: number, size: number, shmflg: number): number {
	const { shmsegs } = k.shm;
	const old =
		key === IPC_PRIVATE ? undefined : shmsegs.find((s) => s.shm_key === key && !s.shm_removed);
	if (old !== undefined) {
		if ((shmflg & IPC_CREAT) !== 0 && (shmflg & IPC_EXCL) !== 0) return -EEXIST;
		return size > old.shm_segsz ? -EINVAL : old.shm_id;
	}
	if (key !== IPC_PRIVATE && (shmflg & IPC_CREAT) === 0) return -ENOENT;
	if (size === 0 || size > SHMMAX) return -EINVAL;
	if (shmsegs.length >= SHMMNI) return -ENOSPC;
	const amp = uao_create(k, size, 0);
	if (amp === null) return -ENOMEM;
	const seg: shmid_ds = {
		shm_id: k.shm.shm_nextid++,
		shm_key: key,
		shm_segsz: size,
		shm_amp: amp,
		shm_nattch: 0,
		shm_removed: false,
	};
	shmsegs.push(seg);
	return seg.shm_id;
}

const shm_find = (k: Kernel, id: number): shmid_ds | undefined =>
	k.shm.shmsegs.find((s) => s.shm_id === id && !s.shm_removed);

/** Map a segment at `addr`, or where there is room if that is 0. => the address, or -errno. */
function* sys_shmat(k: Kernel, p: proc, id: number, addr: number, shmflg: number): Sleeps<number> {
	const seg = shm_find(k, id);
	if (seg === undefined) return -EINVAL;
	let va = addr;
	if ((shmflg & SHM_RND) !== 0) va = trunc_page(va);
	if (va % PAGE_SIZE !== 0) return -EINVAL;
	if (!as_allowed(p, round_page(seg.shm_segsz))) return -ENOMEM;
	const args = uvm_map_args(va === 0 ? VM_DEFAULT_ADDRESS : va, round_page(seg.shm_segsz));
	args.uobj = seg.shm_amp;
	args.offset = 0;
	args.prot = (shmflg & SHM_RDONLY) !== 0 ? VM_PROT_READ : VM_PROT_READ | VM_PROT_WRITE;
	args.maxprot = args.prot | VM_PROT_EXECUTE;
	args.inherit = UVM_INH_SHARE;
	if (va !== 0) args.flags = UVM_FLAG_FIXED;
	// Counted first: the segment must not be freed while this sleeps for the map's lock.
	seg.shm_nattch++;
	uao_reference(k, seg.shm_amp);
	const error = yield* uvm_map(k, p.p_vmspace!.vm_map, args);
	if (error !== 0) {
		yield* uao_detach(k, seg.shm_amp);
		yield* shm_drop(k, seg);
		return -error;
	}
	p.p_shm.push({ va: args.start, seg });
	return args.start;
}

/** Drop an attachment; the last one frees a removed segment. */
function* shm_drop(k: Kernel, seg: shmid_ds): Sleeps<void> {
	seg.shm_nattch--;
	yield* shm_reap(k, seg);
}

function* shm_reap(k: Kernel, seg: shmid_ds): Sleeps<void> {
	const i = k.shm.shmsegs.indexOf(seg);
	if (!seg.shm_removed || seg.shm_nattch > 0 || i < 0) return;
	k.shm.shmsegs.splice(i, 1);
	yield* uao_detach(k, seg.shm_amp);
}

/**
 * Unmap the segment that is attached at `addr`: what is left of it there, but nothing that was
 * mapped over it since.
 */
function* sys_shmdt(k: Kernel, p: proc, addr: number): Sleeps<number> {
	const i = p.p_shm.findIndex((m) => m.va === addr);
	if (i < 0) return -EINVAL;
	const { seg } = p.p_shm[i]!;
	const { vm_map: map } = p.p_vmspace!;
	for (const [start, end] of shm_parts(map, seg, addr)) {
		const error: Errno = yield* uvm_unmap(k, map, start, end);
		if (error !== 0) return -error;
	}
	p.p_shm.splice(i, 1);
	yield* shm_drop(k, seg);
	return 0;
}

/** The ranges in which the attachment of `seg` at `addr` still maps its own pages. */
function shm_parts(map: vm_map, seg: shmid_ds, addr: number): [number, number][] {
	const parts: [number, number][] = [];
	const end = addr + round_page(seg.shm_segsz);
	for (let e = map.header.next; e !== map.header; e = e.next) {
		const own = e.uvm_obj === seg.shm_amp && e.start - e.offset === addr;
		if (own && e.start < end) parts.push([e.start, e.end]);
	}
	return parts;
}

/** IPC_RMID removes a segment, IPC_STAT describes it. */
function* sys_shmctl(k: Kernel, p: proc, id: number, cmd: number, buf: number): Sleeps<number> {
	const seg = shm_find(k, id);
	if (seg === undefined) return -EINVAL;
	switch (cmd & ~IPC_64) {
		case IPC_RMID:
			seg.shm_removed = true;
			yield* shm_reap(k, seg);
			return 0;
		case IPC_STAT:
			return -(yield* copyout(k, p.p_vmspace!.vm_map, shmid64_ds(seg), buf));
		default:
			return -EINVAL;
	}
}

/** struct shmid64_ds of Linux's 32-bit ABI (asm-generic/shmbuf.h): 21 words. */
function shmid64_ds(seg: shmid_ds): Uint8Array {
	const words = new Uint32Array(21);
	words[0] = seg.shm_key;
	words[5] = 0o600;
	words[9] = seg.shm_segsz;
	words[18] = seg.shm_nattch;
	return new Uint8Array(words.buffer);
}

/** Give a child the same attachments. */
export function shmfork(p: proc, child: proc): void {
	for (const map of p.p_shm) {
		map.seg.shm_nattch++;
		child.p_shm.push(map);
	}
}

/** Drop all attachments of a process, whose address space is gone (exit, exec). */
export function* shmexit(k: Kernel, p: proc): Sleeps<void> {
	for (const { seg } of p.p_shm.splice(0)) yield* shm_drop(k, seg);
}

/** The system halts: free the segments that are left. */
export function* shm_shutdown(k: Kernel): Sleeps<void> {
	for (const seg of [...k.shm.shmsegs]) {
		seg.shm_removed = true;
		yield* shm_reap(k, seg);
	}
}
