/**
 * docs/port.md: the tests that a row names call the functions that it names. V8 counts the calls
 * while those tests run once more, in a process of their own; half a minute.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, it } from "vitest";
import {
	groups,
	here,
	isAbsent,
	offences,
	type Row,
	rows,
	source,
	tests,
} from "./support/port-table.ts";
import { ROOT, withoutComments } from "./support/sources.ts";

/** Random sequences, sweeps and whole programs take too long while calls are counted. */
const DEAR = /fuzz\.test\.ts$|sweep\.test\.ts$|^system\//;

/** Each test that ran: its file in test/, its titles, and the functions that it has called. */
interface Ran {
	readonly file: string;
	readonly name: string;
	readonly calls: ReadonlySet<string>;
}

interface Citation {
	readonly file: string;
	readonly title: string;
}

const citations = (row: Row): Citation[] =>
	groups(tests(row)).flatMap(({ file, names }) =>
		DEAR.test(file) ? [] : names.map((title) => ({ file, title })),
	);

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
/** A part of a title; what a table fills in may be anything. */
const pattern = (title: string): string => escaped(title).replace(/%[a-z]|\\\$\w+/g, ".*");

/** "file function" for each function that a row names; types and constants do not count. */
const functions = (row: Row): string[] =>
	groups(here(row)).flatMap(({ file, names }) => {
		const { path, text } = source(file)!;
		const code = withoutComments(text);
		return names
			.filter((name) =>
				new RegExp(`^(?:export )?(?:function\\*? ${name}\\b|const ${name} =[^;]*=>)`, "m").test(
					code,
				),
			)
			.map((name) => `${path} ${name}`);
	});

const present = rows.filter((row) => !isAbsent(row));
let ran: Ran[];

beforeAll(async () => {
	const directory = mkdtempSync(join(tmpdir(), "calls-"));
	const out = join(directory, "calls");
	const cited = present.flatMap(citations);
	const files = [...new Set(cited.map(({ file }) => `test/${file}`))];
	const titles = [...new Set(cited.map(({ title }) => pattern(title)))];
	const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
	const config = "test/support/calls.config.ts";
	const args = [vitest, "run", "--config", config, "-t", titles.join("|"), ...files];
	try {
		await promisify(execFile)(process.execPath, args, {
			cwd: ROOT,
			env: { ...process.env, CALLS_OUT: out },
			maxBuffer: 1 << 26,
		});
		ran = readFileSync(out, "utf8")
			.trim()
			.split("\n")
			.map((line) => JSON.parse(line) as { file: string; name: string; calls: string[] })
			.map(({ file, name, calls }) => ({ file, name, calls: new Set(calls) }));
	} finally {
		rmSync(directory, { recursive: true });
	}
});

const citedBy = ({ file, title }: Citation): Ran[] =>
	ran.filter((test) => test.file === file && new RegExp(pattern(title)).test(test.name));

it("every function of a row is called by a test of the row", () => {
	const wrong = offences((row) => {
		if (isAbsent(row)) return [];
		const own = citations(row).flatMap(citedBy);
		return functions(row)
			.filter((name) => !own.some(({ calls }) => calls.has(name)))
			.map((name) => `no test of this row calls ${name}`);
	});
	expect(wrong).toEqual([]);
});

it("every test of a row calls a function of the row", () => {
	const wrong = offences((row) => {
		if (isAbsent(row)) return [];
		const names = functions(row);
		if (names.length === 0) return [];
		return citations(row)
			.filter((cited) => !citedBy(cited).some(({ calls }) => names.some((name) => calls.has(name))))
			.map(({ title }) => `"${title}" calls nothing that this row names`);
	});
	expect(wrong).toEqual([]);
});
