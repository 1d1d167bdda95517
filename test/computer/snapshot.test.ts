/** Snapshots of systems: a restored system continues exactly like the saved one. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { ComputerCheckpoint } from "../../computer/computer.ts";
import { rebase, restoreSystem, saveSystem } from "../../computer/snapshot/system-snapshot.ts";
import { createSystem, type System } from "../../computer/system.ts";
import type { Report, SystemOptions } from "../../computer/system-options.ts";
import { FileDisk } from "../../devices/disk/file-disk.ts";
import { Prng } from "../../machine/prng.ts";
import { pmap_extract } from "../../pmap/pmap.ts";
import { binDisk, MiB, workload } from "../support/workload.ts";

/** The number of cycles at which each workload is saved. */
const SAVES = Number(process.env.SNAPSHOT_RUNS ?? 2);

const dir = mkdtempSync(join(tmpdir(), "uvmachine-test-"));
afterAll(() => rmSync(dir, { recursive: true }));

interface Case {
	readonly line: string;
	/** MiB of RAM; little, so that there is paging. */
	readonly ram?: number;
	/** Console input. */
	readonly input?: string;
	/** Another argument, with spaces. */
	readonly script?: string;
	/** Minimum share, in percent, of the saves that need no recording. */
	readonly direct?: number;
	/** A program of workloads/checks. */
	readonly check?: boolean;
}

const cases: readonly Case[] = [
	{ line: "hello one two" },
	{ line: "sort 1", ram: 1 },
	{ line: "sort 1", ram: 8, direct: 75 },
	{ line: "matmul 60", direct: 50 },
	{ line: "walk 1", ram: 1 },
	{ line: "shm 1", ram: 1 },
	{ line: "touch 2 2", ram: 1 },
	{ line: "fork 5 20 2", ram: 1 },
	{ line: "mmap 1", ram: 1 },
	{ line: "malloc 500 9", direct: 75 },
	{ line: "pipe 1", direct: 25 },
	{ line: "signal 20 3 0", direct: 50 },
	{ line: "mlock 1", ram: 2 },
	{ line: "fb" },
	{ line: "files", check: true, direct: 50 },
	{ line: "wild null" },
	{ line: "swapload 1 1", ram: 1 },
	{ line: "vmtour 64 2", ram: 1 },
	{ line: "vmbench fork 64 5", ram: 2 },
	{ line: "calc", input: "1+2\n3*4\n" },
	{ line: "words", input: "a b c\nd e\n" },
	{ line: "spectral 30", direct: 50 },
	{ line: "growth map 50 20 3" },
	{ line: "sleep 0.2" },
	{ line: "cat", input: "one\ntwo\nthree\n" },
	{ line: "sh", input: "ls /bin | wc -l\necho a > /tmp/f\ncat /tmp/f; sleep 0.1 & wait\nexit 7\n" },
	{ line: "sh -c", script: "yes | head -c 300000 | wc; seq 1 50 | grep 7" },
	{ line: "sh -c", ram: 2, script: "cd /tmp; mkdir a; echo b > a/b; cp a/b c; mv c d; sync" },
	{ line: "sh -c", ram: 3, script: "cd /tmp; mkdir a; rmdir a; pwd; hexdump /bin/true | head -3" },
	{
		line: "sh -c",
		ram: 5,
		script: "true && free; false || uptime; vmstat; ps; uname; env; ls /; sysctl -a",
	},
	{ line: "sh -c", ram: 6, script: "sleep 9 & kill $!; wait; swapctl -l; date; rm /tmp/x" },
	{ line: "dd if=/dev/zero of=/dev/null bs=4096 count=20" },
];

const optionsOf = async ({ line, script, check, ram = 4 }: Case): Promise<SystemOptions> => {
	const [program = "", ...args] = line.split(" ");
	return {
		program,
		args: [...args, ...(script === undefined ? [] : [script])],
		image: workload(check ? `../checks/bin/${program}` : program),
		ram: ram * MiB,
		swap: [{ media: 16 * MiB }],
		bin: binDisk(),
		framebuffer: { width: 96, height: 64 },
	};
};

