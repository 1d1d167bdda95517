/** What a Unix user does: the workloads and the shell, on little memory, under the checker. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createSystem, type System } from "../../computer/system.ts";
import { FileDisk } from "../../devices/disk/file-disk.ts";
import { SYS } from "../../kernel/kern/sys/sysnum.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { pmap_check } from "../../pmap/pmap_check.ts";
import {
	fbOutput,
	forkOutput,
	mallocOutput,
	mlockOutput,
	mmapOutput,
	pipeOutput,
	signalOutput,
	sortOutput,
	swaploadOutput,
	walkOutput,
} from "../../workloads/reference.ts";
import { call, EXIT, exec, text } from "../support/program.ts";
import { Typist } from "../support/typist.ts";
import { binDisk, boot, MiB, workload } from "../support/workload.ts";

/** The line of a program's output that summarises its work. */
const checksum = (output: string): string => /checksum .*/.exec(output)![0];

/** The disk of programs: it is read-only, so that all systems can have the same. */
const bin = binDisk();

/** A shell that runs one line. */
function sh(line: string, options: object = {}): ReturnType<typeof boot> {
	return boot("sh", ["-c", line], { bin, ...options });
}

/** A run leaves behind no more than that of a program that does nothing. */
function leavesNothing(system: System): void {
	const { kernel: k } = system;
	const options = { ram: k.port.ramSize, swap: [{ media: 64 * MiB }], bin };
	const idle = boot("true", [], options).system.kernel;
	expect([k.uvmexp.swpginuse, k.uvmexp.swpgonly, k.uvmexp.paging]).toEqual([0, 0, 0]);
	const held = (of: Kernel): number => of.uvmexp.free + of.uvmexp.poolpages;
	expect(held(k)).toBe(held(idle));
	const items = (of: Kernel): [string, number][] =>
		of.pool_head.map((pp) => [pp.pr_wchan, pp.pr_nout]);
	expect(items(k)).toEqual(items(idle));
	// What remains are the kernel's own mappings.
	expect(k.pmap.pv_count).toBe(idle.pmap.pv_count);
	expect(pmap_check(k, k.uvm.vm_pages)).toEqual([]);
	expect([k.uvm.anon_pool.pr_nout, k.uvm.amap_pool.pr_nout]).toEqual([0, 0]);
}

describe("workloads on 4 MiB under the checker", () => {
	it.each([
		["fork", [8], forkOutput(8)],
		["fork", [80, 16, 1], forkOutput(80, 16, 1)],
		["mmap", [1], mmapOutput()],
		["malloc", [], mallocOutput()],
		["pipe", [1], pipeOutput()],
		["signal", [], signalOutput()],
		["mlock", [1, 1], mlockOutput()],
		["swapload", [], swaploadOutput()],
		["fb", [], fbOutput(640, 480)],
	] as const)("%s %j", (program, args, output) => {
		const { system, report } = boot(program, args, {
			ram: 4 * MiB,
			check: true,
			bin,
			framebuffer: { width: 640, height: 480 },
		});
		expect(report.console).toBe(output);
		expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
		leavesNothing(system);
	});
});

describe("many processes", () => {
	it("five copies of walk and of fork in parallel give correct results, and leave nothing", () => {
		const numbers = "1 2 3 4 5";
		const { system, report } = sh(
			`for i in ${numbers}; do walk 1 1 > /tmp/w$i & fork 6 16 > /tmp/f$i & done; wait
			for i in ${numbers}; do cat /tmp/w$i /tmp/f$i | grep checksum; done`,
			{ ram: MiB, swap: [{ media: 64 * MiB }], check: true },
		);
		expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
		const both = [checksum(walkOutput(1, 1)), checksum(forkOutput(6, 16))];
		const lines = Array.from({ length: 5 }, () => both).flat();
		expect(report.console.trim().split("\n")).toEqual(lines);
		expect(report.uvmexp.pdswout).toBeGreaterThan(0);
		leavesNothing(system);
	});

	it("the same line runs the same way again, in any slices", () => {
		const line = "fork 8 8 | wc & sort 1 | cat > /tmp/s; wait; cat /tmp/s";
		const options = { ram: 2 * MiB };
		const { report } = sh(line, options);
		const again = createSystem({
			program: "sh",
			image: workload("sh"),
			args: ["-c", line],
			bin,
			...options,
		});
		let step = 1;
		while (again.run(again.machine.clock.cycles + step) === "running") step = (step * 7) % 999_983;
		expect(again.report(0).console).toBe(report.console);
		expect(again.stateHash()).toBe(report.stateHash);
	});
});

