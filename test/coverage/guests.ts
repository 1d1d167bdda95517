/** The guests whose coverage is measured: all workloads, on little memory and on failing disks. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { createSystem } from "../../computer/system.ts";
import type { DiskOptions, Report, SystemOptions } from "../../computer/system-options.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { FaultyDisk } from "../../devices/fault/faulty-disk.ts";
import type { FaultRule } from "../../devices/fault/rule.ts";
import { Prng } from "../../machine/prng.ts";
import { tar } from "../support/tar.ts";
import { binDisk, boot, MiB, workload } from "../support/workload.ts";

const KiB = 1024;
const tiny: Partial<SystemOptions> = {
	...{ ram: MiB, swap: [{ media: 16 * MiB }], uvmhist: 16, diskRetries: 0 },
};

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
	const media = new FaultyDisk(disk);
	for (let sector = first; sector < media.sectors; sector += step) media[how](sector, 1);
	return { media };
}

const OBJTOUR = "../checks/bin/objtour";

const copies: Partial<SystemOptions> = {
	...tiny,
	...{ swapChecksum: true, swapMirror: true, shadow: true },
};
const second: Partial<SystemOptions> = { ...copies, swapMirror: [{ media: 16 * MiB }] };
const silent = (model: string): FaultRule => ({
	...{ id: model, model, params: { disk: "ld0" }, when: { every: 7 } },
});

type Guest = [string, (string | number)[], Partial<SystemOptions>];

const sound: Guest[] = [
	["sort", [1], tiny],
	["walk", [2, 1], tiny],
	["shm", [1, 2], tiny],
	["fork", [8], tiny],
	["mmap", [], tiny],
	["malloc", [3000], tiny],
	["pipe", [], tiny],
	["signal", [], tiny],
	["touch", [], { ...tiny, swapMirror: true }],
	["mlock", [], { ...tiny, ram: 6 * MiB }],
	["swapload", ["/dev/ld0", 3, 768, 2], { ...tiny, ram: 3 * MiB }],
	[
		"swapload",
		["/dev/ld0", 3, 512, 2],
		{ ram: 2 * MiB, swap: [{ media: 2 * MiB }, { media: 4 * MiB }] },
	],
	["matmul", [32], { ...tiny, ram: 600 * KiB }],
	// What experiments may choose.
	["walk", [2, 3], { ...tiny, policy: { replacement: "clockpro", swapinPages: 8 } }],
	["sort", [1], { ...tiny, ram: 640 * KiB, policy: { replacement: "clockpro", clusterPages: 32 } }],
	[OBJTOUR, [256, 1], { ...tiny, policy: { replacement: "aging", swapinPages: 16 } }],
	["fork", [8], { ...tiny, policy: { replacement: "random", slotAllocation: "stepwise" } }],
	["walk", [2, 3], { ...tiny, swap: [{ media: 1700 * KiB }], policy: { replacement: "clockpro" } }],
	["walk", [2, 3], { ...tiny, swap: [{ media: 1700 * KiB }], policy: { replacement: "aging" } }],
	["sort", [2], { ...tiny, swap: [{ media: 1700 * KiB }], policy: { replacement: "aging" } }],
	["shm", [1, 2], { ...tiny, swap: [{ media: 1800 * KiB }], policy: { replacement: "random" } }],
	["sort", [2], { ...tiny, policy: { reassignSlots: false, swapinPages: 4 } }],
	["sort", [1], { ...tiny, swapChecksum: true, policy: { swapinPages: 4 } }],
	["../checks/bin/mappings", ["files", 8], { ...tiny, policy: { cachedFiles: 3 } }],
	["../checks/bin/mappings", ["program", 4, 20], { ...tiny, policy: { mergeEntries: false } }],
	["fb", [], tiny],
	["vmtour", [128, 3], tiny],
	["vmtour", [128, 2, "/data"], { ...tiny, root: { media: root() }, adPolicy: "trap" }],
	// More pages in flight than pager_map has room for.
	[
		"vmtour",
		[6144, 1, "-", "pageout"],
		{ ram: 10 * MiB, swap: [{ media: 64 * MiB, timing: "hdd" }] },
	],
	[OBJTOUR, [256, 1], { ...tiny, swap: [{ media: 16 * MiB }, { media: 16 * MiB }] }],
	[OBJTOUR, [256, 1], { ...tiny, swap: [{ media: 16 * MiB, timing: "hdd" }] }],
	// A slot that cannot be written costs no data.
	[
		OBJTOUR,
		[256, 1],
		{ ...tiny, swap: [failing(new MemoryDisk(16 * MiB), "failWrites", 100, 200)] },
	],
	["sort", [2], { ...tiny, swap: [failing(new MemoryDisk(16 * MiB), "failWrites", 8, 1024)] }],
	// With two copies and checksums, neither disk costs data.
	["sort", [2], { ...second, swap: [failing(new MemoryDisk(16 * MiB), "failWrites", 8, 1024)] }],
	["walk", [2, 3], { ...second, swap: [failing(new MemoryDisk(16 * MiB), "failReads", 8, 24)] }],
	[OBJTOUR, [256, 1], { ...copies, swap: [{ media: 16 * MiB }, { media: 16 * MiB }] }],
	[
		"walk",
		[2, 3],
		{
			...copies,
			faults: { rules: [silent("disk.lost-write"), silent("disk.corrupt")] },
		},
	],
	// One of two disks dies.
	[
		"sort",
		[2],
		{
			...tiny,
			swap: [{ media: 8 * MiB }, { media: 8 * MiB }],
			faults: { rules: [{ id: "dies", model: "disk.hang", params: { disk: "ld1" } }] },
		},
	],
];

it("errors of memory that cannot be corrected", async () => {
	const rules: FaultRule[] = [{ id: "ecc", model: "memory.ecc", params: {} }];
	for (let pa = 0x8004_0000; pa < 0x8010_0000; pa += 0x1_4000) {
		rules.push({ id: `row-${pa}`, model: "memory.row", params: { pa, value: "dead" } });
	}
	const { report } = boot("walk", [2, 2], { ...tiny, faults: { rules } });
	expect(report.memory!.retired).toBeGreaterThan(0);
});

it.each(sound)("%s %j", async (program, args, options) => {
	const { report } = boot(program, args, { bin: binDisk(), ...options });
	expect([report.exit, report.console]).toMatchObject([
		{ kind: "exited", code: 0 },
		expect.anything(),
	]);
});

it("pressure.sh", async () => {
	const script = readFileSync(new URL("../../workloads/pressure.sh", import.meta.url), "utf8");
	const options = { ...tiny, ram: 2 * MiB, bin: binDisk() };
	const { report } = boot("sh", ["-c", script], options);
	expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
	expect(report.console).toContain("pressure: 0 failed");
});

it.each(["fork", "map", "files", "pipe", "open"])("hog %s", async (what) => {
	const { report } = boot("../checks/bin/hog", [what], { ...tiny, bin: binDisk() });
	expect(report.exit.kind).toBe("exited");
});

it("pipeloan", async () => {
	const { report } = boot("../checks/bin/pipeloan", [], { ram: 8 * MiB, bin: binDisk() });
	expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
});

const unreadable = (): DiskOptions => failing(new MemoryDisk(16 * MiB), "failReads", 8, 24);

it.each<[string, string[], Partial<SystemOptions>]>([
	["tour", [], {}],
	["on a slow disk", ["strict", "race"], { swap: [{ media: MiB, timing: "hdd" }] }],
	["with little memory", ["strict", "short"], {}],
	["with little memory and no swap", ["strict", "short"], { swap: [] }],
	["with a disk that cannot be read", ["strict", "broken"], { ram: 4 * MiB, swap: [unreadable()] }],
])("maptour: %s", (_name, args, options) => {
	const { report } = boot("../checks/bin/maptour", args, { ...tiny, ...options });
	expect([report.exit, report.console]).toMatchObject([
		{ kind: "exited", code: 0 },
		expect.anything(),
	]);
});

const filetour = "../checks/bin/filetour";
const small: Partial<SystemOptions> = {
	...{ ram: 768 * KiB, swap: [{ media: 4 * MiB }], diskRetries: 0 },
};
/** A root disk with /data, which does not end with a page. */
const files = (): MemoryDisk => {
	const image = tar([{ path: "data", data: "x".repeat(400 * KiB + 100) }]);
	return new MemoryDisk(image.length, { image });
};

