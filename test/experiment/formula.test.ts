/** Formulas in experiment files. */
import { describe, expect, it } from "vitest";
import { Formula } from "../../experiment/formula.ts";

const fail = (message: string): never => {
	throw new Error(message);
};
const known = new Set(["pages", "faults", "order"]);
const values = { pages: 11, faults: 3, order: "forward" };
const parse = (text: string): Formula => Formula.parse(text, known, fail);

describe("a formula", () => {
	it.each([
		["faults", 3],
		["ceil(pages / 5)", 3],
		["pages mod 4 + 2 ^ 3", 11],
		["ratio(pages, 0)", 0],
		["ratio(pages, 2)", 5.5],
		["if faults > 2 then 1 else 0", 1],
	])("%s is %d", (text, value) => {
		expect(parse(text).value(values)).toBe(value);
	});

	it.each([
		["faults == ceil(pages / 5)", true],
		['order == "forward" and not (pages < 3)', true],
		['order in ("backward", "random")', false],
		["pages", false],
		["order + 1 == 2", false],
	])("%s: %s", (text, holds) => {
		expect(parse(text).holds(values)).toBe(holds);
	});

	it("that cannot be calculated is no number", () => {
		expect(parse("order - 1").value(values)).toBeNaN();
	});

	it.each([
		["faults +", "faults +: is no formula: it ends too early"],
		["faults faults", "faults faults: is no formula: unexpected Symbol"],
		["1 + fault", "fault: there is no such number"],
		// Also where it is not reached.
		['order == "x" and nothing > 3', "nothing: there is no such number"],
		["constructor", "constructor: there is no such number"],
	])("%s is refused", (text, message) => {
		expect(() => parse(text)).toThrow(message);
	});

	it("names in quotation marks are text", () => {
		expect(parse('order == "nothing"').holds(values)).toBe(false);
	});
});
