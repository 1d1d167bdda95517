/** Patterns for lines of the console agree with JavaScript's, and say at which byte. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LinePattern, PatternError } from "../../../devices/fault/line-pattern.ts";

/** => how many bytes of the line (the newline is one) were needed, or -1 */
function needed(pattern: string, line: string): number {
	const p = new LinePattern(pattern);
	return [...new TextEncoder().encode(`${line}\n`)].findIndex((byte) => p.put(byte)) + 1 || -1;
}

/** The same by trying every beginning of the line. */
function model(pattern: string, line: string): number {
	const ends = new RegExp(pattern);
	// Before the line's end `$` does not hold: a byte that nothing matches follows.
	const open = new RegExp(pattern.replaceAll("$", "(?!)"));
	for (let n = 1; n <= line.length; n++) if (open.test(line.slice(0, n))) return n;
	return ends.test(line) ? line.length + 1 : -1;
}

const atom = fc.oneof(
	fc.constantFrom("a", "b", "c", ".", "[ab]", "[^a]", "\\d", "\\W", "1", "\\.", "é"),
	fc.constantFrom("^", "$"),
);
const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
	pattern: fc.oneof(
		{ maxDepth: 4 },
		atom,
		fc.tuple(tie("pattern"), tie("pattern")).map(([a, b]) => a + b),
		fc.tuple(tie("pattern"), tie("pattern")).map(([a, b]) => `(${a}|${b})`),
		fc
			.tuple(tie("pattern"), fc.constantFrom("*", "+", "?", "{2}", "{1,}", "{0,2}", "*?"))
			.map(([a, times]) => `(?:${a})${times}`),
	),
}));

describe("a pattern", () => {
	it("matches what a regular expression does, as soon as it can", () => {
		const line = fc.string({ unit: fc.constantFrom("a", "b", "c", "1", "."), maxLength: 8 });
		fc.assert(
			fc.property(pattern, line, (p, l) => {
				try {
					expect(needed(p, l)).toBe(model(p, l));
				} catch (error) {
					if (!(error instanceof PatternError)) throw error;
					expect(error.message).toBe("every line matches");
					expect(new RegExp(p).test("")).toBe(true);
				}
			}),
			{ numRuns: 2000 },
		);
	});

	it("matches each line once, from its beginning to its end", () => {
		const p = new LinePattern("^ready$|b+");
		const text = "already\nready\r\nbbb b\nxb\n";
		const at = [...text].flatMap((c, i) => (p.put(c.charCodeAt(0)) ? [i] : []));
		expect(at).toEqual([14, 15, 22]);
		expect(needed("caf\u00e9 .\\x21", "a caf\u00e9 x!")).toBe(10);
		expect(needed("a", `${"b".repeat(4096)}a`)).toBe(-1);
	});

	it("takes no longer for a pattern that makes others slow", () => {
		expect(needed("^(a+)+$", `${"a".repeat(2000)}b`)).toBe(-1);
		expect(needed("(x|xx|xxx)*y{3,9}(.*.*.*)z", "x".repeat(2000))).toBe(-1);
	});

	it.each([
		["a(", "a group without its )"],
		["a)", "a ) too many"],
		["*", "nothing to repeat"],
		["a**", "nothing to repeat"],
		["^*", "nothing to repeat"],
		["[a", "a [ without its ]"],
		["[b-a]", "range out of order in []"],
		["[\u00e9]", "only ASCII in []"],
		["a{3,2}", "numbers out of order in {}"],
		["a{1001}", "more than 1000 repetitions"],
		["(a{1000}){1000}", "too long"],
		["(?=a)", "no group begins so"],
		["\\b", "\\b is not known here"],
		["\\", "a backslash at the end"],
		["\\xg0", "\\x without two digits"],
		["a*", "every line matches"],
		["$", "every line matches"],
		["((((){1000}){1000}){1000}){1000}", "every line matches"],
		["(".repeat(60), "too many groups inside each other"],
	])("that is wrong is refused: %s: %s", (wrong, message) => {
		expect(() => new LinePattern(wrong)).toThrow(new PatternError(message));
	});
});
