/**
 * docs/port.md: its files, functions and tests are there, and no function is left out. Whether the
 * tests call the functions is measured by calls.test.ts.
 */
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { groups, here, isAbsent, offences, rows, source, tests } from "./support/port-table.ts";
import { ROOT, type Source, sources, withoutComments } from "./support/sources.ts";

const defines = (file: Source, name: string): boolean =>
	new RegExp(`^(export )?(function\\*?|const|class|interface|type) ${name}\\b`, "m").test(
		withoutComments(file.text),
	);

/** Titles of a test file: of its tests, of groups of them, and of named cases in a table. */
function titles(file: string): string[] | null {
	if (!existsSync(`${ROOT}/test/${file}`)) return null;
	const { text } = sources(`test/${file}`)[0]!;
	const calls = /\b(?:it|describe)(?:\.\w+\([\s\S]*?\))?\(\s*"((?:[^"\\]|\\.)*)"/g;
	return [...text.matchAll(calls), ...text.matchAll(/\bname: "([^"]*)"/g)].map((m) => m[1]!);
}

describe("each row", () => {
	it("names files and functions that exist, or says why there is none", () => {
		const wrong = offences((row) => {
			if (isAbsent(row)) return here(row).length < 20 ? ["no reason"] : [];
			const found = groups(here(row));
			if (found.length === 0) return ["no file"];
			return found.flatMap(({ file, names }) => {
				const text = source(file);
				if (text === null) return [`no file ${file}`];
				if (names.length === 0) return [`nothing of ${file}`];
				return names.filter((name) => !defines(text, name)).map((name) => `no ${name} in ${file}`);
			});
		});
		expect(wrong).toEqual([]);
	});

	it("names tests that exist", () => {
		const wrong = offences((row) => {
			const found = groups(tests(row));
			if (isAbsent(row)) return found.length > 0 ? ["a test of what is absent"] : [];
			if (found.length === 0) return ["no test"];
			return found.flatMap(({ file, names }) => {
				const there = titles(file);
				if (there === null) return [`no file test/${file}`];
				if (names.length === 0) return [`no test of ${file}`];
				return names
					.filter((name) => !there.some((title) => title.includes(name)))
					.map((name) => `no test "${name}" in ${file}`);
			});
		});
		expect(wrong).toEqual([]);
	});
});

describe("nothing is left out:", () => {
	it("every exported function of kernel/uvm and pmap has a row", () => {
		const named = new Set(rows.flatMap((row) => groups(here(row)).flatMap(({ names }) => names)));
		const pattern =
			/^export (?:function\*? (\w+)|const (\w+) = (?:\([^=]*\)|\w+)(?:: [^=]+)? =>)/gm;
		const exported = sources("kernel/uvm", "pmap").flatMap((file) =>
			[...withoutComments(file.text).matchAll(pattern)].map((m) => (m[1] ?? m[2])!),
		);
		expect(exported.length).toBeGreaterThan(200);
		expect(exported.filter((name) => !named.has(name))).toEqual([]);
	});

	it("every defect, mismatch and bug has a row", () => {
		const count = (prefix: string, n: number): string[] =>
			Array.from({ length: n }, (_, i) => `${prefix}${i + 1}`);
		const numbers = rows.map(({ cells }) => cells[0]!);
		const wanted = [...count("P", 13), ...count("A", 23), ...count("M", 15), ...count("7.", 15)];
		expect(wanted.filter((number) => !numbers.includes(number))).toEqual([]);
	});

	it("every scenario of history.test.ts is in the row of its number", () => {
		const file = "kernel/uvm/history.test.ts";
		const scenarios = titles(file)!.filter((title) => /^7\.\d/.test(title));
		expect(scenarios.length).toBeGreaterThan(15);
		const missing = scenarios.filter((title) => {
			const own = rows.filter(({ cells }) => title.startsWith(`${cells[0]}:`));
			const names = own.flatMap((row) =>
				groups(tests(row)).flatMap((group) => (group.file === file ? group.names : [])),
			);
			return !names.some((name) => title.includes(name));
		});
		expect(missing).toEqual([]);
	});
});
