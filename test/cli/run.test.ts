/** `uvmachine run` and `uvmachine disasm` as a user sees them. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { assemble } from "../isa/assembler.ts";
import { MAIN, uvmachine } from "../support/cli.ts";
import { consoleGuest } from "../support/console-guest.ts";
import { CHILD_LIMIT_MS } from "../support/limits.ts";
import { stormGuest } from "../support/storm-guest.ts";

const dir = mkdtempSync(join(tmpdir(), "uvmachine-test-"));
afterAll(() => rmSync(dir, { recursive: true }));

const RAM = 0x8000_0000;
const BOARD = "workloads/bare/bin/board";

function file(name: string, bytes: Uint8Array): string {
	const path = join(dir, name);
	writeFileSync(path, bytes);
	return path;
}

/** A raw image; `base` is where it is to run. */
const image = (name: string, source: string, base = RAM): string =>
	file(name, assemble(source, base).bytes);

const BIG = file("big", new Uint8Array(40_000));

/** Prints a0 to the serial port, then ends with the power device's command in a1. */
const END = `
	lui t0, 0x10000
	sb a0, 0(t0)
	lui t0, 0x100
	sw a1, 0(t0)
wait:	j wait`;

const PASS = "li a1, 0x5555";
/** Copies input to output by polling, until a "." comes. */
const POLL = `
	lui s0, 0x10000
next:	lbu t1, 5(s0)
	andi t1, t1, 1
	beq t1, x0, next
	lbu a0, 0(s0)
	li t2, 46
	beq a0, t2, out
	sb a0, 0(s0)
	j next
out:	${PASS}
	${END}`;