it.each<[(string | number)[], Partial<SystemOptions>]>([
	[[256, "tmp", "device"], small],
	[[200, "shm", "tmp"], { ...small, check: true, adPolicy: "trap" }],
	[[2048, "spaces=600"], { ram: 10 * MiB, swap: [{ media: 16 * MiB }] }],
	[
		[400, "disk=/data", "raw=/dev/ld2"],
		{ ...small, ram: 640 * KiB, root: { media: files() }, disks: [{ media: MiB }] },
	],
	[[256, "swapfile=/data"], { ...small, root: { media: files() } }],
	[
		[256, "swap=/dev/ld1"],
		{
			...{ ram: 768 * KiB, swap: [{ media: 512 * KiB }] },
			disks: [{ media: 512 * KiB }, { media: 640 * KiB }, { media: 4 * KiB }],
		},
	],
	[[300, "vm=/data"], { ...small, root: { media: files() } }],
	[[64, "full"], { ram: 2 * MiB, swap: [] }],
	[[256, "faulty=/data"], { ...small, root: failing(files(), "failWrites", 41, 160) }],
	[[256, "faulty=/data"], { ...small, root: failing(files(), "failReads", 41, 160) }],
])("filetour %j", (args, options) => {
	const { report } = boot(filetour, args, options);
	expect([report.exit, report.console]).toMatchObject([
		{ kind: "exited", code: 0 },
		expect.anything(),
	]);
});