/** Run to the end or to cycle `until`; `typed` is how much of the input was taken before. */
function drive(system: System, input: string, until: number, typed = 0): number {
	const bytes = new TextEncoder().encode(input);
	let at = typed;
	for (;;) {
		const state = system.run(until);
		if (state !== "input") return at;
		if (at < bytes.length) at += system.input(bytes.subarray(at));
		else system.inputEnd();
	}
}

/** The end of an uninterrupted run, and a cycle after the program has begun. */
function straightRun(options: SystemOptions, input: string): { end: Report; begun: number } {
	const system = createSystem(options);
	const { machine } = system;
	while (machine.hart.counters.instret === 0) system.run(machine.clock.cycles + 20_000);
	const begun = machine.clock.cycles;
	drive(system, input, Number.POSITIVE_INFINITY);
	return { end: system.report(0), begun };
}

describe("every workload, saved at many cycles,", () => {
	it("is in the list", () => {
		const words = cases.flatMap(({ line, script = "", input = "" }) =>
			`${line} ${script} ${input}`.split(/[^a-z]+/),
		);
		const programs = readdirSync(new URL("../../workloads/bin", import.meta.url));
		expect(programs.filter((name) => !words.includes(name))).toEqual([]);
	});

	it.each(cases)("continues as if it had not been saved: $line, $ram MiB", async (one) => {
		const { line, ram = 4, input = "", direct = 0 } = one;
		const options = await optionsOf(one);
		const { end, begun } = straightRun(options, input);
		const prng = new Prng(line.length * 1000 + ram);
		let taken = 0;
		for (let i = 0; i < SAVES; i++) {
			const system = createSystem(options);
			const from = Math.floor(begun * 0.9);
			const typed = drive(system, input, from + prng.below(end.cycles - from));
			if (system.busy === null) taken++;
			const restored = restoreSystem(saveSystem(system));
			expect(restored.report(0)).toEqual(system.report(0));
			drive(restored, input, Number.POSITIVE_INFINITY, typed);
			expect(restored.report(0)).toEqual(end);
			if (i > 0) continue;
			// Saving does not affect the system that was saved.
			drive(system, input, Number.POSITIVE_INFINITY, typed);
			expect(system.report(0)).toEqual(end);
		}
		expect(taken / SAVES).toBeGreaterThanOrEqual(direct / 100);
	});
});

it("a write that has filled a pipe, or lent it pages, is not started again", async () => {
	const options = await optionsOf({ line: "pipe 1" });
	const { end } = straightRun(options, "");
	const waits = (system: System): boolean =>
		system.kernel.lwps.some((l) => ["pipewr", "pipdwt"].includes(l.l_wmesg) && l.l_wchan !== null);
	const system = createSystem(options);
	for (let saved = 0; saved < 10; ) {
		expect(system.run(system.machine.clock.cycles + 50_000)).toBe("running");
		if (!waits(system)) continue;
		saved++;
		const restored = restoreSystem(saveSystem(system));
		restored.run();
		expect(restored.report(0)).toEqual(end);
		system.run(system.machine.clock.cycles + 1_000_000);
	}
});

