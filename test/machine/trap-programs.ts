/** Random programs with traps, returns from them and changes of context. */
import fc from "fast-check";
import { CSR, type CsrName } from "../../machine/csr-numbers.ts";
import { IRQ_MTI } from "../../machine/hart-state.ts";
import { Machine } from "../../machine/machine.ts";
import { RAM_BASE } from "../../machine/memory.ts";
import { encode } from "../isa/assembler.ts";

/** The program, twice: for all modes without translation and for S-mode; and for U-mode. */
const CODE = RAM_BASE + 0x3ff0;
const USER = 0x4000_0000;
const USER_CODE = USER + CODE - RAM_BASE;
const ROOT = RAM_BASE + 0x8000;
const TABLE = RAM_BASE + 0x9000;
const DATA = RAM_BASE + 0xa000;
/** Mapped by TABLE. */
const PAGES = USER + 0x40_0000;
const SATP = 0x8000_0000 + ROOT / 4096;

/** Registers that hold what is good for these registers, and for addresses. */
const CODE_REGISTERS = [8, 9];
const DATA_REGISTERS = [10, 11, 12];
const STATUS_REGISTERS = [13, 14];
const SATP_REGISTERS = [16, 17, 18, 0];
const SMALL_REGISTER = 15;
const REGISTERS = (a: number, shift: number): Record<number, number> => ({
	8: CODE + shift + 16,
	9: USER_CODE + shift + 24,
	10: DATA,
	11: PAGES + 0x800,
	12: TABLE + 8,
	13: 0x000e_1988 ^ a,
	14: 0x0002_0800 ^ (a << 3),
	15: a & 0x7f,
	16: SATP + (1 << 22),
	17: SATP + (2 << 22),
	18: SATP,
});

const csr = (names: readonly CsrName[], sources: readonly number[]): fc.Arbitrary<number> =>
	fc
		.record({
			name: fc.constantFrom(...names),
			kind: fc.constantFrom("csrrw", "csrrs", "csrrc", "csrrw", "csrrwi", "csrrsi", "csrrci"),
			source: fc.constantFrom(...sources),
			rd: fc.constantFrom(0, 0, 20, 21),
		})
		.map(({ name, kind, source, rd }) => encode(kind, { rd, rs1: source, imm: CSR[name] }));
const access = fc
	.record({
		name: fc.constantFrom("lw", "sw", "lw", "sw", "lb", "sh"),
		at: fc.constantFrom(...DATA_REGISTERS),
		imm: fc.integer({ min: -2, max: 500 }),
	})
	.map(({ name, at, imm: words }) => {
		const imm = 4 * words + (words & 1);
		return name.startsWith("l")
			? encode(name, { rd: 22, rs1: at, imm })
			: encode(name, { rs1: at, rs2: SMALL_REGISTER, imm });
	});
const instruction = fc.oneof(
	{
		weight: 5,
		arbitrary: fc.constantFrom(
			encode("ecall"),
			encode("ecall"),
			encode("ebreak"),
			encode("mret"),
			encode("mret"),
			encode("sret"),
			encode("sret"),
			0x0000_000b,
			encode("fence.i"),
			encode("wfi"),
		),
	},
	{ weight: 3, arbitrary: access },
	{ weight: 2, arbitrary: csr(["mepc", "sepc", "mtvec", "stvec"], CODE_REGISTERS) },
	{
		weight: 2,
		arbitrary: csr(
			["mscratch", "sscratch", "mcause", "scause", "mtval", "stval", "fflags"],
			[...CODE_REGISTERS, ...STATUS_REGISTERS],
		),
	},
	{ weight: 2, arbitrary: csr(["mstatus", "sstatus", "mie", "sie"], STATUS_REGISTERS) },
	{ weight: 1, arbitrary: csr(["medeleg", "mideleg", "mip", "sip"], STATUS_REGISTERS) },
	{ weight: 1, arbitrary: csr(["satp"], SATP_REGISTERS) },
	{ weight: 1, arbitrary: csr(["instret", "cycle", "time", "mhartid", "stimecmp"], [15, 0]) },
	{
		weight: 1,
		arbitrary: fc
			.record({ rs1: fc.constantFrom(0, 9, 11), rs2: fc.constantFrom(0, 15) })
			.map((operands) => encode("sfence.vma", operands)),
	},
	{ weight: 3, arbitrary: fc.constant(encode("addi", { rd: 23, rs1: 23, imm: 1 })) },
);

