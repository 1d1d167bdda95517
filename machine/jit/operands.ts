/** Which operands of an instruction are registers of which kind. */

import { WORD_INSTRUCTIONS } from "../isa.ts";
import { OP } from "../op.ts";
import type { Instruction } from "./block.ts";

const RD = 1;
const RS1 = 2;
const RS2 = 4;

/** For each operation, those that are f registers. */
const FLOATING = new Uint8Array(256);
for (const { op, format } of WORD_INSTRUCTIONS) {
	FLOATING[op] =
		(format.floatRd ? RD : 0) | (format.floatRs1 ? RS1 : 0) | (format.floatRs2 ? RS2 : 0);
}

/** The x register that is written; 0: none. */
export const writtenInteger = ({ op, rd }: Instruction): number =>
	(FLOATING[op]! & RD) === 0 ? rd : 0;

/** The x registers that are read or written; 0: none. */
export function integerOperands({ op, rd, rs1, rs2 }: Instruction): readonly number[] {
	const floating = FLOATING[op]!;
	if (floating === 0) return [rs1, rs2, rd];
	return [floating & RS1 ? 0 : rs1, floating & RS2 ? 0 : rs2, floating & RD ? 0 : rd];
}

/** The f register that is written; -1: none. */
export const writtenFloat = ({ op, rd }: Instruction): number =>
	(FLOATING[op]! & RD) !== 0 ? rd : -1;

/** The f registers that are read. */
export function floatSources({ op, rs1, rs2, imm }: Instruction): readonly number[] {
	const floating = FLOATING[op]!;
	const sources: number[] = [];
	if (floating & RS1) sources.push(rs1);
	if (floating & RS2) sources.push(rs2);
	const isFused =
		(op >= OP.FMADD_S && op <= OP.FNMADD_S) || (op >= OP.FMADD_D && op <= OP.FNMADD_D);
	if (isFused) sources.push(imm >>> 3);
	return sources;
}
