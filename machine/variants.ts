/**
 * The cases of the interpreter's loop: for each operation that the loop executes, which operation
 * of a 32-bit encoding it is a form of (effects.ts), and how it is encoded.
 */
import { OP, SHORT } from "./op.ts";

export interface Variant {
	readonly op: number;
	/** The operation that has its effect. */
	readonly base: number;
	readonly bytes: 2 | 4;
	/** Does it go to another page? A branch only if it is taken. */
	readonly far: boolean;
}

/** Forms of operations that SHORT does not name, in the order of their numbers. */
const CONTROL: readonly (readonly [op: number, base: number, bytes: 2 | 4, far: boolean])[] = [
	[OP.JAL, OP.JAL, 4, false],
	[OP.JAL_FAR, OP.JAL, 4, true],
	[OP.C_J, OP.JAL, 2, false],
	[OP.C_J_FAR, OP.JAL, 2, true],
	[OP.C_JAL, OP.JAL, 2, false],
	[OP.C_JAL_FAR, OP.JAL, 2, true],
	[OP.JALR, OP.JALR, 4, true],
	[OP.C_JR, OP.JALR, 2, true],
	[OP.C_JALR, OP.JALR, 2, true],
	[OP.BEQ_FAR, OP.BEQ, 4, true],
	[OP.BNE_FAR, OP.BNE, 4, true],
	[OP.BLT_FAR, OP.BLT, 4, true],
	[OP.BGE_FAR, OP.BGE, 4, true],
	[OP.BLTU_FAR, OP.BLTU, 4, true],
	[OP.BGEU_FAR, OP.BGEU, 4, true],
	[OP.C_BEQZ, OP.BEQ, 2, false],
	[OP.C_BNEZ, OP.BNE, 2, false],
	[OP.C_BEQZ_FAR, OP.BEQ, 2, true],
	[OP.C_BNEZ_FAR, OP.BNE, 2, true],
	[OP.C_MV, OP.ADD, 2, false],
];

/** By OP; undefined: the loop has no such case, or it is no instruction. */
export function variants(): readonly (Variant | undefined)[] {
	const table: (Variant | undefined)[] = new Array(256).fill(undefined);
	for (let op: number = OP.LUI; op <= OP.AMO; op++) {
		if (op !== OP.PAGE_END && op !== OP.LEAVE) table[op] = { op, base: op, bytes: 4, far: false };
	}
	for (let base = 0; base < SHORT.length; base++) {
		const op = SHORT[base]!;
		if (op !== 0 && op <= OP.AMO) table[op] = { op, base, bytes: 2, far: false };
	}
	for (const [op, base, bytes, far] of CONTROL) table[op] = { op, base, bytes, far };
	table[OP.CSR] = { op: OP.CSR, base: OP.CSR, bytes: 4, far: false };
	return table;
}
