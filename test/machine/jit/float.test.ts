/** F and D in compiled code, against the interpreter: random programs at random instants. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CSR } from "../../../machine/csr-numbers.ts";
import type { Engine } from "../../../machine/engine.ts";
import { FloatUnit } from "../../../machine/float/unit.ts";
import { WORD_INSTRUCTIONS } from "../../../machine/isa.ts";
import { Machine } from "../../../machine/machine.ts";
import { RAM_BASE } from "../../../machine/memory.ts";
import { OP } from "../../../machine/op.ts";
import { FS_DIRTY } from "../../../machine/port.ts";
import { encode } from "../../isa/assembler.ts";
import { F32, F64 } from "../../isa/float-model.ts";
import { pattern } from "../../isa/float-operands.ts";

const RUNS = Number(process.env.FLOAT_RUNS ?? 3);
const DATA = RAM_BASE + 0x4000;
const WORDS = 128;
const FS_SHIFT = 13;
/** The table of values, where in it, and a pointer there. */
const [TABLE, PLACE, POINTER] = [5, 6, 3];

const FLOATS = WORD_INSTRUCTIONS.filter(({ op }) => op >= OP.FADD_S);
const hasMode = ({ format }: Pick<(typeof FLOATS)[number], "format">): boolean =>
	/,rm/.test(format.syntax);

type Operands = Readonly<Record<"rd" | "rs1" | "rs2" | "imm", number>>;

/** Encode what an instruction has of these operands. */
function assemble(name: string, { rd, rs1, rs2, imm }: Operands): number {
	const { format } = WORD_INSTRUCTIONS.find((one) => one.name === name)!;
	return encode(name, {
		...(format.rd >= 32 && { rd }),
		...(format.rs1 >= 32 && { rs1 }),
		...(format.rs2 >= 32 && { rs2 }),
		...(format.imm !== "" && { imm }),
	});
}

const f = fc.nat(5);
const x = fc.integer({ min: 8, max: 11 });
const mode = fc.oneof(
	{ weight: 8, arbitrary: fc.constantFrom(0, 7) },
	{ weight: 1, arbitrary: fc.nat(4) },
);

const arithmetic = fc
	.tuple(fc.constantFrom(...FLOATS), f, f, f, f, x, x, mode)
	.map(([instruction, fd, f1, f2, f3, xd, x1, rm]) => {
		const { name, format } = instruction;
		const operands = {
			rd: format.floatRd ? fd : xd,
			rs1: format.floatRs1 ? f1 : x1,
			rs2: f2,
			imm: format.syntax.includes("fs3") ? (f3 << 3) | rm : hasMode(instruction) ? rm : 0,
		};
		return assemble(name, operands);
	});
const access = fc
	.tuple(fc.constantFrom("flw", "fld", "fld", "fsw", "fsd"), f, fc.nat(15), fc.nat(40))
	.map(([name, register, at, odd]) => {
		const imm = 8 * at + (odd < 4 ? odd : odd < 8 ? 4 : 0);
		return assemble(name, { rd: register, rs1: POINTER, rs2: register, imm });
	});
const integer = fc
	.tuple(fc.constantFrom("lw", "sw"), x, fc.nat(31))
	.map(([name, register, at]) =>
		assemble(name, { rd: register, rs1: POINTER, rs2: register, imm: 4 * at }),
	);
const control = fc
	.tuple(
		fc.constantFrom("csrrwi", "csrrsi", "csrrci", "csrrs"),
		fc.constantFrom(CSR.fflags, CSR.fflags, CSR.fflags, CSR.frm, CSR.fcsr, CSR.mstatus),
		x,
		fc.oneof(fc.constant(0), fc.constant(0), fc.nat(31)),
	)
	.map(([name, imm, rd, rs1]) => encode(name, { rd, rs1: name === "csrrs" ? 0 : rs1, imm }));

const program = fc.array(
	fc.oneof(
		{ weight: 14, arbitrary: arithmetic },
		{ weight: 5, arbitrary: access },
		{ weight: 1, arbitrary: integer },
		{ weight: 1, arbitrary: control },
	),
	{ minLength: 3, maxLength: 40, size: "max" },
);

