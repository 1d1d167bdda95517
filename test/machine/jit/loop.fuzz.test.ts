/**
 * The interpreter's loop that is emitted, against the one in TypeScript: any decoded code, from the
 * same memory to the same.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { STORES } from "../../../machine/code-cache.ts";
import { H_MSCRATCH } from "../../../machine/csr-words.ts";
import { Interpreter } from "../../../machine/interpreter.ts";
import {
	CODE,
	CODE_MAP,
	CT,
	H_CSR,
	H_CSR_MASK,
	H_FETCH_PAGE,
	H_PRIV,
	H_RESERVATION,
	H_SINK,
	H_TABLES,
	HART_BLOCK,
	LENGTHS,
	Memory,
	RAM_OFFSET,
	RT,
	WT,
	XT,
} from "../../../machine/memory.ts";
import { OP } from "../../../machine/op.ts";
import { type RareInstructions, STOP_LEAVE } from "../../../machine/rare.ts";
import { variants } from "../../../machine/variants.ts";

const RUNS = Number(process.env.LOOP_RUNS ?? 10_000);
const RAM = 1 << 16;
/** Slots that hold something. */
const SLOTS = 48;
const PAGE_SLOTS = 2048;
/** The virtual page of the code; that behind it holds data. */
const PAGE = 0x4_0000_0;
const rare = { execute: () => STOP_LEAVE } as RareInstructions;

class Side {
	readonly memory = new Memory(RAM);
	readonly interpreter = new Interpreter(this.memory, rare);
	/** What a run can change. */
	readonly places = [
		[0, HART_BLOCK],
		[CODE, 2 * PAGE_SLOTS + 2],
		[RAM_OFFSET >> 2, RAM >> 2],
	] as const;

	state(): Buffer {
		const { u8 } = this.memory;
		return Buffer.concat(this.places.map(([at, n]) => u8.subarray(4 * at, 4 * (at + n))));
	}
}
const typescript = new Side();
const emitted = new Side();
emitted.interpreter.compileAfter(0);
emitted.interpreter.compileOnce({ instret: 0 });

const forms = variants();
const isNear = (op: number): boolean => op >= OP.JAL && op <= OP.C_BNEZ_FAR && !forms[op]!.far;
const isFarBranch = (op: number): boolean =>
	(op >= OP.BEQ_FAR && op <= OP.BGEU_FAR) || op === OP.C_BEQZ_FAR || op === OP.C_BNEZ_FAR;

const number = fc.oneof(
	fc.integer(),
	fc.constantFrom(0, 1, -1, 0x7fff_ffff, -0x8000_0000, 31, 32, 0xff),
	fc.integer({ min: -16, max: 4 * PAGE_SLOTS }).map((offset) => PAGE + offset),
	// What decoded slots come from.
	fc.integer({ min: 0, max: 2 * SLOTS }).map((offset) => PAGE + offset),
);
const register = fc.oneof(fc.integer({ min: 0, max: 31 }), fc.integer({ min: 5, max: 8 }));
/** Small ones, since sums of two numbers are rarely addresses. */
const offset = fc.oneof(fc.constant(0), fc.integer({ min: -20, max: 20 }));
const operation = fc.constantFrom(
	...forms.flatMap((form, op) => (form === undefined ? [] : [op])),
	...[OP.SB, OP.SH, OP.SW, OP.C_SW, OP.LR, OP.SC, OP.AMO, OP.CSR, OP.PAGE_END, OP.ECALL],
	...[OP.UNDECODED, OP.UNDECODED, OP.UNDECODED, OP.UNDECODED, OP.UNDECODED, OP.UNDECODED],
);
const slot = fc.record({
	op: operation,
	rd: register.map((rd) => (rd === 0 ? H_SINK : rd)),
	rs1: register,
	rs2: register,
	imm: fc.oneof(number, offset, offset),
	to: fc.integer({ min: 0, max: SLOTS - 1 }),
	cost: fc.integer({ min: 2, max: 40 }),
});
type Slot = typeof slot extends fc.Arbitrary<infer T> ? T : never;

/** What a form of an instruction cannot name is as the packer leaves it. */
function fixed(one: Slot): Slot {
	const { op } = one;
	if (op === OP.C_MV) return { ...one, rs1: 0 };
	if (op >= OP.C_BEQZ && op <= OP.C_BNEZ_FAR) return { ...one, rs2: 0 };
	if (op === OP.C_JR) return { ...one, imm: 0 };
	if (op === OP.C_JALR) return { ...one, rd: 1, imm: 0 };
	if (op === OP.C_JAL) return { ...one, rd: 1 };
	// Distances are even.
	if (op === OP.C_JAL_FAR) return { ...one, rd: 1, imm: one.imm & ~1 };
	if (op === OP.JAL_FAR || op === OP.C_J_FAR) return { ...one, imm: one.imm & ~1 };
	return one;
}

