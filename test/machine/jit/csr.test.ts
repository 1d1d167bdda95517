/** Zicsr in compiled code, against the interpreter: random programs in every mode. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Csrs } from "../../../machine/csr.ts";
import { CSR } from "../../../machine/csr-numbers.ts";
import type { Engine } from "../../../machine/engine.ts";
import { Machine } from "../../../machine/machine.ts";
import { RAM_BASE } from "../../../machine/memory.ts";
import { encode } from "../../isa/assembler.ts";

const RUNS = Number(process.env.CSR_RUNS ?? 60);
/** Where the handler's code is, and the loop's. */
const HANDLER = RAM_BASE + 0x100;
const LOOP = RAM_BASE + 0x200;
const FORMS = ["csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci"] as const;
/** Where handlers are, and where they return to, is only read: programs would get lost. */
const COUNTERS = [CSR.cycle, CSR.instret, CSR.time, CSR.cycleh, CSR.instreth, CSR.timeh];
const READ = [CSR.mtvec, CSR.mepc, CSR.mip, CSR.misa, ...COUNTERS, ...COUNTERS];
const WRITTEN = [
	...[CSR.mstatus, CSR.mstatus, CSR.sstatus, CSR.sstatus, CSR.fflags, CSR.frm, CSR.fcsr],
	...[CSR.mcause, CSR.mtval, CSR.mscratch, CSR.stvec, CSR.sepc, CSR.scause, CSR.stval],
	...[CSR.sscratch, CSR.mie, CSR.mcounteren, CSR.scounteren],
	...[CSR.mcycle, CSR.minstret, CSR.mcycleh, CSR.minstreth],
];

const x = fc.integer({ min: 8, max: 13 });
const access = fc
	.tuple(fc.constantFrom(...FORMS), fc.constantFrom(...WRITTEN), x, fc.oneof(x, fc.nat(31)))
	.map(([name, imm, rd, rs1]) => {
		const source = name.endsWith("i") ? rs1 : rs1 < 16 ? rs1 : 0;
		return encode(name, { rd: rd === 13 ? 0 : rd, rs1: source, imm });
	});
const read = fc
	.tuple(fc.constantFrom(...READ, ...WRITTEN), x)
	.map(([imm, rd]) => encode("csrrs", { rd, rs1: 0, imm }));
const other = fc
	.tuple(fc.constantFrom("add", "xor", "sub", "fadd.d", "fdiv.s", "fcvt.w.d"), x, x, x)
	.map(([name, rd, rs1, rs2]) =>
		name === "fcvt.w.d"
			? encode(name, { rd, rs1, imm: 1 })
			: encode(name, { rd, rs1, rs2, ...(name.startsWith("f") && { imm: 7 }) }),
	);
const program = fc.array(
	fc.oneof(
		{ weight: 5, arbitrary: access },
		{ weight: 2, arbitrary: read },
		{ weight: 3, arbitrary: other },
	),
	{ minLength: 2, maxLength: 30, size: "max" },
);

interface Case {
	readonly words: readonly number[];
	/** As the field MPP of mstatus. */
	readonly mode: number;
	readonly status: number;
	readonly enabled: number;
	readonly pending: number;
	readonly values: readonly number[];
}

