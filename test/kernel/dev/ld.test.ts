/** What the driver of disks does about errors, and about a device that does not answer. */
import { describe, expect, it } from "vitest";
import { SsdTiming } from "../../../devices/disk/timing.ts";
import type { TimingModels, TimingRule } from "../../../devices/fault/disk-rule.ts";
import { FaultyTiming } from "../../../devices/fault/faulty-timing.ts";
import type { FaultRule } from "../../../devices/fault/rule.ts";
import type { ld_errors } from "../../../kernel/dev/ld_virtio.ts";
import type { uvm_object } from "../../../kernel/uvm/uvm_object.ts";
import { EIO } from "../../../sys/errno.ts";
import { PAGE_SIZE } from "../../../sys/vmparam.ts";
import { TestKernel } from "../../support/kernel.ts";
import {
	breakSlot,
	checkAtRest,
	expectPattern,
	fill,
	pageout,
	pattern,
	readByte,
	slotOf,
	startPageout,
	swappedObject,
} from "../../support/paging.ts";

const SECOND = 1e9;
const LD = { retries: 5, timeout: 10 * SECOND };

const rule = (model: keyof TimingModels, rest: Partial<FaultRule> = {}): TimingRule =>
	({ id: model, model, ...rest, params: { disk: "ld0", ...rest.params } }) as TimingRule;

const kernel = (...rules: TimingRule[]): TestKernel =>
	new TestKernel({ ld: LD, timing: () => new FaultyTiming(new SsdTiming(), rules) });

const NONE: ld_errors = { retries: 0, timeouts: 0, resets: 0, lostIntrs: 0, failed: 0 };
function expectErrors(t: TestKernel, some: Partial<ld_errors>): void {
	expect(t.k.lds[0]!.sc_errors).toEqual({ ...NONE, ...some });
}

const now = (t: TestKernel): number => t.machine.clock.cycles;

/** Everything is written, each page once, in a slot of its own, and nothing waits any more. */
function expectWrittenOnce(t: TestKernel, uobj: uvm_object, pages: number): void {
	const slots = new Set(Array.from({ length: pages }, (_, i) => slotOf(t, uobj, i)));
	expect(slots.size).toBe(pages);
	expect(t.k.uvmexp).toMatchObject({ swpginuse: pages, swpgonly: pages, swpgbad: 0, paging: 0 });
	expect(t.board.disks[0]!.counters.sectorsWritten).toBe((pages * PAGE_SIZE) / 512);
	expectAtRest(t, uobj);
}

function expectAtRest(t: TestKernel, uobj: uvm_object): void {
	const sc = t.k.lds[0]!;
	expect([sc.sc_queue, sc.sc_issued, sc.sc_delayed]).toEqual([[], [], []]);
	expect(new Set(sc.sc_free).size).toBe(128);
	expect(t.k.nextcallout).toBe(Number.POSITIVE_INFINITY);
	checkAtRest(t, uobj);
}

describe("a request that fails", () => {
	it("is tried again half a second later", () => {
		const t = kernel();
		const uobj = swappedObject(t, 40);
		const transient = { id: "x", model: "disk.transient", params: { disk: "ld0" } } as const;
		t.disks[0]!.add({ ...transient, life: { count: 3 } });
		const before = now(t);
		expect(t.run(readByte(t, uobj, 7))).toBe(pattern(7));
		expect(now(t) - before).toBeGreaterThan(1.5 * SECOND);
		expect(now(t) - before).toBeLessThan(1.6 * SECOND);
		expectErrors(t, { retries: 3 });
		expectPattern(t, uobj, Array(40).keys());
		expect(t.k.uvmexp.swpgbad).toBe(0);
		expectAtRest(t, uobj);
	});

	it("again and again fails in the end; nothing else does", () => {
		const t = kernel();
		const uobj = swappedObject(t, 40);
		breakSlot(t, uobj, 7);
		const before = now(t);
		expect(t.run(readByte(t, uobj, 7))).toBe(-EIO);
		expect(Math.round((now(t) - before) / SECOND / 0.5)).toBe(5);
		expectErrors(t, { retries: 5, failed: 1 });
		expect(t.board.disks[0]!.counters.errors).toBe(6);
		const others = Array.from({ length: 40 }, (_, i) => i).filter((i) => i !== 7);
		expectPattern(t, uobj, others);
		expect(t.k.uvmexp.swpgbad).toBe(1);
		expectAtRest(t, uobj);
	});

	it("does not hold up others while it waits, and everybody who waits for it is told", () => {
		const t = kernel();
		const uobj = swappedObject(t, 40);
		breakSlot(t, uobj, 7);
		const two = [0, 1].map(() => t.spawn(readByte(t, uobj, 7)));
		const other = t.spawn(readByte(t, uobj, 8));
		try {
			t.settle(SECOND);
		} catch {
			// It is not at rest: that is meant.
		}
		expect(other.done).toBe(true);
		expect(two.map(({ done }) => done)).toEqual([false, false]);
		t.settle();
		expect(two.map(({ result }) => result)).toEqual([-EIO, -EIO]);
		expectErrors(t, { retries: 5, failed: 1 });
		expectAtRest(t, uobj);
	});

	it("and may not be repeated fails at once", () => {
		const t = new TestKernel();
		const uobj = swappedObject(t, 40);
		breakSlot(t, uobj, 7);
		const before = now(t);
		expect(t.run(readByte(t, uobj, 7))).toBe(-EIO);
		expect(now(t) - before).toBeLessThan(SECOND / 10);
		expectErrors(t, { failed: 1 });
	});
});

