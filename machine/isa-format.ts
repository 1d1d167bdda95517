/**
 * Instruction formats: where the operands of an instruction lie, and how they are written.
 * Unprivileged specification 20191213, sections 2.2, 2.3, 11.2, 16.2.
 */

/** A register operand: 0..31 is that register, otherwise a field of the word. */
export type RegisterField = number;
/** The five-bit field whose lowest bit is `bit`. */
const at = (bit: number): RegisterField => 32 + bit;
/** The three-bit field whose lowest bit is `bit`: x8..x15. */
const prime = (bit: number): RegisterField => 64 + bit;

export interface Format {
	readonly rd: RegisterField;
	readonly rs1: RegisterField;
	readonly rs2: RegisterField;
	/**
	 * Where the immediate lies: "value bits @ lowest word bit" for each run of word bits, value
	 * bits written as in the specification, e.g. "12|10:5@25".
	 */
	readonly imm: string;
	readonly signed: boolean;
	/**
	 * Assembly operands in order; "imm(rs1)" is one operand, "target" is relative to pc. The names
	 * of floating-point registers begin with f instead of r. "rm" is a rounding mode, which may be
	 * left out if it is dyn; "rm0" is that of an operation that never rounds, left out if it is rne.
	 */
	readonly syntax: string;
	/** Which of the registers are floating-point registers. */
	readonly floatRd: boolean;
	readonly floatRs1: boolean;
	readonly floatRs2: boolean;
}

const I_IMM = "11:0@20";
const B_IMM = "12|10:5@25 4:1|11@7";
const CI_IMM = "5@12 4:0@2";
const CL_IMM = "5:3@10 2|6@5";
const CJ_IMM = "11|4|9:8|10|6|7|3:1|5@2";
const CB_IMM = "8|4:3@10 7:6|2:1|5@2";
const CLD_IMM = "5:3@10 7:6@5";
const CLWSP_IMM = "5@12 4:2|7:6@2";
const CSWSP_IMM = "5:2|7:6@7";
/** The immediate of floating-point arithmetic: rm, below rs3 if there is one. */
const RM = "2:0@12";

function format(
	syntax: string,
	rd: RegisterField,
	rs1: RegisterField,
	rs2: RegisterField,
	imm = "",
	signed = true,
): Format {
	const names = syntax.split(/[,()]/);
	const [floatRd, floatRs1, floatRs2] = ["fd", "fs1", "fs2"].map((f) => names.includes(f)) as [
		boolean,
		boolean,
		boolean,
	];
	return { rd, rs1, rs2, imm, signed, syntax, floatRd, floatRs1, floatRs2 };
}

