/**
 * Regular expressions for lines of a console, matched byte by byte: it is known behind which byte
 * a match is complete. All ways to match are followed at once (Thompson, CACM 11.6, 1968), so that
 * a byte costs no more than the pattern is long, whatever the pattern.
 *
 * What there is, as in JavaScript: characters, `.`, `[a-z]`, `[^a-z]`, `\d \w \s \D \W \S`, `\t`,
 * `\xHH`, groups with or without `?:`, `|`, `* + ? {n} {n,} {n,m}` (and their lazy forms, which
 * match as much), `^` and `$`. Other characters than ASCII are matched as UTF-8; not in `[]`.
 */

/** What is wrong with a pattern, in a few words. */
export class PatternError extends Error {}

type Node =
	| { readonly kind: "bytes"; readonly set: Uint8Array }
	| { readonly kind: "cat" | "alt"; readonly of: readonly Node[] }
	| { readonly kind: "repeat"; readonly of: Node; readonly min: number; readonly max: number }
	| { readonly kind: "begin" | "end" };

const EVER = Number.POSITIVE_INFINITY;
/** Of a counted repetition. */
const REPEAT_MAX = 1000;
const DEPTH_MAX = 50;
/** Steps of a pattern's program. */
const STEPS_MAX = 4000;

const SETS: Readonly<Record<string, RegExp>> = { d: /\d/, w: /\w/, s: /\s/ };
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, "0": 0 };

const setOf = (holds: (byte: number) => boolean): Uint8Array =>
	Uint8Array.from({ length: 256 }, (_, byte) => (holds(byte) ? 1 : 0));

class Parser {
	readonly #text: readonly string[];
	#at = 0;
	#depth = 0;

	constructor(pattern: string) {
		this.#text = [...pattern];
	}

	parse(): Node {
		const node = this.#alternatives();
		if (this.#at < this.#text.length) throw new PatternError("a ) too many");
		return node;
	}

	get #next(): string | undefined {
		return this.#text[this.#at];
	}

	#takes(c: string): boolean {
		if (this.#next !== c) return false;
		this.#at++;
		return true;
	}