describe("the shell on a terminal", () => {
	/** Type lines one after the other, each when the system is idle. */
	function session(lines: readonly string[]): { text: string; system: System } {
		const user = new Typist();
		for (const line of lines) user.type(line);
		return { text: user.text.replaceAll("\r\n", "\n"), system: user.system };
	}

	it("prompts, echoes, edits, pipes, and ends at ^D", () => {
		const { text, system } = session(["echX\x7fo hello | cat\r", "\x04"]);
		expect(text.startsWith("$ echX\b \bo hello | cat\nhello\n$ ")).toBe(true);
		expect(system.exit).toMatchObject({ kind: "exited", code: 0 });
	});

	it("sort 4 | cat, fork 60 &, vmstat, swapctl -l", () => {
		const lines = ["sort 4 | cat\r", "fork 60 &\r", "vmstat\r", "swapctl -l\r", "wait\r", "\x04"];
		const { text, system } = session(lines);
		expect(text).toContain(sortOutput(4));
		expect(text).toContain(checksum(forkOutput(60)));
		expect(text).toMatch(/\[1\] \d+\n/);
		expect(text).toMatch(/r\s+b\s+avm\s+fre\s+flt/);
		expect(text).toMatch(/Device +512-blocks +Used +Avail +Capacity +Priority\n\/dev\/ld0 +131064/);
		expect(system.exit.kind).toBe("exited");
		leavesNothing(system);
	});

	it("^C ends the job in the foreground and not the shell", () => {
		const { text } = session(["cat\r", "\x03", "echo $?\r", "\x04"]);
		expect(text).toMatch(/cat\n\^C\n\$ echo \$\?\n130\n/);
	});
});

const hasTar = spawnSync("tar", ["--version"]).status === 0;
const AT_FDCWD = -100;

/** Maps two pages of /data shared, stores a word, and reads it back with pread. */
const mapsAndStores = `
	${call(SYS.openat, AT_FDCWD, "=path", 2)}
	mv s0, a0
	${call(SYS.mmap2, 0, 8192, 3, 1, "s0", 1)}
	mv s1, a0
	li s2, 0x12345678
	sw s2, 100(s1)
	${call(SYS.pread64, "s0", "=buffer", 4, 4196, 0)}
	la t0, buffer
	lw t0, 0(t0)
	sub a0, t0, s2
	beq a0, zero, same
	li a0, 1
same:	${EXIT}
path:	${text("/data")}
buffer:	.word 0`;

describe.runIf(hasTar)("a root made with tar", () => {
	it("shows stores to a mapping in read, and in tar after shutdown", () => {
		const folder = mkdtempSync(join(tmpdir(), "uvm-root-"));
		try {
			const before = new Uint8Array(20_000).fill(7);
			writeFileSync(join(folder, "data"), before);
			writeFileSync(join(folder, "other"), "untouched\n");
			const archive = join(folder, "root.tar");
			spawnSync("tar", ["-cf", archive, "-C", folder, "data", "other"]);
			const { code } = exec(mapsAndStores, { root: { media: new FileDisk(archive) } });
			expect(code).toBe(0);
			new DataView(before.buffer).setUint32(4196, 0x12345678, true);
			const data = spawnSync("tar", ["-xOf", archive, "data"]).stdout;
			expect(Buffer.compare(data, before)).toBe(0);
			// tar finds nothing else changed.
			expect(spawnSync("tar", ["-df", archive, "-C", folder, "other"]).status).toBe(0);
		} finally {
			rmSync(folder, { recursive: true });
		}
	});
});