describe("in one process", () => {
	const image = workload("sort");
	const options = { program: "sort", args: ["1"], image, ram: MiB, swap: [{ media: 16 * MiB }] };

	it("a system goes back to any checkpoint, and forward again", () => {
		const system = createSystem(options);
		const taken: { checkpoint: ComputerCheckpoint; hash: string }[] = [];
		const note = (): void => {
			const checkpoint = system.checkpoint();
			if (checkpoint !== null) taken.push({ checkpoint, hash: system.stateHash() });
		};
		while (system.run(system.machine.clock.cycles + 600_000) === "running") note();
		const end = system.report(0);
		expect(taken.length).toBeGreaterThan(5);
		const prng = new Prng(5);
		for (let i = 0; i < 8; i++) {
			const { checkpoint, hash } = taken[prng.below(taken.length)]!;
			system.rollback(checkpoint);
			expect(system.stateHash()).toBe(hash);
			system.run(system.machine.clock.cycles + prng.below(5_000_000));
		}
		system.rollback(taken[2]!.checkpoint);
		system.run();
		expect(system.report(0)).toEqual(end);
		for (const { checkpoint } of taken) system.release(checkpoint);
		expect(system.machine.checkpointBytes).toBe(0);
	});

	it("no write to RAM goes unnoticed", () => {
		const system = createSystem({ ...options, args: ["1"] });
		system.run(1_000_000);
		const { machine } = system;
		for (let i = 0; i < 30; i++) {
			const before = machine.memory.ram8.slice();
			const checkpoint = machine.checkpoint();
			system.run(machine.clock.cycles + 300_000);
			const after = machine.checkpoint();
			const now = machine.memory.ram8.slice();
			machine.rollback(checkpoint);
			expect(Buffer.compare(machine.memory.ram8, before)).toBe(0);
			machine.rollback(after);
			expect(Buffer.compare(machine.memory.ram8, now)).toBe(0);
			machine.release(checkpoint);
			machine.release(after);
		}
	});
});

describe("input from outside", () => {
	it("is replayed, if the state itself cannot be saved", () => {
		const input = "a b c\nd e\nf\n";
		const options = { program: "words", image: workload("words"), ram: 4 * MiB, terminal: true };
		const system = createSystem(options);
		const bytes = new TextEncoder().encode(input);
		for (const byte of bytes) {
			system.run(system.machine.clock.cycles + 3_000, true);
			system.input(Uint8Array.of(byte));
			system.resize(byte, 24);
			if (system.run(system.machine.clock.cycles + 7_000, true) === "idle") system.pass(1);
		}
		expect(system.base).toBe(null);
		// Make saveSystem see a busy thread.
		Object.defineProperty(system, "busy", { value: "a thread" });
		const restored = restoreSystem(saveSystem(system));
		expect(restored.report(0)).toEqual(system.report(0));
		for (const one of [system, restored]) {
			one.inputEnd();
			one.run();
		}
		expect(restored.report(0)).toEqual(system.report(0));
	});
});

describe("a thread that sleeps in a system call", () => {
	const script = "sleep 1 & wait; echo done";
	const booted = async (): Promise<System> =>
		createSystem(await optionsOf({ line: "sh -c", script }));

	/** Run until the shell waits for its child, which sleeps. */
	async function waiting(): Promise<System> {
		const system = await booted();
		const sleeps = (): string[] => system.kernel.lwps.map((l) => l.l_wmesg);
		while (!(sleeps().includes("wait") && sleeps().includes("nanosleep"))) {
			system.run(system.machine.clock.cycles + 10_000, true);
		}
		system.pass(1_000_000);
		return system;
	}

	it("sleeps again in what is restored, and wakes when it would have", async () => {
		const system = await waiting();
		expect(system.busy).toBe(null);
		const restored = restoreSystem(saveSystem(system));
		expect(restored.base).not.toBe(null);
		for (const one of [system, restored]) one.run();
		expect(restored.report(0)).toEqual(system.report(0));
		expect(restored.report(0).console).toBe("done\n");
	});

	it("sleeps again in a read of a pipe, also where its memory is in swap by now", async () => {
		const line = { line: "sh -c", script: "sleep 4 | cat & walk 2; echo walked; wait; echo done" };
		const system = createSystem({
			...(await optionsOf(line)),
			ram: MiB,
			swap: [{ media: 8 * MiB }],
		});
		const { kernel } = system;
		const runs = (): boolean => kernel.procs.some((p) => p.p_comm === "walk");
		while (!runs()) system.run(system.machine.clock.cycles + 10_000_000);
		while (runs() || system.busy !== null) system.run(system.machine.clock.cycles + 10_000_000);
		const cat = kernel.lwps.find((l) => l.l_wmesg === "piperd")!;
		// It is in no generator, and what it reads to is in swap.
		expect(cat.l_kernel).toBe(kernel.callagain);
		const { pmap } = cat.l_proc!.p_vmspace!.vm_map;
		expect(pmap_extract(kernel, pmap, cat.l_args[1]!)).toBe(-1);
		const restored = restoreSystem(saveSystem(system));
		expect(restored.base).not.toBe(null);
		for (const one of [system, restored]) one.run();
		expect(restored.report(0)).toEqual(system.report(0));
		expect(restored.report(0).console).toContain("done\n");
	});

	it("is reached by replay from the start, if it would not sleep again", async () => {
		const system = await waiting();
		const shell = system.kernel.lwps.find((l) => l.l_wmesg === "wait")!;
		shell.l_wmesg = "pause";
		expect(rebase(system)).toBe(false);
		const restored = restoreSystem(saveSystem(system));
		expect(restored.base).toBe(null);
		for (const one of [system, restored]) one.run();
		expect(restored.report(0)).toEqual(system.report(0));
	});

	it("has nothing of what it copied in changed meanwhile", async () => {
		const system = await waiting();
		const sleeper = system.kernel.lwps.find((l) => l.l_wmesg === "nanosleep")!;
		// The time that it sleeps is no longer to be found in its memory.
		const zeros = new Uint8Array(16);
		expect(sleeper.l_copied).toHaveLength(1);
		const before = system.stateHash();
		for (let page = 0; page < system.machine.memory.ramSize; page += 4096) {
			const { ram8 } = system.machine.memory;
			const at = Buffer.from(ram8.subarray(page, page + 4096)).indexOf(sleeper.l_copied[0]!);
			if (at >= 0) system.machine.dma.write(0x8000_0000 + page + at, zeros);
		}
		expect(system.stateHash()).not.toBe(before);
		const restored = restoreSystem(saveSystem(system));
		for (const one of [system, restored]) one.run();
		expect(restored.report(0)).toEqual(system.report(0));
	});
});

