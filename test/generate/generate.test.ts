/** What npm run generate makes of the instruction table. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FILES } from "../../generate/files.ts";
import { withGenerated } from "../../generate/marked.ts";
import { asNumber, atom, signed, textOf } from "../../generate/typescript.ts";
import { type Expression, parse } from "../../machine/effects.ts";
import { evaluate, MEANING } from "../machine/expressions.ts";

const textIn = (text: string): string =>
	asNumber(textOf(parse(text), (name) => atom(name), false)).text;

describe("the generated part of", () => {
	it.each(FILES.map(({ path, lines }) => [path, lines] as const))(
		"%s is as npm run generate makes it",
		(path, lines) => {
			const text = readFileSync(path, "utf8");
			expect(lines().length).toBeGreaterThan(50);
			expect(withGenerated(text, lines())).toBe(text);
			expect(withGenerated(text, [])).not.toBe(text);
		},
	);

	it("a file is indented as its comments, and everything else stays", () => {
		const before = "a\n\t// Made by npm run generate: b, from here\n\tc\n\t// to here.\nd\n";
		expect(withGenerated(before, ["e", "", "\tf"])).toBe(before.replace("\tc\n", "\te\n\n\t\tf\n"));
		expect(() => withGenerated("a\n// to here.\n", [])).toThrow("no comment");
	});
});

describe("an expression as TypeScript", () => {
	it.each([
		["rs1 + rs2 - imm", "rs1 + rs2 - imm"],
		["rs1 - (rs2 + imm)", "rs1 - (rs2 + imm)"],
		["(rs1 << 2) + rs2", "(rs1 << 2) + rs2"],
		["rs1 & ~(1 << rs2)", "rs1 & ~(1 << rs2)"],
		["rs1 | rs2 | imm", "rs1 | rs2 | imm"],
		["rs1 <u rs2", "rs1 >>> 0 < rs2 >>> 0 ? 1 : 0"],
		["(rs1 >>> 1) < rs2 ? rs1 : 0xff00", "((rs1 >>> 1) | 0) < rs2 ? rs1 : 0xff00"],
		["rs1 * 0x1010101", "Math.imul(rs1, 0x101_0101)"],
		["ror(rs1, rs2)", "(rs1 >>> rs2) | (rs1 << -rs2)"],
		["(rs1 + imm) & ~1", "(rs1 + imm) & ~1"],
	])("%s", (text, wanted) => {
		expect(textIn(text)).toBe(wanted);
	});

	it("calls no function in the interpreter's loop", () => {
		expect(() => textIn("clmul(rs1, rs2)")).toThrow("clmul");
	});

	it("has the value of the expression", () => {
		const inText = ["+", "-", "*", "&", "|", "^", "<<", ">>", ">>>", "<", "<u", ">", ">u", ">="]
			.concat([">=u", "==", "!=", "clz", "ctz", "rol", "ror", "div", "divu", "rem", "remu"])
			.filter((name) => name in MEANING);
		const word = fc.oneof(fc.integer(), fc.constantFrom(0, 1, -1, 31, -0x8000_0000));
		const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
			expression: fc.oneof(
				{ maxDepth: 3, withCrossShrink: true },
				fc.oneof(word, fc.constantFrom("rs1", "rs2")),
				fc.tuple(fc.constantFrom(...inText), tie("expression"), tie("expression")),
				fc.tuple(fc.constant("?"), tie("expression"), tie("expression"), tie("expression")),
			) as fc.Arbitrary<Expression>,
		}));
		fc.assert(
			fc.property(expression, word, word, (value, rs1, rs2) => {
				const { text } = signed(asNumber(textOf(value, (name) => atom(name), false)));
				const compute = new Function("rs1", "rs2", `return ${text};`);
				expect(compute(rs1, rs2) | 0, text).toBe(evaluate(value, { rs1, rs2 }));
			}),
			{ numRuns: 5000 },
		);
	});
});