const low = (n: bigint): number => Number(n & 0xffff_ffffn) | 0;
const boxed = (n: number): readonly number[] => [n, -1];
const halves = (n: bigint): readonly number[] => [low(n), low(n >> 32n)];
const ofNumber = (n: number): readonly number[] => [
	...new Int32Array(new Float64Array([n]).buffer),
];
const ofSingle = (n: number): readonly number[] =>
	boxed(new Int32Array(new Float32Array([n]).buffer)[0]!);
/** Results are seldom exact unless numbers are short. */
const short = fc.integer({ min: -70, max: 70 }).map((n) => n / 8);
const value = fc.oneof(
	pattern(F64).map(halves),
	pattern(F32).map((n) => boxed(low(n))),
	short.map(ofNumber),
	short.map(ofSingle),
	fc.double({ min: -1e9, max: 1e9, noNaN: true }).map(ofNumber),
	fc.float({ min: -1024, max: 1024, noNaN: true }).map(ofSingle),
	fc.integer().map((n) => [n, n >> 3]),
);

/** An endless loop that goes through the values. */
function build(engine: Engine, words: readonly number[]): Machine {
	const machine = new Machine({ ramSize: 0x1_0000, engine });
	const loop = [
		encode("addi", { rd: PLACE, rs1: PLACE, imm: 24 }),
		encode("andi", { rd: PLACE, rs1: PLACE, imm: 0x1f8 }),
		encode("add", { rd: POINTER, rs1: PLACE, rs2: TABLE }),
		...words,
	];
	loop.push(encode("jal", { rd: 0, imm: -4 * loop.length }));
	loop.forEach((word, i) => {
		machine.dma.store32(RAM_BASE + 4 * i, word);
	});
	machine.hart.state.mtvec = RAM_BASE + 4;
	machine.hart.reset(RAM_BASE);
	machine.hart.x[TABLE] = DATA;
	return machine;
}

interface Case {
	readonly words: readonly number[];
	readonly values: readonly (readonly number[])[];
	readonly fs: number;
	readonly flags: number;
	readonly frm: number;
}

function start(engine: Engine, { words, values, fs, flags, frm }: Case): Machine {
	const machine = build(engine, words);
	for (let i = 0; i < WORDS; i++) {
		const [first, second] = values[i % values.length]!;
		machine.dma.store32(DATA + 8 * i, first!);
		machine.dma.store32(DATA + 8 * i + 4, second!);
	}
	for (let i = 0; i < 32; i++) machine.memory.f.set(values[(7 * i) % values.length]!, 2 * i);
	const { state } = machine.hart;
	state.mstatus = fs << FS_SHIFT;
	state.fflags = flags;
	state.frm = frm;
	return machine;
}

const cases: fc.Arbitrary<Case> = fc.record({
	words: program,
	values: fc.array(value, { minLength: 1, maxLength: 64, size: "max" }),
	fs: fc.constantFrom(FS_DIRTY, FS_DIRTY, FS_DIRTY, 0, 1, 2),
	flags: fc.constantFrom(0, 1, 1, 31),
	frm: fc.constantFrom(0, 0, 0, 0, 1, 2, 3, 4, 5, 7),
});

/** Run both for so many cycles, again and again; in between somebody else uses the hart. */
function expectSame(c: Case, stops: readonly number[]): void {
	const [compiled, interpreted] = [start("jit", c), start("interp", c)];
	for (const cycles of stops) {
		for (const { memory, hart } of cycles % 3 === 0 ? [compiled, interpreted] : []) {
			for (let i = 0; i < 32; i++) memory.f.set(c.values[(cycles * i) % c.values.length]!, 2 * i);
			hart.state.fflags = c.flags;
			hart.state.frm = c.frm;
			hart.state.mstatus = c.fs << FS_SHIFT;
		}
		compiled.runBare(cycles);
		interpreted.runBare(cycles);
		expect([...compiled.memory.f]).toEqual([...interpreted.memory.f]);
		expect(compiled.hart.state.save()).toEqual(interpreted.hart.state.save());
		expect(compiled.stateHash()).toBe(interpreted.stateHash());
	}
}

it("computes the same, and raises the same flags, in every state", () => {
	fc.assert(
		fc.property(cases, fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 5 }), (c, stops) => {
			expectSame(c, [...stops, 400]);
		}),
		{ numRuns: 5 * RUNS, endOnFailure: true },
	);
});

const shortBits = (bits: number): fc.Arbitrary<number> =>
	fc
		.tuple(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.integer({ min: 1, max: bits }))
		.map(([n, keep]) => {
			// An odd number of so many bits.
			const top = 2 ** (keep - 1);
			return top + ((n % top) | 1) * (top > 1 ? 1 : 0);
		});
