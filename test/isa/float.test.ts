/** F and D: results and flags against a model, and their surroundings: fcsr, FS, boxing, memory. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RAM_BASE } from "../../machine/memory.ts";
import { encode, type Operands } from "./assembler.ts";
import * as model from "./float-model.ts";
import { F32, F64, type Model, type Outcome } from "./float-model.ts";
import { pattern } from "./float-operands.ts";
import { type Guest, guest } from "./guest.ts";

const HANDLER = RAM_BASE + 0x4000;
const FS = 3 << 13;
const DYN = 7;

/** A machine whose floating-point unit is on and whose exceptions end in a loop at HANDLER. */
function machine(fs = FS): Guest {
	const g = guest("nop");
	g.machine.dma.store32(HANDLER, encode("jal", { rd: 0, imm: 0 }));
	g.machine.hart.state.mtvec = HANDLER;
	g.machine.hart.state.mstatus |= fs;
	return g;
}

function setF(g: Guest, m: Model, register: number, value: bigint): void {
	const { f } = g.machine.memory;
	f[2 * register] = Number(value & 0xffff_ffffn) | 0;
	f[2 * register + 1] = m === F64 ? Number(value >> 32n) | 0 : -1;
}

/** The 64 bits of a register. */
function getF(g: Guest, register: number): bigint {
	const { f } = g.machine.memory;
	return (BigInt(f[2 * register + 1]! >>> 0) << 32n) | BigInt(f[2 * register]! >>> 0);
}

/** Execute one instruction. => false after an exception. */
function step(g: Guest, w: number): boolean {
	const { hart, dma } = g.machine;
	dma.store32(RAM_BASE, w);
	hart.pc = RAM_BASE;
	g.machine.runBare(1);
	return hart.pc === RAM_BASE + 4;
}

const BOX = 0xffff_ffffn << 32n;
type Kind = "s" | "d" | "w" | "wu";
const modelOf = (kind: Kind): Model => (kind === "d" ? F64 : F32);

/** An instruction: its operands' kinds, its result's kind, and what the model says. */
interface Case {
	readonly name: string;
	readonly from: readonly Kind[];
	readonly to: Kind;
	/** Has it a rounding mode? */
	readonly rounds: boolean;
	readonly oracle: (operands: bigint[], rm: number) => Outcome;
}

function cases(kind: "s" | "d"): Case[] {
	const m = modelOf(kind);
	const minus = (a: bigint): bigint => a ^ (1n << BigInt(m.bits - 1));
	const two = (name: string, oracle: (a: bigint, b: bigint, rm: number) => Outcome): Case => ({
		name: `${name}.${kind}`,
		from: [kind, kind],
		to: kind,
		rounds: true,
		oracle: ([a, b], rm) => oracle(a!, b!, rm),
	});
	const fused = (name: string, negateA: boolean, negateC: boolean): Case => ({
		name: `${name}.${kind}`,
		from: [kind, kind, kind],
		to: kind,
		rounds: true,
		oracle: ([a, b, c], rm) =>
			model.mulAdd(m, negateA ? minus(a!) : a!, b!, negateC ? minus(c!) : c!, rm),
	});
	const sign = (name: string, of: (a: bigint, b: bigint) => boolean): Case => ({
		...two(name, (a, b) => {
			const magnitude = a & ~(1n << BigInt(m.bits - 1));
			return { result: of(a, b) ? minus(magnitude) : magnitude, flags: 0 };
		}),
		rounds: false,
	});
	const negative = (a: bigint): boolean => model.signOf(m, a);
	const compare = (name: string): Case => ({
		...two(name, (a, b) => model.relation(m, name, a, b)),
		to: "w",
		rounds: false,
	});
	const choose = (name: string): Case => ({
		...two(name, (a, b) => model.minMax(m, name, a, b)),
		rounds: false,
	});
	const integers = (["w", "wu"] as const).flatMap((integer): Case[] => [
		{
			name: `fcvt.${integer}.${kind}`,
			from: [kind],
			to: integer,
			rounds: true,
			oracle: ([a], rm) => model.toInteger(m, a!, integer === "w", rm),
		},
		{
			name: `fcvt.${kind}.${integer}`,
			from: [integer],
			to: kind,
			rounds: true,
			oracle: ([a], rm) => model.fromInteger(m, a!, rm),
		},
	]);
	const other = kind === "s" ? "d" : "s";
	return [
		two("fadd", (a, b, rm) => model.add(m, a, b, rm)),
		two("fsub", (a, b, rm) => model.add(m, a, minus(b), rm)),
		two("fmul", (a, b, rm) => model.mul(m, a, b, rm)),
		two("fdiv", (a, b, rm) => model.div(m, a, b, rm)),
		{ ...two("fsqrt", (a, _, rm) => model.sqrt(m, a, rm)), from: [kind] },
		fused("fmadd", false, false),
		fused("fmsub", false, true),
		fused("fnmsub", true, false),
		fused("fnmadd", true, true),
		sign("fsgnj", (_, b) => negative(b)),
		sign("fsgnjn", (_, b) => !negative(b)),
		sign("fsgnjx", (a, b) => negative(a) !== negative(b)),
		choose("fmin"),
		choose("fmax"),
		...["feq", "flt", "fle"].map(compare),
		...integers,
		{
			name: `fcvt.${kind}.${other}`,
			from: [other],
			to: kind,
			rounds: true,
			oracle: ([a], rm) => model.convert(modelOf(other), m, a!, rm),
		},
	];
}

