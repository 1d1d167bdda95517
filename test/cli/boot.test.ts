/** The command line as a user sees it: exit codes, stdout and stderr, one line for a mistake. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode } from "fast-png";
import { afterAll, describe, expect, it } from "vitest";
import { uvmachine } from "../support/cli.ts";
import { workload } from "../support/workload.ts";

const dir = mkdtempSync(join(tmpdir(), "uvmachine-test-"));
afterAll(() => rmSync(dir, { recursive: true }));

function file(name: string, bytes: Uint8Array | string): string {
	const path = join(dir, name);
	writeFileSync(path, bytes);
	return path;
}

/** A change of one byte of an ELF file. */
function patched(offset: number, value: number): Uint8Array {
	const bytes = Uint8Array.from(workload("hello"));
	bytes[offset] = value;
	return bytes;
}

describe("boot", () => {
	it("gives the program's output on stdout and a summary on stderr", () => {
		const run = uvmachine(["boot", "hello", "one", "two"]);
		expect(run.status).toBe(0);
		expect(run.stdout).toBe("hello from user mode\nargument 1: one\nargument 2: two\n");
		expect(run.stderr).toMatch(/^uvmachine: hello exited with 0\n/);
		for (const row of ["faults", "page-ins", "pageouts", "TLB misses", "virtual time"]) {
			expect(run.stderr).toContain(row);
		}
	});

	it("runs the same way where node has no WebAssembly", () => {
		const args = ["boot", "hello", "--json", join(dir, "hash.json")];
		const hash = (): string => JSON.parse(readFileSync(join(dir, "hash.json"), "utf8")).stateHash;
		expect(uvmachine(args).status).toBe(0);
		const usual = hash();
		const run = uvmachine(args, "", ["--jitless"]);
		expect(run).toMatchObject({ status: 0, stdout: "hello from user mode\n" });
		expect(run.stderr.match(/no WebAssembly here: guest code is interpreted/g)).toHaveLength(1);
		expect(hash()).toBe(usual);
		const compiled = uvmachine([...args, "--engine", "jit"], "", ["--jitless"]);
		expect(compiled).toMatchObject({
			status: 2,
			stderr: expect.stringContaining("engine jit: this host has no WebAssembly\n"),
		});
	});

	it("runs the same way on every engine", () => {
		const path = join(dir, "engine.json");
		const runs = ["auto", "interp", "jit"].map((engine) => {
			const run = uvmachine(["boot", "sort", "1", "-q", "--engine", engine, "--json", path]);
			const { stateHash, instructions, cycles } = JSON.parse(readFileSync(path, "utf8"));
			return [run.status, run.stdout, stateHash, instructions, cycles];
		});
		expect(runs[0]![0]).toBe(0);
		expect(runs[1]).toEqual(runs[0]);
		expect(runs[2]).toEqual(runs[0]);
		expect(uvmachine(["boot", "hello", "--engine", "fast"])).toMatchObject({
			status: 2,
			stderr: expect.stringContaining("The engine is auto, interp or jit."),
		});
	});

	it("runs a file by its path", () => {
		const run = uvmachine(["boot", file("mine", workload("hello")), "-q"]);
		expect(run).toMatchObject({ status: 0, stdout: "hello from user mode\n", stderr: "" });
	});

	it("writes a report that says how to repeat the run", () => {
		const path = join(dir, "report.json");
		expect(uvmachine(["boot", "hello", "-q", "--ram", "4M", "--json", path]).status).toBe(0);
		const report = JSON.parse(readFileSync(path, "utf8"));
		expect(report).toMatchObject({
			exit: { kind: "exited", code: 0, signal: null },
			console: "hello from user mode\n",
			config: { program: "hello", ram: 4 << 20, seed: 1 },
		});
		const again = uvmachine(["boot", "hello", "-q", "--ram", "4M", "--json", "-"]);
		const [, json] = again.stdout.split("user mode\n");
		expect(JSON.parse(json!).stateHash).toBe(report.stateHash);
	});

	it("says on stderr where a program was killed, and exits with 1", () => {
		const run = uvmachine(["boot", "wild", "null"]);
		expect(run.status).toBe(1);
		expect(run.stderr).toMatch(/killed by SIGSEGV at pc 0x000\w+, address 0x00000000/);
	});

	it("exits with 1 if the program fails", () => {
		const run = uvmachine(["boot", "wild", "nonsense"]);
		expect(run.status).toBe(1);
		expect(run.stderr).toMatch(/exited with 2/);
	});

	it("exits with 1 and says so when swap is too small", () => {
		const run = uvmachine(["boot", "sort", "8", "--ram", "2M", "--swap", "2M"]);
		expect(run.status).toBe(1);
		expect(run.stderr).toMatch(/killed by SIGKILL: out of swap/);
	});

	it("exits with 4 at the cycle limit", () => {
		const run = uvmachine(["boot", "matmul", "64", "--max-cycles", "100000"]);
		expect(run.status).toBe(4);
		expect(run.stderr).toMatch(/stopped at the cycle limit/);
	});

	it("shows the latest events inside UVM", () => {
		const run = uvmachine(["boot", "hello", "-q", "--uvmhist", "-"]);
		expect(run.stderr).toMatch(/^\d+ lwp\d+ uvm_fault: va, pa, prot 0x/m);
	});

	it("saves what the frame buffer shows", () => {
		const path = join(dir, "screen.png");
		expect(uvmachine(["boot", "hello", "-q", "--screenshot", path]).status).toBe(0);
		const { width, height, channels, data } = decode(readFileSync(path));
		expect([width, height, channels]).toEqual([640, 480, 3]);
		expect(data.every((byte) => byte === 0)).toBe(true);
	});

	it("swaps on a raw image that is given twice the right size", () => {
		const disk = file("disk.img", new Uint8Array(1 << 20));
		expect(uvmachine(["boot", "hello", "-q", "--disk", disk]).status).toBe(0);
	});
});

