/**
 * What instructions do, as data: for each operation the value of rd as an expression over the
 * operands, or the access to memory, or the condition of the branch. Unprivileged specification
 * 20191213, chapters 2, 7 and 8; bit manipulation 1.0.0.
 *
 * Expressions are 32-bit arithmetic that wraps, written as in TypeScript; an operator that ends
 * in "u" is the unsigned one, `>>>` shifts in zeros, and shifts use the low five bits of their
 * right side. Names are rs1, rs2, imm and pc.
 */
import { FLOAT_EFFECTS, type FloatEffect } from "./float/effects.ts";
import { OP } from "./op.ts";

/** An operator with its operands, a name, or a number. */
export type Expression = readonly [string, ...Expression[]] | string | number;

export type Effect =
	| { readonly kind: "value"; readonly value: Expression }
	| { readonly kind: "load"; readonly bytes: 1 | 2 | 4; readonly signed: boolean }
	| { readonly kind: "store"; readonly bytes: 1 | 2 | 4 }
	/** Of an f register: instructions of F and D. */
	| { readonly kind: "floatLoad"; readonly bytes: 4 | 8 }
	| { readonly kind: "floatStore"; readonly bytes: 4 | 8 }
	| FloatEffect
	| { readonly kind: "branch"; readonly condition: Expression }
	/** rd: the address behind; control goes to `target`. */
	| { readonly kind: "jump"; readonly target: Expression }
	| { readonly kind: "none" };

/** Values of rd. */
const VALUES: readonly (readonly [number, string])[] = [
	[OP.LUI, "imm"],
	[OP.AUIPC, "pc + imm"],
	[OP.ADDI, "rs1 + imm"],
	[OP.SLTI, "rs1 < imm"],
	[OP.SLTIU, "rs1 <u imm"],
	[OP.XORI, "rs1 ^ imm"],
	[OP.ORI, "rs1 | imm"],
	[OP.ANDI, "rs1 & imm"],
	[OP.SLLI, "rs1 << imm"],
	[OP.SRLI, "rs1 >>> imm"],
	[OP.SRAI, "rs1 >> imm"],
	[OP.ADD, "rs1 + rs2"],
	[OP.SUB, "rs1 - rs2"],
	[OP.SLL, "rs1 << rs2"],
	[OP.SLT, "rs1 < rs2"],
	[OP.SLTU, "rs1 <u rs2"],
	[OP.XOR, "rs1 ^ rs2"],
	[OP.SRL, "rs1 >>> rs2"],
	[OP.SRA, "rs1 >> rs2"],
	[OP.OR, "rs1 | rs2"],
	[OP.AND, "rs1 & rs2"],
	[OP.MUL, "rs1 * rs2"],
	[OP.MULH, "mulh(rs1, rs2)"],
	[OP.MULHSU, "mulhsu(rs1, rs2)"],
	[OP.MULHU, "mulhu(rs1, rs2)"],
	[OP.DIV, "div(rs1, rs2)"],
	[OP.DIVU, "divu(rs1, rs2)"],
	[OP.REM, "rem(rs1, rs2)"],
	[OP.REMU, "remu(rs1, rs2)"],
	[OP.SH1ADD, "(rs1 << 1) + rs2"],
	[OP.SH2ADD, "(rs1 << 2) + rs2"],
	[OP.SH3ADD, "(rs1 << 3) + rs2"],
	[OP.ANDN, "rs1 & ~rs2"],
	[OP.ORN, "rs1 | ~rs2"],
	[OP.XNOR, "~(rs1 ^ rs2)"],
	[OP.CLZ, "clz(rs1)"],
	[OP.CTZ, "ctz(rs1)"],
	[OP.CPOP, "cpop(rs1)"],
	[OP.MAX, "rs1 > rs2 ? rs1 : rs2"],
	[OP.MAXU, "rs1 >u rs2 ? rs1 : rs2"],
	[OP.MIN, "rs1 < rs2 ? rs1 : rs2"],
	[OP.MINU, "rs1 <u rs2 ? rs1 : rs2"],
	[OP.SEXT_B, "(rs1 << 24) >> 24"],
	[OP.SEXT_H, "(rs1 << 16) >> 16"],
	[OP.ZEXT_H, "rs1 & 0xffff"],
	[OP.ROL, "rol(rs1, rs2)"],
	[OP.ROR, "ror(rs1, rs2)"],
	[OP.RORI, "ror(rs1, imm)"],
	[OP.ORC_B, "(((((rs1 & 0x7f7f7f7f) + 0x7f7f7f7f) | rs1) >>> 7) & 0x1010101) * 0xff"],
	[OP.REV8, "(rs1 << 24) | ((rs1 & 0xff00) << 8) | ((rs1 >>> 8) & 0xff00) | (rs1 >>> 24)"],
	[OP.BCLR, "rs1 & ~(1 << rs2)"],
	[OP.BEXT, "(rs1 >>> rs2) & 1"],
	[OP.BINV, "rs1 ^ (1 << rs2)"],
	[OP.BSET, "rs1 | (1 << rs2)"],
	[OP.BCLRI, "rs1 & ~(1 << imm)"],
	[OP.BEXTI, "(rs1 >>> imm) & 1"],
	[OP.BINVI, "rs1 ^ (1 << imm)"],
	[OP.BSETI, "rs1 | (1 << imm)"],
];