	#alternatives(): Node {
		if (++this.#depth > DEPTH_MAX) throw new PatternError("too many groups inside each other");
		const of = [this.#sequence()];
		while (this.#takes("|")) of.push(this.#sequence());
		this.#depth--;
		return of.length === 1 ? of[0]! : { kind: "alt", of };
	}

	#sequence(): Node {
		const of: Node[] = [];
		while (this.#next !== undefined && this.#next !== "|" && this.#next !== ")") {
			of.push(this.#repeated(this.#atom()));
		}
		return { kind: "cat", of };
	}

	#repeated(of: Node): Node {
		const range = this.#range();
		if (range === null) return of;
		this.#takes("?");
		if (this.#range() !== null) throw new PatternError("nothing to repeat");
		if (of.kind === "begin" || of.kind === "end") throw new PatternError("nothing to repeat");
		return { kind: "repeat", of, ...range };
	}

	#range(): { min: number; max: number } | null {
		if (this.#takes("*")) return { min: 0, max: EVER };
		if (this.#takes("+")) return { min: 1, max: EVER };
		if (this.#takes("?")) return { min: 0, max: 1 };
		const rest = this.#text.slice(this.#at, this.#at + 20).join("");
		const counts = /^\{(\d+)(,?)(\d*)\}/.exec(rest);
		if (counts === null) return null;
		const [all, least, comma, most] = counts as unknown as [string, string, string, string];
		const min = Number(least);
		const max = most !== "" ? Number(most) : comma === "" ? min : EVER;
		if (min > max) throw new PatternError("numbers out of order in {}");
		if (min > REPEAT_MAX || (max > REPEAT_MAX && max !== EVER)) {
			throw new PatternError(`more than ${REPEAT_MAX} repetitions`);
		}
		this.#at += all.length;
		return { min, max };
	}

	#atom(): Node {
		const c = this.#text[this.#at++]!;
		switch (c) {
			case "(":
				return this.#group();
			case "[":
				return { kind: "bytes", set: this.#class() };
			case ".":
				return { kind: "bytes", set: setOf(() => true) };
			case "^":
				return { kind: "begin" };
			case "$":
				return { kind: "end" };
			case "*":
			case "+":
			case "?":
				throw new PatternError("nothing to repeat");
			case "\\": {
				const escaped = this.#escape();
				return typeof escaped === "number" ? literal([escaped]) : { kind: "bytes", set: escaped };
			}
			default:
				return literal(new TextEncoder().encode(c));
		}
	}

	#group(): Node {
		if (this.#takes("?") && !this.#takes(":")) throw new PatternError("no group begins so");
		const node = this.#alternatives();
		if (!this.#takes(")")) throw new PatternError("a group without its )");
		return node;
	}

	/** Behind a backslash. => a byte or a set of them */
	#escape(): number | Uint8Array {
		const c = this.#text[this.#at++];
		if (c === undefined) throw new PatternError("a backslash at the end");
		const set = SETS[c.toLowerCase()];
		if (set !== undefined) {
			const isIn = (byte: number): boolean => byte < 128 && set.test(String.fromCharCode(byte));
			return setOf((byte) => isIn(byte) === (c === c.toLowerCase()));
		}
		if (CONTROLS[c] !== undefined) return CONTROLS[c];
		if (c === "x") {
			const digits = this.#text.slice(this.#at, this.#at + 2).join("");
			if (!/^[\da-f]{2}$/i.test(digits)) throw new PatternError("\\x without two digits");
			this.#at += 2;
			return Number.parseInt(digits, 16);
		}
		if (/[^\x21-\x7e]|[a-z\d]/i.test(c)) throw new PatternError(`\\${c} is not known here`);
		return c.charCodeAt(0);
	}

	#class(): Uint8Array {
		const inverted = this.#takes("^");
		const set = new Uint8Array(256);
		while (!this.#takes("]")) {
			const from = this.#member();
			if (typeof from !== "number") {
				for (let byte = 0; byte < 256; byte++) set[byte]! |= from[byte]!;
				continue;
			}
			const isRange = this.#next === "-" && this.#text[this.#at + 1] !== "]";
			if (isRange) this.#at++;
			const to = isRange ? this.#member() : from;
			if (typeof to !== "number" || to < from) throw new PatternError("range out of order in []");
			set.fill(1, from, to + 1);
		}
		return inverted ? setOf((byte) => set[byte] === 0) : set;
	}

	#member(): number | Uint8Array {
		const c = this.#text[this.#at++];
		if (c === undefined) throw new PatternError("a [ without its ]");
		if (c === "\\") return this.#escape();
		if (c > "\x7f") throw new PatternError("only ASCII in []");
		return c.charCodeAt(0);
	}
}

const literal = (bytes: Iterable<number>): Node => ({
	kind: "cat",
	of: [...bytes].map((byte) => ({ kind: "bytes", set: setOf((other) => other === byte) })),
});

/** A step of the program. `next` and `other` are steps. */
type Step =
	| { readonly op: "bytes"; readonly set: Uint8Array; readonly next: number }
	| { readonly op: "split"; readonly next: number; readonly other: number }
	| { readonly op: "begin" | "end"; readonly next: number }
	| { readonly op: "match" };

class Compiler {
	readonly steps: Step[] = [];

	/** Steps for `node`, and then on at `next`. => the first of them */
	emit(node: Node, next: number): number {
		switch (node.kind) {
			case "bytes":
				return this.#add({ op: "bytes", set: node.set, next });
			case "begin":
			case "end":
				return this.#add({ op: node.kind, next });
			case "cat":
				return node.of.reduceRight((then, part) => this.emit(part, then), next);
			case "alt":
				return node.of
					.map((part) => this.emit(part, next))
					.reduce((a, b) => this.#add({ op: "split", next: a, other: b }));
			case "repeat":
				return this.#repeat(node.of, node.min, node.max, next);
		}
	}

	#repeat(of: Node, min: number, max: number, next: number): number {
		let then = next;
		if (max === EVER) {
			const loop = this.#add({ op: "split", next, other: next });
			const body = this.emit(of, loop);
			this.steps[loop] = { op: "split", next: body, other: next };
			then = loop;
		} else {
			for (let i = min; i < max; i++) {
				then = this.#add({ op: "split", next: this.emit(of, then), other: next });
			}
		}
		for (let i = 0; i < min; i++) {
			const before = then;
			then = this.emit(of, before);
			// What is empty may be repeated for ever.
			if (then === before) break;
		}
		return then;
	}

	#add(step: Step): number {
		if (this.steps.length >= STEPS_MAX) throw new PatternError("too long");
		return this.steps.push(step) - 1;
	}
}

const NEWLINE = 10;
const RETURN = 13;
/** The rest of a line that is longer is not looked at. */
export const LINE_MAX = 4096;

/** Follows the lines of a console. */
export class LinePattern {
	readonly #steps: readonly Step[];
	readonly #start: number;
	/** Steps that the line so far has led to. */
	#threads: number[] = [];
	/** For each step, the number of the latest round that has come to it. */
	readonly #reached: Int32Array;
	#round = 0;
	#bytes = 0;
	/** The line has matched. */
	#done = false;

