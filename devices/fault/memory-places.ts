/** Where in RAM the rules for memory strike, and what they may not say. */
import type { Dma } from "../../machine/dma.ts";
import { RAM_BASE } from "../../machine/memory.ts";
import { type Choose, drawMask, firstOf, notBoth, range, WORD_MAX } from "./fault-host.ts";
import type { MachineRule } from "./machine-rule.ts";
import type { CellFault, MemoryFlip, RowFailure } from "./memory-rule.ts";

const ROW_BYTES = 8192;
const ROW_BYTES_MIN = 64;
const ROW_BYTES_MAX = 1 << 20;
const BANKS = 8;
const BANKS_MAX = 64;
const WORD = 8;
const SCRUB_MIN_NS = 1000;

/** Bytes that a mask for the byte at an address and those after it reaches. */
export const bytesOfMask = (mask: number): number => Math.ceil((32 - Math.clz32(mask)) / 8);

/** Where a rule flips memory, and which bits. */
export function flippedBits(
	{ pa, mask, bits = 1 }: MemoryFlip,
	ramSize: number,
	choose: Choose,
): { pa: number; mask: number } {
	return {
		pa: pa ?? RAM_BASE + choose("pa", ramSize),
		mask: mask ?? drawMask(bits, 8, choose),
	};
}

/** The other cell of a coupling fault. */
export function aggressorOf(cell: CellFault): { pa: number; bit: number } {
	const { pa, bit, aggressorPa = pa + 1, aggressorBit = bit } = cell;
	return { pa: aggressorPa, bit: aggressorBit };
}

/** Does the word of 8 bytes at `offset` of RAM belong to what has failed? */
export function isInFailure(failure: RowFailure, offset: number): boolean {
	const { pa, kind = "row", rowBytes = ROW_BYTES, banks = BANKS } = failure;
	const at = pa - RAM_BASE;
	const row = Math.floor(offset / rowBytes);
	const failed = Math.floor(at / rowBytes);
	if (kind === "row") return row === failed;
	if (row % banks !== failed % banks) return false;
	const column = Math.floor((offset % rowBytes) / WORD);
	return kind === "bank" || column === Math.floor((at % rowBytes) / WORD);
}

/** May any word of the page at `offset` belong to it? */
export function reachesPage(failure: RowFailure, offset: number, bytes: number): boolean {
	for (let at = offset; at < offset + bytes; at += WORD) if (isInFailure(failure, at)) return true;
	return false;
}

const isInRam = (dma: Dma, name: string, pa: number, bytes = 1): string =>
	dma.contains(pa, bytes) ? "" : `${name} 0x${pa.toString(16)}: not in RAM`;

function flip({ pa, mask, bits }: MemoryFlip, dma: Dma): string {
	return firstOf(
		range("mask", mask, 1, WORD_MAX),
		range("bits", bits, 1, 8),
		notBoth("mask", mask, "bits", bits),
		pa === undefined ? "" : isInRam(dma, "pa", pa, mask === undefined ? 1 : bytesOfMask(mask)),
	);
}

function row({ pa, rowBytes = ROW_BYTES, banks }: RowFailure, dma: Dma): string {
	const whole = rowBytes % WORD === 0 ? "" : `rowBytes ${rowBytes}: must be a multiple of ${WORD}`;
	return firstOf(
		range("rowBytes", rowBytes, ROW_BYTES_MIN, ROW_BYTES_MAX),
		whole,
		range("banks", banks, 1, BANKS_MAX),
		isInRam(dma, "pa", pa),
	);
}

function cell(params: CellFault, dma: Dma): string {
	const { pa, bit, mode, aggressorPa, aggressorBit } = params;
	const own = firstOf(isInRam(dma, "pa", pa), range("bit", bit, 0, 7));
	if (own !== "") return own;
	if (mode !== "cf") {
		const given = aggressorPa !== undefined || aggressorBit !== undefined;
		return given ? "aggressorPa: only with mode cf" : "";
	}
	const aggressor = aggressorOf(params);
	const same = aggressor.pa === pa && aggressor.bit === bit;
	return firstOf(
		isInRam(dma, "aggressorPa", aggressor.pa),
		range("aggressorBit", aggressorBit, 0, 7),
		same ? "aggressorPa: must be another cell" : "",
	);
}

/** => what is wrong with a rule for memory, or "" */
export function checkMemoryRule(rule: MachineRule, dma: Dma): string {
	switch (rule.model) {
		case "memory.flip":
			return flip(rule.params, dma);
		case "memory.stuck":
			return firstOf(isInRam(dma, "pa", rule.params.pa), range("bit", rule.params.bit, 0, 7));
		case "memory.row":
			return row(rule.params, dma);
		case "memory.cell":
			return cell(rule.params, dma);
		case "memory.ecc": {
			const { miscorrect = 0, scrubNs } = rule.params;
			const works = miscorrect >= 0 && miscorrect <= 1;
			return firstOf(
				works ? "" : `miscorrect ${miscorrect}: must be 0 to 1`,
				range("scrubNs", scrubNs, SCRUB_MIN_NS, Number.MAX_SAFE_INTEGER),
			);
		}
		default:
			return "";
	}
}