/** Any 32 bits as an integer of a kind. */
const integer = (kind: Kind): fc.Arbitrary<bigint> =>
	fc
		.oneof(
			fc.constantFrom(0, 1, -1, 0x7fff_ffff, -0x8000_0000, 0x0100_0001, 0x0180_0001),
			fc.integer(),
		)
		.map((n) => BigInt(kind === "w" ? n : n >>> 0));
const operandOf = (kind: Kind): fc.Arbitrary<bigint> =>
	kind === "s" || kind === "d" ? pattern(modelOf(kind)) : integer(kind);

/** Execute a case with operands in fa0.. or a0. => what must be compared. */
function execute(g: Guest, c: Case, operands: bigint[], rm: number, dynamic: boolean): Outcome {
	const { hart } = g.machine;
	for (const [i, kind] of c.from.entries()) {
		if (kind === "w" || kind === "wu") hart.x[10] = Number(operands[i]! & 0xffff_ffffn) | 0;
		else setF(g, modelOf(kind), 10 + i, operands[i]!);
	}
	const o: Operands = { rd: 13, rs1: 10 };
	if (c.from.length > 1) o.rs2 = 11;
	if (c.rounds) o.imm = (dynamic ? DYN : rm) | (c.from.length === 3 ? 12 << 3 : 0);
	hart.state.frm = dynamic ? rm : 0;
	expect(step(g, encode(c.name, o))).toBe(true);
	if (c.to === "w") return { result: BigInt(hart.x[13]!), flags: hart.state.fflags };
	if (c.to === "wu") return { result: BigInt(hart.x[13]! >>> 0), flags: hart.state.fflags };
	return { result: getF(g, 13), flags: hart.state.fflags };
}

