/** The effects of instructions as data, against the interpreter. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { atomics, bitEffects, type Expression, effects, parse } from "../../../machine/effects.ts";
import { WORD_INSTRUCTIONS } from "../../../machine/isa.ts";
import { Machine } from "../../../machine/machine.ts";
import { RAM_BASE } from "../../../machine/memory.ts";
import { OP } from "../../../machine/op.ts";
import { encode } from "../../isa/assembler.ts";
import { evaluate } from "../expressions.ts";

const word = fc.oneof(
	fc.integer(),
	fc.constantFrom(0, 1, -1, 0x7fff_ffff, -0x8000_0000, 0x8000, 31, 32),
);

const machine = new Machine({ ramSize: 0x1_0000, engine: "interp" });

/** Execute `code` at the start of RAM with x11 and x12 set. */
function execute(code: number, rs1: number, rs2: number): Machine {
	machine.dma.store32(RAM_BASE, code);
	machine.reset(RAM_BASE);
	machine.hart.x[11] = rs1;
	machine.hart.x[12] = rs2;
	machine.hart.slice(1);
	return machine;
}

describe("the value of", () => {
	const table = effects();
	const rows = WORD_INSTRUCTIONS.filter(({ op }) => table[op]?.kind === "value");
	it.each(rows.map((row) => [row.name, row] as const))("%s", (name, { op, format }) => {
		const { value } = table[op] as { value: Expression };
		fc.assert(
			fc.property(word, word, word, (rs1, rs2, any) => {
				const isShift = format.imm === "4:0@20";
				const isUpper = format.syntax.includes("upper");
				const imm = isShift ? any & 31 : isUpper ? any & ~0xfff : (any << 20) >> 20;
				const operands = { rd: 10, rs1: format.rs1 && 11, rs2: format.rs2 && 12, imm };
				const code = encode(name, operands);
				const { hart } = execute(code, rs1, rs2);
				expect(hart.x[10]).toBe(evaluate(value, { rs1, rs2, imm, pc: RAM_BASE | 0 }) | 0);
			}),
			{ numRuns: 40 },
		);
	});
	it("is there for every operation that the interpreter has between lui and remu", () => {
		expect(rows.length).toBeGreaterThan(50);
	});
});

describe("the value, for compiled code, of", () => {
	const table = bitEffects();
	const rows = WORD_INSTRUCTIONS.filter(({ op }) => op === OP.BITS);
	it.each(rows.map((row) => [row.name, row] as const))("%s", (name, { format }) => {
		const code = encode(name, { rd: 10, rs1: 11, ...(format.rs2 >= 32 && { rs2: 12 }) });
		const value = table.get(name)!;
		fc.assert(
			fc.property(word, word, (rs1, rs2) => {
				const { hart } = execute(code, rs1, rs2);
				expect(hart.x[10]).toBe(evaluate(value, { rs1, rs2 }) | 0);
			}),
			{ numRuns: 40 },
		);
	});
	it("is there for eight", () => expect(rows.length).toBe(8));
	it.each(rows.map((row) => [row.name, row] as const))("%s is compiled to that", (name, row) => {
		const rs2 = row.format.rs2 >= 32 ? { rs2: 12 } : {};
		fc.assert(
			fc.property(word, word, (a, b) => {
				const results = (["jit", "interp"] as const).map((engine) => {
					const one = new Machine({ ramSize: 0x1_0000, engine });
					one.memory.ram32[0] = encode(name, { rd: 11, rs1: 11, ...rs2 });
					one.memory.ram32[1] = encode("add", { rd: 12, rs1: 12, rs2: 11 });
					one.memory.ram32[2] = encode("jal", { rd: 0, imm: -8 });
					one.reset(RAM_BASE);
					one.hart.x.set([a, b], 11);
					one.runBare(300);
					return [...one.hart.x];
				});
				expect(results[0]).toEqual(results[1]);
			}),
			{ numRuns: 10 },
		);
	});
});

describe("the condition of", () => {
	const table = effects();
	const rows = WORD_INSTRUCTIONS.filter(({ op }) => table[op]?.kind === "branch");
	it.each(rows.map((row) => [row.name, row] as const))("%s", (name, { op }) => {
		const { condition } = table[op] as { condition: Expression };
		fc.assert(
			fc.property(word, fc.option(word, { nil: null }), (rs1, other) => {
				const rs2 = other ?? rs1;
				const { hart } = execute(encode(name, { rs1: 11, rs2: 12, imm: 64 }), rs1, rs2);
				const taken = evaluate(condition, { rs1, rs2 }) !== 0;
				expect(hart.pc - RAM_BASE).toBe(taken ? 64 : 4);
			}),
		);
	});
	it("is there for all six", () => expect(rows.length).toBe(6));
});

it.each([
	["amoadd.w", 0x00],
	["amoswap.w", 0x01],
	["amoxor.w", 0x04],
	["amoor.w", 0x08],
	["amoand.w", 0x0c],
	["amomin.w", 0x10],
	["amomax.w", 0x14],
	["amominu.w", 0x18],
	["amomaxu.w", 0x1c],
])("what %s writes", (name, funct5) => {
	fc.assert(
		fc.property(word, word, (old, rs2) => {
			machine.dma.store32(RAM_BASE + 64, old);
			execute(encode(name, { rd: 10, rs1: 11, rs2: 12 }), RAM_BASE + 64, rs2);
			expect(machine.memory.ram32[16]).toBe(evaluate(atomics()[funct5]!, { old, rs2 }) | 0);
			expect(machine.hart.x[10]).toBe(old);
		}),
	);
});

describe("expressions", () => {
	it.each([
		["rs1 + rs2 * imm", ["+", "rs1", ["*", "rs2", "imm"]]],
		["rs1 - rs2 - 1", ["-", ["-", "rs1", "rs2"], 1]],
		["rs1 & ~rs2", ["&", "rs1", ["^", "rs2", -1]]],
		["rs1 <u rs2 ? 1 : clz(rs1)", ["?", ["<u", "rs1", "rs2"], 1, ["clz", "rs1"]]],
		["0x80000000 >>> 1", [">>>", -0x8000_0000, 1]],
	] as const)("%s", (text, wanted) => {
		expect(parse(text)).toEqual(wanted);
	});
	it.each(["rs1 +", "(rs1", "rs1 rs2", "rs1 # 2", "rs1 ? 1"])("refuse %s", (text) => {
		expect(() => parse(text)).toThrow(text);
	});
});