describe("a disk that is a file", () => {
	const make = (name: string): string => {
		const path = join(dir, name);
		writeFileSync(path, new Uint8Array(4 * MiB));
		return path;
	};
	/** Swaps on the file. */
	const start = (path: string): System =>
		createSystem({
			...{ program: "walk", args: ["1"], image: workload("walk"), ram: MiB },
			swap: [{ media: new FileDisk(path) }],
		});

	it("is not in the snapshot, and must be what it was", () => {
		const path = make("same");
		const system = start(path);
		while (system.run(system.machine.clock.cycles + 50_000) === "running") {
			const written = system.board.disks[0]!.counters.writes > 0;
			if (written && system.busy === null) break;
		}
		const file = saveSystem(system);
		const bytes = readFileSync(path);
		const restored = restoreSystem(file);
		restored.run();
		writeFileSync(path, bytes);
		system.run();
		expect(restored.report(0)).toEqual(system.report(0));
		expect(() => restoreSystem(file)).toThrow(/^disk .*same has changed since$/);
		rmSync(path);
		expect(() => restoreSystem(file)).toThrow(/^disk .*same: no such file$/);
	});

	it("gets replayed writes only once", () => {
		const path = make("again");
		const system = start(path);
		system.trackFiles();
		const { counters } = system.board.disks[0]!;
		while (counters.writes < 5 || system.busy === null)
			system.run(system.machine.clock.cycles + 20_000);
		const file = saveSystem(system);
		const bytes = readFileSync(path);
		const restored = restoreSystem(file);
		expect(Buffer.compare(readFileSync(path), bytes)).toBe(0);
		restored.run();
		const after = readFileSync(path);
		writeFileSync(path, bytes);
		system.run();
		expect(restored.report(0)).toEqual(system.report(0));
		expect(Buffer.compare(readFileSync(path), after)).toBe(0);
	});

	it("that was changed without a trace is reported", () => {
		const system = start(make("untracked"));
		const { counters } = system.board.disks[0]!;
		while (counters.writes < 5 || system.busy === null)
			system.run(system.machine.clock.cycles + 20_000);
		expect(() => saveSystem(system)).toThrow(/cannot be saved just now/);
	});
});
