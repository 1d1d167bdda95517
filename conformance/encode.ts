/** Encodes instructions from operands, driven by the machine's instruction table. */
import { HALF_INSTRUCTIONS, type Instruction, WORD_INSTRUCTIONS } from "../machine/isa.ts";
import { immediateRuns } from "../machine/isa-format.ts";

const BY_NAME: ReadonlyMap<string, Instruction> = new Map(
	[...WORD_INSTRUCTIONS, ...HALF_INSTRUCTIONS].map((instruction) => [
		instruction.name,
		instruction,
	]),
);

/** Registers by number. Operands that the format fixes or does not have are ignored. */
export interface Operands {
	readonly rd?: number;
	readonly rs1?: number;
	readonly rs2?: number;
	/** Bits that do not fit in the format are dropped. */
	readonly imm?: number;
}

/** => throws for a name that is not in the table. */
export function instructionNamed(name: string): Instruction {
	const instruction = BY_NAME.get(name);
	if (instruction === undefined) throw new Error(`no instruction ${name}`);
	return instruction;
}

/** A register field. A three-bit field can only hold x8..x15. */
function registerBits(field: number, register: number): number {
	if (field < 32) return 0;
	return field < 64 ? (register & 31) << (field - 32) : (register & 7) << (field - 64);
}

/** => an unsigned word; a compressed instruction is in the low half. */
export function encodeInstruction(instruction: Instruction, operands: Operands): number {
	const { format, match } = instruction;
	const { rd = 0, rs1 = 0, rs2 = 0, imm = 0 } = operands;
	let word =
		match |
		registerBits(format.rd, rd) |
		registerBits(format.rs1, rs1) |
		registerBits(format.rs2, rs2);
	for (const run of immediateRuns(format.imm)) {
		word |= ((imm >>> run.to) & run.mask) << run.from;
	}
	return word >>> 0;
}

/** Encode by name. */
export const encode = (name: string, operands: Operands = {}): number =>
	encodeInstruction(instructionNamed(name), operands);

/** Two instructions that load `value` into `rd`. */
export function loadImmediate(rd: number, value: number): number[] {
	const low = (value << 20) >> 20;
	return [encode("lui", { rd, imm: (value - low) | 0 }), encode("addi", { rd, rs1: rd, imm: low })];
}
