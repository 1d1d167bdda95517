/** Loops over memory, compiled in strips, against the interpreter: pages, strides, ways, faults. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Engine } from "../../../machine/engine.ts";
import { Machine } from "../../../machine/machine.ts";
import { RAM_BASE } from "../../../machine/memory.ts";
import { encode } from "../../isa/assembler.ts";

const CODE = RAM_BASE + 0x3f40;
const HANDLER = RAM_BASE + 0x2000;
const ROOT = RAM_BASE + 0x6000;
const TABLE = RAM_BASE + 0x7000;
const DATA = RAM_BASE + 0x8000;
/** 16 virtual pages over 8 pages of RAM: some cannot be read, some not written. */
const PAGES = 0x4040_0000;
const FLAGS = [0xd7, 0xd7, 0x57, 0xd7, 0xd3, 0xd7, 0xd7, 0, 0xd7, 0xd7, 0xd7, 0xd7, 0x17, 0xd7];
const ACCESSES = ["lb", "lbu", "lh", "lhu", "lw", "sb", "sh", "sw"] as const;

const BASES = [10, 11, 12] as const;
const STRIDE = 15;
const COUNT = 9;
const [AHEAD, FLAG] = [16, 17];

const WIDTHS = { lb: 1, lbu: 1, sb: 1, lh: 2, lhu: 2, sh: 2, lw: 4, sw: 4 } as const;
/** One of two iterations leaves it out. */
const sometimes = (word: number): number[] => [
	encode("xori", { rd: FLAG, rs1: FLAG, imm: 1 }),
	encode("beq", { rs1: FLAG, rs2: 0, imm: 8 }),
	word,
];
const access = fc
	.record({
		name: fc.constantFrom(...ACCESSES),
		rs1: fc.constantFrom(...BASES),
		at: fc.integer({ min: -12, max: 12 }),
		odd: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1),
		data: fc.nat(3),
		rare: fc.constantFrom(false, false, false, false, true),
	})
	.map(({ name, rs1, at, odd, data, rare }) => {
		const imm = at * WIDTHS[name] + odd;
		const word = name.startsWith("l")
			? encode(name, { rd: 20 + data, rs1, imm })
			: encode(name, { rs1, rs2: 20 + data, imm });
		return rare ? sometimes(word) : [word];
	});
/** How a register of BASES changes, if at all. */
const change = fc.record({
	by: fc.constantFrom(0, 4, 4, 1, 2, -4, 8, 64, 256, -12, 400, STRIDE, STRIDE),
	place: fc.nat(100),
	rare: fc.constantFrom(false, false, false, false, false, false, true),
});

const plan = fc
	.record({
		accesses: fc.array(access, { minLength: 1, maxLength: 6 }),
		changes: fc.tuple(...BASES.map(() => change)),
		/** The first one may change twice. */
		again: fc.option(change, { freq: 3, nil: null }),
		stride: fc.constantFrom(1, 2, 3, 4, 6, 8, 10, 12, 100, 512, 516, -4, 0),
		starts: fc.tuple(...BASES.map(() => fc.integer({ min: 0, max: 0xdfff }))),
		aligned: fc.constantFrom(true, true, true, false),
		count: fc.integer({ min: 1, max: 300 }),
		translated: fc.boolean(),
		walkCycles: fc.constantFrom(0, 5),
		misaligned: fc.constantFrom<"handle" | "trap">("handle", "trap"),
	})
	.map(({ accesses, changes, again, ...rest }) => {
		const parts = [...accesses];
		[...changes, ...(again === null ? [] : [again])].forEach(({ by, place, rare }, i) => {
			if (by === 0) return;
			const rd = BASES[i % BASES.length]!;
			const word =
				by === STRIDE
					? encode("add", { rd, rs1: rd, rs2: STRIDE })
					: encode("addi", { rd, rs1: rd, imm: by });
			parts.splice(place % (parts.length + 1), 0, rare ? sometimes(word) : [word]);
		});
		return { body: parts.flat(), ...rest };
	});
type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