describe("F and D agree with the definition", () => {
	for (const c of [...cases("s"), ...cases("d")]) {
		it(`${c.name}: result and flags, in every rounding mode`, () => {
			const g = machine();
			const operands = fc.tuple(...c.from.map(operandOf));
			const settings = fc.record({
				rm: fc.integer({ min: 0, max: 4 }),
				dynamic: fc.boolean(),
				flags: fc.constantFrom(0, 0, 1, 30),
			});
			fc.assert(
				fc.property(operands, settings, (values, { rm, dynamic, flags }) => {
					g.machine.hart.state.fflags = flags;
					const got = execute(g, c, values, rm, dynamic);
					const wanted = c.oracle(values, rm);
					const boxed = c.to === "s" ? BOX | wanted.result : wanted.result;
					expect(got).toEqual({ result: boxed, flags: flags | wanted.flags });
				}),
				{ numRuns: 120 },
			);
		});
	}

	for (const kind of ["s", "d"] as const) {
		const m = modelOf(kind);
		const width = m.bits - 1 - m.exponentBits;
		const find = (name: string): Case => cases(kind).find((c) => c.name === `${name}.${kind}`)!;
		const g = machine();
		const check = (name: string, operands: bigint[]): void => {
			const c = find(name);
			for (let rm = 0; rm < 5; rm++) {
				const { result, flags } = c.oracle(operands, rm);
				const wanted = kind === "s" ? BOX | result : result;
				for (const before of [0, 1]) {
					g.machine.hart.state.fflags = before;
					const got = execute(g, c, operands, rm, false);
					expect(got, `rm ${rm}`).toEqual({ result: wanted, flags: flags | before });
				}
			}
		};
		const one = (model.infinity(m) >> 1n) & ~((1n << BigInt(width)) - 1n);
		const minus = 1n << BigInt(m.bits - 1);

		it(`${kind}: products next to the smallest normal number are tiny or not`, () => {
			// Half a last place below it: rounds to it, and is tiny.
			check("fmul", [one + (1n << BigInt(width)) - 1n, 1n << BigInt(width - 1)]);
			// (1 + 2^-k) * (1 - 2^-k) is just below 1: it depends on k whether it rounds to 1.
			for (let k = 1; k <= width; k++) {
				const more = one + (1n << BigInt(width - k));
				for (const sign of [0n, minus]) {
					const less = ((1n << BigInt(width)) - (1n << BigInt(width - k))) | sign;
					check("fmul", [more, less]);
					check("fmadd", [more, less, sign]);
					check("fdiv", [less, one + (1n << BigInt(k - 1))]);
				}
			}
		});

		it(`${kind}: what cancels exactly is -0 only if rounded down`, () => {
			fc.assert(
				fc.property(pattern(m), (a) => {
					check("fadd", [a, a ^ minus]);
					check("fsub", [a, a]);
					check("fmadd", [a, one, a ^ minus]);
					check("fnmsub", [a, one, a]);
				}),
				{ numRuns: 50 },
			);
		});
	}

	it("fclass sets the bit of table 11.5", () => {
		const g = machine();
		const table: [bigint, bigint][] = [
			[0xff80_0000n, 0xfff0_0000_0000_0000n],
			[0xbf80_0000n, 0xbff0_0000_0000_0000n],
			[0x8000_0001n, 0x800f_ffff_ffff_ffffn],
			[0x8000_0000n, 0x8000_0000_0000_0000n],
			[0n, 0n],
			[0x007f_ffffn, 1n],
			[0x0080_0000n, 0x0010_0000_0000_0000n],
			[0x7f80_0000n, 0x7ff0_0000_0000_0000n],
			[0x7f80_0001n, 0xfff0_0000_0000_0001n],
			[0xffc0_0000n, 0x7ff8_0000_0000_0000n],
		];
		for (const [bit, [single, double]] of table.entries()) {
			setF(g, F32, 10, single);
			setF(g, F64, 11, double);
			expect(step(g, encode("fclass.s", { rd: 10, rs1: 10 }))).toBe(true);
			expect(step(g, encode("fclass.d", { rd: 11, rs1: 11 }))).toBe(true);
			expect([g.machine.hart.x[10], g.machine.hart.x[11]]).toEqual([1 << bit, 1 << bit]);
		}
		expect(g.machine.hart.state.fflags).toBe(0);
	});
});

describe("NaN boxing", () => {
	const ONE = 0x3f80_0000n;

	it("a single that is not boxed counts as the canonical NaN", () => {
		const g = machine();
		for (const c of cases("s").filter(({ from }) => from.includes("s"))) {
			for (let bad = 0; bad < c.from.length; bad++) {
				const values = c.from.map((_, i) => (i === bad ? model.canonicalNaN(F32) : ONE));
				const wanted = c.oracle(values, 0);
				g.machine.hart.state.fflags = 0;
				const o: Operands = { rd: 13, rs1: 10 };
				if (c.from.length > 1) o.rs2 = 11;
				if (c.rounds) o.imm = c.from.length === 3 ? 12 << 3 : 0;
				for (let i = 0; i < c.from.length; i++) setF(g, F32, 10 + i, ONE);
				g.machine.memory.f[2 * (10 + bad) + 1] = -2;
				expect(step(g, encode(c.name, o)), c.name).toBe(true);
				const x = g.machine.hart.x[13]!;
				const got = c.to === "s" ? getF(g, 13) : BigInt(c.to === "w" ? x : x >>> 0);
				expect(got, c.name).toBe(c.to === "s" ? BOX | wanted.result : wanted.result);
				expect(g.machine.hart.state.fflags, c.name).toBe(wanted.flags);
			}
		}
	});

	it("fmv.x.w and fsw take the low half as it is; what writes a single boxes it", () => {
		const g = machine();
		const { hart, memory } = g.machine;
		setF(g, F64, 10, 0x1234_5678_9abc_def0n);
		step(g, encode("fmv.x.w", { rd: 10, rs1: 10 }));
		expect(hart.x[10]! >>> 0).toBe(0x9abc_def0);
		hart.x[11] = RAM_BASE + 0x100;
		step(g, encode("fsw", { rs1: 11, rs2: 10 }));
		expect(memory.ram32[0x40]! >>> 0).toBe(0x9abc_def0);
		step(g, encode("flw", { rd: 12, rs1: 11 }));
		expect(getF(g, 12)).toBe(BOX | 0x9abc_def0n);
		step(g, encode("fmv.w.x", { rd: 13, rs1: 10 }));
		expect(getF(g, 13)).toBe(BOX | 0x9abc_def0n);
	});
});

