/**
 * What instructions do, read from the instruction table (isa.ts): for each operation the value of
 * rd as an expression over the operands, or the access to memory, or the condition of the branch.
 *
 * Expressions are 32-bit arithmetic that wraps, written as in TypeScript; an operator that ends
 * in "u" is the unsigned one, `>>>` shifts in zeros, and shifts use the low five bits of their
 * right side. Nothing is read before somebody asks: a start without a compiler does not pay for it.
 */
import { FLOAT_EFFECTS, type FloatEffect } from "./float/effects.ts";
import { type Instruction, WORD_INSTRUCTIONS } from "./isa.ts";
import { OP } from "./op.ts";

/** An operator with its operands, a name, or a number. */
export type Expression = readonly [string, ...Expression[]] | string | number;

export type Effect =
	| { readonly kind: "value"; readonly value: Expression }
	| { readonly kind: "load"; readonly bytes: 1 | 2 | 4; readonly signed: boolean }
	| { readonly kind: "store"; readonly bytes: 1 | 2 | 4 }
	/** Of an f register: instructions of F and D. */
	| { readonly kind: "floatLoad"; readonly bytes: 4 | 8 }
	| { readonly kind: "floatStore"; readonly bytes: 4 | 8 }
	| FloatEffect
	| { readonly kind: "branch"; readonly condition: Expression }
	/** rd: the address behind; control goes to `target`. */
	| { readonly kind: "jump"; readonly target: Expression }
	| { readonly kind: "none" };

/**
 * Operators that are made of others: their operands, and what they mean. Bits of halves, bytes and
 * so on change places by steps, each for all of them at once.
 */
export const DEFINED: Readonly<Record<string, readonly [operands: string, meaning: string]>> = {
	swap: ["v, n, mask", "((v >>> n) & mask) | ((v & mask) << n)"],
	brev8: ["v", "swap(swap(swap(v, 1, 0x55555555), 2, 0x33333333), 4, 0xf0f0f0f)"],
	apart: ["v, n, mask", "(v | (v << n)) & mask"],
	/** Nibbles of bits 15 to 0, and then bits, each to twice its place. */
	spreadNibbles: ["v", "apart(apart(v & 0xffff, 8, 0xff00ff), 4, 0xf0f0f0f)"],
	spread: ["v", "apart(apart(spreadNibbles(v), 2, 0x33333333), 1, 0x55555555)"],
	together: ["v, n, mask", "(v | (v >>> n)) & mask"],
	/** Back from there. */
	gatheredNibbles: ["v", "together(together(v & 0x55555555, 1, 0x33333333), 2, 0xf0f0f0f)"],
	gathered: ["v", "together(together(gatheredNibbles(v), 4, 0xff00ff), 8, 0xffff)"],
	zip: ["v", "spread(v) | (spread(v >>> 16) << 1)"],
	unzip: ["v", "gathered(v) | (gathered(v >>> 1) << 16)"],
	/** 0xff for each byte that is not zero. */
	orcb: ["v", "(((((v & 0x7f7f7f7f) + 0x7f7f7f7f) | v) >>> 7) & 0x1010101) * 0xff"],
	rev8: ["v", "(v << 24) | ((v & 0xff00) << 8) | ((v >>> 8) & 0xff00) | (v >>> 24)"],
};

const TOKEN = /\s*([a-z]\w*|0x[\da-f]+|\d+|<<|>>>|>>|[<>=]=u?|!=|[<>]u?|[-+*&|^~?:(),])/y;

/** Operators by how strongly they bind, the weakest first. */
const LEVELS: readonly (readonly string[])[] = [
	["|"],
	["^"],
	["&"],
	["==", "!="],
	["<", "<u", ">", ">u", ">=", ">=u"],
	["<<", ">>", ">>>"],
	["+", "-"],
	["*"],
];

/** Defined operators, each read when it is first met. */
class Definitions {
	readonly #read = new Map<string, readonly [operands: string[], meaning: Expression]>();

	/** An operator with its operands, or what it means for them. */
	apply(operator: string, operands: readonly Expression[]): Expression {
		const definition = DEFINED[operator];
		if (definition === undefined) return [operator, ...operands];
		let read = this.#read.get(operator);
		if (read === undefined) {
			read = [definition[0].split(", "), parse(definition[1], null)];
			this.#read.set(operator, read);
		}
		return this.#replaced(read[1], read[0], operands);
	}

	#replaced(part: Expression, names: string[], operands: readonly Expression[]): Expression {
		if (typeof part === "string") return operands[names.indexOf(part)]!;
		if (typeof part === "number") return part;
		const [operator, ...parts] = part;
		return this.apply(
			operator,
			parts.map((inner) => this.#replaced(inner, names, operands)),
		);
	}
}

/**
 * Parse an expression. `definitions` replace defined operators; null: they stay.
 * => throws an Error that names what was not expected
 */