/** M-mode opens all memory and goes to a loop; traps go on behind their instruction. */
function start(engine: Engine, c: Case): Machine {
	const machine = new Machine({ ramSize: 0x1_0000, engine });
	const put = (at: number, words: readonly number[]): void => {
		words.forEach((word, i) => {
			machine.dma.store32(at + 4 * i, word);
		});
	};
	put(RAM_BASE, [
		encode("addi", { rd: 8, imm: -1 }),
		encode("csrrw", { rs1: 8, imm: CSR.pmpaddr0 }),
		encode("csrrwi", { rs1: 0x1f, imm: CSR.pmpcfg0 }),
		encode("mret"),
	]);
	put(HANDLER, [
		encode("csrrs", { rd: 20, rs1: 0, imm: CSR.mepc }),
		encode("addi", { rd: 20, rs1: 20, imm: 4 }),
		encode("csrrw", { rs1: 20, imm: CSR.mepc }),
		encode("csrrwi", { rs1: 0, imm: CSR.mie }),
		encode("mret"),
	]);
	// Behind the loop there is room for the instruction that an interrupt leaves out.
	const loop = [...c.words];
	for (let i = 0; i < 2; i++) loop.push(encode("jal", { rd: 0, imm: -4 * loop.length }));
	put(LOOP, loop);
	const { hart } = machine;
	hart.reset(RAM_BASE);
	hart.state.mtvec = HANDLER;
	hart.state.mepc = LOOP;
	hart.state.mstatus = (c.status & 0x6aaa) | (c.mode << 11);
	hart.state.mie = c.enabled & 0xaaa;
	hart.state.mipSoftware = c.pending & 0x222;
	hart.state.mcounteren = hart.state.scounteren = 7;
	hart.x.set(c.values, 8);
	// The clock of a machine that has run for long.
	machine.clock.advance(2 ** 40 - 77);
	machine.setTimeOffset(c.values[0]!, c.values[1]!);
	return machine;
}

const cases: fc.Arbitrary<Case> = fc.record({
	words: program,
	mode: fc.constantFrom(3, 3, 1, 0),
	status: fc.oneof(fc.constant(0x6000), fc.nat(0xffff)),
	enabled: fc.oneof(fc.constant(0), fc.nat(0xfff)),
	pending: fc.oneof(fc.constant(0), fc.nat(0xfff)),
	values: fc.array(fc.oneof(fc.integer(), fc.nat(31), fc.constantFrom(2, 8, 0x6000, 0x1800)), {
		minLength: 6,
		maxLength: 6,
	}),
});

it("does the same in every state", () => {
	fc.assert(
		fc.property(cases, fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 5 }), (c, stops) => {
			const [compiled, interpreted] = [start("jit", c), start("interp", c)];
			for (const cycles of [...stops, 400]) {
				compiled.runBare(cycles);
				interpreted.runBare(cycles);
				expect(compiled.hart.state.save()).toEqual(interpreted.hart.state.save());
				expect([...compiled.hart.x]).toEqual([...interpreted.hart.x]);
				expect(compiled.stateHash()).toBe(interpreted.stateHash());
			}
		}),
		{ numRuns: RUNS, endOnFailure: true },
	);
});

describe("compiled code keeps", () => {
	it.each([
		["csrrs", CSR.fflags, 0],
		["csrrw", CSR.fflags, 8],
		["csrrwi", CSR.frm, 0],
		["csrrw", CSR.fcsr, 8],
		["csrrw", CSR.sscratch, 9],
		["csrrs", CSR.sepc, 0],
		["csrrci", CSR.sstatus, 2],
		["csrrci", CSR.mstatus, 8],
		["csrrs", CSR.sstatus, 0],
		["csrrs", CSR.mstatus, 9],
		["csrrs", CSR.cycle, 0],
		["csrrs", CSR.timeh, 0],
		["csrrs", CSR.minstret, 0],
	] as const)("%s of %i", (name, imm, rs1) => {
		const machine = start("jit", {
			words: [encode(name, { rd: 10, rs1, imm })],
			...{ mode: 3, status: 0x6000, enabled: 0, pending: 0, values: [5, 0x6000] },
		});
		machine.runBare(2000);
		let count = 0;
		const { execute } = Csrs.prototype;
		Csrs.prototype.execute = function (this: Csrs, ...operands): number {
			count++;
			return execute.apply(this, operands);
		};
		try {
			machine.runBare(2000);
		} finally {
			Csrs.prototype.execute = execute;
		}
		expect(count).toBe(0);
	});
});