function immediate({ op, imm, to, cost }: Slot, at: number): number {
	if (isNear(op)) return ((2 * (to - at)) << 16) | (-cost & 0xffff);
	if (isFarBranch(op)) return ((2 * (to - at)) << 16) | (cost & 1);
	if (op === OP.AMO) return [0, 1, 4, 8, 12, 16, 20, 24, 28][to % 9]!;
	if (op === OP.CSR) return (imm & 0x3fff_ffff) | (to << 14);
	return imm;
}

const page = fc.constantFrom(0, RAM_OFFSET, RAM_OFFSET + 4096);
// Pages that hold decoded code can often be found in CT alone.
const storePage = fc.constantFrom(0, 0, 0, RAM_OFFSET);
const codePage = fc.constantFrom(0, RAM_OFFSET, RAM_OFFSET);
const start = fc.record({
	slots: fc.array(slot, { minLength: 1, maxLength: SLOTS }),
	registers: fc.array(number, { minLength: 31, maxLength: 31 }),
	/** What the tables have for the page of the code and the next one. */
	entries: fc.tuple(page, page, storePage, page, page, page, codePage, page),
	bytes: fc.integer(),
	stores: fc.integer({ min: 0, max: 3 }),
	cycles: fc.integer({ min: 0, max: 400 }),
	privilege: fc.constantFrom(0, 1, 3),
	reservation: fc.constantFrom(-1, RAM_OFFSET, RAM_OFFSET + 64),
});
type Start = typeof start extends fc.Arbitrary<infer T> ? T : never;

function prepare({ memory }: Side, given: Start): void {
	const { i32, u16 } = memory;
	const tables = i32[H_TABLES]!;
	memory.ram8.fill(given.bytes);
	for (let i = 0; i < 2 * SLOTS; i++) memory.ram8[i] = given.bytes >>> (i % 25);
	i32.set([0, ...given.registers, 0], 0);
	i32.fill(0, CODE, CODE + 2 * PAGE_SLOTS + 2);
	given.slots.map(fixed).forEach((one, at) => {
		const third = one.op === OP.CSR ? [0, H_MSCRATCH, H_CSR][one.rs2 % 3]! : one.rs2;
		const operands = (one.rd << 8) | (one.rs1 << 16) | (third << 24);
		i32[CODE + 2 * at] = one.op === OP.UNDECODED ? 0 : one.op | operands;
		i32[CODE + 2 * at + 1] = immediate(one, at);
		u16[LENGTHS + at] = one.cost;
	});
	u16.fill(3, LENGTHS + given.slots.length, LENGTHS + PAGE_SLOTS);
	i32[CODE + STORES] = given.stores;
	i32[CODE_MAP] = CODE;
	i32.fill(0x0ff0_fff0, H_CSR_MASK, H_CSR_MASK + 16);
	[RT, WT, XT, CT].forEach((table, i) => {
		i32[tables + table + (PAGE >> 12)] = given.entries[2 * i]!;
		i32[tables + table + (PAGE >> 12) + 1] = given.entries[2 * i + 1]!;
	});
	i32[H_FETCH_PAGE] = PAGE;
	i32[H_PRIV] = given.privilege;
	i32[H_RESERVATION] = given.reservation;
}

/** Run both from the same state. => STOP_* */
function compare(given: Start): number {
	for (const side of [typescript, emitted]) prepare(side, given);
	const run = ({ interpreter }: Side): number =>
		interpreter.execute(CODE, (PAGE - CODE) | 0, given.cycles, CODE);
	const stop = run(typescript);
	expect(run(emitted)).toBe(stop);
	const [a, b] = [typescript.state(), emitted.state()];
	if (!a.equals(b)) expect(b).toEqual(a);
	return stop;
}

it("does what the loop in TypeScript does, whatever was decoded", () => {
	const reached = new Set<number>();
	const stops = new Set<number>();
	fc.assert(
		fc.property(start, (given) => {
			stops.add(compare(given));
			reached.add(given.slots[0]!.op);
		}),
		{ numRuns: RUNS },
	);
	// Or not everything was tested.
	for (const [op, form] of forms.entries()) {
		if (form !== undefined) expect(reached.has(op), `operation ${op}`).toBe(true);
	}
	expect(stops.size).toBe(4);
});

it("forgets what was decoded from bytes that it stores to", () => {
	const store = fc.constantFrom(OP.SB, OP.SH, OP.SW, OP.C_SW);
	const to = fc.integer({ min: 2, max: 2 * SLOTS });
	const decoded = fc.array(fc.boolean(), { minLength: SLOTS, maxLength: SLOTS });
	fc.assert(
		fc.property(start, store, to, decoded, (given, op, offset, isDecoded) => {
			const first = { op, rd: 5, rs1: 6, rs2: 7, imm: 0, to: 0, cost: 2 };
			const others = isDecoded.map((is) => (is ? OP.ECALL : OP.UNDECODED));
			const slots = [first, ...others.map((other) => ({ ...first, op: other }))];
			const registers = given.registers.with(5, PAGE + offset);
			compare({ ...given, slots, registers, entries: [0, 0, 0, 0, 0, 0, RAM_OFFSET, 0] });
		}),
		{ numRuns: RUNS / 10 },
	);
});
