/** The shell at a terminal: keys that edit a line, history, completion, and who may interrupt. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { screenOf, Typist } from "../support/typist.ts";

const UP = "\x1b[A";
const DOWN = "\x1b[B";
const RIGHT = "\x1b[C";
const LEFT = "\x1b[D";
const ctrl = (key: string): string => String.fromCharCode(key.charCodeAt(0) & 0x1f);

/** One shell for many lines: each is typed, and its output compared. */
describe("keys", () => {
	const user = new Typist();

	it.each([
		["left and right", `echo ac${LEFT}b${RIGHT}d`, "abcd"],
		["^B and ^F", `echo ac${ctrl("B")}b${ctrl("F")}d`, "abcd"],
		["home and end", "cho a\x1b[He\x1b[Fb", "ab"],
		["home and end of other terminals", "ho a\x1bOHc\x1b[1~e\x1b[4~b\x1bOFc", "abc"],
		["^A and ^E", `cho a${ctrl("A")}e${ctrl("E")}b`, "ab"],
		["backspace", "echo abX\x7fcY\bd", "abcd"],
		["delete and ^D", `echo XabX${LEFT}${ctrl("D")}${LEFT.repeat(3)}\x1b[3~`, "ab"],
		["^K and ^Y", `echo ab${LEFT}${ctrl("K")}c${ctrl("Y")}`, "acb"],
		["^U", `no such command${ctrl("U")}echo a`, "a"],
		["^W", `echo a b,c  ${ctrl("W")}${ctrl("Y")}d`, "a b,c d"],
		["words, by alt and by control", "echo b-c\x1bb\x1bba\x1b[1;5C1\x1bf2\x1b[1;5D3", "ab1-3c2"],
		["alt-d and alt-backspace", "echo ab cd ef\x1bb\x1b\x7f\x1bd", "ab"],
		["a key without a meaning", "echo a\x1b[20~\x1b[5;2~\x1bz\x11b", "ab"],
		["^V", `echo "${ctrl("V")}\t" | hexdump | head -n 1`, /^00000000 {2}09 0a/],
		["characters of several bytes", `echo äö€😀${LEFT}\x7f${LEFT}\x7fü`, "üö😀"],
		["an empty line", `echo a${ctrl("U")}`, null],
	])("%s", (_, keys, output) => {
		const before = user.rows.length;
		user.type(`${keys}\r`);
		const added = user.rows.slice(before, -1);
		if (output === null) expect(added).toEqual([]);
		else if (typeof output === "string") expect(added).toEqual([output]);
		else expect(added[0]).toMatch(output);
		expect(user.rows.at(-1)).toBe("$");
	});

	it("^L clears the screen and keeps the line", () => {
		user.type(`echo ab${LEFT}${ctrl("L")}`);
		expect(user.rows).toEqual(["$ echo ab"]);
		user.type("c\r");
		expect(user.rows).toEqual(["$ echo acb", "acb", "$"]);
	});

	it("a prompt with colours and of two rows is measured rightly", () => {
		user.type(`PS1="${ctrl("V")}\x1b[1mone\r> ${ctrl("V")}\x1b[0m"\r${ctrl("L")}`);
		user.type(`X${LEFT}${ctrl("D")}PS1='$ '\r`);
		expect(user.rows.at(-1)).toBe("$");
	});
});

/** The same line editor, in a few lines. */
class Model {
	line: string[] = [];
	cursor = 0;
	killed: string[] = [];
	history: string[][] = [];
	at = 0;
	fresh: string[] = [];

	#kill(from: number, to: number): void {
		if (from === to) return;
		this.killed = this.line.splice(from, to - from);
		this.cursor = from;
	}

	#recall(step: number): void {
		const to = this.at + step;
		if (to < 0 || to > this.history.length) return;
		if (this.at === this.history.length) this.fresh = this.line;
		this.line = [...(this.history[to] ?? this.fresh)];
		this.at = to;
		this.cursor = this.line.length;
	}

	type(key: string): void {
		const { line, cursor } = this;
		const left = line.slice(0, cursor).join("");
		if (key === LEFT) this.cursor = Math.max(0, cursor - 1);
		else if (key === RIGHT) this.cursor = Math.min(line.length, cursor + 1);
		else if (key === ctrl("A")) this.cursor = 0;
		else if (key === ctrl("E")) this.cursor = line.length;
		else if (key === "\x7f")
			this.cursor -= line.splice(Math.max(0, cursor - 1), cursor && 1).length;
		else if (key === "\x1b[3~") line.splice(cursor, 1);
		else if (key === ctrl("K")) this.#kill(cursor, line.length);
		else if (key === ctrl("U")) this.#kill(0, cursor);
		else if (key === ctrl("W")) this.#kill([...left.replace(/[^ ]* *$/, "")].length, cursor);
		else if (key === "\x1bb") this.cursor = [...left.replace(/[\wé€]*[^\wé€]*$/, "")].length;
		else if (key === UP) this.#recall(-1);
		else if (key === DOWN) this.#recall(1);
		else {
			const added = key === ctrl("Y") ? this.killed : [...key];
			line.splice(cursor, 0, ...added);
			this.cursor += added.length;
		}
	}

	enter(): void {
		const text = this.line.join("");
		if (text !== "" && text !== this.history.at(-1)?.join("")) this.history.push(this.line);
		this.line = [];
		this.cursor = 0;
		this.at = this.history.length;
	}
}

