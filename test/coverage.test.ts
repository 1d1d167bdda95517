/**
 * `npm run coverage:guests`: what guests reach of the VM system. Of uvm_pager.ts, uvm_pagermap.ts
 * and the files of aobjs all, but what docs/port.md lists with a reason; of each other file nine in
 * ten. The guests run in a process of their own; two minutes.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, it } from "vitest";
import type { FileReach, Unreached } from "./coverage/unreached.ts";
import { unreachedRows } from "./support/port-table.ts";
import { ROOT } from "./support/sources.ts";

/** The files in which each branch that is not reached has its reason. */
const LISTED = [
	"kernel/uvm/uvm_pager.ts",
	"kernel/uvm/uvm_pagermap.ts",
	"kernel/uvm/uvm_aobj.ts",
	"kernel/uvm/uvm_aobj_slots.ts",
];

let files: FileReach[];

beforeAll(async () => {
	const directory = mkdtempSync(join(tmpdir(), "coverage-"));
	const out = join(directory, "reach.json");
	const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
	const args = [vitest, "run", "--config", "test/coverage/guests.config.ts"];
	try {
		await promisify(execFile)(process.execPath, args, {
			cwd: ROOT,
			env: { ...process.env, COVERAGE_OUT: out, COVERAGE_DIRECTORY: join(directory, "raw") },
			maxBuffer: 1 << 26,
		});
		files = JSON.parse(readFileSync(out, "utf8")) as FileReach[];
	} finally {
		rmSync(directory, { recursive: true });
	}
});

const cell = (text: string): string => text.replace(/^`|`$/g, "");
const key = (path: string, { function: name, code }: Unreached): string =>
	`${path.split("/").pop()} ${name}: ${code}`;

const listed = unreachedRows.map(
	({ cells: [file, name, code] }) => `${cell(file!)} ${cell(name!)}: ${cell(code!)}`,
);

it("what docs/port.md lists is not reached, and has a reason", () => {
	const found = files.flatMap(({ path, unreached }) => unreached.map((one) => key(path, one)));
	expect(listed.filter((one) => !found.includes(one))).toEqual([]);
	expect(unreachedRows.filter(({ cells }) => cells[3]!.length < 15)).toEqual([]);
});

it("all of the pager and of uvm_aobj.ts is reached, but what is listed", () => {
	const unlisted = files
		.filter(({ path }) => LISTED.includes(path))
		.flatMap(({ path, unreached }) => unreached.map((one) => key(path, one)))
		.filter((one) => !listed.includes(one));
	expect(unlisted).toEqual([]);
});

/** For machines that are broken on purpose; their tests break them (test/computer/fault). */
const FOR_FAULTS = ["uvm_hold", "uvm_memerror", "uvm_shadow"].map(
	(name) => `kernel/uvm/${name}.ts`,
);

it("nine in ten functions and branches of each file are reached, but for what is listed", () => {
	const low = files.flatMap(({ path, total, unreached }) => {
		if (FOR_FAULTS.includes(path)) return [];
		const missing = unreached.filter((one) => !listed.includes(key(path, one))).length;
		return missing > total / 10 ? [`${path}: ${total - missing} of ${total}`] : [];
	});
	expect(low).toEqual([]);
});
