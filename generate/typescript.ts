/**
 * Expressions of the instruction table (machine/effects.ts) as TypeScript, for values that are
 * written to a typed array or end in `| 0`: what wraps there is not made to wrap before.
 *
 * Text is as the formatter leaves it: parentheses around shifts, bits and sums that are mixed.
 */
import type { Expression } from "../machine/effects.ts";

/** Text of a value, and what it is made of. */
export interface Text {
	readonly text: string;
	/** Its outermost operator; "": it has none, or parentheses. */
	readonly operator: string;
	/** Its numbers: 32-bit ones, unsigned ones, sums of some, or a condition. */
	readonly range: "signed" | "unsigned" | "sum" | "condition";
	/** Of a call: its operands. */
	readonly operands?: readonly string[];
}

/** The text of a name's value. */
export type Operand = (name: string) => Text;

/** A value without an operator outside. */
export const atom = (text: string): Text => ({ text, operator: "", range: "signed" });

/** Operators by how strongly they bind; those in one line alike. */
const BINDING = [["?:"], ["|"], ["^"], ["&"], ["===", "!=="], ["<", ">", "<=", ">="]]
	.concat([["<<", ">>", ">>>"], ["+", "-"], ["*", "/", "%"], ["unary"]])
	.map((operators) => new Set(operators));
const binding = (operator: string): number =>
	operator === "" ? BINDING.length : BINDING.findIndex((operators) => operators.has(operator));
const BITS = new Set(["|", "^", "&", "<<", ">>", ">>>"]);
const CHAINS = new Set(["|", "^", "&", "+", "-"]);

const parenthesised = ({ text, range }: Text): Text => ({ text: `(${text})`, operator: "", range });

/** An operand of `operator`, which stands on its right side or not. */
function operandOf(operator: string, operand: Text, isRight: boolean): string {
	const inner = operand.operator;
	const isChain = !isRight && CHAINS.has(operator) && binding(inner) === binding(operator);
	const isMixed = BITS.has(operator) && binding(inner) < binding("unary");
	const isLooser = binding(inner) <= binding(operator);
	return !isChain && (isMixed || isLooser) ? parenthesised(operand).text : operand.text;
}

const RANGES: Readonly<Record<string, Text["range"]>> = {
	"+": "sum",
	"-": "sum",
	">>>": "unsigned",
	"===": "condition",
	"!==": "condition",
	"<": "condition",
	">": "condition",
	"<=": "condition",
	">=": "condition",
};

function binary(operator: string, a: Text, b: Text): Text {
	const text = `${operandOf(operator, a, false)} ${operator} ${operandOf(operator, b, true)}`;
	return { text, operator, range: RANGES[operator] ?? "signed" };
}

const unary = (operator: string, a: Text): Text => ({
	text: `${operator}${a.operator === "" ? a.text : `(${a.text})`}`,
	operator: "unary",
	range: "signed",
});

export const signed = (value: Text): Text =>
	value.range === "signed" ? value : binary("|", value, atom("0"));
const unsigned = (value: Text): Text =>
	value.range === "unsigned" ? value : binary(">>>", value, atom("0"));

/** `condition ? a : b` */
function choose(condition: Text, a: Text, b: Text): Text {
	const text = `${condition.text} ? ${a.text} : ${b.text}`;
	const range = a.range === "signed" && b.range === "signed" ? "signed" : "sum";
	return { text, operator: "?:", range };
}

/** A condition as a number. */
export const asNumber = (value: Text): Text =>
	value.range === "condition" ? choose(value, atom("1"), atom("0")) : value;

function call(name: string, ...values: readonly Text[]): Text {
	const operands = values.map(({ text }) => text);
	return { ...atom(`${name}(${operands.join(", ")})`), operands };
}

/** Large numbers are masks. */
export function number(n: number): Text {
	if (n < 0) return { ...atom(n === -1 ? "-1" : `~${number(~n).text}`), operator: "unary" };
	return atom(n < 255 ? String(n) : `0x${n.toString(16).replace(/(?=(.{4})+$)(?!^)/g, "_")}`);
}

const zero = atom("0");
const isZero = (a: Text): Text => binary("===", a, zero);
/** Shifts take the low five bits of their right side, so the rest of a turn is its opposite. */
const turned = (by: string, back: string, a: Text, b: Text): Text =>
	binary("|", binary(by, a, b), binary(back, a, unary("-", b)));
const wrapped = (value: Text): Text => binary("|", value, zero);

/** What TypeScript has no operator for. Division: unprivileged specification, table 7.1. */
const FUNCTIONS: Readonly<Record<string, (a: Text, b: Text) => Text>> = {
	"*": (a, b) => call("Math.imul", a, b),
	clz: (a) => call("Math.clz32", a),
	ctz: (a) =>
		choose(
			isZero(a),
			number(32),
			binary("-", number(31), call("Math.clz32", binary("&", a, unary("-", a)))),
		),
	rol: (a, b) => turned("<<", ">>>", a, b),
	ror: (a, b) => turned(">>>", "<<", a, b),
	div: (a, b) => choose(isZero(b), number(-1), wrapped(binary("/", a, b))),
	divu: (a, b) => choose(isZero(b), number(-1), wrapped(binary("/", unsigned(a), unsigned(b)))),
	rem: (a, b) => choose(isZero(b), a, wrapped(binary("%", a, b))),
	remu: (a, b) => choose(isZero(b), a, wrapped(binary("%", unsigned(a), unsigned(b)))),
};
/** How often these have each of their operands. */
const USES: Readonly<Record<string, number>> = {
	ctz: 3,
	rol: 2,
	ror: 2,
	div: 2,
	divu: 2,
	rem: 2,
	remu: 2,
};
const COMPARISONS: Readonly<Record<string, string>> = { "==": "===", "!=": "!==" };
const BINARY = /^(?:[-+&|^]|<<|>>>?)$/;

/**
 * A value. => a function that is none of TypeScript's is called by its name, which `calls` allows
 */
export function textOf(expression: Expression, operand: Operand, calls: boolean): Text {
	if (typeof expression === "number") return number(expression);
	if (typeof expression === "string") return operand(expression);
	const [operator, ...parts] = expression;
	const texts = parts.map((part) => textOf(part, operand, calls));
	const [a, b, c] = texts as [Text, Text, Text];
	if (operator === "^" && parts[1] === -1) return unary("~", asNumber(a));
	if (operator === "?") {
		const condition = a.range === "condition" ? a : binary("!==", signed(a), zero);
		return choose(condition, asNumber(b), asNumber(c));
	}
	const made = FUNCTIONS[operator];
	if (made !== undefined) {
		const [first, second] = texts.map((text) => signed(asNumber(text)));
		return made(first!, second!);
	}
	if (BINARY.test(operator)) return binary(operator, asNumber(a), asNumber(b));
	const comparison = /^([=!<>]=?)(u?)$/.exec(operator);
	if (comparison !== null) {
		const ranged = comparison[2] === "u" ? unsigned : signed;
		const [, symbol] = comparison as unknown as [string, string];
		return binary(COMPARISONS[symbol] ?? symbol, ranged(asNumber(a)), ranged(asNumber(b)));
	}
	if (!calls) throw new Error(`${operator}: the interpreter's loop calls nothing`);
	return call(operator, ...texts.map(asNumber));
}

/** How often the text of an expression has the value of `name`. */
export function uses(expression: Expression, name: string): number {
	if (typeof expression !== "object") return expression === name ? 1 : 0;
	const [operator, ...parts] = expression;
	const times = USES[operator] ?? 1;
	return times * parts.reduce<number>((sum, part) => sum + uses(part, name), 0);
}