describe("a device that does not answer", () => {
	it("is reset, and gets what it had once more", () => {
		const t = kernel(rule("disk.hang", { when: { hit: 2 }, life: { count: 4 } }));
		const uobj = t.aobj(100);
		t.run(fill(t, uobj, Array(100).keys()));
		pageout(t);
		expectErrors(t, { retries: 4, timeouts: 1, resets: 1 });
		expect(t.k.msgbuf).toEqual(["ld0: timeout; reset"]);
		expect(now(t)).toBeGreaterThan(10 * SECOND);
		expectWrittenOnce(t, uobj, 100);
		expectPattern(t, uobj, Array(100).keys());
	});

	it("and answers after all, when it has been reset, does not touch anything", () => {
		const late = rule("disk.latency", { when: { hit: 4 }, params: { addNs: 15 * SECOND } });
		const t = kernel(late);
		const uobj = swappedObject(t, 40);
		const { reads } = t.board.disks[0]!.counters;
		const waiters = [0, 1].map(() => t.spawn(readByte(t, uobj, 7)));
		t.settle();
		expect(waiters.map(({ result }) => result)).toEqual([pattern(7), pattern(7)]);
		expectErrors(t, { retries: 1, timeouts: 1, resets: 1 });
		expect(t.board.disks[0]!.counters.reads).toBe(reads + 1);
		// Nothing is left that could complete.
		expect(t.board.disks[0]!.inFlight).toBe(0);
		expect(now(t)).toBeLessThan(11 * SECOND);
		expectAtRest(t, uobj);
	});

	it("ever again is given up: what it holds is lost, what is in memory is not", () => {
		const t = kernel(rule("disk.hang", { when: { hit: 4 } }));
		const uobj = swappedObject(t, 40);
		const resident = t.aobj(10);
		t.run(fill(t, resident, Array(10).keys()));
		const before = now(t);
		const both = [0, 1].map(() => t.spawn(readByte(t, uobj, 7)));
		t.settle();
		expect(both.map(({ result }) => result)).toEqual([-EIO, -EIO]);
		expect(Math.round((now(t) - before) / SECOND)).toBe(60);
		expectErrors(t, { retries: 5, timeouts: 6, resets: 6, failed: 1 });
		expect(t.k.msgbuf).toEqual([
			"ld0: timeout; reset",
			"ld0: timeout, and resets do not help; given up",
		]);
		expect(t.run(readByte(t, uobj, 8))).toBe(-EIO);
		expectPattern(t, resident, Array(10).keys());
		pageout(t);
		expectPattern(t, resident, Array(10).keys());
		expect(now(t) - before).toBeLessThan(61 * SECOND);
		checkAtRest(t, uobj, resident);
	});

	it("is waited for without a limit if there is no timeout", () => {
		const timing = () => new FaultyTiming(new SsdTiming(), [rule("disk.hang")]);
		const t = new TestKernel({ timing });
		const uobj = t.aobj(20);
		t.run(fill(t, uobj, Array(20).keys()));
		pageout(t);
		expectErrors(t, {});
		expect(t.k.lds[0]!.sc_issued.length).toBeGreaterThan(0);
	});
});

it("a lost interrupt is noticed, and the device is not reset", () => {
	const t = kernel();
	const uobj = swappedObject(t, 40);
	const enable = t.k.plic!.base + 0x2080;
	const enabled = t.k.port.load(enable, 4);
	t.k.port.store(enable, 4, 0);
	expect(t.run(readByte(t, uobj, 7))).toBe(pattern(7));
	expectErrors(t, { lostIntrs: 1 });
	expect(t.k.msgbuf).toEqual(["ld0: lost interrupt"]);
	t.k.port.store(enable, 4, enabled);
	const before = now(t);
	expect(t.run(readByte(t, uobj, 8))).toBe(pattern(8));
	expect(now(t) - before).toBeLessThan(SECOND);
	expectAtRest(t, uobj);
});

describe("a controller that fails while pages are written", () => {
	it.each([
		["needs-reset", 2, { resets: 1 }],
		["needs-reset", 5, { resets: 1 }],
		["drop-queue", 2, { resets: 1 }],
		["drop-queue", 5, { resets: 1 }],
	] as const)("%s, request %i: each page is written once", (mode, hit, errors) => {
		const t = kernel(rule("disk.controller", { when: { hit }, params: { mode } }));
		const uobj = t.aobj(100);
		t.run(fill(t, uobj, Array(100).keys()));
		const restore = startPageout(t);
		t.settle();
		restore();
		const { retries, timeouts, ...rest } = t.k.lds[0]!.sc_errors;
		expect(rest).toEqual({ ...errors, lostIntrs: 0, failed: 0 });
		expect(retries).toBeGreaterThan(0);
		expect(timeouts).toBe(mode === "drop-queue" ? 1 : 0);
		expect(t.k.msgbuf).toHaveLength(1);
		expectWrittenOnce(t, uobj, 100);
		expectPattern(t, uobj, Array(100).keys());
	});

	it("for ever: it is given up, and no data are lost", () => {
		const t = kernel(rule("disk.controller", { life: "permanent" }));
		const uobj = t.aobj(100);
		t.run(fill(t, uobj, Array(100).keys()));
		pageout(t);
		expect(t.k.lds[0]!.sc_dead).toBe(true);
		expectPattern(t, uobj, Array(100).keys());
		checkAtRest(t, uobj);
	});

	it("is the same each time", () => {
		const once = (): [number, ld_errors] => {
			const t = kernel(rule("disk.controller", { when: { every: 30 } }));
			const uobj = t.aobj(300);
			t.run(fill(t, uobj, Array(300).keys()));
			expectPattern(t, uobj, Array(300).keys());
			expect(t.k.lds[0]!.sc_errors.resets).toBeGreaterThan(3);
			return [now(t), t.k.lds[0]!.sc_errors];
		};
		expect(once()).toEqual(once());
	});
});
