/** Choices about paging as options of systems: whole programs, both engines, snapshots. */
import { describe, expect, it } from "vitest";
import { restoreSystem, saveSystem } from "../../computer/snapshot/system-snapshot.ts";
import { createSystem, type PagingPolicy, type Report, type SystemOptions } from "../../index.ts";
import { workload } from "../support/workload.ts";

const MiB = 1 << 20;
const sort = (policy: PagingPolicy, rest: Partial<SystemOptions> = {}): SystemOptions => ({
	program: "sort",
	image: workload("sort"),
	args: ["1"],
	ram: 1 * MiB,
	swap: [{ media: 4 * MiB }],
	framebuffer: null,
	policy,
	...rest,
});

function run(options: SystemOptions): Report {
	const system = createSystem(options);
	system.run();
	return system.report(0);
}

const POLICIES: readonly (readonly [string, PagingPolicy])[] = [
	["clockpro", { replacement: "clockpro" }],
	["aging", { replacement: "aging", swapinPages: 8 }],
	["random", { replacement: "random", slotAllocation: "stepwise" }],
	["fixed slots", { reassignSlots: false, clusterPages: 4 }],
	["other targets", { freeMin: 10, freeTarget: 30, inactivePercent: 50, balance: false }],
];

describe.each(POLICIES)("with %s", (_, policy) => {
	it("a program prints what it always prints, with all invariants", () => {
		const normal = run(sort({}));
		const report = run(sort(policy, { check: true, shadow: true }));
		expect(report.exit).toMatchObject({ kind: "exited", code: 0 });
		expect(report.console).toBe(normal.console);
		expect(report.shadow).toEqual({ count: 0, found: [] });
		expect(report.config.policy).toEqual(policy);
		expect(report.cycles).not.toBe(normal.cycles);
	});

	it("both engines count the same", () => {
		const [one, other] = (["interp", "jit"] as const).map((engine) =>
			run(sort(policy, { engine })),
		);
		expect(other!.stateHash).toBe(one!.stateHash);
		expect(other!.uvmexp).toEqual(one!.uvmexp);
		expect(other!.cycles).toBe(one!.cycles);
	});

	it("a snapshot goes on as the system that was saved", () => {
		const straight = run(sort(policy));
		const system = createSystem(sort(policy));
		system.run(Math.floor(straight.cycles / 2));
		const restored = restoreSystem(saveSystem(system));
		restored.run();
		const report = restored.report(0);
		expect(report.stateHash).toBe(straight.stateHash);
		expect(report.uvmexp).toEqual(straight.uvmexp);
	});
});

it("without a choice the report has none", () => {
	expect(run(sort({}, { policy: undefined })).config).not.toHaveProperty("policy");
});

it.each([
	[{ replacement: "fifo" }, /^createSystem: policy\.replacement: expected .*received "fifo"$/],
	[{ clusterPages: 33 }, /^createSystem: policy\.clusterPages: .*32 but received 33$/],
	[{ clusterPages: 0 }, /^createSystem: policy\.clusterPages: .*1 but received 0$/],
	[{ fast: true }, /^createSystem: policy\.fast: no such option$/],
	[{ balance: 1 }, /^createSystem: policy\.balance: expected boolean but received 1$/],
	[{ normalBehind: 8, normalAhead: 8 }, /^policy: normalBehind 8 and normalAhead 8: at most 15/],
	[{ freeMin: 50, freeTarget: 50 }, /^policy: freeTarget 50 is not above freeMin 50$/],
	[{ freeMin: 200 }, /^policy: freeMin and freeTarget: at most half of RAM, 128 pages$/],
])("%j is refused", (policy, message) => {
	expect(() => createSystem(sort(policy as PagingPolicy))).toThrow(message);
});
