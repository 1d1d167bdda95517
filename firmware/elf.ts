/**
 * ELF32 executables for RISC-V. System V ABI, chapters 4 and 5.
 *
 * Files come from users, so every field is checked before it is used; an error is an ElfError with
 * a message of one line.
 */

export class ElfError extends Error {
	override readonly name = "ElfError";
}

/** p_flags */
export const PF_X = 1;
export const PF_W = 2;
export const PF_R = 4;

/** A PT_LOAD segment that occupies memory. Addresses are unsigned 32-bit. */
export interface ElfSegment {
	readonly vaddr: number;
	/** Physical address, for images that run without paging. */
	readonly paddr: number;
	/** Bytes in memory; those behind `filesz` are zero. */
	readonly memsz: number;
	/** Where its bytes lie in the file, and how many. */
	readonly offset: number;
	readonly filesz: number;
	/** PF_R | PF_W | PF_X */
	readonly flags: number;
}

export interface ElfImage {
	readonly entry: number;
	/** In order of address, not overlapping. */
	readonly segments: readonly ElfSegment[];
	/** Address of the program headers in memory (AT_PHDR), or 0 if they are not loaded. */
	readonly phdr: number;
	readonly phnum: number;
	readonly phentsize: number;
}

/** A name and its address. */
export interface ElfSymbol {
	readonly name: string;
	readonly value: number;
}

/** Names may overlap, so a small file could hold a great many long ones. */
const NAME_MAX = 1024;
const EHDR_SIZE = 52;
const SHDR_SIZE = 40;
const SYM_SIZE = 16;
const SHT_PROGBITS = 1;
const SHT_SYMTAB = 2;
const SHF_EXECINSTR = 4;
const PHDR_SIZE = 32;
const ELFCLASS32 = 1;
const ELFDATA2LSB = 1;
const EV_CURRENT = 1;
const ET_EXEC = 2;
const EM_RISCV = 243;
const PT_LOAD = 1;
const PT_INTERP = 3;

/** Parse and check an executable. => ElfError if it is not one that can be loaded. */
export function parseElf(file: Uint8Array): ElfImage {
	const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
	checkHeader(file, view);
	const entry = view.getUint32(24, true);
	const phoff = view.getUint32(28, true);
	const phentsize = view.getUint16(42, true);
	const phnum = view.getUint16(44, true);
	if (phnum === 0) throw new ElfError("no program headers");
	if (phentsize !== PHDR_SIZE) throw new ElfError("program headers have the wrong size");
	if (phoff + phnum * PHDR_SIZE > file.length) throw new ElfError("truncated program headers");
	const segments: ElfSegment[] = [];
	for (let i = 0; i < phnum; i++) {
		const at = phoff + i * PHDR_SIZE;
		const type = view.getUint32(at, true);
		if (type === PT_INTERP) throw new ElfError("needs a dynamic linker");
		if (type !== PT_LOAD) continue;
		const segment = readSegment(view, at);
		checkSegment(segment, file.length);
		if (segment.memsz !== 0) segments.push(segment);
	}
	if (segments.length === 0) throw new ElfError("nothing to load");
	segments.sort((a, b) => a.vaddr - b.vaddr);
	checkOverlaps(segments);
	// Flags are not checked: bare-metal images often have none.
	if (!segments.some((s) => isIn(s, entry))) throw new ElfError("entry point is not in a segment");
	if ((entry & 1) !== 0) throw new ElfError("entry point is misaligned");
	return { entry, segments, phdr: addressOf(segments, phoff, phnum), phnum, phentsize };
}

/** A section that lies in the file. */
export interface ElfSection {
	readonly type: number;
	readonly flags: number;
	readonly addr: number;
	readonly offset: number;
	readonly size: number;
	readonly link: number;
}

/**
 * The sections of an executable that `parseElf` accepts, by their numbers; null for those that do
 * not lie in the file. => empty if the section table is invalid: loading does not need it.
 */
function elfSections(file: Uint8Array): (ElfSection | null)[] {
	const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
	const shoff = view.getUint32(32, true);
	const shnum = view.getUint16(48, true);
	if (view.getUint16(46, true) !== SHDR_SIZE || shoff + shnum * SHDR_SIZE > file.length) return [];
	return Array.from({ length: shnum }, (_, i) => {
		const field = (n: number): number => view.getUint32(shoff + i * SHDR_SIZE + 4 * n, true);
		const section = {
			type: field(1),
			flags: field(2),
			addr: field(3),
			offset: field(4),
			size: field(5),
			link: field(6),
		};
		return section.offset + section.size <= file.length ? section : null;
	});
}

