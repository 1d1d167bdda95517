/** Allocations of the kernel that are refused by a plan. */
import { expect, it } from "vitest";
import { Bare } from "../../../computer/bare.ts";
import { createSystem, type System } from "../../../computer/system.ts";
import type { FaultRule } from "../../../devices/fault/rule.ts";
import { MiB, workload } from "../../support/workload.ts";

/** Processes that share memory with their parent, on little of it. */
const fork = (...rules: Partial<FaultRule>[]): System =>
	createSystem({
		...{ program: "fork", args: ["3"], image: workload("fork"), ram: MiB, check: true },
		swap: [{ media: 8 * MiB }],
		faults: {
			rules: rules.map((rule, i) => ({ id: `rule-${i}`, model: "alloc.fail", ...rule })),
		},
	});

function run(...rules: Partial<FaultRule>[]) {
	const system = fork(...rules);
	system.run();
	return system.report(0);
}

const NEVER = { hit: Number.MAX_SAFE_INTEGER };
const golden = run({ when: NEVER });

it("rules that never act change nothing", () => {
	const system = createSystem({ ...fork().options, faults: undefined });
	system.run();
	const { config: _, faults: none, ...plain } = system.report(0);
	const { config: __, faults, ...counted } = golden;
	expect(counted).toEqual(plain);
	expect([none, faults!.rules[0]!.candidates > 100]).toEqual([undefined, true]);
});

it("those that can wait do, and the output is the same", () => {
	const report = run({ when: { every: 7 }, params: { of: "page" } });
	expect(report.exit).toEqual(golden.exit);
	expect(report.console).toBe(golden.console);
	expect(report.faults!.applied).toBeGreaterThan(10);
	expect(report.faults!.ledger[0]).toMatchObject({ effect: "refused" });
});

it("those that cannot be told so: the program gets an error, and the kernel goes on", () => {
	const report = run({ params: { of: "procpl" }, life: "permanent" });
	expect(report.exit).toMatchObject({ kind: "exited" });
	expect(report.exit.code).not.toBe(0);
	expect(report.faults!.ledger.map(({ target }) => target)).toContain("procpl for fork");
});

it("a rule counts requests of its kind only", () => {
	const { rules } = run(
		{ when: NEVER },
		{ when: NEVER, params: { of: "page" } },
		{ when: NEVER, params: { of: "procpl" } },
	).faults!;
	const [all, pages, processes] = rules.map(({ candidates }) => candidates) as [
		number,
		number,
		number,
	];
	expect(pages).toBeGreaterThan(50);
	expect(processes).toBeGreaterThan(2);
	expect(pages + processes).toBeLessThan(all);
});

it("a checkpoint keeps what has become of them", () => {
	const system = fork({ when: { every: 7 }, params: { of: "page" } });
	system.run(3_000_000);
	let checkpoint = system.checkpoint();
	for (let at = 3_000_100; checkpoint === null; at += 100) {
		system.run(at);
		checkpoint = system.checkpoint();
	}
	system.run();
	const report = system.report(0);
	system.rollback(checkpoint);
	expect(system.faultReport()!.applied).toBeLessThan(report.faults!.applied);
	system.run();
	expect(system.report(0)).toEqual(report);
});

it("software without our kernel has no such allocations", () => {
	const faults = { rules: [{ id: "none", model: "alloc.fail" }] };
	const image = workload("../bare/bin/board");
	expect(() => new Bare({ image, faults })).toThrow("rule 1 (none): model: is for our own");
});