describe("fcsr and mstatus.FS", () => {
	const FSTATES = [1 << 13, 2 << 13, FS];
	const fs = (g: Guest): number => g.machine.hart.state.mstatus & FS;
	const csr = (name: string, number: number, rs1 = 0): number =>
		encode(name, { rd: 10, rs1, imm: number });

	it("fflags and frm are parts of fcsr", () => {
		const g = machine();
		const { hart } = g.machine;
		hart.x[11] = -1;
		expect(step(g, csr("csrrw", 3, 11))).toBe(true);
		step(g, csr("csrrs", 3));
		expect(hart.x[10]).toBe(0xff);
		step(g, csr("csrrs", 2));
		expect(hart.x[10]).toBe(7);
		hart.x[11] = 2;
		step(g, csr("csrrw", 2, 11));
		step(g, csr("csrrw", 1, 11));
		step(g, csr("csrrs", 3));
		expect(hart.x[10]).toBe(0x42);
	});

	it("while FS is Off everything of F and D is illegal, and says which instruction", () => {
		const g = machine(0);
		const { hart } = g.machine;
		hart.x[10] = RAM_BASE;
		const words = [
			encode("fadd.d", { rd: 1, rs1: 2, rs2: 3, imm: 7 }),
			encode("fld", { rd: 1, rs1: 10 }),
			encode("fsw", { rs2: 1, rs1: 10, imm: 4 }),
			encode("fmv.x.w", { rd: 1, rs1: 2 }),
			csr("csrrs", 1),
			csr("csrrs", 2),
			csr("csrrw", 3, 10),
		];
		for (const w of words) {
			expect(step(g, w)).toBe(false);
			expect([hart.state.mcause, hart.state.mtval, fs(g)]).toEqual([2, w, 0]);
		}
		const half = encode("c.fld", { rd: 8, rs1: 10 });
		expect(step(g, half)).toBe(false);
		expect([hart.state.mcause, hart.state.mtval]).toEqual([2, half]);
	});

	it("becomes Dirty with the registers or fcsr, and not otherwise", () => {
		const changes: [number, boolean][] = [
			[encode("fadd.s", { rd: 1, rs1: 2, rs2: 3 }), true],
			[encode("fsgnj.d", { rd: 1, rs1: 1, rs2: 1 }), true],
			[encode("fmv.w.x", { rd: 1, rs1: 0 }), true],
			[encode("flw", { rd: 1, rs1: 10 }), true],
			[encode("fld", { rd: 1, rs1: 10 }), true],
			[csr("csrrw", 1, 0), true],
			[csr("csrrs", 3), false],
			[encode("fsw", { rs2: 1, rs1: 10 }), false],
			[encode("fsd", { rs2: 1, rs1: 10 }), false],
			[encode("fmv.x.w", { rd: 1, rs1: 1 }), false],
			[encode("feq.s", { rd: 1, rs1: 1, rs2: 1 }), false],
			// A comparison that raises a flag changes fcsr.
			[encode("flt.s", { rd: 1, rs1: 4, rs2: 4 }), true],
		];
		for (const state of FSTATES) {
			for (const [w, changed] of changes) {
				const g = machine(state);
				g.machine.hart.x[10] = RAM_BASE + 0x200;
				for (let r = 0; r < 4; r++) setF(g, F32, r, 0n);
				setF(g, F32, 4, model.canonicalNaN(F32));
				expect(step(g, w)).toBe(true);
				expect(fs(g), `${w.toString(16)} in ${state}`).toBe(changed ? FS : state);
			}
		}
	});

	it("SD follows FS, and cannot be written", () => {
		const g = machine(0);
		const { hart } = g.machine;
		for (const [written, sstatus] of [
			[0x8000_0000 | (2 << 13), 2 << 13],
			[3 << 13, 0x8000_0000 + FS],
			[0x8000_0000, 0],
		] as const) {
			hart.x[11] = written;
			step(g, csr("csrrw", 0x100, 11));
			step(g, csr("csrrs", 0x100));
			expect(hart.x[10]! >>> 0).toBe(sstatus);
			step(g, csr("csrrs", 0x300));
			expect(hart.x[10]! >>> 0).toBe(sstatus);
		}
	});

	it("a reserved rounding mode is illegal, in the instruction or in frm", () => {
		const g = machine();
		const { state } = g.machine.hart;
		for (const name of ["fadd.s", "fsqrt.d", "fcvt.w.d", "fcvt.d.w", "fcvt.d.s", "fmadd.d"]) {
			for (const rm of [0, 1, 2, 3, 4, 5, 6, 7]) {
				state.frm = 0;
				expect(step(g, encode(name, { rd: 1, rs1: 2, imm: rm })), name).toBe(rm < 5 || rm === 7);
				state.frm = rm;
				expect(step(g, encode(name, { rd: 1, rs1: 2, imm: 7 })), name).toBe(rm < 5);
				expect(step(g, encode(name, { rd: 1, rs1: 2, imm: 0 })), name).toBe(true);
			}
		}
		state.frm = 5;
		expect(step(g, encode("fmin.s", { rd: 1, rs1: 2, rs2: 3 }))).toBe(true);
	});
});