/**
 * The symbols of an executable that `parseElf` accepts, in the file's order: those of its symbol
 * table, of which there may be one, with names of at most NAME_MAX bytes.
 */
export function elfSymbols(file: Uint8Array): ElfSymbol[] {
	const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
	const sections = elfSections(file);
	const symbols: ElfSymbol[] = [];
	const table = sections.find((section) => section?.type === SHT_SYMTAB) ?? null;
	const strings = sections[table?.link ?? -1] ?? null;
	if (table === null || strings === null) return symbols;
	const names = file.subarray(strings.offset, strings.offset + strings.size);
	const end = table.offset + table.size;
	for (let at = table.offset; at + SYM_SIZE <= end; at += SYM_SIZE) {
		const name = stringAt(names, view.getUint32(at, true));
		if (name !== "") symbols.push({ name, value: view.getUint32(at + 4, true) });
	}
	return symbols;
}

/** Where the instructions are: executable sections, or segments of a file without sections. */
export function elfCode(file: Uint8Array): { addr: number; bytes: Uint8Array }[] {
	const sections = elfSections(file).filter(
		(section) =>
			section !== null && section.type === SHT_PROGBITS && (section.flags & SHF_EXECINSTR) !== 0,
	) as ElfSection[];
	if (sections.length > 0) {
		return sections.map(({ addr, offset, size }) => ({
			addr,
			bytes: file.subarray(offset, offset + size),
		}));
	}
	return parseElf(file)
		.segments.filter(({ flags }) => (flags & PF_X) !== 0)
		.map(({ vaddr, offset, filesz }) => ({
			addr: vaddr,
			bytes: file.subarray(offset, offset + filesz),
		}));
}

/** The bytes from `offset` to the next zero, as text; none if that is further than NAME_MAX. */
function stringAt(bytes: Uint8Array, offset: number): string {
	const near = bytes.subarray(offset, offset + NAME_MAX + 1);
	const end = near.indexOf(0);
	return end < 0 ? "" : String.fromCharCode(...near.subarray(0, end));
}

function checkHeader(file: Uint8Array, view: DataView): void {
	const isElf =
		file.length >= 4 &&
		file[0] === 0x7f &&
		file[1] === 0x45 &&
		file[2] === 0x4c &&
		file[3] === 0x46;
	if (!isElf) throw new ElfError("not an ELF file");
	if (file.length < EHDR_SIZE) throw new ElfError("truncated ELF header");
	if (file[4] !== ELFCLASS32) throw new ElfError("not a 32-bit ELF file");
	if (file[5] !== ELFDATA2LSB) throw new ElfError("not a little-endian ELF file");
	if (file[6] !== EV_CURRENT || view.getUint32(20, true) !== EV_CURRENT) {
		throw new ElfError("unknown ELF version");
	}
	if (view.getUint16(18, true) !== EM_RISCV) throw new ElfError("not a RISC-V ELF file");
	if (view.getUint16(16, true) !== ET_EXEC) throw new ElfError("not an executable ELF file");
}

function readSegment(view: DataView, at: number): ElfSegment {
	return {
		offset: view.getUint32(at + 4, true),
		vaddr: view.getUint32(at + 8, true),
		paddr: view.getUint32(at + 12, true),
		filesz: view.getUint32(at + 16, true),
		memsz: view.getUint32(at + 20, true),
		flags: view.getUint32(at + 24, true) & (PF_R | PF_W | PF_X),
	};
}

function checkSegment(segment: ElfSegment, fileLength: number): void {
	const { vaddr, paddr, memsz, filesz, offset } = segment;
	if (filesz > memsz) throw new ElfError("segment is larger in the file than in memory");
	if (offset + filesz > fileLength) throw new ElfError("truncated segment");
	if (vaddr + memsz > 2 ** 32 || paddr + memsz > 2 ** 32) {
		throw new ElfError("segment wraps around the address space");
	}
}

function checkOverlaps(segments: readonly ElfSegment[]): void {
	for (let i = 1; i < segments.length; i++) {
		const before = segments[i - 1]!;
		if (before.vaddr + before.memsz > segments[i]!.vaddr) {
			throw new ElfError("segments overlap");
		}
	}
}

const isIn = (s: ElfSegment, address: number): boolean =>
	address >= s.vaddr && address - s.vaddr < s.memsz;

/** Address at which the program headers are loaded, or 0. */
function addressOf(segments: readonly ElfSegment[], phoff: number, phnum: number): number {
	for (const s of segments) {
		const end = s.offset + s.filesz;
		if (phoff >= s.offset && phoff + phnum * PHDR_SIZE <= end) return s.vaddr + phoff - s.offset;
	}
	return 0;
}
