/**
 * The instructions of RV32IMAFDC, Zicsr, Zifencei, Zba, Zbb, Zbc, Zbkb, Zbs and the privileged
 * architecture as a table.
 *
 * Decoder, disassembler, the assembler of the tests and the random streams of conformance/ are
 * driven by it; the interpreter's cases (npm run generate) and compiled code are made of it. An
 * instruction word `w` is the first entry with (w & mask) === match whose `nonzero` field is not
 * zero; a word without an entry is illegal, and so is one whose rounding mode is reserved.
 * Unprivileged specification 20191213, chapters 2, 3, 7 to 9, 11, 12, 16; bit manipulation 1.0.0;
 * scalar cryptography 1.0.1, section 2.1; privileged specification 1.12, chapter 3.
 *
 * What an instruction does is one of these, with expressions as in effects.ts:
 *
 *   EXPRESSION         the value of rd, of rs1, rs2, imm and pc
 *   if CONDITION       a branch to pc + imm
 *   goto TARGET        a jump; rd becomes the address behind it
 *   load TYPE          rd from address rs1 + imm: i8, i16, i32, u8, u16, f32 or f64
 *   store TYPE         rs2 to address rs1 + imm: i8, i16, i32, f32 or f64
 *   amo EXPRESSION     what is written to address rs1, of `old` and rs2; rd becomes `old`
 *   f32 OPERATION      what is done with singles; float/effects.ts has the operations
 *   f64 OPERATION      the same with doubles
 *   lr, sc, csr        Zicsr and the reservation, which every engine has by hand
 *   system             system-instructions.ts
 *   none
 *
 * To add an instruction:
 * - its row here, with a format of isa-format.ts. If it is rare, and its value an expression of rs1
 *   and rs2, its operation is OP.BITS;
 * - otherwise an operation in op.ts, and in variants.ts if it has forms of its own;
 * - `npm run generate`, which makes its case in the interpreter's loop, or in results.ts;
 * - `npm run conformance` compares it with QEMU; the stored hashes are made anew with --record.
 * Operations of F and D have their cases in float/unit.ts, and those of the system in
 * system-instructions.ts, by hand. A new operator of expressions needs a meaning for each engine:
 * jit/expression.ts and generate/typescript.ts.
 */
import { FORMATS, type Format } from "./isa-format.ts";
import { OP } from "./op.ts";

/** The extensions, as device trees name them. Unprivileged specification, chapter 27. */
export const ISA_STRING = "rv32imafdc_zicntr_zicsr_zifencei_zba_zbb_zbc_zbkb_zbs_sstc";

export interface Instruction {
	readonly name: string;
	readonly match: number;
	readonly mask: number;
	readonly format: Format;
	/** The operation that executes it, as for the 32-bit encoding. */
	readonly op: number;
	/** What it does; null: what the 32-bit encoding with this operation does. */
	readonly effect: string | null;
	/** An operand that must not be zero: such encodings are another instruction or reserved. */
	readonly nonzero: "rd" | "rs1" | "rs2" | "imm" | null;
}

function row(
	name: string,
	match: number,
	mask: number,
	formatName: keyof typeof FORMATS,
	op: number,
	effect: string | null,
	nonzero: Instruction["nonzero"] = null,
): Instruction {
	return { name, match, mask, format: FORMATS[formatName], op, effect, nonzero };
}

function half(
	name: string,
	match: number,
	mask: number,
	formatName: keyof typeof FORMATS,
	op: number,
	nonzero: Instruction["nonzero"] = null,
): Instruction {
	return row(name, match, mask, formatName, op, null, nonzero);
}

