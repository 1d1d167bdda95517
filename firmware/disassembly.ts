/** The disassembly of a file, as `uvmachine disasm` prints it. */

import { listing } from "../machine/listing.ts";
import { elfCode, elfSymbols } from "./elf.ts";
import { isElf, parse } from "./image.ts";

/**
 * The executable parts of an ELF file, or all of a raw one, which begins at `address`.
 * => ImageError for an ELF file that cannot be run.
 */
export function* disassembly(file: Uint8Array, address: number): Generator<string, void, void> {
	if (!isElf(file)) {
		yield* listing(file, address);
		return;
	}
	parse("file", file);
	const symbols = elfSymbols(file);
	for (const { addr, bytes } of elfCode(file)) yield* listing(bytes, addr, symbols);
}
