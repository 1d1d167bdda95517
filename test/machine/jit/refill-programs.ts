/** Random programs that access memory in two address spaces. */
import fc from "fast-check";
import type { Engine } from "../../../machine/engine.ts";
import { MSTATUS_SUM, PRIV_S, PRIV_U } from "../../../machine/hart-state.ts";
import { Machine } from "../../../machine/machine.ts";
import { RAM_BASE, TLB_OWNED } from "../../../machine/memory.ts";
import { encode } from "../../isa/assembler.ts";

const CODE = RAM_BASE + 0x3f80;
const HANDLER = RAM_BASE + 0x1000;
const ROOTS = [RAM_BASE + 0x4000, RAM_BASE + 0x5000];
const TABLES = [RAM_BASE + 0x6000, RAM_BASE + 0x7000];
const DATA = RAM_BASE + 0x8000;
/** 32 pages, of which the last 16 are those of a large page; RAM where it is lies behind. */
const PAGES = 0x403f_0000;
const LARGE = 0x4040_0000;
const [SATP, OTHER, RANDOM, FACTOR] = [5, 6, 7, 10];
/** Registers: of an access, and what is left of the rounds. */
export const ADDRESS = 8;
export const COUNT = 9;
const [FIRST, MASK, AHEAD, FLAG] = [11, 12, 13, 14];

const ACCESSES = ["lb", "lhu", "lw", "lw", "sb", "sh", "sw", "sw"] as const;
const access = fc
	.record({ name: fc.constantFrom(...ACCESSES), imm: fc.integer({ min: -4, max: 4 }) })
	.map(({ name, imm }) =>
		name.startsWith("l")
			? encode(name, { rd: 20, rs1: ADDRESS, imm: 4 * imm })
			: encode(name, { rs1: ADDRESS, rs2: RANDOM, imm: 4 * imm }),
	);
const atomic = fc
	.constantFrom("amoadd.w", "lr.w", "sc.w")
	.map((name) => encode(name, { rd: 20, rs1: ADDRESS, rs2: name === "lr.w" ? 0 : RANDOM }));
/** Of one page, in all address spaces or one. Only S-mode may do it. */
const fence = fc
	.constantFrom(0, 0, 0, COUNT)
	.map((rs2) => encode("sfence.vma", { rs1: ADDRESS, rs2 }));
/** Flags of a leaf: mostly good ones. */
const flags = fc.oneof(
	{ weight: 16, arbitrary: fc.constantFrom(0xd7, 0xd7, 0xd7, 0xc7, 0xf7, 0xe7) },
	{ weight: 2, arbitrary: fc.constantFrom(0x57, 0x17, 0xd3, 0x77, 0, 0xd9, 0xdf) },
);

export const plan = fc.record({
	accesses: fc.array(
		fc.oneof(
			{ weight: 10, arbitrary: access },
			{ weight: 2, arbitrary: atomic },
			{ weight: 1, arbitrary: fence },
		),
		{ minLength: 1, maxLength: 4 },
	),
	leaves: fc.tuple(
		fc.array(flags, { minLength: 16, maxLength: 16 }),
		fc.array(flags, { minLength: 16, maxLength: 16 }),
	),
	large: fc.constantFrom(0xd7, 0, 0xf7),
	/** The pointers to page tables. */
	pointers: fc.tuple(fc.constantFrom(1, 1, 0x21), fc.constantFrom(1, 1, 0x21)),
	asids: fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })),
	seed: fc.nat(),
	count: fc.integer({ min: 5, max: 60 }),
	fences: fc.constantFrom(false, false, true),
	align: fc.constantFrom(-4, -4, -4, -1),
	mode: fc.constantFrom(PRIV_U, PRIV_S),
	sum: fc.boolean(),
	ad: fc.constantFrom<"hardware" | "trap">("hardware", "trap"),
	walkCycles: fc.constantFrom(0, 20),
	tlb: fc.constantFrom([2, 1], [8, 2], [8, 8], [32, 4]),
});
export type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

const leaf = (pa: number, bits: number): number => ((pa >>> 12) << 10) | bits;

