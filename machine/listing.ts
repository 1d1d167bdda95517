/** Listings of machine code: address, bytes, text of each instruction, and symbols as labels. */

import { instructionLength } from "./decode.ts";
import { disassemble } from "./disasm.ts";

/** A name for an address. */
export interface Label {
	readonly name: string;
	readonly value: number;
}

/** One line for `w` at `pc`, for listings and instruction traces. */
export function listingLine(pc: number, w: number): string {
	const digits = instructionLength(w) === 4 ? 8 : 4;
	const word = (digits === 8 ? w >>> 0 : w & 0xffff).toString(16).padStart(digits, "0");
	return `${hex(pc)}:  ${word.padEnd(8)}  ${disassemble(w, pc)}`;
}

/**
 * The instructions in `code`, which lies at `address`, one line each.
 * => all bytes are decoded as consecutive instructions; an instruction cut off at the end is shown
 *    as data.
 */
export function* listing(
	code: Uint8Array,
	address: number,
	symbols: readonly Label[] = [],
): Generator<string, void, void> {
	const labels = labelsOf(symbols);
	const half = (at: number): number => code[at]! | ((code[at + 1] ?? 0) << 8);
	for (let at = 0; at < code.length; ) {
		const pc = address + at;
		for (const label of labels.get(pc) ?? []) yield `\n${hex(pc)} <${label}>:`;
		const low = half(at);
		const whole = at + instructionLength(low) <= code.length;
		if (!whole) {
			const digits = low.toString(16);
			yield `${hex(pc)}:  ${digits.padStart(4, "0").padEnd(8)}  .half 0x${digits}`;
			return;
		}
		yield listingLine(pc, instructionLength(low) === 4 ? low | (half(at + 2) << 16) : low);
		at += instructionLength(low);
	}
}

/** Names by address, without the assembler's own local labels. */
function labelsOf(symbols: readonly Label[]): Map<number, string[]> {
	const labels = new Map<number, string[]>();
	for (const { name, value } of symbols) {
		if (!/^(\$|\.L)/.test(name)) labels.set(value, [...(labels.get(value) ?? []), name]);
	}
	return labels;
}

const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, "0");
