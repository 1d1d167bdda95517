/** Disassembler, driven by the instruction table in isa.ts. */
import { CSR_NAMES } from "./csr-numbers.ts";
import { Decoder } from "./decode.ts";

/** ABI names of x0..x31. */
export const REGISTER_NAMES = [
	...["zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1"],
	...["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"],
	...["s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11"],
	...["t3", "t4", "t5", "t6"],
] as const;

/** ABI names of f0..f31. */
export const FLOAT_REGISTER_NAMES = [
	...["ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1"],
	...["fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7"],
	...["fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11"],
	...["ft8", "ft9", "ft10", "ft11"],
] as const;

/** Rounding modes by number; 5 and 6 are reserved. Table 11.1. */
export const ROUNDING_MODES = ["rne", "rtz", "rdn", "rup", "rmm", "", "", "dyn"] as const;

const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;

/**
 * The instruction `w` as it would be written; `pc` is its address, for branch targets.
 * => an illegal instruction is shown as data.
 */
export function disassemble(w: number, pc = 0): string {
	const d = new Decoder();
	d.decode(w);
	if (d.instruction === null) {
		return (w & 3) === 3 ? `.word ${hex(w)}` : `.half ${hex(w & 0xffff)}`;
	}
	const rm = ROUNDING_MODES[d.imm & 7]!;
	const operands: Record<string, string> = {
		rd: REGISTER_NAMES[d.rd]!,
		rs1: REGISTER_NAMES[d.rs1]!,
		rs2: REGISTER_NAMES[d.rs2]!,
		fd: FLOAT_REGISTER_NAMES[d.rd]!,
		fs1: FLOAT_REGISTER_NAMES[d.rs1]!,
		fs2: FLOAT_REGISTER_NAMES[d.rs2]!,
		fs3: FLOAT_REGISTER_NAMES[(d.imm >>> 3) & 31]!,
		",rm": rm === "dyn" ? "" : `,${rm}`,
		",rm0": rm === "rne" ? "" : `,${rm}`,
		sp: "sp",
		imm: String(d.imm),
		upper: hex((d.imm >>> 12) & 0xfffff),
		target: hex(pc + d.imm),
		zimm: String(d.rs1),
		csr: CSR_NAMES.get(d.imm) ?? hex(d.imm),
	};
	const text = d.instruction.format.syntax.replace(
		/(,rm|[a-z]+)[0-9]?/g,
		(name) => operands[name]!,
	);
	return text === "" ? d.instruction.name : `${d.instruction.name} ${text}`;
}
