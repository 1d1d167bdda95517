import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { run, workloads } from "./support.ts";

const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474_e551;
const PAGE_BYTES = 4096;

interface Segment {
	readonly type: number;
	readonly offset: number;
	readonly address: number;
	readonly size: number;
	readonly flags: string;
}

/** The program headers of a 32-bit little-endian ELF file (TIS ELF 1.2, figure 2-1). */
function segments(file: Buffer): Segment[] {
	const start = file.readUInt32LE(28);
	const entrySize = file.readUInt16LE(42);
	return Array.from({ length: file.readUInt16LE(44) }, (_, index) => {
		const header = file.subarray(start + index * entrySize);
		const flags = header.readUInt32LE(24);
		return {
			type: header.readUInt32LE(0),
			offset: header.readUInt32LE(4),
			address: header.readUInt32LE(8),
			size: header.readUInt32LE(20),
			flags: `${flags & 4 ? "R" : "-"}${flags & 2 ? "W" : "-"}${flags & 1 ? "X" : "-"}`,
		};
	});
}

/** Where a file NAME.c is the program NAME; those of sh/ are one program together. */
const sourceFolders = [".", "utils", "pico"];

it("a wrong option of build.sh is answered with the usage", () => {
	const outcome = run(join(workloads, "build.sh"), "--chekc");
	expect(outcome).toMatchObject({ code: 2, stdout: "" });
	expect(outcome.stderr).toMatch(/^usage: /);
});

it("every program has a source and every source a program", () => {
	const sources = sourceFolders
		.flatMap((folder) => readdirSync(join(workloads, folder)))
		.filter((name) => name.endsWith(".c") && name !== "stubs.c")
		.map((name) => name.replace(/\.c$/, ""));
	const programs = readdirSync(join(workloads, "bin"));
	expect(programs.sort()).toEqual([...sources, "sh"].sort());
});

describe.each(readdirSync(join(workloads, "bin")))("%s", (program) => {
	const file = readFileSync(join(workloads, "bin", program));
	const loaded = segments(file).filter((segment) => segment.type === PT_LOAD);

	it("starts at 0x10000, where its code is loaded", () => {
		expect(file.readUInt32LE(24)).toBe(0x10000);
		expect(loaded[0]?.address).toBe(0x10000);
	});

	it("keeps code, constants and data in pages of their own", () => {
		expect(loaded.map((segment) => segment.flags)).toEqual(["R-X", "R--", "RW-"]);
		let end = 0;
		for (const segment of loaded) {
			expect(segment.address % PAGE_BYTES).toBe(0);
			expect(segment.offset % PAGE_BYTES).toBe(0);
			expect(segment.address).toBeGreaterThanOrEqual(end);
			end = segment.address + segment.size;
		}
	});

	it("asks for a stack that cannot be executed", () => {
		const stack = segments(file).find((segment) => segment.type === PT_GNU_STACK);
		expect(stack?.flags).toBe("RW-");
	});
});
