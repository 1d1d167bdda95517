import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Decoder } from "../../machine/decode.ts";
import { disassemble } from "../../machine/disasm.ts";
import { HALF_INSTRUCTIONS, type Instruction, WORD_INSTRUCTIONS } from "../../machine/isa.ts";
import { FORMATS } from "../../machine/isa-format.ts";
import { OP } from "../../machine/op.ts";
import { assemble, encode } from "./assembler.ts";

/** The immediates as figures 2.3 and 2.4 of the specification draw them, bit by bit. */
const bit = (w: number, n: number): number => (w >>> n) & 1;
const bits = (w: number, ...from: number[]): number =>
	from.reduce((value, n) => (value << 1) | bit(w, n), 0);
const range = (high: number, low: number): number[] =>
	Array.from({ length: high - low + 1 }, (_, i) => high - i);
const sign = (value: number, width: number): number => (value << (32 - width)) >> (32 - width);
const immediateOf: Record<string, (w: number) => number> = {
	I: (w) => sign(bits(w, ...range(31, 20)), 12),
	load: (w) => sign(bits(w, ...range(31, 20)), 12),
	S: (w) => sign(bits(w, ...range(31, 25), ...range(11, 7)), 12),
	B: (w) => sign(bits(w, 31, 7, ...range(30, 25), ...range(11, 8)) << 1, 13),
	U: (w) => bits(w, ...range(31, 12)) << 12,
	J: (w) => sign(bits(w, 31, ...range(19, 12), 20, ...range(30, 21)) << 1, 21),
	shift: (w) => bits(w, ...range(24, 20)),
	csr: (w) => bits(w, ...range(31, 20)),
	csri: (w) => bits(w, ...range(31, 20)),
	fload: (w) => sign(bits(w, ...range(31, 20)), 12),
	fstore: (w) => sign(bits(w, ...range(31, 25), ...range(11, 7)), 12),
	F3: (w) => bits(w, ...range(31, 27), 14, 13, 12),
	...Object.fromEntries(
		["F2", "F1", "F1exact", "FtoX", "XtoF", "XtoFexact"].map((name) => [
			name,
			(w: number) => bits(w, 14, 13, 12),
		]),
	),
};
/** The field of rs2. */
const RS2 = 0x1f0_0000;
const ROUNDS = ["F3", "F2", "F1", "F1exact", "FtoX", "XtoF", "XtoFexact"];

const formatName = (i: Instruction): string =>
	Object.entries(FORMATS).find(([, f]) => f === i.format)![0];

/**
 * What a halfword means, written down from table 16.5-16.7 without the machine's table: the
 * 32-bit instruction it stands for, as [name, rd, rs1, rs2, imm], or null if it is illegal.
 */