/** Encodings with both low bits set. */
export const WORD_INSTRUCTIONS: readonly Instruction[] = [
	row("lui", 0x37, 0x7f, "U", OP.LUI, "imm"),
	row("auipc", 0x17, 0x7f, "U", OP.AUIPC, "pc + imm"),
	row("jal", 0x6f, 0x7f, "J", OP.JAL, "goto pc + imm"),
	row("jalr", 0x67, 0x707f, "load", OP.JALR, "goto (rs1 + imm) & ~1"),
	row("beq", 0x63, 0x707f, "B", OP.BEQ, "if rs1 == rs2"),
	row("bne", 0x1063, 0x707f, "B", OP.BNE, "if rs1 != rs2"),
	row("blt", 0x4063, 0x707f, "B", OP.BLT, "if rs1 < rs2"),
	row("bge", 0x5063, 0x707f, "B", OP.BGE, "if rs1 >= rs2"),
	row("bltu", 0x6063, 0x707f, "B", OP.BLTU, "if rs1 <u rs2"),
	row("bgeu", 0x7063, 0x707f, "B", OP.BGEU, "if rs1 >=u rs2"),
	row("lb", 0x3, 0x707f, "load", OP.LB, "load i8"),
	row("lh", 0x1003, 0x707f, "load", OP.LH, "load i16"),
	row("lw", 0x2003, 0x707f, "load", OP.LW, "load i32"),
	row("lbu", 0x4003, 0x707f, "load", OP.LBU, "load u8"),
	row("lhu", 0x5003, 0x707f, "load", OP.LHU, "load u16"),
	row("sb", 0x23, 0x707f, "S", OP.SB, "store i8"),
	row("sh", 0x1023, 0x707f, "S", OP.SH, "store i16"),
	row("sw", 0x2023, 0x707f, "S", OP.SW, "store i32"),
	row("addi", 0x13, 0x707f, "I", OP.ADDI, "rs1 + imm"),
	row("slti", 0x2013, 0x707f, "I", OP.SLTI, "rs1 < imm"),
	row("sltiu", 0x3013, 0x707f, "I", OP.SLTIU, "rs1 <u imm"),
	row("xori", 0x4013, 0x707f, "I", OP.XORI, "rs1 ^ imm"),
	row("ori", 0x6013, 0x707f, "I", OP.ORI, "rs1 | imm"),
	row("andi", 0x7013, 0x707f, "I", OP.ANDI, "rs1 & imm"),
	row("slli", 0x1013, 0xfe00707f, "shift", OP.SLLI, "rs1 << imm"),
	row("srli", 0x5013, 0xfe00707f, "shift", OP.SRLI, "rs1 >>> imm"),
	row("srai", 0x40005013, 0xfe00707f, "shift", OP.SRAI, "rs1 >> imm"),
	row("add", 0x33, 0xfe00707f, "R", OP.ADD, "rs1 + rs2"),
	row("sub", 0x40000033, 0xfe00707f, "R", OP.SUB, "rs1 - rs2"),
	row("sll", 0x1033, 0xfe00707f, "R", OP.SLL, "rs1 << rs2"),
	row("slt", 0x2033, 0xfe00707f, "R", OP.SLT, "rs1 < rs2"),
	row("sltu", 0x3033, 0xfe00707f, "R", OP.SLTU, "rs1 <u rs2"),
	row("xor", 0x4033, 0xfe00707f, "R", OP.XOR, "rs1 ^ rs2"),
	row("srl", 0x5033, 0xfe00707f, "R", OP.SRL, "rs1 >>> rs2"),
	row("sra", 0x40005033, 0xfe00707f, "R", OP.SRA, "rs1 >> rs2"),
	row("or", 0x6033, 0xfe00707f, "R", OP.OR, "rs1 | rs2"),
	row("and", 0x7033, 0xfe00707f, "R", OP.AND, "rs1 & rs2"),
	row("mul", 0x2000033, 0xfe00707f, "R", OP.MUL, "rs1 * rs2"),
	row("mulh", 0x2001033, 0xfe00707f, "R", OP.MULH, "mulh(rs1, rs2)"),
	row("mulhsu", 0x2002033, 0xfe00707f, "R", OP.MULHSU, "mulhsu(rs1, rs2)"),
	row("mulhu", 0x2003033, 0xfe00707f, "R", OP.MULHU, "mulhu(rs1, rs2)"),
	row("div", 0x2004033, 0xfe00707f, "R", OP.DIV, "div(rs1, rs2)"),
	row("divu", 0x2005033, 0xfe00707f, "R", OP.DIVU, "divu(rs1, rs2)"),
	row("rem", 0x2006033, 0xfe00707f, "R", OP.REM, "rem(rs1, rs2)"),
	row("remu", 0x2007033, 0xfe00707f, "R", OP.REMU, "remu(rs1, rs2)"),
	row("sh1add", 0x20002033, 0xfe00707f, "R", OP.SH1ADD, "(rs1 << 1) + rs2"),
	row("sh2add", 0x20004033, 0xfe00707f, "R", OP.SH2ADD, "(rs1 << 2) + rs2"),
	row("sh3add", 0x20006033, 0xfe00707f, "R", OP.SH3ADD, "(rs1 << 3) + rs2"),
	row("andn", 0x40007033, 0xfe00707f, "R", OP.ANDN, "rs1 & ~rs2"),
	row("orn", 0x40006033, 0xfe00707f, "R", OP.ORN, "rs1 | ~rs2"),
	row("xnor", 0x40004033, 0xfe00707f, "R", OP.XNOR, "~(rs1 ^ rs2)"),
	row("clz", 0x60001013, 0xfff0707f, "unary", OP.CLZ, "clz(rs1)"),
	row("ctz", 0x60101013, 0xfff0707f, "unary", OP.CTZ, "ctz(rs1)"),
	row("cpop", 0x60201013, 0xfff0707f, "unary", OP.CPOP, "cpop(rs1)"),
	row("max", 0xa006033, 0xfe00707f, "R", OP.MAX, "rs1 > rs2 ? rs1 : rs2"),
	row("maxu", 0xa007033, 0xfe00707f, "R", OP.MAXU, "rs1 >u rs2 ? rs1 : rs2"),
	row("min", 0xa004033, 0xfe00707f, "R", OP.MIN, "rs1 < rs2 ? rs1 : rs2"),
	row("minu", 0xa005033, 0xfe00707f, "R", OP.MINU, "rs1 <u rs2 ? rs1 : rs2"),
	row("sext.b", 0x60401013, 0xfff0707f, "unary", OP.SEXT_B, "(rs1 << 24) >> 24"),
	row("sext.h", 0x60501013, 0xfff0707f, "unary", OP.SEXT_H, "(rs1 << 16) >> 16"),
	row("zext.h", 0x8004033, 0xfff0707f, "unary", OP.ZEXT_H, "rs1 & 0xffff"),
	row("rol", 0x60001033, 0xfe00707f, "R", OP.ROL, "rol(rs1, rs2)"),
	row("ror", 0x60005033, 0xfe00707f, "R", OP.ROR, "ror(rs1, rs2)"),
	row("rori", 0x60005013, 0xfe00707f, "shift", OP.RORI, "ror(rs1, imm)"),
	row("orc.b", 0x28705013, 0xfff0707f, "unary", OP.ORC_B, "orcb(rs1)"),
	row("rev8", 0x69805013, 0xfff0707f, "unary", OP.REV8, "rev8(rs1)"),
	row("bclr", 0x48001033, 0xfe00707f, "R", OP.BCLR, "rs1 & ~(1 << rs2)"),
	row("bext", 0x48005033, 0xfe00707f, "R", OP.BEXT, "(rs1 >>> rs2) & 1"),
	row("binv", 0x68001033, 0xfe00707f, "R", OP.BINV, "rs1 ^ (1 << rs2)"),
	row("bset", 0x28001033, 0xfe00707f, "R", OP.BSET, "rs1 | (1 << rs2)"),
	row("bclri", 0x48001013, 0xfe00707f, "shift", OP.BCLRI, "rs1 & ~(1 << imm)"),
	row("bexti", 0x48005013, 0xfe00707f, "shift", OP.BEXTI, "(rs1 >>> imm) & 1"),
	row("binvi", 0x68001013, 0xfe00707f, "shift", OP.BINVI, "rs1 ^ (1 << imm)"),
	row("bseti", 0x28001013, 0xfe00707f, "shift", OP.BSETI, "rs1 | (1 << imm)"),
	row("clmul", 0xa001033, 0xfe00707f, "R", OP.BITS, "clmul(rs1, rs2)"),
	row("clmulh", 0xa003033, 0xfe00707f, "R", OP.BITS, "clmulh(rs1, rs2)"),
	row("clmulr", 0xa002033, 0xfe00707f, "R", OP.BITS, "clmulr(rs1, rs2)"),
	row("pack", 0x8004033, 0xfe00707f, "R", OP.BITS, "(rs1 & 0xffff) | (rs2 << 16)", "rs2"),
	row("packh", 0x8007033, 0xfe00707f, "R", OP.BITS, "(rs1 & 0xff) | ((rs2 & 0xff) << 8)"),
	row("brev8", 0x68705013, 0xfff0707f, "unary", OP.BITS, "brev8(rs1)"),
	row("zip", 0x8f01013, 0xfff0707f, "unary", OP.BITS, "zip(rs1)"),
	row("unzip", 0x8f05013, 0xfff0707f, "unary", OP.BITS, "unzip(rs1)"),
	row("lr.w", 0x1000202f, 0xf9f0707f, "lr", OP.LR, "lr"),
	row("sc.w", 0x1800202f, 0xf800707f, "amo", OP.SC, "sc"),
	row("amoswap.w", 0x800202f, 0xf800707f, "amo", OP.AMO, "amo rs2"),
	row("amoadd.w", 0x202f, 0xf800707f, "amo", OP.AMO, "amo old + rs2"),
	row("amoxor.w", 0x2000202f, 0xf800707f, "amo", OP.AMO, "amo old ^ rs2"),
	row("amoand.w", 0x6000202f, 0xf800707f, "amo", OP.AMO, "amo old & rs2"),
	row("amoor.w", 0x4000202f, 0xf800707f, "amo", OP.AMO, "amo old | rs2"),
	row("amomin.w", 0x8000202f, 0xf800707f, "amo", OP.AMO, "amo old < rs2 ? old : rs2"),
	row("amomax.w", 0xa000202f, 0xf800707f, "amo", OP.AMO, "amo old > rs2 ? old : rs2"),
	row("amominu.w", 0xc000202f, 0xf800707f, "amo", OP.AMO, "amo old <u rs2 ? old : rs2"),
	row("amomaxu.w", 0xe000202f, 0xf800707f, "amo", OP.AMO, "amo old >u rs2 ? old : rs2"),
	row("flw", 0x2007, 0x707f, "fload", OP.FLW, "load f32"),
	row("fld", 0x3007, 0x707f, "fload", OP.FLD, "load f64"),
	row("fsw", 0x2027, 0x707f, "fstore", OP.FSW, "store f32"),
	row("fsd", 0x3027, 0x707f, "fstore", OP.FSD, "store f64"),
	row("fmadd.s", 0x43, 0x600007f, "F3", OP.FMADD_S, "f32 fmadd"),
	row("fmsub.s", 0x47, 0x600007f, "F3", OP.FMSUB_S, "f32 fmsub"),
	row("fnmsub.s", 0x4b, 0x600007f, "F3", OP.FNMSUB_S, "f32 fnmsub"),
	row("fnmadd.s", 0x4f, 0x600007f, "F3", OP.FNMADD_S, "f32 fnmadd"),
	row("fadd.s", 0x53, 0xfe00007f, "F2", OP.FADD_S, "f32 add"),
	row("fsub.s", 0x8000053, 0xfe00007f, "F2", OP.FSUB_S, "f32 sub"),
	row("fmul.s", 0x10000053, 0xfe00007f, "F2", OP.FMUL_S, "f32 mul"),
	row("fdiv.s", 0x18000053, 0xfe00007f, "F2", OP.FDIV_S, "f32 div"),
	row("fsqrt.s", 0x58000053, 0xfff0007f, "F1", OP.FSQRT_S, "f32 sqrt"),
	row("fsgnj.s", 0x20000053, 0xfe00707f, "F2bits", OP.FSGNJ_S, "f32 sign"),
	row("fsgnjn.s", 0x20001053, 0xfe00707f, "F2bits", OP.FSGNJN_S, "f32 signNegated"),
	row("fsgnjx.s", 0x20002053, 0xfe00707f, "F2bits", OP.FSGNJX_S, "f32 signProduct"),
	row("fmin.s", 0x28000053, 0xfe00707f, "F2bits", OP.FMIN_S, "f32 min"),
	row("fmax.s", 0x28001053, 0xfe00707f, "F2bits", OP.FMAX_S, "f32 max"),
	row("feq.s", 0xa0002053, 0xfe00707f, "Fcompare", OP.FEQ_S, "f32 equal"),
	row("flt.s", 0xa0001053, 0xfe00707f, "Fcompare", OP.FLT_S, "f32 less"),
	row("fle.s", 0xa0000053, 0xfe00707f, "Fcompare", OP.FLE_S, "f32 lessOrEqual"),
	row("fclass.s", 0xe0001053, 0xfff0707f, "FtoXbits", OP.FCLASS_S, "f32 classify"),
	row("fcvt.w.s", 0xc0000053, 0xfff0007f, "FtoX", OP.FCVT_W_S, "f32 toSigned"),
	row("fcvt.wu.s", 0xc0100053, 0xfff0007f, "FtoX", OP.FCVT_WU_S, "f32 toUnsigned"),
	row("fcvt.s.w", 0xd0000053, 0xfff0007f, "XtoF", OP.FCVT_S_W, "f32 fromSigned"),
	row("fcvt.s.wu", 0xd0100053, 0xfff0007f, "XtoF", OP.FCVT_S_WU, "f32 fromUnsigned"),
	row("fmadd.d", 0x2000043, 0x600007f, "F3", OP.FMADD_D, "f64 fmadd"),
	row("fmsub.d", 0x2000047, 0x600007f, "F3", OP.FMSUB_D, "f64 fmsub"),
	row("fnmsub.d", 0x200004b, 0x600007f, "F3", OP.FNMSUB_D, "f64 fnmsub"),
	row("fnmadd.d", 0x200004f, 0x600007f, "F3", OP.FNMADD_D, "f64 fnmadd"),
	row("fadd.d", 0x2000053, 0xfe00007f, "F2", OP.FADD_D, "f64 add"),
	row("fsub.d", 0xa000053, 0xfe00007f, "F2", OP.FSUB_D, "f64 sub"),
	row("fmul.d", 0x12000053, 0xfe00007f, "F2", OP.FMUL_D, "f64 mul"),
	row("fdiv.d", 0x1a000053, 0xfe00007f, "F2", OP.FDIV_D, "f64 div"),
	row("fsqrt.d", 0x5a000053, 0xfff0007f, "F1", OP.FSQRT_D, "f64 sqrt"),
	row("fsgnj.d", 0x22000053, 0xfe00707f, "F2bits", OP.FSGNJ_D, "f64 sign"),
	row("fsgnjn.d", 0x22001053, 0xfe00707f, "F2bits", OP.FSGNJN_D, "f64 signNegated"),
	row("fsgnjx.d", 0x22002053, 0xfe00707f, "F2bits", OP.FSGNJX_D, "f64 signProduct"),
	row("fmin.d", 0x2a000053, 0xfe00707f, "F2bits", OP.FMIN_D, "f64 min"),
	row("fmax.d", 0x2a001053, 0xfe00707f, "F2bits", OP.FMAX_D, "f64 max"),
	row("feq.d", 0xa2002053, 0xfe00707f, "Fcompare", OP.FEQ_D, "f64 equal"),
	row("flt.d", 0xa2001053, 0xfe00707f, "Fcompare", OP.FLT_D, "f64 less"),
	row("fle.d", 0xa2000053, 0xfe00707f, "Fcompare", OP.FLE_D, "f64 lessOrEqual"),
	row("fclass.d", 0xe2001053, 0xfff0707f, "FtoXbits", OP.FCLASS_D, "f64 classify"),
	row("fcvt.w.d", 0xc2000053, 0xfff0007f, "FtoX", OP.FCVT_W_D, "f64 toSigned"),
	row("fcvt.wu.d", 0xc2100053, 0xfff0007f, "FtoX", OP.FCVT_WU_D, "f64 toUnsigned"),
	row("fcvt.d.w", 0xd2000053, 0xfff0007f, "XtoFexact", OP.FCVT_D_W, "f64 fromSigned"),
	row("fcvt.d.wu", 0xd2100053, 0xfff0007f, "XtoFexact", OP.FCVT_D_WU, "f64 fromUnsigned"),
	row("fmv.x.w", 0xe0000053, 0xfff0707f, "FtoXbits", OP.FMV_X_W, "f32 bitsToInteger"),
	row("fmv.w.x", 0xf0000053, 0xfff0707f, "XtoFbits", OP.FMV_W_X, "f32 bitsFromInteger"),
	row("fcvt.s.d", 0x40100053, 0xfff0007f, "F1", OP.FCVT_S_D, "f64 narrow"),
	row("fcvt.d.s", 0x42000053, 0xfff0007f, "F1exact", OP.FCVT_D_S, "f32 widen"),
	// The unused fields of both fences are reserved and must be ignored (2.7, chapter 3).
	row("fence", 0xf, 0x707f, "none", OP.FENCE, "none"),
	row("fence.i", 0x100f, 0x707f, "none", OP.FENCE_I, "system"),
	row("csrrw", 0x1073, 0x707f, "csr", OP.CSR, "csr"),
	row("csrrs", 0x2073, 0x707f, "csr", OP.CSR, "csr"),
	row("csrrc", 0x3073, 0x707f, "csr", OP.CSR, "csr"),
	row("csrrwi", 0x5073, 0x707f, "csri", OP.CSR, "csr"),
	row("csrrsi", 0x6073, 0x707f, "csri", OP.CSR, "csr"),
	row("csrrci", 0x7073, 0x707f, "csri", OP.CSR, "csr"),
	row("ecall", 0x73, 0xffffffff, "none", OP.ECALL, "system"),
	row("ebreak", 0x100073, 0xffffffff, "none", OP.EBREAK, "system"),
	row("sret", 0x10200073, 0xffffffff, "none", OP.SRET, "system"),
	row("mret", 0x30200073, 0xffffffff, "none", OP.MRET, "system"),
	row("wfi", 0x10500073, 0xffffffff, "none", OP.WFI, "system"),
	row("sfence.vma", 0x12000073, 0xfe007fff, "sfence", OP.SFENCE_VMA, "system"),
];

