/** Random instructions, for tests that compare two ways to run them. */
import fc from "fast-check";
import { encode } from "../isa/assembler.ts";

/**
 * Random code, in halfwords: loops, jumps to odd halfwords, stores into itself (x3 points at it),
 * illegal instructions.
 */
export const instruction = fc.oneof(
	{ weight: 4, arbitrary: fc.integer({ min: 0, max: 0xffff }).map((h) => [h & 0xffff]) },
	{
		weight: 6,
		arbitrary: fc
			.tuple(
				fc.constantFrom("add", "sub", "mul", "xor", "sltu", "divu"),
				fc.nat(7),
				fc.nat(7),
				fc.nat(7),
			)
			.map(([name, rd, rs1, rs2]) =>
				halves(encode(name, { rd: 8 + rd, rs1: 8 + rs1, rs2: 8 + rs2 })),
			),
	},
	{
		weight: 4,
		arbitrary: fc
			.tuple(
				fc.constantFrom("beq", "bne", "blt", "bgeu"),
				fc.nat(7),
				fc.nat(7),
				fc.integer({ min: -60, max: 60 }),
			)
			.map(([name, rs1, rs2, imm]) =>
				halves(encode(name, { rs1: 8 + rs1, rs2: 8 + rs2, imm: imm * 2 })),
			),
	},
	{
		weight: 2,
		arbitrary: fc
			.tuple(fc.nat(7), fc.integer({ min: -80, max: 80 }))
			.map(([rd, imm]) => halves(encode("jal", { rd: 8 + rd, imm: imm * 2 }))),
	},
	{
		weight: 2,
		arbitrary: fc
			.tuple(fc.constantFrom("sw", "sh", "sb"), fc.nat(7), fc.nat(255))
			.map(([name, rs2, imm]) => halves(encode(name, { rs1: 3, rs2: 8 + rs2, imm }))),
	},
	{
		weight: 2,
		arbitrary: fc
			.tuple(fc.constantFrom("lw", "lhu", "lb"), fc.nat(7), fc.nat(255))
			.map(([name, rd, imm]) => halves(encode(name, { rd: 8 + rd, rs1: 3, imm }))),
	},
	{
		weight: 1,
		arbitrary: fc.constantFrom(
			halves(encode("csrrs", { rd: 9, imm: 0xc00 })),
			halves(encode("csrrs", { rd: 9, imm: 0xc02 })),
			halves(encode("fence.i")),
			halves(encode("amoadd.w", { rd: 9, rs1: 3, rs2: 10 })),
			halves(encode("ecall")),
		),
	},
);

function halves(w: number): number[] {
	return [w & 0xffff, w >>> 16];
}
