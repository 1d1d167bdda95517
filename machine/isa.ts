/**
 * The instructions of RV32IMAC, Zicsr, Zifencei and the privileged architecture as a table.
 *
 * Decoder, disassembler and the assembler of the tests are driven by it. An instruction word `w`
 * is the first entry with (w & mask) === match whose `nonzero` field is not zero; a word without
 * an entry is illegal. Unprivileged specification 20191213, chapters 2, 3, 7, 8, 9, 16;
 * privileged specification 1.12, chapter 3.
 */

/** What the hart implements, as device trees say it. Unprivileged specification, chapter 27. */
export const ISA_STRING = "rv32imac_zicntr_zicsr_zifencei_sstc";

/**
 * Operations, as decoded code names them. The interpreter's switch repeats the numbers: a switch
 * on named constants is not compiled to a jump table. Entries of the table use only those that
 * stand for a 32-bit encoding; the others are variants that the code cache chooses: "_FAR" leaves
 * the page, "C_" is two bytes long.
 */
export const OP = {
	UNDECODED: 0,
	LUI: 1,
	C_LUI: 2,
	AUIPC: 3,
	JAL: 4,
	JAL_FAR: 5,
	C_J: 6,
	C_J_FAR: 7,
	C_JAL: 8,
	C_JAL_FAR: 9,
	JALR: 10,
	C_JR: 11,
	C_JALR: 12,
	BEQ: 13,
	BNE: 14,
	BLT: 15,
	BGE: 16,
	BLTU: 17,
	BGEU: 18,
	BEQ_FAR: 19,
	BNE_FAR: 20,
	BLT_FAR: 21,
	BGE_FAR: 22,
	BLTU_FAR: 23,
	BGEU_FAR: 24,
	C_BEQZ: 25,
	C_BNEZ: 26,
	C_BEQZ_FAR: 27,
	C_BNEZ_FAR: 28,
	LB: 29,
	LH: 30,
	LW: 31,
	LBU: 32,
	LHU: 33,
	SB: 34,
	SH: 35,
	SW: 36,
	C_LW: 37,
	C_SW: 38,
	ADDI: 39,
	SLTI: 40,
	SLTIU: 41,
	XORI: 42,
	ORI: 43,
	ANDI: 44,
	SLLI: 45,
	SRLI: 46,
	SRAI: 47,
	ADD: 48,
	SUB: 49,
	SLL: 50,
	SLT: 51,
	SLTU: 52,
	XOR: 53,
	SRL: 54,
	SRA: 55,
	OR: 56,
	AND: 57,
	MUL: 58,
	MULH: 59,
	MULHSU: 60,
	MULHU: 61,
	DIV: 62,
	DIVU: 63,
	REM: 64,
	REMU: 65,
	C_ADDI: 66,
	C_ANDI: 67,
	C_SLLI: 68,
	C_SRLI: 69,
	C_SRAI: 70,
	C_ADD: 71,
	C_SUB: 72,
	C_XOR: 73,
	C_OR: 74,
	C_AND: 75,
	C_MV: 76,
	FENCE: 77,
	PAGE_END: 78, // control runs into the next page
	LEAVE: 79, // behind an instruction that is executed alone
	// From here on an instruction is executed outside the interpreter's loop (rare.ts).
	STRADDLE: 80, // its second half lies in the next page
	ILLEGAL: 81,
	FENCE_I: 82,
	CSR: 83,
	ECALL: 84,
	EBREAK: 85,
	SRET: 86,
	MRET: 87,
	WFI: 88,
	SFENCE_VMA: 89,
	LR: 90,
	SC: 91,
	AMO: 92,
} as const;

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
	/** Assembly operands in order; "imm(rs1)" is one operand, "target" is relative to pc. */
	readonly syntax: string;
}

const I_IMM = "11:0@20";
const B_IMM = "12|10:5@25 4:1|11@7";
const CI_IMM = "5@12 4:0@2";
const CL_IMM = "5:3@10 2|6@5";
const CJ_IMM = "11|4|9:8|10|6|7|3:1|5@2";
const CB_IMM = "8|4:3@10 7:6|2:1|5@2";

function format(
	syntax: string,
	rd: RegisterField,
	rs1: RegisterField,
	rs2: RegisterField,
	imm = "",
	signed = true,
): Format {
	return { rd, rs1, rs2, imm, signed, syntax };
}

export const FORMATS = {
	R: format("rd,rs1,rs2", at(7), at(15), at(20)),
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
	CLWSP: format("rd,imm(sp)", at(7), 2, 0, "5@12 4:2|7:6@2", false),
	CSWSP: format("rs2,imm(sp)", 0, 2, at(2), "5:2|7:6@7", false),
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
} as const;