/** Factors whose product needs about as many bits as there are, and numbers of all kinds. */
const operand = (double: boolean): fc.Arbitrary<readonly number[]> =>
	fc.oneof(
		(double ? pattern(F64) : pattern(F32)).map((n) => (double ? halves(n) : boxed(low(n)))),
		shortBits(double ? 28 : 13).map(double ? ofNumber : ofSingle),
		short.map(double ? ofNumber : ofSingle),
		fc
			.constantFrom(0, -0, 1, -1, Infinity, 2 ** -1022, 2 ** -126)
			.map(double ? ofNumber : ofSingle),
	);

/** A loop that executes `name` with operands from a table, flags `flags` before each. */
function eachOperand(engine: Engine, name: string, flags: number, table: number[][]): Machine {
	const { format } = WORD_INSTRUCTIONS.find((one) => one.name === name)!;
	const imm = format.syntax.includes("fs3") ? (3 << 3) | 7 : hasMode({ format }) ? 7 : 0;
	const [from, to] = [21, 22];
	const words = [
		...[1, 2, 3].map((rd) => encode("fld", { rd, rs1: from, imm: 8 * rd - 8 })),
		encode("lw", { rd: 10, rs1: from }),
		encode("csrrwi", { rd: 0, rs1: flags, imm: CSR.fflags }),
		assemble(name, { rd: format.floatRd ? 4 : 9, rs1: format.floatRs1 ? 1 : 10, rs2: 2, imm }),
		encode("csrrs", { rd: 11, rs1: 0, imm: CSR.fflags }),
		encode("fsd", { rs1: to, rs2: 4 }),
		encode("sw", { rs1: to, rs2: 9, imm: 8 }),
		encode("sw", { rs1: to, rs2: 11, imm: 12 }),
		encode("addi", { rd: from, rs1: from, imm: 24 }),
		encode("addi", { rd: to, rs1: to, imm: 16 }),
	];
	const machine = build(engine, words);
	table.flat().forEach((word, i) => {
		machine.dma.store32(DATA + 4 * i, word);
	});
	machine.hart.x[from] = DATA;
	machine.hart.x[to] = DATA + 4 * table.flat().length;
	machine.hart.state.mstatus = FS_DIRTY << FS_SHIFT;
	machine.runBare((words.length + 4) * (table.length / 3));
	return machine;
}

describe("gives the result and the flags of", () => {
	it.each(FLOATS.map(({ name }) => name))("%s", (name) => {
		// Conversions name what they make first.
		const kind = operand(name.endsWith(".d"));
		const table = fc.array(
			fc.oneof({ weight: 9, arbitrary: kind }, { weight: 1, arbitrary: value }),
			{
				minLength: 300,
				maxLength: 300,
				size: "max",
			},
		);
		fc.assert(
			fc.property(table, fc.constantFrom(0, 1), (numbers, flags) => {
				const operands = numbers.map((n) => [...n]);
				const [compiled, interpreted] = (["jit", "interp"] as const).map((engine) =>
					eachOperand(engine, name, flags, operands),
				);
				expect(compiled!.memory.ram32).toEqual(interpreted!.memory.ram32);
				expect(compiled!.stateHash()).toBe(interpreted!.stateHash());
			}),
			{ numRuns: Math.ceil(RUNS / 20), endOnFailure: true },
		);
	});
});

/** Products that end in the middle of two numbers, and addends that decide. */
const sign = fc.constantFrom(1, -1);
const near = (low: number, high: number): fc.Arbitrary<number> =>
	fc.tuple(sign, fc.integer({ min: low, max: high })).map(([s, n]) => s * (1 + 2 ** -n));
const tiny = (low: number, high: number): fc.Arbitrary<number> =>
	fc.tuple(sign, fc.integer({ min: low, max: high })).map(([s, n]) => s * 2 ** -n);

