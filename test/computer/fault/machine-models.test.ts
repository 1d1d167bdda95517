/** Faults of memory, MMU, hart, interrupts and clock, in a system that pages. */
import { describe, expect, it } from "vitest";
import { createSystem } from "../../../computer/system.ts";
import type { FaultPlan, FaultRule } from "../../../devices/fault/rule.ts";
import { RAM_BASE } from "../../../machine/memory.ts";
import { MiB, workload } from "../../support/workload.ts";

/** Sorts 1 MiB on less memory than that, and prints a checksum. */
function run(faults?: FaultPlan) {
	const system = createSystem({
		program: "sort",
		args: ["1"],
		image: workload("sort"),
		ram: MiB,
		swap: [{ media: 8 * MiB }],
		faults,
	});
	system.run();
	return system.report(0);
}

const golden = run();
const rule = (model: string, params: object = {}, rest: object = {}): FaultRule => ({
	id: model,
	model,
	params: params as Record<string, unknown>,
	...rest,
});
const at = { when: { atNs: 50_000_000 } };
/** A frame of user data. */
const PA = RAM_BASE + 0x8_0000;
const ECC = rule("memory.ecc");
const disk = { device: "ld0" };

describe("the output is the same, and", () => {
	const MODELS: readonly (readonly FaultRule[])[] = [
		[ECC, rule("memory.stuck", { pa: PA, bit: 2, value: 1 })],
		[ECC, rule("memory.flip", { pa: PA, mask: 4 }, at)],
		[rule("irq.delayed", { ...disk, addNs: 100_000 }, { when: { every: 3 } })],
		[rule("irq.duplicated", disk, { when: { every: 2 } })],
		[rule("irq.spurious", {}, at)],
		[rule("irq.storm", { ...disk, durNs: 1_000_000 }, at)],
		[rule("clock.jump", { deltaNs: 1e9 }, at)],
		[rule("clock.freeze", {}, at)],
		[rule("clock.drift", { ppm: -300_000 }, at)],
		[rule("clock.jitter", {}, { life: "permanent" })],
		[rule("mmu.false-a", {}, { when: { every: 5 } })],
		[rule("mmu.false-d", {}, { when: { every: 5 } })],
		[rule("cpu.stall", { cycles: 1_000_000 }, at)],
	];

	it.each(MODELS)("%j %j acts", (...rules) => {
		const own = rules.filter((each) => each !== undefined);
		const report = run({ rules: own });
		expect([report.console, report.exit]).toEqual([golden.console, golden.exit]);
		expect(report.faults!.applied).toBeGreaterThan(0);
	});
});

describe("something goes wrong:", () => {
	it("a cell that is stuck, without error correction", () => {
		const report = run({ rules: [rule("memory.stuck", { pa: PA, bit: 2, value: 1 })] });
		expect(report.faults!.applied).toBeGreaterThan(0);
		expect(report.console).not.toBe(golden.console);
	});

	it("a row that is dead costs its frames, and perhaps the program that owns them", () => {
		const report = run({ rules: [ECC, rule("memory.row", { pa: PA, value: "dead" })] });
		expect(report.memory!.retired).toBeGreaterThan(0);
		expect(["exited", "killed"]).toContain(report.exit.kind);
	});
});

it("rules that never act change nothing", () => {
	const late = { when: { atNs: 1e15 } };
	const never = { when: { hit: 1e9 } };
	const rules = [
		rule("mmu.partial-fence", {}, never),
		rule("mmu.walk-flip", {}, never),
		rule("irq.lost", disk, never),
		rule("irq.storm", disk, late),
		rule("clock.timer-miss", {}, never),
		rule("clock.drift", {}, late),
		rule("cpu.skip", {}, late),
		ECC,
	];
	const report = run({ rules });
	expect(report.stateHash).toBe(golden.stateHash);
	expect(report.faults!.applied).toBe(0);
});