const unlucky: Guest[] = [
	["sort", [4], { ...tiny, swap: [{ media: MiB }] }],
	["vmtour", [128, 3], { ...tiny, swap: [{ media: MiB }] }],
	["sort", [2], { ...tiny, swap: [failing(new MemoryDisk(16 * MiB), "failReads", 800, 3000)] }],
	["shm", [2, 2], { ...tiny, swap: [failing(new MemoryDisk(16 * MiB), "failReads", 800, 3000)] }],
	["shm", [2, 2], { ...tiny, swap: [failing(new MemoryDisk(16 * MiB), "failWrites", 800, 3000)] }],
	["vmtour", [128, 1, "/data"], { ...tiny, root: failing(root(), "failWrites", 41, 160) }],
	["vmtour", [128, 1, "/data"], { ...tiny, root: failing(root(), "failReads", 41, 160) }],
	["vmtour", [64, 2, "-", "mremap"], { ...tiny, swap: [] }],
	[
		OBJTOUR,
		[512, 1, "lost"],
		{ ...tiny, swap: [failing(new MemoryDisk(16 * MiB), "failReads", 100, 200)] },
	],
	["wild", [], tiny],
	[
		filetour,
		[200, "lost"],
		{ ...small, swap: [failing(new MemoryDisk(4 * MiB), "failReads", 400, 800)] },
	],
	[
		filetour,
		[256, "lost"],
		{ ...small, ram: 2 * MiB, swap: [failing(new MemoryDisk(4 * MiB), "failReads", 8, 40)] },
	],
];

it.each(unlucky)("%s %j, which cannot end well", async (program, args, options) => {
	const { report } = boot(program, args, { bin: binDisk(), ...options });
	expect(report.exit.kind).not.toBe("panic");
	expect(report.exit.kind).not.toBe("deadlock");
});