function expandHalf(h: number): [string, number, number, number, number] | null {
	const r = (h >>> 7) & 31;
	const s = (h >>> 2) & 31;
	const rPrime = 8 + ((h >>> 7) & 7);
	const sPrime = 8 + ((h >>> 2) & 7);
	const imm6 = sign(bits(h, 12, 6, 5, 4, 3, 2), 6);
	switch (((h & 3) << 3) | (h >>> 13)) {
		case 0: {
			const imm = bits(h, 10, 9, 8, 7, 12, 11, 5, 6) << 2;
			return imm === 0 ? null : ["addi", sPrime, 2, 0, imm];
		}
		case 1:
			return ["fld", sPrime, rPrime, 0, bits(h, 6, 5, 12, 11, 10) << 3];
		case 3:
			return ["flw", sPrime, rPrime, 0, bits(h, 5, 12, 11, 10, 6) << 2];
		case 5:
			return ["fsd", 0, rPrime, sPrime, bits(h, 6, 5, 12, 11, 10) << 3];
		case 7:
			return ["fsw", 0, rPrime, sPrime, bits(h, 5, 12, 11, 10, 6) << 2];
		case 2:
			return ["lw", sPrime, rPrime, 0, bits(h, 5, 12, 11, 10, 6) << 2];
		case 6:
			return ["sw", 0, rPrime, sPrime, bits(h, 5, 12, 11, 10, 6) << 2];
		case 8:
			return ["addi", r, r, 0, imm6];
		case 9:
		case 13:
			return [
				"jal",
				h >>> 13 === 1 ? 1 : 0,
				0,
				0,
				sign(bits(h, 12, 8, 10, 9, 6, 7, 2, 11, 5, 4, 3) << 1, 12),
			];
		case 10:
			return ["addi", r, 0, 0, imm6];
		case 11: {
			if (imm6 === 0) return null;
			if (r !== 2) return ["lui", r, 0, 0, imm6 << 12];
			return ["addi", 2, 2, 0, sign(bits(h, 12, 4, 3, 5, 2, 6) << 4, 10)];
		}
		case 12: {
			const kind = (h >>> 10) & 3;
			if (kind === 2) return ["andi", rPrime, rPrime, 0, imm6];
			if (bit(h, 12) === 1) return null;
			if (kind < 2) return [kind === 0 ? "srli" : "srai", rPrime, rPrime, 0, s];
			return [["sub", "xor", "or", "and"][(h >>> 5) & 3]!, rPrime, rPrime, sPrime, 0];
		}
		case 14:
		case 15:
			return [
				h >>> 13 === 6 ? "beq" : "bne",
				0,
				rPrime,
				0,
				sign(bits(h, 12, 6, 5, 2, 11, 10, 4, 3) << 1, 9),
			];
		case 16:
			return bit(h, 12) === 1 ? null : ["slli", r, r, 0, s];
		case 17:
			return ["fld", r, 2, 0, bits(h, 4, 3, 2, 12, 6, 5) << 3];
		case 19:
			return ["flw", r, 2, 0, bits(h, 3, 2, 12, 6, 5, 4) << 2];
		case 21:
			return ["fsd", 0, 2, s, bits(h, 9, 8, 7, 12, 11, 10) << 3];
		case 23:
			return ["fsw", 0, 2, s, bits(h, 8, 7, 12, 11, 10, 9) << 2];
		case 18:
			return r === 0 ? null : ["lw", r, 2, 0, bits(h, 3, 2, 12, 6, 5, 4) << 2];
		case 20:
			if (s !== 0) return ["add", r, bit(h, 12) === 1 ? r : 0, s, 0];
			if (r === 0) return bit(h, 12) === 1 ? ["ebreak", 0, 0, 0, 0] : null;
			return ["jalr", bit(h, 12), r, 0, 0];
		case 22:
			return ["sw", 0, 2, s, bits(h, 8, 7, 12, 11, 10, 9) << 2];
		default:
			return null;
	}
}

