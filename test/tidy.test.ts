/** Rules of style that a linter does not know. */
import { describe, expect, it } from "vitest";
import { type Source, sources, withoutComments } from "./support/sources.ts";

const MACHINE_SIDE = sources("machine", "devices", "sys", "pmap", "kernel");
const ALL = [
	...MACHINE_SIDE,
	...sources(
		"firmware",
		"computer",
		"gdb",
		"trace",
		"campaign",
		"conformance",
		"generate",
		"bench",
		"cli",
		"index.ts",
		"workloads",
		"test",
	),
];

const LINE_MAX = 100;
const TAB_WIDTH = 2;
const FUNCTION_MAX = 70;
const PORTED_FUNCTION_MAX = 120;
const FILE_MAX = 500;
/** Files that follow a NetBSD file may be as long as their subject. */
const isPorted = (file: Source): boolean => /Port of sys\/uvm\//.test(file.text.slice(0, 300));
/** Functions that are one table: switches over opcodes. */
const TABLES = ["machine/interpreter.ts", "machine/float/unit.ts"];

const offences = (files: Source[], test: (line: string, file: Source) => boolean): string[] =>
	files.flatMap((file) =>
		withoutComments(file.text)
			.split("\n")
			.flatMap((line, i) => (test(line, file) ? [`${file.path}:${i + 1}: ${line.trim()}`] : [])),
	);

describe("what runs inside the machine is deterministic", () => {
	it.each([
		["the host's clock", /\bDate\b|\bperformance\b|\bhrtime\b/],
		["the host's random numbers", /Math\.random|\bcrypto\b/],
		["the host's timers", /\bset(Timeout|Interval|Immediate)\b/],
		["the environment", /process\./],
		["promises", /\basync\b|\bawait\b|\bPromise\b/],
		["weak collections", /\bWeak(Map|Set|Ref)\b/],
	])("and does not use %s", (_, pattern) => {
		expect(offences(MACHINE_SIDE, (line) => pattern.test(line))).toEqual([]);
	});

	it("and keeps no state in module variables", () => {
		expect(offences(MACHINE_SIDE, (line) => /^(export )?(let|var)\b/.test(line))).toEqual([]);
	});
});

describe("layout", () => {
	it("lines are at most 100 columns wide", () => {
		const wide = ALL.flatMap((file) =>
			file.lines.flatMap((line, i) => {
				const width = line.replace(/\t/g, " ".repeat(TAB_WIDTH)).length;
				return width > LINE_MAX ? [`${file.path}:${i + 1}: ${width} columns`] : [];
			}),
		);
		expect(wide).toEqual([]);
	});

	it("files are at most 500 lines long, unless they follow a NetBSD file", () => {
		const long = ALL.filter((f) => f.lines.length > FILE_MAX && !isPorted(f));
		expect(long.map((f) => f.path).filter((path) => !TABLES.includes(path))).toEqual([]);
	});

	it("functions are at most 70 lines long, ported ones 120", () => {
		expect(
			MACHINE_SIDE.filter((file) => !TABLES.includes(file.path)).flatMap((file) => {
				const max = isPorted(file) ? PORTED_FUNCTION_MAX : FUNCTION_MAX;
				return functions(file)
					.filter((f) => f.length > max)
					.map((f) => `${file.path}: ${f.name} has ${f.length} lines`);
			}),
		).toEqual([]);
	});

	it("a test is made with it(), never with test()", () => {
		const tests = ALL.filter((file) => file.path.startsWith("test/"));
		const imported = /import \{[^}]*\btest\b[^}]*\} from "vitest"/;
		expect(tests.filter((file) => imported.test(file.text)).map((file) => file.path)).toEqual([]);
		expect(tests.length).toBeGreaterThan(100);
	});
});

/** Top-level functions and methods, as the formatter indents them. */
function functions(file: Source): { name: string; length: number }[] {
	const found: { name: string; length: number }[] = [];
	for (const [i, line] of file.lines.entries()) {
		const match =
			/^(?:export )?function\*? (\w+)/.exec(line) ??
			/^\t(?:override |static |get |set )*#?(\w+)\(.*[{(]$/.exec(line);
		if (match === null || /^\t(if|for|while|switch|return)\b/.test(line)) continue;
		const indent = /^\t*/.exec(line)![0];
		const end = file.lines.findIndex((l, j) => j > i && l === `${indent}}`);
		if (end > 0) found.push({ name: match[1]!, length: end - i + 1 });
	}
	return found;
}

describe("sleeping", () => {
	const kernel = sources("kernel");
	const names = kernel.flatMap((file) =>
		[...file.text.matchAll(/^(?:export )?function\* (\w+)/gm)].map((match) => match[1]!),
	);
	/** Members of operation vectors that sleep, as their declarations say. */
	const members = kernel.flatMap((file) =>
		[...file.text.matchAll(/^\t(\w+)\??\([^;]*?\): Sleeps</gm)].map((match) => match[1]!),
	);
	const call = new RegExp(
		`(?<![\\w.*])(?:${names.join("|")})\\(|\\.(?:${members.join("|")})!?\\(`,
		"g",
	);

	it("a function that may sleep is called with yield*, or handed over to be driven", () => {
		const bare = kernel.flatMap((file) => {
			const text = withoutComments(file.text);
			return [...text.matchAll(call)].flatMap((match) => {
				const before = text.slice(Math.max(0, match.index - 120), match.index);
				if (isDriven(before) || isHandedOver(text, match.index)) return [];
				return [`${file.path}: ${match[0]}`];
			});
		});
		expect(names.length).toBeGreaterThan(30);
		expect(bare).toEqual([]);
	});

	/** A plain function returns it, and says so in its type: those who call it are looked at, too. */
	function isHandedOver(text: string, index: number): boolean {
		if (!/return $/.test(text.slice(0, index))) return false;
		const [, star, type] =
			[...text.slice(0, index).matchAll(/^(?:export )?function(\*?) [^{]*?\): ([^{]*) \{$/gm)].at(
				-1,
			) ?? [];
		return star === "" && type!.includes("Sleeps<");
	}

	/** What may stand before a call. A bare one compiles, and does nothing. */
	function isDriven(before: string): boolean {
		if (/yield\*\s+(?:(?:pagerops|VOP|FOP)\([^)]*\)|[\w.!]+)?$/.test(before)) return true;
		if (/function\* $/.test(before)) return true;
		if (/l_(?:kernel|call) = $/.test(before) || /kthread_create\([^;]*, $/.test(before))
			return true;
		if (/syscall_sleeping\([^;]*, $/.test(before)) return true;
		// System calls hand the rest of themselves to trap.ts, which drives it.
		return /\[SYS\.\w+\]: \([^)]*\) =>\s*-?$/.test(before);
	}
});
