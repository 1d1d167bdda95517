/** Functions that compute results of rare instructions, from the instruction table. */
import { atomics, DEFINED, type Expression, parse } from "../machine/effects.ts";
import { WORD_INSTRUCTIONS } from "../machine/isa.ts";
import { OP } from "../machine/op.ts";
import { asNumber, atom, number, signed, textOf } from "./typescript.ts";

const BITS = WORD_INSTRUCTIONS.filter(({ op }) => op === OP.BITS);
const AMOS = WORD_INSTRUCTIONS.filter(({ op }) => op === OP.AMO);

/** The lines of all of them. */
export function results(): string[] {
	return [bitResult(), atomicResult(), ...definitions()].flatMap((lines, i) =>
		i === 0 ? lines : ["", ...lines],
	);
}

/** A value over the names of operands. */
function resultOf(expression: Expression, operands: readonly string[]): string {
	const operand = (name: string) => {
		if (!operands.includes(name)) throw new Error(`${name} is none of ${operands.join(", ")}`);
		return atom(name);
	};
	return signed(asNumber(textOf(expression, operand, true))).text;
}

/** A switch whose last case is the default. */
function switched(on: string, rows: readonly (readonly [number, string, string])[]): string[] {
	const last = rows.length - 1;
	const cases = rows.flatMap(([match, name, value], i) => [
		`\t\t${i === last ? "default" : `case ${number(match).text}`}: // ${name}`,
		`\t\t\treturn ${value};`,
	]);
	return [`\tswitch (${on}) {`, ...cases, "\t}", "}"];
}

function bitResult(): string[] {
	// What all of them fix tells one from the others.
	const mask = BITS.reduce((common, row) => common & row.mask, ~0) >>> 0;
	const rows = BITS.map(
		({ name, match, effect }) =>
			[(match & mask) >>> 0, name, resultOf(parse(effect!, null), ["rs1", "rs2"])] as const,
	);
	if (new Set(rows.map(([match]) => match)).size < rows.length) throw new Error("alike: OP.BITS");
	return [
		"/** => the result of instruction `w`, an OP.BITS, for the values of rs1 and rs2. */",
		"export function bitResult(w: number, rs1: number, rs2: number): number {",
		...switched(`w & ${number(mask).text}`, rows),
	];
}

function atomicResult(): string[] {
	const values = atomics();
	const rows = AMOS.map(
		({ name, match }) =>
			[match >>> 27, name, resultOf(values[match >>> 27]!, ["old", "rs2"])] as const,
	);
	return [
		"/** => what an amo writes where `old` was; `funct5` is the top five bits of its encoding. */",
		"export function atomicResult(funct5: number, old: number, rs2: number): number {",
		...switched(
			"funct5",
			rows.toSorted(([a], [b]) => a - b),
		),
	];
}

/** The defined operators of OP.BITS, each as a function. */
function definitions(): string[][] {
	const called = new Set<string>();
	const visit = (expression: Expression): void => {
		if (typeof expression !== "object") return;
		const [operator, ...parts] = expression;
		for (const part of parts) visit(part);
		const meaning = DEFINED[operator]?.[1];
		if (meaning === undefined || called.has(operator)) return;
		called.add(operator);
		visit(parse(meaning, null));
	};
	for (const { effect } of BITS) visit(parse(effect!, null));
	return [...called].map((name) => {
		const [operands, meaning] = DEFINED[name]!;
		const names = operands.split(", ");
		return [
			`function ${name}(${names.map((operand) => `${operand}: number`).join(", ")}): number {`,
			`\treturn ${resultOf(parse(meaning, null), names)};`,
			"}",
		];
	});
}
