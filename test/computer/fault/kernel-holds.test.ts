/** Resources of the kernel that a plan holds, for ever or for a time. */
import { expect, it } from "vitest";
import { Bare } from "../../../computer/bare.ts";
import { checkFaultPlan } from "../../../computer/fault/plan.ts";
import { createSystem, type System } from "../../../computer/system.ts";
import type { SystemOptions } from "../../../computer/system-options.ts";
import { uvm_check } from "../../../kernel/uvm/uvm_check.ts";
import { MiB, workload } from "../../support/workload.ts";

type Rule = Record<string, unknown>;

function boot(
	program: string,
	args: string[],
	rules: Rule[],
	options: Partial<SystemOptions> = {},
): System {
	return createSystem({
		...{ program, args, image: workload(program), ram: MiB, check: true, framebuffer: null },
		swap: [{ media: 4 * MiB }],
		faults: { rules: rules.map((rule, i) => ({ id: `rule-${i}`, ...rule })) } as never,
		...options,
	});
}

/** Pages in and out from about 2 ms to its end at 23 ms. */
const walk = (...rules: Rule[]): System => boot("walk", ["1", "2"], rules);

function finished(system: System) {
	system.run();
	expect(uvm_check(system.kernel)).toEqual([]);
	return system.report(0);
}

const golden = finished(walk());
const MS = 1_000_000;

it("pages that are held wake the daemon, which stops when enough are free", () => {
	const rule = { model: "alloc.hold-pages", params: { leave: 3 }, when: { atNs: 15 * MS } };
	const system = walk({ ...rule, life: { forNs: 5 * MS } });
	const { kernel } = system;
	const e = kernel.uvmexp;
	system.run(15 * MS - 1);
	const { pdwoke, free } = e;
	const target = e.freetarg;
	expect(free).toBeGreaterThan(target);
	const seen: number[] = [];
	for (let at = 15 * MS; at < 19 * MS; at += 5000) {
		system.run(at);
		seen.push(e.free);
	}
	const [hold] = kernel.uvm.holds;
	// The kernel's reserve is not for anybody else.
	expect(hold!.h_pages.length).toBeGreaterThanOrEqual(free - e.reserve_kernel);
	expect(free - hold!.h_pages.length).toBeLessThan(e.freemin);
	expect(e.pdwoke).toBeGreaterThan(pdwoke);
	const back = seen.findIndex((n, i) => i > seen.indexOf(Math.min(...seen)) && n >= target);
	expect(back).toBeGreaterThan(0);
	expect(Math.max(...seen.slice(back))).toBeLessThanOrEqual(4 * target + 16);
	const report = finished(system);
	expect([report.console, kernel.uvm.holds]).toEqual([golden.console, []]);
	expect(report.faults!.ledger.map(({ effect }) => effect)).toEqual([
		`${hold!.h_pages.length} pages held`,
	]);
});

it("what is not free at once is held when it becomes free", () => {
	const rule = { model: "alloc.hold-pages", params: { pages: 60 }, when: { atNs: 15 * MS } };
	const system = walk(rule);
	const report = finished(system);
	expect(report.faults!.ledger[0]!.effect).toMatch(
		/^\d\d pages held, \d+ more when they are free$/,
	);
	expect(system.kernel.uvm.holds[0]!.h_pages.length).toBe(60);
	expect([report.console, report.uvmexp.free]).toEqual([golden.console, golden.uvmexp.free - 60]);
});

it("without slots the process that needs memory is killed, and no other", () => {
	const rule = { model: "alloc.hold-slots", params: { leave: 0 }, when: { atInsn: 1000 } };
	const system = boot("mlock", ["1", "4"], [rule], { ram: 4 * MiB });
	const killed: string[] = [];
	const { kernel } = system;
	kernel.watch = {
		...kernel.watch,
		exit: (_, { p_pid, p_exit: how }) => {
			if (how!.signal !== 0) killed.push(`${p_pid} ${how!.reason}`);
		},
	};
	const report = finished(system);
	// A child writes to more memory than there is, and its parent has locked its own.
	expect([report.console, report.exit.kind]).toEqual([
		"mlock: 256 pages\nmlock: the child failed\n",
		"exited",
	]);
	expect(killed).toEqual(["2 out of swap"]);
	const { swpgavail, swpginuse, swpages } = report.uvmexp;
	expect([swpgavail, swpginuse]).toEqual([0, swpages]);
});

it("when slots are back all goes on", () => {
	const rule = { model: "alloc.hold-slots", params: { leave: 0 }, when: { atNs: 15 * MS } };
	const system = walk({ ...rule, life: { forNs: 5 * MS } });
	system.run(17 * MS);
	const { uvm, uvmexp } = system.kernel;
	const slots = uvm.holds[0]!.h_slots.length;
	expect(slots).toBeGreaterThan(800);
	expect(uvmexp.swpgavail).toBe(uvmexp.swpages - slots);
	const report = finished(system);
	expect(report.console).toBe(golden.console);
	expect([uvmexp.swpgavail, uvmexp.swpginuse]).toEqual([uvmexp.swpages, 0]);
});

