/** The guests whose coverage is measured: all workloads, on little memory and on failing disks. */
import { expect, it } from "vitest";
import type { DiskOptions, SystemOptions } from "../../computer/system-options.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { SectorFaults } from "../../devices/fault/sector-faults.ts";
import { tar } from "../support/tar.ts";
import { binDisk, boot, MiB } from "../support/workload.ts";

const KiB = 1024;
const tiny: Partial<SystemOptions> = { ram: MiB, swap: [{ media: 16 * MiB }], uvmhist: 16 };

/** A root disk with a file of 1 MiB, which begins with sector 1. */
const root = (): MemoryDisk => {
	const image = tar([{ path: "data", data: "x".repeat(MiB) }]);
	return new MemoryDisk(image.length, { image });
};

/** A disk some of whose sectors fail: one of each `step`, from `first` on. */
function failing(
	disk: MemoryDisk,
	how: "failReads" | "failWrites",
	first: number,
	step: number,
): DiskOptions {
	const media = new SectorFaults(disk);
	for (let sector = first; sector < media.sectors; sector += step) media[how](sector, 1);
	return { media };
}

type Guest = [string, (string | number)[], Partial<SystemOptions>];

const sound: Guest[] = [
	["sort", [2], tiny],
	["walk", [2, 1], tiny],
	["shm", [2, 2], tiny],
	["fork", [20], tiny],
	["mmap", [], tiny],
	["malloc", [], tiny],
	["pipe", [], tiny],
	["signal", [], tiny],
	["touch", [], tiny],
	["mlock", [], { ...tiny, ram: 2 * MiB }],
	["swapload", [], { ...tiny, ram: 4 * MiB }],
	[
		"swapload",
		["/dev/ld0", 3, 512, 2],
		{ ram: 2 * MiB, swap: [{ media: 2 * MiB }, { media: 4 * MiB }] },
	],
	["matmul", [32], { ...tiny, ram: 600 * KiB }],
	["fb", [], tiny],
	["vmtour", [256, 3], tiny],
	["vmtour", [128, 2, "/data"], { ...tiny, root: { media: root() }, adPolicy: "trap" }],
	["vmtour", [6144, 1], { ram: 8 * MiB, swap: [{ media: 64 * MiB, timing: "hdd" }] }],
	// A slot that cannot be written costs no data.
	["sort", [2], { ...tiny, swap: [failing(new MemoryDisk(16 * MiB), "failWrites", 8, 1024)] }],
];

it.each(sound)("%s %j", async (program, args, options) => {
	const { report } = boot(program, args, { bin: await binDisk(), ...options });
	expect([report.exit, report.console]).toMatchObject([
		{ kind: "exited", code: 0 },
		expect.anything(),
	]);
});

const unlucky: Guest[] = [
	["sort", [4], { ...tiny, swap: [{ media: MiB }] }],
	["vmtour", [256, 3], { ...tiny, swap: [{ media: 2 * MiB }] }],
	["sort", [2], { ...tiny, swap: [failing(new MemoryDisk(16 * MiB), "failReads", 800, 3000)] }],
	["shm", [2, 2], { ...tiny, swap: [failing(new MemoryDisk(16 * MiB), "failReads", 800, 3000)] }],
	["vmtour", [128, 1, "/data"], { ...tiny, root: failing(root(), "failWrites", 41, 160) }],
	["vmtour", [128, 1, "/data"], { ...tiny, root: failing(root(), "failReads", 41, 160) }],
	["wild", [], tiny],
];

it.each(unlucky)("%s %j, which cannot end well", async (program, args, options) => {
	const { report } = boot(program, args, { bin: await binDisk(), ...options });
	expect(report.exit.kind === "killed" || report.exit.code !== 0).toBe(true);
	expect(report.exit.kind).not.toBe("panic");
});