const BRANCHES: readonly (readonly [number, string])[] = [
	[OP.BEQ, "rs1 == rs2"],
	[OP.BNE, "rs1 != rs2"],
	[OP.BLT, "rs1 < rs2"],
	[OP.BGE, "rs1 >= rs2"],
	[OP.BLTU, "rs1 <u rs2"],
	[OP.BGEU, "rs1 >=u rs2"],
];

/** Values that an amo writes, by its funct5, over `old` and rs2; unprivileged specification 8.4. */
const ATOMICS: readonly (readonly [number, string])[] = [
	[0x00, "old + rs2"],
	[0x01, "rs2"],
	[0x04, "old ^ rs2"],
	[0x08, "old | rs2"],
	[0x0c, "old & rs2"],
	[0x10, "old < rs2 ? old : rs2"],
	[0x14, "old > rs2 ? old : rs2"],
	[0x18, "old <u rs2 ? old : rs2"],
	[0x1c, "old >u rs2 ? old : rs2"],
];

const OTHERS: readonly (readonly [number, Effect])[] = [
	[OP.LB, { kind: "load", bytes: 1, signed: true }],
	[OP.LH, { kind: "load", bytes: 2, signed: true }],
	[OP.LW, { kind: "load", bytes: 4, signed: true }],
	[OP.LBU, { kind: "load", bytes: 1, signed: false }],
	[OP.LHU, { kind: "load", bytes: 2, signed: false }],
	[OP.SB, { kind: "store", bytes: 1 }],
	[OP.SH, { kind: "store", bytes: 2 }],
	[OP.SW, { kind: "store", bytes: 4 }],
	[OP.JAL, { kind: "jump", target: ["+", "pc", "imm"] }],
	[OP.JALR, { kind: "jump", target: ["&", ["+", "rs1", "imm"], -2] }],
	[OP.FENCE, { kind: "none" }],
	[OP.FLW, { kind: "floatLoad", bytes: 4 }],
	[OP.FLD, { kind: "floatLoad", bytes: 8 }],
	[OP.FSW, { kind: "floatStore", bytes: 4 }],
	[OP.FSD, { kind: "floatStore", bytes: 8 }],
	...FLOAT_EFFECTS,
];

/** Every second byte, nibble, pair and bit. */
const HALVES = ["0xff00ff", "0xf0f0f0f", "0x33333333", "0x55555555"] as const;
const swapped = (v: string, n: number, mask: string): string =>
	`((((${v}) >>> ${n}) & ${mask}) | (((${v}) & ${mask}) << ${n}))`;
/** Bits 15 to 0 of v, each to twice its place, and back. */
const spread = (v: string): string =>
	[8, 4, 2, 1].reduce((w, n, i) => `((${w} | (${w} << ${n})) & ${HALVES[i]})`, `(${v} & 0xffff)`);
const gathered = (v: string): string =>
	[1, 2, 4, 8].reduce(
		(w, n, i) => `((${w} | (${w} >>> ${n})) & ${["0xffff", ...HALVES].at(3 - i)})`,
		`(${v} & 0x55555555)`,
	);

