/**
 * The emitted loop with the rare instructions beside it, which are not compiled: random programs
 * against the interpreter in TypeScript.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { PRIV_S } from "../../../machine/hart-state.ts";
import { Jit } from "../../../machine/jit/jit.ts";
import { Machine } from "../../../machine/machine.ts";
import { H_FENCES, H_LOAD_MISSES, H_STORE_MISSES, RAM_BASE } from "../../../machine/memory.ts";
import { encode } from "../../isa/assembler.ts";
import * as traps from "../trap-programs.ts";
import * as refills from "./refill-programs.ts";

const RUNS = Number(process.env.LOOP_RARE_RUNS ?? 30);
const OPTIONS = { hot: Number.POSITIVE_INFINITY, patience: 0, misses: 1, functions: 16 };

/** Have `machine` run the emitted loop, and compile nothing. */
function useLoop({ hart, memory }: Machine, [tlbEntries, tlbWays, walkCycles]: number[]): void {
	const walks = { tlbEntries: tlbEntries!, tlbWays: tlbWays!, walkCycles: walkCycles! };
	const jit = new Jit(memory, hart.code, walks, { ...OPTIONS, chunk: 100, loopAfter: 0 });
	hart.jit = hart.code.user = jit;
	hart.interpreter.compileAfter(0, () => jit.beside());
}

it("traps, contexts, status and counters are those of the interpreter", () => {
	fc.assert(
		fc.property(
			traps.plan,
			fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 6 }),
			(drawn, pieces) => {
				const [looping, interpreted] = [traps.build(drawn), traps.build(drawn)];
				useLoop(looping, [8, 2, drawn.walkCycles]);
				interpreted.hart.engine = "interp";
				for (const piece of pieces) {
					looping.runBare(piece);
					interpreted.runBare(piece);
					expect(traps.seen(looping)).toEqual(traps.seen(interpreted));
				}
			},
		),
		{ numRuns: RUNS },
	);
});

it("misses and fences leave the TLB that the interpreter leaves", () => {
	const counted = { misses: 0 };
	fc.assert(
		fc.property(
			refills.plan,
			fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 5 }),
			(drawn, pieces) => {
				const looping = refills.build(drawn, "interp");
				const interpreted = refills.build(drawn, "interp");
				useLoop(looping, [...drawn.tlb, drawn.walkCycles]);
				for (const piece of pieces) {
					looping.runBare(piece);
					interpreted.runBare(piece);
					const { i32 } = looping.memory;
					counted.misses += i32[H_LOAD_MISSES]! + i32[H_STORE_MISSES]!;
					expect(refills.seen(looping)).toEqual(refills.seen(interpreted));
				}
			},
		),
		{ numRuns: RUNS },
	);
	expect(counted.misses).toBeGreaterThan(10 * RUNS);
});

it("a fence of one address space leaves what others have", () => {
	const tlb: [32, 4] = [32, 4];
	const walkCycles = 20;
	const access = encode("lw", { rd: 20, rs1: refills.ADDRESS, imm: 0 });
	const fence = encode("sfence.vma", { rs1: refills.ADDRESS, rs2: refills.COUNT });
	const leaves = new Array<0xc7>(16).fill(0xc7);
	const [looping, interpreted] = [0, 1].map(() =>
		refills.build(
			{
				...{ accesses: [access, fence, access], leaves: [leaves, leaves], large: 0 },
				...{ pointers: [1, 1], asids: [1, 2], seed: 7, count: 40, fences: false, align: -4 },
				...{ mode: PRIV_S, sum: false, ad: "hardware", walkCycles, tlb },
			},
			"interp",
		),
	) as [Machine, Machine];
	useLoop(looping, [...tlb, walkCycles]);
	for (const machine of [looping, interpreted]) machine.runBare(20_000);
	expect(refills.seen(looping)).toEqual(refills.seen(interpreted));
	expect(looping.hart.mmu.counters.fencesVaAsid).toBeGreaterThan(100);
});

it("code at address 0 that maps itself elsewhere goes on there after a fence", () => {
	const TABLE = 0x3000;
	const frames = [0x4000, 0x5000];
	const leaf = (page: number, bits: number): number => ((RAM_BASE + page) >>> 12) * 1024 + bits;
	const [LEAF, OTHER, ENTRIES, SUM, ZERO] = [11, 12, 13, 14, 15];
	const [looping, interpreted] = [0, 1].map(() => {
		const machine = new Machine({ ramSize: 0x1_0000, engine: "interp" });
		const { dma, hart } = machine;
		frames.forEach((frame, i) => {
			const code = [
				encode("xor", { rd: LEAF, rs1: LEAF, rs2: OTHER }),
				encode("sw", { rs1: ENTRIES, rs2: LEAF, imm: 0 }),
				encode("sfence.vma", { rs1: ZERO, rs2: 0 }),
				encode("addi", { rd: SUM, rs1: SUM, imm: i === 0 ? 1 : 100 }),
				encode("jal", { rd: 0, imm: -16 }),
			];
			code.forEach((word, n) => {
				dma.store32(RAM_BASE + frame + 4 * n, word);
			});
			dma.store32(RAM_BASE + TABLE, leaf(frames[0]!, 0xcf));
		});
		dma.store32(RAM_BASE + TABLE + 4, leaf(TABLE, 0xc7));
		dma.store32(RAM_BASE + 0x2000, leaf(TABLE, 1));
		hart.reset(0);
		hart.x[LEAF] = leaf(frames[0]!, 0xcf);
		hart.x[OTHER] = leaf(frames[0]!, 0) ^ leaf(frames[1]!, 0);
		hart.x[ENTRIES] = 0x1000;
		hart.state.satp = 0x8000_0000 + (RAM_BASE + 0x2000) / 4096;
		hart.state.priv = PRIV_S;
		hart.mmu.updateContext();
		return machine;
	}) as [Machine, Machine];
	useLoop(looping, [1024, 4, 20]);
	for (const machine of [looping, interpreted]) machine.runBare(3000);
	expect(looping.memory.i32[H_FENCES]).toBeGreaterThan(50);
	expect([...looping.hart.x]).toEqual([...interpreted.hart.x]);
	expect(looping.hart.x[SUM]).toBeGreaterThan(1000);
});
