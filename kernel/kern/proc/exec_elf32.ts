/**
 * Static ELF programs (sys/kern/exec_elf32.c): check an image, and build an address space from it.
 */
import { E2BIG, EIO, ENOMEM, type Errno } from "../../../sys/errno.ts";
import {
	MAXSSIZ,
	PAGE_SIZE,
	ptoa,
	round_page,
	trunc_page,
	USRSTACK,
	VM_MIN_ADDRESS,
	VM_PROT_ALL,
	VM_PROT_EXECUTE,
	VM_PROT_READ,
	VM_PROT_WRITE,
	type vm_prot_t,
} from "../../../sys/vmparam.ts";
import type { vnode } from "../../fs/vnode.ts";
import type { Kernel } from "../../kernel.ts";
import { UVM_AMAP_CHUNK } from "../../uvm/uvm_amap_chunks.ts";
import { UVM_FLAG_COPYONW, UVM_FLAG_FIXED, UVM_FLAG_GROWSDOWN } from "../../uvm/uvm_extern.ts";
import { uvm_map, uvm_map_args, type vmspace } from "../../uvm/uvm_map.ts";
import { uvm_map_protect } from "../../uvm/uvm_map_protect.ts";
import { pagerops } from "../../uvm/uvm_object.ts";
import { uvn_markexec } from "../../uvm/uvm_vnode.ts";
import type { Sleeps } from "../core/kern_synch.ts";
import { vn_read } from "../sys/vfs_vnops.ts";
import { copyout } from "./copy.ts";
import { type exec_args, exec_stack } from "./exec_stack.ts";
import { sigcode_map } from "./sigcode.ts";

const EI_NIDENT = 16;
const EHDR_SIZE = 52;
const PHDR_SIZE = 32;
const ELFCLASS32 = 1;
const ELFDATA2LSB = 1;
const ET_EXEC = 2;
const EM_RISCV = 243;
const PT_LOAD = 1;
const PT_INTERP = 3;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;

export interface elf_segment {
	/** Offset in the file. */
	readonly offset: number;
	readonly filesz: number;
	readonly vaddr: number;
	readonly memsz: number;
	readonly prot: vm_prot_t;
}

export interface elf_image {
	readonly entry: number;
	readonly segments: readonly elf_segment[];
	/** Address of the program headers in memory, or 0, and how many there are. */
	readonly phdr: number;
	readonly phnum: number;
}

/** Why a file cannot be run, in one line. */
export interface elf_error {
	readonly error: string;
}

/**
 * Check an ELF file of `size` bytes, of which `file` is the beginning, and find its segments.
 * => never throws, whatever the file contains.
 */
export function elf32_parse(file: Uint8Array, size = file.length): elf_image | elf_error {
	const bad = (error: string): elf_error => ({ error });
	const magic = [0x7f, 0x45, 0x4c, 0x46];
	if (magic.some((byte, i) => file[i] !== byte)) return bad("not an ELF file");
	if (file.length < EHDR_SIZE) return bad("truncated ELF header");
	const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
	if (file[4] !== ELFCLASS32) return bad("not a 32-bit ELF file");
	if (file[5] !== ELFDATA2LSB) return bad("not a little-endian ELF file");
	if (view.getUint16(EI_NIDENT + 2, true) !== EM_RISCV) return bad("not a RISC-V ELF file");
	if (view.getUint16(EI_NIDENT, true) !== ET_EXEC) return bad("not a static executable");
	const phoff = view.getUint32(28, true);
	const phnum = view.getUint16(44, true);
	if (phnum > 0 && view.getUint16(42, true) !== PHDR_SIZE) return bad("bad program header size");
	if (phoff + phnum * PHDR_SIZE > file.length) return bad("truncated program headers");
	const segments: elf_segment[] = [];
	let phdr = 0;
	for (let i = 0; i < phnum; i++) {
		const at = phoff + i * PHDR_SIZE;
		const word = (n: number): number => view.getUint32(at + n * 4, true);
		const [type, offset, vaddr, filesz, memsz, flags] = [0, 1, 2, 4, 5, 6].map(word) as [
			number,
			number,
			number,
			number,
			number,
			number,
		];
		if (type === PT_INTERP) return bad("not a static executable");
		if (type !== PT_LOAD || memsz === 0) continue;
		if (filesz > memsz) return bad("segment larger in the file than in memory");
		if (offset + filesz > size) return bad("truncated segment");
		if (vaddr < VM_MIN_ADDRESS || vaddr + memsz > USRSTACK - MAXSSIZ) {
			return bad("segment outside of the user address space");
		}
		let prot = 0;
		if ((flags & PF_R) !== 0) prot |= VM_PROT_READ;
		if ((flags & PF_W) !== 0) prot |= VM_PROT_WRITE;
		if ((flags & PF_X) !== 0) prot |= VM_PROT_EXECUTE;
		if (phoff >= offset && phoff < offset + filesz) phdr = vaddr + phoff - offset;
		segments.push({ offset, filesz, vaddr, memsz, prot });
	}
	if (segments.length === 0) return bad("no segment to load");
	segments.sort((a, b) => a.vaddr - b.vaddr);
	for (let i = 1; i < segments.length; i++) {
		const before = segments[i - 1]!;
		if (round_page(before.vaddr + before.memsz) > trunc_page(segments[i]!.vaddr)) {
			return bad("segments share a page");
		}
	}
	const entry = view.getUint32(24, true);
	const inside = segments.some(
		(s) => (s.prot & VM_PROT_EXECUTE) !== 0 && entry >= s.vaddr && entry < s.vaddr + s.memsz,
	);
	if (!inside || entry % 2 !== 0) return bad("entry point is not in an executable segment");
	return { entry, segments, phdr, phnum };
}

