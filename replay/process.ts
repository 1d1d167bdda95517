/**
 * A process that owns memory and has no program: an ELF file with a page of text, of which nothing
 * is executed, and private zero-fill memory.
 */
import { PAGE_SIZE } from "../sys/vmparam.ts";

/** Where its memory begins and ends. */
export const MEMORY = 0x40_0000;
export const MEMORY_END = 0x7b80_0000;

const TEXT = 0x1_0000;
const EHDR_SIZE = 52;
const PHDR_SIZE = 32;
const R = 4;
const W = 2;
const X = 1;

export function emptyProgram(): Uint8Array {
	const segments = [
		{ vaddr: TEXT, filesz: EHDR_SIZE, memsz: PAGE_SIZE, flags: R | X },
		{ vaddr: MEMORY, filesz: 0, memsz: MEMORY_END - MEMORY, flags: R | W | X },
	];
	const bytes = new Uint8Array(EHDR_SIZE + segments.length * PHDR_SIZE);
	const view = new DataView(bytes.buffer);
	// A 32-bit little-endian executable for RISC-V.
	bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
	view.setUint16(16, 2, true);
	view.setUint16(18, 243, true);
	view.setUint32(20, 1, true);
	view.setUint32(24, TEXT, true); // entry
	view.setUint32(28, EHDR_SIZE, true); // program headers
	view.setUint16(40, EHDR_SIZE, true);
	view.setUint16(42, PHDR_SIZE, true);
	view.setUint16(44, segments.length, true);
	for (const [i, { vaddr, filesz, memsz, flags }] of segments.entries()) {
		const words = [1, 0, vaddr, vaddr, filesz, memsz, flags, PAGE_SIZE];
		for (const [n, word] of words.entries()) {
			view.setUint32(EHDR_SIZE + i * PHDR_SIZE + n * 4, word, true);
		}
	}
	return bytes;
}
