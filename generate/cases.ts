/**
 * The cases of the interpreter's loop, from the instruction table and variants.ts. interpreter.ts
 * explains what is fast there; each case is what one would write by hand.
 *
 * The loop's variables are those of interpreter.ts: w, ip, pcBase, base, pc, left, va, e. Cases use
 * va, e, pc and left for what they need twice.
 */
import { atomics, type Effect, type Expression, effects } from "../machine/effects.ts";
import { HALF_INSTRUCTIONS, type Instruction, WORD_INSTRUCTIONS } from "../machine/isa.ts";
import { WT } from "../machine/memory.ts";
import { OP } from "../machine/op.ts";
import { type Variant, variants } from "../machine/variants.ts";
import {
	asNumber,
	atom,
	number,
	type Operand,
	signed,
	type Text,
	textOf,
	uses,
} from "./typescript.ts";

const RD = "m32[(w >>> 8) & 0xff]";
const RS1 = "m32[(w >>> 16) & 0xff]!";
const RS2 = "m32[w >>> 24]!";
const IMM = "m32[(ip + 1) | 0]!";
const VALUES: Readonly<Record<string, Text>> = {
	rs1: atom(RS1),
	rs2: atom(RS2),
	imm: atom(IMM),
	pc: { text: "ip + pcBase", operator: "+", range: "sum" },
};

const ATOMICS = atomics();

/** The lines of all cases but those that interpreter.ts has by hand. */
export function cases(): string[] {
	const table = effects();
	return variants().flatMap((variant) => {
		if (variant === undefined) return [];
		const { op, base } = variant;
		if (op === OP.AMO) return atomicCase();
		const effect = table[base];
		return effect === undefined ? [] : new Case(variant, effect).lines();
	});
}

const halfNamed = (name: string): Instruction =>
	HALF_INSTRUCTIONS.find((row) => row.name === name)!;

/** The instructions that a case is of. */
function encodingsOf({ op, base, bytes, encodings }: Variant): readonly Instruction[] {
	if (bytes === 4) return WORD_INSTRUCTIONS.filter((row) => row.op === base);
	if (encodings !== null) return encodings.map(halfNamed);
	const elsewhere = variants().flatMap((other) =>
		other?.op === op ? [] : (other?.encodings ?? []),
	);
	return HALF_INSTRUCTIONS.filter((row) => row.op === base && !elsewhere.includes(row.name));
}

class Case {
	readonly #variant: Variant;
	readonly #effect: Effect;
	readonly #encodings: readonly Instruction[];

	constructor(variant: Variant, effect: Effect) {
		this.#variant = variant;
		this.#effect = effect;
		this.#encodings = encodingsOf(variant);
	}

	lines(): string[] {
		const { op, base, far } = this.#variant;
		const names = this.#encodings.map(({ name }) => name).join(", ");
		const out = far && base !== OP.JALR ? " out of the page" : "";
		return [`case ${op}: // ${names}${out}`, ...this.#body().map((line) => `\t${line}`)];
	}

	#body(): string[] {
		const effect = this.#effect;
		switch (effect.kind) {
			case "value":
				return [...this.#value(effect.value), ...this.#next()];
			case "load":
				return [...this.#load(effect.bytes, effect.signed), ...this.#next()];
			case "store":
				return [...this.#store(effect.bytes), ...this.#next()];
			case "branch":
				return this.#branch(effect.condition);
			case "jump":
				return this.#jump(effect.target);
			case "none":
				return this.#next();
			default:
				throw new Error(`${this.#encodings[0]!.name}: the loop has no ${effect.kind}`);
		}
	}

	#next(): string[] {
		return [`ip = (ip + ${this.#variant.bytes}) | 0;`, "continue;"];
	}

	/** The number of a register if all encodings have the same one. */
	#fixed(field: "rd" | "rs1" | "rs2"): number | null {
		const [first, ...others] = this.#encodings.map(({ format }) => format[field]);
		return first! < 32 && others.every((other) => other === first) ? first! : null;
	}

	/** With 0 for what is x0, or no immediate, in all encodings. */
	#reduced(expression: Expression): Expression {
		if (expression === "imm") {
			return this.#encodings.every(({ format }) => format.imm === "") ? 0 : "imm";
		}
		if (expression === "rs1" || expression === "rs2") {
			return this.#fixed(expression) === 0 ? 0 : expression;
		}
		if (typeof expression !== "object") return expression;
		const [operator, ...parts] = expression;
		const reduced = parts.map((part) => this.#reduced(part));
		if (operator === "+" && reduced.includes(0))
			return reduced[0] === 0 ? reduced[1]! : reduced[0]!;
		return [operator, ...reduced];
	}

	#value(whole: Expression): string[] {
		const value = this.#reduced(whole);
		const variables = variablesOf(value);
		const operand: Operand = (name) => variables.get(name)?.text ?? VALUES[name]!;
		const before = [...variables.values()].map(({ text, from }) => `${text.text} = ${from};`);
		const steps = typeof value === "object" ? STEPS[value[0]] : undefined;
		if (steps !== undefined) return [...before, ...steps];
		return [...before, ...assign(RD, asNumber(textOf(value, operand, false)))];
	}

