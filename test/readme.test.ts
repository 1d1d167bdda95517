/** What the README shows is what happens. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { ROOT } from "./support/sources.ts";

const readme = readFileSync(`${ROOT}/README.md`, "utf8");

it("the example runs as it stands, and prints what its comments say", () => {
	const code = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
	const expected = [...code.matchAll(/console\.log\(.*\); \/\/ ([\w ]+)/g)].map((m) => m[1]!);
	const run = spawnSync(process.execPath, ["--input-type=module"], {
		cwd: ROOT,
		input: code,
		encoding: "utf8",
	});
	expect(run.stderr).toBe("");
	expect(run.stdout.trim().split("\n")).toEqual(expected);
	expect(expected.length).toBe(2);
});

it("npm start is the run that it shows", () => {
	const { scripts } = JSON.parse(readFileSync(`${ROOT}/package.json`, "utf8"));
	const args = /main\.js (.*)$/.exec(scripts.start)![1]!.split(" ");
	const run = spawnSync(process.execPath, ["dist/cli/main.js", ...args], {
		cwd: ROOT,
		encoding: "utf8",
	});
	expect(run.status).toBe(0);
	expect(readme).toContain(run.stdout);
});

it("names every option of boot", () => {
	const help = spawnSync(process.execPath, ["dist/cli/main.js", "boot", "--help"], {
		cwd: ROOT,
		encoding: "utf8",
	});
	const options = [...help.stdout.matchAll(/--([a-z-]+)/g)].map((m) => m[1]!);
	for (const option of new Set(options)) {
		if (option !== "help" && option !== "quiet") expect(readme).toContain(`--${option}`);
	}
});