describe("run", () => {
	it("interprets where node has no WebAssembly, and says so once", () => {
		const path = image("jitless", `li a0, 33\n${PASS}\n${END}`);
		for (const [engine, said] of [
			["auto", 1],
			["interp", 0],
		] as const) {
			const run = uvmachine(["run", path, "--engine", engine], "", ["--jitless"]);
			expect(run).toMatchObject({ status: 0, stdout: "!" });
			expect(
				run.stderr.match(/no WebAssembly here: guest code is interpreted/g) ?? [],
			).toHaveLength(said);
		}
	});

	it("a script from a pipe reaches a guest that spins, at the same cycles each time", () => {
		const path = file("spin", consoleGuest("spin"));
		const [first, second] = [1, 2].map(() =>
			uvmachine(["run", path, "--ram", "1M"], "one\ntwo\nthree\nq\n"),
		);
		expect([first!.status, first!.stdout]).toEqual([0, ">one\ntwo\nthree\n"]);
		const hash = (text: string): string => /state hash +(\w+)/.exec(text)![1]!;
		expect(hash(second!.stderr)).toBe(hash(first!.stderr));
	});

	it("says of a guest that drowns in interrupts that it does", () => {
		const path = file("storm", stormGuest());
		const run = uvmachine([
			"run",
			path,
			"--ram",
			"1M",
			"--plic",
			"level",
			"--max-cycles",
			"2000000",
		]);
		expect(run.status).toBe(4);
		expect(run.stderr).toMatch(/stopped at the cycle limit at pc 0x800000\w\w\n/);
		expect(run.stderr).toMatch(/last output {2}at 0\.00\d+ s, [\d,]+ instructions ago\n/);
		expect(run.stderr).toMatch(
			/since then {3}([\d,]+) traps: machine external interrupt, one every 6 instruct/,
		);
		expect(run.stderr).toMatch(/ ([\d,]+) traps: .*; \1 claimed from uart\n/);
		expect(run.stderr).toMatch(
			/interrupts {3}[\d,]+ machine external\n {2}PLIC claims {2}[\d,]+ uart/,
		);
		expect(run.stderr).toMatch(/exceptions {3}2 illegal instruction, 3 ecall from M-mode\n/);
	});

	it("and of one in an empty loop, too", () => {
		const path = image("loop", "wait: j wait");
		const run = uvmachine(["run", path, "--ram", "1M", "--max-cycles", "1000000"]);
		expect(run.stderr).toContain("stopped at the cycle limit, in an empty loop at pc 0x80000000\n");
		expect(run.stderr).toContain("last output  none\n");
		expect(run.stderr).not.toMatch(/interrupts|exceptions|since then/);
	});

	it("starts a raw image at the start of RAM, with hart and device tree in a0 and a1", () => {
		const source = `addi a0, a0, 65
			lw t0, 0(a1)
			li t1, 0xedfe0dd0
			beq t0, t1, good
			li a0, 63
		good:	${PASS}
			${END}`;
		const run = uvmachine(["run", image("raw", source)]);
		expect(run).toMatchObject({ status: 0, stdout: "A" });
		expect(run.stderr).toMatch(/^uvmachine: .*raw exited with 0\n {2}virtual time/);
	});

	it("an image in the boot ROM is its own reset vector", () => {
		const source = `auipc a0, 0
			srli a0, a0, 12
			addi a0, a0, 48
			${PASS}
			${END}`;
		const path = image("rom", source, 0x1000);
		const run = uvmachine(["run", path, "--load-address", "0x1000", "-q"]);
		expect(run).toMatchObject({ status: 0, stdout: "1", stderr: "" });
	});

	it("with --sbi, an image starts in S-mode 4 MiB above, and can make SBI calls", () => {
		const source = `auipc s0, 0
			srli s0, s0, 22
			andi s0, s0, 1
			addi a0, s0, 48
			li a7, 1
			ecall
			li a7, 0x53525354
			li a6, 0
			li a0, 0
			li a1, 0
			ecall
		wait:	j wait`;
		const run = uvmachine(["run", image("smode", source, RAM + 0x40_0000), "--sbi", "-q"]);
		expect(run).toMatchObject({ status: 0, stdout: "1", stderr: "" });
	});

	it("the code of a failure is in the report, and the exit code is 1", () => {
		const source = `li a0, 70
			li a1, 0x2a3333
			${END}`;
		const run = uvmachine(["run", image("fail", source), "--json", "-", "-q"]);
		expect(run.status).toBe(1);
		const report = JSON.parse(run.stdout.slice(run.stdout.indexOf("{")));
		expect(report).toMatchObject({ exit: { kind: "exited", code: 42 }, console: "F" });
		expect(report.config).toMatchObject({ sbi: false, virtio: "legacy", misaligned: "handle" });
	});

	it("a reset restarts the machine and keeps its memory", () => {
		const source = `lui s0, 0x80010
			lw s1, 0(s0)
			addi s1, s1, 1
			sw s1, 0(s0)
			addi a0, s1, 48
			${PASS}
			li t0, 3
			beq s1, t0, last
			li a1, 0x7777
		last:	${END}`;
		const run = uvmachine(["run", image("reset", source), "-q"]);
		expect(run).toMatchObject({ status: 0, stdout: "123", stderr: "" });
	});

	it("input of any length reaches a guest that polls", () => {
		const text = "0123456789abcdef".repeat(20);
		const run = uvmachine(["run", image("poll", POLL), "-q"], `${text}.never read`);
		expect(run).toMatchObject({ status: 0, stdout: `${text}.`, stderr: "" });
	});

	it.each([
		["waits for ever", "csrrw x0, mie, x0\nloop: wfi\nj loop", /waits for ever at pc 0x8000000/],
		["traps for ever", "csrrw x0, mtvec, x0\n.word 0", /traps for ever at pc 0x00000000/],
	])("a guest that %s is no progress", (_, source, message) => {
		const run = uvmachine(["run", image("stuck", source)]);
		expect(run.status).toBe(4);
		expect(run.stderr).toMatch(message);
	});

	it("stops at the limit", () => {
		const run = uvmachine(["run", image("loop", "loop: j loop"), "--max-cycles", "100000"]);
		expect(run.status).toBe(4);
		expect(run.stderr).toMatch(/stopped at the cycle limit, in an empty loop.*\n.*100,000 cycles/);
	});

	it("ends with one line if its output is closed", () => {
		const flood = image(
			"flood",
			`
	lui s0, 0x10000
next:	sb s0, 0(s0)
	j next`,
		);
		const command = `"${process.execPath}" "${MAIN}" run -q "${flood}" | head -c 1`;
		const { stderr, signal } = spawnSync("sh", ["-c", command], {
			encoding: "utf8",
			timeout: CHILD_LIMIT_MS,
		});
		expect(signal).toBe(null);
		expect(stderr).toBe("uvmachine: output: cannot be written (EPIPE)\n");
	});

	it("refuses to write to a file that it reads, or to a file twice", () => {
		const program = image("pass", `${PASS}${END}`);
		const disk = file("disk", new Uint8Array(4096).fill(7));
		const refused = (args: string[], why: string): void => {
			const { status, stderr } = uvmachine(["run", "-q", program, ...args]);
			expect(stderr).toBe(`uvmachine: ${why}\n`);
			expect(status).toBe(2);
		};
		refused(["--disk", disk, "--save", disk], `--save ${disk}: is also the file of --disk`);
		refused(
			["--disk", `${disk},ro`, "--trace", disk],
			`--trace ${disk}: is also the file of --disk`,
		);
		refused(["--json", program], `--json ${program}: is also the file of image`);
		const out = join(dir, "out");
		refused(["--json", out, "--save", out], `--save ${out}: is also the file of --json`);
		refused(["--save", dir], `--save ${dir}: not a file`);
		refused(["--save", "/dev/null"], "--save /dev/null: not a file");
		expect([...readFileSync(disk)]).toEqual(Array(4096).fill(7));
		expect(existsSync(out)).toBe(false);
		expect(uvmachine(["run", "-q", program, "--save", out]).status).toBe(0);
		expect(uvmachine(["run", "-q", "--restore", out, "--save", out]).status).toBe(0);
	});

	it("writes the device tree", () => {
		const path = join(dir, "tree");
		expect(uvmachine(["run", image("x", "nop"), "--dump-dtb", path]).status).toBe(0);
		expect(readFileSync(path).readUInt32BE(0)).toBe(0xd00d_feed);
	});

	it.each([
		[["run", "/nonexistent"], "image /nonexistent: no such file"],
		[["run", "/dev/zero"], "image /dev/zero: not a file"],
		[["run", BOARD, "--ram", "1K"], "RAM size 1024: must be"],
		[["run", BOARD, "--disk", "/nonexistent"], "disk /nonexistent: no such file"],
		[["run", BOARD, "--dtb", BOARD], "dtb: the file is not a device tree"],
		[["run", BOARD, "--bios", BOARD, "--sbi"], "sbi: there is a bios already"],
		[["run", BOARD, "--load-address", "x"], "An address has at most 32 bits"],
		[["run", BOARD, "--tlb", "3"], "TLB entries 3"],
		[["run", BOARD, "--virtio", "old"], "legacy or modern"],
		[["run", BOARD, "--misaligned", "maybe"], "The policy is handle or trap"],
		[["run"], "no image and no --restore FILE"],
		[["run", "workloads/bin/hello"], "is not in RAM"],
		[["run", BOARD, "--trace", "/nonexistent/x"], "/nonexistent/x: cannot be written"],
		[["run", BOARD, "--initrd", BIG, "--ram", "64K"], "is taken by"],
		[["disasm", "/nonexistent"], "file /nonexistent: no such file"],
	])("%j is answered in one line", (args, message) => {
		const run = uvmachine(args);
		expect(run.status).toBe(2);
		expect(run.stdout).toBe("");
		expect(run.stderr).toMatch(/^uvmachine: [^\n]*\n$/);
		expect(run.stderr).toContain(message);
	});
});

describe("disasm", () => {
	it("lists a raw file from its address on", () => {
		const path = image("code", "addi a0, a0, 4\nj 0x2000\n", 0x2000);
		const run = uvmachine(["disasm", path, "--address", "0x2000"]);
		expect(run.stdout).toBe(
			"00002000:  00450513  addi a0,a0,4\n00002004:  ffdff06f  jal zero,0x2000\n",
		);
	});

	it("lists the executable parts of an ELF file", () => {
		const run = uvmachine(["disasm", BOARD]);
		expect(run.status).toBe(0);
		expect(run.stdout).toMatch(/^80000000: {2}[0-9a-f]{8} {2}auipc sp,/);
		expect(run.stdout).toContain("  mret\n");
	});
});