export function build(drawn: Plan, engine: Engine): Machine {
	const { accesses, leaves, large, pointers, asids, seed, count, fences, align, mode, sum, ad } =
		drawn;
	const [tlbEntries, tlbWays] = drawn.tlb as [number, number];
	const machine = new Machine({
		...{ ramSize: 0x2_0000, tlbEntries, tlbWays, adPolicy: ad, engine },
		walkCycles: drawn.walkCycles,
	});
	const { dma, hart } = machine;
	const body = [
		encode("mul", { rd: RANDOM, rs1: RANDOM, rs2: FACTOR }),
		encode("addi", { rd: RANDOM, rs1: RANDOM, imm: 1013 }),
		encode("srli", { rd: ADDRESS, rs1: RANDOM, imm: 11 }),
		encode("and", { rd: ADDRESS, rs1: ADDRESS, rs2: MASK }),
		encode("add", { rd: ADDRESS, rs1: ADDRESS, rs2: FIRST }),
		...accesses,
		encode("addi", { rd: COUNT, rs1: COUNT, imm: -1 }),
	];
	body.push(encode("bne", { rs1: COUNT, rs2: 0, imm: -4 * body.length }));
	const words = [encode("addi", { rd: COUNT, rs1: AHEAD, imm: 0 }), ...body, encode("ecall")];
	words.push(encode("jal", { rd: 0, imm: -4 * words.length }));
	words.forEach((word, i) => {
		dma.store32(CODE + 4 * i, word);
	});
	// Another address space after each round; what cannot be accessed is left out.
	const handler = [
		encode("csrrs", { rd: 30, rs1: 0, imm: 0x341 }),
		encode("addi", { rd: 30, rs1: 30, imm: 4 }),
		encode("csrrw", { rd: 0, rs1: 30, imm: 0x341 }),
		encode("csrrs", { rd: FLAG, rs1: 0, imm: 0x342 }),
		encode("addi", { rd: FLAG, rs1: FLAG, imm: -8 }),
		encode("sltiu", { rd: FLAG, rs1: FLAG, imm: 2 }),
		encode("beq", { rs1: FLAG, rs2: 0, imm: 24 }),
		encode("csrrw", { rd: 0, rs1: OTHER, imm: 0x180 }),
		encode("addi", { rd: FLAG, rs1: OTHER, imm: 0 }),
		encode("addi", { rd: OTHER, rs1: SATP, imm: 0 }),
		encode("addi", { rd: SATP, rs1: FLAG, imm: 0 }),
		fences ? encode("sfence.vma", { rs1: ADDRESS, rs2: 0 }) : encode("addi"),
		encode("mret"),
	];
	handler.forEach((word, i) => {
		dma.store32(HANDLER + 4 * i, word);
	});
	const user = mode === PRIV_U ? 0x10 : 0;
	ROOTS.forEach((root, space) => {
		dma.store32(root + 4 * (RAM_BASE >>> 22), leaf(RAM_BASE, 0xcf | user));
		dma.store32(root + 4 * (PAGES >>> 22), leaf(TABLES[space]!, pointers[space]!));
		// Small pages there in the second space, which may have the first one's number.
		const there = space === 0 ? leaf(RAM_BASE, large) : leaf(TABLES[1]!, pointers[1]);
		dma.store32(root + 4 * (LARGE >>> 22), large === 0 ? 0 : there);
		leaves[space]!.forEach((bits, i) => {
			const pa = DATA + 0x1000 * ((i * (space + 3)) & 7);
			dma.store32(TABLES[space]! + 4 * (0x3f0 + i), leaf(pa, bits));
			dma.store32(TABLES[space]! + 4 * i, leaf(pa, bits));
		});
	});
	hart.reset(CODE);
	const satps = ROOTS.map((root, i) => 0x8000_0000 + (asids[i]! << 22) + root / 4096);
	const values = { [SATP]: satps[0]!, [OTHER]: satps[1]!, [RANDOM]: seed, [FACTOR]: 1_664_525 };
	const others = { [FIRST]: PAGES, [MASK]: 0x1_ffff & align, [AHEAD]: count };
	for (const [register, value] of Object.entries({ ...values, ...others })) {
		hart.x[Number(register)] = value;
	}
	const { state } = hart;
	state.mtvec = HANDLER;
	state.mstatus = sum ? MSTATUS_SUM : 0;
	state.satp = satps[0]!;
	state.mepc = CODE;
	state.priv = mode;
	hart.mmu.updateContext();
	return machine;
}

/** What must be the same on every engine. */
export const seen = (machine: Machine): unknown => ({
	hash: machine.stateHash(),
	pc: machine.hart.pc,
	instret: machine.hart.counters.instret,
	tlb: { ...machine.hart.mmu.counters },
	entries: machine.hart.tlb.list(),
	owned: [...machine.memory.i32.subarray(TLB_OWNED, TLB_OWNED + 4)],
});