export interface Instruction {
	readonly name: string;
	readonly match: number;
	readonly mask: number;
	readonly format: Format;
	/** The operation that executes it, as for the 32-bit encoding. */
	readonly op: number;
	/** An operand that must not be zero: such encodings are another instruction or reserved. */
	readonly nonzero: "rd" | "rs1" | "rs2" | "imm" | null;
}

function row(
	name: string,
	match: number,
	mask: number,
	formatName: keyof typeof FORMATS,
	op: number,
	nonzero: Instruction["nonzero"] = null,
): Instruction {
	return { name, match, mask, format: FORMATS[formatName], op, nonzero };
}

/** Encodings with both low bits set. */
export const WORD_INSTRUCTIONS: readonly Instruction[] = [
	row("lui", 0x37, 0x7f, "U", OP.LUI),
	row("auipc", 0x17, 0x7f, "U", OP.AUIPC),
	row("jal", 0x6f, 0x7f, "J", OP.JAL),
	row("jalr", 0x67, 0x707f, "load", OP.JALR),
	row("beq", 0x63, 0x707f, "B", OP.BEQ),
	row("bne", 0x1063, 0x707f, "B", OP.BNE),
	row("blt", 0x4063, 0x707f, "B", OP.BLT),
	row("bge", 0x5063, 0x707f, "B", OP.BGE),
	row("bltu", 0x6063, 0x707f, "B", OP.BLTU),
	row("bgeu", 0x7063, 0x707f, "B", OP.BGEU),
	row("lb", 0x3, 0x707f, "load", OP.LB),
	row("lh", 0x1003, 0x707f, "load", OP.LH),
	row("lw", 0x2003, 0x707f, "load", OP.LW),
	row("lbu", 0x4003, 0x707f, "load", OP.LBU),
	row("lhu", 0x5003, 0x707f, "load", OP.LHU),
	row("sb", 0x23, 0x707f, "S", OP.SB),
	row("sh", 0x1023, 0x707f, "S", OP.SH),
	row("sw", 0x2023, 0x707f, "S", OP.SW),
	row("addi", 0x13, 0x707f, "I", OP.ADDI),
	row("slti", 0x2013, 0x707f, "I", OP.SLTI),
	row("sltiu", 0x3013, 0x707f, "I", OP.SLTIU),
	row("xori", 0x4013, 0x707f, "I", OP.XORI),
	row("ori", 0x6013, 0x707f, "I", OP.ORI),
	row("andi", 0x7013, 0x707f, "I", OP.ANDI),
	row("slli", 0x1013, 0xfe00707f, "shift", OP.SLLI),
	row("srli", 0x5013, 0xfe00707f, "shift", OP.SRLI),
	row("srai", 0x40005013, 0xfe00707f, "shift", OP.SRAI),
	row("add", 0x33, 0xfe00707f, "R", OP.ADD),
	row("sub", 0x40000033, 0xfe00707f, "R", OP.SUB),
	row("sll", 0x1033, 0xfe00707f, "R", OP.SLL),
	row("slt", 0x2033, 0xfe00707f, "R", OP.SLT),
	row("sltu", 0x3033, 0xfe00707f, "R", OP.SLTU),
	row("xor", 0x4033, 0xfe00707f, "R", OP.XOR),
	row("srl", 0x5033, 0xfe00707f, "R", OP.SRL),
	row("sra", 0x40005033, 0xfe00707f, "R", OP.SRA),
	row("or", 0x6033, 0xfe00707f, "R", OP.OR),
	row("and", 0x7033, 0xfe00707f, "R", OP.AND),
	row("mul", 0x2000033, 0xfe00707f, "R", OP.MUL),
	row("mulh", 0x2001033, 0xfe00707f, "R", OP.MULH),
	row("mulhsu", 0x2002033, 0xfe00707f, "R", OP.MULHSU),
	row("mulhu", 0x2003033, 0xfe00707f, "R", OP.MULHU),
	row("div", 0x2004033, 0xfe00707f, "R", OP.DIV),
	row("divu", 0x2005033, 0xfe00707f, "R", OP.DIVU),
	row("rem", 0x2006033, 0xfe00707f, "R", OP.REM),
	row("remu", 0x2007033, 0xfe00707f, "R", OP.REMU),
	row("lr.w", 0x1000202f, 0xf9f0707f, "lr", OP.LR),
	row("sc.w", 0x1800202f, 0xf800707f, "amo", OP.SC),
	row("amoswap.w", 0x800202f, 0xf800707f, "amo", OP.AMO),
	row("amoadd.w", 0x202f, 0xf800707f, "amo", OP.AMO),
	row("amoxor.w", 0x2000202f, 0xf800707f, "amo", OP.AMO),
	row("amoand.w", 0x6000202f, 0xf800707f, "amo", OP.AMO),
	row("amoor.w", 0x4000202f, 0xf800707f, "amo", OP.AMO),
	row("amomin.w", 0x8000202f, 0xf800707f, "amo", OP.AMO),
	row("amomax.w", 0xa000202f, 0xf800707f, "amo", OP.AMO),
	row("amominu.w", 0xc000202f, 0xf800707f, "amo", OP.AMO),
	row("amomaxu.w", 0xe000202f, 0xf800707f, "amo", OP.AMO),
	// The unused fields of both fences are reserved and must be ignored (2.7, chapter 3).
	row("fence", 0xf, 0x707f, "none", OP.FENCE),
	row("fence.i", 0x100f, 0x707f, "none", OP.FENCE_I),
	row("csrrw", 0x1073, 0x707f, "csr", OP.CSR),
	row("csrrs", 0x2073, 0x707f, "csr", OP.CSR),
	row("csrrc", 0x3073, 0x707f, "csr", OP.CSR),
	row("csrrwi", 0x5073, 0x707f, "csri", OP.CSR),
	row("csrrsi", 0x6073, 0x707f, "csri", OP.CSR),
	row("csrrci", 0x7073, 0x707f, "csri", OP.CSR),
	row("ecall", 0x73, 0xffffffff, "none", OP.ECALL),
	row("ebreak", 0x100073, 0xffffffff, "none", OP.EBREAK),
	row("sret", 0x10200073, 0xffffffff, "none", OP.SRET),
	row("mret", 0x30200073, 0xffffffff, "none", OP.MRET),
	row("wfi", 0x10500073, 0xffffffff, "none", OP.WFI),
	row("sfence.vma", 0x12000073, 0xfe007fff, "sfence", OP.SFENCE_VMA),
];