it.each([
	["s", ofSingle, near(10, 14), tiny(60, 100)],
	["d", ofNumber, near(25, 28), tiny(100, 300)],
	// The sum is odd, and what it leaves is less than half of its last place by 2^-143.
	[
		"d",
		ofNumber,
		fc.constantFrom(1 + (2 ** 26 - 2) * 2 ** -52, 1 + (2 ** 25 + 1) * 2 ** -52),
		sign.map((s) => s * 2 ** -103 * (1 - 2 ** -40)),
	],
] as const)("rounds fmadd.%s once", (format, of, factor, addend) => {
	const name = fc.constantFrom("fmadd", "fmsub", "fnmsub", "fnmadd");
	fc.assert(
		fc.property(name, factor, factor, fc.oneof(addend, fc.constantFrom(0, -0, 1)), (f, a, b, c) => {
			const words = [encode(`${f}.${format}`, { rd: 4, rs1: 1, rs2: 2, imm: (3 << 3) | 7 })];
			// f1, f2 and f3 have the values 7, 14 and 21 of these, modulo their number.
			const values = [of(0), of(c), of(a), of(0), of(b)];
			expectSame({ words, values, fs: FS_DIRTY, flags: 1, frm: 0 }, [200, 7]);
		}),
		{ numRuns: RUNS, endOnFailure: true },
	);
});

it.each([
	["fmul.s", ofSingle(1 + 2 ** -12), ofSingle(2 ** -126 * (1 - 2 ** -12))],
	["fmul.d", ofNumber(1 - 2 ** -53), ofNumber(2 ** -1022)],
	["fcvt.s.d", ofNumber(2 ** -126 * (1 - 0.75 * 2 ** -24)), ofNumber(0)],
] as const)("%s of what is rounded up to the smallest normal number underflows", (name, a, b) => {
	const words = [assemble(name, { rd: 4, rs1: 1, rs2: 2, imm: 7 })];
	words.push(encode("csrrwi", { rd: 9, rs1: 1, imm: CSR.fflags }));
	const values = [b, b, a, b, b];
	const machine = start("jit", { words, values, fs: FS_DIRTY, flags: 1, frm: 0 });
	// Whole turns, of which the interpreter would do the rest.
	machine.runBare(6 * 33);
	expect(machine.hart.x[9]).toBe(3);
});

/** How often the interpreter's unit is asked in the last of many turns of a loop. */
function leaves(c: Case): number {
	const machine = start("jit", c);
	machine.runBare(2000);
	let count = 0;
	const { run } = FloatUnit.prototype;
	FloatUnit.prototype.run = function (this: FloatUnit): number {
		count++;
		return run.call(this);
	};
	try {
		machine.runBare(2000);
	} finally {
		FloatUnit.prototype.run = run;
	}
	return count;
}

describe("compiled code keeps", () => {
	const state = { fs: FS_DIRTY, frm: 0 };
	const both = (n: number, double: boolean): readonly number[] =>
		double ? ofNumber(n) : ofSingle(n);
	const names = [...FLOATS.map(({ name }) => name), "flw", "fld", "fsw", "fsd"];
	const NUMBERS = [1.1, 2.5, 0.7, 3, 1.25];

	it.each(names)("%s", (name) => {
		const { format } = WORD_INSTRUCTIONS.find((one) => one.name === name)!;
		const double = name.endsWith(".d") || name === "fcvt.s.d";
		const isAccess = /^f[ls][wd]$/.test(name);
		const rs1 = isAccess ? POINTER : format.floatRs1 ? 1 : 10;
		const imm = format.syntax.includes("fs3") ? (3 << 3) | 7 : 0;
		const words = [assemble(name, { rd: format.floatRd ? 4 : 9, rs1, rs2: 2, imm })];
		const values = NUMBERS.map((n) => both(n, double && name !== "fcvt.d.s"));
		expect(leaves({ words, values, flags: 1, ...state })).toBe(0);
		// Exact, with NX clear.
		const exact = [both(4, double && name !== "fcvt.d.s")];
		expect(leaves({ words, values: exact, flags: 0, ...state })).toBe(0);
	});

	it.each([
		["", []],
		[" where the rounding mode is set", [encode("csrrwi", { rd: 0, rs1: 0, imm: CSR.frm })]],
		[" where the rounding mode is read", [encode("csrrs", { rd: 8, rs1: 0, imm: CSR.frm })]],
	])("the first inexact result%s", (_, between) => {
		const words = [encode("fdiv.d", { rd: 0, rs1: 2, rs2: 1, imm: 7 }), ...between];
		words.push(encode("csrrwi", { rd: 9, rs1: 0, imm: CSR.fflags }));
		const machine = start("jit", { words, values: [ofNumber(1), ofNumber(3)], flags: 0, ...state });
		machine.runBare(500);
		expect(machine.hart.x[9]).toBe(1);
	});
});