export function parse(
	text: string,
	definitions: Definitions | null = new Definitions(),
): Expression {
	let token = "";
	let at = 0;
	const next = (): void => {
		TOKEN.lastIndex = at;
		token = TOKEN.exec(text)?.[1] ?? "";
		if (token === "" && at < text.length) throw new Error(`${text}: what is at ${at}?`);
		at = TOKEN.lastIndex;
	};
	const expect = (wanted: string): void => {
		if (token !== wanted) throw new Error(`${text}: ${wanted} expected, not ${token}`);
		next();
	};
	const primary = (): Expression => {
		const first = token;
		next();
		if (first === "(") {
			const inner = choice();
			expect(")");
			return inner;
		}
		if (first === "~") {
			const inner = primary();
			return typeof inner === "number" ? ~inner : ["^", inner, -1];
		}
		if (/^\d/.test(first)) return Number(first) | 0;
		if (!/^[a-z]/.test(first)) throw new Error(`${text}: ${first} is no operand`);
		if (token !== "(") return first;
		const operands: Expression[] = [];
		do {
			next();
			operands.push(choice());
		} while ((token as string) === ",");
		expect(")");
		return definitions === null ? [first, ...operands] : definitions.apply(first, operands);
	};
	const binary = (level: number): Expression => {
		if (level === LEVELS.length) return primary();
		let left = binary(level + 1);
		while (LEVELS[level]!.includes(token)) {
			const operator = token;
			next();
			left = [operator, left, binary(level + 1)];
		}
		return left;
	};
	const choice = (): Expression => {
		const condition = binary(0);
		if (token !== "?") return condition;
		next();
		const then = choice();
		expect(":");
		return ["?", condition, then, choice()];
	};
	next();
	const whole = choice();
	if (token !== "") throw new Error(`${text}: ${token} not expected`);
	return whole;
}

/** What an access is of, as the table writes it. */
const TYPE = /^([iu])(8|16|32)$|^f(32|64)$/;

function access(does: string, type: string): Effect {
	const [, sign, bits, floatBits] = TYPE.exec(type) ?? [];
	if (floatBits !== undefined) {
		const bytes = floatBits === "32" ? 4 : 8;
		return does === "load" ? { kind: "floatLoad", bytes } : { kind: "floatStore", bytes };
	}
	const bytes = bits === "8" ? 1 : bits === "16" ? 2 : bits === "32" ? 4 : null;
	if (bytes === null) throw new Error(`${does} ${type}: what is ${type}?`);
	return does === "load" ? { kind: "load", bytes, signed: sign === "i" } : { kind: "store", bytes };
}

/** How the table begins to say what is no value of rd. */
const KINDS = new Set(
	["if", "goto", "load", "store", "amo", "f32", "f64"].concat("lr", "sc", "csr", "system", "none"),
);

/** How the table begins to say what an instruction does, or "value". */
export function kindOf(effect: string): string {
	const space = effect.indexOf(" ");
	const word = space < 0 ? effect : effect.slice(0, space);
	return KINDS.has(word) ? word : "value";
}

/** The effect of an instruction that has one here. */
function effectOf({ effect, op }: Instruction, definitions: Definitions): Effect | undefined {
	if (effect === null || op === OP.BITS) return undefined;
	const kind = kindOf(effect);
	const rest = effect.slice(kind.length + 1);
	switch (kind) {
		case "value":
			return { kind: "value", value: parse(effect, definitions) };
		case "if":
			return { kind: "branch", condition: parse(rest, definitions) };
		case "goto":
			return { kind: "jump", target: parse(rest, definitions) };
		case "load":
		case "store":
			return access(kind, rest);
		case "none":
			return { kind: "none" };
		default:
			return undefined;
	}
}

/** The effect of each operation that has one here, by OP. */
export function effects(): readonly (Effect | undefined)[] {
	const table: (Effect | undefined)[] = new Array(256).fill(undefined);
	const definitions = new Definitions();
	for (const row of WORD_INSTRUCTIONS) table[row.op] = effectOf(row, definitions);
	for (const [op, effect] of FLOAT_EFFECTS) table[op] = effect;
	return table;
}

/** What an amo writes back, by its funct5. */
export function atomics(): readonly (Expression | undefined)[] {
	const table: (Expression | undefined)[] = new Array(32).fill(undefined);
	for (const { op, match, effect } of WORD_INSTRUCTIONS) {
		if (op === OP.AMO) table[match >>> 27] = parse(effect!.slice("amo ".length));
	}
	return table;
}

/** What instructions of OP.BITS do, by name. */
export function bitEffects(): ReadonlyMap<string, Expression> {
	const definitions = new Definitions();
	const rows = WORD_INSTRUCTIONS.filter(({ op }) => op === OP.BITS);
	return new Map(rows.map(({ name, effect }) => [name, parse(effect!, definitions)]));
}
