/** Disassembler, driven by the instruction table in isa.ts. */
import { CSR } from "./csr-numbers.ts";
import { Decoder } from "./decode.ts";

/** ABI names of x0..x31. */
export const REGISTER_NAMES = [
	...["zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1"],
	...["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"],
	...["s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11"],
	...["t3", "t4", "t5", "t6"],
] as const;

const CSR_NAMES = new Map(Object.entries(CSR).map(([name, number]) => [number, name]));

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
	const operands: Record<string, string> = {
		rd: REGISTER_NAMES[d.rd]!,
		rs1: REGISTER_NAMES[d.rs1]!,
		rs2: REGISTER_NAMES[d.rs2]!,
		sp: "sp",
		imm: String(d.imm),
		upper: hex((d.imm >>> 12) & 0xfffff),
		target: hex(pc + d.imm),
		zimm: String(d.rs1),
		csr: CSR_NAMES.get(d.imm) ?? hex(d.imm),
	};
	const text = d.instruction.format.syntax.replace(/[a-z]+[0-9]?/g, (name) => operands[name]!);
	return text === "" ? d.instruction.name : `${d.instruction.name} ${text}`;
}