export const FORMATS = {
	R: format("rd,rs1,rs2", at(7), at(15), at(20)),
	unary: format("rd,rs1", at(7), at(15), 0),
	I: format("rd,rs1,imm", at(7), at(15), 0, I_IMM),
	shift: format("rd,rs1,imm", at(7), at(15), 0, "4:0@20", false),
	load: format("rd,imm(rs1)", at(7), at(15), 0, I_IMM),
	S: format("rs2,imm(rs1)", 0, at(15), at(20), "11:5@25 4:0@7"),
	B: format("rs1,rs2,target", 0, at(15), at(20), B_IMM),
	U: format("rd,upper", at(7), 0, 0, "31:12@12"),
	J: format("rd,target", at(7), 0, 0, "20|10:1|11|19:12@12"),
	amo: format("rd,rs2,(rs1)", at(7), at(15), at(20)),
	lr: format("rd,(rs1)", at(7), at(15), 0),
	csr: format("rd,csr,rs1", at(7), at(15), 0, I_IMM, false),
	csri: format("rd,csr,zimm", at(7), at(15), 0, I_IMM, false),
	sfence: format("rs1,rs2", 0, at(15), at(20)),
	none: format("", 0, 0, 0),
	CIW: format("rd,sp,imm", prime(2), 2, 0, "5:4|9:6|2|3@5", false),
	CL: format("rd,imm(rs1)", prime(2), prime(7), 0, CL_IMM, false),
	CS: format("rs2,imm(rs1)", 0, prime(7), prime(2), CL_IMM, false),
	CI: format("rd,imm", at(7), at(7), 0, CI_IMM),
	CLI: format("rd,imm", at(7), 0, 0, CI_IMM),
	CSLLI: format("rd,imm", at(7), at(7), 0, "4:0@2", false),
	CLUI: format("rd,upper", at(7), 0, 0, "17@12 16:12@2"),
	CI16: format("sp,imm", 2, 2, 0, "9@12 4|6|8:7|5@2"),
	CLWSP: format("rd,imm(sp)", at(7), 2, 0, CLWSP_IMM, false),
	CSWSP: format("rs2,imm(sp)", 0, 2, at(2), CSWSP_IMM, false),
	CSHIFT: format("rd,imm", prime(7), prime(7), 0, "4:0@2", false),
	CANDI: format("rd,imm", prime(7), prime(7), 0, CI_IMM),
	CA: format("rd,rs2", prime(7), prime(7), prime(2)),
	CJ: format("target", 0, 0, 0, CJ_IMM),
	CJAL: format("target", 1, 0, 0, CJ_IMM),
	CB: format("rs1,target", 0, prime(7), 0, CB_IMM),
	CJR: format("rs1", 0, at(7), 0),
	CJALR: format("rs1", 1, at(7), 0),
	CMV: format("rd,rs2", at(7), 0, at(2)),
	CADD: format("rd,rs2", at(7), at(7), at(2)),
	fload: format("fd,imm(rs1)", at(7), at(15), 0, I_IMM),
	fstore: format("fs2,imm(rs1)", 0, at(15), at(20), "11:5@25 4:0@7"),
	F3: format("fd,fs1,fs2,fs3,rm", at(7), at(15), at(20), `7:3@27 ${RM}`, false),
	F2: format("fd,fs1,fs2,rm", at(7), at(15), at(20), RM, false),
	F1: format("fd,fs1,rm", at(7), at(15), 0, RM, false),
	F1exact: format("fd,fs1,rm0", at(7), at(15), 0, RM, false),
	F2bits: format("fd,fs1,fs2", at(7), at(15), at(20)),
	FtoX: format("rd,fs1,rm", at(7), at(15), 0, RM, false),
	FtoXbits: format("rd,fs1", at(7), at(15), 0),
	Fcompare: format("rd,fs1,fs2", at(7), at(15), at(20)),
	XtoF: format("fd,rs1,rm", at(7), at(15), 0, RM, false),
	XtoFexact: format("fd,rs1,rm0", at(7), at(15), 0, RM, false),
	XtoFbits: format("fd,rs1", at(7), at(15), 0),
	CFLW: format("fd,imm(rs1)", prime(2), prime(7), 0, CL_IMM, false),
	CFSW: format("fs2,imm(rs1)", 0, prime(7), prime(2), CL_IMM, false),
	CFLD: format("fd,imm(rs1)", prime(2), prime(7), 0, CLD_IMM, false),
	CFSD: format("fs2,imm(rs1)", 0, prime(7), prime(2), CLD_IMM, false),
	CFLWSP: format("fd,imm(sp)", at(7), 2, 0, CLWSP_IMM, false),
	CFSWSP: format("fs2,imm(sp)", 0, 2, at(2), CSWSP_IMM, false),
	CFLDSP: format("fd,imm(sp)", at(7), 2, 0, "5@12 4:3|8:6@2", false),
	CFSDSP: format("fs2,imm(sp)", 0, 2, at(2), "5:3|8:6@7", false),
} as const;

/** One run of an immediate: (word >>> from & mask) << to. */
export interface ImmediateRun {
	readonly from: number;
	readonly to: number;
	readonly mask: number;
}

/** Parse `Format.imm`. Value bits are named from the highest word bit of each group downwards. */
export function immediateRuns(imm: string): ImmediateRun[] {
	const runs: ImmediateRun[] = [];
	for (const group of imm === "" ? [] : imm.split(" ")) {
		const [bits, lowest] = group.split("@") as [string, string];
		let from = Number(lowest);
		for (const run of bits.split("|").reverse()) {
			const [high, low = high] = run.split(":") as [string, string?];
			const width = Number(high) - Number(low) + 1;
			runs.push({ from, to: Number(low), mask: 2 ** width - 1 });
			from += width;
		}
	}
	return runs;
}

/** Number of value bits of an immediate, that is the position of its sign bit plus one. */
export function immediateWidth(runs: readonly ImmediateRun[]): number {
	return runs.reduce((top, run) => Math.max(top, run.to + 32 - Math.clz32(run.mask)), 0);
}
