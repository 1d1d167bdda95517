/** Faults of one instruction: what was decoded at ALONE (code-cache.ts) is changed there. */
import { ALONE } from "./code-cache.ts";
import { H_ALTERED, H_ALTERED_ADDRESS, type Memory } from "./memory.ts";
import { OP } from "./op.ts";

/** What an instruction does, as far as its result can be wrong. */
export type ResultClass = "alu" | "load" | "store" | "branch" | "other";

/** => `op` is one of those that stand for a 32-bit encoding */
export function classOf(op: number): ResultClass {
	if (op >= OP.BEQ && op <= OP.BGEU) return "branch";
	if (op >= OP.LB && op <= OP.LHU) return "load";
	if (op >= OP.SB && op <= OP.SW) return "store";
	const isAlu =
		op === OP.LUI ||
		op === OP.AUIPC ||
		(op >= OP.ADDI && op <= OP.REMU) ||
		(op >= OP.SH1ADD && op <= OP.BSETI) ||
		op === OP.BITS;
	return isAlu ? "alu" : "other";
}

/** The branch is taken where it should not be, and the other way round. */
export function invertBranch({ i32 }: Memory): void {
	const word = i32[ALONE]!;
	// Alone, a branch is one out of the page; each has its opposite beside it.
	const op = word & 0xff;
	const first = op >= OP.C_BEQZ_FAR ? OP.C_BEQZ_FAR : OP.BEQ_FAR;
	i32[ALONE] = (word & ~0xff) | (first + ((op - first) ^ 1));
}

/** The store stores something else. */
export function alterStoreData({ i32 }: Memory, mask: number): void {
	const word = i32[ALONE]!;
	i32[H_ALTERED] = i32[word >>> 24]! ^ mask;
	i32[ALONE] = (word & 0xff_ffff) | (H_ALTERED << 24);
}

/** The store goes to another address. */
export function alterStoreAddress({ i32 }: Memory, mask: number): void {
	const word = i32[ALONE]!;
	i32[H_ALTERED_ADDRESS] = (i32[(word >>> 16) & 0xff]! + i32[ALONE + 1]!) ^ mask;
	i32[ALONE] = (word & ~0xff_0000) | (H_ALTERED_ADDRESS << 16);
	i32[ALONE + 1] = 0;
}