function build(drawn: Plan, engine: Engine): Machine {
	const { body, stride, starts, aligned, count, translated, walkCycles, misaligned } = drawn;
	const machine = new Machine({
		...{ ramSize: 0x2_0000, tlbEntries: 8, tlbWays: 2, walkCycles, misaligned, engine },
	});
	const { dma, hart } = machine;
	const outer = BASES.map((rd, i) => encode("addi", { rd, rs1: 5 + i, imm: 0 }));
	outer.push(encode("addi", { rd: COUNT, rs1: AHEAD, imm: 0 }));
	const loop = [...body, encode("addi", { rd: COUNT, rs1: COUNT, imm: -1 })];
	loop.push(encode("bne", { rs1: COUNT, rs2: 0, imm: -4 * loop.length }));
	const words = [...outer, ...loop];
	words.push(encode("jal", { rd: 0, imm: -4 * words.length }));
	words.forEach((word, i) => {
		dma.store32(CODE + 4 * i, word);
	});
	// What cannot be accessed is left out.
	const handler = [
		encode("csrrs", { rd: 30, rs1: 0, imm: 0x341 }),
		encode("addi", { rd: 30, rs1: 30, imm: 4 }),
		encode("csrrw", { rd: 0, rs1: 30, imm: 0x341 }),
		encode("mret"),
	];
	handler.forEach((word, i) => {
		dma.store32(HANDLER + 4 * i, word);
	});
	const leaf = (pa: number, flags: number): number => ((pa >>> 12) << 10) | flags;
	dma.store32(ROOT + 4 * (RAM_BASE >>> 22), leaf(RAM_BASE, 0xdf));
	dma.store32(ROOT + 4 * (PAGES >>> 22), leaf(TABLE, 1));
	FLAGS.forEach((flags, i) => {
		dma.store32(TABLE + 4 * i, leaf(DATA + 0x1000 * ((i * 5) & 7), flags));
	});
	hart.reset(CODE);
	starts.forEach((start, i) => {
		hart.x[5 + i] = (translated ? PAGES : DATA - 0x1000) + (aligned ? start & ~7 : start);
	});
	hart.x[AHEAD] = count;
	hart.x[STRIDE] = stride;
	const { state } = hart;
	state.mtvec = HANDLER;
	if (translated) {
		state.satp = 0x8000_0000 + ROOT / 4096;
		state.mepc = CODE;
		state.priv = 0;
	}
	hart.mmu.updateContext();
	return machine;
}

const seen = (machine: Machine): unknown => ({
	hash: machine.stateHash(),
	pc: machine.hart.pc,
	instret: machine.hart.counters.instret,
	tlb: { ...machine.hart.mmu.counters },
});

const RUNS = Number(process.env.STRIP_RUNS ?? 50);

it("a loop in strips does what the interpreter does, wherever the cycles end", () => {
	fc.assert(
		fc.property(
			plan,
			fc.array(fc.integer({ min: 1, max: 2500 }), { minLength: 1, maxLength: 6 }),
			(drawn, pieces) => {
				const [compiled, interpreted] = [build(drawn, "jit"), build(drawn, "interp")];
				for (const piece of pieces) {
					compiled.runBare(piece);
					interpreted.runBare(piece);
					expect(seen(compiled)).toEqual(seen(interpreted));
				}
			},
		),
		{ numRuns: RUNS },
	);
});

it.each([
	["a constant", 6, 0],
	["a constant", 1, 0],
	["a register", STRIDE, 6],
	["a register", STRIDE, 1],
	["a register", STRIDE, 514],
])("a stride in %s that is not aligned traps (%i, %i)", (_, by, stride) => {
	const step = by === STRIDE ? stride : by;
	for (const name of ACCESSES.filter((name) => step % WIDTHS[name] !== 0)) {
		const [rd] = BASES;
		const words = [
			name.startsWith("l")
				? encode(name, { rd: 20, rs1: rd, imm: 0 })
				: encode(name, { rs1: rd, rs2: 20, imm: 0 }),
			by === STRIDE
				? encode("add", { rd, rs1: rd, rs2: STRIDE })
				: encode("addi", { rd, rs1: rd, imm: by }),
		];
		const drawn: Plan = {
			...{ body: words, stride: 0, starts: [0x2000, 0, 0], aligned: true, count: 1 },
			...{ translated: false, walkCycles: 0, misaligned: "trap" },
		};
		const machines = [build(drawn, "jit"), build(drawn, "interp")];
		for (let i = 0; i < 4; i++) {
			for (const machine of machines) {
				machine.runBare(700);
				// Compiled for one iteration: where a handler returns to is then no entry, which a loop
				// in strips does not have.
				machine.hart.x[AHEAD] = 40;
				machine.hart.x[STRIDE] = stride;
			}
			expect(seen(machines[0]!), name).toEqual(seen(machines[1]!));
		}
	}
});
