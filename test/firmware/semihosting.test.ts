/** Semihosting calls of bare programs; one is built with picolibc, and runs on QEMU as well. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import { restoreBare, saveBare } from "../../computer/snapshot/bare-snapshot.ts";
import { assemble } from "../isa/assembler.ts";
import { CHILD_LIMIT_MS } from "../support/limits.ts";

const RAM = 0x8000_0000;
const CALL = "slli zero, zero, 31\n ebreak\n srai zero, zero, 7";

/** Call `operation`, and add its result to the list at s1. */
const call = (operation: number, parameter: string): string => `
	li a0, ${operation}
	${parameter}
	${CALL}
	sw a0, 0(s1)
	addi s1, s1, 4`;

function bare(source: string, semihosting = true): Bare {
	const text = `
		la s1, results
		la s2, block
		${source}
	block:	.word 0
		.word 0
		.word 0
		.word 0
	results: .word 0`;
	const image = assemble(text, RAM).bytes;
	return new Bare({ image, ram: 1 << 20, semihosting, bootargs: "one two" });
}

const EXIT = `
	li t0, 0x20026
	sw t0, 0(s2)
	li t0, 9
	sw t0, 4(s2)
	li a0, 0x20
	mv a1, s2
	${CALL}`;

/** SYS_OPEN of `name`. */
const open = (length: number, mode: number): string => `
	la t0, name
	sw t0, 0(s2)
	li t0, ${mode}
	sw t0, 4(s2)
	li t0, ${length}
	sw t0, 8(s2)
	${call(1, "mv a1, s2")}`;

describe("calls", () => {
	it("print, read, tell the time, and exit with a code", () => {
		const machine = bare(`
			${call(3, "la a1, name")}
			${call(4, "la a1, name")}
			${call(7, "")}
			${call(0x31, "")}
			${call(0x10, "")}
			${call(0x99, "")}
			${call(0x13, "")}
			${EXIT}
		name:	.word 0x00217448`);
		expect([machine.run(), machine.spins]).toEqual(["input", false]);
		const waiting = restoreBare(saveBare(machine));
		for (const one of [machine, waiting]) {
			one.input(Uint8Array.of(65));
			expect(one.run()).toBe("ended");
			expect(one.exit).toMatchObject({ kind: "exited", code: 9 });
			const [at] = [(one.machine.hart.x[9]! >>> 0) - 7 * 4 - RAM];
			const results = [...new Int32Array(one.machine.memory.ram8.slice(at, at + 28).buffer)];
			expect(results).toEqual([0, 0, 65, 1e9, 0, -1, 38]);
		}
		expect(machine.report(0).console).toBe("HHt!");
	});

	it("for a byte tell the end of the input once, and then wait for ever", () => {
		const machine = bare(`
		next:	li a0, 7
			${CALL}
			sw a0, 0(s1)
			addi s1, s1, 4
			j next`);
		expect(machine.run()).toBe("input");
		machine.input(Uint8Array.of(65));
		expect(machine.run()).toBe("input");
		machine.inputEnd();
		expect(machine.run(machine.machine.clock.cycles + 5)).toBe("running");
		for (const one of [restoreBare(saveBare(machine)), machine]) {
			expect(one.run(1e8)).toBe("ended");
			expect(one.exit).toMatchObject({ kind: "idle", code: 0 });
			const at = (one.machine.hart.x[9]! >>> 0) - 2 * 4 - RAM;
			const results = [...new Int32Array(one.machine.memory.ram8.slice(at, at + 8).buffer)];
			expect(results).toEqual([65, -1]);
		}
	});

	it("open the console, and no file of the host", () => {
		const machine = bare(`
			${open(3, 0)}
			${open(3, 4)}
			${open(4, 0)}
			${call(0x13, "")}
			${EXIT}
		name:	.word 0x0074743a`);
		machine.run();
		const at = (machine.machine.hart.x[9]! >>> 0) - 4 * 4 - RAM;
		const results = [...new Int32Array(machine.machine.memory.ram8.slice(at, at + 16).buffer)];
		expect(results).toEqual([1, 2, -1, 2]);
	});

	it("are breakpoints without the option, and without the marks around them", () => {
		const [on, off] = [true, false].map((option) => bare(`ebreak\n${EXIT}`, option));
		for (const one of [on!, off!]) {
			one.machine.hart.state.mtvec = 0;
			one.run(10_000);
			expect(one.exit.kind).not.toBe("exited");
		}
	});
});

const PROGRAM = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
	char line[64];
	char *p = malloc(10000);
	memset(p, 3, 10000);
	printf("hello %d, heap %d\\n", 42, p[9999]);
	for (int i = 0; i < WITH_INPUT; i++)
		printf("got %s", fgets(line, sizeof line, stdin));
	return 7;
}
`;

const GCC = "riscv64-unknown-elf-gcc";
const FLAGS = [
	...["-O2", "-march=rv32imac", "-mabi=ilp32", "--specs=picolibc.specs", "--oslib=semihost"],
	...["--crt0=hosted", "-Wl,--defsym=__flash=0x80000000,--defsym=__flash_size=0x100000"],
	"-Wl,--defsym=__ram=0x80100000,--defsym=__ram_size=0x200000",
];

const dir = mkdtempSync(join(tmpdir(), "uvmachine-test-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** => the path of the program, or null where it cannot be built. */
function build(withInput: number): string | null {
	const path = join(dir, `program${withInput}`);
	writeFileSync(`${path}.c`, PROGRAM);
	const args = [...FLAGS, `-DWITH_INPUT=${withInput}`, `${path}.c`, "-o", path];
	return spawnSync(GCC, args).status === 0 ? path : null;
}

const quiet = build(0);
const asking = build(2);

describe.skipIf(quiet === null || asking === null)("a program of picolibc", () => {
	const run = (path: string): Bare =>
		new Bare({ image: readFileSync(path), semihosting: true, ram: 8 << 20 });

	it("prints, allocates, reads lines, and exits", () => {
		const machine = run(asking!);
		let rest = new TextEncoder().encode("one\ntwo\n");
		while (machine.run(1e8) === "input") rest = rest.subarray(machine.input(rest));
		expect(machine.exit).toMatchObject({ kind: "exited", code: 7 });
		expect(machine.report(0).console).toBe("hello 42, heap 3\ngot one\ngot two\n");
	});

	const hasQemu = spawnSync("qemu-system-riscv32", ["--version"]).status === 0;
	it.skipIf(!hasQemu)("does as on QEMU", () => {
		const args = ["-M", "virt", "-bios", "none", "-display", "none", "-serial", "none"];
		args.push("-monitor", "none", "-semihosting", "-kernel", quiet!);
		const qemu = spawnSync("qemu-system-riscv32", args, {
			encoding: "utf8",
			input: "",
			timeout: CHILD_LIMIT_MS,
		});
		const machine = run(quiet!);
		machine.run(1e8);
		expect([machine.exit.code, machine.report(0).console]).toEqual([
			qemu.status,
			`${qemu.stdout}${qemu.stderr}`,
		]);
	});
});