describe("the instruction table", () => {
	it("has no two 32-bit entries that match the same word", () => {
		for (const [i, a] of WORD_INSTRUCTIONS.entries()) {
			expect(a.match & ~a.mask, a.name).toBe(0);
			for (const b of WORD_INSTRUCTIONS.slice(i + 1)) {
				const common = a.mask & b.mask;
				// zext.h is pack with x0 as rs2.
				const apart = b.nonzero === "rs2" && (a.match & RS2) === 0 ? a.mask & RS2 : 0;
				const differs = ((a.match ^ b.match) & common) !== 0 || apart === RS2;
				expect(differs, `${a.name} and ${b.name}`).toBe(true);
			}
		}
	});

	it("decodes registers and immediates of every 32-bit instruction", () => {
		const d = new Decoder();
		for (const instruction of WORD_INSTRUCTIONS) {
			const name = formatName(instruction);
			fc.assert(
				fc.property(fc.integer(), (random) => {
					const w = (random & ~instruction.mask) | instruction.match;
					d.decode(w);
					if (instruction.nonzero === "rs2" && (w & RS2) === 0) {
						expect(d.instruction).not.toBe(instruction);
						return;
					}
					const rm = (w >>> 12) & 7;
					if (ROUNDS.includes(name) && (rm === 5 || rm === 6)) {
						expect(d.op).toBe(OP.ILLEGAL);
						return;
					}
					expect(d.instruction?.name).toBe(instruction.name);
					expect(d.op).toBe(instruction.op);
					const { format } = instruction;
					if (format.rd !== 0) expect(d.rd).toBe((w >>> 7) & 31);
					if (format.rs1 !== 0) expect(d.rs1).toBe((w >>> 15) & 31);
					if (format.rs2 !== 0) expect(d.rs2).toBe((w >>> 20) & 31);
					expect(d.imm).toBe(immediateOf[name]?.(w) ?? 0);
				}),
				{ numRuns: 200 },
			);
		}
	});

	it("expands every halfword as the specification says", () => {
		const d = new Decoder();
		const byName = new Map(WORD_INSTRUCTIONS.map((i) => [i.name, i.op]));
		for (let h = 0; h < 0x1_0000; h++) {
			if ((h & 3) === 3) continue;
			// The upper half belongs to the next instruction and must not matter.
			d.decode(h | 0xdead_0000);
			const wanted = expandHalf(h);
			const got = d.instruction === null ? null : [d.op, d.rd, d.rs1, d.rs2, d.imm];
			if (wanted === null) {
				if (got !== null) expect(got, h.toString(16)).toBe(null);
				continue;
			}
			const [name, ...operands] = wanted;
			const same = got?.every((v, i) => v === [byName.get(name), ...operands][i]) ?? false;
			if (!same) expect(got, h.toString(16)).toEqual([byName.get(name), ...operands]);
		}
	});

	it("knows no instruction in words that no entry matches", () => {
		const d = new Decoder();
		for (const w of [0xffffffff, 0x0000_7fff, 0x4000_1013, 0x1020_00f3, 0x0000_2067]) {
			d.decode(w);
			expect(d.op, w.toString(16)).toBe(OP.ILLEGAL);
		}
		// lr.w with rs2, a shift by more than 31, sfence.vma with rd
		for (const w of [0x1012_202f, 0x0200_1013, 0x1200_00f3]) {
			d.decode(w);
			expect(d.op, w.toString(16)).toBe(OP.ILLEGAL);
		}
	});

	it("assembles what it disassembles", () => {
		for (const instruction of [...WORD_INSTRUCTIONS, ...HALF_INSTRUCTIONS]) {
			if (["fence", "fence.i"].includes(instruction.name)) continue;
			const half = HALF_INSTRUCTIONS.includes(instruction);
			const d = new Decoder();
			fc.assert(
				fc.property(fc.integer(), (random) => {
					const free = half ? random & 0xffff : random;
					const w = (((free & ~instruction.mask) | instruction.match) >>> 0) as number;
					d.decode(w);
					// The text of an atomic has no room for its aq and rl bits.
					const atomic =
						instruction.op >= OP.LR && instruction.op <= OP.AMO && (w & 0x0600_0000) !== 0;
					if (d.instruction !== instruction || atomic) return;
					const pc = 0x8000_1000;
					const text = disassemble(w, pc);
					const { bytes } = assemble(text, pc);
					const back = new DataView(bytes.buffer);
					expect(half ? back.getUint16(0, true) : back.getUint32(0, true), text).toBe(w);
				}),
				{ numRuns: 100 },
			);
		}
	});

	it("shows well-known encodings", () => {
		expect(disassemble(0x00a5_0533)).toBe("add a0,a0,a0");
		expect(disassemble(0xfe01_0ee3, 0x8000_0100)).toBe("beq sp,zero,0x800000fc");
		expect(disassemble(0x3420_25f3)).toBe("csrrs a1,mcause,zero");
		expect(disassemble(0x8082)).toBe("c.jr ra");
		expect(disassemble(0x0000)).toBe(".half 0x0");
		expect(disassemble(0x00c5_f553)).toBe("fadd.s fa0,fa1,fa2");
		expect(disassemble(0x00c5_c553)).toBe("fadd.s fa0,fa1,fa2,rmm");
		expect(disassemble(0x1a20_a043)).toBe("fmadd.d ft0,ft1,ft2,ft3,rdn");
		expect(disassemble(0x4205_8553)).toBe("fcvt.d.s fa0,fa1");
		expect(disassemble(0x00c5_d553)).toBe(".word 0xc5d553");
		expect(disassemble(0x6035_d513)).toBe("rori a0,a1,3");
		expect(encode("c.addi16sp", { imm: -64 })).toBe(0x7139);
		expect(encode("lw", { rd: 10, rs1: 2, imm: 12 })).toBe(0x00c1_2503);
	});
});
