/** Plans of faults on whole systems. */
import { describe, expect, it } from "vitest";
import { Bare } from "../../../computer/bare.ts";
import { restoreSystem, saveSystem } from "../../../computer/snapshot/system-snapshot.ts";
import { createSystem } from "../../../computer/system.ts";
import type { SystemOptions } from "../../../computer/system-options.ts";
import { MemoryDisk } from "../../../devices/disk/memory-disk.ts";
import type { DiskModels } from "../../../devices/fault/disk-rule.ts";
import type { FaultPlan, FaultRule, FaultWhen } from "../../../devices/fault/rule.ts";
import { RAM_BASE } from "../../../machine/memory.ts";
import { UserError } from "../../../machine/user-error.ts";
import { MiB, workload } from "../../support/workload.ts";

/** Sorts 1 MiB on less memory than that, and prints a checksum. */
const sort = (faults?: FaultPlan): SystemOptions => ({
	program: "sort",
	args: ["1"],
	image: workload("sort"),
	ram: MiB,
	swap: [{ media: 8 * MiB }],
	faults,
});

function run(options: SystemOptions) {
	const system = createSystem(options);
	system.run();
	return system.report(0);
}

const rule = (model: keyof DiskModels, rest: Partial<FaultRule> = {}): FaultRule => ({
	id: model,
	model,
	...rest,
	params: { disk: "ld0", ...rest.params },
});
const plan = (...rules: FaultRule[]): FaultPlan => ({ rules });

const golden = run(sort());

it("a plan whose rules never act changes nothing but what the report says of it", () => {
	const idle = rule("disk.lost-write", { when: { hit: 1_000_000 } });
	const { config, faults, ...report } = run(sort(plan(idle)));
	const { config: before, ...rest } = golden;
	expect(report).toEqual(rest);
	expect(config).toEqual({ ...before, faults: plan(idle) });
	expect(faults).toMatchObject({ notFired: ["disk.lost-write"], applied: 0, ledger: [] });
	expect(faults!.rules[0]!.candidates).toBeGreaterThan(20);
});

