/**
 * System V shared memory (sys/kern/sysv_shm.c): a segment is an aobj, mapped shared.
 */
import { EEXIST, EFAULT, EINVAL, ENOENT, ENOMEM, ENOSPC, type Errno } from "../../../sys/errno.ts";
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
import { uao_create, uao_detach, uao_reference } from "../../uvm/uvm_aobj.ts";
import { uao_slots, type uvm_aobj } from "../../uvm/uvm_aobj_slots.ts";
import { UVM_FLAG_FIXED, UVM_INH_SHARE } from "../../uvm/uvm_extern.ts";
import { uvm_map, uvm_map_args, uvm_unmap } from "../../uvm/uvm_map.ts";
import type { vm_map } from "../../uvm/uvm_map_entry.ts";
import { uvm_obj_unwirepages, uvm_obj_wirepages } from "../../uvm/uvm_object_wire.ts";
import { uvm_pagelookup } from "../../uvm/uvm_page.ts";
import { free, malloc } from "../core/kern_malloc.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { time_second } from "../core/kern_tc.ts";
import { copyin, copyout } from "../proc/copy.ts";
import type { proc } from "../proc/kern_proc.ts";
import { as_allowed } from "./sys_mman.ts";
import type { sysent } from "./sysent.ts";
import { SYS } from "./sysnum.ts";
import { IPC_M, IPC_R, IPC_W, type ipc_perm, ipc_perm_init, ipcperm } from "./sysv_ipc.ts";

const IPC_PRIVATE = 0;
const IPC_CREAT = 0o1000;
const IPC_EXCL = 0o2000;
const IPC_RMID = 0;
const IPC_SET = 1;
const IPC_STAT = 2;
const IPC_INFO = 3;
const SHM_LOCK = 11;
const SHM_UNLOCK = 12;
const SHM_STAT = 13;
const SHM_INFO = 14;
const SHM_STAT_ANY = 15;
/** Bits of the mode beside permissions: to be removed, and locked into memory. */
const SHM_DEST = 0o1000;
const SHM_LOCKED = 0o2000;
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
	readonly shm_perm: ipc_perm;
	shm_nattch: number;
	shm_removed: boolean;
	/** Its pages are wired (SHM_LOCK). */
	shm_locked: boolean;
	/** A process is wiring them. */
	shm_locking: boolean;
	/** Seconds since reset: of the last attach and detach, and of the last change. 0: never. */
	shm_atime: number;
	shm_dtime: number;
	shm_ctime: number;
	/** Processes: its creator, and the last to attach or detach it. */
	readonly shm_cpid: number;
	shm_lpid: number;
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
	[SYS.shmget]: (k, p, a) => sys_shmget(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.shmctl]: (k, p, a) => sys_shmctl(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.shmat]: (k, p, a) => sys_shmat(k, p, a[0]!, a[1]!, a[2]!),
	[SYS.shmdt]: (k, p, a) => sys_shmdt(k, p, a[0]!),
};

/** Bytes of a segment (shm.h, struct shmid_ds): 25 words. */
const SHMID_SIZE = 100;

