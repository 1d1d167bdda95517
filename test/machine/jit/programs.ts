/** Random programs with the control flow of compiled ones: loops, calls, tables, groups. */
import fc from "fast-check";

const VALUES = ["a0", "a1", "a2", "a3", "a4", "a5"];
const NAMES = [
	...["add", "sub", "sll", "slt", "sltu", "xor", "srl", "sra", "or", "and", "mul", "mulh"],
	...["mulhsu", "mulhu", "div", "divu", "rem", "remu", "sh1add", "sh2add", "sh3add", "andn"],
	...["orn", "xnor", "max", "maxu", "min", "minu", "rol", "ror", "bclr", "bext", "binv", "bset"],
];
const UNARY = ["clz", "ctz", "cpop", "sext.b", "sext.h", "zext.h", "orc.b", "rev8"];
const IMMEDIATE = ["addi", "slti", "sltiu", "xori", "ori", "andi"];
const SHIFTS = ["slli", "srli", "srai", "rori", "bseti", "bclri", "binvi", "bexti"];
const BRANCHES = ["beq", "bne", "blt", "bge", "bltu", "bgeu"];
const AMOS = ["amoadd", "amoswap", "amoxor", "amoor", "amoand"];
const SIGNED_AMOS = ["amomin", "amomax", "amominu", "amomaxu"];
const LOADS = ["lb", "lh", "lw", "lbu", "lhu"];
const STORES = ["sb", "sh", "sw"];

/** Lines; "@" is a number that no other item has. */
type Item = fc.Arbitrary<string[]>;

const of = (names: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...names);
const value = fc.oneof(
	{ weight: 8, arbitrary: of(VALUES) },
	{ weight: 1, arbitrary: fc.constant("zero") },
);
const target = fc.oneof(
	{ weight: 9, arbitrary: of(VALUES) },
	{ weight: 1, arbitrary: fc.constant("zero") },
);

const arithmetic: Item = fc.oneof(
	fc.tuple(of(NAMES), target, value, value).map(([n, d, a, b]) => [`${n} ${d}, ${a}, ${b}`]),
	fc.tuple(of(UNARY), target, value).map(([n, d, a]) => [`${n} ${d}, ${a}`]),
	fc
		.tuple(of(IMMEDIATE), target, value, fc.integer({ min: -2048, max: 2047 }))
		.map(([n, d, a, i]) => [`${n} ${d}, ${a}, ${i}`]),
	fc.tuple(of(SHIFTS), target, value, fc.nat(31)).map(([n, d, a, i]) => [`${n} ${d}, ${a}, ${i}`]),
	fc.tuple(target, fc.integer()).map(([d, i]) => (d === "zero" ? ["nop"] : [`li ${d}, ${i}`])),
);

/** s0 is near the end of a page, s1 is aligned; offsets seldom are not. */
const offset = fc
	.tuple(fc.integer({ min: -48, max: 48 }), fc.nat(12))
	.map(([o, odd]) => (odd === 0 ? o : o & ~3));
const access: Item = fc
	.tuple(fc.boolean(), of(LOADS), of(STORES), value, offset, of(["s0", "s1", "s1"]))
	.map(([isLoad, load, store, r, o, base]) => [
		`${isLoad ? load : store} ${isLoad && r === "zero" ? "a0" : r}, ${o}(${base})`,
	]);

/** Accesses beside each other, over a register that moves between them. */
const group: Item = fc
	.tuple(
		of(["s0", "s1", "s4"]),
		fc.array(fc.tuple(fc.nat(2), of(LOADS), of(STORES), of(VALUES), offset), {
			minLength: 2,
			maxLength: 6,
		}),
		fc.integer({ min: -3, max: 3 }),
	)
	.map(([base, list, step]) => {
		const lines = list.map(([isLoad, load, store, r, o]) =>
			isLoad > 0 ? `${load} ${r}, ${o}(${base})` : `${store} ${r}, ${o}(${base})`,
		);
		const middle = lines.length >> 1;
		return [
			...lines.slice(0, middle),
			`addi ${base}, ${base}, ${4 * step}`,
			...lines.slice(middle),
			`addi ${base}, ${base}, ${-4 * step}`,
		];
	});

const atomic: Item = fc.oneof(
	fc
		.tuple(of([...AMOS, ...SIGNED_AMOS]), target, value)
		.map(([n, d, b]) => [`${n}.w ${d}, ${b}, (s1)`]),
	fc
		.tuple(of(["lr.w", "skip"]), target, value, fc.boolean())
		.map(([first, d, b, between]) => [
			...(first === "lr.w" ? ["lr.w t0, (s1)"] : []),
			...(between ? ["addi t0, t0, 1"] : []),
			`sc.w ${d}, ${b}, (s1)`,
		]),
);

const other: Item = fc.constantFrom(
	["csrrs a0, instret, zero"],
	["csrrs a1, cycle, zero"],
	["ecall"],
	["fence.i"],
	["fence"],
	["auipc a2, 5"],
	["la t3, leaf1", "jalr ra, 0(t3)"],
	["la t3, far", "jalr ra, 0(t3)"],
	["la ra, leaf0", "jalr ra, 0(ra)"],
	["call leaf0"],
	["call leaf1"],
	["call leaf2"],
	["call outer"],
	["call far"],
	["andi a7, a0, 7", "call deep"],
);

