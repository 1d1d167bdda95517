/**
 * Static ELF programs (sys/kern/exec_elf32.c): check an image, and build an address space from it.
 */
import { E2BIG, ENOMEM, type Errno } from "../../pmap/errno.ts";
import {
	MAXSSIZ,
	PAGE_SIZE,
	round_page,
	trunc_page,
	USRSTACK,
	VM_MIN_ADDRESS,
	VM_PROT_ALL,
	VM_PROT_EXECUTE,
	VM_PROT_READ,
	VM_PROT_WRITE,
	type vm_prot_t,
} from "../../pmap/vmparam.ts";
import type { Kernel } from "../kernel.ts";
import { UVM_FLAG_COPYONW, UVM_FLAG_FIXED } from "../uvm/uvm_extern.ts";
import { uvm_map, uvm_map_args, uvm_map_protect, type vmspace } from "../uvm/uvm_map.ts";
import { copyout } from "./copy.ts";
import type { Sleeps } from "./kern_synch.ts";

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
	readonly vaddr: number;
	readonly memsz: number;
	readonly bytes: Uint8Array;
	readonly prot: vm_prot_t;
}

export interface elf_image {
	readonly entry: number;
	readonly segments: readonly elf_segment[];
	/** Address of the program headers in memory, or 0, and how many there are. */
	readonly phdr: number;
	readonly phnum: number;
}

/** What is wrong with a file that cannot be run, in one line. */
export interface elf_error {
	readonly error: string;
}

/** Check an ELF file and find its segments. => never throws; a file is what it is. */
export function elf32_parse(file: Uint8Array): elf_image | elf_error {
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
		if (offset + filesz > file.length) return bad("truncated segment");
		if (vaddr < VM_MIN_ADDRESS || vaddr + memsz > USRSTACK - MAXSSIZ) {
			return bad("segment outside of the user address space");
		}
		let prot = 0;
		if ((flags & PF_R) !== 0) prot |= VM_PROT_READ;
		if ((flags & PF_W) !== 0) prot |= VM_PROT_WRITE;
		if ((flags & PF_X) !== 0) prot |= VM_PROT_EXECUTE;
		if (phoff >= offset && phoff < offset + filesz) phdr = vaddr + phoff - offset;
		segments.push({ vaddr, memsz, bytes: file.subarray(offset, offset + filesz), prot });
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

/**
 * Build the program's memory: segments, heap, stack with its arguments.
 * => sleeps. 0 and the stack pointer; ENOMEM; E2BIG: the arguments do not fit the stack.
 */
export function* elf32_load(
	k: Kernel,
	vm: vmspace,
	image: elf_image,
	argv: readonly string[],
): Sleeps<{ error: Errno; sp: number }> {
	const failed = (error: Errno): { error: Errno; sp: number } => ({ error, sp: 0 });
	for (const segment of image.segments) {
		const error = yield* load_segment(k, vm, segment);
		if (error !== 0) return failed(error);
		vm.vm_daddr = vm.vm_break = segment.vaddr + segment.memsz;
	}
	const error = yield* map_zeros(k, vm, USRSTACK - MAXSSIZ, USRSTACK);
	if (error !== 0) return failed(error);
	const stack = stack_image(image, argv, k.conf!.random);
	if (stack === null) return failed(E2BIG);
	const sp = USRSTACK - stack.length;
	const copied = yield* copyout(k, vm.vm_map, stack, sp);
	return copied === 0 ? { error: 0, sp } : failed(ENOMEM);
}

/** Private zero-fill memory at a fixed place. */
function* map_zeros(k: Kernel, vm: vmspace, start: number, end: number): Sleeps<Errno> {
	const args = uvm_map_args(start, end - start);
	args.maxprot = VM_PROT_ALL;
	args.flags = UVM_FLAG_FIXED | UVM_FLAG_COPYONW;
	return yield* uvm_map(k, vm.vm_map, args);
}

function* load_segment(k: Kernel, vm: vmspace, segment: elf_segment): Sleeps<Errno> {
	const start = trunc_page(segment.vaddr);
	const end = round_page(segment.vaddr + segment.memsz);
	const error = yield* map_zeros(k, vm, start, end);
	if (error !== 0) return error;
	if ((yield* copyout(k, vm.vm_map, segment.bytes, segment.vaddr)) !== 0) return ENOMEM;
	k.port.fenceI();
	return yield* uvm_map_protect(k, vm.vm_map, start, end, segment.prot);
}

const AT_NULL = 0;
const AT_PHDR = 3;
const AT_PHENT = 4;
const AT_PHNUM = 5;
const AT_PAGESZ = 6;
const AT_ENTRY = 9;
const AT_RANDOM = 25;

/**
 * What a program finds at its stack pointer: argc, argv, an empty environment, the auxiliary
 * vector, and behind them the strings. => null if that is more than a quarter of the stack.
 */
function stack_image(
	image: elf_image,
	argv: readonly string[],
	random: Uint8Array,
): Uint8Array | null {
	const strings = argv.map((arg) => new TextEncoder().encode(`${arg}\0`));
	const auxv: [number, number][] = [
		[AT_PAGESZ, PAGE_SIZE],
		[AT_ENTRY, image.entry],
		[AT_RANDOM, 0],
	];
	if (image.phdr !== 0) {
		auxv.push([AT_PHDR, image.phdr], [AT_PHENT, PHDR_SIZE], [AT_PHNUM, image.phnum]);
	}
	auxv.push([AT_NULL, 0]);
	const words = 1 + argv.length + 1 + 1 + auxv.length * 2;
	const text = strings.reduce((sum, s) => sum + s.length, 0) + random.length;
	const size = Math.ceil((words * 4 + text) / 16) * 16;
	if (size > MAXSSIZ / 4) return null;
	const base = USRSTACK - size;
	const bytes = new Uint8Array(size);
	const view = new DataView(bytes.buffer);
	let word = 0;
	let at = words * 4;
	const put = (value: number): void => view.setUint32(word++ * 4, value, true);
	put(argv.length);
	for (const s of strings) {
		put(base + at);
		bytes.set(s, at);
		at += s.length;
	}
	put(0);
	put(0);
	bytes.set(random, at);
	for (const [type, value] of auxv) {
		put(type);
		put(type === AT_RANDOM ? base + at : value);
	}
	return bytes;
}
