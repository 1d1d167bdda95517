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
	/** The names of its encodings; null: all others of this length with its base. */
	readonly encodings: readonly string[] | null;
}

/** Forms of operations that SHORT does not name, or that have encodings of other operations. */
const OTHERS: readonly (readonly [
	op: number,
	base: number,
	bytes: 2 | 4,
	far: boolean,
	...encodings: string[],
])[] = [
	[OP.C_LUI, OP.LUI, 2, false, "c.lui", "c.li"],
	[OP.JAL, OP.JAL, 4, false],
	[OP.JAL_FAR, OP.JAL, 4, true],
	[OP.C_J, OP.JAL, 2, false, "c.j"],
	[OP.C_J_FAR, OP.JAL, 2, true, "c.j"],
	[OP.C_JAL, OP.JAL, 2, false, "c.jal"],
	[OP.C_JAL_FAR, OP.JAL, 2, true, "c.jal"],
	[OP.JALR, OP.JALR, 4, true],
	[OP.C_JR, OP.JALR, 2, true, "c.jr"],
	[OP.C_JALR, OP.JALR, 2, true, "c.jalr"],
	[OP.BEQ_FAR, OP.BEQ, 4, true],
	[OP.BNE_FAR, OP.BNE, 4, true],
	[OP.BLT_FAR, OP.BLT, 4, true],
	[OP.BGE_FAR, OP.BGE, 4, true],
	[OP.BLTU_FAR, OP.BLTU, 4, true],
	[OP.BGEU_FAR, OP.BGEU, 4, true],
	[OP.C_BEQZ, OP.BEQ, 2, false, "c.beqz"],
	[OP.C_BNEZ, OP.BNE, 2, false, "c.bnez"],
	[OP.C_BEQZ_FAR, OP.BEQ, 2, true, "c.beqz"],
	[OP.C_BNEZ_FAR, OP.BNE, 2, true, "c.bnez"],
	[OP.C_MV, OP.ADD, 2, false, "c.mv"],
];

/** By OP; undefined: the loop has no such case, or it is no instruction. */
export function variants(): readonly (Variant | undefined)[] {
	const table: (Variant | undefined)[] = new Array(256).fill(undefined);
	const plain = (op: number, base: number, bytes: 2 | 4): void => {
		table[op] = { op, base, bytes, far: false, encodings: null };
	};
	for (let op: number = OP.LUI; op <= OP.AMO; op++) {
		if (op !== OP.PAGE_END && op !== OP.LEAVE) plain(op, op, 4);
	}
	for (let base = 0; base < SHORT.length; base++) {
		const op = SHORT[base]!;
		if (op !== 0 && op <= OP.AMO) plain(op, base, 2);
	}
	for (const [op, base, bytes, far, ...encodings] of OTHERS) {
		table[op] = { op, base, bytes, far, encodings: encodings.length === 0 ? null : encodings };
	}
	plain(OP.CSR, OP.CSR, 4);
	return table;
}
