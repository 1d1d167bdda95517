/** Formulas in experiment files: numbers, names, functions and comparisons, as filtrex has them. */
import { compileExpression } from "filtrex";
import type { Scalar } from "./points.ts";

export type Values = Readonly<Record<string, Scalar>>;
type Fail = (message: string) => never;

/** Beside filtrex's own: abs, ceil, floor, log, log2, max, min, round, sqrt and others. */
const FUNCTIONS = {
	/** 0 where the second is 0. */
	ratio: (a: number, b: number): number => (b === 0 ? 0 : a / b),
};
/** A text in quotation marks, or a name; functions have a parenthesis behind them. */
const NAMES = /"[^"]*"|([A-Za-z_][\w.]*)(?!\w|\s*\()/g;
const WORDS = ["and", "or", "not", "in", "of", "mod", "if", "then", "else"];

export class Formula {
	readonly text: string;
	/** That it has in it. */
	readonly names: readonly string[];
	readonly #compiled: (values: object) => unknown;

	private constructor(
		text: string,
		names: readonly string[],
		compiled: (values: object) => unknown,
	) {
		this.text = text;
		this.names = names;
		this.#compiled = compiled;
	}

	/** => `fail` gets one line about a text that is no formula, or has names that are not `known` */
	static parse(text: string, known: ReadonlySet<string>, fail: Fail): Formula {
		const names = [...text.matchAll(NAMES)].flatMap(([, name]) =>
			name === undefined || WORDS.includes(name) ? [] : [name],
		);
		const unknown = names.find((name) => !known.has(name));
		if (unknown !== undefined) return fail(`${unknown}: there is no such number`);
		try {
			const compiled = compileExpression(text, { extraFunctions: FUNCTIONS });
			return new Formula(text, names, compiled as (values: object) => unknown);
		} catch (error) {
			const got = /got '(.*)'/.exec((error as Error).message)?.[1];
			const what = got === "EndOfExpression" ? "it ends too early" : `unexpected ${got}`;
			return fail(`${text}: is no formula: ${got === undefined ? "" : what}`);
		}
	}

	/** => NaN for what cannot be calculated, such as a text less a number */
	value(values: Values): Scalar {
		const result = this.#compiled(values);
		return result instanceof Error || typeof result === "object" ? Number.NaN : (result as Scalar);
	}

	holds(values: Values): boolean {
		return this.#compiled(values) === true;
	}
}
