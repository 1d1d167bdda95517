/**
 * Core dumps (sys/kern/kern_core.c, core_elf32.c): the registers and the memory of a process in an
 * ELF file, with Linux's notes for riscv32.
 */

import { PAGE_SIZE, VM_PROT_EXECUTE, VM_PROT_READ, VM_PROT_WRITE } from "../../../sys/vmparam.ts";
import { VOP, type vnode, vrele } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import { amap_lookup } from "../../uvm/uvm_amap.ts";
import type { vm_map_entry } from "../../uvm/uvm_map_entry.ts";
import { PAGER_AOBJ } from "../../uvm/uvm_object.ts";
import { type lwp, lwp_pc, lwp_regs } from "../core/kern_lwp.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { RLIMIT_CORE } from "../core/rlimit.ts";
import type { ksiginfo } from "../core/signal.ts";
import { vn_open, vn_rdwr } from "../sys/vfs_vnops.ts";
import { copyin } from "./copy.ts";
import { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } from "./file.ts";
import type { proc } from "./kern_proc.ts";

const EHDR_SIZE = 52;
const PHDR_SIZE = 32;
const ET_CORE = 4;
const EM_RISCV = 243;
const PT_LOAD = 1;
const PT_NOTE = 4;
const NT_PRSTATUS = 1;
/** struct elf_prstatus: where the process ids and the registers are. */
const PRSTATUS_SIZE = 204;
const PR_CURSIG = 12;
const PR_PID = 24;
const PR_REG = 72;
/** Note header and the name "CORE", padded. */
const NOTE_HEADER_SIZE = 12 + 8;

/** A run of memory. */
interface segment {
	readonly entry: vm_map_entry;
	/** Bytes in the file: all, or none of what can be read from the program's own file. */
	readonly filesz: number;
	readonly offset: number;
}

/**
 * Write the file "core" into the working directory of a process that `info` ends.
 *
 * => sleeps. Whether there is one now, which ends at RLIMIT_CORE, as Linux's: there is none if that
 *    is less than a page, if the process is not dumpable, or if the file cannot be written.
 */
export function* coredump(k: Kernel, l: lwp, info: ksiginfo): Sleeps<boolean> {
	const p = l.l_proc!;
	const limit = p.p_rlimit[RLIMIT_CORE]!.rlim_cur;
	if (p.p_dumpable === 0) return false;
	const { header } = p.p_vmspace!.vm_map;
	const entries: vm_map_entry[] = [];
	for (let e = header.next; e !== header; e = e.next) entries.push(e);
	const notes = EHDR_SIZE + (entries.length + 1) * PHDR_SIZE;
	const noteSize = NOTE_HEADER_SIZE + PRSTATUS_SIZE;
	let end = Math.ceil((notes + noteSize) / PAGE_SIZE) * PAGE_SIZE;
	const segments = entries.map((entry): segment => {
		const filesz = is_dumped(entry) ? entry.end - entry.start : 0;
		const offset = end;
		end += filesz;
		return { entry, filesz, offset };
	});
	if (limit < PAGE_SIZE) return false;
	const head = new Uint8Array(notes + noteSize);
	put_headers(head, segments, notes, noteSize);
	put_status(k, l, info, new DataView(head.buffer, notes));
	const flags = O_CREAT | O_WRONLY | O_TRUNC | O_NOFOLLOW;
	const vp = yield* vn_open(k, p, p.p_fd?.fd_cdir ?? null, "core", flags, 0o600);
	if (typeof vp === "number") return false;
	const written = yield* write_core(k, p, vp, head, segments, Math.min(end, limit));
	yield* vrele(k, vp);
	return written;
}

/** Memory that is in no file: private pages and shared memory. */
const is_dumped = ({ protection, amap, uvm_obj }: vm_map_entry): boolean =>
	(protection & VM_PROT_READ) !== 0 && (amap !== null || uvm_obj?.pgops === PAGER_AOBJ);