/** Values of rd of Zbc and Zbkb, by name: all of them are OP.BITS. */
const BITS: readonly (readonly [string, string])[] = [
	["clmul", "clmul(rs1, rs2)"],
	["clmulr", "clmulr(rs1, rs2)"],
	["clmulh", "clmulh(rs1, rs2)"],
	["pack", "(rs1 & 0xffff) | (rs2 << 16)"],
	["packh", "(rs1 & 0xff) | ((rs2 & 0xff) << 8)"],
	["brev8", swapped(swapped(swapped("rs1", 1, "0x55555555"), 2, "0x33333333"), 4, "0xf0f0f0f")],
	["zip", `${spread("rs1")} | (${spread("(rs1 >>> 16)")} << 1)`],
	["unzip", `${gathered("rs1")} | (${gathered("(rs1 >>> 1)")} << 16)`],
];

const TOKEN = /\s*([a-z]\w*|0x[\da-f]+|\d+|<<|>>>|>>|[<>=]=u?|!=|[<>]u?|[-+*&|^~?:(),])/y;

/** Operators by how strongly they bind, the weakest first. */
const LEVELS: readonly (readonly string[])[] = [
	["|"],
	["^"],
	["&"],
	["==", "!="],
	["<", "<u", ">", ">u", ">=", ">=u"],
	["<<", ">>", ">>>"],
	["+", "-"],
	["*"],
];

/** Parse an expression. => throws an Error that names what was not expected */
export function parse(text: string): Expression {
	TOKEN.lastIndex = 0;
	let token = "";
	const next = (): void => {
		const at = TOKEN.lastIndex;
		token = TOKEN.exec(text)?.[1] ?? "";
		if (token === "" && at < text.length) throw new Error(`${text}: what is at ${at}?`);
	};
	const expect = (wanted: string): void => {
		if (token !== wanted) throw new Error(`${text}: ${wanted} expected, not ${token}`);
		next();
	};
	const primary = (): Expression => {
		const first = token;
		next();
		if (first === "(") {
			const inner = choice();
			expect(")");
			return inner;
		}
		if (first === "~") return ["^", primary(), -1];
		if (/^\d/.test(first)) return Number(first) | 0;
		if (!/^[a-z]/.test(first)) throw new Error(`${text}: ${first} is no operand`);
		if (token !== "(") return first;
		const operands: Expression[] = [];
		do {
			next();
			operands.push(choice());
		} while ((token as string) === ",");
		expect(")");
		return [first, ...operands];
	};
	const binary = (level: number): Expression => {
		if (level === LEVELS.length) return primary();
		let left = binary(level + 1);
		while (LEVELS[level]!.includes(token)) {
			const operator = token;
			next();
			left = [operator, left, binary(level + 1)];
		}
		return left;
	};
	const choice = (): Expression => {
		const condition = binary(0);
		if (token !== "?") return condition;
		next();
		const then = choice();
		expect(":");
		return ["?", condition, then, choice()];
	};
	next();
	const whole = choice();
	if (token !== "") throw new Error(`${text}: ${token} not expected`);
	return whole;
}

/** The effect of each operation that has one here, by OP. */
export function effects(): readonly (Effect | undefined)[] {
	const table: (Effect | undefined)[] = new Array(256).fill(undefined);
	for (const [op, value] of VALUES) table[op] = { kind: "value", value: parse(value) };
	for (const [op, condition] of BRANCHES) {
		table[op] = { kind: "branch", condition: parse(condition) };
	}
	for (const [op, effect] of OTHERS) table[op] = effect;
	return table;
}

/** What an amo writes back, by its funct5. */
export function atomics(): readonly (Expression | undefined)[] {
	const table: (Expression | undefined)[] = new Array(32).fill(undefined);
	for (const [funct5, value] of ATOMICS) table[funct5] = parse(value);
	return table;
}

/** What instructions of Zbc and Zbkb do, by name. */
export function bitEffects(): ReadonlyMap<string, Expression> {
	return new Map(BITS.map(([name, value]) => [name, parse(value)]));
}
