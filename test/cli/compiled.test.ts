/** What V8 has made of the command line's files at build time. */
import { spawnSync } from "node:child_process";
import {
	cpSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	truncateSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { MAIN, uvmachine } from "../support/cli.ts";
import { ROOT } from "../support/sources.ts";

const KEPT = `${process.versions.v8}-${process.platform}-${process.arch}`;
const HASH = /state hash +(\w+)/;

/** Says on stderr what becomes of each file. */
const WATCH = `
import { writeSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import vm from "node:vm";
vm.Script = class extends vm.Script {
	constructor(source, options) {
		super(source, options);
		const { filename, cachedData } = options;
		const how = cachedData === undefined ? "none" : this.cachedDataRejected ? "refused" : "used";
		writeSync(2, "compiled " + how + " " + filename + "\\n");
	}
};
syncBuiltinESMExports();
`;

let copy: string;

beforeAll(() => {
	copy = mkdtempSync(join(tmpdir(), "compiled-"));
	cpSync(`${ROOT}/dist/cli`, join(copy, "dist/cli"), { recursive: true });
	cpSync(`${ROOT}/package.json`, join(copy, "package.json"));
	for (const name of ["node_modules", "workloads"]) symlinkSync(join(ROOT, name), join(copy, name));
});
afterAll(() => rmSync(copy, { recursive: true }));

function run(main: string, args: readonly string[]): { stdout: string; stderr: string } {
	const watch = `data:text/javascript,${encodeURIComponent(WATCH)}`;
	return spawnSync(process.execPath, ["--import", watch, main, ...args], {
		encoding: "utf8",
		env: { ...process.env, NODE_DISABLE_COMPILE_CACHE: "1" },
	});
}

/** What is said of the files. => the guest has run, and as always. */
function boot(main: string): string {
	const { stdout, stderr } = run(main, ["boot", "hello"]);
	expect(stdout).toBe("hello from user mode\n");
	expect(HASH.exec(stderr)![1]).toBe(HASH.exec(uvmachine(["boot", "hello"]).stderr)![1]);
	return stderr;
}

it("is there for all files of a short run, and V8 takes it", () => {
	const stderr = boot(MAIN);
	expect(stderr).toMatch(/compiled used .*system\.cjs/);
	expect(stderr).not.toMatch(/compiled (none|refused)/);
});

it("is refused when it is damaged, and changes nothing", () => {
	const folder = join(copy, "dist/cli/compiled", KEPT);
	for (const name of readdirSync(folder)) {
		const file = join(folder, name);
		truncateSync(file, readFileSync(file).length >> 1);
	}
	const stderr = boot(join(copy, "dist/cli/main.js"));
	expect(stderr).toMatch(/compiled refused .*system\.cjs/);
	expect(stderr).not.toMatch(/compiled used/);
});

it("is not needed", () => {
	rmSync(join(copy, "dist/cli/compiled"), { recursive: true });
	const stderr = boot(join(copy, "dist/cli/main.js"));
	expect(stderr).not.toMatch(/compiled/);
});

it.each(["--version", "--help"])("%s loads nothing of the machine", (option) => {
	const { stdout, stderr } = run(MAIN, [option]);
	expect(stdout).not.toBe("");
	expect(stderr).toMatch(/compiled used .*start\.cjs/);
	expect(stderr).not.toMatch(/system\.cjs/);
});
