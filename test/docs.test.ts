/** What the documentation shows is what happens. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { uvmachine } from "./support/cli.ts";
import { ROOT } from "./support/sources.ts";

const COMMANDS = ["boot", "run", "disasm", "bench", "inject", "work"];
/** Commands of a command. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
	bench: ["trace", "compare"],
	inject: ["merge", "report", "replay", "minimise"],
};

const folders = (place: string): string[] =>
	readdirSync(join(ROOT, place), { withFileTypes: true })
		.filter((entry) => entry.isDirectory() && !/^(\.|node_modules$|dist$|bin$)/.test(entry.name))
		.map((entry) => join(place, entry.name));

/** Those on top, and those of folders. */
const pages = ["", ...folders("")].flatMap((folder) =>
	readdirSync(join(ROOT, folder))
		.filter((name) => name.endsWith(".md"))
		.map((name) => join(folder, name)),
);
const text = (page: string): string => readFileSync(join(ROOT, page), "utf8");

const help = (command: string): string =>
	[[], ...(PARTS[command] ?? []).map((part) => [part])]
		.map((part) => uvmachine([command, ...part, "--help"]).stdout)
		.join("");
const options = new Map(
	COMMANDS.map((command) => [
		command,
		new Set([...help(command).matchAll(/^\s+(?:-\w, )?(--[a-z-]+)/gm)].map((match) => match[1]!)),
	]),
);

const examples = pages.flatMap((page) =>
	[...text(page).matchAll(/```ts\n([\s\S]*?)```/g)].map((match, i) => ({
		name: `${page}, example ${i + 1}`,
		code: match[1]!,
	})),
);

it("finds pages, options and examples", () => {
	expect(pages).toContain("docs/gdb.md");
	expect(pages.length).toBeGreaterThan(15);
	for (const command of COMMANDS) expect(options.get(command)!.size).toBeGreaterThan(1);
	expect(examples.length).toBeGreaterThan(4);
});

describe("an example runs as it stands, and prints what its comments say", () => {
	it.each(examples)("$name", ({ code }) => {
		const expected = [...code.matchAll(/console\.log\(.*\); \/\/ ([\w ]+)/g)].map((m) => m[1]!);
		const run = spawnSync(process.execPath, ["--input-type=module"], {
			cwd: ROOT,
			input: code,
			encoding: "utf8",
		});
		expect(run.stderr).toBe("");
		expect(run.stdout.trim().split("\n")).toEqual(expected);
		expect(expected.length).toBeGreaterThan(0);
	});
});

it("examples compile with every strict check", () => {
	const dir = mkdtempSync(join(ROOT, "node_modules", ".examples-"));
	try {
		for (const [i, { code }] of examples.entries()) {
			writeFileSync(join(dir, `example-${i}.ts`), code);
		}
		const flags = "--strict --noEmit --skipLibCheck --noUncheckedIndexedAccess --types node";
		const modules = "--module nodenext --target es2023 --exactOptionalPropertyTypes";
		const files = examples.map((_, i) => `example-${i}.ts`);
		const args = [...flags.split(" "), ...modules.split(" "), "--ignoreConfig", ...files];
		const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
		const run = spawnSync(process.execPath, [tsc, ...args], { cwd: dir, encoding: "utf8" });
		expect(run.stdout).toBe("");
		expect(run.status).toBe(0);
	} finally {
		rmSync(dir, { recursive: true });
	}
});

describe("options", () => {
	/** Without the lines that show other programs. */
	const own = (page: string): string =>
		text(page).replace(/^.*(gcc|valgrind|qemu-|npm |build\.sh|objcopy|SBATCH).*$/gm, "");

	it("that are named exist", () => {
		const all = new Set([...options.values()].flatMap((known) => [...known]));
		const named = pages.flatMap((page) =>
			[...own(page).matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([option]) => ({ page, option })),
		);
		expect(named.length).toBeGreaterThan(50);
		expect(named.filter(({ option }) => !all.has(option))).toEqual([]);
	});

	it("that are given to a command are its own", () => {
		const lines = pages.flatMap((page) => [
			...own(page).matchAll(/uvmachine (boot|run|disasm|bench)( [^\n`|#]*)/g),
		]);
		const wrong = lines.flatMap(([line, command, rest]) =>
			[...rest!.matchAll(/ (--[a-z-]+)/g)].some(([, name]) => !options.get(command!)!.has(name!))
				? [line]
				: [],
		);
		expect(lines.length).toBeGreaterThan(20);
		expect(wrong).toEqual([]);
	});
});

it("links lead to files that are there", () => {
	const broken = pages.flatMap((page) =>
		[...text(page).matchAll(/\]\((?!https?:)([^)#\s]+)\)/g)]
			.map((match) => match[1]!)
			.filter((target) => !existsSync(join(ROOT, dirname(page), target)))
			.map((target) => `${page}: ${target}`),
	);
	expect(broken).toEqual([]);
});

it("npm scripts that are named exist", () => {
	const { scripts } = JSON.parse(text("package.json"));
	const named = pages.flatMap((page) =>
		[...text(page).matchAll(/npm run ([a-z:-]+)/g)].map((match) => match[1]!),
	);
	expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
});

it("every folder of sources says what lives in it", () => {
	const places = folders("").filter((folder) => folder !== "docs");
	expect(places.filter((folder) => !existsSync(join(ROOT, folder, "README.md")))).toEqual([]);
});