/** Encodings of two bytes, chapter 16. Where two entries match, the first one holds. */
export const HALF_INSTRUCTIONS: readonly Instruction[] = [
	half("c.addi4spn", 0x0, 0xe003, "CIW", OP.ADDI, "imm"),
	half("c.fld", 0x2000, 0xe003, "CFLD", OP.FLD),
	half("c.lw", 0x4000, 0xe003, "CL", OP.LW),
	half("c.flw", 0x6000, 0xe003, "CFLW", OP.FLW),
	half("c.fsd", 0xa000, 0xe003, "CFSD", OP.FSD),
	half("c.sw", 0xc000, 0xe003, "CS", OP.SW),
	half("c.fsw", 0xe000, 0xe003, "CFSW", OP.FSW),
	half("c.addi", 0x1, 0xe003, "CI", OP.ADDI),
	half("c.jal", 0x2001, 0xe003, "CJAL", OP.JAL),
	half("c.li", 0x4001, 0xe003, "CLI", OP.ADDI),
	half("c.addi16sp", 0x6101, 0xef83, "CI16", OP.ADDI, "imm"),
	half("c.lui", 0x6001, 0xe003, "CLUI", OP.LUI, "imm"),
	half("c.srli", 0x8001, 0xfc03, "CSHIFT", OP.SRLI),
	half("c.srai", 0x8401, 0xfc03, "CSHIFT", OP.SRAI),
	half("c.andi", 0x8801, 0xec03, "CANDI", OP.ANDI),
	half("c.sub", 0x8c01, 0xfc63, "CA", OP.SUB),
	half("c.xor", 0x8c21, 0xfc63, "CA", OP.XOR),
	half("c.or", 0x8c41, 0xfc63, "CA", OP.OR),
	half("c.and", 0x8c61, 0xfc63, "CA", OP.AND),
	half("c.j", 0xa001, 0xe003, "CJ", OP.JAL),
	half("c.beqz", 0xc001, 0xe003, "CB", OP.BEQ),
	half("c.bnez", 0xe001, 0xe003, "CB", OP.BNE),
	half("c.slli", 0x2, 0xf003, "CSLLI", OP.SLLI),
	half("c.fldsp", 0x2002, 0xe003, "CFLDSP", OP.FLD),
	half("c.lwsp", 0x4002, 0xe003, "CLWSP", OP.LW, "rd"),
	half("c.flwsp", 0x6002, 0xe003, "CFLWSP", OP.FLW),
	half("c.jr", 0x8002, 0xf07f, "CJR", OP.JALR, "rs1"),
	half("c.mv", 0x8002, 0xf003, "CMV", OP.ADD, "rs2"),
	half("c.ebreak", 0x9002, 0xffff, "none", OP.EBREAK),
	half("c.jalr", 0x9002, 0xf07f, "CJALR", OP.JALR, "rs1"),
	half("c.add", 0x9002, 0xf003, "CADD", OP.ADD, "rs2"),
	half("c.fsdsp", 0xa002, 0xe003, "CFSDSP", OP.FSD),
	half("c.swsp", 0xc002, 0xe003, "CSWSP", OP.SW),
	half("c.fswsp", 0xe002, 0xe003, "CFSWSP", OP.FSW),
];
