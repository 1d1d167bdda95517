/** Programs of workloads/bare/, on the board alone and on QEMU's. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { CHILD_LIMIT_MS } from "../support/limits.ts";
import { hasCommand, workloads } from "./support.ts";

const QEMU = "qemu-system-riscv32";
const SECTOR = 512;
const SECTORS = 32;
/** What board.c moves at a time, and where to. */
const MOVED = 8 * SECTOR;

const program = join(workloads, "bare", "bin", "board");

/** Some disk. */
function disk(): Uint8Array {
	let seed = 12345;
	return Uint8Array.from({ length: SECTORS * SECTOR }, () => {
		seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
		return seed >>> 24;
	});
}

function checksum(bytes: Uint8Array): string {
	const sum = bytes.reduce((total, byte) => (Math.imul(total, 31) + byte) >>> 0, 0);
	return sum.toString(16).padStart(8, "0");
}

/** What board.c is to do with the first sectors. */
const scrambled = (bytes: Uint8Array): Uint8Array =>
	bytes.slice(0, MOVED).map((byte, i) => byte * 5 + i);

/** What it is to print and to leave on the disk. */
function expected(): { console: string; disk: Uint8Array } {
	const before = disk();
	const written = scrambled(before);
	const lines = [
		"hart 00000000",
		"tree edfe0dd0",
		"three timer interrupts",
		`disk sectors ${SECTORS.toString(16).padStart(8, "0")}`,
		"disk id disk0",
		`read ${checksum(before.subarray(0, MOVED))}`,
		`written ${checksum(written)}`,
		"disk interrupts 00000005",
		"done",
	];
	before.set(written, MOVED);
	return { console: `${lines.join("\n")}\n`, disk: before };
}

/** The same without the store that acknowledges an interrupt at the disk: a nop instead. */
function careless(): Uint8Array {
	const image = new Uint8Array(readFileSync(program));
	const halves = new Uint16Array(image.buffer, 0, image.length >> 1);
	const at = halves.indexOf(0xd2f8); // c.sw a4, 100(a3)
	expect([at > 0, halves.indexOf(0xd2f8, at + 1)]).toEqual([true, -1]);
	halves[at] = 0x0001;
	return image;
}

function runHere(virtio: "legacy" | "modern"): { console: string; disk: Uint8Array } {
	const media = new MemoryDisk(SECTORS * SECTOR, { image: disk() });
	const bare = new Bare({ image: readFileSync(program), disks: [{ media }], virtio });
	expect(bare.run(1e9)).toBe("ended");
	expect(bare.exit).toMatchObject({ kind: "exited", code: 0 });
	return { console: bare.report(0).console, disk: new Uint8Array(media.image()) };
}

describe("board.c", () => {
	it.each(["legacy", "modern"] as const)("does what a model on the host says: %s", (virtio) => {
		expect(runHere(virtio)).toEqual(expected());
	});

	it.skipIf(!hasCommand(QEMU, "--version"))(
		"as a driver that never acknowledges works as on QEMU, and drowns as on hardware",
		() => {
			const folder = mkdtempSync(join(tmpdir(), "uvmachine-bare-"));
			try {
				const [image, kernel] = [join(folder, "disk"), join(folder, "kernel")];
				writeFileSync(image, disk());
				writeFileSync(kernel, careless());
				const { stdout } = spawnSync(
					QEMU,
					[
						...["-M", "virt", "-bios", "none", "-nographic", "-kernel", kernel],
						...["-drive", `file=${image},if=none,id=d0,format=raw`],
						...["-device", "virtio-blk-device,drive=d0,bus=virtio-mmio-bus.0,serial=disk0"],
					],
					{ encoding: "utf8", timeout: CHILD_LIMIT_MS },
				);
				const run = (plic: "raise" | "level"): Bare => {
					const media = new MemoryDisk(SECTORS * SECTOR, { image: disk() });
					const bare = new Bare({ image: careless(), disks: [{ media }], plic });
					bare.run(1e8);
					return bare;
				};
				expect(run("raise").exit.kind).toBe("exited");
				expect(run("raise").report(0).console).toBe(stdout.replaceAll("\r", ""));
				expect(run("level").exit.kind).toBe("running");
			} finally {
				rmSync(folder, { recursive: true });
			}
		},
	);

	it("ends with the number of what went wrong", () => {
		const bare = new Bare({ image: readFileSync(program) });
		expect(bare.run(1e9)).toBe("ended");
		expect(bare.exit).toMatchObject({ kind: "exited", code: 3 });
	});

	it.skipIf(!hasCommand(QEMU, "--version")).each([true, false])(
		"does the same on QEMU (force-legacy=%s)",
		(legacy) => {
			const folder = mkdtempSync(join(tmpdir(), "uvmachine-bare-"));
			try {
				const image = join(folder, "disk");
				writeFileSync(image, disk());
				const { status, stdout } = spawnSync(
					QEMU,
					[
						...["-M", "virt", "-bios", "none", "-nographic", "-kernel", program],
						...["-global", `virtio-mmio.force-legacy=${legacy}`],
						...["-drive", `file=${image},if=none,id=d0,format=raw`],
						...["-device", "virtio-blk-device,drive=d0,bus=virtio-mmio-bus.0,serial=disk0"],
					],
					{ encoding: "utf8", timeout: CHILD_LIMIT_MS },
				);
				expect(status).toBe(0);
				const here = runHere(legacy ? "legacy" : "modern");
				expect({
					console: stdout.replaceAll("\r", ""),
					disk: new Uint8Array(readFileSync(image)),
				}).toEqual(here);
			} finally {
				rmSync(folder, { recursive: true });
			}
		},
	);
});