describe("a mistake costs one line and exit code 2", () => {
	const cases: [string, string[], RegExp][] = [
		["no such program", ["boot", "nonsense"], /program nonsense: no such workload or file/],
		["a text file", ["boot", file("text", "hello\n")], /text: not an ELF file/],
		["an ELF file for x86", ["boot", file("x86", patched(18, 62))], /not a RISC-V ELF file/],
		["a 64-bit ELF file", ["boot", file("elf64", patched(4, 2))], /not a 32-bit ELF file/],
		[
			"a truncated ELF file",
			["boot", file("cut", workload("hello").subarray(0, 6000))],
			/cut: truncated segment/,
		],
		[
			"segments outside of the address space",
			["boot", file("far", patched(0x34 + 0x20 + 11, 0xf0))],
			/far: segment outside of the user address space/,
		],
		["too little RAM", ["boot", "hello", "--ram", "1K"], /1024 bytes/],
		["too much RAM", ["boot", "hello", "--ram", "5G"], /5368709120/],
		["a size that is none", ["boot", "hello", "--ram", "much"], /'much' is invalid/],
		["a timing that is none", ["boot", "hello", "--swap", "8M,floppy"], /'8M,floppy' is invalid/],
		["an unreadable disk image", ["boot", "hello", "--disk", join(dir, "no")], /no: no such file/],
		["a device for a disk image", ["boot", "hello", "--disk", "/dev/null"], /not a regular file/],
		[
			"a disk image that is not whole sectors",
			["boot", "hello", "--disk", file("odd", new Uint8Array(513))],
			/odd: its size, 513 bytes, is not a positive multiple of 512/,
		],
		[
			"a disk image in a file",
			["boot", "hello", "--disk", join(file("outer", new Uint8Array(512)), "inner")],
			/inner: cannot be opened \(ENOTDIR\)/,
		],
		[
			"a disk image of a bare machine that is empty",
			["run", file("image", new Uint8Array(4)), "--disk", file("empty", new Uint8Array(0))],
			/empty: its size, 0 bytes, is not a positive multiple of 512/,
		],
		[
			"a folder for the disk of a bare machine",
			["run", file("image", new Uint8Array(4)), "--disk", dir],
			/not a regular file/,
		],
		[
			"more disks than there is room for",
			["boot", "hello", ...Array(8).fill("--swap=1M")],
			/disks: 9/,
		],
		[
			"a picture that cannot be written",
			["boot", "hello", "-q", "--screenshot", dir],
			/cannot be written/,
		],
		[
			"a report that cannot be written",
			["boot", "hello", "-q", "--json", dir],
			/cannot be written/,
		],
		["a TLB of an impossible shape", ["boot", "hello", "--tlb", "100"], /TLB entries 100/],
		["an unknown option", ["boot", "hello", "--fast"], /unknown option '--fast'; did you mean/],
		["an unknown command", ["fly"], /unknown command 'fly'/],
		[
			"an unknown benchmark",
			["bench", "nonsense"],
			/bench nonsense: no such benchmark, experiment or file/,
		],
		["no program", ["boot"], /no program and no --restore FILE/],
	];

	it.each(cases)("%s", (_, args, message) => {
		const run = uvmachine(args);
		expect(run.status).toBe(2);
		expect(run.stderr).toMatch(message);
		expect(run.stderr.trimEnd().split("\n")).toHaveLength(1);
		expect(run.stderr).toMatch(/^uvmachine: /);
	});
});
