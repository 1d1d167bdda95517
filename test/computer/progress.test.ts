/** Counts of traps in the report, and what a guest has done since it last printed. */
import { describe, expect, it } from "vitest";
import { Bare } from "../../computer/bare.ts";
import type { BareOptions } from "../../computer/bare-options.ts";
import { restoreBare, saveBare } from "../../computer/snapshot/bare-snapshot.ts";
import { createSystem } from "../../computer/system.ts";
import { assemble } from "../isa/assembler.ts";
import { stormGuest } from "../support/storm-guest.ts";
import { workload } from "../support/workload.ts";

const RAM = 1 << 20;
const LIMIT = 2_000_000;

const build = (plic: BareOptions["plic"]): Bare =>
	new Bare({ image: stormGuest(), ram: RAM, plic, disks: [] });

function stopped(bare: Bare): Bare {
	bare.inputEnd();
	while (bare.run(LIMIT) === "input");
	return bare;
}

const nonzero = (counts: Readonly<Record<string, number>>): Record<string, number> =>
	Object.fromEntries(Object.entries(counts).filter(([, n]) => n !== 0));

describe("traps", () => {
	it("are counted as the guest counts them", () => {
		const bare = stopped(build("level"));
		const { traps } = bare.report(0);
		expect(nonzero(traps.exceptions)).toEqual({ "ecall from M-mode": 3, "illegal instruction": 2 });
		const taken = traps.interrupts["machine external interrupt"]!;
		expect(nonzero(traps.interrupts)).toEqual({ "machine external interrupt": taken });
		const { x } = bare.machine.hart;
		expect(x[22]).toBe(5);
		expect(x[21]).toBeGreaterThan(1_000);
		// The handler may be about to count the latest one, and to claim it.
		expect([0, 1]).toContain(taken - x[21]!);
		expect([0, 1]).toContain(taken - traps.claims.uart!);
		expect(Object.keys(nonzero(traps.claims))).toEqual(["uart"]);
	});

	it("a snapshot and a checkpoint keep the counts", () => {
		const whole = stopped(build("level")).report(0);
		const half = build("level");
		half.run(LIMIT / 2);
		const restored = stopped(restoreBare(saveBare(half)));
		expect(restored.report(0)).toEqual(whole);
		const checkpoint = half.checkpoint()!;
		expect(stopped(half).report(0)).toEqual(whole);
		half.rollback(checkpoint);
		expect(stopped(half).report(0)).toEqual(whole);
	});

	it("of a system are those that its kernel counts", () => {
		const system = createSystem({
			program: "sort",
			image: workload("sort"),
			args: ["1"],
			ram: 1 << 20,
			swap: [{ media: 4 << 20 }],
		});
		system.run();
		const { traps, uvmexp, disks } = system.report(0);
		const { interrupts, exceptions, claims } = traps;
		const sum = (counts: object): number => Object.values(counts).reduce((a, b) => a + b, 0);
		expect(sum(interrupts) + sum(exceptions)).toBe(uvmexp.traps);
		expect(exceptions["ecall from U-mode"]).toBe(uvmexp.syscalls);
		expect(claims.virtio0).toBeGreaterThan(0);
		expect(claims.virtio0).toBeLessThanOrEqual(disks[0]!.reads + disks[0]!.writes);
	});
});

describe("a guest that does not get on", () => {
	it("drowns in interrupts", () => {
		const { sinceOutput, cycles, instructions } = stopped(build("level")).report(0);
		expect(sinceOutput).toMatchObject({
			mostTrap: "machine external interrupt",
			mostClaimed: "uart",
			diskRequests: 0,
		});
		expect(sinceOutput.lastOutput! + sinceOutput.cycles).toBe(cycles);
		expect(sinceOutput.instructions).toBeLessThan(instructions);
		// Nothing but the handler runs.
		expect(sinceOutput.mostTraps).toBe(sinceOutput.traps);
		expect(sinceOutput.instructions / sinceOutput.traps).toBeLessThan(10);
	});

	it("waits in an empty loop", () => {
		const bare = stopped(build("raise"));
		const { sinceOutput, exit } = bare.report(0);
		expect(sinceOutput).toMatchObject({ hart: "loops", mostTraps: 1, traps: 1 });
		// Where the one interrupt was taken.
		expect(exit.pc).toBe(bare.machine.hart.state.mepc);
	});

	it.each([
		["wait: wfi\n j wait", "idle"],
		["wait: j next\nnext: addi zero, zero, 0\n j wait", "loops"],
		["wait: addi t0, t0, 1\n j wait", "runs"],
		["wait: lw t0, 0(sp)\n j wait", "runs"],
	])("%j: %s", (source, what) => {
		const bare = new Bare({
			image: assemble(`la sp, wait\n${source}`, 0x8000_0000).bytes,
			ram: RAM,
		});
		stopped(bare);
		const { sinceOutput, exit } = bare.report(0);
		expect(sinceOutput).toMatchObject({ lastOutput: null, traps: 0, mostTrap: null });
		expect(what === "idle" ? exit.kind : sinceOutput.hart).toBe(what);
	});

	it("waits in wfi for a timer", () => {
		const source = `
			li t0, 0x80
			csrrw zero, mie, t0
			lui t1, 0x2004
			li t0, 0x7ffffff
			sw zero, 4(t1)
			sw t0, 0(t1)
			wfi`;
		const bare = stopped(new Bare({ image: assemble(source, 0x8000_0000).bytes, ram: RAM }));
		expect(bare.report(0).sinceOutput.hart).toBe("waits");
	});
});