/** How a program runs when one of `odds` requests for a resource of the kernel is refused. */
async function refusing(
	program: string,
	args: readonly string[],
	odds: number,
	seed: number,
	what = "anything",
): Promise<Report> {
	const system = createSystem({
		...{ program, args, image: workload(program), bin: binDisk() },
		...{ ...tiny, root: { media: root() } },
	});
	// At boot there is no memory pressure, and a panic for lack of memory is right.
	const { hart, clock } = system.machine;
	while (hart.counters.instret === 0) system.run(clock.cycles + 20_000);
	const prng = new Prng(seed);
	system.kernel.failinject = (name) =>
		(what === "anything" || name === what) && prng.below(odds) === 0;
	// Nobody promises that it ends: a wait for a resource may fail again and again.
	system.run(2_000_000_000);
	return system.report(0);
}

it.each<[string, string[], number, number]>([
	["vmtour", ["64", "2", "/data"], 50, 1],
	["vmtour", ["64", "2", "/data"], 200, 2],
	["vmtour", ["64", "1"], 1000, 3],
	["fork", ["3"], 300, 4],
	["shm", ["1", "2"], 20, 5],
	["shm", ["1", "2"], 100, 6],
	["sort", ["1"], 10, 7],
	["vmtour", ["64", "1"], 300, 8],
	["pipe", ["1"], 100, 9],
	[OBJTOUR, ["256", "1", "short"], 30, 10],
	[OBJTOUR, ["256", "1", "short"], 10, 11],
	[OBJTOUR, ["256", "0", "short"], 4, 12],
])("%s %j with failing allocations, one of %i", async (program, args, odds, seed) => {
	expect((await refusing(program, args, odds, seed)).exit.kind).not.toBe("panic");
});

it.each([
	["anything", 20, 1],
	["anything", 50, 2],
	["anything", 200, 3],
	["vmmpepl", 20, 5],
	["vmmpepl", 40, 7],
	["amappl", 8, 8],
] as const)("maptour, which is refused %s, one of %i", async (what, odds, seed) => {
	const maptour = "../checks/bin/maptour";
	const { exit, console } = await refusing(maptour, ["refused"], odds, seed, what);
	expect({ ...exit, console }).toMatchObject({
		...{ kind: "exited", code: 0 },
		console: expect.stringMatching(/\ndevice: (done|refused)\n$/),
	});
});

it.each([
	["parts", "anything", 12, 1],
	["parts", "vmmpepl", 8, 2],
	["parts", "vmmpepl", 20, 3],
	["parts", "amappl", 12, 4],
	["peer", "vmmpekpl", 3, 5],
	["peer", "vmmpepl", 20, 6],
] as const)("maptour %s, which is refused %s, one of %i", async (stop, what, odds, seed) => {
	const { exit } = await refusing("../checks/bin/maptour", ["refused", stop], odds, seed, what);
	expect(exit).toMatchObject({ kind: "exited", code: 0 });
});

/** Some resources are often refused; a call of the program may fail for that, once. */
it.each<[(string | number)[], RegExp, number]>([
	[[200, "disk=/data", "tmp"], /^(buf|pager_map)$/, 3],
	[[200, "device", "tmp"], /^(page|pv)$/, 3],
	[[200, "raw=/dev/ld2"], /^(page|pv|buf)$/, 4],
	[[200, "raw=/dev/ld2"], /^vmmpekpl$/, 3],
])("filetour %j where %s fails, one of %i", (args, what, odds) => {
	const system = createSystem({
		...{ program: filetour, image: workload(filetour), args: args.map(String) },
		...{ ...small, ram: 2 * MiB, root: { media: files() }, disks: [{ media: MiB }] },
	});
	const { hart, clock } = system.machine;
	while (hart.counters.instret === 0) system.run(clock.cycles + 20_000);
	const prng = new Prng(1);
	system.kernel.failinject = (request) => what.test(request) && prng.below(odds) === 0;
	system.run(5_000_000_000);
	expect(system.report(0).exit.kind).toBe("exited");
});
