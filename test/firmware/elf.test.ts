import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ElfError, PF_R, PF_W, PF_X, parseElf } from "../../firmware/elf.ts";

interface Header {
	vaddr: number;
	memsz: number;
	filesz: number;
	offset: number;
	flags: number;
	type?: number;
}

const CODE: Header = {
	vaddr: 0x1_0000,
	memsz: 0x200,
	filesz: 0x200,
	offset: 0,
	flags: PF_R | PF_X,
};
const DATA: Header = {
	vaddr: 0x1_2000,
	memsz: 0x900,
	filesz: 0x80,
	offset: 0x200,
	flags: PF_R | PF_W,
};

/** A file of `size` bytes with the given segments. */
function elf(headers: Header[] = [CODE, DATA], entry = 0x1_0080, size = 0x300): Uint8Array {
	const file = new Uint8Array(size);
	const view = new DataView(file.buffer);
	file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
	view.setUint16(16, 2, true);
	view.setUint16(18, 243, true);
	view.setUint32(20, 1, true);
	view.setUint32(24, entry, true);
	view.setUint32(28, 52, true);
	view.setUint16(40, 52, true);
	view.setUint16(42, 32, true);
	view.setUint16(44, headers.length, true);
	for (const [i, h] of headers.entries()) {
		const words = [h.type ?? 1, h.offset, h.vaddr, h.vaddr, h.filesz, h.memsz, h.flags, 4096];
		for (const [k, word] of words.entries()) view.setUint32(52 + 32 * i + 4 * k, word, true);
	}
	return file;
}

/** The file with one field changed: 16-bit if `bytes` is 2. */
function changed(offset: number, value: number, bytes = 1): Uint8Array {
	const file = elf();
	const view = new DataView(file.buffer);
	if (bytes === 1) view.setUint8(offset, value);
	else if (bytes === 2) view.setUint16(offset, value, true);
	else view.setUint32(offset, value, true);
	return file;
}

describe("parseElf", () => {
	it("gives the segments in order, the entry and where the program headers are loaded", () => {
		expect(parseElf(elf([DATA, CODE]))).toEqual({
			entry: 0x1_0080,
			segments: [
				{ ...CODE, paddr: CODE.vaddr },
				{ ...DATA, paddr: DATA.vaddr },
			],
			phdr: 0x1_0034,
			phnum: 2,
			phentsize: 32,
		});
	});

	it("works on a file that lies inside a larger buffer", () => {
		const outer = new Uint8Array(0x400);
		outer.set(elf(), 0x11);
		expect(parseElf(outer.subarray(0x11, 0x311)).entry).toBe(0x1_0080);
	});

	it.each([
		["empty", new Uint8Array(0), "not an ELF file"],
		[
			"text",
			new TextEncoder().encode("#!/bin/sh\necho hello, this is no ELF file at all\n"),
			"not an ELF file",
		],
		["cut in the header", elf().subarray(0, 40), "truncated ELF header"],
		["64-bit", changed(4, 2), "not a 32-bit ELF file"],
		["big-endian", changed(5, 2), "not a little-endian ELF file"],
		["version", changed(6, 0), "unknown ELF version"],
		["x86", changed(18, 3, 2), "not a RISC-V ELF file"],
		["object file", changed(16, 1, 2), "not an executable ELF file"],
		["shared", changed(16, 3, 2), "not an executable ELF file"],
		["no headers", changed(44, 0, 2), "no program headers"],
		["odd headers", changed(42, 56, 2), "program headers have the wrong size"],
		["many headers", changed(44, 60000, 2), "truncated program headers"],
		["headers far away", changed(28, 0xffff_fff0, 4), "truncated program headers"],
		["cut in a segment", elf().subarray(0, 0x27f), "truncated segment"],
		["segment far away", elf([CODE, { ...DATA, offset: 0xffff_ff00 }]), "truncated segment"],
		[
			"file above memory",
			elf([CODE, { ...DATA, memsz: 1 }]),
			"segment is larger in the file than in memory",
		],
		[
			"wrapping",
			elf([CODE, { ...DATA, vaddr: 0xffff_f800 }]),
			"segment wraps around the address space",
		],
		["overlapping", elf([CODE, { ...DATA, vaddr: 0x1_01ff }]), "segments overlap"],
		["nothing", elf([{ ...CODE, type: 4 }]), "nothing to load"],
		["dynamic", elf([CODE, { ...DATA, type: 3 }]), "needs a dynamic linker"],
		["entry between segments", elf([CODE, DATA], 0x1_1000), "entry point is not in a segment"],
		["odd entry", elf([CODE, DATA], 0x1_0081), "entry point is misaligned"],
	])("refuses %s", (_name, file, message) => {
		expect(() => parseElf(file)).toThrow(ElfError);
		expect(() => parseElf(file)).toThrow(message);
	});

	it("accepts the last byte of the address space", () => {
		const high = { ...DATA, vaddr: 0xffff_f700 };
		expect(parseElf(elf([CODE, high])).segments[1]!.vaddr).toBe(0xffff_f700);
	});

	it("throws nothing but ElfError with one line, and gives only what fits", () => {
		const mutation = fc.array(fc.tuple(fc.nat(0x7f), fc.nat(255)), { maxLength: 6 });
		fc.assert(
			fc.property(mutation, fc.nat(0x300), (bytes, cut) => {
				const file = elf();
				for (const [at, value] of bytes) file[at] = value;
				const cutFile = cut < 0x80 ? file : file.subarray(0, 0x380 - cut);
				try {
					for (const s of parseElf(cutFile).segments) {
						expect(s.offset + s.filesz).toBeLessThanOrEqual(cutFile.length);
						expect(s.vaddr + s.memsz).toBeLessThanOrEqual(2 ** 32);
						expect(s.filesz).toBeLessThanOrEqual(s.memsz);
					}
				} catch (error) {
					expect(error).toBeInstanceOf(ElfError);
					expect((error as ElfError).message).toMatch(/^[^\n]+$/);
				}
			}),
			{ numRuns: 3000 },
		);
	});
});
