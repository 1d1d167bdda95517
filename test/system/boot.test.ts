/** Whole programs on the whole system. */
import { beforeAll, describe, expect, it } from "vitest";
import { createSystem } from "../../computer/system.ts";
import { MemoryDisk } from "../../devices/disk/memory-disk.ts";
import { UserError } from "../../machine/user-error.ts";
import { matmulOutput, shmOutput, sortOutput, walkOutput } from "../../workloads/reference.ts";
import { type Booted, boot, MiB, workload } from "../support/workload.ts";

/** Programs, RAM that is too small for them, and what the host computes that they print. */
const PROGRAMS: [string, (string | number)[], number, string][] = [
	["sort", [5], 4 * MiB, sortOutput(5)],
	["matmul", [320], MiB, matmulOutput(320)],
	["walk", [8, 2], 4 * MiB, walkOutput(8, 2)],
	["shm", [6, 3], 4 * MiB, shmOutput(6, 3)],
];

describe.each(PROGRAMS)("%s %j in %d bytes of RAM", (program, args, ram, expected) => {
	let small: Booted;
	let large: Booted;

	beforeAll(() => {
		small = boot(program, args, { ram });
		large = boot(program, args, { ram: 64 * MiB });
	});

	it("prints what the host computes, in little RAM and in 64 MiB", () => {
		expect(small.report.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(large.report.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(small.report.console).toBe(expected);
		expect(large.report.console).toBe(expected);
	});

	it("pages only if memory is short", () => {
		expect(large.report.uvmexp).toMatchObject({ pdpageouts: 0, pgswapout: 0, pgswapin: 0 });
		expect(small.report.uvmexp.pgswapout).toBeGreaterThan(256);
		expect(small.report.uvmexp.pgswapin).toBeGreaterThan(0);
	});

	it("writes clusters of about sixteen pages, and reads single ones", () => {
		const { uvmexp, disks } = small.report;
		// Only the last cluster of a scan that runs out of dirty pages is short.
		expect(uvmexp.pgswapout / uvmexp.pdpageouts).toBeGreaterThan(ram === MiB ? 13 : 15.5);
		expect(disks[0]!.writes).toBe(uvmexp.pdpageouts);
		expect(disks[0]!.sectorsWritten).toBe(uvmexp.pgswapout * 8);
		expect(disks[0]!.reads).toBe(uvmexp.pgswapin);
		expect(disks[0]!.sectorsRead).toBe(uvmexp.pgswapin * 8);
	});

	it("leaves nothing behind", () => {
		const { uvmexp } = small.report;
		expect(uvmexp).toMatchObject({ swpginuse: 0, swpgonly: 0, nanon: 0, active: 0, inactive: 0 });
		expect(uvmexp.free + uvmexp.wired + uvmexp.poolpages).toBe(uvmexp.npages);
		expect(small.system.kernel.pmap.pv_count).toBe(small.report.uvmexp.wired);
	});
});

describe("determinism", () => {
	const options = { ram: 4 * MiB };

	it("two runs of one configuration have the same state hash and report", () => {
		const first = boot("walk", [6, 1], options).report;
		expect(boot("walk", [6, 1], options).report).toEqual(first);
	});

	it("stopping and continuing a run does not affect it", () => {
		const whole = boot("walk", [6, 1], options).report;
		const system = createSystem({
			program: "walk",
			image: workload("walk"),
			args: ["6", "1"],
			...options,
		});
		for (let until = 1_000; system.run(until) !== "ended"; until += 777_777);
		expect(system.report(0)).toEqual(whole);
	});

	it("another TLB or disk changes times, but not the output", () => {
		const ssd = boot("shm", [6, 3], options).report;
		const hdd = boot("shm", [6, 3], {
			...options,
			tlbEntries: 64,
			tlbWays: 2,
			swap: [{ media: 32 * MiB, timing: "hdd" }],
		}).report;
		expect(hdd.console).toBe(ssd.console);
		expect(hdd.tlb.misses).toBeGreaterThan(ssd.tlb.misses);
		expect(hdd.cycles).toBeGreaterThan(ssd.cycles);
		expect(hdd.stateHash).not.toBe(ssd.stateHash);
	});
});

describe("--check", () => {
	const options = { ram: MiB, check: true } as const;

	it.each([
		["sort", [2]],
		["matmul", [320]],
		["walk", [2, 1]],
		["shm", [2, 3]],
		["touch", [2, 1]],
	] as const)("finds nothing wrong in %s %j", (program, args) => {
		const { report } = boot(program, args, options);
		expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(report.uvmexp.pgswapout).toBeGreaterThan(64);
	});

	it("finds nothing wrong when software keeps the A and D bits", () => {
		const { report } = boot("walk", [2, 1], { ...options, adPolicy: "trap" });
		expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(report.console).toBe(walkOutput(2, 1));
	});
});

describe("when things go wrong", () => {
	it("too little swap kills the program, with a message", () => {
		const { report } = boot("sort", [16], { ram: 4 * MiB, swap: [{ media: 8 * MiB }] });
		expect(report.exit).toMatchObject({
			kind: "killed",
			signal: "SIGKILL",
			reason: "out of swap",
		});
		expect(report.uvmexp).toMatchObject({ swpginuse: 0, swpgonly: 0 });
	});

	it("so does no swap at all", () => {
		const { report } = boot("walk", [8, 1], { ram: 4 * MiB, swap: [] });
		expect(report.exit).toMatchObject({ kind: "killed", reason: "out of swap" });
	});

	it.each([
		["null", 0],
		["nullw", 0],
		["text", null],
		["rodata", null],
		["data", null],
		["stack", null],
		["gap", null],
		["prot", null],
	])("wild %s is killed by SIGSEGV", (mode, addr) => {
		const { report } = boot("wild", [mode]);
		expect(report.exit).toMatchObject({ kind: "killed", signal: "SIGSEGV" });
		expect(report.exit.pc).toBeGreaterThanOrEqual(0x10000);
		if (addr !== null) expect(report.exit.addr).toBe(addr);
		if (mode === "data" || mode === "stack") expect(report.exit.pc).toBe(report.exit.addr);
	});

	it("a swap disk that cannot be read kills processes that need it, and is not used again", () => {
		const system = createSystem({
			program: "walk",
			image: workload("walk"),
			args: ["8", "2"],
			ram: 4 * MiB,
			diskRetries: 0,
		});
		const disk = system.faults[0]!;
		disk.failReads(8 * 200, 8 * 50);
		system.run();
		const { exit, uvmexp } = system.report(0);
		expect(exit).toMatchObject({ kind: "killed", signal: "SIGBUS" });
		expect(disk.failedReads).toBe(1);
		expect(uvmexp.swpgbad).toBe(1);
		// The program leaves behind the bad slot and nothing else.
		expect(uvmexp).toMatchObject({ swpginuse: 1, swpgonly: 0, nanon: 0 });
		expect(system.kernel.halted).toBe(true);
	});

	it("a swap disk that cannot be written loses nothing while memory lasts", () => {
		const system = createSystem({
			program: "walk",
			image: workload("walk"),
			args: ["5", "1"],
			ram: 4 * MiB,
			swap: [{ media: 32 * MiB }],
			check: true,
		});
		system.faults[0]!.failWrites(8, 8 * 300);
		system.run();
		const { exit, uvmexp, console } = system.report(0);
		expect(exit).toMatchObject({ kind: "exited", code: 0 });
		expect(console).toBe(walkOutput(5, 1));
		expect(uvmexp.swpgbad).toBeGreaterThan(15);
		expect(uvmexp.swpginuse).toBe(uvmexp.swpgbad);
	});
});

describe("options out of range", () => {
	const hello = { program: "hello", image: workload("hello") };

	it.each([
		["1 KiB of RAM", { ram: 1024 }, /^ram: 1024 bytes/],
		["5 GiB of RAM", { ram: 5 * 1024 * MiB }, /^RAM size 5368709120/],
		["half a page of RAM", { ram: 4 * MiB + 2048 }, /multiple of 4096/],
		["half a sector of swap", { swap: [{ media: 10_000 }] }, /multiple of 512/],
		["no ELF file", { image: new Uint8Array(10) }, /^program hello: not an ELF file/],
		["half a header", { image: hello.image.subarray(0, 40) }, /truncated ELF header/],
		["half a segment", { image: hello.image.subarray(0, 5000) }, /truncated segment/],
	])("%s is refused in one line", (_, wrong, message) => {
		expect(() => createSystem({ ...hello, ...wrong })).toThrow(UserError);
		expect(() => createSystem({ ...hello, ...wrong })).toThrow(message);
	});

	it("a swap disk may be a medium of the caller", () => {
		const media = new MemoryDisk(MiB);
		const system = createSystem({ ...hello, swap: [{ media }] });
		expect(system.run()).toBe("ended");
	});
});
