/**
 * From an instruction word to operation and operands, driven by the table in isa.ts.
 *
 * A Decoder is reused for every instruction, so decoding allocates nothing.
 */
import { HALF_INSTRUCTIONS, type Instruction, WORD_INSTRUCTIONS } from "./isa.ts";
import { FORMATS, type ImmediateRun, immediateRuns, immediateWidth } from "./isa-format.ts";
import { OP } from "./op.ts";

/** A table entry with its immediate laid out for decoding. */
interface Entry {
	readonly instruction: Instruction;
	readonly runs: readonly ImmediateRun[];
	/** Shift that brings the immediate's sign bit to bit 31; 0 if it is unsigned. */
	readonly signShift: number;
	/** Is there a rounding mode? */
	readonly rounds: boolean;
}

/** Entries by the bits that tell most of them apart: opcode and funct3, or the low and top bits. */
export const wordKey = (w: number): number => ((w >>> 2) & 31) | ((w >>> 7) & 0xe0);
const halfKey = (h: number): number => (h & 3) | ((h >>> 11) & 0x1c);

function index(
	instructions: readonly Instruction[],
	size: number,
	key: (w: number) => number,
	keyMask: number,
): readonly (readonly Entry[])[] {
	const table: Entry[][] = Array.from({ length: size }, () => []);
	for (const instruction of instructions) {
		const runs = immediateRuns(instruction.format.imm);
		const signShift = instruction.format.signed ? 32 - immediateWidth(runs) : 0;
		const entry = {
			instruction,
			runs,
			signShift: runs.length === 0 ? 0 : signShift,
			rounds: /,rm/.test(instruction.format.syntax),
		};
		// An entry belongs to every key that agrees with it in the bits it fixes.
		const fixed = key(instruction.mask) & keyMask;
		const bits = key(instruction.match) & fixed;
		const free = keyMask & ~fixed;
		for (let more = free; ; more = (more - 1) & free) {
			table[bits | more]!.push(entry);
			if (more === 0) break;
		}
	}
	return table;
}

const WORD_INDEX = index(WORD_INSTRUCTIONS, 256, wordKey, 0xff);
const HALF_INDEX = index(HALF_INSTRUCTIONS, 32, halfKey, 0x1f);

/**
 * By `wordKey`, the OP of words of format I, load or S that the key tells from all others; 0: the
 * word may be another.
 */
export const PLAIN: Uint8Array = Uint8Array.from(WORD_INDEX, (entries) => {
	const [only, another] = entries;
	if (only === undefined || another !== undefined) return 0;
	const { format, mask, op } = only.instruction;
	const plain = format === FORMATS.I || format === FORMATS.load || format === FORMATS.S;
	return plain && mask === 0x707f ? op : 0;
});

function register(field: number, w: number): number {
	if (field < 32) return field;
	return field < 64 ? (w >>> (field - 32)) & 31 : 8 + ((w >>> (field - 64)) & 7);
}

/** Bytes of the instruction that begins with halfword `h`. Longer encodings are illegal here. */
export const instructionLength = (h: number): 2 | 4 => ((h & 3) === 3 ? 4 : 2);

export class Decoder {
	/** OP of the 32-bit form. */
	op: number = OP.ILLEGAL;
	rd = 0;
	rs1 = 0;
	rs2 = 0;
	imm = 0;
	/** The table's entry, or null for an illegal instruction. */
	instruction: Instruction | null = null;

	/** Decode `w`; only its low 16 bits matter if they begin a two-byte encoding. */
	decode(w: number): void {
		const half = (w & 3) !== 3;
		const entries = half ? HALF_INDEX[halfKey(w & 0xffff)]! : WORD_INDEX[wordKey(w)]!;
		const bits = half ? w & 0xffff : w;
		for (let i = 0; i < entries.length; i++) {
			const entry = entries[i]!;
			const instruction = entry.instruction;
			if (((bits ^ instruction.match) & instruction.mask) !== 0) continue;
			this.#operands(entry, bits);
			if (instruction.nonzero !== null && this[instruction.nonzero] === 0) continue;
			if (entry.rounds && ((bits >>> 12) & 7) >= 5 && ((bits >>> 12) & 7) <= 6) continue;
			this.op = instruction.op;
			this.instruction = instruction;
			return;
		}
		this.op = OP.ILLEGAL;
		this.instruction = null;
		this.rd = this.rs1 = this.rs2 = this.imm = 0;
	}

	#operands(entry: Entry, w: number): void {
		const format = entry.instruction.format;
		this.rd = register(format.rd, w);
		this.rs1 = register(format.rs1, w);
		this.rs2 = register(format.rs2, w);
		let imm = 0;
		const runs = entry.runs;
		for (let i = 0; i < runs.length; i++) {
			const run = runs[i]!;
			imm |= ((w >>> run.from) & run.mask) << run.to;
		}
		this.imm = (imm << entry.signShift) >> entry.signShift;
	}
}