describe("sort, paging, on a disk with", () => {
	it.each([
		[rule("disk.lost-write", { when: { hit: 20 } })],
		[rule("disk.misdirected-write", { when: { hit: 20 } })],
		[rule("disk.torn-write", { when: { hit: 20 } })],
		[rule("disk.corrupt", { when: { hit: 50 }, params: { bits: 64 } })],
	])("%j: is wrong, or has noticed nothing, and nobody says so", (one) => {
		const report = run(sort(plan(one)));
		expect(report.faults).toMatchObject({ applied: 1, notFired: [] });
		const { pc, ns, instructions } = report.faults!.ledger[0]!;
		expect([pc > 0, ns > 0, instructions > 0]).toEqual([true, true, true]);
		// Swap has no checksums: the program itself may find that its numbers are out of order.
		expect(["exited", "killed"]).toContain(report.exit.kind);
		expect(report.uvmexp.swpgbad).toBe(0);
		expect(report.stateHash).not.toBe(golden.stateHash);
	});

	it("a bad sector: the process that needs the page dies, and the slot is not used again", () => {
		const bad = rule("disk.bad-sector", { params: { sector: 800, count: 8 } });
		const report = run(sort(plan(bad)));
		expect(report.exit).toMatchObject({ kind: "killed" });
		expect(report.uvmexp.swpgbad).toBe(1);
	});

	it("requests that take long: the same output, later", () => {
		const report = run(sort(plan(rule("disk.latency", { when: { every: 3 } }))));
		expect(report.console).toBe(golden.console);
		expect(report.cycles).toBeGreaterThan(golden.cycles + 100e6);
	});

	it("a controller that hangs for a while: the same output, later", () => {
		const hang = rule("disk.hang", { when: { hit: 30 }, life: { forNs: 2e9 } });
		const report = run(sort(plan(hang)));
		expect(report.console).toBe(golden.console);
		expect(report.cycles).toBeGreaterThan(golden.cycles + 1.9e9);
	});

	it("a controller that hangs for good: the owner dies, when the kernel has given up", () => {
		const hang = plan(rule("disk.hang", { when: { hit: 30 } }));
		const report = run(sort(hang));
		expect(report.exit.kind).toBe("killed");
		expect(report.faults!.ledger[0]!.effect).toBe("never completes");
		expect(report.disks[0]).toMatchObject({ timeouts: 6, resets: 6 });
		expect(report.messages.at(-1)).toMatch("ld0: timeout, and resets do not help; given up");
		// Without a timeout everything sleeps.
		expect(run({ ...sort(hang), diskTimeout: 0 }).exit.kind).toBe("deadlock");
	});

	it("one of two swap disks dies: what fits on the other goes on, with the same output", () => {
		const dies = plan(rule("disk.hang", { params: { disk: "ld1" } }));
		const swap = [{ media: 4 * MiB }, { media: 4 * MiB }];
		const report = run({ ...sort(dies), swap, check: true });
		expect(report.console).toBe(golden.console);
		expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(report.messages).toContain("ld1: no longer used for swap: it is dead");
		expect(report.swap.dead).toBe(1);
		// Only what was under way has cost slots.
		expect(report.disks[1]!.failed).toBeLessThan(120);
		expect(report.uvmexp.swpgbad).toBeLessThan(120);
	});

	it.each(["drop-queue", "needs-reset"])("a controller that fails, %s: the same output", (mode) => {
		const fails = rule("disk.controller", { when: { every: 25 }, params: { mode } });
		const report = run({ ...sort(plan(fails)), check: true });
		expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(report.console).toBe(golden.console);
		expect(report.faults!.applied).toBeGreaterThan(3);
		expect(report.disks[0]!.resets).toBe(report.faults!.applied);
		expect(report.uvmexp.swpgbad).toBe(0);
	});

	it("a read that fails once: dead without repetition, and otherwise the same output", () => {
		const once = plan(rule("disk.transient", { when: { hit: 60 }, params: { direction: "read" } }));
		const report = run(sort(once));
		expect(report.console).toBe(golden.console);
		expect(report.disks[0]).toMatchObject({ retries: 1, failed: 0 });
		expect(run({ ...sort(once), diskRetries: 0 }).exit.kind).toBe("killed");
	});

	const SILENT = ["disk.lost-write", "disk.misdirected-write", "disk.torn-write"] as const;
	it.each(SILENT)("%s: checksums notice it, and a second disk makes it good", (model) => {
		const faults = plan(rule(model, { when: { hit: 20 } }));
		const noticed = run({ ...sort(faults), swapChecksum: true });
		expect(noticed.exit.kind).toBe("killed");
		expect(noticed.swap.sumErrors).toBeGreaterThan(0);
		expect(noticed.config).toMatchObject({ swapChecksum: true, swapMirror: false });
		const good = run({ ...sort(faults), swapChecksum: true, swapMirror: true, check: true });
		expect(good.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(good.console).toBe(golden.console);
		expect(good.swap.repairs).toBeGreaterThan(0);
		expect(good.uvmexp.swpgbad).toBe(0);
		expect(good.disks.map(({ id }) => id)).toEqual(["ld0", "ld1"]);
	});

	it("a disk that is gone: the second one has everything", () => {
		const gone = rule("disk.bad-sector", {
			when: { hit: 300 },
			params: { direction: "both" },
		});
		const options = { ...sort(plan(gone)), swapMirror: true, diskRetries: 0, check: true };
		const report = run(options);
		expect(report.console).toBe(golden.console);
		expect(report.swap.degraded).toBeGreaterThan(50);
		expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
		// Wherever it is saved.
		for (const at of [0.4, 0.7]) {
			const first = createSystem(options);
			first.run(at * report.cycles);
			const second = restoreSystem(saveSystem(first));
			second.run();
			expect(second.report(0)).toEqual(report);
		}
	});

	it("a second disk for what is not given by its size, or for nothing, is one line", () => {
		const refused = (options: Partial<SystemOptions>): string => {
			try {
				createSystem({ ...sort(), ...options });
			} catch (error) {
				return error instanceof UserError ? error.message : "another error";
			}
			return "none";
		};
		const media = new MemoryDisk(8 * MiB);
		expect(refused({ swap: [], swapMirror: true })).toMatch(/^swapMirror: there are no swap disks/);
		expect(refused({ swap: [{ media }], swapMirror: true })).toMatch(/^swapMirror: .* by its size/);
		expect(refused({ swapMirror: [] })).toMatch(/^swapMirror: 0 disks, for 1 swap disks/);
		expect(refused({ swapMirror: [{ media }] })).toBe("none");
		expect(refused({ swapMirror: 3 as unknown as boolean })).toMatch(/^createSystem: swapMirror: /);
		const large = { swap: [{ media: 300 * MiB }], swapChecksum: true };
		expect(refused(large)).toMatch(/^swapChecksum: the checksums take 307200 bytes/);
	});

	it("a controller that hangs: a run saved while the kernel waits goes on as it would have", () => {
		const hang = rule("disk.hang", { when: { hit: 30 }, life: { forNs: 25e9 } });
		const options = sort(plan(hang));
		const through = run(options);
		expect(through.console).toBe(golden.console);
		expect(through.disks[0]).toMatchObject({ timeouts: 2, resets: 2 });
		for (const at of [5e9, 10e9, 15e9, 22e9]) {
			const first = createSystem(options);
			first.run(at);
			expect(first.exit.kind).toBe("running");
			const second = restoreSystem(saveSystem(first));
			second.run();
			expect(second.report(0)).toEqual(through);
		}
	});

	it("a write error now and then: no data are lost", () => {
		const params = { direction: "write" };
		const report = run(sort(plan(rule("disk.transient", { when: { every: 7 }, params }))));
		expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(report.console).toBe(golden.console);
		expect(report.faults!.applied).toBeGreaterThan(4);
	});
});

describe("sort on a machine with", () => {
	const machine = (model: string, when: FaultWhen, params = {}): FaultRule => ({
		...{ id: model, model, when, params },
	});

	it("spurious faults: the same output, with more faults", () => {
		const report = run(sort(plan(machine("mmu.spurious-fault", { every: 10 }))));
		expect(report.console).toBe(golden.console);
		expect(report.exit).toEqual(golden.exit);
		expect(report.faults!.applied).toBeGreaterThan(50);
		expect(report.uvmexp.faults).toBeGreaterThan(golden.uvmexp.faults + 50);
	});

	it("missed D bits: pages are lost that nobody knows were written", () => {
		const report = run(sort(plan(machine("mmu.missed-d", { every: 1 }, { entry: "dirty" }))));
		expect(report.faults!.applied).toBeGreaterThan(20);
		expect(report.console === golden.console && report.exit.code === 0).toBe(false);
		expect(report.exit.kind).not.toBe("panic");
	});

	it("a flip of free memory: the same output; all of memory is hashed", () => {
		const pa = RAM_BASE + MiB - 4096;
		const report = run(sort(plan(machine("memory.flip", { atNs: 1 }, { pa }))));
		expect(report.console).toBe(golden.console);
		expect(report.faults!.ledger).toHaveLength(1);
	});

	it("flipped registers: the run ends, and the simulator never fails", () => {
		for (let seed = 1; seed <= 5; seed++) {
			const rules = [machine("cpu.register", { atInsn: 200_000 * seed })];
			const system = createSystem(sort({ seed, rules }));
			system.run(4 * golden.cycles);
			expect(system.report(0).faults!.applied).toBe(1);
		}
	});
});

it("a run is saved and restored with its faults", () => {
	const rules = [
		rule("disk.lost-write", { when: { every: 11 } }),
		rule("disk.corrupt", { when: { chance: 0.05 }, params: { sticky: true } }),
		rule("disk.transient", { when: { chance: 0.01 }, params: { direction: "write" } }),
		rule("disk.latency", { when: { chance: 0.1 } }),
		{ id: "spurious", model: "mmu.spurious-fault", params: {}, when: { chance: 0.05 } },
		{ id: "flip", model: "memory.flip", params: {}, when: { atInsn: 2_000_000 } },
		rule("disk.hang", {
			when: { every: 25 },
			life: { onNs: 1e6, offNs: 1e5 },
			budget: { times: 2 },
		}),
	];
	const options = { ...sort({ seed: 3, rules }), sysctl: { "vm.anonmin": 30 } };
	const straight = run(options);
	expect(straight.faults!.applied).toBeGreaterThan(3);
	for (const part of [0.2, 0.5, 0.9]) {
		const system = createSystem(options);
		system.run(Math.floor(straight.cycles * part));
		const restored = restoreSystem(saveSystem(system));
		restored.run();
		expect(restored.report(0)).toEqual(straight);
	}
});

it("a rule about a disk that is not there is refused", () => {
	const wrong = plan(rule("disk.lost-write", { params: { disk: "ld7" } }));
	expect(() => createSystem(sort(wrong))).toThrow(UserError);
	expect(() => createSystem(sort(wrong))).toThrow(
		"rule 1 (disk.lost-write): params.disk: no disk ld7; there are ld0",
	);
	expect(() => new Bare({ image: new Uint8Array(4), faults: wrong })).toThrow(
		"rule 1 (disk.lost-write): params.disk: no disk ld7; there are none",
	);
	const outside = plan(rule("disk.lost-write", { params: { sector: 16 * 1024, count: 2 } }));
	expect(() => createSystem(sort(outside))).toThrow(/ld0 has no sectors 16384 to 16385, but 16384/);
});