	#branch(condition: Expression): string[] {
		const otherwise = textOf(negated(this.#reduced(condition)), (name) => VALUES[name]!, false);
		return [
			`if (${otherwise.text}) {`,
			...this.#next().map((line) => `\t${line}`),
			"}",
			...(this.#variant.far ? FAR_BRANCH : NEAR),
		];
	}

	#jump(target: Expression): string[] {
		const { bytes, far } = this.#variant;
		const rd = this.#fixed("rd");
		const place = rd === null ? RD : `m32[${rd}]`;
		const link = rd === 0 ? [] : [`${place} = ip + pcBase + ${bytes};`];
		if (!far) return [...link, ...NEAR];
		// The target first: rd may be rs1.
		const pc = signed(textOf(this.#reduced(target), (name) => VALUES[name]!, false));
		return [...assign("pc", pc), ...link, "left = base;", "break jump;"];
	}

	#load(bytes: 1 | 2 | 4, isSigned: boolean): string[] {
		const read = `${arrayOf(bytes, isSigned)}[${hostIndex(bytes)}]!`;
		return [...ADDRESS, ...lookUp(bytes, false), `${RD} = ${read};`];
	}

	#store(bytes: 1 | 2 | 4): string[] {
		const to = `${arrayOf(bytes, false)}[${hostIndex(bytes)}]`;
		return [...ADDRESS, ...lookUp(bytes, true), `${to} = ${RS2};`];
	}
}

/** A branch or jump within the page. */
const NEAR = [
	`w = ${IMM};`,
	"ip = (ip + (w >> 16)) | 0;",
	"base = (base + ((w << 16) >> 16)) | 0;",
	"if (base >= 0) continue;",
	"break;",
];
const FAR_BRANCH = [
	`w = ${IMM};`,
	"pc = (ip + pcBase + (w >> 16)) | 0;",
	"left = (base + (w & 0xffff)) | 0;",
	"break jump;",
];

const ADDRESS = [`va = (${RS1} + ${IMM}) | 0;`];

const hexadecimal = (n: number): string => number(n).text;

/** The mirror's entry of the page; one that is misaligned is not smaller than any. */
function lookUp(bytes: 1 | 2 | 4, isStore: boolean): string[] {
	const table = isStore ? `tables + ${hexadecimal(WT)}` : "tables";
	const refused = bytes === 1 ? "e === 0" : `(va << ${bytes === 2 ? 31 : 30}) >>> 0 >= e >>> 0`;
	return [`e = m32[(${table} + (va >>> 12)) | 0]!;`, `if (${refused}) break;`];
}

const hostIndex = (bytes: 1 | 2 | 4): string =>
	bytes === 1 ? "e + (va & 0xfff)" : `(e + (va & 0xfff)) >> ${bytes >> 1}`;

const arrayOf = (bytes: 1 | 2 | 4, isSigned: boolean): string =>
	bytes === 4 ? "m32" : `${isSigned ? "i" : "u"}${8 * bytes}`;

/** Columns that are left for a line of a case. */
const WIDTH = 100 - 2 * 6;

/** An assignment, in more than one line if it is too long, as the formatter breaks it. */
function assign(place: string, { text, operands }: Text): string[] {
	const line = `${place} = ${text};`;
	if (line.length <= WIDTH) return [line];
	if (operands === undefined) return [`${place} =`, `\t${text};`];
	const name = text.slice(0, text.indexOf("("));
	return [`${place} = ${name}(`, ...operands.map((operand) => `\t${operand},`), ");"];
}

/** Operators that take several steps, of va and e. */
const MIDDLE = atom(
	"(Math.imul(va >>> 16, e & 0xffff) + (Math.imul(va & 0xffff, e & 0xffff) >>> 16)) | 0",
);
const product = (...signs: string[]): readonly string[] => [
	"// The unsigned product from halves, then what the signs take away.",
	...assign("pc", MIDDLE),
	"left = (Math.imul(va & 0xffff, e >>> 16) + (pc & 0xffff)) | 0;",
	"left = (Math.imul(va >>> 16, e >>> 16) + (pc >>> 16) + (left >>> 16)) | 0;",
	...signs.map((sign) => `left = (left - (${sign})) | 0;`),
	`${RD} = left;`,
];
const STEPS: Readonly<Record<string, readonly string[]>> = {
	mulh: product("(va >> 31) & e", "(e >> 31) & va"),
	mulhsu: product("(va >> 31) & e"),
	mulhu: product(),
	cpop: [
		"va = (va - ((va >>> 1) & 0x5555_5555)) | 0;",
		"va = ((va & 0x3333_3333) + ((va >>> 2) & 0x3333_3333)) | 0;",
		"va = (va + (va >>> 4)) & 0xf0f_0f0f;",
		`${RD} = Math.imul(va, 0x101_0101) >>> 24;`,
	],
};

interface Variable {
	readonly text: Text;
	/** What it is set to. */
	readonly from: string;
}

/** Operands that come into variables, because one is needed more than once. */
function variablesOf(value: Expression): ReadonlyMap<string, Variable> {
	const names = ["rs1", "rs2", "imm"].filter((name) => uses(value, name) > 0);
	const isStepped = typeof value === "object" && value[0] in STEPS;
	if (!isStepped && names.every((name) => uses(value, name) === 1)) return new Map();
	return new Map(
		names.map((name) => [
			name,
			{ text: atom(name === "rs1" ? "va" : "e"), from: VALUES[name]!.text },
		]),
	);
}

const OPPOSITES: Readonly<Record<string, string>> = {
	"==": "!=",
	"!=": "==",
	"<": ">=",
	">=": "<",
	">": "<=",
	"<u": ">=u",
	">=u": "<u",
	">u": "<=u",
};

function negated(condition: Expression): Expression {
	const [operator, ...parts] = typeof condition === "object" ? condition : [""];
	const opposite = OPPOSITES[operator];
	if (opposite === undefined) throw new Error(`${operator} is no comparison`);
	return [opposite, ...parts];
}

/** Unprivileged specification 8.4. */
function atomicCase(): string[] {
	const rows = WORD_INSTRUCTIONS.filter(({ op }) => op === OP.AMO);
	const funct5 = ({ match }: Instruction): number => match >>> 27;
	const sorted = rows.toSorted((a, b) => funct5(a) - funct5(b));
	const operand: Operand = (name) => atom(name === "old" ? "va" : "left");
	const writes = sorted.flatMap((row, i) => [
		`${i === rows.length - 1 ? "default" : `case ${funct5(row)}`}: // ${row.name}`,
		`\tm32[e] = ${asNumber(textOf(ATOMICS[funct5(row)]!, operand, false)).text};`,
		"\tbreak;",
	]);
	const lines = [
		`va = ${RS1};`,
		...lookUp(4, true),
		"e = (e + (va & 0xfff)) >> 2;",
		"va = m32[e]!;",
		`left = ${RS2};`,
		`switch (${IMM}) {`,
		...writes.map((line) => `\t${line}`),
		"}",
		`${RD} = va;`,
		"ip = (ip + 4) | 0;",
		"continue;",
	];
	return [`case ${OP.AMO}: // amo*.w`, ...lines.map((line) => `\t${line}`)];
}
