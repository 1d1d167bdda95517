/** `uvmachine bench trace`, as users run it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { uvmachine } from "../support/cli.ts";

const folder = mkdtempSync(join(tmpdir(), "uvm-trace-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, contents: string | Uint8Array): string => {
	const path = join(folder, name);
	writeFileSync(path, contents);
	return path;
};

const round = (letter: string): string =>
	Array.from({ length: 400 }, (_, page) => ` ${letter} ${(page * 4096).toString(16)},4\n`).join("");
const TRACE = round("S") + round("L");

describe("a trace", () => {
	it("prints its misses beside LRU's and the optimum's", () => {
		const path = file("loop", TRACE);
		const { status, stdout, stderr } = uvmachine(["bench", "trace", path, "--frames", "200"]);
		expect([status, stderr]).toEqual([0, ""]);
		const lines = stdout.split("\n");
		expect(lines[0]).toBe(`${path}: 800 references to 400 pages, 200 frames`);
		expect(lines[3]).toMatch(/^uvmachine +[\d,]+ +[\d,]+ +1\.\d+$/);
		expect(lines[4]).toMatch(/^LRU +800 +400 +\d\.\d+$/);
		expect(lines[5]).toMatch(/^optimum +600 +200 +1\.000$/);
		expect(stdout).toMatch(/^faults +[\d,]+$/m);
	});

	it("is the same in a file, compressed, and on standard input", () => {
		const of = (args: readonly string[], input = ""): object => {
			const run = uvmachine(["bench", "trace", ...args, "--ram", "1M", "--json", "-"], input);
			expect([run.status, run.stderr]).toEqual([0, ""]);
			return { ...JSON.parse(run.stdout), hostMs: 0, trace: "" };
		};
		const plain = of([file("plain", TRACE)]);
		expect(plain).toMatchObject({ references: 800, distinct: 400, counts: { instructions: 800 } });
		expect(of([file("packed.gz", gzipSync(TRACE))])).toEqual(plain);
		expect(of(["-"], TRACE)).toEqual(plain);
	});

	it("is paged for by a policy", () => {
		const of = (...policy: string[]): { counts: Record<string, number> } => {
			const args = ["bench", "trace", file("loop", TRACE), "--ram", "1M", "--json", "-", ...policy];
			return JSON.parse(uvmachine(args).stdout);
		};
		const random = of("--policy", "replacement=random");
		expect(random.counts.pgswapin).not.toBe(of().counts.pgswapin);
		expect(of("--policy", "clusterPages=1").counts.writes).toBeGreaterThan(of().counts.writes!);
	});

	it("needs no optimum", () => {
		const path = file("loop", TRACE);
		const { stdout } = uvmachine(["bench", "trace", path, "--ram", "1M", "--no-optimum"]);
		expect(stdout).toMatch(/^LRU +800 +400$/m);
		expect(stdout).not.toContain("optimum");
	});
});

describe("a mistake is one line", () => {
	const wrong = file("wrong", "L 1000\nL 100g\n");
	it.each([
		[["nothing"], "trace nothing: no such file"],
		[["/dev/null"], "trace /dev/null: has no references"],
		[[wrong], `${wrong}:2: expected a reference such as "L 1ffe8,8" or "W 0x1ffe8", but found`],
		[[wrong, "--frames", "5"], "frames 5: expected at least"],
		[[wrong, "--ram", "1M", "--frames", "300"], "option '--frames <n>' cannot be used with"],
		[[wrong, "--advice", "bad"], "option '--advice <advice>' argument 'bad' is invalid"],
		[[file("many", TRACE), "--ram", "1M", "--swap", "512K"], "out of swap"],
	])("%j", (args, message) => {
		const { status, stderr } = uvmachine(["bench", "trace", ...args]);
		expect(status).toBe(2);
		expect(stderr).toMatch(/^uvmachine: [^\n]*\n$/);
		expect(stderr).toContain(message);
	});
});
