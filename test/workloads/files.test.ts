/** Calls about files, descriptors, locks and devices return what they return on Linux. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createSystem } from "../../computer/system.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { tar } from "../support/tar.ts";
import { hasCommand, run, workloads } from "./support.ts";

const program = join(workloads, "checks", "bin", "files");
const expected = readFileSync(new URL("./files.txt", import.meta.url), "utf8");

/** What it prints here, on a root that has a folder of that name. */
function printed(directory: string): string {
	const image = tar([{ path: "unused", data: "x" }]);
	const disk = new MemoryDisk(Math.ceil(image.length / 4096) * 4096, { image });
	const system = createSystem({
		program: "files",
		image: readFileSync(program),
		args: [directory],
		root: { media: disk },
		ram: 4 << 20,
		check: true,
	});
	system.run();
	const { exit, console, uvmexp } = system.report(0);
	expect(exit).toMatchObject({ kind: "exited", code: 0 });
	expect(uvmexp.free + uvmexp.wired + uvmexp.poolpages).toBe(uvmexp.npages);
	return console;
}

it.each(["/tmp", "/dev/shm"])("in %s", (directory) => {
	expect(printed(directory)).toBe(expected);
});

/** Only the superuser gives files away, which is a part of the program. */
const qemu = hasCommand("qemu-riscv32", "--version") && process.getuid?.() === 0;

it.runIf(qemu)("what is expected is what Linux does, by qemu-riscv32", () => {
	const directory = mkdtempSync(join(tmpdir(), "files-"));
	try {
		const outcome = run("qemu-riscv32", "-B", "0x100000000", program, directory);
		expect(outcome).toMatchObject({ code: 0, stdout: expected });
	} finally {
		rmSync(directory, { recursive: true });
	}
});