/** Encodings of two bytes, chapter 16. Where two entries match, the first one holds. */
export const HALF_INSTRUCTIONS: readonly Instruction[] = [
	row("c.addi4spn", 0x0, 0xe003, "CIW", OP.ADDI, "imm"),
	row("c.lw", 0x4000, 0xe003, "CL", OP.LW),
	row("c.sw", 0xc000, 0xe003, "CS", OP.SW),
	row("c.addi", 0x1, 0xe003, "CI", OP.ADDI),
	row("c.jal", 0x2001, 0xe003, "CJAL", OP.JAL),
	row("c.li", 0x4001, 0xe003, "CLI", OP.ADDI),
	row("c.addi16sp", 0x6101, 0xef83, "CI16", OP.ADDI, "imm"),
	row("c.lui", 0x6001, 0xe003, "CLUI", OP.LUI, "imm"),
	row("c.srli", 0x8001, 0xfc03, "CSHIFT", OP.SRLI),
	row("c.srai", 0x8401, 0xfc03, "CSHIFT", OP.SRAI),
	row("c.andi", 0x8801, 0xec03, "CANDI", OP.ANDI),
	row("c.sub", 0x8c01, 0xfc63, "CA", OP.SUB),
	row("c.xor", 0x8c21, 0xfc63, "CA", OP.XOR),
	row("c.or", 0x8c41, 0xfc63, "CA", OP.OR),
	row("c.and", 0x8c61, 0xfc63, "CA", OP.AND),
	row("c.j", 0xa001, 0xe003, "CJ", OP.JAL),
	row("c.beqz", 0xc001, 0xe003, "CB", OP.BEQ),
	row("c.bnez", 0xe001, 0xe003, "CB", OP.BNE),
	row("c.slli", 0x2, 0xf003, "CSLLI", OP.SLLI),
	row("c.lwsp", 0x4002, 0xe003, "CLWSP", OP.LW, "rd"),
	row("c.jr", 0x8002, 0xf07f, "CJR", OP.JALR, "rs1"),
	row("c.mv", 0x8002, 0xf003, "CMV", OP.ADD, "rs2"),
	row("c.ebreak", 0x9002, 0xffff, "none", OP.EBREAK),
	row("c.jalr", 0x9002, 0xf07f, "CJALR", OP.JALR, "rs1"),
	row("c.add", 0x9002, 0xf003, "CADD", OP.ADD, "rs2"),
	row("c.swsp", 0xc002, 0xe003, "CSWSP", OP.SW),
];

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