/** The file of a program: in the host's memory, or a vnode that can be mapped. */
export type exec_source = Uint8Array | vnode;

/**
 * Build the program's memory: segments, heap, stack with its arguments, signal trampoline.
 * => `vm` is empty. Sleeps.
 * => 0 and the stack pointer; ENOMEM; EIO; E2BIG: the arguments do not fit the stack.
 */
export function* elf32_load(
	k: Kernel,
	vm: vmspace,
	image: elf_image,
	source: exec_source,
	args: exec_args,
): Sleeps<{ error: Errno; sp: number }> {
	const failed = (error: Errno): { error: Errno; sp: number } => ({ error, sp: 0 });
	for (const segment of image.segments) {
		const error = yield* load_segment(k, vm, segment, source);
		if (error !== 0) return failed(error);
		vm.vm_daddr = vm.vm_break = segment.vaddr + segment.memsz;
	}
	const stack = exec_stack(image, args, k.conf!.random);
	if (stack === null) return failed(E2BIG);
	const sp = USRSTACK - stack.length;
	// The arguments fit, whatever RLIMIT_STACK is; faults extend the stack from there.
	vm.vm_map.maxsaddr = USRSTACK - MAXSSIZ;
	let error = yield* map_zeros(
		k,
		vm,
		sp - (sp % ptoa(UVM_AMAP_CHUNK)),
		USRSTACK,
		UVM_FLAG_GROWSDOWN,
	);
	if (error === 0) error = yield* sigcode_map(k, vm.vm_map);
	if (error !== 0) return failed(error);
	const copied = yield* copyout(k, vm.vm_map, stack, sp);
	return copied === 0 ? { error: 0, sp } : failed(ENOMEM);
}

/** Private zero-fill memory at a fixed place. */
function* map_zeros(k: Kernel, vm: vmspace, start: number, end: number, flags = 0): Sleeps<Errno> {
	const args = uvm_map_args(start, end - start);
	args.maxprot = VM_PROT_ALL;
	args.flags = UVM_FLAG_FIXED | UVM_FLAG_COPYONW | flags;
	return yield* uvm_map(k, vm.vm_map, args);
}

function* load_segment(
	k: Kernel,
	vm: vmspace,
	segment: elf_segment,
	source: exec_source,
): Sleeps<Errno> {
	const { vaddr, offset, filesz, memsz, prot } = segment;
	const start = trunc_page(vaddr);
	const end = round_page(vaddr + memsz);
	// Contents whose file offset and address agree modulo the page size can be mapped.
	const mappable = !(source instanceof Uint8Array) && (vaddr - offset) % PAGE_SIZE === 0;
	const filled = mappable ? round_page(vaddr + filesz) : start;
	if (mappable && filled > start) {
		const error = yield* map_file(k, vm, source, segment, start, filled);
		if (error !== 0) return error;
	}
	if (end > filled) {
		const error = yield* map_zeros(k, vm, filled, end);
		if (error !== 0) return error;
	}
	const error = mappable
		? yield* clear_tail(k, vm, vaddr + filesz, Math.min(filled, vaddr + memsz))
		: yield* copy_segment(k, vm, segment, source);
	if (error !== 0) return error;
	k.port.fenceI();
	return yield* uvm_map_protect(k, vm.vm_map, start, end, prot);
}

/** Map the pages of a file privately, writable until the segment is complete. */
function* map_file(
	k: Kernel,
	vm: vmspace,
	vp: vnode,
	segment: elf_segment,
	start: number,
	end: number,
): Sleeps<Errno> {
	const uobj = vp.v_uobj!;
	const args = uvm_map_args(start, end - start);
	args.uobj = uobj;
	args.offset = trunc_page(segment.offset);
	args.maxprot = VM_PROT_ALL;
	uvn_markexec(k, uobj);
	args.flags = UVM_FLAG_FIXED | UVM_FLAG_COPYONW;
	pagerops(k, uobj).pgo_reference(k, uobj);
	const error = yield* uvm_map(k, vm.vm_map, args);
	if (error !== 0) yield* pagerops(k, uobj).pgo_detach(k, uobj);
	return error;
}

/** Zero the rest of the last page that is mapped from the file. */
function* clear_tail(k: Kernel, vm: vmspace, from: number, to: number): Sleeps<Errno> {
	if (to <= from) return 0;
	const error = yield* copyout(k, vm.vm_map, new Uint8Array(to - from), from);
	return error === 0 ? 0 : ENOMEM;
}

/** Bytes copied at a time. */
const CHUNK = 64 * 1024;

function* copy_segment(
	k: Kernel,
	vm: vmspace,
	segment: elf_segment,
	source: exec_source,
): Sleeps<Errno> {
	const { vaddr, offset, filesz } = segment;
	for (let done = 0; done < filesz; done += CHUNK) {
		const n = Math.min(CHUNK, filesz - done);
		let bytes: Uint8Array;
		if (source instanceof Uint8Array) {
			bytes = source.subarray(offset + done, offset + done + n);
		} else {
			bytes = new Uint8Array(n);
			if ((yield* vn_read(k, source, bytes, offset + done)) !== n) return EIO;
		}
		if ((yield* copyout(k, vm.vm_map, bytes, vaddr + done)) !== 0) return ENOMEM;
	}
	return 0;
}