describe("loads and stores of f registers", () => {
	it("any alignment, four and eight bytes, forms of both lengths", () => {
		const at = RAM_BASE + 0x1ff0;
		for (let shift = 0; shift < 32; shift++) {
			const g = machine();
			const { hart, memory } = g.machine;
			setF(g, F64, 8, 0x0807_0605_0403_0201n);
			hart.x[10] = at + shift;
			step(g, encode("fsd", { rs1: 10, rs2: 8 }));
			const bytes = [...memory.ram8.subarray(0x1ff0 + shift - 1, 0x1ff0 + shift + 9)];
			expect(bytes).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 0]);
			expect(step(g, encode("fld", { rd: 9, rs1: 10 }))).toBe(true);
			expect(getF(g, 9)).toBe(0x0807_0605_0403_0201n);
			expect(step(g, encode("flw", { rd: 9, rs1: 10, imm: 4 }))).toBe(true);
			expect(getF(g, 9)).toBe(BOX | 0x0807_0605n);
		}
		const g = guest(`
			c.fsdsp fs0,8(sp)
			c.fldsp fs1,8(sp)
			c.fswsp fs0,16(sp)
			c.flwsp fa0,16(sp)
			c.fsd fs0,24(a0)
			c.fld fa1,24(a0)
			c.fsw fs0,32(a0)
			c.flw fa2,32(a0)
		`);
		g.machine.hart.state.mstatus |= FS;
		g.machine.hart.x[2] = g.machine.hart.x[10] = RAM_BASE + 0x1000;
		setF(g, F64, 8, 0x0123_4567_89ab_cdefn);
		g.machine.runBare(8);
		const low = BOX | 0x89ab_cdefn;
		const wanted = [0x0123_4567_89ab_cdefn, low, 0x0123_4567_89ab_cdefn, low];
		expect([9, 10, 11, 12].map((r) => getF(g, r))).toEqual(wanted);
		expect(g.machine.hart.pc).toBe(RAM_BASE + 16);
	});

	it("do nothing at all where a part of them would fault", () => {
		const g = machine();
		const { hart, memory } = g.machine;
		const end = RAM_BASE + memory.ramSize;
		setF(g, F64, 8, 0xffff_ffff_ffff_ffffn);
		for (const [name, cause] of [
			["fsd", 7],
			["fld", 5],
		] as const) {
			hart.x[10] = end - 4;
			const o = name === "fld" ? { rd: 8, rs1: 10 } : { rs1: 10, rs2: 8 };
			expect(step(g, encode(name, o))).toBe(false);
			expect(hart.state.mcause).toBe(cause);
			expect(memory.ram32.at(-1)).toBe(0);
			expect(getF(g, 8)).toBe(0xffff_ffff_ffff_ffffn);
		}
	});
});

it("floating-point state is in snapshots and in the state hash", () => {
	const a = machine();
	setF(a, F64, 31, 0x1234_5678_9abc_def0n);
	a.machine.hart.state.fflags = 5;
	a.machine.hart.state.frm = 2;
	const b = machine();
	expect(b.machine.stateHash()).not.toBe(a.machine.stateHash());
	b.machine.restore(a.machine.save());
	expect(getF(b, 31)).toBe(0x1234_5678_9abc_def0n);
	expect(b.machine.stateHash()).toBe(a.machine.stateHash());
	b.machine.memory.f[63]!++;
	expect(b.machine.stateHash()).not.toBe(a.machine.stateHash());
});