/** Is there nothing at `va` but zeros? */
function is_hole({ start, pageoff, amap, uvm_obj }: vm_map_entry, va: number): boolean {
	const slot = pageoff + (va - start) / PAGE_SIZE;
	return uvm_obj === null && (amap === null || amap_lookup(amap, slot) === null);
}

function* write_core(
	k: Kernel,
	p: proc,
	vp: vnode,
	head: Uint8Array,
	segments: readonly segment[],
	size: number,
): Sleeps<boolean> {
	if (vp.v_type !== "VREG") return false;
	if ((yield* VOP(k, vp).vop_truncate(k, vp, size)) !== 0) return false;
	const front = head.subarray(0, size);
	if ((yield* vn_rdwr(k, vp, front, 0, true)) !== front.length) return false;
	const page = new Uint8Array(PAGE_SIZE);
	for (const { entry, filesz, offset } of segments) {
		for (let at = 0; at < filesz; at += PAGE_SIZE) {
			const va = entry.start + at;
			if (offset + at + PAGE_SIZE > size) return true;
			if (is_hole(entry, va)) continue;
			// A page that cannot be read any more is zeros in the file, too.
			if ((yield* copyin(k, p.p_vmspace!.vm_map, va, page)) !== 0) continue;
			if ((yield* vn_rdwr(k, vp, page, offset + at, true)) !== PAGE_SIZE) return false;
		}
	}
	return true;
}

function put_headers(
	head: Uint8Array,
	segments: readonly segment[],
	notes: number,
	noteSize: number,
): void {
	const view = new DataView(head.buffer);
	head.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
	view.setUint16(16, ET_CORE, true);
	view.setUint16(18, EM_RISCV, true);
	view.setUint32(20, 1, true);
	view.setUint32(28, EHDR_SIZE, true);
	view.setUint16(40, EHDR_SIZE, true);
	view.setUint16(42, PHDR_SIZE, true);
	view.setUint16(44, segments.length + 1, true);
	let at = EHDR_SIZE;
	/** Type, offset, address, physical address, sizes in file and memory, flags, alignment. */
	const phdr = (...words: number[]): void => {
		for (const [i, word] of words.entries()) view.setUint32(at + i * 4, word, true);
		at += PHDR_SIZE;
	};
	phdr(PT_NOTE, notes, 0, 0, noteSize, 0, 0, 4);
	for (const { entry, filesz, offset } of segments) {
		const { start, end, protection } = entry;
		phdr(PT_LOAD, offset, start, 0, filesz, end - start, elf_flags(protection), PAGE_SIZE);
	}
}

/** VM_PROT_ has its bits in the opposite order of PF_. */
const elf_flags = (prot: number): number =>
	((prot & VM_PROT_READ) !== 0 ? 4 : 0) |
	((prot & VM_PROT_WRITE) !== 0 ? 2 : 0) |
	((prot & VM_PROT_EXECUTE) !== 0 ? 1 : 0);

/** The note NT_PRSTATUS: signal, ids, pc and x1 to x31. */
function put_status(k: Kernel, l: lwp, info: ksiginfo, view: DataView): void {
	const p = l.l_proc!;
	for (const [i, word] of [5, PRSTATUS_SIZE, NT_PRSTATUS].entries()) {
		view.setUint32(i * 4, word, true);
	}
	for (const [i, c] of [..."CORE"].entries()) view.setUint8(12 + i, c.charCodeAt(0));
	const put = (at: number, word: number): void => view.setInt32(NOTE_HEADER_SIZE + at, word, true);
	put(0, info.ksi_signo);
	put(4, info.ksi_code);
	put(PR_CURSIG, info.ksi_signo);
	for (const [i, id] of [p.p_pid, p.p_pptr?.p_pid ?? 0, p.p_pgid, p.p_sid].entries()) {
		put(PR_PID + i * 4, id);
	}
	put(PR_REG, lwp_pc(k, l));
	const x = lwp_regs(k, l);
	for (let i = 1; i < 32; i++) put(PR_REG + i * 4, x[i]!);
}
