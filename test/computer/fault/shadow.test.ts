/** The shadow of page contents on whole systems: tells silent corruption, and changes nothing. */
import { describe, expect, it } from "vitest";
import { restoreSystem, saveSystem } from "../../../computer/snapshot/system-snapshot.ts";
import { createSystem } from "../../../computer/system.ts";
import type { Report, SystemOptions } from "../../../computer/system-options.ts";
import type { FaultRule } from "../../../devices/fault/rule.ts";
import { MiB, workload } from "../../support/workload.ts";

const sort = (...rules: FaultRule[]): SystemOptions => ({
	program: "sort",
	args: ["1"],
	image: workload("sort"),
	ram: MiB,
	swap: [{ media: 8 * MiB }],
	shadow: true,
	faults: rules.length === 0 ? undefined : { rules },
});

function run(options: SystemOptions): Report {
	const system = createSystem(options);
	system.run();
	return system.report(0);
}

const disk = (model: string, hit: number): FaultRule => ({
	...{ id: model, model, params: { disk: "ld0" }, when: { hit } },
});
const missedD: FaultRule = {
	...{ id: "d", model: "mmu.missed-d", params: { entry: "dirty" }, when: { every: 1 } },
};
const kinds = ({ shadow }: Report): string[] => [...new Set(shadow!.found.map((m) => m.what))];

const golden = run(sort());

it("sees nothing where nothing is wrong, and costs nothing", () => {
	const { config, shadow, ...report } = golden;
	expect(shadow).toEqual({ count: 0, found: [] });
	expect(report.uvmexp.pgswapin).toBeGreaterThan(300);
	const { config: plain, ...rest } = run({ ...sort(), shadow: false });
	expect(rest).toEqual(report);
	expect(config).toEqual({ ...plain, shadow: true });
});

it.each(["disk.lost-write", "disk.misdirected-write", "disk.torn-write"])(
	"%s: the shadow tells it where nothing else does, and checksums keep it from happening",
	(model) => {
		const silent = run(sort(disk(model, 20)));
		expect(silent.uvmexp.swpgbad).toBe(0);
		expect(kinds(silent)).toEqual(["swapin"]);
		const guarded = run({ ...sort(disk(model, 20)), swapChecksum: true });
		expect(guarded.exit).toMatchObject({ kind: "killed" });
		expect(guarded.shadow!.count).toBe(0);
		expect(guarded.swap.sumErrors).toBeGreaterThan(0);
	},
);

it("missed D bits: pages are dropped as clean that are not", () => {
	const report = run(sort(missedD));
	expect(kinds(report)).toContain("clean");
	expect(report.shadow!.count).toBeGreaterThan(10);
	const { ns } = report.faults!.ledger[0]!;
	expect(report.shadow!.found.every(({ cycle }) => cycle >= ns)).toBe(true);
});

it("lost fences: stores go to pages that are free", () => {
	const lost: FaultRule = {
		...{ id: "fence", model: "mmu.lost-fence", params: {} },
		...{ when: { hit: 600 }, life: { count: 300 } },
	};
	const report = run(sort(lost));
	expect(report.faults!.applied).toBeGreaterThan(100);
	expect(kinds(report)).toContain("free");
});

describe("what it has found is part of a", () => {
	const through = run(sort(missedD));

	it("snapshot", () => {
		for (const at of [0.3, 0.8]) {
			const first = createSystem(sort(missedD));
			first.run(at * through.cycles);
			const second = restoreSystem(saveSystem(first));
			second.run();
			expect(second.report(0)).toEqual(through);
		}
	});

	it("checkpoint", () => {
		const system = createSystem(sort(missedD));
		let checkpoint = null;
		for (let at = 0.4 * through.cycles; checkpoint === null; at += 100_000) {
			system.run(at);
			checkpoint = system.checkpoint();
		}
		for (let i = 0; i < 2; i++) {
			system.run();
			expect(system.report(0)).toEqual(through);
			system.rollback(checkpoint);
		}
		system.release(checkpoint);
	});
});
