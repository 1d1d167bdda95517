/** Stores into pages with decoded code, against a machine that decodes every instruction anew. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { Machine } from "../../machine/machine.ts";
import { RAM_BASE } from "../../machine/memory.ts";
import { encode } from "../isa/assembler.ts";

const RUNS = Number(process.env.CODE_RUNS ?? 25);
const CYCLES = 400;

/** What the program stores, kept in x8..x15: instructions of both lengths, and halves of them. */
const STORED = [
	encode("addi", { rd: 16, rs1: 16, imm: 1 }),
	encode("c.addi", { rd: 17, imm: 1 }) * 0x1_0001,
	encode("xori", { rd: 18, rs1: 18, imm: 0x155 }),
	encode("c.addi", { rd: 19, imm: 3 }) + 0x1_0000 * encode("c.addi", { rd: 16, imm: 5 }),
	encode("jal", { rd: 20, imm: 8 }),
	encode("beq", { rs1: 16, rs2: 17, imm: 8 }),
	encode("add", { rd: 17, rs1: 17, rs2: 16 }),
	encode("c.j", { imm: 4 }) + 0x1_0000 * encode("c.addi", { rd: 18, imm: 1 }),
];

const split = (w: number): number[] => [w & 0xffff, w >>> 16];
const encoding = fc.nat(7).map((i) => split(STORED[i]!));
const single = fc.integer({ min: 16, max: 19 }).map((rd) => [encode("c.addi", { rd, imm: 1 })]);
/** Stores around x3, which points into the program, of every width; some are misaligned. */
const store = fc
	.tuple(
		fc.constantFrom("sw", "sh", "sb", "sw", "sh", "c.sw"),
		fc.nat(7),
		fc.integer({ min: -100, max: 160 }),
		fc.nat(15),
	)
	.map(([name, source, at, odd]) => {
		if (name === "c.sw") return [encode(name, { rs1: 8, rs2: 8 + source, imm: at & 0x7c })];
		const imm = odd === 0 ? at : at & (name === "sw" ? ~3 : name === "sh" ? ~1 : ~0);
		return split(encode(name, { rs1: 3, rs2: 8 + source, imm }));
	});
const other = fc.constantFrom(
	split(encode("fence.i")),
	split(encode("amoadd.w", { rd: 21, rs1: 3, rs2: 9 })),
	split(encode("csrrs", { rd: 16, imm: 0xc02 })),
	split(encode("bne", { rs1: 16, rs2: 19, imm: 12 })),
	split(encode("lw", { rd: 17, rs1: 3, imm: 8 })),
);

const program = fc.array(
	fc.oneof(
		{ weight: 4, arbitrary: encoding },
		{ weight: 3, arbitrary: single },
		{ weight: 5, arbitrary: store },
		{ weight: 1, arbitrary: other },
	),
	{ minLength: 20, maxLength: 60, size: "max" },
);

/** The program at `start`, in an endless loop. An exception goes to its start, too. */
function build(parts: number[][], start: number, into: number): Machine {
	const machine = new Machine({ ramSize: 0x1_0000 });
	const code = parts.flat();
	code.push(...split(encode("jal", { rd: 0, imm: -2 * code.length })));
	code.forEach((h, i) => {
		machine.dma.store16(start + 2 * i, h);
	});
	const { hart } = machine;
	hart.state.mtvec = start;
	hart.reset(start);
	STORED.forEach((word, i) => {
		hart.x[8 + i] = word;
	});
	hart.x[3] = (start + into) & ~3;
	hart.x[8] = start;
	return machine;
}

it("code and data in one page behave as if each instruction were decoded anew", () => {
	fc.assert(
		fc.property(
			program,
			fc.integer({ min: 0, max: 60 }),
			fc.integer({ min: 0, max: 120 }),
			(parts, before, into) => {
				// Near the end of a page, so that control and stores cross it.
				const start = RAM_BASE + 2 * 4096 - 4 * before;
				const fast = build(parts, start, into);
				fast.runBare(CYCLES);
				const reference = build(parts, start, into);
				reference.hart.beforeInstruction = () => reference.hart.code.clear();
				reference.runBare(CYCLES);
				expect([...fast.hart.x]).toEqual([...reference.hart.x]);
				expect(fast.hart.pc).toBe(reference.hart.pc);
				expect(fast.stateHash()).toBe(reference.stateHash());
			},
		),
		{ numRuns: RUNS, endOnFailure: true },
	);
});
