/** Random functions that call, overwrite and enter each other in the middle, on both engines. */
import fc from "fast-check";
import { it } from "vitest";
import { doAlike } from "./both-engines.ts";
import { numbered } from "./programs.ts";

const RUNS = Number(process.env.PROGRAM_RUNS ?? 25);
const FUNCTIONS = 6;
/** Callers keep where they return to in one register for each function. */
const KEPT = ["s2", "s3", "s4", "s5", "s6", "s7"];

type Item = fc.Arbitrary<string[]>;
const value = fc.constantFrom("a0", "a1", "a2", "a3", "a4", "a5");

const arithmetic: Item = fc.oneof(
	fc
		.tuple(fc.constantFrom("add", "sub", "xor", "and", "mul", "sltu"), value, value, value)
		.map(([name, rd, a, b]) => [`${name} ${rd}, ${a}, ${b}`]),
	fc
		.tuple(value, value, fc.integer({ min: -2048, max: 2047 }))
		.map(([rd, a, imm]) => [`addi ${rd}, ${a}, ${imm}`]),
	fc.tuple(value, fc.integer({ min: 1, max: 31 })).map(([rd, imm]) => [`c.addi ${rd}, ${imm}`]),
	// Two instructions in the middle of one: lui with c.addi in its upper half.
	fc
		.tuple(value, fc.integer({ min: 1, max: 15 }))
		.map(([rd, n]) => [`lui ${rd}, ${n * 0x10 + 0x50000}`]),
);
const access: Item = fc
	.tuple(fc.constantFrom("lw", "lhu", "sw", "sh", "sb"), value, fc.nat(15))
	.map(([name, r, at]) => [`${name} ${r}, ${4 * at}(s1)`]);
const rare: Item = fc.constantFrom(
	["ecall"],
	["fence.i"],
	["csrrs a0, instret, zero"],
	["csrrs a1, cycle, zero"],
	["csrrs a2, mscratch, zero"],
	["sfence.vma zero, zero"],
	["c.ebreak"],
);

/** What stores write: instructions of both lengths, and a return. */
const STORED = [0x0015_0513, 0x0505_0585, 0x8082_0605, 0x0080_006f, 0x0000_8067, 0x0000_0073];
const patch: Item = fc
	.tuple(
		fc.nat(FUNCTIONS - 1),
		fc.integer({ min: -3, max: 12 }),
		fc.nat(STORED.length - 1),
		fc.constantFrom("sw", "sh", "sb", "none"),
		fc.boolean(),
		fc.constantFrom(0, 1, 7, 15),
	)
	.map(([f, at, stored, name, fenced, mask]) => [
		`andi t4, a1, ${mask}`,
		"bne t4, zero, done@",
		`la t3, f${f}`,
		`li t4, ${STORED[stored]! | 0}`,
		// Another instruction each time.
		"andi t5, a5, 3",
		"slli t5, t5, 21",
		"xor t4, t4, t5",
		...(name === "none" ? [] : [`${name} t4, ${name === "sw" ? 4 * at : 2 * at}(t3)`]),
		...(fenced ? ["fence.i"] : []),
		"done@:",
	]);

/** Calls go to later functions, to their beginning most often. */
const call = (from: number): Item =>
	fc
		.tuple(
			fc.integer({ min: from + 1, max: FUNCTIONS - 1 }),
			fc.constantFrom(0, 0, 0, 0, 2, 4, 6, 8),
			fc.nat(3),
		)
		.map(([f, into, how]) =>
			how === 0 || into !== 0
				? [`la t3, f${f}`, `jalr ra, ${into}(t3)`]
				: how === 1
					? ["la ra, back@", `la t3, f${f}`, "jalr zero, 0(t3)", "back@:"]
					: [`call f${f}`],
		);

const simple: Item = fc.oneof(
	{ weight: 8, arbitrary: arithmetic },
	{ weight: 2, arbitrary: access },
	{ weight: 1, arbitrary: rare },
	{ weight: 1, arbitrary: patch },
);
const branch: Item = fc
	.tuple(
		fc.constantFrom("beq", "bne", "blt", "bgeu"),
		value,
		value,
		fc.array(simple, { maxLength: 3 }),
	)
	.map(([name, a, b, list]) => [`${name} ${a}, ${b}, over@`, ...list.flatMap(wrap), "over@:"]);
const wrap = (lines: string[]): string[] => ["{", ...lines, "}"];
const loop = (item: Item): Item =>
	fc
		.tuple(
			fc.integer({ min: 1, max: 30 }),
			fc.array(item, { minLength: 1, maxLength: 3 }),
			fc.nat(9),
		)
		.map(([n, list, save]) => [
			`li s${8 + (save & 1)}, ${n}`,
			"loop@:",
			...list.flatMap(wrap),
			`addi s${8 + (save & 1)}, s${8 + (save & 1)}, -1`,
			`blt zero, s${8 + (save & 1)}, loop@`,
		]);
/** More than a region holds. */
const long: Item = fc
	.tuple(fc.constantFrom(90, 450), value, fc.boolean())
	.map(([n, rd, branches]) => {
		const lines: string[] = [];
		for (let i = 0; i < n; i++)
			lines.push(branches && i % 3 === 0 ? `beq ${rd}, a5, end@` : `addi ${rd}, ${rd}, ${i}`);
		return [...lines, "end@:"];
	});

const body = (f: number): Item => {
	const inner = fc.oneof({ weight: 5, arbitrary: simple }, { weight: 2, arbitrary: branch });
	const calls = f < FUNCTIONS - 1 ? [{ weight: 3, arbitrary: call(f) }] : [];
	const middle = fc.oneof({ weight: 4, arbitrary: inner }, ...calls);
	const item = fc.oneof(
		{ weight: 4, arbitrary: middle },
		{ weight: 3, arbitrary: loop(middle) },
		{ weight: 1, arbitrary: long },
	);
	return fc
		.tuple(
			fc.array(simple, { maxLength: 1 }),
			fc.array(item, { minLength: 1, maxLength: 4 }),
			fc.boolean(),
			fc.boolean(),
		)
		.map(([first, list, odd, falls]) => [
			...(odd ? [".half 1"] : []),
			`f${f}:`,
			...first.flatMap(wrap),
			`mv ${KEPT[f]}, ra`,
			...list.flatMap(wrap),
			`mv ra, ${KEPT[f]}`,
			// Functions overlap: one runs on into the next one.
			...(falls && f < FUNCTIONS - 1 ? [] : ["ret"]),
		]);
};

/** The functions begin so many bytes before the end of a page. */
const program = fc
	.tuple(fc.integer({ min: 0, max: 300 }), ...Array.from({ length: FUNCTIONS }, (_, f) => body(f)))
	.map(([before, ...bodies]) =>
		numbered([
			"j main",
			"handler: csrrs t0, mcause, zero",
			"add a5, a5, t0",
			"csrrs t0, mepc, zero",
			"addi t0, t0, 2",
			"andi t1, a5, 3",
			"beq t1, zero, main",
			"csrrw zero, mepc, t0",
			"mret",
			"main: la s1, 0x80018000",
			"la sp, 0x80018800",
			"again: call f0",
			"call f1",
			"addi a5, a5, 1",
			"j again",
			`.org ${4096 - 4 * before}`,
			...bodies.flat(),
		]).join("\n"),
	);

it("functions that change and enter each other do the same on both engines", () => {
	doAlike(program, { runs: RUNS, cycles: 5000, slice: 900, compiled: 0.1 });
});