/** => the id (>= 0), or a negative errno. Never sleeps. */
function sys_shmget(k: Kernel, p: proc, key: number, size: number, shmflg: number): number {
	const { shmsegs } = k.shm;
	const old =
		key === IPC_PRIVATE ? undefined : shmsegs.find((s) => s.shm_key === key && !s.shm_removed);
	if (old !== undefined) {
		if ((shmflg & IPC_CREAT) !== 0 && (shmflg & IPC_EXCL) !== 0) return -EEXIST;
		if (size > old.shm_segsz) return -EINVAL;
		// As in Linux, rights that are asked for group and others count, too.
		const asked = (shmflg | (shmflg << 3) | (shmflg << 6)) & (IPC_R | IPC_W);
		const denied = ipcperm(p, old.shm_perm, asked);
		return denied !== 0 ? -denied : old.shm_id;
	}
	if (key !== IPC_PRIVATE && (shmflg & IPC_CREAT) === 0) return -ENOENT;
	if (size === 0 || size > SHMMAX) return -EINVAL;
	if (shmsegs.length >= SHMMNI) return -ENOSPC;
	if (!malloc(k, SHMID_SIZE)) return -ENOMEM;
	const amp = uao_create(k, size, 0);
	if (amp === null) {
		free(k, SHMID_SIZE);
		return -ENOMEM;
	}
	const seg: shmid_ds = {
		shm_id: k.shm.shm_nextid++,
		shm_key: key,
		shm_segsz: size,
		shm_amp: amp,
		shm_perm: ipc_perm_init(p, shmflg),
		shm_nattch: 0,
		shm_removed: false,
		shm_locked: false,
		shm_locking: false,
		shm_atime: 0,
		shm_dtime: 0,
		shm_ctime: time_second(k),
		shm_cpid: p.p_pid,
		shm_lpid: 0,
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
	const denied = ipcperm(p, seg.shm_perm, (shmflg & SHM_RDONLY) !== 0 ? IPC_R : IPC_R | IPC_W);
	if (denied !== 0) return -denied;
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
	seg.shm_atime = time_second(k);
	seg.shm_lpid = p.p_pid;
	return args.start;
}

function shm_detached(k: Kernel, p: proc, seg: shmid_ds): void {
	seg.shm_dtime = time_second(k);
	seg.shm_lpid = p.p_pid;
}

/** Drop an attachment; the last one frees a removed segment. */
function* shm_drop(k: Kernel, seg: shmid_ds): Sleeps<void> {
	seg.shm_nattch--;
	yield* shm_reap(k, seg);
}

function* shm_reap(k: Kernel, seg: shmid_ds): Sleeps<void> {
	const i = k.shm.shmsegs.indexOf(seg);
	if (!seg.shm_removed || seg.shm_nattch > 0 || i < 0) return;
	if (seg.shm_locked) uvm_obj_unwirepages(k, seg.shm_amp);
	k.shm.shmsegs.splice(i, 1);
	free(k, SHMID_SIZE);
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
	shm_detached(k, p, seg);
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

/**
 * IPC_RMID removes a segment, IPC_SET changes its owner and mode, SHM_LOCK keeps it in memory,
 * SHM_UNLOCK no longer; IPC_STAT, SHM_STAT, SHM_INFO and IPC_INFO describe. Sleeps.
 * => `id` is an index for SHM_STAT, and not looked at for SHM_INFO and IPC_INFO.
 * => 0; SHM_STAT: the id; SHM_INFO, IPC_INFO: the highest index. EINVAL, EACCES, EPERM, EFAULT,
 *    ENOMEM.
 */
function* sys_shmctl(k: Kernel, p: proc, id: number, how: number, buf: number): Sleeps<number> {
	const cmd = how & ~IPC_64;
	const { vm_map: map } = p.p_vmspace!;
	const top = Math.max(k.shm.shmsegs.length - 1, 0);
	if (cmd === IPC_INFO || cmd === SHM_INFO) {
		const bytes = new Uint8Array((cmd === IPC_INFO ? shminfo64() : shm_info(k)).buffer);
		const error = yield* copyout(k, map, bytes, buf);
		return error !== 0 ? -error : top;
	}
	if (cmd === SHM_STAT || cmd === SHM_STAT_ANY) {
		const seg = k.shm.shmsegs[id];
		if (seg === undefined) return -EINVAL;
		const denied = cmd === SHM_STAT ? ipcperm(p, seg.shm_perm, IPC_R) : 0;
		if (denied !== 0) return -denied;
		const error = yield* copyout(k, map, shmid64_ds(seg), buf);
		return error !== 0 ? -error : seg.shm_id;
	}
	// What is removed and still attached can be looked at.
	const seg = k.shm.shmsegs.find((s) => s.shm_id === id);
	if (seg === undefined) return -EINVAL;
	const denied = ipcperm(p, seg.shm_perm, cmd === IPC_STAT ? IPC_R : IPC_M);
	if (denied !== 0) return -denied;
	switch (cmd) {
		case IPC_RMID:
			seg.shm_removed = true;
			yield* shm_reap(k, seg);
			return 0;
		case IPC_STAT:
			return -(yield* copyout(k, map, shmid64_ds(seg), buf));
		case IPC_SET: {
			const words = new Uint32Array(SHMID64_WORDS);
			if ((yield* copyin(k, map, buf, new Uint8Array(words.buffer))) !== 0) return -EFAULT;
			seg.shm_perm.uid = words[1]!;
			seg.shm_perm.gid = words[2]!;
			seg.shm_perm.mode = words[5]! & 0o777;
			seg.shm_ctime = time_second(k);
			return 0;
		}
		case SHM_LOCK:
			return -(yield* shm_memlock(k, seg));
		case SHM_UNLOCK:
			if (seg.shm_locked) uvm_obj_unwirepages(k, seg.shm_amp);
			seg.shm_locked = false;
			return 0;
		default:
			return -EINVAL;
	}
}

/** Wire a segment. => ENOMEM: more than a third of memory would be wired; EIO. Sleeps. */
function* shm_memlock(k: Kernel, seg: shmid_ds): Sleeps<Errno> {
	if (seg.shm_locked || seg.shm_locking) return 0;
	if (k.uvmexp.wired + seg.shm_amp.u_pages > k.uvmexp.wiredmax) return ENOMEM;
	// Nobody else may begin while this sleeps, nor remove it.
	seg.shm_locking = true;
	seg.shm_nattch++;
	const error = yield* uvm_obj_wirepages(k, seg.shm_amp);
	seg.shm_locking = false;
	seg.shm_locked = error === 0;
	yield* shm_drop(k, seg);
	return error;
}

/** struct shminfo64: the limits. */
function shminfo64(): Uint32Array {
	const words = new Uint32Array(9);
	words.set([SHMMAX, 1, SHMMNI, SHMMNI, SHMMAX / PAGE_SIZE]);
	return words;
}

/** struct shm_info: segments, and their pages: all, in memory, in swap. */
function shm_info(k: Kernel): Uint32Array {
	const words = new Uint32Array(6);
	for (const { shm_amp: amp } of k.shm.shmsegs) {
		words[0]!++;
		words[1]! += amp.u_pages;
		words[2]! += amp.uo_npages;
		for (const { pageidx, slot } of uao_slots(amp)) {
			if (slot > 0 && uvm_pagelookup(k, amp, pageidx * PAGE_SIZE) === null) words[3]!++;
		}
	}
	return words;
}

const SHMID64_WORDS = 21;

/** struct shmid64_ds of Linux's 32-bit ABI (asm-generic/shmbuf.h). */
function shmid64_ds(seg: shmid_ds): Uint8Array {
	const words = new Uint32Array(SHMID64_WORDS);
	const { uid, gid, cuid, cgid, mode } = seg.shm_perm;
	const flags = (seg.shm_removed ? SHM_DEST : 0) | (seg.shm_locked ? SHM_LOCKED : 0);
	// A segment that is to be removed has no name any more.
	words.set([seg.shm_removed ? IPC_PRIVATE : seg.shm_key, uid, gid, cuid, cgid, mode | flags]);
	words[9] = seg.shm_segsz;
	words[10] = seg.shm_atime;
	words[12] = seg.shm_dtime;
	words[14] = seg.shm_ctime;
	words[16] = seg.shm_cpid;
	words[17] = seg.shm_lpid;
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
	for (const { seg } of p.p_shm.splice(0)) {
		shm_detached(k, p, seg);
		yield* shm_drop(k, seg);
	}
}

/** The system halts: free the segments that are left. */
export function* shm_shutdown(k: Kernel): Sleeps<void> {
	for (const seg of [...k.shm.shmsegs]) {
		seg.shm_removed = true;
		yield* shm_reap(k, seg);
	}
}