it("with every third slot held, no more than two pages go out together", () => {
	const rule = { model: "alloc.hold-slots", params: { every: 3 }, when: { atInsn: 1000 } };
	const report = finished(walk(rule));
	expect(report.console).toBe(golden.console);
	const { pgswapout, pdpageouts, swpages, swpginuse } = report.uvmexp;
	expect(pgswapout / pdpageouts).toBeLessThanOrEqual(2);
	expect(golden.uvmexp.pgswapout / golden.uvmexp.pdpageouts).toBeGreaterThan(10);
	// The label is the first slot of the disk.
	expect(swpginuse).toBe(Math.floor(swpages / 3));
});

it("mlock is refused beyond the limit, and no longer when that is over", () => {
	const lock = (...rules: Rule[]): System => boot("mlock", ["1", "1"], rules, { ram: 4 * MiB });
	const before = finished(lock());
	const rule = { model: "alloc.wire-limit", params: { pages: 60 }, when: { atInsn: 1000 } };
	const refused = finished(lock(rule));
	expect(refused.console).toMatch(/mlock of 256 pages: error 12\n$/);
	expect([refused.exit.code, refused.uvmexp.wiredmax]).toEqual([1, 60]);
	const over = { ...rule, life: { forNs: 10_000 } };
	const report = finished(lock(over));
	expect([report.console, report.uvmexp.wiredmax]).toEqual([
		before.console,
		before.uvmexp.wiredmax,
	]);
});

it("limits that overlap end in any order", () => {
	const limit = (pages: number, at: number, forNs: number): Rule => ({
		...{ model: "alloc.wire-limit", params: { pages }, when: { atNs: at * MS } },
		life: { forNs: forNs * MS },
	});
	const system = walk(limit(50, 5, 5), limit(20, 7, 6));
	const wiredmax = [6, 8, 12, 14].map((ms) => {
		system.run(ms * MS);
		return system.kernel.uvmexp.wiredmax;
	});
	expect(wiredmax).toEqual([50, 20, 20, golden.uvmexp.wiredmax]);
});

it("without pager_map the daemon uses its own window, and others wait", () => {
	const rule = { model: "alloc.pager-windows", params: { leave: 0 }, life: { forNs: 10 * MS } };
	const system = walk({ ...rule, when: { atNs: MS / 2 } });
	let emergency = false;
	for (let at = MS; at < 10 * MS; at += 10_000) {
		system.run(at);
		emergency ||= system.kernel.uvm.emerginuse;
		expect(system.kernel.uvm.pager_map!.nentries).toBe(0);
	}
	expect(emergency).toBe(true);
	const report = finished(system);
	expect(report.console).toBe(golden.console);
	expect(report.cycles).toBeGreaterThan(golden.cycles);
});

const all: Rule[] = [
	{ model: "alloc.hold-pages", params: { pages: 40 } },
	{ model: "alloc.hold-slots", params: { every: 2 } },
	{ model: "alloc.wire-limit", params: { pages: 9 } },
	{ model: "alloc.pager-windows", params: { leave: 1 } },
].map((rule) => ({ ...rule, when: { atNs: 14 * MS }, life: { forNs: 6 * MS } }));

it("checkpoints and snapshots have what is held", () => {
	const system = walk(...all);
	let at = 16 * MS;
	system.run(at);
	for (; system.busy !== null; at += 1000) system.run(at);
	expect(at).toBeLessThan(20 * MS);
	expect(system.kernel.uvm.holds.length).toBe(4);
	const checkpoint = system.checkpoint()!;
	const saved = structuredClone(system.save()!);
	const { hostMs: _, ...report } = finished(system);
	expect([report.console, system.kernel.uvm.holds]).toEqual([golden.console, []]);
	system.rollback(checkpoint);
	expect(system.kernel.uvm.holds.length).toBe(4);
	expect(finished(system)).toMatchObject(report);
	const other = walk(...all);
	other.restore(saved);
	expect(other.kernel.uvm.holds.length).toBe(4);
	expect(finished(other)).toMatchObject(report);
});

it("it ends with the rules", () => {
	const system = walk(...all);
	system.run(16 * MS);
	const { uvm, uvmexp } = system.kernel;
	expect(uvm.holds.length).toBe(4);
	system.inject();
	expect([uvm.holds.length, uvmexp.wiredmax]).toEqual([0, golden.uvmexp.wiredmax]);
	expect(finished(system).console).toBe(golden.console);
});

it("a rule that cannot be followed is refused in one line", () => {
	const rule = (change: object): unknown => ({
		rules: [{ model: "alloc.hold-pages", params: { pages: 1 }, when: { atNs: 1 }, ...change }],
	});
	for (const [change, message] of [
		[{ life: { count: 2 } }, "life: expected permanent or {forNs}"],
		[{ params: {} }, "params.pages: expected either pages or leave"],
		[{ params: { pages: 1, leave: 1 } }, "params.pages: expected either pages or leave"],
		[{ when: { hit: 1 } }, "when.hit"],
		[{ budget: { times: 2 } }, "budget"],
	] as const) {
		expect(() => checkFaultPlan(rule(change))).toThrow(message);
	}
	const image = workload("../bare/bin/board");
	const faults = { rules: [{ id: "none", model: "alloc.wire-limit", params: { pages: 1 } }] };
	expect(
		() => new Bare({ image, faults: { rules: [{ ...faults.rules[0]!, when: { atNs: 1 } }] } }),
	).toThrow("rule 1 (none): model: is for our own kernel; there is none");
});
