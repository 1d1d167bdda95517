/** What the README shows is what happens. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { uvmachine } from "./support/cli.ts";
import { ROOT } from "./support/sources.ts";

const readme = readFileSync(`${ROOT}/README.md`, "utf8");

it("npm start is the run that it shows", () => {
	const { scripts } = JSON.parse(readFileSync(`${ROOT}/package.json`, "utf8"));
	const args = /main\.js (.*)$/.exec(scripts.start)![1]!.split(" ");
	const run = uvmachine(args);
	expect(run.status).toBe(0);
	expect(readme).toContain(run.stdout);
});

const help = (...args: string[]): string => uvmachine([...args, "--help"]).stdout;

it("shows every command", () => {
	const commands = [...help().matchAll(/^ {2}([a-z]+) \[/gm)].map((match) => match[1]!);
	expect(commands.length).toBeGreaterThan(3);
	for (const command of commands) {
		if (command !== "help") expect(readme).toContain(`\nuvmachine ${command} `);
	}
});

it.each(["boot", "run"])("names every option of %s", (command) => {
	const options = [...help(command).matchAll(/--([a-z-]+)/g)].map((match) => match[1]!);
	expect(options.length).toBeGreaterThan(10);
	for (const option of new Set(options)) {
		if (option !== "help" && option !== "quiet") expect(readme).toContain(`--${option}`);
	}
});

it("says of every folder and file of sources what it is", () => {
	const table = /## Inside\n([\s\S]*?)\n\n[^|\n]/.exec(readme)![1]!;
	const places = readdirSync(ROOT, { withFileTypes: true }).flatMap((entry) => {
		const { name } = entry;
		if (!entry.isDirectory()) return name.endsWith(".ts") && !/config/.test(name) ? [name] : [];
		return /^(\.|node_modules$|dist$|docs$|coverage$)/.test(name) ? [] : [`${name}/`];
	});
	expect(places).toContain("computer/");
	expect(places.filter((place) => !table.includes(`\`${place}\``))).toEqual([]);
});

it("what a library user may import is built and has types", () => {
	const { exports } = JSON.parse(readFileSync(`${ROOT}/package.json`, "utf8"));
	const files = Object.values<Record<string, string>>(exports).flatMap((e) => Object.values(e));
	expect(files.length).toBeGreaterThan(1);
	expect(files.filter((file) => !existsSync(`${ROOT}/${file}`))).toEqual([]);
});