describe("any keys against a model", () => {
	const key = fc.oneof(
		{ weight: 8, arbitrary: fc.constantFrom(..."abc é€") },
		{
			weight: 2,
			arbitrary: fc.string({ minLength: 10, maxLength: 30, unit: fc.constantFrom("x", " ") }),
		},
		{ weight: 3, arbitrary: fc.constantFrom(LEFT, RIGHT, "\x7f", "\x1b[3~", "\x1bb") },
		{ weight: 2, arbitrary: fc.constantFrom(..."AEKUWY").map(ctrl) },
		fc.constantFrom(UP, DOWN),
	);

	it.each([80, 24])("line, screen and cursor are right in %i columns", (columns) => {
		const user = new Typist(columns);
		const model = new Model();
		fc.assert(
			fc.property(fc.array(key, { maxLength: 30 }), fc.boolean(), (keys, enters) => {
				for (const k of keys) model.type(k);
				user.type(keys.join(""));
				const { rows, column } = screenOf(user.text, columns);
				const row = rows.at(-1)!;
				expect(column).toBeLessThan(columns);
				// The row is the part of the line round the cursor for which there is room.
				const start = model.cursor - (column - 2);
				const part = model.line.slice(start, start + columns - 3).join("");
				expect([start < 0, row]).toEqual([false, `$ ${part}`.trimEnd()]);
				if (model.line.length < columns - 3) expect(start).toBe(0);
				if (!enters) return;
				for (const k of [ctrl("A"), ":", " "]) model.type(k);
				model.enter();
				user.type(`${ctrl("A")}: \r`);
			}),
			{ numRuns: 40, endOnFailure: true },
		);
		for (const k of ["\x05", "\x15", ..."history"]) model.type(k);
		model.enter();
		user.type("\x05\x15history\r");
		const lines = model.history.map((line, i) => `${String(i + 1).padStart(5)}  ${line.join("")}`);
		expect(user.text.split("\r\n").slice(-lines.length - 1, -1)).toEqual(lines);
	});
});

describe("history", () => {
	it("a line that is recalled begins with a whole character, whatever was shown before", () => {
		const user = new Typist(24);
		user.type(`: ${"a".repeat(9)}${"€".repeat(12)}\r`);
		user.type(`${"x".repeat(30)}${UP}`);
		expect(user.rows.at(-1)).toBe(`$ ${"€".repeat(12)}`);
	});

	it("gives lines again, the line that was begun at its end, and no line twice in a row", () => {
		const user = new Typist();
		user.type("echo one\recho two\recho two\r");
		user.type(`begun${UP}${UP}${UP}${DOWN}${DOWN}`);
		expect(user.rows.at(-1)).toBe("$ begun");
		user.type(`${ctrl("U")}${ctrl("P")}${ctrl("P")}${ctrl("N")}\x7fO\r`);
		expect(user.rows.slice(-3)).toEqual(["$ echo twO", "twO", "$"]);
		user.type("history\r");
		expect(user.rows.slice(-5, -1)).toEqual([
			"    1  echo one",
			"    2  echo two",
			"    3  echo twO",
			"    4  history",
		]);
		user.type("history -c\rhistory\r");
		expect(user.rows.slice(-2, -1)).toEqual(["    1  history"]);
	});

	it("forgets the oldest of five hundred", () => {
		const user = new Typist();
		user.type("a=1\ra=2\r");
		for (let i = 0; i < 26; i++) user.type(":\ra=\r".repeat(10));
		user.type("history | head -n 1\r");
		expect(user.rows.at(-2)).toBe("   24  a=");
	});
});

describe("the shell while a line is edited", () => {
	it("^C gives a fresh prompt, also behind an unfinished command", () => {
		const user = new Typist();
		user.type(`abc${LEFT}`).type("\x03");
		user.type("for i in 1\r").type("do").type("\x03").type("echo $?\r");
		expect(user.rows).toEqual(["$ abc^C", "$ for i in 1", "> do^C", "$ echo $?", "130", "$"]);
	});

	it("shows the prompt and the line again when a job has ended", () => {
		const user = new Typist();
		const { system } = user;
		const start = system.machine.clock.cycles;
		for (const keys of ["sleep 5 &\r", `echo ac${LEFT}`]) {
			system.input(new TextEncoder().encode(keys));
			while (system.run(Number.POSITIVE_INFINITY, true) !== "idle");
		}
		expect(user.rows.at(-1)).toBe("$ echo ac");
		user.wait();
		expect(system.machine.clock.cycles).toBeGreaterThan(start + 4.9e9);
		expect(user.rows.slice(-2)).toEqual([
			expect.stringMatching(/^\[1\] Done +sleep 5$/),
			"$ echo ac",
		]);
		user.type("b\r");
		expect(user.rows.at(-2)).toBe("abc");
	});

	it("commands have the terminal as it was: lines, echo, and ^D", () => {
		const user = new Typist();
		user.type("cat\r").type("ab\x7fc\x1b[A\r").type("\x04");
		expect(user.rows).toEqual(
			["$ cat", "ac^[[A", "ac\x1b[A", "$"].map((row) => screenOf(row, 80).rows[0]),
		);
		user.type("\x04");
		expect(user.system.exit).toMatchObject({ kind: "exited", code: 0 });
	});

	it("tab completes commands, files and folders, and lists what is possible", () => {
		const user = new Typist();
		user.type("mkdir /tmp/folder; cd /tmp/folder; echo 1 >'a b'; echo 2 >long1; echo 3 >long2\r");
		user.type("cat a\t\r");
		expect(user.rows.slice(-3)).toEqual(["$ cat a\\ b", "1", "$"]);
		user.type("hist\t;cat <lo\t");
		expect(user.rows.at(-1)).toBe("$ history ;cat <long");
		user.type("\t");
		expect(user.rows.slice(-2)).toEqual(["long1  long2", "$ history ;cat <long"]);
		user.type(`${ctrl("U")}cat "/tmp/fol\ta\t\r`);
		expect(user.rows.slice(-3)).toEqual(['$ cat "/tmp/folder/a b"', "1", "$"]);
	});
});