	/** => PatternError; and for a pattern that an empty line matches. */
	constructor(pattern: string) {
		const compiler = new Compiler();
		const match = 0;
		compiler.steps.push({ op: "match" });
		this.#start = compiler.emit(new Parser(pattern).parse(), match);
		this.#steps = compiler.steps;
		this.#reached = new Int32Array(this.#steps.length);
		this.#round++;
		if (this.#follow(this.#start, true, true, [])) throw new PatternError("every line matches");
	}

	/** The next byte of the console. => true: with it the line matches, for the first time */
	put(byte: number): boolean {
		if (byte === NEWLINE) {
			const matches = !this.#done && this.#atEnd();
			this.#threads = [];
			this.#bytes = 0;
			this.#done = false;
			return matches;
		}
		// Terminals end lines with both.
		if (this.#done || byte === RETURN || this.#bytes >= LINE_MAX) return false;
		const next: number[] = [];
		const from = this.#heads();
		this.#bytes++;
		this.#round++;
		for (const at of from) {
			const step = this.#steps[at]!;
			if (step.op === "bytes" && step.set[byte] === 1) {
				this.#done ||= this.#follow(step.next, false, false, next);
			}
		}
		this.#threads = next;
		return this.#done;
	}

	/** Steps that wait for the next byte: those so far, and a match that begins there. */
	#heads(): number[] {
		const heads = this.#threads.slice();
		this.#round++;
		this.#follow(this.#start, this.#bytes === 0, false, heads);
		return heads;
	}

	#atEnd(): boolean {
		const heads = this.#heads();
		this.#round++;
		return heads.some((at) => {
			const step = this.#steps[at]!;
			return step.op === "end" && this.#follow(step.next, this.#bytes === 0, true, []);
		});
	}

	/** Go on to the steps that need a byte, or the line's end. => true: to the match */
	#follow(from: number, begins: boolean, ends: boolean, to: number[]): boolean {
		const stack = [from];
		let matches = false;
		while (stack.length > 0) {
			const at = stack.pop()!;
			if (this.#reached[at] === this.#round) continue;
			this.#reached[at] = this.#round;
			const step = this.#steps[at]!;
			if (step.op === "match") matches = true;
			else if (step.op === "split") stack.push(step.next, step.other);
			else if (step.op === "begin") {
				if (begins) stack.push(step.next);
			} else if (step.op === "end" && ends) stack.push(step.next);
			else to.push(at);
		}
		return matches;
	}
}