/** What is stored is another constant of the instruction behind it. */
const patch: Item = fc
	.tuple(fc.nat(2047), fc.boolean(), fc.constantFrom(0, 3, 15))
	.map(([constant, fenced, mask]) => [
		`andi t4, a1, ${mask}`,
		"bne t4, zero, patched@",
		"la t3, patched@",
		`li t4, ${(constant << 20) | (12 << 15) | (12 << 7) | 0x13}`, // addi a2, a2, constant
		"sw t4, 0(t3)",
		...(fenced ? ["fence.i"] : []),
		"patched@: addi a2, a2, 1",
	]);

/** A jump into a table of `n` instructions. */
const table: Item = fc.tuple(of(VALUES), of(["1", "2", "7", "7"])).map(([index, mask]) => {
	const entries = Array.from({ length: Number(mask) + 1 }, (_, i) => [
		`addi a3, a3, ${i + 1}`,
		"j end@",
	]);
	return [
		"la t3, table@",
		`andi t4, ${index}, ${mask}`,
		"slli t4, t4, 3",
		"add t3, t3, t4",
		"jalr zero, 0(t3)",
		"table@:",
		...entries.flat(),
		"end@:",
	];
});

const simple: Item = fc.oneof(
	{ weight: 8, arbitrary: arithmetic },
	{ weight: 3, arbitrary: access },
	{ weight: 2, arbitrary: group },
	{ weight: 1, arbitrary: atomic },
	{ weight: 2, arbitrary: other },
	{ weight: 1, arbitrary: table },
);
const some = (item: Item, maxLength: number): Item =>
	fc.array(item, { minLength: 1, maxLength }).map((items) => items.flatMap(unique));

/** Labels of a copy of an item must differ. They are numbered when the text is made. */
const unique = (lines: string[]): string[] => ["{", ...lines, "}"];

const branch = (item: Item): Item =>
	fc
		.tuple(of(BRANCHES), value, value, some(item, 3), some(item, 2))
		.map(([n, a, b, then, otherwise]) => [
			`${n} ${a}, ${b}, else@`,
			...then,
			"j end@",
			"else@:",
			...otherwise,
			"end@:",
		]);
const loop = (item: Item, counter: string): Item =>
	fc
		.tuple(fc.integer({ min: 1, max: 9 }), some(item, 4))
		.map(([n, body]) => [
			`li ${counter}, ${n}`,
			"loop@:",
			...body,
			`addi ${counter}, ${counter}, -1`,
			`bne ${counter}, zero, loop@`,
		]);

const inner = fc.oneof({ weight: 4, arbitrary: simple }, { weight: 2, arbitrary: branch(simple) });
const middle = fc.oneof(
	{ weight: 4, arbitrary: inner },
	{ weight: 2, arbitrary: loop(inner, "s3") },
	{ weight: 1, arbitrary: branch(inner) },
	{ weight: 1, arbitrary: patch },
);
const body = some(
	fc.oneof({ weight: 3, arbitrary: middle }, { weight: 2, arbitrary: loop(middle, "s2") }),
	8,
);

/** Give each "@" the number of its innermost braces. */
export function numbered(lines: readonly string[]): string[] {
	let next = 0;
	const open = [next++];
	const out: string[] = [];
	for (const line of lines) {
		if (line === "{") open.push(next++);
		else if (line === "}") open.pop();
		else out.push(line.replaceAll("@", String(open.at(-1)!)));
	}
	return out;
}

/** Where the main loop begins: so many bytes before the end of a page. */
const start = fc.integer({ min: 4, max: 500 }).map((n) => 4 * n);

export const program: fc.Arbitrary<string> = fc
	.tuple(start, body, some(arithmetic, 3), some(inner, 3), of(BRANCHES))
	.map(([before, main, leaf, large, name]) =>
		numbered([
			"j main",
			// An exception: its instruction is left out, whatever its length is.
			"handler: csrrs t0, mepc, zero",
			"addi t0, t0, 4",
			"csrrw zero, mepc, t0",
			"mret",
			"leaf0:",
			...leaf,
			"ret",
			`leaf1: ${name} a0, a1, other`,
			"addi a4, a4, 3",
			"ret",
			"other: xori a4, a4, 5",
			"ret",
			"leaf2: lw a5, 4(s1)",
			"sw a0, 8(s1)",
			"ret",
			"outer: addi sp, sp, -16",
			"sw ra, 12(sp)",
			"sw s2, 8(sp)",
			"call leaf1",
			"{",
			...large,
			"}",
			"lw s2, 8(sp)",
			"lw ra, 12(sp)",
			"addi sp, sp, 16",
			"ret",
			"deep: addi sp, sp, -16",
			"sw ra, 12(sp)",
			"sw a7, 8(sp)",
			"addi a7, a7, -1",
			"bge zero, a7, bottom",
			"call deep",
			"bottom: lw a7, 8(sp)",
			"add a5, a5, a7",
			"lw ra, 12(sp)",
			"addi sp, sp, 16",
			"ret",
			`.org ${3 * 4096 - before}`,
			"main: la s0, 0x80008ff0",
			"la s1, 0x8000a100",
			"la s4, 0x8000b7e0",
			"la sp, 0x8000c000",
			...main,
			"j main",
			`.org ${5 * 4096}`,
			"far: addi a5, a5, 7",
			"bge a5, a4, near",
			"ret",
			"near: xor a5, a5, a4",
			"ret",
		]).join("\n"),
	);
