/** Several processes on one machine: they share memory, swap and the disk's bad sectors. */

import { describe, expect, it } from "vitest";
import { createSystem, type System } from "../../computer/system.ts";
import { elf32_parse } from "../../kernel/kern/proc/exec_elf32.ts";
import { newproc } from "../../kernel/kern/proc/init_main.ts";
import type { proc } from "../../kernel/kern/proc/kern_proc.ts";
import { amap_lookup, amap_used } from "../../kernel/uvm/uvm_amap.ts";
import { uvm_check } from "../../kernel/uvm/uvm_check.ts";
import { swapdrum_getsdp } from "../../kernel/uvm/uvm_swap.ts";
import { MAXSSIZ, USRSTACK, VM_DEFAULT_ADDRESS } from "../../sys/vmparam.ts";
import { shmOutput, sortOutput, walkOutput } from "../../workloads/reference.ts";
import { MiB, workload } from "../support/workload.ts";

/** A further process beside the system's own. */
function start(system: System, program: string, ...args: string[]): proc {
	const file = workload(program);
	const image = elf32_parse(file);
	if ("error" in image) throw new Error(image.error);
	return newproc(system.kernel, program, file, image, [program, ...args]);
}

function walkers(n: number): { system: System; procs: proc[] } {
	const system = createSystem({
		program: "walk",
		image: workload("walk"),
		args: ["2", "2"],
		ram: 2 * MiB,
	});
	const others = Array.from({ length: n - 1 }, () => start(system, "walk", "2", "2"));
	return { system, procs: [system.process, ...others] };
}

/** The disk sector of a page of `p` that is only in swap. */
function swappedPage(system: System, p: proc): number {
	const { header } = p.p_vmspace!.vm_map;
	// From the end: walk's last act is to read all of its mapping from the start.
	for (let e = header.prev; e !== header; e = e.prev) {
		if (e.start < VM_DEFAULT_ADDRESS || e.start >= USRSTACK - MAXSSIZ) continue;
		const slots = e.amap === null ? [] : amap_used(e.amap, 0, e.amap.am_nslot).reverse();
		for (const slot of slots) {
			const anon = amap_lookup(e.amap!, slot);
			if (anon === null || anon.an_page !== null || anon.an_swslot <= 0) continue;
			const sdp = swapdrum_getsdp(system.kernel, anon.an_swslot)!;
			return (anon.an_swslot - sdp.swd_drumoffset) * 8;
		}
	}
	return -1;
}

describe("processes side by side", () => {
	it("finish with the right results, and leave nothing", () => {
		const system = createSystem({
			program: "sort",
			image: workload("sort"),
			args: ["2"],
			ram: 2 * MiB,
		});
		const procs = [system.process, start(system, "shm", "2", "2"), start(system, "walk", "2", "1")];
		system.run();
		for (const p of procs) expect(p.p_exit).toMatchObject({ code: 0, signal: 0 });
		const { console, uvmexp } = system.report(0);
		const lines = (text: string): string[] => text.trimEnd().split("\n");
		const expected = [sortOutput(2), shmOutput(2, 2), walkOutput(2, 1)].flatMap(lines);
		expect(lines(console).sort()).toEqual(expected.sort());
		expect(uvmexp.pgswapout).toBeGreaterThan(256);
		expect(uvmexp).toMatchObject({ swpginuse: 0, swpgonly: 0, nanon: 0 });
		expect(uvmexp.free + uvmexp.wired + uvmexp.poolpages).toBe(uvmexp.npages);
		expect(uvm_check(system.kernel, system.machine.hart.tlb.list())).toEqual([]);
	});

	it("take turns: none waits for the others to end", () => {
		const { system, procs } = walkers(3);
		let cycles = 0;
		while (procs.every((p) => p.p_exit === null)) system.run((cycles += 1_000_000));
		// When the first has ended, the others are far along.
		for (const p of procs) {
			if (p.p_exit === null) expect(p.p_lwp!.l_minflt + p.p_lwp!.l_majflt).toBeGreaterThan(300);
		}
	});

	it("a bad sector kills only the process whose page is there", () => {
		const { system, procs } = walkers(2);
		let sector = -1;
		for (let cycles = 0; sector < 0; ) {
			expect(system.run((cycles += 100_000))).toBe("running");
			sector = swappedPage(system, procs[1]!);
		}
		system.faults[0]!.failReads(sector, 8);
		expect(system.run()).toBe("ended");
		expect(procs[0]!.p_exit).toMatchObject({ code: 0, signal: 0 });
		expect(procs[1]!.p_exit).toMatchObject({ signal: 7 });
		const { uvmexp } = system.report(0);
		expect(uvmexp).toMatchObject({ swpgbad: 1, swpginuse: 1, swpgonly: 0, nanon: 0 });
		expect(uvm_check(system.kernel)).toEqual([]);
	});

	it("a bad slot is never used again, however often swap fills up", () => {
		const { system, procs } = walkers(3);
		let sector = -1;
		for (let cycles = 0; sector < 0; ) {
			system.run((cycles += 100_000));
			sector = swappedPage(system, procs[2]!);
		}
		const disk = system.faults[0]!;
		disk.failReads(sector, 8);
		while (system.kernel.uvmexp.swpgbad === 0) {
			if (system.run(system.machine.clock.cycles + 1_000_000) === "ended") break;
		}
		const writes = disk.failWrites(sector, 8);
		system.run();
		expect(disk.armings.find(({ rule }) => rule.id === writes)!.applied).toBe(0);
		expect(system.kernel.uvmexp.swpgbad).toBe(1);
		expect(procs.filter((p) => p.p_exit!.signal !== 0)).toHaveLength(1);
	});

	it("when memory and swap are full, who asks for more dies, and nothing is lost", () => {
		const system = createSystem({
			program: "walk",
			image: workload("walk"),
			args: ["2", "1"],
			ram: 2 * MiB,
			swap: [{ media: MiB }],
		});
		const big = start(system, "walk", "16", "1");
		system.run();
		expect(big.p_exit).toMatchObject({ signal: 9, reason: "out of swap" });
		expect(uvm_check(system.kernel)).toEqual([]);
		expect(system.kernel.uvmexp).toMatchObject({ swpginuse: 0, nanon: 0 });
	});
});
