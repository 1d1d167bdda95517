/** Images loaded into memory before the hart starts: executables and raw bytes. */

import { RAM_BASE, ROM_BASE, ROM_SIZE } from "../machine/memory.ts";
import { UserError } from "../machine/user-error.ts";
import { type ElfImage, type ElfSegment, elfSymbols, parseElf } from "./elf.ts";

/** An image cannot be loaded; the message is one line. */
export class ImageError extends UserError {
	override readonly name = "ImageError";
}

/** Bytes at a physical address, and zeros behind them. */
export interface ImageSegment {
	readonly pa: number;
	readonly bytes: Uint8Array;
	readonly zeros: number;
}

export interface LoadedImage {
	/** For messages. */
	readonly name: string;
	readonly entry: number;
	readonly segments: readonly ImageSegment[];
	/** A segment lies in the boot ROM. */
	readonly inRom: boolean;
	readonly symbols: ReadonlyMap<string, number>;
}

const ELF_MAGIC = [0x7f, 0x45, 0x4c, 0x46];
const HTIF_SYMBOLS = ["tohost", "fromhost"];

/**
 * Place the segments of an image. A raw image begins at `address` and is entered there.
 * => ImageError if a segment lies outside RAM (`ramSize` bytes) and ROM, or the ELF file cannot be
 *    run; `mayBeElf` is false for images that are always raw.
 */
export function place(
	name: string,
	file: Uint8Array,
	address: number,
	ramSize: number,
	mayBeElf = true,
): LoadedImage {
	if (file.length === 0) throw new ImageError(`${name}: the file is empty`);
	const image = mayBeElf && isElf(file) ? placeElf(name, file) : placeRaw(name, file, address);
	for (const { pa, bytes, zeros } of image.segments) {
		const end = pa + bytes.length + zeros;
		const inRam = pa >= RAM_BASE && end <= RAM_BASE + ramSize;
		const inRom = pa >= ROM_BASE && end <= ROM_BASE + ROM_SIZE;
		if (!inRam && !inRom) {
			const ram = `0x${hex(RAM_BASE)}..0x${hex(RAM_BASE + ramSize)}`;
			throw new ImageError(`${name}: 0x${hex(pa)}..0x${hex(end)} is not in RAM (${ram})`);
		}
	}
	return image;
}

function placeRaw(name: string, bytes: Uint8Array, pa: number): LoadedImage {
	const segments = [{ pa, bytes, zeros: 0 }];
	return { name, entry: pa, segments, inRom: pa < RAM_BASE, symbols: new Map() };
}

function placeElf(name: string, file: Uint8Array): LoadedImage {
	const elf = parse(name, file);
	const segments = elf.segments.map((segment) => placeSegment(file, segment));
	const symbols = new Map<string, number>();
	for (const { name: symbol, value } of elfSymbols(file)) {
		if (HTIF_SYMBOLS.includes(symbol)) symbols.set(symbol, toPhysical(elf, value));
	}
	const inRom = segments.some((segment) => segment.pa < RAM_BASE);
	return { name, entry: toPhysical(elf, elf.entry), segments, inRom, symbols };
}

/**
 * Linkers often put the file's headers in front of the first section. If only those lie below RAM,
 * they are not loaded.
 */
function placeSegment(file: Uint8Array, segment: ElfSegment): ImageSegment {
	const { paddr, offset, filesz, memsz } = segment;
	const below = paddr >= ROM_BASE + ROM_SIZE ? RAM_BASE - paddr : 0;
	const headers = new DataView(file.buffer, file.byteOffset, file.byteLength);
	const end =
		headers.getUint32(28, true) + headers.getUint16(44, true) * headers.getUint16(42, true);
	const empty = (from: number, to: number): boolean =>
		file.subarray(from, to).every((byte) => byte === 0);
	const skip =
		offset === 0 && below > 0 && below <= filesz && end <= below && empty(end, below) ? below : 0;
	return {
		pa: paddr + skip,
		bytes: file.subarray(offset + skip, offset + filesz),
		zeros: memsz - filesz,
	};
}

export function parse(name: string, file: Uint8Array): ElfImage {
	try {
		return parseElf(file);
	} catch (error) {
		throw new ImageError(`${name}: ${(error as Error).message}`);
	}
}

export const isElf = (file: Uint8Array): boolean => ELF_MAGIC.every((byte, i) => file[i] === byte);

/** Kernels are linked at virtual addresses, and entered before paging is on. */
function toPhysical(elf: ElfImage, address: number): number {
	const segment = elf.segments.find(
		({ vaddr, memsz }) => address >= vaddr && address - vaddr < memsz,
	);
	return segment === undefined ? address : address - segment.vaddr + segment.paddr;
}

/** => ImageError if two images overlap. */
export function checkOverlaps(images: readonly LoadedImage[]): void {
	const places = images
		.flatMap(({ name, segments }) =>
			segments.map(({ pa, bytes, zeros }) => ({ name, pa, end: pa + bytes.length + zeros })),
		)
		.sort((a, b) => a.pa - b.pa);
	for (let i = 1; i < places.length; i++) {
		const before = places[i - 1]!;
		const after = places[i]!;
		if (before.end > after.pa) {
			throw new ImageError(
				`${after.name}: 0x${hex(after.pa)} is taken by ${before.name}; more RAM may help`,
			);
		}
	}
}

const hex = (n: number): string => n.toString(16);