export interface Plan {
	readonly code: readonly number[];
	readonly seed: number;
	readonly ad: "hardware" | "trap";
	readonly walkCycles: number;
	readonly medeleg: number;
	readonly user: boolean;
	/** Bytes by which it lies further, so that an instruction may lie across pages. */
	readonly shift: number;
	/** When the timer's line is raised, and for how long. */
	readonly timer: readonly number[];
}

export const plan: fc.Arbitrary<Plan> = fc.record({
	code: fc.array(instruction, { minLength: 12, maxLength: 40, size: "max" }),
	seed: fc.nat(0xffff),
	ad: fc.constantFrom("hardware", "trap"),
	walkCycles: fc.constantFrom(0, 7),
	medeleg: fc.constantFrom(0, 0xb1ff, 0x100, 0xb000),
	user: fc.boolean(),
	shift: fc.constantFrom(0, 2),
	timer: fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 6 }),
});

export function build({ code, seed, ad, walkCycles, medeleg, user, shift, timer }: Plan): Machine {
	const machine = new Machine({
		...{ ramSize: 0x2_0000, tlbEntries: 8, tlbWays: 2, adPolicy: ad, walkCycles },
	});
	const { dma, hart, clock, lines } = machine;
	const words = [...code, encode("jal", { rd: 0, imm: -4 * code.length })];
	words.forEach((word, i) => {
		for (let b = 0; b < 4; b++) dma.store8(CODE + shift + 4 * i + b, (word >>> (8 * b)) & 0xff);
	});
	// Handlers are aligned to four bytes: they begin with c.nop then.
	if (shift !== 0) dma.store8(CODE, 1);
	const leaf = (pa: number, flags: number): number => ((pa >>> 12) << 10) | flags;
	// The same RAM for S-mode where it is, and for U-mode at USER; some pages of 4 KiB.
	dma.store32(ROOT + 4 * (RAM_BASE >>> 22), leaf(RAM_BASE, 0xef));
	dma.store32(ROOT + 4 * (USER >>> 22), leaf(RAM_BASE, 0xdf));
	dma.store32(ROOT + 4 * (PAGES >>> 22), leaf(TABLE, 1));
	for (const [i, flags] of [0xd7, 0x17, 0xd3, 0, 0xdf, 0x57, 0xc7, 0xf7].entries()) {
		dma.store32(TABLE + 4 * i, leaf(DATA + 0x1000 * (i & 3), flags));
	}
	const { state } = hart;
	hart.reset(CODE);
	for (const [register, value] of Object.entries(REGISTERS(seed, shift))) {
		hart.x[Number(register)] = value;
	}
	state.mtvec = CODE;
	state.stvec = user ? CODE + 8 : CODE;
	state.mepc = (user ? USER_CODE : CODE + 12) + shift;
	state.sepc = USER_CODE + 4 + shift;
	state.medeleg = medeleg;
	state.mie = 0x80 | (seed & 0x222);
	state.mideleg = (seed >>> 4) & 0x222;
	state.mstatus = (seed >>> 3) & 0x19aa;
	state.menvcfgh = 0x8000_0000;
	state.satp = user ? SATP : 0;
	hart.mmu.updateContext();
	const handler = clock.register((raised) => lines.set(IRQ_MTI, raised !== 0));
	let when = 0;
	for (const [i, after] of timer.entries()) {
		when += after;
		clock.schedule(when, handler, (i + 1) & 1);
	}
	return machine;
}

/** What must be the same on every engine. */
export const seen = (machine: Machine): unknown => ({
	hash: machine.stateHash(),
	pc: machine.hart.pc,
	cycles: machine.clock.cycles,
	instret: machine.hart.counters.instret,
	steps: machine.hart.steps,
	tlb: { ...machine.hart.mmu.counters },
	traps: [...machine.hart.traps.byCause.counts],
});
